//! The mail with the link: its subject and texts in the realm's localisation, with the community's name.
//!
//! Texts that somebody else wrote stay, and so do those of their theme, unless the operator asks for the change. Each change is a line
//! of its own, with the text before it.

use serde_json::{Map, Value};

use super::context::{MailTextsMode, SetupContext, SetupError};
use crate::domain::lang::Lang;
use crate::keycloak::texts;
use crate::messages::keycloak_mail;

/// Sets the texts in each language of the realm that Accolade has texts in.
pub(super) async fn ensure(context: &mut SetupContext<'_>, realm: Option<&String>) -> Result<(), SetupError> {
    if context.args.mail_texts == MailTextsMode::Keep {
        return Ok(());
    }
    let found = match realm {
        Some(_) => context.admin.get("realm", &context.path(&[]), &[]).await?,
        None => None,
    };
    let document = found.unwrap_or_default();
    if let Some(theme) = texts::own_mail_theme(&document)
        && context.args.mail_texts != MailTextsMode::Replace
    {
        let theme = theme.escape_debug().to_string();
        context.report.hints.push(
            [
                "the realm's mails have the theme `",
                &theme,
                "`: its texts stay. `--mail-texts replace` sets Accolade's over them",
            ]
            .concat(),
        );
        return Ok(());
    }
    let community =
        texts::community_name(context.input.community_name.as_deref(), &document, &context.input.realm);
    let before = context.report.changes.len();
    for locale in texts::locales(&document) {
        let Some(lang) = Lang::known(&locale) else {
            context.report.hints.push(
                ["Accolade has no text for the mail in the language `", &locale, "`: Keycloak's own stays"]
                    .concat(),
            );
            continue;
        };
        let current = match realm {
            Some(_) => context
                .admin
                .get("texts", &context.path(&["localization", &locale]), &[])
                .await?
                .unwrap_or_default(),
            None => Value::Null,
        };
        ensure_locale(context, &locale, &current, (lang, &community)).await?;
    }
    if context.report.changes.len() > before {
        context.report.hints.push(
            "these texts hold for every mail of the realm that asks people for actions, also for those that administrators send"
                .to_owned(),
        );
    }
    Ok(())
}

async fn ensure_locale(
    context: &mut SetupContext<'_>,
    locale: &str,
    current: &Value,
    (lang, community): (Lang, &str),
) -> Result<(), SetupError> {
    let wanted = keycloak_mail::texts(lang, community);
    let present = |key: &str| current.get(key).and_then(Value::as_str);
    let is_foreign = |(place, key): (usize, &&str)| {
        present(key).is_some_and(|text| !keycloak_mail::is_ours(lang, place, text))
    };
    let has_foreign = texts::MAIL_KEYS.iter().enumerate().any(is_foreign);
    if has_foreign && context.args.mail_texts != MailTextsMode::Replace {
        context.report.hints.push(
            [
                "somebody else wrote the mail's texts in the language `",
                locale,
                "`: they stay. `--mail-texts replace` sets Accolade's in their place",
            ]
            .concat(),
        );
        return Ok(());
    }
    let mut missing = Map::new();
    for (key, wanted) in texts::MAIL_KEYS.into_iter().zip(wanted) {
        let what = ["text ", key, " (", locale, ")"].concat();
        if present(key) == Some(&wanted) {
            context.note_unchanged(&what);
            continue;
        }
        let before = present(key).map_or_else(|| "(Keycloak's own)".to_owned(), |text| format!("{text:?}"));
        if context.must_do(&format!("change {what}: {before} -> {wanted:?}")) {
            missing.insert(key.to_owned(), Value::String(wanted));
        }
    }
    if !missing.is_empty() {
        // Keycloak adds these to the texts that the language has.
        let path = ["localization", locale];
        context.admin.create("set texts", &context.path(&path), &Value::Object(missing)).await?;
    }
    Ok(())
}
