//! The `custom_id` of buttons and forms: `ac1:<verb>:<id, 32 hex or ->:<nonce, 16 hex>`, always within Discord's 100 characters.
//!
//! It is a reference and proves nothing: every press reads the current state from the store. The parser accepts exactly what the
//! formatter writes.

use std::fmt;
use std::str::FromStr;

use uuid::Uuid;

use crate::domain::error_code::{UnknownCode, codes};
use crate::domain::ids::{AccountId, JobId, Nonce, RequestId};

/// The version that this program writes. Any other version comes from an older or newer program.
const VERSION: &str = "ac1";

codes! {
    /// The action of a button or a submitted form.
    pub enum Verb {
        /// Open the request form (from the panel).
        Request = "request",
        /// Submit the request form.
        Form = "form",
        /// Correct a form that can't be used: opens it as it was typed, and it is submitted with the same verb.
        Correct = "correct",
        /// Send the draft.
        Send = "send",
        /// Change the draft: opens the form, which is submitted with the same verb.
        Change = "change",
        /// Approve the request.
        Approve = "approve",
        /// Deny the request: opens the form for the reason.
        Deny = "deny",
        /// Submit the reason of a denial.
        DenyForm = "denyform",
        /// Deny without notifying the requester: opens the form for the reason.
        DenyQuiet = "denyquiet",
        /// Submit the reason of a quiet denial.
        DenyQuietForm = "denyquietform",
        /// Retry a job that needs an operator.
        Retry = "retry",
        /// Cancel the request.
        Cancel = "cancel",
        /// Show the status of the request and the account (from the panel).
        Status = "status",
        /// Send another mail with a link.
        Resend = "resend",
        /// "That was not me."
        NotMe = "notme",
    }
}

/// A parsed `custom_id`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct CustomId {
    /// The action.
    pub verb: Verb,
    /// The id of the row: of a request, an account (`resend`, `notme`) or a job (`retry`).
    pub id: Option<Uuid>,
    /// The nonce that the row must still have.
    pub nonce: Nonce,
}

/// Not one of ours, or from another version. People read that the button is from an older version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a custom_id of this version")]
pub struct ForeignCustomId;

impl CustomId {
    /// A `custom_id` without a row: the panel and the first form.
    pub const fn without_row(verb: Verb) -> Self {
        Self { verb, id: None, nonce: Nonce::NONE }
    }

    /// A `custom_id` for a request.
    pub const fn of_request(verb: Verb, id: RequestId, nonce: Nonce) -> Self {
        Self { verb, id: Some(id.get()), nonce }
    }

    /// A `custom_id` for an account.
    pub const fn of_account(verb: Verb, id: AccountId, nonce: Nonce) -> Self {
        Self { verb, id: Some(id.get()), nonce }
    }

    /// A `custom_id` for a job: `retry`.
    pub const fn of_job(id: JobId, nonce: Nonce) -> Self {
        Self { verb: Verb::Retry, id: Some(id.get()), nonce }
    }
}

impl fmt::Display for CustomId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{VERSION}:{}:", self.verb)?;
        match self.id {
            Some(id) => write!(f, "{}", id.simple())?,
            None => f.write_str("-")?,
        }
        write!(f, ":{}", self.nonce)
    }
}

impl FromStr for CustomId {
    type Err = ForeignCustomId;

    fn from_str(text: &str) -> Result<Self, ForeignCustomId> {
        let mut parts = text.split(':');
        let (Some(VERSION), Some(verb), Some(id), Some(nonce), None) =
            (parts.next(), parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(ForeignCustomId);
        };
        let verb = verb.parse().map_err(|UnknownCode| ForeignCustomId)?;
        let nonce = nonce.parse().map_err(|_| ForeignCustomId)?;
        Ok(Self { verb, id: parse_id(id)?, nonce })
    }
}

fn parse_id(text: &str) -> Result<Option<Uuid>, ForeignCustomId> {
    if text == "-" {
        return Ok(None);
    }
    let is_canonical = text.len() == 32 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    if !is_canonical {
        return Err(ForeignCustomId);
    }
    Uuid::try_parse(text).map(Some).map_err(|_| ForeignCustomId)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn any_custom_id() -> impl Strategy<Value = CustomId> {
        let verb = proptest::sample::select(Verb::ALL.to_vec());
        let id = proptest::option::of(any::<u128>().prop_map(Uuid::from_u128));
        (verb, id, any::<u64>()).prop_map(|(verb, id, nonce)| CustomId { verb, id, nonce: Nonce::new(nonce) })
    }

    proptest! {
        #[test]
        fn every_custom_id_reads_back_and_fits_discord(custom_id in any_custom_id()) {
            let text = custom_id.to_string();
            prop_assert!(text.len() <= 100);
            prop_assert_eq!(text.parse(), Ok(custom_id));
        }

        #[test]
        fn what_is_taken_is_exactly_what_would_be_written(text in "\\PC{0,120}") {
            if let Ok(custom_id) = text.parse::<CustomId>() {
                prop_assert_eq!(custom_id.to_string(), text);
            }
        }

        #[test]
        fn one_changed_character_is_never_read_as_the_same_button(
            custom_id in any_custom_id(), at in 0usize..100, with in any::<char>(),
        ) {
            let mut letters: Vec<char> = custom_id.to_string().chars().collect();
            let at = at % letters.len();
            prop_assume!(letters[at] != with);
            letters[at] = with;
            let changed: String = letters.into_iter().collect();
            prop_assert_ne!(changed.parse::<CustomId>(), Ok(custom_id));
        }
    }

    #[test]
    fn other_versions_verbs_and_shapes_are_foreign() {
        let id = "0".repeat(32);
        let nonce = "0".repeat(16);
        for text in [
            String::new(),
            "approve".into(),
            format!("ac2:approve:{id}:{nonce}"),
            format!("ac1:explode:{id}:{nonce}"),
            format!("ac1:approve:{id}:{nonce}:"),
            format!("ac1:approve:{id}"),
            format!("ac1:approve::{nonce}"),
            format!("ac1:approve:{}:{nonce}", "A".repeat(32)),
            format!("AC1:approve:{id}:{nonce}"),
        ] {
            assert_eq!(text.parse::<CustomId>(), Err(ForeignCustomId), "{text}");
        }
    }
}
