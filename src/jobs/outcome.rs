//! How a step ends: what it did, what later steps need of it, or why it stopped early.

use crate::clock::Moment;
use crate::directory::DirectoryError;
use crate::discord::DiscordError;
use crate::domain::account::{DirectoryId, KeycloakId};
use crate::domain::eligibility::{GroupName, RuleName};
use crate::domain::error_code::ErrorCode;
use crate::domain::job::{FailureAction, Outcome, Step};
use crate::domain::mail::MailState;
use crate::domain::request::Request;
use crate::keycloak::KeycloakError;
use crate::store::{StepRecord, StoreError};

/// Why a step stopped early.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum StepError {
    /// What must happen next.
    FailureAction(FailureAction),
    /// Another worker has the job: write nothing more.
    LostLease,
}

impl From<FailureAction> for StepError {
    fn from(failure_action: FailureAction) -> Self {
        Self::FailureAction(failure_action)
    }
}

impl From<StoreError> for StepError {
    fn from(error: StoreError) -> Self {
        if matches!(error, StoreError::LostLease) {
            return Self::LostLease;
        }
        tracing::warn!(error = %error, "the store failed during a step");
        Self::FailureAction(FailureAction::Retry { code: error.error_code(), after: None })
    }
}

impl From<DirectoryError> for StepError {
    fn from(error: DirectoryError) -> Self {
        Self::FailureAction(error.failure_action())
    }
}

impl From<KeycloakError> for StepError {
    fn from(error: KeycloakError) -> Self {
        Self::FailureAction(error.failure_action())
    }
}

impl From<DiscordError> for StepError {
    fn from(error: DiscordError) -> Self {
        let code = error.error_code();
        Self::FailureAction(match error {
            DiscordError::RateLimited { after } => FailureAction::Retry { code, after: Some(after) },
            // The operator replaces a revoked token for the whole process; the job itself needs no operator.
            DiscordError::Down { .. } | DiscordError::Unauthorized => {
                FailureAction::Retry { code, after: None }
            }
            DiscordError::Forbidden(_) | DiscordError::Gone(_) | DiscordError::Other { .. } => {
                FailureAction::AskOperator { code }
            }
        })
    }
}

/// The plan lacks something that it needs, which is a defect. Only an operator can find the cause.
pub(super) const fn defect() -> FailureAction {
    FailureAction::AskOperator { code: ErrorCode::Internal }
}

/// A step that succeeded.
#[derive(Clone, Debug)]
pub(super) struct StepDone {
    pub(super) outcome: Outcome,
    pub(super) output: StepOutput,
    /// A new decision of `eligible` that the step had to make, recorded before the step itself.
    pub(super) redecided: Option<StepRecord>,
    /// When Discord showed the member on whom this decision of `eligible` rests.
    pub(super) decided_at: Option<Moment>,
}

impl StepDone {
    pub(super) const fn new(outcome: Outcome, output: StepOutput) -> Self {
        Self { outcome, output, redecided: None, decided_at: None }
    }

    pub(super) const fn plain(outcome: Outcome) -> Self {
        Self::new(outcome, StepOutput::Nothing)
    }

    pub(super) const fn skipped() -> Self {
        Self::plain(Outcome::Skipped)
    }

    /// The row of the step.
    pub(super) fn record(&self, step: Step) -> StepRecord {
        let output = self.output.to_json();
        StepRecord { step, outcome: self.outcome, output, seen_at: None }
    }

    /// The rows of the step: a new decision of `eligible`, if there is one, then the step itself.
    pub(super) fn records(&self, step: Step) -> Vec<StepRecord> {
        self.redecided.iter().cloned().chain([self.record(step)]).collect()
    }
}

/// Whether user name, address and Discord id are free.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Availability {
    /// All are free.
    Free,
    /// The user name is taken.
    NameTaken,
    /// A moderator must look: the address is in use, or something else that only a person can decide.
    Held(ErrorCode),
    /// The request was decided during the check.
    Decided,
}

/// Whether a password was ever set on the entry, read after the lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PasswordState {
    /// Never: the entry may be removed.
    NeverUsed,
    /// There was a password: the entry is never removed.
    Used,
    /// There is no entry.
    Gone,
}

/// What a step leaves for its `write` and for later steps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum StepOutput {
    Nothing,
    Availability(Availability),
    /// The rule that fits now.
    Rule(RuleName),
    Entry(DirectoryId),
    Groups {
        added: Vec<GroupName>,
        /// The wanted groups that listed the entry already.
        found: Vec<GroupName>,
        removed: Vec<GroupName>,
    },
    /// What became of the entry that was to be removed, and the groups that it was removed from before.
    Removed {
        password: PasswordState,
        groups: Vec<GroupName>,
    },
    Import(KeycloakId),
    /// `invite` found that a password was set already.
    PasswordSeen,
    PasswordState(PasswordState),
    /// The result of a mail that the person asked for.
    Resent(MailState),
    /// Why the undo began. The job's own error code changes with each failure of the undo.
    Undo(ErrorCode),
}

impl StepOutput {
    /// The JSON for `job_step.output`: no personal value, and only what a later step reads.
    pub(super) fn to_json(&self) -> Option<String> {
        let value = match self {
            Self::Rule(rule) => serde_json::json!({ "rule": rule.as_str() }),
            Self::PasswordState(password) | Self::Removed { password, .. } => {
                serde_json::json!({ "password": password.code() })
            }
            Self::Undo(code) => serde_json::json!({ "undo": code.code() }),
            Self::Nothing
            | Self::Availability(_)
            | Self::Entry(_)
            | Self::Groups { .. }
            | Self::Import(_)
            | Self::PasswordSeen
            | Self::Resent(_) => return None,
        };
        Some(value.to_string())
    }

    /// Reads what [`StepOutput::to_json`] wrote. Anything else is `Nothing`.
    pub(super) fn parse(text: &str) -> Self {
        let Ok(value) = serde_json::from_str::<serde_json::Value>(text) else { return Self::Nothing };
        let field = |name| value.get(name).and_then(serde_json::Value::as_str);
        if let Some(rule) = field("rule") {
            return Self::Rule(RuleName::new(rule));
        }
        if let Some(code) = field("undo").and_then(|code| code.parse().ok()) {
            return Self::Undo(code);
        }
        field("password").and_then(PasswordState::parse).map_or(Self::Nothing, Self::PasswordState)
    }
}

impl PasswordState {
    const fn code(self) -> &'static str {
        match self {
            Self::NeverUsed => "never_used",
            Self::Used => "used",
            Self::Gone => "gone",
        }
    }

    fn parse(text: &str) -> Option<Self> {
        [Self::NeverUsed, Self::Used, Self::Gone].into_iter().find(|password| password.code() == text)
    }
}

/// The rows contradict the step.
#[derive(Clone, Debug)]
pub(super) enum WriteConflict {
    /// Record the step with this output instead.
    Output(StepOutput),
    /// The request changed meanwhile: record the step against it as it is now.
    RequestChanged(Box<Request>),
}
