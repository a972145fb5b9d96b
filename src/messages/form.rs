//! The form: its labels and hints, and the errors in what was typed.

use super::quote::code_span;
use super::{lines, relative, tr};
use crate::domain::ids::Timestamp;
use crate::domain::lang::Lang;
use crate::domain::mail_address::{IllegalMailAddress, LONGEST, LONGEST_LOCAL};
use crate::domain::person_name::{IllegalPersonName, is_shown};
use crate::domain::profile_rules::RealmRule;
use crate::domain::request::{ANSWER_MAX, Faulty};
use crate::domain::username::IllegalUsername;

/// Title, labels and hints of the form for an account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FormTexts {
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
pub fn account_form(lang: Lang) -> FormTexts {
    FormTexts {
        title: tr!(lang, "form-title"),
        username: tr!(lang, "form-username"),
        username_hint: tr!(lang, "form-username-hint"),
        address: tr!(lang, "form-address"),
        address_hint: tr!(lang, "form-address-hint"),
        given: tr!(lang, "form-given"),
        family: tr!(lang, "form-family"),
        answer: tr!(lang, "form-answer"),
        answer_hint: tr!(lang, "form-answer-hint"),
    }
}

/// Title, label and hint of the form for a denial's reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DenialTexts {
    /// The title.
    pub title: String,
    /// Label of the reason.
    pub reason: String,
    /// Hint: who reads it.
    pub hint: String,
}

/// The form for a denial that the requester is told.
pub fn denial_form(lang: Lang) -> DenialTexts {
    DenialTexts {
        title: tr!(lang, "denial-title"),
        reason: tr!(lang, "denial-reason"),
        hint: tr!(lang, "denial-reason-hint"),
    }
}

/// The form for a denial that the requester is not told.
pub fn quiet_denial_form(lang: Lang) -> DenialTexts {
    DenialTexts {
        title: tr!(lang, "denial-quiet-title"),
        reason: tr!(lang, "denial-reason"),
        hint: tr!(lang, "denial-quiet-reason-hint"),
    }
}

/// All errors of a form as a list, with the next step. `kept_until` says until when what was typed is kept, if it is.
pub fn faults(
    lang: Lang,
    (which, kept_until): (Faulty, Option<Timestamp>),
    faults: impl IntoIterator<Item = String>,
) -> String {
    let (head, again) = match (which, kept_until.map(relative)) {
        (Faulty::First, Some(until)) => (tr!(lang, "form-faults"), tr!(lang, "form-correct", until = until)),
        (Faulty::First, None) => (tr!(lang, "form-faults"), tr!(lang, "form-again")),
        (Faulty::Change, Some(until)) => {
            (tr!(lang, "form-change-faults"), tr!(lang, "form-change-correct", until = until))
        }
        (Faulty::Change, None) => (tr!(lang, "form-change-faults"), tr!(lang, "form-change-again")),
    };
    let listed = faults.into_iter().map(|fault| ["- ", &fault].concat());
    lines([head].into_iter().chain(listed).chain([again]))
}

/// The values of a form that cannot be used, as typed with their labels, so that the person can copy them.
pub fn typed_back(lang: Lang, fields: &[(String, &str)]) -> String {
    let typed = fields.iter().filter(|(_, value)| !value.trim().is_empty());
    let listed = typed.map(|(label, value)| {
        let mark = if label.ends_with('?') { " " } else { ": " };
        [label, mark, &code_span(value, ANSWER_MAX)].concat()
    });
    lines([tr!(lang, "form-typed")].into_iter().chain(listed))
}

/// An error in the user name.
pub fn username_fault(lang: Lang, rule: IllegalUsername, max: usize) -> String {
    match rule {
        IllegalUsername::Empty => tr!(lang, "username-empty"),
        IllegalUsername::TooShort => tr!(lang, "username-too-short"),
        IllegalUsername::TooLong => tr!(lang, "username-too-long", max = max),
        IllegalUsername::Character(c) => tr!(lang, "username-character", character = named(lang, c)),
        IllegalUsername::Beginning => tr!(lang, "username-beginning"),
        IllegalUsername::End => tr!(lang, "username-end"),
        IllegalUsername::DoubleDot => tr!(lang, "username-double-dot"),
    }
}

/// An error in the address.
pub fn address_fault(lang: Lang, rule: IllegalMailAddress) -> String {
    match rule {
        IllegalMailAddress::Empty => tr!(lang, "address-empty"),
        IllegalMailAddress::TooLong => tr!(lang, "address-too-long", max = LONGEST),
        IllegalMailAddress::NotOneAddress => tr!(lang, "address-not-one"),
        IllegalMailAddress::Separator(c) => {
            tr!(lang, "address-separator", character = named(lang, c))
        }
        IllegalMailAddress::LocalEmpty => tr!(lang, "address-local-empty"),
        IllegalMailAddress::LocalTooLong => tr!(lang, "address-local-too-long", max = LONGEST_LOCAL),
        IllegalMailAddress::LocalCharacter(c) => {
            tr!(lang, "address-local-character", character = named(lang, c))
        }
        IllegalMailAddress::LocalDot => tr!(lang, "address-local-dot"),
        IllegalMailAddress::DomainEmpty => tr!(lang, "address-domain-empty"),
        IllegalMailAddress::DomainCharacter(c) => {
            tr!(lang, "address-domain-character", character = named(lang, c))
        }
        IllegalMailAddress::DomainTooLong => tr!(lang, "address-domain-too-long"),
        IllegalMailAddress::Domain => tr!(lang, "address-domain"),
    }
}

/// A character as people see it.
fn named(lang: Lang, c: char) -> String {
    if c.is_whitespace() && !c.is_control() {
        return tr!(lang, "space-character");
    }
    if is_shown(c) { code_span(&c.to_string(), 1) } else { tr!(lang, "hidden-character") }
}

/// An error in the given name.
pub fn given_fault(lang: Lang, rule: IllegalPersonName) -> String {
    match rule {
        IllegalPersonName::Empty => tr!(lang, "given-empty"),
        IllegalPersonName::TooLong => tr!(lang, "given-too-long"),
        IllegalPersonName::Character(c) => tr!(lang, "given-character", character = named(lang, c)),
        IllegalPersonName::LooksLikeAddress => tr!(lang, "given-address"),
    }
}

/// An error in the family name.
pub fn family_fault(lang: Lang, rule: IllegalPersonName) -> String {
    match rule {
        IllegalPersonName::Empty => tr!(lang, "family-empty"),
        IllegalPersonName::TooLong => tr!(lang, "family-too-long"),
        IllegalPersonName::Character(c) => tr!(lang, "family-character", character = named(lang, c)),
        IllegalPersonName::LooksLikeAddress => tr!(lang, "family-address"),
    }
}

/// A rule of the login service that a field breaks, with the field's label.
pub fn realm_fault(lang: Lang, field: &str, rule: RealmRule) -> String {
    match rule {
        RealmRule::TooShort(min) => tr!(lang, "realm-too-short", field = field, min = min),
        RealmRule::TooLong(max) => tr!(lang, "realm-too-long", field = field, max = max),
        RealmRule::Character(c) => {
            tr!(lang, "realm-character", field = field, character = named(lang, c))
        }
        RealmRule::Pattern => tr!(lang, "realm-pattern", field = field),
    }
}
