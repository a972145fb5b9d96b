//! The bot's application and its permissions in a guild, for `doctor` and `setup discord`. The worker never asks for them.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer};
use serenity::http::{LightMethod, Request, Route};
use serenity::model::id;

use super::client::{Discord, snowflake};
use super::error::DiscordError;
use crate::domain::guild_rights::GuildRights;
use crate::domain::ids::{ChannelId, DiscordUserId, GuildId, RoleId};

/// The application behind the bot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Application {
    /// Its id, which the invite URL names.
    pub id: u64,
    /// Settings that differ from what Accolade needs.
    pub issues: Vec<ApplicationIssue>,
}

/// A wrong setting of an application.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ApplicationIssue {
    /// The "Server Members" intent is off.
    NoMembersIntent,
    /// Interactions are sent to a URL instead of the gateway.
    InteractionsUrl,
    /// Everyone may invite the bot.
    Public,
    /// An invite needs a code exchange, which nothing performs, so every invite fails.
    CodeGrant,
}

/// A role of a guild.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RoleInfo {
    /// Its id; the guild's own for `@everyone`.
    pub id: RoleId,
    /// Higher numbers are above lower ones.
    pub position: i64,
    /// The permissions that it grants.
    pub rights: GuildRights,
    /// It belongs to an integration and can't be granted.
    pub is_managed: bool,
}

/// What a channel is ("Channel Types" in Discord's API reference).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChannelKind(u64);

impl ChannelKind {
    /// Whether cards and notices can be posted there and stay: a text or an announcement channel.
    pub const fn is_for_messages(self) -> bool {
        matches!(self.0, 0 | 5)
    }

    /// Its name in Discord's client.
    pub const fn name(self) -> &'static str {
        match self.0 {
            0 => "a text channel",
            2 => "a voice channel",
            4 => "a category",
            5 => "an announcement channel",
            10..=12 => "a thread",
            13 => "a stage channel",
            14 => "a directory",
            15 => "a forum",
            16 => "a media channel",
            _ => "a channel of an unknown type",
        }
    }
}

/// A channel of a guild with its permission overwrites.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChannelInfo {
    /// Its id.
    pub id: ChannelId,
    /// What it is.
    pub kind: ChannelKind,
    overwrites: Vec<Overwrite>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Overwrite {
    id: u64,
    allow: u64,
    deny: u64,
}

/// A guild, as far as the bot can see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GuildSnapshot {
    /// Its id.
    pub id: GuildId,
    /// Its roles.
    pub roles: Vec<RoleInfo>,
    /// The channels that the bot can see.
    pub channels: Vec<ChannelInfo>,
    /// The bot's own roles.
    pub own_roles: Vec<RoleId>,
    /// The bot's own user.
    pub bot: DiscordUserId,
}

impl GuildSnapshot {
    /// The role of this id.
    pub fn role(&self, id: RoleId) -> Option<&RoleInfo> {
        self.roles.iter().find(|role| role.id == id)
    }

    /// The channel of this id.
    pub fn channel(&self, id: ChannelId) -> Option<&ChannelInfo> {
        self.channels.iter().find(|channel| channel.id == id)
    }

    /// The bot's permissions in the guild, without the overwrites of channels.
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

    /// The bot's permissions in a channel.
    pub fn own_rights_in(&self, channel: &ChannelInfo) -> GuildRights {
        let base = self.own_rights();
        if base.has(GuildRights::ADMINISTRATOR) {
            return GuildRights::EVERYTHING;
        }
        let roles: Vec<u64> = self.own_roles.iter().map(|role| role.get()).collect();
        channel.apply(base, &[&[self.id.get()], &roles, &[self.bot.get()]])
    }

    /// The permissions of a member without roles in a channel.
    pub fn rights_of_everyone_in(&self, channel: &ChannelInfo) -> GuildRights {
        let everyone = self.roles.iter().find(|role| self.is_everyone(role));
        channel.apply(everyone.map_or(GuildRights::NONE, |role| role.rights), &[&[self.id.get()]])
    }

    /// The id of `@everyone` is the id of its guild.
    fn is_everyone(&self, role: &RoleInfo) -> bool {
        role.id.get() == self.id.get()
    }
}

