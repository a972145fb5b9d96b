//! `groups`: the entry is a member of the rule's groups and of no other managed group. Unmanaged groups are never touched.

use super::owned_entry::must_find_ours;
use crate::domain::audit::Event;
use crate::jobs::context::StepContext;
use crate::jobs::outcome::{StepDone, StepError, StepOutput};
use crate::store::Tx;
use crate::worker::breaker::Target;

pub(super) async fn ensure(ctx: &StepContext<'_>) -> Result<StepDone, StepError> {
    let wanted = ctx.wanted_groups()?;
    let managed = ctx.managed_groups();
    let ours = must_find_ours(ctx).await?;
    let ensuring = ctx.worker.deps.directory.ensure_membership(&ours, &wanted, &managed);
    let membership = ctx.call(Target::Directory, "ensure_membership", ensuring).await??;
    let output = StepOutput::Groups { added: membership.added, removed: membership.removed };
    Ok(StepDone::new(membership.outcome, output))
}

pub(super) fn write(ctx: &StepContext<'_>, tx: &mut Tx, output: &StepOutput) {
    let StepOutput::Groups { added, removed } = output else { return };
    for group in added {
        tx.audit(ctx.entry(Event::GroupAdded).becoming(group.as_str()));
    }
    for group in removed {
        let mut entry = ctx.entry(Event::GroupRemoved);
        entry.before = Some(group.as_str().to_owned());
        tx.audit(entry);
    }
}
