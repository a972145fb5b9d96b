//! Time and randomness as injected values, so that tests can push time and repeat a run with a seed.
//!
//! No other module asks the machine for either. All others take a [`Clock`], [`Rng`] or [`Ids`].

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::future::BoxFuture;

use crate::domain::ids::{Nonce, Timestamp};

/// The source of timestamps. Pauses are real time; timestamps may be shifted.
pub trait Clock: Send + Sync + 'static {
    /// The current time.
    fn now(&self) -> Timestamp;

    /// The number of milliseconds by which a test has pushed time ahead. The same shift is added to a database's own clock, so pushed
    /// time also ends the leases of a killed process. An error of this machine's clock is not part of it.
    fn shift(&self) -> i64 {
        0
    }

    /// This moment by the monotonic clock.
    fn moment(&self) -> Moment {
        Moment { at: Instant::now(), pushed: self.shift() }
    }

    /// Waits in real time. Loops read [`Clock::now`] again after each pause, so they notice pushed time.
    fn pause(&self, span: Duration) -> BoxFuture<'static, ()>;
}

/// A moment by the monotonic clock of this process. Pushed time counts: it ends leases in the database, so their holders must see it.
#[derive(Clone, Copy, Debug)]
pub struct Moment {
    at: Instant,
    pushed: i64,
}

impl Moment {
    /// The time since `earlier`; zero if that is later.
    pub fn since(self, earlier: Self) -> Duration {
        let pushed = u64::try_from(self.pushed.saturating_sub(earlier.pushed)).unwrap_or(0);
        self.at.saturating_duration_since(earlier.at) + Duration::from_millis(pushed)
    }

    /// The moment `span` earlier.
    #[cfg(test)]
    pub(crate) fn before(self, span: Duration) -> Self {
        Self { at: self.at.checked_sub(span).expect("an instant"), ..self }
    }
}

/// The source of random bytes.
pub trait Rng: Send + Sync + 'static {
    /// Fills `bytes` with random bytes that are suitable for keys and nonces.
    fn fill(&self, bytes: &mut [u8]);
}

/// The machine's clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        #[expect(clippy::disallowed_methods, reason = "only this file reads the clock")]
        let now = jiff::Timestamp::now();
        Timestamp::from_millis(now.as_millisecond())
    }

    fn pause(&self, span: Duration) -> BoxFuture<'static, ()> {
        #[expect(clippy::disallowed_methods, reason = "only this file reads the clock")]
        Box::pin(tokio::time::sleep(span))
    }
}

/// The clock of this process. Builds with the feature `faults` add the milliseconds in the file that
/// `ACCOLADE_CLOCK_OFFSET_FILE` names, so a test can push the time of a running bot. A second number in the file is an error of this
/// machine's clock alone.
pub fn of_process() -> Arc<dyn Clock> {
    #[cfg(feature = "faults")]
    if let Some(file) = crate::config::clock_offset_file() {
        return Arc::new(ShiftedClock { file });
    }
    Arc::new(SystemClock)
}

/// The machine's clock plus the offset in a file.
#[cfg(feature = "faults")]
struct ShiftedClock {
    file: std::path::PathBuf,
}

#[cfg(feature = "faults")]
impl ShiftedClock {
    /// The pushed time and the error of this clock, in milliseconds. Both are zero if the file doesn't exist.
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

/// The random numbers of the operating system.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemRng;

impl Rng for SystemRng {
    fn fill(&self, bytes: &mut [u8]) {
        #[expect(clippy::disallowed_methods, reason = "only this file reads random numbers")]
        rand::RngCore::fill_bytes(&mut rand::rng(), bytes);
    }
}

/// Creates ids and nonces from the injected clock and random numbers.
#[derive(Clone)]
pub struct Ids {
    clock: Arc<dyn Clock>,
    rng: Arc<dyn Rng>,
}

impl Ids {
    /// Uses these sources.
    pub fn new(clock: Arc<dyn Clock>, rng: Arc<dyn Rng>) -> Self {
        Self { clock, rng }
    }

    /// A new `UUIDv7` (RFC 9562 section 5.7), which sorts by its creation time.
    pub fn uuid(&self) -> uuid::Uuid {
        let random = self.random();
        let millis = u64::try_from(self.clock.now().as_millis()).unwrap_or(0);
        uuid::Builder::from_unix_timestamp_millis(millis, &random).into_uuid()
    }

    /// A random nonce, never zero (zero means "no row").
    pub fn nonce(&self) -> Nonce {
        Nonce::new(u64::from_be_bytes(self.random()).max(1))
    }

    /// Random bytes.
    pub fn random<const N: usize>(&self) -> [u8; N] {
        let mut random = [0; N];
        self.rng.fill(&mut random);
        random
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
    fn pushed_time_counts_between_two_moments_and_no_time_is_negative() {
        let (earlier, hour) = (SystemClock.moment(), Duration::from_hours(1));
        let later = Moment { pushed: 3_600_000, ..SystemClock.moment() };
        assert!((hour..hour * 2).contains(&later.since(earlier)));
        assert!(SystemClock.moment().since(earlier.before(hour)) >= hour);
        assert_eq!(earlier.since(later), Duration::ZERO);
    }

    #[test]
    fn ids_carry_the_injected_time_and_nonces_are_never_zero() {
        let ids = Ids::new(Arc::new(Still), Arc::new(Zeroes));
        assert_eq!(ids.uuid().to_string(), "018bcfe5-6800-7000-8000-000000000000");
        assert_ne!(ids.nonce(), Nonce::NONE);
    }
}
