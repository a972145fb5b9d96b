//! `/link …`, `/audit …` and `/doctor`. Discord shows these commands to everyone unless the settings of the guild hide them, so every
//! use is authorized.

use super::admin::{self, AuditQuery, Page};
use super::dependencies::Context;
use super::dispatch::receive;
use super::error::BotError;
use crate::accounts::Format;
use crate::accounts::links::LinkExport;
use crate::domain::account::AccountState;
use crate::domain::audit::Source;

/// The format of an export
#[derive(Clone, Copy, Debug, poise::ChoiceParameter)]
enum FormatChoice {
    #[name = "csv"]
    Csv,
    #[name = "json"]
    Json,
}

impl From<Option<FormatChoice>> for Format {
    fn from(choice: Option<FormatChoice>) -> Self {
        match choice {
            Some(FormatChoice::Json) => Self::Json,
            Some(FormatChoice::Csv) | None => Self::Csv,
        }
    }
}

/// The state of an account
#[derive(Clone, Copy, Debug, poise::ChoiceParameter)]
enum StateChoice {
    #[name = "creating"]
    Creating,
    #[name = "invited"]
    Invited,
    #[name = "active"]
    Active,
    #[name = "disabled"]
    Disabled,
    #[name = "conflict"]
    Conflict,
    #[name = "closed"]
    Closed,
}

impl From<StateChoice> for AccountState {
    fn from(choice: StateChoice) -> Self {
        match choice {
            StateChoice::Creating => Self::Creating,
            StateChoice::Invited => Self::Invited,
            StateChoice::Active => Self::Active,
            StateChoice::Disabled => Self::Disabled,
            StateChoice::Conflict => Self::Conflict,
            StateChoice::Closed => Self::Closed,
        }
    }
}

/// Where an action came from
#[derive(Clone, Copy, Debug, poise::ChoiceParameter)]
enum SourceChoice {
    #[name = "chat"]
    Chat,
    #[name = "cli"]
    Cli,
    #[name = "worker"]
    Worker,
    #[name = "keycloak"]
    Keycloak,
    #[name = "config"]
    Config,
}

impl From<SourceChoice> for Source {
    fn from(choice: SourceChoice) -> Self {
        match choice {
            SourceChoice::Chat => Self::Chat,
            SourceChoice::Cli => Self::Cli,
            SourceChoice::Worker => Self::Worker,
            SourceChoice::Keycloak => Self::Keycloak,
            SourceChoice::Config => Self::Config,
        }
    }
}

/// Which account belongs to whom (admins)
#[poise::command(
    slash_command,
    subcommands("find_link", "show_link", "enable_link", "export_links"),
    subcommand_required
)]
#[expect(
    clippy::unused_async,
    reason = "poise asks for an async function; Discord never runs a command with subcommands"
)]
pub(super) async fn link(_ctx: Context<'_>) -> Result<(), BotError> {
    Ok(())
}

/// Find links
#[poise::command(slash_command, ephemeral, rename = "find")]
async fn find_link(
    ctx: Context<'_>,
    #[description = "Mention, Discord id, user name, mail address, or an id of account, entry or Keycloak user"]
    #[max_length = 300]
    what: String,
) -> Result<(), BotError> {
    receive(ctx, async |interaction| admin::find_link(interaction, &what).await).await
}

/// Show one link, compared with directory and Keycloak as they are now
#[poise::command(slash_command, ephemeral, rename = "show")]
async fn show_link(
    ctx: Context<'_>,
    #[description = "Mention, Discord id, user name, mail address, or an id of account, entry or Keycloak user"]
    #[max_length = 300]
    what: String,
) -> Result<(), BotError> {
    receive(ctx, async |interaction| admin::show_link(interaction, &what).await).await
}

/// Unlock a disabled account: its password is replaced, and its owner gets a link to set a new one
#[poise::command(slash_command, ephemeral, rename = "enable")]
async fn enable_link(
    ctx: Context<'_>,
    #[description = "Mention, Discord id, user name, mail address, or an id of account, entry or Keycloak user"]
    #[max_length = 300]
    what: String,
    #[description = "Why; only admins can read it"]
    #[min_length = 1]
    #[max_length = 500]
    reason: String,
) -> Result<(), BotError> {
    receive(ctx, async |interaction| admin::enable_link(interaction, &what, &reason).await).await
}

