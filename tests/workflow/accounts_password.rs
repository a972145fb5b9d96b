//! Asking for another mail, and reporting "not me": who may do it, when and how often, and what the store holds afterwards.

use std::time::Duration;

use accolade::accounts::status::{Asked, Stage, StatusButton};
use accolade::accounts::{AccountUnavailable, Details, UseCaseError};
use accolade::domain::account::{Account, AccountState};
use accolade::domain::error_code::ErrorCode;
use accolade::domain::ids::Nonce;
use accolade::domain::job::{JobKind, JobState};
use accolade::domain::mail::MailState;
use accolade::domain::status::Delay;
use accolade::store::{NewJob, RateLimitKind};

use harness::AccountsEnv;

const ADA: u64 = 175_928_847_299_117_063;
const EVE: u64 = 175_928_847_299_117_064;

/// Returns Ada's account in this state; its first job is done.
async fn account_in(env: &AccountsEnv, state: AccountState) -> Account {
    let request = env.asks(ADA, "ada").await;
    let (account, _) = env.approves(&request).await;
    ends_job(env).await;
    if state == AccountState::Creating { account } else { env.account_becomes(&account, state).await }
}

/// Claims the job that is due and marks it as done.
async fn ends_job(env: &AccountsEnv) {
    let claimed = env.store.claim_job("test", Duration::from_mins(1)).await.expect("an answer");
    let mut tx = env.store.begin().await.expect("a transaction");
    tx.finish_job(&claimed.expect("a job").job, JobState::Done).await.expect("finished");
    tx.commit("test").await.expect("a commit");
}

async fn puts_job(env: &AccountsEnv, account: &Account, kind: JobKind) {
    let (person_id, account_id) = (account.person_id, Some(account.id));
    let mut tx = env.store.begin().await.expect("a transaction");
    tx.enqueue_job(NewJob { person_id, account_id, request_id: None, kind }).await.expect("a job");
    tx.commit("test").await.expect("a commit");
}

async fn unfinished(env: &AccountsEnv, account: &Account) -> Vec<JobKind> {
    let mut view = env.store.read().await.expect("a view");
    let jobs = view.unfinished_jobs_of(account.person_id).await.expect("jobs");
    jobs.into_iter().map(|job| job.kind).collect()
}

fn not_now(why: AccountUnavailable) -> UseCaseError {
    UseCaseError::with(ErrorCode::NotEligible, Details::AccountUnavailable(why))
}

#[tokio::test]
async fn the_mail_again_is_for_accounts_that_wait_for_a_password_or_are_in_use() {
    let asked = async |env: &AccountsEnv| env.accounts.mail_again(&env.caller(ADA), None).await;
    let env = AccountsEnv::new().await;
    assert_eq!(asked(&env).await, Err(not_now(AccountUnavailable::NoAccount)));
    for (state, expected) in [
        (AccountState::Creating, Some(not_now(AccountUnavailable::BeingMade))),
        (AccountState::Invited, None),
        (AccountState::Active, None),
        (AccountState::Disabled, Some(not_now(AccountUnavailable::Locked))),
        (
            AccountState::Conflict,
            Some(UseCaseError::with(
                ErrorCode::DirectoryConflict,
                Details::AccountUnavailable(AccountUnavailable::Conflict),
            )),
        ),
        (AccountState::Closed, Some(not_now(AccountUnavailable::NoAccount))),
    ] {
        let env = AccountsEnv::new().await;
        let account = account_in(&env, state).await;
        let events = env.events().await;
        match (asked(&env).await, expected) {
            (Ok(asked), None) => {
                assert_eq!((asked.username.as_str(), asked.again), ("ada", false));
                assert_eq!(unfinished(&env, &account).await, [JobKind::Resend]);
                let mut view = env.store.read().await.expect("a view");
                let now = view.account(account.id).await.expect("an answer").expect("the account");
                assert_eq!((now.state, now.revision), (state, account.revision), "nothing else changes");
            }
            (Err(denied), Some(expected)) => {
                assert_eq!(denied, expected, "{state}");
                assert!(unfinished(&env, &account).await.is_empty(), "{state}");
            }
            (answer, _) => panic!("{state}: {answer:?}"),
        }
        assert_eq!(env.events().await, events, "the mail is audited, not the request for it");
    }
}

