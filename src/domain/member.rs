//! What Discord says of a member of a guild: the facts on which eligibility and authority are decided.

use super::ids::{DiscordUserId, GuildId, RoleId, Timestamp};

/// One member of one guild at one moment. Never stored; a decision may rest on facts of the last 30 s.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemberFacts {
    /// Who.
    pub user_id: DiscordUserId,
    /// Where.
    pub guild_id: GuildId,
    /// The Discord user name, for the prefilled form only. It identifies nobody.
    pub user_name: String,
    /// The display name, for the prefilled form only.
    pub display_name: Option<String>,
    /// Their roles at this moment.
    pub roles: Vec<RoleId>,
    /// When they joined the guild, if Discord said so.
    pub joined_at: Option<Timestamp>,
    /// Membership screening is not finished: such a member has no power and no eligibility.
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
