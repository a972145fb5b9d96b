//! Who may have an account: a guild's policy, evaluated on the facts of one member.

use std::time::Duration;

use super::ids::{RoleId, Timestamp};
use super::matching::MatchingRule;
use super::member::MemberFacts;

/// The name of a rule, from the configuration. It is stored with the request and in the audit log.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct RuleName(String);

impl RuleName {
    /// Takes the name from the configuration or a row.
    pub fn new(name: impl Into<String>) -> Self {
        Self(name.into())
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A group's `cn` below `groups_dn`.
///
/// Two names are equal if the directory takes them for the same: `cn` has the matching rule caseIgnoreMatch (RFC 4519 section 2.3, RFC
/// 4517 section 4.2.11, with the preparation of RFC 4518). The text stays as it was written.
#[derive(Clone)]
pub struct GroupName {
    text: String,
    /// What is compared: composed, in lower case, with single spaces.
    key: String,
}

impl GroupName {
    /// Takes the name from the configuration or a server; empty text is no name.
    pub fn new(name: impl Into<String>) -> Option<Self> {
        let text = name.into();
        let key = MatchingRule::CaseIgnore.key(&text);
        (!key.is_empty()).then_some(Self { text, key })
    }

    /// The name, as it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl std::fmt::Debug for GroupName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("GroupName").field(&self.text).finish()
    }
}

impl PartialEq for GroupName {
    fn eq(&self, other: &Self) -> bool {
        self.key == other.key
    }
}

impl Eq for GroupName {}

impl PartialOrd for GroupName {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for GroupName {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.key.cmp(&other.key)
    }
}

/// Who approves a request under a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Approval {
    /// The rule itself, once the check has found everything free.
    Automatic,
    /// A moderator.
    Moderators,
}

/// One rule. Every condition must hold; an empty list requires nothing.
#[derive(Clone, Debug)]
pub struct Rule {
    /// Its name.
    pub name: RuleName,
    /// All of these roles.
    pub all_roles: Vec<RoleId>,
    /// At least one of these roles.
    pub any_roles: Vec<RoleId>,
    /// None of these roles.
    pub none_roles: Vec<RoleId>,
    /// The Discord account is at least this old.
    pub min_account_age: Duration,
    /// The membership is at least this old.
    pub min_membership: Duration,
    /// The groups that the account gets.
    pub groups: Vec<GroupName>,
    /// Who approves.
    pub approval: Approval,
    /// The form asks for a reason.
    pub ask_reason: bool,
}

/// A guild's rules, in order. The first that fits decides.
#[derive(Clone, Debug, Default)]
pub struct Policy {
    /// The rules.
    pub rules: Vec<Rule>,
}

/// One condition that does not hold, for the message that explains it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WhyNot {
    /// Membership screening is not finished.
    Pending,
    /// The user is a bot.
    Bot,
    /// The member is timed out.
    TimedOut,
    /// The guild has no rule at all.
    NoRules,
    /// These roles of `all_roles` are missing.
    RolesMissing(Vec<RoleId>),
    /// One of these roles is needed.
    OneRoleNeeded(Vec<RoleId>),
    /// The member has these roles of `none_roles`.
    RoleForbids(Vec<RoleId>),
    /// The Discord account is too young; it is old enough at this instant.
    AccountTooYoung(Timestamp),
    /// The membership is too young, or its start is unknown; it is old enough at this instant.
    MembershipTooYoung(Option<Timestamp>),
}

/// The answer of the policy.
#[derive(Clone, Debug)]
pub enum Eligibility<'a> {
    /// This rule fits.
    Eligible(&'a Rule),
    /// No rule fits, or a reason is against the person. These are the reasons against the person and those of the nearest rule.
    NotEligible(Vec<WhyNot>),
}

/// Evaluates `facts` at `now`: the first rule that fits decides. Otherwise the answer has the reasons against the person and those of the
/// nearest rule: the first one with the fewest unmet conditions.
pub fn evaluate<'a>(policy: &'a Policy, facts: &MemberFacts, now: Timestamp) -> Eligibility<'a> {
    let explanation = explain(policy, facts, now);
    if let Some(rule) = explanation.deciding() {
        return Eligibility::Eligible(rule);
    }
    let Explanation { of_person, rules } = explanation;
    let nearest = rules.into_iter().map(|(_, of_rule)| of_rule).min_by_key(|of_rule| distance(of_rule));
    let of_policy = nearest.unwrap_or_else(|| vec![WhyNot::NoRules]);
    Eligibility::NotEligible(of_person.into_iter().chain(of_policy).collect())
}

