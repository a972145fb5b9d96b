//! Searches, exports and verifies the audit log. Every search and export, and every verification in chat, is audited too.

use std::collections::HashMap;
use std::ops::ControlFlow;
use std::str::FromStr;

use serde_json::Value;

use super::authority::Admin;
use super::context::Accounts;
use super::error::UseCaseError;
use super::export_writer::{ExportWriter, Format, instant};
use super::links::read_user;
use super::requests::find_request;
use crate::domain::audit::{Actor, ChainRow, Event, Source};
use crate::domain::ids::{DiscordUserId, PersonId, Timestamp};
use crate::store::{
    AuditFault, AuditFilter as StoreFilter, AuditRow, AuditVerdict, Head as StoreHead, Order, ReadConnection,
};

/// Selects rows of the audit log.
#[derive(Clone, Debug, Default)]
pub struct AuditFilter {
    /// Only this event.
    pub event: Option<Event>,
    /// Only rows about this person: a mention, a Discord id or a person's id.
    pub person: Option<String>,
    /// Only rows of this request: its code or id.
    pub request: Option<String>,
    /// Only rows of this actor: a mention, a Discord id, a person's id, `cli:<login>` or `system`.
    pub actor: Option<String>,
    /// Only rows from this source.
    pub source: Option<Source>,
    /// Only rows at or after this time.
    pub since: Option<Timestamp>,
    /// Only rows before this time.
    pub until: Option<Timestamp>,
    /// Whether the newest row comes first.
    pub newest_first: bool,
}

/// One row, without its personal text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditLine {
    /// The row as the chain covers it.
    pub row: ChainRow,
    /// The chain's hash of this row, in hexadecimal.
    pub hash: String,
    /// The actor's Discord id, if the actor is a person and the id is known.
    pub actor: Option<DiscordUserId>,
    /// The Discord id of the person concerned, if it is known.
    pub subject: Option<DiscordUserId>,
    /// The request's public code, if the row names a request that still exists.
    pub request_code: Option<String>,
}

/// The last row of the chain, written as `seq:hash`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    /// The row's position.
    pub seq: i64,
    /// Its hash in lower-case hexadecimal, 64 digits.
    pub hash: String,
}

impl std::fmt::Display for Head {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}", self.seq, self.hash)
    }
}

/// The text is not a valid head.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("write it as it was logged: the number, a colon, 64 hexadecimal digits")]
pub struct IllegalHead;

impl FromStr for Head {
    type Err = IllegalHead;

    fn from_str(text: &str) -> Result<Self, IllegalHead> {
        let (seq, hash) = text.trim().split_once(':').ok_or(IllegalHead)?;
        let seq = seq.parse().map_err(|_| IllegalHead)?;
        let hash = hash.to_ascii_lowercase();
        if hash.len() != 64 || !hash.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Err(IllegalHead);
        }
        Ok(Self { seq, hash })
    }
}

/// Reads `2026-11-23T00:00:00Z`, or `2026-11-23` as the beginning of that day in UTC.
pub fn read_instant(text: &str) -> Option<Timestamp> {
    let text = text.trim();
    let instant = if let Ok(instant) = text.parse::<jiff::Timestamp>() {
        instant
    } else {
        let day: jiff::civil::Date = text.parse().ok()?;
        jiff::tz::TimeZone::UTC.to_timestamp(day.at(0, 0, 0, 0)).ok()?
    };
    Some(Timestamp::from_millis(instant.as_millisecond()))
}

/// How many rows an export reads at a time.
const EXPORT_PAGE: u32 = 500;

/// The columns of an export, in their order. The chain covers `at_ms`; `at` is the same time in readable form.
const COLUMNS: &[&str] = &[
    "seq",
    "at_ms",
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
    "hash",
];

/// What the verification found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verified {
    /// The chain is intact and contains the given head, if one was given.
    Whole {
        /// Its current head.
        head: Head,
    },
    /// A row does not follow from the row before it.
    Broken {
        /// The first such row.
        seq: i64,
    },
    /// The given head is not in the chain: rows were cut off or replaced.
    HeadMissing {
        /// The current head.
        head: Head,
    },
}

