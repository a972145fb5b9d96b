//! The card on which moderators decide, in each of its states.

use super::quote::code_span;
use super::{date_and_time, error_code, lines, mention, relative, text_of_code, text_of_code_if_any, tr};
use crate::domain::card::{CardFacts, CardState, Decider, Joined};
use crate::domain::error_code::ErrorCode;
use crate::domain::ids::DiscordUserId;
use crate::domain::job::Step;
use crate::domain::lang::Lang;
use crate::domain::request::ANSWER_MAX;
use crate::domain::wait::Wait;

/// The longest name or address that is quoted.
const QUOTED_MAX: usize = 254;

/// The whole text of the card. Its longest form is far below Discord's 2000 characters.
pub fn text(lang: Lang, facts: &CardFacts) -> String {
    let head = tr!(
        lang,
        "card-head",
        code = quoted(&facts.code),
        who = mention(facts.requester),
        sent = relative(facts.sent_at)
    );
    let created = tr!(lang, "card-account-age", created = relative(facts.requester.created_at()));
    let joined = match facts.joined {
        Joined::At(at) => Some(tr!(lang, "card-joined", joined = relative(at))),
        Joined::Unknown => Some(tr!(lang, "card-joined-unknown")),
        Joined::Untold => None,
    };
    let address = facts.masked_address.as_ref();
    let answer = facts.answer.as_ref();
    lines([
        head,
        [Some(created), joined].into_iter().flatten().collect::<Vec<_>>().join(" · "),
        tr!(lang, "card-username", username = quoted(&facts.username)),
        address.map(|address| tr!(lang, "card-address", address = quoted(address))).unwrap_or_default(),
        match &facts.rule {
            Some(rule) => tr!(lang, "card-rule", rule = quoted(rule)),
            None => tr!(lang, "card-no-rule"),
        },
        answer
            .map(|answer| tr!(lang, "card-answer", answer = code_span(answer, ANSWER_MAX)))
            .unwrap_or_default(),
        tr!(lang, "card-earlier", count = facts.earlier),
        if facts.is_unreachable { tr!(lang, "card-unreachable") } else { String::new() },
        state(lang, &facts.state),
        facts.wait.map(|wait| still_waiting(lang, &wait)).unwrap_or_default(),
    ])
}

fn quoted(name: &str) -> String {
    code_span(name, QUOTED_MAX)
}

fn state(lang: Lang, state: &CardState) -> String {
    match state {
        CardState::NotYetChecked => tr!(lang, "card-not-yet-checked"),
        CardState::Free => tr!(lang, "card-free"),
        CardState::NameTaken => tr!(lang, "card-name-taken"),
        CardState::AddressInUse => tr!(lang, "card-address-in-use"),
        CardState::Held(code) => tr!(lang, "card-held", why = why(lang, *code)),
        CardState::Making(who) => tr!(lang, "card-making", who = decider(lang, who)),
        CardState::Made(who) => tr!(lang, "card-made", who = decider(lang, who)),
        CardState::NeedsOperator { by: who, step, code } => lines([
            tr!(lang, "card-needs-operator", who = decider(lang, who), why = why(lang, *code)),
            stopped_at(lang, *step),
        ]),
        CardState::Denied { by: who, quiet: false } => tr!(lang, "card-denied", who = decider(lang, who)),
        CardState::Denied { by: who, quiet: true } => {
            tr!(lang, "card-denied-quietly", who = decider(lang, who))
        }
        CardState::Cancelled => tr!(lang, "card-cancelled"),
        CardState::Expired => tr!(lang, "card-expired"),
        CardState::Failed(code) => tr!(lang, "card-failed", why = why(lang, *code)),
        CardState::FailedAndKept(code) => tr!(lang, "card-failed-kept", why = why(lang, *code)),
    }
}

fn decider(lang: Lang, by: &Decider) -> String {
    match by {
        Decider::Person(user) => mention(*user),
        Decider::Operator => tr!(lang, "card-cli-decided"),
        Decider::Rule(rule) => {
            tr!(lang, "card-rule-decided", rule = quoted(rule))
        }
    }
}

fn still_waiting(lang: Lang, wait: &Wait) -> String {
    let (what, since) = (error_code::waits_for(lang, wait.code), date_and_time(wait.since));
    if wait.is_end {
        tr!(lang, "card-end-still-waiting", what = what, since = since)
    } else {
        tr!(lang, "card-still-waiting", what = what, since = since)
    }
}

/// How many requests a notice names.
const NAMED_MAX: usize = 10;

/// What admins read in the log channel when requests have waited for long. `wait` is the longest.
pub fn delayed_notice(lang: Lang, codes: &[&str], wait: &Wait) -> String {
    let named = codes.iter().take(NAMED_MAX).map(|code| quoted(code)).collect::<Vec<_>>().join(", ");
    let codes_and_more = match codes.len().saturating_sub(NAMED_MAX) {
        0 => named,
        more => tr!(lang, "delayed-notice-more", codes = named, count = more),
    };
    tr!(
        lang,
        "delayed-notice",
        count = codes.len(),
        codes = codes_and_more,
        what = error_code::waits_for(lang, wait.code),
        since = date_and_time(wait.since)
    )
}

fn stopped_at(lang: Lang, step: Option<Step>) -> String {
    step.map_or_else(String::new, |step| tr!(lang, "card-stopped-at", step = step_words(lang, step)))
}

/// What admins read in the log channel when a job needs an operator.
pub fn needs_operator_notice(lang: Lang, code: &str, step: Option<Step>, because: ErrorCode) -> String {
    let notice = tr!(lang, "operator-notice", code = quoted(code), why = why(lang, because));
    lines([notice, stopped_at(lang, step)])
}

/// What admins read when an account that was to be removed had a password.
pub fn kept_notice(lang: Lang, code: &str) -> String {
    tr!(lang, "kept-notice", code = quoted(code))
}

/// What admins read when a person said that someone else set their password.
pub fn locked_notice(lang: Lang, code: &str, who: DiscordUserId) -> String {
    tr!(lang, "locked-notice", code = quoted(code), who = mention(who))
}

/// What admins read when an account is unlocked again.
pub fn enabled_notice(lang: Lang, code: &str, who: DiscordUserId) -> String {
    tr!(lang, "enabled-notice", code = quoted(code), who = mention(who))
}

/// What admins read when an account that must be locked was not.
pub fn lock_lost_notice(lang: Lang, code: &str, who: DiscordUserId) -> String {
    tr!(lang, "lock-lost-notice", code = quoted(code), who = mention(who))
}

/// What a code means for moderators and operators. A code that has no text of its own sends them to the log.
fn why(lang: Lang, code: ErrorCode) -> String {
    text_of_code_if_any(lang, "why-code", code.code())
        .unwrap_or_else(|| tr!(lang, "why-code-other", code = code.code()))
}

/// What a step does, in the middle of a sentence.
pub(super) fn step_words(lang: Lang, step: Step) -> String {
    text_of_code(lang, "step", step.code())
}
