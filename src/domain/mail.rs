//! The mails that Keycloak was asked to send: their states, and how long their links work.
//!
//! Keycloak keeps no record of a mailed link, and a later mail does not end an earlier link. People learn from these records which
//! links still work.

use std::time::Duration;

use super::error_code::codes;
use super::ids::Timestamp;

/// The span of the rate limits for one person and one address.
pub const PERSONAL_SPAN: Duration = Duration::from_hours(24);

/// The span of the rate limits for one domain and for all mails together.
pub const COMMON_SPAN: Duration = Duration::from_hours(1);

codes! {
    /// The state of a mail.
    pub enum MailState {
        /// It was counted, and Keycloak has not answered yet.
        Begun = "begun",
        /// The mail server accepted it.
        Accepted = "accepted",
        /// Keycloak refused to send it.
        Refused = "refused",
        /// It may have been sent.
        Unknown = "unknown",
        /// Keycloak was not asked to send it, because a rate limit was reached.
        HeldBack = "held_back",
    }
}

/// One mail of an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mail {
    /// When Keycloak was asked to send it.
    pub at: Timestamp,
    /// When its link ends, used or not.
    pub link_until: Timestamp,
    /// Its state.
    pub state: MailState,
}

impl Mail {
    /// Whether its link may still work at `now`, unless it was used.
    pub fn may_work(&self, now: Timestamp) -> bool {
        let may_be_out = match self.state {
            MailState::Begun | MailState::Accepted | MailState::Unknown => true,
            MailState::Refused | MailState::HeldBack => false,
        };
        may_be_out && self.link_until > now
    }

    /// Whether it was certainly sent.
    pub fn is_certain(&self) -> bool {
        self.state == MailState::Accepted
    }
}

/// The mails of an account and the time at which they are shown.
#[derive(Clone, Copy, Debug)]
pub struct Links<'a> {
    /// The mails, newest first.
    pub mails: &'a [Mail],
    /// The time.
    pub now: Timestamp,
    /// When the first password was set, which used one of the links that could work then.
    pub used_at: Option<Timestamp>,
}

impl<'a> Links<'a> {
    /// The newest mail whose link may work.
    pub fn newest(self) -> Option<&'a Mail> {
        self.working().next()
    }

    /// The mails whose links may work, newest first. A link that was certainly used is not among them.
    pub fn working(self) -> impl Iterator<Item = &'a Mail> {
        let used = self.used().map(|(mail, _)| mail);
        self.mails.iter().filter(move |mail| mail.may_work(self.now) && used != Some(*mail))
    }

    /// The mail whose link was used, and when: the only one whose link could work when the first password was set. With several of them,
    /// nobody knows which one it was.
    pub fn used(self) -> Option<(&'a Mail, Timestamp)> {
        let at = self.used_at?;
        let mut could_be = self.mails.iter().filter(|mail| mail.at <= at && mail.may_work(at));
        match (could_be.next(), could_be.next()) {
            (Some(mail), None) => Some((mail, at)),
            (_, _) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_works_until_its_time_unless_its_mail_certainly_did_not_go_out() {
        let (at, link_until) = (Timestamp::from_millis(1_000), Timestamp::from_millis(2_000));
        for state in MailState::ALL {
            let mail = Mail { at, link_until, state: *state };
            let is_out = !matches!(state, MailState::Refused | MailState::HeldBack);
            assert_eq!(mail.may_work(Timestamp::from_millis(1_999)), is_out, "{state}");
            assert!(!mail.may_work(link_until), "{state}");
            assert_eq!(mail.is_certain(), *state == MailState::Accepted, "{state}");
        }
    }

    #[test]
    fn the_only_link_that_could_work_was_used_and_of_several_nobody_knows() {
        let at = Timestamp::from_millis;
        let mail = |sent, until| Mail { at: at(sent), link_until: at(until), state: MailState::Accepted };
        let used_of = |mails: &[Mail]| {
            let links = Links { mails, now: at(60), used_at: Some(at(50)) };
            (links.used().map(|(mail, _)| mail.at), links.working().count())
        };
        assert_eq!(used_of(&[mail(10, 100)]), (Some(at(10)), 0));
        assert_eq!(used_of(&[mail(55, 100), mail(10, 100)]), (Some(at(10)), 1), "one was sent afterwards");
        assert_eq!(used_of(&[mail(20, 100), mail(10, 40)]), (Some(at(20)), 0), "one had ended before");
        assert_eq!(used_of(&[mail(20, 100), mail(10, 100)]), (None, 2));
        let mails = [mail(10, 100)];
        let links = Links { mails: &mails, now: at(60), used_at: None };
        assert_eq!((links.used(), links.working().count()), (None, 1));
    }
}
