//! The data behind answers to people, each read in one statement.

use serde::Deserialize;

use super::accounts;
use super::connection::{ReadConnection, Tx};
use super::decisions::{reason_place, reason_row};
use super::error::StoreError;
use super::messages::{Message, MessageKind};
use super::request_rows::{RequestRow, request_columns};
use super::sql::{all, bare, maybe, sql, unless_taken};
use crate::domain::account::{Account, AccountState};
use crate::domain::approval::{Notify, Verdict};
use crate::domain::audit::Actor;
use crate::domain::eligibility::RuleName;
use crate::domain::error_code::ErrorCode;
use crate::domain::ids::{DiscordUserId, JobId, PersonId, RequestId, Timestamp};
use crate::domain::job::{JobKind, JobState, Step};
use crate::domain::mail::Mail;
use crate::domain::phase::PhaseJob;
use crate::domain::request::{Request, RequestState};
use crate::domain::wait::Wait;

/// What a decision needs to know about a request.
#[derive(Clone, Debug)]
pub struct DecisionCase {
    /// The request.
    pub request: Request,
    /// The person who asked, unless their Discord id was erased.
    pub applicant: Option<DiscordUserId>,
    /// The card, once it was posted or is about to be.
    pub card: Option<Message>,
    /// The newest decision.
    pub decision: Option<Decided>,
}

/// What a card shows about a request.
#[derive(Clone, Debug)]
pub struct CardCase {
    /// The request.
    pub request: Request,
    /// The person who asked, unless their Discord id was erased.
    pub applicant: Option<DiscordUserId>,
    /// Whether Discord refuses direct messages to that person.
    pub is_unreachable: bool,
    /// The newest decision: who, their Discord user, and whether the person is told.
    pub decision: Option<(Actor, Option<DiscordUserId>, Notify)>,
    /// The newest job.
    pub job: Option<CardJob>,
    /// What a job of the request waits for, if that was reported.
    pub reported_wait: Option<Wait>,
    /// Whether the check of directory and Keycloak is done.
    pub is_checked: bool,
    /// The state of the account that the newest job is about.
    pub account_state: Option<AccountState>,
    /// How many other requests this person had sent when this one was created.
    pub earlier: i64,
}

/// What a card shows about a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CardJob {
    /// Its id, for the button `Retry`.
    pub id: JobId,
    /// Its state.
    pub state: JobState,
    /// Its current step.
    pub step: Option<Step>,
    /// Why it waits or stopped.
    pub error_code: Option<ErrorCode>,
}

/// A decision that was made.
#[derive(Clone, Debug)]
pub struct Decided {
    /// Who decided.
    pub approver: Actor,
    /// Their Discord user, if a person decided and the id was not erased.
    pub discord_id: Option<DiscordUserId>,
    /// What was decided.
    pub verdict: Verdict,
    /// When.
    pub at: Timestamp,
}

/// What the store knows about a person, for the form and the status.
#[derive(Clone, Debug, Default)]
pub struct Overview {
    /// Whether the person is on the deny list now.
    pub is_denied: bool,
    /// The person, if they are known.
    pub person: Option<PersonId>,
    /// Their account that is not closed.
    pub account: Option<Account>,
    /// Their draft, which may have expired.
    pub draft: Option<Request>,
    /// Their request that waits or is held.
    pub open: Option<Request>,
    /// Their newest request that was sent.
    pub latest: Option<Request>,
    /// The newest decision on the newest request.
    pub decision: Option<Told>,
    /// The mails of their account, newest first.
    pub mails: Vec<Mail>,
    /// Their unfinished jobs, oldest first.
    pub jobs: Vec<UnfinishedJob>,
}

/// What a requester may learn about a decision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    /// Whether they are told of a denial.
    pub notify: Notify,
    /// The typed reason, unless it was erased.
    pub reason: Option<String>,
}

/// What people are told about a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnfinishedJob {
    /// What it is for.
    pub kind: JobKind,
    /// Its state.
    pub state: JobState,
    /// Its next step.
    pub step: Option<Step>,
    /// Why it waits.
    pub error_code: Option<ErrorCode>,
    /// Whether it was asked to stop.
    pub cancel_asked: bool,
}

