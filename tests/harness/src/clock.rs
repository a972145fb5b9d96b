//! The clock of the tests: a test pushes it instead of waiting.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use accolade::clock::{Clock, SystemClock};
use accolade::domain::ids::Timestamp;
use futures::future::BoxFuture;

/// The machine's time plus the time that a test added, or a fixed time that changes only when a test pushes it.
#[derive(Debug, Default)]
pub struct PushedClock {
    pushed: AtomicI64,
    stands_at: Option<i64>,
}

impl PushedClock {
    /// A clock that is fixed at this moment, in milliseconds since 1970. Its pauses end at once.
    pub const fn standing_at(milliseconds: i64) -> Self {
        Self { pushed: AtomicI64::new(0), stands_at: Some(milliseconds) }
    }

    /// Moves the clock forward.
    pub fn push(&self, span: Duration) {
        let span = i64::try_from(span.as_millis()).expect("a short span");
        self.pushed.fetch_add(span, Ordering::SeqCst);
    }
}

impl Clock for PushedClock {
    fn now(&self) -> Timestamp {
        let base = self.stands_at.unwrap_or_else(|| SystemClock.now().as_millis());
        Timestamp::from_millis(base + self.pushed.load(Ordering::SeqCst))
    }

    fn shift(&self) -> i64 {
        self.pushed.load(Ordering::SeqCst)
    }

    fn pause(&self, span: Duration) -> BoxFuture<'static, ()> {
        match self.stands_at {
            Some(_) => Box::pin(std::future::ready(())),
            None => SystemClock.pause(span),
        }
    }
}
