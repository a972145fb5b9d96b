//! The facts that Discord gives about a member of a guild. Eligibility and authority are decided on them.

use super::ids::{DiscordUserId, GuildId, RoleId, Timestamp};

/// One member of one guild at one moment. They are never stored, and a decision may use facts that are at most 30 s old.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemberFacts {
    /// The user.
    pub user_id: DiscordUserId,
    /// The guild.
    pub guild_id: GuildId,
    /// The Discord user name, for the prefilled form only. It is not used as an identity.
    pub user_name: String,
    /// The display name, for the prefilled form only.
    pub display_name: Option<String>,
    /// Their roles at this moment.
    pub roles: Vec<RoleId>,
    /// When they joined the guild, if Discord said so.
    pub joined_at: Option<Timestamp>,
    /// Membership screening is not finished: such a member may not act and is not eligible.
    pub pending: bool,
    /// Until when they are timed out.
    pub timed_out_until: Option<Timestamp>,
    /// Discord marks this user as a bot.
    pub bot: bool,
}

impl MemberFacts {
    /// Whether the member may act at `now`: screened, and not timed out.
    pub fn may_act(&self, now: Timestamp) -> bool {
        !self.pending && self.timed_out_until.is_none_or(|until| until <= now)
    }

    /// Whether the member holds at least one of `roles`.
    pub fn has_any(&self, roles: &[RoleId]) -> bool {
        roles.iter().any(|role| self.roles.contains(role))
    }
}
