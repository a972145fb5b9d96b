//! Redacts each line of the log: no control or direction characters, and nothing that looks like a token.

use std::fmt::Write as _;
use std::io::{self, Write};

use crate::config::LogFormat;

/// A writer that redacts each line. `tracing-subscriber` writes an event with one call.
pub(super) struct RedactingWriter<W> {
    format: LogFormat,
    to: W,
}

impl<W> RedactingWriter<W> {
    pub(super) fn new(format: LogFormat, to: W) -> Self {
        Self { format, to }
    }
}

impl<W: Write> Write for RedactingWriter<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.to.write_all(redact(self.format, &String::from_utf8_lossy(bytes)).as_bytes())?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }
}

/// One event as one line, without control and direction characters and without what looks like a token.
fn redact(format: LogFormat, event: &str) -> String {
    let mut rest = event.strip_suffix('\n').unwrap_or(event);
    let mut line = String::with_capacity(rest.len() + 1);
    let mut follows_scheme = false;
    loop {
        let end = rest.find(|c| !is_token_char(c)).unwrap_or(rest.len());
        let (run, tail) = rest.split_at(end);
        let mut tail = tail.chars();
        let Some(next) = tail.next() else {
            push_run(&mut line, run, follows_scheme, '\n');
            break;
        };
        follows_scheme = push_run(&mut line, run, follows_scheme, next);
        push_escaped(&mut line, format, next);
        rest = tail.as_str();
    }
    line.push('\n');
    line
}

fn is_token_char(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-' | '~' | '+')
}

/// Appends a run of token characters, or its replacement. Returns whether the next run follows an authorization scheme.
fn push_run(line: &mut String, run: &str, follows_scheme: bool, next: char) -> bool {
    if run.is_empty() {
        return follows_scheme && next == ' ';
    }
    if looks_like_token(run) || (follows_scheme && run.len() >= SHORTEST_CREDENTIAL) {
        line.push_str("[redacted]");
    } else {
        line.push_str(run);
    }
    next == ' ' && matches!(run, "Bearer" | "Bot" | "Basic")
}

/// The length of the shortest credential after `Bearer` and the like; shorter words are prose.
const SHORTEST_CREDENTIAL: usize = 12;

/// Tokens of Discord and Keycloak, links and secrets are longer than this. Our ids and the hashes of the audit chain are longer too,
/// but contain no capital letters.
const SHORTEST_TOKEN: usize = 28;

fn looks_like_token(run: &str) -> bool {
    run.len() >= SHORTEST_TOKEN
        && run.bytes().any(|b| b.is_ascii_uppercase())
        && run.bytes().any(|b| b.is_ascii_lowercase())
        && run.bytes().any(|b| b.is_ascii_digit())
}

fn push_escaped(line: &mut String, format: LogFormat, c: char) {
    if !is_control_or_bidi(c) {
        line.push(c);
        return;
    }
    // Writing to a `String` can't fail.
    let _ = match format {
        // The JSON encoder has escaped the other control characters; these are inside its strings.
        LogFormat::Json => write!(line, "\\u{:04x}", u32::from(c)),
        LogFormat::Text => write!(line, "{}", c.escape_unicode()),
    };
}

/// Whether a character breaks a line, controls a terminal, changes the reading direction (Unicode UAX 9) or is invisible.
pub fn is_control_or_bidi(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{061c}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_that_breaks_lines_or_turns_them_stays_one_line() {
        let typed = "ada\nERROR forged \u{1b}[31m\u{202e}txt\u{200b}";
        assert_eq!(
            redact(LogFormat::Text, &format!("INFO value={typed}\n")),
            "INFO value=ada\\u{a}ERROR forged \\u{1b}[31m\\u{202e}txt\\u{200b}\n"
        );
        let json = serde_json::json!({ "value": typed }).to_string();
        let redacted = redact(LogFormat::Json, &json);
        assert!(!redacted.trim_end().contains(is_control_or_bidi), "{redacted:?}");
        let read: serde_json::Value = serde_json::from_str(&redacted).expect("still JSON");
        assert_eq!(read["value"], typed);
    }

    #[test]
    fn what_looks_like_a_token_is_taken_out_and_ids_stay() {
        let bot = ["MTAwMDAwMDAwMDAwMDAwMDAx", "GaBcDe", "abcdefghijklmnopqrstuvwxyz0123456789AB"].join(".");
        let token = ["eyJhbGciOiJIUzUxMiJ9", "eyJleHAiOjE3MDAwMDAwMDB9", "c2lnbmF0dXJlX29mX2l0"].join(".");
        for secret in [bot.as_str(), token.as_str(), "wXv0Jq3mT8sLbN5rKc2dYh7gPf4zAe6U"] {
            let line =
                redact(LogFormat::Text, &format!("INFO url=\"https://id.example.org/x?key={secret}\""));
            assert_eq!(line, "INFO url=\"https://id.example.org/x?key=[redacted]\"\n");
        }
        assert_eq!(
            redact(LogFormat::Text, "Authorization: Bearer abcdefabcdef"),
            "Authorization: Bearer [redacted]\n"
        );
        assert_eq!(redact(LogFormat::Text, "a Bot said hello"), "a Bot said hello\n");
        let kept = [
            "018bcfe5-6800-7000-8000-000000000000",
            "12:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
            "accolade::jobs::steps::await_group_sync_in_keycloak",
            "100000000000000001",
            "2026-11-23T23:00:00.000000Z",
        ];
        for id in kept {
            assert_eq!(redact(LogFormat::Text, id), format!("{id}\n"));
        }
    }
}
