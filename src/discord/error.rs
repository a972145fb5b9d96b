//! What can go wrong when Discord is asked, in the shape of what a caller can do about it.

use std::time::Duration;

/// Why a call to Discord did not succeed.
///
/// No variant carries Discord's URL: the URL of an interaction holds its token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DiscordError {
    /// No usable answer: a refused or cut connection, a timeout, a 5xx. Try again later.
    #[error("discord did not answer (ambiguous: {ambiguous})")]
    Down {
        /// The call may have had its effect: the request had left before the answer was lost.
        ambiguous: bool,
    },
    /// 429. Try again after this span.
    #[error("discord asks to wait {after:?}")]
    RateLimited {
        /// What Discord said, or a second where it said nothing usable.
        after: Duration,
    },
    /// 403, with Discord's own code (50001, 50013, 50007 …). Repeating the same call is useless and counted against us.
    #[error("discord forbids it (code {0})")]
    Forbidden(i64),
    /// 404, or an interaction that has expired, with Discord's own code (10003, 10008, 10062 …).
    #[error("discord no longer knows it (code {0})")]
    Gone(i64),
    /// 401: the bot's token is wrong or was revoked. Everything must stop.
    #[error("discord refuses the bot's token: check discord.token_file")]
    Unauthorized,
    /// 400 or anything else that only a change of the program or configuration cures.
    #[error("discord refused the call (status {status}, code {code})")]
    Other {
        /// The HTTP status; 0 where no answer came to be.
        status: u16,
        /// Discord's own code, or -1.
        code: i64,
    },
}

impl DiscordError {
    /// The same call may succeed later without anybody changing anything.
    pub const fn is_worth_another_try(&self) -> bool {
        matches!(self, Self::Down { .. } | Self::RateLimited { .. })
    }
}

/// Why the door to Discord could not be opened at start.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// `discord.endpoint.address` is not on loopback.
    #[error("discord.endpoint may only name an address on loopback")]
    EndpointNotLoopback,
    /// The gateway that the endpoint named is not on loopback.
    #[error("the endpoint named a gateway outside loopback")]
    GatewayNotLoopback,
    /// The CA file of the endpoint cannot be read.
    #[error("cannot read discord.endpoint.ca_file")]
    CaUnreadable(#[source] std::io::Error),
    /// The HTTP client could not be built; the CA file may hold no certificate.
    #[error("cannot build the client for discord")]
    Client(#[source] reqwest::Error),
    /// A first question to Discord failed.
    #[error("cannot ask discord for {what}")]
    Ask {
        /// What was asked.
        what: &'static str,
        /// Why it failed.
        #[source]
        source: DiscordError,
    },
    /// The server proved its name with a certificate that nobody we trust has signed.
    #[error(
        "discord's certificate is not trusted: check discord.endpoint.ca_file, or what stands between here and discord.com"
    )]
    Untrusted,
    /// The token holds characters that no header takes.
    #[error("the bot token is not a token")]
    TokenMalformed,
}

impl ConnectError {
    /// What the failure of a first question means. A refused certificate is told apart from silence: waiting does not cure it.
    pub(super) fn of_question(what: &'static str, error: serenity::Error) -> Self {
        if is_distrust(&error) {
            return Self::Untrusted;
        }
        Self::Ask { what, source: error.into() }
    }
}

/// Whether TLS refused the other side's certificate.
fn is_distrust(error: &(dyn std::error::Error + 'static)) -> bool {
    let mut next = Some(error);
    while let Some(cause) = next {
        if let Some(rustls::Error::InvalidCertificate(_)) = cause.downcast_ref() {
            return true;
        }
        // an I/O error names the cause of its cause as its source, and so would step over the one that counts
        let within = cause.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref);
        next = within.map_or_else(|| cause.source(), |inner| Some(inner));
    }
    false
}

/// Where Discord does not say how long to wait.
const DEFAULT_WAIT: Duration = Duration::from_secs(1);

impl DiscordError {
    /// Reads a status, Discord's own code (-1 if the body had none), and what `Retry-After` said.
    pub(super) fn from_status(status: u16, code: i64, retry_after: Option<Duration>) -> Self {
        match (status, code) {
            // 50027 is about the token of an interaction, not the bot's: that one lives 15 minutes.
            (401, 50027) | (404, _) => Self::Gone(code),
            (401, _) => Self::Unauthorized,
            (403, _) => Self::Forbidden(code),
            (429, _) => Self::RateLimited { after: retry_after.unwrap_or(DEFAULT_WAIT) },
            (408 | 500..=599, _) => Self::Down { ambiguous: true },
            _ => Self::Other { status, code },
        }
    }

    /// Reads a failure of the transport.
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
            reason = "serenity's own enum: everything else is a defect to us"
        )]
        match error {
            serenity::Error::Http(HttpError::UnsuccessfulRequest(answer)) => {
                let code = i64::try_from(answer.error.code).unwrap_or(-1);
                Self::from_status(answer.status_code.as_u16(), code, None)
            }
            serenity::Error::Http(HttpError::Request(error)) => Self::from_transport(&error),
            // A success whose body cannot be read: a proxy's page, or a cut answer.
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
