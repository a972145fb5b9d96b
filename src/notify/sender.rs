//! The sender: claims unsent messages and sends each to Discord, rendered from current data.
//!
//! A message that Discord will never accept is dropped and logged, so that it does not hold up the others. Start with [`send_due`].

use std::time::{Duration, Instant};

use tracing::Instrument as _;

use super::outcome::{Sending, Unsent};
use super::{card, direct, notice, panel};
use crate::crash;
use crate::discord::DiscordError;
use crate::domain::retry;
use crate::store::{Outbox, OutboxKind, StoreError};
use crate::worker::breaker::{Admission, Target};
use crate::worker::context::WorkerContext;
use crate::worker::heartbeat::Loop;
use crate::worker::metrics::Answer;
use crate::worker::outage::IsOutage as _;

/// How long the lease of a message lasts: three calls (search, edit, post) of 8 s each, and a margin.
const LEASE: Duration = Duration::from_secs(30);

/// The pause after Discord refused the bot's token.
const TOKEN_PAUSE: Duration = Duration::from_mins(1);

/// Sends what is due, one message after the other. Returns how many were handled.
pub(crate) async fn send_due(worker: &WorkerContext) -> Result<usize, StoreError> {
    let mut handled = 0;
    loop {
        if let Admission::Blocked(_) = worker.admit(Target::Discord) {
            return Ok(handled);
        }
        let Some(message) = worker.deps.store.claim_outbox(&worker.owner, LEASE).await? else {
            return Ok(handled);
        };
        let span = tracing::info_span!("message", outbox.id = %message.id, outbox.kind = %message.kind, attempt = message.attempt);
        match send_one(worker, &message).instrument(span).await {
            Ok(()) => handled += 1,
            // Another replica has it now.
            Err(StoreError::LostLease) => {}
            Err(error) => return Err(error),
        }
    }
}

async fn send_one(worker: &WorkerContext, message: &Outbox) -> Result<(), StoreError> {
    worker.heartbeat.beat(Loop::Outbox);
    // The claim counts the attempt: a lost count would let the message be sent twice.
    worker.deps.store.flushed().await?;
    crash::point("outbox.before_send");
    let started = Instant::now();
    let ended = match message.kind {
        OutboxKind::Card => card::send(worker, message).await,
        OutboxKind::Direct => direct::send(worker, message).await,
        OutboxKind::Notice => notice::send(worker, message).await,
        OutboxKind::Panel => panel::send(worker, message).await,
    };
    crash::point("outbox.after_send");
    if let Some(answer) = answer_of(&ended) {
        worker.metrics.call(Target::Discord, answer, started.elapsed());
    }
    let is_outage = matches!(&ended, Err(Unsent::Discord(error)) if error.is_outage());
    worker.note_answer(Target::Discord, is_outage).await;
    match ended {
        Ok(Sending::Settled) => Ok(()),
        Ok(Sending::Sent) => finish(worker, message).await,
        Ok(Sending::Nothing) => drop_message(worker, message).await,
        Ok(Sending::Closed) => {
            tracing::info!("the person accepts no direct messages; the status tells them instead");
            drop_message(worker, message).await
        }
        Err(Unsent::Store(error)) => Err(error),
        Err(Unsent::Discord(error)) => apply_failure(worker, message, &error).await,
    }
}

/// What the sending says of Discord, if a call was made.
fn answer_of(ended: &Result<Sending, Unsent>) -> Option<Answer> {
    match ended {
        Ok(Sending::Sent | Sending::Settled) => Some(Answer::Ok),
        Ok(Sending::Closed) => Some(Answer::Refused),
        Err(Unsent::Discord(error)) => Some(if error.is_outage() { Answer::Down } else { Answer::Refused }),
        Ok(Sending::Nothing) | Err(Unsent::Store(_)) => None,
    }
}

async fn apply_failure(
    worker: &WorkerContext,
    message: &Outbox,
    error: &DiscordError,
) -> Result<(), StoreError> {
    let after = match error {
        DiscordError::RateLimited { after } => Some(*after),
        DiscordError::Unauthorized => Some(TOKEN_PAUSE),
        DiscordError::Down { .. } => None,
        DiscordError::Forbidden(_) | DiscordError::Gone(_) | DiscordError::Other { .. } => {
            tracing::error!(error = %error, "a message was dropped: Discord will never accept it");
            return drop_message(worker, message).await;
        }
    };
    tracing::warn!(error = %error, "a message was not sent; it will be sent again");
    let attempt = u32::try_from(message.attempt).unwrap_or(u32::MAX);
    let next_run = worker.deps.clock.now().after(retry::pause(attempt, worker.random(), after));
    let mut tx = worker.deps.store.begin().await?;
    tx.outbox_later(message, next_run, error.error_code()).await?;
    tx.commit("outbox.later").await
}

async fn finish(worker: &WorkerContext, message: &Outbox) -> Result<(), StoreError> {
    let mut tx = worker.deps.store.begin().await?;
    tx.outbox_sent(message).await?;
    tx.commit("outbox.sent").await
}

async fn drop_message(worker: &WorkerContext, message: &Outbox) -> Result<(), StoreError> {
    let mut tx = worker.deps.store.begin().await?;
    tx.drop_outbox(message).await?;
    tx.commit("outbox.sent").await
}
