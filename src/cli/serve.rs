//! `accolade serve`: runs the bot until a signal stops it, and reloads the configuration on SIGHUP.

use std::io;
use std::path::Path;
use std::pin::pin;
use std::sync::Arc;

use tokio::signal::unix::{Signal, SignalKind, signal};

use super::exit::Exit;
use super::notify::{self, Manager};
use super::prepare::load;
use super::print::Printer;
use crate::app::Running;
use crate::clock::{self, SystemRng};
use crate::config::{self, Config, Loaded};
use crate::crash::Manner;
use crate::domain::lang::Lang;
use crate::messages;
use crate::{app, crash, telemetry};

/// The stack of each worker thread. A debug build keeps every local of a deep chain of futures there, which 2 MiB do not hold.
const STACK: usize = 4 * 1024 * 1024;

/// `serve`
pub(super) fn run(file: &Path, printer: &mut Printer) -> Exit {
    let loaded = match load(file, printer) {
        Ok(loaded) => loaded,
        Err(exit) => return exit,
    };
    if let Err(error) = telemetry::start(&loaded.config.log) {
        return printer.failure("could not start the log", &error);
    }
    log_warnings(&loaded, file);
    for (variable, setting, manner) in [
        ("ACCOLADE_CRASH_AT", config::crash_at(), Manner::Kill),
        ("ACCOLADE_PANIC_AT", config::panic_at(), Manner::Panic),
    ] {
        match setting.map(|setting| setting.parse()).transpose() {
            Ok(point) => crash::arm(point, manner),
            Err(error) => return printer.failure(&["could not use ", variable].concat(), &error),
        }
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .thread_stack_size(STACK)
        // SQLite's driver wakes tasks through the global queue. The task that holds the only writer must not wait behind all others.
        .global_queue_interval(1)
        .enable_all()
        .build();
    match runtime {
        Ok(runtime) => runtime.block_on(serve(loaded.config, file, printer)),
        Err(error) => printer.failure("could not start", &error),
    }
}

async fn serve(config: Config, file: &Path, printer: &mut Printer) -> Exit {
    // Signals are handled before anything starts, so an early one also stops the process in order and an early SIGHUP doesn't end it.
    let (mut terminate, mut interrupt, mut hangup) = match signals() {
        Ok(signals) => signals,
        Err(error) => return printer.failure("could not listen for signals", &error),
    };
    let start = app::start(config, clock::of_process(), Arc::new(SystemRng));
    let mut running = tokio::select! {
        started = start => match started {
            Ok(running) => running,
            Err(error) => {
                let failed = printer.failure("could not start", &error);
                return if error.is_of_configuration() { Exit::Usage } else { failed };
            }
        },
        _ = terminate.recv() => return Exit::Done,
        _ = interrupt.recv() => return Exit::Done,
    };
    let manager = Manager::of_process();
    let mut notifying = pin!(notify::run(manager.as_ref(), running.health()));
    let exit = loop {
        tokio::select! {
            () = &mut notifying => break Exit::Failed,
            _ = terminate.recv() => break Exit::Done,
            _ = interrupt.recv() => break Exit::Done,
            _ = hangup.recv() => reload(file, &running, manager.as_ref()).await,
            ended = running.ended() => break match ended {
                Ok(()) => Exit::Failed,
                Err(error) => printer.failure("the bot ended", &error),
            },
        }
    };
    if let Some(manager) = &manager {
        manager.stopping();
    }
    running.stop().await;
    exit
}

/// SIGTERM and SIGINT, which stop the process, and SIGHUP, which reloads the configuration.
fn signals() -> io::Result<(Signal, Signal, Signal)> {
    Ok((signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?, signal(SignalKind::hangup())?))
}

/// Reloads the configuration. An invalid one, or one that needs a restart, is rejected as a whole.
async fn reload(file: &Path, running: &Running, manager: Option<&Manager>) {
    if let Some(manager) = manager {
        manager.reload_started();
    }
    let is_applied = match config::check(file) {
        Ok(loaded) => apply(loaded, file, running).await,
        Err(rejected) => {
            for error in &rejected.errors {
                tracing::error!(config.key = %error.key, config.error = %error.line(file), "the new configuration has an error");
            }
            false
        }
    };
    if !is_applied {
        tracing::error!("the configuration was not reloaded: nothing has changed");
    }
    if let Some(manager) = manager {
        manager.reload_ended(&messages::service::reloaded(Lang::default(), is_applied));
    }
}

async fn apply(loaded: Loaded, file: &Path, running: &Running) -> bool {
    log_warnings(&loaded, file);
    let changes = running.reload(loaded.config).await;
    for key in &changes.needs_restart {
        tracing::error!(config.key = %key, "this key cannot be changed while accolade runs: restart accolade, or restore the key");
    }
    let is_applied = changes.needs_restart.is_empty();
    if is_applied {
        let keys = changes.reloadable.join(" ");
        tracing::info!(config.changed = %keys, "the configuration was reloaded");
    }
    is_applied
}

fn log_warnings(loaded: &Loaded, file: &Path) {
    for warning in &loaded.warnings {
        tracing::warn!(config.key = %warning.key, config.warning = %warning.line(file), "the configuration has a warning");
    }
}
