//! Runs at a steady rate for a long time. Afterwards the process must hold no more memory, files and connections than before.
//!
//! A leak grows with every request. The samples of the second quarter are compared with those of the last. By
//! the second quarter, caches, pools and the allocator have reached their size.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use futures::StreamExt as _;
use tokio::sync::Mutex;

use super::accounts::make_account;
use super::env::{BenchEnv, BotProcess};
use super::procfs::connections_of;
use super::report::{Report, Row, float, spread};
use super::requester::Approval;
use crate::checker::leaks::holdings_of;

/// One account per second.
const PAUSE: Duration = Duration::from_secs(1);

/// How many accounts may be in progress at once. More means that the bot has stopped working.
const AT_ONCE: usize = 128;

/// How many samples are taken, and the minimum pause between two.
const SAMPLES: u32 = 240;
const SAMPLE_EVERY: Duration = Duration::from_secs(1);

/// The shortest soak whose quarters are meaningful.
const SHORTEST: Duration = Duration::from_mins(1);

/// What the process holds at one moment.
#[derive(Clone, Copy, Debug)]
struct Sample {
    memory_kib: u64,
    descriptors: usize,
    connections: usize,
}

impl Sample {
    fn take(bot: &BotProcess) -> Result<Self> {
        let held = holdings_of(bot.pid()).context("the bot is gone")?;
        Ok(Self {
            memory_kib: held.memory_kib,
            descriptors: held.descriptors,
            connections: connections_of(bot.pid())?,
        })
    }
}

pub(super) async fn measure(env: &BenchEnv, span: Duration, report: &mut Report) -> Result<()> {
    ensure!(span >= SHORTEST, "a soak takes at least a minute");
    env.fill_the_guild().await?;
    let deployment = env.deploy("soak").await?;
    let bot = env.start_bot(&deployment).await?;
    let count = usize::try_from(span.as_secs() / PAUSE.as_secs())?;
    let people = env.take_members(count, Approval::Automatic, "soak").await?;
    let beat = Mutex::new(tokio::time::interval(PAUSE));
    let requests = futures::stream::iter(&people)
        .then(async |person| {
            beat.lock().await.tick().await;
            person
        })
        .map(|person| make_account(env, person))
        .buffer_unordered(AT_ONCE)
        .collect::<Vec<Result<Duration>>>();
    let mut samples = Vec::new();
    let sampling = take_samples(&bot, (span / SAMPLES).max(SAMPLE_EVERY), &mut samples);
    let results = tokio::select! {
        results = requests => results,
        failed = sampling => match failed? {},
    };
    let failed = results.iter().filter(|result| result.is_err()).count();
    let first_failure = results.iter().find_map(|result| result.as_ref().err());
    let times: Vec<Duration> = results.iter().filter_map(|result| result.as_ref().ok()).copied().collect();
    let note = first_failure.map_or_else(String::new, |error| format!("the first: {error:#}"));
    report.push(Row::count("soak: requests that failed", failed, 0.0).note(note));
    push_growth(&samples, report)?;
    report.note(format!("{count} requests, one a second; Send to mail in ms: {}", spread(&times)));
    bot.stop();
    Ok(())
}

/// Takes samples until the caller drops the future.
async fn take_samples(
    bot: &BotProcess,
    every: Duration,
    samples: &mut Vec<Sample>,
) -> Result<std::convert::Infallible> {
    let mut beat = tokio::time::interval(every);
    loop {
        beat.tick().await;
        samples.push(Sample::take(bot)?);
    }
}

fn push_growth(samples: &[Sample], report: &mut Report) -> Result<()> {
    let quarter = samples.len() / 4;
    ensure!(quarter > 2, "only {} samples were taken", samples.len());
    let (early, late) = (&samples[quarter..quarter * 2], &samples[samples.len() - quarter..]);
    let memory = |samples: &[Sample]| median(samples.iter().map(|sample| sample.memory_kib));
    let descriptors = |samples: &[Sample]| median(samples.iter().map(|sample| sample.descriptors as u64));
    let connections = |samples: &[Sample]| median(samples.iter().map(|sample| sample.connections as u64));
    let ratio = float(usize::try_from(memory(late))?) / float(usize::try_from(memory(early))?);
    let note = format!("{} MiB, then {} MiB", memory(early) / 1024, memory(late) / 1024);
    report.push(Row::ratio("soak: memory in the last quarter ÷ in the second", ratio, 1.1).note(note));
    for (what, early, late) in [
        ("descriptors", descriptors(early), descriptors(late)),
        ("connections", connections(early), connections(late)),
    ] {
        let more = usize::try_from(late.saturating_sub(early))?;
        let row = Row::count(format!("soak: more {what} in the last quarter than in the second"), more, 4.0);
        report.push(row.note(format!("{early}, then {late}")));
    }
    Ok(())
}

fn median(values: impl Iterator<Item = u64>) -> u64 {
    crate::faults::percentile(&values.collect::<Vec<u64>>(), 50)
}

#[cfg(test)]
mod tests {
    use super::super::Database;
    use super::*;

    fn missed(samples: &[Sample]) -> Vec<String> {
        let mut report = Report::default();
        report.begin(Database::Sqlite);
        push_growth(samples, &mut report).expect("enough samples");
        report.missed()
    }

    #[test]
    fn growth_after_the_first_quarter_is_found_and_growth_within_it_is_not() {
        let flat = Sample { memory_kib: 40_000, descriptors: 40, connections: 20 };
        let small = Sample { memory_kib: 20_000, descriptors: 10, connections: 5 };
        let mut samples = vec![small; 10];
        samples.extend([flat; 30]);
        assert!(missed(&samples).is_empty());
        samples[30..].fill(Sample { memory_kib: 45_000, descriptors: 45, connections: 25 });
        assert_eq!(missed(&samples).len(), 3);
        assert!(push_growth(&[flat; 8], &mut Report::default()).is_err());
    }
}
