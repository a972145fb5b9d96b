//! How a run of the command line ends.

use std::process::ExitCode;

/// How a run ended. Programs read these codes, so they never change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Exit {
    /// Success.
    Done,
    /// Refused or failed.
    Failed,
    /// Wrong usage or configuration.
    Usage,
    /// Differences were found.
    Differences,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        match exit {
            Exit::Done => Self::SUCCESS,
            Exit::Failed => Self::from(1),
            Exit::Usage => Self::from(2),
            Exit::Differences => Self::from(3),
        }
    }
}
