//! The audit log: pages, the head, verification, erasure of personal values.

use super::audit_head::Head;
use super::connection::{ReadConnection, Store, Tx};
use super::error::StoreError;
use super::seal::Place;
use super::sql::{all, bare, exec, maybe, one, sql};
use crate::domain::audit::{self, ChainRow, Entry, Event, Source};
use crate::domain::ids::{GuildId, PersonId, RequestId, Timestamp};

/// The order of a page.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Order {
    /// Newest first.
    #[default]
    NewestFirst,
    /// Oldest first.
    OldestFirst,
}

/// The rows that a search shows. `None` means any.
#[derive(Clone, Debug, Default)]
pub struct AuditFilter {
    /// Of this event.
    pub event: Option<Event>,
    /// From this source (chat, command line, …).
    pub source: Option<Source>,
    /// By this actor (the text of the column).
    pub actor: Option<String>,
    /// About this person.
    pub subject: Option<PersonId>,
    /// About this request.
    pub request_id: Option<RequestId>,
    /// In this guild.
    pub guild_id: Option<GuildId>,
    /// Not earlier than this.
    pub from: Option<Timestamp>,
    /// Earlier than this.
    pub to: Option<Timestamp>,
    /// The order.
    pub order: Order,
}

/// A row of the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditRow {
    /// What the chain covers.
    pub row: ChainRow,
    /// The row's hash.
    pub hash: Vec<u8>,
    /// The personal text; `None` if there is none, or it was erased.
    pub personal: Option<String>,
}

/// The result of a verification.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AuditVerdict {
    /// Every row follows from the one before, and the chain ends at its head.
    Whole(Head),
    /// The first row that is wrong.
    Broken {
        /// Its position.
        seq: i64,
        /// What is wrong with it.
        fault: AuditFault,
    },
}

/// What is wrong with a chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AuditFault {
    /// The row is not there.
    Missing,
    /// `prev` is not the hash of the row before.
    Prev,
    /// The hash is not that of the row's bytes.
    Hash,
    /// The personal text is not the one whose hash is in the chain.
    Personal,
    /// The chain does not end at its own head.
    Head,
    /// The chain does not contain the expected head: its tail was cut off or replaced.
    ExpectedHead,
}

/// The columns of [`Row`]: those that the chain covers, the chain's own two, and the personal text.
macro_rules! audit_columns {
    () => {
        "a.seq, a.at, a.event, a.source, a.guild_id, a.actor_id, a.subject_id, a.request_id, a.job_id, a.before, \
         a.after, a.reason_code, a.personal_hash, a.prev, a.hash, p.salt, p.body_enc, p.key_id \
         FROM audit AS a LEFT JOIN audit_personal AS p ON p.seq = a.seq"
    };
}

/// The columns of `audit`, as they are written.
macro_rules! chain_columns {
    () => {
        "seq, at, event, source, guild_id, actor_id, subject_id, request_id, job_id, before, after, reason_code, \
         personal_hash, prev, hash"
    };
}

/// The conditions of a search.
macro_rules! audit_filter {
    () => {
        " AND (a.event = $2 OR $2 IS NULL) AND (a.source = $3 OR $3 IS NULL) AND (a.actor_id = $4 OR $4 IS NULL) \
         AND (a.subject_id = $5 OR $5 IS NULL) AND (a.request_id = $6 OR $6 IS NULL) \
         AND (a.guild_id = $7 OR $7 IS NULL) AND a.at >= $8 AND a.at < $9 "
    };
}

