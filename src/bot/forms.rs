//! The forms: their fields, and how a submitted form is read.

use crate::accounts::FormInput;
use crate::accounts::request::Prefill;
use crate::discord::custom_id::CustomId;
use crate::discord::{FieldStyle, FormField, Modal, Need};
use crate::domain::lang::Lang;
use crate::domain::request::ANSWER_MAX;
use crate::messages;

const USERNAME: &str = "username";
const ADDRESS: &str = "address";
const GIVEN: &str = "given";
const FAMILY: &str = "family";
const ANSWER: &str = "answer";
const REASON: &str = "reason";
const NOTE: &str = "note";

/// RFC 5321 section 4.5.3.1.3: a path of 256 octets, two of them brackets.
const ADDRESS_MAX: usize = 254;

/// The maximum length of a legal name.
const NAME_MAX: usize = crate::domain::person_name::NAME_MAX;

/// The request form, filled with known values.
pub(super) fn account_form(lang: Lang, custom_id: CustomId, prefill: Prefill) -> Modal {
    let texts = messages::form::account_form(lang);
    let short = |name, label, hint, value, max| FormField {
        name,
        label,
        hint,
        value,
        style: FieldStyle::Short,
        need: Need::Required,
        max,
    };
    let mut fields = vec![
        short(USERNAME, texts.username, Some(texts.username_hint), prefill.username, prefill.max_username),
        short(ADDRESS, texts.address, Some(texts.address_hint), prefill.address, ADDRESS_MAX),
        short(GIVEN, texts.given, None, prefill.given, NAME_MAX),
        short(FAMILY, texts.family, None, prefill.family, NAME_MAX),
    ];
    if prefill.asks_reason {
        fields.push(FormField {
            style: FieldStyle::Paragraph,
            ..short(ANSWER, texts.answer, Some(texts.answer_hint), prefill.answer, ANSWER_MAX)
        });
    }
    Modal { custom_id, title: texts.title, fields }
}

/// Reads a submitted request form.
pub(super) fn read_account_form(field: impl Fn(&str) -> Option<String>) -> FormInput {
    FormInput {
        username: field(USERNAME).unwrap_or_default(),
        address: field(ADDRESS).unwrap_or_default(),
        given: field(GIVEN).unwrap_or_default(),
        family: field(FAMILY).unwrap_or_default(),
        answer: field(ANSWER),
    }
}

/// The form for the reason of a denial.
pub(super) fn denial_form(custom_id: CustomId, texts: messages::form::DenialTexts) -> Modal {
    let reason = FormField {
        name: REASON,
        label: texts.reason,
        hint: Some(texts.hint),
        value: String::new(),
        style: FieldStyle::Paragraph,
        need: Need::Required,
        max: ANSWER_MAX,
    };
    Modal { custom_id, title: texts.title, fields: vec![reason] }
}

/// The form that confirms "not me". Its only field is optional, but Discord shows no form without a field.
pub(super) fn not_me_form(lang: Lang, custom_id: CustomId) -> Modal {
    let texts = messages::mails::not_me_form(lang);
    let note = FormField {
        name: NOTE,
        label: texts.note,
        hint: Some(texts.hint),
        value: String::new(),
        style: FieldStyle::Paragraph,
        need: Need::Optional,
        max: ANSWER_MAX,
    };
    Modal { custom_id, title: texts.title, fields: vec![note] }
}

/// Reads the note of a confirmed "not me"; empty if there is none.
pub(super) fn read_note(field: impl Fn(&str) -> Option<String>) -> String {
    field(NOTE).unwrap_or_default()
}

/// Reads the reason of a denial.
pub(super) fn read_reason(field: impl Fn(&str) -> Option<String>) -> String {
    field(REASON).unwrap_or_default()
}
