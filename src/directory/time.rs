//! Times as directory servers write them.

use jiff::civil::DateTime;
use jiff::tz::TimeZone;

use crate::domain::ids::Timestamp;

/// Reads a `GeneralizedTime` in UTC (RFC 4517 section 3.3.13), the form of operational times. Fractions of a second are dropped.
pub(super) fn read_time(text: &str) -> Option<Timestamp> {
    let digits = text.get(..14)?;
    let rest = text.get(14..)?;
    let is_utc =
        rest.ends_with('Z') && rest[..rest.len() - 1].bytes().all(|b| b.is_ascii_digit() || b == b'.');
    if !is_utc {
        return None;
    }
    let time = DateTime::strptime("%Y%m%d%H%M%S", digits).ok()?;
    let instant = TimeZone::UTC.to_timestamp(time).ok()?;
    Some(Timestamp::from_millis(instant.as_millisecond()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_of_the_server_are_read_and_others_are_not() {
        assert_eq!(read_time("20260101000000Z"), Some(Timestamp::from_millis(1_767_225_600_000)));
        assert_eq!(read_time("20260101000000.5Z"), Some(Timestamp::from_millis(1_767_225_600_000)));
        for text in
            ["", "2026", "20260101000000", "20261301000000Z", "20260101000000+0100", "ä0260101000000Z"]
        {
            assert_eq!(read_time(text), None, "{text:?} was accepted");
        }
    }
}
