//! Measures how fast a press is acknowledged, as a multiple of the floor's time. Presses come alone, in bursts,
//! and at a steady rate while a thousand requests are open and the servers are working or frozen.

use std::time::Duration;

use anyhow::Result;

use super::burst::{Round, Times, request_all};
use super::env::{BenchEnv, BotProcess, open_jobs};
use super::floor;
use super::procfs::{cpu_of, settled_memory};
use super::report::{Better, Report, Row, percentile_ms, spread};
use super::requester::Approval;
use crate::db_inspector::DbInspector;

/// Concurrent requests, and the number of rounds.
const SMALL: [(usize, usize); 3] = [(1, 100), (16, 12), (100, 4)];

/// The size of the large burst, and how many requests are then open.
const MANY: usize = 1_000;

/// Twenty requests a second, with three callbacks each.
const STREAM: usize = 100;
const STREAM_PAUSE: Duration = Duration::from_millis(50);

/// How many requests run before the measurement, so that connections are open and pages are in memory.
const WARM_UP: usize = 20;

/// The answers of the floor or of the bot: one round for each size in [`SMALL`], and one of [`MANY`].
struct Bursts {
    small: Vec<Round>,
    many: Round,
}

pub(super) async fn measure(env: &BenchEnv, report: &mut Report) -> Result<()> {
    env.fill_the_guild().await?;
    let floor = measure_floor(env).await?;
    let deployment = env.deploy("acks").await?;
    let bot = env.start_bot(&deployment).await?;
    let inspector = deployment.inspector().await?;
    rounds(env, &inspector, WARM_UP, 1).await?;
    let mut small = Vec::new();
    for (at_once, often) in SMALL {
        small.push(rounds(env, &inspector, at_once, often).await?);
    }
    let many = burst_of_many(env, &bot, report).await?;
    // The thousand requests are open now.
    let open = open_jobs(&inspector).await?;
    let during = stream(env).await?;
    let left = open_jobs(&inspector).await?;
    let ours = Bursts { small, many };
    push_bursts(&ours, &floor, report);
    let alone = ours.small[0].all();
    let ratio = percentile_ms(&during.took, 99) / percentile_ms(&alone.took, 99);
    report.push(
        Row::ratio("acknowledgement p99 of 20/s more while 1,000 are open ÷ p99 alone", ratio, 3.0)
            .stretch(2.0)
            .note(format!(
                "{open} jobs open before, {left} after; ms: {}; alone {}",
                spread(&during.took),
                spread(&alone.took)
            ))
            .compared(),
    );
    report.push(Row::count("told \"busy\" of 1,000 at once", ours.many.all().busy, 0.0).stretch(0.0));
    let frozen = measure_frozen(env, &bot, &inspector).await?;
    report.note(format!(
        "the same with slapd and Keycloak frozen: {} jobs open; ms: {}",
        frozen.open,
        spread(&frozen.times.took)
    ));
    let memory = Row::new("memory after the bursts", "MiB", Better::Lower, frozen.memory, 64.0).stretch(45.0);
    report.push(memory);
    let all = ours.small.iter().chain([&ours.many]).map(Round::all);
    let missed = all.map(|times| times.missed).sum::<usize>() + during.missed + frozen.times.missed;
    report.push(Row::count("callbacks that were never acknowledged, of all bursts", missed, 0.0));
    bot.kill();
    Ok(())
}

async fn measure_floor(env: &BenchEnv) -> Result<Bursts> {
    let bot = env.start_floor().await?;
    floor::rounds(env, WARM_UP, 1, Approval::Moderators).await?;
    let mut small = Vec::new();
    for (at_once, often) in SMALL {
        small.push(floor::rounds(env, at_once, often, Approval::Moderators).await?);
    }
    let many = floor::rounds(env, MANY, 1, Approval::Automatic).await?;
    bot.stop();
    Ok(Bursts { small, many })
}

fn push_bursts(ours: &Bursts, floor: &Bursts, report: &mut Report) {
    let sizes = SMALL.iter().map(|(at_once, _)| *at_once).chain([MANY]);
    let rounds = ours.small.iter().chain([&ours.many]).zip(floor.small.iter().chain([&floor.many]));
    for (at_once, (ours, floor)) in sizes.zip(rounds) {
        for ((kind, ours), (_, floor)) in ours.kinds().into_iter().zip(floor.kinds()) {
            let [ours_ms, floor_ms] = [ours, floor].map(|times| percentile_ms(&times.took, 99));
            let note = format!("ms: {}; floor {}", spread(&ours.took), spread(&floor.took));
            let what = format!("acknowledgement p99 ÷ floor's, {at_once} at once: {kind}");
            report.push(Row::ratio(what, ours_ms / floor_ms, 2.5).stretch(1.6).note(note).compared());
        }
    }
}

/// Runs bursts of requests that need a moderator. Each burst starts after the previous one has settled.
async fn rounds(env: &BenchEnv, inspector: &DbInspector, at_once: usize, often: usize) -> Result<Round> {
    let people = env.take_members(at_once * often, Approval::Moderators, "asks").await?;
    let mut all = Round::default();
    for people in people.chunks(at_once) {
        all.add(&request_all(&env.chat, people, Approval::Moderators, Duration::ZERO).await?);
        env.wait_until_idle(inspector).await?;
    }
    Ok(all)
}

/// Sends a thousand requests at once. The bot starts to make their accounts immediately.
async fn burst_of_many(env: &BenchEnv, bot: &BotProcess, report: &mut Report) -> Result<Round> {
    let people = env.take_members(MANY, Approval::Automatic, "many").await?;
    let before = (cpu_of(bot.pid())?, cpu_of(env.simulator_pid())?);
    let round = request_all(&env.chat, &people, Approval::Automatic, Duration::ZERO).await?;
    let after = (cpu_of(bot.pid())?, cpu_of(env.simulator_pid())?);
    report.note(format!(
        "1,000 at once, three callbacks each: the bot used {} ms of CPU, the simulator {} ms; {} were sent",
        after.0.saturating_sub(before.0).as_millis(),
        after.1.saturating_sub(before.1).as_millis(),
        round.sent
    ));
    Ok(round)
}

async fn stream(env: &BenchEnv) -> Result<Times> {
    let people = env.take_members(STREAM, Approval::Automatic, "more").await?;
    Ok(request_all(&env.chat, &people, Approval::Automatic, STREAM_PAUSE).await?.all())
}

struct Frozen {
    times: Times,
    /// Open jobs at the end of the stream.
    open: u64,
    /// Memory in MiB.
    memory: f64,
}

/// Measures the stream while both servers are stopped and the same number of jobs is open again, and what the bot then holds.
async fn measure_frozen(env: &BenchEnv, bot: &BotProcess, inspector: &DbInspector) -> Result<Frozen> {
    let (slapd, keycloak) = (&env.servers.slapd, &env.servers.keycloak);
    slapd.freeze();
    keycloak.freeze();
    let frozen = async {
        let open = usize::try_from(open_jobs(inspector).await?)?;
        let people = env.take_members(MANY.saturating_sub(open), Approval::Automatic, "again").await?;
        let again = request_all(&env.chat, &people, Approval::Automatic, Duration::ZERO).await?.all();
        let mut times = stream(env).await?;
        let open = open_jobs(inspector).await?;
        times.missed += again.missed;
        Ok(Frozen { times, open, memory: settled_memory(bot.pid()).await? })
    }
    .await;
    slapd.thaw();
    keycloak.thaw();
    frozen
}
