//! What a requester reads: the draft, the answers, and later direct messages.

use std::time::Duration;

use super::quote::code_span;
use super::{error_code, lines, relative, tr};
use crate::domain::error_code::ErrorCode;
use crate::domain::ids::Timestamp;
use crate::domain::lang::Lang;
use crate::domain::reference::Reference;
use crate::domain::request::{ANSWER_MAX, Form};

/// The longest user name, name or address that is quoted.
const QUOTED_MAX: usize = 254;

/// The draft as its author sees it, with the privacy notice.
pub fn draft_shown(lang: Lang, form: &Form, expires_at: Timestamp) -> String {
    let shown = tr!(
        lang,
        "draft-shown",
        username = quoted(form.username.as_str()),
        address = quoted(&form.address.shown()),
        given = quoted(form.given.as_str()),
        family = quoted(form.family.as_str())
    );
    let answer = form.answer.as_ref().map_or_else(String::new, |answer| {
        tr!(lang, "draft-answer", answer = code_span(answer.as_str(), ANSWER_MAX))
    });
    let next = tr!(lang, "draft-next", expires = relative(expires_at));
    [lines([shown, answer]), tr!(lang, "notice"), next].join("\n\n")
}

/// Sent; a moderator decides.
pub fn sent_to_moderators(lang: Lang, code: &str) -> String {
    tr!(lang, "sent-to-moderators", code = quoted(code))
}

/// Sent; a rule approves it once name and address are found free.
pub fn sent_to_rule(lang: Lang, code: &str) -> String {
    tr!(lang, "sent-to-rule", code = quoted(code))
}

/// It was sent before; this press changed nothing.
pub fn sent_again(lang: Lang, code: &str) -> String {
    tr!(lang, "sent-again", code = quoted(code))
}

/// Cancelled before anything was created.
pub fn cancelled(lang: Lang, code: &str) -> String {
    tr!(lang, "cancelled", code = quoted(code))
}

/// Cancelled while the account was being created.
pub fn cancelled_undoing(lang: Lang, code: &str) -> String {
    tr!(lang, "cancelled-undoing", code = quoted(code))
}

/// Cancelled after the mail.
pub fn cancelled_withdrawing(lang: Lang, code: &str) -> String {
    tr!(lang, "cancelled-withdrawing", code = quoted(code))
}

/// Direct message: approved and created, and the mail is being sent.
pub fn direct_approved(lang: Lang, username: &str, link_lives: Duration) -> String {
    let hours = link_lives.as_secs().div_ceil(3600);
    tr!(lang, "direct-invited", username = quoted(username), hours = hours)
}

/// Direct message: denied, with the moderator's reason (as typed).
pub fn direct_denied(lang: Lang, code: &str, reason: &str) -> String {
    tr!(lang, "direct-denied", code = quoted(code), reason = code_span(reason, ANSWER_MAX))
}

/// Direct message: approved, but the account could not be created. The reference finds the log lines of the job.
pub fn direct_failed(lang: Lang, code: &str, why: ErrorCode, reference: &Reference) -> String {
    let why = error_code::why_failed(lang, why);
    tr!(lang, "direct-failed", code = quoted(code), why = why, reference = reference.as_str())
}

/// Direct message: approved, but the account could not be created. A password was set, so it is locked instead of removed.
pub fn direct_failed_and_kept(lang: Lang, code: &str, why: ErrorCode) -> String {
    tr!(lang, "direct-failed-kept", code = quoted(code), why = error_code::why_failed(lang, why))
}

/// Direct message: not decided in time.
pub fn direct_expired(lang: Lang, code: &str) -> String {
    tr!(lang, "direct-expired", code = quoted(code))
}

/// Direct message: the requested name is not available.
pub fn direct_name_taken(lang: Lang, code: &str, username: &str) -> String {
    tr!(lang, "direct-name-taken", code = quoted(code), username = quoted(username))
}

/// Direct message: the request ended because membership or role was lost, or, without `why`, because an operator cancelled it.
pub fn direct_cancelled(lang: Lang, code: &str, why: Option<ErrorCode>) -> String {
    match why {
        Some(_) => tr!(lang, "direct-cancelled-lost", code = quoted(code)),
        None => tr!(lang, "direct-cancelled", code = quoted(code)),
    }
}

/// Whether a text names a command.
pub fn names_command(text: &str) -> bool {
    text.contains("`/")
}

/// In a direct message: where its commands work. Without a name, if Discord did not tell it.
pub fn where_commands_work(lang: Lang, server: Option<&str>) -> String {
    match server {
        Some(server) => tr!(lang, "direct-where", server = quoted(server)),
        None => tr!(lang, "direct-where-unnamed"),
    }
}

/// Direct message: the account was not used in time and was removed.
pub fn direct_withdrawn(lang: Lang, username: &str) -> String {
    tr!(lang, "direct-withdrawn", username = quoted(username))
}

fn quoted(name: &str) -> String {
    code_span(name, QUOTED_MAX)
}
