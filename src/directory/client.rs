//! The connection's requests (search, add, modify, delete) with checks of their answers; the verbs in other files are built from them.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use ldap3::controls::{Assertion, MakeCritical as _};
use ldap3::{LdapResult, Mod, Scope, SearchEntry, SearchOptions};
use secrecy::SecretString;

use super::connection::{Connection, Operation};
use super::error::DirectoryError;
use super::filter::{Attribute, Filter};
use super::profile::{ServerProfile, profile_of};
use super::result_code;
use crate::config;
use crate::domain::dn::Dn;
use crate::domain::matching::attribute_key;

/// The most values of one attribute that are read: more than any group has members.
pub(super) const MAX_VALUES: usize = 100_000;

/// The directory, used with the bot's own bind. Clones are cheap and share one connection.
#[derive(Clone)]
pub struct Directory {
    pub(super) shared: Arc<Shared>,
}

pub(super) struct Shared {
    pub(super) connection: Connection,
    pub(super) profile: &'static ServerProfile,
    pub(super) people: Dn,
    pub(super) groups: Dn,
    pub(super) discord_id: Attribute,
    pub(super) mark: Attribute,
    pub(super) object_classes: Vec<String>,
}

/// A search request.
pub(super) struct Search<'a> {
    pub(super) base: &'a Dn,
    pub(super) scope: Scope,
    pub(super) filter: &'a Filter,
    pub(super) attributes: Vec<&'a str>,
    /// The size limit. More results are an error.
    pub(super) max: usize,
}

/// An entry that was read: it is below the base, and its attributes are found under each of their names.
pub(super) struct Row {
    pub(super) dn: Dn,
    attributes: HashMap<String, Vec<String>>,
}

impl Row {
    pub(super) fn values(&self, attribute: &str) -> &[String] {
        self.attributes.get(&attribute_key(attribute)).map_or(&[], Vec::as_slice)
    }

    /// The value, if there is exactly one.
    pub(super) fn one(&self, attribute: &str) -> Option<&str> {
        match self.values(attribute) {
            [value] => Some(value),
            _ => None,
        }
    }
}

impl Directory {
    /// Checks the settings (TLS, CA file, DNs, a non-empty password). Nothing is sent before the first operation.
    pub fn new(config: &config::Directory) -> Result<Self, DirectoryError> {
        let shared = Shared {
            connection: Connection::new(config)?,
            profile: profile_of(config.flavour),
            people: config.people_dn.clone(),
            groups: config.groups_dn.clone(),
            discord_id: Attribute::parse(&config.discord_id_attribute)?,
            mark: Attribute::parse(&config.mark_attribute)?,
            object_classes: config.object_classes.clone(),
        };
        Ok(Self { shared: Arc::new(shared) })
    }

    /// Replaces the bind password in every clone. Running operations continue; the next one binds with the new password.
    pub async fn replace_password(&self, password: SecretString) {
        self.shared.connection.replace_password(password).await;
    }

    /// The readiness check: connects, binds, and reads both bases.
    #[tracing::instrument(name = "call", skip_all, fields(target = "directory", verb = "probe"))]
    pub async fn probe(&self) -> Result<(), DirectoryError> {
        let operation = Operation::new("probe");
        for base in [&self.shared.people, &self.shared.groups] {
            let search = Search {
                base,
                scope: Scope::Base,
                filter: &Filter::anything(),
                attributes: vec!["1.1"],
                max: 1,
            };
            self.search_raw(operation, &search).await?;
        }
        Ok(())
    }

    /// Searches, and checks that every result is below the base.
    pub(super) async fn search(
        &self,
        operation: Operation,
        search: &Search<'_>,
    ) -> Result<Vec<Row>, DirectoryError> {
        let found = self.search_raw(operation, search).await?;
        found.into_iter().map(|entry| read_row(operation, search.base, entry)).collect()
    }

    /// Searches without a check of the results.
    pub(super) async fn search_raw(
        &self,
        operation: Operation,
        search: &Search<'_>,
    ) -> Result<Vec<SearchEntry>, DirectoryError> {
        let run = |mut ldap: ldap3::Ldap| async move {
            let limit = i32::try_from(search.max).unwrap_or(i32::MAX);
            let result = ldap
                .with_search_options(SearchOptions::new().sizelimit(limit))
                .search(search.base.as_str(), search.scope, search.filter.as_str(), search.attributes.clone())
                .await?;
            let (entries, _) = result.success()?;
            Ok(entries.into_iter().map(SearchEntry::construct).collect::<Vec<_>>())
        };
        let too_big = DirectoryError::TooBig { verb: operation.verb };
        match self.shared.connection.run(operation, run).await {
            // The search exceeded the limit, not the bind before it.
            Err(DirectoryError::Refused { verb, rc: result_code::SIZE_LIMIT_EXCEEDED })
                if verb == operation.verb =>
            {
                Err(too_big)
            }
            Ok(found) if found.len() > search.max => Err(too_big),
            found => found,
        }
    }

