//! How long an answer of an outside system counts before it must be asked again.

use std::time::Duration;

/// How long an answer counts. The steps of a job take seconds unless they wait for a server.
pub const FRESH_FOR: Duration = Duration::from_secs(30);

/// Whether an answer of this age still counts. The age is measured with the monotonic clock of one process: the wall clocks of two
/// machines, or of one machine before and after a correction, can be an hour apart.
pub fn is_fresh(age: Duration) -> bool {
    age <= FRESH_FOR
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_counts_for_thirty_seconds() {
        assert!(is_fresh(Duration::ZERO));
        assert!(is_fresh(FRESH_FOR));
        assert!(!is_fresh(FRESH_FOR + Duration::from_millis(1)));
    }
}
