//! The bot's permissions in a guild, and which of them it does not need.

/// The bot's permissions in one guild, as Discord's bits ("Permissions" in its API reference).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GuildRights(u64);

/// Permissions with which someone who has the bot's token could harm the guild, by the names that Discord's settings show.
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
    /// No permission.
    pub const NONE: Self = Self(0);
    /// Every permission, in every channel.
    pub const ADMINISTRATOR: Self = Self(1 << 3);
    /// See a channel.
    pub const VIEW_CHANNEL: Self = Self(1 << 10);
    /// Send messages.
    pub const SEND_MESSAGES: Self = Self(1 << 11);
    /// Show embeds: without it, Discord leaves the facts of a card out.
    pub const EMBED_LINKS: Self = Self(1 << 14);
    /// Read earlier messages.
    pub const READ_MESSAGE_HISTORY: Self = Self(1 << 16);
    /// Give roles below one's own. Needed only for the role of account holders.
    pub const MANAGE_ROLES: Self = Self(1 << 28);
    /// What the bot needs in the channels where it posts.
    pub const POSTING: Self = Self(
        Self::VIEW_CHANNEL.0 | Self::SEND_MESSAGES.0 | Self::EMBED_LINKS.0 | Self::READ_MESSAGE_HISTORY.0,
    );
    /// All permissions.
    pub const EVERYTHING: Self = Self(u64::MAX);

    /// From Discord's bits.
    pub const fn new(bits: u64) -> Self {
        Self(bits)
    }

    /// As Discord's bits, which invite URLs contain.
    pub const fn bits(self) -> u64 {
        self.0
    }

    /// Whether these include all of `other`.
    pub const fn has(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// Both together.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// The names of the permissions for posting that are missing.
    pub fn lacking_to_post(self) -> Vec<&'static str> {
        let needed = [
            (Self::VIEW_CHANNEL, "View Channel"),
            (Self::SEND_MESSAGES, "Send Messages"),
            // Without it, only the headline of a card is shown.
            (Self::EMBED_LINKS, "Embed Links"),
            (Self::READ_MESSAGE_HISTORY, "Read Message History"),
        ];
        needed.into_iter().filter(|(right, _)| !self.has(*right)).map(|(_, name)| name).collect()
    }

    /// The names of the permissions that should be removed; empty if the bot has no more than it needs. `gives_a_role` says whether
    /// the configuration names a role for account holders.
    pub fn beyond_need(self, gives_a_role: bool) -> Vec<&'static str> {
        if self.has(Self::ADMINISTRATOR) {
            // It contains all others.
            return vec!["Administrator"];
        }
        let needless_roles = (!gives_a_role && self.has(Self::MANAGE_ROLES)).then_some("Manage Roles");
        let harmful = HARMFUL.iter().filter(|(bit, _)| self.0 & bit != 0).map(|(_, name)| *name);
        harmful.chain(needless_roles).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NEEDED: GuildRights = GuildRights::POSTING;

    #[test]
    fn what_the_guide_asks_for_is_not_too_much() {
        assert_eq!(NEEDED.beyond_need(false), Vec::<&str>::new());
        assert_eq!(NEEDED.and(GuildRights::MANAGE_ROLES).beyond_need(true), Vec::<&str>::new());
    }

    #[test]
    fn what_is_missing_for_posting_is_named() {
        assert_eq!(NEEDED.lacking_to_post(), Vec::<&str>::new());
        let lacking = ["Send Messages", "Embed Links", "Read Message History"];
        assert_eq!(GuildRights::VIEW_CHANNEL.lacking_to_post(), lacking);
        assert_eq!(GuildRights::NONE.lacking_to_post().len(), 4);
    }

    #[test]
    fn each_right_that_could_harm_the_guild_is_named() {
        assert_eq!(NEEDED.and(GuildRights::MANAGE_ROLES).beyond_need(false), ["Manage Roles"]);
        for (bit, name) in HARMFUL {
            assert_eq!(NEEDED.and(GuildRights::new(bit)).beyond_need(true), [name]);
        }
        assert_eq!(GuildRights::new(1 << 2 | 1 << 1).beyond_need(true), ["Kick Members", "Ban Members"]);
    }

    #[test]
    fn an_administrator_is_told_as_one_thing() {
        assert_eq!(GuildRights::EVERYTHING.beyond_need(true), ["Administrator"]);
        assert_eq!(GuildRights::ADMINISTRATOR.beyond_need(false), ["Administrator"]);
    }
}
