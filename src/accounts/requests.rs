//! Lists of requests and one request in full, for operators and moderators.

use super::cancel::{By, Cancelled, take_back};
use super::viewer::Viewed;
use super::{Accounts, Operator, UseCaseError, Viewer};
use crate::domain::approval::{Notify, Verdict};
use crate::domain::audit::{Actor, Source};
use crate::domain::error_code::ErrorCode;
use crate::domain::ids::{DiscordUserId, GuildId, JobId, RequestId, Timestamp};
use crate::domain::job::{Job, JobKind, JobState, Step};
use crate::domain::request::{Request, RequestState};
use crate::domain::username::Username;
use crate::store::{Decision, ReadConnection, RequestFilter as StoreFilter};

/// Which requests.
#[derive(Clone, Debug, Default)]
pub struct RequestFilter {
    /// Of this guild only.
    pub guild: Option<GuildId>,
    /// Where they stand; `None` means all but drafts.
    pub standing: Option<Standing>,
}

/// Where a request stands, as operators ask for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// In this state.
    In(RequestState),
    /// Work of it has stopped until an operator mends the cause.
    NeedsOperator,
}

/// One line of the list.
#[derive(Clone, Debug)]
pub struct RequestLine {
    /// Our id; the key for `after`.
    pub id: RequestId,
    /// The public code.
    pub code: String,
    /// Where.
    pub guild_id: GuildId,
    /// Whose, unless their Discord id was erased.
    pub discord_id: Option<DiscordUserId>,
    /// Where it stands.
    pub state: RequestState,
    /// Why.
    pub reason_code: Option<ErrorCode>,
    /// By which rule.
    pub rule: Option<String>,
    /// The wanted name.
    pub username: Username,
    /// `…@domain`, unless erased.
    pub masked_address: Option<String>,
    /// When it was typed.
    pub created_at: Timestamp,
    /// When it expires.
    pub expires_at: Option<Timestamp>,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
}

/// A decision on a request. The typed reason is not shown: it is personal.
#[derive(Clone, Debug)]
pub struct DecisionLine {
    /// Who, as the audit log names them: a person's id, `cli:<login>`, or `system` for a rule.
    pub actor: String,
    /// Their Discord user, where a person decided.
    pub by: Option<DiscordUserId>,
    /// What.
    pub verdict: Verdict,
    /// Whether the requester was told.
    pub tell: Notify,
    /// When.
    pub at: Timestamp,
}

/// A piece of work of a request.
#[derive(Clone, Debug)]
pub struct JobLine {
    /// Our id, for `retry`.
    pub id: JobId,
    /// What it is for.
    pub kind: JobKind,
    /// Where it stands.
    pub state: JobState,
    /// Its next step.
    pub step: Option<Step>,
    /// How often that was tried.
    pub attempt: i64,
    /// Why it waits.
    pub error_code: Option<ErrorCode>,
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
    /// Its work.
    pub jobs: Vec<JobLine>,
}

impl Accounts {
    /// A page of requests, newest first, after the request `after`.
    pub async fn requests(
        &self,
        viewer: &Viewer,
        filter: &RequestFilter,
        after: Option<RequestId>,
        limit: u32,
    ) -> Result<Vec<RequestLine>, UseCaseError> {
        let sight = self.admit_viewer(viewer, Viewed::Request).await?;
        let mut view = self.store().read().await?;
        let (state, job_state) = match filter.standing {
            None => (None, None),
            Some(Standing::In(state)) => (Some(state), None),
            Some(Standing::NeedsOperator) => (None, Some(JobState::NeedsOperator)),
        };
        let guild_id = sight.guild.or(filter.guild);
        let filter = StoreFilter { guild_id, state, job_state, person_id: None };
        let found = view.requests(&filter, after, limit).await?;
        tracing::info!(viewer = viewer.name(), "requests were listed");
        let mut lines = Vec::with_capacity(found.len());
        for request in found {
            lines.push(line(&mut view, request).await?);
        }
        Ok(lines)
    }

    /// A request by its public code or its id; `None` if there is none.
    pub async fn request_shown(
        &self,
        viewer: &Viewer,
        code_or_id: &str,
    ) -> Result<Option<RequestShown>, UseCaseError> {
        let sight = self.admit_viewer(viewer, Viewed::Request).await?;
        let mut view = self.store().read().await?;
        let found = find_request(&mut view, code_or_id).await?;
        let Some(request) = found.filter(|request| sight.shows(request)) else { return Ok(None) };
        tracing::info!(viewer = viewer.name(), request.id = %request.id, "a request was shown");
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

    /// Takes back somebody's request from the command line.
    pub async fn cancel_for(&self, operator: &Operator, id: RequestId) -> Result<Cancelled, UseCaseError> {
        let mut tx = self.store().begin().await?;
        let request = tx.request(id).await?.ok_or(ErrorCode::StaleButton)?;
        take_back(tx, &request, &By { actor: operator.actor(), source: Source::Cli }).await
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

async fn line(view: &mut ReadConnection, request: Request) -> Result<RequestLine, UseCaseError> {
    let person = view.person(request.person_id).await?;
    Ok(RequestLine {
        id: request.id,
        code: request.code,
        guild_id: request.guild_id,
        discord_id: person.and_then(|person| person.discord_id),
        state: request.state,
        reason_code: request.reason_code,
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
        tell: decision.tell,
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
        next_run: job.next_run,
    }
}
