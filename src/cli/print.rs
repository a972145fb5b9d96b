//! Where a verb's words go: results to standard output, everything else to standard error.
//!
//! Nothing that others typed reaches a terminal raw: control and direction characters are escaped.

use std::fmt::{Display, Write as _};
use std::io::{IsTerminal as _, Write};

use super::Exit;
use crate::telemetry::is_control_or_bidi;

/// Both outputs of a run.
pub(super) struct Printer {
    out: Box<dyn Write + Send>,
    err: Box<dyn Write + Send>,
    is_terminal: bool,
}

impl Printer {
    /// Those of this process.
    pub(super) fn of_process() -> Self {
        let is_terminal = std::io::stdout().is_terminal();
        Self { out: Box::new(std::io::stdout()), err: Box::new(std::io::stderr()), is_terminal }
    }

    /// The output of results, for what prints by itself.
    pub(super) fn out(&mut self) -> &mut (dyn Write + Send) {
        self.out.as_mut()
    }

    /// A part of a result that is longer than memory should hold: as it is into a file or a pipe, escaped onto a terminal.
    pub(super) fn text(&mut self, text: &str) -> std::io::Result<()> {
        if self.is_terminal {
            return self.out.write_all(shown(&text.replace("\r\n", "\n")).as_bytes());
        }
        self.out.write_all(text.as_bytes())
    }

    /// One result.
    pub(super) fn line(&mut self, text: impl Display) {
        // a closed pipe (`| head`) is the reader's will, and no failure
        let _ = writeln!(self.out, "{}", shown(&text.to_string()));
    }

    /// Something beside the result.
    pub(super) fn note(&mut self, text: impl Display) {
        let _ = writeln!(self.err, "{}", shown(&text.to_string()));
    }

    /// Says what is wrong and how the run ends.
    pub(super) fn fault(&mut self, exit: Exit, text: impl Display) -> Exit {
        self.note(format_args!("accolade: {text}"));
        exit
    }

    /// Says what failed with all its causes.
    pub(super) fn failure(&mut self, doing: &str, error: &dyn std::error::Error) -> Exit {
        let mut text = doing.to_owned();
        let mut next = Some(error);
        while let Some(cause) = next {
            // a `String` never refuses what is written to it
            let _ = write!(text, ": {cause}");
            next = cause.source();
        }
        self.fault(Exit::Failed, text)
    }
}

/// `text` with everything escaped that would drive a terminal; its own line breaks stay.
pub(super) fn shown(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        if c != '\n' && is_control_or_bidi(c) {
            shown.extend(c.escape_unicode());
        } else {
            shown.push(c);
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_typed_by_others_drives_a_terminal() {
        assert_eq!(shown("a\u{1b}[2J\u{202e}b\r\n"), "a\\u{1b}[2J\\u{202e}b\\u{d}\n");
    }
}
