//! Links between people and accounts, for admins. Every view is audited.

use std::collections::HashMap;
use std::ops::ControlFlow;

use serde_json::Value;

use super::authority::Admin;
use super::context::Accounts;
use super::error::{Chain, UseCaseError};
use super::export_writer::{ExportWriter, Format, instant};
use crate::directory::{By, Directory, Entry};
use crate::domain::account::{Account, AccountState, DirectoryId, KeycloakId, Mark};
use crate::domain::eligibility::GroupName;
use crate::domain::error_code::ErrorCode;
use crate::domain::ids::{AccountId, DiscordUserId};
use crate::domain::job::{Job, JobKind, JobState, Step};
use crate::domain::link::{Comparison, EntryFacts, Lookup, Recorded, UserFacts, compare};
use crate::domain::mail_address::MailAddress;
use crate::domain::phase::PhaseJob;
use crate::domain::username::Username;
use crate::store::{AccountFilter, ReadConnection};

pub use crate::store::Link;

/// One link with the current state of the directory and Keycloak.
#[derive(Clone, Debug)]
pub struct LinkShown {
    /// What the store knows.
    pub link: Link,
    /// The entry.
    pub entry: Lookup<EntryFacts>,
    /// The Keycloak user.
    pub user: Lookup<UserFacts>,
    /// What differs, and what could not be checked.
    pub comparison: Comparison,
}

/// What an export of links contains.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LinkExport {
    /// Accounts in this state only.
    pub state: Option<AccountState>,
    /// Whether to include the mail addresses, which are read from the directory.
    pub with_addresses: bool,
    /// The format.
    pub format: Format,
}

/// How many accounts an export reads at a time: as many as one search of the directory takes.
const EXPORT_PAGE: usize = Directory::MAX_TOGETHER;

/// The columns of an export, in their order.
const COLUMNS: &[&str] = &[
    "account_id",
    "person_id",
    "discord_id",
    "username",
    "state",
    "address",
    "directory_id",
    "keycloak_id",
    "request_code",
    "guild_id",
    "invited_at",
    "activated_at",
    "closed_at",
];

/// How a link is looked up.
enum LinkQuery {
    /// A mention or a Discord id.
    Discord(DiscordUserId),
    /// A mail address.
    Address(MailAddress),
    /// A `UUID`: of an account, of a Keycloak user or of an entry.
    Uuid(String),
    /// A user name.
    Name(Username),
    /// The text can't name a link.
    Nothing,
}

impl Accounts {
    /// Finds links by a mention (`<@…>`), a Discord id, an account's id, a user name, a mail address, a Keycloak or directory id. An
    /// address is looked up in the directory, because the store keeps no address of an account in use.
    pub async fn find_link(&self, admin: &Admin, what: &str) -> Result<Vec<Link>, UseCaseError> {
        self.look_up_links(admin, what).await
    }

    /// One link, compared with directory and Keycloak. It takes the same text as `find_link`, and returns `None` unless exactly one link
    /// matches.
    pub async fn show_link(&self, admin: &Admin, what: &str) -> Result<Option<LinkShown>, UseCaseError> {
        let mut links = self.look_up_links(admin, what).await?;
        let (Some(link), true) = (links.pop(), links.is_empty()) else { return Ok(None) };
        let mut view = self.store().read().await?;
        let wanted = self.wanted_groups(&mut view, &link).await?;
        let jobs = view.unfinished_jobs_of(link.account.person_id).await?;
        // Hold no connection to the store during outside calls.
        drop(view);
        let (entry, user) = tokio::join!(self.look_up_entry(&link.account), self.look_up_user(&link.account));
        // If the directory doesn't answer, Keycloak's answer would be misleading.
        let user = if matches!(entry, Lookup::NotChecked) { Lookup::NotChecked } else { user };
        let managed = self.config().managed_groups();
        let recorded = Recorded {
            account: &link.account,
            is_ending: jobs.iter().any(|job| PhaseJob::from(job).ends_account()),
            is_unlocking: jobs.iter().any(|job| job.kind == JobKind::Enable),
            discord_id: link.discord_id,
            wanted: wanted.as_deref(),
            managed: &managed,
        };
        let comparison = compare(&recorded, &entry, &user);
        Ok(Some(LinkShown { link, entry, user, comparison }))
    }

