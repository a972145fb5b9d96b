//! What operators and the service manager hear of the service as a whole: rules explained, reload, backup and restore.

use super::{Lang, say, say_with};
use crate::domain::comparison::DifferenceKind;
use crate::domain::eligibility::{Approval, GroupName, Rule, WhyNot};
use crate::domain::ids::{RoleId, Timestamp};

/// The configuration names no such guild.
pub fn no_such_guild(lang: Lang) -> String {
    say(lang, "service-no-such-guild")
}

/// Discord knows no such member.
pub fn not_in_guild(lang: Lang) -> String {
    say(lang, "service-not-in-guild")
}

/// The rule that makes the member eligible.
pub fn decides(lang: Lang, rule: &Rule) -> String {
    let groups = rule.groups.iter().map(GroupName::as_str).collect::<Vec<_>>().join(", ");
    let key = match rule.approval {
        Approval::Automatic => "service-decides-automatic",
        Approval::Moderators => "service-decides-moderators",
    };
    let given = [
        ("rule", rule.name.as_str().to_owned().into()),
        ("count", rule.groups.len().into()),
        ("groups", groups.into()),
    ];
    say_with(lang, key, given)
}

/// No rule does.
pub fn nothing_fits(lang: Lang) -> String {
    say(lang, "service-nothing-fits")
}

/// A rule that fits and is not reached.
pub fn would_fit(lang: Lang, rule: &Rule) -> String {
    say_with(lang, "service-would-fit", [("rule", rule.name.as_str().to_owned().into())])
}

/// A rule that does not fit; the reasons follow.
pub fn does_not_fit(lang: Lang, rule: &Rule) -> String {
    say_with(lang, "service-does-not-fit", [("rule", rule.name.as_str().to_owned().into())])
}

/// One reason, as an item of a list. The terminal knows no names of roles: they are ids.
pub fn against(lang: Lang, reason: &WhyNot) -> String {
    let of_roles = |key, roles: &[RoleId]| {
        let listed = roles.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        say_with(lang, key, [("roles", listed.into())])
    };
    let until = |key, at: Timestamp| say_with(lang, key, [("at", utc(at).into())]);
    let text = match reason {
        WhyNot::Pending => say(lang, "service-why-pending"),
        WhyNot::Bot => say(lang, "service-why-bot"),
        WhyNot::TimedOut => say(lang, "service-why-timed-out"),
        WhyNot::NoRules => say(lang, "service-why-no-rules"),
        WhyNot::RolesMissing(roles) => of_roles("service-why-roles-missing", roles),
        WhyNot::OneRoleNeeded(roles) => of_roles("service-why-one-role-needed", roles),
        WhyNot::RoleForbids(roles) => of_roles("service-why-role-forbids", roles),
        WhyNot::AccountTooYoung(at) => until("service-why-account-too-young", *at),
        WhyNot::MembershipTooYoung(Some(at)) => until("service-why-membership-too-young", *at),
        WhyNot::MembershipTooYoung(None) => say(lang, "service-why-membership-unknown"),
    };
    ["  - ", &text].concat()
}

/// The service manager is told what is still missing.
pub fn waits_for(lang: Lang, parts: &str) -> String {
    say_with(lang, "service-waits-for", [("parts", parts.to_owned().into())])
}

/// The service manager is told that nothing is missing.
pub fn serves(lang: Lang) -> String {
    say(lang, "service-serves")
}

/// How a reload of the configuration went.
pub fn reloaded(lang: Lang, is_taken: bool) -> String {
    say(lang, if is_taken { "service-reloaded" } else { "service-not-reloaded" })
}

/// Everybody, while a restored database waits for an operator.
pub fn held(lang: Lang) -> String {
    say(lang, "service-held")
}

/// `PostgreSQL` has tools of its own.
pub fn back_up_by_pg_dump(lang: Lang) -> String {
    say(lang, "service-back-up-by-pg-dump")
}

/// And for the way back.
pub fn restore_by_pg_restore(lang: Lang) -> String {
    say(lang, "service-restore-by-pg-restore")
}

/// The copy is there.
pub fn backed_up(lang: Lang, file: &str, head: &str) -> String {
    say_with(lang, "service-backed-up", [("file", file.to_owned().into()), ("head", head.to_owned().into())])
}

/// What the copy does not hold.
pub fn key_is_apart(lang: Lang, file: &str) -> String {
    say_with(lang, "service-key-is-apart", [("file", file.to_owned().into())])
}

/// The backup is in place.
pub fn restored(lang: Lang, head: &str) -> String {
    say_with(lang, "service-restored", [("head", head.to_owned().into())])
}

/// Where the former database is.
pub fn kept_beside(lang: Lang, file: &str) -> String {
    say_with(lang, "service-kept-beside", [("file", file.to_owned().into())])
}

/// What an operator does after a restore.
pub fn what_comes_next(lang: Lang) -> String {
    say(lang, "service-what-comes-next")
}

/// The database is held back.
pub fn is_held(lang: Lang) -> String {
    say(lang, "service-is-held")
}

/// The database is not held back.
pub fn not_held(lang: Lang) -> String {
    say(lang, "service-not-held")
}

/// What a comparison found, and whether an agreement is needed.
pub fn compared(lang: Lang, count: usize, is_held: bool) -> String {
    say_with(
        lang,
        if is_held { "service-compared-held" } else { "service-compared" },
        [("count", count.into())],
    )
}

/// The database acts again.
pub fn agreed(lang: Lang, jobs: usize) -> String {
    say_with(lang, "service-agreed", [("count", jobs.into())])
}

/// What a difference means.
pub fn difference(lang: Lang, kind: DifferenceKind) -> String {
    match kind {
        DifferenceKind::EntryWithoutAccount => say(lang, "service-entry-without-account"),
        DifferenceKind::EntryOfClosedAccount => say(lang, "service-entry-of-closed-account"),
        DifferenceKind::EntryMissing => say(lang, "service-entry-missing"),
        DifferenceKind::EntryMadeSince => say(lang, "service-entry-made-since"),
        DifferenceKind::PasswordSetSince => say(lang, "service-password-set-since"),
        DifferenceKind::LockedSince => say(lang, "service-locked-since"),
        DifferenceKind::UnlockedSince => say(lang, "service-unlocked-since"),
        DifferenceKind::UserMissing => say(lang, "service-user-missing"),
        DifferenceKind::UserDisabledSince => say(lang, "service-user-disabled-since"),
        DifferenceKind::UserEnabledSince => say(lang, "service-user-enabled-since"),
    }
}

/// An instant as the command line shows it: UTC.
fn utc(at: Timestamp) -> String {
    jiff::Timestamp::from_millisecond(at.as_millis())
        .map_or_else(|_| at.as_millis().to_string(), |at| at.to_string())
}