impl Accounts {
    /// A page of the log after the row `after`, with the people and requests that it names.
    pub async fn audit_search(
        &self,
        admin: &Admin,
        filter: &AuditFilter,
        after: Option<i64>,
        limit: u32,
    ) -> Result<Vec<AuditLine>, UseCaseError> {
        let mut view = self.store().read().await?;
        let rows = match narrow(&mut view, filter, admin).await? {
            Some(narrowed) => view.audit_page(&narrowed, after, limit).await?,
            None => Vec::new(),
        };
        let lines = name_people(&mut view, rows).await?;
        drop(view);
        self.record_view(admin, &[]).await?;
        Ok(lines)
    }

    /// Writes the matching rows as text, oldest first, and passes the text to `take` in parts. The export is audited first, ends at the
    /// head that the chain then has, and returns that head. Rows name people by our own ids, as the chain does.
    pub async fn export_audit<B>(
        &self,
        admin: &Admin,
        filter: &AuditFilter,
        format: Format,
        mut take: impl FnMut(&str) -> ControlFlow<B>,
    ) -> Result<ControlFlow<B, Head>, UseCaseError> {
        self.record_view(admin, &[]).await?;
        let mut view = self.store().read().await?;
        let head = view.audit_head().await?;
        let filter = AuditFilter { newest_first: false, ..filter.clone() };
        let narrowed = narrow(&mut view, &filter, admin).await?;
        let (mut writer, mut text) = ExportWriter::begin(format, "rows", COLUMNS);
        let mut after = None;
        loop {
            let mut rows = match &narrowed {
                Some(narrowed) => view.audit_page(narrowed, after, EXPORT_PAGE).await?,
                None => Vec::new(),
            };
            rows.retain(|row| row.row.seq <= head.seq);
            after = rows.last().map(|row| row.row.seq);
            for row in rows {
                writer.put(&mut text, values(row));
            }
            let is_end = after.is_none();
            let head = shown(&head);
            if is_end {
                text.push_str(&writer.end(Some(("head", &head.to_string()))));
            }
            if let ControlFlow::Break(why) = take(&text) {
                return Ok(ControlFlow::Break(why));
            }
            if is_end {
                return Ok(ControlFlow::Continue(head));
            }
            text.clear();
        }
    }

    /// Verifies the whole chain and, with `head`, that it contains that earlier head. It shows no row, so it needs no right beyond reading
    /// the database, and works on a read-only copy.
    pub async fn audit_verify(&self, head: Option<&Head>) -> Result<Verified, UseCaseError> {
        let expected = match head {
            Some(head) => match hex::decode(&head.hash) {
                Ok(hash) => Some(StoreHead { seq: head.seq, hash }),
                // A text that is not a hash is in no chain.
                Err(_) => return self.head_missing().await,
            },
            None => None,
        };
        match self.store().verify_audit(expected.as_ref()).await? {
            AuditVerdict::Whole(head) => Ok(Verified::Whole { head: shown(&head) }),
            AuditVerdict::Broken { fault: AuditFault::ExpectedHead, .. } => self.head_missing().await,
            AuditVerdict::Broken { seq, .. } => Ok(Verified::Broken { seq }),
        }
    }

    /// Like [`Accounts::audit_verify`], for an admin in chat; the verification is audited.
    pub async fn audit_verify_for(
        &self,
        admin: &Admin,
        head: Option<&Head>,
    ) -> Result<Verified, UseCaseError> {
        self.record_view(admin, &[]).await?;
        self.audit_verify(head).await
    }

    async fn head_missing(&self) -> Result<Verified, UseCaseError> {
        let head = self.store().read().await?.audit_head().await?;
        Ok(Verified::HeadMissing { head: shown(&head) })
    }
}

/// One line of plain text: position, time, event, source, actor, subject, change and reason.
impl std::fmt::Display for AuditLine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let row = &self.row;
        let at = instant(row.at);
        let at = at.as_str().unwrap_or_default();
        let subject = row.subject_id.as_deref().unwrap_or("-");
        write!(f, "{}  {at}  {}  {}  {}  {subject}", row.seq, row.event, row.source, row.actor_id)?;
        match (&row.before, &row.after) {
            (Some(before), Some(after)) => write!(f, "  {before} -> {after}")?,
            (None, Some(one)) | (Some(one), None) => write!(f, "  {one}")?,
            (None, None) => {}
        }
        match &row.reason_code {
            Some(code) => write!(f, "  {code}"),
            None => Ok(()),
        }
    }
}

