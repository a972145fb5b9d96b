//! Accounts by a rule that needs no moderator, from the command to the mail, against the bare driver in the same run.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use futures::{StreamExt as _, TryStreamExt as _};

use super::MAIL_WITHIN;
use super::bare::Bare;
use super::figures::{Better, Pace, Row, Table, per_second, percentile_ms, spread};
use super::ground::{Bot, Ground};
use super::person::{Ask, Person};
use super::process::cpu_of;
use crate::store_eyes::StoreEyes;

/// How many are made at once, how many by the bare driver before and after each, and how many by the bot.
const SERIAL: Size = Size { lanes: 1, bare: 30, ours: 60 };
const FOUR: Size = Size { lanes: 4, bare: 100, ours: 200 };
const SIXTEEN: Size = Size { lanes: 16, bare: 200, ours: 480 };

/// Keycloak compiles while it runs: it is warm when a round is hardly quicker than the one before.
const WARM_ROUND: usize = 120;
const WARM_ROUNDS: usize = 8;
const WARM_WITHIN: f64 = 1.05;

#[derive(Clone, Copy)]
struct Size {
    lanes: usize,
    bare: usize,
    ours: usize,
}

/// Accounts one way or the other.
struct Made {
    times: Vec<Duration>,
    pace: Pace,
    /// For each account, in milliseconds.
    cpu: Cpu,
}

/// CPU time by process.
#[derive(Clone, Copy)]
struct Cpu {
    bot: f64,
    simulator: f64,
    keycloak: f64,
    slapd: f64,
}

/// The same number at once, before, between and after.
struct Bracket {
    bare: [Made; 2],
    /// Messages included, though nobody waits for them.
    ours: Made,
}

impl Bracket {
    fn bare_times(&self) -> Vec<Duration> {
        self.bare.iter().flat_map(|made| made.times.clone()).collect()
    }

    fn ratio(&self) -> f64 {
        per_second(&[self.ours.pace]) / per_second(&[self.bare[0].pace, self.bare[1].pace])
    }

    fn rates(&self) -> String {
        let [before, after] = &self.bare;
        format!(
            "{:.1}/s, bare {:.1}/s and {:.1}/s",
            per_second(&[self.ours.pace]),
            per_second(&[before.pace]),
            per_second(&[after.pace])
        )
    }

    /// Whose time an account takes, in both ways: what the servers take more is what the bot asks of them.
    fn shares(&self, lanes: usize) -> String {
        let says = |cpu: Cpu| format!("Keycloak {:.1}, slapd {:.1}", cpu.keycloak, cpu.slapd);
        let ours = self.ours.cpu;
        format!(
            "CPU ms for each account, {lanes} in parallel: bot {:.1}, simulator {:.1}, {}; bare: {}",
            ours.bot,
            ours.simulator,
            says(ours),
            says(self.bare[1].cpu)
        )
    }
}

/// What makes them.
struct Makers<'a> {
    ground: &'a Ground,
    bare: Bare<'a>,
    bot: &'a Bot,
    eyes: StoreEyes,
}

pub(super) async fn measure(ground: &Ground, table: &mut Table) -> Result<()> {
    ground.fill_the_guild().await?;
    let life = ground.prepare("accounts").await?;
    let bot = ground.start_bot(&life).await?;
    let eyes = StoreEyes::open_file(&life.database).await?;
    let makers = Makers { ground, bare: Bare::start(ground).await?, bot: &bot, eyes };
    makers.warm_up(table).await?;
    let serial = makers.bracket(SERIAL).await?;
    let (ours, bare) = (percentile_ms(&serial.ours.times, 50), percentile_ms(&serial.bare_times(), 50));
    table.push(
        Row::new("one after the other, Send to mail: p50 / bare p50", "", Better::Less, ours / bare, 1.35)
            .stretch(1.2)
            .note(format!("ms: {}; bare {}", spread(&serial.ours.times), spread(&serial.bare_times()))),
    );
    let four = makers.bracket(FOUR).await?;
    table.push(
        Row::new("throughput / bare, 4 in parallel", "", Better::More, four.ratio(), 0.70)
            .stretch(0.80)
            .note(four.rates()),
    );
    let sixteen = makers.bracket(SIXTEEN).await?;
    table.push(
        Row::new("throughput / bare, 16 in parallel", "", Better::More, sixteen.ratio(), 0.82)
            .stretch(0.90)
            .note(sixteen.rates()),
    );
    table.push(
        Row::new("own CPU for each account, 16 in parallel", "ms", Better::Less, sixteen.ours.cpu.bot, 1.5)
            .stretch(1.0)
            .note(format!("{} accounts, messages included", SIXTEEN.ours)),
    );
    table.aside(serial.shares(SERIAL.lanes));
    table.aside(sixteen.shares(SIXTEEN.lanes));
    bot.kill();
    Ok(())
}