    pub(super) async fn add(
        &self,
        operation: Operation,
        dn: &Dn,
        attributes: &[(String, HashSet<String>)],
    ) -> Result<u32, DirectoryError> {
        let run = |mut ldap: ldap3::Ldap| async move { ldap.add(dn.as_str(), attributes.to_vec()).await };
        self.shared.connection.run(operation, run).await.map(|result: LdapResult| result.rc)
    }

    /// Changes one attribute. With `only_if`, the server checks that the entry matches at the moment of the change (RFC 4528).
    pub(super) async fn modify(
        &self,
        operation: Operation,
        dn: &Dn,
        change: &Change<'_>,
        only_if: Option<&Filter>,
    ) -> Result<u32, DirectoryError> {
        let run = |mut ldap: ldap3::Ldap| async move {
            if let Some(filter) = only_if {
                ldap.with_controls(Assertion { filter: filter.as_str() }.critical());
            }
            ldap.modify(dn.as_str(), vec![change.to_mod()]).await
        };
        self.shared.connection.run(operation, run).await.map(|result: LdapResult| result.rc)
    }

    /// Deletes an entry, if the server finds that it matches.
    pub(super) async fn delete(
        &self,
        operation: Operation,
        dn: &Dn,
        only_if: &Filter,
    ) -> Result<u32, DirectoryError> {
        let run = |mut ldap: ldap3::Ldap| async move {
            ldap.with_controls(Assertion { filter: only_if.as_str() }.critical());
            ldap.delete(dn.as_str()).await
        };
        self.shared.connection.run(operation, run).await.map(|result: LdapResult| result.rc)
    }
}

impl std::fmt::Debug for Directory {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Directory").finish_non_exhaustive()
    }
}

/// One change of one attribute: its name, and a value.
pub(super) enum Change<'a> {
    Add(&'a str, &'a str),
    Remove(&'a str, &'a str),
    Set(&'a str, &'a str),
    /// Sets all values; none removes the attribute.
    SetAll(&'a str, &'a [String]),
}

impl Change<'_> {
    fn to_mod(&self) -> Mod<String> {
        let value = |value: &str| HashSet::from([value.to_owned()]);
        match self {
            Self::Add(name, text) => Mod::Add((*name).to_owned(), value(text)),
            Self::Remove(name, text) => Mod::Delete((*name).to_owned(), value(text)),
            Self::Set(name, text) => Mod::Replace((*name).to_owned(), value(text)),
            Self::SetAll(name, values) => Mod::Replace((*name).to_owned(), values.iter().cloned().collect()),
        }
    }
}

fn read_row(operation: Operation, base: &Dn, entry: SearchEntry) -> Result<Row, DirectoryError> {
    let invalid = |what| DirectoryError::InvalidResponse { verb: operation.verb, what };
    let dn = Dn::parse(&entry.dn).ok_or_else(|| invalid("an entry has an invalid name"))?;
    if !dn.is_below(base) {
        return Err(invalid("an entry lies outside the base"));
    }
    if entry.attrs.values().any(|values| values.len() > MAX_VALUES) {
        return Err(DirectoryError::TooBig { verb: operation.verb });
    }
    let attributes = entry.attrs.into_iter().map(|(name, values)| (attribute_key(&name), values)).collect();
    Ok(Row { dn, attributes })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(dn: &str) -> SearchEntry {
        SearchEntry { dn: dn.to_owned(), attrs: HashMap::new(), bin_attrs: HashMap::new() }
    }

    /// An entry of another subtree is never accepted as a person, whatever a server answers.
    #[test]
    fn an_answer_from_outside_the_base_is_refused_whatever_it_looks_like() {
        let base = Dn::parse("ou=people,dc=example,dc=org").expect("a name");
        let read = |dn: &str| read_row(Operation::new("find"), &base, answer(dn));
        for inside in ["uid=ada,ou=people,dc=example,dc=org", "UID=Ada, OU=People, DC=Example, DC=org"] {
            assert!(read(inside).is_ok(), "{inside}");
        }
        for outside in [
            "uid=ada,ou=admins,dc=example,dc=org",
            "uid=ada,ou=people,dc=example,dc=org,dc=evil",
            "uid=ada,ou=people,dc=example,dc=com",
            "uid=ada,ou=otherpeople,dc=example,dc=org",
            "uid=ada\\,ou=people,dc=example,dc=org",
            "cn=ada+ou=people,dc=example,dc=org",
            "ou=people,dc=example,dc=org",
            "dc=example,dc=org",
            "",
            "ada",
        ] {
            assert!(
                matches!(read(outside), Err(DirectoryError::InvalidResponse { .. })),
                "{outside} was accepted as an entry below the base"
            );
        }
    }

    #[test]
    fn an_answer_with_more_values_than_any_honest_one_is_refused() {
        let base = Dn::parse("ou=groups,dc=example,dc=org").expect("a name");
        let mut entry = answer("cn=members,ou=groups,dc=example,dc=org");
        entry.attrs.insert("member".to_owned(), vec![String::new(); MAX_VALUES + 1]);
        let read = read_row(Operation::new("members"), &base, entry);
        assert!(matches!(read, Err(DirectoryError::TooBig { .. })));
    }
}
