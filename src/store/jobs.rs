//! Durable jobs: the job row is the saga. Leases, fences, steps, mail attempts.
//!
//! Every write of a worker names the fence of its claim. It is refused with [`StoreError::LostLease`] if another worker has claimed
//! the job since, or if the claim has ended: the answer to a commit can be lost, and its writes must not be repeated. Leases are
//! compared with the database's clock, `next_run` with the injected one.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::connection::{ReadConnection, Tx};
use super::error::StoreError;
use super::leases::lease_end;
use super::sql::{all, bare, exec, maybe, one, sql};
use crate::domain::error_code::ErrorCode;
use crate::domain::ids::{AccountId, JobId, PersonId, RequestId, Timestamp};
use crate::domain::job::{Job, JobKind, JobState, JobStep, MAILS_PER_JOB, Outcome, PLAN_VERSION, Step};

/// A new job. It starts at the first step of its plan.
#[derive(Clone, Copy, Debug)]
pub struct NewJob {
    /// The person it is for.
    pub person_id: PersonId,
    /// The account that it creates, changes or ends.
    pub account_id: Option<AccountId>,
    /// The request that caused it.
    pub request_id: Option<RequestId>,
    /// The plan that it follows.
    pub kind: JobKind,
}

/// One finished step, to be recorded.
#[derive(Clone, Debug)]
pub struct StepRecord {
    /// The step.
    pub step: Step,
    /// What it did.
    pub outcome: Outcome,
    /// What later steps need from it, as JSON without personal values.
    pub output: Option<String>,
    /// When its result became known; `None` means when it is recorded.
    pub seen_at: Option<Timestamp>,
}

/// Whether another mail may be begun.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MailSpend {
    /// Yes, and it is counted (once this transaction is committed).
    Spent(Job),
    /// No: the job's mails are used up.
    UsedUp,
}

/// The result of a request to stop a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CancelAsk {
    /// The request is new, and noted.
    Asked,
    /// It was requested before; nothing was changed.
    AskedBefore,
    /// The job is finished, or there is none; nothing was changed.
    Finished,
    /// The worker moved the job on at the same moment; nothing was changed. Ask again.
    Overtaken,
}

/// The columns of [`Row`], for SELECT and RETURNING.
macro_rules! job_columns {
    () => {
        "seq, id, person_id, account_id, request_id, kind, plan_version, state, step, revision, fence, owner, \
         lease_until, attempt, next_run, error_code, progressed_at, reported_at, mail_attempts, cancel_asked"
    };
}

/// The exceptions of `JobKind::waits_for`: a job of this kind does not wait for the earlier job `e`.
macro_rules! unless_overtaking {
    ($kind:literal) => {
        concat!(
            "AND NOT (",
            $kind,
            " IN ('lock', 'withdraw', 'enable') AND e.kind = 'resend') AND NOT (",
            $kind,
            " IN ('lock', 'resend', 'enable') AND e.kind = 'welcome')"
        )
    };
}

pub(super) use {job_columns, unless_overtaking};

/// Moves on from the step and state that were seen: a commit whose answer was lost must not be made twice.
macro_rules! advance {
    () => {
        "UPDATE job SET step = $3, state = $4, next_run = $5, error_code = $6, progressed_at = $5, reported_at = NULL, \
         attempt = 1, revision = revision + 1 \
         WHERE id = $1 AND fence = $2 AND step = $7 AND state = $8"
    };
}

/// Ends a job; the columns that it returns follow.
macro_rules! finish {
    () => {
        "UPDATE job SET state = $3, step = NULL, owner = NULL, lease_until = 0, reported_at = NULL, revision = revision + 1 \
         WHERE id = $1 AND fence = $2 AND owner IS NOT NULL RETURNING "
    };
}

/// Records the steps of a JSON array, on SQLite; a condition may follow.
macro_rules! record {
    ($job:literal, $steps:literal) => {
        concat!(
            "INSERT INTO job_step (job_id, step, outcome, output, at) SELECT ",
            $job,
            ", s.value ->> 'step', s.value ->> 'outcome', s.value ->> 'output', s.value ->> 'at' FROM jsonb_each(",
            $steps,
            ") AS s"
        )
    };
}

