//! Errors of calls to Discord, grouped by what the caller can do about them.

use std::time::Duration;

use crate::domain::cause::Cause;
use crate::domain::error_code::ErrorCode;
use crate::net::CaFileError;
use crate::net::failure;

/// Why a call to Discord did not succeed.
///
/// No variant contains a URL, because the URL of an interaction contains its token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DiscordError {
    /// No usable answer: a refused or dropped connection, a timeout, a 5xx. Retry later.
    #[error("discord did not answer (ambiguous: {ambiguous})")]
    Down {
        /// The call may have taken effect, because the request was sent before the answer was lost.
        ambiguous: bool,
    },
    /// 429. Retry after this time.
    #[error("discord asks to wait {after:?}")]
    RateLimited {
        /// The time that Discord asked for, or one second if its answer was unusable.
        after: Duration,
    },
    /// 403, with Discord's own code (50001, 50013, 50007 …). A repeat would fail too, and Discord counts such calls.
    #[error("discord forbids it (code {0})")]
    Forbidden(i64),
    /// 404 or an expired interaction, with Discord's own code (10003, 10008, 10062 …).
    #[error("discord no longer knows it (code {0})")]
    Gone(i64),
    /// 401: the bot's token is wrong or was revoked.
    #[error("discord refuses the bot's token: check discord.token_file")]
    Unauthorized,
    /// 400 or any other answer that only a change of the program or the configuration fixes.
    #[error("discord refused the call (status {status}, code {code})")]
    Other {
        /// The HTTP status; 0 without an answer.
        status: u16,
        /// Discord's own code, or -1.
        code: i64,
    },
}

impl DiscordError {
    /// The code for people and programs.
    pub const fn error_code(&self) -> ErrorCode {
        match self {
            Self::Down { .. } | Self::RateLimited { .. } | Self::Unauthorized => ErrorCode::DiscordDown,
            Self::Forbidden(_) | Self::Gone(_) | Self::Other { .. } => ErrorCode::DiscordRefused,
        }
    }

    /// The HTTP status and Discord's own code of a refusal; `None` if Discord did not refuse the call itself.
    pub const fn refusal(&self) -> Option<(u16, i64)> {
        match self {
            Self::Forbidden(code) => Some((403, *code)),
            Self::Gone(code) => Some((404, *code)),
            Self::Other { status, code } => Some((*status, *code)),
            Self::Down { .. } | Self::RateLimited { .. } | Self::Unauthorized => None,
        }
    }

    /// Whether the same call may succeed later without any change.
    pub const fn is_worth_another_try(&self) -> bool {
        matches!(self, Self::Down { .. } | Self::RateLimited { .. })
    }
}

/// Why the client for Discord could not start.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// `discord.endpoint.address` is not on loopback.
    #[error("discord.endpoint may only name an address on loopback")]
    EndpointNotLoopback,
    /// The gateway that the endpoint named is not on loopback.
    #[error("the endpoint named a gateway outside loopback")]
    GatewayNotLoopback,
    /// The endpoint's CA file can't be used.
    #[error("cannot use discord.endpoint.ca_file")]
    CaFile(#[source] CaFileError),
    /// The HTTP client could not be built; the CA file may contain something other than a certificate.
    #[error("cannot build the client for discord")]
    Client(#[source] reqwest::Error),
    /// A first call to Discord failed.
    #[error("cannot ask discord for {what}")]
    Ask {
        /// What was asked.
        what: &'static str,
        /// Why it failed.
        #[source]
        source: DiscordError,
        /// What the network reported.
        cause: Option<Cause>,
    },
    /// TLS refused the server, such as its certificate.
    #[error(
        "discord's certificate is not trusted: check discord.endpoint.ca_file, or what stands between here and discord.com ({0})"
    )]
    Untrusted(Cause),
    /// The token contains characters that no header accepts.
    #[error("the bot token is not a token")]
    TokenMalformed,
}

