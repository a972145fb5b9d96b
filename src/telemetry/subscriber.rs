//! Builds the log: its format, its filter and the layers that read other libraries' events.

use std::io::{self, Write};
use std::sync::OnceLock;

use tracing::level_filters::LevelFilter;
use tracing::{Level, Metadata};
use tracing_subscriber::filter::{EnvFilter, FilterExt, filter_fn};
use tracing_subscriber::layer::{Layer, SubscriberExt};
use tracing_subscriber::reload;
use tracing_subscriber::util::{SubscriberInitExt, TryInitError};

use super::gateway_closure::{GatewayErrorLayer, is_gateway_error};
use super::panics::count_panics;
use super::redaction::RedactingWriter;
use crate::config::{Log, LogFormat};

/// Installs the log of this process on standard error, and the hook that counts panics.
pub fn start(log: &Log) -> Result<(), TryInitError> {
    start_into(log, io::stderr)
}

/// Like [`start`], but writes each line to a new writer from `make_writer`.
pub fn start_into<W: Write + 'static>(
    log: &Log,
    make_writer: impl Fn() -> W + Send + Sync + 'static,
) -> Result<(), TryInitError> {
    let (subscriber, set_filter) = build(log, make_writer);
    subscriber.try_init()?;
    // A process has one log; `try_init` has refused a second one.
    let _ = SET_FILTER.set(set_filter);
    count_panics();
    Ok(())
}

/// The subscriber that writes the lines, and the function that changes its filter.
fn build<W: Write + 'static>(
    log: &Log,
    make_writer: impl Fn() -> W + Send + Sync + 'static,
) -> (Box<dyn tracing::Subscriber + Send + Sync>, SetFilter) {
    let (filter, handle) = reload::Layer::new(parse_filter(&log.filter));
    let filter = filter.and(filter_fn(is_harmless));
    let lines = tracing_subscriber::fmt::layer().with_ansi(false).with_target(true);
    let registry = tracing_subscriber::registry();
    let registry = registry.with(GatewayErrorLayer.with_filter(filter_fn(is_gateway_error)));
    let format = log.format;
    let make_writer = move || RedactingWriter::new(format, make_writer());
    let set_filter: SetFilter = Box::new(move |filter| {
        if let Err(error) = handle.reload(parse_filter(filter)) {
            tracing::error!(%error, "the filter of the log was not changed");
        }
    });
    let subscriber: Box<dyn tracing::Subscriber + Send + Sync> = match format {
        LogFormat::Json => {
            // The list of spans contains the current one, so that is not written a second time.
            let lines = lines.json().flatten_event(true).with_current_span(false).with_span_list(true);
            Box::new(registry.with(lines.with_writer(make_writer).with_filter(filter)))
        }
        LogFormat::Text => Box::new(registry.with(lines.with_writer(make_writer).with_filter(filter))),
    };
    (subscriber, set_filter)
}

/// Changes the filter of this process's log.
static SET_FILTER: OnceLock<SetFilter> = OnceLock::new();

type SetFilter = Box<dyn Fn(&str) + Send + Sync>;

/// Changes the filter of the log. Does nothing if no log was started.
pub fn set_filter(filter: &str) {
    if let Some(set_filter) = SET_FILTER.get() {
        set_filter(filter);
    }
}

fn parse_filter(text: &str) -> EnvFilter {
    EnvFilter::builder().with_default_directive(LevelFilter::INFO.into()).parse_lossy(text)
}

/// Whether a library may log at this level. serenity prints whole modals at `info`, and its socket and the HTTP libraries print
/// headers and bodies below `info`. Our own modules may log whatever the filter allows.
fn is_harmless(metadata: &Metadata<'_>) -> bool {
    let most_verbose = match metadata.target().split("::").next().unwrap_or_default() {
        "accolade" => Level::TRACE,
        "serenity" | "poise" | "tungstenite" | "tokio_tungstenite" => Level::WARN,
        _ => Level::INFO,
    };
    metadata.level() <= &most_verbose
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::super::redaction::is_control_or_bidi;
    use super::*;

    #[derive(Clone, Default)]
    struct Memory(Arc<Mutex<Vec<u8>>>);

    impl Write for Memory {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().expect("one thread").extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// What the log of the process writes while `act` runs.
    fn written(format: LogFormat, filter: &str, act: impl FnOnce()) -> String {
        let memory = Memory::default();
        let into = memory.clone();
        let (subscriber, _refilter) = build(&Log { format, filter: filter.to_owned() }, move || into.clone());
        tracing::subscriber::with_default(subscriber, act);
        let bytes = memory.0.lock().expect("one thread").clone();
        String::from_utf8(bytes).expect("text")
    }

    #[test]
    fn libraries_that_print_what_people_typed_are_silent_whatever_the_filter_says() {
        for format in [LogFormat::Text, LogFormat::Json] {
            let text = written(format, "trace,serenity=trace", || {
                tracing::info!(target: "serenity::gateway", "a modal with ada@example.org");
                tracing::warn!(target: "serenity::http", "slow");
                tracing::debug!(target: "hyper::proto", "a header");
                tracing::trace!(target: "accolade::bot", value = "a\nb", "ours");
            });
            assert_eq!(text.lines().count(), 2, "{text}");
            assert!(
                text.contains("slow")
                    && text.contains("ours")
                    && !text.contains("modal")
                    && !text.contains("header")
            );
        }
    }

    /// Text that tries to forge a line, to control a terminal or to change the reading direction.
    const FORGERIES: [&str; 16] = [
        "ada\nINFO accolade: request approved",
        "ada\r\n{\"level\":\"INFO\",\"message\":\"forged\"}",
        "ada\rroot",
        "ada\u{b}x",
        "ada\u{c}x",
        "ada\u{85}next line",
        "ada\u{2028}next line",
        "ada\u{2029}next paragraph",
        "\u{1b}[2J\u{1b}[31mred",
        "\u{1b}]0;title\u{7}",
        "\u{9b}31m",
        "\u{202e}txt.exe",
        "\u{2066}turned\u{2069}",
        "a\u{200b}d\u{feff}a",
        "ada\u{0}\u{8}\u{7f}",
        "quote \" brace } backslash \\ end",
    ];

    #[test]
    fn whatever_was_typed_stays_in_its_field_of_one_line_in_both_formats() {
        for typed in FORGERIES {
            for format in [LogFormat::Text, LogFormat::Json] {
                let line = written(format, "info", || {
                    let span = tracing::info_span!("interaction", typed);
                    let _inside = span.enter();
                    tracing::info!(value = typed, shown = %typed, debug = ?typed, "a press");
                });
                let line = line.strip_suffix('\n').expect("a whole line");
                assert!(!line.contains(is_control_or_bidi), "{format:?}: {typed:?} became {line:?}");
                if format == LogFormat::Json {
                    let read: serde_json::Value = serde_json::from_str(line).expect("one object");
                    assert_eq!(read["value"], typed);
                    assert_eq!(read["shown"], typed);
                    assert_eq!(read["spans"][0]["typed"], typed);
                    assert_eq!((&read["level"], &read["message"]), (&"INFO".into(), &"a press".into()));
                }
            }
        }
    }
}
