//! The list of all commands, and `/account …` and `/panel …`.

use super::dependencies::{Context, Data};
use super::dispatch::receive;
use super::error::BotError;
use super::{admin_commands, member, panel, request_commands};

/// Every command, for each configured guild.
pub(super) fn all() -> Vec<poise::Command<Data, BotError>> {
    vec![
        account(),
        panel(),
        request_commands::request(),
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

/// Request an account
#[poise::command(slash_command, ephemeral)]
async fn request(ctx: Context<'_>) -> Result<(), BotError> {
    receive(ctx, async |interaction| member::open_form(interaction).await).await
}

/// Show the status of your request and account
#[poise::command(slash_command, ephemeral)]
async fn status(ctx: Context<'_>) -> Result<(), BotError> {
    receive(ctx, async |interaction| member::say_status(interaction).await).await
}

/// Cancel your request
#[poise::command(slash_command, ephemeral)]
async fn cancel(ctx: Context<'_>) -> Result<(), BotError> {
    receive(ctx, async |interaction| member::cancel(interaction).await).await
}

/// Get another email with a link to set your password
#[poise::command(slash_command, ephemeral)]
async fn password(ctx: Context<'_>) -> Result<(), BotError> {
    receive(ctx, async |interaction| member::mail_again(interaction, None).await).await
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

/// Post or update the panel in this channel (admins)
#[poise::command(slash_command, ephemeral)]
async fn post(ctx: Context<'_>) -> Result<(), BotError> {
    let place = panel::PanelPlace::of(ctx.interaction);
    receive(ctx, async |interaction| panel::post_panel(interaction, place).await).await
}
