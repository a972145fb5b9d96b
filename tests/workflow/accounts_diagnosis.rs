//! The diagnosis of the outside systems. Only one runs at a time. The caller waits for a limited time, and a
//! slow diagnosis still finishes.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use accolade::accounts::diagnosis::Diagnosed;
use accolade::accounts::{Accounts, Admin, Clients, Examine, Examiner, Purpose};
use accolade::domain::diagnosis::Diagnosis;
use accolade::domain::error_code::ErrorCode;
use testbed::wait_until;
use tokio::sync::Semaphore;
use tokio_util::task::TaskTracker;

use harness::AccountsEnv;
use harness::accounts::operator;

const LIMIT: Duration = Duration::from_secs(20);

/// The environment's use cases with the test's own doctor.
fn with_doctor(env: &AccountsEnv, examine: Arc<Examine>) -> (Accounts, TaskTracker) {
    let tracker = TaskTracker::new();
    let examiner = Examiner::new(examine, Duration::from_millis(20), tracker.clone());
    let clients = Clients {
        store: env.store.clone(),
        discord: None,
        directory: None,
        keycloak: None,
        examiner: Some(examiner),
    };
    (Accounts::new(env.config.clone(), env.clock.clone(), clients), tracker)
}

fn doctor(accounts: &Accounts) -> Admin {
    accounts.authorize_operator(&operator(), Purpose::Doctor)
}

/// The number of diagnoses in the audit log.
async fn looks(env: &AccountsEnv) -> usize {
    let events = env.events().await;
    events.iter().filter(|event| *event == "admin.viewed").count()
}

#[tokio::test]
async fn a_look_that_takes_long_goes_on_to_its_end_and_keeps_its_turn_until_then() {
    let env = AccountsEnv::new().await;
    let (gate, ended) = (Arc::new(Semaphore::new(0)), Arc::new(AtomicUsize::new(0)));
    let (gate_of_look, ended_looks) = (Arc::clone(&gate), Arc::clone(&ended));
    let (accounts, tracker) = with_doctor(
        &env,
        Arc::new(move |_| {
            let (gate, ended) = (Arc::clone(&gate_of_look), Arc::clone(&ended_looks));
            Box::pin(async move {
                gate.acquire().await.expect("the gate is never closed").forget();
                ended.fetch_add(1, Ordering::SeqCst);
                Some(Diagnosis { checks: Vec::new() })
            })
        }),
    );
    let admin = doctor(&accounts);
    assert_eq!(accounts.diagnose(&admin).await, Ok(Diagnosed::TakesLong));
    assert_eq!(accounts.diagnose(&admin).await, Ok(Diagnosed::UnderWay));
    assert_eq!((looks(&env).await, ended.load(Ordering::SeqCst)), (1, 0));
    gate.add_permits(1000);
    let told = wait_until("the turn to be free", LIMIT, async || {
        Ok(accounts.diagnose(&admin).await == Ok(Diagnosed::Evaluated(Diagnosis { checks: Vec::new() })))
    });
    told.await.expect("the first look ended");
    tracker.close();
    tokio::time::timeout(LIMIT, tracker.wait()).await.expect("all checks ended");
    let ended = ended.load(Ordering::SeqCst);
    assert!(ended >= 2 && looks(&env).await == ended, "{ended}");
}

#[tokio::test]
async fn a_look_that_ends_in_a_defect_is_said_to_be_one_and_gives_its_turn_back() {
    let env = AccountsEnv::new().await;
    let (accounts, _) = with_doctor(&env, Arc::new(|_| Box::pin(async { panic!("a defect of the test") })));
    for _ in 0..2 {
        let told = accounts.diagnose(&doctor(&accounts)).await;
        assert_eq!(told.map_err(|denied| denied.error_code), Err(ErrorCode::Internal));
    }
    assert_eq!(looks(&env).await, 2);
}
