//! The only place where the test bed waits for something outside: a condition, asked again and again until a limit.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};

/// Asks `condition` until it says yes, at most for `limit`. `what` completes the sentence "waited … for …".
pub async fn wait_until(
    what: &str,
    limit: Duration,
    mut condition: impl AsyncFnMut() -> Result<bool>,
) -> Result<()> {
    let begun = Instant::now();
    loop {
        if condition().await? {
            return Ok(());
        }
        if begun.elapsed() >= limit {
            bail!("waited {limit:?} for {what}");
        }
        tokio::time::sleep(pause_after(begun.elapsed())).await;
    }
}

/// The same for code without a runtime, such as `Drop`.
pub(crate) fn block_until(limit: Duration, mut condition: impl FnMut() -> bool) -> bool {
    let begun = Instant::now();
    loop {
        if condition() {
            return true;
        }
        if begun.elapsed() >= limit {
            return false;
        }
        std::thread::sleep(pause_after(begun.elapsed()));
    }
}

/// What is ready at once is seen at once, and a slow start isn't slowed further by our asking.
fn pause_after(elapsed: Duration) -> Duration {
    (elapsed / 20).clamp(Duration::from_millis(5), Duration::from_millis(100))
}
