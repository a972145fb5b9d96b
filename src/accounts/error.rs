//! Errors of use-cases, with the facts that their messages need. The messages are in `messages`.

use crate::domain::approval::Verdict;
use crate::domain::eligibility::WhyNot;
use crate::domain::error_code::ErrorCode;
use crate::domain::ids::{DiscordUserId, Timestamp};
use crate::domain::mail_address::IllegalMailAddress;
use crate::domain::panel::ChannelRight;
use crate::domain::person_name::IllegalPersonName;
use crate::domain::phase::{AccountUnavailable, NotEnabled};
use crate::domain::profile_rules::RealmRule;
use crate::domain::request::RequestState;
use crate::domain::username::IllegalUsername;
use crate::store::StoreError;

/// An error of a use-case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UseCaseError {
    /// The stable code.
    pub error_code: ErrorCode,
    /// The facts for its message.
    pub details: Details,
}

impl UseCaseError {
    /// An error without further facts.
    pub const fn because(error_code: ErrorCode) -> Self {
        Self { error_code, details: Details::None }
    }

    /// An error with its facts.
    pub const fn with(error_code: ErrorCode, details: Details) -> Self {
        Self { error_code, details }
    }
}

impl From<AccountUnavailable> for UseCaseError {
    fn from(why: AccountUnavailable) -> Self {
        let error_code = match why {
            AccountUnavailable::Conflict => ErrorCode::DirectoryConflict,
            AccountUnavailable::NoAccount
            | AccountUnavailable::BeingMade
            | AccountUnavailable::Checking
            | AccountUnavailable::Removing
            | AccountUnavailable::Locking
            | AccountUnavailable::Locked
            | AccountUnavailable::Unlocking => ErrorCode::NotEligible,
        };
        Self::with(error_code, Details::AccountUnavailable(why))
    }
}

impl From<NotEnabled> for UseCaseError {
    fn from(why: NotEnabled) -> Self {
        Self::with(why.error_code(), Details::NotEnabled(why))
    }
}

impl From<ErrorCode> for UseCaseError {
    fn from(error_code: ErrorCode) -> Self {
        Self::because(error_code)
    }
}

/// Logs the store's error, because only its code is passed on.
impl From<StoreError> for UseCaseError {
    fn from(error: StoreError) -> Self {
        let error_code = error.error_code();
        if error.is_passing() {
            tracing::warn!(error = %Chain(&error), error_code = %error_code, "the store did not take part");
        } else {
            tracing::error!(error = %Chain(&error), error_code = %error_code, "the store failed");
        }
        error_code.into()
    }
}

/// An error with its sources, for the log.
pub(super) struct Chain<'a>(pub(super) &'a dyn std::error::Error);

impl std::fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.0)?;
        let mut source = self.0.source();
        while let Some(error) = source {
            write!(f, ": {error}")?;
            source = error.source();
        }
        Ok(())
    }
}

impl std::fmt::Display for UseCaseError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.error_code.fmt(f)
    }
}

impl std::error::Error for UseCaseError {}

/// The facts that accompany a code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Details {
    /// The code says everything.
    None,
    /// `not_eligible`: the conditions that don't hold.
    WhyNot(Vec<WhyNot>),
    /// All errors in the form.
    Form {
        /// The errors.
        faults: Vec<FieldFault>,
        /// Until when what was typed is kept for a correction; `None` if it could not be kept.
        kept_until: Option<Timestamp>,
    },
    /// `stale_button`: what was typed is no longer kept.
    NothingKept,
    /// `already_decided`: another person decided first.
    DecidedBy {
        /// Who.
        who: DiscordUserId,
        /// What they decided.
        verdict: Verdict,
        /// When.
        at: Timestamp,
    },
    /// `already_decided` without a moderator to name: for example, a rule approved it, it was cancelled or it expired.
    Ended {
        /// Its state.
        state: RequestState,
    },
    /// `request_open`: the person has this request open.
    Open {
        /// Its code.
        code: String,
    },
    /// `stale_button`: the draft was not sent in time, and its values have been or will be erased.
    Expired,
    /// `stale_button`: the person cancelled the draft, or a new form replaced it.
    Dropped,
    /// `already_decided`: the draft was sent. What became of the request is for the status to say, which hides a quiet denial.
    AlreadySent {
        /// The code of the request.
        code: String,
    },
    /// Only admins may do this.
    AdminsOnly,
    /// `stale_button`: the card is valid, but it was edited after this button was shown.
    CardChanged,
    /// The account's phase does not allow it.
    AccountUnavailable(AccountUnavailable),
    /// The account can't be unlocked.
    NotEnabled(NotEnabled),
    /// `already_decided` at `Retry`: the job does not wait for an operator.
    NotStopped,
    /// The bot lacks rights in the channel.
    ChannelRights(Vec<ChannelRight>),
    /// `too_many`: the person must wait.
    Wait {
        /// When it is possible again.
        until: Timestamp,
    },
    /// `already_decided` at `/account cancel`: there is nothing to cancel.
    Nothing,
    /// `already_has_account` at `/account cancel`: an account in use has no request that could be cancelled.
    AccountInUse,
}

/// A field of the form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Field {
    /// The user name.
    Username,
    /// The mail address.
    Address,
    /// Given name.
    Given,
    /// Family name.
    Family,
    /// The reason.
    Answer,
}

/// What is wrong with one field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FieldFault {
    /// Which field.
    pub field: Field,
    /// The code: `name_illegal`, `name_unavailable` or `address_illegal`; a person's name and the reason have `name_illegal` too.
    pub error_code: ErrorCode,
    /// The broken rule; `None` for `name_unavailable`, whose reason is not disclosed.
    pub rule: Option<BrokenRule>,
}

/// A broken rule of the form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BrokenRule {
    /// Of the user name.
    Username(IllegalUsername),
    /// Of the mail address.
    Address(IllegalMailAddress),
    /// Of a given or family name.
    Name(IllegalPersonName),
    /// Of the realm's user profile.
    Realm(RealmRule),
    /// The rule asks for a reason and there is none.
    AnswerMissing,
}
