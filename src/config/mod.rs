//! The configuration: one typed tree that is validated as a whole.
//!
//! Unknown keys are errors, and one run reports every error. No other module reads the environment.
//!
//! [`load()`] merges the file and the environment into one tree (`document`). `reader` takes the keys out of it, `values` parses
//! each value, `sections` validates keys that depend on each other, and `files` reads the secrets. The result is a [`Config`].
//! The texts of diagnostics live here and not in `messages`, because they name keys and are read next to the file.

mod changes;
mod diagnostic;
mod document;
mod encode;
mod environment;
mod files;
mod impossible;
mod load;
mod model;
mod reader;
mod sections;
mod shared_config;
mod show;
mod stage;
mod values;

pub use changes::ConfigChanges;
pub use diagnostic::{ConfigError, Diagnostic, Place};
pub use environment::{clock_offset_file, crash_at, file_from_environment, has_service_manager, panic_at};
pub use files::read_secret_file;
pub use load::{
    EXAMPLE, ForDirectory, ForDiscord, ForSetup, Loaded, check, load, load_for_directory, load_for_discord,
    load_for_setup, load_text,
};
pub use model::{
    Account, Config, Directory, Discord, Endpoint, Flavour, Guild, Http, Keycloak, Log, LogFormat,
    RateLimits, Request, Store, Username,
};
pub use shared_config::SharedConfig;
pub use show::show;

#[cfg(test)]
mod tests;
#[cfg(test)]
pub(crate) use tests::example_with_files;
