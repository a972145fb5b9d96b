//! `./dev bench`: what the bot costs in time, CPU and memory, against fixed goals, on real servers and a simulated Discord.
//!
//! Start at [`run`]. `ground` is what everything stands on, `bare` makes accounts without the bot, `person` and `burst` are people who
//! ask for one; `start`, `accounts`, `acks` and `kill` are the parts that measure; `figures` judges and `process` reads `/proc`.
//! `docs/speed.md` is for readers outside.
//!
//! Ratios come from one run only: rounds of the bare driver stand before and after each round of the bot's.

mod accounts;
mod acks;
mod bare;
mod burst;
mod figures;
mod ground;
mod kill;
mod person;
mod process;
mod start;

use std::io::Write as _;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use clap::{Args, ValueEnum};

use figures::{Better, Row, Table};
use ground::Ground;

/// A part of the bench.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Part {
    /// Start to IDENTIFY, memory at rest.
    Start,
    /// Throughput, one after the other, CPU for each account.
    Accounts,
    /// How soon a press is acknowledged, and memory after the bursts.
    Acks,
    /// What a kill in the middle loses.
    Kill,
}

/// What `testbed bench` takes.
#[derive(Args, Debug)]
pub struct BenchOptions {
    /// Exit with 3 if a goal is missed.
    #[arg(long)]
    pub check: bool,
    /// Measure this part alone (may be given again).
    #[arg(long, value_name = "PART", value_enum)]
    only: Vec<Part>,
    /// The built `accolade`: the release build, as it ships.
    #[arg(long, value_name = "PATH")]
    accolade: PathBuf,
    /// The built `discord-sim`: a release build, or it is what is measured.
    #[arg(long, value_name = "PATH")]
    discord_sim: PathBuf,
}

/// How it compares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Every goal that was measured is met.
    Met,
    /// At least one is missed.
    Missed,
}

/// Measures, prints the table and writes `bench.json`.
pub async fn run(options: &BenchOptions) -> Result<Outcome> {
    let begun = Instant::now();
    let wants = |part: Part| options.only.is_empty() || options.only.contains(&part);
    let mut table = Table::default();
    table.push(size_of(options)?);
    say("Starting slapd, Keycloak, the mail catcher and the simulated Discord …");
    let ground = Ground::start(&options.accolade, &options.discord_sim).await?;
    if wants(Part::Start) {
        say("The bot's start, and its memory at rest …");
        start::measure(&ground, &mut table).await.context("measure the start")?;
    }
    if wants(Part::Accounts) {
        say("Accounts, with the bare driver before and after …");
        accounts::measure(&ground, &mut table).await.context("measure accounts")?;
    }
    if wants(Part::Acks) {
        say("Acknowledgements …");
        acks::measure(&ground, &mut table).await.context("measure acknowledgements")?;
    }
    if wants(Part::Kill) {
        say("A kill in the middle …");
        kill::measure(&ground, &mut table).await.context("measure a kill")?;
    }
    ground.stop().await;
    say(&format!("\n{}\n", table.text()));
    let file = crate::folders::outputs()?.join("bench.json");
    let json = table.json(&jiff::Timestamp::now().to_string(), processors());
    std::fs::write(&file, json).context("write bench.json")?;
    say(&format!("written: {} after {} s", file.display(), begun.elapsed().as_secs()));
    Ok(if table.missed().is_empty() { Outcome::Met } else { Outcome::Missed })
}

fn processors() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
}

/// The release binary on disk.
fn size_of(options: &BenchOptions) -> Result<Row> {
    let bytes = std::fs::metadata(&options.accolade).context("look at the built accolade")?.len();
    #[expect(clippy::cast_precision_loss, reason = "a file of some megabytes")]
    let megabytes = bytes as f64 / 1e6;
    Ok(Row::new("release binary", "MB", Better::Less, megabytes, 25.0))
}

/// What people read goes to standard error, line by line.
fn say(line: &str) {
    // A closed terminal must not end the run half way.
    drop(writeln!(std::io::stderr(), "{line}"));
}

/// How long the bot may take to connect on a busy machine.
const CONNECTS_WITHIN: Duration = Duration::from_mins(1);

/// How long an account may take until its mail is there.
const MAIL_WITHIN: Duration = Duration::from_mins(1);

/// How long a queue may take to empty.
const DRAINS_WITHIN: Duration = Duration::from_mins(2);
