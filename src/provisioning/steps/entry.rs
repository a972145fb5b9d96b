//! `entry`: the LDAP Add, without a password, with Discord id and mark in the Add itself. Where it had to wait, the member is looked
//! at once more.

use super::{Output, StepDone, eligible};
use crate::directory::{Added, Look, NewPerson, Taken};
use crate::domain::account::Mark;
use crate::domain::audit::Event;
use crate::domain::refusal::Refusal;
use crate::domain::work::{Effect, Setback};
use crate::provisioning::breaker::Target;
use crate::provisioning::call::Halt;
use crate::provisioning::rows;
use crate::provisioning::scene::Scene;
use crate::store::{StoreError, Tx};

pub(super) async fn ensure(scene: &Scene<'_>) -> Result<StepDone, Halt> {
    let rejudged = eligible::again_if_old(scene).await?;
    let form = scene.form()?;
    let account = scene.account()?;
    let person = NewPerson {
        username: &account.username,
        given: &form.given,
        family: &form.family,
        address: &form.address,
        discord_id: scene.discord_id()?,
        mark: scene.mark()?,
    };
    let adding = scene.room.parts.directory.add_person(&person);
    let (effect, entry) = match scene.call(Target::Directory, "add_person", adding).await?? {
        Added::Created(entry) => (Effect::Made, entry),
        Added::AlreadyOurs(entry) => (Effect::AlreadyThere, entry),
        Added::Conflict(look) => return Err(judge_conflict(look, person.mark).into()),
    };
    Ok(StepDone { rejudged, ..StepDone::new(effect, Output::Entry(entry.directory_id)) })
}

/// Somebody took one of the three between the look and the Add.
fn judge_conflict(look: Look, mine: Mark) -> Setback {
    let is_foreign = |taken: Option<Taken>| taken.is_some_and(|taken| taken != Taken::ByAccount(mine));
    if is_foreign(look.discord_id) {
        Setback::Conflict { code: Refusal::DirectoryConflict }
    } else if is_foreign(look.username) {
        Setback::Undo { code: Refusal::NameUnavailable }
    } else if is_foreign(look.address) {
        Setback::Undo { code: Refusal::AddressInUse }
    } else {
        // The mark is ours and the Discord id is not, or the server sees a clash that our bind may not see.
        Setback::Conflict { code: Refusal::DirectoryConflict }
    }
}

pub(super) async fn write(scene: &Scene<'_>, tx: &mut Tx, done: &StepDone) -> Result<(), StoreError> {
    let (Output::Entry(id), Some(account)) = (&done.output, &scene.account) else { return Ok(()) };
    if let Some(mut account) = tx.account(account.id).await?
        && account.directory_id.as_ref() != Some(id)
    {
        account.directory_id = Some(id.clone());
        rows::save(tx, &account).await?;
    }
    let event = if done.effect == Effect::Made { Event::EntryCreated } else { Event::EntryFound };
    tx.audit(scene.entry(event).becoming(id.as_str()));
    Ok(())
}
