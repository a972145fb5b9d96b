//! `./dev bench` measures what the bot costs on real servers and a simulated Discord, as ratios to yardsticks of the same run.
//!
//! Start at [`run`]. [`env`] starts the servers and the bot; [`baseline`] and [`floor`] are the yardsticks; [`requester`] and [`burst`]
//! simulate people. [`startup`], [`accounts`], [`acks`], [`kill`], [`overload`], [`growth`] and [`soak`] are the parts that measure;
//! [`procfs`] and [`metrics`] read resource usage and counters; [`report`] compares the results with the goals.
//! `docs/speed.md` explains the results.

mod accounts;
mod acks;
mod baseline;
mod burst;
mod env;
mod floor;
mod growth;
mod kill;
mod metrics;
mod overload;
mod procfs;
mod report;
mod requester;
mod soak;
mod startup;
mod store_filler;

use std::io::Write as _;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use clap::{Args, ValueEnum};

use env::BenchEnv;
use report::{Better, Report, Row};

/// A part of the bench.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Part {
    /// The time from start to IDENTIFY, and memory when idle.
    Start,
    /// Throughput, latency, CPU and counts for each account.
    Accounts,
    /// How fast a press is acknowledged, and memory after the bursts.
    Acks,
    /// What is lost or repeated after a kill during a burst.
    Kill,
    /// Twice the rate that the bot can sustain.
    Overload,
    /// The cost of an account in a large community.
    Growth,
}

/// The kind of database that the bot uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Database {
    Sqlite,
    Postgres,
}

impl Database {
    const fn name(self) -> &'static str {
        match self {
            Self::Sqlite => "SQLite",
            Self::Postgres => "PostgreSQL",
        }
    }
}

/// Which databases are measured.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum Databases {
    #[default]
    Sqlite,
    Postgres,
    /// One database after the other, and a comparison.
    Both,
}

impl Databases {
    const fn list(self) -> &'static [Database] {
        match self {
            Self::Sqlite => &[Database::Sqlite],
            Self::Postgres => &[Database::Postgres],
            Self::Both => &[Database::Sqlite, Database::Postgres],
        }
    }
}

/// The options of `testbed bench`.
#[derive(Args, Debug)]
pub struct BenchOptions {
    /// Exit with 3 if a goal is missed.
    #[arg(long)]
    check: bool,
    /// Measure only this part (may be repeated).
    #[arg(long, value_name = "PART", value_enum)]
    only: Vec<Part>,
    /// The bot's database.
    #[arg(long, value_name = "DATABASE", value_enum, default_value = "sqlite")]
    database: Databases,
    /// Instead of the parts, run at a steady rate for this long (`1h`). Afterwards the process must hold no more than before.
    #[arg(long, value_name = "SPAN", conflicts_with_all = ["only", "check"])]
    soak: Option<humantime::Duration>,
    /// The built `accolade`, which must be the release build.
    #[arg(long, value_name = "PATH")]
    accolade: PathBuf,
    /// The built `discord-sim`. It must be a release build too, or the bench measures the simulator.
    #[arg(long, value_name = "PATH")]
    discord_sim: PathBuf,
    /// The built `echo-bot`, which is the floor of the acknowledgements; also a release build.
    #[arg(long, value_name = "PATH")]
    echo_bot: PathBuf,
}

impl BenchOptions {
    /// Whether a missed goal is a failure. A soak always fails on a missed goal.
    pub const fn fails_on_a_miss(&self) -> bool {
        self.check || self.soak.is_some()
    }

    fn wants(&self, part: Part) -> bool {
        self.soak.is_none() && (self.only.is_empty() || self.only.contains(&part))
    }
}

/// The result of comparing the run with the goals.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Every goal that belongs to the measured parts is met.
    Met,
    /// At least one goal is missed or could not be measured.
    Missed,
}

/// Measures, prints the table and writes `bench.json`.
pub async fn run(options: &BenchOptions) -> Result<Outcome> {
    let begun = Instant::now();
    let mut report = Report::default();
    for database in options.database.list() {
        report.begin(*database);
        if *database == options.database.list()[0] && options.soak.is_none() {
            report.push(binary_size(options)?);
        }
        say(&format!(
            "Starting slapd, Keycloak, the mail catcher and the simulated Discord; {} …",
            database.name()
        ));
        let env = BenchEnv::start(options, *database).await?;
        let measured = measure(options, &env, &mut report).await;
        env.stop().await;
        measured?;
    }
    if options.database == Databases::Both {
        report.compare_databases();
    }
    say(&format!("\n{}\n", report.text()));
    let file = crate::folders::outputs()?.join("bench.json");
    let json = report.json(&jiff::Timestamp::now().to_string(), processors());
    std::fs::write(&file, json).context("write bench.json")?;
    say(&format!("written: {} after {} s", file.display(), begun.elapsed().as_secs()));
    let missed = report.missed();
    for what in &missed {
        say(&format!("missed: {what}"));
    }
    Ok(if missed.is_empty() { Outcome::Met } else { Outcome::Missed })
}

async fn measure(options: &BenchOptions, env: &BenchEnv, report: &mut Report) -> Result<()> {
    if let Some(span) = options.soak {
        say(&format!("A steady rate for {span} …"));
        return soak::measure(env, span.into(), report).await.context("measure the soak");
    }
    if options.wants(Part::Start) {
        say("The bot's start, and its memory at rest …");
        startup::measure(env, report).await.context("measure the start")?;
    }
    if options.wants(Part::Accounts) {
        say("Accounts, between rounds of the two baseline drivers …");
        accounts::measure(env, report).await.context("measure accounts")?;
    }
    if options.wants(Part::Acks) {
        say("Acknowledgements, the floor's and the bot's …");
        acks::measure(env, report).await.context("measure acknowledgements")?;
    }
    if options.wants(Part::Kill) {
        say("A kill in the middle …");
        kill::measure(env, report).await.context("measure a kill")?;
    }
    if options.wants(Part::Overload) {
        say("Twice the rate that the bot can bear …");
        overload::measure(env, report).await.context("measure an overload")?;
    }
    // This part runs last because it replaces everything in the directory.
    if options.wants(Part::Growth) {
        say("A small and a large community …");
        growth::measure(env, report).await.context("measure growth")?;
    }
    Ok(())
}

fn processors() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
}

/// The size of the release binary on disk.
fn binary_size(options: &BenchOptions) -> Result<Row> {
    let bytes = std::fs::metadata(&options.accolade).context("look at the built accolade")?.len();
    let megabytes = report::float(usize::try_from(bytes)?) / 1e6;
    Ok(Row::new("release binary", "MB", Better::Lower, megabytes, 25.0).stretch(20.0))
}

/// Writes a line to standard error.
fn say(line: &str) {
    // A closed terminal must not stop the run.
    drop(writeln!(std::io::stderr(), "{line}"));
}

/// How long the bot may take to connect on a busy machine.
const CONNECT_TIMEOUT: Duration = Duration::from_mins(1);

/// How long an account may take until its mail arrives.
const MAIL_TIMEOUT: Duration = Duration::from_mins(1);

/// How long a queue may take to drain.
const DRAIN_TIMEOUT: Duration = Duration::from_mins(3);
