//! Cancelling a request at every stage, and the reply that the person gets each time.

use accolade::accounts::cancel::Cancelled;
use accolade::accounts::status::{Stage, StatusButton};
use accolade::accounts::{Details, Purpose, UseCaseError};
use accolade::domain::account::AccountState;
use accolade::domain::error_code::ErrorCode;
use accolade::domain::ids::Nonce;
use accolade::domain::job::JobKind;
use accolade::domain::request::{Request, RequestState};
use accolade::domain::status::Delay;
use std::time::Duration;

use harness::AccountsEnv;

const ADA: u64 = 175_928_847_299_117_063;
const EVE: u64 = 175_928_847_299_117_064;

fn ended(state: RequestState) -> UseCaseError {
    UseCaseError::with(ErrorCode::AlreadyDecided, Details::Ended { state })
}

fn plain(request: &Request) -> Cancelled {
    Cancelled { code: request.code.clone(), undo: false, withdraw: false }
}

async fn stage(env: &AccountsEnv, user: u64) -> Stage {
    env.accounts.status(&env.caller(user)).await.expect("a status").stage
}

#[tokio::test]
async fn who_has_nothing_takes_nothing_back() {
    let env = AccountsEnv::new().await;
    let nothing = Err(UseCaseError::with(ErrorCode::AlreadyDecided, Details::Nothing));
    assert_eq!(env.accounts.cancel(&env.caller(ADA), None).await, nothing);
    assert_eq!(stage(&env, ADA).await, Stage::Nothing);
}

#[tokio::test]
async fn a_draft_taken_back_is_erased_and_not_audited() {
    let env = AccountsEnv::new().await;
    let draft = env.drafts(ADA, "ada").await.request;
    let shown = env.accounts.status(&env.caller(ADA)).await.expect("a status");
    assert!(matches!(shown.stage, Stage::Draft { .. }), "{shown:?}");
    assert!(shown.buttons.contains(&StatusButton::Send(draft.id, draft.nonce)));
    assert_eq!(env.accounts.cancel(&env.caller(ADA), None).await, Ok(plain(&draft)));
    let after = env.request(draft.id).await;
    assert_eq!((after.state, after.form.is_none()), (RequestState::Expired, true));
    assert_eq!(env.events().await, Vec::<String>::new());
    assert_eq!(stage(&env, ADA).await, Stage::Nothing);
}

#[tokio::test]
async fn a_waiting_or_held_request_ends_at_once_and_its_card_is_told() {
    let env = AccountsEnv::new().await;
    for held in [None, Some(ErrorCode::AddressInUse), Some(ErrorCode::NameUnavailable)] {
        let mut request = env.asks(ADA, "ada").await;
        if let Some(code) = held {
            request = env.holds(&request, code).await;
        }
        env.takes_messages().await;
        let which = Some((request.id, request.nonce));
        assert_eq!(env.accounts.cancel(&env.caller(ADA), which).await, Ok(plain(&request)));
        assert_eq!(env.request(request.id).await.state, RequestState::Cancelled);
        assert_eq!(env.takes_messages().await, [format!("card:{}", request.id)]);
        assert_eq!(env.events().await.last().map(String::as_str), Some("request.cancelled"));
        let mut view = env.store.read().await.expect("a view");
        assert!(
            view.unfinished_jobs_of(request.person_id).await.expect("jobs").is_empty(),
            "a check keeps running"
        );
        assert!(matches!(stage(&env, ADA).await, Stage::Cancelled { why: None, .. }));
        assert_eq!(env.accounts.cancel(&env.caller(ADA), which).await, Err(ended(RequestState::Cancelled)));
    }
}

#[tokio::test]
async fn a_hold_for_the_address_does_not_show_and_a_hold_for_the_name_does() {
    let env = AccountsEnv::new().await;
    let request = env.asks(ADA, "ada").await;
    let waiting = stage(&env, ADA).await;
    assert!(matches!(waiting, Stage::Waiting { .. }), "{waiting:?}");
    env.holds(&request, ErrorCode::AddressInUse).await;
    assert_eq!(stage(&env, ADA).await, waiting);

    let request = env.asks(EVE, "eve").await;
    env.holds(&request, ErrorCode::NameUnavailable).await;
    assert_eq!(stage(&env, EVE).await, Stage::NameTaken { username: "eve".to_owned() });
}

#[tokio::test]
async fn while_the_account_is_made_the_worker_is_asked_to_undo_once() {
    let env = AccountsEnv::new().await;
    let request = env.asks(ADA, "ada").await;
    let (account, job) = env.approves(&request).await;
    assert!(matches!(stage(&env, ADA).await, Stage::Making { .. }));
    let undo = Cancelled { undo: true, ..plain(&request) };
    for _ in 0..3 {
        assert_eq!(env.accounts.cancel(&env.caller(ADA), None).await, Ok(undo.clone()));
    }
    let mut view = env.store.read().await.expect("a view");
    let job = view.job(job.id).await.expect("an answer").expect("the job");
    assert!(job.cancel_asked);
    assert_eq!(
        view.account(account.id).await.expect("an answer").map(|a| a.state),
        Some(AccountState::Creating)
    );
    assert_eq!(stage(&env, ADA).await, Stage::Withdrawing { username: "ada".to_owned(), delay: Delay::None });
    assert_eq!(env.events().await, ["request.submitted", "request.approved", "request.cancelled"]);
}

