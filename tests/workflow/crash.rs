//! The bot is killed at every named crash point and started again. Everything that people began must then
//! finish: one account, one entry, one Keycloak user, no extra mail, and an unbroken audit chain.
//!
//! [`journey_through`] returns the journey that passes a point; a test checks that every point has one. Each point has its own environment;
//! several environments run at once.

#![expect(clippy::wildcard_enum_match_arm, reason = "most journeys differ at one place only")]

use std::time::Duration;

use anyhow::{Result, ensure};
use discord_sim::{Effect, Person};
use futures::StreamExt as _;

use testbed::{MailFault, wait_until};

use harness::{Database, EnvOptions, Harness, TestEnv, bail_with, visit, visit_alone};

/// How many environments run at once.
const AT_ONCE: usize = 3;

const FIFTEEN_DAYS: Duration = Duration::from_hours(15 * 24);

/// What people do in an environment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Journey {
    /// Ada asks, Grace approves, and Ada follows the link.
    Approve,
    /// The same as `Approve`, but a rule approves.
    Automatic,
    /// The mail cannot be sent, and Ada cancels her request.
    CancelEarly,
    /// Ada cancels her request after the mail was sent.
    CancelLate,
    /// The mail cannot be sent. Linus fixes the cause and retries the job.
    Retry,
    /// The mail server is down.
    MailAway,
    /// The mail server was down, and the second attempt succeeds.
    MailBack,
    /// Nobody does anything until the bot has renewed a lease.
    Idle,
    /// Nobody decides the request.
    Expiry,
    /// Nobody follows the link.
    Unused,
    /// The password was set, but the bot has not noticed it.
    Restored,
    /// Discord refuses messages for a while.
    NoMessages,
    /// Discord is slow when the member role is granted.
    SlowRole,
    /// Discord refuses to grant the member role for a while.
    NoRole,
    /// The bot is asked to stop in the middle of a job.
    Stop,
    /// Someone creates Ada's entry by hand.
    Conflict,
    /// Grace denies the request.
    Deny,
    /// Ada first asks for a reserved name.
    ReservedName,
    /// Ada presses a button on her own card.
    OwnCard,
    /// Ada loses her role for a while.
    RoleLost,
    /// Ada leaves the guild.
    Leaves,
    /// Ada requests another mail before she follows the link.
    MailAgain,
    /// Someone else sets the password, and Ada reports it.
    NotMe,
    /// The account is locked, and Linus unlocks it.
    Enable,
    /// Someone takes the lock of a disabled account away while the bot is down.
    LockLost,
    /// Linus posts the panel.
    Panel,
}

/// The journey that passes a crash point.
fn journey_through(point: &str) -> Journey {
    let name = point.trim_start_matches("store.commit.before:").trim_start_matches("store.commit.after:");
    match name {
        "job.mail_refund" | "job.operator" | "retry" => Journey::Retry,
        "job.mail_unknown" => Journey::MailAway,
        // Only a mail that was tried before has a record of its own. Only after such a mail does the worker
        // query the directory again.
        "provision.mail" | "provision.invite.before_call" | "provision.invite.after_call" => {
            Journey::MailBack
        }
        "lease.renew" => Journey::Idle,
        "job.renew" => Journey::SlowRole,
        "job.later" => Journey::NoRole,
        "job.release" | "lease.give_back" => Journey::Stop,
        "job.wake" | "outbox.later" => Journey::NoMessages,
        "job.undo" => Journey::CancelEarly,
        "job.conflict" => Journey::Conflict,
        "housekeeping.expire" | "housekeeping.purge" => Journey::Expiry,
        "housekeeping.withdraw" => Journey::Unused,
        "cancel" => Journey::CancelLate,
        "deny" => Journey::Deny,
        "send_refused" => Journey::ReservedName,
        "press_refused" => Journey::OwnCard,
        "role_lost" => Journey::RoleLost,
        "member_gone" => Journey::Leaves,
        "password" => Journey::MailAgain,
        "not_me" => Journey::NotMe,
        "enable" => Journey::Enable,
        "locks.again" => Journey::LockLost,
        "panel" => Journey::Panel,
        name if name.starts_with("resend.") => Journey::MailAgain,
        name if name.starts_with("lock.") => Journey::NotMe,
        name if name.starts_with("enable.") => Journey::Enable,
        name if name.starts_with("withdraw.unlock") => Journey::Restored,
        name if name.starts_with("withdraw.") => Journey::CancelLate,
        name if name.starts_with("undo.") => Journey::CancelEarly,
        name if name.starts_with("check.check_availability") => Journey::Automatic,
        _ => Journey::Approve,
    }
}

