//! Checks of Discord: the token, the application's settings, and in each guild the bot's rights, channels and roles.

use std::sync::Arc;

use super::checks::Checks;
use crate::clock::Clock;
use crate::config::{Config, Guild};
use crate::discord::inspect::{ApplicationIssue, GuildSnapshot};
use crate::discord::{ConnectError, Discord, DiscordError};
use crate::domain::finding::Finding;
use crate::domain::guild_rights::GuildRights;
use crate::domain::ids::{ChannelId, RoleId};

/// Checks Discord.
pub(super) async fn examine(
    config: &Config,
    open: Option<&Discord>,
    clock: Arc<dyn Clock>,
    checks: &mut Checks,
) {
    let opened = match open {
        Some(discord) => discord.identify().await.map(|()| discord.clone()),
        None => Discord::connect(&config.discord, clock).await,
    };
    let discord = match opened {
        Ok(discord) => discord,
        Err(error) => return record_connect_error(checks, &error),
    };
    match discord.application().await {
        Ok(application) => {
            // A client that was open before proves nothing by itself. This answer does.
            for finding in
                [Finding::DiscordUnreachable, Finding::DiscordUntrusted, Finding::DiscordTokenRefused]
            {
                checks.pass(finding);
            }
            let is_fine = |issue| !application.issues.contains(&issue);
            checks.expect(Finding::DiscordIntentOff, is_fine(ApplicationIssue::NoMembersIntent));
            checks.expect(Finding::DiscordInteractionsElsewhere, is_fine(ApplicationIssue::InteractionsUrl));
        }
        Err(error) => record_error(checks, error),
    }
    for guild in &config.guilds {
        match discord.guild(guild.id).await {
            Ok(Some(seen)) => {
                check_guild(checks, guild, &seen);
                check_channels(checks, &discord, guild, &seen).await;
            }
            Ok(None) => checks.fail(Finding::GuildMissing, ["guild ", &guild.id.to_string()].concat()),
            Err(error) => record_error(checks, error),
        }
    }
}

fn record_connect_error(checks: &mut Checks, error: &ConnectError) {
    match error {
        ConnectError::TokenMalformed | ConnectError::Ask { source: DiscordError::Unauthorized, .. } => {
            checks.pass(Finding::DiscordUnreachable);
            checks.pass(Finding::DiscordUntrusted);
            checks.fail(Finding::DiscordTokenRefused, None);
        }
        ConnectError::Untrusted(_) | ConnectError::CaFile(_) | ConnectError::Client(_) => {
            checks.fail(Finding::DiscordUntrusted, error.cause().map(|cause| cause.to_string()));
        }
        ConnectError::Ask { .. } | ConnectError::EndpointNotLoopback | ConnectError::GatewayNotLoopback => {
            checks.fail(Finding::DiscordUnreachable, error.cause().map(|cause| cause.to_string()));
        }
    }
}

/// Records the error of a later call. What the call would have shown stays unchecked.
fn record_error(checks: &mut Checks, error: DiscordError) {
    let finding = match error {
        DiscordError::Unauthorized => Finding::DiscordTokenRefused,
        DiscordError::Down { .. }
        | DiscordError::RateLimited { .. }
        | DiscordError::Forbidden(_)
        | DiscordError::Gone(_)
        | DiscordError::Other { .. } => Finding::DiscordUnreachable,
    };
    checks.fail(finding, error.to_string());
}

fn check_guild(checks: &mut Checks, guild: &Guild, seen: &GuildSnapshot) {
    checks.pass(Finding::GuildMissing);
    let own = seen.own_rights();
    let named = |what: &str, id: String| ["guild ", &guild.id.to_string(), ", ", what, " ", &id].concat();
    let role = |id: RoleId| named("role", id.to_string());
    let is_admin = own.has(GuildRights::ADMINISTRATOR);
    checks.fail_for_each(
        Finding::AdministratorGiven,
        is_admin.then(|| ["guild ", &guild.id.to_string()].concat()),
    );

    let missing = roles_of(guild).into_iter().filter(|id| seen.role(*id).is_none());
    checks.fail_for_each(Finding::RoleMissing, missing.map(role));

    let member_role = guild.member_role.and_then(|id| seen.role(id));
    let too_high = member_role.filter(|role| role.is_managed || role.position >= seen.own_position());
    checks.fail_for_each(Finding::RoleNotBelow, too_high.map(|found| role(found.id)));
    let may_not = guild.member_role.filter(|_| !is_admin && !own.has(GuildRights::MANAGE_ROLES));
    checks.fail_for_each(Finding::ManageRolesMissing, may_not.map(role));
}

async fn check_channels(checks: &mut Checks, discord: &Discord, guild: &Guild, seen: &GuildSnapshot) {
    let named = |key: &str, id: ChannelId| {
        ["guild ", &guild.id.to_string(), ", ", key, " ", &id.to_string()].concat()
    };
    let channels: Vec<(&str, ChannelId)> =
        [("request_channel", Some(guild.request_channel)), ("log_channel", guild.log_channel)]
            .into_iter()
            .filter_map(|(key, id)| Some((key, id?)))
            .collect();
    let (mut missing, mut of_wrong_type, mut unusable) = (Vec::new(), Vec::new(), Vec::new());
    for (key, id) in channels {
        let name = named(key, id);
        let found = seen.channel(id);
        let kind = match found {
            Some(channel) => Some(channel.kind),
            // The list has no threads.
            None => match discord.channel_kind(id).await {
                Ok(kind) => kind,
                Err(error) => return record_error(checks, error),
            },
        };
        match (kind, found) {
            (Some(kind), _) if !kind.is_for_messages() => {
                of_wrong_type.push([&name, " is ", kind.name()].concat());
            }
            (Some(_), Some(channel)) => {
                let lacking = seen.own_rights_in(channel).lacking_to_post();
                if !lacking.is_empty() {
                    unusable.push([&name, ": the bot lacks ", &lacking.join(", ")].concat());
                }
            }
            // The bot can't see it, or it is a text channel of another guild.
            (None | Some(_), _) => missing.push(name),
        }
    }
    checks.fail_for_each(Finding::ChannelMissing, missing);
    checks.fail_for_each(Finding::ChannelTypeWrong, of_wrong_type);
    checks.fail_for_each(Finding::ChannelRightsMissing, unusable);

    let Some(cards) = seen.channel(guild.request_channel) else { return };
    let is_open = seen.rights_of_everyone_in(cards).has(GuildRights::VIEW_CHANNEL);
    checks.fail_for_each(Finding::ChannelOpen, is_open.then(|| named("request_channel", cards.id)));
}

/// All roles in a guild's configuration, each once.
fn roles_of(guild: &Guild) -> Vec<RoleId> {
    let of_policy = guild.policy.rules.iter();
    let of_rules =
        of_policy.flat_map(|rule| rule.all_roles.iter().chain(&rule.any_roles).chain(&rule.none_roles));
    let mut roles: Vec<RoleId> = guild
        .moderator_roles
        .iter()
        .chain(&guild.admin_roles)
        .chain(&guild.member_role)
        .chain(of_rules)
        .copied()
        .collect();
    roles.sort_unstable();
    roles.dedup();
    roles
}
