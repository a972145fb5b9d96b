//! The admins' side: links, the audit log, and what is wrong outside. Each answer is seen by whoever asked and nobody else: a deferred one that
//! says "thinking" at once, because who asks is fetched from Discord and some answers from other servers.

use std::ops::ControlFlow;

use super::visit::Visit;
use crate::accounts::audit_log::{AuditFilter, AuditLine, Head, Verified, read_instant};
use crate::accounts::diagnosis::Diagnosed;
use crate::accounts::links::{Link, LinkExport};
use crate::accounts::{Format, UseCaseError, Viewer};
use crate::discord::{Attachment, DiscordError, OutgoingMessage, TEXT_MAX};
use crate::domain::audit::Source;
use crate::messages::admin::{AuditFacts, LinkFacts};
use crate::messages::{self, Lang};

/// Rows of a page where nobody asks for more or fewer.
const PAGE: u32 = 10;

/// What was typed to narrow a look at the log.
pub(super) struct Typed {
    pub(super) event: Option<String>,
    pub(super) person: Option<String>,
    pub(super) request: Option<String>,
    pub(super) actor: Option<String>,
    pub(super) source: Option<Source>,
    pub(super) since: Option<String>,
    pub(super) until: Option<String>,
}

/// Which page of the log.
pub(super) struct Page {
    pub(super) after: Option<i64>,
    pub(super) limit: Option<u32>,
}

/// What whoever asked reads: a message, and perhaps a file below it.
pub(super) struct Answer {
    post: OutgoingMessage,
    file: Option<Attachment>,
}

impl Answer {
    pub(super) fn text(text: impl Into<String>) -> Self {
        Self { post: OutgoingMessage::text(text), file: None }
    }

    /// A file with a sentence about it.
    fn file(sentence: String, name: String, bytes: Vec<u8>) -> Self {
        Self { post: OutgoingMessage::text(sentence), file: Some(Attachment { name, bytes }) }
    }

    /// A text, or the same as a file where it is too long for a message; what follows stands in the message either way.
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
        let sentence = [&messages::admin::in_file(lang), follows.as_str()].concat();
        Self::file(sentence, name.to_owned(), plain().into_bytes())
    }
}

/// `/link find`
pub(super) async fn find_link(visit: &Visit, what: &str) -> Result<(), DiscordError> {
    let lang = visit.lang();
    answer(visit, async |viewer| {
        let links = visit.accounts().find_link(viewer, what).await?;
        if links.is_empty() {
            return Ok(Answer::text(messages::admin::no_links(lang)));
        }
        Ok(list_of(lang, &links))
    })
    .await
}

/// `/link show`
pub(super) async fn show_link(visit: &Visit, what: &str) -> Result<(), DiscordError> {
    let lang = visit.lang();
    answer(visit, async |viewer| {
        let Some(shown) = visit.accounts().show_link(viewer, what).await? else {
            return Ok(Answer::text(messages::admin::no_such_link(lang)));
        };
        let facts = facts_of(&shown.link);
        let text = messages::admin::link_shown(lang, &facts, &shown.entry, &shown.user, &shown.comparison);
        Ok(Answer::long(lang, &text, || text.clone(), "link.txt", None))
    })
    .await
}

/// `/link export`
pub(super) async fn export_links(visit: &Visit, wanted: LinkExport) -> Result<(), DiscordError> {
    let lang = visit.lang();
    answer(visit, async |viewer| {
        let mut bytes = Vec::new();
        let writing = visit.accounts().export_links(viewer, wanted, |text| put(&mut bytes, text));
        let ControlFlow::Continue(count) = writing.await? else {
            return Ok(Answer::text(messages::admin::too_large(lang)));
        };
        let name = ["links.", wanted.format.code()].concat();
        Ok(Answer::file(messages::admin::exported_links(lang, count), name, bytes))
    })
    .await
}

/// `/audit search`
pub(super) async fn search_audit(visit: &Visit, typed: Typed, page: Page) -> Result<(), DiscordError> {
    let lang = visit.lang();
    let filter = match filter_of(lang, typed) {
        Ok(filter) => filter,
        Err(sentence) => return visit.reply.say_ephemeral(&OutgoingMessage::text(sentence)).await,
    };
    let limit = page.limit.unwrap_or(PAGE);
    answer(visit, async |viewer| {
        let lines = visit.accounts().audit_search(viewer, &filter, page.after, limit).await?;
        if lines.is_empty() {
            return Ok(Answer::text(messages::admin::no_audit_rows(lang)));
        }
        let is_full = u32::try_from(lines.len()).is_ok_and(|count| count >= limit);
        let more = lines.last().filter(|_| is_full).map(|last| messages::admin::more(lang, last.row.seq));
        let text: Vec<String> = lines.iter().map(|line| audit_line(lang, line)).collect();
        let plain = || lines.iter().map(|line| [&line.to_string(), "\n"].concat()).collect();
        Ok(Answer::long(lang, &text.join("\n"), plain, "audit.txt", more))
    })
    .await
}

