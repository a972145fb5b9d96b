//! Everything a step may know: the work and the rows that it points at, read fresh before each step.
//!
//! The first step of a claim reads them by itself, each later one in the transaction that records the step before.

use std::sync::Arc;

use super::Room;
use super::call::Halt;
use super::claim::Claim;
use super::steps::Output;
use crate::config::{Config, Guild};
use crate::domain::account::{Account, Mark};
use crate::domain::audit::{Actor, Entry, Event, Source};
use crate::domain::eligibility::GroupName;
use crate::domain::ids::DiscordUserId;
use crate::domain::refusal::Refusal;
use crate::domain::request::{Form, Request, RequestState};
use crate::domain::work::{Setback, Step, Work, WorkState};
use crate::store::{Person, StoreError, Tx, View, WorkStep};

/// The rows of a claimed work as they stand.
#[derive(Debug)]
pub(super) struct Standing {
    work: Work,
    person: Person,
    request: Option<Request>,
    account: Option<Account>,
    steps: Vec<WorkStep>,
}

impl Standing {
    /// Reads what a work points at that was claimed just now.
    pub(super) async fn of_claimed(room: &Room, claim: &Claim) -> Result<Self, StoreError> {
        let work = claim.work.clone();
        let mut view = room.parts.store.read().await?;
        let person = view.person(work.person_id).await?.ok_or(StoreError::Row { table: "person" })?;
        let steps = view.work_steps(work.id).await?;
        Self::of(&mut view, work, person, steps).await
    }

    async fn of(
        view: &mut View,
        work: Work,
        person: Person,
        steps: Vec<WorkStep>,
    ) -> Result<Self, StoreError> {
        let request = match work.request_id {
            Some(id) => view.request(id).await?,
            None => None,
        };
        let account = match work.account_id {
            Some(id) => view.account(id).await?,
            None => None,
        };
        Ok(Self { work, person, request, account, steps })
    }
}

/// One step of one claimed work.
pub(super) struct Scene<'a> {
    pub(super) room: &'a Room,
    pub(super) claim: &'a Claim,
    pub(super) work: Work,
    pub(super) step: Step,
    /// The plan's name in crash points and commit labels: the kind, or `undo`.
    pub(super) plan: &'static str,
    pub(super) person: Person,
    pub(super) request: Option<Request>,
    pub(super) account: Option<Account>,
    /// What was recorded of this work before the step, in order.
    pub(super) steps: Vec<WorkStep>,
    /// What held when the step began.
    pub(super) config: Arc<Config>,
}

impl<'a> Scene<'a> {
    /// Sets the scene. `None`: the work has no step that this version knows.
    pub(super) fn set(room: &'a Room, claim: &'a Claim, standing: Standing) -> Option<Self> {
        let Standing { work, person, request, account, steps } = standing;
        let plan = match work.state {
            WorkState::Open => work.kind.code(),
            WorkState::Undoing => "undo",
            WorkState::NeedsOperator | WorkState::Done | WorkState::Undone => return None,
        };
        let step = work.step?;
        let config = room.parts.config.now();
        Some(Self { room, claim, work, step, plan, person, request, account, steps, config })
    }

    /// How the rows stand for the step after this one, read in the transaction that goes on to it; `None` if the claim ends with
    /// it. What a step reads of the person, and the records, are only ever changed under this claim.
    pub(super) async fn onward(
        &self,
        tx: &mut Tx,
        recorded: Vec<WorkStep>,
    ) -> Result<Option<Standing>, StoreError> {
        let work = tx.work(self.work.id).await?;
        let Some(work) = work.filter(|work| work.fence == self.work.fence) else { return Ok(None) };
        let steps = [self.steps.as_slice(), &recorded].concat();
        Standing::of(tx, work, self.person.clone(), steps).await.map(Some)
    }

    /// The account; a plan that has none where it needs one is a defect.
    pub(super) fn account(&self) -> Result<&Account, Halt> {
        self.account.as_ref().ok_or_else(|| defect().into())
    }

    /// The request.
    pub(super) fn request(&self) -> Result<&Request, Halt> {
        self.request.as_ref().ok_or_else(|| defect().into())
    }

    /// The form, unless it was erased.
    pub(super) fn form(&self) -> Result<&Form, Halt> {
        self.request()?.form.as_ref().ok_or_else(|| defect().into())
    }

    /// The Discord user, unless it was erased.
    pub(super) fn discord_id(&self) -> Result<DiscordUserId, Halt> {
        self.person.discord_id.ok_or_else(|| defect().into())
    }

    /// The guild's part of the configuration, if the request is of one that is served.
    pub(super) fn served_guild(&self) -> Option<&Guild> {
        self.config.guild(self.request.as_ref()?.guild_id)
    }

    /// The guild's part of the configuration; an operator has to bring a missing one back.
    pub(super) fn guild(&self) -> Result<&Guild, Halt> {
        self.served_guild().ok_or_else(|| Setback::AskOperator { code: Refusal::NotEligible }.into())
    }

    /// The mark of the account's entry.
    pub(super) fn mark(&self) -> Result<Mark, Halt> {
        Ok(Mark::of(self.account()?.id))
    }

    /// Whether the person asked for the end, and not we.
    pub(super) fn is_cancelled_by_person(&self) -> bool {
        self.work.cancel_asked
            || self.request.as_ref().is_some_and(|request| request.state == RequestState::Cancelled)
    }

    /// The last record of an earlier step of this work.
    pub(super) fn last_record(&self, step: Step) -> Option<&WorkStep> {
        self.steps.iter().rev().find(|done| done.step == step)
    }

    /// What an earlier step of this work left.
    pub(super) fn output_of(&self, step: Step) -> Output {
        let text = self.last_record(step).and_then(|done| done.output.as_deref());
        text.map_or(Output::Nothing, Output::parse)
    }

    /// The groups that the policy gives to this account: those of the rule that `eligible` found.
    pub(super) fn wanted_groups(&self) -> Result<Vec<GroupName>, Halt> {
        let Output::Rule(name) = self.output_of(Step::Eligible) else { return Err(defect().into()) };
        let rules = &self.guild()?.policy.rules;
        let rule = rules.iter().find(|rule| rule.name == name);
        let rule = rule.ok_or(Setback::AskOperator { code: Refusal::NotEligible })?;
        Ok(rule.groups.clone())
    }

    /// Every group that any rule of any guild may give: only these are ever touched.
    pub(super) fn managed_groups(&self) -> Vec<GroupName> {
        self.config.managed_groups()
    }

    /// An audit entry of the worker about this work.
    pub(super) fn entry(&self, event: Event) -> Entry {
        let mut entry =
            Entry::new(event, Source::Worker, Actor::System).about(self.person.id).of_work(self.work.id);
        if let Some(request) = &self.request {
            entry = entry.of_request(request.id).in_guild(request.guild_id);
        }
        entry
    }

    /// The same where the person alone wanted it.
    pub(super) fn entry_of_person(&self, event: Event) -> Entry {
        Entry { actor: Actor::Person(self.person.id), ..self.entry(event) }
    }
}

/// Something is missing that this plan cannot be without: only a person can say why.
pub(super) const fn defect() -> Setback {
    Setback::AskOperator { code: Refusal::Internal }
}
