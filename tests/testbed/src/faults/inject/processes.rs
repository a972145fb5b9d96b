//! Faults of whole processes: the bot and the servers are killed, frozen or stopped.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use nix::sys::signal::Signal;
use rand::Rng as _;
use rand::seq::IndexedRandom as _;
use sqlx::{Connection as _, PgConnection};

use super::Hand;
use crate::faults::point::CRASH_POINTS;
use crate::waiting::{comes_true, let_pass, wait_until};

/// The duration of the bot's lease.
const LEASE: Duration = Duration::from_secs(15);

/// How long an orderly stop may take.
const STOPS_WITHIN: Duration = Duration::from_secs(25);

/// How long a process may run that was told to exit at a crash point.
const DIES_WITHIN: Duration = Duration::from_millis(1500);

/// How long to wait for the first claim of a restarted bot.
const RESUMES_WITHIN: Duration = Duration::from_secs(3);

/// How long the gateway lease of the dead process may still be valid.
const GATEWAY_LEASE: Duration = Duration::from_secs(12);

/// How soon another process must take over from a killed one.
const TAKEN_OVER_WITHIN_MS: i64 = 20_000;

pub(super) async fn kill(hand: &mut Hand<'_>) -> Result<Vec<String>> {
    let env = &hand.stage.env;
    let at = hand.random.random_range(0..env.bots.len());
    let steps = hand.steps().await;
    let bot = &env.bots[at];
    let claims = claims(hand).await;
    bot.kill().await;
    if env.bots.len() > 1 {
        return is_taken_over(hand, at, steps).await;
    }
    let point = hand.random.random_bool(0.4).then(|| CRASH_POINTS.choose(&mut hand.random)).flatten();
    let armed = point.map(|point| format!("{point}:{}", hand.random.random_range(1..3)));
    bot.start(armed.as_deref()).await?;
    env.expire_leases().await?;
    if point.is_none() {
        if steps != ["at rest"] {
            resumes(hand, claims).await;
        }
        return Ok(steps);
    }
    if comes_true(DIES_WITHIN, async || bot.supervise().await).await? {
        env.expire_leases().await?;
        return Ok(vec![(*point.context("a point")?).to_owned()]);
    }
    Ok(steps)
}

/// How many claims of jobs there have been.
async fn claims(hand: &Hand<'_>) -> Option<String> {
    hand.stage.env.db.column("SELECT COALESCE(SUM(fence), 0) FROM job").await.ok()?.pop()
}

/// Measures how long after its start the bot claims jobs again.
async fn resumes(hand: &mut Hand<'_>, before: Option<String>) {
    let begun = Instant::now();
    let is_claimed = async || Ok(claims(hand).await != before);
    if comes_true(RESUMES_WITHIN, is_claimed).await.unwrap_or(false) {
        hand.resumes_ms.push(begun.elapsed().as_millis() as u64);
    }
}

/// One of two bots is dead. The other must connect to the gateway in time; then the dead one is restarted.
async fn is_taken_over(hand: &mut Hand<'_>, dead: usize, steps: Vec<String>) -> Result<Vec<String>> {
    let env = &hand.stage.env;
    let begun = env.time.now_ms();
    env.time.advance(GATEWAY_LEASE).await?;
    // A busy machine may take longer to detect the failure. Only the environment's time counts.
    let limit = Duration::from_mins(1);
    let taken_over = wait_until("the other bot to take over", limit, async || {
        // The other bot may hit a fault at its own start. An operator of two bots also has a supervisor that restarts them.
        for (at, bot) in env.bots.iter().enumerate() {
            if at != dead {
                bot.supervise().await?;
            }
        }
        env.is_connected().await
    });
    taken_over.await?;
    let took = env.time.now_ms() - begun;
    hand.takeovers_ms.push(u64::try_from(took).unwrap_or(0));
    ensure!(took <= TAKEN_OVER_WITHIN_MS, "the other bot took over only after {took} ms");
    env.bots[dead].start(None).await?;
    Ok(steps)
}

pub(super) async fn freeze(hand: &mut Hand<'_>) -> Result<Vec<String>> {
    let env = &hand.stage.env;
    let at = hand.random.random_range(0..env.bots.len());
    let steps = hand.steps().await;
    let leases = hand.random.random_range(1.0..3.0);
    let (before, after) = (hand.span(10, 150), hand.span(10, 150));
    env.bots[at].signal(Signal::SIGSTOP).await;
    let_pass(before).await;
    // Advancing time replaces waiting: for the database the leases have expired.
    let pushed = env.time.advance(LEASE.mul_f64(leases)).await;
    let_pass(after).await;
    env.bots[at].signal(Signal::SIGCONT).await;
    pushed?;
    Ok(steps)
}

pub(super) async fn terminate(hand: &mut Hand<'_>) -> Result<Vec<String>> {
    let env = &hand.stage.env;
    let at = hand.random.random_range(0..env.bots.len());
    let steps = hand.steps().await;
    // A bot that has just ended by itself, or was just restarted, does not handle the signal yet.
    if env.bots[at].supervise().await? {
        return Ok(Vec::new());
    }
    env.bots[at].terminate(STOPS_WITHIN).await?;
    env.bots[at].start(None).await?;
    Ok(steps)
}

pub(super) async fn kill_directory(hand: &mut Hand<'_>) -> Result<Vec<String>> {
    let steps = hand.steps().await;
    let away = hand.span(0, 700);
    let slapd = &hand.stage.servers.real.slapd;
    slapd.kill();
    let_pass(away).await;
    slapd.start().await?;
    Ok(steps)
}

pub(super) async fn kill_keycloak(hand: &mut Hand<'_>) -> Result<Vec<String>> {
    let steps = hand.steps().await;
    let keycloak = &hand.stage.servers.real.keycloak;
    keycloak.kill();
    keycloak.start().await?;
    Ok(steps)
}

pub(super) async fn kill_postgres(hand: &mut Hand<'_>) -> Result<Vec<String>> {
    let steps = hand.steps().await;
    let postgres = &hand.stage.servers.real.postgres;
    if hand.random.random_bool(0.85) {
        let mut connection = PgConnection::connect(&hand.stage.env.store_url).await?;
        let sql = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity \
            WHERE datname = current_database() AND pid <> pg_backend_pid()";
        let ended: i64 = sqlx::query_scalar(sql).fetch_one(&mut connection).await?;
        return Ok(if ended > 0 { steps } else { Vec::new() });
    }
    let away = hand.span(0, 500);
    if hand.random.random_bool(0.5) {
        postgres.kill();
    } else {
        postgres.stop();
    }
    let_pass(away).await;
    postgres.start().await?;
    Ok(steps)
}
