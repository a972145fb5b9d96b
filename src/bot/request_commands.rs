//! `/request …`: commands for moderators.

use super::dependencies::Context;
use super::dispatch::receive;
use super::error::BotError;
use super::requests;
use crate::accounts::requests::StatusFilter;
use crate::domain::request::RequestState;

/// The status of a request
#[derive(Clone, Copy, Debug, poise::ChoiceParameter)]
enum StatusChoice {
    #[name = "waiting"]
    Waiting,
    #[name = "held"]
    Held,
    #[name = "approved"]
    Approved,
    #[name = "denied"]
    Denied,
    #[name = "cancelled"]
    Cancelled,
    #[name = "expired"]
    Expired,
    #[name = "failed"]
    Failed,
    #[name = "needs-operator"]
    NeedsOperator,
}

impl From<StatusChoice> for StatusFilter {
    fn from(choice: StatusChoice) -> Self {
        match choice {
            StatusChoice::Waiting => Self::In(RequestState::Waiting),
            StatusChoice::Held => Self::In(RequestState::Held),
            StatusChoice::Approved => Self::In(RequestState::Approved),
            StatusChoice::Denied => Self::In(RequestState::Denied),
            StatusChoice::Cancelled => Self::In(RequestState::Cancelled),
            StatusChoice::Expired => Self::In(RequestState::Expired),
            StatusChoice::Failed => Self::In(RequestState::Failed),
            StatusChoice::NeedsOperator => Self::NeedsOperator,
        }
    }
}

/// Requests of this server (moderators)
#[poise::command(slash_command, subcommands("list_requests", "show_request"), subcommand_required)]
#[expect(
    clippy::unused_async,
    reason = "poise asks for an async function; Discord never runs a command with subcommands"
)]
pub(super) async fn request(_ctx: Context<'_>) -> Result<(), BotError> {
    Ok(())
}

/// List requests, newest first
#[poise::command(slash_command, ephemeral, rename = "list")]
async fn list_requests(
    ctx: Context<'_>,
    #[description = "Only requests in this state"] state: Option<StatusChoice>,
    #[description = "Continue after this request: the value that the previous page showed"]
    #[max_length = 40]
    after: Option<String>,
    #[description = "How many (10)"]
    #[min = 1]
    #[max = 200]
    limit: Option<u32>,
) -> Result<(), BotError> {
    let status = state.map(Into::into);
    receive(ctx, async |interaction| requests::list_requests(interaction, status, after, limit).await).await
}

/// Show one request with its decisions and its job
#[poise::command(slash_command, ephemeral, rename = "show")]
async fn show_request(
    ctx: Context<'_>,
    #[description = "Its code, like K7M2QX, or its id"]
    #[max_length = 40]
    code: String,
) -> Result<(), BotError> {
    receive(ctx, async |interaction| requests::show_request(interaction, &code).await).await
}
