//! The texts that are stored beside the audit log: who may read them, and when they are erased.

use super::*;

/// A member with these roles, as a reader of requests.
async fn reader(env: &AccountsEnv, user: u64, roles: &[RoleId]) -> Result<ViewGrant, UseCaseError> {
    env.accounts.reader_from(&reviewer(user), Some(&member(user, roles))).await
}

async fn texts(env: &AccountsEnv, grant: &ViewGrant, request: &Request) -> RequestTexts {
    let shown = env.accounts.request_shown(grant, &request.code).await.expect("an answer");
    env.accounts.request_texts(grant, &shown.expect("the request")).await.expect("an answer")
}

/// How many times the texts of this request were read.
async fn text_views(env: &AccountsEnv, request: &Request) -> usize {
    let filter = AuditFilter { event: Some(Event::AdminViewed), ..AuditFilter::default() };
    let rows = env.store.read().await.expect("a view").audit_page(&filter, None, 50).await.expect("a page");
    let id = request.id.to_string();
    let is_of_texts = |row: &&AuditRow| row.row.after.as_deref() == Some("request.texts");
    rows.iter().filter(is_of_texts).filter(|row| row.row.request_id.as_ref() == Some(&id)).count()
}

#[tokio::test]
async fn the_reason_of_a_quiet_denial_is_read_by_moderators_and_each_look_is_audited() {
    let env = AccountsEnv::new().await;
    let request = env.asks(ADA, "ada").await;
    let grant = reader(&env, LINUS, &[MODERATOR]).await.expect("a moderator");
    assert_eq!(texts(&env, &grant, &request).await, RequestTexts::default());
    assert_eq!(text_views(&env, &request).await, 0, "no text was stored, so no view is recorded");
    denies(&env, GRACE, &request, Notify::Quiet).await.expect("denied");
    for grant in [grant, env.view_grant()] {
        assert_eq!(texts(&env, &grant, &request).await.denial_reason.as_deref(), Some("not now"));
    }
    assert_eq!(text_views(&env, &request).await, 2);
    let refused = reader(&env, EVE, &[MEMBER]).await.expect_err("no moderator");
    assert_eq!(refused, UseCaseError::because(ErrorCode::NotModerator));
    assert_eq!(env.events().await.last().map(String::as_str), Some("press.refused"));
}

/// An active account whose owner says "Not me" with a note.
async fn says_not_me(env: &AccountsEnv, note: &str) -> Request {
    let request = env.asks(ADA, "ada").await;
    let (account, job) = env.approves(&request).await;
    let account = env.account_becomes(&account, AccountState::Active).await;
    let claimed = env.store.claim_job("test", Duration::from_mins(1)).await.expect("an answer");
    let claimed = claimed.filter(|claimed| claimed.job.id == job.id).expect("the provision job");
    let mut tx = env.store.begin().await.expect("a transaction");
    tx.finish_job(&claimed.job, JobState::Done).await.expect("it ends");
    tx.commit("test").await.expect("a commit");
    env.accounts.lock(&env.caller(ADA), account.id, account.nonce, note).await.expect("it is being locked");
    request
}

#[tokio::test]
async fn a_not_me_note_is_read_by_admins_and_not_by_moderators() {
    let env = AccountsEnv::new().await;
    let request = says_not_me(&env, "A stranger wrote to me").await;
    let moderator = reader(&env, LINUS, &[MODERATOR]).await.expect("a moderator");
    assert_eq!(texts(&env, &moderator, &request).await, RequestTexts::default());
    for admin in [reader(&env, GRACE, &[ADMIN]).await.expect("an admin"), env.view_grant()] {
        let notes = texts(&env, &admin, &request).await.notes;
        let notes: Vec<_> = notes.iter().map(|note| note.text.as_str()).collect();
        assert_eq!(notes, ["A stranger wrote to me"]);
    }
    assert_eq!(text_views(&env, &request).await, 2);
}

#[tokio::test]
async fn texts_of_the_log_are_erased_by_age_and_the_chain_stays_whole() {
    let env = AccountsEnv::new().await;
    let request = says_not_me(&env, "A stranger wrote to me").await;
    let denied = env.asks(EVE, "eve").await;
    denies(&env, GRACE, &denied, Notify::Quiet).await.expect("denied");
    env.clock.push(Duration::from_hours(1));
    let now = crate::clock::Clock::now(env.clock.as_ref());
    let erase = async |event, before| {
        let mut tx = env.store.begin().await.expect("a transaction");
        let erased = tx.erase_old_audit_texts(event, before, 10).await.expect("erased");
        tx.commit("test").await.expect("a commit");
        erased
    };
    assert_eq!(erase(None, now.before(Duration::from_hours(2))).await, 0, "no text is that old");
    assert_eq!(erase(Some(Event::RequestDenied), now).await, 1);
    assert_eq!(texts(&env, &env.view_grant(), &request).await.notes.len(), 1, "a note is not a reason");
    assert_eq!(erase(None, now).await, 1);
    assert_eq!(texts(&env, &env.view_grant(), &request).await, RequestTexts::default());
    let verified = env.accounts.audit_verify(None).await.expect("an answer");
    assert!(matches!(verified, Verified::Whole { .. }), "{verified:?}");
}
