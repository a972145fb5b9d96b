//! Members as Discord showed them a moment ago, so that the same question isn't asked twice in a row.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::clock::Moment;
use crate::domain::freshness::is_fresh;
use crate::domain::ids::{DiscordUserId, GuildId};
use crate::domain::member::MemberFacts;

/// `None` stands for a member that changed or left at that time.
type Members = HashMap<(GuildId, DiscordUserId), (Moment, Option<MemberFacts>)>;

/// The members that Discord showed to this process in an interaction, and when.
#[derive(Default)]
pub(super) struct RecentMembers(Mutex<Members>);

impl RecentMembers {
    fn locked(&self) -> MutexGuard<'_, Members> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Discord showed this member at `at` or later. Not noted if they have changed since `at`.
    pub(super) fn note(&self, facts: &MemberFacts, at: Moment) {
        let mut members = self.locked();
        members.retain(|_, (noted, _)| is_fresh(at.since(*noted)));
        let key = (facts.guild_id, facts.user_id);
        let is_older_than = |changed_at: &Moment| at.since(*changed_at).is_zero();
        if !matches!(members.get(&key), Some((changed_at, None)) if is_older_than(changed_at)) {
            members.insert(key, (at, Some(facts.clone())));
        }
    }

    /// The member changed or left at `at`.
    pub(super) fn forget(&self, guild: GuildId, user: DiscordUserId, at: Moment) {
        let mut members = self.locked();
        members.retain(|_, (noted, _)| is_fresh(at.since(*noted)));
        members.insert((guild, user), (at, None));
    }

    /// The member and when Discord showed them, if that still counts.
    pub(super) fn fresh(
        &self,
        guild: GuildId,
        user: DiscordUserId,
        now: Moment,
    ) -> Option<(Moment, MemberFacts)> {
        let members = self.locked();
        let (at, facts) = members.get(&(guild, user)).filter(|(at, _)| is_fresh(now.since(*at)))?;
        Some((*at, facts.clone()?))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::clock::{Clock, SystemClock};
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
        let (ada, now) = (member(1), SystemClock.moment());
        let old = now.before(FRESH_FOR * 2);
        let is_known = |user, now| members.fresh(ada.guild_id, DiscordUserId::new(user), now).is_some();
        assert!(!is_known(1, now));
        members.note(&ada, old);
        assert!(is_known(1, now.before(FRESH_FOR)));
        assert!(!is_known(1, now), "it is too old");
        assert!(!is_known(2, old), "another member");
        assert!(members.fresh(GuildId::new(8), ada.user_id, old).is_none(), "another guild");
        members.forget(ada.guild_id, ada.user_id, old);
        assert!(!is_known(1, old));
        members.note(&ada, old);
        assert!(!is_known(1, old), "the answer may be older than the change");
        let later = now.before(FRESH_FOR + FRESH_FOR / 2);
        members.note(&ada, later);
        assert!(is_known(1, later));
        // What is too old is dropped.
        members.note(&member(2), now.before(Duration::from_secs(1)));
        assert_eq!(members.locked().len(), 1);
    }
}
