//! The counts of a campaign, as a table for people and as JSON for the next campaign.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result};
use serde::{Deserialize, Serialize};

use super::Database;
use super::point::Fault;

/// A violation that was found.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Found {
    /// `I1` to `I11`.
    pub(super) rule: String,
    pub(super) what: String,
}

/// The counts of one campaign, and of those that it continues.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Tally {
    pub(super) seed: u64,
    pub(super) database: String,
    pub(super) points: u64,
    pub(super) violations: Vec<Found>,
    /// Counts by fault and step.
    pub(super) hits: BTreeMap<String, BTreeMap<String, u64>>,
    /// Points for each fault. A point may hit several steps that are in progress.
    pub(super) by_fault: BTreeMap<String, u64>,
    pub(super) journeys: u64,
    pub(super) rounds: u64,
    pub(super) seconds: u64,
    /// How many times a bot ended without being told to, and was restarted.
    pub(super) ends_of_its_own: u64,
    /// From the moment when no bot was on the gateway to the next connection, in milliseconds.
    pub(super) restarts_ms: Vec<u64>,
    /// From the end of all faults to empty queues, in milliseconds of the environment's time. Rounds in which the bot's clock was an hour
    /// off are excluded, because work delayed in them waits for that hour.
    pub(super) drains_ms: Vec<u64>,
    /// From the start of a killed bot to its first claim, in milliseconds.
    #[serde(default)]
    pub(super) resumes_ms: Vec<u64>,
    /// From a kill to the other bot's connection, in milliseconds of the environment's time; PostgreSQL only.
    #[serde(default)]
    pub(super) takeovers_ms: Vec<u64>,
}

impl Tally {
    /// Starts with zero counts, or with those of an earlier campaign on the same database.
    pub(super) fn begin(seed: u64, database: Database, earlier: Option<&Path>) -> Result<Self> {
        let Some(file) = earlier else {
            return Ok(Self { seed, database: database.name().to_owned(), ..Self::default() });
        };
        let text = std::fs::read_to_string(file).context("read the earlier counts")?;
        let earlier: Self = serde_json::from_str(&text).context("understand the earlier counts")?;
        anyhow::ensure!(earlier.database == database.name(), "that was on {}", earlier.database);
        anyhow::ensure!(earlier.violations.is_empty(), "the earlier campaign found a violation");
        Ok(Self { seed, ..earlier })
    }

    /// Counts a point at these steps.
    pub(super) fn hit(&mut self, fault: Fault, steps: &[String]) {
        self.points += 1;
        *self.by_fault.entry(fault.id().to_owned()).or_default() += 1;
        let row = self.hits.entry(fault.id().to_owned()).or_default();
        for step in steps {
            *row.entry(step.clone()).or_default() += 1;
        }
    }

    /// Writes the file.
    pub(super) fn write(&self, file: &Path) -> Result<()> {
        let text = serde_json::to_string_pretty(self).context("write JSON")?;
        std::fs::write(file, text + "\n").context("write the counts")
    }

    /// Formats fault by step for people.
    pub(super) fn table(&self) -> String {
        let steps: BTreeSet<&String> = self.hits.values().flat_map(BTreeMap::keys).collect();
        let mut lines = Vec::new();
        for fault in Fault::ALL {
            let points = self.by_fault.get(fault.id()).copied().unwrap_or(0);
            let row = self.hits.get(fault.id());
            let cells: Vec<String> =
                steps.iter().filter_map(|step| Some(format!("{step} {}", row?.get(*step)?))).collect();
            lines.push(format!("{}  {points:6}  {:58}  {}", fault.id(), fault.says(), cells.join(", ")));
        }
        lines.join("\n")
    }

    /// Formats the measured times for people.
    pub(super) fn times(&self) -> String {
        let line = |what: &str, times: &[u64], goal_ms: Option<u64>| {
            let (median, most) = (percentile(times, 50), percentile(times, 99));
            let judged = goal_ms.filter(|_| !times.is_empty()).map_or(String::new(), |goal| {
                format!("; goal {goal} ms: {}", if most <= goal { "met" } else { "missed" })
            });
            format!("{what}: {} times, median {median} ms, 99 % within {most} ms{judged}", times.len())
        };
        let mut lines = vec![
            line(
                "from a killed bot's start to its first job",
                &self.resumes_ms,
                Some(super::campaign::RESUMED_WITHIN_MS),
            ),
            line("from an interruption to the gateway", &self.restarts_ms, None),
            line(
                "from the last fault to empty queues (pushed time counts)",
                &self.drains_ms,
                u64::try_from(super::campaign::DRAINED_WITHIN_MS).ok(),
            ),
        ];
        if !self.takeovers_ms.is_empty() {
            lines.push(line(
                "from a kill to the other bot on the gateway (pushed time counts)",
                &self.takeovers_ms,
                Some(super::campaign::TAKEN_OVER_WITHIN_MS),
            ));
        }
        lines.join("\n")
    }

    /// Points per minute of this campaign alone.
    pub(super) fn pace(points: u64, took: Duration) -> String {
        #[expect(clippy::cast_precision_loss, reason = "a pace of some hundreds")]
        let pace = points as f64 * 60.0 / took.as_secs_f64().max(1.0);
        format!("{points} points in {} s: {pace:.0} a minute", took.as_secs())
    }
}

/// The value at this percentile; 0 if there are no values.
pub(crate) fn percentile(values: &[u64], percent: usize) -> u64 {
    let mut sorted = values.to_vec();
    sorted.sort_unstable();
    let at = (sorted.len() * percent).div_ceil(100).saturating_sub(1);
    sorted.get(at).copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_values_of_the_list() {
        let values: Vec<u64> = (1..=100).rev().collect();
        assert_eq!((percentile(&values, 50), percentile(&values, 99), percentile(&[], 50)), (50, 99, 0));
        assert_eq!(percentile(&[7], 99), 7);
    }

    #[test]
    fn counts_go_on_from_an_earlier_file_of_the_same_database() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("counts.json");
        let mut first = Tally::begin(1, Database::Sqlite, None).expect("a beginning");
        first.hit(Fault::Kill, &["entry".to_owned()]);
        first.write(&file).expect("written");
        let mut second = Tally::begin(2, Database::Sqlite, Some(&file)).expect("a continuation");
        second.hit(Fault::Kill, &["entry".to_owned(), "mail".to_owned()]);
        assert_eq!((second.seed, second.points, second.hits["F01"]["entry"]), (2, 2, 2));
        Tally::begin(2, Database::Postgres, Some(&file)).expect_err("another database");
    }
}
