//! What can go wrong at the directory.

use crate::domain::cause::Cause;
use crate::domain::eligibility::GroupName;
use crate::domain::error_code::ErrorCode;
use crate::domain::job::FailureAction;
use crate::domain::ldap_result::{self, LdapOperation};
use crate::domain::retry::{self, ErrorClass};

/// Why an operation failed. No message contains a DN, a value or a secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DirectoryError {
    /// No answer: the connection was refused or lost, or the call timed out.
    #[error("the directory did not answer {verb} ({cause})")]
    Down {
        /// The name of the operation.
        verb: &'static str,
        /// What the network or TLS reported.
        cause: Cause,
        /// Whether the request may have been carried out.
        is_ambiguous: bool,
    },
    /// The server answered with an error code.
    #[error("the directory refused {verb} with result code {rc} ({})", ldap_result::cause_of(operation_of(.verb), *.rc))]
    Refused {
        /// The name of the operation.
        verb: &'static str,
        /// The LDAP result code (RFC 4511 section 4.1.9).
        rc: u32,
    },
    /// The entry is not the recorded one.
    #[error("the entry for {verb} is not ours")]
    NotOurs {
        /// The name of the operation.
        verb: &'static str,
    },
    /// The entry does not exist.
    #[error("there is no entry for {verb}")]
    Absent {
        /// The name of the operation.
        verb: &'static str,
    },
    /// The answer has more results or longer values than a correct one can have.
    #[error("the directory's answer to {verb} is too big")]
    TooBig {
        /// The name of the operation.
        verb: &'static str,
    },
    /// The answer breaks a rule: an entry outside the base, without an id, or with two values where one is allowed.
    #[error("the directory's answer to {verb} is invalid: {what}")]
    InvalidResponse {
        /// The name of the operation.
        verb: &'static str,
        /// The rule that it breaks.
        what: &'static str,
    },
    /// Groups of the policy that don't exist, or that the bot may not change.
    #[error("the directory refused membership of {}", names(.groups))]
    Groups {
        /// Their names.
        groups: Vec<GroupName>,
        /// The result code of the first refusal; 32 if the group does not exist.
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
    /// The class of the error, which decides about another try.
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

    /// The stable code that people and programs see.
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

    /// The cause, if the error shows one.
    pub fn cause(&self) -> Option<Cause> {
        match self {
            Self::Down { cause, .. } => Some(*cause),
            Self::Refused { verb, rc } => Some(ldap_result::cause_of(operation_of(verb), *rc)),
            Self::Groups { rc, .. } => Some(ldap_result::cause_of(LdapOperation::Modify, *rc)),
            Self::NotOurs { .. }
            | Self::Absent { .. }
            | Self::TooBig { .. }
            | Self::InvalidResponse { .. }
            | Self::Settings { .. } => None,
        }
    }

    /// Whether TLS could not begin, or the certificate was refused.
    pub fn is_untrusted(&self) -> bool {
        matches!(self, Self::Down { cause, .. } if cause.is_of_tls())
    }

    /// The failure action of a step that has no rule of its own for this error.
    pub fn failure_action(&self) -> FailureAction {
        self.class().failure_action(self.error_code(), None)
    }
}

/// The kind of request that an operation of this name makes last.
fn operation_of(verb: &str) -> LdapOperation {
    match verb {
        "bind" => LdapOperation::Bind,
        "add_person" => LdapOperation::Add,
        "lock" | "unlock" | "ensure_membership" | "restore_names" => LdapOperation::Modify,
        "remove_if_ours" => LdapOperation::Delete,
        _ => LdapOperation::Search,
    }
}
