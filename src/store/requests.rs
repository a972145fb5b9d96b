//! Requests: reads, compare-and-set of states, expiry and erasure. Drafts and `Send` are in `drafts`.

use super::connection::{ReadConnection, Tx};
use super::error::StoreError;
use super::request_rows::{RequestRow, address_key, request_columns};
use super::sql::{all, bare, exec, maybe, one, sql, unless_taken};
use crate::domain::account::Account;
use crate::domain::eligibility::RuleName;
use crate::domain::error_code::ErrorCode;
use crate::domain::ids::{GuildId, InteractionId, Nonce, PersonId, RequestId, Timestamp};
use crate::domain::job::JobState;
use crate::domain::mail_address::MailAddress;
use crate::domain::request::{Form, Request, RequestKind, RequestState};

/// A submitted form.
#[derive(Clone, Debug)]
pub struct NewDraft {
    /// The requester.
    pub person_id: PersonId,
    /// The guild.
    pub guild_id: GuildId,
    /// What is requested.
    pub kind: RequestKind,
    /// The checked form.
    pub form: Form,
    /// The rule that matched.
    pub rule: Option<RuleName>,
    /// The version of the privacy notice that was shown.
    pub notice_version: i64,
    /// The person's language.
    pub lang: String,
    /// The interaction that carried the form; delivered twice, it gives the same draft.
    pub interaction_id: InteractionId,
    /// When the draft expires.
    pub expires_at: Timestamp,
}

/// The result of changing a draft.
#[derive(Clone, Debug)]
pub enum DraftChanged {
    /// Changed (or this interaction had changed it before).
    Done(Request),
    /// It is no longer a draft.
    NotDraft(Request),
    /// It had expired; its personal values are erased.
    Expired(Request),
    /// No such request of this person with this nonce.
    Stale,
}

/// The parameters of `Send`.
#[derive(Clone, Debug)]
pub struct SendDraft {
    /// The draft.
    pub id: RequestId,
    /// Who pressed; the draft must be theirs.
    pub person_id: PersonId,
    /// The button's nonce.
    pub nonce: Nonce,
    /// The rule that matches now.
    pub rule: Option<RuleName>,
    /// When the request expires.
    pub expires_at: Timestamp,
}

/// The result of `Send`.
#[derive(Clone, Debug)]
pub enum Sent {
    /// It waits now.
    Sent(Request),
    /// It had been sent before.
    AlreadySent(Request),
    /// An open request, a live account or another person's tombstone has this name or a look-alike of it.
    NameTaken(Request),
    /// The person has another open request.
    RequestOpen(Request),
    /// The person has an account that is not closed.
    HasAccount(Account),
    /// The draft had expired, or a newer draft replaced it.
    Expired,
    /// No such request of this person with this nonce.
    Stale,
}

/// What a compare-and-set writes besides the state. `None` leaves a column unchanged.
#[derive(Clone, Debug, Default)]
pub struct RequestMove {
    /// The reason; `None` empties the column.
    pub reason_code: Option<ErrorCode>,
    /// The rule that matches now.
    pub rule: Option<RuleName>,
    /// A new expiry.
    pub expires_at: Option<Timestamp>,
}

/// The result of a compare-and-set.
#[derive(Clone, Debug)]
pub enum RequestMoved {
    /// Done; the row as it is now.
    Done(Request),
    /// Another transaction was faster: the row as it is now, which is not the one that was seen.
    Lost(Request),
    /// To `approved`: another approved request holds this address.
    AddressInUse(Request),
    /// To `waiting` or `held`: another open request holds this person or name.
    NameTaken(Request),
}

/// The requests that a list shows. `None` means any. Drafts are included only if the state asks for them.
#[derive(Clone, Copy, Debug, Default)]
pub struct RequestFilter {
    /// Of this guild.
    pub guild_id: Option<GuildId>,
    /// In this state.
    pub state: Option<RequestState>,
    /// With a job in this state.
    pub job_state: Option<JobState>,
    /// Of this person.
    pub person_id: Option<PersonId>,
}

