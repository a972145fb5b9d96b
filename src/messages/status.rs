//! The text for the stage of a person's request and account.

use super::quote::code_span;
use super::{card, date_and_time, error_code, lines, mails, relative, tr};
use crate::domain::error_code::ErrorCode;
use crate::domain::ids::Timestamp;
use crate::domain::job::Step;
use crate::domain::lang::Lang;
use crate::domain::mail::Links;
use crate::domain::request::ANSWER_MAX;
use crate::domain::status::{Asked, Delay, Mails, NextRequest, Stage, StatusFacts};

/// The longest user name or code that is quoted.
const QUOTED_MAX: usize = 64;

/// The text for a stage, below the request's public code.
pub fn sentence(lang: Lang, facts: &StatusFacts<'_>) -> String {
    let head = facts
        .code
        .map_or_else(String::new, |code| tr!(lang, "status-code", code = code_span(code, QUOTED_MAX)));
    let text = lines([head, of_stage(lang, facts)]);
    if *facts.stage == Stage::Nothing && *facts.next == NextRequest::Possible {
        return [text, tr!(lang, "questions")].join("\n\n");
    }
    text
}

fn of_stage(lang: Lang, facts: &StatusFacts<'_>) -> String {
    match facts.stage {
        Stage::Nothing => lines([tr!(lang, "status-nothing"), next_request(lang, facts)]),
        Stage::Draft { expires_at } => {
            tr!(lang, "status-draft", expires = relative(*expires_at))
        }
        Stage::Waiting { since, expires_at, waits_for } => waiting(lang, *since, *expires_at, *waits_for),
        Stage::NameTaken { username } => {
            let taken = tr!(lang, "status-name-unavailable", username = quoted(username));
            lines([taken, next_request(lang, facts)])
        }
        Stage::Making { username, step, waits_for } => making(lang, username, *step, *waits_for),
        Stage::MailPending { username } => tr!(lang, "status-mail-pending", username = quoted(username)),
        Stage::NeedsOperator { username } => tr!(lang, "status-stuck", username = quoted(username)),
        Stage::Invited { username, at, mails } => invited(lang, username, *at, mails),
        Stage::Active { username, since, mails } => active(lang, username, (*since, facts.login_url), mails),
        Stage::Locking { username, delay } => locking(lang, username, *delay),
        Stage::Disabled { username } => tr!(lang, "status-disabled", username = quoted(username)),
        Stage::Unlocking { username, delay } => unlocking(lang, username, *delay),
        Stage::Checking { username, delay } => checking(lang, username, *delay),
        Stage::Conflict { username } => tr!(lang, "status-conflict", username = quoted(username)),
        Stage::Withdrawing { username, delay } => withdrawing(lang, username, *delay),
        Stage::Denied { at, reason } => denied(lang, *at, reason.as_deref()),
        Stage::Ended { at } => tr!(lang, "status-ended", at = relative(*at)),
        Stage::Cancelled { at, why: None } => {
            lines([tr!(lang, "status-cancelled", at = relative(*at)), next_request(lang, facts)])
        }
        Stage::Cancelled { at, why: Some(_) } => {
            lines([tr!(lang, "status-cancelled-lost", at = relative(*at)), next_request(lang, facts)])
        }
        Stage::Expired { at } => {
            lines([tr!(lang, "status-expired", at = relative(*at)), next_request(lang, facts)])
        }
        Stage::Failed { at, why } => {
            tr!(lang, "status-failed", at = relative(*at), why = error_code::why_failed(lang, *why))
        }
    }
}

/// How the person asks for an account, or what is missing.
fn next_request(lang: Lang, facts: &StatusFacts<'_>) -> String {
    match facts.next {
        NextRequest::Possible => tr!(lang, "status-ask"),
        NextRequest::NotEligible(reasons) => error_code::why_not(lang, reasons),
        NextRequest::Denied => error_code::bare(lang, ErrorCode::DeniedPerson),
    }
}

fn waiting(
    lang: Lang,
    since: Timestamp,
    expires_at: Option<Timestamp>,
    waits_for: Option<ErrorCode>,
) -> String {
    let expires =
        expires_at.map_or_else(String::new, |at| tr!(lang, "status-waiting-expires", expires = relative(at)));
    lines([tr!(lang, "status-waiting", since = relative(since)), delayed(lang, waits_for), expires])
}

