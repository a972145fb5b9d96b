//! A person: our own id and their Discord user.

use super::ids::{DiscordUserId, PersonId, Timestamp};

/// A person who has, or had, a request or an account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Person {
    /// Our id.
    pub id: PersonId,
    /// Their Discord user, unless it was erased.
    pub discord_id: Option<DiscordUserId>,
    /// Their language, a BCP 47 tag.
    pub lang: String,
    /// When the row was written.
    pub created_at: Timestamp,
    /// Since when Discord refuses direct messages to them, as far as it is known.
    pub unreachable_since: Option<Timestamp>,
}
