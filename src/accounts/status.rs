//! Where somebody stands: one stage, derived from request, work and account.

use super::eligibility_check::waits_for_another_name;
use super::password::{cooled_down_at, ends_account};
use super::{Accounts, Caller, UseCaseError};
use crate::domain::account::{Account, AccountState};
use crate::domain::approval::Notify;
use crate::domain::error_code::ErrorCode;
use crate::domain::ids::{AccountId, Nonce, PersonId, RequestId, Timestamp};
use crate::domain::job::{Job, JobKind, JobState, Step};
use crate::domain::mail::Mail;
use crate::domain::request::{Request, RequestState};
use crate::store::{Decision, ReadConnection};

pub use crate::messages::status::{Asked, Mails, Stage};

/// A button below the status.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StatusButton {
    /// Send the draft.
    Send(RequestId, Nonce),
    /// Change the draft.
    Change(RequestId, Nonce),
    /// Take it back.
    Cancel(RequestId, Nonce),
    /// Open the form.
    Form,
    /// Ask for the mail again.
    Resend(AccountId, Nonce),
    /// "That was not me."
    NotMe(AccountId, Nonce),
}

/// The answer of `/account status`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StatusShown {
    /// Where they stand.
    pub stage: Stage,
    /// The public code of the request, if there is one.
    pub code: Option<String>,
    /// Since when; `None` where there is nothing.
    pub since: Option<Timestamp>,
    /// What can be pressed.
    pub buttons: Vec<StatusButton>,
}

/// What the store knows of a person, read at once.
struct Facts {
    account: Option<Account>,
    mails: Vec<Mail>,
    draft: Option<Request>,
    latest: Option<Request>,
    decision: Option<Decision>,
    unfinished: Vec<Job>,
}

impl Accounts {
    /// Says where the caller stands. Works in a direct message too.
    pub async fn status(&self, caller: &Caller) -> Result<StatusShown, UseCaseError> {
        self.within_limit(async {
            let mut view = self.store().read().await?;
            let mut shown = match view.person_of(caller.user_id).await? {
                Some(person) => self.derive(&read_facts(&mut view, person.id).await?),
                None => nothing(),
            };
            // The form opens in a guild only, because there the member's roles are known.
            if caller.guild_id.is_none() {
                shown.buttons.retain(|button| *button != StatusButton::Form);
            }
            Ok(shown)
        })
        .await
    }

    /// The account says most; then what is open; then a draft; then how the last request ended.
    fn derive(&self, facts: &Facts) -> StatusShown {
        let now = self.clock().now();
        if let Some(account) = &facts.account {
            return self.of_account(account, facts);
        }
        let open = facts.latest.as_ref().filter(|request| request.state.is_open());
        if let Some(request) = open {
            return of_open_request(request);
        }
        let draft = facts.draft.as_ref().filter(|draft| draft.expires_at.is_none_or(|at| at > now));
        if let Some(draft) = draft {
            return of_draft(draft, now);
        }
        match &facts.latest {
            Some(request) => of_ended_request(request, facts),
            None => nothing(),
        }
    }

    fn of_account(&self, account: &Account, facts: &Facts) -> StatusShown {
        let username = account.username.as_str().to_owned();
        let since = account.activated_at.or(account.invited_at);
        let lock = facts.unfinished.iter().find(|job| job.kind == JobKind::Lock);
        let is_ending = facts.unfinished.iter().any(ends_account);
        let mails = self.mails_of(facts);
        let stage = match account.state {
            AccountState::Creating | AccountState::Invited if is_ending => Stage::Withdrawing { username },
            AccountState::Creating => being_made(username, facts),
            AccountState::Invited => {
                let last = mails.sent.iter().find(|mail| mail.is_certain()).map(|mail| mail.at);
                let at = last.max(account.invited_at).unwrap_or_default();
                Stage::Invited { username, at, mails }
            }
            AccountState::Active => match lock {
                Some(lock) => Stage::Locking { username, waits_for: lock.error_code },
                None => Stage::Active { username, since: account.activated_at, mails },
            },
            AccountState::Disabled => Stage::Disabled { username },
            AccountState::Conflict => Stage::Conflict { username },
            AccountState::Closed => Stage::Nothing,
        };
        let request = facts.latest.as_ref();
        let buttons = self.buttons_of(account, facts);
        StatusShown { stage, code: request.map(|request| request.code.clone()), since, buttons }
    }

    fn mails_of(&self, facts: &Facts) -> Mails {
        let resend = facts.unfinished.iter().find(|job| job.kind == JobKind::Resend);
        let asked = match resend {
            None => Asked::No,
            Some(job) if job.state == JobState::NeedsOperator => Asked::Stuck,
            Some(job) if job.error_code.is_some() => Asked::Delayed,
            Some(_) => Asked::UnderWay,
        };
        Mails { sent: facts.mails.clone(), now: self.clock().now(), asked }
    }