    /// Writes the links as text, newest account first, and passes the text to `take` in parts until `take` breaks. Returns the number of
    /// accounts. The export is audited before the first part.
    pub async fn export_links<B>(
        &self,
        admin: &Admin,
        wanted: LinkExport,
        mut take: impl FnMut(&str) -> ControlFlow<B>,
    ) -> Result<ControlFlow<B, usize>, UseCaseError> {
        self.record_view(admin, &[]).await?;
        let filter = AccountFilter { state: wanted.state, guild_id: admin.guild() };
        let (mut writer, mut text) = ExportWriter::begin(wanted.format, "accounts", COLUMNS);
        let (mut after, mut count) = (None, 0);
        loop {
            let page = self.store().read().await?.links(&filter, after, EXPORT_PAGE as u32).await?;
            after = page.last().map(|link| link.account.id);
            count += page.len();
            let mut addresses =
                if wanted.with_addresses { self.addresses_of(&page).await? } else { HashMap::new() };
            for link in page {
                let address = link.account.directory_id.as_ref().and_then(|id| addresses.remove(id));
                writer.put(&mut text, values(link, address));
            }
            let is_end = after.is_none();
            if is_end {
                text.push_str(&writer.end(None));
            }
            if let ControlFlow::Break(why) = take(&text) {
                return Ok(ControlFlow::Break(why));
            }
            if is_end {
                return Ok(ControlFlow::Continue(count));
            }
            text.clear();
        }
    }

    /// The matching links that this admin may see. The view is audited before they are returned.
    pub(super) async fn look_up_links(&self, admin: &Admin, what: &str) -> Result<Vec<Link>, UseCaseError> {
        // Ask the directory before taking a connection to the store.
        let query = LinkQuery::read(what);
        let mut ids = match &query {
            LinkQuery::Address(address) => self.accounts_of_address(address).await?,
            LinkQuery::Discord(_) | LinkQuery::Uuid(_) | LinkQuery::Name(_) | LinkQuery::Nothing => {
                Vec::new()
            }
        };
        let mut view = self.store().read().await?;
        ids.extend(look_up(&mut view, &query).await?.map(|account| account.id));
        let mut links = Vec::with_capacity(ids.len());
        for id in ids {
            links.extend(view.link(id).await?);
        }
        drop(view);
        links.retain(|link| admin.guild().is_none() || link.guild_id == admin.guild());
        let seen: Vec<_> = links.iter().map(|link| link.account.person_id).collect();
        self.record_view(admin, &seen).await?;
        Ok(links)
    }

    /// The accounts whose entries have this address, by the mark on the entry.
    async fn accounts_of_address(&self, address: &MailAddress) -> Result<Vec<AccountId>, UseCaseError> {
        let directory = self.clients().directory.as_ref().ok_or(ErrorCode::DirectoryDown)?;
        let entries = directory.find(By::Address(address)).await.map_err(|error| {
            tracing::warn!(error = %Chain(&error), "an address could not be looked up");
            ErrorCode::DirectoryDown
        })?;
        Ok(entries.into_iter().filter_map(|entry| entry.mark).map(Mark::account).collect())
    }

    /// The groups of the rule by which the account was created, or enabled again; `None` if the rule is no longer known.
    async fn wanted_groups(
        &self,
        view: &mut ReadConnection,
        link: &Link,
    ) -> Result<Option<Vec<GroupName>>, UseCaseError> {
        let jobs = view.jobs_of(link.account.person_id).await?;
        let sets_groups = |job: &&Job| {
            let is_of_kind = match job.kind {
                JobKind::Provision => true,
                // Until it is done, the groups may be those of before.
                JobKind::Enable => job.state == JobState::Done,
                JobKind::Check | JobKind::Withdraw | JobKind::Welcome | JobKind::Resend | JobKind::Lock => {
                    false
                }
            };
            is_of_kind && job.account_id == Some(link.account.id)
        };
        let Some(job) = jobs.iter().rev().find(sets_groups) else { return Ok(None) };
        let output = view.step_output(job.id, Step::Eligible).await?.unwrap_or_default();
        // The output of the job's step `eligible`.
        let output: Value = serde_json::from_str(&output).unwrap_or_default();
        let guild = link.guild_id.and_then(|id| self.config().guild(id));
        let rules = guild.map(|guild| guild.policy.rules.as_slice()).unwrap_or_default();
        let rule = rules.iter().find(|rule| output["rule"].as_str() == Some(rule.name.as_str()));
        Ok(rule.map(|rule| rule.groups.clone()))
    }

