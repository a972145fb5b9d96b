//! The names of guilds, for direct messages that say where a command works.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde::Deserialize;
use serenity::http::{LightMethod, Request, Route};

use super::client::{Discord, snowflake};
use crate::domain::ids::GuildId;

/// The names that Discord told this process.
#[derive(Default)]
pub(super) struct GuildNames(Mutex<HashMap<GuildId, String>>);

impl GuildNames {
    fn locked(&self) -> MutexGuard<'_, HashMap<GuildId, String>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[derive(Deserialize)]
struct GuildRow {
    name: String,
}

impl Discord {
    /// Notes the name of a guild, as the gateway shows it.
    pub fn note_guild_name(&self, guild: GuildId, name: &str) {
        self.inner.guild_names.locked().insert(guild, name.to_owned());
    }

    /// The name of a guild, if Discord told it before. Makes no call.
    pub fn known_guild_name(&self, guild: GuildId) -> Option<String> {
        self.inner.guild_names.locked().get(&guild).cloned()
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
}
