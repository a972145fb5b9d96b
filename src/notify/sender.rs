//! The sender: claims unsent messages and sends each to Discord, rendered from current data.
//!
//! A message that Discord refuses for now is kept and sent later (`refused.rs`), so that it does not hold up the others. Start with
//! [`send_due`].

use std::collections::HashSet;
use std::time::{Duration, Instant};

use futures::future::BoxFuture;
use tracing::Instrument as _;

use super::outcome::{Posted, Sending, Unsent};
use super::refused::{self, RefusedChannels};
use super::{card, direct, notice, panel};
use crate::crash;
use crate::discord::DiscordError;
use crate::domain::error_code::ErrorCode;
use crate::domain::ids::ChannelId;
use crate::domain::retry;
use crate::store::{MessageKind, Outbox, OutboxKind, StoreError};
use crate::worker::breaker::{Admission, Target};
use crate::worker::context::WorkerContext;
use crate::worker::heartbeat::Loop;
use crate::worker::metrics::Answer;
use crate::worker::outage::IsOutage as _;

/// The longest that sending one message may take: four calls (member, search, edit, post) of 8 s each.
const SEND_LIMIT: Duration = Duration::from_secs(32);

/// How long the lease of a message lasts. What remains beyond [`SEND_LIMIT`] is for the messages before it in the batch.
const LEASE: Duration = Duration::from_secs(40);

/// How many messages are claimed at once.
const BATCH: u32 = 8;

/// The pause after Discord refused the bot's token.
const TOKEN_PAUSE: Duration = Duration::from_mins(1);

/// Sends what is due, one message after the other: Discord may ask to wait after each. Returns how many were handled.
pub(crate) async fn send_due(worker: &WorkerContext) -> Result<usize, StoreError> {
    let (mut handled, mut refused) = (0, RefusedChannels::default());
    loop {
        let limit = match worker.admit(Target::Discord) {
            Admission::Blocked(_) => return Ok(handled),
            Admission::Probe => 1,
            Admission::Free => BATCH,
        };
        let asked = Instant::now();
        let mut tx = worker.deps.store.begin().await?;
        let messages = tx.claim_outbox_batch(&worker.owner, LEASE, limit).await?;
        if messages.is_empty() {
            tx.discard().await?;
            return Ok(handled);
        }
        let cards = messages.iter().filter(|message| message.kind == OutboxKind::Card);
        let mut cards = card::prepare(worker, &mut tx, cards).await?;
        // Flushed to the disk, with everything that the messages say: if the count of attempts were lost, a message could be sent twice.
        tx.commit("outbox.prepare").await?;
        let (mut sent, mut unsent, mut failed) = (Vec::new(), Vec::new(), None);
        for (place, message) in messages.iter().enumerate() {
            // The first one was admitted above.
            let is_blocked = place > 0 && matches!(worker.admit(Target::Discord), Admission::Blocked(_));
            if is_blocked || asked.elapsed() + SEND_LIMIT > LEASE {
                unsent.push(message);
                continue;
            }
            let card = cards.remove(&message.id);
            // One refusal answers for all cards of the channel.
            if let Some(verdict) = card.as_ref().and_then(|card| refused.verdict_on(card.channel())) {
                match refused::put_off(worker, message, verdict).await {
                    Ok(()) => handled += 1,
                    Err(StoreError::LostLease) => {}
                    Err(error) => failed = Some(error),
                }
                continue;
            }
            let span = tracing::info_span!("message", outbox.id = %message.id, outbox.kind = %message.kind, attempt = message.attempt);
            match send_one(worker, message, card).instrument(span).await {
                Ok(Settlement::Settled) => handled += 1,
                Ok(Settlement::Sent(posted)) => sent.push((message, posted)),
                Ok(Settlement::Refused(verdict)) => {
                    refused.note(verdict);
                    handled += 1;
                }
                // Another replica has it now.
                Err(StoreError::LostLease) => {}
                Err(error) => failed = Some(error),
            }
        }
        handled += sent.len();
        settle(worker, sent).await?;
        give_back(worker, &unsent).await?;
        if let Some(error) = failed {
            return Err(error);
        }
        if messages.len() < limit as usize {
            return Ok(handled);
        }
    }
}

/// Releases messages that were claimed and not tried: Discord stopped responding, or the messages before them took too long.
async fn give_back(worker: &WorkerContext, unsent: &[&Outbox]) -> Result<(), StoreError> {
    if unsent.is_empty() {
        return Ok(());
    }
    let mut tx = worker.deps.store.begin().await?;
    for message in unsent {
        match tx.outbox_later(message, worker.deps.clock.now(), ErrorCode::DiscordDown).await {
            // Another replica has it now.
            Ok(()) | Err(StoreError::LostLease) => {}
            Err(error) => return Err(error),
        }
    }
    tx.commit("outbox.later").await
}

/// Whether the outbox row of a message was settled.
enum Settlement {
    Settled,
    /// Discord has it; the row is settled together with the others of the batch.
    Sent(Option<Posted>),
    /// Discord refuses it for now; it is kept.
    Refused(refused::Verdict),
}

