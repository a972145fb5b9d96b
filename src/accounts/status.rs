//! The status of a person: one stage, derived from request, jobs and account.

use super::caller::Caller;
use super::context::Accounts;
use super::eligibility_check::waits_for_another_name;
use super::error::{Details, UseCaseError};
use super::password::cooled_down_at;
use crate::domain::account::{Account, AccountState};
use crate::domain::approval::Notify;
use crate::domain::error_code::ErrorCode;
use crate::domain::ids::{AccountId, Nonce, RequestId, Timestamp};
use crate::domain::job::{JobKind, JobState, Step};
use crate::domain::phase::AccountPhase;
use crate::domain::request::{Request, RequestState};
use crate::domain::status::Delay;
use crate::store::{Overview, UnfinishedJob};

pub use crate::domain::status::{Asked, Mails, NextRequest, Stage};

/// A button below the status message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StatusButton {
    /// Send the draft.
    Send(RequestId, Nonce),
    /// Change the draft.
    Change(RequestId, Nonce),
    /// Cancel the request.
    Cancel(RequestId, Nonce),
    /// Open the form.
    Form,
    /// Ask for another mail.
    Resend(AccountId, Nonce),
    /// "That was not me."
    NotMe(AccountId, Nonce),
}

/// The answer of `/account status`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StatusShown {
    /// The stage.
    pub stage: Stage,
    /// The public code of the request, if there is one.
    pub code: Option<String>,
    /// Whether the person can ask for an account now.
    pub next: NextRequest,
    /// When this stage began; `None` if there is nothing.
    pub since: Option<Timestamp>,
    /// The available buttons.
    pub buttons: Vec<StatusButton>,
}

impl Accounts {
    /// The caller's status. It works in a direct message, too.
    pub async fn status(&self, caller: &Caller) -> Result<StatusShown, UseCaseError> {
        self.within_limit(async {
            let known = self.store().read().await?.overview_of(caller.user_id).await?;
            let mut shown = self.derive(&known);
            shown.next = match self.fitting_rule(caller) {
                _ if known.is_denied => NextRequest::Denied,
                _ if caller.guild_id.is_none() => NextRequest::Possible,
                Err(UseCaseError { details: Details::WhyNot(reasons), .. }) => {
                    NextRequest::NotEligible(reasons)
                }
                Ok(_) | Err(_) => NextRequest::Possible,
            };
            // The form opens in a guild only, because there the member's roles are known.
            if caller.guild_id.is_none() || shown.next != NextRequest::Possible {
                shown.buttons.retain(|button| *button != StatusButton::Form);
            }
            Ok(shown)
        })
        .await
    }

    /// Derives the stage from the account, otherwise the open request, otherwise a draft, otherwise the last request.
    fn derive(&self, known: &Overview) -> StatusShown {
        let now = self.clock().now();
        if let Some(account) = &known.account {
            return self.of_account(account, known);
        }
        if let Some(request) = &known.open {
            return of_open_request(request, known);
        }
        let draft = known.draft.as_ref().filter(|draft| draft.expires_at.is_none_or(|at| at > now));
        if let Some(draft) = draft {
            return of_draft(draft, now);
        }
        match newest(known) {
            Some(request) => of_ended_request(request, known),
            None => nothing(),
        }
    }

    fn of_account(&self, account: &Account, known: &Overview) -> StatusShown {
        let username = account.username.as_str().to_owned();
        let since = account.activated_at.or(account.invited_at);
        let mails = self.mails_of(known);
        let phase = AccountPhase::of(account.state, known.jobs.iter().map(UnfinishedJob::of_phase));
        let delay = |is_it: fn(UnfinishedJob) -> bool| {
            known.jobs.iter().copied().find(|job| is_it(*job)).map_or(Delay::None, |job| delay_of(job, known))
        };
        let stage = match phase {
            AccountPhase::Removing => Stage::Withdrawing { username, delay: delay(is_ending) },
            AccountPhase::BeingMade => being_made(username, known),
            AccountPhase::Invited => {
                let last = mails.sent.iter().find(|mail| mail.is_certain()).map(|mail| mail.at);
                let at = last.max(account.invited_at).unwrap_or_default();
                Stage::Invited { username, at, mails }
            }
            AccountPhase::Active => Stage::Active { username, since: account.activated_at, mails },
            AccountPhase::Checking => Stage::Checking { username, delay: delay(is_ending) },
            AccountPhase::Locking => {
                Stage::Locking { username, delay: delay(|job| job.kind == JobKind::Lock) }
            }
            AccountPhase::Locked => Stage::Disabled { username },
            AccountPhase::Unlocking => {
                Stage::Unlocking { username, delay: delay(|job| job.kind == JobKind::Enable) }
            }
            AccountPhase::Conflict => Stage::Conflict { username },
            AccountPhase::Closed => Stage::Nothing,
        };
        let request = newest(known);
        let buttons = self.buttons_of(account, known);
        let code = request.map(|request| request.code.clone());
        StatusShown { stage, code, next: NextRequest::Possible, since, buttons }
    }

    fn mails_of(&self, known: &Overview) -> Mails {
        let resend = known.jobs.iter().find(|job| job.kind == JobKind::Resend);
        let asked = resend.map_or(Asked::No, |job| match delay_of(*job, known) {
            Delay::Operator => Asked::Stuck,
            Delay::Waits(code) => Asked::Delayed(code),
            Delay::None => Asked::UnderWay,
        });
        Mails { sent: known.mails.clone(), now: self.clock().now(), asked }
    }

