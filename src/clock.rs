//! Time and randomness as values that are handed in, so that tests push time and a seed repeats a run.
//!
//! The only room that asks the machine for either. Everything else takes [`Clock`], [`Rng`] or [`Ids`].

use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;

use crate::domain::ids::{Nonce, Timestamp};

/// Where instants come from. Durations of waiting are real; instants may be shifted.
pub trait Clock: Send + Sync + 'static {
    /// The present instant.
    fn now(&self) -> Timestamp;

    /// By how many milliseconds time was pushed ahead of the machine's. A database's own clock is read with the same shift, so that
    /// pushed time also ends the leases of a process that was killed. What this machine's clock is wrong by is no part of it.
    fn shift(&self) -> i64 {
        0
    }

    /// Waits for a real span of time. Loops that wait look at [`Clock::now`] again after each pause,
    /// so that pushed time is noticed.
    fn pause(&self, span: Duration) -> BoxFuture<'static, ()>;
}

/// Where random bytes come from.
pub trait Rng: Send + Sync + 'static {
    /// Fills `bytes` with random bytes fit for keys and nonces.
    fn fill(&self, bytes: &mut [u8]);
}

/// The machine's clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        #[expect(clippy::disallowed_methods, reason = "this is the room of the clock")]
        let now = jiff::Timestamp::now();
        Timestamp::from_millis(now.as_millisecond())
    }

    fn pause(&self, span: Duration) -> BoxFuture<'static, ()> {
        #[expect(clippy::disallowed_methods, reason = "this is the room of the clock")]
        Box::pin(tokio::time::sleep(span))
    }
}

/// The clock of this process. Builds with the feature `faults` add the milliseconds in the file that
/// `ACCOLADE_CLOCK_OFFSET_FILE` names, so that a test moves the time of a running bot; a second number in it is how far the clock
/// of this machine alone is wrong.
pub fn of_process() -> Arc<dyn Clock> {
    #[cfg(feature = "faults")]
    if let Some(file) = crate::config::clock_offset_file() {
        return Arc::new(ShiftedClock { file });
    }
    Arc::new(SystemClock)
}

/// The machine's clock plus what stands in a file at this moment.
#[cfg(feature = "faults")]
struct ShiftedClock {
    file: std::path::PathBuf,
}

#[cfg(feature = "faults")]
impl ShiftedClock {
    /// By how much time was pushed, and by how much this clock is wrong. Nobody has shifted time before the file is there.
    fn read(&self) -> (i64, i64) {
        let text = std::fs::read_to_string(&self.file).unwrap_or_default();
        let mut numbers = text.split_whitespace().map(|number| number.parse().unwrap_or(0));
        (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0))
    }
}

#[cfg(feature = "faults")]
impl Clock for ShiftedClock {
    fn now(&self) -> Timestamp {
        let (pushed, wrong_by) = self.read();
        Timestamp::from_millis(SystemClock.now().as_millis().saturating_add(pushed).saturating_add(wrong_by))
    }

    fn shift(&self) -> i64 {
        self.read().0
    }

    fn pause(&self, span: Duration) -> BoxFuture<'static, ()> {
        SystemClock.pause(span)
    }
}

/// The operating system's random numbers.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemRng;

impl Rng for SystemRng {
    fn fill(&self, bytes: &mut [u8]) {
        #[expect(clippy::disallowed_methods, reason = "this is the room of randomness")]
        rand::RngCore::fill_bytes(&mut rand::rng(), bytes);
    }
}

/// Makes ids and nonces from the injected clock and randomness.
#[derive(Clone)]
pub struct Ids {
    clock: Arc<dyn Clock>,
    rng: Arc<dyn Rng>,
}

impl Ids {
    /// Takes both sources.
    pub fn new(clock: Arc<dyn Clock>, rng: Arc<dyn Rng>) -> Self {
        Self { clock, rng }
    }

    /// A fresh `UUIDv7` (RFC 9562 section 5.7): sortable by the time it was made.
    pub fn uuid(&self) -> uuid::Uuid {
        let mut random = [0; 10];
        self.rng.fill(&mut random);
        let millis = u64::try_from(self.clock.now().as_millis()).unwrap_or(0);
        uuid::Builder::from_unix_timestamp_millis(millis, &random).into_uuid()
    }

    /// A fresh nonce, never zero (zero means "no row").
    pub fn nonce(&self) -> Nonce {
        let mut random = [0; 8];
        self.rng.fill(&mut random);
        Nonce::new(u64::from_be_bytes(random).max(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Still;

    impl Clock for Still {
        fn now(&self) -> Timestamp {
            Timestamp::from_millis(1_700_000_000_000)
        }

        fn pause(&self, _span: Duration) -> BoxFuture<'static, ()> {
            Box::pin(std::future::ready(()))
        }
    }

    struct Zeroes;

    impl Rng for Zeroes {
        fn fill(&self, bytes: &mut [u8]) {
            bytes.fill(0);
        }
    }

    #[test]
    fn ids_carry_the_injected_time_and_nonces_are_never_zero() {
        let ids = Ids::new(Arc::new(Still), Arc::new(Zeroes));
        assert_eq!(ids.uuid().to_string(), "018bcfe5-6800-7000-8000-000000000000");
        assert_ne!(ids.nonce(), Nonce::NONE);
    }
}
