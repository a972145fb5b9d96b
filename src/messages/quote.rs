//! The only way to put user text into a message: a code span, in which nothing pings, formats or hides.

use crate::domain::person_name::is_shown;

/// The text that is shown if nothing visible is left.
const NOTHING: &str = "—";

/// User text as a code span of at most `max` characters. Backticks would end the span, so they become apostrophes; line breaks become
/// spaces; control, bidi and zero-width characters are removed. Discord reads no mention, link or markup inside a code span.
pub fn code_span(text: &str, max: usize) -> String {
    let mut shown: String = text
        .chars()
        .map(|c| match c {
            '`' => '\'',
            c if c.is_whitespace() => ' ',
            c => c,
        })
        .filter(|c| is_shown(*c))
        .collect();
    if shown.chars().count() > max {
        shown = shown.chars().take(max.saturating_sub(1)).chain(['…']).collect();
    }
    let shown = shown.trim();
    ["`", if shown.is_empty() { NOTHING } else { shown }, "`"].concat()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_code_span_cannot_be_left_and_hides_nothing(text in any::<String>(), max in 1usize..200) {
            let span = code_span(&text, max);
            let inside = span.strip_prefix('`').and_then(|s| s.strip_suffix('`')).expect("a span");
            prop_assert!(!inside.is_empty() && !inside.contains('`') && !inside.contains('\n'));
            prop_assert!(inside.chars().all(is_shown));
            prop_assert!(inside.chars().count() <= max);
        }
    }

    #[test]
    fn tricks_become_plain_text() {
        assert_eq!(code_span("`@everyone`\n**x**\u{202e}", 50), "`'@everyone' **x**`");
        assert_eq!(code_span("\u{200b}\n", 50), "`—`");
    }
}
