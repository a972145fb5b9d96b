//! What people read about mailed links: which still work, the mail again, and "that was not me".

use super::quote::code_span;
use super::{Lang, date_and_time, lines, relative, say, say_with};
use crate::domain::ids::Timestamp;
use crate::domain::mail::{Mail, MailState};

/// The longest user name that is quoted.
const QUOTED_MAX: usize = 64;

/// Why nothing can be done with an account at present.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MailUnavailable {
    /// There is none.
    NoAccount,
    /// It is being made; its mail comes by itself.
    BeingMade,
    /// It is being taken back or locked.
    Ending,
    /// It is locked.
    Locked,
    /// Operators look at it.
    Conflict,
}

impl MailUnavailable {
    /// All of them.
    pub const ALL: &'static [Self] =
        &[Self::NoAccount, Self::BeingMade, Self::Ending, Self::Locked, Self::Conflict];
}

/// The mails of an account, newest first, and the moment at which that is said.
#[derive(Clone, Copy, Debug)]
pub struct Links<'a> {
    /// The mails.
    pub mails: &'a [Mail],
    /// Now.
    pub now: Timestamp,
}

impl<'a> Links<'a> {
    /// The newest mail whose link may work.
    pub fn newest(self) -> Option<&'a Mail> {
        self.working().next()
    }

    fn working(self) -> impl Iterator<Item = &'a Mail> {
        self.mails.iter().filter(move |mail| mail.may_work(self.now))
    }
}

/// The label of the button that asks for the mail again.
pub fn resend_label(lang: Lang) -> String {
    say(lang, "button-resend")
}

/// The label of the button "that was not me".
pub fn not_me_label(lang: Lang) -> String {
    say(lang, "button-not-me")
}

/// What the form that confirms "not me" says.
pub struct NotMeWords {
    /// Above it.
    pub title: String,
    /// What the one field asks for.
    pub note: String,
    /// A hint while it is empty.
    pub hint: String,
}

/// The form that confirms "not me".
pub fn not_me_form(lang: Lang) -> NotMeWords {
    NotMeWords {
        title: say(lang, "not-me-title"),
        note: say(lang, "not-me-note"),
        hint: say(lang, "not-me-note-hint"),
    }
}

/// The account is being locked.
pub fn locking(lang: Lang, username: &str) -> String {
    say_with(lang, "not-me-locking", [name_of(username)])
}

/// It was asked for before.
pub fn locking_already(lang: Lang, username: &str) -> String {
    say_with(lang, "not-me-locking-already", [name_of(username)])
}

/// The mail was asked for; the links of the mails before it work on.
pub fn asked(lang: Lang, username: &str, before: Links<'_>) -> String {
    lines([say_with(lang, "mail-asked", [name_of(username)]), older(lang, before, 0)])
}

/// The mail was asked for before and is on its way.
pub fn asked_already(lang: Lang, username: &str, before: Links<'_>) -> String {
    lines([say_with(lang, "mail-asked-already", [name_of(username)]), older(lang, before, 0)])
}

/// Why nothing can be done now, with the next step.
pub fn not_now(lang: Lang, why: MailUnavailable) -> String {
    match why {
        MailUnavailable::NoAccount => say(lang, "not-now-no-account"),
        MailUnavailable::BeingMade => say(lang, "not-now-being-made"),
        MailUnavailable::Ending => say(lang, "not-now-ending"),
        MailUnavailable::Locked => say(lang, "not-now-locked"),
        MailUnavailable::Conflict => say(lang, "not-now-conflict"),
    }
}

/// Too many mails lately.
pub fn wait(lang: Lang, until: Timestamp) -> String {
    say_with(lang, "mail-wait", [("until", relative(until).into())])
}

/// Direct message: a password was set; not you? press the button.
pub fn direct_activated(lang: Lang, username: &str, at: Timestamp) -> String {
    say_with(lang, "direct-activated", [name_of(username), ("at", date_and_time(at).into())])
}

/// Direct message: the account is locked, and whom to talk to.
pub fn direct_locked(lang: Lang, username: &str, admins_are_told: bool) -> String {
    let next = if admins_are_told { "direct-locked-told" } else { "direct-locked-tell" };
    lines([say_with(lang, "direct-locked", [name_of(username)]), say(lang, next)])
}

/// Direct message: the mail that was asked for is out.
pub fn direct_mail_sent(lang: Lang, username: &str, links: Links<'_>) -> String {
    let until = links.newest().map_or(links.now, |newest| newest.link_until);
    let sent =
        say_with(lang, "direct-mail-sent", [name_of(username), ("until", date_and_time(until).into())]);
    lines([sent, older(lang, links, 1)])
}

/// Direct message: nobody knows whether the mail is out.
pub fn direct_mail_unknown(lang: Lang, username: &str, links: Links<'_>) -> String {
    lines([say_with(lang, "direct-mail-unknown", [name_of(username)]), older(lang, links, 0)])
}

/// Direct message: the mail was refused.
pub fn direct_mail_refused(lang: Lang, username: &str, links: Links<'_>) -> String {
    lines([say_with(lang, "direct-mail-refused", [name_of(username)]), older(lang, links, 0)])
}

/// Direct message: the mail was not sent, because a rate limit is used up.
pub fn direct_mail_held_back(lang: Lang, username: &str, links: Links<'_>) -> String {
    lines([say_with(lang, "direct-mail-held-back", [name_of(username)]), older(lang, links, 0)])
}

/// What came of the last mail, where it did not go out; empty otherwise.
pub(super) fn last_trouble(lang: Lang, mails: &[Mail]) -> String {
    let Some(last) = mails.first() else { return String::new() };
    let at = [("at", relative(last.at).into())];
    match last.state {
        MailState::Refused => say_with(lang, "mail-last-refused", at),
        MailState::HeldBack => say_with(lang, "mail-last-held-back", at),
        MailState::Begun | MailState::Accepted | MailState::Unknown => String::new(),
    }
}

/// The links that may work, but for the newest `told` ones; empty if there are none.
pub(super) fn older(lang: Lang, links: Links<'_>, told: usize) -> String {
    let listed: Vec<String> = links.working().skip(told).map(|mail| line(lang, mail)).collect();
    if listed.is_empty() {
        return String::new();
    }
    lines([say(lang, "links-older")].into_iter().chain(listed))
}

fn line(lang: Lang, mail: &Mail) -> String {
    let given = [("at", relative(mail.at).into()), ("until", date_and_time(mail.link_until).into())];
    let said = if mail.is_certain() {
        say_with(lang, "link-sent", given)
    } else {
        say_with(lang, "link-perhaps-sent", given)
    };
    ["- ", &said].concat()
}

fn name_of(username: &str) -> super::Given<'static> {
    ("username", code_span(username, QUOTED_MAX).into())
}
