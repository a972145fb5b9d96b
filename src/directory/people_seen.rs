//! Whom a federation's settings show: a search with another program's base, scope and filter. For set-up, never for the worker.

use ldap3::{Scope, SearchEntry, SearchOptions};

use super::client::Directory;
use super::connection::Operation;
use super::error::DirectoryError;
use super::filter::Filter;
use super::result_code::{NO_SUCH_OBJECT, SIZE_LIMIT_EXCEEDED, SUCCESS};
use crate::domain::dn::Dn;
use crate::domain::ldap_filter::LdapFilter;
use crate::domain::matching::is_same_attribute;

/// The most people that are listed. Servers have limits of their own.
const MAX_PEOPLE: i32 = 20_000;

/// The people that a search found.
#[derive(Clone, Default)]
pub struct PeopleSeen {
    /// Their entries, and the values that name them.
    pub people: Vec<(Dn, String)>,
    /// Whether these are all of them: the server may stop at a limit.
    pub is_complete: bool,
}

/// How deep to search below a base.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SearchDepth {
    /// Directly below it.
    OneLevel,
    /// At any depth below it.
    Subtree,
}

impl Directory {
    /// Lists the people that match, by the attribute that names them. A base that does not exist shows nobody.
    #[tracing::instrument(name = "call", skip_all, fields(target = "directory", verb = "people_seen"))]
    pub async fn people_seen(
        &self,
        base: &Dn,
        depth: SearchDepth,
        filter: &LdapFilter,
        named_by: &str,
    ) -> Result<PeopleSeen, DirectoryError> {
        let operation = Operation::new("people_seen");
        let filter = Filter::of(filter);
        let scope = match depth {
            SearchDepth::OneLevel => Scope::OneLevel,
            SearchDepth::Subtree => Scope::Subtree,
        };
        let run = |mut ldap: ldap3::Ldap| {
            let (base, filter) = (base.as_str(), filter.as_str());
            async move {
                ldap.with_search_options(SearchOptions::new().sizelimit(MAX_PEOPLE))
                    .search(base, scope, filter, vec![named_by])
                    .await
            }
        };
        let found = self.shared.connection.run(operation, run).await?;
        let is_complete = match found.1.rc {
            SUCCESS | NO_SUCH_OBJECT => true,
            SIZE_LIMIT_EXCEEDED => false,
            rc => return Err(DirectoryError::Refused { verb: operation.verb, rc }),
        };
        let people = found.0.into_iter().map(SearchEntry::construct).filter_map(|row| {
            let values = row.attrs.iter().find(|(name, _)| is_same_attribute(name, named_by));
            let name = values.and_then(|(_, values)| values.first()).cloned();
            Some((Dn::parse(&row.dn)?, name.unwrap_or_else(|| row.dn.clone())))
        });
        Ok(PeopleSeen { people: people.collect(), is_complete })
    }
}
