//! Distinguished names (RFC 4514): the only code that parses, compares and builds them.

use std::hash::{Hash, Hasher};

use super::ldap_filter::escape;
use super::matching::{MatchingRule, attribute_key};

/// A distinguished name. Names are compared as a server compares them (`distinguishedNameMatch`): part by part, without regard to
/// case, escaping, blanks, the order within a part, and the way in which an attribute is named.
/// `Debug` and errors never show it, because its first part is a personal value.
#[derive(Clone)]
pub struct Dn {
    text: String,
    /// The parts as they are compared, the entry's own first.
    parts: Vec<Part>,
}

/// One RDN: the keys of its attributes and values, sorted.
type Part = Vec<(String, String)>;

impl Dn {
    /// Parses a name of a server or of the configuration. `None` if it is invalid or empty.
    pub fn parse(text: &str) -> Option<Self> {
        let parts = split_unescaped(text, ',').into_iter().map(read_part).collect::<Option<Vec<_>>>()?;
        Some(Self { text: text.to_owned(), parts })
    }

    /// The name of a child. The value is escaped.
    #[must_use]
    pub fn child(&self, attribute: &str, value: &str) -> Self {
        let text = [attribute, "=", &escape(value), ",", &self.text].concat();
        let own = vec![(attribute_key(attribute), MatchingRule::of(attribute).key(value))];
        let parts = std::iter::once(own).chain(self.parts.iter().cloned()).collect();
        Self { text, parts }
    }

    /// Whether this name is below `base`, at any depth.
    pub fn is_below(&self, base: &Self) -> bool {
        self.parts.len() > base.parts.len() && self.parts.ends_with(&base.parts)
    }

    /// Whether both names end in the same part.
    pub fn has_root_of(&self, other: &Self) -> bool {
        self.parts.last() == other.parts.last()
    }

    /// The name, as it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl PartialEq for Dn {
    fn eq(&self, other: &Self) -> bool {
        self.parts == other.parts
    }
}

impl Eq for Dn {}

impl Hash for Dn {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.parts.hash(state);
    }
}

impl std::fmt::Debug for Dn {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Dn(…)")
    }
}

fn read_part(text: &str) -> Option<Part> {
    let mut part = split_unescaped(text, '+')
        .into_iter()
        .map(|pair| {
            let (name, value) = pair.split_once('=')?;
            let name = name.trim();
            let is_name = !name.is_empty()
                && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.'));
            let value = read_value(value)?;
            is_name.then(|| (attribute_key(name), MatchingRule::of(name).key(&value)))
        })
        .collect::<Option<Part>>()?;
    part.sort();
    Some(part)
}

/// Splits at separators that are not escaped by a backslash.
fn split_unescaped(text: &str, separator: char) -> Vec<&str> {
    let mut found = Vec::new();
    let (mut start, mut is_escaped) = (0, false);
    for (at, c) in text.char_indices() {
        if is_escaped {
            is_escaped = false;
        } else if c == '\\' {
            is_escaped = true;
        } else if c == separator {
            found.push(&text[start..at]);
            start = at + c.len_utf8();
        }
    }
    found.push(&text[start..]);
    found
}

/// Decodes a value (RFC 4514 section 3): the hexadecimal form of its encoding after `#`, or a text with escapes.
fn read_value(text: &str) -> Option<String> {
    let text = text.trim_start_matches(' ');
    match text.strip_prefix('#') {
        Some(encoded) => {
            String::from_utf8(read_encoded(&hex::decode(encoded.trim_end()).ok()?)?.to_vec()).ok()
        }
        None => unescape(text),
    }
}

/// The content of an encoded string (X.690) of one of the types that a directory string can have.
fn read_encoded(bytes: &[u8]) -> Option<&[u8]> {
    const STRINGS: [u8; 4] = [0x04, 0x0c, 0x13, 0x16];
    let (&[tag, length], content) = bytes.split_first_chunk::<2>()?;
    (STRINGS.contains(&tag) && length < 0x80 && usize::from(length) == content.len()).then_some(content)
}

/// Decodes a text: `\` and two hex digits are a byte, `\` and another character are that character. Blanks around the value are no
/// part of it. A character that only stands escaped in a name makes it invalid.
fn unescape(text: &str) -> Option<String> {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        if first != b'\\' {
            if matches!(first, b'"' | b';' | b'<' | b'>' | 0) {
                return None;
            }
            bytes.push(first);
            rest = after;
            continue;
        }
        let (&next, after) = after.split_first()?;
        if let (Some(high), Some(low)) = (hex_digit(next), after.first().copied().and_then(hex_digit)) {
            bytes.push(high << 4 | low);
            rest = &after[1..];
        } else {
            bytes.push(next);
            rest = after;
        }
    }
    String::from_utf8(bytes).ok()
}

