//! One flush for every commit that waits: SQLite's log is flushed to the disk once for all commits that it holds by then.
//!
//! SQLite runs with `synchronous=NORMAL`, so a commit is in the write-ahead log but not yet on the disk. [`Flusher::wait_for`]
//! returns when it is. The first waiter starts `fdatasync` on the log; commits that arrive meanwhile share the next one.
//! A commit that nobody waits for is flushed a moment later: [`Flusher::flush_soon`].
//! Why this is safe, and what happens when a flush fails: `docs/decisions/0026-a-shared-flush.md`.

use std::fs::File;
use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::watch;

use super::counters::{Counters, FlushKind};
use super::error::StoreError;
use super::files;
use crate::crash;

/// How long a commit that nobody waits for may stay in the log alone. Usually a durable commit follows sooner,
/// and its flush covers both. After a pause a reader does not have to wait for a flush.
const FLUSH_DELAY: Duration = Duration::from_millis(50);

/// How far the log is on the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reached {
    /// All commits up to this number.
    Commit(u64),
    /// A flush failed. What the disk holds is unknown from then on, so this never changes again.
    Failed,
}

/// Numbers the commits and flushes the log. Cheap to clone.
#[derive(Clone)]
pub(super) struct Flusher {
    shared: Arc<Shared>,
}

struct Shared {
    /// The `-wal` file. The main file is never opened here: closing it would drop SQLite's locks on it.
    path: PathBuf,
    /// The log, opened once.
    file: Mutex<Option<File>>,
    /// The number of the newest commit.
    committed: AtomicU64,
    reached: watch::Sender<Reached>,
    is_flushing: AtomicBool,
    /// Whether a flush is planned by [`Flusher::flush_soon`].
    is_planned: AtomicBool,
    is_closed: AtomicBool,
    counters: Arc<Counters>,
    #[cfg(feature = "faults")]
    faults: faults::Faults,
}

impl Flusher {
    /// Flushes the log of this database file.
    pub(super) fn of_database(path: &Path, counters: Arc<Counters>) -> Self {
        Self {
            shared: Arc::new(Shared {
                path: files::log_of(path),
                file: Mutex::new(None),
                committed: AtomicU64::new(0),
                reached: watch::Sender::new(Reached::Commit(0)),
                is_flushing: AtomicBool::new(false),
                is_planned: AtomicBool::new(false),
                is_closed: AtomicBool::new(false),
                counters,
                #[cfg(feature = "faults")]
                faults: faults::Faults::default(),
            }),
        }
    }

    /// Notes a commit that is in the log now, and returns its number.
    pub(super) fn note_commit(&self) -> u64 {
        self.shared.committed.fetch_add(1, Ordering::SeqCst) + 1
    }

    /// Waits until everything committed so far is on the disk.
    pub(super) async fn wait(&self) -> Result<(), StoreError> {
        self.wait_for(self.shared.committed.load(Ordering::SeqCst)).await
    }

    /// Waits until the commit of this number is on the disk.
    pub(super) async fn wait_for(&self, number: u64) -> Result<(), StoreError> {
        #[cfg(feature = "faults")]
        if self.shared.faults.acknowledges_early() {
            Arc::clone(&self.shared).start(FlushKind::Awaited);
            return Ok(());
        }
        let mut reached = self.shared.reached.subscribe();
        loop {
            // Marked as seen before the attempt below, so a flush that ends in between is not missed.
            match *reached.borrow_and_update() {
                Reached::Commit(flushed) if flushed >= number => return Ok(()),
                Reached::Commit(_) => {}
                Reached::Failed => return Err(StoreError::FlushFailed),
            }
            Arc::clone(&self.shared).start(FlushKind::Awaited);
            // The sender lives in `shared`, so this cannot fail.
            if reached.changed().await.is_err() {
                return Err(StoreError::FlushFailed);
            }
        }
    }

    /// Flushes after [`FLUSH_DELAY`] what is committed by then, unless a waiting task causes a flush earlier.
    pub(super) fn flush_soon(&self) {
        // Without a runtime nobody waits any more, and the next start finds what the operating system has written.
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        if self.shared.is_planned.swap(true, Ordering::SeqCst) {
            return;
        }
        let flusher = self.clone();
        runtime.spawn(async move {
            if tokio::time::timeout(FLUSH_DELAY, flusher.failed()).await.is_ok() {
                return;
            }
            flusher.shared.is_planned.store(false, Ordering::SeqCst);
            if flusher.is_behind() && !flusher.shared.is_closed.load(Ordering::SeqCst) {
                flusher.shared.start(FlushKind::Background);
            }
        });
    }

