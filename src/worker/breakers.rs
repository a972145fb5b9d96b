//! The circuit breakers of this process, one for each target.

use std::sync::{Mutex, PoisonError};

use super::breaker::{Admission, Breaker, Change, Target};
use crate::domain::ids::Timestamp;

/// One breaker for each target.
pub(crate) struct Breakers(Mutex<[Breaker; 4]>);

impl Breakers {
    /// All closed.
    pub(crate) fn new() -> Self {
        Self(Mutex::new([
            Breaker::new(Target::Directory),
            Breaker::new(Target::Keycloak),
            Breaker::new(Target::Mail),
            Breaker::new(Target::Discord),
        ]))
    }

    fn with<T>(&self, target: Target, ask: impl FnOnce(&mut Breaker) -> T) -> T {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let [directory, keycloak, mail, discord] = &mut *all;
        ask(match target {
            Target::Directory => directory,
            Target::Keycloak => keycloak,
            Target::Mail => mail,
            Target::Discord => discord,
        })
    }

    /// Asks the target's breaker whether a call may be made at `now`.
    pub(crate) fn admit(&self, target: Target, now: Timestamp) -> Admission {
        self.with(target, |breaker| breaker.admit(now))
    }

    /// Notes how a call ended.
    pub(crate) fn note(&self, target: Target, is_outage: bool, now: Timestamp) -> Change {
        self.with(target, |breaker| if is_outage { breaker.failed(now) } else { breaker.answered() })
    }

    /// Whether the target's calls are being held back.
    pub(crate) fn is_open(&self, target: Target) -> bool {
        self.with(target, |breaker| breaker.is_open())
    }
}