sql! {
    BY_ID = concat!("SELECT ", request_columns!(), " FROM request WHERE id = $1");
    BY_CODE = concat!("SELECT ", request_columns!(), " FROM request WHERE code = $1");
    DRAFT_OF = concat!("SELECT ", request_columns!(), " FROM request WHERE person_id = $1 AND state = 'draft'");
    OPEN_OF = concat!("SELECT ", request_columns!(),
        " FROM request WHERE person_id = $1 AND state IN ('waiting', 'held')");
    LATEST_OF = concat!("SELECT ", request_columns!(),
        " FROM request WHERE person_id = $1 AND sent_at IS NOT NULL ORDER BY sent_at DESC, id DESC LIMIT 1");
    OF_ACCOUNT = "SELECT r.id FROM request AS r WHERE r.person_id = $1 AND EXISTS (SELECT 1 FROM job AS w \
        WHERE w.request_id = r.id AND w.account_id = $2 AND w.kind = 'provision') LIMIT 1";
    APPROVED_OF = concat!("SELECT ", request_columns!(),
        " FROM request WHERE person_id = $1 AND state = 'approved' ORDER BY sent_at DESC, id DESC LIMIT 1");
    PAGE = concat!("SELECT ", request_columns!(), " FROM request WHERE id < $1 \
        AND (guild_id = $2 OR $2 IS NULL) AND (person_id = $3 OR $3 IS NULL) \
        AND (state = $4 OR ($4 IS NULL AND sent_at IS NOT NULL)) \
        AND (EXISTS (SELECT 1 FROM job WHERE job.request_id = request.id AND job.state = $5) OR $5 IS NULL) \
        ORDER BY id DESC LIMIT $6");
    COUNTS = "SELECT state, count(*) FROM request GROUP BY state";
    MOVE = concat!("UPDATE request SET state = $4, reason_code = $5, rule = COALESCE($6, rule), \
        expires_at = COALESCE($7, expires_at), ended_at = COALESCE($8, ended_at), revision = revision + 1 \
        WHERE id = $1 AND revision = $2 AND state = $3 RETURNING ", request_columns!());
    ADDRESS_IN_USE = "SELECT count(*) FROM request \
        WHERE address_key = $1 AND state = 'approved' AND person_id <> $2";
    EXPIRE_DRAFTS = "UPDATE request SET state = 'expired', ended_at = $1, revision = revision + 1, \
        given_enc = NULL, family_enc = NULL, address_enc = NULL, address_key = NULL, answer_enc = NULL, key_id = NULL \
        WHERE id IN (SELECT id FROM request WHERE state = 'draft' AND expires_at <= $1 ORDER BY expires_at LIMIT $2) \
        AND state = 'draft'";
    EXPIRE_OPEN = concat!("UPDATE request SET state = 'expired', ended_at = $1, reason_code = NULL, \
        revision = revision + 1 \
        WHERE id IN (SELECT id FROM request WHERE state IN ('waiting', 'held') AND expires_at <= $1 \
        ORDER BY expires_at LIMIT $2) AND state IN ('waiting', 'held') RETURNING ", request_columns!());
    ERASE = "UPDATE request SET given_enc = NULL, family_enc = NULL, address_enc = NULL, answer_enc = NULL, \
        address_key = NULL, key_id = NULL, revision = revision + 1 WHERE id = $1";
    ERASE_REASONS = "UPDATE decision SET reason_enc = NULL, key_id = NULL WHERE request_id = $1";
    ENDED = "SELECT id FROM request WHERE ended_at < $1 AND key_id IS NOT NULL ORDER BY ended_at LIMIT $2";
    FREE_ADDRESS = "UPDATE request SET address_key = NULL WHERE person_id = $1 AND state = 'approved'";
    ERASE_APPROVED = "UPDATE request SET given_enc = NULL, family_enc = NULL, address_enc = NULL, answer_enc = NULL, \
        address_key = NULL, key_id = NULL, revision = revision + 1 \
        WHERE person_id = $1 AND state = 'approved' AND (key_id IS NOT NULL OR address_key IS NOT NULL)";
    ERASE_APPROVED_REASONS = "UPDATE decision SET reason_enc = NULL, key_id = NULL WHERE key_id IS NOT NULL \
        AND request_id IN (SELECT id FROM request WHERE person_id = $1 AND state = 'approved')";
}

