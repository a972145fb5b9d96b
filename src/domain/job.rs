//! Durable jobs: which steps make, end or look after an account, and what a step's result means.
//!
//! A plan is a short list; the worker in `jobs` runs it. Names of kinds, steps and states stand in columns
//! and must not change; a plan that changes its steps takes a new [`PLAN_VERSION`].

use std::time::Duration;

use super::error_code::{ErrorCode, codes};
use super::ids::{AccountId, JobId, PersonId, RequestId, Timestamp};

/// The version of the plans below, kept with each job.
pub const PLAN_VERSION: i64 = 1;

/// How many mails one job may cause at the most: one, and one more after an unknown outcome.
pub const MAILS_PER_JOB: i64 = 2;

codes! {
    /// What a job is for.
    pub enum JobKind {
        /// Look whether name, address and Discord id are free. Read-only.
        Check = "check",
        /// Make the account, up to the mail.
        Provision = "provision",
        /// End an account whose mail is out: disable, lock, look, and remove only if it never was activated.
        Withdraw = "withdraw",
        /// After activation: the member role.
        Welcome = "welcome",
        /// The person wants the mail again.
        Resend = "resend",
        /// The person says that somebody else set the password: lock, disable, end sessions. Nothing is removed.
        Lock = "lock",
    }
}

codes! {
    /// Where a job stands.
    pub enum JobState {
        /// Steps remain.
        Open = "open",
        /// What was made is being taken back.
        Undoing = "undoing",
        /// A person has to look; it counts as unfinished.
        NeedsOperator = "needs_operator",
        /// All steps are done.
        Done = "done",
        /// Everything of ours was taken back.
        Undone = "undone",
    }
}

codes! {
    /// One step. Each *ensures* its result: looks for our mark, acts only if needed, reads back.
    pub enum Step {
        /// Look in directory and Keycloak for name, address and Discord id.
        CheckAvailability = "check_availability",
        /// Fetch the member and judge the policy again.
        Eligible = "eligible",
        /// The look once more, ours excepted, right before anything is written.
        RecheckAvailability = "recheck_availability",
        /// LDAP Add without a password, with the Discord id and our mark.
        CreateEntry = "create_entry",
        /// Membership of the managed groups.
        Groups = "groups",
        /// Keycloak shows a user with our federation link and our entry's id.
        AwaitImport = "await_import",
        /// Keycloak shows the user's groups.
        AwaitGroupSync = "await_group_sync",
        /// Keycloak mailed the action link; the budget was committed before.
        Mail = "mail",
        /// The account becomes `invited`.
        Invite = "invite",
        /// Keycloak `enabled: false`, read back.
        Disable = "disable",
        /// The directory's lock.
        Lock = "lock",
        /// The sessions in Keycloak end.
        EndSessions = "end_sessions",
        /// After the lock: was a password ever set?
        CheckPassword = "check_password",
        /// Take out of the groups and delete the entry, only if it is ours and never was activated.
        Remove = "remove",
        /// Unlock and enable again, where the look found an activated account that nobody wants gone.
        Unlock = "unlock",
        /// Write the end into request and account.
        Finalize = "finalize",
        /// The guild's member role.
        GrantRole = "grant_role",
        /// Keycloak mails one more link; whatever comes of it is told.
        Resend = "resend",
    }
}

impl Step {
    /// Whether what the step did is recorded before the next step begins. All other steps are convergent: after a crash they look, find
    /// their effect and continue, so they are recorded at the next barrier. A barrier stands before a mail, after it, and wherever a
    /// job waits, fails or ends.
    ///
    /// The first mail of a job is the exception: `invite` calls nobody after it, so both are recorded together.
    pub const fn is_recorded_at_once(self) -> bool {
        matches!(self, Self::Mail | Self::Resend)
    }
}

/// A recorded step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JobStep {
    /// The step.
    pub step: Step,
    /// The code of its [`Outcome`].
    pub outcome: String,
    /// What later steps need of it, as JSON.
    pub output: Option<String>,
    /// Since when its result is known.
    pub at: Timestamp,
}

impl JobKind {
    /// The steps of the plan, in order.
    pub const fn plan(self) -> &'static [Step] {
        match self {
            Self::Check => &[Step::CheckAvailability],
            Self::Provision => &[
                Step::Eligible,
                Step::RecheckAvailability,
                Step::CreateEntry,
                Step::Groups,
                Step::AwaitImport,
                Step::AwaitGroupSync,
                Step::Mail,
                Step::Invite,
            ],
            Self::Withdraw => &[
                Step::Disable,
                Step::Lock,
                Step::EndSessions,
                Step::CheckPassword,
                Step::Remove,
                Step::Unlock,
                Step::Finalize,
            ],
            Self::Welcome => &[Step::GrantRole],
            Self::Resend => &[Step::Resend],
            // The lock before the rest: `enabled: false` is believed only after our own bind worked. While the directory is away,
            // the step `lock` does what Keycloak can do.
            Self::Lock => &[Step::Lock, Step::Disable, Step::EndSessions, Step::Finalize],
        }
    }

    /// Whether a job of this kind waits for an earlier, unfinished one of the same person. What ends or locks an account does
    /// not wait for a mail, and nothing that a person asked for waits for a role. The store's claim says the same in SQL.
    pub const fn waits_for(self, earlier: Self) -> bool {
        !matches!(
            (self, earlier),
            (Self::Lock | Self::Withdraw, Self::Resend) | (Self::Lock | Self::Resend, Self::Welcome)
        )
    }

    /// The steps that take everything of ours back, in order. Only `provision` leaves anything behind.
    pub const fn undo_plan(self) -> &'static [Step] {
        match self {
            Self::Provision => &[
                Step::Disable,
                Step::Lock,
                Step::EndSessions,
                Step::CheckPassword,
                Step::Remove,
                Step::Finalize,
            ],
            Self::Check | Self::Withdraw | Self::Welcome | Self::Resend | Self::Lock => &[],
        }
    }
}

