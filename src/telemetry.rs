//! Logs: one line for each event on standard error, as JSON or text, and ids to find them by.
//!
//! Two lines of defence stand behind the rule that nobody logs secrets or personal values: libraries that print bodies or
//! what people typed are held at a harmless level whatever the filter says, and every line passes [`clean`], which escapes
//! control and direction characters and takes out what looks like a token. Start with [`start`].

use std::fmt::{self, Write as _};
use std::io::{self, Write};
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::{Level, Metadata};
use tracing_subscriber::filter::{EnvFilter, FilterExt, filter_fn};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};
use tracing_subscriber::reload;
use tracing_subscriber::util::{SubscriberInitExt, TryInitError};

use crate::clock::Rng;
use crate::config::{Log, LogFormat};

/// The id that all log lines of one interaction or one piece of work share, in the span field `trace_id`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TraceId([u8; 16]);

impl TraceId {
    /// A fresh one.
    pub fn new(rng: &dyn Rng) -> Self {
        let mut bytes = [0; 16];
        rng.fill(&mut bytes);
        Self(bytes)
    }

    /// The first 8 hexadecimal digits: what a person reads in a failure and tells an operator.
    pub fn reference(self) -> String {
        self.to_string().chars().take(8).collect()
    }
}

impl fmt::Display for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

/// Installs the log of this process, on standard error, and the hook that counts panics.
pub fn start(log: &Log) -> Result<(), TryInitError> {
    start_into(log, io::stderr)
}

/// As [`start`], with the lines going elsewhere: each line into a fresh writer of `make_writer`.
pub fn start_into<W: Write + 'static>(
    log: &Log,
    make_writer: impl Fn() -> W + Send + Sync + 'static,
) -> Result<(), TryInitError> {
    let (subscriber, refilter) = writing_into(log, make_writer);
    subscriber.try_init()?;
    // One process has one log: a second was refused above.
    let _ = REFILTER.set(refilter);
    count_panics();
    Ok(())
}

/// What hears every event and writes the lines, and what changes its filter.
fn writing_into<W: Write + 'static>(
    log: &Log,
    make_writer: impl Fn() -> W + Send + Sync + 'static,
) -> (Box<dyn tracing::Subscriber + Send + Sync>, Refilter) {
    let filter = filter_of(&log.filter);
    let (filter, handle) = reload::Layer::new(filter);
    let lines = tracing_subscriber::fmt::layer().with_ansi(false).with_target(true);
    let filter = filter.and(filter_fn(is_harmless));
    let registry = tracing_subscriber::registry();
    let registry = registry.with(GatewayErrorLayer.with_filter(filter_fn(is_of_the_gateway)));
    let format = log.format;
    let cleaning = move || RedactingWriter(format, make_writer());
    let refilter: Refilter = Box::new(move |filter| {
        if let Err(error) = handle.reload(filter_of(filter)) {
            tracing::error!(%error, "the log's filter was not changed");
        }
    });
    let subscriber: Box<dyn tracing::Subscriber + Send + Sync> = match format {
        LogFormat::Json => {
            let lines = lines.json().flatten_event(true).with_current_span(true).with_span_list(true);
            Box::new(registry.with(lines.with_writer(cleaning).with_filter(filter)))
        }
        LogFormat::Text => Box::new(registry.with(lines.with_writer(cleaning).with_filter(filter))),
    };
    (subscriber, refilter)
}

/// Changes the filter of this process's log.
static REFILTER: OnceLock<Refilter> = OnceLock::new();

type Refilter = Box<dyn Fn(&str) + Send + Sync>;

/// Filters the log another way from now on. Without a log nothing happens.
pub fn refilter(filter: &str) {
    if let Some(change) = REFILTER.get() {
        change(filter);
    }
}

fn filter_of(text: &str) -> EnvFilter {
    EnvFilter::builder().with_default_directive(LevelFilter::INFO.into()).parse_lossy(text)
}

/// Whether a library may log at this level at all. serenity prints whole modals at `info`, and its socket and the HTTP
/// libraries print headers and bodies below `info`; our own rooms may log whatever the filter asks for.
fn is_harmless(about: &Metadata<'_>) -> bool {
    let most = match about.target().split("::").next().unwrap_or_default() {
        "accolade" => Level::TRACE,
        "serenity" | "poise" | "tungstenite" | "tokio_tungstenite" => Level::WARN,
        _ => Level::INFO,
    };
    about.level() <= &most
}

