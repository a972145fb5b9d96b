//! `accolade setup directory` and `accolade setup discord`: what others must set, printed and compared.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::{Args, ValueEnum};
use serde_json::json;

use super::print::Printer;
use super::{Exit, small_runtime};
use crate::clock::{self, Ids, SystemRng};
use crate::config::{self, ForDirectory};
use crate::domain::eligibility::GroupName;
use crate::domain::finding::{Attempt, Finding};
use crate::messages::{self, Lang};
use crate::setup::directory::{self, Names, SelfTest, Told};
use crate::setup::discord::{self, Difference, Report};

#[derive(Debug, Args)]
pub(super) struct DirectoryFlags {
    /// What to do
    #[arg(value_enum, default_value = "rules")]
    what: What,
    /// The entry that Keycloak binds as; `rules` and `tree` need it
    #[arg(long, value_name = "DN")]
    federation_bind_dn: Option<String>,
    /// The file with that entry's password; its name is printed, never what is in it
    #[arg(long, value_name = "FILE", default_value = "keycloak.password")]
    federation_bind_password_file: PathBuf,
    /// Where the server keeps the settings of the database
    #[arg(long, value_name = "DN", default_value = "olcDatabase={1}mdb,cn=config")]
    database: String,
    /// Where it keeps its list of modules
    #[arg(long, value_name = "DN", default_value = "cn=module{0},cn=config")]
    module: String,
    /// One JSON object instead of lines (`test` only)
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum What {
    /// Print the rights and overlays as LDIF, for an administrator of the server's settings
    Rules,
    /// Print the first entries as LDIF, for an administrator of the directory
    Tree,
    /// Try with the bot's own bind what it needs and what it must not do, on throw-away entries
    Test,
}

#[derive(Debug, Args)]
pub(super) struct DiscordFlags {
    /// One JSON object instead of lines
    #[arg(long)]
    json: bool,
}

/// `setup directory`
pub(super) fn directory(file: &Path, flags: &DirectoryFlags, printer: &mut Printer) -> Exit {
    let parts = match config::load_for_directory(file) {
        Ok(parts) => parts,
        Err(refused) => return printer.fault(Exit::Usage, refused),
    };
    if flags.what == What::Test {
        return test(&parts, flags, printer);
    }
    let Some(keycloak_dn) = flags.federation_bind_dn.clone() else {
        return printer.fault(Exit::Usage, messages::doctor::needs_federation(Lang::default()));
    };
    let names = names(parts, keycloak_dn, flags);
    let text = match flags.what {
        What::Tree => directory::tree(&names),
        What::Rules | What::Test => directory::rules(&names),
    };
    match text {
        Ok(text) => {
            printer.line(text.trim_end());
            Exit::Done
        }
        Err(error) => printer.fault(Exit::Usage, error),
    }
}

fn names(parts: ForDirectory, keycloak_dn: String, flags: &DirectoryFlags) -> Names {
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

fn test(parts: &ForDirectory, flags: &DirectoryFlags, printer: &mut Printer) -> Exit {
    let runtime = match small_runtime(printer) {
        Ok(runtime) => runtime,
        Err(exit) => return exit,
    };
    let seed = Ids::new(clock::of_process(), Arc::new(SystemRng)).uuid();
    let groups = groups_of(parts);
    let trial = match runtime.block_on(directory::test(&parts.directory, seed, &groups)) {
        Ok(trial) => trial,
        Err(error) => return printer.failure("the trial stopped", &error),
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

/// `setup discord`
pub(super) fn discord(file: &Path, flags: &DiscordFlags, printer: &mut Printer) -> Exit {
    let parts = match config::load_for_discord(file) {
        Ok(parts) => parts,
        Err(refused) => return printer.fault(Exit::Usage, refused),
    };
    let runtime = match small_runtime(printer) {
        Ok(runtime) => runtime,
        Err(exit) => return exit,
    };
    match runtime.block_on(discord::look(&parts.discord, &parts.guilds, clock::of_process())) {
        Ok(report) => {
            print(&report, flags, printer);
            let fits = report.differences.is_empty() && report.not_invited.is_empty();
            if fits { Exit::Done } else { Exit::Differences }
        }
        Err(error) => printer.failure("set-up stopped", &error),
    }
}

fn print(report: &Report, flags: &DiscordFlags, printer: &mut Printer) {
    let lang = Lang::default();
    let differences: Vec<String> =
        report.differences.iter().map(|difference| sentence(*difference)).collect();
    if flags.json {
        return printer.line(json!({
            "application_id": report.application_id.to_string(),
            "invite_url": report.invite_url.as_str(),
            "permissions": report.rights.bits().to_string(),
            "differences": differences,
            "not_invited": report.not_invited.iter().map(ToString::to_string).collect::<Vec<_>>(),
        }));
    }
    printer.line(messages::doctor::application(lang, &report.application_id.to_string()));
    printer.line(messages::doctor::invite(lang, report.invite_url.as_str(), report.gives_roles));
    for line in &differences {
        printer.line(line);
    }
    for guild in &report.not_invited {
        printer.line(messages::doctor::not_invited(lang, &guild.to_string()));
    }
    if differences.is_empty() {
        printer.line(messages::doctor::application_fits(lang));
    }
}

fn sentence(difference: Difference) -> String {
    let lang = Lang::default();
    match difference {
        Difference::Found(finding) => messages::doctor::finding(lang, finding, None),
        Difference::NeedsCodeGrant => messages::doctor::needs_code_grant(lang),
        Difference::IsPublic => messages::doctor::is_public(lang),
    }
}