sql! {
    HEAD = "SELECT seq, hash FROM audit_head WHERE one = 1";
    /// The head, locked until the commit. On SQLite the transaction holds the write lock anyway.
    LOCK_HEAD = "SELECT seq, hash FROM audit_head WHERE one = 1",
        postgres: "SELECT seq, hash FROM audit_head WHERE one = 1 FOR UPDATE";
    /// All rows of a transaction, a JSON array with bytes in hex, and the head that they lead to (`$2`, `$3`). Writes nothing if the
    /// head is no longer the one that they follow (`$4`, `$5`).
    APPEND = concat!("UPDATE audit_head SET seq = $2, hash = $3 WHERE one = 1 AND seq = $4 AND hash = $5; \
        INSERT INTO audit (", chain_columns!(), ") SELECT r.value ->> 'seq', r.value ->> 'at', \
        r.value ->> 'event', r.value ->> 'source', r.value ->> 'guild_id', r.value ->> 'actor_id', \
        r.value ->> 'subject_id', r.value ->> 'request_id', r.value ->> 'job_id', r.value ->> 'before', \
        r.value ->> 'after', r.value ->> 'reason_code', unhex(r.value ->> 'personal_hash'), \
        unhex(r.value ->> 'prev'), unhex(r.value ->> 'hash') FROM jsonb_each($1) AS r \
        WHERE EXISTS (SELECT 1 FROM audit_head AS h WHERE h.seq = $2 AND h.hash = $3)"),
        postgres: concat!("WITH moved AS (UPDATE audit_head SET seq = $2, hash = $3 WHERE one = 1 AND seq = $4 \
        AND hash = $5 RETURNING one) INSERT INTO audit (", chain_columns!(), ") SELECT r.seq, r.at, r.event, r.source, r.guild_id, r.actor_id, \
        r.subject_id, r.request_id, r.job_id, r.before, r.after, r.reason_code, decode(r.personal_hash, 'hex'), \
        decode(r.prev, 'hex'), decode(r.hash, 'hex') FROM json_to_recordset(CAST($1 AS JSON)) AS r(seq BIGINT, \
        at BIGINT, event TEXT, source TEXT, guild_id TEXT, actor_id TEXT, subject_id TEXT, request_id TEXT, \
        job_id TEXT, before TEXT, after TEXT, reason_code TEXT, personal_hash TEXT, prev TEXT, hash TEXT) \
        WHERE EXISTS (SELECT 1 FROM moved)");
    /// The personal texts of these rows; a JSON array, too.
    APPEND_PERSONAL = "INSERT INTO audit_personal (seq, salt, body_enc, key_id) SELECT r.value ->> 'seq', \
        unhex(r.value ->> 'salt'), unhex(r.value ->> 'body_enc'), $2 FROM jsonb_each($1) AS r",
        postgres: "INSERT INTO audit_personal (seq, salt, body_enc, key_id) SELECT r.seq, decode(r.salt, 'hex'), \
        decode(r.body_enc, 'hex'), $2 FROM json_to_recordset(CAST($1 AS JSON)) AS r(seq BIGINT, salt TEXT, body_enc TEXT)";
    NEWEST_FIRST = concat!("SELECT ", audit_columns!(), " WHERE a.seq < $1", audit_filter!(),
        "ORDER BY a.seq DESC LIMIT $10");
    OLDEST_FIRST = concat!("SELECT ", audit_columns!(), " WHERE a.seq > $1", audit_filter!(),
        "ORDER BY a.seq LIMIT $10");
    /// Verification reads a page at a time.
    FROM = concat!("SELECT ", audit_columns!(), " WHERE a.seq > $1 ORDER BY a.seq LIMIT $2");
    HASH_AT = "SELECT hash FROM audit WHERE seq = $1";
    /// `$1` is an event; an empty one stands for every event.
    ERASE_OLD = "DELETE FROM audit_personal WHERE seq IN (SELECT p.seq FROM audit_personal AS p \
        JOIN audit AS a ON a.seq = p.seq WHERE a.at < $2 AND (a.event = $1 OR $1 = '') ORDER BY p.seq LIMIT $3)";
}

/// How many rows verification reads at a time.
const VERIFY_PAGE: i64 = 500;

#[derive(sqlx::FromRow)]
struct Row {
    seq: i64,
    at: i64,
    event: String,
    source: String,
    guild_id: Option<String>,
    actor_id: String,
    subject_id: Option<String>,
    request_id: Option<String>,
    job_id: Option<String>,
    before: Option<String>,
    after: Option<String>,
    reason_code: Option<String>,
    personal_hash: Option<Vec<u8>>,
    prev: Vec<u8>,
    hash: Vec<u8>,
    salt: Option<Vec<u8>>,
    body_enc: Option<Vec<u8>>,
    key_id: Option<String>,
}

fn personal_place(seq: &str) -> Place<'_> {
    Place { table: "audit_personal", row: seq, column: "body_enc" }
}