/// `/audit export`
pub(super) async fn export_audit(visit: &Visit, typed: Typed, format: Format) -> Result<(), DiscordError> {
    let lang = visit.lang();
    let filter = match filter_of(lang, typed) {
        Ok(filter) => filter,
        Err(sentence) => return visit.reply.say_ephemeral(&OutgoingMessage::text(sentence)).await,
    };
    answer(visit, async |viewer| {
        let mut bytes = Vec::new();
        let writing = visit.accounts().export_audit(viewer, &filter, format, |text| put(&mut bytes, text));
        let ControlFlow::Continue(head) = writing.await? else {
            return Ok(Answer::text(messages::admin::too_large(lang)));
        };
        let name = ["audit.", format.code()].concat();
        Ok(Answer::file(messages::admin::exported_audit(lang, &head.to_string()), name, bytes))
    })
    .await
}

/// `/audit verify`
pub(super) async fn verify_audit(visit: &Visit, head: Option<&str>) -> Result<(), DiscordError> {
    let lang = visit.lang();
    let Ok(head) = head.map(str::parse::<Head>).transpose() else {
        return visit.reply.say_ephemeral(&OutgoingMessage::text(messages::admin::no_head(lang))).await;
    };
    answer(visit, async |viewer| {
        let verified = visit.accounts().audit_verify_for(viewer, head.as_ref()).await?;
        Ok(Answer::text(match verified {
            Verified::Whole { head } => messages::cli::audit_whole(lang, &head.to_string()),
            Verified::Broken { seq } => messages::cli::audit_broken(lang, seq),
            Verified::HeadMissing { head } => messages::cli::audit_head_missing(lang, &head.to_string()),
        }))
    })
    .await
}

/// `/doctor`
pub(super) async fn diagnose(visit: &Visit) -> Result<(), DiscordError> {
    let lang = visit.lang();
    answer(visit, async |viewer| {
        Ok(match visit.accounts().diagnose(viewer).await? {
            Diagnosed::Judged(diagnosis) => {
                let text = messages::doctor::report(lang, &diagnosis);
                Answer::long(lang, &text, || text.clone(), "doctor.txt", None)
            }
            Diagnosed::UnderWay => Answer::text(messages::doctor::under_way(lang)),
            Diagnosed::TakesLong => Answer::text(messages::doctor::takes_long(lang)),
        })
    })
    .await
}

/// Says "thinking" to the caller alone, looks, and puts the answer or the refusal in its place.
pub(super) async fn answer(
    visit: &Visit,
    look: impl AsyncFnOnce(&Viewer) -> Result<Answer, UseCaseError>,
) -> Result<(), DiscordError> {
    let Some(viewer) = visit.viewer() else { return visit.say_old_button().await };
    visit.reply.defer_ephemeral().await?;
    let answer =
        look(&viewer).await.unwrap_or_else(|denied| Answer { post: visit.error_code(&denied), file: None });
    match &answer.file {
        Some(file) => visit.reply.edit_original_with_file(&answer.post, file).await,
        None => visit.reply.edit_original(&answer.post).await,
    }
}

/// Adds a part of an export, as long as Discord takes it as one file.
fn put(bytes: &mut Vec<u8>, text: &str) -> ControlFlow<()> {
    if bytes.len() + text.len() > Attachment::MOST_BYTES {
        return ControlFlow::Break(());
    }
    bytes.extend_from_slice(text.as_bytes());
    ControlFlow::Continue(())
}

/// The filter, or what was typed wrongly.
fn filter_of(lang: Lang, typed: Typed) -> Result<AuditFilter, String> {
    let event = typed.event.map(|event| event.trim().parse()).transpose();
    let instant = |text: Option<String>| match text {
        Some(text) => read_instant(&text).map(Some).ok_or_else(|| messages::admin::no_time(lang)),
        None => Ok(None),
    };
    Ok(AuditFilter {
        event: event.map_err(|_| messages::admin::no_such_event(lang))?,
        person: typed.person,
        request: typed.request,
        actor: typed.actor,
        source: typed.source,
        since: instant(typed.since)?,
        until: instant(typed.until)?,
        newest_first: true,
    })
}

fn list_of(lang: Lang, links: &[Link]) -> Answer {
    let each = links.iter().map(|link| messages::admin::link_line(lang, &facts_of(link)));
    let text = each.collect::<Vec<_>>().join("\n");
    Answer::long(lang, &text, || text.clone(), "links.txt", None)
}

fn facts_of(link: &Link) -> LinkFacts<'_> {
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
