//! `./dev faults` causes random faults while many people use the bot. Then everything heals, and the checker reads all five stores.
//!
//! Start at [`run`]. `servers` outlive an `environment`; `journeys` are what its people do; `point` names the faults, `inject` causes them;
//! `campaign` runs the rounds; `verdict` runs the checker; `plants` breaks each rule on purpose, to prove that the checker detects it.
//! `docs/faults.md` is for outside readers.

mod campaign;
mod env;
mod inject;
mod journeys;
mod person;
mod plants;
mod point;
mod report;
mod servers;
mod stage;
mod tally;
mod time;
mod tmpfs;
mod verdict;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Result, anyhow, ensure};
use clap::{Args, ValueEnum};

use crate::checker::Rule;
use crate::folders::outputs;
use crate::stop::StopSignals;
use campaign::{Campaign, Limits, generator};
use point::Fault;
use report::say;
use servers::Servers;
use tally::Tally;

pub(crate) use env::letters;
pub(crate) use tally::percentile;
pub(crate) use time::real_ms;

pub use plants::{Planted, plant_all};
pub use point::CRASH_POINTS;
pub use tmpfs::{Filling, Tmpfs};

/// The database that the bot uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Database {
    /// The embedded one.
    Sqlite,
    /// The database for several machines.
    Postgres,
}

impl Database {
    /// The name in flags and files.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Sqlite => "sqlite",
            Self::Postgres => "postgres",
        }
    }
}

/// The built programs.
#[derive(Args, Clone, Debug)]
pub struct Paths {
    /// The built `accolade`, with the feature `faults`.
    #[arg(long, value_name = "PATH")]
    pub accolade: PathBuf,
    /// The built `discord-sim`.
    #[arg(long, value_name = "PATH")]
    pub discord_sim: PathBuf,
}

/// The options of `testbed faults`.
#[derive(Args, Debug)]
pub struct FaultsOptions {
    /// How many faults are injected.
    #[arg(long, default_value_t = 300)]
    points: u64,
    /// End after this many seconds, however many points were made.
    #[arg(long)]
    seconds: Option<u64>,
    /// The seed of everything that is drawn.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// The bot's database.
    #[arg(long, value_enum, default_value_t = Database::Sqlite)]
    database: Database,
    /// Only this fault, such as `F08`.
    #[arg(long, value_name = "FAULT", value_parser = Fault::named)]
    only: Option<Fault>,
    /// Continue from the counts of an earlier campaign, such as `target/faults-sqlite.json`.
    #[arg(long, value_name = "FILE")]
    resume: Option<PathBuf>,
    /// Break this rule on purpose (`I1` to `I11`); the checker must find it. Exits with 1 if it does, with 2 if it does not.
    #[arg(long, value_name = "RULE", value_parser = plants::rule_named, conflicts_with_all = ["points", "seconds", "only", "resume"])]
    plant: Option<Rule>,
    #[command(flatten)]
    paths: Paths,
}

/// The result of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Nothing was found.
    Clean,
    /// A violation was found.
    Broken,
    /// A planted violation was not found.
    Blind,
}

/// Runs a campaign, or plants a violation.
pub async fn run(options: FaultsOptions) -> Result<Verdict> {
    if let Some(rule) = options.plant {
        return plants::run(&options.paths, options.database, rule).await;
    }
    if let Some(fault) = options.only {
        ensure!(
            fault.is_possible_on(options.database),
            "{} cannot happen on {}",
            fault.id(),
            options.database.name()
        );
    }
    let mut stop = StopSignals::listen()?;
    let tally = Tally::begin(options.seed, options.database, options.resume.as_deref())?;
    let (begun, before) = (Instant::now(), tally.points);
    say(&format!("seed {}, {} points on {}", options.seed, options.points, options.database.name()));
    let servers = Arc::new(Servers::start(options.database, options.seed).await?);
    let mut campaign = Campaign {
        paths: options.paths,
        database: options.database,
        limits: Limits {
            points: options.points,
            until: options.seconds.map(|seconds| begun + Duration::from_secs(seconds)),
            only: options.only,
        },
        servers,
        random: generator(options.seed, before),
        tally,
    };
    // Journeys stay on this thread because they mostly wait. A campaign that is stopped reports its counts and leaves no process running.
    let ran = tokio::select! {
        ran = async { tokio::task::LocalSet::new().run_until(campaign.run()).await } => ran,
        () = stop.wait() => Err(anyhow!("stopped before its end")),
    };
    let mut tally = campaign.tally;
    tally.seconds += begun.elapsed().as_secs();
    let file = outputs()?.join(format!("faults-{}.json", options.database.name()));
    tally.write(&file)?;
    say(&format!("\n{}\n\n{}", tally.table(), tally.times()));
    say(&format!(
        "\nseed {}, {} points, {} journeys, {} rounds, {} violations ({})",
        tally.seed,
        tally.points,
        tally.journeys,
        tally.rounds,
        tally.violations.len(),
        Tally::pace(tally.points - before, begun.elapsed())
    ));
    say(&format!("written: {}", file.display()));
    ran?;
    Ok(if tally.violations.is_empty() { Verdict::Clean } else { Verdict::Broken })
}
