//! What can go wrong at Keycloak.

use std::time::Duration;

use crate::domain::error_code::ErrorCode;
use crate::domain::job::FailureAction;
use crate::domain::retry::{self, ErrorClass};

/// The cause in [`KeycloakError::Down`] when TLS refused the server's certificate. Waiting does not cure it.
pub(super) const CERTIFICATE_REFUSED: &str = "the server's certificate is not trusted";

/// Why a call failed. No message contains a URL, a name, an address or a secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeycloakError {
    /// No answer came.
    #[error("keycloak did not answer {endpoint} ({cause})")]
    Down {
        /// The name of the call.
        endpoint: &'static str,
        /// What the network reported, without addresses.
        cause: &'static str,
        /// Whether the request may have been carried out.
        is_ambiguous: bool,
    },
    /// Keycloak answered with an error status.
    #[error("keycloak answered {endpoint} with {status}: {text}")]
    Status {
        /// The name of the call.
        endpoint: &'static str,
        /// The HTTP status.
        status: u16,
        /// Keycloak's own error text, shortened; empty if it gave none.
        text: String,
        /// The fields of the user that the realm's profile does not accept.
        fields: Vec<String>,
        /// The value of `Retry-After`.
        retry_after: Option<Duration>,
    },
    /// The answer is not what the call promises: a web page, half a document, or too much.
    #[error("keycloak's answer to {endpoint} is invalid: {what}")]
    InvalidResponse {
        /// The name of the call.
        endpoint: &'static str,
        /// Which rule it breaks.
        what: &'static str,
    },
    /// The settings cannot be used.
    #[error("keycloak's settings cannot be used: {what}")]
    Settings {
        /// What is wrong, without secrets.
        what: String,
    },
}

impl KeycloakError {
    /// The class of the error, which decides about another try.
    pub fn class(&self) -> ErrorClass {
        match self {
            Self::Down { .. } | Self::InvalidResponse { .. } => ErrorClass::Retry,
            Self::Status { status, .. } => retry::of_http(*status),
            Self::Settings { .. } => ErrorClass::Operator,
        }
    }

    /// The stable code that people and programs see.
    pub fn error_code(&self) -> ErrorCode {
        match self {
            Self::Status { status: 401 | 403, .. } => ErrorCode::KeycloakRightMissing,
            Self::Status { status, .. } if retry::of_http(*status) != ErrorClass::Retry => {
                ErrorCode::KeycloakRefused
            }
            Self::Down { .. }
            | Self::InvalidResponse { .. }
            | Self::Status { .. }
            | Self::Settings { .. } => ErrorCode::KeycloakDown,
        }
    }

    /// What an operator must change, if only that helps and the error shows it.
    pub fn advice(&self) -> Option<&'static str> {
        match self {
            Self::Down { cause, .. } if *cause == CERTIFICATE_REFUSED => {
                Some("its certificate is not trusted: check keycloak.ca_file")
            }
            Self::Status { endpoint: "token", status: 400 | 401, .. } => {
                Some("it refuses the client: check keycloak.client_id and keycloak.client_secret_file")
            }
            Self::Status { endpoint: "token", status: 404, .. } => {
                Some("it has no such realm: check keycloak.url and keycloak.realm")
            }
            Self::Status { status: 403, .. } => {
                Some("the client lacks a right: run `accolade setup keycloak`")
            }
            Self::Down { .. }
            | Self::Status { .. }
            | Self::InvalidResponse { .. }
            | Self::Settings { .. } => None,
        }
    }

    /// Whether TLS refused the server's certificate.
    pub fn is_untrusted(&self) -> bool {
        matches!(self, Self::Down { cause, .. } if *cause == CERTIFICATE_REFUSED)
    }

    /// Whether Keycloak refused because the user is disabled. While the directory is down, Keycloak reports every uncached user
    /// as disabled, so callers must check that the directory answers before they believe it.
    pub fn says_disabled(&self) -> bool {
        matches!(self, Self::Status { status: 400, text, .. } if text.contains("disabled"))
    }

    /// The fields that the realm's user profile does not accept. Keycloak validates the whole user at each change, so they are often
    /// not the ones that the call changes.
    pub fn rejected_fields(&self) -> &[String] {
        match self {
            Self::Status { status: 400, fields, .. } => fields,
            Self::Status { .. }
            | Self::Down { .. }
            | Self::InvalidResponse { .. }
            | Self::Settings { .. } => &[],
        }
    }

    /// The value of `Retry-After`.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Status { retry_after, .. } => *retry_after,
            Self::Down { .. } | Self::InvalidResponse { .. } | Self::Settings { .. } => None,
        }
    }

    /// The failure action of a step that has no rule of its own for this error.
    pub fn failure_action(&self) -> FailureAction {
        self.class().failure_action(self.error_code(), self.retry_after())
    }
}
