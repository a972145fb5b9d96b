//! Discord: the token, the application's settings, and in each guild the bot's place, channels and roles.

use std::sync::Arc;

use super::Sheet;
use crate::clock::Clock;
use crate::config::{Config, Guild};
use crate::discord::inspect::{ApplicationIssue, GuildSnapshot};
use crate::discord::{ConnectError, Discord, DiscordError};
use crate::domain::finding::Finding;
use crate::domain::guild_rights::GuildRights;
use crate::domain::ids::{ChannelId, RoleId};

/// Asks Discord and judges.
pub(super) async fn examine(
    config: &Config,
    open: Option<&Discord>,
    clock: Arc<dyn Clock>,
    sheet: &mut Sheet,
) {
    let opened = match open {
        Some(discord) => discord.identify().await.map(|()| discord.clone()),
        None => Discord::connect(&config.discord, clock).await,
    };
    let discord = match opened {
        Ok(discord) => discord,
        Err(error) => return name_door(sheet, &error),
    };
    match discord.application().await {
        Ok(application) => {
            // A door that was open before proves nothing by itself: this answer does.
            for finding in
                [Finding::DiscordUnreachable, Finding::DiscordUntrusted, Finding::DiscordTokenRefused]
            {
                sheet.in_order(finding);
            }
            let is_fine = |issue| !application.issues.contains(&issue);
            sheet.expect(Finding::DiscordIntentOff, is_fine(ApplicationIssue::NoMembersIntent));
            sheet.expect(Finding::DiscordInteractionsElsewhere, is_fine(ApplicationIssue::InteractionsUrl));
        }
        Err(error) => name_loss(sheet, error),
    }
    for guild in &config.guilds {
        match discord.guild(guild.id).await {
            Ok(Some(seen)) => judge_guild(sheet, guild, &seen),
            Ok(None) => sheet.wrong(Finding::GuildMissing, ["guild ", &guild.id.to_string()].concat()),
            Err(error) => name_loss(sheet, error),
        }
    }
}

fn name_door(sheet: &mut Sheet, error: &ConnectError) {
    match error {
        ConnectError::TokenMalformed | ConnectError::Ask { source: DiscordError::Unauthorized, .. } => {
            sheet.in_order(Finding::DiscordUnreachable);
            sheet.in_order(Finding::DiscordUntrusted);
            sheet.wrong(Finding::DiscordTokenRefused, None);
        }
        ConnectError::Untrusted | ConnectError::CaUnreadable(_) | ConnectError::Client(_) => {
            sheet.wrong(Finding::DiscordUntrusted, None);
        }
        ConnectError::Ask { .. } | ConnectError::EndpointNotLoopback | ConnectError::GatewayNotLoopback => {
            sheet.wrong(Finding::DiscordUnreachable, None);
        }
    }
}

/// A question after the first ones failed: what it would have shown stays unchecked.
fn name_loss(sheet: &mut Sheet, error: DiscordError) {
    let finding = match error {
        DiscordError::Unauthorized => Finding::DiscordTokenRefused,
        DiscordError::Down { .. }
        | DiscordError::RateLimited { .. }
        | DiscordError::Forbidden(_)
        | DiscordError::Gone(_)
        | DiscordError::Other { .. } => Finding::DiscordUnreachable,
    };
    sheet.wrong(finding, error.to_string());
}

fn judge_guild(sheet: &mut Sheet, guild: &Guild, seen: &GuildSnapshot) {
    sheet.in_order(Finding::GuildMissing);
    let own = seen.own_rights();
    let named = |what: &str, id: String| ["guild ", &guild.id.to_string(), ", ", what, " ", &id].concat();
    let role = |id: RoleId| named("role", id.to_string());
    let is_admin = own.has(GuildRights::ADMINISTRATOR);
    sheet.judge(Finding::AdministratorGiven, is_admin.then(|| ["guild ", &guild.id.to_string()].concat()));

    let missing = roles_of(guild).into_iter().filter(|id| seen.role(*id).is_none());
    sheet.judge(Finding::RoleMissing, missing.map(role));

    let member_role = guild.member_role.and_then(|id| seen.role(id));
    let too_high = member_role.filter(|role| role.is_managed || role.position >= seen.own_position());
    sheet.judge(Finding::RoleNotBelow, too_high.map(|found| role(found.id)));
    let may_not = guild.member_role.filter(|_| !is_admin && !own.has(GuildRights::MANAGE_ROLES));
    sheet.judge(Finding::ManageRolesMissing, may_not.map(role));

    judge_channels(sheet, guild, seen, &|id| named("channel", id.to_string()));
}

fn judge_channels(
    sheet: &mut Sheet,
    guild: &Guild,
    seen: &GuildSnapshot,
    named: &dyn Fn(ChannelId) -> String,
) {
    let channels: Vec<ChannelId> =
        [Some(guild.request_channel), guild.log_channel].into_iter().flatten().collect();
    let missing = channels.iter().filter(|id| seen.channel(**id).is_none());
    sheet.judge(Finding::ChannelMissing, missing.map(|id| named(*id)));

    let found: Vec<_> = channels.iter().filter_map(|id| seen.channel(*id)).collect();
    let unusable = found.iter().filter(|channel| !seen.own_rights_in(channel).has(GuildRights::POSTING));
    sheet.judge(Finding::ChannelRightsMissing, unusable.map(|channel| named(channel.id)));

    let Some(cards) = seen.channel(guild.request_channel) else { return };
    let is_open = seen.rights_of_everyone_in(cards).has(GuildRights::VIEW_CHANNEL);
    sheet.judge(Finding::ChannelOpen, is_open.then(|| named(cards.id)));
}

/// Every role that the configuration of a guild names, once.
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
