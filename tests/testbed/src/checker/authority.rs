//! I5: each entry needs a person who was entitled when it was made. Each decision needs a moderator who held
//! the role at that moment.
//!
//! The simulated Discord keeps the true history of roles and of the bot's calls. An entry is valid if the bot fetched the member shortly
//! before and the member was entitled at that fetch. The bot cannot detect a role that is lost a moment later.

use std::collections::HashMap;

use serde_json::Value;

use super::{Rule, Violation, note};
use crate::db_inspector::{DbInspector, JsonRow, text_of};
use crate::slapd::Entry;

/// The maximum age of the fetch on which an entry or a decision is based, in the environment's time. The bot itself fetches again after
/// half a minute; the rest allows for calls in progress and for time that is advanced meanwhile.
const FETCHED_WITHIN_MS: i64 = 120_000;

/// The directory stores times in whole seconds.
const A_SECOND_MS: i64 = 1000;

/// Where the true history of roles is.
pub struct Authority<'a> {
    /// The simulated Discord's log.
    pub log: &'a Value,
    /// The role that entitles a member to an account.
    pub member_role: &'a str,
    /// Roles that entitle a member to decide.
    pub deciding_roles: &'a [&'a str],
    /// The environment's time at a real moment, in milliseconds.
    pub at_real: &'a dyn Fn(i64) -> i64,
    /// What the bot's clock may have shown at a moment of the environment's time. It differs while a fault shifted that clock.
    pub bot_said: &'a dyn Fn(i64) -> i64,
}

/// What holds for a user from a moment on.
struct Fact<'a> {
    at_ms: i64,
    present: bool,
    roles: Vec<&'a str>,
}

/// The facts about each user, in order.
type Facts<'a> = HashMap<&'a str, Vec<Fact<'a>>>;

/// When the bot received an answer about each user.
type Fetches<'a> = HashMap<&'a str, Vec<i64>>;

impl Fact<'_> {
    fn has_one_of(&self, wanted: &[&str]) -> bool {
        self.present && self.roles.iter().any(|role| wanted.contains(role))
    }
}

