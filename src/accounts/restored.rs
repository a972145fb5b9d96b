//! After a restore: compares the database with the external systems, and ends the maintenance mode when an operator agrees.
//!
//! A backup lacks what happened after it: new accounts, sent mails, changed passwords. Until an operator agrees, no external system is
//! changed. Start with [`Comparison::differences`].

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::caller::Operator;
use crate::clock::{Clock, Rng};
use crate::config::Config;
use crate::directory::{By, Directory, DirectoryError, Entry as DirectoryEntry};
use crate::domain::account::{Account, AccountState, DirectoryId, Mark};
use crate::domain::audit::{Entry, Event, Source};
use crate::domain::comparison::DifferenceKind;
use crate::domain::ids::AccountId;
use crate::domain::job::{Job, JobKind, JobState};
use crate::domain::request::RequestState;
use crate::keycloak::{Keycloak, KeycloakError};
use crate::store::{AccountFilter, RequestFilter, Store, StoreError};

/// How many rows are read from the store at once.
const PAGE: u32 = 100;

/// One difference between the restored database and the external systems.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RestoreDifference {
    /// How they differ.
    pub kind: DifferenceKind,
    /// The account, as the mark or the database names it.
    pub account: AccountId,
    /// The user name in the database or, without an account, in the directory.
    pub username: String,
    /// The entry, if there is one.
    pub directory_id: Option<DirectoryId>,
}

