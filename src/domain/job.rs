//! Durable jobs: which steps create, end or check an account, and what a step's result means.
//!
//! A plan is a list of steps, which the worker in `jobs` runs. The names of kinds, steps and states are stored in columns, so they must
//! not change. A plan whose steps change needs a new [`PLAN_VERSION`].

use std::time::Duration;

use super::error_code::{ErrorCode, codes};
use super::ids::{AccountId, JobId, PersonId, RequestId, Timestamp};

/// The version of the plans below, stored with each job.
pub const PLAN_VERSION: i64 = 1;

/// The most mails that one job may cause: one, and another one if the outcome of the first is unknown.
pub const MAILS_PER_JOB: i64 = 2;

codes! {
    /// What a job is for.
    pub enum JobKind {
        /// Checks whether user name, address and Discord id are free. Writes nothing.
        Check = "check",
        /// Creates the account, up to the mail.
        Provision = "provision",
        /// Ends an account whose mail was sent: disables and locks it, and removes it only if it was never activated.
        Withdraw = "withdraw",
        /// Grants the member role after the activation.
        Welcome = "welcome",
        /// Resends the mail at the request of the person.
        Resend = "resend",
        /// Locks and disables the account and ends its sessions, because the person says that someone else set the password. Removes
        /// nothing.
        Lock = "lock",
        /// The way back from `disabled`: the password is replaced by one that nobody knows, the lock is removed, and a new link is mailed.
        Enable = "enable",
    }
}

codes! {
    /// The state of a job.
    pub enum JobState {
        /// Steps remain.
        Open = "open",
        /// What was created is being undone.
        Undoing = "undoing",
        /// It waits for an operator. It counts as unfinished.
        NeedsOperator = "needs_operator",
        /// All steps are done.
        Done = "done",
        /// Everything that we created was undone.
        Undone = "undone",
    }
}

codes! {
    /// One step. Each step makes sure of its result: it looks for our mark, acts only if needed, and reads the result back.
    pub enum Step {
        /// Searches directory and Keycloak for user name, address and Discord id.
        CheckAvailability = "check_availability",
        /// Fetches the member and evaluates the policy again.
        Eligible = "eligible",
        /// Searches again right before anything is written; our own entry and user don't count.
        RecheckAvailability = "recheck_availability",
        /// Adds the LDAP entry without a password, with the Discord id and our mark.
        CreateEntry = "create_entry",
        /// Adds the entry to the managed groups.
        Groups = "groups",
        /// Waits until Keycloak shows a user with our federation link and our entry's id.
        AwaitImport = "await_import",
        /// Waits until Keycloak shows the user's groups.
        AwaitGroupSync = "await_group_sync",
        /// Has Keycloak mail the action link. The rate limit was charged before.
        Mail = "mail",
        /// The account becomes `invited`.
        Invite = "invite",
        /// Sets `enabled: false` in Keycloak and reads it back.
        Disable = "disable",
        /// Locks the entry in the directory.
        Lock = "lock",
        /// Ends the sessions in Keycloak.
        EndSessions = "end_sessions",
        /// Checks, after the lock, whether a password was ever set.
        CheckPassword = "check_password",
        /// Removes the entry from its groups and deletes it, only if it is ours and was never activated.
        Remove = "remove",
        /// Unlocks and enables the account again, if it turned out to be activated and nobody asked for its end.
        Unlock = "unlock",
        /// Has Keycloak replace the password by a random one that nobody knows. The entry stays locked until then.
        ResetPassword = "reset_password",
        /// Records the end in request and account.
        Finalize = "finalize",
        /// Grants the guild's member role.
        GrantRole = "grant_role",
        /// Has Keycloak mail one more link, and tells the person how that ended.
        Resend = "resend",
    }
}

