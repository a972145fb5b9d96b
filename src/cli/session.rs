//! The session of an operator's verb: the use-cases with the access that the verb needs, and common output.

use std::path::Path;
use std::sync::Arc;

use clap::Args;
use serde_json::{Value, json};
use tracing::Instrument;

use super::exit::Exit;
use super::prepare::{load, small_runtime};
use super::print::Printer;
use super::process;
use crate::accounts::open::AccessLevel;
use crate::accounts::{Accounts, Admin, Operator, Purpose, UseCaseError, ViewGrant};
use crate::clock::SystemRng;
use crate::config::{Log, LogFormat};
use crate::domain::ids::{DiscordUserId, Timestamp};
use crate::domain::lang::Lang;
use crate::domain::reference::Reference;
use crate::messages::{self, tr};
use crate::telemetry::{self, TraceId};

/// What a verb needs.
pub(super) struct CliSession {
    pub(super) accounts: Accounts,
    pub(super) operator: Operator,
    pub(super) lang: Lang,
    trace: TraceId,
}

/// The flags of all lists.
#[derive(Debug, Args)]
pub(super) struct Page {
    /// Start after this key, which the previous page printed
    #[arg(long, value_name = "KEY")]
    pub(super) after: Option<String>,
    /// The maximum number of lines
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub(super) limit: u32,
    /// Print one JSON object instead of lines
    #[arg(long)]
    pub(super) json: bool,
}

/// Opens the use-cases, runs `job` and closes them. Causes of errors are logged to standard error.
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
    // Only tests start a second log in one process, which is no reason to stop.
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
    /// The operator's right to act as an admin.
    pub(super) fn admin(&self, purpose: Purpose) -> Admin {
        self.accounts.authorize_operator(&self.operator, purpose)
    }

    /// The operator's right to view requests.
    pub(super) fn view_grant(&self) -> ViewGrant {
        self.accounts.authorize_operator_reader(&self.operator)
    }

    /// Prints why the action was refused, with its code for programs.
    pub(super) fn refuse(&self, printer: &mut Printer, denied: &UseCaseError) -> Exit {
        let reference = Reference::of(&self.trace.to_string());
        let sentence = messages::error_code::sentence(self.lang, denied.error_code, &reference);
        printer.fault(Exit::Failed, format_args!("{}: {sentence}", denied.error_code))
    }
}

/// Prints a page of a list: as JSON with the key of the next page, or as a table.
pub(super) fn print_page<T>(printer: &mut Printer, page: &Page, items: &[T], format: &ListFormat<T>) -> Exit {
    let is_full = u32::try_from(items.len()).is_ok_and(|count| count >= page.limit);
    let next = items.last().filter(|_| is_full).map(format.key);
    if page.json {
        let lines: Vec<Value> = items.iter().map(format.as_json).collect();
        printer.line(json!({ format.name: lines, "next": next }));
        return Exit::Done;
    }
    if items.is_empty() {
        printer.line(&format.nothing);
    }
    if !items.is_empty() {
        printer.table(items.iter().map(format.as_row));
    }
    if let Some(next) = next {
        printer.note(tr!(Lang::default(), "cli-more", next = &next));
    }
    Exit::Done
}

/// How the items of a list are printed.
pub(super) struct ListFormat<T> {
    /// The name of the list in JSON.
    pub(super) name: &'static str,
    /// The text for an empty list.
    pub(super) nothing: String,
    /// The key for `--after`.
    pub(super) key: fn(&T) -> String,
    /// An item as an object.
    pub(super) as_json: fn(&T) -> Value,
    /// An item as the cells of a table.
    pub(super) as_row: fn(&T) -> Vec<String>,
}

/// A timestamp as RFC 3339 in UTC.
pub(super) fn instant(at: Timestamp) -> String {
    jiff::Timestamp::from_millisecond(at.as_millis())
        .map_or_else(|_| at.as_millis().to_string(), |at| at.to_string())
}

/// A Discord user, or a dash if the id was erased.
pub(super) fn user(id: Option<DiscordUserId>) -> String {
    id.map_or_else(|| "-".to_owned(), |id| id.to_string())
}

/// Prints an object for people: one line for each key that is set.
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
