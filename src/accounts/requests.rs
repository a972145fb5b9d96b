//! Lists requests and shows one in full, for operators and moderators.

use super::authority::{Admin, ViewGrant};
use super::cancel::{ATTEMPTS, Cancelled, CancelledBy, cancel_request};
use super::context::Accounts;
use super::error::UseCaseError;
use crate::domain::approval::{Notify, Verdict};
use crate::domain::audit::{Actor, Event};
use crate::domain::error_code::ErrorCode;
use crate::domain::ids::{DiscordUserId, GuildId, JobId, RequestId, Timestamp};
use crate::domain::job::{Job, JobKind, JobState, Step};
use crate::domain::request::{Request, RequestState};
use crate::domain::username::Username;
use crate::domain::wait::Wait;
use crate::store::{
    AuditFilter, AuditRow, Decision, MessageKind, Order, ReadConnection, RequestFilter as StoreFilter,
};

/// Selects requests.
#[derive(Clone, Debug, Default)]
pub struct RequestFilter {
    /// Of this guild only.
    pub guild: Option<GuildId>,
    /// Their status; `None` means all but drafts.
    pub status: Option<StatusFilter>,
}

/// The status of a request, as a filter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StatusFilter {
    /// In this state.
    In(RequestState),
    /// One of its jobs has stopped until an operator removes the cause.
    NeedsOperator,
}

/// One line of the list.
#[derive(Clone, Debug)]
pub struct RequestLine {
    /// Our id; the key for `after`.
    pub id: RequestId,
    /// The public code.
    pub code: String,
    /// Its guild.
    pub guild_id: GuildId,
    /// The applicant, unless their Discord id was erased.
    pub discord_id: Option<DiscordUserId>,
    /// Its state.
    pub state: RequestState,
    /// Why.
    pub reason_code: Option<ErrorCode>,
    /// What one of its jobs waits for, and since when.
    pub wait: Option<Wait>,
    /// The rule that made the applicant eligible.
    pub rule: Option<String>,
    /// The requested name.
    pub username: Username,
    /// `…@domain`, unless erased.
    pub masked_address: Option<String>,
    /// When it was created.
    pub created_at: Timestamp,
    /// When it expires.
    pub expires_at: Option<Timestamp>,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
    /// It is open and has no card.
    pub lacks_card: bool,
}

/// A decision on a request. The typed reason is personal and is read by [`Accounts::request_texts`].
#[derive(Clone, Debug)]
pub struct DecisionLine {
    /// Who decided, as in the audit log: a person's id, `cli:<login>`, or `system` for a rule.
    pub actor: String,
    /// Their Discord user, where a person decided.
    pub by: Option<DiscordUserId>,
    /// What.
    pub verdict: Verdict,
    /// Whether the applicant was told.
    pub notify: Notify,
    /// When.
    pub at: Timestamp,
}

/// A job of a request.
#[derive(Clone, Debug)]
pub struct JobLine {
    /// Our id, for `retry`.
    pub id: JobId,
    /// What it is for.
    pub kind: JobKind,
    /// Its state.
    pub state: JobState,
    /// Its next step.
    pub step: Option<Step>,
    /// The number of attempts at it.
    pub attempt: i64,
    /// Why it waits or stopped.
    pub error_code: Option<ErrorCode>,
    /// What it waits for, and since when.
    pub wait: Option<Wait>,
    /// When it is tried next.
    pub next_run: Timestamp,
}

/// A request in full.
#[derive(Clone, Debug)]
pub struct RequestShown {
    /// The line of the list.
    pub line: RequestLine,
    /// Its decisions.
    pub decisions: Vec<DecisionLine>,
    /// Its jobs.
    pub jobs: Vec<JobLine>,
}

/// The personal texts of a request that are still stored and that the reader may see.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RequestTexts {
    /// The reason of the denial, told or quiet: for moderators.
    pub denial_reason: Option<String>,
    /// What the person wrote with "Not me": for admins.
    pub notes: Vec<Note>,
    /// Why admins unlocked the account: for admins.
    pub enable_reasons: Vec<Note>,
}

/// What a person wrote when they reported that someone else set their password, or an admin when they unlocked the account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// When.
    pub at: Timestamp,
    /// What.
    pub text: String,
}

/// How many notes of one request are shown: a person can write one for each lock.
const MAX_NOTES: u32 = 10;

impl Accounts {
    /// A page of requests, newest first, after the request `after`.
    pub async fn requests(
        &self,
        grant: &ViewGrant,
        filter: &RequestFilter,
        after: Option<RequestId>,
        limit: u32,
    ) -> Result<Vec<RequestLine>, UseCaseError> {
        let mut view = self.store().read().await?;
        let (state, job_state) = match filter.status {
            None => (None, None),
            Some(StatusFilter::In(state)) => (Some(state), None),
            Some(StatusFilter::NeedsOperator) => (None, Some(JobState::NeedsOperator)),
        };
        let guild_id = grant.guild().or(filter.guild);
        let filter = StoreFilter { guild_id, state, job_state, person_id: None };
        let found = view.requests(&filter, after, limit).await?;
        tracing::info!(viewer = grant.name(), "requests were listed");
        let mut lines = Vec::with_capacity(found.len());
        for request in found {
            lines.push(line(&mut view, request).await?);
        }
        Ok(lines)
    }

