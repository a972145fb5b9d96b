//! The only LDAP. One [`Directory`] per process: a cheap clone over one shared connection that comes back by itself.
//!
//! Verbs ensure: they look, act only if needed, and read back what they cannot know. Every write names an entry by
//! [`OwnedEntry`] (the directory's lasting id, our mark, the Discord id) and is refused unless all three are on the entry.
//! No password is ever read, compared or set here, but for the attempts of `trial.rs`, which must fail.
//!
//! Start with [`person`] (what goes in and out), then `entries.rs` (the verbs on people), `groups.rs`, `link.rs`.

mod dn;
mod entries;
mod error;
mod filter;
mod flavour;
mod groups;
mod link;
mod person;
mod self_test;
mod server;

pub use dn::Dn;
pub use error::DirectoryError;
pub use link::VERB_LIMIT;
pub use person::{Added, By, Entry, Look, Membership, NewPerson, OwnedEntry, Removed, Taken};
pub use self_test::{SelfTest, Told};
pub use server::ServerSettings;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use ldap3::controls::{Assertion, MakeCritical as _};
use ldap3::{LdapResult, Mod, Scope, SearchEntry, SearchOptions};
use secrecy::SecretString;

use crate::config;
use filter::{Attribute, Filter};
use flavour::{ServerProfile, ways_of};
use link::{Link, Operation};

/// More values of one attribute than any group here has members.
const MOST_VALUES: usize = 100_000;

/// The directory server, as the bot's own bind sees it.
#[derive(Clone)]
pub struct Directory {
    shared: Arc<Shared>,
}

struct Shared {
    link: Link,
    ways: &'static ServerProfile,
    people: Dn,
    groups: Dn,
    discord_id: Attribute,
    mark: Attribute,
    object_classes: Vec<String>,
}

/// Where and how deep a search goes, and how much it may find.
struct Search<'a> {
    base: &'a Dn,
    scope: Scope,
    filter: &'a Filter,
    attributes: Vec<&'a str>,
    most: usize,
}

/// An entry as it was read: below its base, each attribute by its name in lower case.
struct Row {
    dn: Dn,
    attributes: HashMap<String, Vec<String>>,
}

impl Row {
    fn values(&self, attribute: &str) -> &[String] {
        self.attributes.get(&attribute.to_ascii_lowercase()).map_or(&[], Vec::as_slice)
    }

    fn one(&self, attribute: &str) -> Option<&str> {
        match self.values(attribute) {
            [value] => Some(value),
            _ => None,
        }
    }
}

impl Directory {
    /// Checks the settings (TLS, CA file, DNs, a password that is not empty). Nothing is sent before the first verb.
    pub fn new(config: &config::Directory) -> Result<Self, DirectoryError> {
        let base = |text: &str, name: &str| {
            Dn::parse(text).ok_or_else(|| DirectoryError::Settings { what: [name, " is no DN"].concat() })
        };
        let shared = Shared {
            link: Link::new(config)?,
            ways: ways_of(config.flavour),
            people: base(&config.people_dn, "people_dn")?,
            groups: base(&config.groups_dn, "groups_dn")?,
            discord_id: Attribute::parse(&config.discord_id_attribute)?,
            mark: Attribute::parse(&config.mark_attribute)?,
            object_classes: config.object_classes.clone(),
        };
        Ok(Self { shared: Arc::new(shared) })
    }

    /// Takes another bind password, for every clone of this door: what is under way goes on, what comes next binds anew.
    pub async fn learn_password(&self, password: SecretString) {
        self.shared.link.learn_password(password).await;
    }

    /// Connects, binds, and reads both bases: the readiness check.
    #[tracing::instrument(name = "call", skip_all, fields(target = "directory", verb = "probe"))]
    pub async fn probe(&self) -> Result<(), DirectoryError> {
        let errand = Operation::new("probe");
        for base in [&self.shared.people, &self.shared.groups] {
            let search = Search {
                base,
                scope: Scope::Base,
                filter: &Filter::anything(),
                attributes: vec!["1.1"],
                most: 1,
            };
            self.search_raw(errand, &search).await?;
        }
        Ok(())
    }

    /// Searches, and checks that every answer lies below the base that was asked for.
    async fn search(&self, errand: Operation, search: &Search<'_>) -> Result<Vec<Row>, DirectoryError> {
        let found = self.search_raw(errand, search).await?;
        found.into_iter().map(|entry| read_row(errand, search.base, entry)).collect()
    }

