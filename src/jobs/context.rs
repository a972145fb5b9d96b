//! The context of a step: the job and its rows, read once when the job is claimed and kept in memory for the whole claim.
//!
//! Convergent steps change only this memory. [`StepContext::note`] keeps what they did until the next barrier writes it down (decision
//! 0027). Every other write to a claimed job's rows is detected by the fence, `cancel_asked` or a revision.

use std::sync::{Arc, OnceLock};

use super::lease::Claim;
use super::outcome::{StepDone, StepError, StepOutput, defect};
use crate::clock::Moment;
use crate::config::{Config, Guild};
use crate::directory;
use crate::domain::account::{Account, Mark};
use crate::domain::audit::{self, Actor, Event, Source};
use crate::domain::eligibility::GroupName;
use crate::domain::error_code::ErrorCode;
use crate::domain::ids::DiscordUserId;
use crate::domain::job::{FailureAction, Job, JobState, JobStep, Outcome, Step};
use crate::domain::person::Person;
use crate::domain::request::{Form, Request, RequestState};
use crate::store::{ClaimedJob, StepRecord};
use crate::worker::context::WorkerContext;

/// What the steps since the last barrier did, not yet in the store.
#[derive(Debug, Default)]
pub(super) struct Pending {
    /// The rows of the steps, in order.
    pub(super) records: Vec<StepRecord>,
    /// The audit entries of the steps, in order.
    pub(super) audit: Vec<audit::Entry>,
    /// Whether a step changed the account's ids.
    pub(super) is_account_changed: bool,
    /// Whether Keycloak accepted the mail of this job.
    pub(super) is_mail_accepted: bool,
}

/// A claimed job and its current step.
pub(super) struct StepContext<'a> {
    pub(super) worker: &'a WorkerContext,
    pub(super) claim: &'a Claim,
    /// The job as the store has it.
    pub(super) job: Job,
    /// The current step. The store has an earlier one while something is pending.
    pub(super) step: Step,
    /// The plan's name in crash points and commit labels: the kind, or `undo`.
    pub(super) plan: &'static str,
    pub(super) person: Person,
    pub(super) request: Option<Request>,
    pub(super) account: Option<Account>,
    /// The finished steps of this job, in order, pending ones included.
    pub(super) steps: Vec<JobStep>,
    /// The configuration when the step began.
    pub(super) config: Arc<Config>,
    /// When Discord showed the member on whom the decision of `eligible` rests, if this claim decided. The time of a recorded decision
    /// does not tell its age, because another process with another wall clock may have recorded it.
    pub(super) decided_at: Option<Moment>,
    /// The account's entry as `create_entry` read it under this claim.
    pub(super) created: OnceLock<directory::Entry>,
    pub(super) pending: Pending,
}

impl<'a> StepContext<'a> {
    /// The context of the job's recorded step. `None`: the job has no step that this version knows.
    pub(super) fn new(worker: &'a WorkerContext, claim: &'a Claim, claimed: ClaimedJob) -> Option<Self> {
        let ClaimedJob { job, person, request, account, steps, asked: _ } = claimed;
        let plan = plan_of(&job)?;
        let step = job.step?;
        let config = worker.deps.config.now();
        let (pending, created) = (Pending::default(), OnceLock::new());
        Some(Self {
            worker,
            claim,
            job,
            step,
            plan,
            person,
            request,
            account,
            steps,
            config,
            decided_at: None,
            created,
            pending,
        })
    }

    /// Keeps a finished convergent step in memory and moves on to `next`.
    pub(super) fn note(&mut self, done: &StepDone, next: Step) {
        let now = self.worker.deps.clock.now();
        self.decided_at = done.decided_at.or(self.decided_at);
        for mut record in done.records(self.step) {
            let at = *record.seen_at.get_or_insert(now);
            self.steps.push(JobStep {
                step: record.step,
                outcome: record.outcome.code().to_owned(),
                output: record.output.clone(),
                at,
            });
            self.pending.records.push(record);
        }
        self.begin(next);
    }

    /// Whether the step was done under this claim, since the last barrier.
    pub(super) fn is_pending(&self, step: Step) -> bool {
        self.pending.records.iter().any(|record| record.step == step)
    }

    /// Keeps an audit entry until the next barrier.
    pub(super) fn note_entry(&mut self, entry: audit::Entry) {
        self.pending.audit.push(entry);
    }

    /// Changes the account's ids in memory; the next barrier writes them.
    pub(super) fn note_account(&mut self, change: impl FnOnce(&mut Account) -> bool) {
        if let Some(account) = &mut self.account {
            self.pending.is_account_changed |= change(account);
        }
    }

    /// Makes `next` the current step.
    pub(super) fn begin(&mut self, next: Step) {
        self.step = next;
        self.config = self.worker.deps.config.now();
    }

