//! Measures the time from the start of the process to its IDENTIFY, and what the process holds when idle.

use anyhow::Result;

use super::env::BenchEnv;
use super::procfs::settled_memory;
use super::report::{Better, Report, Row, percentile_ms};

/// How many times the bot is started.
const STARTS: usize = 5;

pub(super) async fn measure(env: &BenchEnv, report: &mut Report) -> Result<()> {
    let deployment = env.deploy("start").await?;
    let mut starts = Vec::new();
    for _ in 0..STARTS {
        let bot = env.start_bot(&deployment).await?;
        starts.push(bot.identified_after);
        bot.kill();
    }
    let times: Vec<String> = starts.iter().map(|start| start.as_millis().to_string()).collect();
    report.note(format!(
        "start to IDENTIFY: median {:.0} ms of {}",
        percentile_ms(&starts, 50),
        times.join(" ")
    ));
    measure_memory(env, "memory at rest, a guild of 10", "rest-10", report).await?;
    env.fill_the_guild().await?;
    measure_memory(env, "memory at rest, a guild of 50,000", "rest-50000", report).await
}

async fn measure_memory(env: &BenchEnv, what: &str, name: &str, report: &mut Report) -> Result<()> {
    let bot = env.start_bot(&env.deploy(name).await?).await?;
    let memory = settled_memory(bot.pid()).await?;
    report.push(Row::new(what, "MiB", Better::Lower, memory, 22.0).stretch(18.0));
    bot.kill();
    Ok(())
}
