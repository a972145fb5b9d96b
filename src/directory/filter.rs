//! Search filters (RFC 4515): the only code that builds them, from typed parts.

use super::error::DirectoryError;
use crate::domain::ldap_filter::{LdapFilter, escape};

/// A checked attribute name: the only part of a filter that is not escaped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Attribute(String);

impl Attribute {
    /// RFC 4512 section 1.4 (`descr`): a letter, then letters, digits and hyphens.
    pub(super) fn parse(name: &str) -> Result<Self, DirectoryError> {
        let mut bytes = name.bytes();
        let is_name = bytes.next().is_some_and(|b| b.is_ascii_alphabetic())
            && bytes.all(|b| b.is_ascii_alphanumeric() || b == b'-');
        if is_name {
            Ok(Self(name.to_owned()))
        } else {
            Err(DirectoryError::Settings {
                what: "an attribute's name holds more than letters and digits".to_owned(),
            })
        }
    }

    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

/// A search filter.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Filter(String);

impl Filter {
    /// The attribute has this value, by the server's matching rule.
    pub(super) fn equals(attribute: &str, value: &str) -> Self {
        Self(["(", attribute, "=", &escape(value), ")"].concat())
    }

    /// The attribute has a value with this beginning and this end.
    pub(super) fn between(attribute: &str, begins: &str, ends: &str) -> Self {
        Self(["(", attribute, "=", &escape(begins), "*", &escape(ends), ")"].concat())
    }

    /// The attribute has a value.
    pub(super) fn has(attribute: &str) -> Self {
        Self(["(", attribute, "=*)"].concat())
    }

    /// The attribute has a value with this beginning.
    pub(super) fn begins(attribute: &str, start: &str) -> Self {
        Self(["(", attribute, "=", &escape(start), "*)"].concat())
    }

    /// Entries that don't match `part`.
    pub(super) fn not(part: &Self) -> Self {
        Self(["(!", &part.0, ")"].concat())
    }

    /// A filter of others, parsed and written again.
    pub(super) fn of(filter: &LdapFilter) -> Self {
        Self(filter.to_text())
    }

    /// Every entry.
    pub(super) fn anything() -> Self {
        Self("(objectClass=*)".to_owned())
    }

    /// Entries that match at least one part.
    pub(super) fn any(parts: impl IntoIterator<Item = Self>) -> Self {
        Self::join("|", parts)
    }

    /// Entries that match all parts.
    pub(super) fn all(parts: impl IntoIterator<Item = Self>) -> Self {
        Self::join("&", parts)
    }

    fn join(sign: &str, parts: impl IntoIterator<Item = Self>) -> Self {
        let parts: String = parts.into_iter().map(|part| part.0).collect();
        Self(["(", sign, &parts, ")"].concat())
    }

    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_value_cannot_end_its_comparison() {
        let filter = Filter::equals("uid", "a*)(objectClass=*");
        assert_eq!(filter.as_str(), r"(uid=a\2a\29\28objectClass\3d\2a)");
        let both = Filter::any([Filter::equals("uid", "a"), Filter::equals("mail", "a@b.c")]);
        assert_eq!(both.as_str(), "(|(uid=a)(mail=a@b.c))");
        assert_eq!(Filter::between("uid", "a*", "b)").as_str(), r"(uid=a\2a*b\29)");
        assert_eq!(Filter::between("uid", "a:", "").as_str(), r"(uid=a\3a*)");
        assert_eq!(Filter::all([Filter::equals("uid", "a")]).as_str(), "(&(uid=a))");
    }

    #[test]
    fn only_plain_names_are_attributes() {
        assert!(Attribute::parse("employeeNumber").is_ok());
        for name in ["", "a=b", "a)(b", "1a", "a;binary", "a b", "ä"] {
            assert!(Attribute::parse(name).is_err(), "{name:?} was accepted");
        }
    }

    proptest! {
        #[test]
        fn every_filter_of_any_value_is_one_the_client_library_reads(value in ".*") {
            let filter = Filter::equals("uid", &value);
            prop_assert!(ldap3::parse_filter(filter.as_str()).is_ok());
        }
    }
}
