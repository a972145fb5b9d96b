//! The shared flush of SQLite's write-ahead log. Acknowledged changes survive a power cut, many commits share
//! one flush, and a failed flush ends every write.
//!
//! A power cut leaves what was on the disk: the database file, and the part of the log that the last completed flush covered.

use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use accolade::clock::SystemRng;
use accolade::config;
use accolade::domain::ids::DiscordUserId;
use accolade::domain::job::JobKind;
use accolade::store::{Counts, FlushMoment, NewJob, Store, StoreError};
use tokio_util::task::TaskTracker;

use harness::store::sqlite_config;
use harness::{StoreEnv, private_folder};

/// What the disk holds, and what was acknowledged. One lock guards both, so a power cut reads them at the same moment.
#[derive(Default)]
struct Disk {
    log: Vec<u8>,
    acknowledged: Vec<u64>,
}

/// Holds flushes back while it is closed.
#[derive(Default)]
struct Gate {
    is_closed: Mutex<bool>,
    changed: Condvar,
}

impl Gate {
    fn set(&self, is_closed: bool) {
        *self.is_closed.lock().expect("not poisoned") = is_closed;
        self.changed.notify_all();
    }

    fn pass(&self) {
        let closed = self.is_closed.lock().expect("not poisoned");
        drop(self.changed.wait_while(closed, |is_closed| *is_closed).expect("not poisoned"));
    }
}

/// A store whose flushes are observed.
struct Watched {
    env: StoreEnv,
    /// A copy of the main file from when the store was opened. Another process copies it, because closing the file here would drop SQLite's
    /// locks.
    main: PathBuf,
    disk: Arc<Mutex<Disk>>,
    gate: Arc<Gate>,
}

impl Watched {
    /// Stores a person with a commit that does not wait for its flush.
    async fn commits_relaxed(&self) {
        let mut tx = self.env.store.begin().await.expect("begins");
        tx.ensure_person(DiscordUserId::new(1), "en").await.expect("a person");
        tx.commit_relaxed("test.person").await.expect("returns without a flush");
    }

    async fn new() -> Self {
        let env = StoreEnv::on_sqlite().await;
        // Closing the store writes the result of the migrations into the main file.
        env.store.close().await;
        let env = env.reopened().await;
        let main = env.folder.path().join("main.copy");
        let copied = Command::new("cp").arg(env.file()).arg(&main).status().expect("cp runs");
        assert!(copied.success());
        let (disk, gate) = (Arc::<Mutex<Disk>>::default(), Arc::<Gate>::default());
        let (of_hook, held, log) = (disk.clone(), gate.clone(), log_of(&env.file()));
        let found = Mutex::new(Vec::new());
        env.store.on_flush(Box::new(move |moment| {
            let mut found = found.lock().expect("not poisoned");
            match moment {
                // What is written while `fdatasync` runs may be lost.
                FlushMoment::Before => *found = std::fs::read(&log)?,
                FlushMoment::After => of_hook.lock().expect("not poisoned").log.clone_from(&found),
            }
            if moment == FlushMoment::Before {
                held.pass();
            }
            Ok(())
        }));
        Self { env, main, disk, gate }
    }

    /// Stores a person and notes the acknowledgement.
    async fn stores(&self, user: u64) {
        self.env.person(user).await;
        self.disk.lock().expect("not poisoned").acknowledged.push(user);
    }

    /// Cuts the power now, and starts again with what the disk holds. Returns the acknowledged people who are missing from the store.
    async fn missing_after_power_cut(&self) -> Vec<u64> {
        let (log, acknowledged) = {
            let disk = self.disk.lock().expect("not poisoned");
            (disk.log.clone(), disk.acknowledged.clone())
        };
        let folder = private_folder();
        let config = sqlite_config(&folder);
        let file = folder.path().join("store.sqlite");
        private_copy(&self.main, &file);
        private_copy(&self.env.config.key_file, &config.key_file);
        private_write(&log_of(&file), &log);
        let store = open(&config, &self.env).await;
        let mut missing = Vec::new();
        let mut view = store.read().await.expect("reads");
        for user in acknowledged {
            if view.person_of(DiscordUserId::new(user)).await.expect("reads").is_none() {
                missing.push(user);
            }
        }
        drop(view);
        store.close().await;
        missing
    }
}

