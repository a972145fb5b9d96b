//! Ids, nonces and instants. Each kind has its own type, so that the compiler tells a guild from a role.
//!
//! Discord's ids are snowflakes: 64 bits, with the time of creation in the upper 42. Accolade's own ids are `UUIDv7`.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use uuid::Uuid;

/// An instant in milliseconds since 1970-01-01 UTC, from `Clock`, a server or a snowflake.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Timestamp(i64);

impl Timestamp {
    /// The instant that is this many milliseconds after the Unix epoch.
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis)
    }

    /// Milliseconds since the Unix epoch.
    pub const fn as_millis(self) -> i64 {
        self.0
    }

    /// The instant `span` later. It saturates instead of overflowing.
    #[must_use]
    pub fn after(self, span: Duration) -> Self {
        Self(self.0.saturating_add(i64::try_from(span.as_millis()).unwrap_or(i64::MAX)))
    }

    /// The instant `span` earlier. It saturates instead of overflowing.
    #[must_use]
    pub fn before(self, span: Duration) -> Self {
        Self(self.0.saturating_sub(i64::try_from(span.as_millis()).unwrap_or(i64::MAX)))
    }

    /// The time from `earlier` to this instant, or zero if this instant is not later.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }
}

/// The error of a text that is not an id of the expected kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a valid {kind}")]
pub struct IllegalId {
    /// The kind of id that was expected.
    pub kind: &'static str,
}

/// Milliseconds from the Unix epoch to Discord's epoch, 2015-01-01 (Discord's reference, "Snowflakes").
const DISCORD_EPOCH_MS: i64 = 1_420_070_400_000;

macro_rules! snowflake {
    ($($(#[$doc:meta])* $name:ident $kind:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(u64);

        impl $name {
            /// The id with the number that Discord sent.
            pub const fn new(raw: u64) -> Self {
                Self(raw)
            }

            /// The number as Discord writes it.
            pub const fn get(self) -> u64 {
                self.0
            }

            /// When Discord created this id.
            pub const fn created_at(self) -> Timestamp {
                Timestamp((self.0 >> 22) as i64 + DISCORD_EPOCH_MS)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl FromStr for $name {
            type Err = IllegalId;

            fn from_str(text: &str) -> Result<Self, IllegalId> {
                match text.parse() {
                    Ok(0) | Err(_) => Err(IllegalId { kind: $kind }),
                    Ok(raw) => Ok(Self(raw)),
                }
            }
        }
    )*};
}

snowflake! {
    /// A Discord user. People are identified by this id, never by a name.
    DiscordUserId "Discord user id";
    /// A Discord server.
    GuildId "guild id";
    /// A role of a guild.
    RoleId "role id";
    /// A channel of a guild, or a direct-message channel.
    ChannelId "channel id";
    /// A message in a channel.
    MessageId "message id";
    /// One press of a button, command or submitted form, as Discord delivered it.
    InteractionId "interaction id";
}

macro_rules! uuid_id {
    ($($(#[$doc:meta])* $name:ident $kind:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Uuid);

        impl $name {
            /// The id with this `UUID`, which `Ids` generated or a row contains.
            pub const fn new(raw: Uuid) -> Self {
                Self(raw)
            }

            /// The `UUID`.
            pub const fn get(self) -> Uuid {
                self.0
            }

            /// The id as a `custom_id` contains it: 32 hexadecimal digits without hyphens.
            pub fn simple(self) -> String {
                self.0.simple().to_string()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.hyphenated().fmt(f)
            }
        }

        impl FromStr for $name {
            type Err = IllegalId;

            fn from_str(text: &str) -> Result<Self, IllegalId> {
                Uuid::parse_str(text).map(Self).map_err(|_| IllegalId { kind: $kind })
            }
        }
    )*};
}

uuid_id! {
    /// A person in the store.
    PersonId "person id";
    /// A request.
    RequestId "request id";
    /// An account: the link between a person, an entry and a Keycloak user.
    AccountId "account id";
    /// A durable job.
    JobId "job id";
    /// A Discord message that is waiting to be sent.
    OutboxId "outbox id";
}

/// 64 random bits in the id of a button. They change with the message, so the button of an old message is recognised and refused.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Nonce(u64);

impl Nonce {
    /// Zero: the nonce of the panel and the first form, which belong to no row.
    pub const NONE: Self = Self(0);

    /// The nonce with these bits, which are new random ones or come from a row.
    pub const fn new(raw: u64) -> Self {
        Self(raw)
    }

    /// The bits.
    pub const fn get(self) -> u64 {
        self.0
    }
}

impl fmt::Display for Nonce {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl fmt::Debug for Nonce {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Nonce(…)")
    }
}

impl FromStr for Nonce {
    type Err = IllegalId;

    fn from_str(text: &str) -> Result<Self, IllegalId> {
        let is_canonical = text.len() == 16 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        if !is_canonical {
            return Err(IllegalId { kind: "nonce" });
        }
        u64::from_str_radix(text, 16).map(Self).map_err(|_| IllegalId { kind: "nonce" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_snowflake_tells_when_it_was_made() {
        // The example in Discord's reference.
        assert_eq!(
            DiscordUserId::new(175_928_847_299_117_063).created_at(),
            Timestamp::from_millis(1_462_015_105_796)
        );
    }

    #[test]
    fn zero_and_words_are_no_snowflakes() {
        for text in ["0", "", "-1", "ada", "18446744073709551616"] {
            assert!(text.parse::<GuildId>().is_err(), "{text:?} was accepted");
        }
    }

    #[test]
    fn a_nonce_reads_back_only_in_its_one_form() {
        let nonce = Nonce::new(0x0a);
        assert_eq!(nonce.to_string().parse(), Ok(nonce));
        for text in ["a", "000000000000000A", "000000000000000g", "00000000000000000a"] {
            assert!(text.parse::<Nonce>().is_err(), "{text:?} was accepted");
        }
    }

    #[test]
    fn spans_never_overflow_time() {
        let end = Timestamp::from_millis(i64::MAX);
        assert_eq!(end.after(Duration::from_secs(1)), end);
        assert_eq!(Timestamp::from_millis(5).since(end), Duration::ZERO);
    }
}
