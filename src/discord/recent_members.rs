//! Members as Discord showed them a moment ago, so that the same question isn't asked twice in a row.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::domain::freshness::is_fresh;
use crate::domain::ids::{DiscordUserId, GuildId, Timestamp};
use crate::domain::member::MemberFacts;

/// `None` stands for a member that changed or left at that time.
type Members = HashMap<(GuildId, DiscordUserId), (Timestamp, Option<MemberFacts>)>;

/// The members that Discord showed to this process in an interaction, and when.
#[derive(Default)]
pub(super) struct RecentMembers(Mutex<Members>);

impl RecentMembers {
    fn locked(&self) -> MutexGuard<'_, Members> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Discord showed this member at `at` or later. Not noted if they have changed since `at`.
    pub(super) fn note(&self, facts: &MemberFacts, at: Timestamp) {
        let mut members = self.locked();
        members.retain(|_, (noted, _)| is_fresh(*noted, at) || *noted > at);
        let key = (facts.guild_id, facts.user_id);
        if !matches!(members.get(&key), Some((changed_at, None)) if *changed_at >= at) {
            members.insert(key, (at, Some(facts.clone())));
        }
    }

    /// The member changed or left at `at`.
    pub(super) fn forget(&self, guild: GuildId, user: DiscordUserId, at: Timestamp) {
        let mut members = self.locked();
        members.retain(|_, (noted, _)| is_fresh(*noted, at));
        members.insert((guild, user), (at, None));
    }

    /// The member and when Discord showed them, if that still counts.
    pub(super) fn fresh(
        &self,
        guild: GuildId,
        user: DiscordUserId,
        now: Timestamp,
    ) -> Option<(Timestamp, MemberFacts)> {
        let members = self.locked();
        let (at, facts) = members.get(&(guild, user)).filter(|(at, _)| is_fresh(*at, now))?;
        Some((*at, facts.clone()?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::freshness::FRESH_FOR;

    fn member(user: u64) -> MemberFacts {
        MemberFacts {
            user_id: DiscordUserId::new(user),
            guild_id: GuildId::new(7),
            user_name: "ada".to_owned(),
            display_name: None,
            roles: Vec::new(),
            joined_at: None,
            pending: false,
            timed_out_until: None,
            bot: false,
        }
    }

    #[test]
    fn a_member_counts_for_a_while_unless_they_change() {
        let members = RecentMembers::default();
        let (ada, start) = (member(1), Timestamp::from_millis(1_700_000_000_000));
        let fresh = |user, now| members.fresh(ada.guild_id, DiscordUserId::new(user), now).map(|(at, _)| at);
        assert_eq!(fresh(1, start), None);
        members.note(&ada, start);
        assert_eq!(fresh(1, start.after(FRESH_FOR)), Some(start));
        assert_eq!(fresh(1, start.after(FRESH_FOR * 2)), None);
        assert_eq!(fresh(2, start), None, "another member");
        assert!(members.fresh(GuildId::new(8), ada.user_id, start).is_none(), "another guild");
        members.forget(ada.guild_id, ada.user_id, start);
        assert_eq!(fresh(1, start), None);
        members.note(&ada, start);
        assert_eq!(fresh(1, start), None, "the answer may be older than the change");
        let later = start.after(FRESH_FOR / 2);
        members.note(&ada, later);
        assert_eq!(fresh(1, later), Some(later));
        // Entries that are too old are dropped.
        members.note(&member(2), later.after(FRESH_FOR * 2));
        assert_eq!(members.locked().len(), 1);
    }
}
