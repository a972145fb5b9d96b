//! Tracks whether the database currently accepts writes, and which connections can't be used any more.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::error::StoreError;

/// Shared by the store and its pool.
#[derive(Clone, Debug, Default)]
pub(super) struct WriteHealth(Arc<Noted>);

#[derive(Debug, Default)]
struct Noted {
    /// A write was refused, and none has succeeded since.
    is_refused: AtomicBool,
    /// The same, because the database is read-only.
    is_read_only: AtomicBool,
    /// When the database was last known to be read-only.
    read_only_until: Mutex<Option<Instant>>,
}

impl WriteHealth {
    /// Notes an error if it says that the database currently accepts no writes.
    pub(super) fn note_error(&self, error: &StoreError) {
        if !error.is_passing() {
            return;
        }
        self.0.is_refused.store(true, Ordering::Relaxed);
        if matches!(error, StoreError::ReadOnlyDatabase) {
            self.0.is_read_only.store(true, Ordering::Relaxed);
            self.is_read_only_until_now();
        }
    }

    /// Notes that a write succeeded.
    pub(super) fn note_success(&self) {
        self.0.is_refused.store(false, Ordering::Relaxed);
        if self.0.is_read_only.swap(false, Ordering::Relaxed) {
            self.is_read_only_until_now();
        }
    }

    fn is_read_only_until_now(&self) {
        *self.0.read_only_until.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
    }

    /// Whether the last write was refused.
    pub(super) fn is_noted(&self) -> bool {
        self.0.is_refused.load(Ordering::Relaxed)
    }

    /// Whether a connection of this age was opened before the database accepted writes again. `PostgreSQL` decides that for a whole
    /// session, so such a connection may stay read-only long after the database is writable.
    pub(super) fn is_stale(&self, age: Duration) -> bool {
        let read_only_until = *self.0.read_only_until.lock().unwrap_or_else(PoisonError::into_inner);
        read_only_until.is_some_and(|at| age >= at.elapsed())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_is_spoilt_if_it_was_there_when_one_was_read_only() {
        let write_health = WriteHealth::default();
        assert!(!write_health.is_stale(Duration::from_hours(1)), "no error was noted yet");
        write_health.note_error(&StoreError::Busy);
        assert!(
            write_health.is_noted() && !write_health.is_stale(Duration::from_hours(1)),
            "busy is not read-only"
        );
        write_health.note_error(&StoreError::ReadOnlyDatabase);
        assert!(write_health.is_stale(Duration::from_hours(1)));
        assert!(!write_health.is_stale(Duration::ZERO), "the connection was opened later");
        let read_only_until = || *write_health.0.read_only_until.lock().expect("not poisoned");
        let before_the_end = Instant::now();
        write_health.note_success();
        assert!(!write_health.is_noted());
        let end = read_only_until();
        assert!(end >= Some(before_the_end), "a connection from before the end may be read-only");
        write_health.note_success();
        assert_eq!(read_only_until(), end, "the database was writable already");
        write_health.note_error(&StoreError::LostLease);
        assert!(!write_health.is_noted(), "a lost lease is not a fault of the database");
    }
}
