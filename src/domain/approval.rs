//! Who may decide a request. Authority is judged on freshly fetched facts, at the effect, and fails closed.

use super::error_code::{ErrorCode, codes};
use super::ids::{DiscordUserId, RoleId, Timestamp};
use super::member::MemberFacts;

codes! {
    /// What a moderator, or a rule, decided.
    pub enum Verdict {
        /// Yes.
        Approve = "approve",
        /// No.
        Deny = "deny",
    }
}

codes! {
    /// Whether the requester hears of a denial.
    pub enum Notify {
        /// They are told, with the reason.
        Told = "told",
        /// They are not told.
        Quiet = "quiet",
    }
}

/// Somebody who may decide this request now. Only [`judge_moderator`] makes one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moderator(DiscordUserId);

impl Moderator {
    /// Who.
    pub const fn user_id(self) -> DiscordUserId {
        self.0
    }
}

/// Somebody with an admin role now. Only [`judge_admin`] makes one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Admin(DiscordUserId);

impl Admin {
    /// Who.
    pub const fn user_id(self) -> DiscordUserId {
        self.0
    }
}

/// Judges whether `presser` may decide a request of `applicant`: a moderator or admin role at this moment, screened, not timed
/// out, and not their own request.
pub fn judge_moderator(
    presser: &MemberFacts,
    moderator_roles: &[RoleId],
    applicant: DiscordUserId,
    now: Timestamp,
) -> Result<Moderator, ErrorCode> {
    if !presser.may_act(now) || presser.bot || !presser.has_any(moderator_roles) {
        return Err(ErrorCode::NotModerator);
    }
    if presser.user_id == applicant {
        return Err(ErrorCode::OwnRequest);
    }
    Ok(Moderator(presser.user_id))
}

/// Judges whether `presser` may look at requests: a moderator or admin role at this moment, screened, not timed out.
pub fn judge_reader(
    presser: &MemberFacts,
    moderator_roles: &[RoleId],
    now: Timestamp,
) -> Result<(), ErrorCode> {
    let may_look = presser.may_act(now) && !presser.bot && presser.has_any(moderator_roles);
    if may_look { Ok(()) } else { Err(ErrorCode::NotModerator) }
}

/// Judges whether `presser` has an admin role now, is screened and not timed out.
pub fn judge_admin(
    presser: &MemberFacts,
    admin_roles: &[RoleId],
    now: Timestamp,
) -> Result<Admin, ErrorCode> {
    if !presser.may_act(now) || presser.bot || !presser.has_any(admin_roles) {
        return Err(ErrorCode::NotModerator);
    }
    Ok(Admin(presser.user_id))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::domain::ids::GuildId;

    const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);
    const GRACE: DiscordUserId = DiscordUserId::new(11);
    const ADA: DiscordUserId = DiscordUserId::new(12);
    const MODERATOR: RoleId = RoleId::new(21);
    const ADMIN: RoleId = RoleId::new(22);
    const OTHER: RoleId = RoleId::new(23);

    fn grace(roles: &[RoleId]) -> MemberFacts {
        MemberFacts {
            user_id: GRACE,
            guild_id: GuildId::new(1),
            user_name: "grace".to_owned(),
            display_name: None,
            roles: roles.to_vec(),
            joined_at: None,
            pending: false,
            timed_out_until: None,
            bot: false,
        }
    }

    fn powerless() -> [(&'static str, MemberFacts); 5] {
        let both = [MODERATOR, ADMIN];
        let later = NOW.after(Duration::from_millis(1));
        [
            ("without roles", grace(&[])),
            ("with other roles", grace(&[OTHER])),
            ("pending", MemberFacts { pending: true, ..grace(&both) }),
            ("timed out", MemberFacts { timed_out_until: Some(later), ..grace(&both) }),
            ("a bot", MemberFacts { bot: true, ..grace(&both) }),
        ]
    }

    #[test]
    fn a_present_moderator_decides_for_somebody_else() {
        for roles in [vec![MODERATOR], vec![OTHER, ADMIN]] {
            let judged = judge_moderator(&grace(&roles), &[MODERATOR, ADMIN], ADA, NOW);
            assert_eq!(judged.map(Moderator::user_id), Ok(GRACE));
        }
    }

    #[test]
    fn whoever_lacks_power_at_this_moment_decides_nothing() {
        for (who, facts) in powerless() {
            let judged = judge_moderator(&facts, &[MODERATOR, ADMIN], ADA, NOW);
            assert_eq!(judged, Err(ErrorCode::NotModerator), "{who}");
            assert_eq!(judge_admin(&facts, &[ADMIN], NOW), Err(ErrorCode::NotModerator), "{who}");
        }
    }

    #[test]
    fn a_guild_that_names_no_roles_gives_nobody_power() {
        let facts = grace(&[MODERATOR, ADMIN, OTHER]);
        assert_eq!(judge_moderator(&facts, &[], ADA, NOW), Err(ErrorCode::NotModerator));
        assert_eq!(judge_admin(&facts, &[], NOW), Err(ErrorCode::NotModerator));
    }

    #[test]
    fn nobody_decides_their_own_request_admins_included() {
        for roles in [[MODERATOR], [ADMIN]] {
            let judged = judge_moderator(&grace(&roles), &[MODERATOR, ADMIN], GRACE, NOW);
            assert_eq!(judged, Err(ErrorCode::OwnRequest));
        }
    }

    #[test]
    fn power_returns_when_the_time_out_ends() {
        let facts = MemberFacts { timed_out_until: Some(NOW), ..grace(&[MODERATOR]) };
        assert!(judge_moderator(&facts, &[MODERATOR], ADA, NOW).is_ok());
    }

    #[test]
    fn a_moderator_is_no_admin() {
        assert_eq!(judge_admin(&grace(&[MODERATOR]), &[ADMIN], NOW), Err(ErrorCode::NotModerator));
        assert_eq!(judge_admin(&grace(&[ADMIN]), &[ADMIN], NOW).map(Admin::user_id), Ok(GRACE));
    }
}