fn hex_digit(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn dn(text: &str) -> Dn {
        Dn::parse(text).expect("a name")
    }

    #[test]
    fn names_are_equal_however_they_are_written() {
        for (one, other) in [
            ("OU=People, DC=example,DC=org", "ou=people,dc=example,dc=org"),
            ("UID=Ada, ou=people,dc=example", "uid=ada,OU=People,DC=Example"),
            (r"cn=a\,b,dc=x", r"cn=a\2Cb,dc=x"),
            ("cn=a+uid=b,dc=x", "uid=b + cn=a,dc=x"),
            ("2.5.4.3=a,dc=x", "cn=a,DC=x"),
            ("organizationalUnitName=people,domainComponent=x", "ou=people,0.9.2342.19200300.100.1.25=x"),
            ("ou=the   people,dc=x", r"ou=The People\20,dc=x"),
            (r"cn=Caf\c3\a9,dc=x", "cn=CAFE\u{301},dc=x"),
            ("cn=#0c0141,dc=x", "cn=a,dc=x"),
            ("uid = ada , dc = x", "uid=ada,dc=x"),
        ] {
            assert_eq!(dn(one), dn(other), "{one}");
        }
        for (one, other) in [
            ("cn=a,dc=x", "cn=b,dc=x"),
            ("cn=a,dc=x", "sn=a,dc=x"),
            ("cn=a,dc=x", "cn=a,dc=y"),
            ("cn=a+uid=b,dc=x", "cn=a,uid=b,dc=x"),
            ("cn=ab,dc=x", "cn=a b,dc=x"),
        ] {
            assert_ne!(dn(one), dn(other), "{one}");
        }
    }

    #[test]
    fn a_name_lies_below_a_base_by_whole_parts_only() {
        let base = dn("ou=people,dc=example,dc=org");
        assert!(dn("uid=ada,OU=People,dc=example,dc=org").is_below(&base));
        assert!(dn("uid=ada,ou=x,ou=people,dc=example,dc=org").is_below(&base));
        assert!(!base.is_below(&base));
        assert!(!dn("uid=ada,ou=otherpeople,dc=example,dc=org").is_below(&base));
        assert!(!dn(r"uid=ada\,ou=people,dc=example,dc=org").is_below(&base));
        assert!(!dn("uid=ada,ou=people,dc=example,dc=org,dc=evil").is_below(&base));
    }

    #[test]
    fn what_is_no_name_is_refused() {
        for text in [
            "",
            "ada",
            "=x",
            "uid=ada,,dc=x",
            r"uid=ada\",
            "u(i)d=x",
            r"uid=\ff",
            "uid=a;dc=x",
            "uid=\"a\"",
            "uid=#0",
            "uid=#ff01",
        ] {
            assert!(Dn::parse(text).is_none(), "{text:?} was accepted");
        }
    }

    proptest! {
        #[test]
        fn a_child_of_any_value_reads_back_as_that_value(value in "\\PC{1,20}|[ ,+\"\\\\<>;=#\\x00-\\x1f]{1,6}") {
            let base = dn("ou=people,dc=example");
            let child = base.child("uid", &value);
            let read = Dn::parse(child.as_str());
            let expected = vec![("uid".to_owned(), MatchingRule::CaseIgnore.key(&value))];
            prop_assert_eq!(read.as_ref().and_then(|read| read.parts.first()), Some(&expected));
            prop_assert!(read.is_some_and(|read| read.is_below(&base) && read == child));
        }

        #[test]
        fn a_name_equals_itself_with_every_character_escaped_and_in_the_other_case(value in "[a-zA-Z ,+]{1,12}") {
            let plain = dn("dc=x").child("cn", &value);
            let escaped: String = value.bytes().map(|byte| ["\\", &hex::encode_upper([byte])].concat()).collect();
            prop_assert_eq!(&dn(&format!("CN={escaped},DC=X")), &plain);
            prop_assert_eq!(dn("dc=x").child("commonName", &value.to_uppercase()), plain);
        }

        #[test]
        fn reading_never_panics(text in ".*") {
            let _ = Dn::parse(&text);
        }
    }
}
