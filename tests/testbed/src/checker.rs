//! Decides from all five stores whether anything was lost, duplicated, orphaned or reported wrongly.
//!
//! It uses the product's tables and codes but none of its code. It has its own SQL, LDAP and HTTP, and its own
//! reader of the audit chain. It checks an idle environment, in which no job is in progress. [`Checker`] reads
//! what every test has; [`authority`], [`ends`], [`secrets`], [`told`] and [`leaks`] need data that only a campaign has.

pub mod authority;
pub mod ends;
pub mod leaks;
pub mod secrets;
pub mod told;

use std::collections::{BTreeMap, HashMap, HashSet};

use anyhow::{Context as _, Result};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use crate::db_inspector::{DbInspector, JsonRow, text_of};
use crate::keycloak::Keycloak;
use crate::keycloak_admin::User;
use crate::mail::Mail;
use crate::slapd::{Entry, Slapd};

/// A violation of a rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// Which rule is broken.
    pub rule: Rule,
    /// What was found.
    pub what: String,
}

/// The rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Rule {
    /// I1: every acknowledged request is decided or correctly shown as waiting, and no job is left open.
    NothingLost,
    /// I2: at most one entry and one Keycloak user for each Discord id, address and user name.
    NoSecondAccount,
    /// I3: each entry with our mark has its live account, and each live account has its entry.
    NoOrphan,
    /// I4: no mail before approval, no mail to strangers, and never more than the limit.
    MailBounded,
    /// I5: every entry and every decision had a person who was entitled at that moment.
    Authority,
    /// I6: the chain is complete, and each change of state has its row.
    AuditWhole,
    /// I7: secrets and personal values appear only where they belong.
    NothingLeaks,
    /// I8: nothing is usable before the link was followed.
    NothingUsableEarly,
    /// I9: no message makes a false claim.
    WordsAreTrue,
    /// I10: the queues are empty, and no process holds more than before.
    QueuesEmpty,
    /// I11: a person who was told that their account ends can't log in anywhere.
    EndsHold,
}

impl Rule {
    /// Every rule, in order.
    pub const ALL: [Self; 11] = [
        Self::NothingLost,
        Self::NoSecondAccount,
        Self::NoOrphan,
        Self::MailBounded,
        Self::Authority,
        Self::AuditWhole,
        Self::NothingLeaks,
        Self::NothingUsableEarly,
        Self::WordsAreTrue,
        Self::QueuesEmpty,
        Self::EndsHold,
    ];

    /// `I1` to `I11`.
    pub fn id(self) -> String {
        let at = Self::ALL.iter().position(|rule| *rule == self).unwrap_or_default();
        format!("I{}", at + 1)
    }

    /// Describes the rule.
    pub const fn says(self) -> &'static str {
        match self {
            Self::NothingLost => "no acknowledged request is lost, no job is left open",
            Self::NoSecondAccount => "one account for each person, address and name",
            Self::NoOrphan => "each entry of ours has its account, and the reverse",
            Self::MailBounded => "no mail before approval, none to strangers, none above the rate limit",
            Self::Authority => "nothing made or decided without somebody entitled at that moment",
            Self::AuditWhole => "the audit chain is whole, and each change has its row",
            Self::NothingLeaks => "no secret and no personal value where it does not belong",
            Self::NothingUsableEarly => "nothing is usable before the link was followed",
            Self::WordsAreTrue => "no message claims what is not so",
            Self::QueuesEmpty => "the queues are empty, and nothing is leaked",
            Self::EndsHold => "nobody logs in whose account was said to end",
        }
    }
}

/// Where the checker reads.
#[derive(Debug)]
pub struct Checker<'a> {
    /// The directory.
    pub slapd: &'a Slapd,
    /// Keycloak.
    pub keycloak: &'a Keycloak,
    /// The realm.
    pub realm: &'a str,
    /// The inbox.
    pub mail: &'a Mail,
    /// The database.
    pub store: &'a DbInspector,
    /// What moderators see in the request channel of the simulated Discord, one text for each message.
    pub cards: Vec<String>,
    /// Only user names that contain this text belong to this environment, because servers may be shared.
    pub names_with: &'a str,
}

/// How many mails one job may send: one, and a second after an unknown outcome.
const MAILS_PER_JOB: usize = 2;

