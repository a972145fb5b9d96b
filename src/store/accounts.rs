//! Accounts and tombstones.

use super::connection::{ReadConnection, Tx};
use super::error::StoreError;
use super::sql::{all, bare, exec, maybe, one, sql, unless_taken};
use crate::domain::account::{Account, AccountState, DirectoryId, KeycloakId};
use crate::domain::ids::{AccountId, GuildId, PersonId, Timestamp};
use crate::domain::username::Username;

/// The result of inserting an account.
#[derive(Clone, Debug)]
pub enum AccountInserted {
    /// It is `creating`.
    Made(Account),
    /// The person already has one.
    PersonHasOne(Account),
    /// A live account, or another person's tombstone, has this name or a look-alike of it.
    NameTaken,
}

/// The result of saving an account.
#[derive(Clone, Debug)]
pub enum AccountSaved {
    /// Done; with the new revision.
    Done(Account),
    /// Another transaction changed it first.
    Lost,
    /// Another live account has this directory or Keycloak id.
    IdTaken,
}

/// The accounts that a list shows.
#[derive(Clone, Copy, Debug, Default)]
pub struct AccountFilter {
    /// In this state.
    pub state: Option<AccountState>,
    /// Created by a request of this guild.
    pub guild_id: Option<GuildId>,
}

/// The columns of [`Row`], for SELECT and RETURNING.
macro_rules! account_columns {
    () => {
        "id, person_id, state, username, directory_id, keycloak_id, nonce, invited_at, activated_at, closed_at, revision"
    };
}
pub(super) use account_columns;

sql! {
    BY_ID = concat!("SELECT ", account_columns!(), " FROM account WHERE id = $1");
    BY_PERSON = concat!("SELECT ", account_columns!(), " FROM account WHERE person_id = $1 AND state <> 'closed'");
    BY_USERNAME = concat!("SELECT ", account_columns!(), " FROM account WHERE username = $1 AND state <> 'closed'");
    BY_DIRECTORY_ID = concat!("SELECT ", account_columns!(),
        " FROM account WHERE directory_id = $1 AND state <> 'closed'");
    BY_KEYCLOAK_ID = concat!("SELECT ", account_columns!(),
        " FROM account WHERE keycloak_id = $1 AND state <> 'closed'");
    INVITED = concat!("SELECT ", account_columns!(), " FROM account WHERE id > $1 AND state = 'invited' \
        ORDER BY id LIMIT $2");
    UNUSED = concat!("SELECT ", account_columns!(), " FROM account \
        WHERE state = 'invited' AND invited_at < $1 AND NOT EXISTS (SELECT w.seq FROM job AS w \
        WHERE w.person_id = account.person_id AND w.state IN ('open', 'undoing', 'needs_operator')) \
        AND NOT EXISTS (SELECT m.id FROM mail AS m WHERE m.account_id = account.id AND m.link_until > $2 \
        AND m.state IN ('begun', 'accepted', 'unknown')) ORDER BY invited_at LIMIT $3");
    /// Nothing is inserted if the person has a live account, or the name or a look-alike of it is taken.
    INSERT = concat!("INSERT INTO account (id, person_id, state, username, skeleton, nonce, created_at, revision) \
        SELECT $1, $2, 'creating', $3, $4, $5, CAST($6 AS BIGINT), 1 WHERE NOT EXISTS (SELECT 1 FROM tombstone AS t \
        WHERE t.skeleton = $4 AND t.person_id <> $2) ON CONFLICT DO NOTHING RETURNING ", account_columns!());
    SAVE = concat!("UPDATE account SET state = $3, directory_id = $4, keycloak_id = $5, nonce = $6, invited_at = $7, \
        activated_at = $8, closed_at = $9, revision = revision + 1 WHERE id = $1 AND revision = $2 RETURNING ",
        account_columns!());
    /// The three places where a name can be taken.
    NAME_TAKEN = "SELECT (SELECT count(*) FROM request WHERE skeleton = $1 AND state IN ('waiting', 'held') \
        AND person_id <> $2) + (SELECT count(*) FROM account WHERE skeleton = $1 AND state <> 'closed' \
        AND person_id <> $2) + (SELECT count(*) FROM tombstone WHERE skeleton = $1 \
        AND person_id <> $2)";
    ADD_TOMBSTONE = "INSERT INTO tombstone (username, skeleton, person_id, directory_id, at) VALUES ($1, $2, $3, $4, $5) \
        ON CONFLICT (username, person_id) DO UPDATE SET directory_id = excluded.directory_id, at = excluded.at";
}

#[derive(sqlx::FromRow, serde::Deserialize)]
pub(super) struct Row {
    id: String,
    person_id: String,
    state: String,
    username: String,
    directory_id: Option<String>,
    keycloak_id: Option<String>,
    nonce: String,
    invited_at: Option<i64>,
    activated_at: Option<i64>,
    closed_at: Option<i64>,
    revision: i64,
}

fn unreadable<E>(_: E) -> StoreError {
    StoreError::Row { table: "account" }
}

impl Row {
    pub(super) fn account(self) -> Result<Account, StoreError> {
        Ok(Account {
            id: self.id.parse().map_err(unreadable)?,
            person_id: self.person_id.parse().map_err(unreadable)?,
            state: self.state.parse().map_err(unreadable)?,
            username: Username::from_row(&self.username).map_err(unreadable)?,
            directory_id: self.directory_id.and_then(DirectoryId::new),
            keycloak_id: self.keycloak_id.and_then(KeycloakId::new),
            nonce: self.nonce.parse().map_err(unreadable)?,
            invited_at: self.invited_at.map(Timestamp::from_millis),
            activated_at: self.activated_at.map(Timestamp::from_millis),
            closed_at: self.closed_at.map(Timestamp::from_millis),
            revision: self.revision,
        })
    }

