//! `accolade serve`: runs the bot until the system asks it to stop, and takes a new configuration at SIGHUP.

use std::io;
use std::path::Path;
use std::pin::pin;
use std::sync::Arc;

use tokio::signal::unix::{Signal, SignalKind, signal};

use super::notify::{self, Manager};
use super::print::Printer;
use super::{Exit, load};
use crate::app::Running;
use crate::clock::{self, SystemRng};
use crate::config::{self, Config, Loaded};
use crate::crash::Manner;
use crate::messages::{self, Lang};
use crate::{app, crash, telemetry};

/// `serve`
pub(super) fn run(file: &Path, printer: &mut Printer) -> Exit {
    let loaded = match load(file, printer) {
        Ok(loaded) => loaded,
        Err(exit) => return exit,
    };
    if let Err(error) = telemetry::start(&loaded.config.log) {
        return printer.failure("could not start the log", &error);
    }
    tell_warnings(&loaded, file);
    for (variable, setting, manner) in [
        ("ACCOLADE_CRASH_AT", config::crash_at(), Manner::Kill),
        ("ACCOLADE_PANIC_AT", config::panic_at(), Manner::Panic),
    ] {
        match setting.map(|setting| setting.parse()).transpose() {
            Ok(point) => crash::arm(point, manner),
            Err(error) => return printer.failure(&["could not use ", variable].concat(), &error),
        }
    }
    match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime.block_on(serve(loaded.config, file, printer)),
        Err(error) => printer.failure("could not start", &error),
    }
}

async fn serve(config: Config, file: &Path, printer: &mut Printer) -> Exit {
    // Before anything starts: a signal that comes early must stop it in order, too, and a reload must not end it.
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
    let mut tending = pin!(notify::tend(manager.as_ref(), running.health()));
    let exit = loop {
        tokio::select! {
            () = &mut tending => break Exit::Failed,
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
        manager.stops();
    }
    running.stop().await;
    exit
}

/// What asks for the end, twice, and for a reload.
fn signals() -> io::Result<(Signal, Signal, Signal)> {
    Ok((signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?, signal(SignalKind::hangup())?))
}

/// Reads the configuration again. One that is faulty, or that needs a restart, is refused whole: what holds is always one file's.
async fn reload(file: &Path, running: &Running, manager: Option<&Manager>) {
    if let Some(manager) = manager {
        manager.reloads();
    }
    let is_taken = match config::check(file) {
        Ok(loaded) => take(loaded, file, running).await,
        Err(refused) => {
            for fault in &refused.faults {
                tracing::error!(config.key = %fault.key, config.fault = %fault.line(file), "the new configuration has a fault");
            }
            false
        }
    };
    if !is_taken {
        tracing::error!("the configuration was not reloaded: nothing has changed");
    }
    if let Some(manager) = manager {
        manager.has_reloaded(&messages::service::reloaded(Lang::default(), is_taken));
    }
}

async fn take(loaded: Loaded, file: &Path, running: &Running) -> bool {
    tell_warnings(&loaded, file);
    let difference = running.reload(loaded.config).await;
    for key in &difference.needs_restart {
        tracing::error!(config.key = %key, "this key cannot be changed while accolade runs: restart it, or put the key back");
    }
    let is_taken = difference.needs_restart.is_empty();
    if is_taken {
        let changed = difference.reloadable.join(" ");
        tracing::info!(config.changed = %changed, "the configuration was reloaded");
    }
    is_taken
}

fn tell_warnings(loaded: &Loaded, file: &Path) {
    for warning in &loaded.warnings {
        tracing::warn!(config.key = %warning.key, config.fault = %warning.line(file), "the configuration has a warning");
    }
}
