//! Compares and merges JSON documents. Only the wanted fields count; all others stay as they are.

use serde_json::Value;

/// A field whose value must change.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct FieldChange {
    /// The path of the field, such as `config.usersDn`.
    field: String,
    before: Value,
    after: Value,
}

impl FieldChange {
    /// The field with its old and new value. A change that makes something less strict says so.
    pub(super) fn shown(&self) -> String {
        if self.field.contains("Credential") {
            return self.field.clone();
        }
        let loosens = if self.loosens() { " (this loosens it)" } else { "" };
        [&self.field, " ", &short(&self.before), " -> ", &short(&self.after), loosens].concat()
    }

    /// Whether the change makes something less strict that an operator may have set on purpose. An unset field was not.
    pub(super) fn loosens(&self) -> bool {
        let before = short(&self.before);
        let field = self.field.rsplit('.').next().unwrap_or(&self.field);
        match field {
            "enabled" | "standardFlowEnabled" | "serviceAccountsEnabled" => before == "false",
            // Of a permission: it would allow more actions, or more objects.
            "scopes" | "resources" => {
                let had = self.before.as_array();
                let gets = self.after.as_array().into_iter().flatten();
                had.is_some_and(|had| gets.into_iter().any(|one| !had.contains(one)))
            }
            _ => false,
        }
    }
}

/// A value as text. A list of one is shown as its element.
fn short(value: &Value) -> String {
    match value {
        Value::Null => "(nothing)".to_owned(),
        Value::String(text) => text.clone(),
        Value::Array(values) => values.iter().map(short).collect::<Vec<_>>().join(" "),
        Value::Bool(_) | Value::Number(_) | Value::Object(_) => value.to_string(),
    }
}

/// The wanted fields that are missing or different.
pub(super) fn changes_to(current: &Value, wanted: &Value) -> Vec<FieldChange> {
    let mut found = Vec::new();
    collect(current, wanted, "", &mut found);
    found
}

fn collect(current: &Value, wanted: &Value, field: &str, found: &mut Vec<FieldChange>) {
    let Value::Object(fields) = wanted else {
        if current != wanted {
            found.push(FieldChange {
                field: field.to_owned(),
                before: current.clone(),
                after: wanted.clone(),
            });
        }
        return;
    };
    for (name, value) in fields {
        let inner = if field.is_empty() { name.clone() } else { [field, ".", name].concat() };
        collect(current.get(name).unwrap_or(&Value::Null), value, &inner, found);
    }
}

/// `current` with the wanted fields.
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

/// The elements of a list. Anything else has none.
pub(super) fn rows(list: Option<Value>) -> Vec<Value> {
    match list {
        Some(Value::Array(rows)) => rows,
        Some(_) | None => Vec::new(),
    }
}

/// Whether the field has this text.
pub(super) fn says(document: &Value, field: &str, text: &str) -> bool {
    document.get(field).and_then(Value::as_str) == Some(text)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn shown(current: &Value, wanted: &Value) -> Vec<String> {
        changes_to(current, wanted).iter().map(FieldChange::shown).collect()
    }

    #[test]
    fn only_wanted_fields_are_compared_and_changed() {
        let current = json!({"a": 1, "config": {"x": ["1"], "secret": ["**"]}, "other": true});
        let wanted = json!({"a": 2, "config": {"x": ["1"], "y": ["2"]}});
        assert_eq!(shown(&current, &wanted), ["a 1 -> 2", "config.y (nothing) -> 2"]);
        let after = merged(current, &wanted);
        assert_eq!(
            after,
            json!({"a": 2, "config": {"x": ["1"], "y": ["2"], "secret": ["**"]}, "other": true})
        );
        assert!(changes_to(&after, &wanted).is_empty());
    }

    #[test]
    fn what_opens_something_shut_says_so_and_a_password_is_never_shown() {
        let enabled = |is: bool| json!({"enabled": is});
        assert_eq!(shown(&enabled(false), &enabled(true)), ["enabled false -> true (this loosens it)"]);
        assert_eq!(shown(&enabled(true), &enabled(false)), ["enabled true -> false"]);
        let scopes = |names: &[&str]| json!({"scopes": names});
        assert_eq!(
            shown(&scopes(&["view"]), &scopes(&["view", "manage"])),
            ["scopes view -> view manage (this loosens it)"]
        );
        let secret = |text: &str| json!({"config": {"bindCredential": [text]}});
        assert_eq!(shown(&secret("**"), &secret("canary")), ["config.bindCredential"]);
    }
}