    /// The buttons for an account, without those that would be refused at once.
    fn buttons_of(&self, account: &Account, known: &Overview) -> Vec<StatusButton> {
        let (is_live, is_active) = match account.state {
            AccountState::Active => (true, true),
            AccountState::Invited => (true, false),
            AccountState::Creating => (false, false),
            AccountState::Disabled | AccountState::Conflict | AccountState::Closed => return Vec::new(),
        };
        let ends = known.jobs.iter().copied().any(is_ending);
        if ends {
            return Vec::new();
        }
        let is_asked = known.jobs.iter().any(|job| job.kind == JobKind::Resend);
        let is_cool = cooled_down_at(&known.mails).is_none_or(|at| at <= self.clock().now());
        let mut buttons = Vec::new();
        if is_live && !is_asked && is_cool {
            buttons.push(StatusButton::Resend(account.id, account.nonce));
        }
        if is_active {
            buttons.push(StatusButton::NotMe(account.id, account.nonce));
        } else if let Some(request) = newest(known) {
            buttons.push(StatusButton::Cancel(request.id, request.nonce));
        }
        buttons
    }
}

/// Whether this unfinished job ends or locks the account.
fn is_ending(job: UnfinishedJob) -> bool {
    job.of_phase().ends_account()
}

/// What keeps a job from going on. A job that must wait for an earlier one of the person waits for the same.
fn delay_of(job: UnfinishedJob, known: &Overview) -> Delay {
    if job.state == JobState::NeedsOperator {
        return Delay::Operator;
    }
    if let Some(code) = waits_for(job) {
        return Delay::Waits(code);
    }
    let earlier = known.jobs.iter().take_while(|other| **other != job);
    let blocks = |earlier: &&UnfinishedJob| job.kind.waits_for(earlier.kind);
    earlier.copied().find(|other| blocks(&other)).map_or(Delay::None, |other| delay_of(other, known))
}

fn waits_for(job: UnfinishedJob) -> Option<ErrorCode> {
    job.error_code.filter(|code| code.is_waited_for())
}

/// The request that the status is about.
fn newest(known: &Overview) -> Option<&Request> {
    known.open.as_ref().or(known.latest.as_ref())
}

/// The stage of a `creating` account, which depends on its provisioning job.
fn being_made(username: String, known: &Overview) -> Stage {
    let job = known.jobs.iter().find(|job| job.kind == JobKind::Provision);
    match job {
        Some(job) if job.state == JobState::NeedsOperator => Stage::NeedsOperator { username },
        Some(job) if matches!(job.step, Some(Step::Mail | Step::Invite)) && waits_for(*job).is_none() => {
            Stage::MailPending { username }
        }
        Some(job) => Stage::Making { username, step: job.step, waits_for: waits_for(*job) },
        None => Stage::Making { username, step: None, waits_for: None },
    }
}

fn of_open_request(request: &Request, known: &Overview) -> StatusShown {
    let cancel = StatusButton::Cancel(request.id, request.nonce);
    let (stage, buttons) = if waits_for_another_name(request) {
        let username = request.username.as_str().to_owned();
        (Stage::NameTaken { username }, vec![StatusButton::Form, cancel])
    } else {
        let since = request.created_at;
        let check = known.jobs.iter().find(|job| job.kind == JobKind::Check);
        let waits_for = check.and_then(|job| waits_for(*job));
        (Stage::Waiting { since, expires_at: request.expires_at, waits_for }, vec![cancel])
    };
    let code = Some(request.code.clone());
    StatusShown { stage, code, next: NextRequest::Possible, since: Some(request.created_at), buttons }
}

fn of_draft(draft: &Request, now: Timestamp) -> StatusShown {
    StatusShown {
        stage: Stage::Draft { expires_at: draft.expires_at.unwrap_or(now) },
        code: Some(draft.code.clone()),
        next: NextRequest::Possible,
        since: Some(draft.created_at),
        buttons: vec![
            StatusButton::Send(draft.id, draft.nonce),
            StatusButton::Change(draft.id, draft.nonce),
            StatusButton::Cancel(draft.id, draft.nonce),
        ],
    }
}

fn of_ended_request(request: &Request, known: &Overview) -> StatusShown {
    let at = request.ended_at.unwrap_or(request.created_at);
    let stage = match request.state {
        // The account of an approved request is closed, so there is nothing left.
        RequestState::Draft | RequestState::Waiting | RequestState::Held | RequestState::Approved => {
            Stage::Nothing
        }
        RequestState::Denied => match &known.decision {
            Some(decision) if decision.notify == Notify::Told => {
                Stage::Denied { at, reason: decision.reason.clone() }
            }
            // A quiet denial reads like a request that ended without an account.
            Some(_) | None => Stage::Ended { at },
        },
        RequestState::Cancelled => Stage::Cancelled { at, why: request.reason_code },
        RequestState::Expired => Stage::Expired { at },
        RequestState::Failed => Stage::Failed { at, why: request.reason_code.unwrap_or(ErrorCode::Internal) },
    };
    StatusShown {
        stage,
        code: Some(request.code.clone()),
        next: NextRequest::Possible,
        since: Some(at),
        buttons: vec![StatusButton::Form],
    }
}

fn nothing() -> StatusShown {
    let buttons = vec![StatusButton::Form];
    StatusShown { stage: Stage::Nothing, code: None, next: NextRequest::Possible, since: None, buttons }
}
