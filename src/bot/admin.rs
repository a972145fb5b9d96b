//! Commands for admins: links, the audit log and `doctor`.
//!
//! Only the caller can see an answer. Every answer is deferred ("thinking"), because the caller is fetched from Discord and some
//! answers come from other servers.

use std::ops::ControlFlow;

use super::interaction::Interaction;
use crate::accounts::audit_log::{AuditFilter, AuditLine, Head, Verified, read_instant};
use crate::accounts::diagnosis::Diagnosed;
use crate::accounts::enable::Enabling;
use crate::accounts::links::{Link, LinkExport};
use crate::accounts::{Format, Purpose, Reviewer, UseCaseError};
use crate::discord::{Attachment, DiscordError, OutgoingMessage, TEXT_MAX, embed};
use crate::domain::audit::Source;
use crate::domain::lang::Lang;
use crate::domain::listing::{AuditFacts, LinkFacts};
use crate::domain::summary::Summary;
use crate::messages::{self, tr};

/// The default number of rows on a page.
const PAGE: u32 = 10;

/// A query of the audit log, as it was typed.
pub(super) struct AuditQuery {
    pub(super) event: Option<String>,
    pub(super) person: Option<String>,
    pub(super) request: Option<String>,
    pub(super) actor: Option<String>,
    pub(super) source: Option<Source>,
    pub(super) since: Option<String>,
    pub(super) until: Option<String>,
}

/// A page of the audit log.
pub(super) struct Page {
    pub(super) after: Option<i64>,
    pub(super) limit: Option<u32>,
}

/// An answer: a message, and perhaps a file.
pub(super) struct Answer {
    message: OutgoingMessage,
    file: Option<Attachment>,
}

impl Answer {
    pub(super) fn text(text: impl Into<String>) -> Self {
        Self { message: OutgoingMessage::text(text), file: None }
    }

    /// A summary, or the same as a file if it would have to be cut.
    pub(super) fn summary(lang: Lang, summary: Summary, name: &str) -> Self {
        if embed::fits(&summary) {
            return Self { message: OutgoingMessage::summary(summary), file: None };
        }
        Self::file(tr!(lang, "admin-in-file"), name.to_owned(), summary.plain().into_bytes())
    }

    /// A file with a text about it.
    fn file(sentence: String, name: String, bytes: Vec<u8>) -> Self {
        Self { message: OutgoingMessage::text(sentence), file: Some(Attachment { name, bytes }) }
    }

    /// A text, or the same as a file if it is too long for a message. `follows` is part of the message in both cases.
    pub(super) fn long(
        lang: Lang,
        text: &str,
        plain: impl FnOnce() -> String,
        name: &str,
        follows: Option<String>,
    ) -> Self {
        let follows = follows.map_or_else(String::new, |follows| ["\n", &follows].concat());
        if text.chars().count() + follows.chars().count() <= TEXT_MAX {
            return Self::text([text, &follows].concat());
        }
        let sentence = [&tr!(lang, "admin-in-file"), follows.as_str()].concat();
        Self::file(sentence, name.to_owned(), plain().into_bytes())
    }
}

/// `/link find`
pub(super) async fn find_link(interaction: &Interaction, what: &str) -> Result<(), DiscordError> {
    let lang = interaction.lang();
    answer(interaction, async |reviewer| {
        let admin = &interaction.accounts().authorize_admin(reviewer, Purpose::Link).await?;
        let links = interaction.accounts().find_link(admin, what).await?;
        if links.is_empty() {
            return Ok(Answer::text(tr!(lang, "admin-no-links")));
        }
        Ok(link_list(lang, &links))
    })
    .await
}

/// `/link show`
pub(super) async fn show_link(interaction: &Interaction, what: &str) -> Result<(), DiscordError> {
    let lang = interaction.lang();
    answer(interaction, async |reviewer| {
        let admin = &interaction.accounts().authorize_admin(reviewer, Purpose::Link).await?;
        let Some(shown) = interaction.accounts().show_link(admin, what).await? else {
            return Ok(Answer::text(tr!(lang, "admin-no-such-link")));
        };
        let facts = link_facts(&shown.link);
        let summary =
            messages::admin::link_summary(lang, &facts, &shown.entry, &shown.user, &shown.comparison);
        Ok(Answer::summary(lang, summary, "link.txt"))
    })
    .await
}

