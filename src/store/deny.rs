//! The deny list: persons, addresses and domains, kept as HMACs.

use super::connection::{ReadConnection, Tx};
use super::error::StoreError;
use super::seal::{Keys, Place};
use super::sql::{all, bare, exec, maybe, sql};
use crate::domain::audit::Actor;
use crate::domain::error_code::codes;
use crate::domain::ids::{DiscordUserId, Timestamp};
use crate::domain::mail_address::MailAddress;

codes! {
    /// What is denied.
    pub enum DenyKind {
        /// A Discord user (the value is the snowflake).
        Person = "person",
        /// A mail address.
        Address = "address",
        /// A domain and everything below it.
        Domain = "domain",
    }
}

/// A denial to be written.
#[derive(Clone, Debug)]
pub struct NewDeny {
    /// The kind of value.
    pub kind: DenyKind,
    /// The snowflake, address or domain; compared in lower case.
    pub value: String,
    /// When it ends; `None` if never.
    pub until: Option<Timestamp>,
    /// The reason; sealed.
    pub reason: Option<String>,
    /// Who denied.
    pub actor: Actor,
}

/// A denial as stored. The value itself is not kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Denial {
    /// The kind of value.
    pub kind: DenyKind,
    /// The HMAC of the value, in hex; pages continue after it.
    pub key: String,
    /// When it ends; `None` if never.
    pub until: Option<Timestamp>,
    /// The reason.
    pub reason: Option<String>,
    /// Who denied.
    pub actor: Actor,
    /// When it was denied.
    pub at: Timestamp,
}

/// The entries of the list that have one of these keys and have not ended.
macro_rules! matching {
    ($keys:literal) => {
        concat!("SELECT kind FROM deny WHERE key_hmac IN (", $keys, ") AND (until IS NULL OR until > $2)")
    };
}

macro_rules! nearest_first {
    () => {
        " ORDER BY CASE kind WHEN 'person' THEN 0 WHEN 'address' THEN 1 ELSE 2 END LIMIT 1"
    };
}

sql! {
    /// `$1` is a JSON array of keys; a key covers its kind, too. The most specific entry comes first.
    MATCH = concat!(matching!("SELECT value FROM json_each($1)"), nearest_first!()),
        postgres: concat!(matching!("SELECT json_array_elements_text(CAST($1 AS JSON))"), nearest_first!());
    PAGE = "SELECT kind, key_hmac, until, reason_enc, key_id, actor, at FROM deny WHERE key_hmac > $1 \
        ORDER BY key_hmac LIMIT $2";
    PUT = "INSERT INTO deny (kind, key_hmac, until, reason_enc, key_id, actor, at) \
        VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (kind, key_hmac) DO UPDATE SET until = excluded.until, \
        reason_enc = excluded.reason_enc, key_id = excluded.key_id, actor = excluded.actor, at = excluded.at";
    REMOVE = "DELETE FROM deny WHERE kind = $1 AND key_hmac = $2";
}

#[derive(sqlx::FromRow)]
struct Row {
    kind: String,
    key_hmac: String,
    until: Option<i64>,
    reason_enc: Option<Vec<u8>>,
    key_id: Option<String>,
    actor: String,
    at: i64,
}

/// The keyed hash of a denied value. People write a domain with a leading `@` or dot, which is not part of it.
fn deny_key(keys: &Keys, kind: DenyKind, value: &str) -> String {
    let folded = value.trim().to_lowercase();
    let folded = match kind {
        DenyKind::Domain => folded.trim_start_matches(['@', '.']),
        DenyKind::Person | DenyKind::Address => &folded,
    };
    keys.lookup(&["deny ", kind.code()].concat(), folded)
}

fn reason_place(key: &str) -> Place<'_> {
    Place { table: "deny", row: key, column: "reason_enc" }
}

/// What may be on the list of a person and an address: both themselves, the domain, and every domain above it.
fn suspects(person: DiscordUserId, address: Option<&MailAddress>) -> Vec<(DenyKind, String)> {
    let mut all = vec![(DenyKind::Person, person.to_string())];
    if let Some(address) = address {
        all.push((DenyKind::Address, address.folded()));
        let mut domain = address.domain();
        all.push((DenyKind::Domain, domain.to_owned()));
        while let Some((_, parent)) = domain.split_once('.') {
            all.push((DenyKind::Domain, parent.to_owned()));
            domain = parent;
        }
    }
    all
}

impl ReadConnection {
    /// The key of a person on the deny list.
    pub(super) fn denial_key_of(&self, person: DiscordUserId) -> String {
        deny_key(&self.inner.keys, DenyKind::Person, &person.to_string())
    }

    /// The keys of a person and an address on the deny list, as a JSON array.
    pub(super) fn denial_keys_of(&self, person: DiscordUserId, address: Option<&MailAddress>) -> String {
        let keys = &self.inner.keys;
        let suspects = suspects(person, address);
        let keys: Vec<String> = suspects.iter().map(|(kind, value)| deny_key(keys, *kind, value)).collect();
        serde_json::json!(keys).to_string()
    }

    /// Whether the person, the address or one of its domains is denied now.
    pub async fn denial_of(
        &mut self,
        person: DiscordUserId,
        address: Option<&MailAddress>,
    ) -> Result<Option<DenyKind>, StoreError> {
        let now = self.now().as_millis();
        let keys = self.denial_keys_of(person, address);
        let found = maybe!(self, MATCH, (String,); keys, now)?;
        found.map(|(kind,)| kind.parse().map_err(|_| StoreError::Row { table: "deny" })).transpose()
    }

    /// A page of the list, ordered by key; `after` is the last key of the page before. Denials that have ended are included.
    pub async fn denials(&mut self, after: Option<&str>, limit: u32) -> Result<Vec<Denial>, StoreError> {
        let rows = all!(self, PAGE, Row; after.unwrap_or_default(), i64::from(limit))?;
        rows.into_iter().map(|row| self.open_denial(row)).collect()
    }

    fn open_denial(&self, row: Row) -> Result<Denial, StoreError> {
        let unreadable = || StoreError::Row { table: "deny" };
        let reason = row
            .reason_enc
            .map(|sealed| self.inner.keys.open(reason_place(&row.key_hmac), row.key_id.as_deref(), &sealed))
            .transpose()?;
        Ok(Denial {
            kind: row.kind.parse().map_err(|_| unreadable())?,
            until: row.until.map(Timestamp::from_millis),
            reason,
            actor: Actor::parse(&row.actor).ok_or_else(unreadable)?,
            at: Timestamp::from_millis(row.at),
            key: row.key_hmac,
        })
    }
}

impl Tx {
    /// Adds a value to the list, or renews it.
    pub async fn add_denial(&mut self, denial: NewDeny) -> Result<(), StoreError> {
        let keys = &self.inner.keys;
        let key = deny_key(keys, denial.kind, &denial.value);
        let sealed = denial
            .reason
            .as_deref()
            .map(|reason| keys.seal(self.inner.rng.as_ref(), reason_place(&key), reason));
        let key_id = sealed.as_ref().map(|_| keys.id().to_owned());
        let now = self.now().as_millis();
        exec!(self, PUT;
            denial.kind.code(), key, denial.until.map(Timestamp::as_millis), sealed, key_id,
            denial.actor.text(), now)
        .map(|_| ())
    }

    /// Removes a value from the list; `false` if it was not on it.
    pub async fn remove_denial(&mut self, kind: DenyKind, value: &str) -> Result<bool, StoreError> {
        let key = deny_key(&self.inner.keys, kind, value);
        Ok(exec!(self, REMOVE; kind.code(), key)? > 0)
    }
}
