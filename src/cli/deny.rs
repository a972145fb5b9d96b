//! `accolade deny …`: the deny list. Only keyed hashes are stored, so an entry can't be turned back into a name.

use std::path::Path;
use std::time::Duration;

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::exit::Exit;
use super::print::Printer;
use super::session::{ListFormat, Page, in_session, instant, print_page, to_the_second};
use crate::accounts::Purpose;
use crate::accounts::deny_list::{DenyLine, DenyTarget};
use crate::accounts::open::AccessLevel;
use crate::clock;
use crate::domain::ids::{DiscordUserId, Timestamp};
use crate::domain::mail_address::MailAddress;
use crate::messages::tr;

#[derive(Debug, Subcommand)]
pub(super) enum Verb {
    /// Add a person, address or domain, or change the entry
    Add {
        #[command(flatten)]
        subject: Subject,
        /// A time like `2027-01-31T00:00:00Z` or a duration like `30d` [default: forever]
        #[arg(long, value_name = "TIME|SPAN", value_parser = until)]
        until: Option<Until>,
        /// The reason; only admins can read it
        #[arg(long, value_name = "TEXT", default_value = "")]
        reason: String,
    },
    /// Remove a person, address or domain
    Remove {
        #[command(flatten)]
        subject: Subject,
    },
    /// List the entries
    List(Page),
}

#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub(super) struct Subject {
    /// A Discord user
    #[arg(long, value_name = "DISCORD_ID")]
    person: Option<DiscordUserId>,
    /// A mail address
    #[arg(long, value_name = "ADDRESS")]
    address: Option<String>,
    /// A mail domain with its subdomains
    #[arg(long, value_name = "DOMAIN")]
    domain: Option<String>,
}

impl Subject {
    fn target(&self) -> Result<DenyTarget, &'static str> {
        if let Some(id) = self.person {
            return Ok(DenyTarget::Person(id));
        }
        if let Some(typed) = &self.address {
            return MailAddress::parse(typed)
                .map(DenyTarget::Address)
                .map_err(|_| "that is not a mail address");
        }
        let typed = self.domain.as_deref().unwrap_or_default();
        DenyTarget::domain(typed).map_err(|_| "that is not a mail domain")
    }
}

/// How long an entry lasts.
#[derive(Clone, Copy, Debug)]
pub(super) enum Until {
    /// From now on for this long.
    For(Duration),
    /// Until then.
    At(Timestamp),
}

impl Until {
    fn duration(self) -> Duration {
        match self {
            Self::For(span) => span,
            Self::At(at) => at.since(clock::of_process().now()),
        }
    }
}

fn until(text: &str) -> Result<Until, String> {
    let at = text.parse::<jiff::Timestamp>().map(|at| Until::At(Timestamp::from_millis(at.as_millisecond())));
    at.or_else(|_| humantime::parse_duration(text).map(Until::For))
        .map_err(|_| "write a time like 2027-01-31T00:00:00Z or a span like 30d".to_owned())
}

/// Runs one of them.
pub(super) fn run(verb: &Verb, file: &Path, printer: &mut Printer) -> Exit {
    match verb {
        Verb::Add { subject, until, reason } => match subject.target() {
            Err(text) => printer.fault(Exit::Usage, text),
            Ok(target) => in_session(file, AccessLevel::Write, printer, async |session, printer| {
                if let Err(denied) = session
                    .accounts
                    .deny_add(&session.admin(Purpose::DenyList), &target, until.map(Until::duration), reason)
                    .await
                {
                    session.refuse(printer, &denied)
                } else {
                    printer.line(tr!(session.lang, "cli-deny-added"));
                    Exit::Done
                }
            }),
        },
        Verb::Remove { subject } => {
            match subject.target() {
                Err(text) => printer.fault(Exit::Usage, text),
                Ok(target) => in_session(file, AccessLevel::Write, printer, async |session, printer| {
                    match session.accounts.deny_remove(&session.admin(Purpose::DenyList), &target).await {
                        Err(denied) => session.refuse(printer, &denied),
                        Ok(true) => {
                            printer.line(tr!(session.lang, "cli-deny-removed"));
                            Exit::Done
                        }
                        Ok(false) => printer.fault(Exit::Failed, tr!(session.lang, "cli-not-on-deny-list")),
                    }
                }),
            }
        }
        Verb::List(page) => in_session(file, AccessLevel::Read, printer, async |session, printer| {
            match session
                .accounts
                .deny_list(&session.admin(Purpose::DenyList), page.after.as_deref(), page.limit)
                .await
            {
                Err(denied) => session.refuse(printer, &denied),
                Ok(lines) => {
                    let headings = vec![
                        tr!(session.lang, "cli-column-kind"),
                        tr!(session.lang, "cli-column-added"),
                        tr!(session.lang, "cli-column-until"),
                        tr!(session.lang, "cli-column-by"),
                        tr!(session.lang, "cli-column-reason"),
                    ];
                    let nothing = tr!(session.lang, "cli-empty-deny-list");
                    let key = |line: &DenyLine| line.key.clone();
                    print_page(
                        printer,
                        page,
                        &lines,
                        &ListFormat { name: "denied", headings, nothing, key, as_json, as_row },
                    )
                }
            }
        }),
    }
}

fn as_json(line: &DenyLine) -> Value {
    json!({
        "key": line.key,
        "kind": line.kind,
        "until": line.until.map(instant),
        "actor": line.actor,
        "at": instant(line.at),
        "reason": line.reason,
    })
}

fn as_row(line: &DenyLine) -> Vec<String> {
    vec![
        line.kind.to_owned(),
        to_the_second(line.at),
        line.until.map_or_else(|| "-".to_owned(), to_the_second),
        line.actor.clone(),
        line.reason.clone().unwrap_or_default(),
    ]
}
