//! Decisions on a real store. The tests supply Discord's answer themselves, because fetching a fresh answer is tested in a story.

#[path = "../../tests/harness/src"]
#[expect(dead_code, unreachable_pub, reason = "the same environment serves the tests of the workflow")]
mod environment {
    pub mod accounts_env;
    pub mod clock;
    pub mod files;
}

mod race_tests;
mod text_tests;

use std::sync::Arc;
use std::time::Duration;

use environment::accounts_env::{self, ADMIN, AccountsEnv, CARDS, GUILD, MEMBER, MODERATOR, member};
use futures::StreamExt as _;
use testbed::db_inspector::DbInspector;

use super::audit_log::Verified;
use super::decide::{ApplicantFacts, CardProof, Decided, FreshFacts};
use super::requests::RequestTexts;
use super::status::Stage;
use super::{Accounts, Clients, Details, FormInput, Proof, Purpose, Reviewer, UseCaseError, ViewGrant};
use crate::accounts::deny_list::DenyTarget;
use crate::clock::SystemRng;
use crate::domain::account::AccountState;
use crate::domain::approval::{Notify, Verdict};
use crate::domain::audit::{Event, Source};
use crate::domain::error_code::ErrorCode;
use crate::domain::ids::{ChannelId, DiscordUserId, GuildId, MessageId, Nonce, RequestId, RoleId};
use crate::domain::job::{JobKind, JobState};
use crate::domain::lang::Lang;
use crate::domain::member::MemberFacts;
use crate::domain::request::{Request, RequestState};
use crate::store::{AuditFilter, AuditRow, MessageKind, OutboxKind, Store};

const ADA: u64 = 175_928_847_299_117_063;
const EVE: u64 = 175_928_847_299_117_064;
const GRACE: u64 = 175_928_847_299_117_065;
const LINUS: u64 = 175_928_847_299_117_066;

fn reviewer(user: u64) -> Reviewer {
    Reviewer {
        user_id: DiscordUserId::new(user),
        guild_id: GUILD,
        via: Source::Chat,
        cli_login: None,
        interaction_id: None,
        lang: Lang::En,
    }
}

fn fresh(reviewer: u64, roles: &[RoleId]) -> Fresh {
    Fresh { reviewer: Some(member(reviewer, roles)), applicant: Some(member(ADA, &[MEMBER])) }
}

/// Discord's answer, supplied by the test.
#[derive(Clone)]
struct Fresh {
    reviewer: Option<MemberFacts>,
    applicant: Option<MemberFacts>,
}

/// An approval that runs after Discord has answered.
async fn approve_on(
    accounts: &Accounts,
    reviewer: &Reviewer,
    id: RequestId,
    proof: Proof,
    fresh: &Fresh,
) -> Result<Decided, UseCaseError> {
    let (case, _) = accounts.decision_case(reviewer.guild_id, id).await?;
    let Fresh { reviewer: reviewing, applicant } = fresh.clone();
    let facts = FreshFacts { reviewer: reviewing, applicant: ApplicantFacts::Asked(applicant) };
    let moderator = accounts.moderator_from(reviewer, case, CardProof::Claimed(proof), facts).await?;
    accounts.approve(moderator).await
}

/// A denial that runs after Discord has answered.
async fn deny_on(
    accounts: &Accounts,
    reviewer: &Reviewer,
    id: RequestId,
    reviewing: Option<&MemberFacts>,
    (reason, notify): (&str, Notify),
) -> Result<Decided, UseCaseError> {
    let (case, _) = accounts.decision_case(reviewer.guild_id, id).await?;
    let facts = FreshFacts { reviewer: reviewing.cloned(), applicant: ApplicantFacts::NotAsked };
    let card = CardProof::Claimed(Proof::CommandLine);
    let moderator = accounts.moderator_from(reviewer, case, card, facts).await?;
    accounts.deny(moderator, reason, notify).await
}

async fn approves(env: &AccountsEnv, user: u64, request: &Request) -> Result<Decided, UseCaseError> {
    let answer = fresh(user, &[MODERATOR]);
    approve_on(&env.accounts, &reviewer(user), request.id, Proof::CommandLine, &answer).await
}

async fn denies(
    env: &AccountsEnv,
    user: u64,
    request: &Request,
    notify: Notify,
) -> Result<Decided, UseCaseError> {
    let moderator = member(user, &[MODERATOR]);
    let how = ("not now", notify);
    deny_on(&env.accounts, &reviewer(user), request.id, Some(&moderator), how).await
}

