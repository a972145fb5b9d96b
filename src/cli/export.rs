//! Where an export goes: a file of its own, or standard output. A file is new, for its owner alone, and whole or not there.

use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::ops::ControlFlow;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use clap::Args;

use super::Exit;
use super::print::Printer;
use super::session::CliSession;
use crate::accounts::{Format, UseCaseError};
use crate::messages;

/// The flags of every export.
#[derive(Debug, Args)]
pub(super) struct Flags {
    /// `csv` or `json`
    #[arg(long, value_name = "FORMAT", default_value = "csv", value_parser = format)]
    pub(super) format: Format,
    /// Write into this new file, for its owner alone, instead of to standard output
    #[arg(long, value_name = "FILE")]
    pub(super) output: Option<PathBuf>,
}

fn format(text: &str) -> Result<Format, String> {
    text.parse().map_err(|_| "write csv or json".to_owned())
}

/// What an export is written to. A file that did not become whole is taken away again, however the run ends.
pub(super) struct Target {
    file: Option<(File, PathBuf)>,
    is_whole: bool,
}

impl Target {
    /// Makes the file, or says why not. It comes before any look: what cannot be written need not be read.
    pub(super) fn open(path: Option<&Path>, printer: &mut Printer) -> Result<Self, Exit> {
        let Some(path) = path else { return Ok(Self { file: None, is_whole: true }) };
        match OpenOptions::new().write(true).create_new(true).mode(0o600).open(path) {
            Ok(file) => Ok(Self { file: Some((file, path.to_owned())), is_whole: false }),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                let text = messages::cli::file_exists(messages::Lang::default(), &path.display().to_string());
                Err(printer.fault(Exit::Failed, text))
            }
            Err(error) => Err(printer.failure(&path.display().to_string(), &error)),
        }
    }

    /// Writes a part; breaks the export off where that fails.
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

    /// Ends the export: what is whole is made to last.
    pub(super) fn end<T>(
        mut self,
        ended: Result<ControlFlow<io::Error, T>, UseCaseError>,
        session: &CliSession,
        printer: &mut Printer,
    ) -> Result<T, Exit> {
        let saved = self.file.as_ref().map_or(Ok(()), |(file, _)| file.sync_all());
        match (ended, saved) {
            (Ok(ControlFlow::Continue(value)), Ok(())) => {
                self.is_whole = true;
                Ok(value)
            }
            // The reader of standard output had enough (`| head`).
            (Ok(ControlFlow::Break(error)), _) if error.kind() == io::ErrorKind::BrokenPipe => {
                Err(Exit::Done)
            }
            (Ok(ControlFlow::Break(error)), _) | (Ok(ControlFlow::Continue(_)), Err(error)) => {
                Err(printer.failure("the export could not be written", &error))
            }
            (Err(denied), _) => Err(session.refuse(printer, &denied)),
        }
    }
}

impl Drop for Target {
    fn drop(&mut self) {
        if let (false, Some((_, path))) = (self.is_whole, &self.file) {
            // Best effort: the run has failed already, and says so.
            let _ = std::fs::remove_file(path);
        }
    }
}
