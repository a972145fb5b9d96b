//! Advanced time replaces waiting. The simulated Discord and the bot share one time unless a fault shifts the bot's clock.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, Result};
use reqwest::Method;
use serde_json::json;

use crate::sandbox::chat::Chat;

/// The time of an environment.
pub(super) struct Time {
    chat: Chat,
    file: PathBuf,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    pushed_ms: i64,
    skew_ms: i64,
    /// Pairs of a real millisecond and how far time is advanced from then on.
    pushes: Vec<(i64, i64)>,
    /// Pairs of a moment of the environment's time and how far the bot's clock is shifted from then on.
    skews: Vec<(i64, i64)>,
}

/// How long before it is recorded the bot may have received an answer.
const HEARD_BEFORE_MS: i64 = 10_000;

impl Time {
    /// Starts with real time. The bot reads its offset from `file`.
    pub(super) fn new(chat: Chat, file: &Path) -> Self {
        Self { chat, file: file.to_owned(), state: Mutex::default() }
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The environment's time, in milliseconds since 1970.
    pub(super) fn now_ms(&self) -> i64 {
        real_ms() + self.state().pushed_ms
    }

    /// The environment's time at a real moment.
    pub(super) fn at_real(&self, real_ms: i64) -> i64 {
        let state = self.state();
        let pushed = state.pushes.iter().rev().find(|(since, _)| *since <= real_ms);
        real_ms + pushed.map_or(0, |(_, pushed)| *pushed)
    }

    /// Advances time for the bot and the simulated Discord.
    pub(super) async fn advance(&self, by: Duration) -> Result<()> {
        let by_ms = i64::try_from(by.as_millis()).context("a short while")?;
        {
            let mut state = self.state();
            state.pushed_ms += by_ms;
            let pushed = state.pushed_ms;
            state.pushes.push((real_ms(), pushed));
        }
        self.write()?;
        self.chat.control(Method::POST, "time", &json!({"advance_ms": by_ms})).await.map(drop)
    }

    /// Shifts only the bot's clock.
    pub(super) fn set_apart(&self, skew_ms: i64) -> Result<()> {
        let now = self.now_ms();
        {
            let mut state = self.state();
            state.skew_ms = skew_ms;
            state.skews.push((now, skew_ms));
        }
        self.write()
    }

    /// What the bot's clock may have shown when the bot recorded an answer that it received at a moment of the environment's time.
    pub(super) fn bot_said(&self, at_ms: i64) -> i64 {
        let state = self.state();
        let skew_at =
            |at_ms| state.skews.iter().rev().find(|(since, _)| *since <= at_ms).map_or(0, |(_, skew)| *skew);
        let began = state.skews.iter().find(|(since, _)| (at_ms..at_ms + HEARD_BEFORE_MS).contains(since));
        at_ms + if skew_at(at_ms) == 0 { began.map_or(0, |(_, skew)| *skew) } else { skew_at(at_ms) }
    }

    fn write(&self) -> Result<()> {
        let state = self.state();
        // The file is replaced atomically. A bot that reads an empty file would fall back to the machine's time.
        let next = self.file.with_extension("next");
        std::fs::write(&next, format!("{} {}", state.pushed_ms, state.skew_ms))
            .context("write the offset")?;
        std::fs::rename(next, &self.file).context("put the offset in place")
    }
}

/// The machine's time, in milliseconds since 1970.
pub(crate) fn real_ms() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as i64)
}