/// A card as the sender records it.
async fn card(env: &AccountsEnv, request: &Request) -> Proof {
    let message_id = MessageId::new(77);
    let mut tx = env.store.begin().await.expect("a transaction");
    let card = tx.prepare_message(request.id, MessageKind::Card, (GUILD, CARDS)).await.expect("a card");
    tx.confirm_message(request.id, MessageKind::Card, message_id, card.nonce).await.expect("confirmed");
    tx.commit("test").await.expect("a commit");
    Proof::Card { nonce: card.nonce, channel_id: CARDS, message_id }
}

#[tokio::test]
async fn approval_writes_decision_account_job_audit_row_and_card_together() {
    let env = AccountsEnv::new().await;
    let request = env.asks(ADA, "ada").await;
    env.takes_messages().await;
    let decided = approves(&env, GRACE, &request).await.expect("approved");
    assert_eq!((decided.verdict, decided.request_code), (Verdict::Approve, request.code.clone()));
    assert_eq!(env.request(request.id).await.state, RequestState::Approved);
    let mut view = env.store.read().await.expect("a view");
    let account = view.account_of(request.person_id).await.expect("an answer").expect("an account");
    assert_eq!((account.state, account.username.as_str()), (AccountState::Creating, "ada"));
    let jobs = view.unfinished_jobs_of(request.person_id).await.expect("jobs");
    let kinds: Vec<_> = jobs.iter().map(|job| (job.kind, job.account_id)).collect();
    assert_eq!(kinds, [(JobKind::Provision, Some(account.id))], "the open check has ended");
    let grace = view.person_of(DiscordUserId::new(GRACE)).await.expect("an answer").expect("a person");
    let (event, actor, reason) = env.audit().await.pop().expect("a row");
    assert_eq!((event.as_str(), actor), ("request.approved", grace.id.to_string()));
    assert_eq!(reason.as_deref(), Some("rule:members"), "the log names the rule");
    assert_eq!(env.takes_messages().await, [format!("card:{}", request.id)]);
}

#[tokio::test]
async fn whoever_may_not_decide_is_refused_audited_and_changes_nothing() {
    let env = AccountsEnv::new().await;
    let request = env.asks(ADA, "ada").await;
    let now = crate::clock::Clock::now(env.clock.as_ref());
    let power = [MODERATOR, ADMIN];
    let cases = [
        (GRACE, None, ErrorCode::NotModerator),
        (GRACE, Some(member(GRACE, &[MEMBER])), ErrorCode::NotModerator),
        (GRACE, Some(MemberFacts { pending: true, ..member(GRACE, &power) }), ErrorCode::NotModerator),
        (GRACE, Some(MemberFacts { bot: true, ..member(GRACE, &power) }), ErrorCode::NotModerator),
        (
            GRACE,
            Some(MemberFacts {
                timed_out_until: Some(now.after(Duration::from_secs(1))),
                ..member(GRACE, &power)
            }),
            ErrorCode::NotModerator,
        ),
        // Discord's answer is about another user or another guild.
        (GRACE, Some(member(LINUS, &power)), ErrorCode::NotModerator),
        (
            GRACE,
            Some(MemberFacts { guild_id: GuildId::new(1), ..member(GRACE, &power) }),
            ErrorCode::NotModerator,
        ),
        (ADA, Some(member(ADA, &power)), ErrorCode::OwnRequest),
    ];
    let tries = cases.len() * 2;
    for (user, facts, error_code) in cases {
        let answer = Fresh { reviewer: facts.clone(), applicant: Some(member(ADA, &[MEMBER])) };
        let approved =
            approve_on(&env.accounts, &reviewer(user), request.id, Proof::CommandLine, &answer).await;
        assert_eq!(approved, Err(UseCaseError::because(error_code)));
        let how = ("", Notify::Told);
        let denied = deny_on(&env.accounts, &reviewer(user), request.id, facts.as_ref(), how).await;
        assert_eq!(denied, Err(UseCaseError::because(error_code)));
    }
    assert_eq!(env.request(request.id).await.revision, request.revision);
    let refused = env.events().await.into_iter().filter(|event| event == "press.refused").count();
    assert_eq!(refused, tries);
}

