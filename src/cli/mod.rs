//! The command line: one file for each verb.
//!
//! A verb parses, calls one use-case and prints. It obeys the rules of chat: rights are judged by `accounts`, and nothing here
//! causes an effect outside the store; `serve` notices what a verb has written. Start with [`main`], then [`Verb`].

mod audit;
mod backup;
mod config;
mod deny;
mod doctor;
mod explain;
mod export;
mod link;
mod migrate;
mod notify;
mod print;
mod process;
mod request;
mod serve;
mod session;
mod setup;
mod setup_outside;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::config as configuration;
use crate::messages::{self, Lang};
use print::Printer;

/// Turns a Discord membership into a real account.
#[derive(Debug, Parser)]
#[command(name = "accolade", version, about, disable_help_subcommand = true)]
struct Arguments {
    /// The configuration; without it the environment's `ACCOLADE_CONFIG` names it
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Run the bot
    Serve,
    /// Make the database, or bring it to this version
    Migrate,
    /// Copy the whole database, as it is at this moment, into a new file
    Backup(backup::BackupFlags),
    /// Put a backup in the database's place, compare it with the world outside, and let it act again
    Restore(backup::RestoreFlags),
    /// Look at the configuration
    #[command(subcommand)]
    Config(config::Verb),
    /// Bring other systems to what Accolade needs
    #[command(subcommand)]
    Setup(setup::Verb),
    /// Say what is wrong outside: Discord, directory, Keycloak, this machine
    Doctor(doctor::Flags),
    /// Look at requests and decide them
    #[command(subcommand)]
    Request(request::Verb),
    /// Which account belongs to whom
    #[command(subcommand)]
    Link(link::Verb),
    /// Search, export and verify the audit log
    #[command(subcommand)]
    Audit(audit::Verb),
    /// Who gets no account
    #[command(subcommand)]
    Deny(deny::Verb),
}

/// How a run ended. Programs read these, so they never change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Exit {
    /// Done.
    Done,
    /// Refused, or failed.
    Failed,
    /// Wrong usage or configuration.
    Usage,
    /// Differences were found.
    Differences,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        match exit {
            Exit::Done => Self::SUCCESS,
            Exit::Failed => Self::from(1),
            Exit::Usage => Self::from(2),
            Exit::Differences => Self::from(3),
        }
    }
}

/// Runs the command line of this process.
pub fn main() -> ExitCode {
    process::harden();
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            // help and version are no faults; a closed pipe is nothing that could be told
            let _ = error.print();
            return if error.use_stderr() { Exit::Usage.into() } else { Exit::Done.into() };
        }
    };
    run(arguments, &mut Printer::of_process()).into()
}

fn run(arguments: Arguments, printer: &mut Printer) -> Exit {
    if let Verb::Config(config::Verb::Example) = arguments.verb {
        return config::example(printer);
    }
    let Some(file) = arguments.config.or_else(configuration::file_from_environment) else {
        return printer.fault(Exit::Usage, messages::cli::no_configuration(Lang::default()));
    };
    match arguments.verb {
        Verb::Serve => serve::run(&file, printer),
        Verb::Config(verb) => config::run(&verb, &file, printer),
        Verb::Migrate => migrate::run(&file, printer),
        Verb::Backup(flags) => backup::back_up(&flags, &file, printer),
        Verb::Restore(flags) => backup::restore(&flags, &file, printer),
        Verb::Setup(setup::Verb::Keycloak(flags)) => setup::keycloak(&file, &flags, printer),
        Verb::Setup(setup::Verb::Directory(flags)) => setup_outside::directory(&file, &flags, printer),
        Verb::Setup(setup::Verb::Discord(flags)) => setup_outside::discord(&file, &flags, printer),
        Verb::Doctor(flags) => doctor::run(&file, &flags, printer),
        Verb::Request(verb) => request::run(&verb, &file, printer),
        Verb::Link(verb) => link::run(&verb, &file, printer),
        Verb::Audit(verb) => audit::run(&verb, &file, printer),
        Verb::Deny(verb) => deny::run(&verb, &file, printer),
    }
}

/// Loads the configuration, or tells all its faults.
fn load(file: &Path, printer: &mut Printer) -> Result<configuration::Loaded, Exit> {
    configuration::check(file).map_err(|refused| printer.fault(Exit::Usage, refused))
}

/// A runtime for a verb that does one thing.
fn small_runtime(printer: &mut Printer) -> Result<tokio::runtime::Runtime, Exit> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| printer.failure("could not start", &error))
}
