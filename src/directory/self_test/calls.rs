//! The single operations of a trial, the names of its entries, and what stands in them.

use std::collections::{HashMap, HashSet};

use ldap3::exop::PasswordModify;
use ldap3::{LdapResult, Mod, Scope, SearchEntry, SearchOptions};
use uuid::Uuid;

use super::super::filter::Filter;
use super::super::link::Operation;
use super::super::{DirectoryError, Dn, NewPerson};
use super::{Attributes, MOST_FOUND, SelfTestContext};
use crate::domain::account::Mark;
use crate::domain::ids::{AccountId, DiscordUserId};
use crate::domain::mail_address::MailAddress;
use crate::domain::person_name::PersonName;
use crate::domain::username::Username;

/// Result codes (RFC 4511 section 4.1.9).
pub(super) mod rc {
    pub(in super::super) const SUCCESS: u32 = 0;
    pub(in super::super) const UNAVAILABLE_CRITICAL_EXTENSION: u32 = 12;
    pub(in super::super) const NO_SUCH_ATTRIBUTE: u32 = 16;
    pub(in super::super) const UNDEFINED_ATTRIBUTE: u32 = 17;
    pub(in super::super) const CONSTRAINT_VIOLATION: u32 = 19;
    pub(in super::super) const NO_SUCH_OBJECT: u32 = 32;
    pub(in super::super) const INSUFFICIENT_ACCESS: u32 = 50;
    pub(in super::super) const OBJECT_CLASS_VIOLATION: u32 = 65;
}

impl SelfTestContext<'_> {
    /// Name and attributes of the n-th entry, those of a person as the worker adds one.
    pub(super) fn person(&self, at: u64) -> Result<(Dn, Attributes), DirectoryError> {
        let unfit = || DirectoryError::Settings { what: "a trial entry cannot be written".to_owned() };
        let name = self.name(at);
        let username = Username::parse(&name, name.len()).map_err(|_| unfit())?;
        let address = MailAddress::parse(&self.address(at)).map_err(|_| unfit())?;
        let given = PersonName::parse("SelfTest").map_err(|_| unfit())?;
        let family = PersonName::parse("Accolade").map_err(|_| unfit())?;
        // Below every id that Discord has given since its first second.
        let discord_id = DiscordUserId::new((self.seed % 100_000_000 + 1) * 10 + at);
        let person = NewPerson {
            username: &username,
            given: &given,
            family: &family,
            address: &address,
            discord_id,
            mark: trial_mark(),
        };
        let shared = &self.directory.shared;
        Ok((shared.people.child(shared.ways.username, &name), self.directory.attributes_of(&person)))
    }

    pub(super) fn name(&self, at: u64) -> String {
        ["trial-", &hex::encode((self.seed as u32).to_be_bytes()), "-", &at.to_string()].concat()
    }

    /// A domain that cannot exist (RFC 2606).
    pub(super) fn address(&self, at: u64) -> String {
        [&self.name(at), "@accolade.invalid"].concat()
    }

    /// Random, because the server may take it.
    pub(super) fn password(&self) -> String {
        ["SelfTest-", &hex::encode(self.seed.to_be_bytes())].concat()
    }

    pub(super) async fn add(
        &mut self,
        dn: &Dn,
        attributes: Attributes,
    ) -> Result<LdapResult, DirectoryError> {
        // Also where the answer is lost.
        self.made.push(dn.clone());
        let link = &self.directory.shared.link;
        let run = |mut ldap: ldap3::Ldap| {
            let attributes = attributes.clone();
            async move { ldap.add(dn.as_str(), attributes).await }
        };
        let result = link.run(Operation::new("trial"), run).await?;
        if result.rc != rc::SUCCESS {
            self.made.pop();
        }
        Ok(result)
    }

    pub(super) async fn modify(&self, dn: &Dn, changes: Vec<Mod<String>>) -> Result<u32, DirectoryError> {
        let run = |mut ldap: ldap3::Ldap| {
            let changes = changes.clone();
            async move { ldap.modify(dn.as_str(), changes).await }
        };
        self.directory.shared.link.run(Operation::new("trial"), run).await.map(|result| result.rc)
    }

    pub(super) async fn rename(&self, dn: &Dn, name: &str) -> Result<u32, DirectoryError> {
        let new = [self.directory.shared.ways.username, "=", name].concat();
        let run = |mut ldap: ldap3::Ldap| {
            let new = new.clone();
            async move { ldap.modifydn(dn.as_str(), &new, true, None).await }
        };
        self.directory.shared.link.run(Operation::new("trial"), run).await.map(|result| result.rc)
    }

    pub(super) async fn delete(&self, dn: &Dn) -> Result<u32, DirectoryError> {
        let run = |mut ldap: ldap3::Ldap| async move { ldap.delete(dn.as_str()).await };
        self.directory.shared.link.run(Operation::new("trial"), run).await.map(|result| result.rc)
    }

    pub(super) async fn set_password(&self, dn: &Dn, password: &str) -> Result<u32, DirectoryError> {
        let run = |mut ldap: ldap3::Ldap| async move {
            let change =
                PasswordModify { user_id: Some(dn.as_str()), old_pass: None, new_pass: Some(password) };
            ldap.extended(change).await
        };
        self.directory.shared.link.run(Operation::new("trial"), run).await.map(|result| result.1.rc)
    }

    /// A few entries that fit; that there are more does not matter, and a base that the bot cannot see holds none.
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
                ldap.with_search_options(SearchOptions::new().sizelimit(MOST_FOUND))
                    .search(base.as_str(), scope, filter.as_str(), attributes)
                    .await
            }
        };
        let found = self.directory.shared.link.run(Operation::new("trial"), run).await?;
        Ok(found.0.into_iter().map(SearchEntry::construct).collect())
    }
}

/// No account has this id.
pub(super) fn trial_mark() -> Mark {
    Mark::of(AccountId::new(Uuid::nil()))
}

pub(super) fn values<'a>(row: &'a SearchEntry, attribute: &str) -> &'a [String] {
    let named = |attributes: &'a HashMap<String, Vec<String>>| {
        attributes.iter().find(|(name, _)| name.eq_ignore_ascii_case(attribute))
    };
    named(&row.attrs).map_or(&[], |(_, values)| values.as_slice())
}

pub(super) fn replace(attribute: &str, values: &[&str]) -> Mod<String> {
    Mod::Replace(attribute.to_owned(), values.iter().map(|value| (*value).to_owned()).collect())
}

pub(super) fn give(attribute: &str, value: &str) -> Mod<String> {
    Mod::Add(attribute.to_owned(), HashSet::from([value.to_owned()]))
}

pub(super) fn take(attribute: &str, value: &str) -> Mod<String> {
    Mod::Delete(attribute.to_owned(), HashSet::from([value.to_owned()]))
}