#[tokio::test]
async fn the_command_line_decides_under_the_operators_name_and_never_for_oneself() {
    let env = AccountsEnv::new().await;
    let request = env.asks(ADA, "ada").await;
    let at_terminal =
        |user| Reviewer { via: Source::Cli, cli_login: Some("root".to_owned()), ..reviewer(user) };
    let own = fresh(ADA, &[ADMIN]);
    let refused = approve_on(&env.accounts, &at_terminal(ADA), request.id, Proof::CommandLine, &own).await;
    assert_eq!(refused, Err(UseCaseError::because(ErrorCode::OwnRequest)));
    let grace = fresh(GRACE, &[ADMIN]);
    approve_on(&env.accounts, &at_terminal(GRACE), request.id, Proof::CommandLine, &grace)
        .await
        .expect("approved");
    let audit = env.audit().await;
    let rows: Vec<_> = audit.iter().map(|(event, actor, _)| (event.as_str(), actor.as_str())).collect();
    assert_eq!(rows[1..], [("press.refused", "cli:root"), ("request.approved", "cli:root")]);
}

#[tokio::test]
async fn the_second_of_two_presses_hears_who_was_first() {
    let env = AccountsEnv::new().await;
    let request = env.asks(ADA, "ada").await;
    approves(&env, GRACE, &request).await.expect("approved");
    let at = crate::clock::Clock::now(env.clock.as_ref());
    let first = Details::DecidedBy { who: DiscordUserId::new(GRACE), verdict: Verdict::Approve, at };
    let late = Err(UseCaseError::with(ErrorCode::AlreadyDecided, first));
    assert_eq!(approves(&env, LINUS, &request).await, late);
    assert_eq!(denies(&env, LINUS, &request, Notify::Told).await, late);
    assert_eq!(env.events().await, ["request.submitted", "request.approved"]);
}

#[tokio::test]
async fn a_decision_on_what_a_rule_approved_or_its_author_took_back_hears_how_it_ended() {
    let env = AccountsEnv::new().await;
    let by_rule = env.asks(ADA, "ada").await;
    env.approves(&by_rule).await;
    let ended = |state| Err(UseCaseError::with(ErrorCode::AlreadyDecided, Details::Ended { state }));
    assert_eq!(approves(&env, GRACE, &by_rule).await, ended(RequestState::Approved));
    let taken_back = env.asks(EVE, "eve").await;
    env.accounts.cancel(&env.caller(EVE), None).await.expect("cancelled");
    assert_eq!(denies(&env, GRACE, &taken_back, Notify::Told).await, ended(RequestState::Cancelled));
}

/// Runs approvals or denials concurrently. Returns how many of them decided, and checks that all others report an earlier decision.
async fn decided_at_once(
    answers: impl Iterator<Item = impl Future<Output = Result<Decided, UseCaseError>>>,
) -> usize {
    let answers = futures::future::join_all(answers).await;
    for answer in &answers {
        let error_code = answer.as_ref().err().map(|denied| denied.error_code);
        assert!(error_code.is_none_or(|error_code| error_code == ErrorCode::AlreadyDecided), "{answer:?}");
    }
    answers.iter().filter(|answer| answer.is_ok()).count()
}

#[tokio::test]
async fn one_press_delivered_a_hundred_times_decides_once() {
    let env = AccountsEnv::new().await;
    let request = env.asks(ADA, "ada").await;
    assert_eq!(decided_at_once((0..100).map(|_| approves(&env, GRACE, &request))).await, 1);
    let other = env.asks(EVE, "eve").await;
    assert_eq!(decided_at_once((0..100).map(|_| denies(&env, GRACE, &other, Notify::Told))).await, 1);
    let events = env.events().await;
    let count = |wanted: &str| events.iter().filter(|event| *event == wanted).count();
    assert_eq!((count("request.approved"), count("request.denied")), (1, 1), "{events:?}");
    let mut view = env.store.read().await.expect("a view");
    let jobs = view.unfinished_jobs_of(request.person_id).await.expect("an answer");
    assert_eq!(jobs.iter().map(|job| job.kind).collect::<Vec<_>>(), [JobKind::Provision]);
    assert!(view.account_of(other.person_id).await.expect("an answer").is_none());
}

