//! Named leases, for tasks that only one replica performs, and the cursor over Keycloak's events.

use std::time::Duration;

use super::connection::{ReadConnection, Store, Tx};
use super::error::StoreError;
use super::sql::{bare, exec, maybe, sql};
use crate::domain::ids::Timestamp;

/// A lease that this process holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamedLease {
    /// The task.
    pub name: String,
    /// The process that holds it.
    pub owner: String,
    /// Grows each time it is taken.
    pub fence: i64,
    /// When it ends, by the database's clock.
    pub until: Timestamp,
}

/// How far Keycloak's events have been read.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct EventCursor {
    /// Keycloak's own time of the last event, milliseconds.
    pub at: i64,
    /// Ids of the events near it that were read.
    pub known: Vec<String>,
}

sql! {
    TAKE = "INSERT INTO lease (name, owner, fence, until) VALUES ($1, $2, 1, $3) ON CONFLICT (name) DO UPDATE SET \
        owner = excluded.owner, fence = lease.fence + 1, until = excluded.until \
        WHERE lease.until <= $4 OR lease.owner = excluded.owner RETURNING fence";
    RENEW = "UPDATE lease SET until = $3 WHERE name = $1 AND fence = $2";
    GIVE_BACK = "UPDATE lease SET until = 0 WHERE name = $1 AND fence = $2";
    CURSOR = "SELECT at, known FROM event_cursor WHERE name = $1";
    SET_CURSOR = "INSERT INTO event_cursor (name, at, known) VALUES ($1, $2, $3) \
        ON CONFLICT (name) DO UPDATE SET at = excluded.at, known = excluded.known";
}

/// The end of a lease that begins now, by the database's clock.
pub(super) fn lease_end(now: i64, lease: Duration) -> i64 {
    Timestamp::from_millis(now).after(lease).as_millis()
}

/// The length of a lease in milliseconds, for statements that read the database's clock themselves. At most 49 days, so that the sum
/// always fits.
pub(super) fn lease_millis(lease: Duration) -> i64 {
    u32::try_from(lease.as_millis()).unwrap_or(u32::MAX).into()
}

impl Store {
    /// Takes a lease, or renews the owner's own; `None` if another process holds it. It is its own transaction.
    pub async fn take_lease(
        &self,
        name: &str,
        owner: &str,
        span: Duration,
    ) -> Result<Option<NamedLease>, StoreError> {
        let mut tx = self.begin().await?;
        let now = tx.database_now().await?;
        let until = lease_end(now, span);
        let Some((fence,)) = maybe!(&mut tx, TAKE, (i64,); name, owner, until, now)? else {
            tx.roll_back().await?;
            return Ok(None);
        };
        tx.commit("lease.take").await?;
        let until = Timestamp::from_millis(until);
        Ok(Some(NamedLease { name: name.to_owned(), owner: owner.to_owned(), fence, until }))
    }

    /// Renews a lease; [`StoreError::LostLease`] if another process took it.
    pub async fn renew_lease(&self, lease: &NamedLease, span: Duration) -> Result<NamedLease, StoreError> {
        let mut tx = self.begin().await?;
        let renewed = tx.renew_lease(lease, span).await?;
        tx.commit_relaxed("lease.renew").await?;
        Ok(renewed)
    }

    /// Releases a lease; nothing happens if another process took it.
    pub async fn give_back_lease(&self, lease: NamedLease) -> Result<(), StoreError> {
        let mut tx = self.begin().await?;
        exec!(&mut tx, GIVE_BACK; &lease.name, lease.fence)?;
        tx.commit_relaxed("lease.give_back").await
    }
}

impl ReadConnection {
    /// The cursor of this name.
    pub async fn event_cursor(&mut self, name: &str) -> Result<Option<EventCursor>, StoreError> {
        let Some((at, known)) = maybe!(self, CURSOR, (i64, String); name)? else { return Ok(None) };
        let known = serde_json::from_str(&known).map_err(|_| StoreError::Row { table: "event_cursor" })?;
        Ok(Some(EventCursor { at, known }))
    }
}

impl Tx {
    /// Renews a lease within a transaction. No other process can take it before the transaction ends, so only the holder writes
    /// what is written with it.
    pub async fn renew_lease(
        &mut self,
        lease: &NamedLease,
        span: Duration,
    ) -> Result<NamedLease, StoreError> {
        let until = lease_end(self.database_now().await?, span);
        if exec!(self, RENEW; &lease.name, lease.fence, until)? == 0 {
            return Err(StoreError::LostLease);
        }
        Ok(NamedLease { until: Timestamp::from_millis(until), ..lease.clone() })
    }

    /// Moves the cursor of this name.
    pub async fn set_event_cursor(&mut self, name: &str, cursor: &EventCursor) -> Result<(), StoreError> {
        let known = serde_json::json!(cursor.known).to_string();
        exec!(self, SET_CURSOR; name, cursor.at, known).map(|_| ())
    }
}
