//! What a realm's user profile asks of people: attributes and validators that the people of this directory can't meet.
//!
//! Keycloak validates the whole user at each change, also where only `enabled` changes (`UPConfig` of Keycloak's admin API).

use serde_json::Value;

/// The attributes that every account of this community has.
const OURS: [&str; 5] = ["username", "firstName", "lastName", "email", "discordId"];
/// The validators that Accolade's own form respects.
const RESPECTED: [&str; 6] = [
    "length",
    "person-name-prohibited-characters",
    "email",
    "username-prohibited-characters",
    "up-username-not-idn-homograph",
    "pattern",
];

/// The fields that `setup keycloak --close-profile` closes.
pub const CLOSED: [&str; 4] = ["firstName", "lastName", "email", "discordId"];

/// What people can't meet, one text for each attribute: the name, and what it asks.
pub fn unmet_demands(profile: &Value) -> Vec<String> {
    let attributes = profile.get("attributes").and_then(Value::as_array);
    attributes.into_iter().flatten().filter(|attribute| !is_closed(attribute)).filter_map(demand_of).collect()
}

/// Whether nobody may edit the attribute. Keycloak doesn't validate it then.
fn is_closed(attribute: &Value) -> bool {
    attribute.pointer("/permissions/edit").and_then(Value::as_array).is_some_and(Vec::is_empty)
}

fn demand_of(attribute: &Value) -> Option<String> {
    let name = attribute.get("name")?.as_str()?;
    if !OURS.contains(&name) {
        return is_required_of_admins(attribute).then(|| [name, " is required"].concat());
    }
    // The pattern of the Discord id is Accolade's own.
    let is_respected =
        |validator: &str| RESPECTED.contains(&validator) && (validator != "pattern" || name == "discordId");
    let validations = attribute.get("validations").and_then(Value::as_object);
    let unmet: Vec<&str> = validations
        .into_iter()
        .flatten()
        .map(|(name, _)| name.as_str())
        .filter(|v| !is_respected(v))
        .collect();
    (!unmet.is_empty()).then(|| [name, " has the validator ", &unmet.join(", ")].concat())
}

/// Whether a change by the service client fails without a value. Without roles the attribute is required of everyone.
fn is_required_of_admins(attribute: &Value) -> bool {
    let Some(required) = attribute.get("required").filter(|required| !required.is_null()) else {
        return false;
    };
    let roles = required.get("roles").and_then(Value::as_array);
    roles.is_none_or(|roles| roles.is_empty() || roles.iter().any(|role| role == "admin"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_people_cannot_meet_is_named() {
        let profile = json!({"attributes": [
            {"name": "username", "validations": {"length": {}, "up-username-not-idn-homograph": {}}},
            {"name": "firstName", "required": {"roles": ["user"]}, "validations": {"length": {}}},
            {"name": "lastName", "validations": {"person-name-prohibited-characters": {}, "pattern": {}}},
            {"name": "discordId", "validations": {"pattern": {}}},
            {"name": "phone", "required": {"roles": ["admin", "user"]}},
            {"name": "nick", "required": {}},
            {"name": "town", "required": {"roles": ["user"]}},
            {"name": "club"},
            {"name": "shut", "required": {}, "permissions": {"edit": []}},
        ]});
        assert_eq!(
            unmet_demands(&profile),
            ["lastName has the validator pattern", "phone is required", "nick is required"]
        );
        assert_eq!(unmet_demands(&json!({})), Vec::<String>::new());
    }
}
