//! What most verbs do first: load the configuration and build a runtime.

use std::path::Path;

use super::exit::Exit;
use super::print::Printer;
use crate::config::{self, Loaded};

/// Loads the configuration, or prints all its errors.
pub(super) fn load(file: &Path, printer: &mut Printer) -> Result<Loaded, Exit> {
    config::check(file).map_err(|error| printer.fault(Exit::Usage, error))
}

/// A runtime for a verb that does one thing.
pub(super) fn small_runtime(printer: &mut Printer) -> Result<tokio::runtime::Runtime, Exit> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| printer.failure("could not start", &error))
}
