//! What moderators read of requests when they ask for them in chat.

use super::quote::code_span;
use super::{Lang, card, date_and_time, lines, mention, say, say_with};
use crate::domain::approval::{Notify, Verdict};
use crate::domain::error_code::ErrorCode;
use crate::domain::ids::{DiscordUserId, Timestamp};
use crate::domain::job::{JobKind, JobState, Step};
use crate::domain::request::{ANSWER_MAX, RequestState};

/// The longest name, code or address that is quoted.
const QUOTED_MAX: usize = 254;

/// A request in a list.
#[derive(Clone, Debug)]
pub struct RequestFacts<'a> {
    /// Its code.
    pub code: &'a str,
    /// Whose, unless erased.
    pub requester: Option<DiscordUserId>,
    /// Where it stands.
    pub state: RequestState,
    /// Why.
    pub reason_code: Option<ErrorCode>,
    /// The wanted name.
    pub username: &'a str,
    /// When it was typed.
    pub created_at: Timestamp,
}

/// No request fits.
pub fn no_requests(lang: Lang) -> String {
    say(lang, "desk-no-requests")
}

/// Nothing has this code.
pub fn no_such_request(lang: Lang) -> String {
    say(lang, "desk-no-such-request")
}

/// A request in one line.
pub fn request_line(lang: Lang, request: &RequestFacts<'_>) -> String {
    let who = request.requester.map_or_else(|| say(lang, "admin-erased"), mention);
    let line = say_with(
        lang,
        "desk-request-line",
        [
            ("code", code_span(request.code, QUOTED_MAX).into()),
            ("who", who.into()),
            ("username", code_span(request.username, QUOTED_MAX).into()),
            ("state", request.state.code().into()),
            ("at", date_and_time(request.created_at).into()),
        ],
    );
    match request.reason_code {
        Some(code) => [line, code_span(code.code(), QUOTED_MAX)].join(" · "),
        None => line,
    }
}

/// Below the line: the rule and the address as the card shows it.
pub fn request_details(lang: Lang, rule: Option<&str>, masked_address: Option<&str>) -> String {
    let rule = rule.map(|rule| say_with(lang, "card-rule", [("rule", code_span(rule, QUOTED_MAX).into())]));
    let address = masked_address
        .map(|address| say_with(lang, "card-address", [("address", code_span(address, QUOTED_MAX).into())]));
    lines([rule.unwrap_or_default(), address.unwrap_or_default()])
}

/// A decision on a request, without its typed reason.
pub fn decision(
    lang: Lang,
    verdict: Verdict,
    by: Option<DiscordUserId>,
    actor: &str,
    tell: Notify,
    at: Timestamp,
) -> String {
    let key = match (verdict, tell) {
        (Verdict::Approve, _) => "desk-approved",
        (Verdict::Deny, Notify::Told) => "desk-denied",
        (Verdict::Deny, Notify::Quiet) => "desk-denied-quietly",
    };
    let who = by.map_or_else(|| code_span(actor, QUOTED_MAX), mention);
    say_with(lang, key, [("who", who.into()), ("at", date_and_time(at).into())])
}

/// The typed reason of a denial.
pub fn denial_reason(lang: Lang, reason: &str) -> String {
    say_with(lang, "desk-denial-reason", [("reason", code_span(reason, ANSWER_MAX).into())])
}

/// What the person wrote when they said that another person set their password.
pub fn note(lang: Lang, at: Timestamp, text: &str) -> String {
    let given = [("at", date_and_time(at).into()), ("text", code_span(text, ANSWER_MAX).into())];
    say_with(lang, "desk-note", given)
}

/// A job of a request.
pub fn job(
    lang: Lang,
    kind: JobKind,
    state: JobState,
    step: Option<Step>,
    error_code: Option<ErrorCode>,
) -> String {
    let given = [("kind", kind.code().into()), ("state", state.code().into())];
    let line = say_with(lang, "desk-job", given);
    let step = step.map_or_else(String::new, |step| card::step_words(lang, step));
    let error = error_code.map_or_else(String::new, |code| code_span(code.code(), QUOTED_MAX));
    [line, step, error].into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" · ")
}

/// How to read on.
pub fn more(lang: Lang, after: &str) -> String {
    say_with(lang, "desk-more", [("after", after.to_owned().into())])
}

/// What was typed is no key of a list.
pub fn no_key(lang: Lang) -> String {
    say(lang, "desk-no-key")
}
