//! Given and family names: any script, one line, nothing that a mail program or a page could read as markup.

use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::{canonical_combining_class, is_combining_mark};
use unicode_properties::{GeneralCategory, UnicodeGeneralCategory as _};

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
    /// A control, format or bidi character, a character that shows nothing, a symbol, or one that Keycloak refuses.
    #[error("the name has a character that is not allowed")]
    Character(char),
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
        if let Some(refused) = first_hidden_or_symbol(&name) {
            return Err(IllegalPersonName::Character(refused));
        }
        if let Some(mark) = name.chars().next().filter(|first| is_combining_mark(*first)) {
            return Err(IllegalPersonName::Character(mark));
        }
        if reads_like_address(&name) {
            return Err(IllegalPersonName::LooksLikeAddress);
        }
        if let Some(refused) = name.chars().find(|c| is_refused_by_keycloak(*c)) {
            return Err(IllegalPersonName::Character(refused));
        }
        Ok(Self(name))
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The characters that Keycloak's validator `person-name-prohibited-characters` refuses by default in a first or last name. A person
/// with one of them can't be changed by any call: Keycloak validates the whole user each time.
fn is_refused_by_keycloak(c: char) -> bool {
    "<>&\"$%!#?§;*~/\\|^=+[]{}()".contains(c) || c.is_control()
}

/// The first character that shows nothing, except a joiner that its neighbours need, or that is a symbol.
fn first_hidden_or_symbol(name: &str) -> Option<char> {
    let chars: Vec<char> = name.chars().collect();
    let neighbour = |at: Option<usize>| at.and_then(|at| chars.get(at)).copied().unwrap_or(' ');
    let is_refused = |(at, c): (usize, &char)| {
        let (before, after) = (neighbour(at.checked_sub(1)), neighbour(at.checked_add(1)));
        (is_symbol(*c) || !is_shown(*c)) && !is_needed_joiner(before, *c, after)
    };
    chars.iter().enumerate().find(|found| is_refused(*found)).map(|(_, c)| *c)
}

/// Whether a zero-width joiner or non-joiner changes how its neighbours are written, so that the name needs it: beside a virama in the
/// scripts of India and Sri Lanka, and a non-joiner between two Arabic letters. RFC 5892 appendix A allows domain names the same.
fn is_needed_joiner(before: char, c: char, after: char) -> bool {
    const NON_JOINER: char = '\u{200c}';
    const JOINER: char = '\u{200d}';
    const VIRAMA: u8 = 9;
    let is_virama = |c: char| canonical_combining_class(c) == VIRAMA;
    let is_arabic =
        |c: char| matches!(c, '\u{620}'..='\u{6ff}' | '\u{750}'..='\u{77f}' | '\u{8a0}'..='\u{8ff}');
    match c {
        NON_JOINER => is_virama(before) || (is_arabic(before) && is_arabic(after)),
        JOINER => is_virama(before) || is_virama(after),
        _ => false,
    }
}

/// Whether a character is a pictograph, an arrow, a currency sign or another symbol, and no part of any name. Modifier symbols (category
/// Sk) are left out: people type an acute accent as an apostrophe.
fn is_symbol(c: char) -> bool {
    matches!(
        c.general_category(),
        GeneralCategory::OtherSymbol | GeneralCategory::MathSymbol | GeneralCategory::CurrencySymbol
    ) || matches!(c, '\u{2190}'..='\u{2bff}' | '\u{1f000}'..='\u{1faff}')
}

/// A name that Keycloak accepts in place of one that it refuses: the same without what may be refused. A word of its own if nothing is
/// left.
pub fn stand_in(name: &str) -> String {
    let is_fine =
        |c: &char| c.is_alphanumeric() || is_combining_mark(*c) || matches!(c, ' ' | '-' | '\'' | '.');
    let kept: String = name.chars().filter(is_fine).take(NAME_MAX).collect();
    let kept = draw_spaces_together(&kept);
    if kept.chars().any(char::is_alphanumeric) { kept } else { "Blocked".to_owned() }
}

