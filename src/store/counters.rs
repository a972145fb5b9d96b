//! Counts the store's calls to its database, for `/metrics`, the benchmark and the tests that keep these counts low.

use std::sync::atomic::{AtomicU64, Ordering};

/// The counters, shared by all clones of a store.
#[derive(Debug, Default)]
pub(super) struct Counters {
    statements: AtomicU64,
    commits: AtomicU64,
    flushes: AtomicU64,
    background_flushes: AtomicU64,
}

/// Whether a task waits for a flush.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FlushKind {
    /// A task waits for it.
    Awaited,
    /// It flushes commits that no task waits for.
    Background,
}

/// What was counted since the store was opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Statement texts that read or write rows. `BEGIN`, `COMMIT` and `ROLLBACK` are not among them; a text of two statements counts
    /// once, as it goes to the database once.
    pub statements: u64,
    /// Committed transactions, single writing statements among them.
    pub commits: u64,
    /// Times that the store flushed SQLite's log to the disk and a task waited for it. `PostgreSQL` flushes by itself, and nothing is
    /// counted.
    pub flushes: u64,
    /// Flushes that no task waited for.
    pub background_flushes: u64,
}

impl Counters {
    pub(super) fn count_statement(&self) {
        self.statements.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn count_commit(&self) {
        self.commits.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn count_flush(&self, kind: FlushKind) {
        match kind {
            FlushKind::Awaited => &self.flushes,
            FlushKind::Background => &self.background_flushes,
        }
        .fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn counts(&self) -> Counts {
        Counts {
            statements: self.statements.load(Ordering::Relaxed),
            commits: self.commits.load(Ordering::Relaxed),
            flushes: self.flushes.load(Ordering::Relaxed),
            background_flushes: self.background_flushes.load(Ordering::Relaxed),
        }
    }
}
