//! Where a test stops this worker: before a step, or after a step whose result is then lost, as a crash leaves it.
//!
//! Only in builds with the feature `faults`. A worker that was stopped claims no more jobs.

use std::sync::{Mutex, PoisonError};

use crate::domain::job::Step;

/// Where the worker stops.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StopAt {
    /// Before the step. What the steps before it did is recorded, and the claim is released.
    Before(Step),
    /// After the step. Everything since the last barrier is lost with the claim.
    After(Step),
}

/// The worker's breakpoint.
#[derive(Default)]
pub(crate) struct Breakpoint(Mutex<State>);

#[derive(Default)]
struct State {
    at: Option<StopAt>,
    is_stopped: bool,
}

impl Breakpoint {
    /// Sets the breakpoint.
    pub(crate) fn set(&self, at: StopAt) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).at = Some(at);
    }

    /// Whether the worker stops here.
    pub(crate) fn hits(&self, here: StopAt) -> bool {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_hit = state.at == Some(here);
        state.is_stopped |= is_hit;
        is_hit
    }

    /// Whether the worker was stopped.
    pub(crate) fn is_stopped(&self) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).is_stopped
    }
}
