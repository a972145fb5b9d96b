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
            Ok(Some(seen)) => check_guild(checks, guild, &seen),
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
        ConnectError::Untrusted | ConnectError::CaFile(_) | ConnectError::Client(_) => {
            checks.fail(Finding::DiscordUntrusted, None);
        }
        ConnectError::Ask { .. } | ConnectError::EndpointNotLoopback | ConnectError::GatewayNotLoopback => {
            checks.fail(Finding::DiscordUnreachable, None);
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

    check_channels(checks, guild, seen, &|id| named("channel", id.to_string()));
}

fn check_channels(
    checks: &mut Checks,
    guild: &Guild,
    seen: &GuildSnapshot,
    named: &dyn Fn(ChannelId) -> String,
) {
    let channels: Vec<ChannelId> =
        [Some(guild.request_channel), guild.log_channel].into_iter().flatten().collect();
    let missing = channels.iter().filter(|id| seen.channel(**id).is_none());
    checks.fail_for_each(Finding::ChannelMissing, missing.map(|id| named(*id)));

    let found: Vec<_> = channels.iter().filter_map(|id| seen.channel(*id)).collect();
    let unusable = found.iter().filter(|channel| !seen.own_rights_in(channel).has(GuildRights::POSTING));
    checks.fail_for_each(Finding::ChannelRightsMissing, unusable.map(|channel| named(channel.id)));

    let Some(cards) = seen.channel(guild.request_channel) else { return };
    let is_open = seen.rights_of_everyone_in(cards).has(GuildRights::VIEW_CHANNEL);
    checks.fail_for_each(Finding::ChannelOpen, is_open.then(|| named(cards.id)));
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
