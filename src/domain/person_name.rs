//! Given and family names: any script, one line, nothing that a mail program or a page could read as markup.

use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

/// A legal given or family name, NFC, 1 to 64 characters.
#[derive(Clone, PartialEq, Eq)]
pub struct PersonName(String);

/// Which rule a person's name breaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IllegalPersonName {
    /// Nothing was typed.
    #[error("the name is empty")]
    Empty,
    /// Longer than 64 characters.
    #[error("the name is too long")]
    TooLong,
    /// A control, format or bidi character, an angle bracket, or a character that shows nothing.
    #[error("the name has a character that is not allowed")]
    Character,
    /// It looks like a web or mail address.
    #[error("the name reads like an address")]
    LooksLikeAddress,
}

/// The longest name, in characters. Passports print fewer; Keycloak's limit is 255.
pub const NAME_MAX: usize = 64;

impl PersonName {
    /// Checks what was typed, after it was composed (NFC) and runs of spaces were reduced to one space.
    pub fn parse(typed: &str) -> Result<Self, IllegalPersonName> {
        // No name needs more input than this, even before it is composed.
        if typed.len() > NAME_MAX * 32 {
            return Err(IllegalPersonName::TooLong);
        }
        let name = draw_spaces_together(&typed.nfc().collect::<String>());
        if name.is_empty() {
            return Err(IllegalPersonName::Empty);
        }
        if name.chars().count() > NAME_MAX {
            return Err(IllegalPersonName::TooLong);
        }
        let is_markup = |c: char| matches!(c, '<' | '>');
        if name.chars().any(|c| !is_shown(c) || is_markup(c)) || name.starts_with(is_combining_mark) {
            return Err(IllegalPersonName::Character);
        }
        if reads_like_address(&name) {
            return Err(IllegalPersonName::LooksLikeAddress);
        }
        Ok(Self(name))
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for PersonName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("PersonName(…)")
    }
}

/// Whether a character is visible as itself: no control, format, bidi, zero-width, private or blank character.
///
/// Zero-width joiners are refused, too. Some scripts use them inside names, but nobody can see whether two names differ by one.
pub fn is_shown(c: char) -> bool {
    !c.is_control()
        && !matches!(c,
            // Format characters (general category Cf), line and paragraph separators, bidi controls.
            '\u{ad}' | '\u{600}'..='\u{605}' | '\u{61c}' | '\u{6dd}' | '\u{70f}' | '\u{890}'..='\u{891}' | '\u{8e2}' | '\u{180e}'
            | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff0}'..='\u{fffb}'
            | '\u{110bd}' | '\u{110cd}' | '\u{13430}'..='\u{1345f}' | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}'
            // Invisible characters: joiners, fillers, variation selectors, the braille blank, tags.
            | '\u{34f}' | '\u{115f}'..='\u{1160}' | '\u{17b4}'..='\u{17b5}' | '\u{180b}'..='\u{180f}' | '\u{2800}' | '\u{3164}'
            | '\u{fe00}'..='\u{fe0f}' | '\u{ffa0}' | '\u{e0000}'..='\u{e0fff}'
            // Private use, and the replacement of unreadable characters.
            | '\u{e000}'..='\u{f8ff}' | '\u{fffc}'..='\u{ffff}' | '\u{f0000}'..='\u{10ffff}')
}

/// Replaces each run of spaces of any kind by one plain space, and removes spaces at the ends. Line breaks and tabs stay, so that they
/// are refused.
fn draw_spaces_together(name: &str) -> String {
    let is_space = |c: char| c.is_whitespace() && !c.is_control() && !matches!(c, '\u{2028}' | '\u{2029}');
    name.split(is_space).filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" ")
}

/// Whether a mail program would turn it into a link: a scheme, `www.`, an `@`, or a domain with a path.
fn reads_like_address(name: &str) -> bool {
    let lower = name.to_lowercase();
    let has_path = |word: &str| {
        word.split_once('/').is_some_and(|(host, _)| {
            host.rsplit_once('.').is_some_and(|(before, last)| {
                !before.is_empty() && last.chars().count() >= 2 && last.chars().all(char::is_alphanumeric)
            })
        })
    };
    lower.contains("://") || lower.contains("www.") || lower.contains('@') || lower.split(' ').any(has_path)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_of_people_are_taken_in_any_script() {
        for (typed, taken) in [
            ("Ada", "Ada"),
            ("  Ada   Augusta ", "Ada Augusta"),
            ("O'Hara", "O'Hara"),
            ("d’Arc", "d’Arc"),
            ("Jean-Luc", "Jean-Luc"),
            ("J. R. R.", "J. R. R."),
            ("Dr. Who Jr.", "Dr. Who Jr."),
            ("Nguye\u{302}\u{303}n", "Nguyễn"),
            ("李", "李"),
            ("محمد", "محمد"),
            ("Ελένη", "Ελένη"),
            ("Ada\u{a0}Augusta", "Ada Augusta"),
            ("X Æ A-12", "X Æ A-12"),
            ("s/o Raman", "s/o Raman"),
            ("St.John", "St.John"),
        ] {
            assert_eq!(PersonName::parse(typed).map(|name| name.0), Ok(taken.to_owned()), "{typed:?}");
        }
    }

    #[test]
    fn an_illegal_name_says_which_rule_it_breaks() {
        use IllegalPersonName::{Character, Empty, LooksLikeAddress, TooLong};
        let long = "x".repeat(65);
        let very_long = "x".repeat(100_000);
        for (typed, rule) in [
            ("", Empty),
            (" \u{a0} ", Empty),
            (long.as_str(), TooLong),
            (very_long.as_str(), TooLong),
            ("Ada\nLovelace", Character),
            ("Ada\r\nBcc: x", Character),
            ("Ada\t", Character),
            ("Ada\u{0}", Character),
            ("\u{202e}adA", Character),
            ("A\u{200b}da", Character),
            ("Ada\u{2066}", Character),
            ("Ada\u{feff}", Character),
            ("\u{3164}", Character),
            ("\u{2800}", Character),
            ("\u{e001}", Character),
            ("A\u{e0041}", Character),
            ("\u{301}Ada", Character),
            ("<b>Ada</b>", Character),
            ("Ada>", Character),
            ("https://evil.example", LooksLikeAddress),
            ("HTTP://x", LooksLikeAddress),
            ("Visit www.evil.example", LooksLikeAddress),
            ("evil.example/win", LooksLikeAddress),
            ("Win at bit.ly/x now", LooksLikeAddress),
            ("ada@example.org", LooksLikeAddress),
        ] {
            assert_eq!(PersonName::parse(typed), Err(rule), "{typed:?}");
        }
    }

    #[test]
    fn sixty_four_characters_are_counted_as_people_count() {
        assert!(PersonName::parse(&"e\u{301}".repeat(64)).is_ok());
        assert!(PersonName::parse(&"李".repeat(64)).is_ok());
    }

    proptest! {
        #[test]
        fn whatever_is_taken_is_one_shown_line_and_reads_back(typed in "(?s).{0,80}") {
            if let Ok(name) = PersonName::parse(&typed) {
                let text = name.as_str();
                let length = text.chars().count();
                prop_assert!((1..=NAME_MAX).contains(&length));
                prop_assert!(text.chars().all(|c| is_shown(c) && !"<>@\r\n\t".contains(c)));
                prop_assert!(!text.contains("://"));
                prop_assert_eq!(PersonName::parse(text), Ok(name.clone()));
            }
        }
    }
}