/// Plays a journey in an environment and checks the result.
async fn travel(env: &TestEnv, journey: Journey) -> Result<()> {
    match journey {
        Journey::Approve | Journey::Automatic | Journey::SlowRole | Journey::NoRole => {
            env.starts_armed().await?;
            match journey {
                Journey::SlowRole => env.sim.fails(GRANT, Effect::Hold { after: 0 }, 1),
                Journey::NoRole => env.sim.fails(GRANT, Effect::Status { status: 503 }, 2),
                _ => {}
            }
            env.ada_asks().await?;
            if journey != Journey::Automatic {
                env.grace_approves().await?;
            }
            if journey == Journey::SlowRole { is_used_at_last(env).await } else { is_used(env).await }
        }
        Journey::CancelEarly | Journey::Retry => mail_is_refused(env, journey).await,
        Journey::CancelLate => {
            env.starts_armed().await?;
            is_invited(env).await?;
            takes_it_back(env).await?;
            env.waits_for(ACCOUNTS, "closed").await?;
            env.is_in_order("closed", 0).await
        }
        Journey::Idle => is_used_after_a_rest(env).await,
        Journey::MailAway => {
            env.starts_armed().await?;
            env.ada_asks().await?;
            let mail = env.mail_server();
            mail.set_fault(MailFault::RefuseConnections).await?;
            let approved = async {
                env.grace_approves().await?;
                // The restarted bot sends the mail; the bot that is killed could not reach the mail server.
                wait_until("the bot to end", harness::test_env::LIMIT, async || env.is_dead().await).await
            };
            let approved = approved.await;
            mail.set_fault(MailFault::None).await?;
            approved?;
            is_used(env).await
        }
        Journey::MailBack => mail_comes_back(env).await,
        Journey::Expiry => {
            env.starts().await?;
            env.ada_asks().await?;
            env.wait_until_idle().await?;
            env.stops().await?;
            env.advances(FIFTEEN_DAYS)?;
            env.starts_armed().await?;
            env.waits_for("SELECT state FROM request", "expired").await?;
            env.is_in_order("", 0).await
        }
        Journey::Unused => {
            env.starts().await?;
            is_invited(env).await?;
            env.wait_until_idle().await?;
            env.stops().await?;
            env.advances(FIFTEEN_DAYS)?;
            env.starts_armed().await?;
            env.waits_for(ACCOUNTS, "closed").await?;
            env.is_in_order("closed", 0).await
        }
        Journey::Restored => {
            env.starts_armed().await?;
            is_invited(env).await?;
            env.sets_password_by_hand().await?;
            env.advances(FIFTEEN_DAYS)?;
            env.waits_for(ACCOUNTS, "active").await?;
            env.is_in_order("active", 1).await
        }
        Journey::NoMessages => {
            env.starts_armed().await?;
            env.sim.fails("POST /channels/{channel}/messages", Effect::Status { status: 503 }, 5);
            env.ada_asks().await?;
            env.lets_time_pass_until("SELECT 'posted' FROM message WHERE message_id IS NOT NULL", "posted")
                .await?;
            env.grace_approves().await?;
            is_used(env).await
        }
        Journey::Stop => is_stopped(env).await,
        Journey::MailAgain => mails_again(env).await,
        Journey::NotMe => stays_locked(env).await,
        Journey::Enable => is_enabled_again(env).await,
        Journey::LockLost => loses_its_lock(env).await,
        Journey::Panel => is_posted(env).await,
        Journey::Conflict => {
            env.starts_armed().await?;
            env.ada_asks().await?;
            env.waits_for("SELECT state FROM job", "done").await?;
            env.enters_ada_by_hand().await?;
            env.grace_approves().await?;
            env.waits_for(ACCOUNTS, "conflict").await?;
            env.is_in_order("conflict", 1).await
        }
        Journey::Deny | Journey::ReservedName | Journey::OwnCard | Journey::RoleLost | Journey::Leaves => {
            error_code(env, journey).await
        }
    }
}

