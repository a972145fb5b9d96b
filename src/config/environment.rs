//! The environment, read here and nowhere else.

use std::path::PathBuf;
use std::time::Duration;

/// The variables that belong to Accolade's configuration, sorted: a table comes before the keys in it.
pub(super) fn overlay() -> Vec<(String, String)> {
    #[expect(clippy::disallowed_methods, reason = "this is the room of the environment")]
    let variables = std::env::vars_os();
    let mut found: Vec<(String, String)> = variables
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.to_string_lossy().into_owned())))
        .filter(|(name, _)| name.starts_with(super::load::PREFIX))
        .collect();
    found.sort();
    found
}

fn path(name: &str) -> Option<PathBuf> {
    #[expect(clippy::disallowed_methods, reason = "this is the room of the environment")]
    let value = std::env::var_os(name)?;
    (!value.is_empty()).then(|| PathBuf::from(value))
}

/// `ACCOLADE_CONFIG`: the file, where `--config` names none.
pub fn file_from_environment() -> Option<PathBuf> {
    path("ACCOLADE_CONFIG")
}

/// `ACCOLADE_CLOCK_OFFSET_FILE`: a file with milliseconds to add to the clock. Only builds for tests heed it.
pub fn clock_offset_file() -> Option<PathBuf> {
    path("ACCOLADE_CLOCK_OFFSET_FILE")
}

/// `ACCOLADE_CRASH_AT`: `NAME:hit`, where to die. Only builds for tests heed it.
pub fn crash_at() -> Option<String> {
    path("ACCOLADE_CRASH_AT").map(|value| value.to_string_lossy().into_owned())
}

/// `ACCOLADE_PANIC_AT`: `NAME:hit`, where to panic as by a defect. Only builds for tests heed it.
pub fn panic_at() -> Option<String> {
    path("ACCOLADE_PANIC_AT").map(|value| value.to_string_lossy().into_owned())
}

/// `NOTIFY_SOCKET`: where a service manager listens; `@` stands for an abstract address.
pub fn notify_socket() -> Option<PathBuf> {
    path("NOTIFY_SOCKET")
}

/// `WATCHDOG_USEC`: within which span the service manager wants a sign of life, if it means this process (`WATCHDOG_PID`).
pub fn watchdog_span() -> Option<Duration> {
    let number = |name| path(name).and_then(|value| value.to_string_lossy().parse::<u64>().ok());
    let is_ours = number("WATCHDOG_PID").is_none_or(|pid| pid == u64::from(std::process::id()));
    number("WATCHDOG_USEC").filter(|micros| is_ours && *micros > 0).map(Duration::from_micros)
}