    /// What can be pressed beside an account: nothing that would be refused right away.
    fn buttons_of(&self, account: &Account, facts: &Facts) -> Vec<StatusButton> {
        let (is_live, is_active) = match account.state {
            AccountState::Active => (true, true),
            AccountState::Invited => (true, false),
            AccountState::Creating => (false, false),
            AccountState::Disabled | AccountState::Conflict | AccountState::Closed => return Vec::new(),
        };
        let is_ending = facts.unfinished.iter().any(ends_account);
        if is_ending {
            return Vec::new();
        }
        let is_asked = facts.unfinished.iter().any(|job| job.kind == JobKind::Resend);
        let is_cool = cooled_down_at(&facts.mails).is_none_or(|at| at <= self.clock().now());
        let mut buttons = Vec::new();
        if is_live && !is_asked && is_cool {
            buttons.push(StatusButton::Resend(account.id, account.nonce));
        }
        if is_active {
            buttons.push(StatusButton::NotMe(account.id, account.nonce));
        } else if let Some(request) = &facts.latest {
            buttons.push(StatusButton::Cancel(request.id, request.nonce));
        }
        buttons
    }
}

async fn read_facts(view: &mut ReadConnection, person: PersonId) -> Result<Facts, UseCaseError> {
    let latest = match view.open_request_of(person).await? {
        Some(open) => Some(open),
        None => view.latest_request_of(person).await?,
    };
    let decision = match &latest {
        Some(request) => view.decision_on(request.id).await?,
        None => None,
    };
    let account = view.account_of(person).await?;
    let mails = match &account {
        Some(account) => view.mails_of(account.id).await?,
        None => Vec::new(),
    };
    Ok(Facts {
        account,
        mails,
        draft: view.draft_of(person).await?,
        latest,
        decision,
        unfinished: view.unfinished_jobs_of(person).await?,
    })
}

/// A `creating` account stands where its first job stands.
fn being_made(username: String, facts: &Facts) -> Stage {
    let job = facts.unfinished.iter().find(|job| job.kind == JobKind::Provision);
    match job {
        Some(job) if job.state == JobState::NeedsOperator => Stage::NeedsOperator { username },
        Some(job) if matches!(job.step, Some(Step::Mail | Step::Invite)) && job.error_code.is_none() => {
            Stage::MailPending { username }
        }
        Some(job) => Stage::Making { username, step: job.step, waits_for: job.error_code },
        None => Stage::Making { username, step: None, waits_for: None },
    }
}

fn of_open_request(request: &Request) -> StatusShown {
    let cancel = StatusButton::Cancel(request.id, request.nonce);
    let (stage, buttons) = if waits_for_another_name(request) {
        let username = request.username.as_str().to_owned();
        (Stage::NameTaken { username }, vec![StatusButton::Form, cancel])
    } else {
        let since = request.created_at;
        (Stage::Waiting { since, expires_at: request.expires_at }, vec![cancel])
    };
    StatusShown { stage, code: Some(request.code.clone()), since: Some(request.created_at), buttons }
}

fn of_draft(draft: &Request, now: Timestamp) -> StatusShown {
    StatusShown {
        stage: Stage::Draft { expires_at: draft.expires_at.unwrap_or(now) },
        code: Some(draft.code.clone()),
        since: Some(draft.created_at),
        buttons: vec![
            StatusButton::Send(draft.id, draft.nonce),
            StatusButton::Change(draft.id, draft.nonce),
            StatusButton::Cancel(draft.id, draft.nonce),
        ],
    }
}

fn of_ended_request(request: &Request, facts: &Facts) -> StatusShown {
    let at = request.ended_at.unwrap_or(request.created_at);
    let stage = match request.state {
        // An approved request whose account is closed: the account's end says nothing about the request.
        RequestState::Draft | RequestState::Waiting | RequestState::Held | RequestState::Approved => {
            Stage::Nothing
        }
        RequestState::Denied => match &facts.decision {
            Some(decision) if decision.tell == Notify::Told => {
                Stage::Denied { at, reason: decision.reason.clone() }
            }
            // A quiet denial reads like a request that came to nothing.
            Some(_) | None => Stage::Ended { at },
        },
        RequestState::Cancelled => Stage::Cancelled { at, why: request.reason_code },
        RequestState::Expired => Stage::Expired { at },
        RequestState::Failed => Stage::Failed { at, why: request.reason_code.unwrap_or(ErrorCode::Internal) },
    };
    StatusShown {
        stage,
        code: Some(request.code.clone()),
        since: Some(at),
        buttons: vec![StatusButton::Form],
    }
}

fn nothing() -> StatusShown {
    StatusShown { stage: Stage::Nothing, code: None, since: None, buttons: vec![StatusButton::Form] }
}
