//! Permission bits, and how a member's permissions in a channel are computed.

use serde_json::Value;

use crate::ids::Id;
use crate::state::{Channel, Guild};

/// A permission bit set (`1 << n` as in Discord's documentation).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Permissions(pub u64);

impl Permissions {
    /// Everything, regardless of overwrites.
    pub const ADMINISTRATOR: Self = Self(1 << 3);
    /// Seeing a channel.
    pub const VIEW_CHANNEL: Self = Self(1 << 10);
    /// Writing into a channel.
    pub const SEND_MESSAGES: Self = Self(1 << 11);
    /// Reading earlier messages.
    pub const READ_MESSAGE_HISTORY: Self = Self(1 << 16);
    /// Showing embeds in one's messages.
    pub const EMBED_LINKS: Self = Self(1 << 14);
    /// Granting and editing roles below one's own.
    pub const MANAGE_ROLES: Self = Self(1 << 28);
    /// Deleting the messages of others.
    pub const MANAGE_MESSAGES: Self = Self(1 << 13);
    /// Kicking members.
    pub const KICK_MEMBERS: Self = Self(1 << 1);
    /// Banning members, and reading bans.
    pub const BAN_MEMBERS: Self = Self(1 << 2);
    /// Pinging @everyone.
    pub const MENTION_EVERYONE: Self = Self(1 << 17);
    /// Using slash commands.
    pub const USE_APPLICATION_COMMANDS: Self = Self(1 << 31);
    /// The permissions of @everyone in a new guild of the simulator.
    pub const EVERYONE: Self = Self(
        Self::VIEW_CHANNEL.0
            | Self::SEND_MESSAGES.0
            | Self::READ_MESSAGE_HISTORY.0
            | Self::USE_APPLICATION_COMMANDS.0
            | Self::EMBED_LINKS.0,
    );
    /// Every bit that the simulator supports: the permissions of an administrator.
    pub const ALL: Self = Self((1 << 51) - 1);

    /// Whether every bit of `other` is set.
    pub fn has(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }
}

impl std::ops::BitOr for Permissions {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl Guild {
    /// A member's permissions in the guild, before any channel's overwrites.
    pub(crate) fn base_permissions(&self, user: Id) -> Permissions {
        if self.owner == user {
            return Permissions::ALL;
        }
        let own = self.members.get(&user).map_or(&[][..], |member| &member.roles);
        let bits = self
            .roles
            .values()
            .filter(|role| role.id == self.id || own.contains(&role.id))
            .fold(0, |bits, role| bits | role.permissions);
        if Permissions(bits).has(Permissions::ADMINISTRATOR) { Permissions::ALL } else { Permissions(bits) }
    }

    /// A member's permissions in a channel, in Discord's order: base, @everyone, roles together, member.
    pub(crate) fn permissions_in(&self, user: Id, channel: &Channel, now_ms: i64) -> Permissions {
        let Some(member) = self.members.get(&user) else {
            return Permissions(0);
        };
        let base = self.base_permissions(user);
        if base == Permissions::ALL {
            return base;
        }
        let mut bits = base.0;
        let mut apply = |allow: u64, deny: u64| bits = bits & !deny | allow;
        let pick = |wanted: &dyn Fn(Id) -> bool| {
            channel
                .overwrites
                .iter()
                .filter(|over| wanted(over.id))
                .fold((0, 0), |(allow, deny), over| (allow | over.allow, deny | over.deny))
        };
        for (allow, deny) in
            [pick(&|id| id == self.id), pick(&|id| member.roles.contains(&id)), pick(&|id| id == user)]
        {
            apply(allow, deny);
        }
        if member.timeout_until_ms.is_some_and(|until| until > now_ms) {
            bits &= Permissions::VIEW_CHANNEL.0 | Permissions::READ_MESSAGE_HISTORY.0;
        }
        Permissions(bits)
    }

    /// The position of a member's highest role (0 for @everyone alone).
    pub(crate) fn highest_position(&self, user: Id) -> i64 {
        let own = self.members.get(&user).map_or(&[][..], |member| &member.roles);
        own.iter().filter_map(|id| self.roles.get(id)).map(|role| role.position).max().unwrap_or(0)
    }
}

/// Parses a bit set that a client sent as a string or number.
pub(crate) fn bits_of(value: &Value) -> Option<u64> {
    value.as_str().and_then(|text| text.parse().ok()).or_else(|| value.as_u64())
}
