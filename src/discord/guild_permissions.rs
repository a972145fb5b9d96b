//! A guild: the permissions of the bot in it, and its name.

use serde::Deserialize;
use serenity::http::{GuildPagination, LightMethod, Request, Route};

use super::client::{Discord, snowflake};
use super::error::DiscordError;
use crate::domain::guild_rights::GuildRights;
use crate::domain::ids::GuildId;

#[derive(Deserialize)]
struct GuildRow {
    name: String,
}

impl Discord {
    /// Notes the name of a guild, as the gateway shows it.
    pub fn note_guild_name(&self, guild: GuildId, name: &str) {
        self.inner.guild_names.note(guild, name);
    }

    /// The name of a guild, if Discord told it before. Makes no call.
    pub fn known_guild_name(&self, guild: GuildId) -> Option<String> {
        self.inner.guild_names.get(guild)
    }

    /// The name of a guild. Only a process without the gateway session asks for it, once; `None` if Discord doesn't answer.
    /// `GET /guilds/{guild}`. Safe to repeat.
    pub async fn guild_name(&self, guild: GuildId) -> Option<String> {
        if let Some(known) = self.known_guild_name(guild) {
            return Some(known);
        }
        let route = Route::Guild { guild_id: snowflake(guild.get()).ok()? };
        let request = Request::new(route, LightMethod::Get);
        let asking = self.bounded(async { Ok(self.inner.http.fire::<GuildRow>(request).await?) });
        let row = asking.await.ok()?;
        self.note_guild_name(guild, &row.name);
        Some(row.name)
    }

    /// The bot's permissions in a guild, without the overwrites of channels; `None` if the bot is not in the guild.
    /// `GET /users/@me/guilds`. Safe to repeat.
    pub async fn own_permissions(&self, guild_id: GuildId) -> Result<Option<GuildRights>, DiscordError> {
        // The list is sorted by id and can't be asked for one guild, so this asks for the first one after the preceding id.
        let before = GuildPagination::After(snowflake(guild_id.get().saturating_sub(1))?);
        let found =
            self.bounded(async { Ok(self.inner.http.get_guilds(Some(before), Some(1)).await?) }).await?;
        let ours = found.into_iter().find(|guild| guild.id.get() == guild_id.get());
        Ok(ours.map(|guild| GuildRights::new(guild.permissions.bits())))
    }
}
