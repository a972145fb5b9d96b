//! The moderators' side. The first answer changes nothing on the card; the card itself follows by the outbox, and only a refusal
//! is said, to the presser alone.

use super::forms;
use super::visit::Visit;
use crate::accounts::Proof;
use crate::discord::custom_id::{CustomId, Verb};
use crate::discord::{DiscordError, Post};
use crate::domain::approval::Tell;
use crate::domain::ids::{Nonce, RequestId, WorkId};
use crate::words;

/// `Approve`.
pub(super) async fn approve(visit: &Visit, id: RequestId, proof: Proof) -> Result<(), DiscordError> {
    let Some(presser) = visit.presser() else { return visit.say_old_button().await };
    visit.reply.defer_update().await?;
    match visit.accounts().approve(&presser, id, proof).await {
        Ok(_) => Ok(()),
        Err(denied) => visit.reply.follow_up_ephemeral(&visit.refusal(&denied)).await,
    }
}

/// `Deny` and `Deny quietly`: the form for the reason, after a quick look whether it makes sense.
pub(super) async fn open_denial(
    visit: &Visit,
    id: RequestId,
    nonce: Nonce,
    proof: Proof,
    tell: Tell,
) -> Result<(), DiscordError> {
    if let Err(denied) = visit.accounts().may_open_denial(&visit.caller, id, proof).await {
        return visit.reply.say_ephemeral(&visit.refusal(&denied)).await;
    }
    let (verb, words) = match tell {
        Tell::Told => (Verb::DenyForm, words::form::denial_form(visit.lang())),
        Tell::Quiet => (Verb::DenyQuietForm, words::form::quiet_denial_form(visit.lang())),
    };
    visit.reply.open_modal(&forms::denial_form(CustomId::of_request(verb, id, nonce), words)).await
}

/// The submitted reason: authority is judged now, not when the form opened.
pub(super) async fn deny(
    visit: &Visit,
    id: RequestId,
    proof: Proof,
    reason: &str,
    tell: Tell,
) -> Result<(), DiscordError> {
    let Some(presser) = visit.presser() else { return visit.say_old_button().await };
    visit.reply.defer_update().await?;
    match visit.accounts().deny(&presser, id, proof, reason, tell).await {
        Ok(_) => Ok(()),
        Err(denied) => visit.reply.follow_up_ephemeral(&visit.refusal(&denied)).await,
    }
}

/// `Retry`, for admins.
pub(super) async fn retry(visit: &Visit, work: WorkId, nonce: Nonce) -> Result<(), DiscordError> {
    let Some(presser) = visit.presser() else { return visit.say_old_button().await };
    visit.reply.defer_update().await?;
    let post = match visit.accounts().retry(&presser, work, nonce).await {
        Ok(_) => Post::text(words::refusal::retry_started(visit.lang())),
        Err(denied) => visit.refusal(&denied),
    };
    visit.reply.follow_up_ephemeral(&post).await
}
