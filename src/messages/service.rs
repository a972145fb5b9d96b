//! What operators and the service manager read about the service: rules explained, reload, backup and restore.

use std::collections::BTreeMap;

use super::{text_of_code, tr};
use crate::domain::comparison::DifferenceKind;
use crate::domain::eligibility::{Approval, GroupName, Rule, WhyNot};
use crate::domain::ids::{ChannelId, RoleId, Timestamp};
use crate::domain::lang::Lang;
use crate::domain::refusal::RefusalReason;

/// Messages that wait because Discord refuses them.
pub fn refused_messages(
    lang: Lang,
    refusal: RefusalReason,
    channel: Option<ChannelId>,
    count: i64,
) -> String {
    let why = text_of_code(lang, "refused", refusal.code());
    match channel {
        Some(channel) => {
            tr!(lang, "service-refused-channel", count = count, channel = channel.to_string(), why = why)
        }
        None => tr!(lang, "service-refused-direct", count = count, why = why),
    }
}

/// The rule that makes the member eligible.
pub fn decides(lang: Lang, rule: &Rule) -> String {
    let groups = rule.groups.iter().map(GroupName::as_str).collect::<Vec<_>>().join(", ");
    let (name, count) = (rule.name.as_str(), rule.groups.len());
    match rule.approval {
        Approval::Automatic => {
            tr!(lang, "service-decides-automatic", rule = name, count = count, groups = groups)
        }
        Approval::Moderators => {
            tr!(lang, "service-decides-moderators", rule = name, count = count, groups = groups)
        }
    }
}

/// A rule that would match, but an earlier rule applies.
pub fn would_fit(lang: Lang, rule: &Rule) -> String {
    tr!(lang, "service-would-fit", rule = rule.name.as_str())
}

/// A rule that does not match; the reasons follow.
pub fn does_not_fit(lang: Lang, rule: &Rule) -> String {
    tr!(lang, "service-does-not-fit", rule = rule.name.as_str())
}

/// One reason, as an item of a list, with the names of roles where they are known.
pub fn against(lang: Lang, reason: &WhyNot, names: &BTreeMap<RoleId, String>) -> String {
    let ids = |roles: &[RoleId]| {
        let shown = |id: &RoleId| match names.get(id) {
            Some(name) => ["@", name, " (", &id.to_string(), ")"].concat(),
            None => id.to_string(),
        };
        roles.iter().map(shown).collect::<Vec<_>>().join(", ")
    };
    let text = match reason {
        WhyNot::Pending => tr!(lang, "service-why-pending"),
        WhyNot::Bot => tr!(lang, "service-why-bot"),
        WhyNot::TimedOut => tr!(lang, "service-why-timed-out"),
        WhyNot::NoRules => tr!(lang, "service-why-no-rules"),
        WhyNot::RolesMissing(roles) => tr!(lang, "service-why-roles-missing", roles = ids(roles)),
        WhyNot::OneRoleNeeded(roles) => tr!(lang, "service-why-one-role-needed", roles = ids(roles)),
        WhyNot::RoleForbids(roles) => tr!(lang, "service-why-role-forbids", roles = ids(roles)),
        WhyNot::AccountTooYoung(at) => tr!(lang, "service-why-account-too-young", at = utc(*at)),
        WhyNot::MembershipTooYoung(Some(at)) => {
            tr!(lang, "service-why-membership-too-young", at = utc(*at))
        }
        WhyNot::MembershipTooYoung(None) => tr!(lang, "service-why-membership-unknown"),
    };
    ["  - ", &text].concat()
}

/// The result of a reload of the configuration.
pub fn reloaded(lang: Lang, is_taken: bool) -> String {
    if is_taken { tr!(lang, "service-reloaded") } else { tr!(lang, "service-not-reloaded") }
}

/// How many differences a comparison found, and whether maintenance mode stays on.
pub fn compared(lang: Lang, count: usize, is_held: bool) -> String {
    if is_held {
        tr!(lang, "service-compared-held", count = count)
    } else {
        tr!(lang, "service-compared", count = count)
    }
}

/// What a difference means.
pub fn difference(lang: Lang, kind: DifferenceKind) -> String {
    text_of_code(lang, "restored", kind.code())
}

/// An instant as the command line shows it: UTC, to the second.
fn utc(at: Timestamp) -> String {
    jiff::Timestamp::from_second(at.as_millis().div_euclid(1000))
        .map_or_else(|_| at.as_millis().to_string(), |at| at.to_string())
}
