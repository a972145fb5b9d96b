//! What can happen to a member between the form and a sent request.

use std::time::Duration;

use accolade::accounts::deny_list::DenyTarget;
use accolade::accounts::{BrokenRule, Details, Field, FormInput, Purpose, UseCaseError};
use accolade::clock::Clock as _;
use accolade::domain::account::AccountState;
use accolade::domain::eligibility::WhyNot;
use accolade::domain::error_code::ErrorCode;
use accolade::domain::ids::{GuildId, Nonce, RequestId};
use accolade::domain::job::JobKind;
use accolade::domain::mail_address::{IllegalMailAddress, MailAddress};
use accolade::domain::person_name::IllegalPersonName;
use accolade::domain::request::RequestState;
use accolade::domain::username::IllegalUsername;

use sqlx::{Connection as _, Executor as _, SqliteConnection};

use harness::AccountsEnv;
use harness::accounts::{GUILD, MEMBER, MODERATOR, TRUSTED, typed};

const ADA: u64 = 175_928_847_299_117_063;
const EVE: u64 = 175_928_847_299_117_064;

fn stale() -> UseCaseError {
    UseCaseError::because(ErrorCode::StaleButton)
}

fn expired() -> UseCaseError {
    UseCaseError::with(ErrorCode::StaleButton, Details::Expired)
}

#[tokio::test]
async fn a_member_without_the_role_reads_why_and_leaves_no_trace() {
    let env = AccountsEnv::new().await;
    let caller = env.caller_with(ADA, &[MODERATOR]);
    let why = Details::WhyNot(vec![WhyNot::RolesMissing(vec![TRUSTED])]);
    let refused = UseCaseError::with(ErrorCode::NotEligible, why);
    assert_eq!(env.accounts.open_form(&caller).await, Err(refused.clone()));
    assert_eq!(env.accounts.save_draft(&caller, typed("ada")).await.expect_err("refused"), refused);
    let mut view = env.store.read().await.expect("a view");
    assert_eq!(view.person_of(caller.user_id).await.expect("an answer"), None);
}

#[tokio::test]
async fn nobody_asks_from_another_guild_or_a_direct_message() {
    let env = AccountsEnv::new().await;
    let mut elsewhere = env.caller(ADA);
    elsewhere.guild_id = Some(GuildId::new(1));
    let mut direct = env.caller(ADA);
    (direct.guild_id, direct.member) = (None, None);
    let mut forged = env.caller(ADA);
    forged.member = env.caller(EVE).member;
    for caller in [elsewhere, direct, forged] {
        let refused = env.accounts.open_form(&caller).await.expect_err("refused");
        assert_eq!(refused.error_code, ErrorCode::NotEligible);
    }
}

#[tokio::test]
async fn the_first_form_opens_with_a_legal_name_and_nothing_else() {
    let env = AccountsEnv::new().await;
    let form = env.accounts.open_form(&env.caller(ADA)).await.expect("a form");
    assert_eq!(form.username, "ada.l");
    assert_eq!([form.address, form.given, form.family, form.answer], [""; 4].map(str::to_owned));
    assert!(!form.asks_reason);
    assert_eq!(form.max_username, 20);
}

#[tokio::test]
async fn a_form_with_faults_hears_of_all_of_them_at_once_and_is_not_stored() {
    let env = AccountsEnv::with(|config| config.guilds[0].policy.rules[1].ask_reason = true).await;
    let bad = FormInput {
        username: "Ada Lovelace".to_owned(),
        address: "ada@localhost".to_owned(),
        given: "<b>Ada</b>".to_owned(),
        family: String::new(),
        answer: Some(" \u{200b} ".to_owned()),
    };
    let refused = env.accounts.save_draft(&env.caller(ADA), bad).await.expect_err("refused");
    assert_eq!(refused.error_code, ErrorCode::NameIllegal);
    let Details::Form { faults, kept_until } = refused.details else { panic!("no faults: {refused:?}") };
    assert_eq!(kept_until, Some(env.clock.now().after(Duration::from_mins(15))));
    let found: Vec<_> = faults.iter().map(|fault| (fault.field, fault.rule)).collect();
    assert_eq!(
        found,
        [
            (Field::Username, Some(BrokenRule::Username(IllegalUsername::Character(' ')))),
            (Field::Address, Some(BrokenRule::Address(IllegalMailAddress::Domain))),
            (Field::Given, Some(BrokenRule::Name(IllegalPersonName::Character('<')))),
            (Field::Family, Some(BrokenRule::Name(IllegalPersonName::Empty))),
            (Field::Answer, Some(BrokenRule::AnswerMissing)),
        ]
    );
    let mut view = env.store.read().await.expect("a view");
    assert_eq!(view.person_of(env.caller(ADA).user_id).await.expect("an answer"), None);
}

