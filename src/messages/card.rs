//! The card on which moderators decide, in each of its states.

use super::quote::code_span;
use super::{date_and_time, error_code, lines, mention, relative, text_of_code, text_of_code_if_any, tr};
use crate::domain::card::{CardFacts, CardState, Decider, Joined};
use crate::domain::error_code::ErrorCode;
use crate::domain::ids::DiscordUserId;
use crate::domain::job::Step;
use crate::domain::lang::Lang;
use crate::domain::request::ANSWER_MAX;
use crate::domain::summary::{Fact, Summary, Tone};
use crate::domain::wait::Wait;

/// How many groups are named; their names then fit into one fact.
const GROUPS_MAX: usize = 14;

/// The longest name or address that is quoted.
const QUOTED_MAX: usize = 254;

/// The whole card: its state in words and colour, then the facts.
pub fn summary(lang: Lang, facts: &CardFacts) -> Summary {
    let (title, tone) = heading(lang, &facts.state);
    Summary {
        headline: tr!(
            lang,
            "card-headline",
            code = quoted(&facts.code),
            who = mention(facts.requester),
            state = title.as_str()
        ),
        person: facts.shown.clone(),
        title,
        text: lines([
            state(lang, &facts.state),
            facts.wait.map(|wait| still_waiting(lang, &wait)).unwrap_or_default(),
            if facts.is_unreachable { tr!(lang, "card-unreachable") } else { String::new() },
        ]),
        tone,
        facts: vec![
            requester(lang, facts),
            username(lang, facts),
            address(lang, facts),
            member_since(lang, facts),
            account_since(lang, facts),
            rule(lang, facts),
            groups(lang, facts),
            earlier(lang, facts),
            answer(lang, facts),
        ],
        footer: tr!(lang, "card-footer", code = facts.code.as_str()),
        at: Some(facts.sent_at),
    }
}

/// The state in a few words, and its colour.
fn heading(lang: Lang, state: &CardState) -> (String, Tone) {
    match state {
        CardState::NotYetChecked | CardState::Free | CardState::NameTaken => {
            (tr!(lang, "card-title-waiting"), Tone::Open)
        }
        CardState::AddressInUse | CardState::Held(_) => (tr!(lang, "card-title-held"), Tone::Attention),
        CardState::Making(_) => (tr!(lang, "card-title-approved"), Tone::Good),
        CardState::Made(_) => (tr!(lang, "card-title-made"), Tone::Good),
        CardState::NeedsOperator { .. } => (tr!(lang, "card-title-needs-operator"), Tone::Attention),
        CardState::Denied { .. } => (tr!(lang, "card-title-denied"), Tone::Bad),
        CardState::Cancelled => (tr!(lang, "card-title-cancelled"), Tone::Over),
        CardState::Expired => (tr!(lang, "card-title-expired"), Tone::Over),
        CardState::Failed(_) | CardState::FailedAndKept(_) => (tr!(lang, "card-title-failed"), Tone::Bad),
    }
}

fn requester(lang: Lang, facts: &CardFacts) -> Fact {
    Fact::short(tr!(lang, "card-requester"), mention(facts.requester))
}

fn username(lang: Lang, facts: &CardFacts) -> Fact {
    Fact::short(tr!(lang, "form-username"), quoted(&facts.username))
}

fn address(lang: Lang, facts: &CardFacts) -> Fact {
    let address = facts.masked_address.as_deref().map(quoted).unwrap_or_default();
    Fact::short(tr!(lang, "card-address"), address)
}

fn member_since(lang: Lang, facts: &CardFacts) -> Fact {
    let joined = match facts.joined {
        Joined::At(at) => relative(at),
        Joined::Unknown => tr!(lang, "card-joined-unknown"),
        Joined::Untold => String::new(),
    };
    Fact::short(tr!(lang, "card-joined"), joined)
}

fn account_since(lang: Lang, facts: &CardFacts) -> Fact {
    Fact::short(tr!(lang, "card-account-age"), relative(facts.requester.created_at()))
}

fn rule(lang: Lang, facts: &CardFacts) -> Fact {
    let rule = facts.rule.as_deref().map_or_else(|| tr!(lang, "card-no-rule"), quoted);
    Fact::short(tr!(lang, "card-rule"), rule)
}

fn groups(lang: Lang, facts: &CardFacts) -> Fact {
    let names: Vec<String> = facts.groups.iter().take(GROUPS_MAX).map(|group| code_span(group, 64)).collect();
    Fact::short(tr!(lang, "card-groups"), names.join(", "))
}

fn earlier(lang: Lang, facts: &CardFacts) -> Fact {
    Fact::short(tr!(lang, "card-earlier"), tr!(lang, "card-earlier-count", count = facts.earlier))
}

fn answer(lang: Lang, facts: &CardFacts) -> Fact {
    let answer = facts.answer.as_deref().map(|answer| code_span(answer, ANSWER_MAX)).unwrap_or_default();
    Fact::long(tr!(lang, "card-answer"), answer)
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
