//! What a person asks for, from the draft to its end.

use super::eligibility::RuleName;
use super::error_code::{ErrorCode, codes};
use super::ids::{GuildId, Nonce, PersonId, RequestId, Timestamp};
use super::mail_address::MailAddress;
use super::person_name::PersonName;
use super::username::Username;

codes! {
    /// The state of a request. A draft is not yet a request: it reserves nothing and is not audited.
    pub enum RequestState {
        /// Typed, but not sent.
        Draft = "draft",
        /// Sent; a moderator (or a rule) has not decided.
        Waiting = "waiting",
        /// Sent, and on hold until a person looks at it, for example because the address is in use.
        Held = "held",
        /// Approved; the account is being created or exists.
        Approved = "approved",
        /// Denied by a moderator.
        Denied = "denied",
        /// Cancelled by the requester or an admin, or because the requester left.
        Cancelled = "cancelled",
        /// Nobody decided in time, or the draft was not sent.
        Expired = "expired",
        /// Approved, but the account could not be created; everything that can be undone was undone.
        Failed = "failed",
    }
}

impl RequestState {
    /// Sent and not decided: a moderator can still approve or deny.
    pub const fn is_open(self) -> bool {
        matches!(self, Self::Waiting | Self::Held)
    }

    /// It has ended and never changes again.
    pub const fn is_over(self) -> bool {
        matches!(self, Self::Denied | Self::Cancelled | Self::Expired | Self::Failed)
    }

    /// Whether a request may go from this state to `next`.
    pub const fn may_become(self, next: Self) -> bool {
        match self {
            Self::Draft => matches!(next, Self::Waiting | Self::Expired),
            Self::Waiting => {
                matches!(next, Self::Held | Self::Approved | Self::Denied | Self::Cancelled | Self::Expired)
            }
            Self::Held => matches!(
                next,
                Self::Waiting | Self::Approved | Self::Denied | Self::Cancelled | Self::Expired
            ),
            Self::Approved => matches!(next, Self::Failed | Self::Cancelled),
            Self::Denied | Self::Cancelled | Self::Expired | Self::Failed => false,
        }
    }
}

codes! {
    /// What a request is for. There is one kind.
    pub enum RequestKind {
        /// A first account.
        Account = "account",
    }
}

/// A form in which every field is valid.
#[derive(Clone, PartialEq, Eq)]
pub struct Form {
    /// The requested user name.
    pub username: Username,
    /// The address that the link is mailed to.
    pub address: MailAddress,
    /// Given name.
    pub given: PersonName,
    /// Family name.
    pub family: PersonName,
    /// The reason, if the rule asks for one.
    pub answer: Option<Answer>,
}

impl std::fmt::Debug for Form {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Form").field("username", &self.username).finish_non_exhaustive()
    }
}

/// The values of a form as typed. They are untrusted and never printed.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct FormInput {
    /// The requested user name.
    pub username: String,
    /// The mail address.
    pub address: String,
    /// Given name.
    pub given: String,
    /// Family name.
    pub family: String,
    /// The reason, where the form asked for one.
    pub answer: Option<String>,
}

impl std::fmt::Debug for FormInput {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("FormInput(…)")
    }
}

/// What was typed into a form that can't be used.
#[derive(Clone, Debug)]
pub struct TypedForm {
    /// The draft that it corrects; `None` for a first form.
    pub draft: Option<RequestId>,
    /// What was typed.
    pub input: FormInput,
}

/// The free text of a reason: trimmed, without control and bidi characters, 1 to 500 characters.
#[derive(Clone, PartialEq, Eq)]
pub struct Answer(String);

/// The maximum length of a reason in characters, as in the form's field.
pub const ANSWER_MAX: usize = 500;

impl Answer {
    /// Cleans and checks what was typed; `None` if nothing is left of it.
    pub fn parse(typed: &str) -> Option<Self> {
        let kept: String = typed
            .trim()
            .chars()
            .filter(|c| *c == '\n' || super::person_name::is_shown(*c))
            .take(ANSWER_MAX)
            .collect();
        (!kept.is_empty()).then_some(Self(kept))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for Answer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Answer(…)")
    }
}

/// A request as the store holds it. The personal fields are `None` once they were erased.
#[derive(Clone, Debug)]
pub struct Request {
    /// Our id.
    pub id: RequestId,
    /// The short public code that people read and type, such as `K7M2QX`.
    pub code: String,
    /// The guild in which it was made.
    pub guild_id: GuildId,
    /// The person who made it.
    pub person_id: PersonId,
    /// What it is for.
    pub kind: RequestKind,
    /// Its state.
    pub state: RequestState,
    /// Why it is held, denied, cancelled or failed.
    pub reason_code: Option<ErrorCode>,
    /// Counts every change; a compare-and-set names the revision that it saw.
    pub revision: i64,
    /// The rule that made the person eligible at the last check.
    pub rule: Option<RuleName>,
    /// The form, unless its personal values were erased.
    pub form: Option<Form>,
    /// The requested user name. It is not personal: it outlives the form.
    pub username: Username,
    /// Which version of the privacy notice was shown.
    pub notice_version: i64,
    /// The person's language, a BCP 47 tag such as `en`.
    pub lang: String,
    /// The nonce that the ephemeral buttons of this request must carry.
    pub nonce: Nonce,
    /// When the draft was typed.
    pub created_at: Timestamp,
    /// When it expires if nothing happens.
    pub expires_at: Option<Timestamp>,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
}

/// Which form had errors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Faulty {
    /// The first form: nothing was stored.
    First,
    /// A changed form: the draft stays as it was.
    Change,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ended_request_never_moves_again() {
        for state in RequestState::ALL.iter().filter(|state| state.is_over()) {
            for next in RequestState::ALL {
                assert!(!state.may_become(*next), "{state} became {next}");
            }
        }
    }

    #[test]
    fn only_a_sent_request_can_be_approved() {
        let ways: Vec<_> =
            RequestState::ALL.iter().filter(|state| state.may_become(RequestState::Approved)).collect();
        assert_eq!(ways, [&RequestState::Waiting, &RequestState::Held]);
    }

    #[test]
    fn a_reason_keeps_its_lines_and_loses_what_cannot_be_seen() {
        let answer = Answer::parse("  I run\nthe \u{202e}wiki\u{7} ").map(|a| a.as_str().to_owned());
        assert_eq!(answer.as_deref(), Some("I run\nthe wiki"));
        assert_eq!(Answer::parse(" \u{200b} \n"), None);
    }
}