/// The same on `PostgreSQL`, for the job that was moved.
macro_rules! record_moved {
    ($steps:literal) => {
        concat!(
            "INSERT INTO job_step (job_id, step, outcome, output, at) SELECT m.id, s.step, s.outcome, s.output, s.at \
             FROM moved AS m, json_to_recordset(CAST(",
            $steps,
            " AS JSON)) AS s(step TEXT, outcome TEXT, output TEXT, at BIGINT)"
        )
    };
}

sql! {
    BY_ID = concat!("SELECT ", job_columns!(), " FROM job WHERE id = $1");
    OF_KIND = concat!("SELECT ", job_columns!(),
        " FROM job WHERE request_id = $1 AND kind = $2 ORDER BY seq DESC LIMIT 1");
    OF_PERSON = concat!("SELECT ", job_columns!(), " FROM job WHERE person_id = $1 ORDER BY seq");
    UNFINISHED_OF = concat!("SELECT ", job_columns!(),
        " FROM job WHERE person_id = $1 AND state IN ('open', 'undoing', 'needs_operator') ORDER BY seq");
    IN_STATE = concat!("SELECT ", job_columns!(),
        " FROM job WHERE state = $1 AND seq > $2 ORDER BY seq LIMIT $3");
    COUNTS = "SELECT state, count(*) FROM job GROUP BY state";
    OLDEST_DUE = "SELECT min(next_run) FROM job WHERE state IN ('open', 'undoing') AND next_run <= $1";
    STEPS = "SELECT step, outcome, output, at FROM job_step WHERE job_id = $1 ORDER BY id";
    STEP_OUTPUT = "SELECT output FROM job_step WHERE job_id = $1 AND step = $2 ORDER BY id DESC LIMIT 1";
    ENQUEUE = concat!("INSERT INTO job (id, person_id, account_id, request_id, kind, plan_version, state, step, \
        revision, fence, lease_until, attempt, next_run, progressed_at, mail_attempts, cancel_asked) \
        VALUES ($1, $2, $3, $4, $5, $6, 'open', $7, 1, 0, 0, 0, $8, $8, 0, FALSE) RETURNING ", job_columns!());
    RENEW = concat!("UPDATE job SET lease_until = $3 WHERE id = $1 AND fence = $2 RETURNING ", job_columns!());
    HELD = "UPDATE job SET revision = revision + 1 WHERE id = $1 AND fence = $2";
    /// Also records the steps that led there; `$9` is a JSON array. `changes()` counts the rows of the statement before.
    ADVANCE = concat!(advance!(), "; ", record!("$1", "$9"), " WHERE changes() = 1"),
        postgres: concat!("WITH moved AS (", advance!(), " RETURNING id) ", record_moved!("$9"));
    /// A cancellation since the worker last read the row makes the job due at once.
    POSTPONE = concat!("UPDATE job SET next_run = CASE WHEN cancel_asked <> $3 THEN CAST($4 AS BIGINT) ELSE CAST($5 AS BIGINT) END, \
        error_code = $6, owner = NULL, lease_until = 0, revision = revision + 1 \
        WHERE id = $1 AND fence = $2 AND owner IS NOT NULL RETURNING ", job_columns!());
    /// A job with a new cancellation is due at once instead.
    STOP_FOR_OPERATOR = concat!("UPDATE job SET \
        state = CASE WHEN cancel_asked <> $3 THEN state ELSE 'needs_operator' END, next_run = $4, \
        error_code = $5, reported_at = NULL, owner = NULL, lease_until = 0, revision = revision + 1 \
        WHERE id = $1 AND fence = $2 AND owner IS NOT NULL RETURNING ", job_columns!());
    FINISH = concat!(finish!(), job_columns!());
    /// The same, and records the last steps; `$4` is a JSON array. The row comes last, because nothing after it would be run.
    FINISH_RECORDED = concat!(record!("$1", "$4"), " WHERE EXISTS (SELECT 1 FROM job WHERE id = $1 AND fence = $2 \
        AND owner IS NOT NULL); ", finish!(), job_columns!()),
        postgres: concat!("WITH moved AS (", finish!(), job_columns!(), "), recorded AS (", record_moved!("$4"), ") \
        SELECT ", job_columns!(), " FROM moved");
    GIVE_BACK = "UPDATE job SET owner = NULL, lease_until = 0, attempt = attempt - 1, revision = revision + 1 \
        WHERE id = $1 AND fence = $2";
    SPEND_MAIL = concat!("UPDATE job SET mail_attempts = mail_attempts + 1, revision = revision + 1 \
        WHERE id = $1 AND fence = $2 AND mail_attempts < $3 RETURNING ", job_columns!());
    REFUND_MAIL = concat!("UPDATE job SET mail_attempts = mail_attempts - 1, revision = revision + 1 \
        WHERE id = $1 AND fence = $2 AND mail_attempts > 0 RETURNING ", job_columns!());
    ASK_CANCEL = "UPDATE job SET cancel_asked = TRUE, state = $3, next_run = $4, revision = revision + 1 \
        WHERE id = $1 AND state = $2 AND NOT cancel_asked";
    /// Begun mails stay counted, but one more is allowed.
    RETRY = concat!("UPDATE job SET state = $2, next_run = $3, progressed_at = $3, attempt = 0, error_code = NULL, \
        mail_attempts = CASE WHEN mail_attempts < $4 THEN mail_attempts ELSE $4 END, owner = NULL, lease_until = 0, revision = revision + 1 \
        WHERE id = $1 AND state = 'needs_operator' RETURNING ", job_columns!());
    END_CHECK = "UPDATE job SET state = 'done', step = NULL, fence = fence + 1, owner = NULL, lease_until = 0, \
        reported_at = NULL, revision = revision + 1 WHERE request_id = $1 AND kind = 'check' AND state IN ('open', 'needs_operator')";
    WAKE = "UPDATE job SET next_run = $2, revision = revision + 1 \
        WHERE error_code = $1 AND state IN ('open', 'undoing') AND next_run > $2";
}

