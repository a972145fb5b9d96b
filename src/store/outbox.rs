//! The outbox: Discord messages to be sent, written in the transaction that decides.

use std::time::Duration;

use super::jobs::lease_end;
use super::sql::{all, bare, exec, one, sql};
use super::{ReadConnection, Store, StoreError, Tx};
use crate::domain::error_code::{ErrorCode, codes};
use crate::domain::ids::{OutboxId, PersonId, RequestId, Timestamp};
use crate::domain::notification::Notification;

codes! {
    /// What kind of message.
    pub enum OutboxKind {
        /// Post the card of a request, or edit it if it stands already; it renders the current state.
        Card = "card",
        /// A direct message to a person.
        Direct = "direct",
        /// A note in the admins' channel.
        Notice = "notice",
        /// Post the panel of a channel, or edit it if it stands already.
        Panel = "panel",
    }
}

/// A message to be sent.
#[derive(Clone, Debug)]
pub struct NewOutbox {
    /// What kind.
    pub kind: OutboxKind,
    /// To whom: a request id (card), a person id (direct), a guild id (notice), a channel id (panel).
    pub target: String,
    /// Two unsent messages of one key are one: the later parameters win.
    pub dedupe_key: String,
    /// What the text needs, as JSON without personal values.
    pub params: String,
}

/// A claimed message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outbox {
    /// Our id; its bytes make the send nonce.
    pub id: OutboxId,
    /// What kind.
    pub kind: OutboxKind,
    /// To whom.
    pub target: String,
    /// Its key.
    pub dedupe_key: String,
    /// What the text needs, as JSON.
    pub params: String,
    /// When it was first written.
    pub created_at: Timestamp,
    /// How often it was tried, this time included. An earlier try may have got through: look before sending again.
    pub attempt: i64,
    /// The claim.
    pub fence: i64,
    /// Counts the writes that were coalesced into it.
    pub revision: i64,
}

/// What may be claimed: due and free.
macro_rules! claimable {
    () => {
        "SELECT o.id FROM outbox AS o WHERE o.next_run <= $3 AND o.lease_until <= $4 ORDER BY o.next_run, o.id LIMIT 1"
    };
}

/// What a claim writes, and the columns of [`Row`].
macro_rules! claim {
    () => {
        "UPDATE outbox SET owner = $1, lease_until = $2, fence = fence + 1, attempt = attempt + 1 WHERE id = ("
    };
}
macro_rules! outbox_columns {
    () => {
        "id, kind, target, dedupe_key, params, revision, created_at, fence, attempt"
    };
}

sql! {
    CLAIM = concat!(claim!(), claimable!(), ") RETURNING ", outbox_columns!()),
        postgres: concat!(claim!(), claimable!(), " FOR UPDATE OF o SKIP LOCKED) RETURNING ", outbox_columns!());
    OLDEST = "SELECT min(created_at) FROM outbox";
    SIZE = "SELECT count(*) FROM outbox";
    PUT = "INSERT INTO outbox (id, kind, target, dedupe_key, params, revision, created_at, fence, lease_until, \
        attempt, next_run) VALUES ($1, $2, $3, $4, $5, 1, $6, 0, 0, 0, $6) \
        ON CONFLICT (dedupe_key) DO UPDATE SET target = excluded.target, params = excluded.params, \
        revision = outbox.revision + 1, next_run = excluded.next_run";
    /// Sent as it was read: gone. Renewed meanwhile: due once more.
    SENT = "DELETE FROM outbox WHERE id = $1 AND fence = $2 AND revision = $3";
    SENT_BUT_RENEWED = "UPDATE outbox SET owner = NULL, lease_until = 0, attempt = 0, \
        error_code = NULL, next_run = $3 WHERE id = $1 AND fence = $2";
    LATER = "UPDATE outbox SET owner = NULL, lease_until = 0, next_run = $3, error_code = $4 \
        WHERE id = $1 AND fence = $2";
    DROP = "DELETE FROM outbox WHERE id = $1 AND fence = $2";
}

#[derive(sqlx::FromRow)]
struct Row {
    id: String,
    kind: String,
    target: String,
    dedupe_key: String,
    params: String,
    revision: i64,
    created_at: i64,
    fence: i64,
    attempt: i64,
}