impl Authority<'_> {
    fn facts(&self) -> Facts<'_> {
        let mut by_user = Facts::new();
        for fact in self.log["members"].as_array().into_iter().flatten() {
            let (Some(user), Some(at_ms)) = (fact["user"].as_str(), fact["at_ms"].as_i64()) else { continue };
            let roles = fact["roles"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
            let is_able = fact["present"] == true && fact["pending"] != true;
            by_user.entry(user).or_default().push(Fact { at_ms, present: is_able, roles });
        }
        by_user
    }

    /// The moments at which the bot received an answer about a member.
    fn fetches(&self) -> Fetches<'_> {
        let mut by_user = Fetches::new();
        for request in self.log["requests"].as_array().into_iter().flatten() {
            let is_member =
                request["route"] == "GET /guilds/{guild}/members/{user}" && request["status"] == 200;
            let user = request["path"].as_str().and_then(|path| path.rsplit('/').next());
            if let (true, Some(user), Some(at_ms)) = (is_member, user, request["at_ms"].as_i64()) {
                by_user.entry(user).or_default().push(at_ms);
            }
        }
        by_user
    }

    /// Checks every marked entry and every decision.
    pub async fn check(&self, store: &DbInspector, entries: &[Entry]) -> anyhow::Result<Vec<Violation>> {
        let accounts = store
            .rows("SELECT a.id, p.discord_id FROM account a JOIN person p ON p.id = a.person_id")
            .await?;
        let decisions = store
            .rows(
                "SELECT d.request_id, d.verdict, r.code, d.approver_id, p.discord_id AS approver, q.discord_id AS applicant \
                 FROM decision d JOIN request r ON r.id = d.request_id JOIN person q ON q.id = r.person_id \
                 LEFT JOIN person p ON p.id = d.approver_id",
            )
            .await?;
        let (facts, fetches) = (self.facts(), self.fetches());
        let mut found = Vec::new();
        for entry in entries {
            self.entry_is_lawful(entry, &accounts, (&facts, &fetches), &mut found);
        }
        for decision in &decisions {
            self.decision_is_lawful(decision, &facts, &mut found);
        }
        Ok(found)
    }

    fn entry_is_lawful(
        &self,
        entry: &Entry,
        accounts: &[JsonRow],
        (facts, fetches): (&Facts<'_>, &Fetches<'_>),
        found: &mut Vec<Violation>,
    ) {
        let mark = entry.values("description").iter().find_map(|value| value.strip_prefix("accolade:"));
        let account = accounts.iter().find(|row| Some(text_of(&row["id"]).as_str()) == mark);
        let Some(user) = account.map(|row| text_of(&row["discord_id"])) else { return };
        let Some(made_ms) = entry.value("createTimestamp").and_then(real_ms_of) else {
            note(found, Rule::Authority, format!("{} does not say when it was made", entry.dn));
            return;
        };
        let made = (self.at_real)(made_ms + A_SECOND_MS) + A_SECOND_MS;
        let earliest = (self.at_real)(made_ms) - FETCHED_WITHIN_MS;
        let of_user = facts.get(user.as_str()).map_or(&[][..], Vec::as_slice);
        let is_lawful = fetches.get(user.as_str()).into_iter().flatten().any(|at| {
            // An answer that arrived while the bot's clock was ahead is stored with that time, and counts as recent until then.
            let is_recent = [*at, (self.bot_said)(*at)].iter().any(|at| (earliest..=made).contains(at));
            is_recent && was_so(of_user, at - 50, at + 50, &[self.member_role])
        });
        if !is_lawful {
            let what = format!(
                "{} was made although nobody had asked Discord shortly before, or the person was not entitled",
                entry.dn
            );
            note(found, Rule::Authority, what);
        }
    }

    fn decision_is_lawful(&self, decision: &JsonRow, facts: &Facts<'_>, found: &mut Vec<Violation>) {
        let code = text_of(&decision["code"]);
        let (approver, applicant) = (text_of(&decision["approver"]), text_of(&decision["applicant"]));
        if approver.is_empty() {
            // An operator at the command line, or a rule. Neither has a row of a person.
            return;
        }
        if approver == applicant {
            note(found, Rule::Authority, format!("request {code} was decided by its own requester"));
            return;
        }
        let request = text_of(&decision["request_id"]).replace('-', "");
        let of_user = facts.get(approver.as_str()).map_or(&[][..], Vec::as_slice);
        let presses = self.log["interactions"].as_array().into_iter().flatten().filter(|press| {
            press["user"] == approver.as_str()
                && press["what"].as_str().is_some_and(|what| what.contains(&request))
        });
        let is_lawful = presses
            .filter_map(|press| press["at_ms"].as_i64())
            .any(|at| was_so(of_user, at, at + FETCHED_WITHIN_MS, self.deciding_roles));
        if !is_lawful {
            let what = format!(
                "request {code} was decided by {approver}, who did not press, or had no power when pressing"
            );
            note(found, Rule::Authority, what);
        }
    }
}

/// Whether the user had one of the roles at any moment of a span.
fn was_so(facts: &[Fact<'_>], from: i64, to: i64, wanted: &[&str]) -> bool {
    let at_first = facts.iter().rev().find(|fact| fact.at_ms <= from);
    let within = facts.iter().filter(|fact| (from..=to).contains(&fact.at_ms));
    at_first.into_iter().chain(within).any(|fact| fact.has_one_of(wanted))
}

/// A generalized time of LDAP, `20260131235959Z`, in milliseconds since 1970.
fn real_ms_of(text: &str) -> Option<i64> {
    let digits = text.get(..14)?;
    let stamp = jiff::civil::DateTime::strptime("%Y%m%d%H%M%S", digits).ok()?;
    Some(jiff::tz::Offset::UTC.to_timestamp(stamp).ok()?.as_millisecond())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_role_counts_from_its_fact_to_the_next() {
        let fact = |at_ms, roles: &[&'static str]| Fact { at_ms, present: true, roles: roles.to_vec() };
        let facts = [fact(10, &["member"]), fact(20, &[]), fact(30, &["member"])];
        for (from, to, wanted) in
            [(0, 9, false), (0, 10, true), (15, 15, true), (20, 29, false), (25, 30, true)]
        {
            assert_eq!(was_so(&facts, from, to, &["member"]), wanted, "{from} to {to}");
        }
        let left = [Fact { at_ms: 10, present: false, roles: vec!["member"] }];
        assert!(!was_so(&left, 10, 20, &["member"]));
    }

    #[test]
    fn the_directorys_times_are_read() {
        assert_eq!(real_ms_of("19700101000001Z"), Some(1000));
        assert_eq!(real_ms_of("20261126001112Z"), Some(1_795_651_872_000));
        assert_eq!(real_ms_of("soon"), None);
    }
}