impl ReadConnection {
    pub(super) async fn request_and_sent(
        &mut self,
        id: RequestId,
    ) -> Result<Option<(Request, bool)>, StoreError> {
        let Some(row) = maybe!(self, BY_ID, RequestRow; id.to_string())? else { return Ok(None) };
        let was_sent = row.sent_at.is_some();
        Ok(Some((row.request(&self.inner.keys)?, was_sent)))
    }

    fn open_row(&self, row: Option<RequestRow>) -> Result<Option<Request>, StoreError> {
        row.map(|row| row.request(&self.inner.keys)).transpose()
    }

    fn open_rows(&self, rows: Vec<RequestRow>) -> Result<Vec<Request>, StoreError> {
        rows.into_iter().map(|row| row.request(&self.inner.keys)).collect()
    }

    /// The request of this id.
    pub async fn request(&mut self, id: RequestId) -> Result<Option<Request>, StoreError> {
        let row = maybe!(self, BY_ID, RequestRow; id.to_string())?;
        self.open_row(row)
    }

    /// The request of this public code, in upper or lower case.
    pub async fn request_by_code(&mut self, code: &str) -> Result<Option<Request>, StoreError> {
        let row = maybe!(self, BY_CODE, RequestRow; code.trim().to_ascii_uppercase())?;
        self.open_row(row)
    }

    /// The person's draft, which may have expired.
    pub async fn draft_of(&mut self, person: PersonId) -> Result<Option<Request>, StoreError> {
        let row = maybe!(self, DRAFT_OF, RequestRow; person.to_string())?;
        self.open_row(row)
    }

    /// The person's `waiting` or `held` request.
    pub async fn open_request_of(&mut self, person: PersonId) -> Result<Option<Request>, StoreError> {
        let row = maybe!(self, OPEN_OF, RequestRow; person.to_string())?;
        self.open_row(row)
    }

    /// The person's newest request that was sent (drafts and unsent ones do not count).
    pub async fn latest_request_of(&mut self, person: PersonId) -> Result<Option<Request>, StoreError> {
        let row = maybe!(self, LATEST_OF, RequestRow; person.to_string())?;
        self.open_row(row)
    }

    /// The person's newest approved request.
    pub async fn approved_request_of(&mut self, person: PersonId) -> Result<Option<Request>, StoreError> {
        let row = maybe!(self, APPROVED_OF, RequestRow; person.to_string())?;
        self.open_row(row)
    }

    /// The request that led to this account; its first job names both.
    pub async fn request_of_account(&mut self, account: &Account) -> Result<Option<RequestId>, StoreError> {
        let row = maybe!(self, OF_ACCOUNT, (String,); account.person_id.to_string(), account.id.to_string())?;
        row.map(|(id,)| id.parse().map_err(|_| StoreError::Row { table: "request" })).transpose()
    }

    /// A page of requests, newest first; `after` is the last id of the page before.
    pub async fn requests(
        &mut self,
        filter: &RequestFilter,
        after: Option<RequestId>,
        limit: u32,
    ) -> Result<Vec<Request>, StoreError> {
        let rows = all!(self, PAGE, RequestRow;
            before_id(after.map(|id| id.to_string())),
            filter.guild_id.map(|id| id.to_string()),
            filter.person_id.map(|id| id.to_string()),
            filter.state.map(RequestState::code),
            filter.job_state.map(JobState::code),
            i64::from(limit))?;
        self.open_rows(rows)
    }

    /// How many requests are in each state.
    pub async fn request_counts(&mut self) -> Result<Vec<(RequestState, i64)>, StoreError> {
        let rows = all!(self, COUNTS, (String, i64);)?;
        Ok(rows.into_iter().filter_map(|(state, count)| Some((state.parse().ok()?, count))).collect())
    }

