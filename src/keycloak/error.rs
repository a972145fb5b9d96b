//! What can go wrong at Keycloak.

use std::time::Duration;

use crate::domain::cause::Cause;
use crate::domain::error_code::ErrorCode;
use crate::domain::job::FailureAction;
use crate::domain::retry::{self, ErrorClass};

/// Why a call failed. No message contains a URL, a name, an address or a secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeycloakError {
    /// No answer came.
    #[error("keycloak did not answer {endpoint} ({cause})")]
    Down {
        /// The name of the call.
        endpoint: &'static str,
        /// What the network or TLS reported.
        cause: Cause,
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
        /// Keycloak's own error text, shortened; empty if the answer is not Keycloak's: all of its refusals have one.
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
            Self::Status { status: 401 | 403, .. } if !self.is_foreign() => ErrorCode::KeycloakRightMissing,
            Self::Status { status, .. } if retry::of_http(*status) != ErrorClass::Retry => {
                ErrorCode::KeycloakRefused
            }
            Self::Down { .. }
            | Self::InvalidResponse { .. }
            | Self::Status { .. }
            | Self::Settings { .. } => ErrorCode::KeycloakDown,
        }
    }

    /// The cause, if the error shows one.
    pub fn cause(&self) -> Option<Cause> {
        match self {
            Self::Down { cause, .. } => Some(*cause),
            Self::Status { endpoint, status, text, .. } => Some(cause_of_status(endpoint, *status, text)),
            Self::InvalidResponse { .. } => Some(Cause::ProxyAnswers),
            Self::Settings { .. } => None,
        }
    }

    /// Whether something in front of Keycloak refused, such as a proxy that closes a path. Its answer says nothing about Keycloak.
    pub fn is_foreign(&self) -> bool {
        matches!(self, Self::Status { text, .. } if text.is_empty())
    }

    /// Whether Keycloak itself says that the named object does not exist.
    pub fn says_absent(&self) -> bool {
        matches!(self, Self::Status { status: 404, .. }) && !self.is_foreign()
    }

    /// Whether Keycloak itself says that a right is missing.
    pub fn says_forbidden(&self) -> bool {
        matches!(self, Self::Status { status: 403, .. }) && !self.is_foreign()
    }

    /// Whether TLS could not begin, or the certificate was refused.
    pub fn is_untrusted(&self) -> bool {
        matches!(self, Self::Down { cause, .. } if cause.is_of_tls())
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

/// The cause behind a status. `text` is Keycloak's own; without it, the answer comes from something in front of Keycloak.
fn cause_of_status(endpoint: &str, status: u16, text: &str) -> Cause {
    let is_login = endpoint == "token";
    match status {
        300..=399 => Cause::HttpMoved,
        413 => Cause::HttpTooLarge,
        429 => Cause::TooManyRequests,
        502..=504 => Cause::BadGateway,
        401 | 403 if text.is_empty() => Cause::ProxyForbids,
        404 if text.is_empty() => Cause::ProxyNotFound,
        _ if text.is_empty() => Cause::ProxyAnswers,
        404 if is_login && text.starts_with(NO_REALM) => Cause::RealmMissing,
        404 if is_login => Cause::KeycloakPathWrong,
        400 | 401 if is_login => Cause::KeycloakLoginRefused,
        401 | 403 => Cause::KeycloakRightMissing,
        _ => Cause::KeycloakError,
    }
}

/// The value of `error` for a token of a realm that does not exist. Keycloak gives it no code.
const NO_REALM: &str = "Realm does not exist";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_proxy_says_is_never_taken_for_keycloaks_word() {
        for (endpoint, status, text, cause) in [
            ("token", 404, "Realm does not exist", Cause::RealmMissing),
            ("token", 404, "HTTP 404 Not Found", Cause::KeycloakPathWrong),
            (
                "token",
                401,
                "unauthorized_client: Invalid client or Invalid client credentials",
                Cause::KeycloakLoginRefused,
            ),
            ("token", 403, "", Cause::ProxyForbids),
            ("realm", 404, "", Cause::ProxyNotFound),
            ("events", 403, "", Cause::ProxyForbids),
            ("events", 403, "HTTP 403 Forbidden", Cause::KeycloakRightMissing),
            ("events", 404, "Realm not found.", Cause::KeycloakError),
            ("events", 301, "", Cause::HttpMoved),
            ("mail", 413, "", Cause::HttpTooLarge),
            ("mail", 503, "", Cause::BadGateway),
            ("mail", 500, "unknown_error", Cause::KeycloakError),
            ("mail", 400, "", Cause::ProxyAnswers),
            ("mail", 429, "", Cause::TooManyRequests),
        ] {
            assert_eq!(cause_of_status(endpoint, status, text), cause, "{endpoint} {status} {text}");
        }
    }
}
