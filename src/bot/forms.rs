//! The forms: which fields they have, and how a submit reads back.

use crate::accounts::FormInput;
use crate::accounts::request::Prefill;
use crate::discord::custom_id::CustomId;
use crate::discord::{FieldStyle, FormField, Modal, Need};
use crate::domain::request::ANSWER_MAX;
use crate::messages::{self, Lang};

const USERNAME: &str = "username";
const ADDRESS: &str = "address";
const GIVEN: &str = "given";
const FAMILY: &str = "family";
const ANSWER: &str = "answer";
const REASON: &str = "reason";
const NOTE: &str = "note";

/// RFC 5321 section 4.5.3.1.3: a path of 256 octets, two of them brackets.
const ADDRESS_MAX: usize = 254;

/// As long as a legal name may be.
const NAME_MAX: usize = crate::domain::person_name::NAME_MAX;

/// The form for an account, filled with what is known.
pub(super) fn account_form(lang: Lang, custom_id: CustomId, prefill: Prefill) -> Modal {
    let words = messages::form::account_form(lang);
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
        short(USERNAME, words.username, Some(words.username_hint), prefill.username, prefill.max_username),
        short(ADDRESS, words.address, Some(words.address_hint), prefill.address, ADDRESS_MAX),
        short(GIVEN, words.given, None, prefill.given, NAME_MAX),
        short(FAMILY, words.family, None, prefill.family, NAME_MAX),
    ];
    if prefill.asks_reason {
        fields.push(FormField {
            style: FieldStyle::Paragraph,
            ..short(ANSWER, words.answer, Some(words.answer_hint), prefill.answer, ANSWER_MAX)
        });
    }
    Modal { custom_id, title: words.title, fields }
}

/// What was typed into the form for an account.
pub(super) fn read_account_form(field: impl Fn(&str) -> Option<String>) -> FormInput {
    FormInput {
        username: field(USERNAME).unwrap_or_default(),
        address: field(ADDRESS).unwrap_or_default(),
        given: field(GIVEN).unwrap_or_default(),
        family: field(FAMILY).unwrap_or_default(),
        answer: field(ANSWER),
    }
}

/// The form for a denial's reason.
pub(super) fn denial_form(custom_id: CustomId, words: messages::form::DenialWords) -> Modal {
    let reason = FormField {
        name: REASON,
        label: words.reason,
        hint: Some(words.hint),
        value: String::new(),
        style: FieldStyle::Paragraph,
        need: Need::Required,
        max: ANSWER_MAX,
    };
    Modal { custom_id, title: words.title, fields: vec![reason] }
}

/// The form that confirms "not me". Its one field may stay empty: Discord shows no form without a field.
pub(super) fn not_me_form(lang: Lang, custom_id: CustomId) -> Modal {
    let words = messages::mails::not_me_form(lang);
    let note = FormField {
        name: NOTE,
        label: words.note,
        hint: Some(words.hint),
        value: String::new(),
        style: FieldStyle::Paragraph,
        need: Need::Optional,
        max: ANSWER_MAX,
    };
    Modal { custom_id, title: words.title, fields: vec![note] }
}

/// What the person wrote about it, or nothing.
pub(super) fn read_note(field: impl Fn(&str) -> Option<String>) -> String {
    field(NOTE).unwrap_or_default()
}

/// The reason of a denial.
pub(super) fn read_reason(field: impl Fn(&str) -> Option<String>) -> String {
    field(REASON).unwrap_or_default()
}
