//! The output of a verb: results to standard output, everything else to standard error.
//!
//! Control and direction characters are escaped, because text that people typed could control the terminal.

use std::fmt::{Display, Write as _};
use std::io::{IsTerminal as _, Write};

use comfy_table::Table;
use comfy_table::presets::NOTHING;

use super::exit::Exit;
use crate::domain::lang::Lang;
use crate::telemetry::is_control_or_bidi;
use crate::{app, messages};

/// Both outputs of a run.
pub(super) struct Printer {
    out: Box<dyn Write + Send>,
    err: Box<dyn Write + Send>,
    is_terminal: bool,
}

impl Printer {
    /// The outputs of this process.
    pub(super) fn of_process() -> Self {
        let is_terminal = std::io::stdout().is_terminal();
        Self { out: Box::new(std::io::stdout()), err: Box::new(std::io::stderr()), is_terminal }
    }

    /// The output of results, for code that writes to it directly.
    pub(super) fn out(&mut self) -> &mut (dyn Write + Send) {
        self.out.as_mut()
    }

    /// A part of a long result: unchanged to a file or a pipe, escaped on a terminal.
    pub(super) fn text(&mut self, text: &str) -> std::io::Result<()> {
        if self.is_terminal {
            return self.out.write_all(escaped(&text.replace("\r\n", "\n")).as_bytes());
        }
        self.out.write_all(text.as_bytes())
    }

    /// One result.
    pub(super) fn line(&mut self, text: impl Display) {
        // A closed pipe (`| head`) is not a failure.
        let _ = writeln!(self.out, "{}", escaped(&text.to_string()));
    }

    /// A table without borders: its headings, then one line for each row, with aligned columns.
    pub(super) fn table(&mut self, headings: &[String], rows: impl IntoIterator<Item = Vec<String>>) {
        self.columns(std::iter::once(headings.to_vec()).chain(rows));
    }

    /// Rows without headings, with aligned columns.
    pub(super) fn columns(&mut self, rows: impl IntoIterator<Item = Vec<String>>) {
        let mut table = Table::new();
        table.load_style(NOTHING);
        for row in rows {
            // A line break would split the row.
            table.add_row(row.iter().map(|cell| escaped(&cell.replace('\n', " "))));
        }
        for column in table.column_iter_mut() {
            column.set_padding((0, 2));
        }
        let _ = writeln!(self.out, "{}", table.trim_fmt());
    }

    /// A message that is not part of the result.
    pub(super) fn note(&mut self, text: impl Display) {
        let _ = writeln!(self.err, "{}", escaped(&text.to_string()));
    }

    /// Prints an error and returns how the run ends.
    pub(super) fn fault(&mut self, exit: Exit, text: impl Display) -> Exit {
        self.note(format_args!("accolade: {text}"));
        exit
    }

    /// Prints what failed with all its causes, and how to fix it if that is known.
    pub(super) fn failure(&mut self, doing: &str, error: &(dyn std::error::Error + 'static)) -> Exit {
        let mut text = doing.to_owned();
        let mut next = Some(error);
        while let Some(cause) = next {
            // Writing to a `String` can't fail.
            let _ = write!(text, ": {cause}");
            next = cause.source();
        }
        if let Some((peer, cause)) = app::cause_of(error) {
            let _ = write!(text, "\n{}", messages::cause::sentence(Lang::default(), peer, cause));
        }
        self.fault(Exit::Failed, text)
    }
}

/// `text` with all characters escaped that could control a terminal, except line breaks.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        if c != '\n' && is_control_or_bidi(c) {
            escaped.extend(c.escape_unicode());
        } else {
            escaped.push(c);
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_typed_by_others_drives_a_terminal() {
        assert_eq!(escaped("a\u{1b}[2J\u{202e}b\r\n"), "a\\u{1b}[2J\\u{202e}b\\u{d}\n");
    }

    #[derive(Clone, Default)]
    struct Memory(std::sync::Arc<std::sync::Mutex<Vec<u8>>>);

    impl Write for Memory {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().expect("one thread").extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn the_columns_of_a_table_are_aligned_and_no_cell_breaks_a_line() {
        let memory = Memory::default();
        let (out, err) = (Box::new(memory.clone()), Box::new(Memory::default()));
        let mut printer = Printer { out, err, is_terminal: false };
        let row = |cells: [&str; 3]| cells.map(str::to_owned).to_vec();
        let headings = row(["User name", "State", "Reason"]);
        printer.table(&headings, [row(["ada", "creating", ""]), row(["grace.h", "active", "a\nb\u{1b}[2J"])]);
        let text = String::from_utf8(memory.0.lock().expect("one thread").clone()).expect("text");
        let wanted = "User name  State     Reason\nada        creating\ngrace.h    active    a b\\u{1b}[2J\n";
        assert_eq!(text, wanted);
    }
}