impl Row {
    fn personal(&self, connection: &ReadConnection) -> Result<Option<String>, StoreError> {
        let seq = self.seq.to_string();
        self.body_enc
            .as_deref()
            .map(|sealed| connection.inner.keys.open(personal_place(&seq), self.key_id.as_deref(), sealed))
            .transpose()
    }

    fn chain_row(&self) -> ChainRow {
        ChainRow {
            seq: self.seq,
            at: Timestamp::from_millis(self.at),
            event: self.event.clone(),
            source: self.source.clone(),
            guild_id: self.guild_id.clone(),
            actor_id: self.actor_id.clone(),
            subject_id: self.subject_id.clone(),
            request_id: self.request_id.clone(),
            job_id: self.job_id.clone(),
            before: self.before.clone(),
            after: self.after.clone(),
            reason_code: self.reason_code.clone(),
            personal_hash: self.personal_hash.clone(),
        }
    }

    /// Checks the row as the successor of `before`.
    fn fault_after(&self, before: &Head, connection: &ReadConnection) -> Option<AuditFault> {
        if self.seq != before.seq + 1 {
            return Some(AuditFault::Missing);
        }
        if self.prev != before.hash {
            return Some(AuditFault::Prev);
        }
        if self.hash != audit::chain_hash(&before.hash, &self.chain_row()) {
            return Some(AuditFault::Hash);
        }
        let Ok(body) = self.personal(connection) else { return Some(AuditFault::Personal) };
        let is_right = match (&self.salt, body) {
            (Some(salt), Some(body)) => {
                self.personal_hash.as_deref() == Some(audit::personal_hash(salt, &body).as_slice())
            }
            // Erased, or there never was one.
            (None, None) => true,
            (Some(_), None) | (None, Some(_)) => false,
        };
        (!is_right).then_some(AuditFault::Personal)
    }
}

impl Store {
    /// Reads the whole chain, recomputes it and returns the first bad row, if there is one.
    pub async fn verify_audit(&self, expected: Option<&Head>) -> Result<AuditVerdict, StoreError> {
        let mut connection = self.read().await?;
        // Read first, so rows that are added meanwhile come after it.
        let stored_head = connection.audit_head().await?;
        let mut head = Head { seq: 0, hash: audit::FIRST_PREV.to_vec() };
        loop {
            let rows = all!(&mut connection, FROM, Row; head.seq, VERIFY_PAGE)?;
            if rows.is_empty() {
                break;
            }
            for row in rows {
                if let Some(fault) = row.fault_after(&head, &connection) {
                    return Ok(AuditVerdict::Broken { seq: head.seq + 1, fault });
                }
                head = Head { seq: row.seq, hash: row.hash };
                if head.seq == stored_head.seq && head.hash != stored_head.hash {
                    return Ok(AuditVerdict::Broken { seq: head.seq, fault: AuditFault::Head });
                }
            }
        }
        if head.seq < stored_head.seq {
            return Ok(AuditVerdict::Broken { seq: head.seq + 1, fault: AuditFault::Missing });
        }
        if let Some(expected) = expected {
            let found = maybe!(&mut connection, HASH_AT, (Vec<u8>,); expected.seq)?;
            if found.is_none_or(|(hash,)| hash != expected.hash) {
                let fault = AuditFault::ExpectedHead;
                return Ok(AuditVerdict::Broken { seq: expected.seq.min(head.seq + 1), fault });
            }
        }
        Ok(AuditVerdict::Whole(head))
    }
}

impl ReadConnection {
    /// The end of the chain.
    pub async fn audit_head(&mut self) -> Result<Head, StoreError> {
        let (seq, hash) = one!(self, HEAD, (i64, Vec<u8>);)?;
        Ok(Head { seq, hash })
    }

    /// A page of the log; `after` is the last `seq` of the page before.
    pub async fn audit_page(
        &mut self,
        filter: &AuditFilter,
        after: Option<i64>,
        limit: u32,
    ) -> Result<Vec<AuditRow>, StoreError> {
        let (statement, start) = match filter.order {
            Order::NewestFirst => (NEWEST_FIRST, i64::MAX),
            Order::OldestFirst => (OLDEST_FIRST, 0),
        };
        let rows = all!(self, statement, Row;
            after.unwrap_or(start),
            filter.event.map(Event::code),
            filter.source.map(Source::code),
            filter.actor.as_deref(),
            filter.subject.map(|id| id.to_string()),
            filter.request_id.map(|id| id.to_string()),
            filter.guild_id.map(|id| id.to_string()),
            filter.from.map_or(i64::MIN, Timestamp::as_millis),
            filter.to.map_or(i64::MAX, Timestamp::as_millis),
            i64::from(limit))?;
        rows.into_iter()
            .map(|row| Ok(AuditRow { row: row.chain_row(), personal: row.personal(self)?, hash: row.hash }))
            .collect()
    }
}

