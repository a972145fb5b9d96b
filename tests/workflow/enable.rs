//! Unlocking a disabled account: who may have it unlocked, that the old password opens nothing at any moment, and what happens if it
//! stops on the way.

use accolade::accounts::deny_list::DenyTarget;
use accolade::accounts::enable::Enabling;
use accolade::accounts::{Admin, Details, NotEnabled, Operator, Purpose, Reviewer, UseCaseError};
use accolade::domain::audit::Source;
use accolade::domain::error_code::ErrorCode;
use accolade::domain::ids::{DiscordUserId, GuildId};
use accolade::domain::job::{Job, JobKind, Step};
use accolade::domain::lang::Lang;

use harness::{Database, MODERATORS, OutsideCall, REALM, StepEnv, shared};
use testbed::proxy::Which;

const LOCK: &str = "pwdAccountLockedTime";
const FULL_LOCK: &str = "000001010000Z";

/// Ada's account was in use, and is disabled.
pub(crate) async fn is_disabled(env: &StepEnv) -> Job {
    let made = env.invited().await;
    env.sets_password().await;
    env.frees_leases().await;
    env.worker().look_for_activations().await.expect("the store answers");
    env.drains().await;
    env.wants(JobKind::Lock, &made).await;
    env.drains().await;
    assert_eq!(env.states().await, "approved done disabled");
    made
}

fn operator(env: &StepEnv, purpose: Purpose) -> Admin {
    env.accounts().authorize_operator(&Operator { login: "linus".to_owned() }, purpose)
}

async fn enables(env: &StepEnv, reason: &str) -> Result<Enabling, UseCaseError> {
    let admin = operator(env, Purpose::LinkEnable);
    let asked = env.accounts().enable(&admin, &env.username(), reason).await?;
    Ok(asked.expect("one link has this name").what)
}

fn refused(why: NotEnabled) -> Result<Enabling, UseCaseError> {
    Err(UseCaseError::with(why.error_code(), Details::NotEnabled(why)))
}

pub(crate) async fn lock_of(env: &StepEnv) -> Option<String> {
    let entry = shared().servers.slapd.entry(&env.dn()).await.expect("the directory answers");
    entry.expect("the entry is there").value(LOCK).map(str::to_owned)
}

/// The jobs `enable`, unfinished or not.
async fn jobs(env: &StepEnv) -> usize {
    env.rows("SELECT id FROM job WHERE kind = 'enable'").await.len()
}

#[test]
fn an_account_is_unlocked_once_and_its_reason_is_kept_beside_the_log() {
    StepEnv::plays(Database::Sqlite, MODERATORS, async |env| {
        is_disabled(env).await;
        assert_eq!(enables(env, "She has her mailbox back").await, Ok(Enabling::Begun));
        assert_eq!(enables(env, "Once more").await, Ok(Enabling::UnderWay));
        assert_eq!(jobs(env).await, 1);
        env.drains().await;
        assert_eq!(env.states().await, "approved done active");
        assert!(!env.bind_works().await, "the old password is gone");
        assert_eq!(env.outside().await.mails, 2);
        let rows = "SELECT actor_id || ' ' || before || ' ' || after FROM audit WHERE event = 'account.enabled' ORDER BY seq";
        let rows = env.rows(rows).await;
        let rows: Vec<_> = rows.iter().filter_map(|row| row.values().next()?.as_str()).collect();
        assert_eq!(rows, ["cli:linus disabled enable_asked", "system disabled active"]);
        let grant = env.accounts().authorize_operator_reader(&Operator { login: "linus".to_owned() });
        let code = env.text("SELECT code FROM request").await;
        let shown = env.accounts().request_shown(&grant, &code).await.expect("an answer").expect("it");
        let texts = env.accounts().request_texts(&grant, &shown).await.expect("an answer");
        let reasons: Vec<_> = texts.enable_reasons.iter().map(|note| note.text.as_str()).collect();
        assert_eq!(reasons, ["She has her mailbox back"]);
        // The random password is nowhere in the store.
        let stored = "SELECT output FROM job_step WHERE output LIKE '%aA1!%'";
        assert!(env.rows(stored).await.is_empty());
        assert_eq!(enables(env, "Again").await, refused(NotEnabled::NotLocked));
    });
}

