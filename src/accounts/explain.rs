//! Reads a member for `config why`, which explains the rules that apply to them. It uses only Discord, not the store.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::clock::Clock;
use crate::config;
use crate::discord::{ConnectError, Discord, DiscordError};
use crate::domain::ids::{DiscordUserId, GuildId, RoleId};
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

/// A member, and the names of the guild's roles.
#[derive(Debug)]
pub struct MemberSeen {
    /// The member.
    pub facts: MemberFacts,
    /// The names; empty if Discord did not show them.
    pub role_names: BTreeMap<RoleId, String>,
}

/// The member as Discord shows them now; `None` if they are not in the guild.
pub async fn fetch_member(
    config: &config::Discord,
    clock: Arc<dyn Clock>,
    guild: GuildId,
    member: DiscordUserId,
) -> Result<Option<MemberSeen>, FetchError> {
    let discord = Discord::connect(config, clock).await?;
    let Some(facts) = discord.member(guild, member).await? else { return Ok(None) };
    // The rules are explained without names, too.
    let role_names = discord.role_names(guild).await.unwrap_or_default();
    Ok(Some(MemberSeen { facts, role_names }))
}
