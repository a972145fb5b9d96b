//! Heartbeats of the background loops. The loops, steps and calls record them; the health check asks how old the last one is.
//!
//! A loop that panicked or deadlocked stops sending heartbeats even though the process looks healthy.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// The two loops, each with everything that it runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Loop {
    /// Claims and runs jobs.
    Jobs,
    /// Sends messages.
    Outbox,
}

/// The last heartbeat of each loop.
pub(crate) struct Heartbeat(Mutex<[Instant; 2]>);

impl Heartbeat {
    /// Both loops count as alive now.
    pub(crate) fn new() -> Self {
        Self(Mutex::new([Instant::now(); 2]))
    }

    /// Records a heartbeat.
    pub(crate) fn beat(&self, which: Loop) {
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        last[which as usize] = Instant::now();
    }

    /// Whether both loops sent a heartbeat within this span.
    pub(crate) fn beat_within(&self, span: Duration) -> bool {
        let last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        last.iter().all(|beat| beat.elapsed() <= span)
    }
}