impl UnfinishedJob {
    /// What the phase of the account needs to know about it.
    pub const fn of_phase(&self) -> PhaseJob {
        PhaseJob { kind: self.kind, state: self.state, cancel_asked: self.cancel_asked }
    }
}

/// A draft that may be sent, with the values for its conditions.
#[derive(Clone, Debug)]
pub struct SendNow<'a> {
    /// The draft as it was read.
    pub draft: &'a Request,
    /// The person who sends it.
    pub applicant: DiscordUserId,
    /// The rule that fits now.
    pub rule: &'a RuleName,
    /// When the request expires.
    pub expires_at: Timestamp,
}

macro_rules! send_now {
    ($keys:literal) => {
        concat!(
            "UPDATE request SET state = 'waiting', rule = $3, sent_at = $4, expires_at = $5, revision = revision + 1 \
             WHERE id = $1 AND revision = $2 AND state = 'draft' AND (expires_at IS NULL OR expires_at > $4) \
             AND NOT EXISTS (SELECT 1 FROM deny AS n WHERE n.key_hmac IN ",
            $keys,
            " AND (n.until IS NULL OR n.until > $4)) \
             AND NOT EXISTS (SELECT 1 FROM account AS a WHERE a.state <> 'closed' AND a.person_id = $7) \
             AND NOT EXISTS (SELECT 1 FROM account AS b WHERE b.state <> 'closed' AND b.skeleton = $8) \
             AND NOT EXISTS (SELECT 1 FROM request AS o WHERE o.state IN ('waiting', 'held') AND o.person_id = $7) \
             AND NOT EXISTS (SELECT 1 FROM request AS q WHERE q.state IN ('waiting', 'held') AND q.skeleton = $8) \
             AND NOT EXISTS (SELECT 1 FROM tombstone AS t WHERE t.skeleton = $8 \
             AND t.person_id <> $7) RETURNING "
        )
    };
}

/// One row of the person with their denials, account and newest request, if any. Account and lists are JSON.
macro_rules! about_person {
    ($account:literal, $jobs:literal, $mails:literal) => {
        concat!(
            "SELECT p.id AS overview_person_id, \
             (SELECT count(*) FROM deny AS n WHERE n.key_hmac = $2 AND (n.until IS NULL OR n.until > $3)) AS denials, \
             ", $account, " AS account, \
             (SELECT q.id FROM request AS q WHERE q.person_id = p.id AND q.sent_at IS NOT NULL \
             ORDER BY q.sent_at DESC, q.id DESC LIMIT 1) AS latest_id, ",
            $jobs, " AS jobs, ", $mails, " AS mails \
             FROM (SELECT 1 AS one) AS x LEFT JOIN person AS p ON p.discord_id = $1 \
             LEFT JOIN account AS a ON a.person_id = p.id AND a.state <> 'closed'"
        )
    };
}

/// Joins the newest decision on the request `r` as `d`.
macro_rules! newest_decision {
    () => {
        "LEFT JOIN decision AS d ON d.request_id = r.id AND NOT EXISTS (SELECT 1 FROM decision AS n \
         WHERE n.request_id = r.id AND (n.round > d.round OR (n.round = d.round AND n.slot > d.slot))) "
    };
}

/// The person with up to three requests: a draft, an open one, the newest that was sent.
macro_rules! overview {
    ($account:literal, $jobs:literal, $mails:literal) => {
        concat!(
            "SELECT o.*, r.*, d.round, d.slot, d.notify, d.reason_enc, d.key_id AS reason_key_id FROM (",
            about_person!($account, $jobs, $mails),
            ") AS o LEFT JOIN (SELECT ",
            request_columns!(),
            " FROM request) AS r \
             ON r.person_id = o.overview_person_id \
             AND (r.state IN ('draft', 'waiting', 'held') OR r.id = o.latest_id) \
             ",
            newest_decision!(),
        )
    };
}

