//! The permissions of the bot in a guild.

use serenity::http::GuildPagination;

use super::client::{Discord, snowflake};
use super::error::DiscordError;
use crate::domain::guild_rights::GuildRights;
use crate::domain::ids::GuildId;

impl Discord {
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
