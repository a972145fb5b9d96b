//! The reference at the end of a text about a failure.

/// Eight hexadecimal digits that lead an operator from a text about a failure to its log lines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reference(String);

impl Reference {
    /// The reference of a trace id: its first eight digits. The id has 32 hexadecimal digits, or is a `UUID` with hyphens.
    pub fn of(trace_id: &str) -> Self {
        Self(trace_id.chars().filter(char::is_ascii_hexdigit).take(8).collect())
    }

    /// The reference of a row: the last eight digits of its id. An id begins with its time, which rows of the same minute share; its
    /// end is random.
    pub fn of_row(id: &str) -> Self {
        let digits: Vec<char> = id.chars().filter(char::is_ascii_hexdigit).collect();
        Self(digits.iter().skip(digits.len().saturating_sub(8)).collect())
    }

    /// The digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}
