//! What people read about mailed links, requests for another mail, and "Not me".

use super::quote::code_span;
use super::{date_and_time, lines, relative, tr};
use crate::domain::ids::Timestamp;
use crate::domain::lang::Lang;
use crate::domain::mail::{Links, Mail, MailState};
use crate::domain::phase::AccountUnavailable;

/// The longest user name that is quoted.
const QUOTED_MAX: usize = 64;

/// The texts of the form that confirms "Not me".
pub struct NotMeTexts {
    /// The title.
    pub title: String,
    /// The label of its field.
    pub note: String,
    /// The hint in the empty field.
    pub hint: String,
}

/// The form that confirms "Not me".
pub fn not_me_form(lang: Lang) -> NotMeTexts {
    NotMeTexts {
        title: tr!(lang, "not-me-title"),
        note: tr!(lang, "not-me-note"),
        hint: tr!(lang, "not-me-note-hint"),
    }
}

/// The account is being locked.
pub fn locking(lang: Lang, username: &str) -> String {
    tr!(lang, "not-me-locking", username = quoted(username))
}

/// The account is already being locked.
pub fn locking_already(lang: Lang, username: &str) -> String {
    tr!(lang, "not-me-locking-already", username = quoted(username))
}

/// Another mail is being sent; links from earlier mails still work.
pub fn asked(lang: Lang, username: &str, before: Links<'_>) -> String {
    lines([tr!(lang, "mail-asked", username = quoted(username)), older(lang, before, 0)])
}

/// Another mail is already being sent.
pub fn asked_already(lang: Lang, username: &str, before: Links<'_>) -> String {
    lines([tr!(lang, "mail-asked-already", username = quoted(username)), older(lang, before, 0)])
}

/// Why an account can't be used now, with the next step: the same sentence for every command.
pub fn not_now(lang: Lang, why: AccountUnavailable) -> String {
    match why {
        AccountUnavailable::NoAccount => tr!(lang, "not-now-no-account"),
        AccountUnavailable::BeingMade => tr!(lang, "not-now-being-made"),
        AccountUnavailable::Checking => tr!(lang, "not-now-checking"),
        AccountUnavailable::Removing => tr!(lang, "not-now-removing"),
        AccountUnavailable::Locking => tr!(lang, "not-now-locking"),
        AccountUnavailable::Locked => tr!(lang, "not-now-locked"),
        AccountUnavailable::Unlocking => tr!(lang, "not-now-unlocking"),
        AccountUnavailable::Conflict => tr!(lang, "not-now-conflict"),
    }
}

/// Too many mails in a short time.
pub fn wait(lang: Lang, until: Timestamp) -> String {
    tr!(lang, "mail-wait", until = relative(until))
}

/// Direct message: a password was set, with where to log in and what to do if another person set it.
pub fn direct_activated(lang: Lang, username: &str, at: Timestamp, login_url: &str) -> String {
    let activated = tr!(lang, "direct-activated", username = quoted(username), at = date_and_time(at));
    lines([activated, tr!(lang, "log-in-at", url = login_url), tr!(lang, "status-not-me")])
}

/// Direct message: the account is locked, and who can restore it.
pub fn direct_locked(lang: Lang, username: &str, admins_are_told: bool) -> String {
    let next = if admins_are_told { tr!(lang, "direct-locked-told") } else { tr!(lang, "direct-locked-ask") };
    lines([tr!(lang, "direct-locked", username = quoted(username)), next])
}

/// Direct message: an admin unlocked the account, and a mail follows.
pub fn direct_enabled(lang: Lang, username: &str) -> String {
    tr!(lang, "direct-enabled", username = quoted(username))
}

/// Direct message: the requested mail was sent.
pub fn direct_mail_sent(lang: Lang, username: &str, links: Links<'_>) -> String {
    let until = links.newest().map_or(links.now, |newest| newest.link_until);
    let sent = tr!(lang, "direct-mail-sent", username = quoted(username), until = date_and_time(until));
    lines([sent, older(lang, links, 1)])
}

/// Direct message: the mail may not have been sent.
pub fn direct_mail_unknown(lang: Lang, username: &str, links: Links<'_>) -> String {
    lines([tr!(lang, "direct-mail-unknown", username = quoted(username)), older(lang, links, 0)])
}

/// Direct message: the mail was refused.
pub fn direct_mail_refused(lang: Lang, username: &str, links: Links<'_>) -> String {
    lines([tr!(lang, "direct-mail-refused", username = quoted(username)), older(lang, links, 0)])
}

/// Direct message: the mail was not sent, because a rate limit was reached.
pub fn direct_mail_held_back(lang: Lang, username: &str, links: Links<'_>) -> String {
    lines([tr!(lang, "direct-mail-held-back", username = quoted(username)), older(lang, links, 0)])
}

/// Why the last mail was not sent; empty if it was.
pub(super) fn last_trouble(lang: Lang, mails: &[Mail]) -> String {
    let Some(last) = mails.first() else { return String::new() };
    let at = relative(last.at);
    match last.state {
        MailState::Refused => tr!(lang, "mail-last-refused", at = at),
        MailState::HeldBack => tr!(lang, "mail-last-held-back", at = at),
        MailState::Begun | MailState::Accepted | MailState::Unknown => String::new(),
    }
}

/// The links that may work, without the newest `told` ones, and the one that was used while its time is not over. Empty if there are none.
pub(super) fn older(lang: Lang, links: Links<'_>, told: usize) -> String {
    let listed: Vec<String> = links.working().skip(told).map(|mail| line(lang, mail)).collect();
    let used = links.used().filter(|(mail, _)| mail.may_work(links.now));
    let used = used.map_or_else(String::new, |(mail, at)| {
        tr!(lang, "link-used", at = relative(mail.at), used = relative(at))
    });
    if listed.is_empty() {
        return used;
    }
    lines([tr!(lang, "links-older")].into_iter().chain(listed).chain([used]))
}

fn line(lang: Lang, mail: &Mail) -> String {
    let (at, until) = (relative(mail.at), date_and_time(mail.link_until));
    let sent = if mail.is_certain() {
        tr!(lang, "link-sent", at = at, until = until)
    } else {
        tr!(lang, "link-perhaps-sent", at = at, until = until)
    };
    ["- ", &sent].concat()
}

fn quoted(username: &str) -> String {
    code_span(username, QUOTED_MAX)
}
