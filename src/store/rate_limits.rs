//! Rate limits: how often something may happen in a span. A use is counted before it happens.

use std::time::Duration;

use super::connection::Tx;
use super::error::StoreError;
use super::sql::{bare, exec, maybe, sql};
use crate::domain::error_code::codes;
use crate::domain::ids::Timestamp;

codes! {
    /// What is counted. The key is a person id, an address in lower case, a domain, or empty; stored as its HMAC.
    pub enum RateLimitKind {
        /// Mails to one address.
        MailAddress = "mail_address",
        /// Mails for one person.
        MailPerson = "mail_person",
        /// Mails to one domain.
        MailDomain = "mail_domain",
        /// Mails, all together; the key is empty.
        MailAll = "mail_all",
        /// Requests of one person.
        RequestPerson = "request_person",
        /// Forms whose name clashed, per person.
        NameCheck = "name_check",
    }
}

/// A rate limit: at most `limit` uses in each `window`.
#[derive(Clone, Debug)]
pub struct RateLimit {
    /// What is counted.
    pub kind: RateLimitKind,
    /// For whom or what.
    pub key: String,
    /// How many uses are allowed.
    pub limit: u32,
    /// The span.
    pub window: Duration,
}

sql! {
    NTH_NEWEST = "SELECT at FROM rate_limit WHERE kind = $1 AND key = $2 AND at > $3 ORDER BY at DESC LIMIT 1 OFFSET $4";
    /// Counts one use of each of several limits, if all of them allow it; `$1` is a JSON array.
    USE = "INSERT INTO rate_limit (kind, key, at) SELECT u.value ->> 'kind', u.value ->> 'key', CAST($2 AS BIGINT) \
        FROM jsonb_each($1) AS u WHERE NOT EXISTS (SELECT 1 FROM jsonb_each($1) AS w WHERE (SELECT count(*) FROM rate_limit AS b \
        WHERE b.kind = w.value ->> 'kind' AND b.key = w.value ->> 'key' AND b.at > w.value ->> 'since') >= w.value ->> 'most')",
        postgres: "WITH u AS (SELECT * FROM json_to_recordset(CAST($1 AS JSON)) \
        AS r(kind TEXT, key TEXT, since BIGINT, most BIGINT)) INSERT INTO rate_limit (kind, key, at) \
        SELECT u.kind, u.key, CAST($2 AS BIGINT) FROM u WHERE NOT EXISTS (SELECT 1 FROM u AS w WHERE (SELECT count(*) \
        FROM rate_limit AS b WHERE b.kind = w.kind AND b.key = w.key AND b.at > w.since) >= w.most)";
    GIVE_BACK = "DELETE FROM rate_limit WHERE id = (SELECT id FROM rate_limit WHERE kind = $1 AND key = $2 \
        ORDER BY id DESC LIMIT 1)";
    FORGET = "DELETE FROM rate_limit WHERE at < $1";
}

impl Tx {
    fn rate_limit_key(&self, kind: RateLimitKind, key: &str) -> String {
        self.inner.keys.lookup(kind.code(), &key.to_lowercase())
    }

    /// Counts one use now; `false` if `limit` uses fell into the last `window`, and nothing was counted.
    pub async fn take_rate_limit(
        &mut self,
        kind: RateLimitKind,
        key: &str,
        limit: u32,
        window: Duration,
    ) -> Result<bool, StoreError> {
        self.take_rate_limits(&[RateLimit { kind, key: key.to_owned(), limit, window }]).await
    }

    /// Counts one use of each of these limits now; `false` if one of them is reached, and nothing was counted.
    pub async fn take_rate_limits(&mut self, limits: &[RateLimit]) -> Result<bool, StoreError> {
        let keys: Vec<String> =
            limits.iter().map(|limit| self.rate_limit_key(limit.kind, &limit.key)).collect();
        // Two replicas must not count at the same time.
        self.lock_keys(&keys).await?;
        let now = self.now();
        let uses = limits.iter().zip(&keys).map(|(RateLimit { kind, limit, window, .. }, key)| {
            let since = now.before(*window).as_millis();
            serde_json::json!({ "kind": kind.code(), "key": key, "since": since, "most": limit })
        });
        let uses = uses.collect::<serde_json::Value>().to_string();
        Ok(exec!(self, USE; &uses, now.as_millis())? > 0)
    }

    /// When the next use is allowed, if `limit` uses fell into the last `window`; `None` if one is allowed now. Counts nothing.
    pub async fn rate_limit_full_until(
        &mut self,
        kind: RateLimitKind,
        key: &str,
        limit: u32,
        window: Duration,
    ) -> Result<Option<Timestamp>, StoreError> {
        let key = self.rate_limit_key(kind, key);
        let since = self.now().before(window).as_millis();
        let before_it = i64::from(limit.saturating_sub(1));
        let oldest = maybe!(self, NTH_NEWEST, (i64,); kind.code(), key, since, before_it)?;
        Ok(oldest.map(|(at,)| Timestamp::from_millis(at).after(window)))
    }

    /// Removes the newest counted use.
    pub async fn refund_rate_limit(&mut self, kind: RateLimitKind, key: &str) -> Result<(), StoreError> {
        let key = self.rate_limit_key(kind, key);
        exec!(self, GIVE_BACK; kind.code(), key).map(|_| ())
    }

    /// Deletes uses that are older than `before`, and returns their number.
    pub async fn forget_rate_limits(&mut self, before: Timestamp) -> Result<u64, StoreError> {
        exec!(self, FORGET; before.as_millis())
    }
}