sql! {
    OVERVIEW = overview!(
        "CASE WHEN a.id IS NULL THEN NULL ELSE json_object('id', a.id, 'person_id', a.person_id, 'state', a.state, \
        'username', a.username, 'directory_id', a.directory_id, 'keycloak_id', a.keycloak_id, 'nonce', a.nonce, \
        'invited_at', a.invited_at, 'activated_at', a.activated_at, 'closed_at', a.closed_at, 'revision', a.revision) END",
        "(SELECT json_group_array(json_object('kind', j.kind, 'state', j.state, 'step', j.step, \
        'error_code', j.error_code, 'cancel_asked', CASE WHEN j.cancel_asked THEN 1 ELSE 0 END)) \
        FROM (SELECT * FROM job WHERE job.person_id = p.id AND job.state IN ('open', 'undoing', 'needs_operator') \
        ORDER BY job.seq) AS j)",
        "(SELECT json_group_array(json_object('at', m.begun_at, 'link_until', m.link_until, 'state', m.state)) \
        FROM (SELECT * FROM mail WHERE mail.account_id = a.id ORDER BY mail.begun_at DESC, mail.id DESC LIMIT 16) AS m)"),
        postgres: overview!(
        "CASE WHEN a.id IS NULL THEN NULL ELSE CAST(json_build_object('id', a.id, 'person_id', a.person_id, \
        'state', a.state, 'username', a.username, 'directory_id', a.directory_id, 'keycloak_id', a.keycloak_id, \
        'nonce', a.nonce, 'invited_at', a.invited_at, 'activated_at', a.activated_at, 'closed_at', a.closed_at, \
        'revision', a.revision) AS TEXT) END",
        "(SELECT CAST(json_agg(json_build_object('kind', j.kind, 'state', j.state, 'step', j.step, \
        'error_code', j.error_code, 'cancel_asked', CASE WHEN j.cancel_asked THEN 1 ELSE 0 END) ORDER BY j.seq) AS TEXT) \
        FROM job AS j WHERE j.person_id = p.id AND j.state IN ('open', 'undoing', 'needs_operator'))",
        "(SELECT CAST(json_agg(json_build_object('at', m.begun_at, 'link_until', m.link_until, 'state', m.state) \
        ORDER BY m.begun_at DESC, m.id DESC) AS TEXT) FROM (SELECT * FROM mail WHERE mail.account_id = a.id \
        ORDER BY mail.begun_at DESC, mail.id DESC LIMIT 16) AS m)");
    /// Everything that `Send` requires of the store, as conditions of its one change. `$6` is a JSON array of keys of the deny list.
    SEND_NOW = concat!(send_now!("(SELECT value FROM json_each($6))"), request_columns!()),
        postgres: concat!(send_now!("(SELECT json_array_elements_text(CAST($6 AS JSON)))"), request_columns!());
    CARD = concat!("SELECT r.*, p.discord_id AS applicant_id, p.unreachable_since IS NOT NULL AS is_unreachable, d.approver_id AS approver_id, d.notify AS notify, \
        ap.discord_id AS approver_discord_id, j.id AS job_id, j.state AS job_state, j.step AS job_step, \
        j.error_code AS job_error_code, w.kind AS waiting_kind, w.state AS waiting_state, w.error_code AS waiting_code, \
        w.progressed_at AS waiting_since, (SELECT count(*) FROM job AS c WHERE c.request_id = r.id AND c.kind = 'check' \
        AND c.state = 'done') AS checks, a.state AS account_state, (SELECT count(*) FROM request AS e \
        WHERE e.person_id = r.person_id AND e.id <> r.id AND e.sent_at <= r.created_at) AS earlier \
        FROM (SELECT ", request_columns!(), " FROM request WHERE id = $1) AS r \
        LEFT JOIN person AS p ON p.id = r.person_id \
        ", newest_decision!(), "        LEFT JOIN person AS ap ON ap.id = d.approver_id \
        LEFT JOIN job AS j ON j.seq = (SELECT max(l.seq) FROM job AS l WHERE l.request_id = r.id) \
        LEFT JOIN job AS w ON w.seq = (SELECT min(v.seq) FROM job AS v WHERE v.request_id = r.id AND v.reported_at IS NOT NULL) \
        LEFT JOIN account AS a ON a.id = j.account_id");
    CASE = concat!("SELECT r.*, p.discord_id AS applicant_id, m.guild_id AS card_guild_id, \
        m.channel_id AS card_channel_id, m.message_id AS card_message_id, m.nonce AS card_nonce, \
        m.nonce_before AS card_nonce_before, d.approver_id AS approver_id, d.verdict AS verdict, \
        d.at AS decided_at, a.discord_id AS approver_discord_id \
        FROM (SELECT ", request_columns!(), " FROM request WHERE id = $1) AS r \
        LEFT JOIN person AS p ON p.id = r.person_id \
        LEFT JOIN message AS m ON m.request_id = r.id AND m.kind = 'card' \
        ", newest_decision!(), "        LEFT JOIN person AS a ON a.id = d.approver_id");
}

