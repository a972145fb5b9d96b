//! The settings of an OpenLDAP server in `cn=config`. Only a bind that may read them sees them, never the bot's own.

use ldap3::{Scope, SearchEntry};

use super::client::{Directory, Search};
use super::connection::Operation;
use super::error::DirectoryError;
use super::filter::Filter;
use super::index::{AttributeIndex, DatabaseIndexes, indexes_for};
use super::result_code::{INSUFFICIENT_ACCESS, NO_SUCH_OBJECT};
use crate::domain::dn::Dn;
use crate::domain::matching::is_same_attribute;

/// The most databases and overlays of one server.
const MAX_ROWS: usize = 200;

/// The settings of the database that holds the people.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ServerSettings {
    /// The names of its overlays, in order.
    pub overlays: Vec<String>,
    /// The values of `olcUniqueURI`.
    pub unique: Vec<String>,
    /// `olcDbNoSync`: the server confirms writes that are not on the disk yet.
    pub is_nosync: bool,
    /// `olcAddContentAcl`: rights on attributes apply to new entries too.
    pub checks_adds: bool,
    /// The indexes that are missing.
    pub missing_indexes: Vec<AttributeIndex>,
}

impl Directory {
    /// Reads the settings of the database that holds `people_dn`. `None` if `cn=config` does not show them: the server has no
    /// `cn=config`, or the bind may not read it.
    #[tracing::instrument(name = "call", skip_all, fields(target = "directory", verb = "server_settings"))]
    pub async fn server_settings(&self) -> Result<Option<ServerSettings>, DirectoryError> {
        let Some(base) = Dn::parse("cn=config") else { return Ok(None) };
        let filter = Filter::any([Filter::has("olcSuffix"), Filter::has("olcOverlay")]);
        let attributes = vec![
            "olcSuffix",
            "olcOverlay",
            "olcUniqueURI",
            "olcDbNoSync",
            "olcAddContentAcl",
            "olcDbDirectory",
            "olcDbIndex",
        ];
        let search =
            Search { base: &base, scope: Scope::Subtree, filter: &filter, attributes, max: MAX_ROWS };
        let rows = match self.search_raw(Operation::new("server_settings"), &search).await {
            Ok(rows) => rows,
            Err(DirectoryError::Refused { rc: NO_SUCH_OBJECT | INSUFFICIENT_ACCESS, .. }) => return Ok(None),
            Err(error) => return Err(error),
        };
        let Some(database) = rows.iter().find(|row| self.holds_people(row)) else { return Ok(None) };
        let Some(database_dn) = Dn::parse(&database.dn) else { return Ok(None) };
        // Every database with files of its own has this attribute. If the bind can't see it, other absent settings prove nothing.
        if values(database, "olcDbDirectory").is_empty() {
            return Ok(None);
        }
        let mut settings = ServerSettings {
            is_nosync: is_true(database, "olcDbNoSync"),
            checks_adds: is_true(database, "olcAddContentAcl"),
            missing_indexes: self.missing_indexes(database),
            ..ServerSettings::default()
        };
        let below = |row: &&SearchEntry| Dn::parse(&row.dn).is_some_and(|dn| dn.is_below(&database_dn));
        for row in rows.iter().filter(below) {
            settings.overlays.extend(values(row, "olcOverlay").iter().map(|name| without_number(name)));
            settings.unique.extend(values(row, "olcUniqueURI").iter().cloned());
        }
        Ok(Some(settings))
    }

    fn holds_people(&self, row: &SearchEntry) -> bool {
        let people = &self.shared.people;
        let suffixes = values(row, "olcSuffix").iter().filter_map(|text| Dn::parse(text));
        suffixes.into_iter().any(|suffix| people.is_below(&suffix) || *people == suffix)
    }

    fn missing_indexes(&self, database: &SearchEntry) -> Vec<AttributeIndex> {
        let shared = &self.shared;
        let needed = indexes_for(shared.profile, shared.discord_id.as_str(), shared.mark.as_str());
        DatabaseIndexes::parse(values(database, "olcDbIndex")).missing(&needed)
    }
}

fn values<'a>(row: &'a SearchEntry, attribute: &str) -> &'a [String] {
    let found = row.attrs.iter().find(|(name, _)| is_same_attribute(name, attribute));
    found.map_or(&[], |(_, values)| values.as_slice())
}

fn is_true(row: &SearchEntry, attribute: &str) -> bool {
    values(row, attribute).iter().any(|value| value.eq_ignore_ascii_case("true"))
}

/// `{2}unique` is `unique`.
fn without_number(name: &str) -> String {
    let bare = name.rsplit('}').next().unwrap_or(name);
    bare.to_ascii_lowercase()
}
