//! Distinguished names (RFC 4514): the only code that builds and parses them.

use std::hash::{Hash, Hasher};

use super::filter::escape;

/// A distinguished name. Names are compared by their parts, without case and without regard to escaping.
/// `Debug` and errors never show it, because its first part is a personal value.
#[derive(Clone)]
pub struct Dn {
    text: String,
    /// The parts in lower case, the entry's own first.
    parts: Vec<Part>,
}

/// One RDN: its attribute types and values, in lower case and sorted.
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
        let own = vec![(attribute.to_ascii_lowercase(), value.to_lowercase())];
        let parts = std::iter::once(own).chain(self.parts.iter().cloned()).collect();
        Self { text, parts }
    }

    /// Whether this name is below `base`, at any depth.
    pub fn is_below(&self, base: &Self) -> bool {
        self.parts.len() > base.parts.len() && self.parts.ends_with(&base.parts)
    }

    /// The name in the form of RFC 4514.
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
            is_name.then_some((name.to_ascii_lowercase(), unescape(value)?.to_lowercase()))
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

/// Decodes a value (RFC 4514 section 3): `\` and two hex digits are a byte, `\` and another character are that character. Blanks
/// around the value count only if they are escaped.
fn unescape(text: &str) -> Option<String> {
    let mut bytes = Vec::new();
    // The end of the last escaped or visible byte: blanks after it do not count.
    let mut end = 0;
    let mut rest = text.trim_start_matches(' ').as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        if first != b'\\' {
            bytes.push(first);
            rest = after;
            if first != b' ' {
                end = bytes.len();
            }
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
        end = bytes.len();
    }
    bytes.truncate(end);
    String::from_utf8(bytes).ok()
}

fn hex_digit(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The value of the entry's own part in lower case, if the part consists of this attribute alone.
    fn own_value<'a>(name: &'a Dn, attribute: &str) -> Option<&'a str> {
        match name.parts.first()?.as_slice() {
            [(own, value)] if own.eq_ignore_ascii_case(attribute) => Some(value),
            _ => None,
        }
    }

    fn dn(text: &str) -> Dn {
        Dn::parse(text).expect("a name")
    }

    #[test]
    fn names_are_equal_whatever_their_case_and_escaping() {
        assert_eq!(dn("UID=Ada, ou=people,dc=example"), dn("uid=ada,OU=People,DC=Example"));
        assert_eq!(dn(r"cn=a\,b,dc=x"), dn(r"cn=a\2Cb,dc=x"));
        assert_eq!(dn("cn=a+uid=b,dc=x"), dn("uid=b+cn=a,dc=x"));
        assert_ne!(dn("cn=a,dc=x"), dn("cn=b,dc=x"));
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
        for text in ["", "ada", "=x", "uid=ada,,dc=x", r"uid=ada\", "u(i)d=x", r"uid=\ff"] {
            assert!(Dn::parse(text).is_none(), "{text:?} was accepted");
        }
    }

    proptest! {
        #[test]
        fn a_child_of_any_value_reads_back_as_that_value(value in "\\PC{1,20}|[ ,+\"\\\\<>;=#\\x00-\\x1f]{1,6}") {
            let base = dn("ou=people,dc=example");
            let child = base.child("uid", &value);
            let read = Dn::parse(child.as_str());
            let folded = value.to_lowercase();
            prop_assert_eq!(read.as_ref().and_then(|read| own_value(read, "uid")), Some(folded.as_str()));
            prop_assert!(read.is_some_and(|read| read.is_below(&base) && read == child));
        }

        #[test]
        fn reading_never_panics(text in ".*") {
            let _ = Dn::parse(&text);
        }
    }
}
