//! What can go wrong at the directory.

use super::link::UNTRUSTED;
use crate::domain::eligibility::GroupName;
use crate::domain::error_code::ErrorCode;
use crate::domain::job::FailureAction;
use crate::domain::retry::{self, ErrorClass};

/// Why a verb did not succeed. No text of it carries a DN, a value or a secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DirectoryError {
    /// No answer: refused, timed out, or the connection was lost. `is_ambiguous`: a write may have happened.
    #[error("the directory did not answer to {verb} ({cause})")]
    Down {
        /// What was tried.
        verb: &'static str,
        /// What the network said, without addresses.
        cause: String,
        /// Whether the request may have been carried out.
        is_ambiguous: bool,
    },
    /// The server answered with a result code that is no success.
    #[error("the directory refused {verb} with result code {rc}")]
    Refused {
        /// What was tried.
        verb: &'static str,
        /// The LDAP result code (RFC 4511 section 4.1.9).
        rc: u32,
    },
    /// The entry is not there, or is not the recorded one.
    #[error("the entry for {verb} is not ours")]
    NotOurs {
        /// What was tried.
        verb: &'static str,
    },
    /// The entry is gone.
    #[error("there is no entry for {verb}")]
    Absent {
        /// What was tried.
        verb: &'static str,
    },
    /// More results or longer values than an honest answer can have.
    #[error("the directory's answer to {verb} is too big")]
    TooBig {
        /// What was tried.
        verb: &'static str,
    },
    /// The answer breaks a rule: outside its base, without an id, two values where one may be.
    #[error("the directory's answer to {verb} makes no sense: {what}")]
    InvalidResponse {
        /// What was tried.
        verb: &'static str,
        /// Which rule.
        what: &'static str,
    },
    /// Groups of the policy that are not in the directory, or that the bot may not write.
    #[error("the directory refused membership of {}", names(.groups))]
    Groups {
        /// Which.
        groups: Vec<GroupName>,
        /// The result code of the first refusal; 32 for a group that is not there.
        rc: u32,
    },
    /// The settings cannot be used.
    #[error("the directory's settings cannot be used: {what}")]
    Settings {
        /// What is wrong, without secrets.
        what: String,
    },
}

fn names(groups: &[GroupName]) -> String {
    groups.iter().map(GroupName::as_str).collect::<Vec<_>>().join(", ")
}

impl DirectoryError {
    /// What it means for the next try.
    pub fn class(&self) -> ErrorClass {
        match self {
            Self::Down { .. } => ErrorClass::Retry,
            Self::Refused { rc, .. } | Self::Groups { rc, .. } => retry::of_ldap(*rc),
            Self::NotOurs { .. } | Self::Absent { .. } => ErrorClass::Conflict,
            Self::TooBig { .. } | Self::InvalidResponse { .. } | Self::Settings { .. } => {
                ErrorClass::Operator
            }
        }
    }

    /// The code that people and programs see.
    pub fn error_code(&self) -> ErrorCode {
        match self.class() {
            ErrorClass::Retry => ErrorCode::DirectoryDown,
            ErrorClass::Conflict => ErrorCode::DirectoryConflict,
            ErrorClass::Fine
            | ErrorClass::AlreadyDone
            | ErrorClass::Operator
            | ErrorClass::Absent
            | ErrorClass::Defect => ErrorCode::DirectoryRefused,
        }
    }

    /// What an operator must change, where only that helps and the error shows it.
    pub fn advice(&self) -> Option<&'static str> {
        match self {
            Self::Down { cause, .. } if cause == UNTRUSTED => Some(
                "its certificate is not trusted, or it speaks no TLS: check directory.ca_file and directory.url",
            ),
            // invalidCredentials, and what servers say of an entry that may not bind
            Self::Refused { verb: "bind", rc: 48 | 49 | 50 | 53 } => {
                Some("it refuses our bind: check directory.bind_dn and directory.bind_password_file")
            }
            // noSuchObject
            Self::Refused { verb: "probe", rc: 32 } => {
                Some("it has no such place: check directory.people_dn and directory.groups_dn")
            }
            Self::Down { .. }
            | Self::Refused { .. }
            | Self::NotOurs { .. }
            | Self::Absent { .. }
            | Self::TooBig { .. }
            | Self::InvalidResponse { .. }
            | Self::Groups { .. }
            | Self::Settings { .. } => None,
        }
    }

    /// Whether TLS could not begin.
    pub fn is_untrusted(&self) -> bool {
        matches!(self, Self::Down { cause, .. } if cause == UNTRUSTED)
    }

    /// What a step makes of it when it has nothing better to say.
    pub fn failure_action(&self) -> FailureAction {
        self.class().failure_action(self.error_code(), None)
    }
}
