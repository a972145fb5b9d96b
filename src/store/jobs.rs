//! Durable jobs: the job row is the saga. Claims, leases, fences, steps, mail attempts.
//!
//! Every write of a worker names the fence of its claim and is refused with [`StoreError::LostLease`] when somebody claimed the
//! work since, or when the claim has ended: the answer to a commit can be lost, and what it wrote must not be written again. Leases are compared by the database's clock, `next_run` by the injected one.

use std::time::Duration;

use super::sql::{all, bare, exec, maybe, one, sql};
use super::{ReadConnection, Store, StoreError, Tx};
use crate::domain::error_code::ErrorCode;
use crate::domain::ids::{AccountId, JobId, PersonId, RequestId, Timestamp};
use crate::domain::job::{Job, JobKind, JobState, MAILS_PER_JOB, Outcome, PLAN_VERSION, Step};

/// A job to be done. It starts at the first step of its plan.
#[derive(Clone, Copy, Debug)]
pub struct NewJob {
    /// For whom.
    pub person_id: PersonId,
    /// On which account.
    pub account_id: Option<AccountId>,
    /// Because of which request.
    pub request_id: Option<RequestId>,
    /// What for.
    pub kind: JobKind,
}

/// One finished step, to be recorded.
#[derive(Clone, Debug)]
pub struct StepRecord {
    /// Which.
    pub step: Step,
    /// What it did.
    pub outcome: Outcome,
    /// What later steps need of it, as JSON without personal values.
    pub output: Option<String>,
    /// Since when what it says is known; `None`: from the moment in which it is recorded.
    pub seen_at: Option<Timestamp>,
}

/// A recorded step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JobStep {
    /// Which.
    pub step: Step,
    /// The code of its [`Outcome`].
    pub outcome: String,
    /// What later steps need of it, as JSON.
    pub output: Option<String>,
    /// When.
    pub at: Timestamp,
}

/// Whether another mail may be begun.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MailSpend {
    /// Yes, and it is counted (once this transaction is committed).
    Spent(Job),
    /// No: the job's mails are used up.
    UsedUp,
}

/// What became of the wish to stop a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CancelAsk {
    /// The wish is new, and noted.
    Asked,
    /// The same wish was noted before; nothing was changed.
    AskedBefore,
    /// The job is finished, or there is none; nothing was changed.
    Finished,
}

/// The columns of [`Row`], for SELECT and RETURNING.
macro_rules! job_columns {
    () => {
        "seq, id, person_id, account_id, request_id, kind, plan_version, state, step, revision, fence, owner, \
         lease_until, attempt, next_run, error_code, mail_attempts, cancel_asked"
    };
}

/// What may be claimed: due, free, of a plan that we know, and not behind an unfinished job of the same person that it waits for
/// (`JobKind::waits_for`).
macro_rules! claimable {
    () => {
        "SELECT w.seq FROM job AS w WHERE w.state IN ('open', 'undoing') AND w.next_run <= $3 \
         AND w.lease_until <= $4 AND w.plan_version <= $5 AND NOT EXISTS (SELECT e.seq FROM job AS e \
         WHERE e.person_id = w.person_id AND e.seq < w.seq AND e.state IN ('open', 'undoing', 'needs_operator') \
         AND NOT (w.kind IN ('lock', 'withdraw') AND e.kind = 'resend') \
         AND NOT (w.kind IN ('lock', 'resend') AND e.kind = 'welcome')) \
         ORDER BY w.next_run, w.seq LIMIT 1"
    };
}

/// What a claim writes.
macro_rules! claim {
    () => {
        "UPDATE job SET owner = $1, lease_until = $2, fence = fence + 1, attempt = attempt + 1, \
         revision = revision + 1, step_since = CASE WHEN attempt = 0 THEN $3 ELSE step_since END WHERE seq = ("
    };
}