#[derive(sqlx::FromRow)]
struct CardRow {
    #[sqlx(flatten)]
    request: RequestRow,
    applicant_id: Option<String>,
    is_unreachable: bool,
    approver_id: Option<String>,
    notify: Option<String>,
    approver_discord_id: Option<String>,
    job_id: Option<String>,
    job_state: Option<String>,
    job_step: Option<String>,
    job_error_code: Option<String>,
    waiting_kind: Option<String>,
    waiting_state: Option<String>,
    waiting_code: Option<String>,
    waiting_since: Option<i64>,
    checks: i64,
    account_state: Option<String>,
    earlier: i64,
}

impl CardRow {
    fn decision(&self) -> Result<Option<(Actor, Option<DiscordUserId>, Notify)>, StoreError> {
        let (Some(approver), Some(notify)) = (&self.approver_id, &self.notify) else { return Ok(None) };
        let approver = Actor::parse(approver).ok_or(StoreError::Row { table: "decision" })?;
        let discord_id = self.approver_discord_id.as_ref().map(|id| id.parse());
        Ok(Some((approver, discord_id.transpose().map_err(unreadable)?, notify.parse().map_err(unreadable)?)))
    }

    fn job(&self) -> Result<Option<CardJob>, StoreError> {
        let (Some(id), Some(state)) = (&self.job_id, &self.job_state) else { return Ok(None) };
        Ok(Some(CardJob {
            id: id.parse().map_err(unreadable)?,
            state: state.parse().map_err(unreadable)?,
            step: self.job_step.as_ref().map(|step| step.parse()).transpose().map_err(unreadable)?,
            error_code: self
                .job_error_code
                .as_ref()
                .map(|code| code.parse())
                .transpose()
                .map_err(unreadable)?,
        }))
    }
}

impl CardRow {
    fn reported_wait(&self) -> Result<Option<Wait>, StoreError> {
        let (Some(kind), Some(state), Some(since)) =
            (&self.waiting_kind, &self.waiting_state, self.waiting_since)
        else {
            return Ok(None);
        };
        let code = self.waiting_code.as_ref().map(|code| code.parse()).transpose().map_err(unreadable)?;
        let (kind, state) = (kind.parse().map_err(unreadable)?, state.parse().map_err(unreadable)?);
        Ok(Wait::of(kind, state, code, Timestamp::from_millis(since)))
    }
}

#[derive(sqlx::FromRow)]
struct CaseRow {
    #[sqlx(flatten)]
    request: RequestRow,
    applicant_id: Option<String>,
    card_guild_id: Option<String>,
    card_channel_id: Option<String>,
    card_message_id: Option<String>,
    card_nonce: Option<String>,
    card_nonce_before: Option<String>,
    approver_id: Option<String>,
    verdict: Option<String>,
    decided_at: Option<i64>,
    approver_discord_id: Option<String>,
}

fn unreadable<E>(_: E) -> StoreError {
    StoreError::Row { table: "request" }
}

impl CaseRow {
    fn card(&self, request_id: RequestId) -> Result<Option<Message>, StoreError> {
        let (Some(guild_id), Some(channel_id), Some(nonce)) =
            (&self.card_guild_id, &self.card_channel_id, &self.card_nonce)
        else {
            return Ok(None);
        };
        Ok(Some(Message {
            request_id,
            kind: MessageKind::Card,
            guild_id: guild_id.parse().map_err(unreadable)?,
            channel_id: channel_id.parse().map_err(unreadable)?,
            message_id: self.card_message_id.as_ref().map(|id| id.parse()).transpose().map_err(unreadable)?,
            nonce: nonce.parse().map_err(unreadable)?,
            nonce_before: self
                .card_nonce_before
                .as_ref()
                .map(|nonce| nonce.parse())
                .transpose()
                .map_err(unreadable)?,
        }))
    }

