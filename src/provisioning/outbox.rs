//! The sender: claims unsent messages and brings each to Discord, rendered from what is true at that moment.
//!
//! A message that Discord forbids for good is dropped and logged; it never holds up the others. Start with [`send_due`].

use std::time::{Duration, Instant};

use tracing::Instrument as _;

use super::breaker::{Admission, Target};
use super::call::Fault as _;
use super::measures::Answer;
use super::pulse::Loop;
use super::{Room, card, news, panel};
use crate::crash;
use crate::discord::DiscordError;
use crate::domain::refusal::Refusal;
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
pub(super) async fn send_due(room: &Room) -> Result<usize, StoreError> {
    let mut handled = 0;
    loop {
        if let Admission::Blocked(_) = room.admit(Target::Discord) {
            return Ok(handled);
        }
        let Some(message) = room.parts.store.claim_outbox(&room.owner, LEASE).await? else {
            return Ok(handled);
        };
        let span = tracing::info_span!("message", outbox.id = %message.id, outbox.kind = %message.kind, attempt = message.attempt);
        match send_one(room, &message).instrument(span).await {
            Ok(()) => handled += 1,
            // Another replica has it now.
            Err(StoreError::LostLease) => {}
            Err(error) => return Err(error),
        }
    }
}

async fn send_one(room: &Room, message: &Outbox) -> Result<(), StoreError> {
    room.pulse.beats(Loop::Outbox);
    crash::point("outbox.before_send");
    let started = Instant::now();
    let ended = match message.kind {
        OutboxKind::Card => card::send(room, message).await,
        OutboxKind::Direct => news::send_direct(room, message).await,
        OutboxKind::Notice => news::send_notice(room, message).await,
        OutboxKind::Panel => panel::send(room, message).await,
    };
    crash::point("outbox.after_send");
    if let Some(answer) = answer_of(&ended) {
        room.measures.call(Target::Discord, answer, started.elapsed());
    }
    let is_outage = matches!(&ended, Err(Unsent::Discord(error)) if error.is_outage());
    room.note_answer(Target::Discord, is_outage).await;
    match ended {
        // Where these stand is stored together with their end.
        Ok(Sending::Sent) if matches!(message.kind, OutboxKind::Card | OutboxKind::Panel) => Ok(()),
        Ok(Sending::Sent) => finish(room, message).await,
        Ok(Sending::Nothing) => drop_message(room, message).await,
        Ok(Sending::Closed) => {
            tracing::info!("the person takes no direct messages; the status tells instead");
            drop_message(room, message).await
        }
        Err(Unsent::Store(error)) => Err(error),
        Err(Unsent::Discord(error)) => obey(room, message, &error).await,
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

async fn obey(room: &Room, message: &Outbox, error: &DiscordError) -> Result<(), StoreError> {
    let after = match error {
        DiscordError::RateLimited { after } => Some(*after),
        DiscordError::Unauthorized => Some(TOKEN_PAUSE),
        DiscordError::Down { .. } => None,
        DiscordError::Forbidden(_) | DiscordError::Gone(_) | DiscordError::Other { .. } => {
            tracing::error!(error = %error, "a message was dropped: discord will never take it");
            return drop_message(room, message).await;
        }
    };
    tracing::warn!(error = %error, "a message was not sent; it is tried again");
    let attempt = u32::try_from(message.attempt).unwrap_or(u32::MAX);
    let next_run = room.parts.clock.now().after(retry::pause(attempt, room.random(), after));
    let mut tx = room.parts.store.begin().await?;
    tx.outbox_later(message, next_run, Refusal::Internal).await?;
    tx.commit("outbox.later").await
}

async fn finish(room: &Room, message: &Outbox) -> Result<(), StoreError> {
    let mut tx = room.parts.store.begin().await?;
    tx.outbox_sent(message).await?;
    tx.commit("outbox.sent").await
}

async fn drop_message(room: &Room, message: &Outbox) -> Result<(), StoreError> {
    let mut tx = room.parts.store.begin().await?;
    tx.drop_outbox(message).await?;
    tx.commit("outbox.sent").await
}
