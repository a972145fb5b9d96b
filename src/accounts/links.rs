//! Which account belongs to whom: the links, for admins. Every look is audited.

use std::collections::HashMap;
use std::ops::ControlFlow;

use serde_json::Value;

use super::answer::Chain;
use super::export_writer::{ExportWriter, instant};
use super::viewer::{ViewGrant, Viewed};
use super::{Accounts, Format, UseCaseError, Viewer};
use crate::directory::{By, Directory, Entry};
use crate::domain::account::{Account, AccountState, DirectoryId, KeycloakId, Mark};
use crate::domain::eligibility::GroupName;
use crate::domain::error_code::ErrorCode;
use crate::domain::ids::{AccountId, DiscordUserId};
use crate::domain::job::{JobKind, Step};
use crate::domain::link::{Comparison, EntryFacts, Recorded, Seen, UserFacts, compare};
use crate::domain::mail_address::MailAddress;
use crate::domain::username::Username;
use crate::store::{AccountFilter, ReadConnection};

pub use crate::store::Link;

/// One link with directory and Keycloak as they are now.
#[derive(Clone, Debug)]
pub struct LinkShown {
    /// What the store knows.
    pub link: Link,
    /// The entry.
    pub entry: Seen<EntryFacts>,
    /// The Keycloak user.
    pub user: Seen<UserFacts>,
    /// What differs, and what could not be checked.
    pub comparison: Comparison,
}

/// What an export of links holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LinkExport {
    /// Accounts in this state only.
    pub state: Option<AccountState>,
    /// With the mail addresses, which the directory is asked for.
    pub with_addresses: bool,
    /// How it is written.
    pub format: Format,
}

/// How many accounts an export holds at a time: as many as one search of the directory takes.
const EXPORT_PAGE: usize = Directory::MOST_TOGETHER;

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

/// What a link is looked up by.
enum LinkQuery {
    /// A mention or a Discord id.
    Discord(DiscordUserId),
    /// A mail address.
    Address(MailAddress),
    /// A `UUID`: of an account, of a Keycloak user or of an entry.
    Uuid(String),
    /// A user name.
    Name(Username),
    /// Nothing that could name a link.
    Nothing,
}

impl Accounts {
    /// Finds links by a mention (`<@…>`), a Discord id, an account's id, a user name, a mail address, a Keycloak or directory id.
    /// The address is asked of the directory, which is the source of truth for it: the store keeps none of an account in use.
    pub async fn find_link(&self, viewer: &Viewer, what: &str) -> Result<Vec<Link>, UseCaseError> {
        let sight = self.admit_viewer(viewer, Viewed::Link).await?;
        self.look_up_links(&sight, what).await
    }

    /// One link, compared with directory and Keycloak, by exactly what `find_link` takes; `None` if nothing, or more than one, fits.
    pub async fn show_link(&self, viewer: &Viewer, what: &str) -> Result<Option<LinkShown>, UseCaseError> {
        let sight = self.admit_viewer(viewer, Viewed::Link).await?;
        let mut links = self.look_up_links(&sight, what).await?;
        let (Some(link), true) = (links.pop(), links.is_empty()) else { return Ok(None) };
        let mut view = self.store().read().await?;
        let wanted = self.wanted_groups(&mut view, &link).await?;
        // No connection to the store is held while others are asked.
        drop(view);
        let (entry, user) = tokio::join!(self.see_entry(&link.account), self.see_user(&link.account));
        // What Keycloak says while the directory is silent would mislead whoever reads it.
        let user = if matches!(entry, Seen::NotChecked) { Seen::NotChecked } else { user };
        let managed = self.config().managed_groups();
        let recorded = Recorded {
            account: &link.account,
            discord_id: link.discord_id,
            wanted: wanted.as_deref(),
            managed: &managed,
        };
        let comparison = compare(&recorded, &entry, &user);
        Ok(Some(LinkShown { link, entry, user, comparison }))
    }

