//! Errors and warnings about a configuration, each with its key, its place and how to fix it.
//!
//! A diagnostic never quotes a secret, nor a URL that may contain one.

use std::cell::RefCell;
use std::fmt;
use std::path::{Path, PathBuf};

/// Where a key is set.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// The file as a whole.
    File,
    /// A position in the file; both numbers start at 1.
    Line {
        /// The line.
        line: usize,
        /// The column, in characters.
        column: usize,
    },
    /// An environment variable of this name.
    Environment(String),
}

/// One error or one warning.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// The key, such as `guild[0].rule[1].approval`; empty for the file as a whole.
    pub key: String,
    /// Where the key is set.
    pub place: Place,
    /// What is wrong.
    pub problem: String,
    /// How to fix it; may be empty.
    pub fix: String,
}

impl Diagnostic {
    /// A diagnostic for the key at this place.
    pub(super) fn new(
        key: impl Into<String>,
        place: Place,
        problem: impl Into<String>,
        fix: impl Into<String>,
    ) -> Self {
        Self { key: key.into(), place, problem: problem.into(), fix: fix.into() }
    }

    /// One line: `file:12:3: key: problem; fix`.
    pub fn line(&self, file: &Path) -> String {
        let place = match &self.place {
            Place::File => file.display().to_string(),
            Place::Line { line, column } => format!("{}:{line}:{column}", file.display()),
            Place::Environment(variable) => variable.clone(),
        };
        let mut text = place;
        for part in [&self.key, &self.problem] {
            if !part.is_empty() {
                text.push_str(": ");
                text.push_str(part);
            }
        }
        if !self.fix.is_empty() {
            text.push_str("; ");
            text.push_str(&self.fix);
        }
        text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
    }
}

/// Why a parser rejected one value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ValueError {
    pub(super) problem: String,
    pub(super) fix: String,
}

impl ValueError {
    pub(super) fn new(problem: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { problem: problem.into(), fix: fix.into() }
    }

    /// The same as a diagnostic of the key at this place.
    pub(super) fn at(self, key: impl Into<String>, place: Place) -> Diagnostic {
        Diagnostic::new(key, place, self.problem, self.fix)
    }
}

/// Collects all diagnostics, so that one run reports everything.
#[derive(Debug, Default)]
pub(super) struct Diagnostics {
    errors: RefCell<Vec<Diagnostic>>,
    warnings: RefCell<Vec<Diagnostic>>,
}

impl Diagnostics {
    pub(super) fn error(&self, error: Diagnostic) {
        self.errors.borrow_mut().push(error);
    }

    pub(super) fn warn(&self, warning: Diagnostic) {
        self.warnings.borrow_mut().push(warning);
    }

    /// Errors and warnings, in the order of the file.
    pub(super) fn into_sorted(self) -> (Vec<Diagnostic>, Vec<Diagnostic>) {
        let mut errors = self.errors.into_inner();
        let mut warnings = self.warnings.into_inner();
        errors.sort_by(|a, b| a.place.cmp(&b.place));
        warnings.sort_by(|a, b| a.place.cmp(&b.place));
        (errors, warnings)
    }
}

/// The configuration was rejected, with all its errors.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError {
    /// The file that was read.
    pub file: PathBuf,
    /// Every error in it.
    pub errors: Vec<Diagnostic>,
}

impl std::error::Error for ConfigError {}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = self.errors.len();
        write!(f, "the configuration has {count} error{}", if count == 1 { "" } else { "s" })?;
        for error in &self.errors {
            write!(f, "\n  {}", error.line(&self.file))?;
        }
        Ok(())
    }
}