/// What a step did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It acted.
    Applied,
    /// It looked, and everything was as it should be.
    Unchanged,
    /// It did not apply to this job.
    Skipped,
}

impl Outcome {
    /// The text in `job_step.outcome` and the `step` metric.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Applied => "applied",
            Self::Unchanged => "unchanged",
            Self::Skipped => "skipped",
        }
    }
}

/// What must happen after a step that did not succeed. The step decides, the worker obeys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FailureAction {
    /// Try again: after `after` if the server said so, else by the backoff ladder.
    Retry {
        /// Why.
        code: ErrorCode,
        /// What `Retry-After` said.
        after: Option<Duration>,
    },
    /// It can never succeed: take everything of ours back, the request fails with this code.
    Undo {
        /// Why.
        code: ErrorCode,
    },
    /// A person has to look; nothing is taken back, a retry is a press or a command.
    AskOperator {
        /// Why.
        code: ErrorCode,
    },
    /// An entry or user is not ours or not the recorded one: the account is in conflict, nothing is written.
    Conflict {
        /// Why.
        code: ErrorCode,
    },
}

impl FailureAction {
    /// Why.
    pub const fn code(self) -> ErrorCode {
        match self {
            Self::Retry { code, .. }
            | Self::Undo { code }
            | Self::AskOperator { code }
            | Self::Conflict { code } => code,
        }
    }
}

/// A job row: the saga itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Job {
    /// Our id.
    pub id: JobId,
    /// Order of making; works of one person run in this order.
    pub seq: i64,
    /// Whose it is.
    pub person_id: PersonId,
    /// Which account it makes or ends; `check` has none.
    pub account_id: Option<AccountId>,
    /// Which request caused it.
    pub request_id: Option<RequestId>,
    /// What it is for.
    pub kind: JobKind,
    /// The plan's version.
    pub plan_version: i64,
    /// Where it stands.
    pub state: JobState,
    /// The next step, while it is unfinished.
    pub step: Option<Step>,
    /// Counts every change.
    pub revision: i64,
    /// Grows with each claim: a worker that lost its lease can write nothing.
    pub fence: i64,
    /// Who claimed it.
    pub owner: Option<String>,
    /// Until when the claim holds.
    pub lease_until: Option<Timestamp>,
    /// How often the present step was tried.
    pub attempt: i64,
    /// Not before.
    pub next_run: Timestamp,
    /// Why it waits or needs an operator.
    pub error_code: Option<ErrorCode>,
    /// How many mails were begun.
    pub mail_attempts: i64,
    /// Somebody asked to stop it.
    pub cancel_asked: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mail_comes_after_everything_that_can_be_undone() {
        let plan = JobKind::Provision.plan();
        let mail = plan.iter().position(|step| *step == Step::Mail);
        assert_eq!(mail, Some(plan.len() - 2));
    }

    #[test]
    fn nothing_is_removed_before_the_lock_and_the_look() {
        for plan in [JobKind::Withdraw.plan(), JobKind::Provision.undo_plan()] {
            let at = |wanted| plan.iter().position(|step| *step == wanted);
            assert!(
                at(Step::Lock) < at(Step::CheckPassword) && at(Step::CheckPassword) < at(Step::Remove),
                "{plan:?}"
            );
        }
    }

    #[test]
    fn who_says_not_me_is_locked_in_the_directory_before_keycloak_is_believed_and_loses_nothing() {
        let plan = JobKind::Lock.plan();
        let at = |wanted| plan.iter().position(|step| *step == wanted);
        assert!(at(Step::Lock) < at(Step::Disable) && at(Step::Disable) < at(Step::EndSessions));
        assert_eq!(plan.last(), Some(&Step::Finalize));
        assert!(at(Step::Remove).is_none());
    }

    #[test]
    fn a_lock_waits_only_for_what_could_undo_it() {
        let waits_for: Vec<_> =
            JobKind::ALL.iter().filter(|earlier| JobKind::Lock.waits_for(**earlier)).collect();
        let expected = [JobKind::Check, JobKind::Provision, JobKind::Withdraw, JobKind::Lock];
        assert_eq!(waits_for, expected.iter().collect::<Vec<_>>());
    }
}
