//! `accolade request …`: lists, shows and decides requests with the same rules as in chat.

use std::path::Path;

use clap::Subcommand;
use serde_json::{Value, json};

use super::exit::Exit;
use super::print::Printer;
use super::session::{
    CliSession, ListFormat, Page, actor, in_session, instant, print_object, print_page, to_the_second, user,
};
use crate::accounts::open::AccessLevel;
use crate::accounts::requests::{
    DecisionLine, JobLine, Note, RequestFilter, RequestLine, RequestShown, RequestTexts, StatusFilter,
};
use crate::accounts::{Proof, Purpose, Reviewer};
use crate::domain::approval::{Notify, Verdict};
use crate::domain::audit::Source;
use crate::domain::ids::{DiscordUserId, GuildId, Nonce, RequestId};
use crate::domain::job::JobState;
use crate::domain::lang::Lang;
use crate::domain::request::RequestState;
use crate::messages::{self, tr};

/// The value of `--state` that is not a state of requests.
const NEEDS_OPERATOR: &str = "needs-operator";

#[derive(Debug, Subcommand)]
pub(super) enum Verb {
    /// List requests, newest first
    List {
        /// Only requests in this guild
        #[arg(long, value_name = "GUILD_ID")]
        guild: Option<GuildId>,
        /// Only requests in this state, such as `waiting`, or `needs-operator` if their job has stopped [default: all but drafts]
        #[arg(long, value_name = "STATE", value_parser = status)]
        state: Option<StatusFilter>,
        #[command(flatten)]
        page: Page,
    },
    /// Show one request with its decisions and its job
    Show {
        /// Its code or its id
        code: String,
        /// Print one JSON object instead of lines
        #[arg(long)]
        json: bool,
    },
    /// Approve a request
    Approve {
        /// Its code or its id
        code: String,
        /// Your Discord id: the rules of chat apply to you
        #[arg(long = "as", value_name = "DISCORD_ID")]
        by: DiscordUserId,
    },
    /// Deny a request
    Deny {
        /// Its code or its id
        code: String,
        /// Your Discord id: the rules of chat apply to you
        #[arg(long = "as", value_name = "DISCORD_ID")]
        by: DiscordUserId,
        /// The reason; the requester can read it unless `--quietly` is given
        #[arg(long, value_name = "TEXT")]
        reason: String,
        /// Do not tell the requester
        #[arg(long)]
        quietly: bool,
    },
    /// Retry the job of a request that stopped and needs an operator
    Retry {
        /// Its code or its id
        code: String,
        /// Your Discord id: you need an admin role
        #[arg(long = "as", value_name = "DISCORD_ID")]
        by: DiscordUserId,
    },
    /// Cancel a request
    Cancel {
        /// Its code or its id
        code: String,
    },
}

fn status(text: &str) -> Result<StatusFilter, String> {
    if text == NEEDS_OPERATOR || text == JobState::NeedsOperator.code() {
        return Ok(StatusFilter::NeedsOperator);
    }
    text.parse().map(StatusFilter::In).map_err(|_| {
        let mut known: Vec<&str> = RequestState::ALL.iter().map(|state| state.code()).collect();
        known.push(NEEDS_OPERATOR);
        format!("the states are {}", known.join(", "))
    })
}

/// Runs one of them.
pub(super) fn run(verb: &Verb, file: &Path, printer: &mut Printer) -> Exit {
    match verb {
        Verb::List { guild, state, page } => {
            let filter = RequestFilter { guild: *guild, status: *state };
            list(&filter, page, file, printer)
        }
        Verb::Show { code, json } => {
            let print = if *json { print_as_json } else { print_for_people };
            // A view of personal texts is audited, so this verb writes to the store.
            in_session(file, AccessLevel::Write, printer, async |session, printer| {
                let shown = match find(session, code, printer).await {
                    Ok(shown) => shown,
                    Err(exit) => return exit,
                };
                match session.accounts.request_texts(&session.view_grant(), &shown).await {
                    Ok(texts) => print(&shown, &texts, printer),
                    Err(refused) => session.refuse(printer, &refused),
                }
            })
        }
        Verb::Approve { code, by } => decide(code, *by, file, printer, async |session, reviewer, shown| {
            let (id, verdict) = (shown.line.id, Verdict::Approve);
            let moderator =
                session.accounts.authorize_moderator(reviewer, id, Proof::CommandLine, verdict).await?;
            session.accounts.approve(moderator).await
        }),
        Verb::Deny { code, by, reason, quietly } => {
            let notify = if *quietly { Notify::Quiet } else { Notify::Told };
            decide(code, *by, file, printer, async |session, reviewer, shown| {
                let (id, verdict) = (shown.line.id, Verdict::Deny);
                let moderator =
                    session.accounts.authorize_moderator(reviewer, id, Proof::CommandLine, verdict).await?;
                session.accounts.deny(moderator, reason, notify).await
            })
        }
        Verb::Retry { code, by } => retry(code, *by, file, printer),
        Verb::Cancel { code } => cancel(code, file, printer),
    }
}