/// The details behind [`evaluate`]: the reasons against the person, and those against each rule, in order.
#[derive(Clone, Debug)]
pub struct Explanation<'a> {
    /// The reasons against the person, whatever the rule.
    pub of_person: Vec<WhyNot>,
    /// Each rule with every condition of it that does not hold.
    pub rules: Vec<(&'a Rule, Vec<WhyNot>)>,
}

impl<'a> Explanation<'a> {
    /// The first rule that fits, unless there is a reason against the person.
    pub fn deciding(&self) -> Option<&'a Rule> {
        let fits = |(rule, of_rule): &(&'a Rule, Vec<WhyNot>)| of_rule.is_empty().then_some(*rule);
        if self.of_person.is_empty() { self.rules.iter().find_map(fits) } else { None }
    }
}

/// Evaluates every rule of the policy, not only up to the first that fits.
pub fn explain<'a>(policy: &'a Policy, facts: &MemberFacts, now: Timestamp) -> Explanation<'a> {
    let of_rule = |rule| (rule, reasons_of_rule(rule, facts, now));
    Explanation {
        of_person: reasons_of_person(facts, now),
        rules: policy.rules.iter().map(of_rule).collect(),
    }
}

/// The reasons against the person, whatever the rule.
fn reasons_of_person(facts: &MemberFacts, now: Timestamp) -> Vec<WhyNot> {
    let mut reasons = Vec::new();
    if facts.bot {
        reasons.push(WhyNot::Bot);
    }
    if facts.pending {
        reasons.push(WhyNot::Pending);
    }
    if facts.timed_out_until.is_some_and(|until| until > now) {
        reasons.push(WhyNot::TimedOut);
    }
    reasons
}

/// Every condition of `rule` that does not hold.
fn reasons_of_rule(rule: &Rule, facts: &MemberFacts, now: Timestamp) -> Vec<WhyNot> {
    let mut reasons = Vec::new();
    let holds = |role: &RoleId| facts.roles.contains(role);
    let missing: Vec<_> = rule.all_roles.iter().copied().filter(|role| !holds(role)).collect();
    if !missing.is_empty() {
        reasons.push(WhyNot::RolesMissing(missing));
    }
    if !rule.any_roles.is_empty() && !rule.any_roles.iter().any(holds) {
        reasons.push(WhyNot::OneRoleNeeded(rule.any_roles.clone()));
    }
    let forbidding: Vec<_> = rule.none_roles.iter().copied().filter(holds).collect();
    if !forbidding.is_empty() {
        reasons.push(WhyNot::RoleForbids(forbidding));
    }
    let old_enough = facts.user_id.created_at().after(rule.min_account_age);
    if old_enough > now {
        reasons.push(WhyNot::AccountTooYoung(old_enough));
    }
    // If Discord doesn't say when the member joined, a rule with a minimum membership is not met.
    if !rule.min_membership.is_zero() {
        let long_enough = facts.joined_at.map(|joined| joined.after(rule.min_membership));
        if long_enough.is_none_or(|at| at > now) {
            reasons.push(WhyNot::MembershipTooYoung(long_enough));
        }
    }
    reasons
}

