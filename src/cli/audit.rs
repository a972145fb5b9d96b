//! `accolade audit …`: search and export the log, and verify that nobody changed it. Searches and exports are audited too.

use std::path::Path;

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::exit::Exit;
use super::export::{self, Target};
use super::print::Printer;
use super::session::{ListFormat, Page, actor, in_session, instant, print_page, to_the_second, user};
use crate::accounts::Purpose;
use crate::accounts::audit_log::{AuditFilter, AuditLine, Head, Verified, read_instant};
use crate::accounts::open::AccessLevel;
use crate::domain::audit::{Event, Source};
use crate::domain::ids::Timestamp;
use crate::domain::lang::Lang;
use crate::messages::tr;

#[derive(Debug, Subcommand)]
pub(super) enum Verb {
    /// List rows of the audit log, newest first
    Search(SearchFlags),
    /// Export the rows as CSV or JSON, with the head of the chain
    Export(ExportFlags),
    /// Verify the whole chain; exits with 3 if a row was changed or removed
    Verify {
        /// An earlier head that the chain must contain
        #[arg(long, value_name = "SEQ:HASH", value_parser = str::parse::<Head>)]
        head: Option<Head>,
        /// Print one JSON object instead of lines
        #[arg(long)]
        json: bool,
    },
}

#[derive(Debug, Args)]
pub(super) struct SearchFlags {
    #[command(flatten)]
    filter: FilterFlags,
    /// List the oldest rows first
    #[arg(long)]
    oldest_first: bool,
    #[command(flatten)]
    page: Page,
}

#[derive(Debug, Args)]
pub(super) struct ExportFlags {
    #[command(flatten)]
    filter: FilterFlags,
    #[command(flatten)]
    to: export::Flags,
}

/// The rows to list.
#[derive(Debug, Args)]
struct FilterFlags {
    /// Only this event, such as `request.approved`
    #[arg(long, value_name = "EVENT", value_parser = event)]
    event: Option<Event>,
    /// Only rows about this person: a Discord id, a mention or our id
    #[arg(long, value_name = "WHO")]
    person: Option<String>,
    /// Only rows of this request: its code or id
    #[arg(long, value_name = "CODE")]
    request: Option<String>,
    /// Only rows of this actor: as for `--person`, or `cli:<login>`, or `system`
    #[arg(long, value_name = "WHO")]
    actor: Option<String>,
    /// Only rows from this source: `chat`, `cli`, `worker`, `keycloak` or `config`
    #[arg(long, value_name = "SOURCE", value_parser = source)]
    source: Option<Source>,
    /// Only rows at or after this time, like `2026-11-23T00:00:00Z` or `2026-11-23`
    #[arg(long, value_name = "TIME", value_parser = time)]
    since: Option<Timestamp>,
    /// Only rows before this time
    #[arg(long, value_name = "TIME", value_parser = time)]
    until: Option<Timestamp>,
}

impl FilterFlags {
    fn filter(&self) -> AuditFilter {
        AuditFilter {
            event: self.event,
            person: self.person.clone(),
            request: self.request.clone(),
            actor: self.actor.clone(),
            source: self.source,
            since: self.since,
            until: self.until,
            newest_first: false,
        }
    }
}

fn event(text: &str) -> Result<Event, String> {
    text.parse().map_err(|_| "there is no such event".to_owned())
}

fn source(text: &str) -> Result<Source, String> {
    text.parse().map_err(|_| "there is no such source".to_owned())
}

/// Parses a time.
pub(super) fn time(text: &str) -> Result<Timestamp, String> {
    read_instant(text)
        .ok_or_else(|| "write a time like 2026-11-23T00:00:00Z, or a day like 2026-11-23".to_owned())
}

/// Runs one of them.
pub(super) fn run(verb: &Verb, file: &Path, printer: &mut Printer) -> Exit {
    match verb {
        Verb::Search(flags) => search(flags, file, printer),
        Verb::Export(flags) => write_export(flags, file, printer),
        Verb::Verify { head, json } => {
            let print = if *json { print_as_json } else { print_as_text };
            in_session(file, AccessLevel::Read, printer, async |session, printer| {
                match session.accounts.audit_verify(head.as_ref()).await {
                    Err(denied) => session.refuse(printer, &denied),
                    Ok(verified) => {
                        print(&verified, printer);
                        exit_of(&verified)
                    }
                }
            })
        }
    }
}