#[tokio::test]
async fn a_submit_is_shown_back_as_a_draft_that_nobody_else_hears_of() {
    let env = AccountsEnv::new().await;
    let shown = env.drafts(ADA, "Ada").await;
    assert_eq!(shown.request.state, RequestState::Draft);
    assert_eq!(shown.request.username.as_str(), "ada");
    let form = shown.request.form.expect("the form");
    assert_eq!(form.address.as_str(), "Ada@example.org");
    assert_eq!(shown.expires_at.since(shown.request.created_at), Duration::from_mins(15));
    assert_eq!(env.events().await, Vec::<String>::new());
    assert!(!env.has_unsent_messages().await);
}

#[tokio::test]
async fn one_submit_delivered_a_hundred_times_is_one_draft() {
    let env = AccountsEnv::new().await;
    let caller = env.caller(ADA);
    let first = env.accounts.save_draft(&caller, typed("ada")).await.expect("a draft").request;
    for _ in 0..99 {
        let again = env.accounts.save_draft(&caller, typed("ada")).await.expect("a draft").request;
        assert_eq!((again.id, again.nonce), (first.id, first.nonce));
    }
}

#[tokio::test]
async fn a_new_form_takes_the_place_of_the_draft_and_starts_with_its_values() {
    let env = AccountsEnv::new().await;
    let old = env.drafts(ADA, "ada").await.request;
    let form = env.accounts.open_form(&env.caller(ADA)).await.expect("a form");
    assert_eq!((form.username.as_str(), form.address.as_str()), ("ada", "ada@example.org"));
    let new = env.drafts(ADA, "lovelace").await.request;
    assert_ne!(old.id, new.id);
    let dropped = UseCaseError::with(ErrorCode::StaleButton, Details::Dropped);
    assert_eq!(env.sends(ADA, &old).await, Err(dropped));
    assert!(env.request(old.id).await.form.is_none(), "the replaced draft keeps personal values");
    assert!(env.sends(ADA, &new).await.is_ok());
}

#[tokio::test]
async fn change_opens_with_what_was_typed_and_voids_the_old_buttons() {
    let env = AccountsEnv::new().await;
    let draft = env.drafts(ADA, "ada").await.request;
    let form = env.accounts.change_form(&env.caller(ADA), draft.id, draft.nonce).await.expect("a form");
    assert_eq!((form.username.as_str(), form.given.as_str()), ("ada", "Ada"));
    let changed = env
        .accounts
        .change_draft(&env.caller(ADA), draft.id, draft.nonce, typed("lovelace"))
        .await
        .expect("a changed draft")
        .request;
    assert_eq!(changed.id, draft.id);
    assert_eq!(changed.username.as_str(), "lovelace");
    assert_eq!(env.sends(ADA, &draft).await, Err(stale()));
    assert!(env.sends(ADA, &changed).await.is_ok());
}

#[tokio::test]
async fn a_draft_of_a_quarter_of_an_hour_ago_can_neither_be_sent_nor_changed() {
    let env = AccountsEnv::new().await;
    let draft = env.drafts(ADA, "ada").await.request;
    env.clock.push(Duration::from_mins(15));
    let caller = env.caller(ADA);
    assert_eq!(env.sends(ADA, &draft).await, Err(expired()));
    assert_eq!(env.accounts.change_form(&caller, draft.id, draft.nonce).await, Err(expired()));
    let changed = env.accounts.change_draft(&caller, draft.id, draft.nonce, typed("ada")).await;
    assert_eq!(changed.expect_err("refused"), expired());
    assert!(env.accounts.open_form(&caller).await.expect("a form").address.is_empty());
}

