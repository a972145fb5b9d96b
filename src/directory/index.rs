//! The indexes that the searches need. Without one, the server reads every entry below the base for each search.

use std::collections::{BTreeMap, BTreeSet};

use super::groups::GROUP_NAME;
use super::profile::{ServerProfile, profile_of};
use crate::config;
use crate::domain::matching::is_same_attribute;

/// The kind of comparison that an index supports.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum IndexKind {
    /// The whole value.
    Equality,
    /// The beginning of the value.
    Initial,
}

impl IndexKind {
    /// OpenLDAP's name of the kind.
    pub const fn open_ldap_name(self) -> &'static str {
        match self {
            Self::Equality => "eq",
            Self::Initial => "subinitial",
        }
    }

    /// The name in 389 Directory Server, which has one kind for all substrings.
    pub const fn name_in_389(self) -> &'static str {
        match self {
            Self::Equality => "eq",
            Self::Initial => "sub",
        }
    }

    /// The names in `olcDbIndex` that include this kind.
    const fn open_ldap_covers(self) -> &'static [&'static str] {
        match self {
            Self::Equality => &["eq"],
            Self::Initial => &["subinitial", "sub"],
        }
    }
}

/// An attribute that must be indexed, and the kinds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AttributeIndex {
    /// The name of the attribute.
    pub attribute: String,
    /// The kinds, each once.
    pub kinds: Vec<IndexKind>,
}

/// The indexes for a configuration: one for every attribute in a search filter of this program or of Keycloak.
pub fn needed_indexes(config: &config::Directory) -> Vec<AttributeIndex> {
    indexes_for(profile_of(config.flavour), &config.discord_id_attribute, &config.mark_attribute)
}

/// `clients/directory.rs` compares this list with the searches that a real server reports as not indexed.
pub(super) fn indexes_for(profile: &ServerProfile, discord_id: &str, mark: &str) -> Vec<AttributeIndex> {
    const EQUALITY: &[IndexKind] = &[IndexKind::Equality];
    let searched = [
        // slapd adds `(objectClass=referral)` to each search, so without this index no other one helps.
        ("objectClass", EQUALITY),
        (profile.username, EQUALITY),
        ("mail", EQUALITY),
        (discord_id, EQUALITY),
        // `all_marked` searches by the beginning of the mark.
        (mark, &[IndexKind::Equality, IndexKind::Initial]),
        (profile.entry_id, EQUALITY),
        (profile.member, EQUALITY),
        (GROUP_NAME, EQUALITY),
    ];
    let mut indexes: Vec<AttributeIndex> = Vec::new();
    for (attribute, kinds) in searched {
        // A configured attribute may be one of the others.
        match indexes.iter_mut().find(|index| is_same_attribute(&index.attribute, attribute)) {
            Some(index) => index
                .kinds
                .extend(kinds.iter().filter(|kind| !index.kinds.contains(kind)).copied().collect::<Vec<_>>()),
            None => indexes.push(AttributeIndex { attribute: attribute.to_owned(), kinds: kinds.to_vec() }),
        }
    }
    indexes
}

/// The indexes of an OpenLDAP database.
pub(super) struct DatabaseIndexes {
    /// The names of the kinds by attribute, all in lower case.
    kinds: BTreeMap<String, BTreeSet<String>>,
}

impl DatabaseIndexes {
    /// Reads the values of `olcDbIndex`: `attribute,attribute kind,kind`, or attributes alone with the kinds of `default`.
    pub(super) fn parse(values: &[String]) -> Self {
        let lines: Vec<(BTreeSet<String>, Option<BTreeSet<String>>)> = values
            .iter()
            .map(|value| {
                let mut words = value.split_whitespace();
                (names(words.next().unwrap_or_default()), words.next().map(names))
            })
            .collect();
        let default = lines.iter().find(|(attributes, _)| attributes.contains("default"));
        let default = default.and_then(|(_, kinds)| kinds.clone()).unwrap_or_default();
        let mut all: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for (attributes, kinds) in lines {
            let kinds = kinds.unwrap_or_else(|| default.clone());
            for attribute in attributes {
                all.entry(attribute).or_default().extend(kinds.iter().cloned());
            }
        }
        Self { kinds: all }
    }

