//! `check_availability`: checks whether user name, address and Discord id are free, and writes nothing outside. The result puts the request
//! on hold, asks the person for another name, or lets the rule approve.

use crate::domain::audit::{Actor, Event, Source};
use crate::domain::eligibility::{Approval, Rule};
use crate::domain::error_code::ErrorCode;
use crate::domain::job::Outcome;
use crate::domain::notification::Notification;
use crate::domain::request::{Request, RequestState};
use crate::jobs::context::StepContext;
use crate::jobs::outcome::{Availability, StepDone, StepError, StepOutput, WriteConflict};
use crate::store::{Approved, RequestMove, RequestMoved, StoreError, Tx};
use crate::worker::breaker::Target;

pub(super) async fn ensure(ctx: &StepContext<'_>) -> Result<StepDone, StepError> {
    let request = ctx.request()?;
    if !request.state.is_open() {
        return Ok(StepDone::new(Outcome::Skipped, StepOutput::Availability(Availability::Decided)));
    }
    let form = ctx.form()?;
    let discord_id = ctx.discord_id()?;
    let deps = &ctx.worker.deps;
    let looking = deps.directory.find_holders(&form.username, &form.address, discord_id);
    let in_directory = ctx.call(Target::Directory, "look", looking).await??;
    let looking = deps.keycloak.find_holders(&form.username, &form.address);
    let asked_at = deps.clock.moment();
    let in_keycloak = ctx.call(Target::Keycloak, "look", looking).await??;
    let mut view = deps.store.read().await?;
    let is_held_by_request = view.address_in_use(&form.address, ctx.person.id).await?;
    let availability =
        if in_directory.address.is_some() || in_keycloak.is_address_taken(None) || is_held_by_request {
            Availability::Held(ErrorCode::AddressInUse)
        } else if in_directory.discord_id.is_some() {
            Availability::Held(ErrorCode::DirectoryConflict)
        } else if in_directory.username.is_some() || in_keycloak.is_username_taken(None) {
            Availability::NameTaken
        } else {
            ctx.worker.recent_checks.note(request.id, asked_at);
            Availability::Free
        };
    Ok(StepDone::new(Outcome::Unchanged, StepOutput::Availability(availability)))
}

pub(super) async fn write(
    ctx: &StepContext<'_>,
    tx: &mut Tx,
    output: &StepOutput,
) -> Result<Result<(), WriteConflict>, StoreError> {
    let StepOutput::Availability(availability) = output else { return Ok(Ok(())) };
    let Some(request) = ctx.request.as_ref().filter(|request| request.state.is_open()) else {
        return Ok(Ok(()));
    };
    match *availability {
        Availability::Decided => Ok(Ok(())),
        Availability::Held(code) => hold(ctx, tx, request, code).await,
        Availability::NameTaken => note_taken_name(tx, request).await,
        Availability::Free => match automatic_rule(ctx, request) {
            Some(rule) => approve(tx, request, rule).await,
            None => tx.put_card(request.id).await.map(Ok),
        },
    }
}

/// The request's rule, if it approves automatically. A rule never approves a held request.
fn automatic_rule<'a>(ctx: &'a StepContext<'_>, request: &Request) -> Option<&'a Rule> {
    let name = request.rule.as_ref()?;
    let rule = ctx.served_guild()?.policy.rules.iter().find(|rule| rule.name == *name)?;
    (rule.approval == Approval::Automatic && request.state == RequestState::Waiting).then_some(rule)
}

async fn approve(
    tx: &mut Tx,
    request: &Request,
    rule: &Rule,
) -> Result<Result<(), WriteConflict>, StoreError> {
    let approving =
        tx.approve_request(request, Actor::System, Source::Config, Some(rule.name.clone())).await?;
    let availability = match approving {
        Approved::Done { .. } => return Ok(Ok(())),
        Approved::Lost(now) => return Ok(Err(WriteConflict::RequestChanged(Box::new(now)))),
        Approved::AddressInUse(_) => Availability::Held(ErrorCode::AddressInUse),
        Approved::NameTaken(_) => Availability::NameTaken,
        Approved::HasAccount(_) => Availability::Held(ErrorCode::AlreadyHasAccount),
    };
    Ok(Err(WriteConflict::Output(StepOutput::Availability(availability))))
}

async fn hold(
    ctx: &StepContext<'_>,
    tx: &mut Tx,
    request: &Request,
    code: ErrorCode,
) -> Result<Result<(), WriteConflict>, StoreError> {
    let change = RequestMove { reason_code: Some(code), ..RequestMove::default() };
    if let Err(conflict) = move_open(tx, request, RequestState::Held, change).await? {
        return Ok(Err(conflict));
    }
    if request.state != RequestState::Held {
        let entry = ctx.entry(Event::RequestHeld);
        tx.audit(entry.change(request.state.code(), RequestState::Held.code()).because(code));
    }
    tx.put_card(request.id).await.map(Ok)
}

async fn note_taken_name(tx: &mut Tx, request: &Request) -> Result<Result<(), WriteConflict>, StoreError> {
    if request.state == RequestState::Waiting {
        let change = RequestMove { reason_code: Some(ErrorCode::NameUnavailable), ..RequestMove::default() };
        if let Err(conflict) = move_open(tx, request, request.state, change).await? {
            return Ok(Err(conflict));
        }
    }
    tx.put_card(request.id).await?;
    if request.reason_code == Some(ErrorCode::NameUnavailable) {
        // The person has already been asked for another name.
        return Ok(Ok(()));
    }
    tx.put_notification(request.person_id, Notification::NameTaken, request.id).await.map(Ok)
}

async fn move_open(
    tx: &mut Tx,
    request: &Request,
    to: RequestState,
    change: RequestMove,
) -> Result<Result<(), WriteConflict>, StoreError> {
    Ok(match tx.move_request(request, to, change).await? {
        RequestMoved::Done(_) => Ok(()),
        RequestMoved::Lost(now) | RequestMoved::AddressInUse(now) | RequestMoved::NameTaken(now) => {
            Err(WriteConflict::RequestChanged(Box::new(now)))
        }
    })
}
