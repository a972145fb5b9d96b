//! How long an answer of an outside system counts before it must be asked again.

use std::time::Duration;

use super::ids::Timestamp;

/// How long an answer counts. The steps of a job take seconds unless they wait for a server.
pub const FRESH_FOR: Duration = Duration::from_secs(30);

/// Whether an answer of `at` still counts at `now`. If the clock was set back, the age is unknown and the answer counts as old.
pub fn is_fresh(at: Timestamp, now: Timestamp) -> bool {
    at <= now && now.since(at) <= FRESH_FOR
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_counts_for_thirty_seconds_and_never_before_it_was_given() {
        let at = Timestamp::from_millis(1_700_000_000_000);
        let moment = Duration::from_millis(1);
        assert!(is_fresh(at, at));
        assert!(is_fresh(at, at.after(FRESH_FOR)));
        assert!(!is_fresh(at, at.after(FRESH_FOR + moment)));
        assert!(!is_fresh(at, at.before(moment)));
    }
}
