//! `accolade doctor`: checks the external systems and prints each problem with its code and fix. Borrowed credentials are stored nowhere.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;
use secrecy::SecretString;
use serde_json::{Value, json};

use super::exit::Exit;
use super::password::ask_password;
use super::prepare::{load, small_runtime};
use super::print::Printer;
use crate::clock::{self, SystemRng};
use crate::config;
use crate::doctor::{self, Access, Check, CouldNotRun, Diagnosis, Outcome, SelfTestMode};
use crate::domain::cause::Cause;
use crate::domain::finding::{NotChecked, System};
use crate::domain::lang::Lang;
use crate::messages::{self, tr};

#[derive(Debug, Args)]
pub(super) struct Flags {
    #[command(flatten)]
    credentials: Credentials,
    /// Create no temporary entries in the directory; the bot's rights there are not checked then
    #[arg(long)]
    read_only: bool,
    /// Exit with 0 even if something was not checked, as long as no problem was found
    #[arg(long)]
    allow_unchecked: bool,
    /// Print one JSON object instead of lines
    #[arg(long)]
    json: bool,
}

/// An operator's credentials for one run.
#[derive(Debug, Args)]
struct Credentials {
    /// Also check Keycloak as an administrator of the realm `master`
    #[arg(long)]
    as_admin: bool,
    /// The name of that administrator
    #[arg(long, value_name = "NAME", default_value = "admin", requires = "as_admin")]
    admin_user: String,
    /// The file with the administrator's password; without it, asks on the terminal
    #[arg(long, value_name = "FILE", requires = "as_admin")]
    admin_password_file: Option<PathBuf>,
    /// Also read the directory server's settings, with a bind that can read `cn=config`
    #[arg(long, value_name = "DN")]
    ldap_config_dn: Option<String>,
    /// The file with that bind's password; without it, asks on the terminal
    #[arg(long, value_name = "FILE", requires = "ldap_config_dn")]
    ldap_config_password_file: Option<PathBuf>,
}

/// `doctor`
pub(super) fn run(file: &Path, flags: &Flags, printer: &mut Printer) -> Exit {
    let loaded = match load(file, printer) {
        Ok(loaded) => loaded,
        Err(exit) => return exit,
    };
    let access = match access(flags) {
        Ok(access) => access,
        Err(text) => return printer.fault(Exit::Usage, text),
    };
    let runtime = match small_runtime(printer) {
        Ok(runtime) => runtime,
        Err(exit) => return exit,
    };
    let job = doctor::examine(&loaded.config, &access, clock::of_process(), Arc::new(SystemRng));
    let lang = Lang::default();
    match runtime.block_on(job) {
        Ok(diagnosis) => {
            print(&diagnosis, flags, printer);
            exit_of(&diagnosis, flags)
        }
        Err(CouldNotRun::AdministratorRefused) => {
            printer.fault(Exit::Failed, tr!(lang, "doctor-administrator-refused"))
        }
        Err(CouldNotRun::ServerBindRefused) => {
            printer.fault(Exit::Failed, tr!(lang, "doctor-config-bind-refused"))
        }
    }
}

fn access(flags: &Flags) -> Result<Access, String> {
    let secret = |file: Option<&PathBuf>, whose: &str| -> Result<SecretString, String> {
        file.map_or_else(|| ask_password(whose), |file| config::read_secret_file(file))
    };
    let credentials = &flags.credentials;
    let mut administrator = None;
    if credentials.as_admin {
        let password = secret(credentials.admin_password_file.as_ref(), &credentials.admin_user)?;
        administrator = Some((credentials.admin_user.clone(), password));
    }
    let mut server_bind = None;
    if let Some(dn) = &credentials.ldap_config_dn {
        server_bind = Some((dn.clone(), secret(credentials.ldap_config_password_file.as_ref(), dn)?));
    }
    let self_test = if flags.read_only { SelfTestMode::Off } else { SelfTestMode::Allowed };
    Ok(Access { administrator, server_bind, self_test, discord: None })
}

/// Unchecked parts count as problems unless the operator allows them.
fn exit_of(diagnosis: &Diagnosis, flags: &Flags) -> Exit {
    let is_fine = diagnosis.findings() == 0 && (flags.allow_unchecked || diagnosis.unchecked() == 0);
    if is_fine { Exit::Done } else { Exit::Differences }
}

fn print(diagnosis: &Diagnosis, flags: &Flags, printer: &mut Printer) {
    if flags.json {
        return printer.line(json!({
            "ok": diagnosis.findings() == 0 && diagnosis.unchecked() == 0,
            "findings": diagnosis.findings(),
            "not_checked": diagnosis.unchecked(),
            "checks": diagnosis.checks.iter().map(as_json).collect::<Vec<_>>(),
        }));
    }
    let lang = Lang::default();
    for system in System::ALL {
        printer.line(messages::doctor::system(lang, *system));
        let of_system: Vec<&Check> =
            diagnosis.checks.iter().filter(|check| check.finding.system() == *system).collect();
        print_system(&of_system, printer);
        printer.line("");
    }
    match (diagnosis.findings(), diagnosis.unchecked()) {
        (0, 0) => printer.line(tr!(lang, "doctor-all-well")),
        (findings, unchecked) => {
            printer.line(tr!(lang, "doctor-summary", findings = findings, unchecked = unchecked));
        }
    }
}

fn print_system(checks: &[&Check], printer: &mut Printer) {
    let lang = Lang::default();
    for check in checks.iter().filter(|check| check.outcome == Outcome::Wrong) {
        printer.line(messages::doctor::failed_check(lang, check, check.about.as_deref()));
    }
    let in_order = checks.iter().filter(|check| check.outcome == Outcome::InOrder).count();
    if in_order > 0 {
        printer.line(tr!(lang, "doctor-in-order", count = in_order));
    }
    for why in NotChecked::ALL {
        let unknown = checks.iter().filter(|check| check.outcome == Outcome::NotChecked(*why));
        let codes = messages::doctor::codes(unknown.copied());
        if !codes.is_empty() {
            printer.line(messages::doctor::unchecked(lang, *why, &codes));
        }
    }
}

fn as_json(check: &Check) -> Value {
    let lang = Lang::default();
    let (result, why) = match check.outcome {
        Outcome::InOrder => ("ok", None),
        Outcome::Wrong => ("wrong", None),
        Outcome::NotChecked(why) => ("not_checked", Some(why.code())),
    };
    let is_wrong = check.outcome == Outcome::Wrong;
    json!({
        "code": check.finding.code(),
        "system": check.finding.system().code(),
        "result": result,
        "why": why,
        "about": check.about,
        "what": is_wrong.then(|| messages::doctor::wrong(lang, check.finding)),
        "cause": check.cause.map(Cause::code),
        "fix": is_wrong.then(|| messages::doctor::fix_of(lang, check)),
    })
}