fn search(flags: &SearchFlags, file: &Path, printer: &mut Printer) -> Exit {
    let after: Option<i64> = match flags.page.after.as_deref().map(str::parse).transpose() {
        Ok(after) => after,
        Err(_) => return printer.fault(Exit::Usage, "--after: write the number of a row"),
    };
    let filter = AuditFilter { newest_first: !flags.oldest_first, ..flags.filter.filter() };
    in_session(file, AccessLevel::Write, printer, async |session, printer| {
        match session
            .accounts
            .audit_search(&session.admin(Purpose::Audit), &filter, after, flags.page.limit)
            .await
        {
            Err(denied) => session.refuse(printer, &denied),
            Ok(lines) => {
                let format = ListFormat {
                    name: "rows",
                    headings: vec![
                        tr!(session.lang, "cli-column-row"),
                        tr!(session.lang, "cli-column-time"),
                        tr!(session.lang, "cli-column-event"),
                        tr!(session.lang, "cli-column-source"),
                        tr!(session.lang, "cli-column-by"),
                        tr!(session.lang, "cli-column-about"),
                        tr!(session.lang, "cli-column-request"),
                        tr!(session.lang, "cli-column-change"),
                        tr!(session.lang, "cli-column-reason"),
                    ],
                    nothing: tr!(session.lang, "cli-no-audit-rows"),
                    key: |line: &AuditLine| line.row.seq.to_string(),
                    as_json,
                    as_row,
                };
                print_page(printer, &flags.page, &lines, &format)
            }
        }
    })
}

fn write_export(flags: &ExportFlags, file: &Path, printer: &mut Printer) -> Exit {
    let mut target = match Target::open(flags.to.output.as_deref(), printer) {
        Ok(target) => target,
        Err(exit) => return exit,
    };
    let (filter, format) = (flags.filter.filter(), flags.to.format);
    in_session(file, AccessLevel::Write, printer, async |session, printer| {
        let admin = session.admin(Purpose::AuditExport);
        let exporting =
            session.accounts.export_audit(&admin, &filter, format, |text| target.write(text, printer));
        let ended = exporting.await;
        match target.finish(ended, session, printer) {
            Err(exit) => exit,
            Ok(None) => Exit::Done,
            Ok(Some(head)) => {
                printer.note(tr!(session.lang, "cli-exported-audit", head = head.to_string()));
                Exit::Done
            }
        }
    })
}

fn as_json(line: &AuditLine) -> Value {
    let row = &line.row;
    json!({
        "seq": row.seq,
        "at": instant(row.at),
        "event": row.event,
        "source": row.source,
        "guild_id": row.guild_id,
        "actor_id": row.actor_id,
        "actor_discord_id": line.actor.map(|id| id.to_string()),
        "subject_id": row.subject_id,
        "subject_discord_id": line.subject.map(|id| id.to_string()),
        "request_id": row.request_id,
        "request_code": line.request_code,
        "job_id": row.job_id,
        "before": row.before,
        "after": row.after,
        "reason_code": row.reason_code,
        "hash": line.hash,
    })
}

fn as_row(line: &AuditLine) -> Vec<String> {
    let row = &line.row;
    let change = match (&row.before, &row.after) {
        (Some(before), Some(after)) => [before, " -> ", after].concat(),
        (None, Some(one)) | (Some(one), None) => one.clone(),
        (None, None) => String::new(),
    };
    vec![
        row.seq.to_string(),
        to_the_second(row.at),
        row.event.clone(),
        row.source.clone(),
        actor(&row.actor_id, line.actor),
        user(line.subject),
        line.request_code.clone().unwrap_or_else(|| "-".to_owned()),
        change,
        row.reason_code.clone().unwrap_or_default(),
    ]
}

fn exit_of(verified: &Verified) -> Exit {
    match verified {
        Verified::Whole { .. } => Exit::Done,
        Verified::Broken { .. } | Verified::HeadMissing { .. } => Exit::Differences,
    }
}

fn print_as_json(verified: &Verified, printer: &mut Printer) {
    printer.line(match verified {
        Verified::Whole { head } => json!({ "ok": true, "head": head.to_string() }),
        Verified::Broken { seq } => json!({ "ok": false, "first_bad_row": seq }),
        Verified::HeadMissing { head } => {
            json!({ "ok": false, "head_missing": true, "head": head.to_string() })
        }
    });
}

fn print_as_text(verified: &Verified, printer: &mut Printer) {
    let lang = Lang::default();
    printer.line(match verified {
        Verified::Whole { head } => tr!(lang, "cli-audit-whole", head = head.to_string()),
        Verified::Broken { seq } => tr!(lang, "cli-audit-broken", row = seq.to_string()),
        Verified::HeadMissing { head } => tr!(lang, "cli-audit-head-missing", head = head.to_string()),
    });
}