#[derive(sqlx::FromRow)]
pub(super) struct Row {
    seq: i64,
    id: String,
    person_id: String,
    account_id: Option<String>,
    request_id: Option<String>,
    kind: String,
    plan_version: i64,
    state: String,
    step: Option<String>,
    revision: i64,
    fence: i64,
    owner: Option<String>,
    lease_until: i64,
    attempt: i64,
    next_run: i64,
    error_code: Option<String>,
    progressed_at: i64,
    reported_at: Option<i64>,
    mail_attempts: i64,
    cancel_asked: bool,
}

fn unreadable<E>(_: E) -> StoreError {
    StoreError::Row { table: "job" }
}

/// A row of `job_step`, and its JSON.
#[derive(sqlx::FromRow, Serialize, Deserialize)]
pub(super) struct StepRow {
    step: String,
    outcome: String,
    output: Option<String>,
    at: i64,
}

impl StepRow {
    fn of(record: &StepRecord, now: Timestamp) -> Self {
        Self {
            step: record.step.code().to_owned(),
            outcome: record.outcome.code().to_owned(),
            output: record.output.clone(),
            at: record.seen_at.unwrap_or(now).as_millis(),
        }
    }

    pub(super) fn step(self) -> Result<JobStep, StoreError> {
        Ok(JobStep {
            step: self.step.parse().map_err(unreadable)?,
            outcome: self.outcome,
            output: self.output,
            at: Timestamp::from_millis(self.at),
        })
    }
}

impl Row {
    pub(super) fn job(self) -> Result<Job, StoreError> {
        Ok(Job {
            id: self.id.parse().map_err(unreadable)?,
            seq: self.seq,
            person_id: self.person_id.parse().map_err(unreadable)?,
            account_id: self.account_id.map(|id| id.parse()).transpose().map_err(unreadable)?,
            request_id: self.request_id.map(|id| id.parse()).transpose().map_err(unreadable)?,
            kind: self.kind.parse().map_err(unreadable)?,
            plan_version: self.plan_version,
            state: self.state.parse().map_err(unreadable)?,
            step: self.step.map(|step| step.parse()).transpose().map_err(unreadable)?,
            revision: self.revision,
            fence: self.fence,
            owner: self.owner,
            lease_until: (self.lease_until > 0).then(|| Timestamp::from_millis(self.lease_until)),
            attempt: self.attempt,
            next_run: Timestamp::from_millis(self.next_run),
            error_code: self.error_code.map(|code| code.parse()).transpose().map_err(unreadable)?,
            progressed_at: Timestamp::from_millis(self.progressed_at),
            reported_at: self.reported_at.map(Timestamp::from_millis),
            mail_attempts: self.mail_attempts,
            cancel_asked: self.cancel_asked,
        })
    }