impl std::fmt::Debug for PersonName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("PersonName(…)")
    }
}

/// Whether a character is visible as itself: no control, format, bidi, zero-width, private or blank character.
///
/// A zero-width joiner is hidden, too: nobody can see whether two texts differ by one. Some names need it ([`PersonName::parse`]).
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
            ("St.John", "St.John"),
            ("O´Brien", "O´Brien"),
            ("Núria Pol·lux", "Núria Pol·lux"),
            ("Kaʻiulani", "Kaʻiulani"),
            ("امیر\u{200c}حسین", "امیر\u{200c}حسین"),
            ("ශ්\u{200d}රියානි", "ශ්\u{200d}රියානි"),
            ("ನಿತಿನ್\u{200c}", "ನಿತಿನ್\u{200c}"),
            ("র\u{200d}্যাহা", "র\u{200d}্যাহা"),
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
            ("Ada\nLovelace", Character('\n')),
            ("Ada\r\nBcc: x", Character('\r')),
            ("Ada\t", Character('\t')),
            ("Ada\u{0}", Character('\u{0}')),
            ("\u{202e}adA", Character('\u{202e}')),
            ("A\u{200b}da", Character('\u{200b}')),
            ("Ada\u{2066}", Character('\u{2066}')),
            ("Ada\u{feff}", Character('\u{feff}')),
            ("\u{3164}", Character('\u{3164}')),
            ("\u{2800}", Character('\u{2800}')),
            ("\u{e001}", Character('\u{e001}')),
            ("A\u{e0041}", Character('\u{e0041}')),
            ("\u{301}Ada", Character('\u{301}')),
            ("<b>Ada</b>", Character('<')),
            ("Ada>", Character('>')),
            ("Anne (Annie)", Character('(')),
            ("O&M", Character('&')),
            ("s/o Raman", Character('/')),
            ("Ada 🎉", Character('🎉')),
            ("👩\u{200d}💻", Character('👩')),
            ("A\u{200d}da", Character('\u{200d}')),
            ("A\u{200c}da", Character('\u{200c}')),
            ("محمد\u{200c}", Character('\u{200c}')),
            ("مح\u{200d}مد", Character('\u{200d}')),
            ("ශ්\u{200d}\u{200d}රි", Character('\u{200d}')),
            ("♥ Ada", Character('♥')),
            ("Ada™", Character('™')),
            ("Ada ©", Character('©')),
            ("Ada€", Character('€')),
            ("Ada ÷ Grace", Character('÷')),
            ("A🏽da", Character('🏽')),
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

    #[test]
    fn a_stand_in_is_a_legal_name_close_to_the_real_one() {
        for (name, wanted) in [
            ("Anne (Annie)", "Anne Annie"),
            ("O&M", "OM"),
            ("O'Hara-Smith Jr.", "O'Hara-Smith Jr."),
            ("李 *", "李"),
            ("&&", "Blocked"),
            ("", "Blocked"),
        ] {
            assert_eq!(stand_in(name), wanted);
            assert!(PersonName::parse(wanted).is_ok(), "{wanted}");
        }
        assert_eq!(stand_in(&"x".repeat(400)).len(), NAME_MAX);
    }

    proptest! {
        #[test]
        fn whatever_is_taken_is_one_shown_line_and_reads_back(typed in "(?s).{0,80}") {
            if let Ok(name) = PersonName::parse(&typed) {
                let text = name.as_str();
                let length = text.chars().count();
                prop_assert!((1..=NAME_MAX).contains(&length));
                let is_joiner = |c: char| matches!(c, '\u{200c}' | '\u{200d}');
                prop_assert!(text.chars().all(|c| (is_shown(c) || is_joiner(c)) && c != '@' && !is_refused_by_keycloak(c)));
                prop_assert!(!text.contains("://"));
                prop_assert_eq!(PersonName::parse(text), Ok(name.clone()));
            }
        }
    }
}
