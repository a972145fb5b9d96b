//! Answers to one interaction. Every message that leaves here is ephemeral by itself: the flag stands on each one, because
//! the flag of a deferral covers only the first message after it.
//!
//! These routes are called without serenity's limiter: it keeps one bucket for all interactions of the application and sleeps
//! while it holds it. A 429 is handled here, by its status.

use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use reqwest::Method;
use reqwest::multipart::{Form, Part};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Value, json};

use super::error::DiscordError;
use super::message::{Attachment, OutgoingMessage, Seen, body, body_with_file};
use super::modal::Modal;
use super::{Discord, Inner};
use crate::domain::ids::InteractionId;

/// A first answer must reach Discord within 3 s of the press; a repeat after this is useless.
const FIRST_ANSWER_WITHIN: Duration = Duration::from_millis(2500);

/// Later answers have 15 minutes, but nobody watches that long, and the truth stands in the store.
const LATER_ANSWER_WITHIN: Duration = Duration::from_secs(10);

/// A file takes as long as the line is slow; one upload of it may take this, and all together twice as long.
const FILE_WITHIN: Duration = Duration::from_secs(30);

/// The pause before a repeat where Discord names none.
const REPEAT_AFTER: Duration = Duration::from_millis(250);

/// Discord's codes (Opcodes and Status Codes, JSON error codes).
const ALREADY_ANSWERED: i64 = 40060;
const UNKNOWN_WEBHOOK: i64 = 10015;

/// The way back to whoever pressed, typed or submitted.
#[derive(Clone)]
pub struct Reply {
    inner: Arc<Inner>,
    interaction_id: InteractionId,
    application_id: u64,
    token: SecretString,
    acknowledged: Arc<OnceLock<Instant>>,
}

impl fmt::Debug for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reply").field("interaction_id", &self.interaction_id).finish_non_exhaustive()
    }
}

/// How the outcome of a repeat is to be read.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// A first answer: "already answered" after an unknown outcome is success.
    First,
    /// Repeating gives the same result.
    Repeatable,
    /// Repeating would say it twice.
    Once,
}

/// What is sent.
enum Body<'a> {
    Json(&'a Value),
    File(&'a Value, &'a Attachment),
}

impl Reply {
    /// The way back for one interaction, as Discord delivered it.
    pub fn new(
        discord: &Discord,
        interaction_id: InteractionId,
        application_id: u64,
        token: SecretString,
    ) -> Self {
        let acknowledged = Arc::new(OnceLock::new());
        Self { inner: Arc::clone(&discord.inner), interaction_id, application_id, token, acknowledged }
    }

    /// First answer: a message that only this person sees.
    pub async fn say_ephemeral(&self, post: &OutgoingMessage) -> Result<(), DiscordError> {
        self.answer(json!({ "type": 4, "data": body(post, Seen::ByOne) })).await
    }

    /// First answer: "thinking", seen by this person only. [`Reply::edit_original`] ends it.
    pub async fn defer_ephemeral(&self) -> Result<(), DiscordError> {
        self.answer(json!({ "type": 5, "data": { "flags": 64 } })).await
    }

    /// First answer to a button or a form opened from one: seen, the message stays as it is for now.
    pub async fn defer_update(&self) -> Result<(), DiscordError> {
        self.answer(json!({ "type": 6 })).await
    }

    /// First answer to a button or a form opened from one: the message becomes this. It stays as visible as it was.
    pub async fn update_message(&self, post: &OutgoingMessage) -> Result<(), DiscordError> {
        self.answer(json!({ "type": 7, "data": body(post, Seen::ByAll) })).await
    }

    /// First answer: a form. Not possible in answer to a form.
    pub async fn open_modal(&self, modal: &Modal) -> Result<(), DiscordError> {
        self.answer(json!({ "type": 9, "data": modal.body() })).await
    }

    /// Later answer: one more message that only this person sees.
    pub async fn follow_up_ephemeral(&self, post: &OutgoingMessage) -> Result<(), DiscordError> {
        let url = self.webhook_url(&[]);
        self.send(Kind::Once, &Method::POST, &url, &body(post, Seen::ByOne), LATER_ANSWER_WITHIN).await
    }

    /// A message that only this person sees, as the first answer or, if there was one, as a later one: for whoever does not know
    /// how far an answer came.
    pub async fn say_anyway(&self, post: &OutgoingMessage) -> Result<(), DiscordError> {
        match self.say_ephemeral(post).await {
            Err(DiscordError::Other { status: 400, code: ALREADY_ANSWERED }) => {
                self.follow_up_ephemeral(post).await
            }
            said => said,
        }
    }

    /// When Discord took the first answer; `None` before.
    pub fn acknowledged_at(&self) -> Option<Instant> {
        self.acknowledged.get().copied()
    }

    /// Later answer: replaces the first answer, which stays as visible as it was.
    pub async fn edit_original(&self, post: &OutgoingMessage) -> Result<(), DiscordError> {
        let url = self.webhook_url(&["messages", "@original"]);
        self.send(Kind::Repeatable, &Method::PATCH, &url, &body(post, Seen::ByAll), LATER_ANSWER_WITHIN).await
    }