impl ConnectError {
    /// The cause, if the network or TLS reported one.
    pub fn cause(&self) -> Option<Cause> {
        match self {
            Self::Untrusted(cause) => Some(*cause),
            Self::Ask { cause, .. } => *cause,
            Self::EndpointNotLoopback
            | Self::GatewayNotLoopback
            | Self::CaFile(_)
            | Self::Client(_)
            | Self::TokenMalformed => None,
        }
    }

    /// Classifies the failure of a first call. An untrusted certificate differs from a missing answer, because waiting doesn't fix it.
    pub(super) fn of_first_call(what: &'static str, error: serenity::Error) -> Self {
        let cause = failure::cause_of(&error);
        if let Some(cause) = cause {
            failure::log("discord", cause, &error);
        }
        match cause {
            Some(cause) if cause.is_of_tls() => return Self::Untrusted(cause),
            Some(_) | None => {}
        }
        Self::Ask { what, source: error.into(), cause }
    }
}

/// The time to wait if Discord doesn't name one.
const DEFAULT_WAIT: Duration = Duration::from_secs(1);

impl DiscordError {
    /// Classifies a status, Discord's own code (-1 if the body had none) and the value of `Retry-After`.
    pub(super) fn from_status(status: u16, code: i64, retry_after: Option<Duration>) -> Self {
        match (status, code) {
            // 50027 is about the token of an interaction, which is valid for 15 minutes, and not about the bot's token.
            (401, 50027) | (404, _) => Self::Gone(code),
            (401, _) => Self::Unauthorized,
            (403, _) => Self::Forbidden(code),
            (429, _) => Self::RateLimited { after: retry_after.unwrap_or(DEFAULT_WAIT) },
            (408 | 500..=599, _) => Self::Down { ambiguous: true },
            _ => Self::Other { status, code },
        }
    }

    /// Classifies a failure of the transport.
    pub(super) fn from_transport(error: &reqwest::Error) -> Self {
        if error.is_builder() {
            return Self::Other { status: 0, code: -1 };
        }
        Self::Down { ambiguous: !error.is_connect() }
    }
}

impl From<serenity::Error> for DiscordError {
    fn from(error: serenity::Error) -> Self {
        use serenity::http::HttpError;
        #[expect(
            clippy::wildcard_enum_match_arm,
            reason = "serenity's own enum: everything else is a defect"
        )]
        match error {
            serenity::Error::Http(HttpError::UnsuccessfulRequest(answer)) => {
                let code = i64::try_from(answer.error.code).unwrap_or(-1);
                Self::from_status(answer.status_code.as_u16(), code, None)
            }
            serenity::Error::Http(HttpError::Request(error)) => Self::from_transport(&error),
            // A success with an unreadable body: a proxy's page or a truncated answer.
            serenity::Error::Json(_) => Self::Down { ambiguous: true },
            _ => Self::Other { status: 0, code: -1 },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_becomes_what_the_caller_can_do_about_it() {
        for (status, code, expected) in [
            (401, 0, DiscordError::Unauthorized),
            (401, 50027, DiscordError::Gone(50027)),
            (403, 50013, DiscordError::Forbidden(50013)),
            (404, 10007, DiscordError::Gone(10007)),
            (429, -1, DiscordError::RateLimited { after: DEFAULT_WAIT }),
            (502, -1, DiscordError::Down { ambiguous: true }),
            (400, 50035, DiscordError::Other { status: 400, code: 50035 }),
        ] {
            assert_eq!(DiscordError::from_status(status, code, None), expected, "{status} {code}");
        }
    }

    #[test]
    fn only_what_time_cures_is_worth_another_try() {
        assert!(DiscordError::Down { ambiguous: true }.is_worth_another_try());
        assert!(DiscordError::RateLimited { after: DEFAULT_WAIT }.is_worth_another_try());
        for error in [
            DiscordError::Unauthorized,
            DiscordError::Forbidden(50013),
            DiscordError::Gone(10008),
            DiscordError::Other { status: 400, code: 50035 },
        ] {
            assert!(!error.is_worth_another_try(), "{error:?}");
        }
    }
}
