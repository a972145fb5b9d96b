//! Reads a member for `config why`, which explains the rules that apply to them. It uses only Discord, not the store.

use std::sync::Arc;

use crate::clock::Clock;
use crate::config;
use crate::discord::{ConnectError, Discord, DiscordError};
use crate::domain::ids::{DiscordUserId, GuildId};
use crate::domain::member::MemberFacts;

/// The member could not be read.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// The client could not be opened.
    #[error("could not reach Discord")]
    Connect(#[from] ConnectError),
    /// The call failed.
    #[error("could not read the member")]
    Ask(#[from] DiscordError),
}

/// The member as Discord shows them now; `None` if they are not in the guild.
pub async fn fetch_member(
    config: &config::Discord,
    clock: Arc<dyn Clock>,
    guild: GuildId,
    member: DiscordUserId,
) -> Result<Option<MemberFacts>, FetchError> {
    let discord = Discord::connect(config, clock).await?;
    Ok(discord.member(guild, member).await?)
}