#[tokio::test]
async fn of_fifty_people_with_one_address_one_is_approved_and_the_others_are_held() {
    let env = AccountsEnv::new().await;
    let mut requests = Vec::new();
    for number in 0..50 {
        let user = EVE + 100 + number;
        let typed =
            FormInput { address: "one@example.org".to_owned(), ..accounts_env::typed(&letters("p", number)) };
        let draft = env.accounts.save_draft(&env.caller(user), typed).await.expect("a draft").request;
        env.sends(user, &draft).await.expect("a sent request");
        requests.push((user, env.request(draft.id).await));
    }
    let approvals = requests.iter().map(async |(user, request)| {
        let moderator = Some(member(GRACE, &[MODERATOR]));
        let answer = Fresh { reviewer: moderator, applicant: Some(member(*user, &[MEMBER])) };
        approve_on(&env.accounts, &reviewer(GRACE), request.id, Proof::CommandLine, &answer).await
    });
    let answers = futures::future::join_all(approvals).await;
    let in_use = Err(UseCaseError::because(ErrorCode::AddressInUse));
    let held = answers.iter().filter(|answer| **answer == in_use).count();
    let approved = answers.iter().filter(|answer| answer.is_ok()).count();
    assert_eq!((approved, held), (1, 49), "{answers:?}");
    for ((_, request), answer) in requests.iter().zip(&answers) {
        let state = env.request(request.id).await.state;
        let wanted = if answer.is_ok() { RequestState::Approved } else { RequestState::Held };
        assert_eq!(state, wanted);
    }
}

/// A name for each number; no two of them look alike.
fn letters(first: &str, number: u64) -> String {
    let digit = |at: u64| char::from(b"abcdefghjk"[usize::try_from(at % 10).expect("a digit")]);
    [first, &String::from_iter([digit(number / 100), digit(number / 10), digit(number)])].concat()
}

#[tokio::test]
async fn a_button_must_be_of_the_recorded_card() {
    let env = AccountsEnv::new().await;
    let request = env.asks(ADA, "ada").await;
    let answer = fresh(GRACE, &[MODERATOR]);
    let press = async |proof| approve_on(&env.accounts, &reviewer(GRACE), request.id, proof, &answer).await;
    let stale = Err(UseCaseError::because(ErrorCode::StaleButton));
    let changed = Err(UseCaseError::with(ErrorCode::StaleButton, Details::CardChanged));
    let nowhere = Proof::Card { nonce: Nonce::new(1), channel_id: CARDS, message_id: MessageId::new(77) };
    assert_eq!(press(nowhere).await, stale);
    let proof = card(&env, &request).await;
    let Proof::Card { nonce, channel_id, message_id } = proof else { panic!("no card") };
    // The place is correct, but the nonce belongs to another edit: the card is updated.
    let edits = async || {
        let claimed = env.claim_message().await;
        claimed.filter(|row| row.kind == OutboxKind::Card)
    };
    while let Some(row) = edits().await {
        let mut tx = env.store.begin().await.expect("a transaction");
        tx.outbox_sent(&row).await.expect("it is sent");
        tx.commit("test").await.expect("a commit");
    }
    for nonce in [Nonce::new(1), Nonce::NONE] {
        assert_eq!(press(Proof::Card { nonce, channel_id, message_id }).await, changed, "{nonce}");
    }
    assert!(edits().await.is_some(), "the card is not updated, and its buttons can never be used");
    for forged in [
        Proof::Card { nonce, channel_id: ChannelId::new(1), message_id },
        Proof::Card { nonce, channel_id, message_id: MessageId::new(1) },
    ] {
        assert_eq!(press(forged).await, stale, "{forged:?}");
    }
    // An edit is in progress. The previous button is valid until Discord confirms the edit.
    let mut tx = env.store.begin().await.expect("a transaction");
    tx.prepare_message(request.id, MessageKind::Card, (GUILD, CARDS)).await.expect("a card");
    tx.commit("test").await.expect("a commit");
    assert!(press(proof).await.is_ok());
}

#[tokio::test]
async fn a_request_of_another_guild_is_none() {
    let env = AccountsEnv::with(|config| {
        let mut other = config.guilds[0].clone();
        other.id = GuildId::new(5);
        config.guilds.push(other);
    })
    .await;
    let request = env.asks(ADA, "ada").await;
    for guild in [5, 6] {
        let foreign = Reviewer { guild_id: GuildId::new(guild), ..reviewer(GRACE) };
        let answer = fresh(GRACE, &[MODERATOR]);
        let pressed = approve_on(&env.accounts, &foreign, request.id, Proof::CommandLine, &answer).await;
        assert_eq!(pressed, Err(UseCaseError::because(ErrorCode::StaleButton)));
    }
}

