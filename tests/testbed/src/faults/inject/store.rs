//! Faults of the database's disk and lock, and of the clock.

use anyhow::{Context as _, Result};
use rand::Rng as _;
use sqlx::{Connection as _, Executor as _, SqliteConnection};

use super::Hand;

const AN_HOUR_MS: i64 = 3_600_000;

/// The database's disk has no space left for a moment.
pub(super) async fn fill_disk(hand: &mut Hand<'_>) -> Result<Vec<String>> {
    let steps = hand.steps().await;
    let lasts = hand.span(50, 500);
    let Some(tmpfs) = &hand.stage.env.tmpfs else { return Ok(Vec::new()) };
    let filling = tmpfs.fill()?;
    crate::waiting::let_pass(lasts).await;
    drop(filling);
    Ok(steps)
}

/// Another process holds the database's write lock.
pub(super) async fn lock(hand: &mut Hand<'_>) -> Result<Vec<String>> {
    let steps = hand.steps().await;
    // Sometimes longer than the bot waits.
    let lasts = if hand.random.random_bool(0.15) { hand.span(2100, 2600) } else { hand.span(50, 900) };
    let mut connection =
        SqliteConnection::connect(&hand.stage.env.store_url).await.context("open the database")?;
    connection.execute("PRAGMA busy_timeout = 2000").await?;
    if connection.execute("BEGIN EXCLUSIVE").await.is_err() {
        return Ok(Vec::new());
    }
    crate::waiting::let_pass(lasts).await;
    connection.execute("ROLLBACK").await?;
    connection.close().await?;
    Ok(steps)
}

/// The bot's clock jumps by an hour and then returns.
pub(super) async fn set_clock_apart(hand: &mut Hand<'_>) -> Result<Vec<String>> {
    let steps = hand.steps().await;
    let lasts = hand.span(100, 800);
    let skew = if hand.random.random_bool(0.5) { AN_HOUR_MS } else { -AN_HOUR_MS };
    hand.stage.env.time.set_apart(skew)?;
    crate::waiting::let_pass(lasts).await;
    hand.stage.env.time.set_apart(0)?;
    Ok(steps)
}