async fn send_one(
    worker: &WorkerContext,
    message: &Outbox,
    card: Option<card::Prepared>,
) -> Result<Settlement, StoreError> {
    worker.heartbeat.beat(Loop::Outbox);
    crash::point("outbox.before_send");
    let started = Instant::now();
    let ended = match message.kind {
        OutboxKind::Card => apart(|| card::send(worker, message, card)).await,
        OutboxKind::CardCheck => apart(|| card::check(worker, message)).await,
        OutboxKind::Direct => apart(|| direct::send(worker, message)).await,
        OutboxKind::Notice => apart(|| notice::send(worker, message)).await,
        OutboxKind::Panel => apart(|| panel::send(worker, message)).await,
    };
    crash::point("outbox.after_send");
    if let Some(answer) = answer_of(&ended) {
        worker.metrics.call(Target::Discord, answer, started.elapsed());
    }
    let is_outage = matches!(&ended, Err(Unsent::Discord(error)) if error.is_outage());
    worker.note_answer(Target::Discord, is_outage).await;
    match ended {
        Ok(Sending::Settled) => Ok(Settlement::Settled),
        Ok(Sending::Sent) => Ok(Settlement::Sent(None)),
        Ok(Sending::Posted(posted)) => Ok(Settlement::Sent(Some(posted))),
        Ok(Sending::Nothing) => drop_message(worker, message).await,
        Ok(Sending::Unreached(unreached)) => {
            refused::note_unreached(worker, message, unreached).await?;
            Ok(Settlement::Settled)
        }
        Err(Unsent::Store(error)) => Err(error),
        Err(Unsent::Discord(error)) => apply_failure(worker, message, &error).await,
    }
}

/// A message's future on the heap, created in its own stack frame: unoptimized, the frame of [`send_one`] would hold all of them.
fn apart<'a, Made: Future<Output = Result<Sending, Unsent>> + Send + 'a>(
    make: impl FnOnce() -> Made,
) -> BoxFuture<'a, Result<Sending, Unsent>> {
    Box::pin(make())
}

/// What the result says about Discord, if a call was made.
fn answer_of(ended: &Result<Sending, Unsent>) -> Option<Answer> {
    match ended {
        Ok(Sending::Sent | Sending::Posted(_) | Sending::Settled) => Some(Answer::Ok),
        Ok(Sending::Unreached(_)) => Some(Answer::Refused),
        Err(Unsent::Discord(error)) => Some(if error.is_outage() { Answer::Down } else { Answer::Refused }),
        Ok(Sending::Nothing) | Err(Unsent::Store(_)) => None,
    }
}

async fn apply_failure(
    worker: &WorkerContext,
    message: &Outbox,
    error: &DiscordError,
) -> Result<Settlement, StoreError> {
    let after = match error {
        DiscordError::RateLimited { after } => Some(*after),
        DiscordError::Unauthorized => Some(TOKEN_PAUSE),
        DiscordError::Down { .. } => None,
        DiscordError::Forbidden(_) | DiscordError::Gone(_) | DiscordError::Other { .. } => {
            return Ok(match refused::apply(worker, message, error).await? {
                Some(verdict) => Settlement::Refused(verdict),
                None => Settlement::Settled,
            });
        }
    };
    tracing::warn!(error = %error, "a message was not sent; it will be sent again");
    let attempt = u32::try_from(message.attempt).unwrap_or(u32::MAX);
    let next_run = worker.deps.clock.now().after(retry::pause(attempt, worker.random(), after));
    let mut tx = worker.deps.store.begin().await?;
    tx.outbox_later(message, next_run, error.error_code()).await?;
    tx.commit("outbox.later").await?;
    Ok(Settlement::Settled)
}

/// Settles the messages that were sent, in one transaction. Rows that another replica has claimed meanwhile are left alone. If the
/// record is lost, the next attempt looks for the message before it sends again.
async fn settle(worker: &WorkerContext, sent: Vec<(&Outbox, Option<Posted>)>) -> Result<(), StoreError> {
    if sent.is_empty() {
        return Ok(());
    }
    let mut tx = worker.deps.store.begin().await?;
    for Posted { request_id, message_id, nonce } in sent.iter().filter_map(|(_, posted)| *posted) {
        tx.confirm_message(request_id, MessageKind::Card, message_id, nonce).await?;
    }
    let messages: Vec<Outbox> = sent.into_iter().map(|(message, _)| message.clone()).collect();
    tx.outbox_sent_batch(&messages).await?;
    // A channel that takes messages again takes all of them.
    let reopened: HashSet<ChannelId> = messages.iter().filter_map(|message| message.refused_in).collect();
    for channel in reopened {
        tx.wake_refused(Some(channel)).await?;
    }
    tx.commit_relaxed("outbox.sent").await
}

async fn drop_message(worker: &WorkerContext, message: &Outbox) -> Result<Settlement, StoreError> {
    let mut tx = worker.deps.store.begin().await?;
    tx.drop_outbox(message).await?;
    tx.commit("outbox.sent").await?;
    Ok(Settlement::Settled)
}
