//! What Discord shows of the bot itself: its application, and what it may do in a guild. For `doctor` and `setup discord`; the
//! worker never asks.

use serde::{Deserialize, Deserializer};
use serenity::http::{LightMethod, Request, Route};
use serenity::model::id;

use super::{Discord, DiscordError, snowflake};
use crate::domain::guild_rights::GuildRights;
use crate::domain::ids::{ChannelId, DiscordUserId, GuildId, RoleId};

/// The application behind the bot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Application {
    /// Its id, which the invite URL names.
    pub id: u64,
    /// Settings that are not as Accolade needs them.
    pub oddities: Vec<Oddity>,
}

/// A setting of an application that is not as it should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Oddity {
    /// The "Server Members" intent is off.
    NoMembersIntent,
    /// Interactions go to a web address, and not to the gateway.
    InteractionsUrl,
    /// Anybody may invite the bot.
    Public,
    /// An invite needs a code exchange that nobody makes: it fails.
    CodeGrant,
}

/// A role of a guild.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RoleSeen {
    /// Its id; the guild's own for `@everyone`.
    pub id: RoleId,
    /// Higher stands above.
    pub position: i64,
    /// What it gives.
    pub rights: GuildRights,
    /// It belongs to an integration and cannot be given.
    pub is_managed: bool,
}

/// A channel of a guild with its exceptions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChannelSeen {
    /// Its id.
    pub id: ChannelId,
    overwrites: Vec<Overwrite>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Overwrite {
    id: u64,
    allow: u64,
    deny: u64,
}

/// A guild as the bot sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GuildSeen {
    /// Which.
    pub id: GuildId,
    /// Its roles.
    pub roles: Vec<RoleSeen>,
    /// Its channels, as far as the bot is told of them.
    pub channels: Vec<ChannelSeen>,
    /// The bot's own roles.
    pub own_roles: Vec<RoleId>,
    /// The bot.
    pub bot: DiscordUserId,
}

impl GuildSeen {
    /// The role of this id.
    pub fn role(&self, id: RoleId) -> Option<&RoleSeen> {
        self.roles.iter().find(|role| role.id == id)
    }

    /// The channel of this id.
    pub fn channel(&self, id: ChannelId) -> Option<&ChannelSeen> {
        self.channels.iter().find(|channel| channel.id == id)
    }

    /// What the bot may do in the guild, before any channel's exceptions.
    pub fn own_rights(&self) -> GuildRights {
        let own =
            self.roles.iter().filter(|role| self.is_everyone(role) || self.own_roles.contains(&role.id));
        own.fold(GuildRights::NONE, |rights, role| rights.and(role.rights))
    }

    /// The position of the bot's highest role.
    pub fn own_position(&self) -> i64 {
        let own = self.roles.iter().filter(|role| self.own_roles.contains(&role.id));
        own.map(|role| role.position).max().unwrap_or(0)
    }

    /// What the bot may do in a channel.
    pub fn own_rights_in(&self, channel: &ChannelSeen) -> GuildRights {
        let base = self.own_rights();
        if base.has(GuildRights::ADMINISTRATOR) {
            return GuildRights::EVERYTHING;
        }
        let roles: Vec<u64> = self.own_roles.iter().map(|role| role.get()).collect();
        channel.apply(base, &[&[self.id.get()], &roles, &[self.bot.get()]])
    }

    /// What somebody without any role may do in a channel.
    pub fn rights_of_everyone_in(&self, channel: &ChannelSeen) -> GuildRights {
        let everyone = self.roles.iter().find(|role| self.is_everyone(role));
        channel.apply(everyone.map_or(GuildRights::NONE, |role| role.rights), &[&[self.id.get()]])
    }

    /// `@everyone` has the id of its guild.
    fn is_everyone(&self, role: &RoleSeen) -> bool {
        role.id.get() == self.id.get()
    }
}