/// What serenity says in its log and nowhere else: the gateway closed with a code after which it goes on for ever.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GatewayClosure {
    /// 4010 and 4011: waiting cures nothing.
    ForGood,
    /// 4003: a new session may be given.
    Unidentified,
}

/// 0 for none, else a [`GatewayClosure`].
static CLOSURE: AtomicU8 = AtomicU8::new(0);

/// What is done at a closure, on the spot: right after it the library's loop spins without ever giving its thread back, and the
/// runtime may stand still with it.
pub type AtClosure = Arc<dyn Fn() + Send + Sync>;

static AT_CLOSURE: Mutex<Option<AtClosure>> = Mutex::new(None);

/// Sets what is done at a closure; `None` for nothing.
pub fn at_gateway_closure(deed: Option<AtClosure>) {
    *AT_CLOSURE.lock().unwrap_or_else(PoisonError::into_inner) = deed;
}

/// The closure since the last call, if there was one.
pub fn take_gateway_closure() -> Option<GatewayClosure> {
    match CLOSURE.swap(0, Ordering::Relaxed) {
        1 => Some(GatewayClosure::ForGood),
        2 => Some(GatewayClosure::Unidentified),
        _ => None,
    }
}

fn is_of_the_gateway(about: &Metadata<'_>) -> bool {
    about.target().split("::").take(2).eq(["serenity", "gateway"]) && about.level() == &Level::ERROR
}

/// Listens to serenity's errors of the gateway.
struct GatewayErrorLayer;

impl<S: tracing::Subscriber> Layer<S> for GatewayErrorLayer {
    fn on_event(&self, event: &tracing::Event<'_>, _context: Context<'_, S>) {
        let mut heard = MessageVisitor(String::new());
        event.record(&mut heard);
        let MessageVisitor(text) = heard;
        if ["InvalidShardData", "OverloadedShard"].iter().any(|name| text.contains(name)) {
            CLOSURE.store(1, Ordering::Relaxed);
        } else if text.contains("NoAuthentication") {
            CLOSURE.store(2, Ordering::Relaxed);
        } else {
            return;
        }
        let deed = AT_CLOSURE.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(deed) = deed {
            deed();
        }
    }
}

/// The message of an event.
struct MessageVisitor(String);

impl Visit for MessageVisitor {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() == "message" {
            // a `String` never refuses what is written to it
            let _ = write!(self.0, "{value:?}");
        }
    }
}

static PANICS: AtomicU64 = AtomicU64::new(0);

/// How many times something panicked since the start, for `accolade_panics_total`.
pub fn panics() -> u64 {
    PANICS.load(Ordering::Relaxed)
}

/// Counts and logs a panic: where, never what, because a message may quote what somebody typed.
fn count_panics() {
    std::panic::set_hook(Box::new(|panic| {
        PANICS.fetch_add(1, Ordering::Relaxed);
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        tracing::error!(panic.location = %place, "a defect: something panicked");
    }));
}

/// A writer that cleans each line. `tracing-subscriber` writes an event in one piece.
struct RedactingWriter<W>(LogFormat, W);

impl<W: Write> Write for RedactingWriter<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.1.write_all(clean(self.0, &String::from_utf8_lossy(bytes)).as_bytes())?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.1.flush()
    }
}

/// One event as one line: without control and direction characters, and without what looks like a token.
pub fn clean(format: LogFormat, event: &str) -> String {
    let event = event.strip_suffix('\n').unwrap_or(event);
    let mut line = String::with_capacity(event.len() + 1);
    let mut run = String::new();
    let mut is_after_scheme = false;
    for c in event.chars() {
        if is_of_token(c) {
            run.push(c);
            continue;
        }
        is_after_scheme = put_run(&mut line, &mut run, is_after_scheme, c);
        put_escaped(&mut line, format, c);
    }
    put_run(&mut line, &mut run, is_after_scheme, '\n');
    line.push('\n');
    line
}

fn is_of_token(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-' | '~' | '+')
}

/// Puts a run of token characters, or what stands for it. Answers whether the next run follows an authorization scheme.
fn put_run(line: &mut String, run: &mut String, is_after_scheme: bool, next: char) -> bool {
    let is_scheme = next == ' ' && ["Bearer", "Bot", "Basic"].contains(&run.as_str());
    if looks_like_token(run) || (is_after_scheme && run.len() >= SHORTEST_CREDENTIAL) {
        line.push_str("[redacted]");
    } else {
        line.push_str(run);
    }
    let stays = run.is_empty() && is_after_scheme && next == ' ';
    run.clear();
    is_scheme || stays
}

