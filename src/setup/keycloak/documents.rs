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
    fn shown(&self) -> String {
        if self.field.contains("Credential") {
            return self.field.clone();
        }
        let loosens = if self.loosens() { " (this loosens it)" } else { "" };
        [&self.field, " ", &short(&self.before), " -> ", &short(&self.after), loosens].concat()
    }

    /// Whether the change makes something less strict that an operator may have set on purpose. An unset field was not.
    fn loosens(&self) -> bool {
        let (before, after) = (short(&self.before), short(&self.after));
        let field = self.field.rsplit('.').next().unwrap_or(&self.field);
        match field {
            "enabled" | "standardFlowEnabled" | "serviceAccountsEnabled" | "importEnabled" => {
                before == "false"
            }
            "startTls" => before == "true",
            "connectionUrl" => before.starts_with("ldaps:") && !after.starts_with("ldaps:"),
            "editMode" => !self.before.is_null(),
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

/// The changes as one line.
pub(super) fn shown(changes: &[FieldChange]) -> String {
    changes.iter().map(FieldChange::shown).collect::<Vec<_>>().join(", ")
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

    #[test]
    fn only_wanted_fields_are_compared_and_changed() {
        let current = json!({"a": 1, "config": {"x": ["1"], "secret": ["**"]}, "other": true});
        let wanted = json!({"a": 2, "config": {"x": ["1"], "y": ["2"]}});
        assert_eq!(shown(&changes_to(&current, &wanted)), "a 1 -> 2, config.y (nothing) -> 2");
        let after = merged(current, &wanted);
        assert_eq!(
            after,
            json!({"a": 2, "config": {"x": ["1"], "y": ["2"], "secret": ["**"]}, "other": true})
        );
        assert!(changes_to(&after, &wanted).is_empty());
    }

    #[test]
    fn what_opens_something_shut_says_so_and_a_password_is_never_shown() {
        let shown = |current: Value, wanted: Value| shown(&changes_to(&current, &wanted));
        let edit = |mode: &str| json!({"config": {"editMode": [mode]}});
        assert_eq!(
            shown(edit("READ_ONLY"), edit("WRITABLE")),
            "config.editMode READ_ONLY -> WRITABLE (this loosens it)"
        );
        assert_eq!(
            shown(json!({"enabled": false}), json!({"enabled": true})),
            "enabled false -> true (this loosens it)"
        );
        assert_eq!(shown(json!({"enabled": true}), json!({"enabled": false})), "enabled true -> false");
        let url = |url: &str| json!({"config": {"connectionUrl": [url]}});
        assert!(shown(url("ldaps://a"), url("ldap://a")).ends_with("(this loosens it)"));
        let secret = |text: &str| json!({"config": {"bindCredential": [text]}});
        assert_eq!(shown(secret("**"), secret("canary")), "config.bindCredential");
    }
}
