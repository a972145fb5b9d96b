//! The form: labels, hints, and what is wrong with what was typed.

use super::quote::code_span;
use super::{Lang, lines, say, say_with};
use crate::domain::mail_address::IllegalMailAddress;
use crate::domain::person_name::IllegalPersonName;
use crate::domain::request::ANSWER_MAX;
use crate::domain::username::IllegalUsername;

/// Title, labels and hints of the form for an account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FormWords {
    /// The title.
    pub title: String,
    /// Label of the user name.
    pub username: String,
    /// Hint of the user name.
    pub username_hint: String,
    /// Label of the address.
    pub address: String,
    /// Hint of the address.
    pub address_hint: String,
    /// Label of the given name.
    pub given: String,
    /// Label of the family name.
    pub family: String,
    /// Label of the reason.
    pub answer: String,
    /// Hint of the reason.
    pub answer_hint: String,
}

/// The form for an account.
pub fn account_form(lang: Lang) -> FormWords {
    FormWords {
        title: say(lang, "form-title"),
        username: say(lang, "form-username"),
        username_hint: say(lang, "form-username-hint"),
        address: say(lang, "form-address"),
        address_hint: say(lang, "form-address-hint"),
        given: say(lang, "form-given"),
        family: say(lang, "form-family"),
        answer: say(lang, "form-answer"),
        answer_hint: say(lang, "form-answer-hint"),
    }
}

/// Title, label and hint of the form for a denial's reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DenialWords {
    /// The title.
    pub title: String,
    /// Label of the reason.
    pub reason: String,
    /// Hint: who reads it.
    pub hint: String,
}

/// The form for a denial that the requester is told.
pub fn denial_form(lang: Lang) -> DenialWords {
    DenialWords {
        title: say(lang, "denial-title"),
        reason: say(lang, "denial-reason"),
        hint: say(lang, "denial-reason-hint"),
    }
}

/// The form for a denial that the requester is not told.
pub fn quiet_denial_form(lang: Lang) -> DenialWords {
    DenialWords {
        title: say(lang, "denial-quiet-title"),
        reason: say(lang, "denial-reason"),
        hint: say(lang, "denial-quiet-reason-hint"),
    }
}

/// Which form was faulty.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Faulty {
    /// A first one: nothing was kept.
    First,
    /// A changed one: the draft stays as it was.
    Change,
}

/// All faults below each other, with what to do.
pub fn faults(lang: Lang, which: Faulty, faults: impl IntoIterator<Item = String>) -> String {
    let (head, again) = match which {
        Faulty::First => (say(lang, "form-faults"), say(lang, "form-again")),
        Faulty::Change => (say(lang, "form-change-faults"), say(lang, "form-change-again")),
    };
    let listed = faults.into_iter().map(|fault| ["- ", &fault].concat());
    lines([head].into_iter().chain(listed).chain([again]))
}

/// What was typed into a form that cannot be used, so that nothing has to be thought up again: label and value, as typed.
pub fn typed_back(lang: Lang, fields: &[(String, &str)]) -> String {
    let typed = fields.iter().filter(|(_, value)| !value.trim().is_empty());
    let listed = typed.map(|(label, value)| {
        let mark = if label.ends_with('?') { " " } else { ": " };
        [label, mark, &code_span(value, ANSWER_MAX)].concat()
    });
    lines([say(lang, "form-typed")].into_iter().chain(listed))
}

/// A fault of the user name's form.
pub fn username_fault(lang: Lang, rule: IllegalUsername, max: usize) -> String {
    match rule {
        IllegalUsername::Empty => say(lang, "username-empty"),
        IllegalUsername::TooShort => say(lang, "username-too-short"),
        IllegalUsername::TooLong => say_with(lang, "username-too-long", [("max", max.into())]),
        IllegalUsername::Character => say(lang, "username-character"),
        IllegalUsername::Beginning => say(lang, "username-beginning"),
        IllegalUsername::End => say(lang, "username-end"),
        IllegalUsername::DoubleDot => say(lang, "username-double-dot"),
    }
}

/// The user name is reserved, taken or looks like a taken one; nobody learns which.
pub fn username_unavailable(lang: Lang) -> String {
    say(lang, "username-unavailable")
}

/// A fault of the address.
pub fn address_fault(lang: Lang, rule: IllegalMailAddress) -> String {
    match rule {
        IllegalMailAddress::Empty => say(lang, "address-empty"),
        IllegalMailAddress::TooLong => say(lang, "address-too-long"),
        IllegalMailAddress::NotOneAddress => say(lang, "address-not-one"),
        IllegalMailAddress::LocalPart => say(lang, "address-local"),
        IllegalMailAddress::Domain => say(lang, "address-domain"),
    }
}

/// A fault of the given name.
pub fn given_fault(lang: Lang, rule: IllegalPersonName) -> String {
    match rule {
        IllegalPersonName::Empty => say(lang, "given-empty"),
        IllegalPersonName::TooLong => say(lang, "given-too-long"),
        IllegalPersonName::Character => say(lang, "given-character"),
        IllegalPersonName::LooksLikeAddress => say(lang, "given-address"),
    }
}

/// A fault of the family name.
pub fn family_fault(lang: Lang, rule: IllegalPersonName) -> String {
    match rule {
        IllegalPersonName::Empty => say(lang, "family-empty"),
        IllegalPersonName::TooLong => say(lang, "family-too-long"),
        IllegalPersonName::Character => say(lang, "family-character"),
        IllegalPersonName::LooksLikeAddress => say(lang, "family-address"),
    }
}

/// The rule asks for a reason and none was typed.
pub fn answer_missing(lang: Lang) -> String {
    say(lang, "answer-missing")
}