struct Seen {
    requests: Vec<JsonRow>,
    accounts: Vec<JsonRow>,
    jobs: Vec<JsonRow>,
    outbox: Vec<JsonRow>,
    audit: Vec<JsonRow>,
    entries: Vec<Entry>,
    users: Vec<User>,
}

impl Checker<'_> {
    /// Checks everything. An empty list means that there is no violation.
    pub async fn check(&self) -> Result<Vec<Violation>> {
        let seen = self.look().await?;
        let mut found = Vec::new();
        nothing_lost(&seen, &mut found);
        self.no_second_account(&seen, &mut found);
        no_orphan(&seen, &mut found);
        self.mail_bounded(&seen, &mut found);
        audit_whole(&seen, &mut found);
        nothing_usable_early(&seen, &mut found);
        self.words_are_true(&seen, &mut found);
        for row in &seen.outbox {
            note(&mut found, Rule::QueuesEmpty, format!("a message waits: {}", Value::Object(row.clone())));
        }
        Ok(found)
    }

    async fn look(&self) -> Result<Seen> {
        let entries = self.slapd.people().await.context("read the directory")?;
        let users =
            self.keycloak.users_with(self.realm, self.names_with).await.context("read Keycloak's users")?;
        Ok(Seen {
            requests: self.store.rows("SELECT id, code, state, username, person_id, reason_code, address_key FROM request WHERE state <> 'draft'").await?,
            accounts: self.store.rows("SELECT id, person_id, state, username, directory_id, keycloak_id, activated_at FROM account").await?,
            jobs: self.store.rows("SELECT id, kind, state, step, error_code, request_id, account_id, mail_attempts FROM job").await?,
            outbox: self.store.rows("SELECT id, kind, error_code FROM outbox").await?,
            audit: self
                .store
                .rows("SELECT seq, at, event, source, guild_id, actor_id, subject_id, request_id, job_id, before, after, reason_code, personal_hash, prev, hash FROM audit ORDER BY seq")
                .await?,
            entries: entries.into_iter().filter(|entry| entry.value("uid").is_some_and(|uid| uid.contains(self.names_with))).collect(),
            users: users.into_iter().filter(|user| user.username.contains(self.names_with)).collect(),
        })
    }

    fn no_second_account(&self, seen: &Seen, found: &mut Vec<Violation>) {
        for attribute in ["uid", "mail", "employeeNumber"] {
            let mut by_value: BTreeMap<String, usize> = BTreeMap::new();
            for value in seen.entries.iter().filter_map(|entry| entry.value(attribute)) {
                *by_value.entry(value.to_lowercase()).or_default() += 1;
            }
            for (value, count) in by_value.into_iter().filter(|(_, count)| *count > 1) {
                note(found, Rule::NoSecondAccount, format!("{count} entries with {attribute}={value}"));
            }
        }
        let mut names = HashSet::new();
        for user in &seen.users {
            if !names.insert(user.username.to_lowercase()) {
                note(
                    found,
                    Rule::NoSecondAccount,
                    format!("two users named {} in realm {}", user.username, self.realm),
                );
            }
        }
    }

    fn mail_bounded(&self, seen: &Seen, found: &mut Vec<Violation>) {
        let approved: HashSet<String> = seen.accounts.iter().map(|row| text_of(&row["username"])).collect();
        let mails = self.mail.messages();
        for entry in &seen.entries {
            let (Some(uid), Some(address)) = (entry.value("uid"), entry.value("mail")) else { continue };
            let count = mails.iter().filter(|mail| mail.is_to(address)).count();
            // Each resend that the person requested allows one more mail.
            let again = seen.jobs.iter().filter(|job| job["kind"] == "resend" && is_of(job, uid, seen));
            let most = MAILS_PER_JOB + again.count();
            if count > most {
                note(found, Rule::MailBounded, format!("{count} mails to {uid}, {most} at the most"));
            }
            if count > 0 && is_ours(entry) && !approved.contains(uid) {
                note(found, Rule::MailBounded, format!("a mail to {uid}, whom nobody approved"));
            }
        }
        for job in &seen.jobs {
            let most = if job["kind"] == "resend" { 1 } else { MAILS_PER_JOB };
            if job["mail_attempts"].as_u64().unwrap_or(u64::MAX) > most as u64 {
                note(
                    found,
                    Rule::MailBounded,
                    format!("job {} began {} mails", text_of(&job["id"]), job["mail_attempts"]),
                );
            }
        }
    }

    fn words_are_true(&self, seen: &Seen, found: &mut Vec<Violation>) {
        let states: HashMap<String, String> =
            seen.requests.iter().map(|row| (text_of(&row["code"]), text_of(&row["state"]))).collect();
        for card in &self.cards {
            for (code, state) in &states {
                if !card.contains(code.as_str()) {
                    continue;
                }
                let has_buttons = card.contains("[Approve");
                let is_open = matches!(state.as_str(), "waiting" | "held");
                if has_buttons != is_open {
                    note(
                        found,
                        Rule::WordsAreTrue,
                        format!("request {code} is {state}, its card says: {card}"),
                    );
                }
            }
        }
    }
}