#[tokio::test]
async fn send_writes_request_audit_row_card_and_check_together() {
    let env = AccountsEnv::new().await;
    let draft = env.drafts(ADA, "ada").await.request;
    let sent = env.sends(ADA, &draft).await.expect("sent");
    assert_eq!((sent.code.as_str(), sent.automatic, sent.again), (draft.code.as_str(), false, false));
    let request = env.request(draft.id).await;
    assert_eq!(request.state, RequestState::Waiting);
    assert_eq!(request.rule.as_ref().map(accolade::domain::eligibility::RuleName::as_str), Some("members"));
    assert_eq!(env.events().await, ["request.submitted"]);
    assert_eq!(env.takes_messages().await, [format!("card:{}", draft.id)]);
    let mut view = env.store.read().await.expect("a view");
    let check = view.job_of_kind(draft.id, JobKind::Check).await.expect("an answer").expect("job");
    assert_eq!((check.kind, check.account_id), (JobKind::Check, None));
}

#[tokio::test]
async fn a_rule_that_approves_by_itself_is_named_at_send() {
    let env = AccountsEnv::new().await;
    let caller = env.caller_with(ADA, &[TRUSTED]);
    let draft = env.accounts.save_draft(&caller, typed("ada")).await.expect("a draft").request;
    let sent = env.accounts.send(&caller, draft.id, draft.nonce).await.expect("sent");
    assert!(sent.automatic);
}

#[tokio::test]
async fn a_second_press_of_send_reads_sent_and_changes_nothing() {
    let env = AccountsEnv::new().await;
    let draft = env.drafts(ADA, "ada").await.request;
    let first = env.sends(ADA, &draft).await.expect("sent");
    let before = env.request(draft.id).await.revision;
    for _ in 0..20 {
        let again = env.sends(ADA, &draft).await.expect("sent");
        assert!(again.again);
        assert_eq!(again.code, first.code);
    }
    assert_eq!(env.request(draft.id).await.revision, before);
    assert_eq!(env.events().await, ["request.submitted"]);
    assert_eq!(env.takes_messages().await.len(), 1);
}

#[tokio::test]
async fn fifty_presses_at_once_send_one_request() {
    let env = AccountsEnv::new().await;
    let draft = env.drafts(ADA, "ada").await.request;
    let presses = (0..50).map(|_| env.sends(ADA, &draft));
    let answers = futures::future::join_all(presses).await;
    let first = answers.iter().filter(|answer| answer.as_ref().is_ok_and(|sent| !sent.again)).count();
    assert_eq!(first, 1, "{answers:?}");
    assert_eq!(env.events().await, ["request.submitted"]);
}

#[tokio::test]
async fn a_button_works_for_its_owner_and_its_nonce_only() {
    let env = AccountsEnv::new().await;
    let draft = env.drafts(ADA, "ada").await.request;
    env.drafts(EVE, "eve").await;
    assert_eq!(env.sends(EVE, &draft).await, Err(stale()));
    let (ada, eve) = (env.caller(ADA), env.caller(EVE));
    assert_eq!(env.accounts.send(&ada, draft.id, Nonce::new(7)).await, Err(stale()));
    assert_eq!(env.accounts.send(&ada, draft.id, Nonce::NONE).await, Err(stale()));
    let unknown = RequestId::new(env.store.ids().uuid());
    assert_eq!(env.accounts.send(&ada, unknown, draft.nonce).await, Err(stale()));
    assert_eq!(env.accounts.change_form(&eve, draft.id, draft.nonce).await, Err(stale()));
    let changed = env.accounts.change_draft(&eve, draft.id, draft.nonce, typed("eve2")).await;
    assert_eq!(changed.expect_err("refused"), stale());
    assert_eq!(env.request(draft.id).await.state, RequestState::Draft);
}

#[tokio::test]
async fn a_role_lost_before_send_stops_it_and_is_audited() {
    let env = AccountsEnv::new().await;
    let draft = env.drafts(ADA, "ada").await.request;
    let poorer = env.caller_with(ADA, &[]);
    let refused = env.accounts.send(&poorer, draft.id, draft.nonce).await.expect_err("refused");
    assert_eq!(refused.error_code, ErrorCode::NotEligible);
    assert_eq!(env.request(draft.id).await.state, RequestState::Draft);
    let audit = env.audit().await;
    let rows: Vec<_> = audit.iter().map(|(event, _, why)| (event.as_str(), why.as_deref())).collect();
    assert_eq!(rows, [("request.refused", Some("not_eligible"))]);
    assert!(env.sends(ADA, &draft).await.is_ok(), "the role came back");
}

