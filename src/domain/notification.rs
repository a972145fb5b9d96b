//! Everything that people and admins are told by a message of its own.
//!
//! The outbox keeps the code; the sentence is rendered from current data when the message is sent.

use super::error_code::codes;

codes! {
    /// What a message says.
    pub enum Notification {
        /// The account is made and the first mail is out.
        Invited = "invited",
        /// A moderator denied the request.
        Denied = "denied",
        /// The account could not be made.
        Failed = "failed",
        /// Nobody decided in time.
        Expired = "expired",
        /// The request ended because the person left the guild or lost the role, or an operator cancelled it.
        Cancelled = "cancelled",
        /// The user name is taken; the person may choose another.
        NameTaken = "name_taken",
        /// The account was removed because nobody used it.
        Withdrawn = "withdrawn",
        /// A first password was set.
        Activated = "activated",
        /// The account is locked because the person said that somebody else set the password.
        Locked = "locked",
        /// Another mail is on its way.
        MailSent = "mail_sent",
        /// It is unknown whether another mail was sent.
        MailUnknown = "mail_unknown",
        /// Keycloak refused to send another mail.
        MailRefused = "mail_refused",
        /// A limit on mails was reached.
        MailHeldBack = "mail_held_back",
        /// Admins: a job waits for an operator.
        NeedsOperator = "needs_operator",
        /// Admins: an account that was to be removed has a password, so it is locked and kept.
        KeptWithPassword = "kept_with_password",
        /// Admins: the person said that somebody else set the password, so the account is locked.
        LockedByPerson = "locked_by_person",
    }
}
