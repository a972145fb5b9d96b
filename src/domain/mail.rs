//! A mail that Keycloak was asked for: what is known of it, and how long its link works.
//!
//! Keycloak keeps nothing of a mailed link, and no later mail ends an earlier one: this record is how people learn which still work.

use std::time::Duration;

use super::error_code::codes;
use super::ids::Timestamp;

/// The span of the budgets for one person and one address.
pub const PERSONAL_SPAN: Duration = Duration::from_hours(24);

/// The span of the budgets for one domain and for all mails together.
pub const COMMON_SPAN: Duration = Duration::from_hours(1);

codes! {
    /// What is known of a mail.
    pub enum MailState {
        /// It was counted, and nobody has heard yet whether it went out.
        Begun = "begun",
        /// The mail server took it.
        Accepted = "accepted",
        /// Keycloak refused to send it.
        Refused = "refused",
        /// It may have gone out.
        Unknown = "unknown",
        /// It was not asked for, because a budget was used up.
        HeldBack = "held_back",
    }
}

/// One mail of an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mail {
    /// When it was asked for.
    pub at: Timestamp,
    /// When its link ends, used or not.
    pub link_until: Timestamp,
    /// What is known of it.
    pub state: MailState,
}

impl Mail {
    /// Whether it may hold a link that still works at `now`, if nobody used it.
    pub fn may_work(&self, now: Timestamp) -> bool {
        let may_be_out = match self.state {
            MailState::Begun | MailState::Accepted | MailState::Unknown => true,
            MailState::Refused | MailState::HeldBack => false,
        };
        may_be_out && self.link_until > now
    }

    /// Whether it certainly went out.
    pub fn is_certain(&self) -> bool {
        self.state == MailState::Accepted
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
}
