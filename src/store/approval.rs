//! The rows of an approval, written in one place for moderators and for automatic rules.
//!
//! Nothing is decided here: the caller has checked the right to approve and the person's eligibility.

use super::accounts::AccountInserted;
use super::connection::Tx;
use super::decisions::NewDecision;
use super::error::StoreError;
use super::jobs::NewJob;
use super::requests::{RequestMove, RequestMoved};
use crate::domain::account::Account;
use crate::domain::approval::{Notify, Verdict};
use crate::domain::audit::{Actor, Entry, Event, Source};
use crate::domain::eligibility::RuleName;
use crate::domain::job::{Job, JobKind};
use crate::domain::request::{Request, RequestState};

/// The result of approving. The caller must roll back on everything but `Done`.
#[derive(Clone, Debug)]
#[expect(clippy::large_enum_variant, reason = "one value an approval, looked at once and dropped")]
pub enum Approved {
    /// Decided; the account is `creating` and its job is due.
    Done {
        /// The approved request.
        request: Request,
        /// The new account.
        account: Account,
        /// Its first job.
        job: Job,
    },
    /// Another transaction was faster: the row as it is now.
    Lost(Request),
    /// Another approved request has this address.
    AddressInUse(Request),
    /// A live account, or another person's tombstone, has this name or a look-alike of it.
    NameTaken(Request),
    /// The person has an account that is not closed.
    HasAccount(Account),
}

impl Tx {
    /// Writes an approval: the request moves from exactly the seen row to `approved`, and an open check ends. Decision, account, its
    /// first job, the audit row and the card's update are written with it.
    pub async fn approve_request(
        &mut self,
        seen: &Request,
        approver: Actor,
        source: Source,
        rule: Option<RuleName>,
    ) -> Result<Approved, StoreError> {
        let change = RequestMove { reason_code: None, rule, expires_at: None };
        let request = match self.move_request(seen, RequestState::Approved, change).await? {
            RequestMoved::Done(request) => request,
            RequestMoved::Lost(request) => return Ok(Approved::Lost(request)),
            RequestMoved::AddressInUse(request) => return Ok(Approved::AddressInUse(request)),
            RequestMoved::NameTaken(request) => return Ok(Approved::NameTaken(request)),
        };
        let decision = NewDecision {
            request_id: request.id,
            round: 1,
            slot: 1,
            approver: approver.clone(),
            verdict: Verdict::Approve,
            reason: None,
            notify: Notify::Told,
        };
        if !self.put_decision(decision).await? {
            return Ok(Approved::Lost(request));
        }
        // A rule approves in the transaction that has ended the check already.
        if source != Source::Config {
            self.end_check(request.id).await?;
        }
        let account = match self.insert_account(request.person_id, &request.username).await? {
            AccountInserted::Made(account) => account,
            AccountInserted::PersonHasOne(account) => return Ok(Approved::HasAccount(account)),
            AccountInserted::NameTaken => return Ok(Approved::NameTaken(request)),
        };
        let job = NewJob {
            person_id: request.person_id,
            account_id: Some(account.id),
            request_id: Some(request.id),
            kind: JobKind::Provision,
        };
        let job = self.enqueue_job_at_once(job).await?;
        self.audit(approval_entry(seen, &request, approver, source));
        // The account is usually created within a second, and the card then says so at once.
        self.put_card_soon(request.id).await?;
        Ok(Approved::Done { request, account, job })
    }
}

fn approval_entry(seen: &Request, request: &Request, approver: Actor, source: Source) -> Entry {
    let entry = Entry::new(Event::RequestApproved, source, approver)
        .about(request.person_id)
        .in_guild(request.guild_id)
        .of_request(request.id)
        .change(seen.state.code(), request.state.code());
    match &request.rule {
        Some(rule) => entry.by_rule(rule),
        None => entry,
    }
}
