//! From a file and the environment to a checked tree, or to everything that is wrong with it.

use std::path::{Path, PathBuf};

use secrecy::SecretString;

use super::diagnostic::{ConfigError, Diagnostic, Diagnostics, Place};
use super::document::Document;
use super::reader::Section;
use super::{Config, Directory, Discord, Guild, Keycloak, environment, sections};

/// What the environment's variables begin with.
pub(super) const PREFIX: &str = "ACCOLADE__";

/// The complete example, with every key, its unit and its default.
pub const EXAMPLE: &str = include_str!("../../config/accolade.example.toml");

/// A configuration that was taken, and what is worth a warning in it.
#[derive(Debug)]
pub struct Loaded {
    /// The checked tree.
    pub config: Config,
    /// What an operator should know.
    pub warnings: Vec<Diagnostic>,
    /// The file that was read.
    pub file: PathBuf,
}

/// What `accolade setup` needs. `federation_id` and `group_mapper_id` may be empty: set-up makes them.
#[derive(Debug)]
pub struct ForSetup {
    /// `[directory]`; its bind password is empty, because set-up never binds as the service.
    pub directory: Directory,
    /// `[keycloak]`; its client secret is empty, because set-up makes it.
    pub keycloak: Keycloak,
    /// `keycloak.client_secret_file`: where the secret shall be written.
    pub client_secret_file: PathBuf,
}

/// What `accolade setup directory` needs.
#[derive(Debug)]
pub struct ForDirectory {
    /// `[directory]`, with the bot's password.
    pub directory: Directory,
    /// `directory.bind_password_file`
    pub bind_password_file: PathBuf,
    /// `[[guild]]`, for the groups that rules grant.
    pub guilds: Vec<Guild>,
}

/// What `accolade setup discord` needs.
#[derive(Debug)]
pub struct ForDiscord {
    /// `[discord]`
    pub discord: Discord,
    /// `[[guild]]`
    pub guilds: Vec<Guild>,
}

/// How much must be there already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// Everything.
    Complete,
    /// Secrets and ids that set-up makes may be missing.
    BeforeSetup,
}

/// Loads `file` with the environment laid over it. Nothing but files is touched: no name is resolved.
pub fn load(file: &Path) -> Result<Config, ConfigError> {
    check(file).map(|loaded| loaded.config)
}

/// As [`load`], with the warnings.
pub fn check(file: &Path) -> Result<Loaded, ConfigError> {
    load_text(file, &read(file)?, &environment::overlay())
}

/// As [`check`], from a text that stands for the content of `file`, and given variables.
pub fn load_text(file: &Path, text: &str, environment: &[(String, String)]) -> Result<Loaded, ConfigError> {
    let findings = Diagnostics::default();
    let config = {
        let document = Document::read(text, environment, &findings);
        let top = Section::new("", Place::File, document.entries, &findings);
        let config = sections::config(&top, folder_of(file));
        top.finish();
        config
    };
    let (config, warnings) = settle(file, findings, config)?;
    Ok(Loaded { config, warnings, file: file.to_owned() })
}

/// Loads what set-up needs; other sections may be missing or unfinished and are not looked at.
pub fn load_for_setup(file: &Path) -> Result<ForSetup, ConfigError> {
    load_part(file, |top, folder| {
        let directory = sections::directory(top, folder, Stage::BeforeSetup);
        let keycloak = sections::keycloak(top, folder, Stage::BeforeSetup);
        let client_secret_file = sections::client_secret_file(top, folder);
        Some(ForSetup { directory: directory?, keycloak: keycloak?, client_secret_file: client_secret_file? })
    })
}

/// Loads what `setup directory` needs, as [`load_for_setup`] does.
pub fn load_for_directory(file: &Path) -> Result<ForDirectory, ConfigError> {
    load_part(file, |top, folder| {
        let directory = sections::directory(top, folder, Stage::Complete);
        let bind_password_file = sections::bind_password_file(top, folder);
        let guilds = sections::guilds(top, &[]);
        Some(ForDirectory { directory: directory?, bind_password_file: bind_password_file?, guilds: guilds? })
    })
}

/// Loads what `setup discord` needs, as [`load_for_setup`] does.
pub fn load_for_discord(file: &Path) -> Result<ForDiscord, ConfigError> {
    load_part(file, |top, folder| {
        let (discord, guilds) = (sections::discord(top, folder), sections::guilds(top, &[]));
        Some(ForDiscord { discord: discord?, guilds: guilds? })
    })
}

/// Loads some sections; others may be missing or unfinished and are not looked at.
fn load_part<T>(file: &Path, part: impl FnOnce(&Section<'_>, &Path) -> Option<T>) -> Result<T, ConfigError> {
    let text = read(file)?;
    let findings = Diagnostics::default();
    let found = {
        let document = Document::read(&text, &environment::overlay(), &findings);
        let top = Section::new("", Place::File, document.entries, &findings);
        part(&top, folder_of(file))
    };
    settle(file, findings, found).map(|(found, _warnings)| found)
}

/// The value if nothing is wrong; else everything that is.
fn settle<T>(
    file: &Path,
    findings: Diagnostics,
    value: Option<T>,
) -> Result<(T, Vec<Diagnostic>), ConfigError> {
    let (faults, warnings) = findings.into_sorted();
    match value {
        Some(value) if faults.is_empty() => Ok((value, warnings)),
        Some(_) | None => Err(ConfigError { file: file.to_owned(), faults }),
    }
}

fn read(file: &Path) -> Result<String, ConfigError> {
    std::fs::read_to_string(file).map_err(|error| {
        let fix =
            "name a readable file with `--config FILE`; `accolade config example` prints one to begin with";
        let diagnostic = Diagnostic::new("", Place::File, format!("cannot be read: {error}"), fix);
        ConfigError { file: file.to_owned(), faults: vec![diagnostic] }
    })
}

fn folder_of(file: &Path) -> &Path {
    file.parent().unwrap_or(Path::new("."))
}

/// No secret yet.
pub(super) fn no_secret() -> SecretString {
    SecretString::from(String::new())
}
