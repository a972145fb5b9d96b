//! `accolade config …`: `check`, `show` and `example`, which need no network, and `why`.

use std::path::Path;

use clap::Subcommand;
use serde_json::json;

use super::exit::Exit;
use super::prepare::load;
use super::print::Printer;
use crate::config::{self, Diagnostic, Place};
use crate::domain::lang::Lang;
use crate::messages::tr;

#[derive(Debug, Subcommand)]
pub(super) enum Verb {
    /// Report all errors and warnings; contacts no server
    Check {
        /// Print one JSON object instead of lines
        #[arg(long)]
        json: bool,
    },
    /// Print it with its defaults; secrets are shown as ***
    Show,
    /// Print a complete example that explains every key
    Example,
    /// Explain which rule makes a member eligible, and why the other rules don't
    Why(super::explain::Flags),
}

/// Runs one of them.
pub(super) fn run(verb: &Verb, file: &Path, printer: &mut Printer) -> Exit {
    match verb {
        Verb::Check { json: true } => check_as_json(file, printer),
        Verb::Check { json: false } => check(file, printer),
        Verb::Show => show(file, printer),
        Verb::Example => example(printer),
        Verb::Why(flags) => super::explain::run(flags, file, printer),
    }
}

fn check(file: &Path, printer: &mut Printer) -> Exit {
    match load(file, printer) {
        Err(exit) => exit,
        Ok(loaded) => {
            let lang = Lang::default();
            for warning in &loaded.warnings {
                printer.note(tr!(lang, "cli-warning", warning = warning.line(file)));
            }
            printer.line(tr!(lang, "cli-no-faults", file = file.display().to_string()));
            Exit::Done
        }
    }
}

fn check_as_json(file: &Path, printer: &mut Printer) -> Exit {
    let (errors, warnings) = match config::check(file) {
        Ok(loaded) => (Vec::new(), loaded.warnings),
        Err(error) => (error.errors, Vec::new()),
    };
    let as_list = |diagnostics: &[Diagnostic]| diagnostics.iter().map(as_json).collect::<Vec<_>>();
    printer.line(json!({
        "ok": errors.is_empty(),
        "faults": as_list(&errors),
        "warnings": as_list(&warnings),
    }));
    if errors.is_empty() { Exit::Done } else { Exit::Usage }
}

fn as_json(diagnostic: &Diagnostic) -> serde_json::Value {
    let (line, column, variable) = match &diagnostic.place {
        Place::File => (None, None, None),
        Place::Line { line, column } => (Some(line), Some(column), None),
        Place::Environment(variable) => (None, None, Some(variable)),
    };
    json!({
        "key": diagnostic.key,
        "line": line,
        "column": column,
        "variable": variable,
        "problem": diagnostic.problem,
        "fix": diagnostic.fix,
    })
}

fn show(file: &Path, printer: &mut Printer) -> Exit {
    match load(file, printer) {
        Ok(loaded) => {
            printer.line(config::show(&loaded.config).trim_end());
            Exit::Done
        }
        Err(exit) => exit,
    }
}

/// `config example`, which needs no file.
pub(super) fn example(printer: &mut Printer) -> Exit {
    printer.line(config::EXAMPLE.trim_end());
    Exit::Done
}
