//! Who may decide a request. Authority is checked on freshly fetched facts when the action is carried out, and the check fails closed.

use super::error_code::{ErrorCode, codes};
use super::ids::{DiscordUserId, RoleId, Timestamp};
use super::member::MemberFacts;

codes! {
    /// What a moderator or a rule decided.
    pub enum Verdict {
        /// Yes.
        Approve = "approve",
        /// No.
        Deny = "deny",
    }
}

codes! {
    /// Whether the requester is told of a denial.
    pub enum Notify {
        /// They are told, with the reason.
        Told = "told",
        /// They are not told.
        Quiet = "quiet",
    }
}

/// A member who may decide one applicant's request now. Only [`authorize_moderator`] makes one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moderator(DiscordUserId);

/// A member who may view requests now. Only [`authorize_reader`] makes one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reader(DiscordUserId);

/// A member with an admin role now. Only [`authorize_admin`] makes one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Admin(DiscordUserId);

/// Checks whether `member` may decide a request of `applicant`: they hold a moderator or admin role now, have passed screening, are
/// not timed out, and it is not their own request.
pub fn authorize_moderator(
    member: &MemberFacts,
    deciding_roles: &[RoleId],
    applicant: DiscordUserId,
    now: Timestamp,
) -> Result<Moderator, ErrorCode> {
    authorize_reader(member, deciding_roles, now)?;
    if member.user_id == applicant {
        return Err(ErrorCode::OwnRequest);
    }
    Ok(Moderator(member.user_id))
}

/// Checks whether `member` may view requests: they hold a moderator or admin role now, have passed screening and are not timed out.
pub fn authorize_reader(
    member: &MemberFacts,
    deciding_roles: &[RoleId],
    now: Timestamp,
) -> Result<Reader, ErrorCode> {
    if holds_one_of(deciding_roles, member, now) {
        Ok(Reader(member.user_id))
    } else {
        Err(ErrorCode::NotModerator)
    }
}

/// Checks whether `member` holds an admin role now, has passed screening and is not timed out.
pub fn authorize_admin(
    member: &MemberFacts,
    admin_roles: &[RoleId],
    now: Timestamp,
) -> Result<Admin, ErrorCode> {
    if holds_one_of(admin_roles, member, now) {
        Ok(Admin(member.user_id))
    } else {
        Err(ErrorCode::NotModerator)
    }
}

fn holds_one_of(roles: &[RoleId], member: &MemberFacts, now: Timestamp) -> bool {
    member.may_act(now) && !member.bot && member.has_any(roles)
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
            let decision = authorize_moderator(&grace(&roles), &[MODERATOR, ADMIN], ADA, NOW);
            assert_eq!(decision, Ok(Moderator(GRACE)));
        }
    }

    #[test]
    fn whoever_lacks_power_at_this_moment_decides_nothing() {
        for (who, facts) in powerless() {
            let decision = authorize_moderator(&facts, &[MODERATOR, ADMIN], ADA, NOW);
            assert_eq!(decision, Err(ErrorCode::NotModerator), "{who}");
            let reading = authorize_reader(&facts, &[MODERATOR, ADMIN], NOW);
            assert_eq!(reading, Err(ErrorCode::NotModerator), "{who}");
            assert_eq!(authorize_admin(&facts, &[ADMIN], NOW), Err(ErrorCode::NotModerator), "{who}");
        }
    }

    #[test]
    fn a_guild_that_names_no_roles_gives_nobody_power() {
        let facts = grace(&[MODERATOR, ADMIN, OTHER]);
        assert_eq!(authorize_moderator(&facts, &[], ADA, NOW), Err(ErrorCode::NotModerator));
        assert_eq!(authorize_admin(&facts, &[], NOW), Err(ErrorCode::NotModerator));
    }

    #[test]
    fn nobody_decides_their_own_request_admins_included() {
        for roles in [[MODERATOR], [ADMIN]] {
            let decision = authorize_moderator(&grace(&roles), &[MODERATOR, ADMIN], GRACE, NOW);
            assert_eq!(decision, Err(ErrorCode::OwnRequest));
        }
    }

    #[test]
    fn power_returns_when_the_time_out_ends() {
        let facts = MemberFacts { timed_out_until: Some(NOW), ..grace(&[MODERATOR]) };
        assert!(authorize_moderator(&facts, &[MODERATOR], ADA, NOW).is_ok());
    }

    #[test]
    fn a_moderator_is_no_admin() {
        assert_eq!(authorize_admin(&grace(&[MODERATOR]), &[ADMIN], NOW), Err(ErrorCode::NotModerator));
        assert_eq!(authorize_admin(&grace(&[ADMIN]), &[ADMIN], NOW), Ok(Admin(GRACE)));
    }
}