const GRANT: &str = "PUT /guilds/{guild}/members/{user}/roles/{role}";
const ACCOUNTS: &str = "SELECT state FROM account";

async fn is_invited(env: &TestEnv) -> Result<()> {
    env.ada_asks().await?;
    env.grace_approves().await?;
    env.waits_for(ACCOUNTS, "invited").await
}

async fn is_used(env: &TestEnv) -> Result<()> {
    env.waits_for("SELECT state FROM account WHERE state IN ('invited', 'active')", "invited").await?;
    env.ada_sets_password().await?;
    env.waits_for(ACCOUNTS, "active").await?;
    env.is_in_order("active", 1).await?;
    ensure!(env.person("ada").roles().contains(&"account-holder".to_owned()), "ada has no role");
    Ok(())
}

async fn is_used_after_a_rest(env: &TestEnv) -> Result<()> {
    env.starts_armed().await?;
    wait_until("the bot to end", harness::test_env::LIMIT, async || env.is_dead().await).await?;
    env.ada_asks().await?;
    env.grace_approves().await?;
    is_used(env).await
}

/// Discord answers only after the lease had to be renewed.
async fn is_used_at_last(env: &TestEnv) -> Result<()> {
    let answered = async {
        wait_until("the renewal", harness::test_env::LIMIT * 4, async || env.is_dead().await).await?;
        env.sim.heals();
        Ok(())
    };
    tokio::try_join!(is_used(env), answered).map(|_| ())
}

async fn mail_is_refused(env: &TestEnv, journey: Journey) -> Result<()> {
    env.starts_armed().await?;
    env.ada_asks().await?;
    env.grace_approves().await?;
    env.waits_for("SELECT state FROM job WHERE kind = 'provision'", "needs_operator").await?;
    if journey == Journey::CancelEarly {
        takes_it_back(env).await?;
        env.waits_for(ACCOUNTS, "closed").await?;
        ensure!(env.mails() == 0, "a mail before the undo");
        return env.is_in_order("closed", 0).await;
    }
    env.learns_mail_client()?;
    if env.deaths() == 0 {
        // The point is in the commit of the retry itself, so the bot is armed only now.
        env.stops().await?;
        env.starts_armed().await?;
    } else {
        env.stops().await?;
        env.starts().await?;
    }
    retries(env).await?;
    is_used(env).await
}

/// The first mail fails because the mail server is down, and the second is sent. If its record is lost, an operator decides.
async fn mail_comes_back(env: &TestEnv) -> Result<()> {
    env.starts().await?;
    env.ada_asks().await?;
    let mail = env.mail_server();
    mail.set_fault(MailFault::RefuseConnections).await?;
    let tried = async {
        env.grace_approves().await?;
        env.waits_for("SELECT coalesce(error_code, '-') FROM job WHERE kind = 'provision'", "mail_unknown")
            .await
    };
    let tried = tried.await;
    mail.set_fault(MailFault::None).await?;
    tried?;
    env.stops().await?;
    env.advances(Duration::from_mins(2))?;
    env.starts_armed().await?;
    let is_over = "SELECT 'over' FROM account WHERE state = 'invited' \
        OR EXISTS (SELECT 1 FROM job WHERE kind = 'provision' AND state = 'needs_operator')";
    env.waits_for(is_over, "over").await?;
    if env.sees_in_store("SELECT state FROM job WHERE kind = 'provision'").await? == "needs_operator" {
        retries(env).await?;
    }
    is_used(env).await
}

/// Linus retries the job.
async fn retries(env: &TestEnv) -> Result<()> {
    let linus = env.person("linus");
    let goes_on = "SELECT 'yes' FROM job WHERE kind = 'provision' AND state <> 'needs_operator'";
    env.insists("the retry", &linus, (goes_on, "yes"), async || {
        env.does("the retry", async || linus.tries_to_press("Retry").await).await.map(drop)
    })
    .await
}

