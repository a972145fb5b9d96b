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
use crate::domain::eligibility::GroupName;
use crate::domain::finding::{Attempt, Finding};
use crate::messages::{self, Lang};
use crate::setup::directory::{self, Names, SelfTest, Told};

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
    /// Print one JSON object instead of lines (`test` only)
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Action {
    /// Print the rights and overlays as LDIF, for the administrator of the server's settings
    Rules,
    /// Print the first entries as LDIF, for the administrator of the directory
    Tree,
    /// Test on temporary entries what the bot's bind can do and what it must not be able to do
    Test,
}

/// `setup directory`
pub(super) fn run(file: &Path, flags: &Flags, printer: &mut Printer) -> Exit {
    let parts = match config::load_for_directory(file) {
        Ok(parts) => parts,
        Err(error) => return printer.fault(Exit::Usage, error),
    };
    if flags.action == Action::Test {
        return test(&parts, flags, printer);
    }
    let Some(keycloak_dn) = flags.federation_bind_dn.clone() else {
        return printer.fault(Exit::Usage, messages::doctor::needs_federation(Lang::default()));
    };
    let names = names(parts, keycloak_dn, flags);
    let text = match flags.action {
        Action::Tree => directory::tree(&names),
        Action::Rules | Action::Test => directory::rules(&names),
    };
    match text {
        Ok(text) => {
            printer.line(text.trim_end());
            Exit::Done
        }
        Err(error) => printer.fault(Exit::Usage, error),
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
    let trial = match runtime.block_on(directory::test(&parts.directory, seed, &groups)) {
        Ok(trial) => trial,
        Err(error) => return printer.failure("the test stopped", &error),
    };
    let fits = directory::is_as_printed(&trial);
    let differences = differences(&trial);
    if flags.json {
        let tries: Vec<_> = trial.tries.iter().map(|(attempt, told)| tried(*attempt, *told)).collect();
        printer.line(json!({ "ok": fits, "tries": tries, "differences": differences }));
    } else if fits {
        printer.line(messages::doctor::trial_fits(Lang::default()));
    } else {
        for line in &differences {
            printer.line(line);
        }
    }
    if fits { Exit::Done } else { Exit::Differences }
}

fn tried(attempt: Attempt, told: Told) -> serde_json::Value {
    let (result, code) = match told {
        Told::Done => ("done", None),
        Told::Refused(code) => ("refused", Some(code)),
        Told::NotTried => ("not_tried", None),
    };
    json!({ "attempt": attempt.code(), "needed": attempt.is_needed(), "result": result, "ldap_code": code })
}

fn differences(trial: &SelfTest) -> Vec<String> {
    let lang = Lang::default();
    let rights = trial.too_narrow().chain(trial.too_wide());
    let mut lines: Vec<String> =
        rights.map(|attempt| messages::doctor::trial_differs(lang, attempt)).collect();
    let mut found =
        |finding, about: Option<&str>| lines.push(messages::doctor::finding(lang, finding, about));
    if trial.mark_attribute_is_missing {
        found(Finding::LdapMarkAttributeMissing, None);
    }
    if trial.id_attribute_is_missing {
        found(Finding::LdapIdAttributeMissing, None);
    }
    for overlay in &trial.overlays_missing {
        found(Finding::LdapOverlayMissing, Some(overlay));
    }
    for group in &trial.groups_missing {
        found(Finding::LdapGroupMissing, Some(group.as_str()));
    }
    for group in &trial.groups_not_managed {
        found(Finding::LdapGroupNotManaged, Some(group.as_str()));
    }
    if trial.left > 0 {
        found(Finding::LdapTrialLeft, None);
    }
    lines
}
