//! CSV for spreadsheets, which must not compute any cell.
//!
//! Names and ids come from people and from other servers. A spreadsheet computes a cell that begins like a formula, so such a cell gets
//! a leading apostrophe, which spreadsheets hide. Quoting follows RFC 4180.

use std::borrow::Cow;

use unicode_normalization::UnicodeNormalization as _;

use super::person_name::is_shown;

/// One record of a table in CSV, with its line end.
pub fn csv_line<'a>(cells: impl IntoIterator<Item = &'a str>) -> String {
    let mut writer = csv::WriterBuilder::new().terminator(csv::Terminator::CRLF).from_writer(Vec::new());
    let guarded = cells.into_iter().map(|cell| {
        if reads_as_formula(cell) { Cow::Owned(["'", cell].concat()) } else { Cow::Borrowed(cell) }
    });
    for cell in guarded {
        // Writing to memory can't fail, and any text is a valid field.
        let _ = writer.write_field(cell.as_bytes());
    }
    let _ = writer.write_record(None::<&[u8]>);
    let bytes = writer.into_inner().unwrap_or_default();
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Whether a spreadsheet may compute this text. Like a spreadsheet, this skips leading spaces, quotes and invisible characters, and
/// recognizes other widths and forms of the signs.
fn reads_as_formula(cell: &str) -> bool {
    for c in cell.chars() {
        if matches!(c, '\t' | '\r' | '\n') {
            return true;
        }
        if !is_skipped(c) {
            return std::iter::once(c).nfkc().next().is_some_and(is_sign);
        }
    }
    false
}

/// Whether a character starts a formula; this includes the typographic minus sign.
fn is_sign(c: char) -> bool {
    matches!(c, '=' | '+' | '-' | '@' | '\u{2212}')
}

fn is_skipped(c: char) -> bool {
    let is_quote = matches!(
        c,
        '"' | '\'' | '`' | '\u{ff02}' | '\u{ff07}' | '\u{ab}' | '\u{bb}' | '\u{2018}'..='\u{201f}'
    );
    c.is_whitespace() || !is_shown(c) || is_quote
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The cells of one line, as an independent reader sees them.
    fn read_back(line: &str) -> Vec<String> {
        let mut reader = csv::ReaderBuilder::new().has_headers(false).from_reader(line.as_bytes());
        let mut records = reader.records().map(|record| record.expect("the line is CSV"));
        let cells = records.next().expect("one line").iter().map(str::to_owned).collect();
        assert!(records.next().is_none(), "more than one line: {line:?}");
        cells
    }

    #[test]
    fn what_a_spreadsheet_would_compute_gets_an_apostrophe_and_nothing_else_does() {
        for formula in [
            "=1+1",
            "+1",
            "-1",
            "@SUM(1)",
            "\t=1",
            "\r=1",
            "\n=1",
            "\tx",
            " =1",
            "\"=1",
            "'=1",
            "  \" ' =1",
            "\u{a0}=1",
            "\u{feff}=1",
            "\u{200b}@x",
            "\u{201c}=1",
            "\u{ff1d}1",
            "\u{ff0b}1",
            "\u{ff0d}1",
            "\u{ff20}x",
            "\u{fe66}1",
            "\u{2212}1",
            "\u{3000}\u{ff1d}cmd",
            "\u{0}=1",
            "=HYPERLINK(\"http://x\",\"y\")",
        ] {
            let cells = read_back(&csv_line(["a", formula, "b"]));
            assert_eq!(cells, ["a", &["'", formula].concat(), "b"], "{formula:?}");
        }
        for plain in [
            "",
            "ada",
            "ada.l",
            "a=b",
            "1-2",
            "ada@example.org",
            "<@1>",
            "\u{e4}da",
            "2026-01-01T00:00:00Z",
            "\"ada\"",
            "x\ny",
        ] {
            assert_eq!(read_back(&csv_line(["a", plain, "b"])), ["a", plain, "b"], "{plain:?}");
        }
    }

    #[test]
    fn a_line_is_written_as_rfc_4180_says() {
        assert_eq!(csv_line(["a", "b,c", "d\"e", "", "f"]), "a,\"b,c\",\"d\"\"e\",,f\r\n");
        assert_eq!(csv_line(["=1,2", "x"]), "\"'=1,2\",x\r\n");
    }

    proptest! {
        #[test]
        fn every_cell_reads_back_as_it_was_or_behind_an_apostrophe(cells in proptest::collection::vec("[\\s\\S]{0,12}", 2..6)) {
            // A reader removes a byte order mark at the beginning, so the line begins with a head, as an export
            // does.
            let read = read_back(&csv_line(["head"].into_iter().chain(cells.iter().map(String::as_str))));
            prop_assert_eq!(read.len(), cells.len() + 1);
            for (read, cell) in read.iter().skip(1).zip(&cells) {
                let guarded = ["'", cell].concat();
                prop_assert!(read == cell || *read == guarded, "{:?} became {:?}", cell, read);
                prop_assert!(!read.starts_with(['=', '+', '-', '@', '\t', '\r', '\n']), "{:?}", read);
            }
        }
    }
}