/// Ada requests another mail. Exactly one more is sent even if the bot is restarted meanwhile, and she is told.
async fn mails_again(env: &TestEnv) -> Result<()> {
    let ada = env.person("ada");
    env.starts_armed().await?;
    is_invited(env).await?;
    env.wait_until_idle().await?;
    // The pause after the first mail must be over.
    env.advances(Duration::from_mins(6))?;
    let asked = async || ada.tries_to_run("/account password").await;
    env.gets_through("a second mail", asked).await?;
    env.waits_for("SELECT state FROM job WHERE kind = 'resend'", "done").await?;
    env.wait_until_idle().await?;
    ensure!(env.mails() == 2, "{} mails", env.mails());
    let known = env.sees_in_store("SELECT state FROM mail ORDER BY begun_at").await?;
    ensure!(["accepted accepted", "accepted unknown"].contains(&known.as_str()), "the mails are {known}");
    is_used(env).await
}

/// Linus posts the panel. It is posted once, and its button opens the form.
async fn is_posted(env: &TestEnv) -> Result<()> {
    let (ada, linus) = (env.person("ada"), env.person("linus"));
    env.starts_armed().await?;
    let stands = ("SELECT 'stands' FROM panel WHERE message_id IS NOT NULL", "stands");
    let posts =
        async || env.does("the panel", async || linus.tries_to_run("/panel post").await).await.map(drop);
    env.insists("the panel", &linus, stands, posts).await?;
    let panels = ada.sees_everything().matches("An account in this community").count();
    ensure!(panels == 1, "{panels} panels");
    let form = env.gets_through("the form", async || ada.tries_to_press("Request an account").await).await?;
    ensure!(form.modal.is_some(), "no form opens: {form}");
    env.is_in_order("", 0).await
}

/// Someone else set Ada's password. She reports it with the button on the message that told her.
async fn is_not_me(env: &TestEnv) -> Result<()> {
    let ada = env.person("ada");
    is_invited(env).await?;
    env.ada_sets_password().await?;
    env.waits_for(ACCOUNTS, "active").await?;
    let says = async || {
        let form = env.gets_through("the form", async || ada.tries_to_press("Not me").await).await?;
        ensure!(form.modal.is_some(), "no form opens: {form}");
        env.does("the confirmation", async || ada.tries_to_submit(&[]).await).await.map(drop)
    };
    let is_noted = ("SELECT 'noted' FROM job WHERE kind = 'lock'", "noted");
    env.insists("the lock", &ada, is_noted, says).await?;
    env.waits_for(ACCOUNTS, "disabled").await?;
    env.is_locked().await
}

async fn stays_locked(env: &TestEnv) -> Result<()> {
    env.starts_armed().await?;
    is_not_me(env).await?;
    env.is_in_order("disabled", 1).await
}

/// Linus unlocks the account. The old password never works again, and exactly one more mail is sent.
async fn is_enabled_again(env: &TestEnv) -> Result<()> {
    let linus = env.person("linus");
    env.starts().await?;
    is_not_me(env).await?;
    env.wait_until_idle().await?;
    env.stops().await?;
    env.starts_armed().await?;
    let command = format!("/link enable what:{} reason:She has her mailbox back", env.username());
    let asks = async || env.does("the command", async || linus.tries_to_run(&command).await).await.map(drop);
    env.insists("the unlocking", &linus, ("SELECT 'noted' FROM job WHERE kind = 'enable'", "noted"), asks)
        .await?;
    env.waits_for(ACCOUNTS, "active").await?;
    env.waits_for("SELECT state FROM job WHERE kind = 'resend'", "done").await?;
    ensure!(env.mails() == 2, "{} mails", env.mails());
    env.is_unlocked_without_the_old_password().await?;
    env.is_in_order("active", 1).await
}

