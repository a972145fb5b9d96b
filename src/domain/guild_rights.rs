//! What the bot may do in a guild, and what of it is more than it needs.

/// Rights of the bot in one guild, as Discord's bits ("Permissions" in its API reference).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GuildRights(u64);

/// Everything, everywhere.
const ADMINISTRATOR: u64 = 1 << 3;

/// Giving roles below one's own: needed for the role of account holders, and only for that.
const MANAGE_ROLES: u64 = 1 << 28;

/// Rights with which somebody who has the bot's token could harm the guild, by the names that Discord's settings show.
const HARMFUL: [(u64, &str); 13] = [
    (1 << 1, "Kick Members"),
    (1 << 2, "Ban Members"),
    (1 << 4, "Manage Channels"),
    (1 << 5, "Manage Server"),
    (1 << 13, "Manage Messages"),
    (1 << 17, "Mention Everyone"),
    (1 << 22, "Mute Members"),
    (1 << 24, "Move Members"),
    (1 << 27, "Manage Nicknames"),
    (1 << 29, "Manage Webhooks"),
    (1 << 33, "Manage Events"),
    (1 << 34, "Manage Threads"),
    (1 << 40, "Timeout Members"),
];

impl GuildRights {
    /// Takes Discord's bits.
    pub const fn new(bits: u64) -> Self {
        Self(bits)
    }

    /// The names of what should be taken away; empty if the bot has no more than it needs. `gives_a_role`: the configuration names
    /// a role for account holders.
    pub fn beyond_need(self, gives_a_role: bool) -> Vec<&'static str> {
        if self.0 & ADMINISTRATOR != 0 {
            // It contains all others.
            return vec!["Administrator"];
        }
        let needless_roles = (!gives_a_role && self.0 & MANAGE_ROLES != 0).then_some("Manage Roles");
        let harmful = HARMFUL.iter().filter(|(bit, _)| self.0 & bit != 0).map(|(_, name)| *name);
        harmful.chain(needless_roles).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// View Channel, Send Messages, Read Message History: what the operators' guide asks for.
    const NEEDED: u64 = 1 << 10 | 1 << 11 | 1 << 16;

    #[test]
    fn what_the_guide_asks_for_is_not_too_much() {
        assert_eq!(GuildRights::new(NEEDED).beyond_need(false), Vec::<&str>::new());
        assert_eq!(GuildRights::new(NEEDED | MANAGE_ROLES).beyond_need(true), Vec::<&str>::new());
    }

    #[test]
    fn each_right_that_could_harm_the_guild_is_named() {
        assert_eq!(GuildRights::new(NEEDED | MANAGE_ROLES).beyond_need(false), ["Manage Roles"]);
        for (bit, name) in HARMFUL {
            assert_eq!(GuildRights::new(NEEDED | bit).beyond_need(true), [name]);
        }
        assert_eq!(GuildRights::new(1 << 2 | 1 << 1).beyond_need(true), ["Kick Members", "Ban Members"]);
    }

    #[test]
    fn an_administrator_is_told_as_one_thing() {
        assert_eq!(GuildRights::new(u64::MAX).beyond_need(true), ["Administrator"]);
        assert_eq!(GuildRights::new(ADMINISTRATOR).beyond_need(false), ["Administrator"]);
    }
}
