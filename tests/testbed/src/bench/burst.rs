//! Many people who act at once or at a steady rate. The simulator measures the times.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use reqwest::Method;
use serde::Deserialize;
use serde_json::{Value, json};

use super::requester::{Approval, Requester, is_busy, is_sent};
use crate::sandbox::chat::Chat;
use crate::sandbox::product::ids;

/// The first answer to one action.
#[derive(Clone, Debug, Default, Deserialize)]
struct Answer {
    /// Microseconds; `None` if no answer came in time.
    us: Option<u64>,
    kind: Option<String>,
    text: Option<String>,
    message: Option<String>,
}

impl Answer {
    fn is_busy(&self) -> bool {
        self.text.as_deref().is_some_and(is_busy)
    }
}

/// The first answers to one kind of callback.
#[derive(Clone, Debug, Default)]
pub(super) struct Times {
    pub(super) took: Vec<Duration>,
    /// How many answers never came.
    pub(super) missed: usize,
    /// How many answers said that the service is busy.
    pub(super) busy: usize,
}

impl Times {
    fn of(answers: &[Answer]) -> Self {
        let took: Vec<Duration> =
            answers.iter().filter_map(|answer| answer.us.map(Duration::from_micros)).collect();
        let busy = answers.iter().filter(|answer| answer.is_busy()).count();
        Self { missed: answers.len() - took.len(), took, busy }
    }

    pub(super) fn add(&mut self, other: &Self) {
        self.took.extend(&other.took);
        self.missed += other.missed;
        self.busy += other.busy;
    }
}

/// The three callbacks of a request.
#[derive(Clone, Debug, Default)]
pub(super) struct Round {
    pub(super) command: Times,
    pub(super) form: Times,
    pub(super) send: Times,
    /// How many requests were accepted.
    pub(super) sent: usize,
}

impl Round {
    /// The answers to all callbacks.
    pub(super) fn all(&self) -> Times {
        let mut all = self.command.clone();
        all.add(&self.form);
        all.add(&self.send);
        all
    }

    /// The answers to each kind of callback, with its name.
    pub(super) fn kinds(&self) -> [(&'static str, &Times); 3] {
        [("command", &self.command), ("form", &self.form), ("Send", &self.send)]
    }

    pub(super) fn add(&mut self, other: &Self) {
        self.command.add(&other.command);
        self.form.add(&other.form);
        self.send.add(&other.send);
        self.sent += other.sent;
    }
}

/// All people type the command, then all submit the form, then all press `Send`; each time at once, or one every `pause`. A person who gets
/// no answer, or the answer that the service is busy, stops there.
pub(super) async fn request_all(
    chat: &Chat,
    people: &[Requester],
    approval: Approval,
    pause: Duration,
) -> Result<Round> {
    let drafts = draft_all(chat, people, approval, pause).await?;
    let mut round = drafts.round.clone();
    let (times, people) = send_all(chat, &drafts, pause).await?;
    round.send = times;
    round.sent = people.len();
    Ok(round)
}

/// Drafts that wait for `Send`, and the answers to the two callbacks that created them.
pub(super) struct Drafts {
    people: Vec<Requester>,
    messages: Vec<String>,
    pub(super) round: Round,
}

/// Sends the first two callbacks of each request.
pub(super) async fn draft_all(
    chat: &Chat,
    people: &[Requester],
    approval: Approval,
    pause: Duration,
) -> Result<Drafts> {
    let place = json!({"channel": ids::GENERAL});
    let typed = |person: &Requester| json!({"user": person.id, "do": "command", "text": "/account request", "place": place});
    let opened = act(chat, people.iter().map(typed).collect(), pause).await?;
    let (people, _) = continuing(people, &opened, |answer| answer.kind.as_deref() == Some("Modal"))?;
    let filled =
        |person: &Requester| json!({"user": person.id, "do": "submit", "fields": person.fields(approval)});
    let shown = act(chat, people.iter().map(filled).collect(), pause).await?;
    let (people, shown_to) = continuing(&people, &shown, |answer| answer.message.is_some())?;
    let messages = shown_to.into_iter().filter_map(|answer| answer.message).collect();
    let round = Round { command: Times::of(&opened), form: Times::of(&shown), ..Round::default() };
    Ok(Drafts { people, messages, round })
}

/// Sends the third callback. Returns how fast it was answered, and whose requests were accepted.
pub(super) async fn send_all(
    chat: &Chat,
    drafts: &Drafts,
    pause: Duration,
) -> Result<(Times, Vec<Requester>)> {
    let pressed = |(person, draft): (&Requester, &String)| json!({"user": person.id, "do": "press", "label": "Send", "message": draft});
    let acts = drafts.people.iter().zip(&drafts.messages).map(pressed).collect();
    let sent = act(chat, acts, pause).await?;
    let (people, _) =
        continuing(&drafts.people, &sent, |answer| answer.text.as_deref().is_some_and(is_sent))?;
    Ok((Times::of(&sent), people))
}

async fn act(chat: &Chat, acts: Vec<Value>, pause: Duration) -> Result<Vec<Answer>> {
    let count = acts.len();
    let body = json!({"acts": acts, "every_us": pause.as_micros() as u64});
    let told = chat.control(Method::POST, "burst", &body).await?;
    let answers: Vec<Answer> =
        serde_json::from_value(told["answers"].clone()).context("read a burst's answers")?;
    ensure!(answers.len() == count, "of {count} acts only {} have a result", answers.len());
    Ok(answers)
}

/// Returns the people who can continue. Any answer except the expected one and "busy" is an error, because the figures would describe
/// something else.
fn continuing(
    people: &[Requester],
    answers: &[Answer],
    is_expected: impl Fn(&Answer) -> bool,
) -> Result<(Vec<Requester>, Vec<Answer>)> {
    let mut going_on = (Vec::new(), Vec::new());
    for (person, answer) in people.iter().zip(answers) {
        if answer.kind.is_none() || answer.is_busy() {
            continue;
        }
        ensure!(
            is_expected(answer),
            "{} was told something else: {:?} {:?}",
            person.username,
            answer.kind,
            answer.text
        );
        going_on.0.push(person.clone());
        going_on.1.push(answer.clone());
    }
    Ok(going_on)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(us: Option<u64>, text: &str) -> Answer {
        Answer { us, kind: us.map(|_| "Message".to_owned()), text: Some(text.to_owned()), message: None }
    }

    fn people(count: usize) -> Vec<Requester> {
        let person =
            |number| Requester { id: format!("{number}"), username: String::new(), address: String::new() };
        (0..count).map(person).collect()
    }

    #[test]
    fn busy_and_missing_answers_are_counted_and_end_the_way_of_their_person() {
        let sent = "Sent. Your request is QC82S4.";
        let answers = [
            answer(Some(10), sent),
            answer(Some(20), "The service is busy and nothing was lost."),
            answer(None, ""),
        ];
        let times = Times::of(&answers);
        assert_eq!((times.took.len(), times.missed, times.busy), (2, 1, 1));
        let is_expected = |answer: &Answer| answer.text.as_deref().is_some_and(is_sent);
        let (going_on, _) = continuing(&people(3), &answers, is_expected).expect("only expected answers");
        assert_eq!(going_on.len(), 1);
        assert!(continuing(&people(1), &[answer(Some(1), "No.")], is_expected).is_err());
    }
}
