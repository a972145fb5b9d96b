//! How soon a press is acknowledged: alone, in bursts, and in a stream while a thousand requests are open and the servers work or are frozen.

use std::time::Duration;

use anyhow::Result;

use super::burst::{Round, Times, ask};
use super::figures::{Better, Row, Table, percentile_ms, spread};
use super::ground::{Bot, Ground, open_works};
use super::person::Ask;
use super::process::{cpu_of, settled_memory};
use crate::store_eyes::StoreEyes;

/// So many at once, so often, with its goals in milliseconds.
const SMALL: [(usize, usize, f64, f64); 3] = [(1, 100, 3.0, 2.0), (16, 12, 6.0, 4.0), (100, 4, 25.0, 17.0)];

/// So many are open.
const MANY: usize = 1_000;

/// Twenty a second, each of three callbacks.
const STREAM: usize = 100;
const STREAM_PAUSE: Duration = Duration::from_millis(50);

/// How many requests pass before anything is measured: the first connection is made, pages are read.
const FIRST: usize = 20;

pub(super) async fn measure(ground: &Ground, table: &mut Table) -> Result<()> {
    ground.fill_the_guild().await?;
    let life = ground.prepare("acks").await?;
    let bot = ground.start_bot(&life).await?;
    let eyes = StoreEyes::open_file(&life.database).await?;
    let mut missed = 0;
    rounds(ground, &eyes, FIRST, 1).await?;
    for (at_once, often, goal, stretch) in SMALL {
        let all = rounds(ground, &eyes, at_once, often).await?;
        missed += all.missed;
        table.push(
            Row::new(
                format!("acknowledgement p99, {at_once} at once"),
                "ms",
                Better::Less,
                percentile_ms(&all.took, 99),
                goal,
            )
            .stretch(stretch)
            .note(format!("{} callbacks, {}", all.took.len(), spread(&all.took))),
        );
    }
    missed += many(ground, &bot, table).await?;
    let open = open_works(&eyes).await?;
    let working = stream(ground).await?;
    missed += working.missed;
    let left = open_works(&eyes).await?;
    table.push(
        Row::new(
            "acknowledgement p99 of 20/s more, 1,000 open",
            "ms",
            Better::Less,
            percentile_ms(&working.took, 99),
            10.0,
        )
        .stretch(5.0)
        .note(format!("{open} works open before, {left} after; {}", spread(&working.took))),
    );
    let frozen = frozen(ground, &bot, &eyes).await?;
    missed += frozen.times.missed;
    let ratio = percentile_ms(&frozen.times.took, 99) / percentile_ms(&working.took, 99);
    table.push(
        Row::new("the same with slapd and Keycloak frozen / not frozen", "", Better::Less, ratio, 1.5)
            .note(format!("{} works open; ms: {}", frozen.open, spread(&frozen.times.took))),
    );
    table.push(Row::new("memory after the bursts", "MiB", Better::Less, frozen.memory, 64.0).stretch(45.0));
    #[expect(clippy::cast_precision_loss, reason = "some thousands at the most")]
    let missed = missed as f64;
    table.push(Row::new("callbacks that never came, of all bursts", "", Better::Less, missed, 0.0));
    bot.kill();
    Ok(())
}

/// Bursts of people whom moderators approve, each after the one before has settled.
async fn rounds(ground: &Ground, eyes: &StoreEyes, at_once: usize, often: usize) -> Result<Times> {
    let people = ground.newcomers(at_once * often, Ask::Moderators, "asks").await?;
    let mut all = Times::default();
    for people in people.chunks(at_once) {
        all.add(&ask(&ground.chat, people, Ask::Moderators, Duration::ZERO).await?.all());
        ground.drains(eyes).await?;
    }
    Ok(all)
}

/// A thousand at once, whose accounts are made at once; each kind of callback has its row. How many never came.
async fn many(ground: &Ground, bot: &Bot, table: &mut Table) -> Result<usize> {
    let people = ground.newcomers(MANY, Ask::Rule, "many").await?;
    let before = (cpu_of(bot.pid())?, cpu_of(ground.simulator_pid())?);
    let Round { command, form, send } = ask(&ground.chat, &people, Ask::Rule, Duration::ZERO).await?;
    let after = (cpu_of(bot.pid())?, cpu_of(ground.simulator_pid())?);
    for (what, times) in [("command", &command), ("form", &form), ("Send", &send)] {
        table.push(
            Row::new(
                format!("acknowledgement p99, 1,000 at once: {what}"),
                "ms",
                Better::Less,
                percentile_ms(&times.took, 99),
                200.0,
            )
            .stretch(125.0)
            .note(spread(&times.took)),
        );
    }
    table.aside(format!(
        "1,000 at once, three callbacks each: the bot took {} ms of CPU, the simulator {} ms",
        after.0.saturating_sub(before.0).as_millis(),
        after.1.saturating_sub(before.1).as_millis()
    ));
    Ok(command.missed + form.missed + send.missed)
}

async fn stream(ground: &Ground) -> Result<Times> {
    let people = ground.newcomers(STREAM, Ask::Rule, "more").await?;
    Ok(ask(&ground.chat, &people, Ask::Rule, STREAM_PAUSE).await?.all())
}

struct Frozen {
    times: Times,
    /// Works at the end of the stream.
    open: u64,
    /// MiB.
    memory: f64,
}

/// The stream while both servers stand still and as many are open again, and what the bot holds then.
async fn frozen(ground: &Ground, bot: &Bot, eyes: &StoreEyes) -> Result<Frozen> {
    let (slapd, keycloak) = (&ground.bed.slapd, &ground.bed.keycloak);
    slapd.freeze();
    keycloak.freeze();
    let frozen = async {
        let open = usize::try_from(open_works(eyes).await?)?;
        let people = ground.newcomers(MANY.saturating_sub(open), Ask::Rule, "again").await?;
        let again = ask(&ground.chat, &people, Ask::Rule, Duration::ZERO).await?.all();
        let mut times = stream(ground).await?;
        let open = open_works(eyes).await?;
        times.missed += again.missed;
        Ok(Frozen { times, open, memory: settled_memory(bot.pid()).await? })
    }
    .await;
    slapd.thaw();
    keycloak.thaw();
    frozen
}
