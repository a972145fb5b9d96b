//! `groups`: member of the rule's groups, and of no other group that a rule may give. Unmanaged groups are never touched.

use super::{Output, StepDone, must_find_ours};
use crate::domain::audit::Event;
use crate::provisioning::breaker::Target;
use crate::provisioning::call::Halt;
use crate::provisioning::scene::Scene;
use crate::store::Tx;

pub(super) async fn ensure(scene: &Scene<'_>) -> Result<StepDone, Halt> {
    let wanted = scene.wanted_groups()?;
    let managed = scene.managed_groups();
    let ours = must_find_ours(scene).await?;
    let ensuring = scene.room.parts.directory.ensure_membership(&ours, &wanted, &managed);
    let membership = scene.call(Target::Directory, "ensure_membership", ensuring).await??;
    let output = Output::Groups { added: membership.added, removed: membership.removed };
    Ok(StepDone::new(membership.effect, output))
}

pub(super) fn write(scene: &Scene<'_>, tx: &mut Tx, output: &Output) {
    let Output::Groups { added, removed } = output else { return };
    for group in added {
        tx.audit(scene.entry(Event::GroupAdded).becoming(group.as_str()));
    }
    for group in removed {
        let mut entry = scene.entry(Event::GroupRemoved);
        entry.before = Some(group.as_str().to_owned());
        tx.audit(entry);
    }
}