/// The comparison or the agreement failed; nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum CompareError {
    /// The database.
    #[error("could not use the database")]
    Store(#[from] StoreError),
    /// The directory.
    #[error("could not ask the directory")]
    Directory(#[from] DirectoryError),
    /// Keycloak.
    #[error("could not ask Keycloak")]
    Keycloak(#[from] KeycloakError),
}

/// While it is on, this process changes no external system. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct MaintenanceMode(Arc<AtomicBool>);

impl MaintenanceMode {
    /// Whether it is on.
    pub fn is_on(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    /// Turns it on or off.
    pub fn set(&self, is_on: bool) {
        self.0.store(is_on, Ordering::Relaxed);
    }
}

/// Compares the database with the directory and Keycloak.
#[derive(Clone)]
pub struct Comparison {
    store: Store,
    directory: Directory,
    keycloak: Keycloak,
}

impl Comparison {
    /// Uses clients that are already open.
    pub fn over(store: Store, directory: Directory, keycloak: Keycloak) -> Self {
        Self { store, directory, keycloak }
    }

    /// Opens the clients. Close it with [`Comparison::close`].
    pub async fn open(
        config: &Config,
        clock: Arc<dyn Clock>,
        rng: Arc<dyn Rng>,
    ) -> Result<Self, CompareError> {
        let store = Store::open(&config.store, clock, rng).await?;
        Ok(Self::over(store, Directory::new(&config.directory)?, Keycloak::new(&config.keycloak)?))
    }

    /// Closes the store.
    pub async fn close(&self) {
        self.store.close().await;
    }

    /// Whether the database waits for an agreement.
    pub async fn is_held(&self) -> Result<bool, StoreError> {
        Ok(self.store.read().await?.restored_at().await?.is_some())
    }

    /// All differences; those of accounts in the database come first. Groups and values of entries are not compared: the directory is their
    /// source of truth.
    pub async fn differences(&self) -> Result<Vec<RestoreDifference>, CompareError> {
        let mut found = Vec::new();
        let mut after = None;
        loop {
            let page = self.store.read().await?.links(&AccountFilter::default(), after, PAGE).await?;
            let Some(last) = page.last() else { break };
            after = Some(last.account.id);
            let accounts = page.iter().map(|link| &link.account);
            for account in accounts.filter(|account| account.state != AccountState::Closed) {
                let entry = self.entry_of(account.id).await?;
                let mut note = |kind| found.push(difference(kind, account, entry.as_ref()));
                of_entry(account, entry.as_ref()).into_iter().for_each(&mut note);
                self.of_user(account).await?.into_iter().for_each(&mut note);
            }
        }
        self.add_unknown_entries(&mut found).await?;
        Ok(found)
    }

    async fn entry_of(&self, account: AccountId) -> Result<Option<DirectoryEntry>, DirectoryError> {
        Ok(self.directory.find(By::Mark(Mark::of(account))).await?.into_iter().next())
    }

    async fn of_user(&self, account: &Account) -> Result<Option<DifferenceKind>, CompareError> {
        let Some(id) = &account.keycloak_id else { return Ok(None) };
        let user = self.keycloak.person(id).await?;
        let is_disabled = account.state == AccountState::Disabled;
        Ok(match user {
            None => Some(DifferenceKind::UserMissing),
            Some(user) if user.enabled && is_disabled => Some(DifferenceKind::UserEnabledSince),
            Some(user) if !user.enabled && !is_disabled => Some(DifferenceKind::UserDisabledSince),
            Some(_) => None,
        })
    }

    /// Reads every entry with our mark. A server limits the size of an answer, so if there are too many entries, they are searched by the
    /// last digits of the mark.
    async fn add_unknown_entries(&self, found: &mut Vec<RestoreDifference>) -> Result<(), CompareError> {
        let mut endings = vec![String::new()];
        while let Some(ending) = endings.pop() {
            let entries = match self.directory.all_marked(&ending).await {
                Err(DirectoryError::TooBig { .. }) if ending.len() < 4 => {
                    endings.extend(
                        "0123456789abcdef"
                            .chars()
                            .map(|digit| [digit.to_string().as_str(), &ending].concat()),
                    );
                    continue;
                }
                entries => entries?,
            };
            for entry in entries {
                let Some(mark) = entry.mark else { continue };
                let account = self.store.read().await?.account(mark.account()).await?;
                let kind = match account.map(|account| account.state) {
                    None => DifferenceKind::EntryWithoutAccount,
                    Some(AccountState::Closed) => DifferenceKind::EntryOfClosedAccount,
                    Some(_) => continue,
                };
                let (username, directory_id) = (entry.username.as_str().to_owned(), Some(entry.directory_id));
                found.push(RestoreDifference { kind, account: mark.account(), username, directory_id });
            }
        }
        Ok(())
    }

    /// Ends the maintenance mode. Mails that may have been sent after the backup count as sent, old notifications are dropped, and the
    /// cards of open requests are edited again. `None`: the database was not in maintenance mode.
    pub async fn agree(&self, operator: &Operator) -> Result<Option<usize>, CompareError> {
        let made = self.jobs_with_an_entry().await?;
        let mut tx = self.store.begin().await?;
        if !tx.let_go().await? {
            return Ok(None);
        }
        for (job, account) in &made {
            tx.use_up_mails(*account).await?;
            let entry = Entry::new(Event::JobRetried, Source::Cli, operator.actor());
            tx.audit(entry.about(job.person_id).of_job(job.id));
        }
        for state in [RequestState::Waiting, RequestState::Held] {
            let filter = RequestFilter { state: Some(state), ..RequestFilter::default() };
            let mut after = None;
            loop {
                let page = tx.requests(&filter, after, PAGE).await?;
                let Some(last) = page.last() else { break };
                after = Some(last.id);
                for request in &page {
                    tx.put_card(request.id).await?;
                }
            }
        }
        tx.settle_outbox().await?;
        tx.commit("restore.agree").await?;
        Ok(Some(made.len()))
    }

    /// Jobs that create an account whose entry already exists.
    async fn jobs_with_an_entry(&self) -> Result<Vec<(Job, AccountId)>, CompareError> {
        let mut made = Vec::new();
        let mut after = 0;
        loop {
            let page = self.store.read().await?.jobs_in(JobState::Open, after, PAGE).await?;
            let Some(last) = page.last() else { return Ok(made) };
            after = last.seq;
            for job in page.into_iter().filter(|job| job.kind == JobKind::Provision) {
                if let Some(account) = job.account_id
                    && self.entry_of(account).await?.is_some()
                {
                    made.push((job, account));
                }
            }
        }
    }
}

fn difference(kind: DifferenceKind, account: &Account, entry: Option<&DirectoryEntry>) -> RestoreDifference {
    RestoreDifference {
        kind,
        account: account.id,
        username: account.username.as_str().to_owned(),
        directory_id: entry.map(|entry| entry.directory_id.clone()),
    }
}

fn of_entry(account: &Account, entry: Option<&DirectoryEntry>) -> Vec<DifferenceKind> {
    let Some(entry) = entry else {
        return if account.directory_id.is_some() { vec![DifferenceKind::EntryMissing] } else { Vec::new() };
    };
    let is_known = account.directory_id.as_ref() == Some(&entry.directory_id);
    let is_disabled = account.state == AccountState::Disabled;
    let before_use = matches!(account.state, AccountState::Creating | AccountState::Invited);
    [
        (!is_known, DifferenceKind::EntryMadeSince),
        (before_use && entry.password_changed_at.is_some(), DifferenceKind::PasswordSetSince),
        (entry.is_locked && !is_disabled, DifferenceKind::LockedSince),
        (!entry.is_locked && is_disabled, DifferenceKind::UnlockedSince),
    ]
    .into_iter()
    .filter_map(|(is_so, kind)| is_so.then_some(kind))
    .collect()
}
