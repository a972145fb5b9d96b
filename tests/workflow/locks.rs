//! Lost locks: what must be locked is looked at again. The lock is taken away by hand, as an open password form does in a directory
//! without the documented access rules.

use accolade::domain::job::{JobKind, Step};
use serde_json::json;

use super::enable::{is_disabled, lock_of};
use harness::{Database, MODERATORS, REALM, StepEnv, WithdrawnBy, shared};

const LOCK: &str = "pwdAccountLockedTime";
const FULL_LOCK: &str = "000001010000Z";

async fn loses_its_lock(env: &StepEnv) {
    shared().servers.slapd.set_attribute(&env.dn(), LOCK, &[]).await.expect("taken away by hand");
}

/// Looks once. Returns how many accounts are being locked again.
async fn looks(env: &StepEnv) -> usize {
    env.worker().look_at_locks().await.expect("the store answers")
}

fn notices(env: &StepEnv) -> usize {
    env.admins_read().iter().filter(|text| text.contains("must be locked, and was not")).count()
}

fn looked_again(database: Database) {
    StepEnv::plays(database, MODERATORS, async |env| {
        is_disabled(env).await;
        assert_eq!(looks(env).await, 0, "all is as it must be");
        loses_its_lock(env).await;
        assert!(env.bind_works().await, "without its lock the old password works");
        assert_eq!(looks(env).await, 1);
        assert_eq!(looks(env).await, 0, "its job is there already");
        env.drains().await;
        assert_eq!(lock_of(env).await.as_deref(), Some(FULL_LOCK));
        assert!(!env.bind_works().await);
        assert_eq!(env.states().await, "approved done disabled");
        assert_eq!(looks(env).await, 0);
        env.drains().await;
        assert_eq!(notices(env), 1, "{:?}", env.admins_read());
        assert_eq!(env.rows("SELECT seq FROM audit WHERE event = 'lock.lost'").await.len(), 1);
        let locked = "SELECT before FROM audit WHERE event = 'entry.locked'";
        assert_eq!(env.rows(locked).await.len(), 2, "the first lock, and this one");
        let told = env.ada.sees_everything();
        assert_eq!(told.matches("is locked: the password no longer works").count(), 1, "{told}");
    });
}

#[test]
fn a_lock_that_was_taken_away_is_set_again_and_the_admins_are_told_once() {
    looked_again(Database::Sqlite);
}

#[test]
fn a_lock_that_was_taken_away_is_set_again_and_the_admins_are_told_once_on_postgres() {
    looked_again(Database::Postgres);
}

#[test]
fn a_user_that_somebody_enabled_in_keycloak_is_disabled_again() {
    StepEnv::plays(Database::Sqlite, MODERATORS, async |env| {
        is_disabled(env).await;
        let user = env.user().await.expect("the user is there");
        let keycloak = &shared().servers.keycloak;
        keycloak.set_user(REALM, &user.id, &json!({ "enabled": true })).await.expect("enabled by hand");
        assert_eq!(looks(env).await, 1);
        env.drains().await;
        assert!(env.user().await.is_some_and(|user| !user.enabled));
        assert_eq!(notices(env), 1);
    });
}

#[test]
fn an_account_whose_end_waits_for_keycloak_is_looked_at_too() {
    StepEnv::plays(Database::Sqlite, MODERATORS, async |env| {
        let made = env.invited().await;
        env.withdraws(&made, WithdrawnBy::Person).await;
        env.worker_without_keycloak().drain_once().await.expect("the store answers");
        assert_eq!(env.step().await, Step::Disable.code());
        assert_eq!(looks(env).await, 0, "the lock is there");
        loses_its_lock(env).await;
        assert_eq!(looks(env).await, 1);
        assert_eq!(env.step().await, Step::Lock.code(), "the job begins with the lock again");
        assert_eq!(looks(env).await, 0, "the job itself locks");
        env.drains().await;
        assert_eq!(env.states().await, "cancelled done closed");
        env.has_nothing_left().await;
        assert_eq!(notices(env), 1);
    });
}

#[test]
fn what_is_being_unlocked_or_is_not_ours_is_left_alone() {
    StepEnv::plays(Database::Sqlite, MODERATORS, async |env| {
        let made = is_disabled(env).await;
        env.wants(JobKind::Enable, &made).await;
        env.drains_up_to(Step::Unlock).await;
        assert_eq!(lock_of(env).await, None);
        assert_eq!(looks(env).await, 0, "it is being unlocked");
        env.drains().await;
        assert_eq!(env.states().await, "approved done active");
        assert_eq!(looks(env).await, 0, "it is in use");

        env.wants(JobKind::Lock, &made).await;
        env.drains().await;
        let slapd = &shared().servers.slapd;
        let mark = slapd.entry(&env.dn()).await.expect("an answer").expect("the entry");
        let mark = mark.value("description").expect("a mark").to_owned();
        slapd.set_attribute(&env.dn(), "description", &["somebody else's"]).await.expect("by hand");
        loses_its_lock(env).await;
        assert_eq!(looks(env).await, 0, "an entry without our mark is not ours to lock");
        slapd.set_attribute(&env.dn(), "description", &[&mark]).await.expect("put right");
        assert_eq!(looks(env).await, 1);
        env.drains().await;
        assert_eq!(lock_of(env).await.as_deref(), Some(FULL_LOCK));
    });
}
