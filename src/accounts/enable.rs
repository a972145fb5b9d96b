//! Admins unlock a disabled account. A job replaces its password, removes the lock, and mails the person a new link.
//!
//! The owner is judged again: membership and rule by Discord's facts of this moment, and the deny list. The job does so once more.

use super::authority::Admin;
use super::context::Accounts;
use super::error::UseCaseError;
use super::links::Link;
use super::password::{enqueue, phase_of};
use crate::domain::account::Account;
use crate::domain::audit::{Entry, Event};
use crate::domain::eligibility::{Eligibility, evaluate};
use crate::domain::error_code::ErrorCode;
use crate::domain::ids::DiscordUserId;
use crate::domain::job::{Job, JobKind, JobState};
use crate::domain::link::Lookup;
use crate::domain::mail_address::MailAddress;
use crate::domain::phase::{AccountPhase, NotEnabled};
use crate::domain::request::Answer;
use crate::store::Tx;

/// The account is being unlocked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EnableAsked {
    /// Its user name.
    pub username: String,
    /// What this command did.
    pub what: Enabling,
}

/// What the command did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Enabling {
    /// It began.
    Begun,
    /// It had begun before; this command changed nothing.
    UnderWay,
    /// It had stopped for an operator, and is tried again.
    TriedAgain,
}

impl Accounts {
    /// Unlocks the account that exactly one link names; `None` if none does. The reason is sealed beside the audit row, for admins.
    pub async fn enable(
        &self,
        admin: &Admin,
        what: &str,
        reason: &str,
    ) -> Result<Option<EnableAsked>, UseCaseError> {
        let reason = Answer::parse(reason).ok_or(NotEnabled::ReasonMissing)?;
        let mut links = self.look_up_links(admin, what).await?;
        let (Some(link), true) = (links.pop(), links.is_empty()) else { return Ok(None) };
        let owner = link.discord_id.ok_or(NotEnabled::MemberGone)?;
        if admin.user() == Some(owner) {
            return Err(self.note_own_account(admin, &link).await?);
        }
        let mut view = self.store().read().await?;
        let jobs = view.unfinished_jobs_of(link.account.person_id).await?;
        // Hold no connection to the store during outside calls.
        drop(view);
        must_be_locked(&link.account, &jobs)?;
        self.must_be_entitled(&link, owner).await?;
        let mut tx = self.store().begin().await?;
        tx.lock_person(link.account.person_id).await?;
        let account = tx.account(link.account.id).await?.ok_or(NotEnabled::NotLocked)?;
        let jobs = tx.unfinished_jobs_of(account.person_id).await?;
        must_be_locked(&account, &jobs)?;
        let asked = |what| Some(EnableAsked { username: account.username.as_str().to_owned(), what });
        let before = jobs.iter().find(|job| job.kind == JobKind::Enable);
        let (job, what) = match before {
            None => (enqueue(&mut tx, &account, JobKind::Enable).await?, Enabling::Begun),
            Some(job) if job.state == JobState::NeedsOperator => {
                let opened = tx.retry_job(job.id).await?.ok_or(ErrorCode::ChangedMeanwhile)?;
                (opened, Enabling::TriedAgain)
            }
            Some(_) => return Ok(asked(Enabling::UnderWay)),
        };
        let mut entry = describe(&mut tx, admin, &link, Event::AccountEnabled).await?;
        entry = entry.of_job(job.id).change(account.state.code(), "enable_asked");
        entry.personal = Some(reason.as_str().to_owned());
        if let Some(request) = job.request_id {
            entry = entry.of_request(request);
            tx.put_card(request).await?;
        }
        tx.audit(entry);
        tx.commit("enable").await?;
        Ok(asked(what))
    }

    /// Audits that an admin tried to unlock their own account.
    async fn note_own_account(&self, admin: &Admin, link: &Link) -> Result<UseCaseError, UseCaseError> {
        let refused = UseCaseError::from(NotEnabled::OwnAccount);
        let mut tx = self.store().begin().await?;
        let entry = describe(&mut tx, admin, link, Event::PressRefused).await?;
        tx.audit(entry.because(refused.error_code));
        tx.commit("press_refused").await?;
        Ok(refused)
    }

    /// Checks by facts of this moment that the owner may have an account.
    async fn must_be_entitled(&self, link: &Link, owner: DiscordUserId) -> Result<(), UseCaseError> {
        let guild = link.guild_id.and_then(|id| self.config().guild(id)).ok_or(NotEnabled::RoleLost)?;
        let member = self.fetch_member(guild.id, owner).await?.ok_or(NotEnabled::MemberGone)?;
        if let Eligibility::NotEligible(_) = evaluate(&guild.policy, &member, self.clock().now()) {
            return Err(NotEnabled::RoleLost.into());
        }
        let address = match self.look_up_entry(&link.account).await {
            Lookup::Found(entry) => entry.address,
            Lookup::NotChecked => return Err(ErrorCode::DirectoryDown.into()),
            Lookup::Replaced(_) | Lookup::Gone | Lookup::Nothing => return Err(NotEnabled::Conflict.into()),
        };
        let address = address.and_then(|address| MailAddress::parse(address.as_str()).ok());
        let mut view = self.store().read().await?;
        match view.denial_of(owner, address.as_ref()).await? {
            Some(_) => Err(NotEnabled::Denied.into()),
            None => Ok(()),
        }
    }
}

/// Checks that the account is locked, or that its unlocking has begun.
fn must_be_locked(account: &Account, jobs: &[Job]) -> Result<(), UseCaseError> {
    match phase_of(account, jobs) {
        AccountPhase::Locked | AccountPhase::Unlocking => Ok(()),
        AccountPhase::BeingMade | AccountPhase::Invited | AccountPhase::Active | AccountPhase::Closed => {
            Err(NotEnabled::NotLocked.into())
        }
        AccountPhase::Checking | AccountPhase::Removing | AccountPhase::Locking => {
            Err(NotEnabled::NotYet.into())
        }
        AccountPhase::Conflict => Err(NotEnabled::Conflict.into()),
    }
}

async fn describe(tx: &mut Tx, admin: &Admin, link: &Link, event: Event) -> Result<Entry, UseCaseError> {
    let actor = admin.actor(tx).await?;
    let entry = Entry::new(event, admin.source(), actor).about(link.account.person_id);
    Ok(match link.guild_id {
        Some(guild) => entry.in_guild(guild),
        None => entry,
    })
}
