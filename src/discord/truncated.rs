//! Truncates texts to Discord's limits, which count characters.

/// Truncates a text to `max` characters. If that leaves a code span open, it is closed, because typed text would be formatted otherwise.
pub(super) fn cut_spans(text: &str, max: usize) -> String {
    let closed = |text: &str| text.matches('`').count().is_multiple_of(2);
    let kept = cut(text, max);
    if kept.len() == text.len() || closed(&kept) {
        return kept;
    }
    let shorter = cut(text, max.saturating_sub(1));
    if closed(&shorter) { shorter } else { [&shorter, "`"].concat() }
}

/// Truncates to `max` characters and marks that with an ellipsis.
pub(super) fn cut(text: &str, max: usize) -> String {
    if text.chars().count() <= max {
        return text.to_owned();
    }
    text.chars().take(max.saturating_sub(1)).chain(['…']).take(max).collect()
}
