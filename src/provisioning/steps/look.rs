//! `check`: are name, address and Discord id free? Read-only; what follows is a hold, a word to the person, or the rule's own
//! approval.

use super::{Instead, Looked, Output, StepDone, Written};
use crate::domain::audit::{Actor, Event, Source};
use crate::domain::eligibility::{Approval, Rule};
use crate::domain::refusal::Refusal;
use crate::domain::request::{Request, RequestState};
use crate::domain::work::Effect;
use crate::provisioning::breaker::Target;
use crate::provisioning::call::Halt;
use crate::provisioning::scene::Scene;
use crate::store::{Approved, RequestMove, RequestMoved, StoreError, Tx};

pub(super) async fn ensure(scene: &Scene<'_>) -> Result<StepDone, Halt> {
    let request = scene.request()?;
    if !request.state.is_open() {
        return Ok(StepDone::new(Effect::NotNeeded, Output::Looked(Looked::Decided)));
    }
    let form = scene.form()?;
    let discord_id = scene.discord_id()?;
    let parts = &scene.room.parts;
    let looking = parts.directory.look(&form.username, &form.address, discord_id);
    let in_directory = scene.call(Target::Directory, "look", looking).await??;
    let looking = parts.keycloak.look(&form.username, &form.address);
    let in_keycloak = scene.call(Target::Keycloak, "look", looking).await??;
    let mut view = parts.store.read().await?;
    let is_held_by_request = view.address_in_use(&form.address, scene.person.id).await?;
    let looked = if in_directory.address.is_some() || in_keycloak.is_address_taken(None) || is_held_by_request
    {
        Looked::Held(Refusal::AddressInUse)
    } else if in_directory.discord_id.is_some() {
        Looked::Held(Refusal::DirectoryConflict)
    } else if in_directory.username.is_some() || in_keycloak.is_username_taken(None) {
        Looked::NameTaken
    } else {
        Looked::Free
    };
    Ok(StepDone::new(Effect::AlreadyThere, Output::Looked(looked)))
}

pub(super) async fn write(scene: &Scene<'_>, tx: &mut Tx, output: &Output) -> Written {
    let Output::Looked(looked) = output else { return Ok(Ok(())) };
    let Some(request) = &scene.request else { return Ok(Ok(())) };
    // As it is now: it may have been decided, or noted otherwise, while we looked.
    let Some(request) = tx.request(request.id).await?.filter(|request| request.state.is_open()) else {
        return Ok(Ok(()));
    };
    match *looked {
        Looked::Decided => Ok(Ok(())),
        Looked::Held(code) => hold(scene, tx, &request, code).await.map(Ok),
        Looked::NameTaken => note_taken_name(tx, &request).await.map(Ok),
        Looked::Free => match automatic_rule(scene, &request) {
            Some(rule) => approve(tx, &request, rule).await,
            None => tx.put_card(request.id).await.map(Ok),
        },
    }
}

/// The rule that fits the request, if it approves by itself. A held request is never approved by a rule.
fn automatic_rule<'a>(scene: &'a Scene<'_>, request: &Request) -> Option<&'a Rule> {
    let name = request.rule.as_ref()?;
    let rule = scene.served_guild()?.policy.rules.iter().find(|rule| rule.name == *name)?;
    (rule.approval == Approval::Automatic && request.state == RequestState::Waiting).then_some(rule)
}

async fn approve(tx: &mut Tx, request: &Request, rule: &Rule) -> Written {
    let approving =
        tx.approve_request(request, Actor::System, Source::Config, Some(rule.name.clone())).await?;
    let looked = match approving {
        Approved::Done { .. } => return Ok(Ok(())),
        Approved::Lost(_) => return Err(StoreError::Busy),
        Approved::AddressInUse(_) => Looked::Held(Refusal::AddressInUse),
        Approved::NameTaken(_) => Looked::NameTaken,
        Approved::HasAccount(_) => Looked::Held(Refusal::AlreadyHasAccount),
    };
    Ok(Err(Instead(Output::Looked(looked))))
}

async fn hold(scene: &Scene<'_>, tx: &mut Tx, request: &Request, code: Refusal) -> Result<(), StoreError> {
    let change = RequestMove { reason_code: Some(code), ..RequestMove::default() };
    move_open(tx, request, RequestState::Held, change).await?;
    if request.state != RequestState::Held {
        let entry = scene.entry(Event::RequestHeld);
        tx.audit(entry.change(request.state.code(), RequestState::Held.code()).because(code));
    }
    tx.put_card(request.id).await
}

async fn note_taken_name(tx: &mut Tx, request: &Request) -> Result<(), StoreError> {
    if request.state == RequestState::Waiting {
        let change = RequestMove { reason_code: Some(Refusal::NameUnavailable), ..RequestMove::default() };
        move_open(tx, request, request.state, change).await?;
    }
    tx.put_card(request.id).await?;
    if request.reason_code == Some(Refusal::NameUnavailable) {
        // They were asked for another name when it was noted.
        return Ok(());
    }
    tx.put_news(request.person_id, "name_taken", request.id).await
}

async fn move_open(
    tx: &mut Tx,
    request: &Request,
    to: RequestState,
    change: RequestMove,
) -> Result<(), StoreError> {
    match tx.move_request(request, to, change).await? {
        RequestMoved::Done(_) => Ok(()),
        RequestMoved::Lost(_) | RequestMoved::AddressInUse(_) | RequestMoved::NameTaken(_) => {
            Err(StoreError::Busy)
        }
    }
}
