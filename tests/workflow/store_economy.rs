//! Fewer, larger statements: what one claim reads, jobs that are created claimed, and batches of messages. One
//! test counts the statements that the operations of one request take.

use std::time::Duration;

use accolade::clock::Clock as _;
use accolade::domain::account::AccountState;
use accolade::domain::audit::{Actor, Entry, Event, Source};
use accolade::domain::error_code::ErrorCode;
use accolade::domain::ids::JobId;
use accolade::domain::job::{Job, JobKind, JobState, Outcome, Step};
use accolade::store::{
    Approved, AuditVerdict, Counts, Kind, NewJob, NewOutbox, OutboxKind, Sent, StepRecord, Tx,
};

use harness::StoreEnv;
use harness::store::{GUILD, on_both_databases};

const LEASE: Duration = Duration::from_secs(15);

fn record(step: Step) -> StepRecord {
    let output = Some(r#"{"a":"b"}"#.to_owned());
    StepRecord { step, outcome: Outcome::Applied, output, seen_at: None }
}

/// An approved request with its account and its job.
async fn approved(env: &StoreEnv, user: u64, name: &str) -> Box<Approved> {
    let request = env.waiting(user, name).await;
    let mut tx = env.store.begin().await.expect("begins");
    let approved = tx.approve_request(&request, Actor::System, Source::Config, None).await.expect("answers");
    tx.commit("test.approve").await.expect("commits");
    Box::new(approved)
}

fn message(number: usize) -> NewOutbox {
    NewOutbox {
        kind: OutboxKind::Notice,
        target: GUILD.to_string(),
        dedupe_key: format!("notice:{number}"),
        params: "{}".to_owned(),
    }
}

/// The statements and commits of the store since then.
fn since(env: &StoreEnv, before: Counts) -> (u64, u64) {
    let now = env.store.counts();
    (now.statements - before.statements, now.commits - before.commits)
}

/// Creates a job of a new person, claimed for the worker of this process if possible. The transaction is not
/// committed yet.
async fn enqueue_at_once(env: &StoreEnv, user: u64) -> (Tx, Job) {
    let job = NewJob {
        person_id: env.person(user).await,
        account_id: None,
        request_id: None,
        kind: JobKind::Check,
    };
    let mut tx = env.store.begin().await.expect("begins");
    let job = tx.enqueue_job_at_once(job).await.expect("enqueues");
    env.clock.push(Duration::from_millis(1));
    (tx, job)
}

on_both_databases! {
    async fn a_claim_brings_the_rows_that_single_reads_give(env: &StoreEnv) {
        let Approved::Done { account, job, .. } = *approved(env, 1, "ada.lovelace").await else { panic!("not approved") };
        let claimed = env.store.claim_job("a", LEASE).await.expect("claims").expect("is due").job;
        let mut tx = env.store.begin().await.expect("begins");
        let done = [record(Step::Eligible), record(Step::RecheckAvailability), record(Step::CreateEntry)];
        tx.advance_job(&claimed, &done, Step::Groups).await.expect("records");
        tx.release_job(&claimed).await.expect("gives back");
        tx.commit("test.record").await.expect("commits");

        let before = env.store.counts();
        let whole = env.store.claim_job("b", LEASE).await.expect("claims").expect("is due");
        assert_eq!(since(env, before), (1, 1), "one statement, which reads PostgreSQL's clock itself");
        let mut view = env.store.read().await.expect("reads");
        assert_eq!(Some(&whole.job), view.job(job.id).await.expect("reads").as_ref());
        assert_eq!((whole.job.owner.as_deref(), whole.job.fence), (Some("b"), 2));
        assert_eq!(Some(&whole.person), view.person(job.person_id).await.expect("reads").as_ref());
        let request = job.request_id.expect("a request");
        let wanted = view.request(request).await.expect("reads").expect("is there");
        let brought = whole.request.expect("a request");
        assert_eq!(format!("{brought:?}"), format!("{wanted:?}"));
        assert!(brought.form.is_some() && brought.form == wanted.form, "the sealed columns open");
        let stored = view.account(account.id).await.expect("reads");
        assert_eq!(format!("{:?}", whole.account), format!("{stored:?}"));
        let steps = view.job_steps(job.id).await.expect("reads");
        assert_eq!(whole.steps, steps);
        let order: Vec<_> = steps.iter().map(|step| step.step).collect();
        assert_eq!(order, [Step::Eligible, Step::RecheckAvailability, Step::CreateEntry]);
    }

    async fn a_claim_without_request_and_account_brings_the_person_alone(env: &StoreEnv) {
        let person = env.person(1).await;
        let mut tx = env.store.begin().await.expect("begins");
        let job = NewJob { person_id: person, account_id: None, request_id: None, kind: JobKind::Welcome };
        tx.enqueue_job(job).await.expect("enqueues");
        tx.commit("test.enqueue").await.expect("commits");
        let claimed = env.store.claim_job("a", LEASE).await.expect("claims").expect("is due");
        assert_eq!((claimed.person.id, claimed.request.is_none(), claimed.account.is_none()), (person, true, true));
        assert!(claimed.steps.is_empty());
        assert!(env.store.claim_job("b", LEASE).await.expect("claims").is_none());
    }

    async fn a_job_that_is_born_claimed_is_its_creators_until_the_lease_ends(env: &StoreEnv) {
        let person = env.person(1).await;
        let new = |kind| NewJob { person_id: person, account_id: None, request_id: None, kind };
        let mut tx = env.store.begin().await.expect("begins");
        let job = tx.enqueue_job_claimed(new(JobKind::Check), "me", LEASE).await.expect("enqueues").job;
        tx.commit("test.enqueue").await.expect("commits");
        assert_eq!((job.owner.as_deref(), job.fence, job.attempt), (Some("me"), 1, 1));
        assert!(job.lease_until.is_some());
        assert!(env.store.claim_job("other", LEASE).await.expect("looks").is_none());
        // A second job of the same person waits for it like any other job.
        let mut tx = env.store.begin().await.expect("begins");
        let second = tx.enqueue_job_claimed(new(JobKind::Welcome), "me", LEASE).await.expect("enqueues").job;
        assert_eq!((second.owner.as_deref(), second.fence, second.attempt, second.lease_until), (None, 0, 0, None));
        // The creator of a job may write.
        tx.finish_job(&job, JobState::Done).await.expect("finishes");
        tx.commit("test.finish").await.expect("commits");
        let next = env.store.claim_job("other", LEASE).await.expect("claims").expect("the second is due").job;
        assert_eq!(next.id, second.id);
        // If the creator died, the lease expires and another process claims the job.
        let mut tx = env.store.begin().await.expect("begins");
        tx.finish_job(&next, JobState::Done).await.expect("finishes");
        let third = tx.enqueue_job_claimed(new(JobKind::Check), "dead", Duration::ZERO).await.expect("enqueues").job;
        tx.commit("test.enqueue").await.expect("commits");
        let taken = env.store.claim_job("other", LEASE).await.expect("claims").expect("the lease is over").job;
        assert_eq!((taken.id, taken.fence, taken.attempt), (third.id, 2, 2));
    }

    async fn a_job_is_born_claimed_exactly_where_its_kind_waits_for_nothing(env: &StoreEnv) {
        let pairs = JobKind::ALL.iter().flat_map(|earlier| JobKind::ALL.iter().map(move |kind| (earlier, kind)));
        for (user, (earlier, kind)) in (1..).zip(pairs) {
            let person = env.person(user).await;
            let new = |kind| NewJob { person_id: person, account_id: None, request_id: None, kind };
            let mut tx = env.store.begin().await.expect("begins");
            tx.enqueue_job(new(*earlier)).await.expect("enqueues");
            let job = tx.enqueue_job_claimed(new(*kind), "me", LEASE).await.expect("enqueues").job;
            assert_eq!(job.owner.is_some(), !kind.waits_for(*earlier), "{kind} after {earlier}");
            tx.roll_back().await.expect("rolls back");
        }
    }

    async fn jobs_are_handed_over_in_order_and_only_while_nothing_waits(env: &StoreEnv) {
        let mut user = 0;
        let mut enqueue = async || {
            user += 1;
            enqueue_at_once(env, user).await
        };
        let claim = async || env.store.claim_job("worker", LEASE).await.expect("claims").map(|claimed| claimed.job);
        // No worker has asked for a job yet.
        let (tx, first) = enqueue().await;
        tx.commit("test.enqueue").await.expect("commits");
        assert_eq!(first.owner, None);
        assert_eq!(claim().await.expect("is due").id, first.id);
        assert_eq!(claim().await, None);
        // No job waits, so the next ones are claimed for the worker when they are created.
        let mut handed = Vec::new();
        for _ in 0..16 {
            let (tx, job) = enqueue().await;
            tx.commit("test.enqueue").await.expect("commits");
            assert_eq!((job.owner.as_deref(), job.fence, job.attempt), (Some("worker"), 1, 1));
            handed.push(job);
        }
        // No more jobs than that may wait in memory.
        let (tx, waiting) = enqueue().await;
        tx.commit("test.enqueue").await.expect("commits");
        assert_eq!(waiting.owner, None);
        for job in handed {
            let taken = claim().await.expect("it was handed over");
            assert_eq!((taken.id, taken.fence), (job.id, 1));
        }
        assert_eq!(claim().await.expect("is due").id, waiting.id);
        let (tx, behind) = enqueue().await;
        tx.commit("test.enqueue").await.expect("commits");
        assert_eq!(behind.owner, None, "due jobs waited at the last claim");
        assert_eq!(claim().await.expect("is due").id, behind.id);
        assert_eq!(claim().await, None);
        // A job that was not committed is not handed over, and a worker that stops receives no more jobs.
        let (tx, undone) = enqueue().await;
        assert!(undone.owner.is_some());
        tx.roll_back().await.expect("rolls back");
        assert_eq!(claim().await, None);
        let (tx, left) = enqueue().await;
        tx.commit("test.enqueue").await.expect("commits");
        let ended = env.store.end_handover();
        assert_eq!(ended.iter().map(|claimed| claimed.job.id).collect::<Vec<_>>(), [left.id]);
        let (tx, late) = enqueue().await;
        tx.commit("test.enqueue").await.expect("commits");
        assert_eq!(late.owner, None);
    }

    async fn a_place_in_memory_is_used_again_and_what_was_due_before_goes_first(env: &StoreEnv) {
        let mut user = 0;
        let mut enqueue = async || {
            user += 1;
            let (tx, job) = enqueue_at_once(env, user).await;
            tx.commit("test.enqueue").await.expect("commits");
            job
        };
        let claim = async || env.store.claim_job("worker", LEASE).await.expect("claims").map(|claimed| claimed.job);
        // A job that waits until later.
        let postponed = enqueue().await;
        let claimed = claim().await.expect("is due");
        let mut tx = env.store.begin().await.expect("begins");
        let later = env.clock.now().after(Duration::from_secs(5));
        tx.postpone_job(&claimed, later, ErrorCode::DirectoryDown).await.expect("postpones");
        tx.commit("test.later").await.expect("commits");
        assert_eq!(claim().await, None, "it is not due");
        // More jobs than there are places, one after the other.
        for _ in 0..40 {
            let job = enqueue().await;
            assert!(job.owner.is_some(), "there was a free place");
            let taken = env.store.take_job("worker", LEASE).await.expect("takes").expect("it was handed over").job;
            assert_eq!(taken.id, job.id);
        }
        env.clock.push(Duration::from_secs(5));
        let newer = enqueue().await;
        assert!(newer.owner.is_some());
        assert_eq!(claim().await.expect("is due").id, postponed.id, "the postponed job was due first");
        assert_eq!(claim().await.expect("was handed over").id, newer.id);
        assert_eq!(claim().await, None);
    }

    async fn the_database_is_asked_for_a_job_only_where_one_may_have_been_left(env: &StoreEnv) {
        let person = env.person(1).await;
        let new = |kind| NewJob { person_id: person, account_id: None, request_id: None, kind };
        let take = async || env.store.take_job("worker", LEASE).await.expect("takes").map(|claimed| claimed.job);
        let asked = async |wanted: Option<JobId>, why: &str| {
            let before = env.store.counts();
            assert_eq!(take().await.map(|job| job.id), wanted, "{why}");
            since(env, before).0 > 0
        };
        assert!(asked(None, "nobody has looked yet").await);
        assert!(!asked(None, "nothing is due since the last look").await);
        let mut tx = env.store.begin().await.expect("begins");
        let handed = tx.enqueue_job_at_once(new(JobKind::Check)).await.expect("enqueues");
        tx.commit("test.enqueue").await.expect("commits");
        assert!(!asked(Some(handed.id), "it is in memory").await);
        // It waits for the first job of its person, which is running.
        let mut tx = env.store.begin().await.expect("begins");
        let follower = tx.enqueue_job_at_once(new(JobKind::Welcome)).await.expect("enqueues");
        tx.commit("test.enqueue").await.expect("commits");
        assert!(asked(None, "the first one is not done").await);
        assert!(!asked(None, "nothing is due since the last look").await);
        let mut tx = env.store.begin().await.expect("begins");
        tx.finish_job(&handed, JobState::Done).await.expect("finishes");
        tx.commit("test.finish").await.expect("commits");
        env.store.note_end_of_job();
        assert!(asked(Some(follower.id), "nothing stands before it").await);
        assert!(asked(None, "the last look found something").await);
        // A job of a kind that is never handed over.
        let other = NewJob { person_id: env.person(2).await, ..new(JobKind::Resend) };
        let mut tx = env.store.begin().await.expect("begins");
        let left = tx.enqueue_job(other).await.expect("enqueues");
        tx.commit("test.enqueue").await.expect("commits");
        assert!(asked(Some(left.id), "it was left in the database").await);
        assert!(asked(None, "the last look found something").await);
        env.store.note_end_of_job();
        assert!(asked(None, "another one may have waited for it").await);
        env.store.note_end_of_job();
        assert!(!asked(None, "nothing can have waited").await);
    }

    async fn messages_are_claimed_and_settled_several_at_a_time(env: &StoreEnv) {
        let mut tx = env.store.begin().await.expect("begins");
        for number in 0..5 {
            tx.put_outbox(message(number)).await.expect("puts");
            env.clock.push(Duration::from_millis(1));
        }
        tx.commit("test.outbox").await.expect("commits");
        let claimed = env.claim_messages("a", LEASE, 3).await;
        let keys: Vec<_> = claimed.iter().map(|message| message.dedupe_key.as_str()).collect();
        assert_eq!(keys, ["notice:0", "notice:1", "notice:2"]);
        // One message is renewed while it is being sent, and one is claimed by another process after its lease.
        let mut tx = env.store.begin().await.expect("begins");
        tx.put_outbox(message(1)).await.expect("renews");
        tx.outbox_later(&claimed[2], env.clock.now(), ErrorCode::Internal)
            .await
            .expect("gives back");
        tx.commit("test.outbox").await.expect("commits");
        let others = env.claim_messages("b", LEASE, 10).await;
        let keys: Vec<_> = others.iter().map(|message| message.dedupe_key.as_str()).collect();
        assert_eq!(keys, ["notice:2", "notice:3", "notice:4"]);
        let before = env.store.counts();
        let mut tx = env.store.begin().await.expect("begins");
        assert_eq!(tx.outbox_sent_batch(&claimed).await.expect("settles"), 1, "one lease is no longer ours");
        tx.commit("test.sent").await.expect("commits");
        assert_eq!(since(env, before), (2, 1));
        let left = env.claim_messages("c", LEASE, 10).await;
        let left: Vec<_> = left.iter().map(|message| (message.dedupe_key.as_str(), message.attempt)).collect();
        assert_eq!(left, [("notice:1", 1)], "renewed: due once more");
    }

    async fn all_audit_rows_of_a_transaction_are_one_statement_and_the_chain_holds(env: &StoreEnv) {
        let person = env.person(1).await;
        let before = env.store.counts();
        let mut tx = env.store.begin().await.expect("begins");
        for n in 0..20 {
            let mut entry = Entry::new(Event::AdminViewed, Source::Chat, Actor::Person(person)).about(person);
            entry.personal = (n % 2 == 0).then(|| "a typed \"reason\" ☂".to_owned());
            tx.audit(entry);
        }
        tx.commit("test.audit").await.expect("commits");
        assert_eq!(since(env, before), (3, 1), "the head, the rows, their personal texts");
        let verdict = env.store.verify_audit(None).await.expect("reads");
        assert!(matches!(&verdict, AuditVerdict::Whole(head) if head.seq == 21), "{verdict:?}");
        let page = env.store.read().await.expect("reads")
            .audit_page(&accolade::store::AuditFilter::default(), None, 30).await.expect("reads");
        assert_eq!(page.iter().filter(|row| row.personal.as_deref() == Some("a typed \"reason\" ☂")).count(), 10);
    }

    /// Counts the statements of a request, transaction by transaction, and doesn't measure time. PostgreSQL needs some more: advisory
    /// locks, savepoints and its own clock.
    async fn the_transactions_of_one_request_take_no_more_statements_than_today(env: &StoreEnv) {
        let postgres = env.store.kind() == Kind::Postgres;
        let most = |sqlite: u64, more_on_postgres: u64| if postgres { sqlite + more_on_postgres } else { sqlite };
        let counted = |before, name: &str, limit: u64| {
            let (statements, _) = since(env, before);
            assert!(statements <= limit, "{name}: {statements} statements, {limit} at most");
        };
        let before = env.store.counts();
        let person = env.person(1).await;
        counted(before, "person", 1);
        let before = env.store.counts();
        let draft = env.draft(person, "ada.lovelace", 7).await;
        counted(before, "draft", most(3, 1));
        let before = env.store.counts();
        let Sent::Sent(request) = env.send(&draft).await else { panic!("not sent") };
        counted(before, "send", most(5, 2));
        let before = env.store.counts();
        let mut tx = env.store.begin().await.expect("begins");
        let approving = tx.approve_request(&request, Actor::System, Source::Config, None).await;
        let Approved::Done { mut account, .. } = approving.expect("an answer") else { panic!("not approved") };
        tx.commit("test.approve").await.expect("commits");
        counted(before, "approve", most(8, 3));
        let before = env.store.counts();
        let claimed = env.store.claim_job("a", LEASE).await.expect("claims").expect("is due");
        counted(before, "claim", most(1, 1));
        let before = env.store.counts();
        let mut tx = env.store.begin().await.expect("begins");
        let done = [record(Step::Eligible), record(Step::RecheckAvailability), record(Step::CreateEntry)];
        tx.advance_job(&claimed.job, &done, Step::Mail).await.expect("records");
        for event in [Event::EntryCreated, Event::AdminViewed] {
            tx.audit(Entry::new(event, Source::Chat, Actor::System).about(person));
        }
        tx.commit("test.record").await.expect("commits");
        counted(before, "record", 4);
        let before = env.store.counts();
        (account.state, account.activated_at) = (AccountState::Active, Some(env.clock.now()));
        let mut tx = env.store.begin().await.expect("begins");
        tx.save_account(&account).await.expect("saves");
        tx.commit("test.active").await.expect("commits");
        counted(before, "activate", most(3, 2));
    }
}