/// Behind `Bearer` and its like: shorter words are prose.
const SHORTEST_CREDENTIAL: usize = 12;

/// Tokens of Discord and Keycloak, their links and secrets are longer than this; our ids and the hashes of the audit chain
/// are longer too, but have no capital letters.
const SHORTEST_TOKEN: usize = 28;

fn looks_like_token(run: &str) -> bool {
    run.len() >= SHORTEST_TOKEN
        && run.bytes().any(|b| b.is_ascii_uppercase())
        && run.bytes().any(|b| b.is_ascii_lowercase())
        && run.bytes().any(|b| b.is_ascii_digit())
}

fn put_escaped(line: &mut String, format: LogFormat, c: char) {
    if !is_control_or_bidi(c) {
        line.push(c);
        return;
    }
    // a `String` never refuses what is written to it
    let _ = match format {
        // the encoder of JSON has escaped the other control characters; these stand inside its strings
        LogFormat::Json => write!(line, "\\u{:04x}", u32::from(c)),
        LogFormat::Text => write!(line, "{}", c.escape_unicode()),
    };
}

/// Characters that break a line, drive a terminal, or turn the reading direction (Unicode UAX 9), or cannot be seen.
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
            clean(LogFormat::Text, &format!("INFO value={typed}\n")),
            "INFO value=ada\\u{a}ERROR forged \\u{1b}[31m\\u{202e}txt\\u{200b}\n"
        );
        let json = serde_json::json!({ "value": typed }).to_string();
        let cleaned = clean(LogFormat::Json, &json);
        assert!(!cleaned.trim_end().contains(is_control_or_bidi), "{cleaned:?}");
        let read: serde_json::Value = serde_json::from_str(&cleaned).expect("still JSON");
        assert_eq!(read["value"], typed);
    }

    #[test]
    fn what_looks_like_a_token_is_taken_out_and_ids_stay() {
        let bot = ["MTAwMDAwMDAwMDAwMDAwMDAx", "GaBcDe", "abcdefghijklmnopqrstuvwxyz0123456789AB"].join(".");
        let token = ["eyJhbGciOiJIUzUxMiJ9", "eyJleHAiOjE3MDAwMDAwMDB9", "c2lnbmF0dXJlX29mX2l0"].join(".");
        for secret in [bot.as_str(), token.as_str(), "wXv0Jq3mT8sLbN5rKc2dYh7gPf4zAe6U"] {
            let line = clean(LogFormat::Text, &format!("INFO url=\"https://id.example.org/x?key={secret}\""));
            assert_eq!(line, "INFO url=\"https://id.example.org/x?key=[redacted]\"\n");
        }
        assert_eq!(
            clean(LogFormat::Text, "Authorization: Bearer abcdefabcdef"),
            "Authorization: Bearer [redacted]\n"
        );
        assert_eq!(clean(LogFormat::Text, "a Bot said hello"), "a Bot said hello\n");
        let kept = [
            "018bcfe5-6800-7000-8000-000000000000",
            "12:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
            "accolade::jobs::steps::await_group_sync_in_keycloak",
            "100000000000000001",
            "2026-11-23T23:00:00.000000Z",
        ];
        for id in kept {
            assert_eq!(clean(LogFormat::Text, id), format!("{id}\n"));
        }
    }

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

    /// What is written while `act` runs, through everything that the process's own log goes through.
    fn written(format: LogFormat, filter: &str, act: impl FnOnce()) -> String {
        let memory = Memory::default();
        let into = memory.clone();
        let (subscriber, _refilter) =
            writing_into(&Log { format, filter: filter.to_owned() }, move || into.clone());
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

    /// What somebody may type to forge a line, to drive a terminal, or to turn the reading direction.
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
                    assert_eq!(read["span"]["typed"], typed);
                    assert_eq!((&read["level"], &read["message"]), (&"INFO".into(), &"a press".into()));
                }
            }
        }
    }

    #[test]
    fn a_trace_id_is_found_by_its_reference() {
        struct Sevens;
        impl Rng for Sevens {
            fn fill(&self, bytes: &mut [u8]) {
                bytes.fill(0x77);
            }
        }
        let id = TraceId::new(&Sevens);
        assert_eq!(id.to_string(), "77".repeat(16));
        assert_eq!(id.reference(), "77777777");
    }
}
