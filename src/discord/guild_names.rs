//! The names of guilds that Discord told this process.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::domain::ids::GuildId;

/// The names, for direct messages that say where a command works.
#[derive(Default)]
pub(super) struct GuildNames(Mutex<HashMap<GuildId, String>>);

impl GuildNames {
    fn locked(&self) -> MutexGuard<'_, HashMap<GuildId, String>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes a name.
    pub(super) fn note(&self, guild: GuildId, name: &str) {
        self.locked().insert(guild, name.to_owned());
    }

    /// The name, if it was noted.
    pub(super) fn get(&self, guild: GuildId) -> Option<String> {
        self.locked().get(&guild).cloned()
    }
}