#[tokio::test]
async fn a_job_that_waits_for_an_operator_can_be_taken_back_too() {
    let env = AccountsEnv::new().await;
    let request = env.asks(ADA, "ada").await;
    env.approves(&request).await;
    env.stops_for_an_operator(JobKind::Provision, ErrorCode::DirectoryRefused).await;
    assert_eq!(stage(&env, ADA).await, Stage::NeedsOperator { username: "ada".to_owned() });
    let undo = Cancelled { undo: true, ..plain(&request) };
    assert_eq!(env.accounts.cancel(&env.caller(ADA), None).await, Ok(undo));
}

#[tokio::test]
async fn after_the_mail_a_new_job_withdraws_the_account_once() {
    let env = AccountsEnv::new().await;
    let request = env.asks(ADA, "ada").await;
    let (account, _) = env.approves(&request).await;
    let claimed =
        env.store.claim_job("test", Duration::from_mins(1)).await.expect("an answer").expect("job").job;
    let mut tx = env.store.begin().await.expect("a transaction");
    tx.finish_job(&claimed, accolade::domain::job::JobState::Done).await.expect("finished");
    tx.commit("test").await.expect("a commit");
    let account = env.account_becomes(&account, AccountState::Invited).await;
    assert!(matches!(stage(&env, ADA).await, Stage::Invited { .. }));

    let which = Some((request.id, request.nonce));
    let withdraw = Cancelled { withdraw: true, ..plain(&request) };
    assert_eq!(env.accounts.cancel(&env.caller(ADA), which).await, Ok(withdraw.clone()));
    assert_eq!(env.request(request.id).await.state, RequestState::Cancelled);
    assert_eq!(stage(&env, ADA).await, Stage::Withdrawing { username: "ada".to_owned(), delay: Delay::None });
    let again = env.accounts.cancel(&env.caller(ADA), which).await;
    assert_eq!(again, Ok(withdraw), "a second press reads the same");
    let mut view = env.store.read().await.expect("a view");
    let jobs = view.unfinished_jobs_of(request.person_id).await.expect("jobs");
    let kinds: Vec<_> = jobs.iter().map(|job| (job.kind, job.account_id)).collect();
    assert_eq!(kinds, [(JobKind::Withdraw, Some(account.id))]);
    drop(view);
    env.stops_for_an_operator(JobKind::Withdraw, ErrorCode::KeycloakRefused).await;
    let stuck = Stage::Withdrawing { username: "ada".to_owned(), delay: Delay::Operator };
    assert_eq!(stage(&env, ADA).await, stuck);
}

#[tokio::test]
async fn an_account_in_use_is_not_taken_back() {
    let env = AccountsEnv::new().await;
    let request = env.asks(ADA, "ada").await;
    let (account, _) = env.approves(&request).await;
    env.account_becomes(&account, AccountState::Active).await;
    assert!(matches!(stage(&env, ADA).await, Stage::Active { .. }));
    let refused = Err(UseCaseError::with(ErrorCode::AlreadyHasAccount, Details::AccountInUse));
    assert_eq!(env.accounts.cancel(&env.caller(ADA), None).await, refused);
    assert_eq!(env.request(request.id).await.state, RequestState::Approved);
}

#[tokio::test]
async fn only_the_owner_takes_back_and_only_with_the_right_button() {
    let env = AccountsEnv::new().await;
    let request = env.asks(ADA, "ada").await;
    env.drafts(EVE, "eve").await;
    let stale = Err(UseCaseError::because(ErrorCode::StaleButton));
    let which = Some((request.id, request.nonce));
    assert_eq!(env.accounts.cancel(&env.caller(EVE), which).await, stale);
    let forged = Some((request.id, Nonce::new(1)));
    assert_eq!(env.accounts.cancel(&env.caller(ADA), forged).await, stale);
    assert_eq!(env.request(request.id).await.state, RequestState::Waiting);
}

#[tokio::test]
async fn an_operator_takes_back_under_their_own_name() {
    let env = AccountsEnv::new().await;
    let request = env.asks(ADA, "ada").await;
    assert_eq!(
        env.accounts.cancel_for(&env.admin(Purpose::CancelRequest), request.id).await,
        Ok(plain(&request))
    );
    let (event, actor, _) = env.audit().await.pop().expect("a row");
    assert_eq!((event.as_str(), actor.as_str()), ("request.cancelled", "cli:grace"));
}

#[tokio::test]
async fn status_offers_the_form_in_a_guild_only() {
    let env = AccountsEnv::new().await;
    let mut direct = env.caller(ADA);
    let here = env.accounts.status(&direct).await.expect("a status");
    assert_eq!(here.buttons, [StatusButton::Form]);
    (direct.guild_id, direct.member) = (None, None);
    let there = env.accounts.status(&direct).await.expect("a status");
    assert_eq!((there.stage, there.buttons), (Stage::Nothing, Vec::new()));
}
