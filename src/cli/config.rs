//! `accolade config …`: check, show, example, none of which needs a network, and `why`.

use std::path::Path;

use clap::Subcommand;
use serde_json::json;

use super::print::Printer;
use super::{Exit, load};
use crate::config::{self, Diagnostic, Place};
use crate::messages::{self, Lang};

#[derive(Debug, Subcommand)]
pub(super) enum Verb {
    /// Say everything that is wrong with it; nothing is contacted
    Check {
        /// One JSON object instead of lines
        #[arg(long)]
        json: bool,
    },
    /// Print it with its defaults; secrets as ***
    Show,
    /// Print a complete example with every key explained
    Example,
    /// Say which rule makes a member eligible, and why the others do not
    Why(super::explain::Flags),
}

/// Runs one of them.
pub(super) fn run(verb: &Verb, file: &Path, printer: &mut Printer) -> Exit {
    match verb {
        Verb::Check { json: true } => check_for_programs(file, printer),
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
                printer.note(messages::cli::warning(lang, &warning.line(file)));
            }
            printer.line(messages::cli::no_faults(lang, &file.display().to_string()));
            Exit::Done
        }
    }
}

fn check_for_programs(file: &Path, printer: &mut Printer) -> Exit {
    let (faults, warnings) = match config::check(file) {
        Ok(loaded) => (Vec::new(), loaded.warnings),
        Err(refused) => (refused.faults, Vec::new()),
    };
    let as_list = |findings: &[Diagnostic]| findings.iter().map(as_json).collect::<Vec<_>>();
    printer.line(json!({
        "ok": faults.is_empty(),
        "faults": as_list(&faults),
        "warnings": as_list(&warnings),
    }));
    if faults.is_empty() { Exit::Done } else { Exit::Usage }
}

fn as_json(fault: &Diagnostic) -> serde_json::Value {
    let (line, column, variable) = match &fault.place {
        Place::File => (None, None, None),
        Place::Line { line, column } => (Some(line), Some(column), None),
        Place::Environment(variable) => (None, None, Some(variable)),
    };
    json!({
        "key": fault.key,
        "line": line,
        "column": column,
        "variable": variable,
        "problem": fault.problem,
        "fix": fault.fix,
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

/// `config example`: the one verb that needs no file.
pub(super) fn example(printer: &mut Printer) -> Exit {
    printer.line(config::EXAMPLE.trim_end());
    Exit::Done
}