#[tokio::test]
async fn an_account_that_is_being_ended_or_locked_gets_no_mail() {
    for (kind, why) in
        [(JobKind::Withdraw, AccountUnavailable::Checking), (JobKind::Lock, AccountUnavailable::Locking)]
    {
        let env = AccountsEnv::new().await;
        let account = account_in(&env, AccountState::Active).await;
        puts_job(&env, &account, kind).await;
        let denied = env.accounts.mail_again(&env.caller(ADA), None).await;
        assert_eq!(denied, Err(not_now(why)), "{kind}");
        let shown = env.accounts.status(&env.caller(ADA)).await.expect("a status");
        assert_eq!(shown.buttons, [], "{kind}");
    }
}

#[tokio::test]
async fn asking_twice_is_one_mail_and_a_pause_lies_between_two() {
    let env = AccountsEnv::new().await;
    let account = account_in(&env, AccountState::Active).await;
    let which = Some((account.id, account.nonce));
    let first = env.accounts.mail_again(&env.caller(ADA), which).await.expect("asked");
    let second = env.accounts.mail_again(&env.caller(ADA), None).await.expect("asked");
    assert_eq!((first.again, second.again), (false, true));
    assert_eq!(unfinished(&env, &account).await, [JobKind::Resend]);
    let shown = env.accounts.status(&env.caller(ADA)).await.expect("a status");
    let Stage::Active { mails, .. } = shown.stage else { panic!("{shown:?}") };
    assert_eq!(mails.asked, Asked::UnderWay);
    assert_eq!(shown.buttons, [StatusButton::NotMe(account.id, account.nonce)]);

    // The worker sends the mail.
    let mut view = env.store.read().await.expect("a view");
    let job = view.unfinished_jobs_of(account.person_id).await.expect("jobs").remove(0);
    drop(view);
    let sent_at = accolade::clock::Clock::now(env.clock.as_ref());
    let hour = Duration::from_hours(1);
    let mut tx = env.store.begin().await.expect("a transaction");
    tx.put_mail(account.id, job.id, hour, MailState::Accepted).await.expect("noted");
    tx.commit("test").await.expect("a commit");
    ends_job(&env).await;
    let pause = Duration::from_mins(5);
    let until = sent_at.after(pause);
    let refused = Err(UseCaseError::with(ErrorCode::TooMany, Details::Wait { until }));
    assert_eq!(env.accounts.mail_again(&env.caller(ADA), None).await, refused);
    env.clock.push(pause);
    let shown = env.accounts.status(&env.caller(ADA)).await.expect("a status");
    assert_eq!(shown.buttons[0], StatusButton::Resend(account.id, account.nonce));
    let again = env.accounts.mail_again(&env.caller(ADA), which).await.expect("asked");
    assert_eq!(again.mails.iter().filter(|mail| mail.may_work(again.now)).count(), 1, "the first only");
}

#[tokio::test]
async fn who_used_up_the_rate_limit_reads_when_there_is_room_again() {
    let env = AccountsEnv::new().await;
    let account = account_in(&env, AccountState::Active).await;
    let (day, key) = (Duration::from_hours(24), account.person_id.to_string());
    let begun = accolade::clock::Clock::now(env.clock.as_ref());
    let mut tx = env.store.begin().await.expect("a transaction");
    for _ in 0..env.config.rate_limits.mails_per_person {
        assert!(tx.take_rate_limit(RateLimitKind::MailPerson, &key, 3, day).await.expect("counts"));
    }
    tx.commit("test").await.expect("a commit");
    env.clock.push(Duration::from_hours(5));
    let refused = Err(UseCaseError::with(ErrorCode::TooMany, Details::Wait { until: begun.after(day) }));
    assert_eq!(env.accounts.mail_again(&env.caller(ADA), None).await, refused);
    env.clock.push(Duration::from_hours(19));
    assert!(env.accounts.mail_again(&env.caller(ADA), None).await.is_ok());
}

