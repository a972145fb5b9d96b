//! What a realm's user profile accepts in the fields of the form, so that the form refuses what Keycloak would refuse later.
//!
//! Without a rule a field accepts everything: the form's own rules hold beside these.

use regex::{Regex, RegexBuilder};

/// No pattern of a profile needs more memory than this.
const PATTERN_SIZE: usize = 1 << 20;

/// The rules of each field of the form.
#[derive(Clone, Debug, Default)]
pub struct ProfileRules {
    /// Of the user name.
    pub username: FieldRules,
    /// Of the mail address.
    pub address: FieldRules,
    /// Of the given name.
    pub given: FieldRules,
    /// Of the family name.
    pub family: FieldRules,
}

/// The rules of one field.
#[derive(Clone, Debug, Default)]
pub struct FieldRules {
    /// The fewest characters.
    pub min: usize,
    /// The most characters.
    pub max: Option<usize>,
    /// The whole text must match each of them.
    pub patterns: Vec<Pattern>,
}

/// Which rule of the realm a text breaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RealmRule {
    /// It has fewer characters than this.
    TooShort(usize),
    /// It has more characters than this.
    TooLong(usize),
    /// A pattern does not accept this character.
    Character(char),
    /// A pattern does not accept the text.
    Pattern,
}

impl FieldRules {
    /// The first rule that the text breaks.
    pub fn broken_by(&self, text: &str) -> Option<RealmRule> {
        // Keycloak counts as Java does: in units of UTF-16.
        let length = text.encode_utf16().count();
        if length < self.min {
            return Some(RealmRule::TooShort(self.min));
        }
        if let Some(max) = self.max.filter(|max| length > *max) {
            return Some(RealmRule::TooLong(max));
        }
        let pattern = self.patterns.iter().find(|pattern| !pattern.accepts(text))?;
        // If the text fits without a character, that one is the cause.
        let is_cause = |c: &char| {
            let rest = text.replace(*c, "");
            !rest.is_empty() && pattern.accepts(&rest)
        };
        Some(text.chars().find(is_cause).map_or(RealmRule::Pattern, RealmRule::Character))
    }
}

/// A pattern of a profile, which Keycloak runs with Java's `Pattern.matches`.
#[derive(Clone, Debug)]
pub struct Pattern(Regex);

impl Pattern {
    /// Reads a pattern of Java's. `None` if it has something that this library can't run, such as a look-ahead.
    pub fn of_java(pattern: &str) -> Option<Self> {
        let inner = with_java_classes(pattern)?;
        // The whole text must match, and a comment in the pattern must not swallow the end.
        let whole = ["\\A(?:", &inner, ")\\z"].concat();
        RegexBuilder::new(&whole).size_limit(PATTERN_SIZE).build().ok().map(Self)
    }

    /// Whether the whole text matches.
    pub fn accepts(&self, text: &str) -> bool {
        self.0.is_match(text)
    }
}

/// Writes out Java's classes of ASCII, which mean more here. `None` if the pattern has one that can't be written out.
fn with_java_classes(pattern: &str) -> Option<String> {
    let mut written = String::with_capacity(pattern.len());
    let mut rest = pattern.chars();
    while let Some(c) = rest.next() {
        if c != '\\' {
            written.push(c);
            continue;
        }
        match rest.next()? {
            'd' => written.push_str("[0-9]"),
            'D' => written.push_str("[^0-9]"),
            'w' => written.push_str("[0-9A-Za-z_]"),
            'W' => written.push_str("[^0-9A-Za-z_]"),
            's' => written.push_str(r"[ \t\n\x0B\f\r]"),
            'S' => written.push_str(r"[^ \t\n\x0B\f\r]"),
            // A property: Java's names of POSIX classes mean ASCII only.
            c @ ('p' | 'P') => {
                let name = rest.as_str().strip_prefix('{')?.split('}').next()?;
                if POSIX.contains(&name) {
                    return None;
                }
                written.extend(['\\', c]);
            }
            // Quoted text, a line break of any kind, a horizontal or vertical space, a reference, a grapheme, the last match.
            'Q' | 'E' | 'R' | 'h' | 'H' | 'v' | 'V' | 'k' | 'X' | 'G' | 'Z' | 'b' | 'B' | '0'..='9' => {
                return None;
            }
            other => written.extend(['\\', other]),
        }
    }
    Some(written)
}

/// The classes of POSIX in Java's patterns.
const POSIX: [&str; 13] = [
    "Lower", "Upper", "ASCII", "Alpha", "Digit", "Alnum", "Punct", "Graph", "Print", "Blank", "Cntrl",
    "XDigit", "Space",
];

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(min: usize, max: Option<usize>, patterns: &[&str]) -> FieldRules {
        let patterns = patterns.iter().map(|pattern| Pattern::of_java(pattern).expect("it runs")).collect();
        FieldRules { min, max, patterns }
    }

    #[test]
    fn without_a_rule_everything_is_accepted() {
        assert_eq!(FieldRules::default().broken_by(""), None);
        assert_eq!(FieldRules::default().broken_by(&"x".repeat(1000)), None);
    }

    #[test]
    fn a_broken_rule_names_its_limit_or_the_character() {
        let field = rules(2, Some(5), &[r"[\p{L} '-]+"]);
        for (text, broken) in [
            ("Ada", None),
            ("Zoë", None),
            ("O'Ha", None),
            ("A", Some(RealmRule::TooShort(2))),
            ("Adalbert", Some(RealmRule::TooLong(5))),
            // Java counts a character beyond the first plane twice.
            ("𝒜𝒜𝒜", Some(RealmRule::TooLong(5))),
            ("J.R.", Some(RealmRule::Character('.'))),
            ("1.2", Some(RealmRule::Pattern)),
            ("...", Some(RealmRule::Pattern)),
        ] {
            assert_eq!(field.broken_by(text), broken, "{text}");
        }
    }

    #[test]
    fn a_pattern_means_what_java_means_or_is_not_run() {
        let accepts = |pattern: &str, text: &str| Pattern::of_java(pattern).map(|run| run.accepts(text));
        // The whole text counts, also beside an alternative.
        assert_eq!(accepts("a|b", "a"), Some(true));
        assert_eq!(accepts("a|b", "ax"), Some(false));
        assert_eq!(accepts("^[a-z]{3}$", "abc"), Some(true));
        // These classes are of ASCII.
        assert_eq!(accepts(r"\w+", "Müller"), Some(false));
        assert_eq!(accepts(r"[\w.-]+", "ada.l-1"), Some(true));
        assert_eq!(accepts(r"\d+", "١٢"), Some(false));
        assert_eq!(accepts(r"[^\d]+", "ada"), Some(true));
        assert_eq!(accepts(r"\p{Lu}\p{IsAlphabetic}*", "Ödön"), Some(true));
        assert_eq!(accepts(r"a\\d", r"a\d"), Some(true));
        for not_run in [r"(?=a)a", r"(?!x).*", r"(a)\1", r"\p{Alpha}+", r"\Qa\E", "(", "a\\", r"\bada\b"] {
            assert_eq!(accepts(not_run, "a"), None, "{not_run}");
        }
        assert!(Pattern::of_java(&["(a{1000}){1000}", ""].concat()).is_none(), "too large");
    }
}
