//! The results of one system's checks.

use std::sync::Arc;

use crate::clock::Clock;
use crate::domain::cause::Cause;
use crate::domain::diagnosis::{Check, Outcome};
use crate::domain::finding::{Finding, NotChecked};
use crate::domain::ids::Timestamp;

/// The largest accepted difference between two clocks. A token has a minute to spare, and the order of the audit log depends on it.
const MAX_SKEW_MS: i64 = 60_000;

/// Collects the results of checks.
pub(super) struct Checks {
    checks: Vec<Check>,
    clock: Arc<dyn Clock>,
}

impl Checks {
    pub(super) fn new(clock: &Arc<dyn Clock>) -> Self {
        Self { checks: Vec::new(), clock: Arc::clone(clock) }
    }

    pub(super) fn into_checks(self) -> Vec<Check> {
        self.checks
    }

    /// Records that a check found nothing wrong.
    pub(super) fn pass(&mut self, finding: Finding) {
        self.checks.push(Check { finding, outcome: Outcome::InOrder, about: None, cause: None });
    }

    /// Records a finding.
    pub(super) fn fail(&mut self, finding: Finding, about: impl Into<Option<String>>) {
        self.checks.push(Check { finding, outcome: Outcome::Wrong, about: about.into(), cause: None });
    }

    /// Records a finding with its cause, whose fix is more exact than the finding's.
    pub(super) fn fail_because(&mut self, finding: Finding, about: String, cause: impl Into<Option<Cause>>) {
        let cause = cause.into();
        self.checks.push(Check { finding, outcome: Outcome::Wrong, about: Some(about), cause });
    }

    /// Records that a check could not be made.
    pub(super) fn skip(&mut self, finding: Finding, why: NotChecked) {
        self.checks.push(Check { finding, outcome: Outcome::NotChecked(why), about: None, cause: None });
    }

    /// Records one finding for each fault. Without faults the check passes.
    pub(super) fn fail_for_each(&mut self, finding: Finding, faults: impl IntoIterator<Item = String>) {
        let before = self.checks.len();
        for about in faults {
            self.fail(finding, about);
        }
        if self.checks.len() == before {
            self.pass(finding);
        }
    }

    /// Passes if the condition `holds`, and fails otherwise.
    pub(super) fn expect(&mut self, finding: Finding, holds: bool) {
        if holds { self.pass(finding) } else { self.fail(finding, None) }
    }

    /// Compares a server's clock, read a moment ago, with this machine's.
    pub(super) fn compare_clock(&mut self, server: &str, theirs: Timestamp) {
        let behind = (self.clock.now().as_millis() - theirs.as_millis()) / 1000;
        if behind.abs() * 1000 <= MAX_SKEW_MS {
            return self.pass(Finding::ClockSkew);
        }
        let side = if behind > 0 { " is behind ours by " } else { " is ahead of ours by " };
        self.fail(Finding::ClockSkew, [server, side, &behind.abs().to_string(), " s"].concat());
    }
}
