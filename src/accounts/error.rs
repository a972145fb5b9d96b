//! Refusals of use-cases, with the facts that a sentence about them needs. The sentences are in `messages`.

use crate::domain::approval::Verdict;
use crate::domain::eligibility::WhyNot;
use crate::domain::error_code::ErrorCode;
use crate::domain::ids::{DiscordUserId, Timestamp};
use crate::domain::mail::MailUnavailable;
use crate::domain::mail_address::IllegalMailAddress;
use crate::domain::panel::ChannelRight;
use crate::domain::person_name::IllegalPersonName;
use crate::domain::request::RequestState;
use crate::domain::username::IllegalUsername;
use crate::store::StoreError;

/// A refusal and what belongs to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UseCaseError {
    /// The stable code.
    pub error_code: ErrorCode,
    /// What a sentence about it may say.
    pub details: Details,
}

impl UseCaseError {
    /// A refusal that needs no more facts.
    pub const fn because(error_code: ErrorCode) -> Self {
        Self { error_code, details: Details::None }
    }

    /// A refusal with its facts.
    pub const fn with(error_code: ErrorCode, details: Details) -> Self {
        Self { error_code, details }
    }
}

impl From<ErrorCode> for UseCaseError {
    fn from(error_code: ErrorCode) -> Self {
        Self::because(error_code)
    }
}

/// The store's failures, logged here because only the code goes further.
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

/// The facts beside a code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Details {
    /// The code says all.
    None,
    /// `not_eligible`: what does not hold.
    WhyNot(Vec<WhyNot>),
    /// The form has faults; all of them.
    Form(Vec<FieldFault>),
    /// `already_decided`: another person decided first.
    DecidedBy {
        /// Who.
        who: DiscordUserId,
        /// What they decided.
        verdict: Verdict,
        /// When.
        at: Timestamp,
    },
    /// `already_decided` without a decider: a rule approved it, it was cancelled, it expired.
    Ended {
        /// What became of it.
        state: RequestState,
    },
    /// `request_open`: the person has this request open.
    Open {
        /// Its code.
        code: String,
    },
    /// `stale_button`: the draft was not sent in time and its values are erased.
    Expired,
    /// `stale_button` on a valid card that was edited after this button was shown.
    CardChanged,
    /// The account's state does not allow it.
    MailUnavailable(MailUnavailable),
    /// The bot lacks rights in the channel.
    ChannelRights(Vec<ChannelRight>),
    /// `too_many`: when it is possible again.
    Wait {
        /// From then on.
        until: Timestamp,
    },
    /// `already_decided` at `/account cancel`: there is nothing to cancel.
    Nothing,
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
    /// Which rule of form is broken; `None` for `name_unavailable`, where the reason is not told.
    pub rule: Option<BrokenRule>,
}

/// A broken rule of form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BrokenRule {
    /// Of the user name.
    Username(IllegalUsername),
    /// Of the mail address.
    Address(IllegalMailAddress),
    /// Of a given or family name.
    Name(IllegalPersonName),
    /// The rule asks for a reason and there is none.
    AnswerMissing,
}