    fn jobs(rows: Vec<Self>) -> Result<Vec<Job>, StoreError> {
        rows.into_iter().map(Self::job).collect()
    }

    /// The row that a fenced write returned; none means that the claim is over.
    fn held(row: Option<Self>) -> Result<Job, StoreError> {
        row.ok_or(StoreError::LostLease)?.job()
    }
}

/// The state in which a job that needs an operator continues: undoing, if its step belongs only to the undo plan.
pub(super) fn state_to_resume(job: &Job) -> JobState {
    match job.step {
        Some(step) if job.kind.undo_plan().contains(&step) && !job.kind.plan().contains(&step) => {
            JobState::Undoing
        }
        Some(_) | None => JobState::Open,
    }
}

impl ReadConnection {
    /// The job of this id.
    pub async fn job(&mut self, id: JobId) -> Result<Option<Job>, StoreError> {
        maybe!(self, BY_ID, Row; id.to_string())?.map(Row::job).transpose()
    }

    /// The newest job of this kind of a request.
    pub async fn job_of_kind(
        &mut self,
        request: RequestId,
        kind: JobKind,
    ) -> Result<Option<Job>, StoreError> {
        maybe!(self, OF_KIND, Row; request.to_string(), kind.code())?.map(Row::job).transpose()
    }

    /// All jobs of a person, oldest first.
    pub async fn jobs_of(&mut self, person: PersonId) -> Result<Vec<Job>, StoreError> {
        Row::jobs(all!(self, OF_PERSON, Row; person.to_string())?)
    }

    /// The person's unfinished jobs, oldest first.
    pub async fn unfinished_jobs_of(&mut self, person: PersonId) -> Result<Vec<Job>, StoreError> {
        Row::jobs(all!(self, UNFINISHED_OF, Row; person.to_string())?)
    }

    /// The recorded steps of a job, in order.
    pub async fn job_steps(&mut self, id: JobId) -> Result<Vec<JobStep>, StoreError> {
        let rows = all!(self, STEPS, StepRow; id.to_string())?;
        rows.into_iter().map(StepRow::step).collect()
    }

    /// The output of the last record of this step.
    pub async fn step_output(&mut self, id: JobId, step: Step) -> Result<Option<String>, StoreError> {
        let row = maybe!(self, STEP_OUTPUT, (Option<String>,); id.to_string(), step.code())?;
        Ok(row.and_then(|(output,)| output))
    }

    /// A page of jobs in a state, oldest first; `after` is the last `seq` of the page before.
    pub async fn jobs_in(&mut self, state: JobState, after: i64, limit: u32) -> Result<Vec<Job>, StoreError> {
        Row::jobs(all!(self, IN_STATE, Row; state.code(), after, i64::from(limit))?)
    }

    /// How many jobs are in each state.
    pub async fn job_counts(&mut self) -> Result<Vec<(JobState, i64)>, StoreError> {
        let rows = all!(self, COUNTS, (String, i64);)?;
        Ok(rows.into_iter().filter_map(|(state, count)| Some((state.parse().ok()?, count))).collect())
    }

    /// The `next_run` of the job that has been due the longest; `None` if nothing is due.
    pub async fn oldest_due_job(&mut self) -> Result<Option<Timestamp>, StoreError> {
        let now = self.now().as_millis();
        Ok(one!(self, OLDEST_DUE, (Option<i64>,); now)?.0.map(Timestamp::from_millis))
    }
}

impl Tx {
    /// Locks this person for one transaction at a time, until it ends.
    pub async fn lock_person(&mut self, person: PersonId) -> Result<(), StoreError> {
        self.lock_key(&person.to_string()).await
    }