    fn decision(&self) -> Result<Option<Decided>, StoreError> {
        let (Some(approver), Some(verdict), Some(at)) = (&self.approver_id, &self.verdict, self.decided_at)
        else {
            return Ok(None);
        };
        let discord_id = self.approver_discord_id.as_ref().map(|id| id.parse());
        Ok(Some(Decided {
            approver: Actor::parse(approver).ok_or(StoreError::Row { table: "decision" })?,
            discord_id: discord_id.transpose().map_err(unreadable)?,
            verdict: verdict.parse().map_err(unreadable)?,
            at: Timestamp::from_millis(at),
        }))
    }
}

impl ReadConnection {
    /// Everything that the card of a request shows.
    pub async fn card_case(&mut self, id: RequestId) -> Result<Option<CardCase>, StoreError> {
        let Some(row) = maybe!(self, CARD, CardRow; id.to_string())? else { return Ok(None) };
        let (decision, job, reported_wait) = (row.decision()?, row.job()?, row.reported_wait()?);
        let applicant = row.applicant_id.map(|id| id.parse()).transpose().map_err(unreadable)?;
        let account_state = row.account_state.map(|state| state.parse()).transpose().map_err(unreadable)?;
        Ok(Some(CardCase {
            request: row.request.request(&self.inner.keys)?,
            applicant,
            is_unreachable: row.is_unreachable,
            decision,
            job,
            reported_wait,
            is_checked: row.checks > 0,
            account_state,
            earlier: row.earlier,
        }))
    }

    /// The request with its card, its newest decision and the Discord ids of applicant and decider.
    pub async fn decision_case(&mut self, id: RequestId) -> Result<Option<DecisionCase>, StoreError> {
        let Some(row) = maybe!(self, CASE, CaseRow; id.to_string())? else { return Ok(None) };
        let (card, decision) = (row.card(id)?, row.decision()?);
        let applicant = row.applicant_id.map(|id| id.parse()).transpose().map_err(unreadable)?;
        Ok(Some(DecisionCase { request: row.request.request(&self.inner.keys)?, applicant, card, decision }))
    }
}

/// The request columns of a row in which there may be no request.
struct MaybeRequest(Option<RequestRow>);

impl<'r, R> sqlx::FromRow<'r, R> for MaybeRequest
where
    R: sqlx::Row,
    RequestRow: sqlx::FromRow<'r, R>,
    &'static str: sqlx::ColumnIndex<R>,
    Option<String>: sqlx::Decode<'r, R::Database> + sqlx::Type<R::Database>,
{
    fn from_row(row: &'r R) -> sqlx::Result<Self> {
        let id: Option<String> = row.try_get("id")?;
        Ok(Self(id.map(|_| RequestRow::from_row(row)).transpose()?))
    }
}

#[derive(sqlx::FromRow)]
struct OverviewRow {
    overview_person_id: Option<String>,
    denials: i64,
    account: Option<String>,
    latest_id: Option<String>,
    jobs: Option<String>,
    mails: Option<String>,
    #[sqlx(flatten)]
    request: MaybeRequest,
    round: Option<i64>,
    slot: Option<i64>,
    notify: Option<String>,
    reason_enc: Option<Vec<u8>>,
    reason_key_id: Option<String>,
}

#[derive(Deserialize)]
struct JobJson {
    kind: String,
    state: String,
    step: Option<String>,
    error_code: Option<String>,
    cancel_asked: i64,
}

impl JobJson {
    fn job(self) -> Result<UnfinishedJob, StoreError> {
        Ok(UnfinishedJob {
            kind: self.kind.parse().map_err(unreadable)?,
            state: self.state.parse().map_err(unreadable)?,
            step: self.step.map(|step| step.parse()).transpose().map_err(unreadable)?,
            error_code: self.error_code.map(|code| code.parse()).transpose().map_err(unreadable)?,
            cancel_asked: self.cancel_asked != 0,
        })
    }
}