sql! {
    CLAIM = concat!(claim!(), claimable!(), ") RETURNING ", job_columns!()),
        postgres: concat!(claim!(), claimable!(), " FOR UPDATE OF w SKIP LOCKED) RETURNING ", job_columns!());
    BY_ID = concat!("SELECT ", job_columns!(), " FROM job WHERE id = $1");
    LATEST_OF = concat!("SELECT ", job_columns!(), " FROM job WHERE request_id = $1 ORDER BY seq DESC LIMIT 1");
    OF_KIND = concat!("SELECT ", job_columns!(),
        " FROM job WHERE request_id = $1 AND kind = $2 ORDER BY seq DESC LIMIT 1");
    OF_PERSON = concat!("SELECT ", job_columns!(), " FROM job WHERE person_id = $1 ORDER BY seq");
    UNFINISHED_OF = concat!("SELECT ", job_columns!(),
        " FROM job WHERE person_id = $1 AND state IN ('open', 'undoing', 'needs_operator') ORDER BY seq");
    IN_STATE = concat!("SELECT ", job_columns!(),
        " FROM job WHERE state = $1 AND seq > $2 ORDER BY seq LIMIT $3");
    COUNTS = "SELECT state, count(*) FROM job GROUP BY state";
    OLDEST_DUE = "SELECT min(next_run) FROM job WHERE state IN ('open', 'undoing') AND next_run <= $1";
    STEP_SINCE = "SELECT step_since FROM job WHERE id = $1";
    STEPS = "SELECT step, outcome, output, at FROM job_step WHERE job_id = $1 ORDER BY id";
    STEP_OUTPUT = "SELECT output FROM job_step WHERE job_id = $1 AND step = $2 ORDER BY id DESC LIMIT 1";
    ENQUEUE = concat!("INSERT INTO job (id, person_id, account_id, request_id, kind, plan_version, state, step, \
        revision, fence, lease_until, attempt, next_run, mail_attempts, cancel_asked) \
        VALUES ($1, $2, $3, $4, $5, $6, 'open', $7, 1, 0, 0, 0, $8, 0, FALSE) RETURNING ", job_columns!());
    RENEW = concat!("UPDATE job SET lease_until = $3 WHERE id = $1 AND fence = $2 RETURNING ", job_columns!());
    HELD = "UPDATE job SET revision = revision + 1 WHERE id = $1 AND fence = $2";
    RECORD = "INSERT INTO job_step (job_id, step, outcome, output, at) VALUES ($1, $2, $3, $4, $5)";
    /// From the step and state that were seen: a commit whose answer was lost must not be made twice.
    ADVANCE = "UPDATE job SET step = $3, state = $4, step_since = $5, next_run = $5, error_code = $6, \
        attempt = 1, revision = revision + 1 WHERE id = $1 AND fence = $2 AND step = $7 AND state = $8";
    /// A cancel that was asked for since the worker looked makes it due at once.
    POSTPONE = concat!("UPDATE job SET next_run = CASE WHEN cancel_asked <> $3 THEN CAST($4 AS BIGINT) ELSE CAST($5 AS BIGINT) END, \
        error_code = $6, owner = NULL, lease_until = 0, revision = revision + 1 \
        WHERE id = $1 AND fence = $2 AND owner IS NOT NULL RETURNING ", job_columns!());
    /// The same: a job that somebody just asked to stop does not go to sleep.
    STOP_FOR_OPERATOR = concat!("UPDATE job SET \
        state = CASE WHEN cancel_asked <> $3 THEN state ELSE 'needs_operator' END, next_run = $4, \
        error_code = $5, owner = NULL, lease_until = 0, revision = revision + 1 \
        WHERE id = $1 AND fence = $2 AND owner IS NOT NULL RETURNING ", job_columns!());
    FINISH = concat!("UPDATE job SET state = $3, step = NULL, owner = NULL, lease_until = 0, \
        revision = revision + 1 WHERE id = $1 AND fence = $2 AND owner IS NOT NULL RETURNING ", job_columns!());
    GIVE_BACK = "UPDATE job SET owner = NULL, lease_until = 0, attempt = attempt - 1, revision = revision + 1 \
        WHERE id = $1 AND fence = $2";
    SET_ACCOUNT = concat!("UPDATE job SET account_id = $3, revision = revision + 1 \
        WHERE id = $1 AND fence = $2 RETURNING ", job_columns!());
    SPEND_MAIL = concat!("UPDATE job SET mail_attempts = mail_attempts + 1, revision = revision + 1 \
        WHERE id = $1 AND fence = $2 AND mail_attempts < $3 RETURNING ", job_columns!());
    REFUND_MAIL = concat!("UPDATE job SET mail_attempts = mail_attempts - 1, revision = revision + 1 \
        WHERE id = $1 AND fence = $2 AND mail_attempts > 0 RETURNING ", job_columns!());
    ASK_CANCEL = "UPDATE job SET cancel_asked = TRUE, state = $3, next_run = $4, revision = revision + 1 \
        WHERE id = $1 AND state = $2 AND NOT cancel_asked";
    /// Mails that were begun stay counted, but one more is possible.
    RETRY = concat!("UPDATE job SET state = $2, next_run = $3, attempt = 0, error_code = NULL, \
        mail_attempts = CASE WHEN mail_attempts < $4 THEN mail_attempts ELSE $4 END, owner = NULL, lease_until = 0, revision = revision + 1 \
        WHERE id = $1 AND state = 'needs_operator' RETURNING ", job_columns!());
    END_CHECK = "UPDATE job SET state = 'done', step = NULL, fence = fence + 1, owner = NULL, lease_until = 0, \
        revision = revision + 1 WHERE request_id = $1 AND kind = 'check' AND state IN ('open', 'needs_operator')";
    WAKE = "UPDATE job SET next_run = $2, revision = revision + 1 \
        WHERE error_code = $1 AND state IN ('open', 'undoing') AND next_run > $2";
    VOID_JOB = "UPDATE job SET lease_until = 0, owner = NULL, revision = revision + 1 WHERE lease_until > 0";
    VOID_OUTBOX = "UPDATE outbox SET lease_until = 0, owner = NULL WHERE lease_until > 0";
    VOID_NAMED = "UPDATE lease SET until = 0 WHERE until > 0";
}

