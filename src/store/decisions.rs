//! Decisions on requests: who decided what, and why. A quorum would only need more rows.

use super::connection::{ReadConnection, Tx};
use super::error::StoreError;
use super::seal::Place;
use super::sql::{bare, exec, maybe, sql};
use crate::domain::approval::{Notify, Verdict};
use crate::domain::audit::Actor;
use crate::domain::ids::{RequestId, Timestamp};

/// A decision to be written.
#[derive(Clone, Debug)]
pub struct NewDecision {
    /// The request.
    pub request_id: RequestId,
    /// The round, from 1; reopening a request starts the next.
    pub round: i64,
    /// The place in the quorum, from 1.
    pub slot: i64,
    /// Who decided.
    pub approver: Actor,
    /// The decision.
    pub verdict: Verdict,
    /// The typed reason; sealed.
    pub reason: Option<String>,
    /// Whether the requester is told.
    pub notify: Notify,
}

/// A decision as stored.
#[derive(Clone, Debug)]
pub struct Decision {
    /// The request.
    pub request_id: RequestId,
    /// The round, from 1.
    pub round: i64,
    /// The place in the quorum, from 1.
    pub slot: i64,
    /// Who decided.
    pub approver: Actor,
    /// The decision.
    pub verdict: Verdict,
    /// The typed reason, unless it was erased.
    pub reason: Option<String>,
    /// Whether the requester is told.
    pub notify: Notify,
    /// When it was decided.
    pub at: Timestamp,
}

sql! {
    LATEST = "SELECT round, slot, approver_id, verdict, reason_enc, key_id, notify, at FROM decision \
        WHERE request_id = $1 ORDER BY round DESC, slot DESC LIMIT 1";
    INSERT = "INSERT INTO decision (request_id, round, slot, approver_id, verdict, reason_enc, key_id, notify, at) \
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT (request_id, round, slot) DO NOTHING";
}

#[derive(sqlx::FromRow)]
struct Row {
    round: i64,
    slot: i64,
    approver_id: String,
    verdict: String,
    reason_enc: Option<Vec<u8>>,
    key_id: Option<String>,
    notify: String,
    at: i64,
}

/// Identifies the row that a reason was sealed for.
pub(super) fn reason_row(request: RequestId, round: i64, slot: i64) -> String {
    [request.to_string(), round.to_string(), slot.to_string()].join("/")
}

/// Where a reason is sealed.
pub(super) fn reason_place(row: &str) -> Place<'_> {
    Place { table: "decision", row, column: "reason_enc" }
}

impl ReadConnection {
    /// The newest decision on a request.
    pub async fn decision_on(&mut self, request: RequestId) -> Result<Option<Decision>, StoreError> {
        let Some(row) = maybe!(self, LATEST, Row; request.to_string())? else { return Ok(None) };
        let key = reason_row(request, row.round, row.slot);
        let place = reason_place(&key);
        let reason = row
            .reason_enc
            .map(|sealed| self.inner.keys.open(place, row.key_id.as_deref(), &sealed))
            .transpose()?;
        let unreadable = |_| StoreError::Row { table: "decision" };
        Ok(Some(Decision {
            request_id: request,
            round: row.round,
            slot: row.slot,
            approver: Actor::parse(&row.approver_id).ok_or(StoreError::Row { table: "decision" })?,
            verdict: row.verdict.parse().map_err(unreadable)?,
            reason,
            notify: row.notify.parse().map_err(unreadable)?,
            at: Timestamp::from_millis(row.at),
        }))
    }
}

impl Tx {
    /// Writes a decision; `false` if this round and slot has one.
    pub async fn put_decision(&mut self, decision: NewDecision) -> Result<bool, StoreError> {
        let key = reason_row(decision.request_id, decision.round, decision.slot);
        let place = reason_place(&key);
        let sealed = decision
            .reason
            .as_deref()
            .map(|reason| self.inner.keys.seal(self.inner.rng.as_ref(), place, reason));
        let key_id = sealed.as_ref().map(|_| self.inner.keys.id().to_owned());
        let now = self.now().as_millis();
        let written = exec!(self, INSERT;
            decision.request_id.to_string(), decision.round, decision.slot, decision.approver.text(),
            decision.verdict.code(), sealed, key_id, decision.notify.code(), now)?;
        Ok(written == 1)
    }
}
