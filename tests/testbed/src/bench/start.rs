//! From the start of the process to its IDENTIFY, and what it holds at rest.

use anyhow::Result;

use super::figures::{Better, Row, Table};
use super::ground::Ground;
use super::process::settled_memory;

/// How often it is started; the median counts.
const STARTS: usize = 9;

pub(super) async fn measure(ground: &Ground, table: &mut Table) -> Result<()> {
    let life = ground.prepare("start").await?;
    let mut starts = Vec::new();
    for _ in 0..STARTS {
        let bot = ground.start_bot(&life).await?;
        starts.push(bot.identified_after);
        bot.kill();
    }
    let times: Vec<String> = starts.iter().map(|start| start.as_millis().to_string()).collect();
    let seconds = super::figures::percentile_ms(&starts, 50) / 1000.0;
    table.push(
        Row::new("start to IDENTIFY, median", "s", Better::Less, seconds, 0.10)
            .stretch(0.03)
            .note(format!("ms: {}", times.join(" "))),
    );
    rests(ground, "memory at rest, a guild of 10", table).await?;
    ground.fill_the_guild().await?;
    rests(ground, "memory at rest, a guild of 50,000", table).await
}

async fn rests(ground: &Ground, what: &str, table: &mut Table) -> Result<()> {
    let bot = ground.start_bot(&ground.prepare("rest").await?).await?;
    let memory = settled_memory(bot.pid()).await?;
    table.push(Row::new(what, "MiB", Better::Less, memory, 20.0).stretch(15.0));
    bot.kill();
    Ok(())
}
