//! Every text that people read, in one language at a time. Pure: no I/O, no decisions, no Discord types.
//!
//! The texts are in `en.ftl` (Fluent), and the macro `tr!` looks one up. The functions here, by subject, compose texts from facts of
//! `domain`. Text that users typed is quoted by [`quote`] alone. Start with [`status`] (what members read most) and [`card`] (what
//! moderators read).

pub mod account;
pub mod admin;
pub mod card;
pub mod cause;
pub mod cli;
pub mod doctor;
pub mod error_code;
pub mod form;
pub mod keycloak_mail;
pub mod mails;
pub mod notice;
pub mod panel;
pub mod quote;
pub mod requests;
pub mod service;
pub mod status;

use std::borrow::Cow;
use std::collections::HashMap;

use fluent_templates::{LanguageIdentifier, Loader as _, fluent_bundle::FluentValue, langid};

use crate::domain::ids::{ChannelId, DiscordUserId, RoleId, Timestamp};
use crate::domain::lang::Lang;

fluent_templates::static_loader! {
    static TEXTS = {
        locales: "./src/messages",
        fallback_language: "en",
        // Isolation marks are for mixed writing directions; in chat they show up as odd boxes and break code spans.
        customise: |bundle| bundle.set_use_isolating(false),
    };
}

/// The text of a message: `tr!(lang, "id", name = value, …)`.
///
/// A test compares every call with `en.ftl`: the message exists, and the call names exactly its variables.
macro_rules! tr {
    ($lang:expr, $id:literal $(, $name:ident = $value:expr)* $(,)?) => {
        $crate::messages::text_of($lang, $id, [$((stringify!($name), ($value).into())),*])
    };
}
pub(crate) use tr;

/// The text of the message `id` with its values. Callers use [`tr!`], which a test checks.
pub(crate) fn text_of<const N: usize>(
    lang: Lang,
    id: &str,
    values: [(&'static str, FluentValue<'_>); N],
) -> String {
    let values: HashMap<Cow<'static, str>, FluentValue<'_>> =
        values.into_iter().map(|(name, value)| (Cow::Borrowed(name), value)).collect();
    TEXTS.lookup_with_args(&identifier(lang), id, &values)
}

/// The text for a code of `domain`. Its message is named after the code: `refusal-mail-refused` is the `refusal` of `mail_refused`.
///
/// A test compares the messages of each kind with all codes.
fn text_of_code(lang: Lang, kind: &str, code: &str) -> String {
    text_of(lang, &id_of_code(kind, code), [])
}

/// Like [`text_of_code`], if not every code has a text.
fn text_of_code_if_any(lang: Lang, kind: &str, code: &str) -> Option<String> {
    TEXTS.try_lookup(&identifier(lang), &id_of_code(kind, code))
}

fn id_of_code(kind: &str, code: &str) -> String {
    [kind, "-", &code.replace('_', "-")].concat()
}

const fn identifier(lang: Lang) -> LanguageIdentifier {
    match lang {
        Lang::En => langid!("en"),
    }
}

/// Joins lines, without the empty ones.
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

/// A channel, shown as a link.
fn mention_channel(channel: ChannelId) -> String {
    ["<#", &channel.to_string(), ">"].concat()
}

/// A person, shown by name and never pinged (Discord's client ensures that).
fn mention(user: DiscordUserId) -> String {
    ["<@", &user.to_string(), ">"].concat()
}

/// Roles, shown by name.
fn mention_roles(roles: &[RoleId]) -> String {
    roles.iter().map(|role| ["<@&", &role.to_string(), ">"].concat()).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests;
