//! `accolade backup` and `accolade restore`: copies the database and restores it.
//!
//! They open the store themselves, because they copy or replace all of it and a restore comes before any use-case.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::{ArgGroup, Args};
use serde_json::{Value, json};

use super::exit::Exit;
use super::prepare::{load, small_runtime};
use super::print::Printer;
use super::process;
use crate::accounts::Operator;
use crate::accounts::restored::{CompareError, Comparison, RestoreDifference};
use crate::clock::{self, SystemRng};
use crate::config::{self, Config};
use crate::domain::account::DirectoryId;
use crate::domain::lang::Lang;
use crate::messages::{self, tr};
use crate::store::{Store, StoreError};

#[derive(Debug, Args)]
pub(super) struct BackupFlags {
    /// The file to write; it must not exist
    #[arg(value_name = "FILE")]
    file: PathBuf,
}

#[derive(Debug, Args)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a flag of the command line, and clap lets only one be given"
)]
#[command(group = ArgGroup::new("what").required(true))]
pub(super) struct RestoreFlags {
    /// Replace the database with this backup
    #[arg(group = "what", value_name = "FILE")]
    file: Option<PathBuf>,
    /// Hold back a database that was restored by another tool, such as `pg_restore`
    #[arg(long, group = "what")]
    hold: bool,
    /// List how the database differs from the directory and Keycloak; exits with 3 if it does
    #[arg(long, group = "what")]
    compare: bool,
    /// Approve a restored database, so that the service acts on it again
    #[arg(long, group = "what")]
    agree: bool,
    /// With `--compare`: print one JSON object instead of lines
    #[arg(long, requires = "compare", conflicts_with_all = ["file", "hold", "agree"])]
    json: bool,
}

/// `backup`
pub(super) fn back_up(flags: &BackupFlags, file: &Path, printer: &mut Printer) -> Exit {
    let lang = Lang::default();
    on_config(file, printer, async |config, printer| {
        let absolute = match std::path::absolute(&flags.file) {
            Ok(absolute) => absolute,
            Err(error) => return printer.failure("could not use the file's name", &error),
        };
        if config.store.url.scheme() != "sqlite" {
            return printer.fault(Exit::Usage, tr!(lang, "service-back-up-by-pg-dump"));
        }
        match copy(&config.store, &absolute).await {
            Ok(head) => {
                printer.line(tr!(
                    lang,
                    "service-backed-up",
                    file = absolute.display().to_string(),
                    head = &head
                ));
                printer.note(tr!(
                    lang,
                    "service-key-is-apart",
                    file = config.store.key_file.display().to_string()
                ));
                Exit::Done
            }
            Err(error) => printer.failure("nothing was backed up", &error),
        }
    })
}

async fn copy(config: &config::Store, file: &Path) -> Result<String, StoreError> {
    let store = Store::open_read_only(config, clock::of_process(), Arc::new(SystemRng)).await?;
    let copied = store.back_up(file).await;
    store.close().await;
    copied.map(|head| head.to_string())
}

/// `restore`
pub(super) fn restore(flags: &RestoreFlags, file: &Path, printer: &mut Printer) -> Exit {
    on_config(file, printer, async |config, printer| match &flags.file {
        Some(backup) => restore_backup(&config, backup, printer).await,
        None if flags.hold => hold(&config, printer).await,
        None => match Comparison::open(&config, clock::of_process(), Arc::new(SystemRng)).await {
            Ok(comparison) => {
                let exit = if flags.agree {
                    agree(&comparison, printer).await
                } else {
                    compare(&comparison, flags.json, printer).await
                };
                comparison.close().await;
                exit
            }
            Err(error) => printer.failure("nothing was done", &error),
        },
    })
}

async fn restore_backup(config: &Config, backup: &Path, printer: &mut Printer) -> Exit {
    let lang = Lang::default();
    if config.store.url.scheme() != "sqlite" {
        return printer.fault(Exit::Usage, tr!(lang, "service-restore-by-pg-restore"));
    }
    match Store::restore(&config.store, backup, clock::of_process(), Arc::new(SystemRng)).await {
        Ok(restored) => {
            printer.line(tr!(lang, "service-restored", head = restored.head.to_string()));
            if let Some(kept) = restored.kept {
                printer.line(tr!(lang, "service-kept-beside", file = kept.display().to_string()));
            }
            printer.note(tr!(lang, "service-what-comes-next"));
            Exit::Done
        }
        Err(error) => printer.failure("nothing was restored", &error),
    }
}

async fn hold(config: &Config, printer: &mut Printer) -> Exit {
    let held = async {
        let store = Store::open(&config.store, clock::of_process(), Arc::new(SystemRng)).await?;
        let held = store.hold().await;
        store.close().await;
        held
    };
    match held.await {
        Ok(()) => {
            printer.line(tr!(Lang::default(), "service-is-held"));
            Exit::Done
        }
        Err(error) => printer.failure("nothing was held back", &error),
    }
}

async fn compare(comparison: &Comparison, as_object: bool, printer: &mut Printer) -> Exit {
    let looked = async {
        let is_held = comparison.is_held().await?;
        Ok::<_, CompareError>((is_held, comparison.differences().await?))
    };
    let (is_held, differences) = match looked.await {
        Ok(looked) => looked,
        Err(error) => return printer.failure("nothing was compared", &error),
    };
    if as_object {
        let listed: Vec<Value> = differences.iter().map(as_json).collect();
        printer.line(json!({ "held": is_held, "differences": listed }));
    } else {
        if !differences.is_empty() {
            let lang = Lang::default();
            let headings = [
                tr!(lang, "cli-column-difference"),
                tr!(lang, "cli-column-username"),
                tr!(lang, "cli-column-meaning"),
            ];
            printer.table(&headings, differences.iter().map(as_row));
        }
        printer.note(messages::service::compared(Lang::default(), differences.len(), is_held));
    }
    if differences.is_empty() { Exit::Done } else { Exit::Differences }
}

async fn agree(comparison: &Comparison, printer: &mut Printer) -> Exit {
    let lang = Lang::default();
    match comparison.agree(&Operator { login: process::login() }).await {
        Ok(Some(jobs)) => {
            printer.line(tr!(lang, "service-agreed", count = jobs));
            Exit::Done
        }
        Ok(None) => printer.fault(Exit::Failed, tr!(lang, "service-not-held")),
        Err(error) => printer.failure("nothing was agreed", &error),
    }
}

fn as_json(difference: &RestoreDifference) -> Value {
    json!({
        "difference": difference.kind.code(),
        "account_id": difference.account.to_string(),
        "username": difference.username,
        "directory_id": difference.directory_id.as_ref().map(DirectoryId::as_str),
        "meaning": messages::service::difference(Lang::default(), difference.kind),
    })
}

fn as_row(difference: &RestoreDifference) -> Vec<String> {
    vec![
        difference.kind.code().to_owned(),
        difference.username.clone(),
        messages::service::difference(Lang::default(), difference.kind),
    ]
}

/// Loads the configuration and runs `job` with it.
fn on_config(
    file: &Path,
    printer: &mut Printer,
    job: impl AsyncFnOnce(Config, &mut Printer) -> Exit,
) -> Exit {
    let loaded = match load(file, printer) {
        Ok(loaded) => loaded,
        Err(exit) => return exit,
    };
    match small_runtime(printer) {
        Ok(runtime) => runtime.block_on(job(loaded.config, printer)),
        Err(exit) => exit,
    }
}
