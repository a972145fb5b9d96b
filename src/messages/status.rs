//! Where a person's request and account stand, and the sentence for it.

use super::mails::{self, Links};
use super::quote::code_span;
use super::{Lang, date_and_time, error_code, lines, notice, relative, say, say_with};
use crate::domain::error_code::ErrorCode;
use crate::domain::ids::Timestamp;
use crate::domain::job::Step;
use crate::domain::mail::Mail;
use crate::domain::request::ANSWER_MAX;

/// The longest user name or code that is quoted.
const QUOTED_MAX: usize = 64;

/// Where somebody stands, derived from request, work and account. A hold and a quiet denial do not show.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Nothing is open and there is no account.
    Nothing,
    /// A draft that was not sent.
    Draft {
        /// When it is dropped.
        expires_at: Timestamp,
    },
    /// Sent, not decided (`waiting`, and `held` as well).
    Waiting {
        /// When `Send` was pressed.
        since: Timestamp,
        /// When it expires.
        expires_at: Option<Timestamp>,
    },
    /// The wanted name is not free.
    NameTaken {
        /// The name.
        username: String,
    },
    /// Approved; the account is being made.
    Making {
        /// The user name.
        username: String,
        /// The present step.
        step: Option<Step>,
        /// Why it waits, if it does (an outside system is down, for example).
        waits_for: Option<ErrorCode>,
    },
    /// Made, the mail is on its way.
    MailPending {
        /// The user name.
        username: String,
    },
    /// Made so far, and somebody has to look.
    NeedsOperator {
        /// The user name.
        username: String,
    },
    /// The mail is out; no password exists.
    Invited {
        /// The user name.
        username: String,
        /// When the mail went out.
        at: Timestamp,
        /// What there is to say of mails.
        mails: Mails,
    },
    /// In use.
    Active {
        /// The user name.
        username: String,
        /// Since when.
        since: Option<Timestamp>,
        /// What there is to say of mails.
        mails: Mails,
    },
    /// It is being locked, because the person said that somebody else set the password.
    Locking {
        /// The user name.
        username: String,
        /// Why it waits, if it does.
        waits_for: Option<ErrorCode>,
    },
    /// Locked.
    Disabled {
        /// The user name.
        username: String,
    },
    /// Entry or user are not the recorded ones.
    Conflict {
        /// The user name.
        username: String,
    },
    /// An account that never was used is being taken back.
    Withdrawing {
        /// The user name.
        username: String,
    },
    /// Denied, and told.
    Denied {
        /// When.
        at: Timestamp,
        /// The moderator's reason, if it is still kept.
        reason: Option<String>,
    },
    /// Denied quietly: reads like a request that came to nothing.
    Ended {
        /// When.
        at: Timestamp,
    },
    /// Taken back.
    Cancelled {
        /// When.
        at: Timestamp,
        /// Why, if not by the person's own wish.
        why: Option<ErrorCode>,
    },
    /// Nobody decided in time.
    Expired {
        /// When.
        at: Timestamp,
    },
    /// Approved, but the account could not be made.
    Failed {
        /// When.
        at: Timestamp,
        /// Why.
        why: ErrorCode,
    },
}

/// The mails of an account, and the one that was asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mails {
    /// Newest first.
    pub sent: Vec<Mail>,
    /// When this was read.
    pub now: Timestamp,
    /// The mail that was asked for and is not out.
    pub asked: Asked,
}

/// Whether a mail that was asked for is still to be sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Asked {
    /// No.
    #[default]
    No,
    /// It is on its way.
    UnderWay,
    /// It waits for a server.
    Delayed,
    /// It waits for an operator.
    Stuck,
}

/// The sentence for `stage`; `code` is the request's public code, if there is a request.
pub fn sentence(lang: Lang, stage: &Stage, code: Option<&str>) -> String {
    let head = code.map_or_else(String::new, |code| {
        say_with(lang, "status-code", [("code", code_span(code, QUOTED_MAX).into())])
    });
    lines([head, of_stage(lang, stage)])
}