fn list(filter: &RequestFilter, page: &Page, file: &Path, printer: &mut Printer) -> Exit {
    let after: Option<RequestId> = match page.after.as_deref().map(str::parse).transpose() {
        Ok(after) => after,
        Err(error) => return printer.fault(Exit::Usage, format_args!("--after: {error}")),
    };
    in_session(file, AccessLevel::Read, printer, async |session, printer| {
        match session.accounts.requests(&session.view_grant(), filter, after, page.limit).await {
            Err(denied) => session.refuse(printer, &denied),
            Ok(lines) => {
                let format = ListFormat {
                    name: "requests",
                    headings: vec![
                        tr!(session.lang, "cli-column-code"),
                        tr!(session.lang, "cli-column-state"),
                        tr!(session.lang, "cli-column-username"),
                        tr!(session.lang, "cli-column-discord-id"),
                        tr!(session.lang, "cli-column-created"),
                        tr!(session.lang, "cli-column-reason"),
                    ],
                    nothing: tr!(session.lang, "cli-no-requests"),
                    key: |line: &RequestLine| line.id.to_string(),
                    as_json: line_as_json,
                    as_row: line_as_row,
                };
                print_page(printer, page, &lines, &format)
            }
        }
    })
}

/// The request with this code or id.
async fn find(session: &CliSession, code: &str, printer: &mut Printer) -> Result<RequestShown, Exit> {
    match session.accounts.request_shown(&session.view_grant(), code).await {
        Err(denied) => Err(session.refuse(printer, &denied)),
        Ok(None) => Err(printer.fault(Exit::Failed, tr!(session.lang, "cli-no-such-request"))),
        Ok(Some(shown)) => Ok(shown),
    }
}

fn reviewer(session: &CliSession, by: DiscordUserId, guild_id: GuildId) -> Reviewer {
    Reviewer {
        user_id: by,
        guild_id,
        via: Source::Cli,
        cli_login: Some(session.operator.login.clone()),
        interaction_id: None,
        lang: session.lang,
    }
}

fn decide(
    code: &str,
    by: DiscordUserId,
    file: &Path,
    printer: &mut Printer,
    act: impl AsyncFnOnce(
        &CliSession,
        &Reviewer,
        &RequestShown,
    ) -> Result<crate::accounts::decide::Decided, crate::accounts::UseCaseError>,
) -> Exit {
    in_session(file, AccessLevel::Decide, printer, async |session, printer| {
        let shown = match find(session, code, printer).await {
            Ok(shown) => shown,
            Err(exit) => return exit,
        };
        match act(session, &reviewer(session, by, shown.line.guild_id), &shown).await {
            Err(denied) => session.refuse(printer, &denied),
            Ok(decided) => {
                printer.line(messages::cli::decided(session.lang, decided.verdict, &decided.request_code));
                Exit::Done
            }
        }
    })
}

fn retry(code: &str, by: DiscordUserId, file: &Path, printer: &mut Printer) -> Exit {
    in_session(file, AccessLevel::Decide, printer, async |session, printer| {
        let shown = match find(session, code, printer).await {
            Ok(shown) => shown,
            Err(exit) => return exit,
        };
        let stopped = shown.jobs.iter().find(|job| job.state == JobState::NeedsOperator);
        let Some(job) = stopped else {
            return printer
                .fault(Exit::Failed, tr!(session.lang, "cli-nothing-to-retry", code = &shown.line.code));
        };
        let reviewer = reviewer(session, by, shown.line.guild_id);
        let admin = session.accounts.authorize_admin(&reviewer, Purpose::Retry(job.id)).await;
        let retried = match &admin {
            Ok(admin) => session.accounts.retry(admin, job.id, Nonce::NONE).await,
            Err(refused) => Err(refused.clone()),
        };
        if let Err(refused) = retried {
            return session.refuse(printer, &refused);
        }
        printer.line(tr!(session.lang, "cli-retried", code = &shown.line.code));
        Exit::Done
    })
}

fn cancel(code: &str, file: &Path, printer: &mut Printer) -> Exit {
    in_session(file, AccessLevel::Write, printer, async |session, printer| {
        let shown = match find(session, code, printer).await {
            Ok(shown) => shown,
            Err(exit) => return exit,
        };
        match session.accounts.cancel_for(&session.admin(Purpose::CancelRequest), shown.line.id).await {
            Err(denied) => session.refuse(printer, &denied),
            Ok(cancelled) => {
                let is_undone = cancelled.undo || cancelled.withdraw;
                let code = &cancelled.code;
                printer.line(if is_undone {
                    tr!(session.lang, "cli-cancelled-undoing", code = code)
                } else {
                    tr!(session.lang, "cli-cancelled", code = code)
                });
                Exit::Done
            }
        }
    })
}

