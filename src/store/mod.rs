//! The only SQL. Persons, requests, accounts, durable jobs, outbox, rate limits and the audit chain, on SQLite or `PostgreSQL`.
//!
//! Start with [`Store::open`], [`Store::begin`] (a writing [`Tx`]) and [`Store::read`] (a reading [`ReadConnection`]; every reading
//! verb works in a transaction too, because [`Tx`] dereferences to [`ReadConnection`]).
//! Rules of this module: one statement text for both databases, never built from strings; no transaction is held across an outside
//! call; an error inside a transaction poisons it, and a poisoned one refuses to commit. Nothing here decides: policy lives in
//! `domain`, use-cases in `accounts`, effects in `jobs`.

mod accounts;
mod answers;
mod approval;
mod audit;
mod audit_head;
mod claims;
mod commit;
mod connection;
mod counters;
mod database;
mod decisions;
mod delays;
mod deny;
mod drafts;
mod dump;
mod error;
mod files;
mod flush;
mod handover;
mod jobs;
mod leases;
mod links;
mod locks;
mod mails;
mod messages;
mod open;
mod outbox;
mod panels;
mod persons;
mod queue;
mod rate_limits;
mod request_rows;
mod requests;
mod restored;
mod seal;
mod session;
mod sql;
mod sqlite;
mod typed_forms;
mod write_health;

pub use accounts::{AccountFilter, AccountInserted, AccountSaved};
pub use answers::{CardCase, CardJob, Decided, DecisionCase, Overview, SendNow, Told, UnfinishedJob};
pub use approval::Approved;
pub use audit::{AuditFault, AuditFilter, AuditRow, AuditVerdict, Order};
pub use audit_head::Head;
pub use connection::{ReadConnection, Store, Tx};
pub use counters::Counts;
pub use database::Kind;
pub use decisions::{Decision, NewDecision};
pub use delays::{NoticedDelay, WaitCount};
pub use deny::{Denial, DenyKind, NewDeny};
pub use error::{FileFault, KeyFault, StoreError};
#[cfg(feature = "faults")]
pub use flush::{FlushHook, FlushMoment};
pub use handover::ClaimedJob;
pub use jobs::{CancelAsk, MailSpend, NewJob, StepRecord};
pub use leases::{EventCursor, NamedLease};
pub use links::Link;
pub use messages::{Message, MessageKind};
pub use open::{Migrated, ServingLock};
pub use outbox::{NewOutbox, Outbox, OutboxKind, RefusedMessages};
pub use rate_limits::{RateLimit, RateLimitKind};
pub use requests::{DraftChanged, NewDraft, RequestFilter, RequestMove, RequestMoved, SendDraft, Sent};
pub use restored::Restored;
pub use sql::Sql;

/// Every statement of this module by name, for the test that prepares all of them on both databases.
#[doc(hidden)]
pub fn statements() -> impl Iterator<Item = (&'static str, Sql)> {
    [
        accounts::STATEMENTS,
        answers::STATEMENTS,
        audit::STATEMENTS,
        rate_limits::STATEMENTS,
        claims::STATEMENTS,
        connection::STATEMENTS,
        decisions::STATEMENTS,
        delays::STATEMENTS,
        deny::STATEMENTS,
        drafts::STATEMENTS,
        dump::STATEMENTS,
        leases::STATEMENTS,
        links::STATEMENTS,
        locks::STATEMENTS,
        mails::STATEMENTS,
        messages::STATEMENTS,
        open::STATEMENTS,
        outbox::STATEMENTS,
        panels::STATEMENTS,
        persons::STATEMENTS,
        requests::STATEMENTS,
        restored::STATEMENTS,
        session::STATEMENTS,
        jobs::STATEMENTS,
        typed_forms::STATEMENTS,
    ]
    .into_iter()
    .flatten()
    .copied()
}
