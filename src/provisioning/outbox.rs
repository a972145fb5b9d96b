//! The sender: claims unsent messages and brings each to Discord, rendered from what is true at that moment.
//!
//! A message that Discord forbids for good is dropped and logged; it never holds up the others. Start with [`send_due`].

use std::time::{Duration, Instant};

use tracing::Instrument as _;

use super::breaker::{Admission, Target};
use super::call::IsOutage as _;
use super::heartbeat::Loop;
use super::metrics::Answer;
use super::{WorkerContext, card, direct, panel};
use crate::crash;
use crate::discord::DiscordError;
use crate::domain::error_code::ErrorCode;
use crate::domain::retry;
use crate::store::{Outbox, OutboxKind, StoreError};

/// How long a claim of a message holds: its calls (look, post, edit) at 8 s each, and some more.
pub(super) const LEASE: Duration = Duration::from_secs(30);

/// How long nothing is sent after Discord refused the bot's token.
const TOKEN_PAUSE: Duration = Duration::from_mins(1);

/// How a message ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sending {
    /// Discord has it, and the store knows.
    Sent,
    /// There is nothing to send any more, or nobody to send it to.
    Nothing,
    /// The person takes no direct messages: `/account status` tells.
    Closed,
}

/// Why a message was not sent.
#[derive(Debug)]
pub(super) enum Unsent {
    Discord(DiscordError),
    Store(StoreError),
}

impl From<DiscordError> for Unsent {
    fn from(error: DiscordError) -> Self {
        Self::Discord(error)
    }
}

impl From<StoreError> for Unsent {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

/// Sends what is due, one message after the other. How many were handled.
pub(super) async fn send_due(worker: &WorkerContext) -> Result<usize, StoreError> {
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
    crash::point("outbox.before_send");
    let started = Instant::now();
    let ended = match message.kind {
        OutboxKind::Card => card::send(worker, message).await,
        OutboxKind::Direct => direct::send_direct(worker, message).await,
        OutboxKind::Notice => direct::send_notice(worker, message).await,
        OutboxKind::Panel => panel::send(worker, message).await,
    };
    crash::point("outbox.after_send");
    if let Some(answer) = answer_of(&ended) {
        worker.metrics.call(Target::Discord, answer, started.elapsed());
    }
    let is_outage = matches!(&ended, Err(Unsent::Discord(error)) if error.is_outage());
    worker.note_answer(Target::Discord, is_outage).await;
    match ended {
        // Where these stand is stored together with their end.
        Ok(Sending::Sent) if matches!(message.kind, OutboxKind::Card | OutboxKind::Panel) => Ok(()),
        Ok(Sending::Sent) => finish(worker, message).await,
        Ok(Sending::Nothing) => drop_message(worker, message).await,
        Ok(Sending::Closed) => {
            tracing::info!("the person takes no direct messages; the status tells instead");
            drop_message(worker, message).await
        }
        Err(Unsent::Store(error)) => Err(error),
        Err(Unsent::Discord(error)) => obey(worker, message, &error).await,
    }
}

/// What the sending says of Discord, if it was asked.
fn answer_of(ended: &Result<Sending, Unsent>) -> Option<Answer> {
    match ended {
        Ok(Sending::Sent) => Some(Answer::Ok),
        Ok(Sending::Closed) => Some(Answer::Refused),
        Err(Unsent::Discord(error)) => Some(if error.is_outage() { Answer::Down } else { Answer::Refused }),
        Ok(Sending::Nothing) | Err(Unsent::Store(_)) => None,
    }
}

async fn obey(worker: &WorkerContext, message: &Outbox, error: &DiscordError) -> Result<(), StoreError> {
    let after = match error {
        DiscordError::RateLimited { after } => Some(*after),
        DiscordError::Unauthorized => Some(TOKEN_PAUSE),
        DiscordError::Down { .. } => None,
        DiscordError::Forbidden(_) | DiscordError::Gone(_) | DiscordError::Other { .. } => {
            tracing::error!(error = %error, "a message was dropped: discord will never take it");
            return drop_message(worker, message).await;
        }
    };
    tracing::warn!(error = %error, "a message was not sent; it is tried again");
    let attempt = u32::try_from(message.attempt).unwrap_or(u32::MAX);
    let next_run = worker.deps.clock.now().after(retry::pause(attempt, worker.random(), after));
    let mut tx = worker.deps.store.begin().await?;
    tx.outbox_later(message, next_run, ErrorCode::Internal).await?;
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
