//! The outbox: Discord messages to be sent, written in the transaction of their cause.

use std::time::Duration;

use super::connection::{ReadConnection, Tx};
use super::error::StoreError;
use super::leases::lease_millis;
use super::sql::{all, bare, exec, one, postgres_now, sql};
use crate::domain::error_code::{ErrorCode, codes};
use crate::domain::ids::{ChannelId, OutboxId, PersonId, RequestId, Timestamp};
use crate::domain::notification::Notification;
use crate::domain::refusal::RefusalReason;

/// How long a card waits for the change that is expected next.
const CARD_DELAY: Duration = Duration::from_secs(1);

codes! {
    /// The kind of message.
    pub enum OutboxKind {
        /// Post the card of a request, or edit the posted one; it renders the current state.
        Card = "card",
        /// Look whether the card of an open request is still there, and post a new one if someone deleted it.
        CardCheck = "card_check",
        /// A direct message to a person.
        Direct = "direct",
        /// A notice in the admins' channel.
        Notice = "notice",
        /// Post the panel of a channel, or edit the posted one.
        Panel = "panel",
    }
}

/// A message to be sent.
#[derive(Clone, Debug)]
pub struct NewOutbox {
    /// The kind of message.
    pub kind: OutboxKind,
    /// The target: a request id (card, card check), a person id (direct), a guild id (notice), a channel id (panel).
    pub target: String,
    /// Two unsent messages of one key are merged; the later parameters win.
    pub dedupe_key: String,
    /// What the text needs, as JSON without personal values.
    pub params: String,
}

/// A claimed message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outbox {
    /// Our id; its bytes form the send nonce.
    pub id: OutboxId,
    /// The kind of message.
    pub kind: OutboxKind,
    /// Its target.
    pub target: String,
    /// Its key.
    pub dedupe_key: String,
    /// What the text needs, as JSON.
    pub params: String,
    /// When it was first written.
    pub created_at: Timestamp,
    /// Attempts, this one included. An earlier one may have succeeded, so check before sending again.
    pub attempt: i64,
    /// The fence of the claim.
    pub fence: i64,
    /// Counts the writes that were merged into it.
    pub revision: i64,
    /// The channel that refused the last attempt.
    pub refused_in: Option<ChannelId>,
}

/// Messages that wait because Discord refuses them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RefusedMessages {
    /// Why.
    pub refusal: RefusalReason,
    /// The channel; `None` for direct messages.
    pub channel: Option<ChannelId>,
    /// How many.
    pub count: i64,
}

/// The messages to claim: due and free. `$now` is the database's clock.
macro_rules! claimable {
    ($($now:tt)+) => {
        concat!(
            "SELECT o.id FROM outbox AS o WHERE o.next_run <= $3 AND o.lease_until <= ",
            $($now)+,
            " ORDER BY o.next_run, o.id LIMIT $5"
        )
    };
}

/// The writes of a claim, and the columns of [`Row`].
macro_rules! claim {
    ($($now:tt)+) => {
        concat!(
            "UPDATE outbox SET owner = $1, lease_until = ",
            $($now)+,
            " + $2, fence = fence + 1, attempt = attempt + 1 WHERE id IN ("
        )
    };
}
macro_rules! outbox_columns {
    () => {
        "id, kind, target, dedupe_key, params, revision, created_at, fence, attempt, refused_in"
    };
}