fn note(found: &mut Vec<Violation>, rule: Rule, what: String) {
    found.push(Violation { rule, what });
}

fn is_ours(entry: &Entry) -> bool {
    entry.values("description").iter().any(|value| value.starts_with("accolade:"))
}

/// Whether the job belongs to the account with this user name.
fn is_of(job: &JsonRow, username: &str, seen: &Seen) -> bool {
    seen.accounts.iter().any(|account| account["id"] == job["account_id"] && account["username"] == username)
}

fn nothing_lost(seen: &Seen, found: &mut Vec<Violation>) {
    for job in &seen.jobs {
        let state = text_of(&job["state"]);
        let id = text_of(&job["id"]);
        match state.as_str() {
            "open" | "undoing" => {
                note(found, Rule::NothingLost, format!("job {id} is still {state} at {}", job["step"]));
            }
            "needs_operator" if job["error_code"].is_null() => {
                note(found, Rule::NothingLost, format!("job {id} needs an operator and says no reason"));
            }
            _ => {}
        }
    }
    for request in seen.requests.iter().filter(|row| row["state"] == "approved") {
        let has_account = seen.accounts.iter().any(|account| {
            account["person_id"] == request["person_id"] && account["username"] == request["username"]
        });
        if !has_account {
            note(
                found,
                Rule::NothingLost,
                format!("request {} is approved and has no account", text_of(&request["code"])),
            );
        }
    }
}

fn no_orphan(seen: &Seen, found: &mut Vec<Violation>) {
    let live: HashMap<String, &JsonRow> = seen
        .accounts
        .iter()
        .filter(|row| row["state"] != "closed")
        .map(|row| (text_of(&row["id"]), row))
        .collect();
    for entry in seen.entries.iter().filter(|entry| is_ours(entry)) {
        let mark = entry
            .values("description")
            .iter()
            .find_map(|value| value.strip_prefix("accolade:"))
            .unwrap_or_default();
        match live.get(mark) {
            None => {
                note(found, Rule::NoOrphan, format!("{} carries our mark and has no live account", entry.dn));
            }
            Some(account) => {
                let recorded = text_of(&account["directory_id"]);
                if !recorded.is_empty() && entry.value("entryUUID") != Some(recorded.as_str()) {
                    note(
                        found,
                        Rule::NoOrphan,
                        format!("{} is not the entry that its account recorded", entry.dn),
                    );
                }
            }
        }
    }
    for account in live.values().filter(|row| row["state"] == "invited" || row["state"] == "active") {
        let (id, username) = (text_of(&account["id"]), text_of(&account["username"]));
        let mark = format!("accolade:{id}");
        if !seen.entries.iter().any(|entry| entry.values("description").contains(&mark)) {
            note(
                found,
                Rule::NoOrphan,
                format!("account {username} is {} and has no entry", account["state"]),
            );
        }
        if !seen.users.iter().any(|user| Some(user.id.as_str()) == account["keycloak_id"].as_str()) {
            note(
                found,
                Rule::NoOrphan,
                format!("account {username} is {} and has no Keycloak user", account["state"]),
            );
        }
    }
}

fn nothing_usable_early(seen: &Seen, found: &mut Vec<Violation>) {
    for account in seen.accounts.iter().filter(|row| row["state"] == "creating" || row["state"] == "invited")
    {
        let username = text_of(&account["username"]);
        let entry = seen.entries.iter().find(|entry| entry.value("uid") == Some(username.as_str()));
        if entry.is_some_and(|entry| entry.value("userPassword").is_some()) {
            note(
                found,
                Rule::NothingUsableEarly,
                format!("{username} has a password and is {}", account["state"]),
            );
        }
    }
}