    /// Whether the approved, unfinished request of *another* person has this address.
    pub async fn address_in_use(
        &mut self,
        address: &MailAddress,
        not_counting: PersonId,
    ) -> Result<bool, StoreError> {
        let key = address_key(&self.inner.keys, address);
        Ok(one!(self, ADDRESS_IN_USE, (i64,); key, not_counting.to_string())?.0 > 0)
    }
}

/// The key of a page that goes down from `after`; `None` starts at the newest. Ids are hexadecimal, so `g` comes after all of them.
pub(super) fn before_id(after: Option<String>) -> String {
    after.unwrap_or_else(|| "g".to_owned())
}

impl Tx {
    /// Compare-and-set: moves the request from exactly the seen state and revision to `to` (which may be the same state, to write a
    /// reason). `ended_at` is set if `to` is a final state.
    pub async fn move_request(
        &mut self,
        seen: &Request,
        to: RequestState,
        change: RequestMove,
    ) -> Result<RequestMoved, StoreError> {
        if seen.state != to && !seen.state.may_become(to) {
            return Err(StoreError::IllegalMove { from: seen.state, to });
        }
        let ended_at = to.is_over().then(|| self.now().as_millis());
        let moved = unless_taken!(self, MOVE, RequestRow;
            seen.id.to_string(), seen.revision, seen.state.code(), to.code(),
            change.reason_code.map(ErrorCode::code), change.rule.as_ref().map(|rule| rule.as_str().to_owned()),
            change.expires_at.map(Timestamp::as_millis), ended_at)?;
        match moved {
            Some(Some(row)) => Ok(RequestMoved::Done(row.request(&self.inner.keys)?)),
            Some(None) => Ok(RequestMoved::Lost(self.request_again(seen.id).await?)),
            None if to == RequestState::Approved => {
                Ok(RequestMoved::AddressInUse(self.request_again(seen.id).await?))
            }
            None => Ok(RequestMoved::NameTaken(self.request_again(seen.id).await?)),
        }
    }

    async fn request_again(&mut self, id: RequestId) -> Result<Request, StoreError> {
        self.request(id).await?.ok_or(StoreError::Row { table: "request" })
    }

    /// Expires drafts that are due and erases their personal values. Returns their number, at most `limit`.
    pub async fn expire_drafts(&mut self, limit: u32) -> Result<u64, StoreError> {
        let now = self.now().as_millis();
        exec!(self, EXPIRE_DRAFTS; now, i64::from(limit))
    }

    /// Expires `waiting` and `held` requests that are due, and returns them for their audit rows and messages.
    pub async fn expire_requests(&mut self, limit: u32) -> Result<Vec<Request>, StoreError> {
        let now = self.now().as_millis();
        let rows = all!(self, EXPIRE_OPEN, RequestRow; now, i64::from(limit))?;
        self.open_rows(rows)
    }

    /// Empties the personal columns of one request, and the reasons of its decisions.
    pub async fn erase_request(&mut self, id: RequestId) -> Result<(), StoreError> {
        exec!(self, ERASE; id.to_string())?;
        exec!(self, ERASE_REASONS; id.to_string())?;
        Ok(())
    }

    /// Empties the personal columns of requests that ended before `ended_before`. Returns their number, at most `limit`.
    pub async fn erase_ended_requests(
        &mut self,
        ended_before: Timestamp,
        limit: u32,
    ) -> Result<u64, StoreError> {
        let rows = all!(self, ENDED, (String,); ended_before.as_millis(), i64::from(limit))?;
        for (id,) in &rows {
            exec!(self, ERASE; id)?;
            exec!(self, ERASE_REASONS; id)?;
        }
        Ok(rows.len() as u64)
    }

    /// Frees the address of a person's approved request for others.
    pub(super) async fn free_address_of(&mut self, person: PersonId) -> Result<(), StoreError> {
        exec!(self, FREE_ADDRESS; person.to_string()).map(|_| ())
    }

    /// Empties the personal columns of a person's approved request, and frees its address.
    pub(super) async fn erase_approved_of(&mut self, person: PersonId) -> Result<(), StoreError> {
        exec!(self, ERASE_APPROVED; person.to_string())?;
        exec!(self, ERASE_APPROVED_REASONS; person.to_string()).map(|_| ())
    }
}
