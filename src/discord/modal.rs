//! Modals (forms). They use action rows with text inputs, because serenity 0.12 drops the values of newer components.

use serde_json::{Value, json};

use super::custom_id::CustomId;
use super::truncated::cut;

/// One line or many.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FieldStyle {
    /// One line.
    Short,
    /// Several lines.
    Paragraph,
}

/// Whether a field must be filled in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// Discord's client doesn't submit the form without it.
    Required,
    /// It may stay empty.
    Optional,
}

/// One field.
#[derive(Clone, PartialEq, Eq)]
pub struct FormField {
    /// Its name in the submitted form.
    pub name: &'static str,
    /// Its label, at most 45 characters.
    pub label: String,
    /// The placeholder while it is empty, at most 100 characters.
    pub hint: Option<String>,
    /// The value that it is filled with when the form opens.
    pub value: String,
    /// One line or many.
    pub style: FieldStyle,
    /// Whether it must be filled in.
    pub need: Need,
    /// The maximum number of characters.
    pub max: usize,
}

/// A form: at most five fields.
#[derive(Clone, PartialEq, Eq)]
pub struct Modal {
    /// The `custom_id` of the submitted form.
    pub custom_id: CustomId,
    /// At most 45 characters.
    pub title: String,
    /// At most five.
    pub fields: Vec<FormField>,
}

/// Discord's limits (Modal and Text Input), in characters.
const TITLE_MAX: usize = 45;
const LABEL_MAX: usize = 45;
const HINT_MAX: usize = 100;
const VALUE_MAX: usize = 4000;
const FIELDS_MAX: usize = 5;

impl Modal {
    pub(super) fn body(&self) -> Value {
        let rows: Vec<Value> = self.fields.iter().take(FIELDS_MAX).map(row).collect();
        json!({
            "custom_id": self.custom_id.to_string(),
            "title": cut(&self.title, TITLE_MAX),
            "components": rows,
        })
    }
}

fn row(field: &FormField) -> Value {
    let max = field.max.clamp(1, VALUE_MAX);
    let mut input = json!({
        "type": 4,
        "custom_id": field.name,
        "style": match field.style { FieldStyle::Short => 1, FieldStyle::Paragraph => 2 },
        "label": cut(&field.label, LABEL_MAX),
        "required": field.need == Need::Required,
        "max_length": max,
    });
    if !field.value.is_empty() {
        // Discord rejects a form with a value that is longer than the limit of its field.
        input["value"] = field.value.chars().take(max).collect::<String>().into();
    }
    if let Some(hint) = &field.hint {
        input["placeholder"] = cut(hint, HINT_MAX).into();
    }
    json!({ "type": 1, "components": [input] })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::custom_id::Verb;
    use super::*;

    #[test]
    fn a_form_never_breaks_discords_limits() {
        let field = FormField {
            name: "username",
            label: "l".repeat(60),
            hint: Some("h".repeat(200)),
            value: "v".repeat(60),
            style: FieldStyle::Short,
            need: Need::Required,
            max: 20,
        };
        let modal = Modal {
            custom_id: CustomId::without_row(Verb::Form),
            title: "t".repeat(60),
            fields: vec![field; 6],
        };
        let body = modal.body();
        assert_eq!(body["components"].as_array().map(Vec::len), Some(5));
        let input = &body["components"][0]["components"][0];
        let length = |value: &Value| value.as_str().map(|text| text.chars().count());
        assert_eq!(length(&body["title"]), Some(45));
        assert_eq!(length(&input["label"]), Some(45));
        assert_eq!(length(&input["placeholder"]), Some(100));
        assert_eq!(length(&input["value"]), Some(20));
    }

    /// Label, hint, value, whether it is short, and the maximum length. This is a tuple because a field hides
    /// what is typed in it.
    fn any_field() -> impl Strategy<Value = (String, Option<String>, String, bool, usize)> {
        let hint = proptest::option::of("\\PC{0,150}");
        (".{0,80}", hint, "(?s).{0,80}", any::<bool>(), 0_usize..5000)
    }

    proptest! {
        #[test]
        fn any_text_in_a_form_stays_within_discords_limits_and_is_not_changed_in_between(
            title in ".{0,80}", fields in proptest::collection::vec(any_field(), 1..8),
        ) {
            let fields = fields.into_iter().map(|(label, hint, value, is_short, max)| FormField {
                name: "reason",
                label,
                hint,
                value,
                style: if is_short { FieldStyle::Short } else { FieldStyle::Paragraph },
                need: if is_short { Need::Required } else { Need::Optional },
                max,
            });
            let modal = Modal { custom_id: CustomId::without_row(Verb::Form), title, fields: fields.collect() };
            let body = modal.body();
            let length = |value: &Value| value.as_str().map_or(0, |text| text.chars().count());
            prop_assert!(length(&body["title"]) <= TITLE_MAX);
            let rows = body["components"].as_array().map_or(&[][..], Vec::as_slice);
            prop_assert_eq!(rows.len(), modal.fields.len().min(FIELDS_MAX));
            for (row, field) in rows.iter().zip(&modal.fields) {
                let input = &row["components"][0];
                let max = input["max_length"].as_u64().unwrap_or_default();
                prop_assert!((1..=4000).contains(&max));
                prop_assert!(length(&input["label"]) <= LABEL_MAX && length(&input["placeholder"]) <= HINT_MAX);
                let shown = input["value"].as_str().unwrap_or_default();
                prop_assert!(shown.chars().count() as u64 <= max && field.value.starts_with(shown));
                prop_assert_eq!(shown == field.value, field.value.chars().count() as u64 <= max);
            }
        }
    }
}
