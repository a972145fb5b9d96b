//! Writes exports as text: CSV for spreadsheets and JSON for programs, row by row, so that no export is in memory as a whole.

use serde_json::Value;

use crate::domain::error_code::codes;
use crate::domain::table::csv_line;

codes! {
    /// The format of an export.
    pub enum Format {
        /// RFC 4180, with formulas made harmless.
        Csv = "csv",
        /// One object that contains a list.
        Json = "json",
    }
}

/// An export that is being written.
pub(super) struct ExportWriter {
    format: Format,
    columns: &'static [&'static str],
    rows: usize,
}

impl ExportWriter {
    /// Begins an export and returns its first text. `name` is the list's name in JSON.
    pub(super) fn begin(
        format: Format,
        name: &'static str,
        columns: &'static [&'static str],
    ) -> (Self, String) {
        let text = match format {
            Format::Csv => csv_line(columns.iter().copied()),
            Format::Json => ["{\"", name, "\":["].concat(),
        };
        (Self { format, columns, rows: 0 }, text)
    }

    /// Appends a row. Its values are in the order of the columns.
    pub(super) fn put(&mut self, text: &mut String, values: Vec<Value>) {
        match self.format {
            Format::Csv => {
                let cells: Vec<String> = values.into_iter().map(cell).collect();
                text.push_str(&csv_line(cells.iter().map(String::as_str)));
            }
            Format::Json => {
                let object: serde_json::Map<_, _> =
                    self.columns.iter().map(|&column| column.to_owned()).zip(values).collect();
                text.push_str(if self.rows == 0 { "\n" } else { ",\n" });
                text.push_str(&Value::Object(object).to_string());
            }
        }
        self.rows += 1;
    }

    /// The last text, in JSON with an optional value beside the list. A truncated export without it is not valid JSON.
    pub(super) fn end(&self, beside: Option<(&str, &str)>) -> String {
        match (self.format, beside) {
            (Format::Csv, _) => String::new(),
            (Format::Json, None) => "\n]}\n".to_owned(),
            (Format::Json, Some((key, value))) => {
                ["\n],\"", key, "\":", &Value::from(value).to_string(), "}\n"].concat()
            }
        }
    }
}

fn cell(value: Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text,
        Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => value.to_string(),
    }
}

/// An instant as RFC 3339 in UTC.
pub(super) fn instant(at: crate::domain::ids::Timestamp) -> Value {
    jiff::Timestamp::from_millisecond(at.as_millis())
        .map_or_else(|_| Value::from(at.as_millis()), |at| Value::from(at.to_string()))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn written(format: Format, rows: &[Vec<Value>]) -> String {
        let (mut sheet, mut text) = ExportWriter::begin(format, "accounts", &["name", "n"]);
        for row in rows {
            sheet.put(&mut text, row.clone());
        }
        text.push_str(&sheet.end(Some(("head", "3:ab"))));
        text
    }

    #[test]
    fn an_export_is_a_table_or_a_document_also_when_it_is_empty() {
        let rows = [vec![json!("=1"), json!(1)], vec![Value::Null, json!(2)]];
        assert_eq!(written(Format::Csv, &rows), "name,n\r\n'=1,1\r\n,2\r\n");
        assert_eq!(written(Format::Csv, &[]), "name,n\r\n");
        let read = |rows| serde_json::from_str::<Value>(&written(Format::Json, rows)).expect("JSON");
        let whole = json!({"accounts": [{"name": "=1", "n": 1}, {"name": null, "n": 2}], "head": "3:ab"});
        assert_eq!(read(&rows), whole);
        assert_eq!(read(&[]), json!({"accounts": [], "head": "3:ab"}));
    }

    #[test]
    fn a_document_that_broke_off_is_none() {
        let (mut sheet, mut text) = ExportWriter::begin(Format::Json, "rows", &["n"]);
        sheet.put(&mut text, vec![json!(1)]);
        assert!(serde_json::from_str::<Value>(&text).is_err());
    }
}
