//! Persons: our own ids, so that a person can move to another Discord account and be erased.

use super::connection::{ReadConnection, Tx};
use super::error::StoreError;
use super::sql::{bare, exec, maybe, one, sql};
use crate::domain::ids::{DiscordUserId, PersonId, Timestamp};
use crate::domain::person::Person;

sql! {
    BY_ID = "SELECT id, discord_id, lang, created_at, unreachable_since FROM person WHERE id = $1";
    BY_DISCORD_ID = "SELECT id, discord_id, lang, created_at, unreachable_since FROM person WHERE discord_id = $1";
    ENSURE = "INSERT INTO person (id, discord_id, lang, created_at) VALUES ($1, $2, $3, $4) \
              ON CONFLICT (discord_id) DO UPDATE SET lang = excluded.lang \
              RETURNING id, discord_id, lang, created_at, unreachable_since";
    REACHABLE = "UPDATE person SET unreachable_since = NULL WHERE id = $1";
    UNREACHABLE = "UPDATE person SET unreachable_since = $2 WHERE id = $1 AND unreachable_since IS NULL";
}

#[derive(sqlx::FromRow, serde::Deserialize)]
pub(super) struct Row {
    id: String,
    discord_id: Option<String>,
    lang: String,
    created_at: i64,
    #[serde(default)]
    unreachable_since: Option<i64>,
}

impl Row {
    pub(super) fn person(self) -> Result<Person, StoreError> {
        let unreadable = |_| StoreError::Row { table: "person" };
        Ok(Person {
            id: self.id.parse().map_err(unreadable)?,
            discord_id: self.discord_id.map(|id| id.parse()).transpose().map_err(unreadable)?,
            lang: self.lang,
            created_at: Timestamp::from_millis(self.created_at),
            unreachable_since: self.unreachable_since.map(Timestamp::from_millis),
        })
    }
}

impl ReadConnection {
    /// The person of this id.
    pub async fn person(&mut self, id: PersonId) -> Result<Option<Person>, StoreError> {
        maybe!(self, BY_ID, Row; id.to_string())?.map(Row::person).transpose()
    }

    /// The person behind a Discord user.
    pub async fn person_of(&mut self, discord_id: DiscordUserId) -> Result<Option<Person>, StoreError> {
        maybe!(self, BY_DISCORD_ID, Row; discord_id.to_string())?.map(Row::person).transpose()
    }
}

impl Tx {
    /// The person behind a Discord user, created if new; their language is updated.
    pub async fn ensure_person(
        &mut self,
        discord_id: DiscordUserId,
        lang: &str,
    ) -> Result<Person, StoreError> {
        let id = self.inner.ids.uuid().to_string();
        let now = self.now().as_millis();
        one!(self, ENSURE, Row; id, discord_id.to_string(), lang, now)?.person()
    }

    /// Notes that Discord refuses direct messages to this person. Returns whether that was not known before.
    pub async fn person_unreachable(&mut self, id: PersonId) -> Result<bool, StoreError> {
        let now = self.now().as_millis();
        Ok(exec!(self, UNREACHABLE; id.to_string(), now)? == 1)
    }

    /// Notes that a direct message reached this person.
    pub async fn person_reachable(&mut self, id: PersonId) -> Result<(), StoreError> {
        exec!(self, REACHABLE; id.to_string()).map(|_| ())
    }
}
