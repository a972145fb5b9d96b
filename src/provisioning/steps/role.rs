//! `role`: the guild's member role, for people with an account in use.

use super::StepDone;
use crate::domain::account::AccountState;
use crate::domain::audit::Event;
use crate::domain::work::Effect;
use crate::provisioning::breaker::Target;
use crate::provisioning::call::Halt;
use crate::provisioning::scene::Scene;
use crate::store::Tx;

pub(super) async fn ensure(scene: &Scene<'_>) -> Result<StepDone, Halt> {
    let guild = scene.guild()?;
    let Some(role) = guild.member_role else { return Ok(StepDone::not_needed()) };
    if scene.account()?.state != AccountState::Active {
        return Ok(StepDone::not_needed());
    }
    let user = scene.discord_id()?;
    let discord = &scene.room.parts.discord;
    let member = scene.call(Target::Discord, "member", discord.member(guild.id, user)).await??;
    match member {
        // They left in the meantime: there is nobody to give it to.
        None => Ok(StepDone::not_needed()),
        Some(member) if member.roles.contains(&role) => Ok(StepDone::plain(Effect::AlreadyThere)),
        Some(_) => {
            let granting = discord.grant_role(guild.id, user, role);
            scene.call(Target::Discord, "grant_role", granting).await??;
            Ok(StepDone::plain(Effect::Made))
        }
    }
}

pub(super) fn write(scene: &Scene<'_>, tx: &mut Tx, effect: Effect) {
    if let (Effect::Made, Some(role)) = (effect, scene.served_guild().and_then(|guild| guild.member_role)) {
        tx.audit(scene.entry(Event::RoleGranted).becoming(role.to_string()));
    }
}