sql! {
    CLAIM = concat!(claim!("$4"), claimable!("$4"), ") RETURNING ", outbox_columns!()),
        postgres: concat!(claim!(postgres_now!("$4")), claimable!(postgres_now!("$4")),
            " FOR UPDATE OF o SKIP LOCKED) RETURNING ", outbox_columns!());
    OLDEST = "SELECT min(created_at) FROM outbox";
    PUT = "INSERT INTO outbox (id, kind, target, dedupe_key, params, revision, created_at, fence, lease_until, \
        attempt, next_run) VALUES ($1, $2, $3, $4, $5, 1, $6, 0, 0, 0, $7) \
        ON CONFLICT (dedupe_key) DO UPDATE SET target = excluded.target, params = excluded.params, \
        revision = outbox.revision + 1, next_run = excluded.next_run";
    /// A message that was sent as it was read is deleted. One that was renewed meanwhile is due once more.
    SENT = "DELETE FROM outbox WHERE id = $1 AND fence = $2 AND revision = $3";
    SENT_BUT_RENEWED = "UPDATE outbox SET owner = NULL, lease_until = 0, attempt = 0, \
        error_code = NULL, refused = NULL, refused_in = NULL, next_run = $3 WHERE id = $1 AND fence = $2";
    /// The same two for several messages; `$1` is a JSON array of id, fence and revision.
    SENT_ALL = "DELETE FROM outbox WHERE id IN (SELECT o.id FROM jsonb_each($1) AS s JOIN outbox AS o \
        ON o.id = s.value ->> 'id' AND o.fence = s.value ->> 'fence' AND o.revision = s.value ->> 'revision')",
        postgres: "DELETE FROM outbox USING json_to_recordset(CAST($1 AS JSON)) AS s(id TEXT, fence BIGINT, \
        revision BIGINT) WHERE s.id = outbox.id AND s.fence = outbox.fence AND s.revision = outbox.revision";
    ALL_SENT_BUT_RENEWED = "UPDATE outbox SET owner = NULL, lease_until = 0, attempt = 0, error_code = NULL, \
        refused = NULL, refused_in = NULL, next_run = $2 WHERE id IN (SELECT o.id FROM jsonb_each($1) AS s JOIN outbox AS o \
        ON o.id = s.value ->> 'id' AND o.fence = s.value ->> 'fence')",
        postgres: "UPDATE outbox SET owner = NULL, lease_until = 0, attempt = 0, error_code = NULL, \
        refused = NULL, refused_in = NULL, next_run = $2 FROM json_to_recordset(CAST($1 AS JSON)) AS s(id TEXT, fence BIGINT) \
        WHERE s.id = outbox.id AND s.fence = outbox.fence";
    LATER = "UPDATE outbox SET owner = NULL, lease_until = 0, next_run = $3, error_code = $4 \
        WHERE id = $1 AND fence = $2";
    REFUSED = "UPDATE outbox SET owner = NULL, lease_until = 0, next_run = $3, error_code = $4, refused = $5, \
        refused_in = $6 WHERE id = $1 AND fence = $2";
    REFUSED_ROWS = "SELECT refused, refused_in, count(*) AS count FROM outbox WHERE refused IS NOT NULL \
        GROUP BY refused_in, refused ORDER BY refused_in, refused";
    /// What passes by itself keeps its pause: an earlier attempt makes Discord refuse for longer.
    WAKE_ALL = "UPDATE outbox SET next_run = $1 WHERE refused IS NOT NULL AND refused NOT IN ('too_fast', 'turned_off')";
    WAKE_CHANNEL = "UPDATE outbox SET next_run = $1 WHERE refused IS NOT NULL AND refused_in = $2";
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
    refused_in: Option<String>,
}

#[derive(sqlx::FromRow)]
struct RefusedRow {
    refused: String,
    refused_in: Option<String>,
    count: i64,
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
            refused_in: self.refused_in.and_then(|id| id.parse().ok()),
        })
    }
}

impl Tx {
    /// Claims messages that are due and free, oldest first: sets owner, lease and fence and counts the attempt.
    pub async fn claim_outbox_batch(
        &mut self,
        owner: &str,
        lease: Duration,
        limit: u32,
    ) -> Result<Vec<Outbox>, StoreError> {
        let (now, clock_base) = (self.now().as_millis(), self.clock_base());
        let rows = all!(self, CLAIM, Row; owner, lease_millis(lease), now, clock_base, i64::from(limit))?;
        let mut claimed: Vec<Outbox> = rows.into_iter().map(Row::outbox).collect::<Result<_, _>>()?;
        // RETURNING keeps no order; ids grow with time.
        claimed.sort_by_key(|message| message.id.to_string());
        Ok(claimed)
    }
}

impl ReadConnection {
    /// The messages that wait because Discord refuses them, by reason and channel.
    pub async fn refused_messages(&mut self) -> Result<Vec<RefusedMessages>, StoreError> {
        let rows = all!(self, REFUSED_ROWS, RefusedRow;)?;
        let refused = rows.into_iter().map(|row| RefusedMessages {
            refusal: row.refused.parse().unwrap_or(RefusalReason::Other),
            channel: row.refused_in.and_then(|id| id.parse().ok()),
            count: row.count,
        });
        Ok(refused.collect())
    }

    /// When the oldest unsent message was written.
    pub async fn oldest_outbox(&mut self) -> Result<Option<Timestamp>, StoreError> {
        Ok(one!(self, OLDEST, (Option<i64>,);)?.0.map(Timestamp::from_millis))
    }
}

fn card_of(request: RequestId) -> NewOutbox {
    NewOutbox {
        kind: OutboxKind::Card,
        target: request.to_string(),
        dedupe_key: ["card:", &request.to_string()].concat(),
        params: "{}".to_owned(),
    }
}

fn held(touched: u64) -> Result<(), StoreError> {
    if touched == 0 { Err(StoreError::LostLease) } else { Ok(()) }
}