/// The number of unmet conditions; each missing or forbidden role counts as one.
fn distance(reasons: &[WhyNot]) -> usize {
    reasons
        .iter()
        .map(|reason| match reason {
            WhyNot::RolesMissing(roles) | WhyNot::RoleForbids(roles) => roles.len(),
            WhyNot::Pending
            | WhyNot::Bot
            | WhyNot::TimedOut
            | WhyNot::NoRules
            | WhyNot::OneRoleNeeded(_)
            | WhyNot::AccountTooYoung(_)
            | WhyNot::MembershipTooYoung(_) => 1,
        })
        .sum()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::domain::ids::{DiscordUserId, GuildId};

    const DAY: Duration = Duration::from_hours(24);

    #[test]
    fn names_of_groups_are_equal_as_the_directory_compares_them() {
        let name = |text: &str| GroupName::new(text).expect("a name");
        for (one, other) in [
            ("Members", "members"),
            ("MITGLIEDER ÖSTERREICH", "mitglieder österreich"),
            (" wiki  editors ", "Wiki Editors"),
            ("A\u{308}rzte", "ärzte"),
        ] {
            assert_eq!(name(one), name(other));
            assert_eq!(name(one).as_str(), one, "the text stays");
        }
        assert_ne!(name("members"), name("member"));
        assert!(GroupName::new(" \t").is_none());
    }
    /// The snowflake of Discord's own reference, made 2016-04-30.
    const ADA: DiscordUserId = DiscordUserId::new(175_928_847_299_117_063);

    fn now() -> Timestamp {
        ADA.created_at().after(DAY * 400)
    }

    fn ada(roles: &[u64]) -> MemberFacts {
        MemberFacts {
            user_id: ADA,
            guild_id: GuildId::new(1),
            user_name: "ada".to_owned(),
            display_name: None,
            roles: roles.iter().copied().map(RoleId::new).collect(),
            joined_at: Some(now().before(DAY * 30)),
            pending: false,
            timed_out_until: None,
            bot: false,
        }
    }

    fn rule(name: &str) -> Rule {
        Rule {
            name: RuleName::new(name),
            all_roles: Vec::new(),
            any_roles: Vec::new(),
            none_roles: Vec::new(),
            min_account_age: Duration::ZERO,
            min_membership: Duration::ZERO,
            groups: Vec::new(),
            approval: Approval::Moderators,
            ask_reason: false,
        }
    }

    fn roles(raw: &[u64]) -> Vec<RoleId> {
        raw.iter().copied().map(RoleId::new).collect()
    }

    fn answer(policy: &Policy, facts: &MemberFacts) -> Result<String, Vec<WhyNot>> {
        match evaluate(policy, facts, now()) {
            Eligibility::Eligible(rule) => Ok(rule.name.as_str().to_owned()),
            Eligibility::NotEligible(reasons) => Err(reasons),
        }
    }

    fn only(rule: Rule) -> Policy {
        Policy { rules: vec![rule] }
    }

    #[test]
    fn a_guild_without_rules_gives_no_accounts() {
        assert_eq!(answer(&Policy::default(), &ada(&[1])), Err(vec![WhyNot::NoRules]));
    }

    #[test]
    fn each_condition_is_asked_for_and_named() {
        let all = Rule { all_roles: roles(&[1, 2, 3]), ..rule("all") };
        let any = Rule { any_roles: roles(&[1, 2]), ..rule("any") };
        let none = Rule { none_roles: roles(&[8, 9]), ..rule("none") };
        let age = Rule { min_account_age: DAY * 401, ..rule("age") };
        let membership = Rule { min_membership: DAY * 31, ..rule("membership") };
        let table = [
            (all.clone(), ada(&[1, 2, 3, 4]), None),
            (all, ada(&[2]), Some(WhyNot::RolesMissing(roles(&[1, 3])))),
            (any.clone(), ada(&[2]), None),
            (any, ada(&[3]), Some(WhyNot::OneRoleNeeded(roles(&[1, 2])))),
            (none.clone(), ada(&[1]), None),
            (none, ada(&[1, 9]), Some(WhyNot::RoleForbids(roles(&[9])))),
            (Rule { min_account_age: DAY * 400, ..rule("age") }, ada(&[]), None),
            (age, ada(&[]), Some(WhyNot::AccountTooYoung(now().after(DAY)))),
            (Rule { min_membership: DAY * 30, ..rule("membership") }, ada(&[]), None),
            (membership, ada(&[]), Some(WhyNot::MembershipTooYoung(Some(now().after(DAY))))),
        ];
        for (rule, facts, reason) in table {
            let name = rule.name.as_str().to_owned();
            let wanted = reason.map_or(Ok(name), |reason| Err(vec![reason]));
            assert_eq!(answer(&only(rule), &facts), wanted);
        }
    }

    #[test]
    fn an_unknown_start_of_membership_fails_a_rule_that_asks_for_one() {
        let facts = MemberFacts { joined_at: None, ..ada(&[]) };
        let asking = Rule { min_membership: Duration::from_secs(1), ..rule("asking") };
        assert_eq!(answer(&only(asking), &facts), Err(vec![WhyNot::MembershipTooYoung(None)]));
        assert_eq!(answer(&only(rule("not asking")), &facts), Ok("not asking".to_owned()));
    }

    #[test]
    fn the_first_rule_that_fits_decides() {
        let policy = Policy {
            rules: vec![
                Rule { all_roles: roles(&[7]), ..rule("staff") },
                Rule { any_roles: roles(&[1]), ..rule("member") },
                rule("everyone"),
            ],
        };
        assert_eq!(answer(&policy, &ada(&[7, 1])), Ok("staff".to_owned()));
        assert_eq!(answer(&policy, &ada(&[1])), Ok("member".to_owned()));
        assert_eq!(answer(&policy, &ada(&[])), Ok("everyone".to_owned()));
    }

    #[test]
    fn the_nearest_rule_says_everything_that_it_misses() {
        let far = Rule { all_roles: roles(&[1, 2, 3]), ..rule("far") };
        let near = Rule { all_roles: roles(&[4]), none_roles: roles(&[9]), ..rule("near") };
        let policy = Policy { rules: vec![far, near] };
        assert_eq!(
            answer(&policy, &ada(&[9])),
            Err(vec![WhyNot::RolesMissing(roles(&[4])), WhyNot::RoleForbids(roles(&[9]))])
        );
        assert_eq!(answer(&policy, &ada(&[1, 2, 9])), Err(vec![WhyNot::RolesMissing(roles(&[3]))]));
    }

    #[test]
    fn unscreened_timed_out_and_machine_members_get_nothing_under_any_rule() {
        let open = only(rule("everyone"));
        for (facts, reason) in [
            (MemberFacts { pending: true, ..ada(&[]) }, WhyNot::Pending),
            (MemberFacts { bot: true, ..ada(&[]) }, WhyNot::Bot),
            (MemberFacts { timed_out_until: Some(now().after(DAY)), ..ada(&[]) }, WhyNot::TimedOut),
        ] {
            assert_eq!(answer(&open, &facts), Err(vec![reason]));
        }
        let served = MemberFacts { timed_out_until: Some(now()), ..ada(&[]) };
        assert_eq!(answer(&open, &served), Ok("everyone".to_owned()));
    }

    prop_compose! {
        fn any_rule(forbids: bool)(
            all in prop::collection::vec(1u64..8, 0..3),
            any in prop::collection::vec(1u64..8, 0..3),
            none in prop::collection::vec(1u64..8, 0..3),
            age in 0u32..800,
            membership in 0u32..60,
        ) -> Rule {
            Rule {
                all_roles: roles(&all),
                any_roles: roles(&any),
                none_roles: if forbids { roles(&none) } else { Vec::new() },
                min_account_age: DAY * age,
                min_membership: DAY * membership,
                ..rule("any")
            }
        }
    }

    prop_compose! {
        fn any_member()(
            held in prop::collection::vec(1u64..8, 0..8),
            joined in prop::option::of(0u32..60),
            pending: bool,
            bot in prop::bool::weighted(0.1),
            timed_out in prop::bool::weighted(0.1),
        ) -> MemberFacts {
            MemberFacts {
                joined_at: joined.map(|days| now().before(DAY * days)),
                pending,
                bot,
                timed_out_until: timed_out.then(|| now().after(DAY)),
                ..ada(&held)
            }
        }
    }

    proptest! {
        #[test]
        fn losing_a_role_never_makes_anybody_eligible(
            rules in prop::collection::vec(any_rule(false), 0..4), member in any_member(), lost in 1u64..8,
        ) {
            let policy = Policy { rules };
            let mut poorer = member.clone();
            poorer.roles.retain(|role| *role != RoleId::new(lost));
            if answer(&policy, &member).is_err() {
                prop_assert!(answer(&policy, &poorer).is_err());
            }
        }

        #[test]
        fn gaining_a_forbidden_role_never_makes_a_rule_fit(one in any_rule(true), member in any_member()) {
            let mut marked = member.clone();
            marked.roles.extend(one.none_roles.iter().copied());
            let forbids = !one.none_roles.is_empty();
            if forbids {
                prop_assert!(answer(&only(one), &marked).is_err());
            }
        }

        #[test]
        fn waiting_never_takes_eligibility_away(rules in prop::collection::vec(any_rule(true), 0..4), member in any_member()) {
            let policy = Policy { rules };
            let later = now().after(DAY * 10);
            if matches!(evaluate(&policy, &member, now()), Eligibility::Eligible(_)) {
                prop_assert!(matches!(evaluate(&policy, &member, later), Eligibility::Eligible(_)));
            }
        }

        #[test]
        fn a_no_always_has_a_reason_and_a_yes_has_none(rules in prop::collection::vec(any_rule(true), 0..4), member in any_member()) {
            let policy = Policy { rules };
            match evaluate(&policy, &member, now()) {
                Eligibility::NotEligible(reasons) => prop_assert!(!reasons.is_empty()),
                Eligibility::Eligible(rule) => {
                    prop_assert!(!member.pending && !member.bot && member.may_act(now()));
                    prop_assert!(reasons_of_rule(rule, &member, now()).is_empty());
                    let first = policy.rules.iter().find(|rule| reasons_of_rule(rule, &member, now()).is_empty());
                    prop_assert!(first.is_some_and(|first| std::ptr::eq(first, rule)));
                }
            }
        }
    }
}