/// `/link enable`
pub(super) async fn enable_link(
    interaction: &Interaction,
    what: &str,
    reason: &str,
) -> Result<(), DiscordError> {
    let lang = interaction.lang();
    answer(interaction, async |reviewer| {
        let admin = &interaction.accounts().authorize_admin(reviewer, Purpose::LinkEnable).await?;
        let Some(asked) = interaction.accounts().enable(admin, what, reason).await? else {
            return Ok(Answer::text(tr!(lang, "admin-no-such-link")));
        };
        Ok(Answer::text(match asked.what {
            Enabling::Begun => messages::admin::enabling(lang, &asked.username),
            Enabling::UnderWay => messages::admin::enabling_already(lang, &asked.username),
            Enabling::TriedAgain => messages::admin::enabling_again(lang, &asked.username),
        }))
    })
    .await
}

/// `/link export`
pub(super) async fn export_links(interaction: &Interaction, wanted: LinkExport) -> Result<(), DiscordError> {
    let lang = interaction.lang();
    answer(interaction, async |reviewer| {
        let admin = &interaction.accounts().authorize_admin(reviewer, Purpose::LinkExport).await?;
        let mut bytes = Vec::new();
        let writing = interaction.accounts().export_links(admin, wanted, |text| append(&mut bytes, text));
        let ControlFlow::Continue(count) = writing.await? else {
            return Ok(Answer::text(tr!(lang, "admin-too-large")));
        };
        let name = ["links.", wanted.format.code()].concat();
        Ok(Answer::file(tr!(lang, "admin-exported-links", count = count), name, bytes))
    })
    .await
}

/// `/audit search`
pub(super) async fn search_audit(
    interaction: &Interaction,
    query: AuditQuery,
    page: Page,
) -> Result<(), DiscordError> {
    let lang = interaction.lang();
    let filter = match parse_filter(lang, query) {
        Ok(filter) => filter,
        Err(sentence) => return interaction.say(sentence).await,
    };
    let limit = page.limit.unwrap_or(PAGE);
    answer(interaction, async |reviewer| {
        let admin = &interaction.accounts().authorize_admin(reviewer, Purpose::Audit).await?;
        let lines = interaction.accounts().audit_search(admin, &filter, page.after, limit).await?;
        if lines.is_empty() {
            return Ok(Answer::text(tr!(lang, "admin-no-audit-rows")));
        }
        let is_full = u32::try_from(lines.len()).is_ok_and(|count| count >= limit);
        let more = lines
            .last()
            .filter(|_| is_full)
            .map(|last| tr!(lang, "admin-more", after = last.row.seq.to_string()));
        let text: Vec<String> = lines.iter().map(|line| audit_line(lang, line)).collect();
        let plain = || lines.iter().map(|line| [&line.to_string(), "\n"].concat()).collect();
        Ok(Answer::long(lang, &text.join("\n"), plain, "audit.txt", more))
    })
    .await
}

/// `/audit export`
pub(super) async fn export_audit(
    interaction: &Interaction,
    query: AuditQuery,
    format: Format,
) -> Result<(), DiscordError> {
    let lang = interaction.lang();
    let filter = match parse_filter(lang, query) {
        Ok(filter) => filter,
        Err(sentence) => return interaction.say(sentence).await,
    };
    answer(interaction, async |reviewer| {
        let admin = &interaction.accounts().authorize_admin(reviewer, Purpose::AuditExport).await?;
        let mut bytes = Vec::new();
        let writing =
            interaction.accounts().export_audit(admin, &filter, format, |text| append(&mut bytes, text));
        let ControlFlow::Continue(head) = writing.await? else {
            return Ok(Answer::text(tr!(lang, "admin-too-large")));
        };
        let name = ["audit.", format.code()].concat();
        Ok(Answer::file(messages::admin::exported_audit(lang, &head.to_string()), name, bytes))
    })
    .await
}

