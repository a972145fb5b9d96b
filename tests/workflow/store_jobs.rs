//! Durable jobs in the store: claims, order, fences, mails, the outbox, rate limits, leases, the deny list.

use std::collections::HashSet;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use accolade::clock::Clock;
use accolade::domain::account::AccountState;
use accolade::domain::audit::{Actor, Source};
use accolade::domain::error_code::ErrorCode;
use accolade::domain::ids::{ChannelId, DiscordUserId, MessageId};
use accolade::domain::job::{JobKind, JobState, MAILS_PER_JOB, Outcome, Step};
use accolade::domain::mail::MailState;
use accolade::domain::mail_address::MailAddress;
use accolade::store::{
    Approved, CancelAsk, DenyKind, EventCursor, Kind, MailSpend, MessageKind, NewDeny, NewJob, NewOutbox,
    OutboxKind, RateLimitKind, StepRecord, StoreError,
};

use harness::StoreEnv;
use harness::store::{GUILD, insists, on_both_databases};

const LEASE: Duration = Duration::from_secs(15);

async fn enqueue(env: &StoreEnv, user: u64, kind: JobKind) -> accolade::domain::job::Job {
    let person = env.person(user).await;
    let mut tx = env.store.begin().await.expect("begins");
    let job = NewJob { person_id: person, account_id: None, request_id: None, kind };
    let job = tx.enqueue_job(job).await.expect("enqueues");
    tx.commit("test.enqueue").await.expect("commits");
    job
}

fn card(params: &str) -> NewOutbox {
    NewOutbox {
        kind: OutboxKind::Card,
        target: "1".to_owned(),
        dedupe_key: "card:1".to_owned(),
        params: params.to_owned(),
    }
}