    /// Enqueues a job behind the person's other jobs, due now.
    pub async fn enqueue_job(&mut self, job: NewJob) -> Result<Job, StoreError> {
        // Replicas take numbers before they commit. One transaction per person at a time keeps the order.
        self.lock_key(&job.person_id.to_string()).await?;
        let id = self.inner.ids.uuid().to_string();
        let now = self.now().as_millis();
        let first = job.kind.plan().first().map(|step| step.code());
        self.leaves_jobs = true;
        one!(self, ENQUEUE, Row;
            id, job.person_id.to_string(), job.account_id.map(|id| id.to_string()),
            job.request_id.map(|id| id.to_string()), job.kind.code(), PLAN_VERSION, first, now)?
        .job()
    }

    /// Prolongs the lease and reads the row again (`cancel_asked` may be new).
    pub async fn renew_job(&mut self, claimed: &Job, lease: Duration) -> Result<Job, StoreError> {
        let until = lease_end(self.database_now().await?, lease);
        Row::held(maybe!(self, RENEW, Row; claimed.id.to_string(), claimed.fence, until)?)
    }

    /// The JSON array of these records.
    fn steps_as_json(&self, records: &[StepRecord]) -> Result<String, StoreError> {
        let now = self.now();
        let rows: Vec<StepRow> = records.iter().map(|record| StepRow::of(record, now)).collect();
        serde_json::to_string(&rows).map_err(unreadable)
    }

    /// Fenced: records what was done, at least one step, and moves on to `next`: first attempt, no error, lease kept.
    pub async fn advance_job(
        &mut self,
        claimed: &Job,
        done: &[StepRecord],
        next: Step,
    ) -> Result<(), StoreError> {
        self.set_step(claimed, done, (next, claimed.state), None).await
    }

    /// Fenced: records the cause and starts the undo at `first`: first attempt, lease kept.
    pub async fn begin_undo(
        &mut self,
        claimed: &Job,
        why: StepRecord,
        first: Step,
        code: ErrorCode,
    ) -> Result<(), StoreError> {
        self.set_step(claimed, &[why], (first, JobState::Undoing), Some(code)).await
    }

    async fn set_step(
        &mut self,
        claimed: &Job,
        done: &[StepRecord],
        (step, state): (Step, JobState),
        code: Option<ErrorCode>,
    ) -> Result<(), StoreError> {
        let now = self.now().as_millis();
        let (id, code) = (claimed.id.to_string(), code.map(ErrorCode::code));
        let (seen_step, seen_state) = (claimed.step.map(Step::code), claimed.state.code());
        let done = self.steps_as_json(done)?;
        let touched = exec!(self, ADVANCE;
            &id, claimed.fence, step.code(), state.code(), now, code, seen_step, seen_state, &done)?;
        if touched == 0 {
            return Err(StoreError::LostLease);
        }
        self.update_card_of_reported(claimed).await
    }

    /// Fenced: waits until `next_run` because of `code`, and releases the lease.
    pub async fn postpone_job(
        &mut self,
        claimed: &Job,
        next_run: Timestamp,
        code: ErrorCode,
    ) -> Result<Job, StoreError> {
        let now = self.now().as_millis();
        let job = Row::held(maybe!(self, POSTPONE, Row;
            claimed.id.to_string(), claimed.fence, claimed.cancel_asked, now, next_run.as_millis(), code.code())?)?;
        if claimed.error_code != job.error_code {
            // The card names what a reported job waits for.
            self.update_card_of_reported(claimed).await?;
        }
        Ok(job)
    }

    /// Fenced: stops for an operator at the current step, and releases the lease. A job with a cancellation since the worker last read the
    /// row keeps its state and is due at once.
    pub async fn stop_for_operator(&mut self, claimed: &Job, code: ErrorCode) -> Result<Job, StoreError> {
        let now = self.now().as_millis();
        Row::held(maybe!(self, STOP_FOR_OPERATOR, Row;
            claimed.id.to_string(), claimed.fence, claimed.cancel_asked, now, code.code())?)
    }

    /// Fenced: records the last steps and ends the job. Check `cancel_asked` of the returned job: the job may have been cancelled
    /// meanwhile.
    pub async fn finish_last_step(
        &mut self,
        claimed: &Job,
        done: &[StepRecord],
        state: JobState,
    ) -> Result<Job, StoreError> {
        let done = self.steps_as_json(done)?;
        let job = Row::held(maybe!(self, FINISH_RECORDED, Row;
            claimed.id.to_string(), claimed.fence, state.code(), &done)?)?;
        self.update_card_of_reported(claimed).await?;
        Ok(job)
    }

