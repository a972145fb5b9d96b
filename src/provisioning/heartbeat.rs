//! Whether the worker lives: its loops, steps and calls leave beats, and whoever watches asks how old the last one is.
//!
//! A loop that panicked or waits for ever beats no more, while the rest of the process looks well.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Which of the two loops, with everything that it runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Loop {
    /// Claims and runs works.
    Jobs,
    /// Sends messages.
    Outbox,
}

/// The last beat of each loop.
pub(super) struct Heartbeat(Mutex<[Instant; 2]>);

impl Heartbeat {
    pub(super) fn new() -> Self {
        Self(Mutex::new([Instant::now(); 2]))
    }

    pub(super) fn beat(&self, which: Loop) {
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        last[which as usize] = Instant::now();
    }

    pub(super) fn beat_within(&self, span: Duration) -> bool {
        let last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        last.iter().all(|beat| beat.elapsed() <= span)
    }
}