impl ChannelSeen {
    /// Discord's order: `@everyone`'s exceptions, those of all roles together, the member's own; in each, what is allowed wins.
    fn apply(&self, base: GuildRights, tiers: &[&[u64]]) -> GuildRights {
        let bits = tiers.iter().fold(base.bits(), |bits, tier| {
            let of_tier = self.overwrites.iter().filter(|overwrite| tier.contains(&overwrite.id));
            let (allow, deny) =
                of_tier.fold((0, 0), |(allow, deny), one| (allow | one.allow, deny | one.deny));
            bits & !deny | allow
        });
        GuildRights::new(bits)
    }
}

impl Discord {
    /// The application behind the token. `GET /oauth2/applications/@me`.
    pub async fn application(&self) -> Result<Application, DiscordError> {
        let row: ApplicationRow = self.look(Route::Oauth2ApplicationCurrent).await?;
        let oddities = row.oddities().collect();
        Ok(Application { id: row.id.get(), oddities })
    }

    /// A guild with the bot's place in it; `None` if the bot is not there. `GET /guilds/{guild}/members/{user}`, `…/roles`,
    /// `…/channels`. `Down` before [`Discord::greet`] succeeded.
    pub async fn guild(&self, guild: GuildId) -> Result<Option<GuildSeen>, DiscordError> {
        let Some(bot) = self.bot_user_id() else { return Err(DiscordError::Down { ambiguous: false }) };
        let own = match self.member(guild, bot).await {
            Ok(Some(own)) => own,
            // 50001: a guild that the bot is not in; 10004: none
            Ok(None) | Err(DiscordError::Forbidden(_) | DiscordError::Gone(_)) => return Ok(None),
            Err(error) => return Err(error),
        };
        let guild_id = snowflake(guild.get())?;
        let roles: Vec<RoleRow> = self.look(Route::GuildRoles { guild_id }).await?;
        let channels: Vec<ChannelRow> = self.look(Route::GuildChannels { guild_id }).await?;
        Ok(Some(GuildSeen {
            id: guild,
            roles: roles.iter().map(RoleRow::seen).collect(),
            channels: channels.into_iter().map(ChannelRow::seen).collect(),
            own_roles: own.roles,
            bot,
        }))
    }

    async fn look<T: serde::de::DeserializeOwned>(&self, route: Route<'_>) -> Result<T, DiscordError> {
        let request = Request::new(route, LightMethod::Get);
        self.bounded(async { Ok(self.inner.http.fire(request).await?) }).await
    }
}

#[derive(Deserialize)]
struct ApplicationRow {
    id: id::GenericId,
    #[serde(default)]
    flags: u64,
    #[serde(default)]
    interactions_endpoint_url: Option<String>,
    #[serde(default)]
    bot_public: bool,
    #[serde(default)]
    bot_require_code_grant: bool,
}

impl ApplicationRow {
    fn oddities(&self) -> impl Iterator<Item = Oddity> {
        // GATEWAY_GUILD_MEMBERS, and the same of a bot in fewer than 100 guilds (Discord, "Application Flags")
        let has_members_intent = self.flags & (1 << 14 | 1 << 15) != 0;
        let has_url = self.interactions_endpoint_url.as_ref().is_some_and(|url| !url.is_empty());
        let all = [
            (!has_members_intent, Oddity::NoMembersIntent),
            (has_url, Oddity::InteractionsUrl),
            (self.bot_public, Oddity::Public),
            (self.bot_require_code_grant, Oddity::CodeGrant),
        ];
        all.into_iter().filter(|(is_there, _)| *is_there).map(|(_, oddity)| oddity)
    }
}

#[derive(Deserialize)]
struct RoleRow {
    id: id::GenericId,
    position: i64,
    #[serde(deserialize_with = "bits")]
    permissions: u64,
    #[serde(default)]
    managed: bool,
}