#[test]
fn nobody_is_unlocked_who_may_not_have_an_account_now() {
    StepEnv::plays(Database::Sqlite, MODERATORS, async |env| {
        let made = env.invited().await;
        assert_eq!(enables(env, "Not locked").await, refused(NotEnabled::NotLocked));
        env.sets_password().await;
        env.frees_leases().await;
        env.worker().look_for_activations().await.expect("the store answers");
        env.drains().await;
        env.wants(JobKind::Lock, &made).await;
        assert_eq!(enables(env, "Not yet").await, refused(NotEnabled::NotYet));
        env.drains().await;

        assert_eq!(enables(env, " \n ").await, refused(NotEnabled::ReasonMissing));
        env.ada.loses("member");
        assert_eq!(enables(env, "No role").await, refused(NotEnabled::RoleLost));
        env.ada.leaves();
        assert_eq!(enables(env, "She left").await, refused(NotEnabled::MemberGone));
        env.ada.joins();
        env.ada.gains("member");

        let deny = operator(env, Purpose::DenyList);
        let ada = DenyTarget::Person(DiscordUserId::new(env.ada.id().0));
        let domain = DenyTarget::domain("people.example").expect("a domain");
        for target in [ada, domain] {
            env.accounts().deny_add(&deny, &target, None, "a test").await.expect("added");
            assert_eq!(enables(env, "Denied").await, refused(NotEnabled::Denied), "{target:?}");
            env.accounts().deny_remove(&deny, &target).await.expect("removed");
        }
        assert_eq!(jobs(env).await, 0);
        assert_eq!(lock_of(env).await.as_deref(), Some(FULL_LOCK));
        assert_eq!(enables(env, "All is well").await, Ok(Enabling::Begun));
        env.drains().await;
        assert_eq!(env.states().await, "approved done active");
    });
}

#[test]
fn an_admin_does_not_unlock_their_own_account_and_the_attempt_is_audited() {
    StepEnv::plays(Database::Sqlite, MODERATORS, async |env| {
        is_disabled(env).await;
        env.ada.gains("admin");
        let ada = Reviewer {
            user_id: DiscordUserId::new(env.ada.id().0),
            guild_id: GuildId::new(env.guild.id.0),
            via: Source::Chat,
            cli_login: None,
            interaction_id: None,
            lang: Lang::En,
        };
        let accounts = env.accounts();
        let admin = accounts.authorize_admin(&ada, Purpose::LinkEnable).await.expect("ada is an admin");
        let answer = accounts.enable(&admin, &env.username(), "It is me").await.map(drop);
        let own = UseCaseError::with(ErrorCode::OwnRequest, Details::NotEnabled(NotEnabled::OwnAccount));
        assert_eq!(answer, Err(own));
        assert_eq!(jobs(env).await, 0);
        let row = "SELECT reason_code FROM audit WHERE event = 'press.refused'";
        assert_eq!(env.text(row).await, "own_request");
        // A moderator is no admin.
        let grace = Reviewer { user_id: DiscordUserId::new(env.guild.member("grace").id().0), ..ada };
        env.guild.member("grace").loses("admin");
        let answer = accounts.authorize_admin(&grace, Purpose::LinkEnable).await.map(drop);
        assert_eq!(answer, Err(UseCaseError::with(ErrorCode::NotModerator, Details::AdminsOnly)));
    });
}

#[test]
fn the_old_password_opens_nothing_at_any_step_of_the_unlocking() {
    for step in JobKind::Enable.plan() {
        StepEnv::plays(Database::Sqlite, MODERATORS, async |env| {
            is_disabled(env).await;
            enables(env, "A test").await.expect("asked");
            env.stands_at(JobKind::Enable.plan(), *step).await;
            assert!(!env.bind_works().await, "before {step}");
            let is_reset = matches!(step, Step::Unlock | Step::Finalize);
            assert_eq!(lock_of(env).await.is_none(), is_reset, "before {step}");
            let is_enabled = env.user().await.is_some_and(|user| user.enabled);
            assert_eq!(is_enabled, *step == Step::Finalize, "before {step}");
            env.drains().await;
            assert_eq!(env.states().await, "approved done active");
            assert!(!env.bind_works().await, "after {step}");
        });
    }
}