fn line_as_json(line: &RequestLine) -> Value {
    json!({
        "id": line.id.to_string(),
        "code": line.code,
        "guild_id": line.guild_id.to_string(),
        "discord_id": line.discord_id.map(|id| id.to_string()),
        "state": line.state.code(),
        "reason_code": line.reason_code.map(crate::domain::error_code::ErrorCode::code),
        "waits_for": line.wait.map(|wait| wait.code.code()),
        "waiting_since": line.wait.map(|wait| instant(wait.since)),
        "rule": line.rule,
        "username": line.username.as_str(),
        "address": line.masked_address,
        "created_at": instant(line.created_at),
        "expires_at": line.expires_at.map(instant),
        "ended_at": line.ended_at.map(instant),
    })
}

fn line_as_row(line: &RequestLine) -> Vec<String> {
    let reason = line.reason_code.or(line.wait.map(|wait| wait.code));
    let reason = reason.map_or("", crate::domain::error_code::ErrorCode::code);
    vec![
        line.code.clone(),
        line.state.code().to_owned(),
        line.username.as_str().to_owned(),
        user(line.discord_id),
        to_the_second(line.created_at),
        reason.to_owned(),
    ]
}

fn decision_as_json(decision: &DecisionLine) -> Value {
    json!({
        "actor": decision.actor,
        "discord_id": decision.by.map(|id| id.to_string()),
        "verdict": decision.verdict.code(),
        "notify": decision.notify.code(),
        "at": instant(decision.at),
    })
}

fn job_as_json(job: &JobLine) -> Value {
    json!({
        "id": job.id.to_string(),
        "kind": job.kind.code(),
        "state": job.state.code(),
        "step": job.step.map(crate::domain::job::Step::code),
        "attempt": job.attempt,
        "error_code": job.error_code.map(crate::domain::error_code::ErrorCode::code),
        "waiting_since": job.wait.map(|wait| instant(wait.since)),
        "next_run": instant(job.next_run),
    })
}

fn note_as_json(note: &Note) -> Value {
    json!({ "at": instant(note.at), "text": note.text })
}

/// Puts a typed text on one line.
fn one_line(text: &str) -> String {
    text.replace('\n', " ")
}

fn print_as_json(shown: &RequestShown, texts: &RequestTexts, printer: &mut Printer) -> Exit {
    printer.line(json!({
        "request": line_as_json(&shown.line),
        "decisions": shown.decisions.iter().map(decision_as_json).collect::<Vec<_>>(),
        "jobs": shown.jobs.iter().map(job_as_json).collect::<Vec<_>>(),
        "denial_reason": texts.denial_reason,
        "notes": texts.notes.iter().map(note_as_json).collect::<Vec<_>>(),
        "enable_reasons": texts.enable_reasons.iter().map(note_as_json).collect::<Vec<_>>(),
    }));
    Exit::Done
}

fn print_for_people(shown: &RequestShown, texts: &RequestTexts, printer: &mut Printer) -> Exit {
    let lang = Lang::default();
    let mut object = line_as_json(&shown.line);
    object["denial_reason"] = texts.denial_reason.as_deref().map(one_line).into();
    print_object(printer, &object, &["id"]);
    print_part(printer, &decision_headings(lang), shown.decisions.iter().map(decision_as_row).collect());
    print_part(printer, &job_headings(lang), shown.jobs.iter().map(job_as_row).collect());
    let notes = texts.notes.iter().map(|note| vec![to_the_second(note.at), one_line(&note.text)]);
    let headings = [tr!(lang, "cli-column-time"), tr!(lang, "cli-column-note")];
    print_part(printer, &headings, notes.collect());
    let reasons = texts.enable_reasons.iter().map(|why| vec![to_the_second(why.at), one_line(&why.text)]);
    let headings = [tr!(lang, "cli-column-time"), tr!(lang, "cli-column-enable-reason")];
    print_part(printer, &headings, reasons.collect());
    Exit::Done
}

/// A table below another one, unless it is empty.
fn print_part(printer: &mut Printer, headings: &[String], rows: Vec<Vec<String>>) {
    if !rows.is_empty() {
        printer.line("");
        printer.table(headings, rows);
    }
}

fn decision_headings(lang: Lang) -> [String; 4] {
    [
        tr!(lang, "cli-column-decision"),
        tr!(lang, "cli-column-by"),
        tr!(lang, "cli-column-time"),
        tr!(lang, "cli-column-notify"),
    ]
}

fn decision_as_row(decision: &DecisionLine) -> Vec<String> {
    vec![
        decision.verdict.code().to_owned(),
        actor(&decision.actor, decision.by),
        to_the_second(decision.at),
        decision.notify.code().to_owned(),
    ]
}

fn job_headings(lang: Lang) -> [String; 5] {
    [
        tr!(lang, "cli-column-job"),
        tr!(lang, "cli-column-state"),
        tr!(lang, "cli-column-step"),
        tr!(lang, "cli-column-next-run"),
        tr!(lang, "cli-column-error"),
    ]
}

fn job_as_row(job: &JobLine) -> Vec<String> {
    vec![
        job.kind.code().to_owned(),
        job.state.code().to_owned(),
        job.step.map_or("-", crate::domain::job::Step::code).to_owned(),
        to_the_second(job.next_run),
        job.error_code.map_or("", crate::domain::error_code::ErrorCode::code).to_owned(),
    ]
}
