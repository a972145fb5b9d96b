//! `eligible`: the member, fresh from Discord, still fits the policy. Gone or no longer entitled ends the job; nothing was made.
//!
//! A job can wait for a server after this step, for hours. Then the member is judged once more before the entry, and before the mail,
//! which cannot be taken back.

use std::time::Duration;

use super::{Output, StepDone};
use crate::domain::audit::Actor;
use crate::domain::eligibility::{Approval, Policy, Rule, RuleName, Verdict, judge};
use crate::domain::error_code::ErrorCode;
use crate::domain::job::{FailureAction, Outcome, Step};
use crate::domain::member::MemberFacts;
use crate::provisioning::breaker::Target;
use crate::provisioning::call::StepError;
use crate::provisioning::context::{StepContext, defect};
use crate::store::{JobStep, StepRecord};

/// How old a judgement may be on which something is made: the steps between take seconds, unless they wait for a server.
const FRESH_FOR: Duration = Duration::from_secs(30);

pub(super) async fn ensure(ctx: &StepContext<'_>) -> Result<StepDone, StepError> {
    // The judgement is as old as its question: what comes between the answer and its record makes it no younger.
    let asked_at = Some(ctx.worker.deps.clock.now());
    let rule = judge_afresh(ctx).await?;
    Ok(StepDone { asked_at, ..StepDone::new(Outcome::Unchanged, Output::Rule(rule)) })
}

/// Before the entry: judges again where the judgement of this job is old. Another rule may fit by now; its groups are set then, so
/// that belongs into the record.
pub(super) async fn again_if_old(ctx: &StepContext<'_>) -> Result<Option<StepRecord>, StepError> {
    let password = ctx.last_record(Step::Eligible);
    if password.is_some_and(|password| is_fresh(ctx, password)) {
        return Ok(None);
    }
    let again = ensure(ctx).await?.record(Step::Eligible);
    if password.is_some_and(|before| before.output == again.output) {
        // The record stays as it was: its time says since when the present step is tried.
        return Ok(None);
    }
    Ok(Some(again))
}

/// Before the mail: the same, but the account has the groups of the rule that fitted then, so that one must still fit.
pub(super) async fn must_still_hold(ctx: &StepContext<'_>) -> Result<(), StepError> {
    let password = ctx.last_record(Step::Eligible).ok_or_else(defect)?;
    if is_fresh(ctx, password) {
        return Ok(());
    }
    let fits = Output::Rule(judge_afresh(ctx).await?);
    let fitted = password.output.as_deref().map_or(Output::Nothing, Output::parse);
    if fits == fitted { Ok(()) } else { Err(FailureAction::Undo { code: ErrorCode::RoleLost }.into()) }
}

/// A clock that was set back says nothing of the age: such a judgement is old.
fn is_fresh(ctx: &StepContext<'_>, password: &JobStep) -> bool {
    let now = ctx.worker.deps.clock.now();
    password.at <= now && now.since(password.at) <= FRESH_FOR
}

async fn judge_afresh(ctx: &StepContext<'_>) -> Result<RuleName, StepError> {
    let guild = ctx.guild()?;
    let user = ctx.discord_id()?;
    let deps = &ctx.worker.deps;
    let asking = deps.discord.member(guild.id, user);
    let member = ctx.call(Target::Discord, "member", asking).await??;
    let Some(member) = member else { return Err(FailureAction::Undo { code: ErrorCode::MemberGone }.into()) };
    let mut view = deps.store.read().await?;
    let address = ctx.request()?.form.as_ref().map(|form| &form.address);
    if view.denial_of(user, address).await?.is_some() {
        return Err(FailureAction::Undo { code: ErrorCode::DeniedPerson }.into());
    }
    let decision = view.decision_on(ctx.request()?.id).await?;
    let is_by_rule = decision.is_none_or(|decision| decision.approver == Actor::System);
    let rule = fitting_rule(ctx, &guild.policy, &member, is_by_rule)?;
    let rule = rule.ok_or(FailureAction::Undo { code: ErrorCode::RoleLost })?;
    Ok(rule.name.clone())
}

/// The rule that was approved, if it still fits; else the first that does. What a rule alone approved never grows into a rule that
/// asks for a moderator.
fn fitting_rule<'a>(
    ctx: &StepContext<'_>,
    policy: &'a Policy,
    member: &MemberFacts,
    is_by_rule: bool,
) -> Result<Option<&'a Rule>, StepError> {
    let now = ctx.worker.deps.clock.now();
    let approved = ctx.request()?.rule.as_ref();
    let same = policy.rules.iter().filter(|rule| Some(&rule.name) == approved);
    let others = policy.rules.iter().filter(|rule| Some(&rule.name) != approved);
    let fits = |rule: &&Rule| {
        let alone = Policy { rules: vec![(*rule).clone()] };
        matches!(judge(&alone, member, now), Verdict::Eligible(_))
    };
    let may_grow = |rule: &&Rule| !is_by_rule || rule.approval == Approval::Automatic;
    Ok(same.chain(others.filter(may_grow)).find(fits))
}
