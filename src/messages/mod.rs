//! Every sentence that people read, in one language at a time. Pure: no I/O, no decisions, no Discord types.
//!
//! The sentences stand in `en.ftl` (Fluent); the functions here, by subject, take facts and give text. User text goes through
//! [`quote`] alone. Start with [`status`] (what members read most) and [`card`] (what moderators read).

pub mod account;
pub mod admin;
pub mod card;
pub mod cli;
pub mod desk;
pub mod doctor;
pub mod error_code;
pub mod form;
pub mod mails;
pub mod notice;
pub mod panel;
pub mod quote;
pub mod service;
pub mod status;

use std::borrow::Cow;
use std::collections::HashMap;

use fluent_templates::{LanguageIdentifier, Loader as _, fluent_bundle::FluentValue, langid};

use crate::domain::ids::{DiscordUserId, RoleId, Timestamp};

fluent_templates::static_loader! {
    static SENTENCES = {
        locales: "./src/messages",
        fallback_language: "en",
        // Isolation marks are for mixed writing directions; in chat they show up as odd boxes and break code spans.
        customise: |bundle| bundle.set_use_isolating(false),
    };
}

/// The language that somebody reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub enum Lang {
    /// English.
    #[default]
    En,
}

impl Lang {
    /// All of them.
    pub const ALL: &'static [Self] = &[Self::En];

    /// Reads a BCP 47 tag (`en`, `en-GB`, what Discord sends as `locale`); anything unknown reads as English.
    pub fn parse(tag: &str) -> Self {
        let language = tag.split(['-', '_']).next().unwrap_or_default();
        Self::ALL.iter().copied().find(|lang| lang.tag().eq_ignore_ascii_case(language)).unwrap_or_default()
    }

    /// The BCP 47 tag that the store keeps.
    pub const fn tag(self) -> &'static str {
        match self {
            Self::En => "en",
        }
    }

    const fn identifier(self) -> LanguageIdentifier {
        match self {
            Self::En => langid!("en"),
        }
    }
}

/// What a failure sentence ends with, so that an operator finds the log lines: the first 8 hexadecimal digits of the trace id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reference(String);

impl Reference {
    /// The reference of a trace id (32 hexadecimal digits, or a `UUID` with hyphens).
    pub fn of(trace_id: &str) -> Self {
        Self(trace_id.chars().filter(char::is_ascii_hexdigit).take(8).collect())
    }

    /// The reference of a row: the last 8 digits of its id. A row's id begins with its time, which others of that minute share; its
    /// end is random.
    pub fn of_row(id: &str) -> Self {
        let digits: Vec<char> = id.chars().filter(char::is_ascii_hexdigit).collect();
        Self(digits.iter().skip(digits.len().saturating_sub(8)).collect())
    }

    /// The digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// One value in a sentence.
type Given<'a> = (&'static str, FluentValue<'a>);

/// The sentence of `key`, which a test knows to exist in each language.
fn say(lang: Lang, key: &'static str) -> String {
    say_with(lang, key, [])
}

/// The sentence of `key` with its values.
fn say_with<const N: usize>(lang: Lang, key: &'static str, given: [Given<'_>; N]) -> String {
    let given: HashMap<Cow<'static, str>, FluentValue<'_>> =
        given.into_iter().map(|(name, value)| (Cow::Borrowed(name), value)).collect();
    SENTENCES.lookup_with_args(&lang.identifier(), key, &given)
}

/// Lines below each other; empty ones fall out.
fn lines(parts: impl IntoIterator<Item = String>) -> String {
    parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("\n")
}

/// An instant as each reader's client shows it: "in 3 hours".
fn relative(at: Timestamp) -> String {
    ["<t:", &at.as_millis().div_euclid(1000).to_string(), ":R>"].concat()
}

/// An instant as date and time of the reader's own zone.
fn date_and_time(at: Timestamp) -> String {
    ["<t:", &at.as_millis().div_euclid(1000).to_string(), ":f>"].concat()
}

/// A person, shown by name and never pinged (the send helper sees to that).
fn mention(user: DiscordUserId) -> String {
    ["<@", &user.to_string(), ">"].concat()
}

/// Roles, shown by name.
fn mention_roles(roles: &[RoleId]) -> String {
    roles.iter().map(|role| ["<@&", &role.to_string(), ">"].concat()).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests;
