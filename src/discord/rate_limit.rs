//! Discord's global rate limit ("Rate Limits", Global Rate Limit).
//!
//! serenity's limiter delays only the call that was refused; this one delays every call while the limit holds. Replies to
//! interactions are exempt from the limit and don't pass through here.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use super::error::DiscordError;
use super::limits::CALL_TIMEOUT;
use crate::clock::Clock;

/// The time until which no call may be sent.
pub(super) struct GlobalRateLimit {
    clock: Arc<dyn Clock>,
    /// In milliseconds since 1970.
    until: AtomicI64,
}

impl GlobalRateLimit {
    pub(super) fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock, until: AtomicI64::new(0) }
    }

    /// Discord asked to wait for this long.
    pub(super) fn wait_for(&self, span: Duration) {
        self.until.fetch_max(self.clock.now().after(span).as_millis(), Ordering::Relaxed);
    }

    fn left(&self) -> Duration {
        let left = self.until.load(Ordering::Relaxed).saturating_sub(self.clock.now().as_millis());
        Duration::from_millis(u64::try_from(left).unwrap_or(0))
    }

    /// Waits until calls may be sent; [`DiscordError::RateLimited`] if that takes longer than the limit of a call.
    pub(super) async fn ready(&self) -> Result<(), DiscordError> {
        loop {
            let left = self.left();
            if left.is_zero() {
                return Ok(());
            }
            if left > CALL_TIMEOUT {
                return Err(DiscordError::RateLimited { after: left });
            }
            self.clock.pause(left).await;
        }
    }
}