#[tokio::test]
async fn a_leavers_request_ends_and_a_poorer_members_stays() {
    let env = AccountsEnv::new().await;
    let request = env.asks(ADA, "ada").await;
    let poorer = Fresh { reviewer: Some(member(GRACE, &[MODERATOR])), applicant: Some(member(ADA, &[])) };
    let pressed = approve_on(&env.accounts, &reviewer(GRACE), request.id, Proof::CommandLine, &poorer).await;
    assert_eq!(pressed.expect_err("refused").error_code, ErrorCode::RoleLost);
    let after = env.request(request.id).await;
    assert_eq!((after.state, after.reason_code), (RequestState::Waiting, Some(ErrorCode::RoleLost)));

    let left = Fresh { reviewer: Some(member(GRACE, &[MODERATOR])), applicant: None };
    let pressed = approve_on(&env.accounts, &reviewer(GRACE), request.id, Proof::CommandLine, &left).await;
    assert_eq!(pressed, Err(UseCaseError::because(ErrorCode::MemberGone)));
    let after = env.request(request.id).await;
    assert_eq!((after.state, after.reason_code), (RequestState::Cancelled, Some(ErrorCode::MemberGone)));
    assert_eq!(env.events().await, ["request.submitted", "request.refused", "request.cancelled"]);
    let mut told = Vec::new();
    while let Some(message) = env.claim_message().await {
        told.extend((message.kind == OutboxKind::Direct).then_some(message.params));
    }
    let is_told = |params: &String| params.contains("cancelled") && params.contains(&request.id.to_string());
    assert!(told.iter().any(is_told), "nobody told the owner of the request: {told:?}");
    let status = env.accounts.status(&env.caller(ADA)).await.expect("a status");
    assert!(matches!(status.stage, Stage::Cancelled { why: Some(ErrorCode::MemberGone), .. }), "{status:?}");
}

#[tokio::test]
async fn a_role_that_came_back_lets_the_same_request_be_approved() {
    let env = AccountsEnv::new().await;
    let request = env.asks(ADA, "ada").await;
    let poorer = Fresh { reviewer: Some(member(GRACE, &[MODERATOR])), applicant: Some(member(ADA, &[])) };
    let pressed = approve_on(&env.accounts, &reviewer(GRACE), request.id, Proof::CommandLine, &poorer).await;
    assert!(pressed.is_err());
    approves(&env, GRACE, &request).await.expect("approved");
    assert_eq!(env.request(request.id).await.reason_code, None);
}

#[tokio::test]
async fn who_was_denied_access_after_asking_is_not_approved() {
    let env = AccountsEnv::new().await;
    let request = env.asks(ADA, "ada").await;
    let domain = DenyTarget::domain("example.org").expect("a domain");
    env.accounts.deny_add(&env.admin(Purpose::DenyList), &domain, None, "").await.expect("added");
    assert_eq!(approves(&env, GRACE, &request).await, Err(UseCaseError::because(ErrorCode::DeniedPerson)));
    assert!(denies(&env, GRACE, &request, Notify::Told).await.is_ok());
}

#[tokio::test]
async fn a_held_request_answers_its_hold_and_can_be_denied() {
    let env = AccountsEnv::new().await;
    for code in [ErrorCode::AddressInUse, ErrorCode::NameUnavailable] {
        let request = env.asks(ADA, "ada").await;
        let request = env.holds(&request, code).await;
        assert_eq!(approves(&env, GRACE, &request).await, Err(UseCaseError::because(code)));
        denies(&env, GRACE, &request, Notify::Told).await.expect("denied");
        assert_eq!(env.request(request.id).await.state, RequestState::Denied);
    }
}

#[tokio::test]
async fn an_address_that_is_being_given_to_somebody_else_holds_the_request() {
    let env = AccountsEnv::new().await;
    let request = env.asks(ADA, "ada").await;
    // Eve's form has Ada's address in a different case.
    let mut form = accounts_env::typed("eve");
    form.address = "ADA@Example.org".to_owned();
    let draft = env.accounts.save_draft(&env.caller(EVE), form).await.expect("a draft").request;
    env.sends(EVE, &draft).await.expect("the requester learns nothing");
    let eves = env.request(draft.id).await;
    approves(&env, GRACE, &request).await.expect("approved");
    let answer =
        Fresh { reviewer: Some(member(GRACE, &[MODERATOR])), applicant: Some(member(EVE, &[MEMBER])) };
    let pressed = approve_on(&env.accounts, &reviewer(GRACE), eves.id, Proof::CommandLine, &answer).await;
    assert_eq!(pressed, Err(UseCaseError::because(ErrorCode::AddressInUse)));
    let after = env.request(eves.id).await;
    assert_eq!((after.state, after.reason_code), (RequestState::Held, Some(ErrorCode::AddressInUse)));
    let account = env.store.read().await.expect("a view").account_of(eves.person_id).await;
    assert!(account.expect("an answer").is_none());
    let status = env.accounts.status(&env.caller(EVE)).await.expect("a status");
    assert!(matches!(status.stage, Stage::Waiting { .. }), "{status:?}");
}