impl Tx {
    /// Appends the collected entries to the chain and returns the new head. The head stays locked until the commit, so this comes last.
    ///
    /// The head of this process's last commit is usually still the head. So the rows are built on it without reading the stored one, and
    /// again on the stored one if it has moved.
    pub(super) async fn append_audit(&mut self, entries: &[Entry]) -> Result<Head, StoreError> {
        if let Some(known) = self.inner.audit_head.take()
            && let Some(head) = self.append_audit_to(&known, entries).await?
        {
            return Ok(head);
        }
        let (seq, hash) = one!(self, LOCK_HEAD, (i64, Vec<u8>);)?;
        let appended = self.append_audit_to(&Head { seq, hash }, entries).await?;
        appended.ok_or(StoreError::Row { table: "audit_head" })
    }

    /// Appends the entries after this head. Returns `None`, and writes nothing, if the chain has another head.
    async fn append_audit_to(&mut self, head: &Head, entries: &[Entry]) -> Result<Option<Head>, StoreError> {
        let (mut seq, mut prev) = (head.seq, head.hash.clone());
        let at = self.now();
        let (mut rows, mut texts) = (Vec::with_capacity(entries.len()), Vec::new());
        for entry in entries {
            seq += 1;
            let text = entry.personal.as_deref().map(|text| self.seal_personal(seq, text));
            let row = entry.clone().at_place(seq, at, text.as_ref().map(|text| text.hash.clone()));
            let hash = audit::chain_hash(&prev, &row);
            rows.push(row_as_json(&row, &prev, &hash));
            texts.extend(text.map(|text| text.json));
            prev = hash;
        }
        let rows = serde_json::Value::from(rows).to_string();
        if exec!(self, APPEND; rows, seq, &prev, head.seq, &head.hash)? == 0 {
            return Ok(None);
        }
        if !texts.is_empty() {
            let key_id = self.inner.keys.id().to_owned();
            exec!(self, APPEND_PERSONAL; serde_json::Value::from(texts).to_string(), key_id)?;
        }
        Ok(Some(Head { seq, hash: prev }))
    }

    /// Erases the personal texts of rows older than `before`, of one event or of all; the chain still verifies. Returns their number, at
    /// most `limit`.
    pub async fn erase_old_audit_texts(
        &mut self,
        event: Option<Event>,
        before: Timestamp,
        limit: u32,
    ) -> Result<u64, StoreError> {
        exec!(self, ERASE_OLD; event.map_or("", Event::code), before.as_millis(), i64::from(limit))
    }

    fn seal_personal(&self, seq: i64, text: &str) -> PersonalText {
        let mut salt = vec![0; 32];
        self.inner.rng.fill(&mut salt);
        let place = seq.to_string();
        let sealed = self.inner.keys.seal(self.inner.rng.as_ref(), personal_place(&place), text);
        PersonalText {
            hash: audit::personal_hash(&salt, text),
            json: serde_json::json!({ "seq": seq, "salt": hex::encode(&salt), "body_enc": hex::encode(sealed) }),
        }
    }
}

/// A personal text: its hash for the chain, and its own row as JSON.
struct PersonalText {
    hash: Vec<u8>,
    json: serde_json::Value,
}

fn row_as_json(row: &ChainRow, prev: &[u8], hash: &[u8]) -> serde_json::Value {
    serde_json::json!({
        "seq": row.seq,
        "at": row.at.as_millis(),
        "event": row.event,
        "source": row.source,
        "guild_id": row.guild_id,
        "actor_id": row.actor_id,
        "subject_id": row.subject_id,
        "request_id": row.request_id,
        "job_id": row.job_id,
        "before": row.before,
        "after": row.after,
        "reason_code": row.reason_code,
        "personal_hash": row.personal_hash.as_deref().map(hex::encode),
        "prev": hex::encode(prev),
        "hash": hex::encode(hash),
    })
}
