//! A running self-test: its single LDAP requests, and the names and content of its temporary entries.

use std::collections::{HashMap, HashSet};

use ldap3::exop::PasswordModify;
use ldap3::{LdapResult, Mod, Scope, SearchEntry, SearchOptions};
use uuid::Uuid;

use super::super::client::Directory;
use super::super::connection::Operation;
use super::super::error::DirectoryError;
use super::super::filter::Filter;
use super::super::person::NewPerson;
use super::super::result_code;
use super::report::SelfTest;
use crate::domain::account::Mark;
use crate::domain::dn::Dn;
use crate::domain::ids::{AccountId, DiscordUserId};
use crate::domain::mail_address::MailAddress;
use crate::domain::matching::is_same_attribute;
use crate::domain::person_name::PersonName;
use crate::domain::username::Username;

/// The most entries that a search returns. Earlier tests have left fewer.
const MAX_FOUND: i32 = 50;

pub(super) type Attributes = Vec<(String, HashSet<String>)>;

/// A running self-test.
pub(super) struct SelfTestContext<'a> {
    pub(super) directory: &'a Directory,
    seed: u64,
    /// Entries that were added and may still exist.
    pub(super) added: Vec<Dn>,
    pub(super) report: SelfTest,
}

impl<'a> SelfTestContext<'a> {
    pub(super) fn new(directory: &'a Directory, seed: Uuid) -> Self {
        // The low bits of the id are random.
        let seed = seed.as_u64_pair().1;
        Self { directory, seed, added: Vec::new(), report: SelfTest::default() }
    }

    /// Name and attributes of the n-th entry: those of a person that the worker would add.
    pub(super) fn person(&self, at: u64) -> Result<(Dn, Attributes), DirectoryError> {
        let invalid = || DirectoryError::Settings { what: "a temporary entry cannot be written".to_owned() };
        let name = self.name(at);
        let username = Username::parse(&name, name.len()).map_err(|_| invalid())?;
        let address = MailAddress::parse(&self.address(at)).map_err(|_| invalid())?;
        let given = PersonName::parse("SelfTest").map_err(|_| invalid())?;
        let family = PersonName::parse("Accolade").map_err(|_| invalid())?;
        // Smaller than every id that Discord has issued.
        let discord_id = DiscordUserId::new((self.seed % 100_000_000 + 1) * 10 + at);
        let person = NewPerson {
            username: &username,
            given: &given,
            family: &family,
            address: &address,
            discord_id,
            mark: self_test_mark(),
        };
        let shared = &self.directory.shared;
        Ok((shared.people.child(shared.profile.username, &name), self.directory.attributes_of(&person)))
    }

    pub(super) fn name(&self, at: u64) -> String {
        ["selftest-", &hex::encode((self.seed as u32).to_be_bytes()), "-", &at.to_string()].concat()
    }

    /// An address in a domain that can't exist (RFC 2606).
    pub(super) fn address(&self, at: u64) -> String {
        [&self.name(at), "@accolade.invalid"].concat()
    }

    /// A random password, because the server may accept it.
    pub(super) fn password(&self) -> String {
        ["SelfTest-", &hex::encode(self.seed.to_be_bytes())].concat()
    }

    pub(super) async fn add(
        &mut self,
        dn: &Dn,
        attributes: Attributes,
    ) -> Result<LdapResult, DirectoryError> {
        // Recorded before the request, because its answer may be lost.
        self.added.push(dn.clone());
        let connection = &self.directory.shared.connection;
        let run = |mut ldap: ldap3::Ldap| {
            let attributes = attributes.clone();
            async move { ldap.add(dn.as_str(), attributes).await }
        };
        let result = connection.run(Operation::new("self_test"), run).await?;
        if result.rc != result_code::SUCCESS {
            self.added.pop();
        }
        Ok(result)
    }

    pub(super) async fn modify(&self, dn: &Dn, changes: Vec<Mod<String>>) -> Result<u32, DirectoryError> {
        let run = |mut ldap: ldap3::Ldap| {
            let changes = changes.clone();
            async move { ldap.modify(dn.as_str(), changes).await }
        };
        self.directory.shared.connection.run(Operation::new("self_test"), run).await.map(|result| result.rc)
    }

    pub(super) async fn rename(&self, dn: &Dn, name: &str) -> Result<u32, DirectoryError> {
        let new = [self.directory.shared.profile.username, "=", name].concat();
        let run = |mut ldap: ldap3::Ldap| {
            let new = new.clone();
            async move { ldap.modifydn(dn.as_str(), &new, true, None).await }
        };
        self.directory.shared.connection.run(Operation::new("self_test"), run).await.map(|result| result.rc)
    }

    pub(super) async fn delete(&self, dn: &Dn) -> Result<u32, DirectoryError> {
        let run = |mut ldap: ldap3::Ldap| async move { ldap.delete(dn.as_str()).await };
        self.directory.shared.connection.run(Operation::new("self_test"), run).await.map(|result| result.rc)
    }

    pub(super) async fn set_password(&self, dn: &Dn, password: &str) -> Result<u32, DirectoryError> {
        let run = |mut ldap: ldap3::Ldap| async move {
            let change =
                PasswordModify { user_id: Some(dn.as_str()), old_pass: None, new_pass: Some(password) };
            ldap.extended(change).await
        };
        self.directory.shared.connection.run(Operation::new("self_test"), run).await.map(|result| result.1.rc)
    }

    /// Finds some matching entries. A reached size limit and an invisible base are not errors.
    pub(super) async fn search(
        &self,
        base: &Dn,
        scope: Scope,
        filter: &Filter,
        attributes: Vec<&str>,
    ) -> Result<Vec<SearchEntry>, DirectoryError> {
        let run = |mut ldap: ldap3::Ldap| {
            let attributes = attributes.clone();
            async move {
                ldap.with_search_options(SearchOptions::new().sizelimit(MAX_FOUND))
                    .search(base.as_str(), scope, filter.as_str(), attributes)
                    .await
            }
        };
        let found = self.directory.shared.connection.run(Operation::new("self_test"), run).await?;
        Ok(found.0.into_iter().map(SearchEntry::construct).collect())
    }
}

/// The mark of a temporary entry: no account has this id.
pub(super) fn self_test_mark() -> Mark {
    Mark::of(AccountId::new(Uuid::nil()))
}

pub(super) fn values<'a>(row: &'a SearchEntry, attribute: &str) -> &'a [String] {
    let named = |attributes: &'a HashMap<String, Vec<String>>| {
        attributes.iter().find(|(name, _)| is_same_attribute(name, attribute))
    };
    named(&row.attrs).map_or(&[], |(_, values)| values.as_slice())
}

pub(super) fn replace(attribute: &str, values: &[&str]) -> Mod<String> {
    Mod::Replace(attribute.to_owned(), values.iter().map(|value| (*value).to_owned()).collect())
}

pub(super) fn add_value(attribute: &str, value: &str) -> Mod<String> {
    Mod::Add(attribute.to_owned(), HashSet::from([value.to_owned()]))
}

pub(super) fn remove_value(attribute: &str, value: &str) -> Mod<String> {
    Mod::Delete(attribute.to_owned(), HashSet::from([value.to_owned()]))
}