#[tokio::test]
async fn a_denial_is_told_with_its_reason_and_a_quiet_one_is_not() {
    let env = AccountsEnv::new().await;
    let request = env.asks(ADA, "ada").await;
    env.takes_messages().await;
    denies(&env, GRACE, &request, Notify::Told).await.expect("denied");
    let card = format!("card:{}", request.id);
    assert_eq!(env.takes_messages().await, [card, format!("direct:denied:{}", request.id)]);
    let status = env.accounts.status(&env.caller(ADA)).await.expect("a status");
    let reason = Some("not now".to_owned());
    assert!(matches!(status.stage, Stage::Denied { reason: ref told, .. } if *told == reason), "{status:?}");

    let request = env.asks(EVE, "eve").await;
    env.takes_messages().await;
    denies(&env, GRACE, &request, Notify::Quiet).await.expect("denied");
    assert_eq!(env.takes_messages().await, [format!("card:{}", request.id)]);
    let status = env.accounts.status(&env.caller(EVE)).await.expect("a status");
    assert!(matches!(status.stage, Stage::Ended { .. }), "{status:?}");
    let which = Some((request.id, request.nonce));
    let taken_back = env.accounts.cancel(&env.caller(EVE), which).await.expect_err("it is over");
    assert_eq!(taken_back.details, Details::Ended { state: RequestState::Expired });
    let audit = env.audit().await;
    let reasons: Vec<_> = audit
        .iter()
        .filter(|(event, _, _)| event == "request.denied")
        .map(|(_, _, reason)| reason.as_deref())
        .collect();
    assert_eq!(reasons, [Some("told"), Some("quiet")]);
}

#[tokio::test]
async fn the_denials_form_opens_for_those_who_may_decide_only() {
    let env = AccountsEnv::new().await;
    let request = env.asks(ADA, "ada").await;
    let proof = card(&env, &request).await;
    let opens = async |user, roles: &[RoleId], proof| {
        env.accounts.may_open_denial(&env.caller_with(user, roles), request.id, proof).await
    };
    assert_eq!(opens(GRACE, &[MODERATOR], proof).await, Ok(()));
    assert_eq!(opens(GRACE, &[MEMBER], proof).await, Err(UseCaseError::because(ErrorCode::NotModerator)));
    assert_eq!(opens(ADA, &[ADMIN], proof).await, Err(UseCaseError::because(ErrorCode::OwnRequest)));
    let forged = Proof::Card { nonce: Nonce::new(1), channel_id: CARDS, message_id: MessageId::new(77) };
    let changed = UseCaseError::with(ErrorCode::StaleButton, Details::CardChanged);
    assert_eq!(opens(GRACE, &[MODERATOR], forged).await, Err(changed));
    approves(&env, LINUS, &request).await.expect("approved");
    let late = opens(GRACE, &[MODERATOR], proof).await.expect_err("decided");
    assert_eq!(late.error_code, ErrorCode::AlreadyDecided);
}

#[tokio::test]
async fn without_discord_nothing_is_decided() {
    let env = AccountsEnv::new().await;
    let request = env.asks(ADA, "ada").await;
    for verdict in Verdict::ALL {
        let grace = reviewer(GRACE);
        let asked = env.accounts.authorize_moderator(&grace, request.id, Proof::CommandLine, *verdict);
        assert_eq!(asked.await.err(), Some(UseCaseError::because(ErrorCode::DiscordDown)), "{verdict}");
    }
    assert_eq!(env.request(request.id).await.state, RequestState::Waiting);
}

/// Requests wait in the order of arrival. None is refused while the database makes progress.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_who_send_at_once_are_all_answered_and_nobody_is_told_busy() {
    let env = AccountsEnv::new().await;
    let mut drafts = Vec::new();
    for number in 0..1000 {
        let user = EVE + 10_000 + number;
        drafts.push((user, env.drafts(user, &letters("s", number)).await.request));
    }
    let answers = futures::future::join_all(drafts.iter().map(|(user, draft)| env.sends(*user, draft))).await;
    let refused: Vec<_> = answers.iter().filter_map(|answer| answer.as_ref().err()).collect();
    assert_eq!(refused, Vec::<&UseCaseError>::new());
}