impl Tx {
    /// Posts the card of a request, or updates it.
    pub async fn put_card(&mut self, request: RequestId) -> Result<(), StoreError> {
        self.put_outbox(card_of(request)).await
    }

    /// Like [`Tx::put_card`], for a card that will change again in a moment. It is due with that change, or after [`CARD_DELAY`], so one
    /// call to Discord covers both.
    pub async fn put_card_soon(&mut self, request: RequestId) -> Result<(), StoreError> {
        let due = self.now().after(CARD_DELAY);
        self.put_outbox_at(card_of(request), due).await
    }

    /// Tells a person by direct message about their request. It is rendered from current data when it is sent.
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

    /// Looks whether the card of a request is still there.
    pub async fn put_card_check(&mut self, request: RequestId) -> Result<(), StoreError> {
        self.put_outbox(NewOutbox {
            kind: OutboxKind::CardCheck,
            target: request.to_string(),
            dedupe_key: ["card_check:", &request.to_string()].concat(),
            params: "{}".to_owned(),
        })
        .await
    }

    /// Adds a message to the outbox, due now, or renews the unsent one of the same key.
    pub async fn put_outbox(&mut self, message: NewOutbox) -> Result<(), StoreError> {
        self.notifies_messages = true;
        let now = self.now();
        self.put_outbox_at(message, now).await
    }

    async fn put_outbox_at(&mut self, message: NewOutbox, due: Timestamp) -> Result<(), StoreError> {
        let id = self.inner.ids.uuid().to_string();
        let now = self.now().as_millis();
        exec!(self, PUT; id, message.kind.code(), message.target, message.dedupe_key, message.params, now,
            due.as_millis())
        .map(|_| ())
    }

    /// Fenced: notes that the message was sent. If it was renewed meanwhile, it is due once more.
    pub async fn outbox_sent(&mut self, claimed: &Outbox) -> Result<(), StoreError> {
        if exec!(self, SENT; claimed.id.to_string(), claimed.fence, claimed.revision)? == 1 {
            return Ok(());
        }
        let now = self.now().as_millis();
        held(exec!(self, SENT_BUT_RENEWED; claimed.id.to_string(), claimed.fence, now)?)
    }

    /// Like [`Tx::outbox_sent`], for several messages. Returns how many of them another process has claimed since; those are left alone.
    pub async fn outbox_sent_batch(&mut self, claimed: &[Outbox]) -> Result<u64, StoreError> {
        if claimed.is_empty() {
            return Ok(0);
        }
        let rows: Vec<_> = claimed
            .iter()
            .map(|message| {
                let id = message.id.to_string();
                serde_json::json!({ "id": id, "fence": message.fence, "revision": message.revision })
            })
            .collect();
        let rows = serde_json::Value::from(rows).to_string();
        let mut left = claimed.len() as u64 - exec!(self, SENT_ALL; &rows)?;
        if left > 0 {
            let now = self.now().as_millis();
            left -= exec!(self, ALL_SENT_BUT_RENEWED; &rows, now)?;
        }
        Ok(left)
    }

    /// Fenced: tries again at `next_run`; whether this attempt succeeded is unknown.
    pub async fn outbox_later(
        &mut self,
        claimed: &Outbox,
        next_run: Timestamp,
        code: ErrorCode,
    ) -> Result<(), StoreError> {
        held(exec!(self, LATER; claimed.id.to_string(), claimed.fence, next_run.as_millis(), code.code())?)
    }

    /// Fenced: Discord refused the message; tries again at `next_run`. `channel` is where, unless it is a direct message.
    pub async fn outbox_refused(
        &mut self,
        claimed: &Outbox,
        next_run: Timestamp,
        refusal: RefusalReason,
        channel: Option<ChannelId>,
    ) -> Result<(), StoreError> {
        let channel = channel.map(|channel| channel.to_string());
        held(exec!(self, REFUSED; claimed.id.to_string(), claimed.fence, next_run.as_millis(),
            ErrorCode::DiscordRefused.code(), refusal.code(), channel)?)
    }

    /// Makes every refused message due now that an admin's change may have cured; of one channel, if given. Returns how many.
    pub async fn wake_refused(&mut self, channel: Option<ChannelId>) -> Result<u64, StoreError> {
        self.notifies_messages = true;
        let now = self.now().as_millis();
        if let Some(channel) = channel {
            exec!(self, WAKE_CHANNEL; now, channel.to_string())
        } else {
            exec!(self, WAKE_ALL; now)
        }
    }

    /// Fenced: drops a message that can never be sent (closed direct messages, a deleted channel) or need not be sent.
    pub async fn drop_outbox(&mut self, claimed: &Outbox) -> Result<(), StoreError> {
        held(exec!(self, DROP; claimed.id.to_string(), claimed.fence)?)
    }
}
