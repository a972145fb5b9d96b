//! Many people who act at once, or in an even stream, timed by the simulator itself.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use reqwest::Method;
use serde::Deserialize;
use serde_json::{Value, json};

use super::person::{Ask, Person, says_sent};
use crate::sandbox::chat::Chat;
use crate::sandbox::product::ids;

/// What one of them got.
#[derive(Deserialize)]
struct Answer {
    /// Microseconds; nothing if nothing came in time.
    us: Option<u64>,
    kind: Option<String>,
    text: Option<String>,
    message: Option<String>,
}

/// How long each of a kind of callback took, and how many never came.
#[derive(Clone, Debug, Default)]
pub(super) struct Times {
    pub(super) took: Vec<Duration>,
    pub(super) missed: usize,
}

impl Times {
    fn of(answers: &[Answer]) -> Self {
        let took: Vec<Duration> =
            answers.iter().filter_map(|answer| answer.us.map(Duration::from_micros)).collect();
        Self { missed: answers.len() - took.len(), took }
    }

    pub(super) fn add(&mut self, other: &Self) {
        self.took.extend(&other.took);
        self.missed += other.missed;
    }
}

/// The three callbacks of a request.
#[derive(Clone, Debug, Default)]
pub(super) struct Round {
    pub(super) command: Times,
    pub(super) form: Times,
    pub(super) send: Times,
}

impl Round {
    /// Every callback.
    pub(super) fn all(&self) -> Times {
        let mut all = self.command.clone();
        all.add(&self.form);
        all.add(&self.send);
        all
    }
}

/// All of them type the command, then all submit the form, then all press `Send`; each time at once, or one every `pause`.
/// Whoever was missed stays behind.
pub(super) async fn ask(chat: &Chat, people: &[Person], ask: Ask, pause: Duration) -> Result<Round> {
    let place = json!({"channel": ids::GENERAL});
    let typed = |person: &Person| json!({"user": person.id, "do": "command", "text": "/account request", "place": place});
    let opened = act(chat, people.iter().map(typed).collect(), pause).await?;
    let people = those_with(people, &opened, |answer| answer.kind.as_deref() == Some("Modal"))?;
    let filled = |person: &Person| json!({"user": person.id, "do": "submit", "fields": person.fields(ask)});
    let shown = act(chat, people.iter().map(filled).collect(), pause).await?;
    let drafts: Vec<String> = shown.iter().filter_map(|answer| answer.message.clone()).collect();
    let people = those_with(&people, &shown, |answer| answer.message.is_some())?;
    let pressed = |(person, draft): (&Person, &String)| json!({"user": person.id, "do": "press", "label": "Send", "message": draft});
    let sent = act(chat, people.iter().zip(&drafts).map(pressed).collect(), pause).await?;
    those_with(&people, &sent, |answer| answer.text.as_deref().is_some_and(says_sent))?;
    Ok(Round { command: Times::of(&opened), form: Times::of(&shown), send: Times::of(&sent) })
}

async fn act(chat: &Chat, acts: Vec<Value>, pause: Duration) -> Result<Vec<Answer>> {
    let count = acts.len();
    let body = json!({"acts": acts, "every_us": pause.as_micros() as u64});
    let told = chat.control(Method::POST, "burst", &body).await?;
    let answers: Vec<Answer> =
        serde_json::from_value(told["answers"].clone()).context("read a burst's answers")?;
    ensure!(answers.len() == count, "of {count} acts {} were answered for", answers.len());
    Ok(answers)
}

/// Those who were answered at all; each of them must have got what is expected, or the figures would be about something else.
fn those_with(
    people: &[Person],
    answers: &[Answer],
    is_right: impl Fn(&Answer) -> bool,
) -> Result<Vec<Person>> {
    let mut answered = Vec::new();
    for (person, answer) in people.iter().zip(answers) {
        if answer.kind.is_none() {
            continue;
        }
        ensure!(
            is_right(answer),
            "{} was told something else: {:?} {:?}",
            person.username,
            answer.kind,
            answer.text
        );
        answered.push(person.clone());
    }
    Ok(answered)
}