#[tokio::test]
async fn reserved_taken_look_alike_and_former_names_get_one_and_the_same_answer() {
    let env = AccountsEnv::new().await;
    env.leaves_tombstone(1 << 40, "hopper").await;
    env.asks(EVE, "mike").await;
    for (user, name) in ["admin", "adrnin", "wiki", "mike", "rnike", "hopper", "h0pper"].iter().enumerate() {
        let user = ADA + 100 + user as u64;
        let draft = env.drafts(user, name).await.request;
        assert_eq!(
            env.sends(user, &draft).await,
            Err(UseCaseError::because(ErrorCode::NameUnavailable)),
            "{name}"
        );
        assert_eq!(env.request(draft.id).await.state, RequestState::Draft, "{name} is lost");
    }
}

#[tokio::test]
async fn a_former_owner_may_ask_for_their_own_name_again() {
    let env = AccountsEnv::new().await;
    env.leaves_tombstone(ADA, "ada").await;
    let request = env.asks(ADA, "ada").await;
    assert_eq!(request.state, RequestState::Waiting);
}

#[tokio::test]
async fn who_tries_names_too_often_is_not_told_any_more_for_an_hour() {
    let env = AccountsEnv::new().await;
    let draft = env.drafts(ADA, "admin").await.request;
    for _ in 0..5 {
        assert_eq!(env.sends(ADA, &draft).await, Err(UseCaseError::because(ErrorCode::NameUnavailable)));
    }
    assert_eq!(env.sends(ADA, &draft).await, Err(UseCaseError::because(ErrorCode::TooMany)));
    env.clock.push(Duration::from_mins(61));
    let draft = env.drafts(ADA, "admin").await.request;
    assert_eq!(env.sends(ADA, &draft).await, Err(UseCaseError::because(ErrorCode::NameUnavailable)));
}

#[tokio::test]
async fn nobody_sends_more_requests_than_the_rate_limit_in_a_day() {
    let env = AccountsEnv::new().await;
    for _ in 0..5 {
        env.asks(ADA, "ada").await;
        env.accounts.cancel(&env.caller(ADA), None).await.expect("cancelled");
        env.clock.push(Duration::from_secs(1));
    }
    let draft = env.drafts(ADA, "ada").await.request;
    assert_eq!(env.sends(ADA, &draft).await, Err(UseCaseError::because(ErrorCode::TooMany)));
    env.clock.push(Duration::from_hours(25));
    assert_eq!(env.asks(ADA, "ada").await.state, RequestState::Waiting);
}

#[tokio::test]
async fn the_deny_list_stops_persons_addresses_and_domains_until_it_is_changed() {
    let env = AccountsEnv::new().await;
    let person = DenyTarget::Person(env.caller(EVE).user_id);
    let address = DenyTarget::Address(MailAddress::parse("ADA@example.org").expect("an address"));
    let domain = DenyTarget::domain("Example.org").expect("a domain");

    env.accounts.deny_add(&env.admin(Purpose::DenyList), &person, None, "spam").await.expect("added");
    let refused = env.accounts.open_form(&env.caller(EVE)).await.expect_err("refused");
    assert_eq!(refused, UseCaseError::because(ErrorCode::DeniedPerson));

    let draft = env.drafts(ADA, "ada").await.request;
    for target in [address, domain] {
        env.accounts.deny_add(&env.admin(Purpose::DenyList), &target, None, "").await.expect("added");
        assert_eq!(
            env.sends(ADA, &draft).await,
            Err(UseCaseError::because(ErrorCode::DeniedPerson)),
            "{target:?}"
        );
        assert!(env.accounts.deny_remove(&env.admin(Purpose::DenyList), &target).await.expect("removed"));
        assert!(!env.accounts.deny_remove(&env.admin(Purpose::DenyList), &target).await.expect("not there"));
    }
    assert!(env.sends(ADA, &draft).await.is_ok());
}

#[tokio::test]
async fn a_denial_with_an_end_ends() {
    let env = AccountsEnv::new().await;
    let person = DenyTarget::Person(env.caller(EVE).user_id);
    env.accounts
        .deny_add(&env.admin(Purpose::DenyList), &person, Some(Duration::from_hours(1)), "")
        .await
        .expect("added");
    assert!(env.accounts.open_form(&env.caller(EVE)).await.is_err());
    env.clock.push(Duration::from_hours(2));
    assert!(env.accounts.open_form(&env.caller(EVE)).await.is_ok());
}

