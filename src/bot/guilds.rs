//! The guilds that the bot is in, as the gateway's events say. The health page names the configured guilds that are missing.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use crate::config::Config;
use crate::domain::ids::GuildId;

/// The guilds that the bot is in. Clones share them.
#[derive(Clone, Debug, Default)]
pub struct JoinedGuilds(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    /// `None` before the first READY: nothing is known then.
    guilds: Mutex<Option<HashSet<GuildId>>>,
    /// Notified when the commands may be missing somewhere: after READY, and when the bot joins a guild.
    changed: Notify,
}

impl JoinedGuilds {
    fn locked(&self) -> MutexGuard<'_, Option<HashSet<GuildId>>> {
        self.0.guilds.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// READY lists every guild.
    pub(super) fn set(&self, guilds: impl Iterator<Item = GuildId>) {
        *self.locked() = Some(guilds.collect());
        self.0.changed.notify_one();
    }

    /// The event `GUILD_CREATE`. Returns whether the bot was not in this guild before: such an event also follows READY and every outage.
    pub(super) fn add(&self, guild: GuildId) -> bool {
        let is_new = self.locked().as_mut().is_some_and(|guilds| guilds.insert(guild));
        if is_new {
            self.0.changed.notify_one();
        }
        is_new
    }

    /// The bot was removed from this guild.
    pub(super) fn remove(&self, guild: GuildId) {
        if let Some(guilds) = self.locked().as_mut() {
            guilds.remove(&guild);
        }
    }

    /// Waits until the commands may be missing in some guild.
    pub(super) async fn changed(&self) {
        self.0.changed.notified().await;
    }

    /// The configured guilds that the bot is not in. None before the first READY.
    pub fn missing(&self, config: &Config) -> Vec<GuildId> {
        let guilds = self.locked();
        let Some(guilds) = guilds.as_ref() else { return Vec::new() };
        config.guilds.iter().map(|guild| guild.id).filter(|id| !guilds.contains(id)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_guild_is_missing_only_after_ready_and_until_the_bot_joins() {
        let (_folder, config) = crate::config::example_with_files();
        let ours = config.guilds[0].id;
        let guilds = JoinedGuilds::default();
        assert_eq!(guilds.missing(&config), []);
        assert!(!guilds.add(ours), "nothing is known before READY");
        guilds.set([GuildId::new(7)].into_iter());
        guilds.changed().await;
        assert_eq!(guilds.missing(&config), [ours]);
        assert!(guilds.add(ours));
        guilds.changed().await;
        assert!(!guilds.add(ours), "the event of an outage");
        assert_eq!(guilds.missing(&config), []);
        guilds.remove(ours);
        assert_eq!(guilds.missing(&config), [ours]);
    }
}
