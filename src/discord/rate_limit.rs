//! Discord's global limit ("Rate Limits", Global Rate Limit): while it asks the bot to wait, nothing leaves. serenity's limiter makes
//! only the call wait that was refused. Replies to interactions are exempt there, and do not come by here.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use super::client::CALL_TIMEOUT;
use super::error::DiscordError;
use crate::clock::Clock;

/// Until when nothing may leave.
pub(super) struct GlobalRateLimit {
    clock: Arc<dyn Clock>,
    /// Milliseconds since 1970.
    until: AtomicI64,
}

impl GlobalRateLimit {
    pub(super) fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock, until: AtomicI64::new(0) }
    }

    /// Discord asked for this long.
    pub(super) fn asked(&self, span: Duration) {
        self.until.fetch_max(self.clock.now().after(span).as_millis(), Ordering::Relaxed);
    }

    fn left(&self) -> Duration {
        let left = self.until.load(Ordering::Relaxed).saturating_sub(self.clock.now().as_millis());
        Duration::from_millis(u64::try_from(left).unwrap_or(0))
    }

    /// Waits until calls may leave; [`DiscordError::RateLimited`] if that is longer than a call may take.
    pub(super) async fn passes(&self) -> Result<(), DiscordError> {
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
