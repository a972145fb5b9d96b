//! `eligible`: the member, fresh from Discord, still fits the policy. Gone or no longer entitled ends the work; nothing was made.
//!
//! A work can wait for a server after this step, for hours. Then the member is judged once more before the entry, and before the mail,
//! which cannot be taken back.

use std::time::Duration;

use super::{Output, StepDone};
use crate::domain::audit::Actor;
use crate::domain::eligibility::{Approval, Policy, Rule, RuleName, Verdict, judge};
use crate::domain::member::MemberFacts;
use crate::domain::refusal::Refusal;
use crate::domain::work::{Effect, Setback, Step};
use crate::provisioning::breaker::Target;
use crate::provisioning::call::Halt;
use crate::provisioning::scene::{Scene, defect};
use crate::store::{StepRecord, WorkStep};

/// How old a judgement may be on which something is made: the steps between take seconds, unless they wait for a server.
const FRESH_FOR: Duration = Duration::from_secs(30);

pub(super) async fn ensure(scene: &Scene<'_>) -> Result<StepDone, Halt> {
    // The judgement is as old as its question: what comes between the answer and its record makes it no younger.
    let asked_at = Some(scene.room.parts.clock.now());
    let rule = judge_afresh(scene).await?;
    Ok(StepDone { asked_at, ..StepDone::new(Effect::AlreadyThere, Output::Rule(rule)) })
}

/// Before the entry: judges again where the judgement of this work is old. Another rule may fit by now; its groups are set then, so
/// that belongs into the record.
pub(super) async fn again_if_old(scene: &Scene<'_>) -> Result<Option<StepRecord>, Halt> {
    let judged = scene.last_record(Step::Eligible);
    if judged.is_some_and(|judged| is_fresh(scene, judged)) {
        return Ok(None);
    }
    let again = ensure(scene).await?.record(Step::Eligible);
    if judged.is_some_and(|before| before.output == again.output) {
        // The record stays as it was: its time says since when the present step is tried.
        return Ok(None);
    }
    Ok(Some(again))
}

/// Before the mail: the same, but the account has the groups of the rule that fitted then, so that one must still fit.
pub(super) async fn must_still_hold(scene: &Scene<'_>) -> Result<(), Halt> {
    let judged = scene.last_record(Step::Eligible).ok_or_else(defect)?;
    if is_fresh(scene, judged) {
        return Ok(());
    }
    let fits = Output::Rule(judge_afresh(scene).await?);
    let fitted = judged.output.as_deref().map_or(Output::Nothing, Output::parse);
    if fits == fitted { Ok(()) } else { Err(Setback::Undo { code: Refusal::RoleLost }.into()) }
}

/// A clock that was set back says nothing of the age: such a judgement is old.
fn is_fresh(scene: &Scene<'_>, judged: &WorkStep) -> bool {
    let now = scene.room.parts.clock.now();
    judged.at <= now && now.since(judged.at) <= FRESH_FOR
}

async fn judge_afresh(scene: &Scene<'_>) -> Result<RuleName, Halt> {
    let guild = scene.guild()?;
    let user = scene.discord_id()?;
    let parts = &scene.room.parts;
    let asking = parts.discord.member(guild.id, user);
    let member = scene.call(Target::Discord, "member", asking).await??;
    let Some(member) = member else { return Err(Setback::Undo { code: Refusal::MemberGone }.into()) };
    let mut view = parts.store.read().await?;
    let address = scene.request()?.form.as_ref().map(|form| &form.address);
    if view.denial_of(user, address).await?.is_some() {
        return Err(Setback::Undo { code: Refusal::DeniedPerson }.into());
    }
    let decision = view.decision_on(scene.request()?.id).await?;
    let is_by_rule = decision.is_none_or(|decision| decision.approver == Actor::System);
    let rule = fitting_rule(scene, &guild.policy, &member, is_by_rule)?;
    let rule = rule.ok_or(Setback::Undo { code: Refusal::RoleLost })?;
    Ok(rule.name.clone())
}

/// The rule that was approved, if it still fits; else the first that does. What a rule alone approved never grows into a rule that
/// asks for a moderator.
fn fitting_rule<'a>(
    scene: &Scene<'_>,
    policy: &'a Policy,
    member: &MemberFacts,
    is_by_rule: bool,
) -> Result<Option<&'a Rule>, Halt> {
    let now = scene.room.parts.clock.now();
    let approved = scene.request()?.rule.as_ref();
    let same = policy.rules.iter().filter(|rule| Some(&rule.name) == approved);
    let others = policy.rules.iter().filter(|rule| Some(&rule.name) != approved);
    let fits = |rule: &&Rule| {
        let alone = Policy { rules: vec![(*rule).clone()] };
        matches!(judge(&alone, member, now), Verdict::Eligible(_))
    };
    let may_grow = |rule: &&Rule| !is_by_rule || rule.approval == Approval::Automatic;
    Ok(same.chain(others.filter(may_grow)).find(fits))
}