impl Step {
    /// Whether what the step did is recorded before the next step begins. All other steps are convergent: after a crash they look for their
    /// effect, find it and continue, so they are recorded at the next barrier. There is a barrier before a mail, after it, and wherever a
    /// job waits, fails or ends.
    ///
    /// The first mail of a job is the exception: `invite` follows and makes no call, so both are recorded together.
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
    /// What later steps need from it, as JSON.
    pub output: Option<String>,
    /// When its result was known.
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
            // The lock comes first wherever an account ends: nothing in Keycloak can refuse it, and `enabled: false` is believed only
            // after our own bind worked. While the directory is away, the step `lock` does what Keycloak can do.
            Self::Withdraw => &[
                Step::Lock,
                Step::Disable,
                Step::EndSessions,
                Step::CheckPassword,
                Step::Remove,
                Step::Unlock,
                Step::Finalize,
            ],
            Self::Welcome => &[Step::GrantRole],
            Self::Resend => &[Step::Resend],
            // The lock comes first: `enabled: false` counts only after our own bind to the directory succeeded. While the directory is
            // down, the step `lock` does what Keycloak can do.
            Self::Lock => &[Step::Lock, Step::Disable, Step::EndSessions, Step::Finalize],
            // The person is judged again, and has only the groups of the rule that fits now. The lock goes with the old password, so who
            // set that never gets in; `enabled: true` comes after it.
            Self::Enable => &[
                Step::Eligible,
                Step::EndSessions,
                Step::Groups,
                Step::ResetPassword,
                Step::Unlock,
                Step::Finalize,
            ],
        }
    }

    /// Whether a job of this kind waits for an earlier, unfinished one of the same person. What ends, locks or enables an account does
    /// not wait for a mail, and nothing that a person asked for waits for a role. The store's claim says the same in SQL.
    pub const fn waits_for(self, earlier: Self) -> bool {
        !matches!(
            (self, earlier),
            (Self::Lock | Self::Withdraw | Self::Enable, Self::Resend)
                | (Self::Lock | Self::Resend | Self::Enable, Self::Welcome)
        )
    }

    /// The steps that undo everything that we created, in order. Only `provision` creates anything.
    pub const fn undo_plan(self) -> &'static [Step] {
        match self {
            Self::Provision => &[
                Step::Lock,
                Step::Disable,
                Step::EndSessions,
                Step::CheckPassword,
                Step::Remove,
                Step::Finalize,
            ],
            Self::Check | Self::Withdraw | Self::Welcome | Self::Resend | Self::Lock | Self::Enable => &[],
        }
    }
}

/// What a step did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It acted.
    Applied,
    /// Nothing had to be changed.
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

/// What happens after a step that failed. The step decides; the worker does it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FailureAction {
    /// Try again: after `after` if the server named a time, otherwise after the backoff.
    Retry {
        /// Why.
        code: ErrorCode,
        /// The value of `Retry-After`.
        after: Option<Duration>,
    },
    /// It can never succeed: everything that we created is undone, and the request fails with this code.
    Undo {
        /// Why.
        code: ErrorCode,
    },
    /// The job stops for an operator. Nothing is undone; a button or a command retries it.
    AskOperator {
        /// Why.
        code: ErrorCode,
    },
    /// An entry or user is not ours or not the recorded one. The account is in conflict, and nothing is written.
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

/// A job, as its row has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Job {
    /// Our id.
    pub id: JobId,
    /// The order of creation. Jobs of one person run in this order.
    pub seq: i64,
    /// The person it is for.
    pub person_id: PersonId,
    /// The account that it creates or ends; `check` has none.
    pub account_id: Option<AccountId>,
    /// The request that caused it.
    pub request_id: Option<RequestId>,
    /// What it is for.
    pub kind: JobKind,
    /// The plan's version.
    pub plan_version: i64,
    /// Its state.
    pub state: JobState,
    /// The next step, while it is unfinished.
    pub step: Option<Step>,
    /// Counts every change.
    pub revision: i64,
    /// Grows with each claim, so a worker that lost its lease can write nothing.
    pub fence: i64,
    /// Who claimed it.
    pub owner: Option<String>,
    /// Until when the claim holds.
    pub lease_until: Option<Timestamp>,
    /// How often the current step was tried.
    pub attempt: i64,
    /// The earliest time of the next attempt.
    pub next_run: Timestamp,
    /// Why it waits or needs an operator.
    pub error_code: Option<ErrorCode>,
    /// When it was created, resumed, or last moved on to another step.
    pub progressed_at: Timestamp,
    /// When the admins were told that it waits.
    pub reported_at: Option<Timestamp>,
    /// How many mails were begun.
    pub mail_attempts: i64,
    /// Whether someone asked to cancel it.
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
        let expected =
            [JobKind::Check, JobKind::Provision, JobKind::Withdraw, JobKind::Lock, JobKind::Enable];
        assert_eq!(waits_for, expected.iter().collect::<Vec<_>>());
    }

    #[test]
    fn an_account_is_enabled_only_after_its_old_password_is_gone() {
        let plan = JobKind::Enable.plan();
        let at = |wanted| plan.iter().position(|step| *step == wanted);
        assert_eq!(plan.first(), Some(&Step::Eligible), "the person is judged again before anything else");
        assert!(
            at(Step::EndSessions) < at(Step::ResetPassword) && at(Step::ResetPassword) < at(Step::Unlock)
        );
        assert!(at(Step::Groups) < at(Step::Unlock), "no group of a rule that fits no more");
        assert_eq!(plan.last(), Some(&Step::Finalize));
    }
}
