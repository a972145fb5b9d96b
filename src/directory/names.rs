//! The names of a person's entry: read before Keycloak may write other ones into it, and put back afterwards.

use ldap3::Scope;

use super::client::{Change, Directory, Search};
use super::connection::Operation;
use super::error::DirectoryError;
use super::filter::Filter;
use super::person::OwnedEntry;
use crate::domain::job::Outcome;

/// The attributes that hold a person's names (RFC 4519).
const NAMES: [&str; 3] = ["givenName", "sn", "cn"];

/// The values of `givenName`, `sn` and `cn`. `Debug` shows none of them.
#[derive(Clone, PartialEq, Eq)]
pub struct Names([Vec<String>; 3]);

impl Names {
    /// The first given name, or an empty text.
    pub fn given(&self) -> &str {
        self.0[0].first().map_or("", String::as_str)
    }

    /// The first family name, or an empty text.
    pub fn family(&self) -> &str {
        self.0[1].first().map_or("", String::as_str)
    }
}

impl std::fmt::Debug for Names {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Names(…)")
    }
}

impl Directory {
    /// Reads the names of the entry.
    #[tracing::instrument(name = "call", skip_all, fields(target = "directory", verb = "names"))]
    pub async fn names(&self, ours: &OwnedEntry) -> Result<Names, DirectoryError> {
        self.read_names(Operation::new("names"), ours).await
    }

    /// Writes each of the names that is no longer as it was. An attribute that had no value is removed.
    #[tracing::instrument(name = "call", skip_all, fields(target = "directory", verb = "restore_names"))]
    pub async fn restore_names(&self, ours: &OwnedEntry, names: &Names) -> Result<Outcome, DirectoryError> {
        let operation = Operation::new("restore_names");
        let entry = self.entry_of(operation, ours).await?;
        let current = self.read_names(operation, ours).await?;
        let mut outcome = Outcome::Unchanged;
        for (attribute, (wanted, present)) in NAMES.into_iter().zip(names.0.iter().zip(&current.0)) {
            if wanted != present {
                let change = Change::SetAll(attribute, wanted);
                outcome = self.change(operation, &entry, ours, &change).await?;
            }
        }
        Ok(outcome)
    }

    async fn read_names(&self, operation: Operation, ours: &OwnedEntry) -> Result<Names, DirectoryError> {
        let search = Search {
            base: &self.shared.people,
            scope: Scope::Subtree,
            filter: &Filter::equals(self.shared.profile.entry_id, ours.directory_id.as_str()),
            attributes: NAMES.to_vec(),
            max: 1,
        };
        let row = self.search(operation, &search).await?.pop();
        let row = row.ok_or(DirectoryError::Absent { verb: operation.verb })?;
        Ok(Names(NAMES.map(|attribute| row.values(attribute).to_vec())))
    }
}