    pub(super) fn accounts(rows: Vec<Self>) -> Result<Vec<Account>, StoreError> {
        rows.into_iter().map(Self::account).collect()
    }
}

impl ReadConnection {
    /// The account of this id.
    pub async fn account(&mut self, id: AccountId) -> Result<Option<Account>, StoreError> {
        maybe!(self, BY_ID, Row; id.to_string())?.map(Row::account).transpose()
    }

    /// The person's account that is not closed.
    pub async fn account_of(&mut self, person: PersonId) -> Result<Option<Account>, StoreError> {
        maybe!(self, BY_PERSON, Row; person.to_string())?.map(Row::account).transpose()
    }

    /// The account with this user name that is not closed.
    pub async fn account_by_username(&mut self, username: &Username) -> Result<Option<Account>, StoreError> {
        maybe!(self, BY_USERNAME, Row; username.as_str())?.map(Row::account).transpose()
    }

    /// The account of this entry that is not closed.
    pub async fn account_by_directory_id(&mut self, id: &DirectoryId) -> Result<Option<Account>, StoreError> {
        maybe!(self, BY_DIRECTORY_ID, Row; id.as_str())?.map(Row::account).transpose()
    }

    /// The account of this Keycloak user that is not closed.
    pub async fn account_by_keycloak_id(&mut self, id: &KeycloakId) -> Result<Option<Account>, StoreError> {
        maybe!(self, BY_KEYCLOAK_ID, Row; id.as_str())?.map(Row::account).transpose()
    }

    /// A page of `invited` accounts, oldest first, for checking whether a password was set.
    pub async fn invited_accounts(
        &mut self,
        after: Option<AccountId>,
        limit: u32,
    ) -> Result<Vec<Account>, StoreError> {
        let after = after.map(|id| id.to_string()).unwrap_or_default();
        Row::accounts(all!(self, INVITED, Row; after, i64::from(limit))?)
    }

    /// `invited` accounts whose first mail was sent before `invited_before`, without an unfinished job and without a mailed link
    /// that may still work.
    pub async fn unused_accounts(
        &mut self,
        invited_before: Timestamp,
        limit: u32,
    ) -> Result<Vec<Account>, StoreError> {
        let now = self.now().as_millis();
        Row::accounts(all!(self, UNUSED, Row; invited_before.as_millis(), now, i64::from(limit))?)
    }

    /// Whether this name, or a look-alike of it, is taken by an open request, a live account or a tombstone of another person.
    pub(super) async fn name_is_taken(
        &mut self,
        username: &Username,
        person: PersonId,
    ) -> Result<bool, StoreError> {
        let skeleton = username.skeleton();
        Ok(one!(self, NAME_TAKEN, (i64,); skeleton.as_str(), person.to_string())?.0 > 0)
    }
}

impl Tx {
    /// Creates an account in state `creating`, with a fresh id and nonce.
    pub async fn insert_account(
        &mut self,
        person: PersonId,
        username: &Username,
    ) -> Result<AccountInserted, StoreError> {
        let skeleton = username.skeleton();
        let id = self.inner.ids.uuid().to_string();
        let nonce = self.inner.ids.nonce().to_string();
        let now = self.now().as_millis();
        let inserted = maybe!(self, INSERT, Row;
            id, person.to_string(), username.as_str(), skeleton.as_str(), nonce, now)?;
        match inserted {
            Some(row) => Ok(AccountInserted::Made(row.account()?)),
            None => match self.account_of(person).await? {
                Some(account) => Ok(AccountInserted::PersonHasOne(account)),
                None => Ok(AccountInserted::NameTaken),
            },
        }
    }

    /// Writes state, ids, nonce and times of `account`, if its revision is still the stored one. At `active`, the personal columns of the
    /// person's approved request are emptied. At `active` and `closed`, its address becomes free again. Closing an account that was ever
    /// active writes its tombstone.
    pub async fn save_account(&mut self, account: &Account) -> Result<AccountSaved, StoreError> {
        let saved = unless_taken!(self, SAVE, Row;
            account.id.to_string(), account.revision, account.state.code(),
            account.directory_id.as_ref().map(DirectoryId::as_str),
            account.keycloak_id.as_ref().map(KeycloakId::as_str),
            account.nonce.to_string(),
            account.invited_at.map(Timestamp::as_millis),
            account.activated_at.map(Timestamp::as_millis),
            account.closed_at.map(Timestamp::as_millis))?;
        let saved = match saved {
            Some(Some(row)) => row.account()?,
            Some(None) => return Ok(AccountSaved::Lost),
            None => return Ok(AccountSaved::IdTaken),
        };
        self.settle_account(&saved).await?;
        Ok(AccountSaved::Done(saved))
    }

    async fn settle_account(&mut self, saved: &Account) -> Result<(), StoreError> {
        match saved.state {
            AccountState::Active => self.erase_approved_of(saved.person_id).await,
            AccountState::Closed => {
                self.free_address_of(saved.person_id).await?;
                if saved.activated_at.is_some() { self.add_tombstone(saved).await } else { Ok(()) }
            }
            AccountState::Creating
            | AccountState::Invited
            | AccountState::Disabled
            | AccountState::Conflict => Ok(()),
        }
    }

    async fn add_tombstone(&mut self, account: &Account) -> Result<(), StoreError> {
        let now = self.now().as_millis();
        let skeleton = account.username.skeleton();
        exec!(self, ADD_TOMBSTONE;
            account.username.as_str(), skeleton.as_str(), account.person_id.to_string(),
            account.directory_id.as_ref().map(DirectoryId::as_str), now)
        .map(|_| ())
    }
}