impl Row {
    fn outbox(self) -> Result<Outbox, StoreError> {
        let unreadable = StoreError::Row { table: "outbox" };
        let (Ok(id), Ok(kind)) = (self.id.parse(), self.kind.parse()) else { return Err(unreadable) };
        Ok(Outbox {
            id,
            kind,
            target: self.target,
            dedupe_key: self.dedupe_key,
            params: self.params,
            created_at: Timestamp::from_millis(self.created_at),
            attempt: self.attempt,
            fence: self.fence,
            revision: self.revision,
        })
    }
}

impl Store {
    /// Claims one message that is due and free. One statement, and a transaction by itself.
    pub async fn claim_outbox(&self, owner: &str, lease: Duration) -> Result<Option<Outbox>, StoreError> {
        let mut autocommit = self.autocommit().await?;
        let database_now = autocommit.database_now().await?;
        let now = autocommit.now().as_millis();
        let rows =
            all!(&mut autocommit, CLAIM, Row; owner, lease_end(database_now, lease), now, database_now)?;
        rows.into_iter().next().map(Row::outbox).transpose()
    }
}

impl ReadConnection {
    /// When the oldest unsent message was written.
    pub async fn oldest_outbox(&mut self) -> Result<Option<Timestamp>, StoreError> {
        Ok(one!(self, OLDEST, (Option<i64>,);)?.0.map(Timestamp::from_millis))
    }

    /// How many messages are unsent.
    pub async fn outbox_size(&mut self) -> Result<i64, StoreError> {
        Ok(one!(self, SIZE, (i64,);)?.0)
    }
}

fn held(touched: u64) -> Result<(), StoreError> {
    if touched == 0 { Err(StoreError::LostLease) } else { Ok(()) }
}

impl Tx {
    /// Posts the card of a request, or brings it up to date.
    pub async fn put_card(&mut self, request: RequestId) -> Result<(), StoreError> {
        self.put_outbox(NewOutbox {
            kind: OutboxKind::Card,
            target: request.to_string(),
            dedupe_key: ["card:", &request.to_string()].concat(),
            params: "{}".to_owned(),
        })
        .await
    }

    /// Tells a person by direct message what became of their request; the sender renders what is true when it sends.
    pub async fn put_notification(
        &mut self,
        person: PersonId,
        notification: Notification,
        request: RequestId,
    ) -> Result<(), StoreError> {
        self.put_outbox(NewOutbox {
            kind: OutboxKind::Direct,
            target: person.to_string(),
            dedupe_key: ["direct:", notification.code(), ":", &request.to_string()].concat(),
            params: serde_json::json!({ "text": notification.code(), "request": request.to_string() })
                .to_string(),
        })
        .await
    }

    /// Puts a message into the outbox, due now, or renews the unsent one of the same key.
    pub async fn put_outbox(&mut self, message: NewOutbox) -> Result<(), StoreError> {
        let id = self.inner.ids.uuid().to_string();
        let now = self.now().as_millis();
        self.notifies_messages = true;
        exec!(self, PUT; id, message.kind.code(), message.target, message.dedupe_key, message.params, now)
            .map(|_| ())
    }

    /// Fenced: it was sent. If it was renewed while it was being sent, it is due once more.
    pub async fn outbox_sent(&mut self, claimed: &Outbox) -> Result<(), StoreError> {
        if exec!(self, SENT; claimed.id.to_string(), claimed.fence, claimed.revision)? == 1 {
            return Ok(());
        }
        let now = self.now().as_millis();
        held(exec!(self, SENT_BUT_RENEWED; claimed.id.to_string(), claimed.fence, now)?)
    }

    /// Fenced: try again at `next_run`; nobody knows whether this send got through.
    pub async fn outbox_later(
        &mut self,
        claimed: &Outbox,
        next_run: Timestamp,
        code: ErrorCode,
    ) -> Result<(), StoreError> {
        held(exec!(self, LATER; claimed.id.to_string(), claimed.fence, next_run.as_millis(), code.code())?)
    }

    /// Fenced: it can never be sent (a closed DM, a deleted channel).
    pub async fn drop_outbox(&mut self, claimed: &Outbox) -> Result<(), StoreError> {
        held(exec!(self, DROP; claimed.id.to_string(), claimed.fence)?)
    }
}