async fn open(config: &config::Store, env: &StoreEnv) -> Store {
    Store::open(config, env.clock.clone(), Arc::new(SystemRng)).await.expect("opens what the disk held")
}

fn log_of(file: &Path) -> PathBuf {
    [&*file.to_string_lossy(), "-wal"].concat().into()
}

fn private_copy(from: &Path, to: &Path) {
    private_write(to, &std::fs::read(from).expect("reads"));
}

fn private_write(to: &Path, bytes: &[u8]) {
    use std::io::Write as _;
    use std::os::unix::fs::OpenOptionsExt as _;
    let mut file =
        std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(to).expect("a file");
    file.write_all(bytes).expect("writes");
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_acknowledged_is_missing_after_a_power_cut() {
    let watched = Arc::new(Watched::new().await);
    let writers: Vec<_> = (0..8)
        .map(|writer| {
            let watched = watched.clone();
            TaskTracker::new().spawn(async move {
                for n in 0..15 {
                    watched.stores(writer * 100 + n + 1).await;
                }
            })
        })
        .collect();
    let mut seen = 0;
    // Cut the power while they write, each time at another moment, and once at the end.
    while !writers.iter().all(tokio::task::JoinHandle::is_finished) {
        assert_eq!(watched.missing_after_power_cut().await, [0_u64; 0]);
        seen += 1;
    }
    assert!(seen > 0, "no power cut happened during the writes");
    for writer in writers {
        writer.await.expect("writes until it ends");
    }
    assert_eq!(watched.disk.lock().expect("not poisoned").acknowledged.len(), 120);
    assert_eq!(watched.missing_after_power_cut().await, [0_u64; 0]);
}

/// Checks the test above: it finds commits that return before they are on the disk.
#[tokio::test(flavor = "multi_thread")]
async fn an_acknowledgement_before_its_flush_is_found_by_the_power_cut() {
    let watched = Watched::new().await;
    watched.env.store.plant_ack_before_flush();
    watched.gate.set(true);
    watched.stores(7).await;
    let missing = watched.missing_after_power_cut().await;
    watched.gate.set(false);
    assert_eq!(missing, [7]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_returns_only_when_it_is_on_the_disk_and_many_share_one_flush() {
    let watched = Watched::new().await;
    let store = &watched.env.store;
    let before = store.counts();
    watched.gate.set(true);
    let writers: Vec<_> = (1..=20)
        .map(|user| {
            let store = store.clone();
            TaskTracker::new().spawn(async move {
                let mut tx = store.begin().await.expect("begins");
                tx.ensure_person(DiscordUserId::new(user), "en").await.expect("a person");
                tx.commit("test.person").await.expect("commits");
            })
        })
        .collect();
    testbed::wait_until("the commits", Duration::from_secs(20), async || {
        Ok(store.counts().commits == before.commits + 20)
    })
    .await
    .expect("all of them are in the log");
    assert!(!writers.iter().any(tokio::task::JoinHandle::is_finished), "a commit returned before its flush");
    watched.gate.set(false);
    for writer in writers {
        writer.await.expect("commits");
    }
    let flushes = store.counts().flushes - before.flushes;
    assert!((1..=2).contains(&flushes), "the first flush, and one for those that came meanwhile: {flushes}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_relaxed_commit_waits_for_no_flush_and_what_leaves_the_process_does() {
    let watched = Watched::new().await;
    let store = &watched.env.store;
    watched.gate.set(true);
    watched.commits_relaxed().await;
    let leaving = TaskTracker::new().spawn({
        let store = store.clone();
        async move { store.flushed().await }
    });
    watched.gate.set(false);
    leaving.await.expect("ends").expect("flushes");
    let flushes = store.counts().flushes;
    watched.disk.lock().expect("not poisoned").acknowledged.push(1);
    assert_eq!(watched.missing_after_power_cut().await, [0_u64; 0]);
    store.flushed().await.expect("there is nothing to flush");
    assert_eq!(store.counts().flushes, flushes);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_is_answered_when_what_it_saw_is_on_the_disk() {
    let watched = Watched::new().await;
    let store = &watched.env.store;
    watched.gate.set(true);
    watched.commits_relaxed().await;
    let before = store.counts();
    let reading = TaskTracker::new().spawn({
        let store = store.clone();
        async move { store.read().await.expect("reads").person_of(DiscordUserId::new(1)).await }
    });
    // The statement has run, and its answer is held back.
    testbed::wait_until("the statement", Duration::from_secs(20), async || {
        Ok(store.counts().statements > before.statements)
    })
    .await
    .expect("it runs");
    assert!(!reading.is_finished(), "a commit returned before its flush");
    watched.gate.set(false);
    assert!(reading.await.expect("ends").expect("reads").is_some());
    let now = store.counts();
    let flushes = |counts: Counts| counts.flushes + counts.background_flushes;
    assert_eq!(flushes(now), flushes(before) + 1, "one flush, awaited or in the background");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_relaxed_reader_is_answered_before_what_it_saw_is_on_the_disk() {
    let watched = Watched::new().await;
    let store = &watched.env.store;
    watched.gate.set(true);
    watched.commits_relaxed().await;
    let mut reading = store.read_relaxed().await.expect("reads");
    assert!(reading.person_of(DiscordUserId::new(1)).await.expect("an answer at once").is_some());
    watched.gate.set(false);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_relaxed_commit_is_flushed_soon_although_nobody_waits_for_it() {
    let watched = Watched::new().await;
    let store = &watched.env.store;
    watched.commits_relaxed().await;
    testbed::wait_until("the flush", Duration::from_secs(20), async || {
        Ok(store.counts().background_flushes == 1)
    })
    .await
    .expect("it is started by itself");
    watched.disk.lock().expect("not poisoned").acknowledged.push(1);
    assert_eq!(watched.missing_after_power_cut().await, [0_u64; 0]);
    let waited_for = store.counts().flushes;
    store.flushed().await.expect("there is nothing to flush");
    assert_eq!(store.counts().flushes, waited_for);
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_flush_that_failed_nothing_is_written_any_more() {
    let env = StoreEnv::on_sqlite().await;
    let person = env.person(1).await;
    env.store.on_flush(Box::new(|moment| match moment {
        FlushMoment::Before => Err(io::Error::other("the disk is broken")),
        FlushMoment::After => Ok(()),
    }));
    let mut tx = env.store.begin().await.expect("begins");
    let job = NewJob { person_id: person, account_id: None, request_id: None, kind: JobKind::Welcome };
    tx.enqueue_job(job).await.expect("enqueues");
    let refused = |result: Result<(), StoreError>| {
        assert!(matches!(result, Err(StoreError::FlushFailed)), "{result:?}");
    };
    refused(tx.commit("test.enqueue").await);
    env.store.flush_failed().await;
    refused(env.store.begin().await.map(drop));
    refused(env.store.claim_job("a", Duration::from_secs(15)).await.map(drop));
    refused(env.store.flushed().await);
    let unhealthy = env.store.takes_changes().await.expect_err("the health page says so");
    assert!(unhealthy.advice().is_some_and(|advice| advice.contains("check the disk")), "{unhealthy}");
    assert!(!unhealthy.is_passing(), "a retry does not help");
    let read = env.store.read().await.expect("a connection").person(person).await;
    assert!(matches!(read, Err(StoreError::FlushFailed)), "what it sees may not be on the disk: {read:?}");
}