    async fn search_raw(
        &self,
        errand: Operation,
        search: &Search<'_>,
    ) -> Result<Vec<SearchEntry>, DirectoryError> {
        let run = |mut ldap: ldap3::Ldap| async move {
            let limit = i32::try_from(search.most).unwrap_or(i32::MAX);
            let result = ldap
                .with_search_options(SearchOptions::new().sizelimit(limit))
                .search(search.base.as_str(), search.scope, search.filter.as_str(), search.attributes.clone())
                .await?;
            let (entries, _) = result.success()?;
            Ok(entries.into_iter().map(SearchEntry::construct).collect::<Vec<_>>())
        };
        let too_big = DirectoryError::TooBig { verb: errand.verb };
        match self.shared.link.run(errand, run).await {
            // sizeLimitExceeded, of the search and not of the bind before it
            Err(DirectoryError::Refused { verb, rc: 4 }) if verb == errand.verb => Err(too_big),
            Ok(found) if found.len() > search.most => Err(too_big),
            found => found,
        }
    }

    async fn add(
        &self,
        errand: Operation,
        dn: &Dn,
        attributes: &[(String, HashSet<String>)],
    ) -> Result<u32, DirectoryError> {
        let run = |mut ldap: ldap3::Ldap| async move { ldap.add(dn.as_str(), attributes.to_vec()).await };
        self.shared.link.run(errand, run).await.map(|result: LdapResult| result.rc)
    }

    /// Changes one attribute. With `only_if`, the server itself checks that the entry still fits (RFC 4528).
    async fn modify(
        &self,
        errand: Operation,
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
        self.shared.link.run(errand, run).await.map(|result: LdapResult| result.rc)
    }

    /// Deletes an entry, if the server finds that it fits.
    async fn delete(&self, errand: Operation, dn: &Dn, only_if: &Filter) -> Result<u32, DirectoryError> {
        let run = |mut ldap: ldap3::Ldap| async move {
            ldap.with_controls(Assertion { filter: only_if.as_str() }.critical());
            ldap.delete(dn.as_str()).await
        };
        self.shared.link.run(errand, run).await.map(|result: LdapResult| result.rc)
    }
}

impl std::fmt::Debug for Directory {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Directory").finish_non_exhaustive()
    }
}

/// One change of one attribute.
enum Change<'a> {
    Add(&'a str, &'a str),
    Take(&'a str, &'a str),
    Set(&'a str, &'a str),
}

impl Change<'_> {
    fn to_mod(&self) -> Mod<String> {
        let value = |value: &str| HashSet::from([value.to_owned()]);
        match self {
            Self::Add(name, text) => Mod::Add((*name).to_owned(), value(text)),
            Self::Take(name, text) => Mod::Delete((*name).to_owned(), value(text)),
            Self::Set(name, text) => Mod::Replace((*name).to_owned(), value(text)),
        }
    }
}

fn read_row(errand: Operation, base: &Dn, entry: SearchEntry) -> Result<Row, DirectoryError> {
    let nonsense = |what| DirectoryError::InvalidResponse { verb: errand.verb, what };
    let dn = Dn::parse(&entry.dn).ok_or_else(|| nonsense("an entry's name is no DN"))?;
    if !dn.is_below(base) {
        return Err(nonsense("an entry lies outside the base"));
    }
    if entry.attrs.values().any(|values| values.len() > MOST_VALUES) {
        return Err(DirectoryError::TooBig { verb: errand.verb });
    }
    let attributes =
        entry.attrs.into_iter().map(|(name, values)| (name.to_ascii_lowercase(), values)).collect();
    Ok(Row { dn, attributes })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(dn: &str) -> SearchEntry {
        SearchEntry { dn: dn.to_owned(), attrs: HashMap::new(), bin_attrs: HashMap::new() }
    }

    /// Whatever a server (or who stands in its place) answers: an entry of another subtree is never taken for a person.
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
                "{outside} was taken for an entry below the base"
            );
        }
    }

    #[test]
    fn an_answer_with_more_values_than_any_honest_one_is_refused() {
        let base = Dn::parse("ou=groups,dc=example,dc=org").expect("a name");
        let mut entry = answer("cn=members,ou=groups,dc=example,dc=org");
        entry.attrs.insert("member".to_owned(), vec![String::new(); MOST_VALUES + 1]);
        let read = read_row(Operation::new("members"), &base, entry);
        assert!(matches!(read, Err(DirectoryError::TooBig { .. })));
    }
}
