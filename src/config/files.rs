//! The files that a configuration names: secrets and certificates.
//!
//! Diagnostics never contain what a secret file contains.

use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use secrecy::SecretString;

use super::diagnostic::ValueError;
use super::reader::Section;
use crate::net::{self, CaFileError};

/// Users other than the owner and the group may write.
const OTHERS_WRITE: u32 = 0o002;
/// Users other than the owner and the group may read.
const OTHERS_READ: u32 = 0o004;
/// Tokens and passwords are short; a larger file is the wrong one.
const LARGEST_SECRET: u64 = 64 * 1024;

/// Resolves a path relative to the folder of the configuration file.
pub(super) fn resolve(folder: &Path, text: &str) -> PathBuf {
    folder.join(text)
}

/// Reads the secret that the key names.
pub(super) fn required_secret(
    section: &Section<'_>,
    key: &'static str,
    folder: &Path,
) -> Option<SecretString> {
    let path = resolve(folder, &section.required(key, super::values::line)?);
    read_secret(section, key, &path)
}

/// Reads the secret that the key names, if it names one. The outer `None` means an error.
#[expect(clippy::option_option, reason = "invalid, absent and set are three cases")]
pub(super) fn optional_secret(
    section: &Section<'_>,
    key: &'static str,
    folder: &Path,
) -> Option<Option<SecretString>> {
    match section.optional(key, super::values::line)? {
        None => Some(None),
        Some(path) => read_secret(section, key, &resolve(folder, &path)).map(Some),
    }
}

fn read_secret(section: &Section<'_>, key: &'static str, path: &Path) -> Option<SecretString> {
    validate_mode(section, key, path);
    secret_of(path).map_err(|error| section.error(key, error.problem, error.fix)).ok()
}

/// Reports an error if all users may write the file, and a warning if all users may read it. Read access is only a warning,
/// because container platforms mount secrets world-readable into a folder that only the service can open.
pub(super) fn validate_mode(section: &Section<'_>, key: &str, path: &Path) {
    let Ok(about) = std::fs::metadata(path) else { return };
    let mode = about.permissions().mode();
    let fix = format!("run `chmod 600 {}`", path.display());
    if mode & OTHERS_WRITE != 0 {
        section.error(key, format!("every user can write to {}", path.display()), fix);
    } else if mode & OTHERS_READ != 0 {
        section.warn(key, format!("every user can read {}", path.display()), fix);
    }
}

/// Reads a secret, which must be one non-empty line. One newline at its end is ignored.
pub fn read_secret_file(path: &Path) -> Result<SecretString, String> {
    secret_of(path).map_err(|error| format!("{}; {}", error.problem, error.fix))
}

fn secret_of(path: &Path) -> Result<SecretString, ValueError> {
    let shown = path.display();
    let unreadable = |error: &io::Error| {
        ValueError::new(
            format!("{shown} cannot be read: {error}"),
            "create it with the secret, readable for this user",
        )
    };
    let about = std::fs::metadata(path).map_err(|error| unreadable(&error))?;
    if !about.is_dir() && about.len() > LARGEST_SECRET {
        return Err(ValueError::new(
            format!("{shown} is too big for a secret"),
            "name the file of the secret",
        ));
    }
    let text = std::fs::read_to_string(path).map_err(|error| unreadable(&error))?;
    let secret =
        text.strip_suffix('\n').map_or(text.as_str(), |line| line.strip_suffix('\r').unwrap_or(line));
    if secret.is_empty() {
        return Err(ValueError::new(format!("{shown} is empty"), "write the secret into it"));
    }
    if secret.chars().any(char::is_control) {
        let fix = "keep only the secret itself in it, on one line";
        return Err(ValueError::new(format!("{shown} holds more than one line"), fix));
    }
    Ok(SecretString::from(secret))
}

/// The CA file that the key names, if it names one. The outer `None` means an error.
#[expect(clippy::option_option, reason = "invalid, absent and set are three cases")]
pub(super) fn optional_ca(
    section: &Section<'_>,
    key: &'static str,
    folder: &Path,
) -> Option<Option<PathBuf>> {
    match section.optional(key, super::values::line)? {
        None => Some(None),
        Some(path) => ca(section, key, resolve(folder, &path)).map(Some),
    }
}

/// The CA file that the key must name.
pub(super) fn required_ca(section: &Section<'_>, key: &'static str, folder: &Path) -> Option<PathBuf> {
    let path = section.required(key, super::values::line)?;
    ca(section, key, resolve(folder, &path))
}

fn ca(section: &Section<'_>, key: &'static str, path: PathBuf) -> Option<PathBuf> {
    let shown = path.display();
    let (problem, fix) = match net::read_ca_file(&path) {
        Ok(_) => return Some(path),
        Err(CaFileError::Unreadable(error)) => {
            (format!("{shown} cannot be read: {error}"), "name a readable file of certificates")
        }
        Err(CaFileError::NoCertificate) => {
            (format!("{shown} holds no certificate"), "name a file with the CA in PEM form")
        }
    };
    section.error(key, problem, fix);
    None
}
