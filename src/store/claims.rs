//! Claims of jobs: alone, or with everything that a worker needs (person, request, account and recorded steps) in one statement.

use std::time::Duration;

use serde::de::DeserializeOwned;

use super::accounts::Row as AccountRow;
use super::connection::{Store, Tx};
use super::database::Kind;
use super::error::StoreError;
use super::handover::{ClaimedJob, Taker};
use super::jobs::{NewJob, Row as JobRow, StepRow, job_columns, unless_overtaking};
use super::leases::lease_millis;
use super::persons::Row as PersonRow;
use super::request_rows::RequestRow;
use super::seal::Keys;
use super::sql::{all, bare, exec, one, postgres_now, sql};
use crate::clock::Moment;
use crate::domain::job::{Job, PLAN_VERSION};

/// The job to claim: due, free, of a known plan, and not behind an unfinished job of the same person that it waits for. `$now` is the
/// database's clock.
macro_rules! claimable {
    ($($now:tt)+) => {
        concat!(
            "SELECT w.seq FROM job AS w WHERE w.state IN ('open', 'undoing') AND w.next_run <= $3 \
             AND w.lease_until <= ", $($now)+, " AND w.plan_version <= $5 AND NOT EXISTS (SELECT e.seq FROM job AS e \
             WHERE e.person_id = w.person_id AND e.seq < w.seq AND e.state IN ('open', 'undoing', 'needs_operator') ",
            unless_overtaking!("w.kind"),
            ") ORDER BY w.next_run, w.seq LIMIT 1"
        )
    };
}

/// What a claim writes.
macro_rules! claim {
    ($($now:tt)+) => {
        concat!(
            "UPDATE job SET owner = $1, lease_until = ",
            $($now)+,
            " + $2, fence = fence + 1, attempt = attempt + 1, revision = revision + 1 WHERE seq = ("
        )
    };
}

/// The columns of the referred rows as the arguments of `json_object` and `json_build_object`, without sealed columns.
macro_rules! person_fields {
    () => {
        "'id', p.id, 'discord_id', p.discord_id, 'lang', p.lang, 'created_at', p.created_at"
    };
}
macro_rules! request_fields {
    () => {
        "'id', r.id, 'code', r.code, 'guild_id', r.guild_id, 'person_id', r.person_id, 'kind', r.kind, 'state', r.state, \
         'reason_code', r.reason_code, 'revision', r.revision, 'rule', r.rule, 'username', r.username, 'key_id', r.key_id, \
         'notice_version', r.notice_version, 'lang', r.lang, 'nonce', r.nonce, 'created_at', r.created_at, \
         'sent_at', r.sent_at, 'expires_at', r.expires_at, 'ended_at', r.ended_at, "
    };
}
macro_rules! account_fields {
    () => {
        "'id', a.id, 'person_id', a.person_id, 'state', a.state, 'username', a.username, 'directory_id', a.directory_id, \
         'keycloak_id', a.keycloak_id, 'nonce', a.nonce, 'invited_at', a.invited_at, 'activated_at', a.activated_at, \
         'closed_at', a.closed_at, 'revision', a.revision"
    };
}
macro_rules! step_fields {
    () => {
        "'step', s.step, 'outcome', s.outcome, 'output', s.output, 'at', s.at"
    };
}