impl ChannelInfo {
    /// Applies overwrites in Discord's order: `@everyone`, all roles together, the member. Within each tier, "allow" wins.
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
        let row: ApplicationRow = self.fetch(Route::Oauth2ApplicationCurrent).await?;
        let issues = row.issues().collect();
        Ok(Application { id: row.id.get(), issues })
    }

    /// A guild with the bot's roles in it; `None` if the bot is not in the guild. `GET /guilds/{guild}/members/{user}`, `…/roles`,
    /// `…/channels`. `Down` before [`Discord::identify`] succeeded.
    pub async fn guild(&self, guild: GuildId) -> Result<Option<GuildSnapshot>, DiscordError> {
        let Some(bot) = self.bot_user_id() else { return Err(DiscordError::Down { ambiguous: false }) };
        let own = match self.member(guild, bot).await {
            Ok(Some(own)) => own,
            // 50001: the bot is not in this guild; 10004: no such guild
            Ok(None) | Err(DiscordError::Forbidden(_) | DiscordError::Gone(_)) => return Ok(None),
            Err(error) => return Err(error),
        };
        let guild_id = snowflake(guild.get())?;
        let roles: Vec<RoleRow> = self.fetch(Route::GuildRoles { guild_id }).await?;
        let channels: Vec<ChannelRow> = self.fetch(Route::GuildChannels { guild_id }).await?;
        Ok(Some(GuildSnapshot {
            id: guild,
            roles: roles.iter().map(RoleRow::to_info).collect(),
            channels: channels.into_iter().map(ChannelRow::into_info).collect(),
            own_roles: own.roles,
            bot,
        }))
    }

    /// What a channel is that the list of its guild doesn't have, such as a thread; `None` if the bot can't see it.
    /// `GET /channels/{channel}`.
    pub async fn channel_kind(&self, channel: ChannelId) -> Result<Option<ChannelKind>, DiscordError> {
        match self.fetch::<ChannelRow>(Route::Channel { channel_id: snowflake(channel.get())? }).await {
            Ok(row) => Ok(Some(ChannelKind(row.kind))),
            Err(DiscordError::Forbidden(_) | DiscordError::Gone(_)) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The names of a guild's roles. `GET /guilds/{guild}/roles`.
    pub async fn role_names(&self, guild: GuildId) -> Result<BTreeMap<RoleId, String>, DiscordError> {
        let roles: Vec<RoleName> =
            self.fetch(Route::GuildRoles { guild_id: snowflake(guild.get())? }).await?;
        Ok(roles.into_iter().map(|role| (RoleId::new(role.id.get()), role.name)).collect())
    }

    async fn fetch<T: serde::de::DeserializeOwned>(&self, route: Route<'_>) -> Result<T, DiscordError> {
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
    fn issues(&self) -> impl Iterator<Item = ApplicationIssue> {
        // GATEWAY_GUILD_MEMBERS, and the same of a bot in fewer than 100 guilds (Discord, "Application Flags")
        let has_members_intent = self.flags & (1 << 14 | 1 << 15) != 0;
        let has_url = self.interactions_endpoint_url.as_ref().is_some_and(|url| !url.is_empty());
        let all = [
            (!has_members_intent, ApplicationIssue::NoMembersIntent),
            (has_url, ApplicationIssue::InteractionsUrl),
            (self.bot_public, ApplicationIssue::Public),
            (self.bot_require_code_grant, ApplicationIssue::CodeGrant),
        ];
        all.into_iter().filter(|(is_there, _)| *is_there).map(|(_, issue)| issue)
    }
}

#[derive(Deserialize)]
struct RoleName {
    id: id::GenericId,
    name: String,
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
    fn to_info(&self) -> RoleInfo {
        RoleInfo {
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
    #[serde(rename = "type", default)]
    kind: u64,
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
    fn into_info(self) -> ChannelInfo {
        let overwrites = self.permission_overwrites.iter();
        let overwrites =
            overwrites.map(|row| Overwrite { id: row.id.get(), allow: row.allow, deny: row.deny }).collect();
        ChannelInfo { id: ChannelId::new(self.id.get()), kind: ChannelKind(self.kind), overwrites }
    }
}

/// Discord writes permission sets as text, because they don't fit into a JSON number.
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

    fn guild(everyone: GuildRights, own: GuildRights) -> GuildSnapshot {
        let role =
            |id, position, rights| RoleInfo { id: RoleId::new(id), position, rights, is_managed: false };
        GuildSnapshot {
            id: GuildId::new(GUILD),
            roles: vec![role(GUILD, 0, everyone), role(BOT_ROLE, 3, own)],
            channels: Vec::new(),
            own_roles: vec![RoleId::new(BOT_ROLE)],
            bot: DiscordUserId::new(BOT),
        }
    }

    fn channel(overwrites: &[(u64, GuildRights, GuildRights)]) -> ChannelInfo {
        let overwrites = overwrites.iter().map(|(id, allow, deny)| Overwrite {
            id: *id,
            allow: allow.bits(),
            deny: deny.bits(),
        });
        ChannelInfo { id: ChannelId::new(20), kind: ChannelKind(0), overwrites: overwrites.collect() }
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
    fn cards_belong_into_text_and_announcement_channels_and_nowhere_else() {
        for kind in 0..=20 {
            assert_eq!(ChannelKind(kind).is_for_messages(), [0, 5].contains(&kind), "{kind}");
        }
        for thread in 10..=12 {
            assert_eq!(ChannelKind(thread).name(), "a thread");
        }
        assert_eq!((ChannelKind(4).name(), ChannelKind(15).name()), ("a category", "a forum"));
    }

    #[test]
    fn the_highest_of_its_own_roles_is_where_the_bot_stands() {
        assert_eq!(guild(GuildRights::NONE, GuildRights::NONE).own_position(), 3);
    }
}