    /// The needed indexes that are not there, with the kinds that are missing.
    pub(super) fn missing(&self, needed: &[AttributeIndex]) -> Vec<AttributeIndex> {
        let missing = needed.iter().map(|index| {
            let kinds =
                index.kinds.iter().filter(|kind| !self.has(&index.attribute, **kind)).copied().collect();
            AttributeIndex { attribute: index.attribute.clone(), kinds }
        });
        missing.filter(|index| !index.kinds.is_empty()).collect()
    }

    fn has(&self, attribute: &str, kind: IndexKind) -> bool {
        let attribute = attribute.to_ascii_lowercase();
        // slapd uses the index of a supertype for its subtypes, unless that index says otherwise (slapd.conf(5), `nosubtypes`).
        let supertype = match attribute.as_str() {
            "cn" => self.kinds.get("name"),
            "member" => self.kinds.get("distinguishedname"),
            _ => None,
        };
        let supertype = supertype.filter(|kinds| !kinds.contains("nosubtypes"));
        let own = self.kinds.get(&attribute);
        own.or(supertype)
            .is_some_and(|kinds| kind.open_ldap_covers().iter().any(|name| kinds.contains(*name)))
    }
}

fn names(list: &str) -> BTreeSet<String> {
    list.split(',').filter(|name| !name.is_empty()).map(str::to_ascii_lowercase).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn missing(values: &[&str]) -> Vec<String> {
        let values: Vec<String> = values.iter().map(|value| (*value).to_owned()).collect();
        let needed = indexes_for(profile_of(config::Flavour::OpenLdap), "employeeNumber", "description");
        let missing = DatabaseIndexes::parse(&values).missing(&needed);
        let shown = |index: &AttributeIndex| {
            let kinds: Vec<&str> = index.kinds.iter().map(|kind| kind.open_ldap_name()).collect();
            [&index.attribute, " ", &kinds.join(",")].concat()
        };
        missing.iter().map(shown).collect()
    }

    #[test]
    fn each_missing_kind_of_an_index_is_named() {
        let all = "objectClass,uid,mail,employeeNumber,entryUUID,member,cn eq";
        assert_eq!(missing(&[all, "description eq,subinitial"]), [""; 0]);
        assert_eq!(missing(&[all, "description eq"]), ["description subinitial"]);
        assert_eq!(missing(&[all, "DESCRIPTION pres,eq,sub"]), [""; 0]);
        assert_eq!(missing(&[all, "description subfinal,subany"]), ["description eq,subinitial"]);
        assert_eq!(missing(&[]).len(), 8);
    }

    #[test]
    fn defaults_and_supertypes_count_as_slapd_counts_them() {
        let rest = "objectClass,mail,employeeNumber,entryUUID eq";
        let mark = "description eq,subinitial";
        assert_eq!(missing(&[rest, mark, "default pres,eq", "uid", "cn,member"]), [""; 0]);
        assert_eq!(missing(&[rest, mark, "uid", "cn,member eq"]), ["uid eq"]);
        assert_eq!(missing(&[rest, mark, "uid,name,distinguishedName eq"]), [""; 0]);
        assert_eq!(missing(&[rest, mark, "uid,member eq", "name eq,nosubtypes"]), ["cn eq"]);
        // An index of its own decides, whatever the supertype has.
        assert_eq!(missing(&[rest, mark, "uid,member,name eq", "cn pres"]), ["cn eq"]);
    }

    #[test]
    fn an_attribute_that_serves_two_purposes_has_one_index_with_all_kinds() {
        let indexes = indexes_for(profile_of(config::Flavour::OpenLdap), "uid", "CN");
        assert_eq!(indexes.iter().filter(|index| index.attribute.eq_ignore_ascii_case("cn")).count(), 1);
        assert_eq!(indexes.iter().filter(|index| index.attribute == "uid").count(), 1);
        let cn = indexes.iter().find(|index| index.attribute == "CN").expect("an index");
        assert_eq!(cn.kinds, [IndexKind::Equality, IndexKind::Initial]);
    }
}
