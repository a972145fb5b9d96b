//! What the last changes met: whether the database takes any, and which connections to it are no good any more.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::StoreError;

/// Shared by the store and its pool.
#[derive(Clone, Debug, Default)]
pub(super) struct WriteHealth(Arc<Noted>);

#[derive(Debug, Default)]
struct Noted {
    /// A change was not taken, and none has been since.
    is_refused: AtomicBool,
    /// The same, because the database is read-only.
    is_shut: AtomicBool,
    /// Until when the database was read-only, as far as we know.
    shut_until: Mutex<Option<Instant>>,
}

impl WriteHealth {
    /// Notes an error if it says that the database takes no changes at present.
    pub(super) fn heed(&self, error: &StoreError) {
        if !error.is_passing() {
            return;
        }
        self.0.is_refused.store(true, Ordering::Relaxed);
        if matches!(error, StoreError::ReadOnlyDatabase) {
            self.0.is_shut.store(true, Ordering::Relaxed);
            self.is_shut_until_now();
        }
    }

    /// A change was taken.
    pub(super) fn is_over(&self) {
        self.0.is_refused.store(false, Ordering::Relaxed);
        if self.0.is_shut.swap(false, Ordering::Relaxed) {
            self.is_shut_until_now();
        }
    }

    fn is_shut_until_now(&self) {
        *self.0.shut_until.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
    }

    /// Whether the last change was not taken.
    pub(super) fn is_noted(&self) -> bool {
        self.0.is_refused.load(Ordering::Relaxed)
    }

    /// Whether a connection of this age was opened before the database took changes again. `PostgreSQL` decides that for a whole
    /// session, so such a one may stay read-only long after the database is not.
    pub(super) fn has_spoilt(&self, age: Duration) -> bool {
        let shut_until = *self.0.shut_until.lock().unwrap_or_else(PoisonError::into_inner);
        shut_until.is_some_and(|at| age >= at.elapsed())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_is_spoilt_if_it_was_there_when_one_was_read_only() {
        let write_health = WriteHealth::default();
        assert!(!write_health.has_spoilt(Duration::from_hours(1)), "nothing was said yet");
        write_health.heed(&StoreError::Busy);
        assert!(
            write_health.is_noted() && !write_health.has_spoilt(Duration::from_hours(1)),
            "busy is not read-only"
        );
        write_health.heed(&StoreError::ReadOnlyDatabase);
        assert!(write_health.has_spoilt(Duration::from_hours(1)));
        assert!(!write_health.has_spoilt(Duration::ZERO), "it was opened later");
        let shut_until = || *write_health.0.shut_until.lock().expect("not poisoned");
        let before_the_end = Instant::now();
        write_health.is_over();
        assert!(!write_health.is_noted());
        let end = shut_until();
        assert!(end >= Some(before_the_end), "whatever was opened before the end may be read-only");
        write_health.is_over();
        assert_eq!(shut_until(), end, "nothing was shut any more");
        write_health.heed(&StoreError::LostLease);
        assert!(!write_health.is_noted(), "a rule of ours is not the database's trouble");
    }
}
