//! Comparing and merging JSON documents: only the fields that are wanted count, everything else stays as it is.

use serde_json::Value;

/// A field that is not as it is wanted.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Difference {
    /// Where, as `config.usersDn`.
    place: String,
    before: Value,
    after: Value,
}

impl Difference {
    /// The field, what stands there, and what comes; a change that opens something which was shut says so.
    pub(super) fn shown(&self) -> String {
        if self.place.contains("Credential") {
            return self.place.clone();
        }
        let loosens = if self.loosens() { " (this loosens it)" } else { "" };
        [&self.place, " ", &short(&self.before), " -> ", &short(&self.after), loosens].concat()
    }

    /// Whether somebody may have shut on purpose what the change opens. A field that was never set was not.
    fn loosens(&self) -> bool {
        let (before, after) = (short(&self.before), short(&self.after));
        let field = self.place.rsplit('.').next().unwrap_or(&self.place);
        match field {
            "enabled" | "standardFlowEnabled" | "serviceAccountsEnabled" | "importEnabled" => {
                before == "false"
            }
            "startTls" => before == "true",
            "connectionUrl" => before.starts_with("ldaps:") && !after.starts_with("ldaps:"),
            "editMode" => !self.before.is_null(),
            // Of a permission: more may be done, or with more people.
            "scopes" | "resources" => {
                let had = self.before.as_array();
                let gets = self.after.as_array().into_iter().flatten();
                had.is_some_and(|had| gets.into_iter().any(|one| !had.contains(one)))
            }
            _ => false,
        }
    }
}

/// One value in a line of text: a list of one is that one.
fn short(value: &Value) -> String {
    match value {
        Value::Null => "(nothing)".to_owned(),
        Value::String(text) => text.clone(),
        Value::Array(values) => values.iter().map(short).collect::<Vec<_>>().join(" "),
        Value::Bool(_) | Value::Number(_) | Value::Object(_) => value.to_string(),
    }
}

/// The wanted fields that are missing or different.
pub(super) fn differences(current: &Value, wanted: &Value) -> Vec<Difference> {
    let mut found = Vec::new();
    collect(current, wanted, "", &mut found);
    found
}

fn collect(current: &Value, wanted: &Value, place: &str, found: &mut Vec<Difference>) {
    let Value::Object(fields) = wanted else {
        if current != wanted {
            found.push(Difference {
                place: place.to_owned(),
                before: current.clone(),
                after: wanted.clone(),
            });
        }
        return;
    };
    for (name, value) in fields {
        let inner = if place.is_empty() { name.clone() } else { [place, ".", name].concat() };
        collect(current.get(name).unwrap_or(&Value::Null), value, &inner, found);
    }
}

/// `current` with the wanted fields in it.
pub(super) fn merged(mut current: Value, wanted: &Value) -> Value {
    merge_into(&mut current, wanted);
    current
}

fn merge_into(current: &mut Value, wanted: &Value) {
    match (current, wanted) {
        (Value::Object(current), Value::Object(wanted)) => {
            for (name, value) in wanted {
                merge_into(current.entry(name.clone()).or_insert(Value::Null), value);
            }
        }
        (current, wanted) => *current = wanted.clone(),
    }
}

/// The id of a document.
pub(super) fn id_of(document: &Value) -> Option<String> {
    document.get("id").and_then(Value::as_str).map(ToOwned::to_owned)
}

/// The rows of a list; an answer that is none has none.
pub(super) fn rows(list: Option<Value>) -> Vec<Value> {
    match list {
        Some(Value::Array(rows)) => rows,
        Some(_) | None => Vec::new(),
    }
}

/// Whether the field holds this text.
pub(super) fn says(document: &Value, field: &str, text: &str) -> bool {
    document.get(field).and_then(Value::as_str) == Some(text)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_wanted_fields_are_compared_and_changed() {
        let current = json!({"a": 1, "config": {"x": ["1"], "secret": ["**"]}, "other": true});
        let wanted = json!({"a": 2, "config": {"x": ["1"], "y": ["2"]}});
        let shown: Vec<String> = differences(&current, &wanted).iter().map(Difference::shown).collect();
        assert_eq!(shown, ["a 1 -> 2", "config.y (nothing) -> 2"]);
        let after = merged(current, &wanted);
        assert_eq!(
            after,
            json!({"a": 2, "config": {"x": ["1"], "y": ["2"], "secret": ["**"]}, "other": true})
        );
        assert!(differences(&after, &wanted).is_empty());
    }

    #[test]
    fn what_opens_something_shut_says_so_and_a_password_is_never_shown() {
        let shown = |current: Value, wanted: Value| -> Vec<String> {
            differences(&current, &wanted).iter().map(Difference::shown).collect()
        };
        let edit = |mode: &str| json!({"config": {"editMode": [mode]}});
        assert_eq!(
            shown(edit("READ_ONLY"), edit("WRITABLE")),
            ["config.editMode READ_ONLY -> WRITABLE (this loosens it)"]
        );
        assert_eq!(
            shown(json!({"enabled": false}), json!({"enabled": true})),
            ["enabled false -> true (this loosens it)"]
        );
        assert_eq!(shown(json!({"enabled": true}), json!({"enabled": false})), ["enabled true -> false"]);
        let url = |url: &str| json!({"config": {"connectionUrl": [url]}});
        assert!(shown(url("ldaps://a"), url("ldap://a"))[0].ends_with("(this loosens it)"));
        let secret = |text: &str| json!({"config": {"bindCredential": [text]}});
        assert_eq!(shown(secret("**"), secret("canary")), ["config.bindCredential"]);
    }
}
