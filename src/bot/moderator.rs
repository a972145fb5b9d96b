//! Buttons of moderators. The first answer leaves the card unchanged; the outbox updates the card. Only errors and `Retry` get a message,
//! and only the moderator can see it.

use super::forms;
use super::interaction::Interaction;
use crate::accounts::{Proof, Purpose};
use crate::discord::custom_id::{CustomId, Verb};
use crate::discord::{DiscordError, OutgoingMessage};
use crate::domain::approval::{Notify, Verdict};
use crate::domain::ids::{JobId, Nonce, RequestId};
use crate::messages::{self, tr};

/// `Approve`.
pub(super) async fn approve(
    interaction: &Interaction,
    id: RequestId,
    proof: Proof,
) -> Result<(), DiscordError> {
    let Some(reviewer) = interaction.reviewer() else { return interaction.say_old_button().await };
    interaction.reply.defer_update().await?;
    let accounts = interaction.accounts();
    let approving = async {
        let moderator = accounts.authorize_moderator(&reviewer, id, proof, Verdict::Approve).await?;
        accounts.approve(moderator).await
    };
    match approving.await {
        Ok(_) => Ok(()),
        Err(denied) => interaction.reply.follow_up_ephemeral(&interaction.error_message(&denied)).await,
    }
}

/// `Deny` and `Deny quietly`: opens the form for the reason if the request can still be denied.
pub(super) async fn open_denial(
    interaction: &Interaction,
    id: RequestId,
    nonce: Nonce,
    proof: Proof,
    notify: Notify,
) -> Result<(), DiscordError> {
    if let Err(denied) = interaction.accounts().may_open_denial(&interaction.caller, id, proof).await {
        return interaction.refuse(&denied).await;
    }
    let (verb, words) = match notify {
        Notify::Told => (Verb::DenyForm, messages::form::denial_form(interaction.lang())),
        Notify::Quiet => (Verb::DenyQuietForm, messages::form::quiet_denial_form(interaction.lang())),
    };
    interaction.reply.open_modal(&forms::denial_form(CustomId::of_request(verb, id, nonce), words)).await
}

/// Denies with the submitted reason. The moderator is authorized now; the check when the form opened does not count.
pub(super) async fn deny(
    interaction: &Interaction,
    id: RequestId,
    proof: Proof,
    reason: &str,
    notify: Notify,
) -> Result<(), DiscordError> {
    let Some(reviewer) = interaction.reviewer() else { return interaction.say_old_button().await };
    interaction.reply.defer_update().await?;
    let accounts = interaction.accounts();
    let denying = async {
        let moderator = accounts.authorize_moderator(&reviewer, id, proof, Verdict::Deny).await?;
        accounts.deny(moderator, reason, notify).await
    };
    match denying.await {
        Ok(_) => Ok(()),
        Err(denied) => interaction.reply.follow_up_ephemeral(&interaction.error_message(&denied)).await,
    }
}

/// `Retry`, for admins.
pub(super) async fn retry(interaction: &Interaction, job: JobId, nonce: Nonce) -> Result<(), DiscordError> {
    let Some(reviewer) = interaction.reviewer() else { return interaction.say_old_button().await };
    interaction.reply.defer_update().await?;
    let accounts = interaction.accounts();
    let retrying = async {
        let admin = accounts.authorize_admin(&reviewer, Purpose::Retry(job)).await?;
        accounts.retry(&admin, job, nonce).await
    };
    let post = match retrying.await {
        Ok(_) => OutgoingMessage::text(tr!(interaction.lang(), "retry-started")),
        Err(denied) => interaction.error_message(&denied),
    };
    interaction.reply.follow_up_ephemeral(&post).await
}