fn of_stage(lang: Lang, stage: &Stage) -> String {
    match stage {
        Stage::Nothing => [say(lang, "status-nothing"), notice::questions(lang)].join("\n\n"),
        Stage::Draft { expires_at } => {
            say_with(lang, "status-draft", [("expires", relative(*expires_at).into())])
        }
        Stage::Waiting { since, expires_at } => waiting(lang, *since, *expires_at),
        Stage::NameTaken { username } => say_with(lang, "status-name-unavailable", [name_of(username)]),
        Stage::Making { username, step, waits_for } => making(lang, username, *step, *waits_for),
        Stage::MailPending { username } => say_with(lang, "status-mail-pending", [name_of(username)]),
        Stage::NeedsOperator { username } => say_with(lang, "status-stuck", [name_of(username)]),
        Stage::Invited { username, at, mails } => invited(lang, username, *at, mails),
        Stage::Active { username, since, mails } => active(lang, username, *since, mails),
        Stage::Locking { username, waits_for } => locking(lang, username, *waits_for),
        Stage::Disabled { username } => say_with(lang, "status-disabled", [name_of(username)]),
        Stage::Conflict { username } => say_with(lang, "status-conflict", [name_of(username)]),
        Stage::Withdrawing { username } => say_with(lang, "status-taking-back", [name_of(username)]),
        Stage::Denied { at, reason } => denied(lang, *at, reason.as_deref()),
        Stage::Ended { at } => say_with(lang, "status-ended", [("at", relative(*at).into())]),
        Stage::Cancelled { at, why: None } => {
            say_with(lang, "status-cancelled", [("at", relative(*at).into())])
        }
        Stage::Cancelled { at, why: Some(_) } => {
            say_with(lang, "status-cancelled-lost", [("at", relative(*at).into())])
        }
        Stage::Expired { at } => say_with(lang, "status-expired", [("at", relative(*at).into())]),
        Stage::Failed { at, why } => say_with(
            lang,
            "status-failed",
            [("at", relative(*at).into()), ("why", error_code::why_failed(lang, *why).into())],
        ),
    }
}

fn waiting(lang: Lang, since: Timestamp, expires_at: Option<Timestamp>) -> String {
    let expires = expires_at.map_or_else(String::new, |at| {
        say_with(lang, "status-waiting-expires", [("expires", relative(at).into())])
    });
    lines([say_with(lang, "status-waiting", [("since", relative(since).into())]), expires])
}

fn making(lang: Lang, username: &str, step: Option<Step>, waits_for: Option<ErrorCode>) -> String {
    let step = step.map_or_else(String::new, |step| {
        say_with(lang, "status-step", [("step", super::card::step_words(lang, step).into())])
    });
    // Which server it is helps nobody here; that it goes on by itself does.
    let delayed = waits_for.map_or_else(String::new, |_| say(lang, "status-delayed"));
    lines([say_with(lang, "status-making", [name_of(username)]), step, delayed])
}

fn invited(lang: Lang, username: &str, at: Timestamp, mails: &Mails) -> String {
    let links = Links { mails: &mails.sent, now: mails.now };
    let newest = match links.newest() {
        Some(mail) => {
            let until = [("until", date_and_time(mail.link_until).into())];
            let key = if mail.is_certain() { "status-invited-link" } else { "status-invited-link-perhaps" };
            say_with(lang, key, until)
        }
        None => say(lang, "status-invited-no-link"),
    };
    let made = say_with(lang, "status-invited", [name_of(username), ("at", relative(at).into())]);
    lines([made, newest, mails::older(lang, links, 1), of_last_mail(lang, mails)])
}

fn active(lang: Lang, username: &str, since: Option<Timestamp>, mails: &Mails) -> String {
    let in_use = match since {
        Some(at) => {
            say_with(lang, "status-active-since", [name_of(username), ("since", date_and_time(at).into())])
        }
        None => say_with(lang, "status-active", [name_of(username)]),
    };
    let links = Links { mails: &mails.sent, now: mails.now };
    lines([in_use, mails::older(lang, links, 0), of_last_mail(lang, mails), say(lang, "status-not-me")])
}

fn of_last_mail(lang: Lang, mails: &Mails) -> String {
    match mails.asked {
        Asked::No => mails::last_trouble(lang, &mails.sent),
        Asked::UnderWay => say(lang, "status-mail-under-way"),
        Asked::Delayed => say(lang, "status-mail-delayed"),
        Asked::Stuck => say(lang, "status-mail-stuck"),
    }
}

fn locking(lang: Lang, username: &str, waits_for: Option<ErrorCode>) -> String {
    let delayed = waits_for.map_or_else(String::new, |_| say(lang, "status-locking-delayed"));
    lines([say_with(lang, "status-locking", [name_of(username)]), delayed])
}

fn denied(lang: Lang, at: Timestamp, reason: Option<&str>) -> String {
    let reason = reason.map_or_else(String::new, |reason| {
        say_with(lang, "status-denied-reason", [("reason", code_span(reason, ANSWER_MAX).into())])
    });
    lines([say_with(lang, "status-denied", [("at", relative(at).into())]), reason])
}

fn name_of(username: &str) -> super::Given<'static> {
    ("username", code_span(username, QUOTED_MAX).into())
}