    /// Fenced: ends the job as `done` or `undone`, and releases the lease. The error code stays. Check `cancel_asked` of the returned job:
    /// the job may have been cancelled meanwhile.
    pub async fn finish_job(&mut self, claimed: &Job, state: JobState) -> Result<Job, StoreError> {
        let job = Row::held(maybe!(self, FINISH, Row; claimed.id.to_string(), claimed.fence, state.code())?)?;
        self.update_card_of_reported(claimed).await?;
        Ok(job)
    }

    /// Fenced: releases the claim without counting the attempt, for an orderly stop.
    pub async fn release_job(&mut self, claimed: &Job) -> Result<(), StoreError> {
        match exec!(self, GIVE_BACK; claimed.id.to_string(), claimed.fence)? {
            0 => Err(StoreError::LostLease),
            _ => Ok(()),
        }
    }

    /// Fenced: counts one mail before it is begun, unless `at_most` were begun.
    pub async fn spend_mail(&mut self, claimed: &Job, at_most: i64) -> Result<MailSpend, StoreError> {
        if let Some(row) = maybe!(self, SPEND_MAIL, Row; claimed.id.to_string(), claimed.fence, at_most)? {
            return Ok(MailSpend::Spent(row.job()?));
        }
        match exec!(self, HELD; claimed.id.to_string(), claimed.fence)? {
            0 => Err(StoreError::LostLease),
            _ => Ok(MailSpend::UsedUp),
        }
    }

    /// Fenced: takes back the count of one mail that certainly was not sent.
    pub async fn refund_mail(&mut self, claimed: &Job) -> Result<Job, StoreError> {
        Row::held(maybe!(self, REFUND_MAIL, Row; claimed.id.to_string(), claimed.fence)?)
    }

    /// Asks an unfinished job to stop; it becomes due now, also from `needs_operator`.
    pub async fn ask_cancel(&mut self, id: JobId) -> Result<CancelAsk, StoreError> {
        let Some(seen) = self.job(id).await? else { return Ok(CancelAsk::Finished) };
        let next = match seen.state {
            JobState::Open | JobState::Undoing => seen.state,
            JobState::NeedsOperator => state_to_resume(&seen),
            JobState::Done | JobState::Undone => return Ok(CancelAsk::Finished),
        };
        let now = self.now().as_millis();
        self.leaves_jobs = true;
        if exec!(self, ASK_CANCEL; id.to_string(), seen.state.code(), next.code(), now)? > 0 {
            return Ok(CancelAsk::Asked);
        }
        let is_asked = self.job(id).await?.is_some_and(|job| job.cancel_asked);
        Ok(if is_asked { CancelAsk::AskedBefore } else { CancelAsk::Overtaken })
    }

    /// Resumes a job that needs an operator at its step, with new attempts. It continues undoing if the step belongs only to the undo plan.
    /// Begun mails stay counted; if all are used up, the operator allows one more. `None` if it does not need an operator.
    pub async fn retry_job(&mut self, id: JobId) -> Result<Option<Job>, StoreError> {
        let Some(seen) = self.job(id).await? else { return Ok(None) };
        let now = self.now().as_millis();
        self.leaves_jobs = true;
        let row =
            maybe!(self, RETRY, Row; id.to_string(), state_to_resume(&seen).code(), now, MAILS_PER_JOB - 1)?;
        row.map(Row::job).transpose()
    }

    /// Makes the unfinished `check` of this request `done` (a moderator's decision ends it). `true` if there was one. A
    /// worker that claimed it loses its lease.
    pub async fn end_check(&mut self, request: RequestId) -> Result<bool, StoreError> {
        let is_ended = exec!(self, END_CHECK; request.to_string())? > 0;
        self.leaves_jobs |= is_ended;
        Ok(is_ended)
    }

    /// Makes all jobs due that wait because of one of these codes, and returns their number.
    pub async fn wake_job(&mut self, codes: &[ErrorCode]) -> Result<u64, StoreError> {
        let now = self.now().as_millis();
        let mut woken = 0;
        for code in codes {
            woken += exec!(self, WAKE; code.code(), now)?;
        }
        self.leaves_jobs |= woken > 0;
        Ok(woken)
    }
}