fn making(lang: Lang, username: &str, step: Option<Step>, waits_for: Option<ErrorCode>) -> String {
    let step =
        step.map_or_else(String::new, |step| tr!(lang, "status-step", step = card::step_words(lang, step)));
    lines([tr!(lang, "status-making", username = quoted(username)), step, delayed(lang, waits_for)])
}

/// What a job waits for; empty if it doesn't wait.
fn delayed(lang: Lang, waits_for: Option<ErrorCode>) -> String {
    let what = waits_for.map(|code| error_code::waits_for(lang, code));
    what.map_or_else(String::new, |what| tr!(lang, "status-delayed", what = what))
}

fn invited(lang: Lang, username: &str, at: Timestamp, mails: &Mails) -> String {
    let links = Links { mails: &mails.sent, now: mails.now, used_at: None };
    let newest = match links.newest() {
        Some(mail) => {
            let until = date_and_time(mail.link_until);
            if mail.is_certain() {
                tr!(lang, "status-invited-link", until = until)
            } else {
                tr!(lang, "status-invited-link-perhaps", until = until)
            }
        }
        None => tr!(lang, "status-invited-no-link"),
    };
    let made = tr!(lang, "status-invited", username = quoted(username), at = relative(at));
    lines([made, newest, mails::older(lang, links, 1), of_last_mail(lang, mails)])
}

fn active(
    lang: Lang,
    username: &str,
    (since, login_url): (Option<Timestamp>, &str),
    mails: &Mails,
) -> String {
    let in_use = match since {
        Some(at) => {
            tr!(lang, "status-active-since", username = quoted(username), since = date_and_time(at))
        }
        None => tr!(lang, "status-active", username = quoted(username)),
    };
    let links = Links { mails: &mails.sent, now: mails.now, used_at: since };
    let login = tr!(lang, "log-in-at", url = login_url);
    let links = mails::older(lang, links, 0);
    lines([in_use, login, links, of_last_mail(lang, mails), tr!(lang, "status-not-me")])
}

fn of_last_mail(lang: Lang, mails: &Mails) -> String {
    match mails.asked {
        Asked::No => mails::last_trouble(lang, &mails.sent),
        Asked::UnderWay => tr!(lang, "status-mail-under-way"),
        Asked::Delayed(code) => lines([tr!(lang, "status-mail-under-way"), delayed(lang, Some(code))]),
        Asked::Stuck => tr!(lang, "status-mail-stuck"),
    }
}

fn locking(lang: Lang, username: &str, delay: Delay) -> String {
    let locking = tr!(lang, "status-locking", username = quoted(username));
    match delay {
        Delay::None => locking,
        Delay::Waits(code) => {
            lines([locking, tr!(lang, "status-locking-delayed"), delayed(lang, Some(code))])
        }
        Delay::Operator => lines([locking, tr!(lang, "status-locking-stuck")]),
    }
}

fn unlocking(lang: Lang, username: &str, delay: Delay) -> String {
    let unlocking = tr!(lang, "status-unlocking", username = quoted(username));
    match delay {
        Delay::None => unlocking,
        Delay::Waits(code) => {
            lines([unlocking, tr!(lang, "status-unlocking-delayed"), delayed(lang, Some(code))])
        }
        Delay::Operator => lines([unlocking, tr!(lang, "status-unlocking-stuck")]),
    }
}

fn checking(lang: Lang, username: &str, delay: Delay) -> String {
    let checking = tr!(lang, "status-checking", username = quoted(username));
    match delay {
        Delay::None => checking,
        Delay::Waits(code) => lines([checking, delayed(lang, Some(code))]),
        Delay::Operator => lines([checking, tr!(lang, "status-checking-stuck")]),
    }
}

fn withdrawing(lang: Lang, username: &str, delay: Delay) -> String {
    match delay {
        Delay::None => tr!(lang, "status-taking-back", username = quoted(username)),
        Delay::Waits(code) => {
            let removing = tr!(lang, "status-taking-back-delayed", username = quoted(username));
            lines([removing, delayed(lang, Some(code))])
        }
        Delay::Operator => tr!(lang, "status-taking-back-stuck", username = quoted(username)),
    }
}

fn denied(lang: Lang, at: Timestamp, reason: Option<&str>) -> String {
    let reason = reason.map_or_else(String::new, |reason| {
        tr!(lang, "status-denied-reason", reason = code_span(reason, ANSWER_MAX))
    });
    lines([tr!(lang, "status-denied", at = relative(at)), reason])
}

fn quoted(username: &str) -> String {
    code_span(username, QUOTED_MAX)
}
