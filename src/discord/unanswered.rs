//! Counts the interactions that wait for their first answer. Discord takes that answer for three seconds only, so background work lets
//! them go first.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::watch;

/// The interactions of this process that wait for their first answer.
pub(super) struct Unanswered {
    count: watch::Sender<usize>,
    newest: Mutex<Option<Instant>>,
}

impl Unanswered {
    pub(super) fn new() -> Self {
        Self { count: watch::Sender::new(0), newest: Mutex::new(None) }
    }

    /// An interaction arrived.
    pub(super) fn arrived(&self) -> Acknowledgement {
        self.count.send_modify(|count| *count += 1);
        *self.newest.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
        Acknowledgement { count: self.count.clone(), is_counted: AtomicBool::new(true), at: OnceLock::new() }
    }

    /// An interaction that no longer waits for its first answer.
    pub(super) fn answered(&self) -> Acknowledgement {
        Acknowledgement { count: self.count.clone(), is_counted: AtomicBool::new(false), at: OnceLock::new() }
    }

    /// Whether an interaction arrived less than `span` ago.
    pub(super) fn any_within(&self, span: Duration) -> bool {
        let newest = *self.newest.lock().unwrap_or_else(PoisonError::into_inner);
        newest.is_some_and(|arrived| arrived.elapsed() < span)
    }

    /// Returns when none waits, or after `at_most`.
    pub(super) async fn none(&self, at_most: Duration) {
        if *self.count.borrow() == 0 {
            return;
        }
        let mut count = self.count.subscribe();
        // An elapsed limit is no error, because background work must continue at some point.
        drop(tokio::time::timeout(at_most, count.wait_for(|count| *count == 0)).await);
    }
}

/// The first answer to one interaction. The interaction counts as unanswered until [`Acknowledgement::note`], or until this is dropped.
pub(super) struct Acknowledgement {
    count: watch::Sender<usize>,
    is_counted: AtomicBool,
    at: OnceLock<Instant>,
}

impl Acknowledgement {
    /// Discord accepted the first answer.
    pub(super) fn note(&self) {
        let _: &Instant = self.at.get_or_init(Instant::now);
        self.release();
    }

    /// When Discord accepted the first answer; `None` before that.
    pub(super) fn at(&self) -> Option<Instant> {
        self.at.get().copied()
    }

    fn release(&self) {
        if self.is_counted.swap(false, Ordering::SeqCst) {
            self.count.send_modify(|count| *count = count.saturating_sub(1));
        }
    }
}

impl Drop for Acknowledgement {
    fn drop(&mut self) {
        self.release();
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt as _;

    use super::*;

    const LONG: Duration = Duration::from_hours(1);

    #[tokio::test]
    async fn whoever_waits_goes_on_after_the_last_answer_and_after_the_limit_at_the_latest() {
        let unanswered = Unanswered::new();
        let is_over = || unanswered.none(LONG).now_or_never().is_some();
        assert!(is_over() && !unanswered.any_within(LONG), "no interaction arrived");
        let (first, second) = (unanswered.arrived(), unanswered.arrived());
        let mut waiting = std::pin::pin!(unanswered.none(LONG));
        assert!(futures::poll!(&mut waiting).is_pending());
        first.note();
        first.note();
        assert!(first.at().is_some() && second.at().is_none());
        assert!(unanswered.any_within(LONG) && !unanswered.any_within(Duration::ZERO));
        assert!(futures::poll!(&mut waiting).is_pending(), "the first one counts once");
        unanswered.none(Duration::from_millis(1)).await;
        assert!(!is_over(), "only the limit was over");
        // Nobody answers it after this point.
        drop(second);
        waiting.await;
        drop(first);
        assert!(is_over());
    }
}
