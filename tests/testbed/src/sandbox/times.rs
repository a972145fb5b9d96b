//! Formats Discord's timestamps (`<t:1700000000:R>`) for a terminal, as its client would show them.

use std::borrow::Cow;

use jiff::Timestamp;

/// Replaces every timestamp in the text with words: `:R` with a span from `now`, all others with a date.
pub(super) fn in_words(text: &str, now: Timestamp) -> Cow<'_, str> {
    if !text.contains("<t:") {
        return text.into();
    }
    let mut shown = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("<t:") {
        shown.push_str(before);
        let stamp = after.split_once('>').and_then(|(stamp, after)| Some((spoken(stamp, now)?, after)));
        rest = if let Some((words, after)) = stamp {
            shown.push_str(&words);
            after
        } else {
            shown.push_str("<t:");
            after
        };
    }
    shown.push_str(rest);
    shown.into()
}

/// Parses `1700000000` or `1700000000:R`.
fn spoken(stamp: &str, now: Timestamp) -> Option<String> {
    let (second, style) = stamp.split_once(':').unwrap_or((stamp, "f"));
    let at = Timestamp::from_second(second.parse().ok()?).ok()?;
    if style == "R" {
        return Some(span(at.as_second() - now.as_second()));
    }
    Some(at.strftime("%d %B %Y %H:%M UTC").to_string())
}

/// Formats a distance in its largest unit.
fn span(seconds: i64) -> String {
    const UNITS: [(i64, &str); 6] = [
        (365 * 86_400, "year"),
        (30 * 86_400, "month"),
        (86_400, "day"),
        (3_600, "hour"),
        (60, "minute"),
        (1, "second"),
    ];
    let distance = seconds.abs();
    let (size, unit) = UNITS.into_iter().find(|(size, _)| distance >= *size).unwrap_or((1, "second"));
    let count = distance / size;
    let plural = if count == 1 { "" } else { "s" };
    if seconds > 0 { format!("in {count} {unit}{plural}") } else { format!("{count} {unit}{plural} ago") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timestamps_become_words_and_all_else_stays() {
        let now = Timestamp::from_second(1_700_000_000).expect("a time");
        let shown = |text| in_words(text, now).into_owned();
        assert_eq!(
            shown("sent <t:1699999990:R>, ends <t:1700000900:R>."),
            "sent 10 seconds ago, ends in 15 minutes."
        );
        assert_eq!(shown("since <t:1668464000:R>"), "since 1 year ago");
        assert_eq!(shown("<t:1700000000:R>"), "0 seconds ago");
        assert!(shown("at <t:1700000000:f>").contains("November 2023"), "{}", shown("at <t:1700000000:f>"));
        for untouched in ["", "a < b", "<t:>", "<t:x:R>", "<t:17", "<@1700000000>"] {
            assert_eq!(shown(untouched), untouched);
        }
    }
}
