//! The log of all stories, kept in memory so that each story can search it for its own secrets.

use std::io;
use std::sync::{Mutex, Once};

use accolade::config::{Log, LogFormat};

static LINES: Mutex<Vec<u8>> = Mutex::new(Vec::new());

struct Lines;

impl io::Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        LINES.lock().map_err(|_| io::Error::other("poisoned"))?.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Captures the log of this process, once.
pub(crate) fn capture() {
    static CAPTURED: Once = Once::new();
    CAPTURED.call_once(begin);
}

fn begin() {
    let tells = std::panic::take_hook();
    let log = Log { format: LogFormat::Text, filter: "info,accolade=debug".to_owned() };
    accolade::telemetry::start_into(&log, || Lines).expect("nobody else took the log");
    // The product's panic hook hides the message, but a failed test has to show it.
    let counts = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        tells(panic);
        counts(panic);
    }));
}

/// The last lines, for the report of a failed story.
pub(crate) fn tail(lines: usize) -> String {
    let bytes = LINES.lock().expect("not poisoned");
    let text = String::from_utf8_lossy(&bytes);
    let all: Vec<&str> = text.lines().collect();
    all[all.len().saturating_sub(lines)..].join("\n")
}

/// Whether one line contains all of these parts.
pub(crate) fn has_line(parts: &[&str]) -> bool {
    let bytes = LINES.lock().expect("not poisoned");
    String::from_utf8_lossy(&bytes).lines().any(|line| parts.iter().all(|part| line.contains(part)))
}

pub(crate) fn contains(text: &str) -> bool {
    let lines = LINES.lock().expect("not poisoned");
    String::from_utf8_lossy(&lines).contains(text)
}
