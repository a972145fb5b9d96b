//! Everything a step may know: the job and the rows that it points at, read fresh before each step.
//!
//! The first step of a claim reads them by itself, each later one in the transaction that records the step before.

use std::sync::Arc;

use super::lease::Claim;
use super::outcome::{StepError, StepOutput, defect};
use crate::config::{Config, Guild};
use crate::domain::account::{Account, Mark};
use crate::domain::audit::{Actor, Entry, Event, Source};
use crate::domain::eligibility::GroupName;
use crate::domain::error_code::ErrorCode;
use crate::domain::ids::DiscordUserId;
use crate::domain::job::{FailureAction, Job, JobState, Step};
use crate::domain::request::{Form, Request, RequestState};
use crate::store::{JobStep, Person, ReadConnection, StoreError, Tx};
use crate::worker::context::WorkerContext;

/// The rows of a claimed job as they stand.
#[derive(Debug)]
pub(super) struct JobSnapshot {
    job: Job,
    person: Person,
    request: Option<Request>,
    account: Option<Account>,
    steps: Vec<JobStep>,
}

impl JobSnapshot {
    /// Reads what a job points at that was claimed just now.
    pub(super) async fn of_claimed(worker: &WorkerContext, claim: &Claim) -> Result<Self, StoreError> {
        let job = claim.job.clone();
        let mut view = worker.deps.store.read().await?;
        let person = view.person(job.person_id).await?.ok_or(StoreError::Row { table: "person" })?;
        let steps = view.job_steps(job.id).await?;
        Self::of(&mut view, job, person, steps).await
    }

    async fn of(
        view: &mut ReadConnection,
        job: Job,
        person: Person,
        steps: Vec<JobStep>,
    ) -> Result<Self, StoreError> {
        let request = match job.request_id {
            Some(id) => view.request(id).await?,
            None => None,
        };
        let account = match job.account_id {
            Some(id) => view.account(id).await?,
            None => None,
        };
        Ok(Self { job, person, request, account, steps })
    }
}

/// One step of one claimed job.
pub(super) struct StepContext<'a> {
    pub(super) worker: &'a WorkerContext,
    pub(super) claim: &'a Claim,
    pub(super) job: Job,
    pub(super) step: Step,
    /// The plan's name in crash points and commit labels: the kind, or `undo`.
    pub(super) plan: &'static str,
    pub(super) person: Person,
    pub(super) request: Option<Request>,
    pub(super) account: Option<Account>,
    /// The recorded steps of this job, in order.
    pub(super) steps: Vec<JobStep>,
    /// The configuration when the step began.
    pub(super) config: Arc<Config>,
}

impl<'a> StepContext<'a> {
    /// The context of the job's present step. `None`: the job has no step that this version knows.
    pub(super) fn new(worker: &'a WorkerContext, claim: &'a Claim, snapshot: JobSnapshot) -> Option<Self> {
        let JobSnapshot { job, person, request, account, steps } = snapshot;
        let plan = match job.state {
            JobState::Open => job.kind.code(),
            JobState::Undoing => "undo",
            JobState::NeedsOperator | JobState::Done | JobState::Undone => return None,
        };
        let step = job.step?;
        let config = worker.deps.config.now();
        Some(Self { worker, claim, job, step, plan, person, request, account, steps, config })
    }

    /// How the rows stand for the step after this one, read in the transaction that goes on to it; `None` if the claim ends with
    /// it. What a step reads of the person, and the records, are only ever changed under this claim.
    pub(super) async fn onward(
        &self,
        tx: &mut Tx,
        recorded: Vec<JobStep>,
    ) -> Result<Option<JobSnapshot>, StoreError> {
        let job = tx.job(self.job.id).await?;
        let Some(job) = job.filter(|job| job.fence == self.job.fence) else { return Ok(None) };
        let steps = [self.steps.as_slice(), &recorded].concat();
        JobSnapshot::of(tx, job, self.person.clone(), steps).await.map(Some)
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

    /// Whether the person asked for the end, and not the bot.
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

    /// What this job last found out about the password: in `remove`, if it looked again, else in `check_password`.
    pub(super) fn last_password_state(&self) -> StepOutput {
        let found = self.output_of(Step::Remove);
        if found == StepOutput::Nothing { self.output_of(Step::CheckPassword) } else { found }
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
    pub(super) fn entry(&self, event: Event) -> Entry {
        let mut entry =
            Entry::new(event, Source::Worker, Actor::System).about(self.person.id).of_job(self.job.id);
        if let Some(request) = &self.request {
            entry = entry.of_request(request.id).in_guild(request.guild_id);
        }
        // What a job makes rests on the rule that it found; a failure names its own reason instead.
        if let StepOutput::Rule(rule) = self.output_of(Step::Eligible) {
            entry = entry.by_rule(&rule);
        }
        entry
    }

    /// The same for what only the person asked for.
    pub(super) fn entry_of_person(&self, event: Event) -> Entry {
        Entry { actor: Actor::Person(self.person.id), ..self.entry(event) }
    }
}