/// `/audit verify`
pub(super) async fn verify_audit(interaction: &Interaction, head: Option<&str>) -> Result<(), DiscordError> {
    let lang = interaction.lang();
    let Ok(head) = head.map(str::parse::<Head>).transpose() else {
        return interaction.say(tr!(lang, "admin-no-head")).await;
    };
    answer(interaction, async |reviewer| {
        let admin = &interaction.accounts().authorize_admin(reviewer, Purpose::AuditVerify).await?;
        let verified = interaction.accounts().audit_verify_for(admin, head.as_ref()).await?;
        Ok(Answer::text(match verified {
            Verified::Whole { head } => tr!(lang, "cli-audit-whole", head = head.to_string()),
            Verified::Broken { seq } => tr!(lang, "cli-audit-broken", row = seq.to_string()),
            Verified::HeadMissing { head } => tr!(lang, "cli-audit-head-missing", head = head.to_string()),
        }))
    })
    .await
}

/// `/doctor`
pub(super) async fn diagnose(interaction: &Interaction) -> Result<(), DiscordError> {
    let lang = interaction.lang();
    answer(interaction, async |reviewer| {
        let admin = &interaction.accounts().authorize_admin(reviewer, Purpose::Doctor).await?;
        Ok(match interaction.accounts().diagnose(admin).await? {
            Diagnosed::Evaluated(diagnosis) => {
                Answer::summary(lang, messages::doctor::report(lang, &diagnosis), "doctor.txt")
            }
            Diagnosed::UnderWay => Answer::text(tr!(lang, "doctor-under-way")),
            Diagnosed::TakesLong => Answer::text(tr!(lang, "doctor-takes-long")),
        })
    })
    .await
}

/// Shows "thinking" to the caller, runs `look`, and replaces it with the answer or the error.
pub(super) async fn answer(
    interaction: &Interaction,
    look: impl AsyncFnOnce(&Reviewer) -> Result<Answer, UseCaseError>,
) -> Result<(), DiscordError> {
    let Some(reviewer) = interaction.reviewer() else { return interaction.say_old_button().await };
    interaction.reply.defer_ephemeral().await?;
    let answer = look(&reviewer)
        .await
        .unwrap_or_else(|error| Answer { message: interaction.error_message(&error), file: None });
    match &answer.file {
        Some(file) => interaction.reply.edit_original_with_file(&answer.message, file).await,
        None => interaction.reply.edit_original(&answer.message).await,
    }
}

/// Appends a part of an export, unless the file becomes too large for Discord.
fn append(bytes: &mut Vec<u8>, text: &str) -> ControlFlow<()> {
    if bytes.len() + text.len() > Attachment::MAX_BYTES {
        return ControlFlow::Break(());
    }
    bytes.extend_from_slice(text.as_bytes());
    ControlFlow::Continue(())
}

/// Parses the query, or returns the text about what is wrong with it.
fn parse_filter(lang: Lang, query: AuditQuery) -> Result<AuditFilter, String> {
    let event = query.event.map(|event| event.trim().parse()).transpose();
    let instant = |text: Option<String>| match text {
        Some(text) => read_instant(&text).map(Some).ok_or_else(|| tr!(lang, "admin-no-time")),
        None => Ok(None),
    };
    Ok(AuditFilter {
        event: event.map_err(|_| tr!(lang, "admin-no-such-event"))?,
        person: query.person,
        request: query.request,
        actor: query.actor,
        source: query.source,
        since: instant(query.since)?,
        until: instant(query.until)?,
        newest_first: true,
    })
}

fn link_list(lang: Lang, links: &[Link]) -> Answer {
    let each = links.iter().map(|link| messages::admin::link_line(lang, &link_facts(link)));
    let text = each.collect::<Vec<_>>().join("\n");
    Answer::long(lang, &text, || text.clone(), "links.txt", None)
}

fn link_facts(link: &Link) -> LinkFacts<'_> {
    let account = &link.account;
    LinkFacts {
        username: account.username.as_str(),
        state: account.state,
        discord_id: link.discord_id,
        account_id: account.id.to_string(),
        request_code: link.request_code.as_deref(),
        invited_at: account.invited_at,
        activated_at: account.activated_at,
    }
}

fn audit_line(lang: Lang, line: &AuditLine) -> String {
    let row = &line.row;
    let facts = AuditFacts {
        seq: row.seq,
        at: row.at,
        event: &row.event,
        source: &row.source,
        actor: line.actor.ok_or(row.actor_id.as_str()),
        subject: row.subject_id.as_deref().map(|id| line.subject.ok_or(id)),
        request_code: line.request_code.as_deref(),
        before: row.before.as_deref(),
        after: row.after.as_deref(),
        reason_code: row.reason_code.as_deref(),
    };
    messages::admin::audit_line(lang, &facts)
}
