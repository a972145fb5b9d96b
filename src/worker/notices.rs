//! Puts a notice for a guild's admins into the outbox.

use crate::config::Guild;
use crate::domain::ids::JobId;
use crate::domain::notification::Notification;
use crate::store::{NewOutbox, OutboxKind, StoreError, Tx};

/// Tells the guild's admins about a job, if the guild has a log channel.
pub(crate) async fn put_notice(
    tx: &mut Tx,
    guild: &Guild,
    job: JobId,
    notification: Notification,
    revision: i64,
) -> Result<(), StoreError> {
    if guild.log_channel.is_none() {
        return Ok(());
    }
    let job = job.to_string();
    tx.put_outbox(NewOutbox {
        kind: OutboxKind::Notice,
        target: guild.id.to_string(),
        dedupe_key: ["notice:", &job, ":", &revision.to_string()].concat(),
        params: serde_json::json!({ "job": job, "text": notification.code() }).to_string(),
    })
    .await
}
