//! Persons: our own id for somebody, so that moving to another Discord account and erasure work.

use super::sql::{bare, exec, maybe, one, sql};
use super::{ReadConnection, StoreError, Tx};
use crate::domain::ids::{DiscordUserId, PersonId, Timestamp};

/// Somebody who has, or had, a request or an account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Person {
    /// Our id.
    pub id: PersonId,
    /// Their Discord user, unless it was erased.
    pub discord_id: Option<DiscordUserId>,
    /// Their language, a BCP 47 tag.
    pub lang: String,
    /// When Discord last said that they take no direct messages; `None` after one got through.
    pub dm_closed_at: Option<Timestamp>,
    /// When we first met.
    pub created_at: Timestamp,
}

sql! {
    BY_ID = "SELECT id, discord_id, lang, dm_closed_at, created_at FROM person WHERE id = $1";
    BY_DISCORD_ID = "SELECT id, discord_id, lang, dm_closed_at, created_at FROM person WHERE discord_id = $1";
    ENSURE = "INSERT INTO person (id, discord_id, lang, created_at) VALUES ($1, $2, $3, $4) \
              ON CONFLICT (discord_id) DO UPDATE SET lang = excluded.lang \
              RETURNING id, discord_id, lang, dm_closed_at, created_at";
    SET_DM_CLOSED = "UPDATE person SET dm_closed_at = $2 WHERE id = $1";
}

#[derive(sqlx::FromRow)]
struct Row {
    id: String,
    discord_id: Option<String>,
    lang: String,
    dm_closed_at: Option<i64>,
    created_at: i64,
}

impl Row {
    fn person(self) -> Result<Person, StoreError> {
        let unreadable = |_| StoreError::Row { table: "person" };
        Ok(Person {
            id: self.id.parse().map_err(unreadable)?,
            discord_id: self.discord_id.map(|id| id.parse()).transpose().map_err(unreadable)?,
            lang: self.lang,
            dm_closed_at: self.dm_closed_at.map(Timestamp::from_millis),
            created_at: Timestamp::from_millis(self.created_at),
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
    /// The person behind a Discord user, made if they are new; their language is brought up to date.
    pub async fn ensure_person(
        &mut self,
        discord_id: DiscordUserId,
        lang: &str,
    ) -> Result<Person, StoreError> {
        let id = self.inner.ids.uuid().to_string();
        let now = self.now().as_millis();
        one!(self, ENSURE, Row; id, discord_id.to_string(), lang, now)?.person()
    }

    /// Notes that Discord refuses direct messages to this person (`Some`), or that one got through (`None`).
    pub async fn set_dm_closed(&mut self, id: PersonId, at: Option<Timestamp>) -> Result<(), StoreError> {
        exec!(self, SET_DM_CLOSED; id.to_string(), at.map(Timestamp::as_millis)).map(|_| ())
    }
}
