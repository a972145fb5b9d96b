//! `accolade setup discord`: what the application's settings should be and are, and the address that invites the bot with the rights
//! that it needs and no more. It changes nothing: Discord lets a bot change neither its intents nor who may invite it.

use std::sync::Arc;

use url::Url;

use crate::clock::Clock;
use crate::config::{self, Guild};
use crate::discord::inspect::ApplicationIssue;
use crate::discord::{ConnectError, Discord, DiscordError};
use crate::domain::finding::Finding;
use crate::domain::guild_rights::GuildRights;
use crate::domain::ids::GuildId;

/// Why there is nothing to say.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// The first question failed.
    #[error("could not ask discord")]
    Open(#[from] ConnectError),
    /// A later one failed.
    #[error("could not ask discord")]
    Ask(#[from] DiscordError),
}

/// What was found.
#[derive(Clone, Debug)]
pub struct Report {
    /// The application's id.
    pub application_id: u64,
    /// Whoever may manage a guild opens it to invite the bot.
    pub invite_url: Url,
    /// What the bot asks for there.
    pub rights: GuildRights,
    /// Whether the bot must be able to give a role.
    pub gives_roles: bool,
    /// Settings that are not as they should be.
    pub differences: Vec<Difference>,
    /// Configured guilds that the bot is not in yet.
    pub not_invited: Vec<GuildId>,
}

/// A setting of the application that should be another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Difference {
    /// One that the doctor names, too.
    Found(Finding),
    /// The invite would ask for a code exchange that nobody makes.
    NeedsCodeGrant,
    /// Strangers may invite the bot into their own guilds.
    IsPublic,
}

impl Difference {
    const fn of(issue: ApplicationIssue) -> Self {
        match issue {
            ApplicationIssue::NoMembersIntent => Self::Found(Finding::DiscordIntentOff),
            ApplicationIssue::InteractionsUrl => Self::Found(Finding::DiscordInteractionsElsewhere),
            ApplicationIssue::CodeGrant => Self::NeedsCodeGrant,
            ApplicationIssue::Public => Self::IsPublic,
        }
    }
}

/// Asks Discord, and compares.
pub async fn look(
    discord: &config::Discord,
    guilds: &[Guild],
    clock: Arc<dyn Clock>,
) -> Result<Report, SetupError> {
    let discord = Discord::connect(discord, clock).await?;
    let application = discord.application().await?;
    let gives_roles = guilds.iter().any(|guild| guild.member_role.is_some());
    let rights =
        if gives_roles { GuildRights::POSTING.and(GuildRights::MANAGE_ROLES) } else { GuildRights::POSTING };
    let differences = application.issues.iter().map(|issue| Difference::of(*issue)).collect();
    let mut not_invited = Vec::new();
    for guild in guilds {
        if discord.guild(guild.id).await?.is_none() {
            not_invited.push(guild.id);
        }
    }
    let invite_url = invite(application.id, rights);
    Ok(Report { application_id: application.id, invite_url, rights, gives_roles, differences, not_invited })
}

/// Discord, "Bot Authorization Flow".
fn invite(application: u64, rights: GuildRights) -> Url {
    let mut url =
        Url::parse("https://discord.com/oauth2/authorize").unwrap_or_else(|_| unreachable!("it is a URL"));
    url.query_pairs_mut()
        .append_pair("client_id", &application.to_string())
        .append_pair("scope", "bot applications.commands")
        .append_pair("permissions", &rights.bits().to_string());
    url
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_invite_asks_for_what_is_needed_and_no_more() {
        let url = invite(42, GuildRights::POSTING.and(GuildRights::MANAGE_ROLES));
        let permissions = (1 << 10) | (1 << 11) | (1 << 16) | (1 << 28);
        assert_eq!(
            url.as_str(),
            format!(
                "https://discord.com/oauth2/authorize?client_id=42&scope=bot+applications.commands&permissions={permissions}"
            )
        );
    }
}