#[derive(sqlx::FromRow)]
struct Row {
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
    mail_attempts: i64,
    cancel_asked: bool,
}

fn unreadable<E>(_: E) -> StoreError {
    StoreError::Row { table: "job" }
}

impl Row {
    fn job(self) -> Result<Job, StoreError> {
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
            mail_attempts: self.mail_attempts,
            cancel_asked: self.cancel_asked,
        })
    }

    fn jobs(rows: Vec<Self>) -> Result<Vec<Job>, StoreError> {
        rows.into_iter().map(Self::job).collect()
    }

    /// The row that a fenced write gave back; none means that the claim is over.
    fn held(row: Option<Self>) -> Result<Job, StoreError> {
        row.ok_or(StoreError::LostLease)?.job()
    }
}

/// The end of a lease that begins now, by the database's clock.
pub(super) fn lease_end(now: i64, lease: Duration) -> i64 {
    Timestamp::from_millis(now).after(lease).as_millis()
}

/// In which state a job that needs an operator goes on: undoing, if its step is one that takes something back.
fn state_to_resume(job: &Job) -> JobState {
    match job.step {
        Some(step) if job.kind.undo_plan().contains(&step) && !job.kind.plan().contains(&step) => {
            JobState::Undoing
        }
        Some(_) | None => JobState::Open,
    }
}

impl Store {
    /// Claims one job that is due, free and not behind an unfinished one of the same person: sets owner, lease and fence and
    /// counts the attempt. One statement, and a transaction by itself.
    pub async fn claim_job(&self, owner: &str, lease: Duration) -> Result<Option<Job>, StoreError> {
        let mut autocommit = self.autocommit().await?;
        let database_now = autocommit.database_now().await?;
        let now = autocommit.now().as_millis();
        let rows = all!(&mut autocommit, CLAIM, Row;
            owner, lease_end(database_now, lease), now, database_now, PLAN_VERSION)?;
        rows.into_iter().next().map(Row::job).transpose()
    }
}

impl ReadConnection {
    /// The job of this id.
    pub async fn job(&mut self, id: JobId) -> Result<Option<Job>, StoreError> {
        maybe!(self, BY_ID, Row; id.to_string())?.map(Row::job).transpose()
    }

    /// The newest work of a request.
    pub async fn latest_job_of(&mut self, request: RequestId) -> Result<Option<Job>, StoreError> {
        maybe!(self, LATEST_OF, Row; request.to_string())?.map(Row::job).transpose()
    }

    /// The newest work of a request that is of this kind.
    pub async fn job_of_kind(
        &mut self,
        request: RequestId,
        kind: JobKind,
    ) -> Result<Option<Job>, StoreError> {
        maybe!(self, OF_KIND, Row; request.to_string(), kind.code())?.map(Row::job).transpose()
    }

    /// All works of a person, oldest first.
    pub async fn jobs_of(&mut self, person: PersonId) -> Result<Vec<Job>, StoreError> {
        Row::jobs(all!(self, OF_PERSON, Row; person.to_string())?)
    }

    /// The person's unfinished jobs, oldest first.
    pub async fn unfinished_jobs_of(&mut self, person: PersonId) -> Result<Vec<Job>, StoreError> {
        Row::jobs(all!(self, UNFINISHED_OF, Row; person.to_string())?)
    }

