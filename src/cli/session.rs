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
        printer.table(&format.headings, items.iter().map(format.as_row));
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
    /// The headings of the table.
    pub(super) headings: Vec<String>,
    /// The text for an empty list.
    pub(super) nothing: String,
    /// The key for `--after`.
    pub(super) key: fn(&T) -> String,
    /// An item as an object.
    pub(super) as_json: fn(&T) -> Value,
    /// An item as the cells of a table.
    pub(super) as_row: fn(&T) -> Vec<String>,
}

/// A timestamp as RFC 3339 in UTC, for programs.
pub(super) fn instant(at: Timestamp) -> String {
    jiff::Timestamp::from_millisecond(at.as_millis())
        .map_or_else(|_| at.as_millis().to_string(), |at| at.to_string())
}

/// A timestamp to the second in UTC, for people. Flags such as `--since` take it, too.
pub(super) fn to_the_second(at: Timestamp) -> String {
    instant(Timestamp::from_millis(at.as_millis().div_euclid(1000) * 1000))
}

/// A Discord user, or a dash if the id was erased.
pub(super) fn user(id: Option<DiscordUserId>) -> String {
    id.map_or_else(|| "-".to_owned(), |id| id.to_string())
}

/// Who acted: a Discord user, an operator's login, or the system. Accolade's own ids mean nothing to people.
pub(super) fn actor(actor: &str, id: Option<DiscordUserId>) -> String {
    if id.is_none() && (actor.starts_with("cli:") || actor == "system") {
        return actor.to_owned();
    }
    user(id)
}

/// Prints an object for people: one line for each key that is set, except those in `hidden`.
pub(super) fn print_object(printer: &mut Printer, object: &Value, hidden: &[&str]) {
    let keys = object.as_object().into_iter().flatten();
    let shown = keys.filter(|(key, value)| !value.is_null() && !hidden.contains(&key.as_str()));
    printer.columns(shown.map(|(key, value)| vec![key.replace(['_', '.'], " "), cell(key, value)]));
}

/// A value for people: times to the second, lists without brackets.
fn cell(key: &str, value: &Value) -> String {
    match value {
        Value::String(text) if key.ends_with("_at") => text
            .parse::<jiff::Timestamp>()
            .map_or_else(|_| text.clone(), |at| to_the_second(Timestamp::from_millis(at.as_millisecond()))),
        Value::String(text) => text.clone(),
        Value::Array(values) => values.iter().map(|value| cell("", value)).collect::<Vec<_>>().join(", "),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => value.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn people_read_times_to_the_second_and_whom_they_know() {
        let at = Timestamp::from_millis(1_764_556_621_987);
        assert_eq!(to_the_second(at), "2025-12-01T02:37:01Z");
        assert_eq!(cell("invited_at", &instant(at).into()), "2025-12-01T02:37:01Z");
        assert_eq!(cell("username", &"ada".into()), "ada");
        assert_eq!(cell("groups", &vec!["members", "wiki"].into()), "members, wiki");
        let ada = DiscordUserId::new(175_928_847_299_117_063);
        assert_eq!(actor("0190a8c4-0000-7000-8000-000000000001", Some(ada)), ada.to_string());
        assert_eq!(actor("0190a8c4-0000-7000-8000-000000000001", None), "-");
        assert_eq!(actor("cli:root", None), "cli:root");
        assert_eq!(actor("system", None), "system");
    }
}