async fn put(env: &StoreEnv, message: NewOutbox) {
    let mut tx = env.store.begin().await.expect("begins");
    tx.put_outbox(message).await.expect("puts");
    tx.commit("test.outbox").await.expect("commits");
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_transactions_that_wait_for_each_other_on_postgres_one_is_told_busy_and_the_other_commits() {
    let env = StoreEnv::on_postgres().await;
    let (ada, grace) = (DiscordUserId::new(1), DiscordUserId::new(2));
    for user in [1, 2] {
        env.person(user).await;
    }
    let both = tokio::sync::Barrier::new(2);
    let writes = async |first, then| {
        let mut tx = env.store.begin().await?;
        tx.ensure_person(first, "en").await?;
        both.wait().await;
        tx.ensure_person(then, "en").await?;
        tx.commit("test.deadlock").await
    };
    let (one, other) = tokio::join!(writes(ada, grace), writes(grace, ada));
    let ended = [one, other];
    let busy = ended.iter().filter(|end| matches!(end, Err(StoreError::Busy))).count();
    assert_eq!((busy, ended.iter().filter(|end| end.is_ok()).count()), (1, 1), "{ended:?}");
    // A caller that gets this error retries the whole transaction once.
    writes_alone(&env, [grace, ada]).await.expect("it commits");
}

async fn writes_alone(env: &StoreEnv, people: [DiscordUserId; 2]) -> Result<(), StoreError> {
    let mut tx = env.store.begin().await?;
    for person in people {
        tx.ensure_person(person, "en").await?;
    }
    tx.commit("test.deadlock").await
}

/// Nine of the ten connections are held, so thirty transactions of a tenth of a second each take longer than a
/// caller waits without progress.
#[tokio::test(flavor = "multi_thread")]
async fn whoever_waits_for_a_connection_to_postgres_waits_as_long_as_others_get_theirs() {
    const WORK: Duration = Duration::from_millis(100);
    let env = StoreEnv::on_postgres().await;
    let takes = async || env.store.begin().await.expect("a connection is free");
    let mut held = Vec::new();
    for _ in 0..9 {
        held.push(takes().await);
    }
    let works = async || {
        let mut tx = env.store.begin().await?;
        let started = Instant::now();
        while started.elapsed() < WORK {
            tx.job_counts().await?;
        }
        tx.commit("test.queue").await
    };
    let ended = futures::future::join_all((0..30).map(|_| works())).await;
    assert!(ended.iter().all(Result::is_ok), "{ended:?}");
    held.push(takes().await);
    let refused = env.store.begin().await.err();
    assert!(matches!(refused, Some(StoreError::Busy)), "no connection is released: {refused:?}");
}

/// The cancellation reads the job, the job finishes, and then the cancellation would be written. The job finishes later in each round,
/// until that happens.
#[tokio::test(flavor = "multi_thread")]
async fn a_wish_to_stop_that_meets_the_end_of_the_job_on_postgres_is_not_taken_for_an_earlier_one() {
    let env = StoreEnv::on_postgres().await;
    for round in 0..100 {
        let job = enqueue(&env, round + 1, JobKind::Provision).await;
        let claimed = env.store.claim_job("a", LEASE).await.expect("claims").expect("is due").job;
        let mut ending = env.store.begin().await.expect("begins");
        ending.finish_job(&claimed, JobState::Done).await.expect("finishes");
        let ends = async {
            for _ in 0..round {
                ending.job(job.id).await.expect("reads");
            }
            ending.commit("test.end").await
        };
        let asks = async { env.store.begin().await?.ask_cancel(job.id).await };
        let (asked, ended) = tokio::join!(asks, ends);
        ended.expect("commits");
        match asked {
            Ok(CancelAsk::Finished) => {}
            Ok(CancelAsk::Overtaken) => return,
            other => panic!("{other:?}"),
        }
    }
    panic!("no cancellation came in between");
}

on_both_databases! {
    async fn no_job_is_claimed_twice(env: &StoreEnv) {
        for user in 1..=20 {
            enqueue(env, user, JobKind::Welcome).await;
        }
        let claims = (0..40).map(|n| {
            let store = env.store.clone();
            async move {
                insists(async || store.claim_job(&format!("worker {n}"), LEASE).await).await.expect("claims")
            }
        });
        let claimed: Vec<_> = futures::future::join_all(claims).await.into_iter().flatten().collect();
        let ids: HashSet<_> = claimed.iter().map(|claimed| claimed.job.id).collect();
        assert_eq!(ids.len(), claimed.len(), "one job was claimed twice");
        // On PostgreSQL a claim that meets only locked rows finds nothing; the next claim finds them.
        let mut all = ids;
        while let Some(claimed) = env.store.claim_job("last", LEASE).await.expect("claims") {
            assert!(all.insert(claimed.job.id), "claimed again");
        }
        assert_eq!(all.len(), 20);
    }

    async fn jobs_of_one_person_run_in_their_order(env: &StoreEnv) {
        let first = enqueue(env, 1, JobKind::Check).await;
        let second = enqueue(env, 1, JobKind::Welcome).await;
        let claimed = env.store.claim_job("a", LEASE).await.expect("claims").expect("one is due").job;
        assert_eq!(claimed.id, first.id);
        assert!(env.store.claim_job("b", LEASE).await.expect("claims").is_none(), "the second job overtook the first");
        let mut tx = env.store.begin().await.expect("begins");
        tx.stop_for_operator(&claimed, ErrorCode::DirectoryRefused).await.expect("stops");
        tx.commit("test.stop").await.expect("commits");
        assert!(env.store.claim_job("b", LEASE).await.expect("claims").is_none(), "the first job waits for an operator");
        let mut tx = env.store.begin().await.expect("begins");
        let retried = tx.retry_job(first.id).await.expect("retries").expect("it waited for an operator");
        assert_eq!(retried.state, JobState::Open);
        tx.commit("test.retry").await.expect("commits");
        let claimed = env.store.claim_job("a", LEASE).await.expect("claims").expect("the first is due").job;
        let mut tx = env.store.begin().await.expect("begins");
        tx.finish_job(&claimed, JobState::Done).await.expect("finishes");
        tx.commit("test.finish").await.expect("commits");
        let next = env.store.claim_job("b", LEASE).await.expect("claims").expect("the second is due").job;
        assert_eq!(next.id, second.id);
    }

    async fn a_claim_says_until_when_it_holds_and_ends_when_it_is_given_back(env: &StoreEnv) {
        let free = enqueue(env, 1, JobKind::Welcome).await;
        assert_eq!((free.lease_until, free.owner.as_deref()), (None, None));
        let claimed = env.store.claim_job("a", LEASE).await.expect("claims").expect("is due").job;
        assert_eq!((claimed.owner.as_deref(), claimed.attempt, claimed.fence), (Some("a"), 1, 1));
        // The lease follows the database's clock, which is this machine's.
        let until = claimed.lease_until.expect("a lease");
        let left = until.since(env.clock.now());
        assert!(left <= LEASE && left > Duration::ZERO, "{left:?}");
        let mut tx = env.store.begin().await.expect("begins");
        let renewed = tx.renew_job(&claimed, LEASE * 10).await.expect("renews");
        assert!(renewed.lease_until.is_some_and(|later| later > until.after(LEASE * 8)));
        tx.release_job(&renewed).await.expect("gives back");
        tx.commit("test.release").await.expect("commits");
        let mut view = env.store.read().await.expect("reads");
        let free = view.job(free.id).await.expect("reads").expect("is there");
        assert_eq!((free.lease_until, free.owner, free.attempt), (None, None, 0));
    }

    async fn what_is_known_of_jobs_reads_back(env: &StoreEnv) {
        let request = env.waiting(1, "ada.lovelace").await;
        let mut tx = env.store.begin().await.expect("begins");
        let mut jobs = Vec::new();
        for kind in [JobKind::Check, JobKind::Provision] {
            let job = NewJob { person_id: request.person_id, account_id: None, request_id: Some(request.id), kind };
            jobs.push(tx.enqueue_job(job).await.expect("enqueues").id);
        }
        tx.commit("test.enqueue").await.expect("commits");
        let claimed = env.store.claim_job("a", LEASE).await.expect("claims").expect("is due").job;
        let output = Some(r#"{"rule":"members"}"#.to_owned());
        let record = StepRecord { step: Step::CheckAvailability, outcome: Outcome::Unchanged, output: output.clone(), seen_at: None };
        let mut tx = env.store.begin().await.expect("begins");
        tx.advance_job(&claimed, &[record], Step::CheckAvailability).await.expect("records");
        tx.commit("test.record").await.expect("commits");

        let mut view = env.store.read().await.expect("reads");
        let ids = |jobs: Vec<accolade::domain::job::Job>| jobs.iter().map(|job| job.id).collect::<Vec<_>>();
        assert_eq!(ids(view.jobs_of(request.person_id).await.expect("reads")), jobs);
        assert_eq!(ids(view.unfinished_jobs_of(request.person_id).await.expect("reads")), jobs);
        assert_eq!(ids(view.jobs_in(JobState::Open, 0, 10).await.expect("reads")), jobs);
        assert_eq!(ids(view.jobs_in(JobState::Open, claimed.seq, 10).await.expect("reads")), jobs[1..]);
        let latest = view.job_of_kind(request.id, JobKind::Provision).await.expect("reads").expect("is there");
        let check = view.job_of_kind(request.id, JobKind::Check).await.expect("reads").expect("is there");
        assert_eq!([check.id, latest.id].as_slice(), jobs);
        assert!(view.job_of_kind(request.id, JobKind::Welcome).await.expect("reads").is_none());
        assert_eq!(view.job_counts().await.expect("reads"), [(JobState::Open, 2)]);
        let steps = view.job_steps(check.id).await.expect("reads");
        assert_eq!((steps.len(), steps[0].step, &steps[0].output), (1, Step::CheckAvailability, &output));
        assert_eq!(view.step_output(check.id, Step::CheckAvailability).await.expect("reads"), output);
        assert_eq!(view.step_output(check.id, Step::Eligible).await.expect("reads"), None);
        let mut next_runs = Vec::new();
        for id in jobs {
            next_runs.push(view.job(id).await.expect("reads").expect("is there").next_run);
        }
        assert_eq!(view.oldest_due_job().await.expect("reads"), next_runs.into_iter().min());
    }

    async fn a_job_is_due_from_its_time_on_and_not_before(env: &StoreEnv) {
        let oldest = async || env.store.read().await.expect("reads").oldest_due_job().await.expect("reads");
        assert_eq!(oldest().await, None);
        let job = enqueue(env, 1, JobKind::Provision).await;
        assert_eq!(oldest().await, Some(job.next_run));
        let claimed = env.store.claim_job("a", LEASE).await.expect("claims").expect("is due").job;
        let mut tx = env.store.begin().await.expect("begins");
        let later = env.clock.now().after(Duration::from_mins(1));
        tx.postpone_job(&claimed, later, ErrorCode::DirectoryDown).await.expect("postpones");
        tx.commit("test.postpone").await.expect("commits");
        assert_eq!(oldest().await, None);
        env.clock.push(Duration::from_mins(2));
        assert_eq!(oldest().await, Some(later));
    }

    async fn only_one_transaction_at_a_time_goes_on_with_a_person(env: &StoreEnv) {
        let person = env.person(1).await;
        let inside = AtomicU32::new(0);
        let goes_on = async || {
            let mut tx = env.store.begin().await?;
            tx.lock_person(person).await?;
            assert_eq!(inside.fetch_add(1, Ordering::SeqCst), 0, "two holders of the lock at once");
            tx.jobs_of(person).await?;
            inside.fetch_sub(1, Ordering::SeqCst);
            tx.roll_back().await
        };
        let all = (0..5).map(async |_| {
            for _ in 0..4 {
                insists(goes_on).await.expect("finishes");
            }
        });
        futures::future::join_all(all).await;
    }

    async fn a_job_that_needs_an_operator_continues_in_the_plan_that_its_step_is_of(env: &StoreEnv) {
        enqueue(env, 1, JobKind::Provision).await;
        for (undo, wanted) in [(None, JobState::Open), (Some(Step::Lock), JobState::Undoing)] {
            let claimed = env.store.claim_job("a", LEASE).await.expect("claims").expect("is due").job;
            let mut tx = env.store.begin().await.expect("begins");
            let mut job = claimed.clone();
            if let Some(step) = undo {
                let record = StepRecord { step: Step::Groups, outcome: Outcome::Skipped, output: None, seen_at: None };
                tx.begin_undo(&claimed, record, step, ErrorCode::RoleLost).await.expect("undoes");
                job = tx.job(claimed.id).await.expect("reads").expect("is there");
            }
            tx.stop_for_operator(&job, ErrorCode::DirectoryDown).await.expect("stops");
            let retried = tx.retry_job(job.id).await.expect("retries").expect("it waited for an operator");
            assert_eq!((retried.state, retried.step), (wanted, undo.or(claimed.step)));
            tx.commit("test.retry").await.expect("commits");
        }
    }

    async fn a_decision_ends_the_check_of_its_request_once(env: &StoreEnv) {
        let request = env.waiting(1, "ada.lovelace").await;
        let mut tx = env.store.begin().await.expect("begins");
        let check = NewJob {
            person_id: request.person_id,
            account_id: None,
            request_id: Some(request.id),
            kind: JobKind::Check,
        };
        tx.enqueue_job(check).await.expect("enqueues");
        assert!(tx.end_check(request.id).await.expect("ends"));
        assert!(!tx.end_check(request.id).await.expect("looks"));
        tx.commit("test.check").await.expect("commits");
        assert!(env.store.claim_job("a", LEASE).await.expect("claims").is_none());
    }

    async fn a_job_waits_for_exactly_those_earlier_ones_that_its_kind_waits_for(env: &StoreEnv) {
        let pairs = JobKind::ALL.iter().flat_map(|earlier| JobKind::ALL.iter().map(move |kind| (earlier, kind)));
        for (user, (earlier, kind)) in (1..).zip(pairs) {
            let first = enqueue(env, user, *earlier).await;
            let claimed = env.store.claim_job("a", LEASE).await.expect("claims").expect("one is due").job;
            assert_eq!(claimed.id, first.id);
            let mut tx = env.store.begin().await.expect("begins");
            tx.stop_for_operator(&claimed, ErrorCode::Internal).await.expect("stops");
            tx.commit("test.stop").await.expect("commits");
            let second = enqueue(env, user, *kind).await;
            let overtakes = env.store.claim_job("b", LEASE).await.expect("claims").map(|claimed| claimed.job.id);
            assert_eq!(overtakes, (!kind.waits_for(*earlier)).then_some(second.id), "{kind} after {earlier}");
        }
    }

    async fn mails_are_noted_settled_and_forgotten_with_their_links(env: &StoreEnv) {
        let hour = Duration::from_hours(1);
        let request = env.waiting(1, "ada.lovelace").await;
        let mut tx = env.store.begin().await.expect("begins");
        let approving = tx.approve_request(&request, Actor::System, Source::Config, None).await;
        let Approved::Done { account, job, .. } = approving.expect("an answer") else { panic!("not approved") };
        let begun = env.clock.now();
        tx.put_mail(account.id, job.id, hour, MailState::Begun).await.expect("notes");
        tx.commit("test.mail").await.expect("commits");
        let mails = async || {
            let mut view = env.store.read().await.expect("reads");
            view.mails_of(account.id).await.expect("reads")
        };
        let states = async || -> Vec<_> {
            let mails = mails().await.into_iter();
            mails.map(|mail| (mail.state, mail.link_until.since(mail.at))).collect()
        };
        assert!(mails().await[0].at >= begun);
        env.clock.push(hour / 2);
        // The result of the first mail was never received. The mail that was begun last is the one to settle.
        let mut tx = env.store.begin().await.expect("begins");
        tx.put_mail(account.id, job.id, hour * 2, MailState::Begun).await.expect("notes");
        tx.settle_mail(job.id, MailState::Accepted).await.expect("settles");
        tx.commit("test.mail").await.expect("commits");
        assert_eq!(states().await, [(MailState::Accepted, hour * 2), (MailState::Begun, hour)]);
        let until = mails().await[1].link_until;
        let mut tx = env.store.begin().await.expect("begins");
        assert_eq!(tx.forget_mails(until.after(Duration::from_millis(1))).await.expect("forgets"), 1);
        tx.put_mail(account.id, job.id, hour * 2, MailState::Begun).await.expect("notes");
        tx.undo_mail(job.id).await.expect("undoes the mail");
        tx.commit("test.mail").await.expect("commits");
        assert_eq!(states().await, [(MailState::Accepted, hour * 2)]);
    }

    async fn an_unused_account_lives_as_long_as_a_mailed_link_may_work(env: &StoreEnv) {
        let (hour, day) = (Duration::from_hours(1), Duration::from_hours(24));
        let request = env.waiting(1, "ada.lovelace").await;
        let mut tx = env.store.begin().await.expect("begins");
        let approving = tx.approve_request(&request, Actor::System, Source::Config, None).await;
        let Approved::Done { mut account, job, .. } = approving.expect("an answer") else { panic!("not approved") };
        tx.commit("test.approve").await.expect("commits");
        let claimed = env.store.claim_job("a", LEASE).await.expect("claims").expect("one is due").job;
        let mut tx = env.store.begin().await.expect("begins");
        tx.finish_job(&claimed, JobState::Done).await.expect("finishes");
        (account.state, account.invited_at) = (AccountState::Invited, Some(env.clock.now()));
        tx.save_account(&account).await.expect("saves");
        tx.commit("test.invite").await.expect("commits");
        env.clock.push(day * 2);
        let unused = async || {
            let mut view = env.store.read().await.expect("reads");
            view.unused_accounts(env.clock.now().before(day), 10).await.expect("reads").len()
        };
        assert_eq!(unused().await, 1);
        let mut tx = env.store.begin().await.expect("begins");
        tx.put_mail(account.id, job.id, hour, MailState::Accepted).await.expect("notes");
        tx.put_mail(account.id, job.id, day, MailState::Refused).await.expect("notes");
        tx.commit("test.mail").await.expect("commits");
        assert_eq!(unused().await, 0, "a link works");
        env.clock.push(hour * 2);
        assert_eq!(unused().await, 1, "the link has ended, and a refused mail has none");
    }

    async fn a_full_rate_limit_says_when_there_is_room_again(env: &StoreEnv) {
        let hour = Duration::from_hours(1);
        let kind = RateLimitKind::MailPerson;
        let full_until = async || {
            let mut tx = env.store.begin().await.expect("begins");
            let until = tx.rate_limit_full_until(kind, "ada", 2, hour).await.expect("asks");
            tx.roll_back().await.expect("ends");
            until
        };
        let mut uses = Vec::new();
        for _ in 0..3 {
            let mut tx = env.store.begin().await.expect("begins");
            if tx.take_rate_limit(kind, "ada", 2, hour).await.expect("counts") {
                uses.push(env.clock.now());
            }
            tx.commit("test.rate_limit").await.expect("commits");
            if uses.len() == 1 {
                assert_eq!(full_until().await, None, "one more is allowed");
            }
            env.clock.push(Duration::from_mins(5));
        }
        assert_eq!(uses.len(), 2);
        let until = full_until().await.expect("it is full");
        assert!(until.since(uses[0].after(hour)) < Duration::from_secs(10), "the limit lifts when the first use expires");
        env.clock.push(hour);
        assert_eq!(full_until().await, None);
    }

    async fn a_worker_that_lost_its_lease_can_write_nothing(env: &StoreEnv) {
        enqueue(env, 1, JobKind::Provision).await;
        let stale = env.store.claim_job("stale", Duration::ZERO).await.expect("claims").expect("is due").job;
        let fresh = env.store.claim_job("fresh", LEASE).await.expect("claims").expect("the lease is over").job;
        assert_eq!((stale.id, fresh.fence), (fresh.id, stale.fence + 1));
        let record = StepRecord { step: Step::Eligible, outcome: Outcome::Applied, output: None, seen_at: None };
        let mut tx = env.store.begin().await.expect("begins");
        let now = env.clock.now();
        for result in [
            tx.advance_job(&stale, std::slice::from_ref(&record), Step::RecheckAvailability).await.err(),
            tx.finish_last_step(&stale, std::slice::from_ref(&record), JobState::Done).await.err(),
            tx.postpone_job(&stale, now, ErrorCode::DirectoryDown).await.err(),
            tx.begin_undo(&stale, record.clone(), Step::Disable, ErrorCode::RoleLost).await.err(),
            tx.stop_for_operator(&stale, ErrorCode::Internal).await.err(),
            tx.finish_job(&stale, JobState::Done).await.err(),
            tx.release_job(&stale).await.err(),
            tx.spend_mail(&stale, MAILS_PER_JOB).await.err(),
            tx.refund_mail(&stale).await.err(),
            tx.renew_job(&stale, LEASE).await.err(),
        ] {
            assert!(matches!(result, Some(StoreError::LostLease)), "{result:?}");
        }
        tx.roll_back().await.expect("rolls back");
        let mut tx = env.store.begin().await.expect("begins");
        tx.advance_job(&fresh, &[record], Step::RecheckAvailability).await.expect("the holder writes");
        let advanced = tx.job(fresh.id).await.expect("reads").expect("is there");
        assert_eq!((advanced.step, advanced.attempt), (Some(Step::RecheckAvailability), 1));
        tx.commit("test.advance").await.expect("commits");
        let mut view = env.store.read().await.expect("reads");
        assert_eq!(view.job_steps(fresh.id).await.expect("reads").len(), 1);
    }

    async fn what_was_committed_though_nobody_heard_is_not_written_again(env: &StoreEnv) {
        let record = || StepRecord { step: Step::Eligible, outcome: Outcome::Applied, output: None, seen_at: None };
        for ending in 0..4 {
            enqueue(env, 1 + ending, JobKind::Provision).await;
            let claimed = env.store.claim_job("a", LEASE).await.expect("claims").expect("is due").job;
            for is_again in [false, true] {
                let mut tx = env.store.begin().await.expect("begins");
                let later = env.clock.now().after(Duration::from_hours(1));
                let written = match ending {
                    0 => tx.advance_job(&claimed, &[record()], Step::RecheckAvailability).await.map(drop),
                    1 => tx.postpone_job(&claimed, later, ErrorCode::DirectoryDown).await.map(drop),
                    2 => tx.stop_for_operator(&claimed, ErrorCode::Internal).await.map(drop),
                    _ => tx.finish_last_step(&claimed, &[record()], JobState::Done).await.map(drop),
                };
                if is_again {
                    assert!(matches!(written, Err(StoreError::LostLease)), "{ending}: {written:?}");
                } else {
                    written.expect("the holder writes");
                    tx.commit("test.once").await.expect("commits");
                }
            }
        }
    }

    async fn an_operators_word_is_for_one_more_mail_where_all_are_used_up(env: &StoreEnv) {
        for begun in 0..=MAILS_PER_JOB {
            enqueue(env, 1 + begun.unsigned_abs(), JobKind::Provision).await;
            let job = env.store.claim_job("a", LEASE).await.expect("claims").expect("is due").job;
            let mut tx = env.store.begin().await.expect("begins");
            for _ in 0..begun {
                tx.spend_mail(&job, MAILS_PER_JOB).await.expect("counts");
            }
            tx.stop_for_operator(&job, ErrorCode::MailUnknown).await.expect("stops");
            let retried = tx.retry_job(job.id).await.expect("retries").expect("it waited for an operator");
            assert_eq!(retried.mail_attempts, begun.min(MAILS_PER_JOB - 1));
            tx.commit("test.retry").await.expect("commits");
            let again = env.store.claim_job("a", LEASE).await.expect("claims").expect("is due").job;
            let mut tx = env.store.begin().await.expect("begins");
            tx.finish_job(&again, JobState::Done).await.expect("ends");
            tx.commit("test.end").await.expect("commits");
        }
    }

    async fn a_job_causes_no_more_mails_than_allowed(env: &StoreEnv) {
        enqueue(env, 1, JobKind::Provision).await;
        let job = env.store.claim_job("a", LEASE).await.expect("claims").expect("is due").job;
        let mut tx = env.store.begin().await.expect("begins");
        for _ in 0..MAILS_PER_JOB {
            assert!(matches!(tx.spend_mail(&job, MAILS_PER_JOB).await.expect("asks"), MailSpend::Spent(_)));
        }
        assert_eq!(tx.spend_mail(&job, MAILS_PER_JOB).await.expect("asks"), MailSpend::UsedUp);
        assert_eq!(tx.refund_mail(&job).await.expect("refunds").mail_attempts, MAILS_PER_JOB - 1);
        assert!(matches!(tx.spend_mail(&job, MAILS_PER_JOB).await.expect("asks"), MailSpend::Spent(_)));
        tx.commit("test.mail").await.expect("commits");
    }

    async fn a_wait_is_reported_once_however_many_replicas_ask_and_never_under_a_claim(env: &StoreEnv) {
        let report = async || {
            let mut tx = env.store.begin().await.expect("begins");
            let found = tx.report_delays(env.clock.now(), 10).await.expect("reports");
            tx.commit("test.reports").await.expect("commits");
            found.len()
        };
        let postpone = async |code| {
            let job = env.store.claim_job("a", LEASE).await.expect("claims").expect("is due").job;
            assert_eq!(report().await, 0, "a worker has it");
            let mut tx = env.store.begin().await.expect("begins");
            let job = tx.postpone_job(&job, env.clock.now(), code).await.expect("waits");
            tx.commit("test.postpones").await.expect("commits");
            job
        };
        let enqueued = enqueue(env, 1, JobKind::Provision).await;
        assert_eq!(report().await, 0, "it has not failed yet");
        postpone(ErrorCode::AlreadyDecided).await;
        assert_eq!(report().await, 0, "nobody waits for a reason");
        let waits = postpone(ErrorCode::ImportNotSeen).await;
        assert_eq!(waits.progressed_at, enqueued.progressed_at, "an attempt is no progress");
        let mut tx = env.store.begin().await.expect("begins");
        let before = enqueued.progressed_at.before(Duration::from_millis(1));
        assert!(tx.report_delays(before, 10).await.expect("reports").is_empty(), "it waits since later");
        tx.roll_back().await.expect("rolls back");
        let (one, other) = tokio::join!(report(), report());
        assert_eq!(one + other, 1);
        // It waits for something else now, and was told.
        assert!(postpone(ErrorCode::DirectoryDown).await.reported_at.is_some());
        assert_eq!(report().await, 0);
        // It moves on: a later wait is told again.
        let job = env.store.claim_job("a", LEASE).await.expect("claims").expect("is due").job;
        let record = StepRecord { step: Step::Eligible, outcome: Outcome::Applied, output: None, seen_at: None };
        let mut tx = env.store.begin().await.expect("begins");
        tx.advance_job(&job, &[record], Step::RecheckAvailability).await.expect("moves on");
        tx.commit("test.advances").await.expect("commits");
        let mut view = env.store.read().await.expect("reads");
        let moved = view.job(job.id).await.expect("reads").expect("is there");
        assert_eq!(moved.reported_at, None);
        assert!(view.wait_counts().await.expect("reads").is_empty());
    }

    async fn a_waiting_job_is_woken_when_its_target_answers_again(env: &StoreEnv) {
        enqueue(env, 1, JobKind::Provision).await;
        let job = env.store.claim_job("a", LEASE).await.expect("claims").expect("is due").job;
        let mut tx = env.store.begin().await.expect("begins");
        let later = env.clock.now().after(Duration::from_mins(1));
        tx.postpone_job(&job, later, ErrorCode::DirectoryDown).await.expect("waits");
        tx.commit("test.later").await.expect("commits");
        assert!(env.store.claim_job("a", LEASE).await.expect("claims").is_none());
        let mut tx = env.store.begin().await.expect("begins");
        assert_eq!(tx.wake_job(&[ErrorCode::KeycloakDown]).await.expect("wakes"), 0);
        assert_eq!(tx.wake_job(&[ErrorCode::DirectoryDown]).await.expect("wakes"), 1);
        tx.commit("test.wake").await.expect("commits");
        let again = env.store.claim_job("a", LEASE).await.expect("claims").expect("is due").job;
        assert_eq!(again.attempt, 2);
    }

    async fn a_cancel_that_comes_while_a_step_runs_is_not_slept_over(env: &StoreEnv) {
        enqueue(env, 1, JobKind::Provision).await;
        let job = env.store.claim_job("a", LEASE).await.expect("claims").expect("is due").job;
        let mut tx = env.store.begin().await.expect("begins");
        assert_eq!(tx.ask_cancel(job.id).await.expect("asks"), CancelAsk::Asked);
        tx.commit("test.cancel").await.expect("commits");
        let mut tx = env.store.begin().await.expect("begins");
        let kept = tx.stop_for_operator(&job, ErrorCode::MailUnknown).await.expect("stops");
        tx.commit("test.stop").await.expect("commits");
        assert_eq!(kept.state, JobState::Open);
        let next = env.store.claim_job("a", LEASE).await.expect("claims").expect("is due at once").job;
        assert!(next.cancel_asked);
    }

    async fn of_fifty_wishes_to_stop_one_is_new(env: &StoreEnv) {
        let job = enqueue(env, 1, JobKind::Provision).await;
        let wishes = (0..50).map(|_| {
            let (store, id) = (env.store.clone(), job.id);
            async move {
                insists(async || {
                    let mut tx = store.begin().await?;
                    let asked = tx.ask_cancel(id).await?;
                    tx.commit("test.cancel").await?;
                    Ok(asked)
                })
                .await
                .expect("asks")
            }
        });
        let asked = futures::future::join_all(wishes).await;
        assert_eq!(asked.iter().filter(|asked| **asked == CancelAsk::Asked).count(), 1);
        assert!(!asked.contains(&CancelAsk::Finished));
    }

    async fn a_finished_job_cannot_be_asked_to_stop(env: &StoreEnv) {
        enqueue(env, 1, JobKind::Welcome).await;
        let job = env.store.claim_job("a", LEASE).await.expect("claims").expect("is due").job;
        let mut tx = env.store.begin().await.expect("begins");
        tx.finish_job(&job, JobState::Done).await.expect("finishes");
        assert_eq!(tx.ask_cancel(job.id).await.expect("asks"), CancelAsk::Finished);
        tx.commit("test.finish").await.expect("commits");
    }

    async fn edits_of_one_card_become_one_message(env: &StoreEnv) {
        put(env, card(r#"{"n":1}"#)).await;
        put(env, card(r#"{"n":2}"#)).await;
        let claimed = env.claim_messages("a", LEASE, 1).await.pop().expect("is due");
        assert_eq!((claimed.params.as_str(), claimed.attempt), (r#"{"n":2}"#, 1));
        assert!(env.claim_messages("b", LEASE, 1).await.pop().is_none());
        // The state changes while the message is being sent, so it must be sent once more.
        put(env, card(r#"{"n":3}"#)).await;
        let mut tx = env.store.begin().await.expect("begins");
        tx.outbox_sent(&claimed).await.expect("sent");
        tx.commit("test.sent").await.expect("commits");
        let again = env.claim_messages("a", LEASE, 1).await.pop().expect("is due once more");
        assert_eq!((again.params.as_str(), again.attempt), (r#"{"n":3}"#, 1), "it counts from the start");
        let mut tx = env.store.begin().await.expect("begins");
        assert!(matches!(tx.outbox_sent(&claimed).await, Err(StoreError::LostLease)), "an old claim wrote");
        tx.outbox_later(&again, env.clock.now(), ErrorCode::Internal).await.expect("later");
        tx.commit("test.later").await.expect("commits");
        let third = env.claim_messages("a", LEASE, 1).await.pop().expect("is due");
        assert_eq!(third.attempt, 2, "the earlier send may have succeeded");
        let mut tx = env.store.begin().await.expect("begins");
        tx.outbox_sent(&third).await.expect("sent");
        tx.commit("test.sent").await.expect("commits");
        assert_eq!(env.store.read().await.expect("reads").oldest_outbox().await.expect("reads"), None);
    }

    async fn a_rate_limit_holds_within_its_span_and_is_given_back(env: &StoreEnv) {
        let day = Duration::from_hours(24);
        let mut tx = env.store.begin().await.expect("begins");
        for _ in 0..3 {
            assert!(tx.take_rate_limit(RateLimitKind::MailAddress, "Ada@example.org", 3, day).await.expect("takes"));
        }
        assert!(!tx.take_rate_limit(RateLimitKind::MailAddress, "ada@example.org", 3, day).await.expect("takes"));
        assert!(tx.take_rate_limit(RateLimitKind::MailAddress, "eve@example.org", 3, day).await.expect("takes"));
        tx.refund_rate_limit(RateLimitKind::MailAddress, "ada@example.org").await.expect("gives back");
        assert!(tx.take_rate_limit(RateLimitKind::MailAddress, "ada@example.org", 3, day).await.expect("takes"));
        tx.commit("test.rate_limit").await.expect("commits");
        env.clock.push(day + Duration::from_secs(1));
        let mut tx = env.store.begin().await.expect("begins");
        assert!(tx.take_rate_limit(RateLimitKind::MailAddress, "ada@example.org", 3, day).await.expect("takes"));
        assert_eq!(tx.forget_rate_limits(env.clock.now().before(LEASE)).await.expect("forgets"), 4);
        tx.commit("test.rate_limit").await.expect("commits");
    }

    async fn two_workers_cannot_overdraw_a_rate_limit(env: &StoreEnv) {
        let attempts = (0..20).map(|_| {
            let store = env.store.clone();
            async move {
                let mut tx = insists(async || store.begin().await).await.expect("begins");
                let day = Duration::from_hours(24);
                let taken = tx.take_rate_limit(RateLimitKind::MailAll, "", 5, day).await.expect("takes");
                tx.commit("test.rate_limit").await.expect("commits");
                taken
            }
        });
        let taken = futures::future::join_all(attempts).await.into_iter().filter(|taken| *taken).count();
        assert_eq!(taken, 5);
    }

    async fn of_a_thousand_mails_to_one_address_for_fifty_people_three_are_allowed(env: &StoreEnv) {
        let day = Duration::from_hours(24);
        let mut allowed = 0;
        for attempt in 0..1_000_u32 {
            // Fifty people write the address in every form that reaches the same mailbox.
            let person = (attempt % 50).to_string();
            let address = if attempt % 2 == 0 { "victim@example.org" } else { "VICTIM@Example.ORG" };
            let mut tx = env.store.begin().await.expect("begins");
            let to_address = tx.take_rate_limit(RateLimitKind::MailAddress, address, 3, day).await.expect("takes");
            if to_address && tx.take_rate_limit(RateLimitKind::MailPerson, &person, 3, day).await.expect("takes") {
                allowed += 1;
                tx.commit("test.rate_limit").await.expect("commits");
            } else {
                tx.roll_back().await.expect("rolls back");
            }
            // All attempts are within one day.
            env.clock.push(Duration::from_secs(80));
        }
        assert_eq!(allowed, 3);
    }

    async fn the_deny_list_knows_people_addresses_and_domains_until_their_time(env: &StoreEnv) {
        let hour = env.clock.now().after(Duration::from_hours(1));
        let mut tx = env.store.begin().await.expect("begins");
        for (kind, value, until) in [
            (DenyKind::Person, "7", None),
            (DenyKind::Address, "Eve@Example.org", Some(hour)),
            (DenyKind::Domain, "@spam.example", None),
        ] {
            let reason = Some("because".to_owned());
            tx.add_denial(NewDeny { kind, value: value.to_owned(), until, reason, actor: Actor::System })
                .await
                .expect("adds");
        }
        tx.commit("test.deny").await.expect("commits");
        let address = |text| MailAddress::parse(text).expect("a legal address");
        let mut view = env.store.read().await.expect("reads");
        let (seven, eight) = (DiscordUserId::new(7), DiscordUserId::new(8));
        assert_eq!(view.denial_of(seven, None).await.expect("reads"), Some(DenyKind::Person));
        let eve = address("eve@example.org");
        assert_eq!(view.denial_of(eight, Some(&eve)).await.expect("reads"), Some(DenyKind::Address));
        let below = address("x@mail.spam.example");
        assert_eq!(view.denial_of(eight, Some(&below)).await.expect("reads"), Some(DenyKind::Domain));
        let free = address("x@notspam.example");
        assert_eq!(view.denial_of(eight, Some(&free)).await.expect("reads"), None);
        let listed = view.denials(None, 10).await.expect("reads");
        assert_eq!(listed.len(), 3);
        assert!(listed.iter().all(|denial| denial.reason.as_deref() == Some("because")));
        env.clock.push(Duration::from_secs(3_601));
        assert_eq!(view.denial_of(eight, Some(&eve)).await.expect("reads"), None, "the denial has expired");
        drop(view);
        let mut tx = env.store.begin().await.expect("begins");
        assert!(tx.remove_denial(DenyKind::Domain, "SPAM.example").await.expect("removes"));
        assert!(!tx.remove_denial(DenyKind::Domain, "spam.example").await.expect("removes"));
        tx.commit("test.deny").await.expect("commits");
    }

    async fn a_card_accepts_its_old_nonce_until_the_edit_is_confirmed(env: &StoreEnv) {
        let request = env.waiting(1, "ada.lovelace").await.id;
        let place = (GUILD, ChannelId::new(9));
        let mut tx = env.store.begin().await.expect("begins");
        let first = tx.prepare_message(request, MessageKind::Card, place).await.expect("prepares");
        tx.confirm_message(request, MessageKind::Card, MessageId::new(5), first.nonce).await.expect("confirms");
        let second = tx.prepare_message(request, MessageKind::Card, place).await.expect("prepares");
        let third = tx.prepare_message(request, MessageKind::Card, place).await.expect("prepares");
        assert!(third.accepts(first.nonce) && third.accepts(third.nonce) && !third.accepts(second.nonce));
        tx.confirm_message(request, MessageKind::Card, MessageId::new(5), third.nonce).await.expect("confirms");
        let now = tx.message(request, MessageKind::Card).await.expect("reads").expect("is there");
        assert!(!now.accepts(first.nonce) && now.accepts(third.nonce));
        tx.commit("test.card").await.expect("commits");
    }

    async fn a_named_lease_has_one_holder(env: &StoreEnv) {
        let lease = env.store.take_lease("events", "a", LEASE).await.expect("takes").expect("is free");
        assert!(env.store.take_lease("events", "b", LEASE).await.expect("asks").is_none());
        let longer = env.store.renew_lease(&lease, LEASE * 10).await.expect("renews");
        assert!(longer.until >= lease.until.after(LEASE * 8), "the renewed lease has its new expiry");
        let lease = env.store.renew_lease(&longer, Duration::ZERO).await.expect("renews");
        let taken = env.store.take_lease("events", "b", LEASE).await.expect("takes").expect("is over");
        assert_eq!(taken.fence, lease.fence + 1);
        assert!(matches!(env.store.renew_lease(&lease, LEASE).await, Err(StoreError::LostLease)));
        env.store.give_back_lease(taken).await.expect("gives back");
        assert!(env.store.take_lease("events", "a", LEASE).await.expect("takes").is_some());
    }

    async fn the_leases_of_an_earlier_life_are_void_where_the_file_has_one_process_only(env: &StoreEnv) {
        let is_alone = env.store.kind() == Kind::Sqlite;
        put(env, card("{}")).await;
        env.claim_messages("earlier", LEASE, 1).await.pop().expect("is due");
        env.store.take_lease("gateway", "earlier", LEASE).await.expect("takes").expect("is free");
        for (user, kind) in [(1, JobKind::Welcome), (2, JobKind::Check)] {
            enqueue(env, user, kind).await;
            env.store.claim_job("earlier", LEASE).await.expect("claims").expect("is due");
        }
        let mut tx = env.store.begin().await.expect("begins");
        assert_eq!(tx.void_leases().await.expect("voids"), if is_alone { 4 } else { 0 });
        tx.commit("app.void_leases").await.expect("commits");
        let job = env.store.claim_job("later", LEASE).await.expect("asks");
        assert_eq!(job.is_some(), is_alone);
        let gateway = env.store.take_lease("gateway", "later", LEASE).await.expect("asks");
        assert_eq!(gateway.is_some(), is_alone, "the gateway lease is free only if it was voided");
        let message = env.claim_messages("later", LEASE, 1).await.pop();
        assert_eq!(message.is_some(), is_alone);
    }

    async fn a_committed_message_is_announced_to_who_waited_before_it(env: &StoreEnv) {
        let announced = env.store.messages_notified();
        let mut tx = env.store.begin().await.expect("begins");
        tx.put_outbox(card("{}")).await.expect("puts");
        tx.roll_back().await.expect("rolls back");
        let mut announced = std::pin::pin!(announced);
        assert!(futures::poll!(announced.as_mut()).is_pending(), "nothing was committed");
        put(env, card("{}")).await;
        assert!(futures::poll!(announced.as_mut()).is_ready(), "the worker waits for its next poll");
    }

    async fn what_is_written_under_a_lost_lease_is_not_written_and_nobody_takes_it_meanwhile(env: &StoreEnv) {
        let over = env.store.take_lease("housekeeping", "a", Duration::ZERO).await.expect("takes").expect("is free");
        let mut tx = env.store.begin().await.expect("begins");
        let held = tx.renew_lease(&over, LEASE).await.expect("the lease is still ours, because nobody took it");
        tx.set_event_cursor("housekeeping", &EventCursor::default()).await.expect("sets");
        let taking = env.store.take_lease("housekeeping", "b", LEASE);
        let (taken, committed) = futures::join!(taking, tx.commit("test.lease"));
        committed.expect("commits");
        assert!(taken.expect("asks").is_none(), "the lease was renewed before the other could take it");
        let over = env.store.renew_lease(&held, Duration::ZERO).await.expect("renews");
        env.store.take_lease("housekeeping", "b", LEASE).await.expect("takes").expect("is over");
        let mut tx = env.store.begin().await.expect("begins");
        assert!(matches!(tx.renew_lease(&over, LEASE).await, Err(StoreError::LostLease)));
    }

    async fn the_event_cursor_comes_back_as_it_was_set(env: &StoreEnv) {
        let cursor = EventCursor { at: 5, known: vec!["a".to_owned(), "b".to_owned()] };
        let mut tx = env.store.begin().await.expect("begins");
        assert_eq!(tx.event_cursor("keycloak").await.expect("reads"), None);
        tx.set_event_cursor("keycloak", &EventCursor::default()).await.expect("sets");
        tx.set_event_cursor("keycloak", &cursor).await.expect("sets");
        assert_eq!(tx.event_cursor("keycloak").await.expect("reads"), Some(cursor));
        tx.commit("test.cursor").await.expect("commits");
    }
}
