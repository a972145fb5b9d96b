//! Turns a command of poise into an [`Interaction`].

use super::dependencies::Context;
use super::error::BotError;
use super::interaction::{Interaction, RawInteraction};
use crate::accounts::UseCaseError;
use crate::discord::DiscordError;
use crate::domain::error_code::ErrorCode;

/// Runs `handle` with the interaction of a command.
pub(super) async fn receive(
    ctx: Context<'_>,
    handle: impl AsyncFnOnce(&Interaction) -> Result<(), DiscordError>,
) -> Result<(), BotError> {
    let interaction = ctx.interaction;
    let raw = RawInteraction {
        id: interaction.id,
        application_id: interaction.application_id,
        token: &interaction.token,
        user: &interaction.user,
        member: interaction.member.as_deref(),
        guild_id: interaction.guild_id,
        locale: &interaction.locale,
    };
    Interaction::receive(ctx.data(), raw, &ctx.command().qualified_name, None, handle).await;
    Ok(())
}

/// Answers a command that panicked outside its handler.
pub(super) async fn apologize(ctx: Context<'_>) {
    let answering = receive(ctx, async |interaction| {
        interaction.refuse(&UseCaseError::because(ErrorCode::Internal)).await
    });
    let Ok(()) = answering.await else { return };
}
