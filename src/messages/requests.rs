//! What moderators read when they list requests or show one in chat.

use super::quote::code_span;
use super::{card, date_and_time, error_code, lines, mention, mention_channel, text_of_code, tr};
use crate::domain::approval::{Notify, Verdict};
use crate::domain::error_code::ErrorCode;
use crate::domain::ids::{ChannelId, DiscordUserId, Timestamp};
use crate::domain::job::{JobKind, JobState, Step};
use crate::domain::lang::Lang;
use crate::domain::listing::RequestFacts;
use crate::domain::refusal::RefusalReason;
use crate::domain::request::{ANSWER_MAX, RequestState};
use crate::domain::summary::{Fact, Summary, Tone};
use crate::domain::wait::Wait;

/// The longest name, code or address that is quoted.
const QUOTED_MAX: usize = 254;

/// What admins and moderators read when Discord refuses messages in a channel.
pub fn refused_notice(lang: Lang, channel: ChannelId, refusal: RefusalReason) -> String {
    let why = text_of_code(lang, "refused", refusal.code());
    tr!(lang, "requests-refused", channel = mention_channel(channel), why = why)
}

/// A request in one line.
pub fn request_line(lang: Lang, request: &RequestFacts<'_>) -> String {
    let who = request.requester.map_or_else(|| tr!(lang, "admin-erased"), mention);
    let line = tr!(
        lang,
        "requests-request-line",
        code = code_span(request.code, QUOTED_MAX),
        who = who,
        username = code_span(request.username, QUOTED_MAX),
        state = request.state.code(),
        at = date_and_time(request.created_at)
    );
    let reason = request.reason_code.map(|code| code_span(code.code(), QUOTED_MAX));
    let waits = request
        .waits_for
        .map(|code| tr!(lang, "requests-still-waiting", what = error_code::waits_for(lang, code)));
    let no_card = request.lacks_card.then(|| tr!(lang, "requests-no-card"));
    [Some(line), reason, waits, no_card].into_iter().flatten().collect::<Vec<_>>().join(" · ")
}

/// What is known of a request besides its line. Each text is a whole one of this file.
#[derive(Clone, Debug, Default)]
pub struct RequestDetails<'a> {
    /// The rule.
    pub rule: Option<&'a str>,
    /// The address as the card shows it.
    pub masked_address: Option<&'a str>,
    /// Decisions and the reason of a denial.
    pub decisions: Vec<String>,
    /// Its jobs.
    pub jobs: Vec<String>,
    /// "Not me" notes.
    pub notes: Vec<String>,
    /// Why admins unlocked the account.
    pub enable_reasons: Vec<String>,
}

/// A request in full.
pub fn request_summary(lang: Lang, request: &RequestFacts<'_>, details: RequestDetails<'_>) -> Summary {
    let quoted = |text: &str| code_span(text, QUOTED_MAX);
    let who = request.requester.map_or_else(|| tr!(lang, "admin-erased"), mention);
    let mut facts = vec![
        Fact::short(tr!(lang, "card-requester"), who),
        Fact::short(tr!(lang, "form-username"), quoted(request.username)),
        Fact::short(tr!(lang, "card-address"), details.masked_address.map(quoted).unwrap_or_default()),
        Fact::short(tr!(lang, "card-rule"), details.rule.map(quoted).unwrap_or_default()),
        Fact::long(tr!(lang, "requests-decision"), lines(details.decisions)),
        Fact::long(tr!(lang, "requests-jobs"), lines(details.jobs)),
    ];
    facts.extend(details.notes.into_iter().map(|note| Fact::long(tr!(lang, "requests-note"), note)));
    let reasons = details.enable_reasons.into_iter();
    facts.extend(reasons.map(|reason| Fact::long(tr!(lang, "requests-enable-reason"), reason)));
    let because = request.reason_code.map(|code| quoted(code.code())).unwrap_or_default();
    Summary {
        headline: tr!(lang, "requests-headline", code = quoted(request.code)),
        person: None,
        title: tr!(lang, "requests-title", state = request.state.code()),
        text: because,
        tone: tone(request.state),
        facts,
        footer: tr!(lang, "card-footer", code = request.code),
        at: Some(request.created_at),
    }
}

const fn tone(state: RequestState) -> Tone {
    match state {
        RequestState::Draft | RequestState::Waiting => Tone::Open,
        RequestState::Held => Tone::Attention,
        RequestState::Approved => Tone::Good,
        RequestState::Denied | RequestState::Failed => Tone::Bad,
        RequestState::Cancelled | RequestState::Expired => Tone::Over,
    }
}

/// A decision on a request, without its typed reason.
pub fn decision(
    lang: Lang,
    verdict: Verdict,
    by: Option<DiscordUserId>,
    actor: &str,
    notify: Notify,
    at: Timestamp,
) -> String {
    let who = by.map_or_else(|| code_span(actor, QUOTED_MAX), mention);
    let at = date_and_time(at);
    match (verdict, notify) {
        (Verdict::Approve, _) => tr!(lang, "requests-approved", who = who, at = at),
        (Verdict::Deny, Notify::Told) => tr!(lang, "requests-denied", who = who, at = at),
        (Verdict::Deny, Notify::Quiet) => tr!(lang, "requests-denied-quietly", who = who, at = at),
    }
}

/// The typed reason of a denial.
pub fn denial_reason(lang: Lang, reason: &str) -> String {
    tr!(lang, "requests-denial-reason", reason = code_span(reason, ANSWER_MAX))
}

/// A text that someone typed, with its date.
pub fn dated(at: Timestamp, text: &str) -> String {
    [date_and_time(at), code_span(text, ANSWER_MAX)].join(" ")
}

/// A job of a request.
pub fn job(
    lang: Lang,
    kind: JobKind,
    state: JobState,
    step: Option<Step>,
    error_code: Option<ErrorCode>,
    wait: Option<Wait>,
) -> String {
    let line = tr!(lang, "requests-job", kind = kind.code(), state = state.code());
    let step = step.map_or_else(String::new, |step| card::step_words(lang, step));
    let error = error_code.map_or_else(String::new, |code| code_span(code.code(), QUOTED_MAX));
    let since = wait.map(|wait| tr!(lang, "requests-waiting-since", since = date_and_time(wait.since)));
    [line, step, error, since.unwrap_or_default()]
        .into_iter()
        .filter(|part| !part.is_empty())
        .collect::<Vec<_>>()
        .join(" · ")
}