    /// The recorded steps of a job, in order.
    pub async fn job_steps(&mut self, id: JobId) -> Result<Vec<JobStep>, StoreError> {
        let rows = all!(self, STEPS, (String, String, Option<String>, i64); id.to_string())?;
        rows.into_iter()
            .map(|(step, outcome, output, at)| {
                let step = step.parse().map_err(unreadable)?;
                Ok(JobStep { step, outcome, output, at: Timestamp::from_millis(at) })
            })
            .collect()
    }

    /// What the last record of this step left.
    pub async fn step_output(&mut self, id: JobId, step: Step) -> Result<Option<String>, StoreError> {
        let row = maybe!(self, STEP_OUTPUT, (Option<String>,); id.to_string(), step.code())?;
        Ok(row.and_then(|(output,)| output))
    }

    /// When the present step was first tried.
    pub async fn step_since(&mut self, id: JobId) -> Result<Option<Timestamp>, StoreError> {
        let row = maybe!(self, STEP_SINCE, (Option<i64>,); id.to_string())?;
        Ok(row.and_then(|(at,)| at).map(Timestamp::from_millis))
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

    /// The `next_run` of the job that is due for longest; `None` if nothing is due.
    pub async fn oldest_due_job(&mut self) -> Result<Option<Timestamp>, StoreError> {
        let now = self.now().as_millis();
        Ok(one!(self, OLDEST_DUE, (Option<i64>,); now)?.0.map(Timestamp::from_millis))
    }
}

impl Tx {
    /// Only one transaction at a time goes on with this person, from here to its end.
    pub async fn lock_person(&mut self, person: PersonId) -> Result<(), StoreError> {
        self.lock_key(&person.to_string()).await
    }

