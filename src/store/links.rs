//! Accounts with their owners and the requests that created them, in one read: what admins view and export.

use super::accounts::AccountFilter;
use super::accounts::Row as AccountRow;
use super::connection::ReadConnection;
use super::error::StoreError;
use super::requests::before_id;
use super::sql::{all, bare, maybe, sql};
use crate::domain::account::{Account, AccountState};
use crate::domain::ids::{AccountId, DiscordUserId, GuildId};

/// An account with its owner and request.
#[derive(Clone, Debug)]
pub struct Link {
    /// The account.
    pub account: Account,
    /// The Discord user, unless erased.
    pub discord_id: Option<DiscordUserId>,
    /// The public code of the request that created it.
    pub request_code: Option<String>,
    /// The guild of that request.
    pub guild_id: Option<GuildId>,
}

/// The columns of [`Row`] and where they come from: the job that created the account names its request.
macro_rules! links {
    () => {
        "SELECT a.id, a.person_id, a.state, a.username, a.directory_id, a.keycloak_id, a.nonce, a.invited_at, \
         a.activated_at, a.closed_at, a.revision, p.discord_id, r.code, r.guild_id \
         FROM account AS a JOIN person AS p ON p.id = a.person_id \
         LEFT JOIN request AS r ON r.person_id = a.person_id AND EXISTS (SELECT w.seq FROM job AS w \
         WHERE w.request_id = r.id AND w.account_id = a.id AND w.kind = 'provision') "
    };
}

sql! {
    ONE = concat!(links!(), "WHERE a.id = $1 LIMIT 1");
    PAGE = concat!(links!(), "WHERE a.id < $1 AND (a.state = $2 OR $2 IS NULL) AND (r.guild_id = $3 OR $3 IS NULL) \
        ORDER BY a.id DESC LIMIT $4");
}

#[derive(sqlx::FromRow)]
struct Row {
    #[sqlx(flatten)]
    account: AccountRow,
    discord_id: Option<String>,
    code: Option<String>,
    guild_id: Option<String>,
}

impl Row {
    fn link(self) -> Result<Link, StoreError> {
        let unreadable = |_| StoreError::Row { table: "person" };
        Ok(Link {
            account: self.account.account()?,
            discord_id: self.discord_id.map(|id| id.parse()).transpose().map_err(unreadable)?,
            request_code: self.code,
            guild_id: self.guild_id.map(|id| id.parse()).transpose().map_err(unreadable)?,
        })
    }
}

impl ReadConnection {
    /// The link of this account.
    pub async fn link(&mut self, id: AccountId) -> Result<Option<Link>, StoreError> {
        maybe!(self, ONE, Row; id.to_string())?.map(Row::link).transpose()
    }

    /// A page of links, newest first, closed ones among them; `after` is the last account's id of the page before.
    pub async fn links(
        &mut self,
        filter: &AccountFilter,
        after: Option<AccountId>,
        limit: u32,
    ) -> Result<Vec<Link>, StoreError> {
        let before = before_id(after.map(|id| id.to_string()));
        let state = filter.state.map(AccountState::code);
        let guild = filter.guild_id.map(|id| id.to_string());
        let rows = all!(self, PAGE, Row; before, state, guild, i64::from(limit))?;
        rows.into_iter().map(Row::link).collect()
    }
}