/// The columns that the hash covers, in order.
const COVERED: [&str; 13] = [
    "seq",
    "at",
    "event",
    "source",
    "guild_id",
    "actor_id",
    "subject_id",
    "request_id",
    "job_id",
    "before",
    "after",
    "reason_code",
    "personal_hash",
];

/// The canonical bytes of a row, version 1, as `docs/decisions/0006-audit-bytes.md` defines them.
fn canonical_bytes(row: &JsonRow) -> Vec<u8> {
    let mut bytes = vec![1];
    for column in COVERED {
        let value = match &row[column] {
            Value::Null => None,
            Value::Number(number) => Some(number.as_i64().unwrap_or_default().to_be_bytes().to_vec()),
            Value::String(text) if column == "personal_hash" => {
                hex::decode(text.trim_start_matches("\\x")).ok()
            }
            Value::String(_) | Value::Bool(_) | Value::Array(_) | Value::Object(_) => {
                Some(text_of(&row[column]).into_bytes())
            }
        };
        match value {
            None => bytes.extend(u32::MAX.to_be_bytes()),
            Some(value) => {
                bytes.extend(u32::try_from(value.len()).unwrap_or(u32::MAX).to_be_bytes());
                bytes.extend(value);
            }
        }
    }
    bytes
}

/// Events that happen at most once for a request. The request to stop and its completion are two changes of one
/// event.
const ONCE: [&str; 9] = [
    "request.submitted",
    "request.approved",
    "request.denied",
    "request.cancelled",
    "request.expired",
    "request.failed",
    "entry.created",
    "account.invited",
    "account.activated",
];

fn nothing_is_told_twice(seen: &Seen, found: &mut Vec<Violation>) {
    let mut told = HashSet::new();
    let is_change = |row: &&JsonRow| ONCE.contains(&text_of(&row["event"]).as_str());
    for row in seen.audit.iter().filter(is_change) {
        let change = ["request_id", "event", "before", "after"].map(|column| text_of(&row[column]));
        if !told.insert(change.clone()) {
            note(found, Rule::AuditWhole, format!("row {} tells again of {}", row["seq"], change.join(" ")));
        }
    }
}

fn audit_whole(seen: &Seen, found: &mut Vec<Violation>) {
    let mut before = hex::encode([0; 32]);
    for (row, position) in seen.audit.iter().zip(1_i64..) {
        let column = |name: &str| text_of(&row[name]).trim_start_matches("\\x").to_owned();
        let mut hasher = Sha256::new();
        hasher.update(hex::decode(&before).unwrap_or_default());
        hasher.update(canonical_bytes(row));
        let hash = hex::encode(hasher.finalize());
        if row["seq"] != position || column("prev") != before || column("hash") != hash {
            note(found, Rule::AuditWhole, format!("the chain breaks at row {position}"));
            return;
        }
        before = hash;
    }
    let told: HashSet<(String, String)> =
        seen.audit.iter().map(|row| (text_of(&row["request_id"]), text_of(&row["event"]))).collect();
    nothing_is_told_twice(seen, found);
    for request in &seen.requests {
        let id = text_of(&request["id"]);
        let wanted = match text_of(&request["state"]).as_str() {
            "approved" => "request.approved",
            "denied" => "request.denied",
            "cancelled" => "request.cancelled",
            "failed" => "request.failed",
            "held" => "request.held",
            "waiting" => "request.submitted",
            _ => continue,
        };
        if !told.contains(&(id, wanted.to_owned())) {
            note(
                found,
                Rule::AuditWhole,
                format!("request {} has no row `{wanted}`", text_of(&request["code"])),
            );
        }
    }
    for account in &seen.accounts {
        let events: &[&str] = match text_of(&account["state"]).as_str() {
            "invited" => &["account.invited"],
            "active" => &["account.activated"],
            "disabled" => &["account.disabled"],
            _ => &[],
        };
        for event in events {
            let is_told = seen
                .audit
                .iter()
                .any(|row| row["event"] == *event && row["subject_id"] == account["person_id"]);
            if !is_told {
                note(
                    found,
                    Rule::AuditWhole,
                    format!("account {} has no row `{event}`", text_of(&account["username"])),
                );
            }
        }
    }
}
