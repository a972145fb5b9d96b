//! `/account …` and `/panel …`: parses, and hands over to what a member or an admin can do. The list of all commands.

use super::visit::{Delivered, Visit};
use super::{BotError, Context, Data, admin_commands, desk_commands, member, panel};
use crate::accounts::UseCaseError;
use crate::discord::DiscordError;
use crate::domain::error_code::ErrorCode;

/// Every command, for each configured guild.
pub(super) fn all() -> Vec<poise::Command<Data, BotError>> {
    vec![
        account(),
        panel(),
        desk_commands::request(),
        admin_commands::link(),
        admin_commands::audit(),
        admin_commands::doctor(),
    ]
}

/// Your account in this community
#[poise::command(slash_command, subcommands("request", "status", "cancel", "password"), subcommand_required)]
#[expect(
    clippy::unused_async,
    reason = "poise asks for an async function; Discord never runs a command with subcommands"
)]
async fn account(_ctx: Context<'_>) -> Result<(), BotError> {
    Ok(())
}

/// Ask for an account
#[poise::command(slash_command, ephemeral)]
async fn request(ctx: Context<'_>) -> Result<(), BotError> {
    receive(ctx, |visit| async move { member::open_form(&visit).await }).await
}

/// See where your request and your account stand
#[poise::command(slash_command, ephemeral)]
async fn status(ctx: Context<'_>) -> Result<(), BotError> {
    receive(ctx, |visit| async move { member::say_status(&visit).await }).await
}

/// Take your request back
#[poise::command(slash_command, ephemeral)]
async fn cancel(ctx: Context<'_>) -> Result<(), BotError> {
    receive(ctx, |visit| async move { member::cancel(&visit).await }).await
}

/// Get the mail with the link for your password again
#[poise::command(slash_command, ephemeral)]
async fn password(ctx: Context<'_>) -> Result<(), BotError> {
    receive(ctx, |visit| async move { member::mail_again(&visit, None).await }).await
}

/// The message with buttons for members
#[poise::command(slash_command, subcommands("post"), subcommand_required)]
#[expect(
    clippy::unused_async,
    reason = "poise asks for an async function; Discord never runs a command with subcommands"
)]
async fn panel(_ctx: Context<'_>) -> Result<(), BotError> {
    Ok(())
}

/// Post the panel in this channel, or bring it up to date (admins)
#[poise::command(slash_command, ephemeral)]
async fn post(ctx: Context<'_>) -> Result<(), BotError> {
    let place = panel::PanelPlace::of(ctx.interaction);
    receive(ctx, |visit| async move { panel::post_panel(&visit, place).await }).await
}

/// Says sorry after a defect.
pub(super) async fn apologize(ctx: Context<'_>) {
    let saying = receive(ctx, |visit| async move {
        visit.reply.say_ephemeral(&visit.error_code(&UseCaseError::because(ErrorCode::Internal))).await
    });
    let Ok(()) = saying.await else { return };
}

/// Makes the visit of a command and runs `stay` with it.
pub(super) async fn receive<F, Stay>(ctx: Context<'_>, stay: F) -> Result<(), BotError>
where
    F: FnOnce(Visit) -> Stay,
    Stay: Future<Output = Result<(), DiscordError>>,
{
    let interaction = ctx.interaction;
    let delivered = Delivered {
        id: interaction.id,
        application_id: interaction.application_id,
        token: &interaction.token,
        user: &interaction.user,
        member: interaction.member.as_deref(),
        guild_id: interaction.guild_id,
        locale: &interaction.locale,
    };
    Visit::receive(ctx.data(), delivered, &ctx.command().qualified_name, None, stay).await;
    Ok(())
}