impl AuditLine {
    fn unnamed(row: AuditRow) -> Self {
        Self { hash: hex::encode(row.hash), row: row.row, actor: None, subject: None, request_code: None }
    }
}

/// A row of an export, in the order of [`COLUMNS`]: what the chain covers, and its hash, so that anyone can recompute it.
fn values(row: AuditRow) -> Vec<Value> {
    let (row, hash) = (row.row, row.hash);
    vec![
        row.seq.into(),
        row.at.as_millis().into(),
        instant(row.at),
        row.event.into(),
        row.source.into(),
        row.guild_id.into(),
        row.actor_id.into(),
        row.subject_id.into(),
        row.request_id.into(),
        row.job_id.into(),
        row.before.into(),
        row.after.into(),
        row.reason_code.into(),
        row.personal_hash.map(hex::encode).into(),
        hex::encode(hash).into(),
    ]
}

/// Adds the Discord users and request codes for the ids on a page. Each is looked up once.
async fn name_people(view: &mut ReadConnection, rows: Vec<AuditRow>) -> Result<Vec<AuditLine>, UseCaseError> {
    let (mut people, mut codes) = (HashMap::new(), HashMap::new());
    let mut lines: Vec<AuditLine> = rows.into_iter().map(AuditLine::unnamed).collect();
    for line in &mut lines {
        let row = &line.row;
        for id in [Some(&row.actor_id), row.subject_id.as_ref()].into_iter().flatten() {
            if let (Ok(person), false) = (id.parse::<PersonId>(), people.contains_key(id)) {
                let user = view.person(person).await?.and_then(|person| person.discord_id);
                people.insert(id.clone(), user);
            }
        }
        if let Some(id) = &row.request_id
            && let (Ok(request), false) = (id.parse(), codes.contains_key(id))
        {
            codes.insert(id.clone(), view.request(request).await?.map(|request| request.code));
        }
        line.actor = people.get(&row.actor_id).copied().flatten();
        line.subject = row.subject_id.as_ref().and_then(|id| people.get(id).copied().flatten());
        line.request_code = row.request_id.as_ref().and_then(|id| codes.get(id).cloned().flatten());
    }
    Ok(lines)
}

/// The store's filter; `None` if a person or request that it names is unknown, because no row can match then.
async fn narrow(
    view: &mut ReadConnection,
    filter: &AuditFilter,
    admin: &Admin,
) -> Result<Option<StoreFilter>, UseCaseError> {
    let subject = match &filter.person {
        Some(named) => match find_person(view, named).await? {
            Some(person) => Some(person),
            None => return Ok(None),
        },
        None => None,
    };
    let actor = match &filter.actor {
        Some(named) => match find_actor(view, named).await? {
            Some(actor) => Some(actor.text()),
            None => return Ok(None),
        },
        None => None,
    };
    let request_id = match &filter.request {
        Some(named) => match find_request(view, named).await? {
            Some(request) => Some(request.id),
            None => return Ok(None),
        },
        None => None,
    };
    Ok(Some(StoreFilter {
        event: filter.event,
        source: filter.source,
        actor,
        subject,
        request_id,
        guild_id: admin.guild(),
        from: filter.since,
        to: filter.until,
        order: if filter.newest_first { Order::NewestFirst } else { Order::OldestFirst },
    }))
}

/// Finds the actor: a person by mention or id, `cli:<login>` or `system`.
async fn find_actor(view: &mut ReadConnection, named: &str) -> Result<Option<Actor>, UseCaseError> {
    match Actor::parse(named.trim()) {
        Some(actor) => Ok(Some(actor)),
        None => Ok(find_person(view, named).await?.map(Actor::Person)),
    }
}

/// Finds a person by a mention, a Discord id or our own id. Our own id is not looked up, because erased people have rows too.
async fn find_person(view: &mut ReadConnection, named: &str) -> Result<Option<PersonId>, UseCaseError> {
    let named = named.trim();
    if let Ok(id) = named.parse() {
        return Ok(Some(id));
    }
    match read_user(named) {
        Some(id) => Ok(view.person_of(id).await?.map(|person| person.id)),
        None => Ok(None),
    }
}

fn shown(head: &StoreHead) -> Head {
    Head { seq: head.seq, hash: hex::encode(&head.hash) }
}