    /// The mail addresses of these accounts, from their entries. A missing address is not an empty one.
    async fn addresses_of(&self, links: &[Link]) -> Result<HashMap<DirectoryId, String>, UseCaseError> {
        let directory = self.clients().directory.as_ref().ok_or(ErrorCode::DirectoryDown)?;
        let ids: Vec<DirectoryId> =
            links.iter().filter_map(|link| link.account.directory_id.clone()).collect();
        let entries = directory.find_together(&ids).await.map_err(|error| {
            tracing::warn!(error = %Chain(&error), "addresses could not be looked up");
            ErrorCode::DirectoryDown
        })?;
        let address = |entry: Entry| Some((entry.directory_id, entry.address?.as_str().to_owned()));
        Ok(entries.into_iter().filter_map(address).collect())
    }
}

/// A row of an export, in the order of [`COLUMNS`].
fn values(link: Link, address: Option<String>) -> Vec<Value> {
    let account = link.account;
    vec![
        account.id.to_string().into(),
        account.person_id.to_string().into(),
        link.discord_id.map(|id| id.to_string()).into(),
        account.username.as_str().into(),
        account.state.code().into(),
        address.into(),
        account.directory_id.as_ref().map(DirectoryId::as_str).into(),
        account.keycloak_id.as_ref().map(KeycloakId::as_str).into(),
        link.request_code.into(),
        link.guild_id.map(|id| id.to_string()).into(),
        account.invited_at.map(instant).into(),
        account.activated_at.map(instant).into(),
        account.closed_at.map(instant).into(),
    ]
}

impl LinkQuery {
    fn read(what: &str) -> Self {
        let what = what.trim();
        if let Some(id) = read_user(what) {
            return Self::Discord(id);
        }
        if what.contains('@') {
            return MailAddress::parse(what).map_or(Self::Nothing, Self::Address);
        }
        if what.parse::<AccountId>().is_ok() {
            return Self::Uuid(what.to_ascii_lowercase());
        }
        Username::from_row(&what.to_lowercase()).map_or(Self::Nothing, Self::Name)
    }
}

/// A Discord user by a mention or an id.
pub(super) fn read_user(text: &str) -> Option<DiscordUserId> {
    let mention = text.strip_prefix("<@").and_then(|rest| rest.strip_suffix('>'));
    mention.map_or(text, |inner| inner.trim_start_matches('!')).parse().ok()
}

async fn look_up(view: &mut ReadConnection, query: &LinkQuery) -> Result<Option<Account>, UseCaseError> {
    Ok(match query {
        LinkQuery::Discord(id) => match view.person_of(*id).await? {
            Some(person) => view.account_of(person.id).await?,
            None => None,
        },
        LinkQuery::Uuid(text) => by_uuid(view, text).await?,
        LinkQuery::Name(name) => view.account_by_username(name).await?,
        LinkQuery::Address(_) | LinkQuery::Nothing => None,
    })
}

/// The account by any of its three ids.
async fn by_uuid(view: &mut ReadConnection, text: &str) -> Result<Option<Account>, UseCaseError> {
    if let Ok(id) = text.parse()
        && let Some(account) = view.account(id).await?
    {
        return Ok(Some(account));
    }
    if let Some(id) = KeycloakId::new(text)
        && let Some(account) = view.account_by_keycloak_id(&id).await?
    {
        return Ok(Some(account));
    }
    match DirectoryId::new(text) {
        Some(id) => Ok(view.account_by_directory_id(&id).await?),
        None => Ok(None),
    }
}
