//! The results of a self-test.

use crate::domain::eligibility::GroupName;
use crate::domain::finding::Attempt;
use crate::domain::ids::Timestamp;

/// The server's answer to an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AttemptResult {
    /// The server did it, or would have done it.
    Done,
    /// The server refused with this result code.
    Refused(u32),
    /// There was no entry to try it on.
    NotTried,
}

/// The results of a self-test.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SelfTest {
    /// Every attempt in order.
    pub attempts: Vec<(Attempt, AttemptResult)>,
    /// Groups that don't exist.
    pub groups_missing: Vec<GroupName>,
    /// Groups that exist without `businessCategory: accolade`.
    pub groups_not_managed: Vec<GroupName>,
    /// Overlays without an effect, with the attribute where that matters.
    pub overlays_missing: Vec<String>,
    /// The schema has no attribute for the mark.
    pub mark_attribute_is_missing: bool,
    /// The schema has no attribute for the Discord id.
    pub id_attribute_is_missing: bool,
    /// Entries of this or an earlier self-test that could not be removed.
    pub entries_left: usize,
    /// The server's clock when the first entry was added.
    pub server_time: Option<Timestamp>,
}

impl SelfTest {
    /// The result of an attempt.
    pub fn result_of(&self, attempt: Attempt) -> AttemptResult {
        let found = self.attempts.iter().find(|(other, _)| *other == attempt);
        found.map_or(AttemptResult::NotTried, |(_, result)| *result)
    }

    /// Whether everything could be tried: most attempts need the test's own entry.
    pub fn is_complete(&self) -> bool {
        self.result_of(Attempt::AddPerson) == AttemptResult::Done
    }

    /// Attempts that must be refused and were allowed.
    pub fn too_wide(&self) -> impl Iterator<Item = Attempt> {
        self.with(false, |result| result == AttemptResult::Done)
    }

    /// Attempts that the bot needs and that were refused.
    pub fn too_narrow(&self) -> impl Iterator<Item = Attempt> {
        self.with(true, |result| matches!(result, AttemptResult::Refused(_)))
    }

    fn with(
        &self,
        is_needed: bool,
        matches: impl Fn(AttemptResult) -> bool,
    ) -> impl Iterator<Item = Attempt> {
        let selected = move |(attempt, result): &(Attempt, AttemptResult)| {
            attempt.is_needed() == is_needed && matches(*result)
        };
        self.attempts.iter().filter(move |row| selected(row)).map(|(attempt, _)| *attempt)
    }
}