#[tokio::test]
async fn buttons_of_an_account_work_for_its_owner_with_its_nonce_only() {
    let env = AccountsEnv::new().await;
    let account = account_in(&env, AccountState::Active).await;
    let stale = UseCaseError::because(ErrorCode::StaleButton);
    let forged = Nonce::new(1);
    for (user, nonce) in [(EVE, account.nonce), (ADA, forged), (ADA, Nonce::NONE)] {
        let caller = env.caller(user);
        assert_eq!(env.accounts.mail_again(&caller, Some((account.id, nonce))).await, Err(stale.clone()));
        assert_eq!(env.accounts.may_lock(&caller, account.id, nonce).await, Err(stale.clone()));
        assert_eq!(env.accounts.lock(&caller, account.id, nonce, "").await, Err(stale.clone()));
    }
    assert!(unfinished(&env, &account).await.is_empty());
    // A direct message to the bot has no guild and no member.
    let mut direct = env.caller(ADA);
    (direct.guild_id, direct.member) = (None, None);
    assert_eq!(env.accounts.may_lock(&direct, account.id, account.nonce).await, Ok(()));
    assert!(env.accounts.mail_again(&direct, Some((account.id, account.nonce))).await.is_ok());
}

#[tokio::test]
async fn not_me_is_one_lock_however_often_it_is_confirmed_and_its_note_is_sealed() {
    let env = AccountsEnv::new().await;
    let account = account_in(&env, AccountState::Active).await;
    let locks = async |note| env.accounts.lock(&env.caller(ADA), account.id, account.nonce, note).await;
    let first = locks("My brother reads my mail").await.expect("locks");
    let second = locks("again").await.expect("locks");
    assert_eq!((first.again, second.again), (false, true));
    assert_eq!(unfinished(&env, &account).await, [JobKind::Lock]);
    let (event, actor, _) = env.audit().await.pop().expect("a row");
    assert_eq!((event, actor), ("account.disabled".to_owned(), account.person_id.to_string()));
    let dump = env.store.dump().await.expect("a dump");
    assert!(!dump.contains("brother"), "the note is readable");
    let shown = env.accounts.status(&env.caller(ADA)).await.expect("a status");
    assert_eq!(shown.stage, Stage::Locking { username: "ada".to_owned(), delay: Delay::None });
    assert_eq!(shown.buttons, []);
    let mut view = env.store.read().await.expect("a view");
    let now = view.account(account.id).await.expect("an answer").map(|account| account.state);
    assert_eq!(now, Some(AccountState::Active), "it is disabled when it is done");
    drop(view);
    env.stops_for_an_operator(JobKind::Lock, ErrorCode::KeycloakRefused).await;
    let shown = env.accounts.status(&env.caller(ADA)).await.expect("a status");
    assert_eq!(shown.stage, Stage::Locking { username: "ada".to_owned(), delay: Delay::Operator });
}

#[tokio::test]
async fn not_me_on_an_account_that_is_not_in_use_changes_nothing() {
    for (state, expected) in [
        (AccountState::Invited, UseCaseError::because(ErrorCode::StaleButton)),
        (AccountState::Disabled, not_now(AccountUnavailable::Locked)),
        (AccountState::Closed, UseCaseError::because(ErrorCode::StaleButton)),
    ] {
        let env = AccountsEnv::new().await;
        let account = account_in(&env, state).await;
        let caller = env.caller(ADA);
        let (id, nonce) = (account.id, account.nonce);
        assert_eq!(env.accounts.may_lock(&caller, id, nonce).await, Err(expected.clone()), "{state}");
        assert_eq!(env.accounts.lock(&caller, id, nonce, "").await, Err(expected), "{state}");
        assert!(unfinished(&env, &account).await.is_empty(), "{state}");
    }
}

#[tokio::test]
async fn not_me_is_noted_behind_a_withdrawal_that_may_let_the_account_live() {
    let env = AccountsEnv::new().await;
    let account = account_in(&env, AccountState::Active).await;
    puts_job(&env, &account, JobKind::Withdraw).await;
    let locked = env.accounts.lock(&env.caller(ADA), account.id, account.nonce, "").await;
    assert!(locked.is_ok(), "{locked:?}");
    assert_eq!(unfinished(&env, &account).await, [JobKind::Withdraw, JobKind::Lock]);
}
