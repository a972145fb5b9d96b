//! The environment variables. No other file reads them.

use std::path::PathBuf;

/// The prefix of every variable that sets a key of the configuration.
pub(super) const PREFIX: &str = "ACCOLADE__";

/// The variables that set configuration keys, sorted so that a table comes before the keys in it.
pub(super) fn overlay() -> Vec<(String, String)> {
    #[expect(clippy::disallowed_methods, reason = "only this file reads the environment")]
    let variables = std::env::vars_os();
    let mut found: Vec<(String, String)> = variables
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.to_string_lossy().into_owned())))
        .filter(|(name, _)| name.starts_with(PREFIX))
        .collect();
    found.sort();
    found
}

fn path(name: &str) -> Option<PathBuf> {
    #[expect(clippy::disallowed_methods, reason = "only this file reads the environment")]
    let value = std::env::var_os(name)?;
    (!value.is_empty()).then(|| PathBuf::from(value))
}

/// `ACCOLADE_CONFIG`: the configuration file if `--config` is not given.
pub fn file_from_environment() -> Option<PathBuf> {
    path("ACCOLADE_CONFIG")
}

/// `ACCOLADE_CLOCK_OFFSET_FILE`: a file with milliseconds to add to the clock. Only test builds use it.
pub fn clock_offset_file() -> Option<PathBuf> {
    path("ACCOLADE_CLOCK_OFFSET_FILE")
}

/// `ACCOLADE_CRASH_AT`: `NAME:hit`, the crash point at which the process dies. Only test builds use it.
pub fn crash_at() -> Option<String> {
    path("ACCOLADE_CRASH_AT").map(|value| value.to_string_lossy().into_owned())
}

/// `ACCOLADE_PANIC_AT`: `NAME:hit`, the crash point at which the process panics. Only test builds use it.
pub fn panic_at() -> Option<String> {
    path("ACCOLADE_PANIC_AT").map(|value| value.to_string_lossy().into_owned())
}

/// Whether `NOTIFY_SOCKET` names the socket of a service manager. The crate `sd-notify` reads this variable and the watchdog's.
pub fn has_service_manager() -> bool {
    path("NOTIFY_SOCKET").is_some()
}
