//! `eligible`: checks that the member still fits the policy, with data from Discord that is at most 30 s old. If not, the job ends before
//! anything is created.
//!
//! A job can wait for a server for hours after this step. The policy is then evaluated again before the entry is created, and before
//! the mail, which can't be undone. A decision counts for 30 s and only under the claim that made it: its age is measured with the
//! monotonic clock, because the wall clock of the process that recorded it may have been wrong.

use super::owned_entry::find_entry;
use crate::jobs::outcome::{StepDone, StepError, StepOutput, defect};

use crate::clock::Moment;
use crate::domain::audit::Actor;
use crate::domain::eligibility::{Approval, Eligibility, Policy, Rule, RuleName, evaluate};
use crate::domain::error_code::ErrorCode;
use crate::domain::freshness::is_fresh;
use crate::domain::ids::GuildId;
use crate::domain::job::{FailureAction, JobKind, Outcome, Step};
use crate::domain::mail_address::MailAddress;
use crate::domain::member::MemberFacts;
use crate::jobs::context::StepContext;
use crate::store::StepRecord;
use crate::worker::breaker::Target;

pub(super) async fn ensure(ctx: &StepContext<'_>) -> Result<StepDone, StepError> {
    let (asked_at, rule) = decide_rule(ctx).await?;
    Ok(StepDone { decided_at: Some(asked_at), ..StepDone::new(Outcome::Unchanged, StepOutput::Rule(rule)) })
}

/// Before the entry is created: decides again if this job's decision is old. Another rule may fit by now. Its groups are set then,
/// so the new decision is recorded. When it was made, and its record.
pub(super) async fn decide_again_if_old(
    ctx: &StepContext<'_>,
) -> Result<(Option<Moment>, Option<StepRecord>), StepError> {
    if is_decision_fresh(ctx) {
        return Ok((None, None));
    }
    let again = ensure(ctx).await?;
    let record = again.record(Step::Eligible);
    let is_same = ctx.last_record(Step::Eligible).is_some_and(|before| before.output == record.output);
    // The record of the same decision stays, because its time shows since when the current step has been tried.
    Ok((again.decided_at, (!is_same).then_some(record)))
}

/// Before the mail: checks again if this job's decision is old. The account has the groups of the recorded rule, so exactly that rule must
/// still fit.
pub(super) async fn must_still_hold(ctx: &StepContext<'_>) -> Result<(), StepError> {
    let decided = ctx.last_record(Step::Eligible).ok_or_else(defect)?;
    if is_decision_fresh(ctx) {
        return Ok(());
    }
    let (_, rule) = decide_rule(ctx).await?;
    let fits = StepOutput::Rule(rule);
    let fitted = decided.output.as_deref().map_or(StepOutput::Nothing, StepOutput::parse);
    if fits == fitted { Ok(()) } else { Err(FailureAction::Undo { code: ErrorCode::RoleLost }.into()) }
}

/// Whether something may still be made on the decision of this claim. A decision of an earlier claim is made again.
fn is_decision_fresh(ctx: &StepContext<'_>) -> bool {
    let now = ctx.worker.deps.clock.moment();
    ctx.decided_at.is_some_and(|decided_at| is_fresh(now.since(decided_at)))
}

/// The rule, and when Discord showed the member that it fits.
async fn decide_rule(ctx: &StepContext<'_>) -> Result<(Moment, RuleName), StepError> {
    let guild = ctx.guild()?;
    let (asked_at, member) = member(ctx, guild.id).await?;
    let user = member.user_id;
    let deps = &ctx.worker.deps;
    let address = address(ctx).await?;
    let mut view = deps.store.read().await?;
    if view.denial_of(user, address.as_ref()).await?.is_some() {
        return Err(FailureAction::Undo { code: ErrorCode::DeniedPerson }.into());
    }
    let decision = view.decision_on(ctx.request()?.id).await?;
    let is_by_rule = decision.is_none_or(|decision| decision.approver == Actor::System);
    let rule = fitting_rule(ctx, &guild.policy, &member, is_by_rule)?;
    let rule = rule.ok_or(FailureAction::Undo { code: ErrorCode::RoleLost })?;
    Ok((asked_at, rule.name.clone()))
}

/// The address to compare with the deny list: that of the form, or of the entry, once the form is erased.
async fn address(ctx: &StepContext<'_>) -> Result<Option<MailAddress>, StepError> {
    if ctx.job.kind != JobKind::Enable {
        return Ok(ctx.request()?.form.as_ref().map(|form| form.address.clone()));
    }
    let entry = find_entry(ctx).await?;
    Ok(entry.and_then(|entry| MailAddress::parse(entry.address?.as_str()).ok()))
}

/// The member, and when Discord showed them: in the interaction of a `Send` that a rule approved a moment ago, or now.
async fn member(ctx: &StepContext<'_>, guild: GuildId) -> Result<(Moment, MemberFacts), StepError> {
    let user = ctx.discord_id()?;
    let discord = &ctx.worker.deps.discord;
    if let Some(recent) = discord.recent_member(guild, user) {
        return Ok(recent);
    }
    // The decision is timestamped when the question is sent, so a delay before recording can't make it look fresher.
    let asked_at = ctx.worker.deps.clock.moment();
    let member = ctx.call(Target::Discord, "member", discord.member(guild, user)).await??;
    let member = member.ok_or(FailureAction::Undo { code: ErrorCode::MemberGone })?;
    Ok((asked_at, member))
}

/// The approved rule, if it still fits; otherwise the first that does. An automatic approval never moves to a rule that needs a moderator.
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
        matches!(evaluate(&alone, member, now), Eligibility::Eligible(_))
    };
    let may_grow = |rule: &&Rule| !is_by_rule || rule.approval == Approval::Automatic;
    Ok(same.chain(others.filter(may_grow)).find(fits))
}
