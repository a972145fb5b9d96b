//! `accolade setup discord`: compares the settings of the application, and prints the URL that invites the bot.

use std::path::Path;

use clap::Args;
use serde_json::json;

use super::exit::Exit;
use super::prepare::small_runtime;
use super::print::Printer;
use crate::clock;
use crate::config;
use crate::domain::lang::Lang;
use crate::messages::{self, tr};
use crate::setup::discord::{self, Report, SettingProblem};

#[derive(Debug, Args)]
pub(super) struct Flags {
    /// Print one JSON object instead of lines
    #[arg(long)]
    json: bool,
}

/// `setup discord`
pub(super) fn run(file: &Path, flags: &Flags, printer: &mut Printer) -> Exit {
    let parts = match config::load_for_discord(file) {
        Ok(parts) => parts,
        Err(error) => return printer.fault(Exit::Usage, error),
    };
    let runtime = match small_runtime(printer) {
        Ok(runtime) => runtime,
        Err(exit) => return exit,
    };
    match runtime.block_on(discord::check(&parts.discord, &parts.guilds, clock::of_process())) {
        Ok(report) => {
            print(&report, flags, printer);
            let fits = report.problems.is_empty() && report.not_invited.is_empty();
            if fits { Exit::Done } else { Exit::Differences }
        }
        Err(error) => printer.failure("set-up stopped", &error),
    }
}

fn print(report: &Report, flags: &Flags, printer: &mut Printer) {
    let lang = Lang::default();
    let differences: Vec<String> = report.problems.iter().map(|problem| sentence(*problem)).collect();
    if flags.json {
        return printer.line(json!({
            "application_id": report.application_id.to_string(),
            "invite_url": report.invite_url.as_str(),
            "permissions": report.rights.bits().to_string(),
            "differences": differences,
            "not_invited": report.not_invited.iter().map(ToString::to_string).collect::<Vec<_>>(),
        }));
    }
    printer.line(tr!(lang, "setup-application", id = report.application_id.to_string()));
    printer.line(messages::doctor::invite(lang, report.invite_url.as_str(), report.gives_roles));
    for line in &differences {
        printer.line(line);
    }
    for guild in &report.not_invited {
        printer.line(tr!(lang, "setup-not-invited", guild = guild.to_string()));
    }
    if differences.is_empty() {
        printer.line(tr!(lang, "setup-application-fits"));
    }
}

fn sentence(problem: SettingProblem) -> String {
    let lang = Lang::default();
    match problem {
        SettingProblem::Finding(finding) => messages::doctor::finding(lang, finding, None),
        SettingProblem::NeedsCodeGrant => tr!(lang, "setup-needs-code-grant"),
        SettingProblem::IsPublic => tr!(lang, "setup-is-public"),
    }
}
