//! LDAP search filters of others (RFC 4515): read, written, and tried on what is known of an entry.
//!
//! Filters of our own are built in `directory/filter.rs`.

use super::matching::{attribute_key, class_key, is_same_value};

/// How deep the parts of a filter may be nested.
const DEEPEST: usize = 20;

/// A search filter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LdapFilter {
    /// Every part holds.
    All(Vec<Self>),
    /// At least one part holds.
    Any(Vec<Self>),
    /// The part does not hold.
    Not(Box<Self>),
    /// The attribute has a value.
    Present(String),
    /// The attribute has this value.
    Equals(String, String),
    /// The attribute has a value with this beginning, these parts and this end. The first and the last may be empty.
    Substrings(String, Vec<String>),
    /// Any other comparison: the text before its value, with the operator, and the value.
    Other(String, String),
}

/// What is known of an entry's values of an attribute.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Known {
    /// Exactly these.
    Values(Vec<String>),
    /// One that begins with this text.
    Begins(&'static str),
    /// One, but not which.
    Some,
    /// None.
    None,
    /// Nothing.
    Unknown,
}

/// Whether a filter holds for an entry that is known in part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Truth {
    /// It holds.
    Yes,
    /// It does not hold.
    No,
    /// That depends on what is not known.
    Unknown,
}

impl LdapFilter {
    /// Reads a filter. `None` if it is none, holds bytes that are no text, or is nested too deep.
    pub fn parse(text: &str) -> Option<Self> {
        let (filter, rest) = read(text.trim(), 0)?;
        rest.trim().is_empty().then_some(filter)
    }

    /// Entries that have all of these object classes.
    pub fn of_classes(classes: &[String]) -> Self {
        let class = |name: &String| Self::Equals("objectClass".to_owned(), name.clone());
        Self::All(classes.iter().map(class).collect())
    }

    /// The filter as text. Values are escaped.
    pub fn to_text(&self) -> String {
        let joined = |sign: &str, parts: &[Self]| {
            let parts: String = parts.iter().map(Self::to_text).collect();
            ["(", sign, &parts, ")"].concat()
        };
        match self {
            Self::All(parts) => joined("&", parts),
            Self::Any(parts) => joined("|", parts),
            Self::Not(part) => ["(!", &part.to_text(), ")"].concat(),
            Self::Present(attribute) => ["(", attribute, "=*)"].concat(),
            Self::Equals(attribute, value) => ["(", attribute, "=", &escape(value), ")"].concat(),
            Self::Substrings(attribute, parts) => {
                let parts: Vec<String> = parts.iter().map(|part| escape(part)).collect();
                ["(", attribute, "=", &parts.join("*"), ")"].concat()
            }
            Self::Other(head, value) => ["(", head, "=", &escape(value), ")"].concat(),
        }
    }

    /// Tries the filter on an entry. `known` says what is known of an attribute; it gets the attribute's key.
    pub fn holds_for(&self, known: &dyn Fn(&str) -> Known) -> Truth {
        match self {
            Self::All(parts) => {
                parts.iter().fold(Truth::Yes, |truth, part| match (truth, part.holds_for(known)) {
                    (Truth::No, _) | (_, Truth::No) => Truth::No,
                    (Truth::Yes, Truth::Yes) => Truth::Yes,
                    (Truth::Unknown, _) | (_, Truth::Unknown) => Truth::Unknown,
                })
            }
            Self::Any(parts) => {
                parts.iter().fold(Truth::No, |truth, part| match (truth, part.holds_for(known)) {
                    (Truth::Yes, _) | (_, Truth::Yes) => Truth::Yes,
                    (Truth::No, Truth::No) => Truth::No,
                    (Truth::Unknown, _) | (_, Truth::Unknown) => Truth::Unknown,
                })
            }
            Self::Not(part) => match part.holds_for(known) {
                Truth::Yes => Truth::No,
                Truth::No => Truth::Yes,
                Truth::Unknown => Truth::Unknown,
            },
            Self::Present(attribute) => match known(&attribute_key(attribute)) {
                Known::Values(values) if values.is_empty() => Truth::No,
                Known::Values(_) | Known::Begins(_) | Known::Some => Truth::Yes,
                Known::None => Truth::No,
                Known::Unknown => Truth::Unknown,
            },
            Self::Equals(attribute, value) => match known(&attribute_key(attribute)) {
                Known::Values(values) => has(attribute, &values, value),
                Known::Begins(start) if !begins(value, start) => Truth::No,
                Known::None => Truth::No,
                Known::Begins(_) | Known::Some | Known::Unknown => Truth::Unknown,
            },
            Self::Substrings(attribute, parts) => match known(&attribute_key(attribute)) {
                Known::None => Truth::No,
                Known::Begins(start) => begins_with(parts, start),
                Known::Values(_) | Known::Some | Known::Unknown => Truth::Unknown,
            },
            Self::Other(_, _) => Truth::Unknown,
        }
    }
}

