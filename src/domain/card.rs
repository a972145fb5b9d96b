//! The facts that moderators see on the card of a request.

use super::error_code::ErrorCode;
use super::ids::{DiscordUserId, Timestamp};
use super::job::Step;
use super::summary::ShownPerson;
use super::wait::Wait;

/// Who decided.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decider {
    /// A moderator, in chat or at the command line.
    Person(DiscordUserId),
    /// An operator without a Discord user, or a person who has been erased.
    Operator,
    /// A rule with automatic approval.
    Rule(String),
}

/// The state of the request on a card.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CardState {
    /// Waiting; name and address have not been checked yet.
    NotYetChecked,
    /// Waiting; name and address are free.
    Free,
    /// Waiting; this name is taken, and the requester must choose another one.
    NameTaken,
    /// On hold: another account has this address. The card does not name its owner.
    AddressInUse,
    /// On hold for another reason.
    Held(ErrorCode),
    /// Approved; the job is creating the account.
    Making(Decider),
    /// The account exists: the mail was sent, or a password was set.
    Made(Decider),
    /// The job waits for an operator. Admins can press `Retry`.
    NeedsOperator {
        /// Who approved.
        by: Decider,
        /// The step at which it stopped, if any.
        step: Option<Step>,
        /// Why.
        code: ErrorCode,
    },
    /// Denied.
    Denied {
        /// Who.
        by: Decider,
        /// The requester is not told.
        quiet: bool,
    },
    /// Cancelled by the requester, or ended because membership or role was lost.
    Cancelled,
    /// Nobody decided in time.
    Expired,
    /// Approved, but the account could not be created. Everything created so far was removed.
    Failed(ErrorCode),
    /// Approved, but the account could not be created. A password had been set, so the account is locked and kept.
    FailedAndKept(ErrorCode),
}

/// What a card says about when the requester joined the guild.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Joined {
    /// The requester joined then.
    At(Timestamp),
    /// Discord did not say when.
    Unknown,
    /// The card does not say it, because the request is decided.
    Untold,
}

/// Everything that moderators may see of a request.
#[derive(Clone, Debug)]
pub struct CardFacts {
    /// The public code, such as `K7M2QX`.
    pub code: String,
    /// The requester.
    pub requester: DiscordUserId,
    /// How Discord shows the requester; `None` if it was not asked, or didn't say.
    pub shown: Option<ShownPerson>,
    /// When the requester joined the guild.
    pub joined: Joined,
    /// The requested user name.
    pub username: String,
    /// The rule that applies, if any.
    pub rule: Option<String>,
    /// The groups that the rule grants.
    pub groups: Vec<String>,
    /// The reason as typed; `None` if the rule wants none or it was erased.
    pub answer: Option<String>,
    /// `…@domain`; `None` once it was erased.
    pub masked_address: Option<String>,
    /// How many earlier requests of this person have ended.
    pub earlier: u32,
    /// Discord refuses direct messages to the requester, so they read the decision elsewhere.
    pub is_unreachable: bool,
    /// When `Send` was pressed.
    pub sent_at: Timestamp,
    /// The state of the request.
    pub state: CardState,
    /// What it has waited for since long.
    pub wait: Option<Wait>,
}
