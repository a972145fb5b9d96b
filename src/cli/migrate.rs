//! `accolade migrate`: creates the database or updates it to this version. It opens the store itself, because no use-case can run before it.

use std::path::Path;
use std::sync::Arc;

use super::exit::Exit;
use super::prepare::{load, small_runtime};
use super::print::Printer;
use crate::clock::{self, SystemRng};
use crate::domain::lang::Lang;
use crate::messages::tr;
use crate::store::Store;

/// `migrate`
pub(super) fn run(file: &Path, printer: &mut Printer) -> Exit {
    let loaded = match load(file, printer) {
        Ok(loaded) => loaded,
        Err(exit) => return exit,
    };
    let runtime = match small_runtime(printer) {
        Ok(runtime) => runtime,
        Err(exit) => return exit,
    };
    let job = Store::migrate(&loaded.config.store, clock::of_process(), Arc::new(SystemRng));
    match runtime.block_on(job) {
        Err(error) => printer.failure("could not migrate the database", &error),
        Ok(done) if done.applied == 0 => {
            printer.line(tr!(Lang::default(), "cli-nothing-to-migrate", version = done.version.to_string()));
            Exit::Done
        }
        Ok(done) => {
            printer.line(tr!(Lang::default(), "cli-migrated", version = done.version.to_string()));
            Exit::Done
        }
    }
}
