//! What the bot itself may do in a guild, as Discord says it.

use serenity::http::GuildPagination;

use super::{Discord, DiscordError, snowflake};
use crate::domain::guild_rights::GuildRights;
use crate::domain::ids::GuildId;

impl Discord {
    /// What the bot may do in a guild, the exceptions of single channels aside; `None` if it is not there.
    /// `GET /users/@me/guilds`. Safe to repeat.
    pub async fn own_rights(&self, guild_id: GuildId) -> Result<Option<GuildRights>, DiscordError> {
        // The list goes by id and has no way to ask for one: the first behind the id before it is the one, if the bot is there.
        let before = GuildPagination::After(snowflake(guild_id.get().saturating_sub(1))?);
        let found =
            self.bounded(async { Ok(self.inner.http.get_guilds(Some(before), Some(1)).await?) }).await?;
        let ours = found.into_iter().find(|guild| guild.id.get() == guild_id.get());
        Ok(ours.map(|guild| GuildRights::new(guild.permissions.bits())))
    }
}
