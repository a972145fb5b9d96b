//! What operators read and change at the command line, and what the audit log stores about it.

use accolade::accounts::Purpose;
use accolade::accounts::audit_log::{AuditFilter, Head, Verified};
use accolade::accounts::deny_list::DenyTarget;
use accolade::accounts::requests::{RequestFilter, StatusFilter};
use accolade::domain::account::{AccountState, KeycloakId};
use accolade::domain::approval::Verdict;
use accolade::domain::audit::Event;
use accolade::domain::job::JobKind;
use accolade::domain::request::RequestState;

use harness::AccountsEnv;
use harness::accounts::GUILD;

const ADA: u64 = 175_928_847_299_117_063;
const EVE: u64 = 175_928_847_299_117_064;

#[tokio::test]
async fn requests_are_listed_by_page_and_state_without_personal_values() {
    let env = AccountsEnv::new().await;
    env.drafts(99_000_000_000, "draft").await;
    for n in 0..5_u64 {
        env.asks(ADA + n, &format!("person{}", char::from(b'a' + n as u8))).await;
    }
    let mut seen = Vec::new();
    let mut after = None;
    loop {
        let page = env
            .accounts
            .requests(&env.view_grant(), &RequestFilter::default(), after, 2)
            .await
            .expect("a page");
        let Some(last) = page.last() else { break };
        after = Some(last.id);
        seen.extend(page.into_iter().map(|line| (line.username.to_string(), line.masked_address)));
    }
    assert_eq!(seen.len(), 5, "{seen:?}");
    assert!(seen.iter().all(|(_, address)| address.as_deref() == Some("…@example.org")));
    let denied = RequestFilter { guild: Some(GUILD), status: Some(StatusFilter::In(RequestState::Denied)) };
    assert!(env.accounts.requests(&env.view_grant(), &denied, None, 10).await.expect("a page").is_empty());
}

#[tokio::test]
async fn a_request_is_shown_by_code_in_any_case_or_by_id() {
    let env = AccountsEnv::new().await;
    let request = env.asks(ADA, "ada").await;
    env.approves(&request).await;
    for name in [request.code.clone(), request.code.to_lowercase(), request.id.to_string()] {
        let shown =
            env.accounts.request_shown(&env.view_grant(), &name).await.expect("an answer").expect("it");
        assert_eq!(shown.line.id, request.id);
        assert_eq!(shown.line.state, RequestState::Approved);
        let decisions: Vec<_> = shown.decisions.iter().map(|d| (d.actor.as_str(), d.verdict)).collect();
        assert_eq!(decisions, [("system", Verdict::Approve)]);
        assert!(shown.jobs.iter().any(|job| job.kind == JobKind::Provision));
    }
    assert!(env.accounts.request_shown(&env.view_grant(), "NOSUCH").await.expect("an answer").is_none());
}

#[tokio::test]
async fn a_link_is_found_by_each_of_its_names_and_every_look_is_audited() {
    let env = AccountsEnv::new().await;
    let request = env.asks(ADA, "ada").await;
    let (account, _) = env.approves(&request).await;
    let mut with_id = account.clone();
    with_id.keycloak_id = KeycloakId::new("5f0c0a52-0000-4000-8000-000000000001");
    let account = env.account_becomes(&with_id, AccountState::Invited).await;
    let names = [
        format!("<@{ADA}>"),
        format!("<@!{ADA}>"),
        ADA.to_string(),
        account.id.to_string(),
        "Ada".to_owned(),
        "5f0c0a52-0000-4000-8000-000000000001".to_owned(),
    ];
    for name in &names {
        let shown = env
            .accounts
            .show_link(&env.admin(Purpose::Link), name)
            .await
            .expect("an answer")
            .expect("the link");
        let shown = shown.link;
        assert_eq!(shown.account.id, account.id, "{name}");
        assert_eq!(shown.discord_id.map(accolade::domain::ids::DiscordUserId::get), Some(ADA));
        assert_eq!(shown.request_code.as_deref(), Some(request.code.as_str()));
    }
    for nobody in ["eve", "<@77>", "not a name", "00000000-0000-7000-8000-000000000000"] {
        assert!(
            env.accounts.find_link(&env.admin(Purpose::Link), nobody).await.expect("an answer").is_empty(),
            "{nobody}"
        );
    }
    let looks = env
        .audit()
        .await
        .into_iter()
        .filter(|(event, actor, _)| event == "admin.viewed" && actor == "cli:grace");
    assert_eq!(looks.count(), names.len() + 4);
}

#[tokio::test]
async fn the_audit_log_is_searched_by_event_person_and_request_and_the_search_is_audited() {
    let env = AccountsEnv::new().await;
    let ada = env.asks(ADA, "ada").await;
    env.asks(EVE, "eve").await;
    let search = async |filter: AuditFilter| {
        let lines =
            env.accounts.audit_search(&env.admin(Purpose::Audit), &filter, None, 50).await.expect("a page");
        lines.into_iter().map(|line| line.row.event).collect::<Vec<_>>()
    };
    let of_person = AuditFilter { person: Some(format!("<@{ADA}>")), ..AuditFilter::default() };
    assert_eq!(search(of_person).await, ["request.submitted"]);
    let of_request = AuditFilter { request: Some(ada.code.clone()), ..AuditFilter::default() };
    assert_eq!(search(of_request).await, ["request.submitted"]);
    let of_event = AuditFilter { event: Some(Event::AdminViewed), ..AuditFilter::default() };
    assert_eq!(search(of_event).await, ["admin.viewed", "admin.viewed"]);
    let of_nobody = AuditFilter { person: Some("<@12>".to_owned()), ..AuditFilter::default() };
    assert_eq!(search(of_nobody).await, Vec::<String>::new());
}

#[tokio::test]
async fn the_chain_verifies_and_misses_a_head_that_it_never_had() {
    let env = AccountsEnv::new().await;
    env.asks(ADA, "ada").await;
    let Verified::Whole { head } = env.accounts.audit_verify(None).await.expect("an answer") else {
        panic!("not whole");
    };
    env.asks(EVE, "eve").await;
    assert!(matches!(
        env.accounts.audit_verify(Some(&head)).await,
        Ok(Verified::Whole { head: later }) if later.seq > head.seq
    ));
    for hash in ["00".repeat(32), "no hash".to_owned()] {
        let forged = Head { seq: head.seq, hash };
        let verified = env.accounts.audit_verify(Some(&forged)).await;
        assert!(matches!(verified, Ok(Verified::HeadMissing { .. })), "{verified:?}");
    }
}

#[tokio::test]
async fn the_deny_list_shows_kind_reason_and_actor_but_not_whom() {
    let env = AccountsEnv::new().await;
    let person = DenyTarget::Person(env.caller(EVE).user_id);
    env.accounts.deny_add(&env.admin(Purpose::DenyList), &person, None, " spam ").await.expect("added");
    env.accounts.deny_add(&env.admin(Purpose::DenyList), &person, None, "more spam").await.expect("renewed");
    let lines = env.accounts.deny_list(&env.admin(Purpose::DenyList), None, 10).await.expect("a page");
    let shown: Vec<_> = lines.iter().map(|l| (l.kind, l.actor.as_str(), l.reason.as_deref())).collect();
    assert_eq!(shown, [("person", "cli:grace", Some("more spam"))]);
    assert!(!lines[0].key.contains(&EVE.to_string()));
    assert_eq!(env.events().await, ["deny.added", "deny.added"]);
}
