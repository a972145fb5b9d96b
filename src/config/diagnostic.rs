//! What is wrong with a configuration: every fault with its key, its place and the way to put it right.
//!
//! No fault ever quotes the value of a secret, nor an address that may carry one.

use std::cell::RefCell;
use std::fmt;
use std::path::{Path, PathBuf};

/// Where something stands.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// The file as a whole.
    File,
    /// In the file; both count from 1.
    Line {
        /// The line.
        line: usize,
        /// The column, in characters.
        column: usize,
    },
    /// In this environment variable.
    Environment(String),
}

/// One thing that is wrong, or worth a warning.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// The key, such as `guild[0].rule[1].approval`; empty for the file as a whole.
    pub key: String,
    /// Where it stands.
    pub place: Place,
    /// What is wrong.
    pub problem: String,
    /// What to do about it; may be empty.
    pub fix: String,
}

impl Diagnostic {
    /// A fault of the key at this place.
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

/// What a parser of one value says against it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ValueError {
    pub(super) problem: String,
    pub(super) fix: String,
}

impl ValueError {
    pub(super) fn new(problem: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { problem: problem.into(), fix: fix.into() }
    }
}

/// Collects everything that is found, so that one run tells it all.
#[derive(Debug, Default)]
pub(super) struct Diagnostics {
    faults: RefCell<Vec<Diagnostic>>,
    warnings: RefCell<Vec<Diagnostic>>,
}

impl Diagnostics {
    pub(super) fn diagnostic(&self, diagnostic: Diagnostic) {
        self.faults.borrow_mut().push(diagnostic);
    }

    pub(super) fn warn(&self, warning: Diagnostic) {
        self.warnings.borrow_mut().push(warning);
    }

    /// Faults and warnings, in the order of the file.
    pub(super) fn into_sorted(self) -> (Vec<Diagnostic>, Vec<Diagnostic>) {
        let mut faults = self.faults.into_inner();
        let mut warnings = self.warnings.into_inner();
        faults.sort_by(|a, b| a.place.cmp(&b.place));
        warnings.sort_by(|a, b| a.place.cmp(&b.place));
        (faults, warnings)
    }
}

/// The configuration was refused: all its faults.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError {
    /// The file that was read.
    pub file: PathBuf,
    /// Everything that is wrong.
    pub faults: Vec<Diagnostic>,
}

impl std::error::Error for ConfigError {}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = self.faults.len();
        write!(f, "the configuration has {count} fault{}", if count == 1 { "" } else { "s" })?;
        for diagnostic in &self.faults {
            write!(f, "\n  {}", diagnostic.line(&self.file))?;
        }
        Ok(())
    }
}
