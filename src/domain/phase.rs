//! The phase of an account: one value from its state and its unfinished jobs. Every command answers by it, so no two answers contradict
//! each other.

use super::account::AccountState;
use super::error_code::ErrorCode;
use super::job::{Job, JobKind, JobState};

/// What the phase needs to know about an unfinished job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PhaseJob {
    /// What it is for.
    pub kind: JobKind,
    /// Its state.
    pub state: JobState,
    /// Whether it was asked to stop.
    pub cancel_asked: bool,
}

impl From<&Job> for PhaseJob {
    fn from(job: &Job) -> Self {
        Self { kind: job.kind, state: job.state, cancel_asked: job.cancel_asked }
    }
}

impl PhaseJob {
    /// Whether the job ends or locks the account.
    pub const fn ends_account(self) -> bool {
        matches!(self.kind, JobKind::Withdraw | JobKind::Lock)
            || matches!(self.state, JobState::Undoing)
            || self.cancel_asked
    }
}

/// The phase of an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AccountPhase {
    /// It is being created.
    BeingMade,
    /// The mail was sent; no password is set.
    Invited,
    /// It is in use.
    Active,
    /// It was due to be removed, and a password was set meanwhile. It is locked until a job has checked it.
    Checking,
    /// It is being removed.
    Removing,
    /// It is being locked.
    Locking,
    /// It is locked.
    Locked,
    /// It is being unlocked.
    Unlocking,
    /// The entry or the Keycloak user is not the recorded one.
    Conflict,
    /// It ended.
    Closed,
}

impl AccountPhase {
    /// The phase of an account in this state, whose owner has these unfinished jobs.
    pub fn of(state: AccountState, jobs: impl IntoIterator<Item = PhaseJob>) -> Self {
        let (mut ends, mut locks, mut enables) = (false, false, false);
        for job in jobs {
            ends |= job.ends_account();
            locks |= job.kind == JobKind::Lock;
            enables |= job.kind == JobKind::Enable;
        }
        match state {
            AccountState::Creating | AccountState::Invited if ends => Self::Removing,
            AccountState::Creating => Self::BeingMade,
            AccountState::Invited => Self::Invited,
            AccountState::Active if locks => Self::Locking,
            AccountState::Active if ends => Self::Checking,
            AccountState::Active => Self::Active,
            AccountState::Disabled if enables => Self::Unlocking,
            AccountState::Disabled => Self::Locked,
            AccountState::Conflict => Self::Conflict,
            AccountState::Closed => Self::Closed,
        }
    }

    /// Why the account can't be used now; `None` if a link or a password works.
    pub const fn unavailable(self) -> Option<AccountUnavailable> {
        Some(match self {
            Self::Invited | Self::Active => return None,
            Self::BeingMade => AccountUnavailable::BeingMade,
            Self::Checking => AccountUnavailable::Checking,
            Self::Removing => AccountUnavailable::Removing,
            Self::Locking => AccountUnavailable::Locking,
            Self::Locked => AccountUnavailable::Locked,
            Self::Unlocking => AccountUnavailable::Unlocking,
            Self::Conflict => AccountUnavailable::Conflict,
            Self::Closed => AccountUnavailable::NoAccount,
        })
    }
}

/// Why an account can't be used now. Each has one sentence, with the way on, for every command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AccountUnavailable {
    /// The person has no account.
    NoAccount,
    /// It is being created; its mail follows.
    BeingMade,
    /// It was due to be removed, and is being checked.
    Checking,
    /// It is being removed.
    Removing,
    /// It is being locked.
    Locking,
    /// It is locked.
    Locked,
    /// It is being unlocked; a mail follows.
    Unlocking,
    /// The entry or the Keycloak user is not the recorded one.
    Conflict,
}

impl AccountUnavailable {
    /// All of them.
    pub const ALL: &'static [Self] = &[
        Self::NoAccount,
        Self::BeingMade,
        Self::Checking,
        Self::Removing,
        Self::Locking,
        Self::Locked,
        Self::Unlocking,
        Self::Conflict,
    ];
}

/// Why an admin can't unlock an account now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotEnabled {
    /// It is the admin's own.
    OwnAccount,
    /// No reason was given.
    ReasonMissing,
    /// Its owner is not a member of the guild.
    MemberGone,
    /// No rule fits its owner now.
    RoleLost,
    /// Its owner or their address is on the deny list.
    Denied,
    /// It is not locked.
    NotLocked,
    /// A job that ends or locks it has not finished.
    NotYet,
    /// It is not as recorded.
    Conflict,
}

impl NotEnabled {
    /// All of them.
    pub const ALL: &'static [Self] = &[
        Self::OwnAccount,
        Self::ReasonMissing,
        Self::MemberGone,
        Self::RoleLost,
        Self::Denied,
        Self::NotLocked,
        Self::NotYet,
        Self::Conflict,
    ];

    /// The stable code.
    pub const fn error_code(self) -> ErrorCode {
        match self {
            Self::OwnAccount => ErrorCode::OwnRequest,
            Self::ReasonMissing => ErrorCode::NameIllegal,
            Self::MemberGone => ErrorCode::MemberGone,
            Self::RoleLost => ErrorCode::RoleLost,
            Self::Denied => ErrorCode::DeniedPerson,
            Self::NotLocked | Self::NotYet => ErrorCode::NotEligible,
            Self::Conflict => ErrorCode::DirectoryConflict,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn job(kind: JobKind, state: JobState, cancel_asked: bool) -> PhaseJob {
        PhaseJob { kind, state, cancel_asked }
    }

    #[test]
    fn the_phase_follows_from_the_state_and_the_unfinished_jobs() {
        let of = |state, jobs: &[PhaseJob]| AccountPhase::of(state, jobs.iter().copied());
        let (open, stopped) = (JobState::Open, JobState::NeedsOperator);
        let making = job(JobKind::Provision, open, false);
        let cancelled = job(JobKind::Provision, stopped, true);
        let undone = job(JobKind::Provision, JobState::Undoing, false);
        let [withdraw, lock, enable, resend] =
            [JobKind::Withdraw, JobKind::Lock, JobKind::Enable, JobKind::Resend]
                .map(|kind| job(kind, stopped, false));
        for (state, jobs, phase) in [
            (AccountState::Creating, vec![making], AccountPhase::BeingMade),
            (AccountState::Creating, vec![cancelled], AccountPhase::Removing),
            (AccountState::Creating, vec![undone], AccountPhase::Removing),
            (AccountState::Invited, vec![resend], AccountPhase::Invited),
            (AccountState::Invited, vec![withdraw], AccountPhase::Removing),
            (AccountState::Active, vec![], AccountPhase::Active),
            (AccountState::Active, vec![withdraw], AccountPhase::Checking),
            (AccountState::Active, vec![withdraw, lock], AccountPhase::Locking),
            (AccountState::Disabled, vec![], AccountPhase::Locked),
            (AccountState::Disabled, vec![lock], AccountPhase::Locked),
            (AccountState::Disabled, vec![lock, enable], AccountPhase::Unlocking),
            (AccountState::Conflict, vec![enable], AccountPhase::Conflict),
            (AccountState::Closed, vec![], AccountPhase::Closed),
        ] {
            assert_eq!(of(state, &jobs), phase, "{state} with {jobs:?}");
        }
    }

    #[test]
    fn only_an_account_that_a_link_or_a_password_opens_is_available() {
        for state in AccountState::ALL {
            let is_available = AccountPhase::of(*state, []).unavailable().is_none();
            assert_eq!(
                is_available,
                matches!(state, AccountState::Invited | AccountState::Active),
                "{state}"
            );
        }
    }
}
