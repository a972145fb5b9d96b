//! The command line: one file for each verb.
//!
//! A verb parses its flags, calls one use-case and prints the result. The same rules as in chat apply: `accounts` authorizes. Except for
//! `setup` and `doctor`, a verb changes only the store; a running `serve` notices the change. Start with [`main`], then [`Verb`].

mod audit;
mod backup;
mod config;
mod deny;
mod doctor;
mod exit;
mod explain;
mod export;
mod generate;
mod link;
mod migrate;
mod notify;
mod password;
mod prepare;
mod print;
mod process;
mod request;
mod serve;
mod session;
mod setup_directory;
mod setup_discord;
mod setup_keycloak;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{CommandFactory as _, Parser, Subcommand};
use clap_complete::Shell;

use crate::config as configuration;
use crate::domain::lang::Lang;
use crate::messages::tr;
use exit::Exit;
use print::Printer;

/// Turns a Discord membership into a real account.
#[derive(Debug, Parser)]
#[command(name = "accolade", version, about, disable_help_subcommand = true)]
struct Arguments {
    /// The configuration file [default: the environment variable `ACCOLADE_CONFIG`]
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Run the bot
    Serve,
    /// Create the database, or update it to this version
    Migrate,
    /// Copy the whole database to a new file
    Backup(backup::BackupFlags),
    /// Restore a backup, compare it with the directory and Keycloak, and approve it
    Restore(backup::RestoreFlags),
    /// Check, show or explain the configuration
    #[command(subcommand)]
    Config(config::Verb),
    /// Set up the directory, Keycloak and Discord
    #[command(subcommand)]
    Setup(SetupVerb),
    /// Check Discord, the directory, Keycloak and this machine for problems
    Doctor(doctor::Flags),
    /// List, show and decide requests
    #[command(subcommand)]
    Request(request::Verb),
    /// Find, show and export the links between people and accounts
    #[command(subcommand)]
    Link(link::Verb),
    /// Search, export and verify the audit log
    #[command(subcommand)]
    Audit(audit::Verb),
    /// Manage the deny list: people, addresses and domains that get no account
    #[command(subcommand)]
    Deny(deny::Verb),
    /// Print a completion script for a shell
    Completions {
        /// The shell
        shell: Shell,
    },
    /// Print the manual page (roff)
    Man,
}

#[derive(Debug, Subcommand)]
enum SetupVerb {
    /// Create or correct the realm, the LDAP federation, the clients and their rights
    Keycloak(setup_keycloak::Flags),
    /// Print the rights, overlays and first entries that the directory needs, or test them
    Directory(setup_directory::Flags),
    /// Compare the settings of the Discord application, and print the URL that invites the bot
    Discord(setup_discord::Flags),
}

/// Runs the command line of this process.
pub fn main() -> ExitCode {
    process::harden();
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            // Help and version are not errors. If standard output is closed, there is nowhere to report that.
            let _ = error.print();
            return if error.use_stderr() { Exit::Usage.into() } else { Exit::Done.into() };
        }
    };
    run(arguments, &mut Printer::of_process()).into()
}

fn run(arguments: Arguments, printer: &mut Printer) -> Exit {
    match arguments.verb {
        Verb::Config(config::Verb::Example) => config::example(printer),
        Verb::Completions { shell } => generate::completions(shell, Arguments::command(), printer),
        Verb::Man => generate::man(Arguments::command(), printer),
        Verb::Serve => with_file(arguments.config, printer, serve::run),
        Verb::Config(verb) => {
            with_file(arguments.config, printer, |file, printer| config::run(&verb, file, printer))
        }
        Verb::Migrate => with_file(arguments.config, printer, migrate::run),
        Verb::Backup(flags) => {
            with_file(arguments.config, printer, |file, printer| backup::back_up(&flags, file, printer))
        }
        Verb::Restore(flags) => {
            with_file(arguments.config, printer, |file, printer| backup::restore(&flags, file, printer))
        }
        Verb::Setup(SetupVerb::Keycloak(flags)) => {
            with_file(arguments.config, printer, |file, printer| setup_keycloak::run(file, &flags, printer))
        }
        Verb::Setup(SetupVerb::Directory(flags)) => {
            with_file(arguments.config, printer, |file, printer| setup_directory::run(file, &flags, printer))
        }
        Verb::Setup(SetupVerb::Discord(flags)) => {
            with_file(arguments.config, printer, |file, printer| setup_discord::run(file, &flags, printer))
        }
        Verb::Doctor(flags) => {
            with_file(arguments.config, printer, |file, printer| doctor::run(file, &flags, printer))
        }
        Verb::Request(verb) => {
            with_file(arguments.config, printer, |file, printer| request::run(&verb, file, printer))
        }
        Verb::Link(verb) => {
            with_file(arguments.config, printer, |file, printer| link::run(&verb, file, printer))
        }
        Verb::Audit(verb) => {
            with_file(arguments.config, printer, |file, printer| audit::run(&verb, file, printer))
        }
        Verb::Deny(verb) => {
            with_file(arguments.config, printer, |file, printer| deny::run(&verb, file, printer))
        }
    }
}

/// Runs a verb with the configuration file that the command line or the environment names.
fn with_file(
    file: Option<PathBuf>,
    printer: &mut Printer,
    verb: impl FnOnce(&Path, &mut Printer) -> Exit,
) -> Exit {
    match file.or_else(configuration::file_from_environment) {
        Some(file) => verb(&file, printer),
        None => printer.fault(Exit::Usage, tr!(Lang::default(), "cli-no-configuration")),
    }
}
