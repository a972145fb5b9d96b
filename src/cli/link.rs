//! `accolade link …`: the links between people and accounts. Every use is audited.

use std::path::Path;

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::exit::Exit;
use super::export::{self, Target};
use super::print::Printer;
use super::session::{CliSession, in_session, instant, print_object, user};
use crate::accounts::enable::Enabling;
use crate::accounts::links::{Link, LinkExport, LinkShown};
use crate::accounts::open::AccessLevel;
use crate::accounts::{Details, Purpose, UseCaseError};
use crate::domain::account::{AccountState, DirectoryId, KeycloakId};
use crate::domain::eligibility::GroupName;
use crate::domain::lang::Lang;
use crate::domain::link::{Comparison, EntryFacts, UserFacts};
use crate::domain::matching::ServerAddress;
use crate::messages::{self, tr};

#[derive(Debug, Subcommand)]
pub(super) enum Verb {
    /// Find links by Discord id or mention, user name, mail address, or an id of the account, entry or Keycloak user
    Find {
        /// What to look for
        what: String,
        /// Print one JSON object instead of lines
        #[arg(long)]
        json: bool,
    },
    /// Show one link with its current state in the directory and Keycloak; exits with 3 if they differ
    Show {
        /// What to look for
        what: String,
        /// Print one JSON object instead of lines
        #[arg(long)]
        json: bool,
    },
    /// Unlock a disabled account: its password is replaced, and its owner gets a mail with a link to set a new one
    Enable {
        /// What to look for
        what: String,
        /// The reason; only admins can read it
        #[arg(long, value_name = "TEXT")]
        reason: String,
    },
    /// Export all links as CSV or JSON, one row for each account
    Export(ExportFlags),
}

#[derive(Debug, Args)]
pub(super) struct ExportFlags {
    /// Only accounts in this state, such as `active`
    #[arg(long, value_name = "STATE", value_parser = state)]
    state: Option<AccountState>,
    /// Include the mail addresses, which are read from the directory
    #[arg(long)]
    addresses: bool,
    #[command(flatten)]
    to: export::Flags,
}

fn state(text: &str) -> Result<AccountState, String> {
    text.parse().map_err(|_| {
        let states: Vec<&str> = AccountState::ALL.iter().map(|state| state.code()).collect();
        ["write one of ", &states.join(", ")].concat()
    })
}

/// Runs one of them.
pub(super) fn run(verb: &Verb, file: &Path, printer: &mut Printer) -> Exit {
    match verb {
        Verb::Find { what, json } => {
            in_session(file, AccessLevel::Write, printer, async |session, printer| {
                match session.accounts.find_link(&session.admin(Purpose::Link), what).await {
                    Err(denied) => session.refuse(printer, &denied),
                    Ok(links) => list(&links, *json, session, printer),
                }
            })
        }
        Verb::Show { what, json } => {
            in_session(file, AccessLevel::Compare, printer, async |session, printer| {
                match session.accounts.show_link(&session.admin(Purpose::Link), what).await {
                    Err(denied) => session.refuse(printer, &denied),
                    Ok(None) => printer.fault(Exit::Failed, tr!(session.lang, "cli-no-such-link")),
                    Ok(Some(shown)) => show(&shown, *json, session, printer),
                }
            })
        }
        Verb::Enable { what, reason } => {
            in_session(file, AccessLevel::Decide, printer, async |session, printer| {
                let admin = session.admin(Purpose::LinkEnable);
                match session.accounts.enable(&admin, what, reason).await {
                    Err(denied) => refuse_enabling(session, printer, &denied),
                    Ok(None) => printer.fault(Exit::Failed, tr!(session.lang, "cli-no-such-link")),
                    Ok(Some(asked)) => {
                        printer.line(match asked.what {
                            Enabling::Begun => messages::admin::enabling(session.lang, &asked.username),
                            Enabling::UnderWay => {
                                messages::admin::enabling_already(session.lang, &asked.username)
                            }
                            Enabling::TriedAgain => {
                                messages::admin::enabling_again(session.lang, &asked.username)
                            }
                        });
                        Exit::Done
                    }
                }
            })
        }
        Verb::Export(flags) => write_export(flags, file, printer),
    }
}

fn refuse_enabling(session: &CliSession, printer: &mut Printer, denied: &UseCaseError) -> Exit {
    let Details::NotEnabled(why) = denied.details else { return session.refuse(printer, denied) };
    let sentence = messages::admin::not_enabled(session.lang, why);
    printer.fault(Exit::Failed, format_args!("{}: {sentence}", denied.error_code))
}

fn list(links: &[Link], json: bool, session: &CliSession, printer: &mut Printer) -> Exit {
    if json {
        printer.line(json!({ "links": links.iter().map(as_json).collect::<Vec<_>>() }));
        return Exit::Done;
    }
    if links.is_empty() {
        printer.line(tr!(session.lang, "cli-no-links"));
    }
    if !links.is_empty() {
        let lang = session.lang;
        let headings = [
            tr!(lang, "cli-column-username"),
            tr!(lang, "cli-column-state"),
            tr!(lang, "cli-column-discord-id"),
            tr!(lang, "cli-column-request"),
        ];
        printer.table(&headings, links.iter().map(as_row));
    }
    Exit::Done
}

