//! Loads a file and the environment into a validated [`Config`], or reports all errors.

use std::path::{Path, PathBuf};

use super::diagnostic::{ConfigError, Diagnostic, Diagnostics, Place};
use super::document::Document;
use super::model::{Config, Directory, Discord, Guild, Keycloak};
use super::reader::Section;
use super::stage::Stage;
use super::{environment, sections};

/// The complete example, with every key, its unit and its default.
pub const EXAMPLE: &str = include_str!("../../config/accolade.example.toml");

/// A valid configuration with its warnings.
#[derive(Debug)]
pub struct Loaded {
    /// The validated tree.
    pub config: Config,
    /// Warnings for the operator.
    pub warnings: Vec<Diagnostic>,
    /// The file that was read.
    pub file: PathBuf,
}

/// The part that `accolade setup keycloak` needs. `federation_id` and `group_mapper_id` may be empty, because set-up creates them.
#[derive(Debug)]
pub struct ForSetup {
    /// `[directory]`; its bind password is empty, because set-up never binds as the bot.
    pub directory: Directory,
    /// `[keycloak]`; its client secret is empty, because set-up creates it.
    pub keycloak: Keycloak,
    /// `keycloak.client_secret_file`: the file to write the secret to.
    pub client_secret_file: PathBuf,
}

/// The part that `accolade setup directory` needs.
#[derive(Debug)]
pub struct ForDirectory {
    /// `[directory]`, with the bot's password.
    pub directory: Directory,
    /// `directory.bind_password_file`
    pub bind_password_file: PathBuf,
    /// `[[guild]]`, for the groups that rules grant.
    pub guilds: Vec<Guild>,
}

/// The part that `accolade setup discord` needs.
#[derive(Debug)]
pub struct ForDiscord {
    /// `[discord]`
    pub discord: Discord,
    /// `[[guild]]`
    pub guilds: Vec<Guild>,
}

/// Loads `file` and applies the environment on top of it. Only files are read; no host name is resolved.
pub fn load(file: &Path) -> Result<Config, ConfigError> {
    check(file).map(|loaded| loaded.config)
}

/// Like [`load`], with the warnings.
pub fn check(file: &Path) -> Result<Loaded, ConfigError> {
    load_text(file, &read(file)?, &environment::overlay())
}

/// Like [`check`], with the content of `file` and the environment given as values.
pub fn load_text(file: &Path, text: &str, environment: &[(String, String)]) -> Result<Loaded, ConfigError> {
    let diagnostics = Diagnostics::default();
    let config = {
        let document = Document::read(text, environment, &diagnostics);
        let top = Section::new("", Place::File, document.entries, &diagnostics);
        let config = sections::config(&top, folder_of(file));
        top.finish();
        config
    };
    let (config, warnings) = finish(file, diagnostics, config)?;
    Ok(Loaded { config, warnings, file: file.to_owned() })
}

/// Loads the sections that `setup keycloak` needs. The other sections are not read, so they may be missing or invalid.
pub fn load_for_setup(file: &Path) -> Result<ForSetup, ConfigError> {
    load_part(file, |top, folder| {
        let directory = sections::directory(top, folder, Stage::BeforeSetup);
        let keycloak = sections::keycloak(top, folder, Stage::BeforeSetup);
        let client_secret_file = sections::client_secret_file(top, folder);
        Some(ForSetup { directory: directory?, keycloak: keycloak?, client_secret_file: client_secret_file? })
    })
}

/// Loads the sections that `setup directory` needs. The other sections are not read.
pub fn load_for_directory(file: &Path) -> Result<ForDirectory, ConfigError> {
    load_part(file, |top, folder| {
        let directory = sections::directory(top, folder, Stage::Complete);
        let bind_password_file = sections::bind_password_file(top, folder);
        let guilds = sections::guilds(top, &[]);
        Some(ForDirectory { directory: directory?, bind_password_file: bind_password_file?, guilds: guilds? })
    })
}

/// Loads the sections that `setup discord` needs. The other sections are not read.
pub fn load_for_discord(file: &Path) -> Result<ForDiscord, ConfigError> {
    load_part(file, |top, folder| {
        let (discord, guilds) = (sections::discord(top, folder), sections::guilds(top, &[]));
        Some(ForDiscord { discord: discord?, guilds: guilds? })
    })
}

/// Loads only the sections that `part` reads.
fn load_part<T>(file: &Path, part: impl FnOnce(&Section<'_>, &Path) -> Option<T>) -> Result<T, ConfigError> {
    let text = read(file)?;
    let diagnostics = Diagnostics::default();
    let found = {
        let document = Document::read(&text, &environment::overlay(), &diagnostics);
        let top = Section::new("", Place::File, document.entries, &diagnostics);
        part(&top, folder_of(file))
    };
    finish(file, diagnostics, found).map(|(found, _warnings)| found)
}

/// The value with the warnings, or all errors if there is one.
fn finish<T>(
    file: &Path,
    diagnostics: Diagnostics,
    value: Option<T>,
) -> Result<(T, Vec<Diagnostic>), ConfigError> {
    let (errors, warnings) = diagnostics.into_sorted();
    match value {
        Some(value) if errors.is_empty() => Ok((value, warnings)),
        Some(_) | None => Err(ConfigError { file: file.to_owned(), errors }),
    }
}

fn read(file: &Path) -> Result<String, ConfigError> {
    std::fs::read_to_string(file).map_err(|error| {
        let fix = "name a readable file with `--config FILE`; `accolade config example` prints an example";
        let diagnostic = Diagnostic::new("", Place::File, format!("cannot be read: {error}"), fix);
        ConfigError { file: file.to_owned(), errors: vec![diagnostic] }
    })
}

fn folder_of(file: &Path) -> &Path {
    file.parent().unwrap_or(Path::new("."))
}
