//! What the server says of itself in `cn=config` (OpenLDAP), to whoever may read it there: never the bot's own bind.

use ldap3::{Scope, SearchEntry};

use super::filter::Filter;
use super::link::Operation;
use super::{Directory, DirectoryError, Dn, Search};

/// More databases and overlays than one server has.
const MOST: usize = 200;

/// How the database that holds the people is set up.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ServerSettings {
    /// Its overlays by name, in their order.
    pub overlays: Vec<String>,
    /// The rules of `unique`, as they stand there.
    pub unique: Vec<String>,
    /// `olcDbNoSync`: it confirms what is not on the disk.
    pub is_nosync: bool,
    /// `olcAddContentAcl`: rights on attributes hold for a new entry, too.
    pub judges_adds: bool,
}

impl Directory {
    /// Reads the settings of the database below whose suffix `people_dn` lies; `None` if `cn=config` shows none, because there is
    /// none or because this bind may not read it.
    #[tracing::instrument(name = "call", skip_all, fields(target = "directory", verb = "server_settings"))]
    pub async fn server_settings(&self) -> Result<Option<ServerSettings>, DirectoryError> {
        let Some(base) = Dn::parse("cn=config") else { return Ok(None) };
        let filter = Filter::any([Filter::has("olcSuffix"), Filter::has("olcOverlay")]);
        let search = Search {
            base: &base,
            scope: Scope::Subtree,
            filter: &filter,
            attributes: vec!["olcSuffix", "olcOverlay", "olcUniqueURI", "olcDbNoSync", "olcAddContentAcl"],
            most: MOST,
        };
        let rows = match self.search_raw(Operation::new("server_settings"), &search).await {
            Ok(rows) => rows,
            // noSuchObject, insufficientAccessRights
            Err(DirectoryError::Refused { rc: 32 | 50, .. }) => return Ok(None),
            Err(error) => return Err(error),
        };
        let Some(database) = rows.iter().find(|row| self.holds_people(row)) else { return Ok(None) };
        let Some(place) = Dn::parse(&database.dn) else { return Ok(None) };
        let mut settings = ServerSettings {
            is_nosync: says_true(database, "olcDbNoSync"),
            judges_adds: says_true(database, "olcAddContentAcl"),
            ..ServerSettings::default()
        };
        for row in rows.iter().filter(|row| Dn::parse(&row.dn).is_some_and(|dn| dn.is_below(&place))) {
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
}

fn values<'a>(row: &'a SearchEntry, attribute: &str) -> &'a [String] {
    let found = row.attrs.iter().find(|(name, _)| name.eq_ignore_ascii_case(attribute));
    found.map_or(&[], |(_, values)| values.as_slice())
}

fn says_true(row: &SearchEntry, attribute: &str) -> bool {
    values(row, attribute).iter().any(|value| value.eq_ignore_ascii_case("true"))
}

/// `{2}unique` is `unique`.
fn without_number(name: &str) -> String {
    let bare = name.rsplit('}').next().unwrap_or(name);
    bare.to_ascii_lowercase()
}