#[tokio::test]
async fn one_request_at_a_time_and_one_account_at_a_time() {
    let env = AccountsEnv::new().await;
    let request = env.asks(ADA, "ada").await;
    let open = UseCaseError::with(ErrorCode::RequestOpen, Details::Open { code: request.code.clone() });
    assert_eq!(env.accounts.open_form(&env.caller(ADA)).await, Err(open.clone()));
    assert_eq!(env.accounts.save_draft(&env.caller(ADA), typed("x1")).await.expect_err("refused"), open);

    let (account, _) = env.approves(&request).await;
    assert_eq!(env.accounts.open_form(&env.caller(ADA)).await, Err(open));
    let account = env.account_becomes(&account, AccountState::Invited).await;
    let has_one = Err(UseCaseError::because(ErrorCode::AlreadyHasAccount));
    assert_eq!(env.accounts.open_form(&env.caller(ADA)).await, has_one);
    let account = env.account_becomes(&account, AccountState::Active).await;
    assert_eq!(env.accounts.open_form(&env.caller(ADA)).await, has_one);
    env.account_becomes(&account, AccountState::Closed).await;
    assert!(env.accounts.open_form(&env.caller(ADA)).await.is_ok());
}

#[tokio::test]
async fn a_request_whose_name_was_found_taken_gives_way_to_the_next() {
    let env = AccountsEnv::new().await;
    let request = env.asks(ADA, "ada").await;
    env.holds(&request, ErrorCode::NameUnavailable).await;
    let form = env.accounts.open_form(&env.caller(ADA)).await.expect("a form");
    assert_eq!(form.address, "ada@example.org");
    let next = env.asks(ADA, "lovelace").await;
    assert_eq!(next.state, RequestState::Waiting);
    assert_eq!(env.request(request.id).await.state, RequestState::Cancelled);
    assert_eq!(env.events().await, ["request.submitted", "request.cancelled", "request.submitted"]);
}

#[tokio::test]
async fn a_lock_of_another_process_is_said_in_time_and_leaves_nothing_half_written() {
    let env = AccountsEnv::new().await;
    let draft = env.drafts(ADA, "ada").await.request;
    let mut other = SqliteConnection::connect(env.config.store.url.as_str()).await.expect("connects");
    other.execute("BEGIN EXCLUSIVE").await.expect("locks");
    let caller = env.caller(EVE);
    let presses = async {
        // The presses run one after the other; each has its own limit of two seconds.
        let sent = env.sends(ADA, &draft).await.map(|_| ());
        let drafted = env.accounts.save_draft(&caller, typed("eve")).await.map(|_| ());
        (sent, drafted)
    };
    // The presses and the time limit run on one runtime, so a pause of the machine delays both.
    let told = tokio::time::timeout(Duration::from_millis(5200), presses)
        .await
        .expect("answers within their limits");
    let busy = || Err(UseCaseError::because(ErrorCode::StoreBusy));
    assert_eq!(told, (busy(), busy()));
    // Reads are answered meanwhile.
    env.accounts.status(&env.caller(ADA)).await.expect("a status");
    assert_eq!(env.request(draft.id).await.state, RequestState::Draft);
    other.execute("ROLLBACK").await.expect("the rollback succeeds");
    assert_eq!(env.events().await, Vec::<String>::new());
    assert!(!env.has_unsent_messages().await);
    assert!(env.sends(ADA, &draft).await.is_ok(), "the same press");
    assert!(env.accounts.save_draft(&caller, typed("eve")).await.is_ok(), "the same form");
    assert_eq!(env.events().await, ["request.submitted"]);
}

#[tokio::test]
async fn a_busy_store_is_said_within_two_seconds_and_nothing_is_lost() {
    let env = AccountsEnv::new().await;
    let draft = env.drafts(ADA, "ada").await.request;
    let mut blocker = env.store.begin().await.expect("a transaction");
    blocker.ensure_person(env.caller(EVE).user_id, "en").await.expect("a person");
    // The press and the time limit run on one runtime, so a pause of the machine delays both.
    let answer = tokio::time::timeout(Duration::from_millis(2600), env.sends(ADA, &draft)).await;
    assert_eq!(answer.expect("an answer within its limit"), Err(UseCaseError::because(ErrorCode::StoreBusy)));
    blocker.roll_back().await.expect("rolled back");
    assert!(env.sends(ADA, &draft).await.is_ok());
    assert_eq!(GUILD, env.request(draft.id).await.guild_id);
    assert!(env.config.guild(GUILD).is_some_and(|guild| guild.policy.rules[1].all_roles == [MEMBER]));
}
