//! A circuit breaker: after several failures in a row the target's calls are held back for a while.
//!
//! Pure: the caller passes each event and its instant, which comes from the injected clock. If the clock is set back, one call may probe
//! at once; otherwise the target would be held back for as long as the clock was set back.

use std::time::Duration;

use crate::domain::error_code::codes;
use crate::domain::ids::Timestamp;

codes! {
    /// What is called.
    pub enum Target {
        /// The LDAP server.
        Directory = "directory",
        /// Keycloak's admin interface.
        Keycloak = "keycloak",
        /// The mail server behind Keycloak. It has its own breaker, because a failed call may have sent a mail.
        Mail = "mail",
        /// Discord's REST interface.
        Discord = "discord",
    }
}

impl Target {
    /// How many failures in a row open the breaker. One is enough for mail: each attempt may send a mail.
    const fn tolerates(self) -> u32 {
        match self {
            Self::Mail => 1,
            Self::Directory | Self::Keycloak | Self::Discord => 5,
        }
    }

    /// How long the breaker stays open before one call may probe.
    const fn probes_every(self) -> Duration {
        match self {
            Self::Mail => Duration::from_mins(1),
            Self::Directory | Self::Keycloak | Self::Discord => Duration::from_secs(5),
        }
    }
}

/// Whether a call may be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Admission {
    /// It may.
    Free,
    /// It may, alone: it is the probe.
    Probe,
    /// It may not; the next probe is due after this span.
    Blocked(Duration),
}

/// What a finished call changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    /// Nothing.
    None,
    /// The breaker has opened.
    Opened,
    /// The breaker has closed: the jobs that wait for this target are due.
    Closed,
}

#[derive(Clone, Copy, Debug)]
enum State {
    Closed { failures: u32 },
    Open { since: Timestamp },
    Probing { since: Timestamp },
}

/// The breaker of one target.
#[derive(Clone, Debug)]
pub(crate) struct Breaker {
    target: Target,
    state: State,
}

/// A probe without an answer (its job lost the lease) is forgotten after this span.
const PROBE_FORGOTTEN_AFTER: Duration = Duration::from_secs(30);

/// Whether `span` is not over yet at `now`. If the clock was set back, it counts as over.
fn still_within(since: Timestamp, now: Timestamp, span: Duration) -> bool {
    since <= now && now < since.after(span)
}

impl Breaker {
    /// A closed breaker.
    pub(crate) const fn new(target: Target) -> Self {
        Self { target, state: State::Closed { failures: 0 } }
    }

    /// Whether calls are held back now.
    pub(crate) const fn is_open(&self) -> bool {
        !matches!(self.state, State::Closed { .. })
    }

    /// Asks for one call at `now`.
    pub(crate) fn admit(&mut self, now: Timestamp) -> Admission {
        match self.state {
            State::Closed { .. } => Admission::Free,
            State::Open { since } if still_within(since, now, self.target.probes_every()) => {
                Admission::Blocked(self.target.probes_every().saturating_sub(now.since(since)))
            }
            State::Probing { since } if still_within(since, now, PROBE_FORGOTTEN_AFTER) => {
                Admission::Blocked(Duration::from_secs(1))
            }
            State::Open { .. } | State::Probing { .. } => {
                self.state = State::Probing { since: now };
                Admission::Probe
            }
        }
    }

    /// The target answered, even if it refused the call: it is available.
    pub(crate) fn answered(&mut self) -> Change {
        let was_open = self.is_open();
        self.state = State::Closed { failures: 0 };
        if was_open { Change::Closed } else { Change::None }
    }

    /// The target did not answer, or answered that it cannot now.
    pub(crate) fn failed(&mut self, now: Timestamp) -> Change {
        let open = State::Open { since: now };
        match self.state {
            State::Closed { failures } if failures + 1 < self.target.tolerates() => {
                self.state = State::Closed { failures: failures + 1 };
                Change::None
            }
            State::Closed { .. } => {
                self.state = open;
                Change::Opened
            }
            State::Open { .. } => Change::None,
            State::Probing { .. } => {
                self.state = open;
                Change::None
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_failed_mail_holds_the_others_back_and_one_probes_a_minute_later() {
        let start = Timestamp::from_millis(1_700_000_000_000);
        let mut breaker = Breaker::new(Target::Mail);
        assert_eq!(breaker.admit(start), Admission::Free);
        assert_eq!(breaker.failed(start), Change::Opened);
        assert_eq!(breaker.admit(start), Admission::Blocked(Duration::from_mins(1)));
        let later = start.after(Duration::from_mins(1));
        assert_eq!(breaker.admit(later), Admission::Probe);
        assert!(matches!(breaker.admit(later), Admission::Blocked(_)), "only one probes");
        assert_eq!(breaker.answered(), Change::Closed);
        assert_eq!(breaker.admit(later), Admission::Free);
    }

    #[test]
    fn the_directory_may_fail_four_times_in_a_row() {
        let start = Timestamp::from_millis(1_700_000_000_000);
        let mut breaker = Breaker::new(Target::Directory);
        for _ in 0..4 {
            assert_eq!(breaker.failed(start), Change::None);
        }
        assert_eq!(breaker.answered(), Change::None);
        for _ in 0..4 {
            assert_eq!(breaker.failed(start), Change::None);
        }
        assert_eq!(breaker.failed(start), Change::Opened);
    }

    #[test]
    fn a_failed_probe_waits_again_and_a_lost_one_is_forgotten() {
        let start = Timestamp::from_millis(1_700_000_000_000);
        let mut breaker = Breaker::new(Target::Mail);
        breaker.failed(start);
        let first = start.after(Duration::from_mins(1));
        assert_eq!(breaker.admit(first), Admission::Probe);
        assert_eq!(breaker.failed(first), Change::None);
        assert_eq!(breaker.admit(first), Admission::Blocked(Duration::from_mins(1)));
        let second = first.after(Duration::from_mins(1));
        assert_eq!(breaker.admit(second), Admission::Probe);
        assert_eq!(breaker.admit(second.after(PROBE_FORGOTTEN_AFTER)), Admission::Probe);
    }

    #[test]
    fn a_clock_that_is_set_back_lets_one_call_probe() {
        let start = Timestamp::from_millis(1_700_000_000_000);
        let mut breaker = Breaker::new(Target::Mail);
        breaker.failed(start);
        let earlier = start.before(Duration::from_hours(1));
        assert_eq!(breaker.admit(earlier), Admission::Probe);
        assert!(matches!(breaker.admit(earlier), Admission::Blocked(_)), "only one probes");
    }
}