    /// The same, with a file. It is as visible as the first answer was.
    pub async fn edit_original_with_file(
        &self,
        post: &OutgoingMessage,
        file: &Attachment,
    ) -> Result<(), DiscordError> {
        let url = self.webhook_url(&["messages", "@original"]);
        let body = body_with_file(post, Seen::ByAll, file);
        self.send_as(Kind::Repeatable, &Method::PATCH, &url, &Body::File(&body, file), FILE_WITHIN * 2).await
    }

    async fn answer(&self, answer: Value) -> Result<(), DiscordError> {
        let url = [
            "https://discord.com/api/v10/interactions/",
            &self.interaction_id.to_string(),
            "/",
            self.token.expose_secret(),
            "/callback",
        ]
        .concat();
        self.send(Kind::First, &Method::POST, &url, &answer, FIRST_ANSWER_WITHIN).await?;
        let _: &Instant = self.acknowledged.get_or_init(Instant::now);
        Ok(())
    }

    fn webhook_url(&self, rest: &[&str]) -> String {
        let application = self.application_id.to_string();
        let mut parts =
            vec!["https://discord.com/api/v10/webhooks", &application, self.token.expose_secret()];
        parts.extend(rest);
        parts.join("/")
    }

    async fn send(
        &self,
        kind: Kind,
        method: &Method,
        url: &str,
        body: &Value,
        within: Duration,
    ) -> Result<(), DiscordError> {
        self.send_as(kind, method, url, &Body::Json(body), within).await
    }

    /// Sends, and repeats what is safe to repeat, for at most `within`.
    async fn send_as(
        &self,
        kind: Kind,
        method: &Method,
        url: &str,
        body: &Body<'_>,
        within: Duration,
    ) -> Result<(), DiscordError> {
        let repeating = async {
            let mut unknown_outcome = false;
            loop {
                let error = match self.send_once(method, url, body).await {
                    Ok(()) => return Ok(()),
                    Err(error) => error,
                };
                let already = DiscordError::Other { status: 400, code: ALREADY_ANSWERED };
                if kind == Kind::First && unknown_outcome && error == already {
                    return Ok(());
                }
                let pause = match (error, kind) {
                    (DiscordError::RateLimited { after }, _) => after,
                    // Discord answers so now and then although the first answer is there (its api-docs issue 7220).
                    (DiscordError::Gone(UNKNOWN_WEBHOOK), Kind::Repeatable | Kind::Once)
                    | (DiscordError::Down { ambiguous: false }, _)
                    | (DiscordError::Down { ambiguous: true }, Kind::First | Kind::Repeatable) => {
                        REPEAT_AFTER
                    }
                    _ => return Err(error),
                };
                unknown_outcome |= error == DiscordError::Down { ambiguous: true };
                self.inner.clock.pause(pause).await;
            }
        };
        tokio::time::timeout(within, repeating)
            .await
            .unwrap_or(Err(DiscordError::Down { ambiguous: kind != Kind::Repeatable }))
    }

    async fn send_once(&self, method: &Method, url: &str, body: &Body<'_>) -> Result<(), DiscordError> {
        // No Authorization: the interaction's token in the path is the right to answer.
        let request = self
            .inner
            .interactions
            .request(method.clone(), url)
            .header(reqwest::header::USER_AGENT, super::USER_AGENT);
        let request = match body {
            Body::Json(body) => request.json(body),
            Body::File(body, file) => request.multipart(form(body, file)).timeout(FILE_WITHIN),
        };
        let answer = request.send().await.map_err(|error| DiscordError::from_transport(&error))?;
        if answer.status().is_success() {
            return Ok(());
        }
        let status = answer.status().as_u16();
        let retry_after = wait_named_by(answer.headers());
        let code = code_of(&answer.bytes().await.unwrap_or_default());
        Err(DiscordError::from_status(status, code, retry_after))
    }
}

/// The form of a message with a file ("Uploading Files" in Discord's API reference).
fn form(body: &Value, file: &Attachment) -> Form {
    let part = Part::bytes(file.bytes.clone()).file_name(file.name.clone());
    Form::new().text("payload_json", body.to_string()).part("files[0]", part)
}

/// `Retry-After` in seconds, perhaps with decimals.
fn wait_named_by(headers: &reqwest::header::HeaderMap) -> Option<Duration> {
    let seconds: f64 = headers.get(reqwest::header::RETRY_AFTER)?.to_str().ok()?.parse().ok()?;
    Duration::try_from_secs_f64(seconds).ok()
}

/// Discord's own code in an error's body; -1 if there is none (a proxy's page, or a 429).
fn code_of(body: &[u8]) -> i64 {
    serde_json::from_slice::<Value>(body)
        .ok()
        .and_then(|body| body.get("code").and_then(Value::as_i64))
        .unwrap_or(-1)
}
