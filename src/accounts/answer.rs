//! Every "no" of a use-case, with the facts that a sentence about it needs. No sentence is here.

use crate::domain::approval::Verdict;
use crate::domain::eligibility::WhyNot;
use crate::domain::ids::{DiscordUserId, Timestamp};
use crate::domain::mail_address::IllegalMailAddress;
use crate::domain::panel::ChannelRight;
use crate::domain::person_name::IllegalPersonName;
use crate::domain::refusal::Refusal;
use crate::domain::request::RequestState;
use crate::domain::username::IllegalUsername;
use crate::store::StoreError;
use crate::words::mails::NotNow;

/// A refusal and what belongs to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Denied {
    /// The stable code.
    pub refusal: Refusal,
    /// What a sentence about it may say.
    pub details: Details,
}

impl Denied {
    /// A refusal that needs no more facts.
    pub const fn because(refusal: Refusal) -> Self {
        Self { refusal, details: Details::None }
    }

    /// A refusal with its facts.
    pub const fn with(refusal: Refusal, details: Details) -> Self {
        Self { refusal, details }
    }
}

impl From<Refusal> for Denied {
    fn from(refusal: Refusal) -> Self {
        Self::because(refusal)
    }
}

/// The store's failures, logged here because only the code goes further.
impl From<StoreError> for Denied {
    fn from(error: StoreError) -> Self {
        let refusal = error.refusal();
        if error.is_passing() {
            tracing::warn!(error = %Chain(&error), refusal = %refusal, "the store did not take part");
        } else {
            tracing::error!(error = %Chain(&error), refusal = %refusal, "the store failed");
        }
        refusal.into()
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

impl std::fmt::Display for Denied {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.refusal.fmt(f)
    }
}

impl std::error::Error for Denied {}

/// The facts beside a code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Details {
    /// The code says all.
    None,
    /// `not_eligible`: what does not hold.
    WhyNot(Vec<WhyNot>),
    /// The form has faults; all of them.
    Form(Vec<FieldFault>),
    /// `already_decided`: somebody was first.
    DecidedBy {
        /// Who.
        who: DiscordUserId,
        /// What they decided.
        verdict: Verdict,
        /// When.
        at: Timestamp,
    },
    /// `already_decided` without a decider: a rule approved it, it was taken back, it expired.
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
    /// `stale_button` on a card that stands: it was edited since this button was drawn.
    CardChanged,
    /// The account is in no state for what was asked.
    NotNow(NotNow),
    /// The bot lacks rights in the channel.
    ChannelRights(Vec<ChannelRight>),
    /// `too_many`: when it is possible again.
    Wait {
        /// From then on.
        until: Timestamp,
    },
    /// `already_decided` at `/account cancel`: there is nothing that could be taken back.
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
    pub refusal: Refusal,
    /// Which rule of form is broken; `None` for `name_unavailable`, where nobody learns why.
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
