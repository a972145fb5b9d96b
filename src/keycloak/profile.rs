//! What a realm's user profile asks of people: attributes and validators that the people of this directory can't meet.
//!
//! Keycloak validates the whole user at each change, also where only `enabled` changes (`UPConfig` of Keycloak's admin API).

use serde_json::Value;

use crate::domain::profile_rules::{FieldRules, Pattern, ProfileRules};

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

/// What the profile accepts in the fields of the form, and the attributes whose pattern can't be run here.
pub(super) fn rules(profile: &Value) -> (ProfileRules, Vec<String>) {
    let mut ignored = Vec::new();
    let mut of = |name: &str| {
        let Some(attribute) = attribute(profile, name).filter(|attribute| !is_closed(attribute)) else {
            return FieldRules::default();
        };
        let length = attribute.pointer("/validations/length");
        let limit = |limit: &str| length.and_then(|length| number(length, limit));
        let pattern = attribute.pointer("/validations/pattern");
        let run = pattern.and_then(pattern_of);
        if pattern.is_some() && run.is_none() {
            ignored.push(name.to_owned());
        }
        FieldRules { min: limit("min").unwrap_or(0), max: limit("max"), patterns: run.into_iter().collect() }
    };
    let rules = ProfileRules {
        username: of("username"),
        address: of("email"),
        given: of("firstName"),
        family: of("lastName"),
    };
    (rules, ignored)
}

/// The attribute with this name.
pub(super) fn attribute<'p>(profile: &'p Value, name: &str) -> Option<&'p Value> {
    let attributes = profile.get("attributes").and_then(Value::as_array);
    attributes
        .into_iter()
        .flatten()
        .find(|attribute| attribute.get("name").and_then(Value::as_str) == Some(name))
}

/// A limit of a validator. Keycloak's console stores numbers as texts.
pub(super) fn number(config: &Value, name: &str) -> Option<usize> {
    match config.get(name)? {
        Value::Number(number) => usize::try_from(number.as_u64()?).ok(),
        Value::String(number) => number.trim().parse().ok(),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    }
}

/// The pattern of a validator `pattern`, if it can be run here.
pub(super) fn pattern_of(config: &Value) -> Option<Pattern> {
    config.get("pattern").and_then(Value::as_str).and_then(Pattern::of_java)
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
    // The pattern of the Discord id is Accolade's own, and the form runs those of its fields if it can.
    let is_respected = |(validator, config): &(&String, &Value)| {
        RESPECTED.contains(&validator.as_str())
            && (*validator != "pattern" || name == "discordId" || pattern_of(config).is_some())
    };
    let validations = attribute.get("validations").and_then(Value::as_object);
    let unmet = validations.into_iter().flatten().filter(|validation| !is_respected(validation));
    let unmet: Vec<&str> = unmet.map(|(name, _)| name.as_str()).collect();
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

    #[test]
    fn the_form_learns_lengths_and_patterns_and_nothing_of_closed_fields() {
        let pattern = |pattern: &str| json!({"pattern": {"pattern": pattern}});
        let profile = json!({"attributes": [
            {"name": "username", "validations": {"length": {"min": "3", "max": 12}}},
            {"name": "firstName", "validations": pattern("(?=A).*")},
            {"name": "lastName", "validations": pattern("[A-Za-z]+")},
            {"name": "email", "permissions": {"edit": []}, "validations": {"length": {"max": 5}}},
        ]});
        let (rules, ignored) = rules(&profile);
        assert_eq!((rules.username.min, rules.username.max), (3, Some(12)));
        assert_eq!(ignored, ["firstName"]);
        assert_eq!(rules.given.broken_by("anybody!"), None);
        assert!(rules.family.broken_by("O'Hara").is_some());
        assert_eq!(rules.address.broken_by("ada@example.org"), None);
        assert_eq!(unmet_demands(&profile), ["firstName has the validator pattern"]);
    }
}