/// SQLite's `hex` turns NULL into an empty text. A bare column of `RETURNING` has no collation, and SQLite would scan the whole table: so
/// each one is cast.
macro_rules! sqlite_rows {
    () => {
        concat!(
            ", (SELECT json_object(",
            person_fields!(),
            ") FROM person AS p WHERE p.id = CAST(job.person_id AS TEXT)) AS person, (SELECT json_object(",
            request_fields!(),
            "'given_enc', CASE WHEN r.given_enc IS NOT NULL THEN hex(r.given_enc) END, \
             'family_enc', CASE WHEN r.family_enc IS NOT NULL THEN hex(r.family_enc) END, \
             'address_enc', CASE WHEN r.address_enc IS NOT NULL THEN hex(r.address_enc) END, \
             'answer_enc', CASE WHEN r.answer_enc IS NOT NULL THEN hex(r.answer_enc) END) \
             FROM request AS r WHERE r.id = CAST(job.request_id AS TEXT)) AS request, (SELECT json_object(",
            account_fields!(),
            ") FROM account AS a WHERE a.id = CAST(job.account_id AS TEXT)) AS account, (SELECT json_group_array(json_object(",
            step_fields!(),
            ") ORDER BY s.id) FROM job_step AS s WHERE s.job_id = CAST(job.id AS TEXT)) AS steps"
        )
    };
}
macro_rules! postgres_rows {
    () => {
        concat!(
            ", (SELECT CAST(json_build_object(",
            person_fields!(),
            ") AS TEXT) FROM person AS p WHERE p.id = CAST(job.person_id AS TEXT)) AS person, (SELECT CAST(json_build_object(",
            request_fields!(),
            "'given_enc', encode(r.given_enc, 'hex'), 'family_enc', encode(r.family_enc, 'hex'), \
             'address_enc', encode(r.address_enc, 'hex'), 'answer_enc', encode(r.answer_enc, 'hex')) AS TEXT) \
             FROM request AS r WHERE r.id = CAST(job.request_id AS TEXT)) AS request, (SELECT CAST(json_build_object(",
            account_fields!(),
            ") AS TEXT) FROM account AS a WHERE a.id = CAST(job.account_id AS TEXT)) AS account, \
             (SELECT CAST(COALESCE(json_agg(json_build_object(",
            step_fields!(),
            ") ORDER BY s.id), '[]') AS TEXT) FROM job_step AS s WHERE s.job_id = CAST(job.id AS TEXT)) AS steps"
        )
    };
}

/// Creates a job that is already claimed (by `$9`, for `$10`), unless it has to wait for an earlier job of the same person.
macro_rules! enqueue_claimed {
    ($($now:tt)+) => {
        concat!(
            "INSERT INTO job (id, person_id, account_id, request_id, kind, plan_version, state, step, \
             revision, fence, owner, lease_until, attempt, next_run, progressed_at, mail_attempts, cancel_asked) \
             SELECT $1, $2, $3, $4, $5, CAST($6 AS BIGINT), 'open', $7, 1, b.free, CASE WHEN b.free = 1 THEN $9 END, \
             CASE WHEN b.free = 1 THEN ", $($now)+, " + CAST($10 AS BIGINT) ELSE 0 END, b.free, CAST($8 AS BIGINT), CAST($8 AS BIGINT), 0, FALSE \
             FROM (SELECT CASE WHEN EXISTS (SELECT 1 FROM job AS e WHERE e.person_id = $2 \
             AND e.state IN ('open', 'undoing', 'needs_operator') ",
            unless_overtaking!("$5"),
            ") THEN 0 ELSE 1 END AS free) AS b RETURNING "
        )
    };
}

sql! {
    ENQUEUE_CLAIMED = concat!(enqueue_claimed!("$11"), job_columns!(), sqlite_rows!()),
        postgres: concat!(enqueue_claimed!(postgres_now!("$11")), job_columns!(), postgres_rows!());
    CLAIM = concat!(claim!("$4"), claimable!("$4"), ") RETURNING ", job_columns!(), sqlite_rows!()),
        postgres: concat!(claim!(postgres_now!("$4")), claimable!(postgres_now!("$4")),
            " FOR UPDATE OF w SKIP LOCKED) RETURNING ", job_columns!(), postgres_rows!());
    VOID_JOB = "UPDATE job SET lease_until = 0, owner = NULL, revision = revision + 1 WHERE lease_until > 0";
    VOID_OUTBOX = "UPDATE outbox SET lease_until = 0, owner = NULL WHERE lease_until > 0";
    VOID_NAMED = "UPDATE lease SET until = 0 WHERE until > 0";
}

#[derive(sqlx::FromRow)]
struct Row {
    #[sqlx(flatten)]
    job: JobRow,
    person: Option<String>,
    request: Option<String>,
    account: Option<String>,
    steps: String,
}

/// Reads a row that came as JSON.
fn row_of<T: DeserializeOwned>(json: &str, table: &'static str) -> Result<T, StoreError> {
    serde_json::from_str(json).map_err(|_| StoreError::Row { table })
}

impl Store {
    /// Claims the free job that has been due the longest and does not wait for another one of the same person. It sets owner, lease and
    /// fence, counts the attempt, and reads the rows that the job refers to. If a job that this process created claimed has been due for
    /// longer, that one is returned. It is one statement and its own transaction. It does not wait for the disk: see [`Store::flushed`].
    pub async fn claim_job(&self, owner: &str, lease: Duration) -> Result<Option<ClaimedJob>, StoreError> {
        let handover = &self.inner.handover;
        let (left, oldest) = (handover.left(), handover.oldest());
        let asked = self.inner.clock.moment();
        let mut autocommit = self.autocommit().await?;
        let now = autocommit.now();
        let due = oldest.map_or(now, |oldest| oldest.min(now)).as_millis();
        let clock_base = autocommit.clock_base();
        let rows =
            all!(&mut autocommit, CLAIM, Row; owner, lease_millis(lease), due, clock_base, PLAN_VERSION)?;
        autocommit.end_autocommit(!rows.is_empty());
        let Some(row) = rows.into_iter().next() else {
            if oldest.is_none() {
                handover.open(owner, lease, left);
            }
            return Ok(handover.take());
        };
        handover.close();
        row.claimed(&self.inner.keys, asked).map(Some)
    }