#[derive(Deserialize)]
struct MailJson {
    at: i64,
    link_until: i64,
    state: String,
}

impl MailJson {
    fn mail(self) -> Result<Mail, StoreError> {
        Ok(Mail {
            at: Timestamp::from_millis(self.at),
            link_until: Timestamp::from_millis(self.link_until),
            state: self.state.parse().map_err(unreadable)?,
        })
    }
}

fn list<J: for<'a> Deserialize<'a>>(json: Option<&str>) -> Result<Vec<J>, StoreError> {
    json.map_or(Ok(Vec::new()), serde_json::from_str).map_err(unreadable)
}

impl ReadConnection {
    /// What the store knows about the person behind a Discord user.
    pub async fn overview_of(&mut self, user: DiscordUserId) -> Result<Overview, StoreError> {
        let key = self.denial_key_of(user);
        let now = self.now().as_millis();
        let rows = all!(self, OVERVIEW, OverviewRow; user.to_string(), key, now)?;
        let mut overview = Overview::default();
        let Some(first) = rows.first() else { return Ok(overview) };
        overview.is_denied = first.denials > 0;
        overview.person =
            first.overview_person_id.as_ref().map(|id| id.parse()).transpose().map_err(unreadable)?;
        overview.jobs =
            list(first.jobs.as_deref())?.into_iter().map(JobJson::job).collect::<Result<_, _>>()?;
        overview.mails =
            list(first.mails.as_deref())?.into_iter().map(MailJson::mail).collect::<Result<_, _>>()?;
        if let Some(account) = &first.account {
            let row: accounts::Row = serde_json::from_str(account).map_err(unreadable)?;
            overview.account = Some(row.account()?);
        }
        for row in rows {
            self.add_request(&mut overview, row)?;
        }
        Ok(overview)
    }

    fn add_request(&self, overview: &mut Overview, row: OverviewRow) -> Result<(), StoreError> {
        let Some(request) = row.request.0 else { return Ok(()) };
        let request = request.request(&self.inner.keys)?;
        if row.latest_id == Some(request.id.to_string()) {
            if let (Some(round), Some(slot), Some(notify)) = (row.round, row.slot, &row.notify) {
                let reason = self.open_reason(
                    request.id,
                    (round, slot),
                    row.reason_key_id.as_deref(),
                    row.reason_enc.as_deref(),
                )?;
                overview.decision = Some(Told { notify: notify.parse().map_err(unreadable)?, reason });
            }
            overview.latest = Some(request.clone());
        }
        match request.state {
            RequestState::Draft => overview.draft = Some(request),
            RequestState::Waiting | RequestState::Held => overview.open = Some(request),
            RequestState::Approved
            | RequestState::Denied
            | RequestState::Cancelled
            | RequestState::Expired
            | RequestState::Failed => {}
        }
        Ok(())
    }

    fn open_reason(
        &self,
        request: RequestId,
        place: (i64, i64),
        key_id: Option<&str>,
        sealed: Option<&[u8]>,
    ) -> Result<Option<String>, StoreError> {
        let Some(sealed) = sealed else { return Ok(None) };
        let row = reason_row(request, place.0, place.1);
        self.inner.keys.open(reason_place(&row), key_id, sealed).map(Some)
    }
}

impl Tx {
    /// Turns a draft into a waiting request in one statement, if nothing prevents it, which is the usual case. `None` means that something
    /// does; [`Tx::send_draft`] finds out what.
    pub async fn send_now(&mut self, send: SendNow<'_>) -> Result<Option<Request>, StoreError> {
        let address = send.draft.form.as_ref().map(|form| &form.address);
        let keys = self.denial_keys_of(send.applicant, address);
        let now = self.now().as_millis();
        let row = unless_taken!(self, SEND_NOW, RequestRow;
            send.draft.id.to_string(), send.draft.revision, send.rule.as_str(), now, send.expires_at.as_millis(),
            keys, send.draft.person_id.to_string(), send.draft.username.skeleton().as_str())?;
        row.flatten().map(|row| row.request(&self.inner.keys)).transpose()
    }
}