/// The bot finds the lock gone when it starts again, and sets it again.
async fn loses_its_lock(env: &TestEnv) -> Result<()> {
    env.starts().await?;
    is_not_me(env).await?;
    env.wait_until_idle().await?;
    env.stops().await?;
    env.loses_its_lock().await?;
    env.starts_armed().await?;
    let locked = "SELECT state FROM job WHERE kind = 'lock' ORDER BY seq DESC LIMIT 1";
    env.waits_for("SELECT event FROM audit WHERE event = 'lock.lost'", "lock.lost").await?;
    env.waits_for(locked, "done").await?;
    env.is_locked().await?;
    env.is_in_order("disabled", 1).await
}

async fn takes_it_back(env: &TestEnv) -> Result<()> {
    let ada = env.person("ada");
    env.gets_through("taking it back", async || ada.tries_to_run("/account cancel").await).await.map(drop)
}

async fn is_stopped(env: &TestEnv) -> Result<()> {
    env.starts_armed().await?;
    env.ada_asks().await?;
    env.wait_until_idle().await?;
    env.holds_the_members_answer();
    env.grace_approves().await?;
    env.waits_for(harness::IS_CLAIMED, "claimed").await?;
    env.is_told_to_stop().await?;
    // The bot was asked to stop before this step finishes, so no other step follows.
    env.sim.heals();
    let status = env.ends(Duration::from_secs(25)).await?;
    env.died_of(status)?;
    env.starts().await?;
    is_used(env).await
}

async fn error_code(env: &TestEnv, journey: Journey) -> Result<()> {
    let (ada, grace) = (env.person("ada"), env.person("grace"));
    env.starts_armed().await?;
    if journey == Journey::ReservedName {
        env.ada_wants("reserved").await?;
        let refused = env.gets_through("the sending", async || ada.tries_to_press("Send").await).await?;
        ensure!(refused.text.contains("not available"), "{refused}");
    }
    env.ada_asks().await?;
    let approves = async |who: &Person| {
        env.does("the press", async || who.tries_to_press("Approve").await).await.map(drop)
    };
    match journey {
        Journey::OwnCard => {
            let told = ("SELECT 'told' FROM audit WHERE event = 'press.refused' LIMIT 1", "told");
            env.insists("the refusal", &ada, told, async || approves(&ada).await).await?;
        }
        Journey::RoleLost => {
            // The card must be posted before Ada loses her role.
            env.wait_until_idle().await?;
            ada.loses("member");
            let told = ("SELECT 'told' FROM audit WHERE reason_code = 'role_lost' LIMIT 1", "told");
            env.insists("the refusal", &grace, told, async || approves(&grace).await).await?;
            ada.gains("member");
        }
        Journey::Leaves => {
            env.wait_until_idle().await?;
            ada.leaves();
            let cancelled = (harness::SENT, "cancelled");
            env.insists("the refusal", &grace, cancelled, async || approves(&grace).await).await?;
            return env.is_in_order("", 0).await;
        }
        Journey::Deny => {
            let why = [("reason", "Not now")];
            let denies = async || {
                let form = async || grace.tries_to_press("Deny").await;
                let form = env.gets_through("the form", form).await?;
                if form.modal.is_none() {
                    // The card was edited at the moment of the press, and the reply asks Grace to press again.
                    ensure!(harness::says_edited(&form), "no form opens: {form}");
                    return Ok(());
                }
                env.does("the denial", async || grace.tries_to_submit(&why).await).await.map(drop)
            };
            env.insists("the denial", &grace, (harness::SENT, "denied"), denies).await?;
            return env.is_in_order("", 0).await;
        }
        _ => {}
    }
    env.grace_approves().await?;
    is_used(env).await
}

/// Tests one point on one database.
async fn is_survived(
    harness: &'static Harness,
    database: Database,
    at: usize,
    point: &'static str,
) -> Result<()> {
    let journey = journey_through(point);
    let letter = if database == Database::Sqlite { 's' } else { 'p' };
    let options = EnvOptions {
        crash_at: Some(point.to_owned()),
        automatic: journey == Journey::Automatic,
        mail_client_is_unknown: matches!(journey, Journey::CancelEarly | Journey::Retry),
        ..EnvOptions::plain(database)
    };
    let env = TestEnv::new(harness, format!("{letter}{at:03}"), options).await?;
    let travelled = travel(&env, journey).await;
    if let Err(error) = travelled {
        return bail_with(&env, &error);
    }
    match env.deaths() {
        1 => Ok(()),
        0 => bail_with(&env, &anyhow::anyhow!("{journey:?} never passed the point")),
        more => bail_with(&env, &anyhow::anyhow!("{more} deaths")),
    }
}

