//! Jobs that wait: which have waited for too long, which of them were reported, and how many wait for what.
//!
//! A wait begins when the job last moved on to another step (`progressed_at`), because each attempt changes only `next_run`. It is
//! reported once: `reported_at` is set by [`Tx::report_delays`] and cleared by the write that moves the job on.

use super::connection::{ReadConnection, Tx};
use super::error::StoreError;
use super::jobs::{Row, job_columns};
use super::outbox::{NewOutbox, OutboxKind};
use super::sql::{all, bare, sql};
use crate::domain::error_code::ErrorCode;
use crate::domain::ids::{GuildId, JobId, RequestId, Timestamp};
use crate::domain::job::Job;
use crate::domain::notification::Notification;
use crate::domain::wait::Wait;

/// How many jobs wait for the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WaitCount {
    /// What they wait for.
    pub code: ErrorCode,
    /// How many of them were reported.
    pub reported: i64,
    /// Since when the first of them waits, reported or not.
    pub oldest: Timestamp,
}

/// A reported job as a notice names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NoticedDelay {
    /// The public code of its request.
    pub request_code: String,
    /// What it waits for, and since when.
    pub wait: Wait,
}

/// The jobs to report: free, so that no worker is moving them on, and not reported yet.
macro_rules! delayed {
    ($codes:literal) => {
        concat!(
            "SELECT seq FROM job WHERE state IN ('open', 'undoing') AND error_code IS NOT NULL AND error_code IN ",
            $codes,
            " AND progressed_at <= $2 AND reported_at IS NULL AND owner IS NULL ORDER BY progressed_at LIMIT $4"
        )
    };
}

/// Reports them. The conditions are repeated, because a worker may have claimed one of them meanwhile.
macro_rules! report {
    () => {
        "UPDATE job SET reported_at = $3, revision = revision + 1 \
         WHERE reported_at IS NULL AND owner IS NULL AND progressed_at <= $2 AND seq IN ("
    };
}

/// The reported ones among these jobs.
macro_rules! noticed {
    ($ids:literal) => {
        concat!(
            "SELECT r.code, j.kind, j.state, j.error_code, j.progressed_at FROM job AS j JOIN request AS r ON r.id = j.request_id \
             WHERE j.reported_at IS NOT NULL AND j.id IN ",
            $ids,
            " ORDER BY j.progressed_at, j.seq"
        )
    };
}

sql! {
    /// `$1` is a JSON array of codes.
    REPORT = concat!(report!(), delayed!("(SELECT value FROM json_each($1))"), ") RETURNING ", job_columns!()),
        postgres: concat!(report!(), delayed!("(SELECT json_array_elements_text(CAST($1 AS JSON)))"), ") RETURNING ",
            job_columns!());
    /// `$1` is a JSON array of ids.
    NOTICED = noticed!("(SELECT value FROM json_each($1))"),
        postgres: noticed!("(SELECT json_array_elements_text(CAST($1 AS JSON)))");
    WAIT_COUNTS = "SELECT error_code, count(reported_at), min(progressed_at) FROM job \
        WHERE state IN ('open', 'undoing') AND error_code IS NOT NULL GROUP BY error_code";
    OF_REQUEST = concat!("SELECT ", job_columns!(),
        " FROM job WHERE request_id = $1 AND state IN ('open', 'undoing') AND error_code IS NOT NULL ORDER BY seq");
}

#[derive(sqlx::FromRow)]
struct NoticedRow {
    code: String,
    kind: String,
    state: String,
    error_code: Option<String>,
    progressed_at: i64,
}

impl NoticedRow {
    fn delay(self) -> Result<Option<NoticedDelay>, StoreError> {
        let unreadable = |_| StoreError::Row { table: "job" };
        let code = self.error_code.map(|code| code.parse()).transpose().map_err(unreadable)?;
        let (kind, state) = (self.kind.parse().map_err(unreadable)?, self.state.parse().map_err(unreadable)?);
        let wait = Wait::of(kind, state, code, Timestamp::from_millis(self.progressed_at));
        Ok(wait.map(|wait| NoticedDelay { request_code: self.code, wait }))
    }
}

impl ReadConnection {
    /// How many jobs wait for what. Codes that nobody waits for are left out.
    pub async fn wait_counts(&mut self) -> Result<Vec<WaitCount>, StoreError> {
        let rows = all!(self, WAIT_COUNTS, (String, i64, i64);)?;
        let counts = rows.into_iter().filter_map(|(code, reported, oldest)| {
            let code = code.parse::<ErrorCode>().ok().filter(|code| code.is_waited_for())?;
            Some(WaitCount { code, reported, oldest: Timestamp::from_millis(oldest) })
        });
        Ok(counts.collect())
    }

    /// What the oldest waiting job of a request waits for.
    pub async fn wait_of(&mut self, request: RequestId) -> Result<Option<Wait>, StoreError> {
        let rows = all!(self, OF_REQUEST, Row; request.to_string())?;
        for row in rows {
            if let Some(wait) = row.job()?.wait() {
                return Ok(Some(wait));
            }
        }
        Ok(None)
    }

    /// The reported ones among these jobs that still wait, the longest wait first.
    pub async fn noticed_delays(&mut self, jobs: &[JobId]) -> Result<Vec<NoticedDelay>, StoreError> {
        let ids: Vec<String> = jobs.iter().map(ToString::to_string).collect();
        let rows = all!(self, NOTICED, NoticedRow; serde_json::json!(ids).to_string())?;
        rows.into_iter().filter_map(|row| row.delay().transpose()).collect()
    }
}

impl Tx {
    /// Marks jobs as reported that have waited since `before` or longer, and returns them, at most `limit`. Each wait is returned once,
    /// however many replicas ask.
    pub async fn report_delays(&mut self, before: Timestamp, limit: u32) -> Result<Vec<Job>, StoreError> {
        let codes: Vec<&str> =
            ErrorCode::ALL.iter().filter(|code| code.is_waited_for()).map(|code| code.code()).collect();
        let (codes, now) = (serde_json::json!(codes).to_string(), self.now().as_millis());
        let rows = all!(self, REPORT, Row; codes, before.as_millis(), now, i64::from(limit))?;
        let mut jobs: Vec<Job> = rows.into_iter().map(Row::job).collect::<Result<_, _>>()?;
        // RETURNING keeps no order.
        jobs.sort_by_key(|job| (job.progressed_at, job.seq));
        Ok(jobs)
    }

    /// Tells the admins of a guild about jobs that were reported together. The text names those that still wait when it is sent.
    pub async fn put_delay_notice(&mut self, guild: GuildId, jobs: &[JobId]) -> Result<(), StoreError> {
        let ids: Vec<String> = jobs.iter().map(ToString::to_string).collect();
        let Some(first) = ids.first() else { return Ok(()) };
        let now = self.now().as_millis().to_string();
        self.put_outbox(NewOutbox {
            kind: OutboxKind::Notice,
            target: guild.to_string(),
            dedupe_key: ["notice:", Notification::Delayed.code(), ":", first, ":", &now].concat(),
            params: serde_json::json!({ "jobs": ids, "text": Notification::Delayed.code() }).to_string(),
        })
        .await
    }

    /// Updates the card of a job's request if the job, as a worker claimed it, was reported: it moved on, or waits for something else.
    pub(super) async fn update_card_of_reported(&mut self, claimed: &Job) -> Result<(), StoreError> {
        match claimed.request_id.filter(|_| claimed.reported_at.is_some()) {
            Some(request) => self.put_card(request).await,
            None => Ok(()),
        }
    }
}
