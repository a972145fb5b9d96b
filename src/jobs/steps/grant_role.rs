//! `grant_role`: the guild's member role, for people with an active account.

use crate::domain::account::AccountState;
use crate::domain::audit::Event;
use crate::domain::job::Outcome;
use crate::jobs::context::StepContext;
use crate::jobs::outcome::{StepDone, StepError};
use crate::worker::breaker::Target;

pub(super) async fn ensure(ctx: &StepContext<'_>) -> Result<StepDone, StepError> {
    let guild = ctx.guild()?;
    let Some(role) = guild.member_role else { return Ok(StepDone::skipped()) };
    if ctx.account()?.state != AccountState::Active {
        return Ok(StepDone::skipped());
    }
    let user = ctx.discord_id()?;
    let discord = &ctx.worker.deps.discord;
    let member = ctx.call(Target::Discord, "member", discord.member(guild.id, user)).await??;
    match member {
        // The person left in the meantime.
        None => Ok(StepDone::skipped()),
        Some(member) if member.roles.contains(&role) => Ok(StepDone::plain(Outcome::Unchanged)),
        Some(_) => {
            let granting = discord.grant_role(guild.id, user, role);
            ctx.call(Target::Discord, "grant_role", granting).await??;
            Ok(StepDone::plain(Outcome::Applied))
        }
    }
}

pub(super) fn apply(ctx: &mut StepContext<'_>, outcome: Outcome) {
    let role = ctx.served_guild().and_then(|guild| guild.member_role);
    let event = match outcome {
        Outcome::Applied => Event::RoleGranted,
        Outcome::Unchanged => Event::RoleFound,
        Outcome::Skipped => return,
    };
    if let Some(role) = role {
        ctx.note_entry(ctx.entry(event).becoming(role.to_string()));
    }
}
