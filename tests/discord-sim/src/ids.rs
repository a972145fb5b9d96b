//! Snowflakes and times in Discord's formats. This module has no state.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;

/// 2015-01-01T00:00Z in Unix milliseconds: the epoch of Discord's snowflakes.
const EPOCH_MS: i64 = 1_420_070_400_000;

/// A snowflake. In JSON it is a string; numbers are accepted too, as by Discord.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Id(pub u64);

impl Id {
    /// The snowflake of a moment (Unix milliseconds) with its lower 22 bits.
    pub fn at(ms: i64, low_bits: u64) -> Self {
        Self((((ms - EPOCH_MS).max(1) as u64) << 22) | (low_bits & 0x3f_ffff))
    }

    /// When the object with this id was created, in Unix milliseconds.
    pub fn made_at_ms(self) -> i64 {
        (self.0 >> 22) as i64 + EPOCH_MS
    }

    /// Reads an id that a client sent as a string or as a number.
    pub(crate) fn of(value: &Value) -> Option<Self> {
        value.as_str().and_then(|text| text.parse().ok()).or_else(|| value.as_u64().map(Self))
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for Id {
    type Err = std::num::ParseIntError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse().map(Self)
    }
}

impl From<Id> for u64 {
    fn from(id: Id) -> Self {
        id.0
    }
}

impl Serialize for Id {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Id {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = Value::deserialize(deserializer)?;
        Self::of(&value).ok_or_else(|| serde::de::Error::custom("a snowflake is a string of digits"))
    }
}

/// Unix milliseconds as ISO 8601 in UTC, in Discord's form (`2026-11-23T22:45:07.123000+00:00`).
pub(crate) fn iso(ms: i64) -> String {
    let (days, in_day) = (ms.div_euclid(86_400_000), ms.rem_euclid(86_400_000));
    let (year, month, day) = civil(days);
    let (hour, minute) = (in_day / 3_600_000, in_day / 60_000 % 60);
    let (second, milli) = (in_day / 1000 % 60, in_day % 1000);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{milli:03}000+00:00")
}

/// The date of a day number since 1970-01-01 (Howard Hinnant's `civil_from_days`).
fn civil(days: i64) -> (i64, i64, i64) {
    let z = days + 719_468;
    let era = z.div_euclid(146_097);
    let doe = z.rem_euclid(146_097);
    let yoe = (doe - doe / 1460 + doe / 36_524 - doe / 146_096) / 365;
    let doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    let mp = (5 * doy + 2) / 153;
    let month = if mp < 10 { mp + 3 } else { mp - 9 };
    (yoe + era * 400 + i64::from(month <= 2), month, doy - (153 * mp + 2) / 5 + 1)
}

/// `count` random bytes as lower-case hex, for tokens and session ids.
pub(crate) fn random_hex(count: usize) -> String {
    let bytes: Vec<u8> = (0..count).map(|_| rand::random()).collect();
    hex::encode(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_written_as_discord_writes_it() {
        assert_eq!(iso(0), "1970-01-01T00:00:00.000000+00:00");
        assert_eq!(iso(951_782_400_123), "2000-02-29T00:00:00.123000+00:00");
        assert_eq!(iso(1_795_473_907_000), "2026-11-23T22:45:07.000000+00:00");
    }

    #[test]
    fn a_snowflake_tells_when_it_was_made() {
        assert_eq!(Id::at(1_700_000_000_000, 5).made_at_ms(), 1_700_000_000_000);
        assert_eq!(Id(175_928_847_299_117_063).made_at_ms(), 1_462_015_105_796);
    }
}
