//! The target of an export: a new file or standard output. A file is readable by its owner only, and it is removed if the export fails.

use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::ops::ControlFlow;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use clap::Args;

use super::exit::Exit;
use super::print::Printer;
use super::session::CliSession;
use crate::accounts::{Format, UseCaseError};
use crate::domain::lang::Lang;
use crate::messages::tr;

/// The flags of every export.
#[derive(Debug, Args)]
pub(super) struct Flags {
    /// `csv` or `json`
    #[arg(long, value_name = "FORMAT", default_value = "csv", value_parser = format)]
    pub(super) format: Format,
    /// Write to this new file, readable by its owner only, instead of standard output
    #[arg(long, value_name = "FILE")]
    pub(super) output: Option<PathBuf>,
}

fn format(text: &str) -> Result<Format, String> {
    text.parse().map_err(|_| "write csv or json".to_owned())
}

/// The target of an export. An incomplete file is removed, however the run ends.
pub(super) struct Target {
    file: Option<(File, PathBuf)>,
    is_complete: bool,
}

impl Target {
    /// Creates the file before anything is read, or prints why that failed.
    pub(super) fn open(path: Option<&Path>, printer: &mut Printer) -> Result<Self, Exit> {
        let Some(path) = path else { return Ok(Self { file: None, is_complete: true }) };
        match OpenOptions::new().write(true).create_new(true).mode(0o600).open(path) {
            Ok(file) => Ok(Self { file: Some((file, path.to_owned())), is_complete: false }),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                let text = tr!(Lang::default(), "cli-file-exists", file = path.display().to_string());
                Err(printer.fault(Exit::Failed, text))
            }
            Err(error) => Err(printer.failure(&path.display().to_string(), &error)),
        }
    }

    /// Writes a part; a failure stops the export.
    pub(super) fn write(&mut self, text: &str, printer: &mut Printer) -> ControlFlow<io::Error> {
        let written = match &mut self.file {
            Some((file, _)) => file.write_all(text.as_bytes()),
            None => printer.text(text),
        };
        match written {
            Ok(()) => ControlFlow::Continue(()),
            Err(error) => ControlFlow::Break(error),
        }
    }

    /// Completes the export. `None` if the reader of standard output has closed it (`| head`), which is not a failure.
    pub(super) fn finish<T>(
        mut self,
        ended: Result<ControlFlow<io::Error, T>, UseCaseError>,
        session: &CliSession,
        printer: &mut Printer,
    ) -> Result<Option<T>, Exit> {
        let saved = self.file.as_ref().map_or(Ok(()), |(file, _)| file.sync_all());
        match (ended, saved) {
            (Ok(ControlFlow::Continue(value)), Ok(())) => {
                self.is_complete = true;
                Ok(Some(value))
            }
            (Ok(ControlFlow::Break(error)), _) if error.kind() == io::ErrorKind::BrokenPipe => Ok(None),
            (Ok(ControlFlow::Break(error)), _) | (Ok(ControlFlow::Continue(_)), Err(error)) => {
                Err(printer.failure("the export could not be written", &error))
            }
            (Err(denied), _) => Err(session.refuse(printer, &denied)),
        }
    }
}

impl Drop for Target {
    fn drop(&mut self) {
        if let (false, Some((_, path))) = (self.is_complete, &self.file) {
            // Best effort: the run has already reported its failure.
            let _ = std::fs::remove_file(path);
        }
    }
}