    /// Puts a job behind the person's other jobs, due now.
    pub async fn enqueue_job(&mut self, job: NewJob) -> Result<Job, StoreError> {
        // Replicas take numbers before they commit: one at a time per person keeps the order.
        self.lock_key(&job.person_id.to_string()).await?;
        let id = self.inner.ids.uuid().to_string();
        let now = self.now().as_millis();
        let first = job.kind.plan().first().map(|step| step.code());
        self.notifies_jobs = true;
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

    /// Records finished steps beside another fenced write of the same transaction: the fence is not asked once more.
    async fn note_steps(
        &mut self,
        claimed: &Job,
        records: &[StepRecord],
    ) -> Result<Vec<JobStep>, StoreError> {
        let now = self.now();
        let mut noted = Vec::with_capacity(records.len());
        for StepRecord { step, outcome, output, seen_at } in records {
            let at = seen_at.unwrap_or(now);
            exec!(self, RECORD; claimed.id.to_string(), step.code(), outcome.code(), output, at.as_millis())?;
            noted.push(JobStep {
                step: *step,
                outcome: outcome.code().to_owned(),
                output: output.clone(),
                at,
            });
        }
        Ok(noted)
    }

    /// Fenced: records what was done and goes on to `next`, first attempt, no error, lease kept.
    pub async fn advance_job(
        &mut self,
        claimed: &Job,
        done: &[StepRecord],
        next: Step,
    ) -> Result<Vec<JobStep>, StoreError> {
        self.set_step(claimed, next, claimed.state, None).await?;
        self.note_steps(claimed, done).await
    }

    /// Fenced: records why, and starts taking everything back at `first`, lease kept, attempts from one.
    pub async fn begin_undo(
        &mut self,
        claimed: &Job,
        why: StepRecord,
        first: Step,
        code: ErrorCode,
    ) -> Result<Vec<JobStep>, StoreError> {
        self.set_step(claimed, first, JobState::Undoing, Some(code)).await?;
        self.note_steps(claimed, &[why]).await
    }

    async fn set_step(
        &mut self,
        claimed: &Job,
        step: Step,
        state: JobState,
        code: Option<ErrorCode>,
    ) -> Result<(), StoreError> {
        let now = self.now().as_millis();
        let touched = exec!(self, ADVANCE;
            claimed.id.to_string(), claimed.fence, step.code(), state.code(), now, code.map(ErrorCode::code),
            claimed.step.map(Step::code), claimed.state.code())?;
        if touched == 0 { Err(StoreError::LostLease) } else { Ok(()) }
    }

    /// Fenced: waits until `next_run` because of `code`, lease given back.
    pub async fn postpone_job(
        &mut self,
        claimed: &Job,
        next_run: Timestamp,
        code: ErrorCode,
    ) -> Result<Job, StoreError> {
        let now = self.now().as_millis();
        Row::held(maybe!(self, POSTPONE, Row;
            claimed.id.to_string(), claimed.fence, claimed.cancel_asked, now, next_run.as_millis(), code.code())?)
    }

    /// Fenced: a person has to look; the step stays, lease given back. If somebody asked to stop it since the worker looked, it
    /// stays as it was and is due at once.
    pub async fn stop_for_operator(&mut self, claimed: &Job, code: ErrorCode) -> Result<Job, StoreError> {
        let now = self.now().as_millis();
        Row::held(maybe!(self, STOP_FOR_OPERATOR, Row;
            claimed.id.to_string(), claimed.fence, claimed.cancel_asked, now, code.code())?)
    }

    /// Fenced: records what was done last and ends the job. Look at `cancel_asked` of the answer: somebody may have asked to stop it
    /// meanwhile.
    pub async fn finish_last_step(
        &mut self,
        claimed: &Job,
        done: &[StepRecord],
        state: JobState,
    ) -> Result<Job, StoreError> {
        let job = self.finish_job(claimed, state).await?;
        self.note_steps(claimed, done).await?;
        Ok(job)
    }

    /// Fenced: `done` or `undone`, no step, lease given back. The error code stays as it is. Look at `cancel_asked` of the
    /// answer: somebody may have asked to stop it meanwhile.
    pub async fn finish_job(&mut self, claimed: &Job, state: JobState) -> Result<Job, StoreError> {
        Row::held(maybe!(self, FINISH, Row; claimed.id.to_string(), claimed.fence, state.code())?)
    }

    /// Fenced: gives the claim back without counting the attempt (an orderly stop).
    pub async fn release_job(&mut self, claimed: &Job) -> Result<(), StoreError> {
        match exec!(self, GIVE_BACK; claimed.id.to_string(), claimed.fence)? {
            0 => Err(StoreError::LostLease),
            _ => Ok(()),
        }
    }

    /// Fenced: names the account that this job makes or ends.
    pub async fn set_job_account(&mut self, claimed: &Job, account: AccountId) -> Result<Job, StoreError> {
        Row::held(maybe!(self, SET_ACCOUNT, Row; claimed.id.to_string(), claimed.fence, account.to_string())?)
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

    /// Fenced: takes one counted mail back, because it certainly was not sent.
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
        self.notifies_jobs = true;
        if exec!(self, ASK_CANCEL; id.to_string(), seen.state.code(), next.code(), now)? > 0 {
            return Ok(CancelAsk::Asked);
        }
        // Somebody was quicker: either with the same wish, or the worker with another state, and then the caller may try again.
        match self.job(id).await? {
            Some(job) if job.cancel_asked => Ok(CancelAsk::AskedBefore),
            _ => Err(StoreError::Busy),
        }
    }

    /// Lets a job that needs an operator go on at its step (undoing, if that step takes something back), with fresh attempts. Mails
    /// that were begun stay counted; where all are used up, the operator's word is for one more. `None` if it does not need an
    /// operator.
    pub async fn retry_job(&mut self, id: JobId) -> Result<Option<Job>, StoreError> {
        let Some(seen) = self.job(id).await? else { return Ok(None) };
        let now = self.now().as_millis();
        self.notifies_jobs = true;
        let row =
            maybe!(self, RETRY, Row; id.to_string(), state_to_resume(&seen).code(), now, MAILS_PER_JOB - 1)?;
        row.map(Row::job).transpose()
    }

    /// Makes the unfinished `check` of this request `done` (a moderator's decision ends it). `true` if there was one. Whoever
    /// claimed it loses its lease.
    pub async fn end_check(&mut self, request: RequestId) -> Result<bool, StoreError> {
        self.notifies_jobs = true;
        Ok(exec!(self, END_CHECK; request.to_string())? > 0)
    }

    /// Makes all work due that waits because of one of these codes; how many.
    pub async fn wake_job(&mut self, codes: &[ErrorCode]) -> Result<u64, StoreError> {
        let now = self.now().as_millis();
        let mut woken = 0;
        self.notifies_jobs = true;
        for code in codes {
            woken += exec!(self, WAKE; code.code(), now)?;
        }
        Ok(woken)
    }

    /// On SQLite, at the start of `serve` (which holds the lock): every lease of job and outbox and every named one is of an earlier life
    /// and void. On `PostgreSQL` nothing happens.
    pub async fn void_leases(&mut self) -> Result<u64, StoreError> {
        if self.inner.db.is_shared() {
            return Ok(0);
        }
        Ok(exec!(self, VOID_JOB;)? + exec!(self, VOID_OUTBOX;)? + exec!(self, VOID_NAMED;)?)
    }
}