impl Makers<'_> {
    async fn warm_up(&self, table: &mut Table) -> Result<()> {
        let mut rates: Vec<f64> = Vec::new();
        while rates.len() < WARM_ROUNDS {
            let made = self.bare(SIXTEEN.lanes, WARM_ROUND).await?;
            rates.push(per_second(&[made.pace]));
            if let [.., before, last] = rates.as_slice()
                && *last < before * WARM_WITHIN
            {
                break;
            }
        }
        self.ours(SIXTEEN.lanes, WARM_ROUND).await?;
        let rates: Vec<String> = rates.iter().map(|rate| format!("{rate:.0}")).collect();
        table.aside(format!(
            "Keycloak warmed up: bare accounts a second, round by round: {}",
            rates.join(" ")
        ));
        Ok(())
    }

    async fn bracket(&self, size: Size) -> Result<Bracket> {
        let before = self.bare(size.lanes, size.bare).await?;
        let ours = self.ours(size.lanes, size.ours).await?;
        let after = self.bare(size.lanes, size.bare).await?;
        Ok(Bracket { bare: [before, after], ours })
    }

    async fn bare(&self, lanes: usize, count: usize) -> Result<Made> {
        self.ground.bed.mail.clear();
        let before = self.cpu()?;
        let (times, pace) = in_lanes(lanes, 0..count, |_| self.bare.account()).await?;
        self.made(before, times, pace)
    }

    async fn ours(&self, lanes: usize, count: usize) -> Result<Made> {
        self.ground.bed.mail.clear();
        let people = self.ground.newcomers(count, Ask::Rule, "made").await?;
        let before = self.cpu()?;
        let (times, pace) = in_lanes(lanes, people.iter(), |person| self.account(person)).await?;
        self.ground.drains(&self.eyes).await?;
        self.made(before, times, pace)
    }

    /// What each process has taken so far.
    fn cpu(&self) -> Result<[Duration; 4]> {
        let bed = &self.ground.bed;
        let (keycloak, slapd) =
            (bed.keycloak.pid().context("no Keycloak")?, bed.slapd.pid().context("no slapd")?);
        let [bot, simulator, keycloak, slapd] =
            [self.bot.pid(), self.ground.simulator_pid(), keycloak, slapd].map(cpu_of);
        Ok([bot?, simulator?, keycloak?, slapd?])
    }

    fn made(&self, before: [Duration; 4], times: Vec<Duration>, pace: Pace) -> Result<Made> {
        let after = self.cpu()?;
        #[expect(clippy::cast_precision_loss, reason = "some hundreds of accounts")]
        let count = pace.count as f64;
        let each = |at: usize| after[at].saturating_sub(before[at]).as_secs_f64() * 1000.0 / count;
        let cpu = Cpu { bot: each(0), simulator: each(1), keycloak: each(2), slapd: each(3) };
        Ok(Made { times, pace, cpu })
    }

    /// From the press of `Send` to the mail.
    async fn account(&self, person: &Person) -> Result<Duration> {
        let pressed = person.asks(&self.ground.chat).await?;
        self.ground.bed.mail.wait_for_mail_to(&person.address, MAIL_WITHIN).await?;
        Ok(pressed.elapsed())
    }
}

/// Makes one after the other in each of so many lanes.
async fn in_lanes<One, Made: Future<Output = Result<Duration>>>(
    lanes: usize,
    all: impl Iterator<Item = One>,
    make: impl Fn(One) -> Made,
) -> Result<(Vec<Duration>, Pace)> {
    let begun = Instant::now();
    let times: Vec<Duration> =
        futures::stream::iter(all.map(make)).buffer_unordered(lanes).try_collect().await?;
    Ok((times.clone(), Pace { count: times.len(), took: begun.elapsed() }))
}
