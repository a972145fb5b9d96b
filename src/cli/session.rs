//! Where an operator's verbs work: the use-cases opened with the reach that the verb needs, and one way to say no.

use std::path::Path;
use std::sync::Arc;

use clap::Args;
use serde_json::{Value, json};
use tracing::Instrument;

use super::print::Printer;
use super::{Exit, load, process, small_runtime};
use crate::accounts::open::AccessLevel;
use crate::accounts::{Accounts, Operator, UseCaseError, Viewer};
use crate::clock::SystemRng;
use crate::config::{Log, LogFormat};
use crate::domain::ids::{DiscordUserId, Timestamp};
use crate::messages::{self, Lang, Reference};
use crate::telemetry::{self, TraceId};

/// What a verb works with.
pub(super) struct CliSession {
    pub(super) accounts: Accounts,
    pub(super) operator: Operator,
    pub(super) lang: Lang,
    trace: TraceId,
}

/// The flags of everything that lists.
#[derive(Debug, Args)]
pub(super) struct Page {
    /// Begin after this line: what the page before named
    #[arg(long, value_name = "KEY")]
    pub(super) after: Option<String>,
    /// How many lines at the most
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub(super) limit: u32,
    /// One JSON object instead of lines
    #[arg(long)]
    pub(super) json: bool,
}

/// Opens the use-cases, runs `job`, closes them. Causes of trouble are logged to standard error.
pub(super) fn in_session(
    file: &Path,
    level: AccessLevel,
    printer: &mut Printer,
    job: impl AsyncFnOnce(&CliSession, &mut Printer) -> Exit,
) -> Exit {
    let loaded = match load(file, printer) {
        Ok(loaded) => loaded,
        Err(exit) => return exit,
    };
    // A second log in one process is no reason to stop; only tests have one.
    let _ = telemetry::start(&Log { format: LogFormat::Text, filter: "warn".to_owned() });
    let runtime = match small_runtime(printer) {
        Ok(runtime) => runtime,
        Err(exit) => return exit,
    };
    let trace = TraceId::new(&SystemRng);
    let span = tracing::info_span!("verb", trace_id = %trace);
    let run = async {
        let clock = crate::clock::of_process();
        let accounts = match Accounts::open(loaded.config, clock, Arc::new(SystemRng), level).await {
            Ok(accounts) => accounts,
            Err(error) => return printer.failure("nothing was done", &error),
        };
        let operator = Operator { login: process::login() };
        let session = CliSession { accounts, operator, lang: Lang::default(), trace };
        let exit = job(&session, printer).await;
        session.accounts.close().await;
        exit
    };
    runtime.block_on(run.instrument(span))
}

impl CliSession {
    /// The operator as somebody who looks.
    pub(super) fn viewer(&self) -> Viewer {
        self.operator.clone().into()
    }

    /// Says why something was refused, with the code that programs read.
    pub(super) fn refuse(&self, printer: &mut Printer, denied: &UseCaseError) -> Exit {
        let reference = Reference::of(&self.trace.to_string());
        let sentence = messages::error_code::sentence(self.lang, denied.error_code, &reference);
        printer.fault(Exit::Failed, format_args!("{}: {sentence}", denied.error_code))
    }
}

/// Prints a page: as JSON with the key of the next one, or as lines; an empty one says so.
pub(super) fn print_page<T>(printer: &mut Printer, page: &Page, items: &[T], kind: &Kind<T>) -> Exit {
    let is_full = u32::try_from(items.len()).is_ok_and(|count| count >= page.limit);
    let next = items.last().filter(|_| is_full).map(kind.key);
    if page.json {
        let lines: Vec<Value> = items.iter().map(kind.as_json).collect();
        printer.line(json!({ kind.name: lines, "next": next }));
        return Exit::Done;
    }
    if items.is_empty() {
        printer.line(&kind.nothing);
    }
    for item in items {
        printer.line((kind.as_line)(item));
    }
    if let Some(next) = next {
        printer.note(messages::cli::more(Lang::default(), &next));
    }
    Exit::Done
}

/// How one kind of thing is listed.
pub(super) struct Kind<T> {
    /// The name of the list in JSON.
    pub(super) name: &'static str,
    /// What an empty list says.
    pub(super) nothing: String,
    /// What `--after` takes.
    pub(super) key: fn(&T) -> String,
    /// One object.
    pub(super) as_json: fn(&T) -> Value,
    /// One line.
    pub(super) as_line: fn(&T) -> String,
}

/// An instant as RFC 3339 in UTC.
pub(super) fn instant(at: Timestamp) -> String {
    jiff::Timestamp::from_millisecond(at.as_millis())
        .map_or_else(|_| at.as_millis().to_string(), |at| at.to_string())
}

/// A Discord user, or a dash where the id was erased.
pub(super) fn user(id: Option<DiscordUserId>) -> String {
    id.map_or_else(|| "-".to_owned(), |id| id.to_string())
}

/// Prints an object for people, one key a line; what is not set is left out.
pub(super) fn print_object(printer: &mut Printer, object: &Value) {
    for (key, value) in object.as_object().into_iter().flatten() {
        match value {
            Value::Null => {}
            Value::String(text) => printer.line(format_args!("{key}  {text}")),
            Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => {
                printer.line(format_args!("{key}  {value}"));
            }
        }
    }
}
