//! `remove`: take the entry out of the groups and delete it, only if it is ours, locked, and never had a password.

use super::{Judged, Output, StepDone, find_ours, judge};
use crate::directory::Removed;
use crate::domain::audit::Event;
use crate::domain::refusal::Refusal;
use crate::domain::work::{Effect, Setback, Step};
use crate::provisioning::breaker::Target;
use crate::provisioning::call::Halt;
use crate::provisioning::scene::Scene;
use crate::store::Tx;

pub(super) async fn ensure(scene: &Scene<'_>) -> Result<StepDone, Halt> {
    if scene.output_of(Step::Judge) != Output::Judged(Judged::NeverUsed) {
        return Ok(StepDone::not_needed());
    }
    let gone = Output::Judged(Judged::Gone);
    let Some(ours) = find_ours(scene).await? else { return Ok(StepDone::new(Effect::AlreadyThere, gone)) };
    let directory = &scene.room.parts.directory;
    let managed = scene.managed_groups();
    let leaving = directory.ensure_membership(&ours, &[], &managed);
    scene.call(Target::Directory, "ensure_membership", leaving).await??;
    let removing = directory.remove_if_ours(&ours);
    match scene.call(Target::Directory, "remove_if_ours", removing).await?? {
        Removed::Removed => Ok(StepDone::new(Effect::Made, gone)),
        Removed::Absent => Ok(StepDone::new(Effect::AlreadyThere, gone)),
        Removed::NotOurs => Err(Setback::Conflict { code: Refusal::DirectoryConflict }.into()),
        Removed::HasPassword => match judge::judge(scene).await? {
            Judged::Used => Ok(StepDone::new(Effect::NotNeeded, Output::Judged(Judged::Used))),
            Judged::Gone => Ok(StepDone::new(Effect::AlreadyThere, gone)),
            // The server refuses the delete and shows no password: only a person can say why.
            Judged::NeverUsed => Err(Setback::AskOperator { code: Refusal::DirectoryRefused }.into()),
        },
    }
}

pub(super) fn write(scene: &Scene<'_>, tx: &mut Tx, effect: Effect) {
    if effect == Effect::Made {
        let mut entry = scene.entry(Event::EntryRemoved);
        entry.before =
            scene.account.as_ref().and_then(|account| account.directory_id.as_ref()).map(ToString::to_string);
        tx.audit(entry);
    }
}
