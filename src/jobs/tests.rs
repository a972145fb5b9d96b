//! The lease of a claimed job, on a real store. `tests/workflow` tests jobs and their steps with the real servers.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use futures::future::BoxFuture;

use super::lease::Claim;
use crate::clock::{Clock, Moment, SystemClock, SystemRng};
use crate::config;
use crate::directory::Directory;
use crate::discord::Discord;
use crate::domain::ids::{DiscordUserId, Timestamp};
use crate::domain::job::{Job, JobKind};
use crate::keycloak::Keycloak;
use crate::store::{NewJob, Store};
use crate::worker::context::{Dependencies, LEASE, WorkerContext};

/// A worker with a store that has one job. Nothing calls its other servers.
struct LeaseEnv {
    worker: WorkerContext,
    store: Store,
    _folder: tempfile::TempDir,
}

impl LeaseEnv {
    async fn over(clock: Arc<dyn Clock>) -> Self {
        let (folder, config) = config::example_with_files();
        let rng = Arc::new(SystemRng);
        Store::migrate(&config.store, clock.clone(), rng.clone()).await.expect("a fresh database");
        let store = Store::open(&config.store, clock.clone(), rng.clone()).await.expect("the database");
        let mut tx = store.begin().await.expect("a transaction");
        let person = tx.ensure_person(DiscordUserId::new(7), "en").await.expect("a person");
        let job = NewJob { person_id: person.id, account_id: None, request_id: None, kind: JobKind::Welcome };
        tx.enqueue_job(job).await.expect("a job");
        tx.commit("test").await.expect("a commit");
        let deps = Dependencies {
            store: store.clone(),
            directory: Directory::new(&config.directory).expect("the directory's settings"),
            keycloak: Keycloak::new(&config.keycloak).expect("keycloak's settings"),
            discord: Discord::open(&config.discord, clock.clone()).expect("discord's settings"),
            config: Arc::new(config).into(),
            clock,
            rng,
        };
        Self { worker: WorkerContext::new(deps), store, _folder: folder }
    }

    /// The job, just claimed. Its lease in the store has a second left.
    async fn claimed(&self) -> Claim {
        let second = Duration::from_secs(1);
        let claimed = self.store.claim_job("worker", second).await.expect("an answer");
        Claim::new(claimed.expect("a job").job, SystemClock.moment())
    }

    /// The row of the job.
    async fn job(&self, job: &Job) -> Job {
        self.store.read().await.expect("a view").job(job.id).await.expect("an answer").expect("the job")
    }

    async fn is_renewed(&self, claim: &Claim) -> bool {
        let until = |job: &Job| job.lease_until.expect("a lease").as_millis();
        until(&self.job(&claim.job).await) > until(&claim.job)
    }
}

/// A clock whose pauses end at once. It counts them.
#[derive(Default)]
struct CountingClock(AtomicU32);

impl Clock for CountingClock {
    fn now(&self) -> Timestamp {
        SystemClock.now()
    }

    fn pause(&self, _span: Duration) -> BoxFuture<'static, ()> {
        self.0.fetch_add(1, Ordering::Relaxed);
        Box::pin(tokio::task::yield_now())
    }
}

impl CountingClock {
    /// Whether `keeping` still runs after several more pauses.
    async fn outlives_pauses(&self, keeping: impl Future<Output = ()>) -> bool {
        let enough = self.0.load(Ordering::Relaxed) + 4;
        let pauses = async {
            while self.0.load(Ordering::Relaxed) < enough {
                tokio::task::yield_now().await;
            }
        };
        tokio::select! {
            biased;
            () = keeping => false,
            () = pauses => true,
        }
    }
}

fn before(span: Duration) -> Moment {
    SystemClock.moment().before(span)
}

#[tokio::test]
async fn a_claim_holds_for_its_lease_and_no_longer() {
    let env = LeaseEnv::over(Arc::new(SystemClock)).await;
    let second = Duration::from_secs(1);
    let fresh = env.claimed().await;
    assert!(fresh.holds(&env.worker));
    let job = env.job(&fresh.job).await;
    assert!(Claim::new(job.clone(), before(LEASE.saturating_sub(second))).holds(&env.worker));
    assert!(!Claim::new(job.clone(), before(LEASE)).holds(&env.worker));
    assert!(!Claim::new(job, before(LEASE + second)).holds(&env.worker));
}

#[tokio::test]
async fn before_a_call_that_a_lease_may_not_outlast_it_is_renewed() {
    let env = LeaseEnv::over(Arc::new(SystemClock)).await;
    let (second, limit) = (Duration::from_secs(1), Duration::from_secs(5));
    let claim = env.claimed().await;
    claim.must_outlast(&env.worker, limit).await.expect("a lease that is long enough");
    assert!(!env.is_renewed(&claim).await, "the lease was renewed without need");

    // The lease lasts a second longer than the call may take. That is too little, because the answer must also be recorded.
    let claim = Claim::new(env.job(&claim.job).await, before(LEASE.saturating_sub(limit + second)));
    claim.must_outlast(&env.worker, limit).await.expect("a renewed lease");
    assert!(env.is_renewed(&claim).await);

    let stale = Claim::new(env.job(&claim.job).await, before(LEASE));
    assert!(!stale.holds(&env.worker));
    stale.must_outlast(&env.worker, limit).await.expect("a renewed lease");
    assert!(stale.holds(&env.worker), "the lease counts from its renewal");
}

#[tokio::test]
async fn a_lease_is_kept_until_someone_else_has_it() {
    let clock = Arc::new(CountingClock::default());
    let env = LeaseEnv::over(clock.clone()).await;
    let claim = env.claimed().await;
    assert!(clock.outlives_pauses(claim.keep(&env.worker)).await);
    assert!(env.is_renewed(&claim).await);

    let mut tx = env.store.begin().await.expect("a transaction");
    tx.release_job(&claim.job).await.expect("an answer");
    tx.commit("test").await.expect("a commit");
    env.claimed().await;
    claim.keep(&env.worker).await;
    assert!(claim.holds(&env.worker), "by this process's clock alone the lease is still valid");
}

#[tokio::test]
async fn a_lease_that_a_silent_store_does_not_renew_is_kept_until_it_runs_out() {
    let clock = Arc::new(CountingClock::default());
    let env = LeaseEnv::over(clock.clone()).await;
    let claim = env.claimed().await;
    let ran_out = Claim::new(env.job(&claim.job).await, before(LEASE));
    env.store.close().await;
    assert!(clock.outlives_pauses(claim.keep(&env.worker)).await);
    assert!(!clock.outlives_pauses(ran_out.keep(&env.worker)).await);
}