impl RoleRow {
    fn seen(&self) -> RoleSeen {
        RoleSeen {
            id: RoleId::new(self.id.get()),
            position: self.position,
            rights: GuildRights::new(self.permissions),
            is_managed: self.managed,
        }
    }
}

#[derive(Deserialize)]
struct ChannelRow {
    id: id::GenericId,
    #[serde(default)]
    permission_overwrites: Vec<OverwriteRow>,
}

#[derive(Deserialize)]
struct OverwriteRow {
    id: id::GenericId,
    #[serde(deserialize_with = "bits")]
    allow: u64,
    #[serde(deserialize_with = "bits")]
    deny: u64,
}

impl ChannelRow {
    fn seen(self) -> ChannelSeen {
        let overwrites = self.permission_overwrites.iter();
        let overwrites =
            overwrites.map(|row| Overwrite { id: row.id.get(), allow: row.allow, deny: row.deny }).collect();
        ChannelSeen { id: ChannelId::new(self.id.get()), overwrites }
    }
}

/// Discord writes sets of rights as text, because they outgrow a number of JSON.
fn bits<'de, D: Deserializer<'de>>(from: D) -> Result<u64, D::Error> {
    let text = String::deserialize(from)?;
    text.parse().map_err(serde::de::Error::custom)
}

#[cfg(test)]
mod tests {
    use super::*;

    const GUILD: u64 = 10;
    const BOT_ROLE: u64 = 11;
    const BOT: u64 = 12;

    fn guild(everyone: GuildRights, own: GuildRights) -> GuildSeen {
        let role =
            |id, position, rights| RoleSeen { id: RoleId::new(id), position, rights, is_managed: false };
        GuildSeen {
            id: GuildId::new(GUILD),
            roles: vec![role(GUILD, 0, everyone), role(BOT_ROLE, 3, own)],
            channels: Vec::new(),
            own_roles: vec![RoleId::new(BOT_ROLE)],
            bot: DiscordUserId::new(BOT),
        }
    }

    fn channel(overwrites: &[(u64, GuildRights, GuildRights)]) -> ChannelSeen {
        let overwrites = overwrites.iter().map(|(id, allow, deny)| Overwrite {
            id: *id,
            allow: allow.bits(),
            deny: deny.bits(),
        });
        ChannelSeen { id: ChannelId::new(20), overwrites: overwrites.collect() }
    }

    #[test]
    fn a_channel_hidden_from_everyone_is_seen_by_the_role_that_is_let_in() {
        let seen = guild(GuildRights::POSTING, GuildRights::NONE);
        let hidden = channel(&[
            (GUILD, GuildRights::NONE, GuildRights::VIEW_CHANNEL),
            (BOT_ROLE, GuildRights::VIEW_CHANNEL, GuildRights::NONE),
        ]);
        assert!(seen.own_rights_in(&hidden).has(GuildRights::POSTING));
        assert!(!seen.rights_of_everyone_in(&hidden).has(GuildRights::VIEW_CHANNEL));
    }

    #[test]
    fn what_the_member_itself_is_denied_counts_last_and_an_administrator_is_denied_nothing() {
        let denied = channel(&[
            (BOT_ROLE, GuildRights::SEND_MESSAGES, GuildRights::NONE),
            (BOT, GuildRights::NONE, GuildRights::SEND_MESSAGES),
        ]);
        let plain = guild(GuildRights::POSTING, GuildRights::NONE);
        assert!(!plain.own_rights_in(&denied).has(GuildRights::SEND_MESSAGES));
        assert!(
            guild(GuildRights::NONE, GuildRights::ADMINISTRATOR)
                .own_rights_in(&denied)
                .has(GuildRights::POSTING)
        );
    }

    #[test]
    fn the_highest_of_its_own_roles_is_where_the_bot_stands() {
        assert_eq!(guild(GuildRights::NONE, GuildRights::NONE).own_position(), 3);
    }
}