#[test]
fn while_keycloak_does_not_answer_the_full_lock_stays() {
    StepEnv::plays(Database::Sqlite, MODERATORS, async |env| {
        is_disabled(env).await;
        enables(env, "A test").await.expect("asked");
        env.drains_up_to(Step::ResetPassword).await;
        env.worker_without_keycloak().drain_once().await.expect("the store answers");
        assert_eq!(lock_of(env).await.as_deref(), Some(FULL_LOCK), "nothing is half open");
        let resetting = OutsideCall::Server(Which::Http("PUT", "/reset-password"));
        assert!(env.drains_and_loses_answers_to(resetting).await > 0);
        assert_eq!(env.step().await, Step::ResetPassword.code());
        assert_eq!(lock_of(env).await.as_deref(), Some(FULL_LOCK), "the full lock is back");
        assert!(!env.bind_works().await);
        env.drains().await;
        assert_eq!(env.states().await, "approved done active");
    });
}

#[test]
fn who_leaves_between_the_command_and_its_job_stays_locked_until_an_admin_tries_again() {
    StepEnv::plays(Database::Sqlite, MODERATORS, async |env| {
        is_disabled(env).await;
        enables(env, "A test").await.expect("asked");
        env.ada.loses("member");
        env.drains().await;
        assert_eq!(env.states().await, "approved needs_operator disabled");
        assert_eq!(lock_of(env).await.as_deref(), Some(FULL_LOCK));
        assert!(env.user().await.is_some_and(|user| !user.enabled));
        assert_eq!(env.admins_read().iter().filter(|text| text.contains("needs an operator")).count(), 1);
        env.ada.gains("member");
        assert_eq!(enables(env, "She is back").await, Ok(Enabling::TriedAgain));
        assert_eq!(jobs(env).await, 1);
        env.drains().await;
        assert_eq!(env.states().await, "approved done active");
        assert!(!env.bind_works().await);
    });
}

#[test]
fn the_groups_are_those_of_the_rule_that_fits_when_the_account_is_unlocked() {
    StepEnv::plays(Database::Sqlite, MODERATORS, async |env| {
        is_disabled(env).await;
        env.ada.loses("member");
        env.ada.gains("guest");
        enables(env, "She is a guest now").await.expect("asked");
        env.drains().await;
        assert_eq!(env.states().await, "approved done active");
        let admin = operator(env, Purpose::Link);
        let shown = env.accounts().show_link(&admin, &env.username()).await.expect("an answer").expect("it");
        assert_eq!(shown.comparison.differences, Vec::new(), "the store and the directory agree");
    });
}

#[test]
fn an_account_that_was_kept_because_of_its_password_becomes_active_with_its_role() {
    StepEnv::plays(Database::Sqlite, MODERATORS, async |env| {
        env.approved().await;
        env.drains_up_to(Step::Mail).await;
        let slapd = &shared().servers.slapd;
        slapd.set_attribute(&env.dn(), "userPassword", &["Correct-horse-1"]).await.expect("set by hand");
        let job = env.job().await;
        env.cancels(&job).await;
        env.drains().await;
        assert_eq!(env.states().await, "cancelled undone disabled");
        assert_eq!(enables(env, "She wants to keep it").await, Ok(Enabling::Begun));
        env.drains().await;
        assert_eq!(env.text("SELECT state FROM account").await, "active");
        assert!(!env.bind_works().await, "the old password is gone");
        assert_eq!(env.outside().await.mails, 1, "the first mail of this account");
        assert!(env.has_role(), "an account in use has its role");
        let read = env.ada.sees_everything();
        assert!(read.contains("The old password no longer works"), "{read}");
    });
}

#[test]
fn a_link_that_is_open_while_the_account_is_unlocked_sets_a_password_that_stays() {
    StepEnv::plays(Database::Sqlite, MODERATORS, async |env| {
        is_disabled(env).await;
        enables(env, "A test").await.expect("asked");
        env.drains().await;
        let mails = shared().servers.mail.messages();
        let mail = mails.iter().rfind(|mail| mail.is_to(&env.address())).expect("a mail");
        let link = mail.links.iter().find(|link| link.contains("action-token")).expect("a link");
        let set = testbed::browser::follow_action_link(link, "Correct-horse-2").await.expect("a form");
        assert_eq!(set, testbed::browser::Outcome::PasswordSet);
        // The job runs once more, as after a record that was lost: the new password stays.
        env.puts_back(JobKind::Enable, "open", Step::ResetPassword).await;
        env.drains().await;
        let slapd = &shared().servers.slapd;
        assert!(slapd.bind_works(&env.dn(), "Correct-horse-2").await.expect("the directory answers"));
        assert!(!env.bind_works().await, "the old one does not");
        let user = shared().servers.keycloak.user_named(REALM, &env.username()).await;
        assert!(user.expect("keycloak answers").is_some_and(|user| user.enabled));
    });
}
