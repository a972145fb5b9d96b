//! `/request …`: parses, and hands over to what a moderator can look at.

use super::commands::receive;
use super::{BotError, Context, desk};
use crate::accounts::requests::Standing;
use crate::domain::request::RequestState;

/// Where a request stands
#[derive(Clone, Copy, Debug, poise::ChoiceParameter)]
enum StandingChoice {
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

impl From<StandingChoice> for Standing {
    fn from(choice: StandingChoice) -> Self {
        match choice {
            StandingChoice::Waiting => Self::In(RequestState::Waiting),
            StandingChoice::Held => Self::In(RequestState::Held),
            StandingChoice::Approved => Self::In(RequestState::Approved),
            StandingChoice::Denied => Self::In(RequestState::Denied),
            StandingChoice::Cancelled => Self::In(RequestState::Cancelled),
            StandingChoice::Expired => Self::In(RequestState::Expired),
            StandingChoice::Failed => Self::In(RequestState::Failed),
            StandingChoice::NeedsOperator => Self::NeedsOperator,
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
    #[description = "In this state only"] state: Option<StandingChoice>,
    #[description = "Go on after this request: the value that the previous page showed"]
    #[max_length = 40]
    after: Option<String>,
    #[description = "How many (10)"]
    #[min = 1]
    #[max = 200]
    limit: Option<u32>,
) -> Result<(), BotError> {
    let standing = state.map(Into::into);
    receive(ctx, |visit| async move { desk::list_requests(&visit, standing, after, limit).await }).await
}

/// Show one request with its decisions and its job
#[poise::command(slash_command, ephemeral, rename = "show")]
async fn show_request(
    ctx: Context<'_>,
    #[description = "Its code, like K7M2QX, or its id"]
    #[max_length = 40]
    code: String,
) -> Result<(), BotError> {
    receive(ctx, |visit| async move { desk::show_request(&visit, &code).await }).await
}
