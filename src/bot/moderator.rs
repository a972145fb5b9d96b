//! The moderators' side. The first answer changes nothing on the card; the card itself follows by the outbox, and only a refusal
//! is said, to the presser alone.

use super::forms;
use super::visit::Visit;
use crate::accounts::Proof;
use crate::discord::custom_id::{CustomId, Verb};
use crate::discord::{DiscordError, OutgoingMessage};
use crate::domain::approval::Notify;
use crate::domain::ids::{JobId, Nonce, RequestId};
use crate::messages;

/// `Approve`.
pub(super) async fn approve(visit: &Visit, id: RequestId, proof: Proof) -> Result<(), DiscordError> {
    let Some(reviewer) = visit.reviewer() else { return visit.say_old_button().await };
    visit.reply.defer_update().await?;
    match visit.accounts().approve(&reviewer, id, proof).await {
        Ok(_) => Ok(()),
        Err(denied) => visit.reply.follow_up_ephemeral(&visit.error_code(&denied)).await,
    }
}

/// `Deny` and `Deny quietly`: the form for the reason, after a quick look whether it makes sense.
pub(super) async fn open_denial(
    visit: &Visit,
    id: RequestId,
    nonce: Nonce,
    proof: Proof,
    tell: Notify,
) -> Result<(), DiscordError> {
    if let Err(denied) = visit.accounts().may_open_denial(&visit.caller, id, proof).await {
        return visit.reply.say_ephemeral(&visit.error_code(&denied)).await;
    }
    let (verb, words) = match tell {
        Notify::Told => (Verb::DenyForm, messages::form::denial_form(visit.lang())),
        Notify::Quiet => (Verb::DenyQuietForm, messages::form::quiet_denial_form(visit.lang())),
    };
    visit.reply.open_modal(&forms::denial_form(CustomId::of_request(verb, id, nonce), words)).await
}

/// The submitted reason: authority is judged now, not when the form opened.
pub(super) async fn deny(
    visit: &Visit,
    id: RequestId,
    proof: Proof,
    reason: &str,
    tell: Notify,
) -> Result<(), DiscordError> {
    let Some(reviewer) = visit.reviewer() else { return visit.say_old_button().await };
    visit.reply.defer_update().await?;
    match visit.accounts().deny(&reviewer, id, proof, reason, tell).await {
        Ok(_) => Ok(()),
        Err(denied) => visit.reply.follow_up_ephemeral(&visit.error_code(&denied)).await,
    }
}

/// `Retry`, for admins.
pub(super) async fn retry(visit: &Visit, job: JobId, nonce: Nonce) -> Result<(), DiscordError> {
    let Some(reviewer) = visit.reviewer() else { return visit.say_old_button().await };
    visit.reply.defer_update().await?;
    let post = match visit.accounts().retry(&reviewer, job, nonce).await {
        Ok(_) => OutgoingMessage::text(messages::error_code::retry_started(visit.lang())),
        Err(denied) => visit.error_code(&denied),
    };
    visit.reply.follow_up_ephemeral(&post).await
}
