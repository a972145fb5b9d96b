//! `accolade setup discord`: checks the application's settings, and prints the address that invites the bot with exactly the rights
//! that it needs. It changes nothing, because a bot can change neither its intents nor who may invite it.

use std::sync::Arc;

use url::Url;

use crate::clock::Clock;
use crate::config::{self, Guild};
use crate::discord::inspect::ApplicationIssue;
use crate::discord::{ConnectError, Discord, DiscordError};
use crate::domain::finding::Finding;
use crate::domain::guild_rights::GuildRights;
use crate::domain::ids::GuildId;

/// Why there is no report.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// The first call failed.
    #[error("could not ask discord")]
    Open(#[from] ConnectError),
    /// A later call failed.
    #[error("could not ask discord")]
    Ask(#[from] DiscordError),
}

/// The result of the check.
#[derive(Clone, Debug)]
pub struct Report {
    /// The application's id.
    pub application_id: u64,
    /// The address that invites the bot; it needs the right to manage the guild.
    pub invite_url: Url,
    /// The rights that the invitation asks for.
    pub rights: GuildRights,
    /// Whether the bot must give a role.
    pub gives_roles: bool,
    /// Settings that must be changed.
    pub problems: Vec<SettingProblem>,
    /// Configured guilds that the bot has not joined.
    pub not_invited: Vec<GuildId>,
}

/// A setting of the application that must be changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SettingProblem {
    /// A setting that `doctor` reports too.
    Finding(Finding),
    /// The invitation requires a code exchange that nothing completes.
    NeedsCodeGrant,
    /// Anyone may invite the bot into their own guild.
    IsPublic,
}

impl SettingProblem {
    const fn of(issue: ApplicationIssue) -> Self {
        match issue {
            ApplicationIssue::NoMembersIntent => Self::Finding(Finding::DiscordIntentOff),
            ApplicationIssue::InteractionsUrl => Self::Finding(Finding::DiscordInteractionsElsewhere),
            ApplicationIssue::CodeGrant => Self::NeedsCodeGrant,
            ApplicationIssue::Public => Self::IsPublic,
        }
    }
}

/// Reads the application's settings and checks them.
pub async fn check(
    discord: &config::Discord,
    guilds: &[Guild],
    clock: Arc<dyn Clock>,
) -> Result<Report, SetupError> {
    let discord = Discord::connect(discord, clock).await?;
    let application = discord.application().await?;
    let gives_roles = guilds.iter().any(|guild| guild.member_role.is_some());
    let rights =
        if gives_roles { GuildRights::POSTING.and(GuildRights::MANAGE_ROLES) } else { GuildRights::POSTING };
    let problems = application.issues.iter().map(|issue| SettingProblem::of(*issue)).collect();
    let mut not_invited = Vec::new();
    for guild in guilds {
        if discord.guild(guild.id).await?.is_none() {
            not_invited.push(guild.id);
        }
    }
    let invite_url = invite(application.id, rights);
    Ok(Report { application_id: application.id, invite_url, rights, gives_roles, problems, not_invited })
}

/// The address of Discord's "Bot Authorization Flow".
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
        let permissions = (1 << 10) | (1 << 11) | (1 << 14) | (1 << 16) | (1 << 28);
        assert_eq!(
            url.as_str(),
            format!(
                "https://discord.com/oauth2/authorize?client_id=42&scope=bot+applications.commands&permissions={permissions}"
            )
        );
    }
}