    /// Takes a job that was created claimed by this process, and asks the database only if due jobs may wait there, as far as this
    /// process knows. Jobs of other processes, and those whose pause is over, are found by [`Store::claim_job`].
    pub async fn take_job(&self, owner: &str, lease: Duration) -> Result<Option<ClaimedJob>, StoreError> {
        let handover = &self.inner.handover;
        match handover.take() {
            None if handover.is_closed() => self.claim_job(owner, lease).await,
            taken => Ok(taken),
        }
    }

    /// Stops creating claimed jobs for this process. Returns those that no worker has taken yet, so that their leases can be released.
    pub fn end_handover(&self) -> Vec<ClaimedJob> {
        let handover = &self.inner.handover;
        handover.close();
        std::iter::from_fn(|| handover.take()).collect()
    }
}

impl Row {
    fn claimed(self, keys: &Keys, asked: Moment) -> Result<ClaimedJob, StoreError> {
        let person = self.person.ok_or(StoreError::Row { table: "person" })?;
        let request =
            self.request.map(|json| row_of::<RequestRow>(&json, "request").and_then(|row| row.request(keys)));
        let account =
            self.account.map(|json| row_of::<AccountRow>(&json, "account").and_then(AccountRow::account));
        let steps: Vec<StepRow> = row_of(&self.steps, "job_step")?;
        Ok(ClaimedJob {
            job: self.job.job()?,
            person: row_of::<PersonRow>(&person, "person")?.person()?,
            request: request.transpose()?,
            account: account.transpose()?,
            steps: steps.into_iter().map(StepRow::step).collect::<Result<_, _>>()?,
            asked,
        })
    }
}

impl Tx {
    /// Enqueues a job behind the person's other jobs, due now. If the worker of this process has nothing else that is due, the job is
    /// created claimed and handed over in memory after the commit: no claim, no poll.
    pub async fn enqueue_job_at_once(&mut self, job: NewJob) -> Result<Job, StoreError> {
        let Some(Taker { owner, lease }) = self.inner.handover.reserve() else {
            return self.enqueue_job(job).await;
        };
        let claimed = self.enqueue_job_claimed(job, &owner, lease).await?;
        let job = claimed.job.clone();
        if job.owner.is_some() {
            self.handed.push(claimed);
        }
        Ok(job)
    }

    /// Creates a job that is already claimed by `owner`: no other worker sees it free. A job that has to wait for an earlier one of the
    /// same person is enqueued as any other, and has no owner.
    pub async fn enqueue_job_claimed(
        &mut self,
        job: NewJob,
        owner: &str,
        lease: Duration,
    ) -> Result<ClaimedJob, StoreError> {
        self.lock_key(&job.person_id.to_string()).await?;
        let id = self.inner.ids.uuid().to_string();
        let asked = self.inner.clock.moment();
        let now = self.now().as_millis();
        let clock_base = self.clock_base();
        let first = job.kind.plan().first().map(|step| step.code());
        let row = one!(self, ENQUEUE_CLAIMED, Row;
            id, job.person_id.to_string(), job.account_id.map(|id| id.to_string()),
            job.request_id.map(|id| id.to_string()), job.kind.code(), PLAN_VERSION, first, now, owner, lease_millis(lease),
            clock_base)?;
        let claimed = row.claimed(&self.inner.keys, asked)?;
        self.leaves_jobs |= claimed.job.owner.is_none();
        Ok(claimed)
    }

    /// Releases every lease at the start of `serve` on SQLite: it holds the lock of the file, so all leases are left over from an earlier
    /// run. On `PostgreSQL` it does nothing.
    pub async fn void_leases(&mut self) -> Result<u64, StoreError> {
        if self.inner.db.kind() == Kind::Postgres {
            return Ok(0);
        }
        Ok(exec!(self, VOID_JOB;)? + exec!(self, VOID_OUTBOX;)? + exec!(self, VOID_NAMED;)?)
    }
}