/// Accolade's own ids, and what both servers repeat.
const HIDDEN: [&str; 4] = ["account_id", "person_id", "directory.directory_id", "keycloak.keycloak_id"];

fn show(shown: &LinkShown, json: bool, session: &CliSession, printer: &mut Printer) -> Exit {
    let comparison = &shown.comparison;
    if json {
        let mut object = as_json(&shown.link);
        object["directory"] = shown.entry.facts().map_or(Value::Null, entry_as_json);
        object["keycloak"] = shown.user.facts().map_or(Value::Null, user_as_json);
        object["differences"] = differences_as_json(session.lang, comparison);
        object["not_checked"] = comparison.not_checked.iter().map(|part| part.code()).collect();
        printer.line(object);
    } else {
        let mut object = as_json(&shown.link);
        for (name, facts) in [
            ("directory", shown.entry.facts().map(entry_as_json)),
            ("keycloak", shown.user.facts().map(user_as_json)),
        ] {
            for (key, value) in facts.as_ref().and_then(Value::as_object).into_iter().flatten() {
                object[[name, ".", key].concat()] = value.clone();
            }
        }
        print_object(printer, &object, &HIDDEN);
        for line in messages::admin::comparison(session.lang, comparison) {
            printer.line(line);
        }
    }
    exit_of(comparison)
}

/// Unchecked parts count neither as equal nor as different.
fn exit_of(comparison: &Comparison) -> Exit {
    if comparison.is_clean() {
        Exit::Done
    } else if comparison.differences.is_empty() {
        Exit::Failed
    } else {
        Exit::Differences
    }
}

fn write_export(flags: &ExportFlags, file: &Path, printer: &mut Printer) -> Exit {
    let mut target = match Target::open(flags.to.output.as_deref(), printer) {
        Ok(target) => target,
        Err(exit) => return exit,
    };
    let wanted = LinkExport { state: flags.state, with_addresses: flags.addresses, format: flags.to.format };
    in_session(file, AccessLevel::Write, printer, async |session, printer| {
        let admin = session.admin(Purpose::LinkExport);
        let exporting = session.accounts.export_links(&admin, wanted, |text| target.write(text, printer));
        let ended = exporting.await;
        match target.finish(ended, session, printer) {
            Err(exit) => exit,
            Ok(None) => Exit::Done,
            Ok(Some(count)) => {
                printer.note(tr!(session.lang, "cli-exported-links", count = count));
                Exit::Done
            }
        }
    })
}

fn as_json(link: &Link) -> Value {
    let account = &link.account;
    json!({
        "account_id": account.id.to_string(),
        "person_id": account.person_id.to_string(),
        "discord_id": link.discord_id.map(|id| id.to_string()),
        "username": account.username.as_str(),
        "state": account.state.code(),
        "directory_id": account.directory_id.as_ref().map(DirectoryId::as_str),
        "keycloak_id": account.keycloak_id.as_ref().map(KeycloakId::as_str),
        "request_code": link.request_code,
        "guild_id": link.guild_id.map(|id| id.to_string()),
        "invited_at": account.invited_at.map(instant),
        "activated_at": account.activated_at.map(instant),
        "closed_at": account.closed_at.map(instant),
    })
}

fn entry_as_json(entry: &EntryFacts) -> Value {
    json!({
        "directory_id": entry.directory_id.as_str(),
        "username": entry.username.as_str(),
        "address": entry.address.as_ref().map(ServerAddress::as_str),
        "discord_id": entry.discord_id.map(|id| id.to_string()),
        "mark": entry.mark.map(|mark| mark.to_string()),
        "locked": entry.is_locked,
        "password_changed_at": entry.password_changed_at.map(instant),
        "groups": names(entry.groups.as_deref()),
    })
}

fn user_as_json(user: &UserFacts) -> Value {
    json!({
        "keycloak_id": user.keycloak_id.as_str(),
        "username": user.username.as_str(),
        "address": user.address.as_ref().map(ServerAddress::as_str),
        "enabled": user.is_enabled,
        "directory_id": user.directory_id.as_ref().map(DirectoryId::as_str),
        "groups": names(user.groups.as_deref()),
    })
}

fn names(groups: Option<&[GroupName]>) -> Value {
    groups.map(|groups| groups.iter().map(GroupName::as_str).collect::<Vec<_>>()).into()
}

fn differences_as_json(lang: Lang, comparison: &Comparison) -> Value {
    let finding = |finding: &crate::domain::link::Finding| {
        json!({
            "code": finding.difference.code(),
            "detail": finding.detail,
            "text": messages::admin::difference(lang, finding),
        })
    };
    comparison.differences.iter().map(finding).collect()
}

fn as_row(link: &Link) -> Vec<String> {
    let account = &link.account;
    vec![
        account.username.as_str().to_owned(),
        account.state.code().to_owned(),
        user(link.discord_id),
        link.request_code.clone().unwrap_or_else(|| "-".to_owned()),
    ]
}
