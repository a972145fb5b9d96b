//! What an unfinished job waits for, and since when.

use super::error_code::ErrorCode;
use super::ids::Timestamp;
use super::job::{Job, JobKind, JobState};

/// The wait of a job that is tried again by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wait {
    /// What it waits for.
    pub code: ErrorCode,
    /// Since when: the job has not moved on to another step since.
    pub since: Timestamp,
    /// Whether the job ends or locks an account.
    pub is_end: bool,
}

impl Wait {
    /// The wait of a job with these values; `None` if it doesn't wait, or waits for an operator.
    pub const fn of(
        kind: JobKind,
        state: JobState,
        code: Option<ErrorCode>,
        since: Timestamp,
    ) -> Option<Self> {
        let is_end = match (kind, state) {
            (_, JobState::NeedsOperator | JobState::Done | JobState::Undone) => return None,
            (_, JobState::Undoing) | (JobKind::Withdraw | JobKind::Lock, JobState::Open) => true,
            (
                JobKind::Check | JobKind::Provision | JobKind::Welcome | JobKind::Resend | JobKind::Enable,
                JobState::Open,
            ) => false,
        };
        match code {
            Some(code) if code.is_waited_for() => Some(Self { code, since, is_end }),
            Some(_) | None => None,
        }
    }
}

impl Job {
    /// What it waits for, if it does.
    pub const fn wait(&self) -> Option<Wait> {
        Wait::of(self.kind, self.state, self.error_code, self.progressed_at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const AT: Timestamp = Timestamp::from_millis(1);

    #[test]
    fn only_an_unfinished_job_waits_and_only_for_what_comes_by_itself() {
        let of = |state, code| Wait::of(JobKind::Provision, state, code, AT);
        let waits = of(JobState::Open, Some(ErrorCode::ImportNotSeen)).expect("it waits");
        assert_eq!((waits.code, waits.since, waits.is_end), (ErrorCode::ImportNotSeen, AT, false));
        // The reason of an undo stays in the row until the undo meets a failure of its own.
        assert_eq!(of(JobState::Undoing, Some(ErrorCode::AlreadyDecided)), None);
        assert!(of(JobState::Undoing, Some(ErrorCode::KeycloakDown)).expect("it waits").is_end);
        for state in [JobState::NeedsOperator, JobState::Done, JobState::Undone] {
            assert_eq!(of(state, Some(ErrorCode::ImportNotSeen)), None, "{state}");
        }
        assert_eq!(of(JobState::Open, None), None);
        for kind in [JobKind::Withdraw, JobKind::Lock] {
            let wait = Wait::of(kind, JobState::Open, Some(ErrorCode::DirectoryDown), AT);
            assert!(wait.expect("it waits").is_end, "{kind}");
        }
    }
}
