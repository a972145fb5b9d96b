//! `accolade setup directory`: prints the settings that the directory needs, and tests them.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::{Args, ValueEnum};
use serde_json::json;

use super::exit::Exit;
use super::prepare::small_runtime;
use super::print::Printer;
use crate::clock::{self, Ids, SystemRng};
use crate::config::{self, ForDirectory};
use crate::domain::cause::{Cause, Peer};
use crate::domain::eligibility::GroupName;
use crate::domain::finding::{Attempt, Finding};
use crate::domain::lang::Lang;
use crate::domain::ldap_result;
use crate::messages::{self, tr};
use crate::setup::directory::{self, AttemptResult, Names, SelfTest, Server};

#[derive(Debug, Args)]
pub(super) struct Flags {
    /// What to print or test
    #[arg(value_enum, default_value = "rules")]
    action: Action,
    /// The entry that Keycloak binds as; required for `rules` and `tree`
    #[arg(long, value_name = "DN")]
    federation_bind_dn: Option<String>,
    /// The file with that entry's password; only its name is printed
    #[arg(long, value_name = "FILE", default_value = "keycloak.password")]
    federation_bind_password_file: PathBuf,
    /// The entry with the settings of the database
    #[arg(long, value_name = "DN", default_value = "olcDatabase={1}mdb,cn=config")]
    database: String,
    /// The entry with the list of modules
    #[arg(long, value_name = "DN", default_value = "cn=module{0},cn=config")]
    module: String,
    /// The server that the indexes are printed for (`indexes` only)
    #[arg(long, value_enum, default_value = "openldap")]
    server: ServerKind,
    /// The backend that holds the people (`indexes` for 389 Directory Server only)
    #[arg(long, value_name = "NAME", default_value = "userRoot")]
    backend: String,
    /// Print one JSON object instead of lines (`test` only)
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Action {
    /// Print access rules, overlays and indexes as LDIF, for the administrator of the server's settings
    Rules,
    /// Print only the indexes that the bot's searches need, as LDIF that replaces nothing
    Indexes,
    /// Print the first entries as LDIF, for the administrator of the directory
    Tree,
    /// Test on temporary entries what the bot's bind can do and what it must not be able to do
    Test,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum ServerKind {
    /// OpenLDAP
    #[value(name = "openldap")]
    OpenLdap,
    /// 389 Directory Server
    #[value(name = "389ds")]
    Ds389,
}

/// `setup directory`
pub(super) fn run(file: &Path, flags: &Flags, printer: &mut Printer) -> Exit {
    let parts = match config::load_for_directory(file) {
        Ok(parts) => parts,
        Err(error) => return printer.fault(Exit::Usage, error),
    };
    let keycloak_dn = flags.federation_bind_dn.clone();
    let text = match (flags.action, keycloak_dn) {
        (Action::Test, _) => return test(&parts, flags, printer),
        (Action::Indexes, _) => directory::indexes(&parts.directory, &server(flags)),
        (Action::Tree, Some(keycloak_dn)) => directory::tree(&names(parts, keycloak_dn, flags)),
        (Action::Rules, Some(keycloak_dn)) => directory::rules(&names(parts, keycloak_dn, flags)),
        (Action::Tree | Action::Rules, None) => {
            return printer.fault(Exit::Usage, tr!(Lang::default(), "setup-needs-federation"));
        }
    };
    match text {
        Ok(text) => {
            printer.line(text.trim_end());
            Exit::Done
        }
        Err(error) => printer.fault(Exit::Usage, error),
    }
}

fn server(flags: &Flags) -> Server {
    match flags.server {
        ServerKind::OpenLdap => Server::OpenLdap { database: flags.database.clone() },
        ServerKind::Ds389 => Server::Ds389 { backend: flags.backend.clone() },
    }
}

fn names(parts: ForDirectory, keycloak_dn: String, flags: &Flags) -> Names {
    let absolute = |file: &Path| std::path::absolute(file).unwrap_or_else(|_| file.to_owned());
    let groups = groups_of(&parts);
    Names {
        bind_password_file: absolute(&parts.bind_password_file),
        keycloak_dn,
        keycloak_password_file: absolute(&flags.federation_bind_password_file),
        database: flags.database.clone(),
        module: flags.module.clone(),
        groups,
        directory: parts.directory,
    }
}

/// Every group that a rule grants, once.
fn groups_of(parts: &ForDirectory) -> Vec<GroupName> {
    let mut groups: Vec<GroupName> = Vec::new();
    for group in parts.guilds.iter().flat_map(|guild| &guild.policy.rules).flat_map(|rule| &rule.groups) {
        if !groups.contains(group) {
            groups.push(group.clone());
        }
    }
    groups
}

fn test(parts: &ForDirectory, flags: &Flags, printer: &mut Printer) -> Exit {
    let runtime = match small_runtime(printer) {
        Ok(runtime) => runtime,
        Err(exit) => return exit,
    };
    let seed = Ids::new(clock::of_process(), Arc::new(SystemRng)).uuid();
    let groups = groups_of(parts);
    let report = match runtime.block_on(directory::self_test(&parts.directory, seed, &groups)) {
        Ok(report) => report,
        Err(error) => return printer.failure("the self-test stopped", &error),
    };
    let has_passed = directory::has_passed(&report);
    let differences = differences(&report);
    if flags.json {
        let attempts: Vec<_> =
            report.attempts.iter().map(|(attempt, result)| attempt_as_json(*attempt, *result)).collect();
        printer.line(json!({ "ok": has_passed, "attempts": attempts, "differences": differences }));
    } else if has_passed {
        printer.line(tr!(Lang::default(), "setup-self-test-passed"));
    } else {
        for line in &differences {
            printer.line(line);
        }
    }
    if has_passed { Exit::Done } else { Exit::Differences }
}

fn attempt_as_json(attempt: Attempt, result: AttemptResult) -> serde_json::Value {
    let (result, code) = match result {
        AttemptResult::Done => ("done", None),
        AttemptResult::Refused(code) => ("refused", Some(code)),
        AttemptResult::NotTried => ("not_tried", None),
    };
    json!({ "attempt": attempt.code(), "needed": attempt.is_needed(), "result": result, "ldap_code": code })
}

/// An attempt that ended wrongly, with the meaning of the result code if that is no missing right.
fn difference(report: &SelfTest, attempt: Attempt) -> String {
    let lang = Lang::default();
    let differs = messages::doctor::self_test_differs(lang, attempt);
    let AttemptResult::Refused(code) = report.result_of(attempt) else { return differs };
    let cause = ldap_result::cause_of(attempt.operation(), code);
    if cause == Cause::LdapRightMissing {
        return differs;
    }
    [differs, messages::cause::sentence(lang, Peer::Directory, cause)].join(". ")
}

fn differences(report: &SelfTest) -> Vec<String> {
    let lang = Lang::default();
    let rights = report.too_narrow().chain(report.too_wide());
    let mut lines: Vec<String> = rights.map(|attempt| difference(report, attempt)).collect();
    let mut found =
        |finding, about: Option<&str>| lines.push(messages::doctor::finding(lang, finding, about));
    if report.mark_attribute_is_missing {
        found(Finding::LdapMarkAttributeMissing, None);
    }
    if report.id_attribute_is_missing {
        found(Finding::LdapIdAttributeMissing, None);
    }
    for overlay in &report.overlays_missing {
        found(Finding::LdapOverlayMissing, Some(overlay));
    }
    for group in &report.groups_missing {
        found(Finding::LdapGroupMissing, Some(group.as_str()));
    }
    for group in &report.groups_not_managed {
        found(Finding::LdapGroupNotManaged, Some(group.as_str()));
    }
    if report.entries_left > 0 {
        found(Finding::LdapSelfTestLeft, None);
    }
    lines
}