    /// Notes that a barrier was committed: nothing is pending, and the store has the job at `step`.
    pub(super) fn mark_recorded(&mut self, step: Step, state: JobState, account: Option<Account>) {
        self.pending = Pending::default();
        if let Some(account) = account {
            self.account = Some(account);
        }
        if self.job.step != Some(step) || self.job.state != state {
            self.job.attempt = 1;
            self.job.error_code = None;
            self.job.reported_at = None;
        }
        self.job.step = Some(step);
        self.job.state = state;
        if let Some(plan) = plan_of(&self.job) {
            self.plan = plan;
        }
        self.begin(step);
    }

    /// The number of attempts at the current step.
    pub(super) fn attempt(&self) -> i64 {
        if self.job.step == Some(self.step) { self.job.attempt } else { 1 }
    }

    /// The account. A plan that lacks a needed account is a defect.
    pub(super) fn account(&self) -> Result<&Account, StepError> {
        self.account.as_ref().ok_or_else(|| defect().into())
    }

    /// The request.
    pub(super) fn request(&self) -> Result<&Request, StepError> {
        self.request.as_ref().ok_or_else(|| defect().into())
    }

    /// The form, unless it was erased.
    pub(super) fn form(&self) -> Result<&Form, StepError> {
        self.request()?.form.as_ref().ok_or_else(|| defect().into())
    }

    /// The Discord user, unless it was erased.
    pub(super) fn discord_id(&self) -> Result<DiscordUserId, StepError> {
        self.person.discord_id.ok_or_else(|| defect().into())
    }

    /// The guild's part of the configuration, if the guild is configured.
    pub(super) fn served_guild(&self) -> Option<&Guild> {
        self.config.guild(self.request.as_ref()?.guild_id)
    }

    /// The guild's part of the configuration. If it is missing, an operator must add it again.
    pub(super) fn guild(&self) -> Result<&Guild, StepError> {
        self.served_guild().ok_or_else(|| FailureAction::AskOperator { code: ErrorCode::NotEligible }.into())
    }

    /// The mark of the account's entry.
    pub(super) fn mark(&self) -> Result<Mark, StepError> {
        Ok(Mark::of(self.account()?.id))
    }

    /// Whether someone cancelled it, rather than the bot.
    pub(super) fn is_cancelled_by_person(&self) -> bool {
        self.job.cancel_asked
            || self.request.as_ref().is_some_and(|request| request.state == RequestState::Cancelled)
    }

    /// The last record of an earlier step of this job.
    pub(super) fn last_record(&self, step: Step) -> Option<&JobStep> {
        self.steps.iter().rev().find(|done| done.step == step)
    }

    /// The output of an earlier step of this job.
    pub(super) fn output_of(&self, step: Step) -> StepOutput {
        let text = self.last_record(step).and_then(|done| done.output.as_deref());
        text.map_or(StepOutput::Nothing, StepOutput::parse)
    }

    /// What this job last found out about the password: in `remove`, if it checked again, otherwise in `check_password`.
    pub(super) fn last_password_state(&self) -> StepOutput {
        let found = self.output_of(Step::Remove);
        if found == StepOutput::Nothing { self.output_of(Step::CheckPassword) } else { found }
    }

    /// Whether this job unlocked an account that it was to remove.
    pub(super) fn is_restored(&self) -> bool {
        self.last_record(Step::Unlock).is_some_and(|done| done.outcome != Outcome::Skipped.code())
    }

    /// The groups that the policy gives to this account: those of the rule that `eligible` found.
    pub(super) fn wanted_groups(&self) -> Result<Vec<GroupName>, StepError> {
        let StepOutput::Rule(name) = self.output_of(Step::Eligible) else { return Err(defect().into()) };
        let rules = &self.guild()?.policy.rules;
        let rule = rules.iter().find(|rule| rule.name == name);
        let rule = rule.ok_or(FailureAction::AskOperator { code: ErrorCode::NotEligible })?;
        Ok(rule.groups.clone())
    }

    /// Every group that any rule of any guild may give. Only these are ever changed.
    pub(super) fn managed_groups(&self) -> Vec<GroupName> {
        self.config.managed_groups()
    }

    /// An audit entry of the worker about this job.
    pub(super) fn entry(&self, event: Event) -> audit::Entry {
        let mut entry =
            audit::Entry::new(event, Source::Worker, Actor::System).about(self.person.id).of_job(self.job.id);
        if let Some(request) = &self.request {
            entry = entry.of_request(request.id).in_guild(request.guild_id);
        }
        // The rule that the job found is the reason for everything that it does; a failure sets its own reason instead.
        if let StepOutput::Rule(rule) = self.output_of(Step::Eligible) {
            entry = entry.by_rule(&rule);
        }
        entry
    }

    /// Like [`StepContext::entry`], for an action that the person asked for.
    pub(super) fn entry_of_person(&self, event: Event) -> audit::Entry {
        audit::Entry { actor: Actor::Person(self.person.id), ..self.entry(event) }
    }
}

/// The plan that a job follows now; `None` if it follows none.
const fn plan_of(job: &Job) -> Option<&'static str> {
    match job.state {
        JobState::Open => Some(job.kind.code()),
        JobState::Undoing => Some("undo"),
        JobState::NeedsOperator | JobState::Done | JobState::Undone => None,
    }
}
