//! A person in an environment: what they see in Discord, and what the store contains about them.

use anyhow::{Context as _, Result};
use rand::Rng as _;
use rand::rngs::StdRng;
use reqwest::Method;
use serde_json::{Value, json};

use super::env::{GUILD, TestEnv, letters};
use crate::db_inspector::text_of;

/// A member and everything that they type. Each value is unique, so that it is recognised wherever it appears.
#[derive(Clone, Debug)]
pub(super) struct Person {
    /// The name at Discord, and the user name that they want.
    pub(super) name: String,
    pub(super) discord_id: String,
    pub(super) address: String,
    pub(super) given: String,
    pub(super) family: String,
    pub(super) reason: String,
    /// The reason that a moderator types for a denial.
    pub(super) denial: String,
    pub(super) password: String,
}

/// The state of a person's newest request.
#[derive(Clone, Debug)]
pub(super) struct RequestSeen {
    pub(super) request: String,
    pub(super) code: String,
    pub(super) state: String,
    /// The card's message, once it is posted.
    pub(super) card: Option<String>,
}

/// The mails of a person's newest account.
#[derive(Clone, Copy, Debug)]
pub(super) struct Mails {
    /// When the newest mail was started, by the bot's clock; 0 if there is none.
    pub(super) newest_at_ms: i64,
    pub(super) was_asked_again: bool,
    /// No mail that the person requested again is in progress.
    pub(super) is_settled: bool,
}

/// A word that no text contains by chance.
fn word(random: &mut StdRng, length: usize) -> String {
    (0..length).map(|_| char::from(b'a' + random.random_range(0..26_u8))).collect()
}

impl Person {
    /// A new person joins the guild as a member.
    pub(super) async fn joins(env: &TestEnv, random: &mut StdRng) -> Result<Self> {
        let number = env.next_person();
        let name = format!("{}.{}", letters(number + 12), env.tag);
        let body =
            json!({"guild": GUILD, "name": name, "roles": ["member"], "joined_ago_ms": 40 * 86_400_000_i64});
        let made = env.chat.control(Method::POST, "members", &body).await?;
        let named = |word: String| format!("Q{word}");
        Ok(Self {
            discord_id: made["id"].as_str().context("a new member without an id")?.to_owned(),
            address: format!("{}@{}.example", word(random, 14), env.tag),
            given: named(word(random, 12)),
            family: named(word(random, 12)),
            reason: format!("reason {}", word(random, 16)),
            denial: format!("denial {}", word(random, 16)),
            password: format!("Pass-7-{}", word(random, 14)),
            name,
        })
    }

    /// The values that they type into the form.
    pub(super) fn form(&self) -> [(String, &str); 5] {
        [
            ("username", self.name.as_str()),
            ("address", &self.address),
            ("given", &self.given),
            ("family", &self.family),
            ("answer", &self.reason),
        ]
        .map(|(field, value)| (field.to_owned(), value))
    }

    /// Their personal values.
    pub(super) fn canaries(&self) -> [&str; 3] {
        [&self.address, &self.given, &self.family]
    }

    /// Changes what Discord stores about them, such as `{"roles": []}`.
    pub(super) async fn changes(&self, env: &TestEnv, change: &Value) -> Result<()> {
        change_member(env, &self.name, change).await
    }

    /// Returns their newest request that is not a draft.
    pub(super) async fn request(&self, env: &TestEnv) -> Result<Option<RequestSeen>> {
        // The id is a number from the simulator.
        let sql = format!(
            "SELECT r.id, r.code, r.state, m.message_id FROM request r JOIN person p ON p.id = r.person_id \
             LEFT JOIN message m ON m.request_id = r.id AND m.kind = 'card' \
             WHERE p.discord_id = '{}' AND r.sent_at IS NOT NULL ORDER BY r.created_at DESC, r.id DESC LIMIT 1",
            self.discord_id
        );
        let rows = env.db.rows(&sql).await?;
        Ok(rows.first().map(|row| RequestSeen {
            request: text_of(&row["id"]),
            code: text_of(&row["code"]),
            state: text_of(&row["state"]),
            card: row["message_id"].as_str().map(str::to_owned),
        }))
    }

    /// Returns the state of their newest account, and the code for which its job stopped, if it did.
    pub(super) async fn account(&self, env: &TestEnv) -> Result<Option<(String, Option<String>)>> {
        let sql = format!(
            "SELECT a.state, (SELECT w.error_code FROM job w WHERE w.account_id = a.id AND w.state = 'needs_operator' LIMIT 1) AS stopped \
             FROM account a JOIN person p ON p.id = a.person_id WHERE p.discord_id = '{}' ORDER BY a.created_at DESC, a.id DESC LIMIT 1",
            self.discord_id
        );
        let rows = env.db.rows(&sql).await?;
        Ok(rows.first().map(|row| (text_of(&row["state"]), row["stopped"].as_str().map(str::to_owned))))
    }

    /// Returns the mails of their newest account, and whether they requested one themselves.
    pub(super) async fn mails(&self, env: &TestEnv) -> Result<Mails> {
        let sql = format!(
            "SELECT (SELECT MAX(m.begun_at) FROM mail m WHERE m.account_id = a.id) AS newest, \
             (SELECT COUNT(*) FROM job w WHERE w.account_id = a.id AND w.kind = 'resend') AS asked, \
             (SELECT COUNT(*) FROM job w WHERE w.account_id = a.id AND w.kind = 'resend' \
              AND w.state IN ('open', 'undoing')) AS under_way \
             FROM account a JOIN person p ON p.id = a.person_id WHERE p.discord_id = '{}' ORDER BY a.created_at DESC, a.id DESC LIMIT 1",
            self.discord_id
        );
        let rows = env.db.rows(&sql).await?;
        let number = |column: &str| rows.first().and_then(|row| row[column].as_i64()).unwrap_or(0);
        Ok(Mails {
            newest_at_ms: number("newest"),
            was_asked_again: number("asked") > 0,
            is_settled: number("under_way") == 0,
        })
    }
}

/// Changes what Discord stores about a member.
pub(super) async fn change_member(env: &TestEnv, name: &str, change: &Value) -> Result<()> {
    env.chat.control(Method::PATCH, &format!("members/{GUILD}/{name}"), change).await.map(drop)
}