    /// Writes all links as text and hands it to `take` in parts, newest account first, until `take` breaks off; how many accounts
    /// there were. The look is audited before the first part.
    pub async fn export_links<B>(
        &self,
        viewer: &Viewer,
        wanted: LinkExport,
        mut take: impl FnMut(&str) -> ControlFlow<B>,
    ) -> Result<ControlFlow<B, usize>, UseCaseError> {
        let sight = self.admit_viewer(viewer, Viewed::LinkExport).await?;
        self.note_view(&sight, &[]).await?;
        let filter = AccountFilter { state: wanted.state, guild_id: sight.guild };
        let (mut sheet, mut text) = ExportWriter::begin(wanted.format, "accounts", COLUMNS);
        let (mut after, mut count) = (None, 0);
        loop {
            let page = self.store().read().await?.links(&filter, after, EXPORT_PAGE as u32).await?;
            after = page.last().map(|link| link.account.id);
            count += page.len();
            let mut addresses =
                if wanted.with_addresses { self.addresses_of(&page).await? } else { HashMap::new() };
            for link in page {
                let address = link.account.directory_id.as_ref().and_then(|id| addresses.remove(id));
                sheet.put(&mut text, values(link, address));
            }
            let is_end = after.is_none();
            if is_end {
                text.push_str(&sheet.end(None));
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

    /// The links that fit, of those that this viewer is shown; noted before they are given.
    async fn look_up_links(&self, sight: &ViewGrant<'_>, what: &str) -> Result<Vec<Link>, UseCaseError> {
        // The directory is asked before any connection to the store is held.
        let sought = LinkQuery::read(what);
        let mut ids = match &sought {
            LinkQuery::Address(address) => self.accounts_of_address(address).await?,
            LinkQuery::Discord(_) | LinkQuery::Uuid(_) | LinkQuery::Name(_) | LinkQuery::Nothing => {
                Vec::new()
            }
        };
        let mut view = self.store().read().await?;
        ids.extend(look_up(&mut view, &sought).await?.map(|account| account.id));
        let mut links = Vec::with_capacity(ids.len());
        for id in ids {
            links.extend(view.link(id).await?);
        }
        drop(view);
        links.retain(|link| sight.guild.is_none() || link.guild_id == sight.guild);
        let seen: Vec<_> = links.iter().map(|link| link.account.person_id).collect();
        self.note_view(sight, &seen).await?;
        Ok(links)
    }

    /// The accounts whose entries have this address, by the mark on the entry.
    async fn accounts_of_address(&self, address: &MailAddress) -> Result<Vec<AccountId>, UseCaseError> {
        let directory = self.shared.clients.directory.as_ref().ok_or(ErrorCode::DirectoryDown)?;
        let entries = directory.find(By::Address(address)).await.map_err(|error| {
            tracing::warn!(error = %Chain(&error), "an address could not be looked up");
            ErrorCode::DirectoryDown
        })?;
        Ok(entries.into_iter().filter_map(|entry| entry.mark).map(Mark::account).collect())
    }

    /// The groups of the rule that the account was made by; `None` if nobody knows it any more.
    async fn wanted_groups(
        &self,
        view: &mut ReadConnection,
        link: &Link,
    ) -> Result<Option<Vec<GroupName>>, UseCaseError> {
        let jobs = view.jobs_of(link.account.person_id).await?;
        let made =
            jobs.iter().find(|job| job.kind == JobKind::Provision && job.account_id == Some(link.account.id));
        let Some(job) = made else { return Ok(None) };
        let output = view.step_output(job.id, Step::Eligible).await?.unwrap_or_default();
        // As the worker's step `eligible` leaves it.
        let output: Value = serde_json::from_str(&output).unwrap_or_default();
        let guild = link.guild_id.and_then(|id| self.config().guild(id));
        let rules = guild.map(|guild| guild.policy.rules.as_slice()).unwrap_or_default();
        let rule = rules.iter().find(|rule| output["rule"].as_str() == Some(rule.name.as_str()));
        Ok(rule.map(|rule| rule.groups.clone()))
    }

    /// The mail addresses of these accounts, by their entries. An address that the directory does not tell is no empty one.
    async fn addresses_of(&self, links: &[Link]) -> Result<HashMap<DirectoryId, String>, UseCaseError> {
        let directory = self.shared.clients.directory.as_ref().ok_or(ErrorCode::DirectoryDown)?;
        let ids: Vec<DirectoryId> =
            links.iter().filter_map(|link| link.account.directory_id.clone()).collect();
        let entries = directory.find_together(&ids).await.map_err(|error| {
            tracing::warn!(error = %Chain(&error), "addresses could not be looked up");
            ErrorCode::DirectoryDown
        })?;
        let address = |entry: Entry| Some((entry.directory_id, entry.address?));
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

async fn look_up(view: &mut ReadConnection, sought: &LinkQuery) -> Result<Option<Account>, UseCaseError> {
    Ok(match sought {
        LinkQuery::Discord(id) => match view.person_of(*id).await? {
            Some(person) => view.account_of(person.id).await?,
            None => None,
        },
        LinkQuery::Uuid(text) => by_uuid(view, text).await?,
        LinkQuery::Name(name) => view.account_by_username(name).await?,
        LinkQuery::Address(_) | LinkQuery::Nothing => None,
    })
}

/// One account whatever of its three ids was given.
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
