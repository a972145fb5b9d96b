//! The stage of a person's request and account, as the person sees it.

use super::eligibility::WhyNot;
use super::error_code::ErrorCode;
use super::ids::Timestamp;
use super::job::Step;
use super::mail::Mail;

/// What keeps a job from ending that the person waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delay {
    /// Nothing.
    None,
    /// Something that comes by itself; the bot keeps trying.
    Waits(ErrorCode),
    /// An operator must look.
    Operator,
}

/// The stage that a person sees, derived from request, jobs and account. It shows neither a hold nor a quiet denial.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stage {
    /// No open request and no account.
    Nothing,
    /// A draft that was not sent.
    Draft {
        /// When it is deleted.
        expires_at: Timestamp,
    },
    /// Sent and not decided: `waiting` or `held`.
    Waiting {
        /// When `Send` was pressed.
        since: Timestamp,
        /// When it expires.
        expires_at: Option<Timestamp>,
        /// What the check of name and address waits for.
        waits_for: Option<ErrorCode>,
    },
    /// The requested name is not available.
    NameTaken {
        /// The name.
        username: String,
    },
    /// Approved; the account is being created.
    Making {
        /// The user name.
        username: String,
        /// The current step.
        step: Option<Step>,
        /// What it waits for, if it does: an outside system that is down, for example.
        waits_for: Option<ErrorCode>,
    },
    /// Created; the mail is being sent.
    MailPending {
        /// The user name.
        username: String,
    },
    /// Approved; the job waits for an operator.
    NeedsOperator {
        /// The user name.
        username: String,
    },
    /// The mail was sent; no password has been set.
    Invited {
        /// The user name.
        username: String,
        /// When the mail went out.
        at: Timestamp,
        /// The mails of the account.
        mails: Mails,
    },
    /// A password has been set.
    Active {
        /// The user name.
        username: String,
        /// When the first password was seen.
        since: Option<Timestamp>,
        /// The mails of the account.
        mails: Mails,
    },
    /// Being locked, because the person said that someone else set the password.
    Locking {
        /// The user name.
        username: String,
        /// What keeps it from ending.
        delay: Delay,
    },
    /// Locked.
    Disabled {
        /// The user name.
        username: String,
    },
    /// Being unlocked; a mail follows.
    Unlocking {
        /// The user name.
        username: String,
        /// What keeps it from ending.
        delay: Delay,
    },
    /// It was due to be removed, and a password was set meanwhile.
    Checking {
        /// The user name.
        username: String,
        /// What keeps it from ending.
        delay: Delay,
    },
    /// The entry or the Keycloak user is not the recorded one.
    Conflict {
        /// The user name.
        username: String,
    },
    /// An account that was never used is being removed.
    Withdrawing {
        /// The user name.
        username: String,
        /// What keeps it from ending.
        delay: Delay,
    },
    /// Denied; the person was told.
    Denied {
        /// When.
        at: Timestamp,
        /// The moderator's reason, unless it was erased.
        reason: Option<String>,
    },
    /// Denied quietly: reads like a request that ended without an account.
    Ended {
        /// When.
        at: Timestamp,
    },
    /// Cancelled.
    Cancelled {
        /// When.
        at: Timestamp,
        /// Why, unless the person cancelled it.
        why: Option<ErrorCode>,
    },
    /// Not decided in time.
    Expired {
        /// When.
        at: Timestamp,
    },
    /// Approved, but the account could not be created.
    Failed {
        /// When.
        at: Timestamp,
        /// Why.
        why: ErrorCode,
    },
}

/// Whether the person can ask for an account now.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum NextRequest {
    /// The form opens for them.
    #[default]
    Possible,
    /// These conditions don't hold.
    NotEligible(Vec<WhyNot>),
    /// They are on the deny list.
    Denied,
}

/// What the text of a status is made of.
#[derive(Clone, Copy, Debug)]
pub struct StatusFacts<'a> {
    /// The stage.
    pub stage: &'a Stage,
    /// The public code of the request, if there is one.
    pub code: Option<&'a str>,
    /// Whether the person can ask for an account now.
    pub next: &'a NextRequest,
    /// Where people with an account log in.
    pub login_url: &'a str,
}

/// The mails of an account, and whether another one was requested.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mails {
    /// Newest first.
    pub sent: Vec<Mail>,
    /// When they were read.
    pub now: Timestamp,
    /// Whether a requested mail has not been sent yet.
    pub asked: Asked,
}

/// Whether a requested mail is still to be sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Asked {
    /// No mail is to be sent.
    #[default]
    No,
    /// It is being sent.
    UnderWay,
    /// It waits for this; the job keeps trying.
    Delayed(ErrorCode),
    /// The job waits for an operator.
    Stuck,
}
