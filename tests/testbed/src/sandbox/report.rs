//! Writes the output of `--report` and `--keep`.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result};
use serde::Serialize;
use serde_json::Value;

use super::Outcome;
use super::product::Product;
use crate::db_inspector::DbInspector;

/// One step of the story.
#[derive(Debug, Serialize)]
pub(super) struct StepReport {
    name: &'static str,
    ok: bool,
    evidence: Value,
}

/// The results of the story, and every value that must not appear anywhere.
#[derive(Debug, Default)]
pub(super) struct Report {
    steps: Vec<StepReport>,
    /// The secrets, link tokens and personal values that were used.
    pub(super) canaries: Vec<String>,
}

impl Report {
    /// Records the result of a step.
    pub(super) fn add(&mut self, name: &'static str, went: &Result<Value>) {
        let (ok, evidence) = match went {
            Ok(evidence) => (true, evidence.clone()),
            Err(error) => (false, Value::from(format!("{error:#}"))),
        };
        self.steps.push(StepReport { name, ok, evidence });
    }

    /// Whether every step succeeded.
    pub(super) fn outcome(&self) -> Outcome {
        if self.steps.iter().all(|step| step.ok) { Outcome::Held } else { Outcome::Broke }
    }

    /// Writes the report file.
    pub(super) fn write(&self, file: &Path) -> Result<()> {
        let report = serde_json::json!({"ok": self.outcome() == Outcome::Held, "steps": self.steps});
        let text = serde_json::to_string_pretty(&report).context("write the report as JSON")?;
        fs::write(file, text).context("write the report")
    }

    /// Writes the bot's log, the replies, a dump of the store and the canaries to `folder`.
    pub(super) async fn keep(&self, folder: &Path, product: &Product, replies: &Value) -> Result<()> {
        fs::create_dir_all(folder).context("make the folder of --keep")?;
        fs::copy(&product.log_file, folder.join("bot.log")).context("keep the bot's log")?;
        let replies = serde_json::to_string_pretty(replies).context("write the replies as JSON")?;
        fs::write(folder.join("replies.json"), replies).context("keep the replies")?;
        let dump = DbInspector::open_file(&product.database).await?.dump().await?;
        fs::write(folder.join("store.jsonl"), dump).context("keep the dump")?;
        fs::copy(&product.database, folder.join("store.sqlite")).context("keep the database")?;
        let mut canaries = self.canaries.clone();
        canaries.retain(|canary| !canary.trim().is_empty());
        canaries.sort();
        canaries.dedup();
        fs::write(folder.join("canaries.txt"), canaries.join("\n") + "\n").context("write canaries.txt")
    }
}
