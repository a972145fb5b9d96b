//! `groups`: the entry is a member of the rule's groups and of no other managed group. Unmanaged groups are never touched.

use super::owned_entry::must_find_ours;
use crate::domain::audit::{Entry, Event};
use crate::domain::eligibility::GroupName;
use crate::jobs::context::StepContext;
use crate::jobs::outcome::{StepDone, StepError, StepOutput};
use crate::worker::breaker::Target;

pub(super) async fn ensure(ctx: &StepContext<'_>) -> Result<StepDone, StepError> {
    let wanted = ctx.wanted_groups()?;
    let managed = ctx.managed_groups();
    let created = ctx.created.get().and_then(|entry| entry.ours(ctx.mark().ok()?, ctx.discord_id().ok()?));
    let ours = match created {
        // The directory looks for it by its id once more.
        Some(ours) => ours,
        None => must_find_ours(ctx).await?,
    };
    let ensuring = ctx.worker.deps.directory.ensure_membership(&ours, &wanted, &managed);
    let membership = ctx.call(Target::Directory, "ensure_membership", ensuring).await??;
    let output = StepOutput::Groups {
        found: wanted.into_iter().filter(|group| !membership.added.contains(group)).collect(),
        added: membership.added,
        removed: membership.removed,
    };
    Ok(StepDone::new(membership.outcome, output))
}

pub(super) fn apply(ctx: &mut StepContext<'_>, output: &StepOutput) {
    let StepOutput::Groups { added, found, removed } = output else { return };
    for group in added {
        ctx.note_entry(ctx.entry(Event::GroupAdded).becoming(group.as_str()));
    }
    for group in found {
        ctx.note_entry(ctx.entry(Event::GroupFound).becoming(group.as_str()));
    }
    note_removed(ctx, removed);
}

/// Notes one audit row for each group that the entry was removed from.
pub(super) fn note_removed(ctx: &mut StepContext<'_>, removed: &[GroupName]) {
    for group in removed {
        let before = Some(group.as_str().to_owned());
        ctx.note_entry(Entry { before, ..ctx.entry(Event::GroupRemoved) });
    }
}
