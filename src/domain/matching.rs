//! How a directory server compares the values of an attribute (RFC 4517, RFC 4519), for values that the bot compares itself.
//!
//! A text of a server is kept as it is written, and compared by the matching rule of its attribute: [`ServerUsername`],
//! [`ServerAddress`], [`GroupName`](super::eligibility::GroupName) and [`Dn`](super::dn::Dn).

use unicode_normalization::UnicodeNormalization as _;

use super::mail_address::MailAddress;
use super::username::Username;

/// Equality rules of RFC 4517.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MatchingRule {
    /// `caseIgnoreMatch`: composed, without case, runs of blanks are one blank.
    CaseIgnore,
    /// `caseIgnoreIA5Match`: the same for ASCII alone.
    CaseIgnoreIa5,
}

impl MatchingRule {
    /// The rule of an attribute. Attributes that are not listed compare by `caseIgnoreMatch`, as nearly all that name entries do.
    pub fn of(attribute: &str) -> Self {
        match attribute_key(attribute).as_str() {
            "mail" | "dc" => Self::CaseIgnoreIa5,
            _ => Self::CaseIgnore,
        }
    }

    /// The value in the form that is compared: equal values have equal keys.
    pub fn key(self, value: &str) -> String {
        match self {
            Self::CaseIgnore => {
                let folded = value.nfkc().collect::<String>().to_lowercase();
                single_blanks(folded.nfkc().collect::<String>().split_whitespace())
            }
            Self::CaseIgnoreIa5 => single_blanks(value.to_ascii_lowercase().split_ascii_whitespace()),
        }
    }
}

fn single_blanks<'a>(words: impl Iterator<Item = &'a str>) -> String {
    words.collect::<Vec<_>>().join(" ")
}

/// Whether two values of the attribute are equal for a server.
pub fn is_same_value(attribute: &str, one: &str, other: &str) -> bool {
    let rule = MatchingRule::of(attribute);
    rule.key(one) == rule.key(other)
}

/// Every name and the OID of each attribute that can stand in our settings (RFC 4519, RFC 4524, RFC 2798). The first is the key.
const ATTRIBUTES: &[&[&str]] = &[
    &["cn", "commonname", "2.5.4.3"],
    &["sn", "surname", "2.5.4.4"],
    &["serialnumber", "2.5.4.5"],
    &["c", "countryname", "2.5.4.6"],
    &["l", "localityname", "2.5.4.7"],
    &["st", "stateorprovincename", "2.5.4.8"],
    &["street", "streetaddress", "2.5.4.9"],
    &["o", "organizationname", "2.5.4.10"],
    &["ou", "organizationalunitname", "2.5.4.11"],
    &["title", "2.5.4.12"],
    &["description", "2.5.4.13"],
    &["businesscategory", "2.5.4.15"],
    &["telephonenumber", "2.5.4.20"],
    &["destinationindicator", "2.5.4.27"],
    &["member", "2.5.4.31"],
    &["givenname", "gn", "2.5.4.42"],
    &["initials", "2.5.4.43"],
    &["uid", "userid", "0.9.2342.19200300.100.1.1"],
    &["mail", "rfc822mailbox", "0.9.2342.19200300.100.1.3"],
    &["dc", "domaincomponent", "0.9.2342.19200300.100.1.25"],
    &["employeenumber", "2.16.840.1.113730.3.1.3"],
    &["employeetype", "2.16.840.1.113730.3.1.4"],
    &["displayname", "2.16.840.1.113730.3.1.241"],
    &["objectclass", "2.5.4.0"],
    &["entryuuid", "1.3.6.1.1.16.4"],
];

/// One key for all names of an attribute: without case, whether it is written as a name, another name or an OID.
pub fn attribute_key(name: &str) -> String {
    let name = name.trim().to_ascii_lowercase();
    let bare = name.strip_prefix("oid.").unwrap_or(&name);
    let known = ATTRIBUTES.iter().find(|names| names.contains(&bare));
    known.and_then(|names| names.first()).map_or_else(|| bare.to_owned(), |key| (*key).to_owned())
}

/// Whether two names are those of one attribute.
pub fn is_same_attribute(one: &str, other: &str) -> bool {
    attribute_key(one) == attribute_key(other)
}

/// Every name and the OID of each object class of a person (RFC 4512, RFC 4519, RFC 2798). The first is the key.
const CLASSES: &[&[&str]] = &[
    &["top", "2.5.6.0"],
    &["person", "2.5.6.6"],
    &["organizationalperson", "2.5.6.7"],
    &["inetorgperson", "2.16.840.1.113730.3.2.2"],
];

