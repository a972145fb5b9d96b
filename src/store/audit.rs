//! The audit log: pages, the head, verification, erasure of personal values.

use super::seal::Place;
use super::sql::{all, bare, exec, maybe, one, sql};
use super::{ReadConnection, Store, StoreError, Tx};
use crate::domain::audit::{self, ChainRow, Entry, Event, Source};
use crate::domain::ids::{GuildId, PersonId, RequestId, Timestamp};

/// The end of the chain: `seq:hash`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    /// The last row.
    pub seq: i64,
    /// Its hash.
    pub hash: Vec<u8>,
}

impl std::fmt::Display for Head {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}", self.seq, hex::encode(&self.hash))
    }
}

/// Which way a page goes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Order {
    /// Newest first.
    #[default]
    NewestFirst,
    /// Oldest first.
    OldestFirst,
}

/// Which rows a search shows. `None` asks for nothing.
#[derive(Clone, Debug, Default)]
pub struct AuditFilter {
    /// Of this event.
    pub event: Option<Event>,
    /// Through this entrance.
    pub source: Option<Source>,
    /// By this actor (the text of the column).
    pub actor: Option<String>,
    /// About this person.
    pub subject: Option<PersonId>,
    /// About this request.
    pub request_id: Option<RequestId>,
    /// In this guild.
    pub guild_id: Option<GuildId>,
    /// From this instant.
    pub from: Option<Timestamp>,
    /// Before this instant.
    pub to: Option<Timestamp>,
    /// Which way.
    pub order: Order,
}

/// A row of the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditRow {
    /// What the chain covers.
    pub row: ChainRow,
    /// The row's hash.
    pub hash: Vec<u8>,
    /// The personal text, unless there is none or it was erased.
    pub personal: Option<String>,
}

/// What verification found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AuditVerdict {
    /// Every row follows from the one before, and the end is the head.
    Whole(Head),
    /// The first row that is wrong.
    Broken {
        /// Which.
        seq: i64,
        /// How.
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
    /// The chain does not hold the expected head: its tail was cut off or replaced.
    ExpectedHead,
}

/// The columns of [`Row`]: what the chain covers, the chain's own two, and the personal text beside it.
macro_rules! audit_columns {
    () => {
        "a.seq, a.at, a.event, a.source, a.guild_id, a.actor_id, a.subject_id, a.request_id, a.job_id, a.before, \
         a.after, a.reason_code, a.personal_hash, a.prev, a.hash, p.salt, p.body_enc, p.key_id \
         FROM audit AS a LEFT JOIN audit_personal AS p ON p.seq = a.seq"
    };
}

/// What a search asks for.
macro_rules! audit_filter {
    () => {
        " AND (a.event = $2 OR $2 IS NULL) AND (a.source = $3 OR $3 IS NULL) AND (a.actor_id = $4 OR $4 IS NULL) \
         AND (a.subject_id = $5 OR $5 IS NULL) AND (a.request_id = $6 OR $6 IS NULL) \
         AND (a.guild_id = $7 OR $7 IS NULL) AND a.at >= $8 AND a.at < $9 "
    };
}

sql! {
    HEAD = "SELECT seq, hash FROM audit_head WHERE one = 1";
    /// Takes the places of new rows, and with them the lock on the head until the commit.
    TAKE_HEAD = "UPDATE audit_head SET seq = seq + $1 WHERE one = 1 RETURNING seq, hash";
    MOVE_HEAD = "UPDATE audit_head SET hash = $1 WHERE one = 1";
    INSERT = "INSERT INTO audit (seq, at, event, source, guild_id, actor_id, subject_id, request_id, job_id, before, \
        after, reason_code, personal_hash, prev, hash) \
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)";
    INSERT_PERSONAL = "INSERT INTO audit_personal (seq, salt, body_enc, key_id) VALUES ($1, $2, $3, $4)";
    NEWEST_FIRST = concat!("SELECT ", audit_columns!(), " WHERE a.seq < $1", audit_filter!(),
        "ORDER BY a.seq DESC LIMIT $10");
    OLDEST_FIRST = concat!("SELECT ", audit_columns!(), " WHERE a.seq > $1", audit_filter!(),
        "ORDER BY a.seq LIMIT $10");
    /// Verification reads a page at a time.
    FROM = concat!("SELECT ", audit_columns!(), " WHERE a.seq > $1 ORDER BY a.seq LIMIT $2");
    HASH_AT = "SELECT hash FROM audit WHERE seq = $1";
    ERASE = "DELETE FROM audit_personal WHERE seq IN (SELECT seq FROM audit WHERE subject_id = $1)";
}

/// How many rows verification holds at a time.
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

    /// Judges the row as the successor of `before`.
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
            // Erased, or never there.
            (None, None) => true,
            (Some(_), None) | (None, Some(_)) => false,
        };
        (!is_right).then_some(AuditFault::Personal)
    }
}

impl Store {
    /// Reads the whole chain, recomputes it and names the first bad row.
    pub async fn verify_audit(&self, expected: Option<&Head>) -> Result<AuditVerdict, StoreError> {
        let mut connection = self.read().await?;
        // Read first: rows that are added meanwhile lie behind it.
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
    /// Writes the collected entries at the end of the chain. The head stays locked until the commit, so this comes last.
    pub(super) async fn append_audit(&mut self, entries: Vec<Entry>) -> Result<(), StoreError> {
        let count = entries.len() as i64;
        let (last, mut prev) = one!(self, TAKE_HEAD, (i64, Vec<u8>); count)?;
        let at = self.now();
        for (seq, entry) in (last - count + 1..).zip(entries) {
            prev = self.append_entry(seq, at, &prev, entry).await?;
        }
        exec!(self, MOVE_HEAD; prev).map(|_| ())
    }

    async fn append_entry(
        &mut self,
        seq: i64,
        at: Timestamp,
        prev: &[u8],
        entry: Entry,
    ) -> Result<Vec<u8>, StoreError> {
        let personal = entry.personal.as_deref().map(|body| {
            let mut salt = vec![0; 32];
            self.inner.rng.fill(&mut salt);
            let sealed =
                self.inner.keys.seal(self.inner.rng.as_ref(), personal_place(&seq.to_string()), body);
            let hash = audit::personal_hash(&salt, body);
            (salt, sealed, hash)
        });
        let row = entry.at_place(seq, at, personal.as_ref().map(|(_, _, hash)| hash.clone()));
        let hash = audit::chain_hash(prev, &row);
        exec!(self, INSERT;
            row.seq, row.at.as_millis(), row.event, row.source, row.guild_id, row.actor_id, row.subject_id,
            row.request_id, row.job_id, row.before, row.after, row.reason_code, row.personal_hash, prev, &hash)?;
        if let Some((salt, sealed, _)) = personal {
            let key_id = self.inner.keys.id().to_owned();
            exec!(self, INSERT_PERSONAL; seq, salt, sealed, key_id)?;
        }
        Ok(hash)
    }

    /// Erases the personal texts of all rows about a person; the chain still verifies. How many.
    pub async fn erase_audit_personal(&mut self, subject: PersonId) -> Result<u64, StoreError> {
        exec!(self, ERASE; subject.to_string())
    }
}