/// All links as a file
#[poise::command(slash_command, ephemeral, rename = "export")]
async fn export_links(
    ctx: Context<'_>,
    #[description = "A table (csv, the default) or a document (json)"] format: Option<FormatChoice>,
    #[description = "Accounts in this state only"] state: Option<StateChoice>,
    #[description = "Include the email addresses"] addresses: Option<bool>,
) -> Result<(), BotError> {
    let wanted = LinkExport {
        state: state.map(Into::into),
        with_addresses: addresses.unwrap_or(false),
        format: format.into(),
    };
    receive(ctx, async |interaction| admin::export_links(interaction, wanted).await).await
}

/// The audit log (admins)
#[poise::command(
    slash_command,
    subcommands("search_audit", "export_audit", "verify_audit"),
    subcommand_required
)]
#[expect(
    clippy::unused_async,
    reason = "poise asks for an async function; Discord never runs a command with subcommands"
)]
pub(super) async fn audit(_ctx: Context<'_>) -> Result<(), BotError> {
    Ok(())
}

/// Rows of the audit log, newest first
#[poise::command(slash_command, ephemeral, rename = "search")]
#[expect(clippy::too_many_arguments, reason = "each is an option that an admin may fill in")]
async fn search_audit(
    ctx: Context<'_>,
    #[description = "What happened, such as request.approved"] event: Option<String>,
    #[description = "The person concerned: a mention, a Discord id or an internal id"] person: Option<String>,
    #[description = "The request's code"] request: Option<String>,
    #[description = "The actor: a mention, a Discord id, an internal id, cli:login or system"] actor: Option<
        String,
    >,
    #[description = "Where the action came from"] source: Option<SourceChoice>,
    #[description = "From: 2026-11-23 or 2026-11-23T12:00:00Z"] since: Option<String>,
    #[description = "Until, exclusive: 2026-11-23 or 2026-11-23T12:00:00Z"] until: Option<String>,
    #[description = "Continue after this row: the number at the end of the previous page"]
    #[min = 1]
    after: Option<i64>,
    #[description = "How many rows (10)"]
    #[min = 1]
    #[max = 200]
    limit: Option<u32>,
) -> Result<(), BotError> {
    let source = source.map(Into::into);
    let query = AuditQuery { event, person, request, actor, source, since, until };
    let page = Page { after, limit };
    receive(ctx, async |interaction| admin::search_audit(interaction, query, page).await).await
}

/// The rows of the audit log as a file
#[poise::command(slash_command, ephemeral, rename = "export")]
#[expect(clippy::too_many_arguments, reason = "each is an option that an admin may fill in")]
async fn export_audit(
    ctx: Context<'_>,
    #[description = "A table (csv, the default) or a document (json)"] format: Option<FormatChoice>,
    #[description = "What happened, such as request.approved"] event: Option<String>,
    #[description = "The person concerned: a mention, a Discord id or an internal id"] person: Option<String>,
    #[description = "The request's code"] request: Option<String>,
    #[description = "The actor: a mention, a Discord id, an internal id, cli:login or system"] actor: Option<
        String,
    >,
    #[description = "Where the action came from"] source: Option<SourceChoice>,
    #[description = "From: 2026-11-23 or 2026-11-23T12:00:00Z"] since: Option<String>,
    #[description = "Until, exclusive: 2026-11-23 or 2026-11-23T12:00:00Z"] until: Option<String>,
) -> Result<(), BotError> {
    let source = source.map(Into::into);
    let query = AuditQuery { event, person, request, actor, source, since, until };
    receive(ctx, async |interaction| admin::export_audit(interaction, query, format.into()).await).await
}

/// Verify that no row of the log was changed or removed
#[poise::command(slash_command, ephemeral, rename = "verify")]
async fn verify_audit(
    ctx: Context<'_>,
    #[description = "A head that was recorded earlier, like 12:0a1b…"]
    #[max_length = 100]
    head: Option<String>,
) -> Result<(), BotError> {
    receive(ctx, async |interaction| admin::verify_audit(interaction, head.as_deref()).await).await
}

/// Check Discord, the directory, Keycloak and the bot's machine (admins)
#[poise::command(slash_command, ephemeral)]
pub(super) async fn doctor(ctx: Context<'_>) -> Result<(), BotError> {
    receive(ctx, async |interaction| admin::diagnose(interaction).await).await
}