    fn is_behind(&self) -> bool {
        let committed = self.shared.committed.load(Ordering::SeqCst);
        matches!(*self.shared.reached.borrow(), Reached::Commit(flushed) if flushed < committed)
    }

    /// Flushes what is left, and nothing afterwards by itself: SQLite removes the log when its last connection closes.
    pub(super) async fn close(&self) {
        self.shared.is_closed.store(true, Ordering::SeqCst);
        // A failure was logged, and nobody waits for these commits.
        drop(self.wait().await);
    }

    /// Fails once a flush has failed: nothing may be written any more.
    pub(super) fn check(&self) -> Result<(), StoreError> {
        match *self.shared.reached.borrow() {
            Reached::Commit(_) => Ok(()),
            Reached::Failed => Err(StoreError::FlushFailed),
        }
    }

    /// Waits until a flush fails, which normally never happens.
    pub(super) async fn failed(&self) {
        let mut reached = self.shared.reached.subscribe();
        if reached.wait_for(|reached| *reached == Reached::Failed).await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

impl Shared {
    /// Starts a flush unless one is running. It runs to its end even if every waiter gives up.
    fn start(self: Arc<Self>, kind: FlushKind) {
        if self.is_flushing.swap(true, Ordering::SeqCst) {
            return;
        }
        tokio::task::spawn_blocking(move || {
            let mut running = Running { shared: &self, outcome: Reached::Failed };
            running.outcome = self.flush(kind);
        });
    }

    fn flush(&self, kind: FlushKind) -> Reached {
        if *self.reached.borrow() == Reached::Failed {
            return Reached::Failed;
        }
        let target = self.committed.load(Ordering::SeqCst);
        crash::point("store.flush.before");
        match self.sync() {
            Ok(()) => {
                crash::point("store.flush.after");
                self.counters.count_flush(kind);
                Reached::Commit(target)
            }
            Err(error) => {
                tracing::error!(%error, path = %self.path.display(), "the database's log could not be flushed to the disk; nothing is stored any more");
                Reached::Failed
            }
        }
    }

    fn sync(&self) -> std::io::Result<()> {
        #[cfg(feature = "faults")]
        self.faults.meet(FlushMoment::Before)?;
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        let log = match file.take() {
            Some(log) if is_at(&log, &self.path)? => log,
            // SQLite created a new log after it had written the old one into the database and flushed it.
            Some(_) | None => files::open_log(&self.path)?,
        };
        file.insert(log).sync_data()?;
        #[cfg(feature = "faults")]
        self.faults.meet(FlushMoment::After)?;
        Ok(())
    }
}

/// Whether the open file is still the one of this path.
fn is_at(file: &File, path: &Path) -> std::io::Result<bool> {
    let ours = file.metadata()?;
    match std::fs::metadata(path) {
        Ok(there) => Ok((ours.dev(), ours.ino()) == (there.dev(), there.ino())),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

/// A running flush. Its end is published even if it panics, which counts as a failure.
struct Running<'a> {
    shared: &'a Shared,
    outcome: Reached,
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        // Before the outcome is published: a waiter that is not covered yet starts the next flush when it wakes.
        self.shared.is_flushing.store(false, Ordering::SeqCst);
        self.shared.reached.send_replace(self.outcome);
    }
}

#[cfg(feature = "faults")]
pub use faults::{FlushHook, FlushMoment};

/// What tests do to a flush.
#[cfg(feature = "faults")]
mod faults {
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::sync::{Arc, OnceLock};

    /// When a hook is called.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub enum FlushMoment {
        /// Before `fdatasync`.
        Before,
        /// After it has succeeded, before any waiter is notified.
        After,
    }

    /// A hook that is called in each flush. Its error counts as an error of `fdatasync`.
    pub type FlushHook = Box<dyn Fn(FlushMoment) -> std::io::Result<()> + Send + Sync>;

    #[derive(Default)]
    pub(super) struct Faults {
        hook: OnceLock<FlushHook>,
        acknowledges_early: Arc<AtomicBool>,
    }

    impl Faults {
        pub(super) fn meet(&self, moment: FlushMoment) -> std::io::Result<()> {
            self.hook.get().map_or(Ok(()), |hook| hook(moment))
        }

        pub(super) fn acknowledges_early(&self) -> bool {
            self.acknowledges_early.load(Ordering::SeqCst)
        }
    }

    impl super::Flusher {
        /// Sets the hook; a second one is ignored.
        pub(in crate::store) fn hook(&self, hook: FlushHook) {
            let _ = self.shared.faults.hook.set(hook);
        }

        /// The plant `ack-before-flush`: commits return before they are on the disk.
        pub(in crate::store) fn acknowledge_early(&self) {
            self.shared.faults.acknowledges_early.store(true, Ordering::SeqCst);
        }
    }
}
