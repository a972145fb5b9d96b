//! The only place where tests let time pass. A condition is polled up to a limit, or a pause is part of a
//! fault.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};

/// Polls `condition` until it is true, for at most `limit`. `what` completes the sentence "waited … for …".
pub async fn wait_until(
    what: &str,
    limit: Duration,
    condition: impl AsyncFnMut() -> Result<bool>,
) -> Result<()> {
    if comes_true(limit, condition).await? {
        return Ok(());
    }
    bail!("waited {limit:?} for {what}");
}

/// The same for a condition that may stay false. Returns whether it became true within the limit.
pub async fn comes_true(limit: Duration, condition: impl AsyncFnMut() -> Result<bool>) -> Result<bool> {
    ask(limit, pause_after, condition).await
}

/// The same with a fixed pause between polls, for a condition that is expensive to evaluate or that advances time.
pub(crate) async fn comes_true_at_looks(
    limit: Duration,
    pause: Duration,
    condition: impl AsyncFnMut() -> Result<bool>,
) -> Result<bool> {
    ask(limit, |_| pause, condition).await
}

async fn ask(
    limit: Duration,
    pause_after: impl Fn(Duration) -> Duration,
    mut condition: impl AsyncFnMut() -> Result<bool>,
) -> Result<bool> {
    let begun = Instant::now();
    loop {
        if condition().await? {
            return Ok(true);
        }
        if begun.elapsed() >= limit {
            return Ok(false);
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

/// A span that is part of the scenario: how long a fault lasts, or how long a person hesitates. Never a way to wait for a result.
pub(crate) async fn let_pass(span: Duration) {
    tokio::time::sleep(span).await;
}

/// Short at first, so that a condition that is true at once is detected at once. Longer later, so that polling does not slow down a slow
/// start.
fn pause_after(elapsed: Duration) -> Duration {
    (elapsed / 20).clamp(Duration::from_millis(5), Duration::from_millis(100))
}