fn has(attribute: &str, values: &[String], wanted: &str) -> Truth {
    let is_class = attribute_key(attribute) == "objectclass";
    let is_same = |value: &String| {
        if is_class { class_key(value) == class_key(wanted) } else { is_same_value(attribute, value, wanted) }
    };
    if values.iter().any(is_same) { Truth::Yes } else { Truth::No }
}

fn begins(text: &str, start: &str) -> bool {
    text.get(..start.len()).is_some_and(|beginning| beginning.eq_ignore_ascii_case(start))
}

/// Whether a value that begins with `start` has these parts.
fn begins_with(parts: &[String], start: &str) -> Truth {
    let Some((first, rest)) = parts.split_first() else { return Truth::Unknown };
    if begins(start, first) {
        // `start*`: what follows is free.
        return if rest.iter().all(String::is_empty) { Truth::Yes } else { Truth::Unknown };
    }
    if begins(first, start) { Truth::Unknown } else { Truth::No }
}

/// Reads one filter in parentheses. Returns it and the text behind it.
fn read(text: &str, depth: usize) -> Option<(LdapFilter, &str)> {
    let inner = text.strip_prefix('(')?.trim_start();
    if depth > DEEPEST {
        return None;
    }
    let ends = |rest: &'_ str| rest.trim_start().strip_prefix(')').map(str::len);
    let after = |rest: &'_ str, left: usize| rest.len() - left;
    match inner.chars().next()? {
        sign @ ('&' | '|') => {
            let (mut parts, mut rest) = (Vec::new(), inner[1..].trim_start());
            while rest.starts_with('(') {
                let (part, behind) = read(rest, depth + 1)?;
                parts.push(part);
                rest = behind.trim_start();
            }
            let left = ends(rest)?;
            let filter = if sign == '&' { LdapFilter::All(parts) } else { LdapFilter::Any(parts) };
            Some((filter, &rest[after(rest, left)..]))
        }
        '!' => {
            let (part, rest) = read(inner[1..].trim_start(), depth + 1)?;
            let left = ends(rest)?;
            Some((LdapFilter::Not(Box::new(part)), &rest[after(rest, left)..]))
        }
        _ => {
            let (item, rest) = inner.split_at(inner.find(')')?);
            Some((read_item(item)?, &rest[1..]))
        }
    }
}

fn read_item(item: &str) -> Option<LdapFilter> {
    if item.contains('(') {
        return None;
    }
    let (head, value) = item.split_once('=')?;
    let head = head.trim();
    let attribute = head.trim_end_matches(['~', '<', '>', ':']);
    let is_name = |text: &str| {
        !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b';'))
    };
    if attribute != head || head.contains(':') {
        let is_head =
            head.trim_end_matches(['~', '<', '>']).split(':').all(|part| part.is_empty() || is_name(part));
        return is_head.then_some(LdapFilter::Other(head.to_owned(), unescape(value)?));
    }
    if !is_name(attribute) {
        return None;
    }
    let attribute = attribute.to_owned();
    if value == "*" {
        return Some(LdapFilter::Present(attribute));
    }
    if value.contains('*') {
        let parts = value.split('*').map(unescape).collect::<Option<Vec<_>>>()?;
        return Some(LdapFilter::Substrings(attribute, parts));
    }
    Some(LdapFilter::Equals(attribute, unescape(value)?))
}

