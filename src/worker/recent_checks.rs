//! Which requests this process checked in Keycloak a moment ago, so that the same question isn't asked twice in a row.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use crate::clock::Moment;
use crate::domain::freshness::is_fresh;
use crate::domain::ids::RequestId;

/// The requests whose user name and address were free in Keycloak, and when that was asked.
pub(crate) struct RecentChecks(Mutex<HashMap<RequestId, Moment>>);

impl RecentChecks {
    /// Nothing was checked yet.
    pub(crate) fn new() -> Self {
        Self(Mutex::new(HashMap::new()))
    }

    /// Keycloak was asked about this request at `asked_at`, and everything was free.
    pub(crate) fn note(&self, request: RequestId, asked_at: Moment) {
        let mut checks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        checks.retain(|_, at| is_fresh(asked_at.since(*at)));
        checks.insert(request, asked_at);
    }

    /// Whether everything was free at most 30 s ago. A note is used once, so a job that is retried asks again.
    pub(crate) fn take_fresh(&self, request: RequestId, now: Moment) -> bool {
        let mut checks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        checks.remove(&request).is_some_and(|at| is_fresh(now.since(at)))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::clock::{Clock, SystemClock};
    use crate::domain::freshness::FRESH_FOR;

    #[test]
    fn a_check_counts_once_and_for_thirty_seconds() {
        let checks = RecentChecks::new();
        let request = RequestId::new(uuid::Uuid::from_u128(1));
        let now = SystemClock.moment();
        assert!(!checks.take_fresh(request, now), "nothing was checked");
        checks.note(request, now.before(FRESH_FOR));
        assert!(checks.take_fresh(request, now));
        assert!(!checks.take_fresh(request, now), "it counts once");
        checks.note(request, now.before(FRESH_FOR + Duration::from_millis(1)));
        assert!(!checks.take_fresh(request, now));
    }
}
