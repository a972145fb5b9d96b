//! The notifications: what people and admins are told in a separate message.
//!
//! The outbox keeps the code; the text is rendered from current data when the message is sent.

use super::error_code::codes;

codes! {
    /// What a message says.
    pub enum Notification {
        /// The account was created and the first mail was sent.
        Invited = "invited",
        /// A moderator denied the request.
        Denied = "denied",
        /// The account could not be created.
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
        /// The account is locked because the person said that someone else set the password.
        Locked = "locked",
        /// The account is unlocked, and a mail with a link for a new password follows.
        Enabled = "enabled",
        /// Another mail was sent.
        MailSent = "mail_sent",
        /// It is unknown whether another mail was sent.
        MailUnknown = "mail_unknown",
        /// Keycloak refused to send another mail.
        MailRefused = "mail_refused",
        /// A limit on mails was reached.
        MailHeldBack = "mail_held_back",
        /// Admins: a job waits for an operator.
        NeedsOperator = "needs_operator",
        /// Admins: jobs have waited for long.
        Delayed = "delayed",
        /// Admins: an account that was to be removed has a password, so it is locked and kept.
        KeptWithPassword = "kept_with_password",
        /// Admins: the person said that someone else set the password, so the account is locked.
        LockedByPerson = "locked_by_person",
        /// Admins: the account is unlocked again.
        EnabledAgain = "enabled_again",
        /// Admins: the lock of an account that must be locked was gone, and is being set again.
        LockLost = "lock_lost",
        /// Admins: Discord refuses cards or a panel in a channel.
        ChannelRefused = "channel_refused",
    }
}