/// Tests every point of these journeys, several at once, and prints the table.
fn survives(database: Database, wanted: impl Fn(Journey) -> bool) {
    let (harness, _visit) = visit();
    survives_in(harness, database, AT_ONCE, wanted);
}

fn survives_in(
    harness: &'static Harness,
    database: Database,
    at_once: usize,
    wanted: impl Fn(Journey) -> bool,
) {
    let mut points: Vec<(usize, &'static str)> = accolade::crash::NAMES
        .iter()
        .copied()
        .enumerate()
        .filter(|(_, point)| is_tried_on(database, point) && wanted(journey_through(point)))
        .collect();
    // Journeys that wait long start first, so that the others run meanwhile.
    points.sort_by_key(|(_, point)| !waits_long(journey_through(point)));
    let begun = std::time::Instant::now();
    let results = harness.runtime.block_on(
        futures::stream::iter(points)
            .map(|(at, point)| async move {
                let begun = std::time::Instant::now();
                let limit = Duration::from_mins(4);
                let survived = tokio::time::timeout(limit, is_survived(harness, database, at, point)).await;
                let survived = survived.unwrap_or_else(|_| Err(anyhow::anyhow!("not over in {limit:?}")));
                let took = begun.elapsed();
                tell(&match &survived {
                    Ok(()) => format!("{database:?} {point:50} survived {took:5.1?}"),
                    Err(error) => format!("{database:?} {point:50} FAILED   {took:5.1?} {error:#}"),
                });
                survived.is_ok()
            })
            .buffer_unordered(at_once)
            .collect::<Vec<_>>(),
    );
    let failures = results.iter().filter(|survived| !**survived).count();
    tell(&format!("{database:?}: {} points in {:.0?}, {failures} failed", results.len(), begun.elapsed()));
    assert!(!results.is_empty(), "no points: the table of journeys is wrong");
    assert_eq!(failures, 0, "see the table above");
}

#[expect(clippy::print_stdout, reason = "the table is the result that people read")]
fn tell(line: &str) {
    println!("{line}");
}

/// Set this to run every point on PostgreSQL, too (`./dev test --every-point`).
const EVERY_POINT: &str = "ACCOLADE_EVERY_POINT";

/// SQLite runs every point. Unless every point is requested, PostgreSQL runs only those before a commit and
/// those without a record. At such a point the effect outside has happened and its record is lost. The server
/// must then release the transaction and the leases of the dead process.
fn is_tried_on(database: Database, point: &str) -> bool {
    #[expect(clippy::disallowed_methods, reason = "a test's own switch, not the product's configuration")]
    let is_every_point = std::env::var_os(EVERY_POINT).is_some();
    match database {
        Database::Sqlite => true,
        // Only a process that is alone with its database may void leases from an earlier run.
        Database::Postgres if point.ends_with(":app.void_leases") => false,
        // PostgreSQL flushes by itself.
        Database::Postgres if point.starts_with("store.flush.") => false,
        Database::Postgres => {
            is_every_point || point.starts_with("store.commit.before:") || point.ends_with(".unrecorded")
        }
    }
}

/// Journeys with pauses that advancing the clock cannot shorten.
fn waits_long(journey: Journey) -> bool {
    matches!(journey, Journey::Restored | Journey::NoMessages)
}

fn is_way_to_account(journey: Journey) -> bool {
    matches!(journey, Journey::Approve | Journey::Automatic | Journey::Idle)
}

/// Journeys that undo what was made, or end a request without an account.
fn is_way_back(journey: Journey) -> bool {
    matches!(
        journey,
        Journey::CancelEarly | Journey::CancelLate | Journey::Expiry | Journey::Unused | Journey::Restored
    )
}

#[test]
fn the_way_to_an_account_survives_a_kill_at_every_point_on_sqlite() {
    survives(Database::Sqlite, is_way_to_account);
}

#[test]
fn the_way_to_an_account_survives_kills_on_postgres() {
    survives(Database::Postgres, is_way_to_account);
}

#[test]
fn the_ways_back_survive_a_kill_at_every_point_on_sqlite() {
    survives(Database::Sqlite, is_way_back);
}

#[test]
fn the_ways_back_survive_kills_on_postgres() {
    survives(Database::Postgres, is_way_back);
}

#[test]
fn refusals_setbacks_and_stops_survive_a_kill_at_every_point_on_sqlite() {
    survives(Database::Sqlite, is_with_trouble);
}

#[test]
fn refusals_setbacks_and_stops_survive_kills_on_postgres() {
    survives(Database::Postgres, is_with_trouble);
}

#[test]
fn a_kill_around_an_uncertain_mail_costs_at_most_one_more_on_sqlite() {
    // These journeys break the mail server for every environment.
    let (harness, _alone) = visit_alone();
    survives_in(harness, Database::Sqlite, 1, is_without_mail);
}

#[test]
fn a_kill_around_an_uncertain_mail_costs_at_most_one_more_on_postgres() {
    // These journeys break the mail server for every environment.
    let (harness, _alone) = visit_alone();
    survives_in(harness, Database::Postgres, 1, is_without_mail);
}

/// Journeys in which the mail server is down for every environment.
fn is_without_mail(journey: Journey) -> bool {
    matches!(journey, Journey::MailAway | Journey::MailBack)
}

/// All other journeys, except those that break a server that other environments use.
fn is_with_trouble(journey: Journey) -> bool {
    !is_way_to_account(journey) && !is_way_back(journey) && !is_without_mail(journey)
}

/// Commits that have no crash point, each with the reason.
const LEFT_OUT: &[(&str, &str)] = &[
    ("chain.started", "`migrate` makes it, and crash points are armed by `serve`"),
    ("deny_list", "only the command line edits the list: one transaction and nothing after it"),
    ("restore.hold", "only the command line holds a database back: one transaction and nothing after it"),
    ("restore.agree", "only the command line agrees, and `serve` sees it or does not: one transaction"),
    ("admin_viewed", "a look at the log is only noted"),
    (
        "card_again",
        "a press on a card that shows other buttons than are noted: one row, which the next such press writes again",
    ),
    (
        "delays.report",
        "one transaction with the notice and the cards: after a crash all of it is there or none",
    ),
    (
        "cards.recover",
        "a press makes rows due that are due by themselves later, and the next such press does the same",
    ),
    ("outbox.wake", "a reload or a right makes rows due that are due by themselves later"),
    ("hold", "needs two people with one address; one transaction that nothing outside follows"),
];

/// Collects the labels in `….commit("label")` and similar calls below a folder.
fn commit_labels(folder: &std::path::Path, found: &mut Vec<String>) {
    for entry in std::fs::read_dir(folder).expect("the folder can be listed").flatten() {
        let path = entry.path();
        if path.file_stem().is_some_and(|name| name == "tests") {
            // Skip the unit tests: `tests.rs`, and the folder of its modules.
            continue;
        }
        if path.is_dir() {
            commit_labels(&path, found);
        } else {
            let text = std::fs::read_to_string(&path).expect("a source file can be read");
            for call in [".commit(\"", ".commit_relaxed(\""] {
                let labels = text.split(call).skip(1).filter_map(|rest| rest.split('"').next());
                found.extend(labels.map(str::to_owned));
            }
        }
    }
}

#[test]
fn every_commit_of_the_product_is_a_crash_point_or_says_why_not() {
    let mut labels = Vec::new();
    commit_labels(&std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut labels);
    assert!(labels.len() > 20, "the search finds hardly any label");
    labels.retain(|label| !accolade::crash::COMMITS.contains(&label.as_str()));
    labels.retain(|label| !LEFT_OUT.iter().any(|(left_out, _)| left_out == label));
    assert_eq!(labels, Vec::<String>::new(), "commits without a crash point");
}

#[test]
fn the_fault_campaign_kills_at_points_that_exist() {
    for point in testbed::faults::CRASH_POINTS {
        assert!(accolade::crash::NAMES.contains(point), "{point}");
    }
}