/// Decodes a value (RFC 4515 section 3): `\` and two hex digits are a byte.
fn unescape(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        if first == b'\\' {
            bytes.push(*hex::decode(after.get(..2)?).ok()?.first()?);
            rest = &after[2..];
        } else {
            bytes.push(first);
            rest = after;
        }
    }
    String::from_utf8(bytes).ok()
}

/// Escapes every byte that is not a letter, a digit or one of `.-_@` as `\xx`. The form is valid in filters (RFC 4515) and in names
/// (RFC 4514). Escaping everything else also covers characters that servers treat as blanks at the ends of a name.
pub fn escape(value: &str) -> String {
    const DIGITS: [char; 16] =
        ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'a', 'b', 'c', 'd', 'e', 'f'];
    let mut escaped = String::with_capacity(value.len());
    for byte in value.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_' | b'@') {
            escaped.push(char::from(byte));
        } else {
            escaped.extend(['\\', DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]]);
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn truth(text: &str) -> Truth {
        let entry = |attribute: &str| match attribute {
            "objectclass" => Known::Values(vec!["inetOrgPerson".to_owned(), "top".to_owned()]),
            "description" => Known::Begins("accolade:"),
            "uid" | "mail" => Known::Some,
            "memberof" => Known::Unknown,
            _ => Known::None,
        };
        LdapFilter::parse(text).expect("a filter").holds_for(&entry)
    }

    #[test]
    fn a_filter_is_tried_on_what_is_known_of_an_entry() {
        for (text, expected) in [
            ("(objectClass=INETORGPERSON)", Truth::Yes),
            ("(objectClass=posixAccount)", Truth::No),
            ("(&(objectClass=inetOrgPerson)(uid=*))", Truth::Yes),
            ("(& (objectClass=top) (businessCategory=staff) )", Truth::No),
            ("(|(objectClass=posixAccount)(mail=*))", Truth::Yes),
            ("(uid=ada)", Truth::Unknown),
            ("(!(description=accolade:*))", Truth::No),
            ("(!(DESCRIPTION=Accolade*))", Truth::No),
            ("(2.5.4.13=accolade:*)", Truth::Yes),
            ("(description=accolade:0*)", Truth::Unknown),
            ("(description=staff*)", Truth::No),
            ("(description=a person)", Truth::No),
            ("(!(memberOf=cn=blocked,dc=x))", Truth::Unknown),
            ("(!(employeeType=left))", Truth::Yes),
            ("(uidNumber>=1000)", Truth::Unknown),
            ("(cn:caseExactMatch:=Ada)", Truth::Unknown),
            ("(&)", Truth::Yes),
        ] {
            assert_eq!(truth(text), expected, "{text}");
        }
    }

    #[test]
    fn what_is_no_filter_is_refused() {
        let deep = ["(!".repeat(40), "(a=b)".to_owned(), ")".repeat(40)].concat();
        for text in [
            "",
            "a=b",
            "(a=b",
            "(a=b))",
            "(&(a=b)",
            "(=b)",
            r"(a=\zz)",
            r"(a=\ff)",
            "(a b=c)",
            "(a=b)(c=d)",
            "(a=(b)",
            &deep,
        ] {
            assert_eq!(LdapFilter::parse(text), None, "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn a_written_filter_reads_back_as_itself(value in ".{0,12}", part in ".{1,6}") {
            let filter = LdapFilter::All(vec![
                LdapFilter::Equals("cn".to_owned(), value.clone()),
                LdapFilter::Not(Box::new(LdapFilter::Substrings("sn".to_owned(), vec![part, String::new()]))),
                LdapFilter::Any(vec![LdapFilter::Present("mail".to_owned()), LdapFilter::Other("uid>".to_owned(), value)]),
            ]);
            let text = filter.to_text();
            prop_assert_eq!(LdapFilter::parse(&text), Some(filter));
            prop_assert!(ldap3::parse_filter(&text).is_ok());
        }

        #[test]
        fn reading_never_panics(text in "[()&|!=*a-c\\\\ ~:<>]{0,24}|.*") {
            let _ = LdapFilter::parse(&text);
        }
    }
}
