//! What the person who asks reads: draft, answers, and the direct messages that come later.

use std::time::Duration;

use super::quote::code_span;
use super::{Lang, Reference, error_code, lines, notice, relative, say, say_with};
use crate::domain::error_code::ErrorCode;
use crate::domain::ids::Timestamp;
use crate::domain::request::{ANSWER_MAX, Form};

/// The longest user name, name or address that is quoted.
const QUOTED_MAX: usize = 254;

/// The label of the button that opens the form.
pub fn request_label(lang: Lang) -> String {
    say(lang, "button-request")
}

/// The label of `Send`.
pub fn send_label(lang: Lang) -> String {
    say(lang, "button-send")
}

/// The label of `Change`.
pub fn change_label(lang: Lang) -> String {
    say(lang, "button-change")
}

/// The label of `Cancel request`.
pub fn cancel_label(lang: Lang) -> String {
    say(lang, "button-cancel")
}

/// The draft as it is shown back, with the privacy notice.
pub fn draft_shown(lang: Lang, form: &Form, expires_at: Timestamp) -> String {
    let shown = say_with(
        lang,
        "draft-shown",
        [
            ("username", code_span(form.username.as_str(), QUOTED_MAX).into()),
            ("address", code_span(form.address.as_str(), QUOTED_MAX).into()),
            ("given", code_span(form.given.as_str(), QUOTED_MAX).into()),
            ("family", code_span(form.family.as_str(), QUOTED_MAX).into()),
        ],
    );
    let answer = form.answer.as_ref().map_or_else(String::new, |answer| {
        say_with(lang, "draft-answer", [("answer", code_span(answer.as_str(), ANSWER_MAX).into())])
    });
    let next = say_with(lang, "draft-next", [("expires", relative(expires_at).into())]);
    [lines([shown, answer]), notice::text(lang), next].join("\n\n")
}

/// The draft was not sent in time.
pub fn draft_expired(lang: Lang) -> String {
    say(lang, "draft-expired")
}

/// Sent; a moderator decides.
pub fn sent_to_moderators(lang: Lang, code: &str) -> String {
    say_with(lang, "sent-to-moderators", [code_of(code)])
}

/// Sent; a rule approves it once name and address are found free.
pub fn sent_to_rule(lang: Lang, code: &str) -> String {
    say_with(lang, "sent-to-rule", [code_of(code)])
}

/// It had been sent before; this press changed nothing.
pub fn sent_again(lang: Lang, code: &str) -> String {
    say_with(lang, "sent-again", [code_of(code)])
}

/// Taken back before anything was made.
pub fn cancelled(lang: Lang, code: &str) -> String {
    say_with(lang, "cancelled", [code_of(code)])
}

/// Taken back while the account was being made.
pub fn cancelled_undoing(lang: Lang, code: &str) -> String {
    say_with(lang, "cancelled-undoing", [code_of(code)])
}

/// Taken back after the mail.
pub fn cancelled_withdrawing(lang: Lang, code: &str) -> String {
    say_with(lang, "cancelled-withdrawing", [code_of(code)])
}

/// Direct message: approved, made, and the mail is on its way.
pub fn direct_approved(lang: Lang, username: &str, link_lives: Duration) -> String {
    let hours = link_lives.as_secs().div_ceil(3600);
    say_with(lang, "direct-invited", [name_of(username), ("hours", hours.into())])
}

/// Direct message: denied, with the moderator's reason (as typed).
pub fn direct_denied(lang: Lang, code: &str, reason: &str) -> String {
    say_with(lang, "direct-denied", [code_of(code), ("reason", code_span(reason, ANSWER_MAX).into())])
}

/// Direct message: approved, but the account could not be created. The reference finds the log lines of the job.
pub fn direct_failed(lang: Lang, code: &str, why: ErrorCode, reference: &Reference) -> String {
    let given = [
        code_of(code),
        ("why", error_code::why_failed(lang, why).into()),
        ("reference", reference.as_str().to_owned().into()),
    ];
    say_with(lang, "direct-failed", given)
}

/// Direct message: approved, but not to be; a password was set already, so the account is locked instead of removed.
pub fn direct_failed_and_kept(lang: Lang, code: &str, why: ErrorCode) -> String {
    let given = [code_of(code), ("why", error_code::why_failed(lang, why).into())];
    say_with(lang, "direct-failed-kept", given)
}

/// Direct message: nobody decided in time.
pub fn direct_expired(lang: Lang, code: &str) -> String {
    say_with(lang, "direct-expired", [code_of(code)])
}

/// Direct message: the wanted name is not free, ask with another one.
pub fn direct_name_taken(lang: Lang, code: &str, username: &str) -> String {
    say_with(lang, "direct-name-taken", [code_of(code), name_of(username)])
}

/// Direct message: the request ended because membership or role was lost; without a cause, by somebody else's hand.
pub fn direct_cancelled(lang: Lang, code: &str, why: Option<ErrorCode>) -> String {
    match why {
        Some(_) => say_with(lang, "direct-cancelled-lost", [code_of(code)]),
        None => say_with(lang, "direct-cancelled", [code_of(code)]),
    }
}

/// Direct message: the account was never used in time and is withdrawn.
pub fn direct_withdrawn(lang: Lang, username: &str) -> String {
    say_with(lang, "direct-withdrawn", [name_of(username)])
}

fn code_of(code: &str) -> super::Given<'static> {
    ("code", code_span(code, QUOTED_MAX).into())
}

fn name_of(username: &str) -> super::Given<'static> {
    ("username", code_span(username, QUOTED_MAX).into())
}