    /// A request by its public code or its id; `None` if there is none.
    pub async fn request_shown(
        &self,
        grant: &ViewGrant,
        code_or_id: &str,
    ) -> Result<Option<RequestShown>, UseCaseError> {
        let mut view = self.store().read().await?;
        let found = find_request(&mut view, code_or_id).await?;
        let Some(request) = found.filter(|request| grant.shows(request)) else { return Ok(None) };
        tracing::info!(viewer = grant.name(), request.id = %request.id, "a request was shown");
        let decisions = match view.decision_on(request.id).await? {
            Some(decision) => vec![decision_line(&mut view, decision).await?],
            None => Vec::new(),
        };
        let mut jobs = Vec::new();
        for kind in JobKind::ALL {
            jobs.extend(view.job_of_kind(request.id, *kind).await?.map(|job| job_line(&job)));
        }
        Ok(Some(RequestShown { line: line(&mut view, request).await?, decisions, jobs }))
    }

    /// The personal texts of a request from [`Accounts::request_shown`]. If there are any, the view is audited before they are returned.
    pub async fn request_texts(
        &self,
        grant: &ViewGrant,
        shown: &RequestShown,
    ) -> Result<RequestTexts, UseCaseError> {
        let id = shown.line.id;
        let mut view = self.store().read().await?;
        let Some(request) = view.request(id).await?.filter(|request| grant.shows(request)) else {
            return Ok(RequestTexts::default());
        };
        let decision = view.decision_on(id).await?.filter(|decision| decision.verdict == Verdict::Deny);
        let denial_reason = decision.and_then(|decision| decision.reason);
        let mut texts = RequestTexts { denial_reason, ..RequestTexts::default() };
        if grant.is_admin() {
            texts.notes = notes(&mut view, id, Event::AccountDisabled).await?;
            texts.enable_reasons = notes(&mut view, id, Event::AccountEnabled).await?;
        }
        drop(view);
        if texts != RequestTexts::default() {
            self.record_text_view(grant, &request).await?;
        }
        Ok(texts)
    }

    /// Cancels a member's request for an admin.
    pub async fn cancel_for(&self, admin: &Admin, id: RequestId) -> Result<Cancelled, UseCaseError> {
        for _ in 0..ATTEMPTS {
            let mut tx = self.store().begin().await?;
            let request = tx
                .request(id)
                .await?
                .filter(|request| admin.guild().is_none_or(|guild| request.guild_id == guild))
                .ok_or(ErrorCode::StaleButton)?;
            let by = CancelledBy { actor: admin.actor(&mut tx).await?, source: admin.source() };
            if let Some(cancelled) = cancel_request(tx, &request, &by).await? {
                return Ok(cancelled);
            }
        }
        Err(ErrorCode::ChangedMeanwhile.into())
    }
}

/// A request by its public code, or by its id.
pub(super) async fn find_request(
    view: &mut ReadConnection,
    code_or_id: &str,
) -> Result<Option<Request>, UseCaseError> {
    let wanted = code_or_id.trim();
    match wanted.parse() {
        Ok(id) => Ok(view.request(id).await?),
        Err(_) => Ok(view.request_by_code(wanted).await?),
    }
}

/// The personal texts that were written with this event of a request.
async fn notes(
    view: &mut ReadConnection,
    request: RequestId,
    event: Event,
) -> Result<Vec<Note>, UseCaseError> {
    let filter = AuditFilter {
        event: Some(event),
        request_id: Some(request),
        order: Order::OldestFirst,
        ..AuditFilter::default()
    };
    let rows = view.audit_page(&filter, None, MAX_NOTES).await?;
    let note = |row: AuditRow| Some(Note { at: row.row.at, text: row.personal? });
    Ok(rows.into_iter().filter_map(note).collect())
}

async fn line(view: &mut ReadConnection, request: Request) -> Result<RequestLine, UseCaseError> {
    let person = view.person(request.person_id).await?;
    let wait = view.wait_of(request.id).await?;
    let lacks_card = request.state.is_open() && {
        let card = view.message(request.id, MessageKind::Card).await?;
        card.is_none_or(|card| card.message_id.is_none())
    };
    Ok(RequestLine {
        lacks_card,
        id: request.id,
        code: request.code,
        guild_id: request.guild_id,
        discord_id: person.and_then(|person| person.discord_id),
        state: request.state,
        reason_code: request.reason_code,
        wait,
        rule: request.rule.map(|rule| rule.as_str().to_owned()),
        username: request.username,
        masked_address: request.form.map(|form| form.address.masked()),
        created_at: request.created_at,
        expires_at: request.expires_at,
        ended_at: request.ended_at,
    })
}

async fn decision_line(view: &mut ReadConnection, decision: Decision) -> Result<DecisionLine, UseCaseError> {
    let by = match &decision.approver {
        Actor::Person(id) => view.person(*id).await?.and_then(|person| person.discord_id),
        Actor::Cli(_) | Actor::System => None,
    };
    Ok(DecisionLine {
        actor: decision.approver.text(),
        by,
        verdict: decision.verdict,
        notify: decision.notify,
        at: decision.at,
    })
}

fn job_line(job: &Job) -> JobLine {
    JobLine {
        id: job.id,
        kind: job.kind,
        state: job.state,
        step: job.step,
        attempt: job.attempt,
        error_code: job.error_code,
        wait: job.wait(),
        next_run: job.next_run,
    }
}