/// One key for all names of an object class.
pub fn class_key(name: &str) -> String {
    let name = name.trim().to_ascii_lowercase();
    let known = CLASSES.iter().find(|names| names.contains(&name.as_str()));
    known.and_then(|names| names.first()).map_or_else(|| name.clone(), |key| (*key).to_owned())
}

/// A text of a server with the key by which it compares. `Debug` never shows it, because it is a personal value.
macro_rules! server_texts {
    ($($(#[$doc:meta])* $name:ident by $rule:expr;)*) => { $(
        $(#[$doc])*
        #[derive(Clone)]
        pub struct $name {
            text: String,
            key: String,
        }

        impl $name {
            /// Takes the text as a server wrote it.
            pub fn new(text: impl Into<String>) -> Self {
                let text = text.into();
                let key = $rule.key(&text);
                Self { text, key }
            }

            /// The text, as the server wrote it.
            pub fn as_str(&self) -> &str {
                &self.text
            }
        }

        impl PartialEq for $name {
            fn eq(&self, other: &Self) -> bool {
                self.key == other.key
            }
        }

        impl Eq for $name {}

        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(concat!(stringify!($name), "(…)"))
            }
        }
    )* };
}

server_texts! {
    /// A user name as a server writes it. It may be one that the bot would not accept.
    ServerUsername by MatchingRule::CaseIgnore;
    /// A mail address as a server writes it. It may be one that the bot would not accept.
    ServerAddress by MatchingRule::CaseIgnoreIa5;
}

impl ServerUsername {
    /// Whether it is this name.
    pub fn is(&self, name: &Username) -> bool {
        self.key == MatchingRule::CaseIgnore.key(name.as_str())
    }
}

impl ServerAddress {
    /// Whether it is this address.
    pub fn is(&self, address: &MailAddress) -> bool {
        self.key == MatchingRule::CaseIgnoreIa5.key(address.as_str())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn values_compare_by_the_rule_of_their_attribute() {
        for (attribute, one, other, is_same) in [
            ("cn", "Members", "members", true),
            ("cn", " The   Members ", "the members", true),
            ("cn", "Caf\u{e9}", "CAFE\u{301}", true),
            ("cn", "Members", "Member", false),
            ("commonName", "A  B", "a b", true),
            ("mail", "Ada@Example.org", "ada@example.ORG", true),
            ("mail", "ada@example.org", "ada@example.com", false),
            ("mail", "\u{e9}@example.org", "\u{c9}@example.org", false),
            ("uid", "ADA", "ada", true),
        ] {
            assert_eq!(is_same_value(attribute, one, other), is_same, "{attribute}: {one:?} {other:?}");
        }
    }

    #[test]
    fn an_attribute_is_the_same_under_each_of_its_names() {
        for (one, other) in [
            ("cn", "commonName"),
            ("CN", "2.5.4.3"),
            ("ou", "organizationalUnitName"),
            ("OID.2.5.4.11", "OU"),
            ("userid", "uid"),
            ("givenname", "gn"),
            ("employeeNumber", "EMPLOYEENUMBER"),
            ("x-local", "X-Local"),
        ] {
            assert!(is_same_attribute(one, other), "{one} {other}");
        }
        assert!(!is_same_attribute("cn", "sn"));
        assert_eq!(class_key("InetOrgPerson"), class_key("2.16.840.1.113730.3.2.2"));
    }

    #[test]
    fn a_text_of_a_server_keeps_its_spelling_and_is_never_shown_in_a_log() {
        let name = ServerUsername::new("Ada");
        assert_eq!((name.as_str(), name == ServerUsername::new("ADA ")), ("Ada", true));
        assert!(name.is(&Username::parse("ada", 20).expect("a name")));
        let address = ServerAddress::new("ADA@example.org");
        assert!(address.is(&MailAddress::parse("ada@EXAMPLE.org").expect("an address")));
        assert!(!format!("{name:?} {address:?}").to_lowercase().contains("ada"));
    }

    proptest! {
        #[test]
        fn a_key_is_its_own_key_and_ignores_case_and_outer_blanks(value in ".{0,12}") {
            for rule in [MatchingRule::CaseIgnore, MatchingRule::CaseIgnoreIa5] {
                let key = rule.key(&value);
                prop_assert_eq!(&rule.key(&key), &key);
                let padded = ["  ", &value, " "].concat();
                prop_assert_eq!(&rule.key(&padded), &key);
                prop_assert_eq!(rule.key(&value.to_ascii_uppercase()), key);
            }
        }
    }
}
