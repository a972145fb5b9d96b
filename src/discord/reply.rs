//! Replies to one interaction.
//!
//! Every new message has the ephemeral flag of its own, because the flag of a deferral covers only the first message after it.
//! These routes are called without serenity's limiter, which has one bucket for all interactions of the application and sleeps while
//! it holds the bucket's lock. A 429 is handled here.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use reqwest::Method;
use reqwest::multipart::{Form, Part};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Value, json};

use super::client::{Discord, Inner};
use super::error::DiscordError;
use super::message::{Attachment, OutgoingMessage, Visibility, body, body_with_file};
use super::modal::Modal;
use super::open_replies::KeptReply;
use super::transport::USER_AGENT;
use super::unanswered::Acknowledgement;
use crate::domain::ids::{DiscordUserId, InteractionId};

/// Discord accepts a first answer within 3 s of the interaction, so a later repeat is useless.
const FIRST_ANSWER_TIMEOUT: Duration = Duration::from_millis(2500);

/// Discord accepts later answers for 15 minutes, but nobody waits that long.
const LATER_ANSWER_TIMEOUT: Duration = Duration::from_secs(10);

/// The limit for one upload of a file on a slow connection. All attempts together may take twice as long.
const FILE_TIMEOUT: Duration = Duration::from_secs(30);

/// The pause before a repeat if Discord names none.
const REPEAT_AFTER: Duration = Duration::from_millis(250);

/// Discord's codes (Opcodes and Status Codes, JSON error codes).
const ALREADY_ANSWERED: i64 = 40060;
const UNKNOWN_WEBHOOK: i64 = 10015;

/// Replies to one interaction. Clones share the record of the acknowledgement.
#[derive(Clone)]
pub struct Reply {
    inner: Arc<Inner>,
    interaction_id: InteractionId,
    application_id: u64,
    token: SecretString,
    acknowledgement: Arc<Acknowledgement>,
}

impl fmt::Debug for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reply").field("interaction_id", &self.interaction_id).finish_non_exhaustive()
    }
}

/// Whether a call may be repeated.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// A first answer: "already answered" after an unknown outcome means success.
    First,
    /// A repeat has the same result.
    Repeatable,
    /// A repeat would send a second message.
    Once,
}

/// The body of a call.
enum Body<'a> {
    Json(&'a Value),
    File(&'a Value, &'a Attachment),
}

impl Discord {
    /// The answer to this person that promised a direct message, while Discord accepts edits of it.
    pub fn open_reply_to(&self, user_id: DiscordUserId) -> Option<Reply> {
        let kept = self.inner.open_replies.of(user_id, self.inner.clock.moment())?;
        Some(Reply::of_kept(self, kept))
    }

    /// Forgets that answer: Discord did not accept its edit.
    pub fn forget_open_reply(&self, user_id: DiscordUserId) {
        self.inner.open_replies.forget(user_id);
    }
}

impl Reply {
    /// Replies to the interaction with this id and token, which counts as unanswered from now on.
    pub fn new(
        discord: &Discord,
        interaction_id: InteractionId,
        application_id: u64,
        token: SecretString,
    ) -> Self {
        let acknowledgement = Arc::new(discord.inner.unanswered.arrived());
        Self { inner: Arc::clone(&discord.inner), interaction_id, application_id, token, acknowledgement }
    }

    fn of_kept(discord: &Discord, kept: KeptReply) -> Self {
        let KeptReply { interaction_id, application_id, token } = kept;
        let acknowledgement = Arc::new(discord.inner.unanswered.answered());
        Self { inner: Arc::clone(&discord.inner), interaction_id, application_id, token, acknowledgement }
    }

    /// The answer promises a direct message to this person. If Discord refuses that, [`Discord::open_reply_to`] returns the answer, so
    /// that it can be said here.
    pub fn promises_direct_message_to(&self, person: DiscordUserId) {
        let kept = KeptReply {
            interaction_id: self.interaction_id,
            application_id: self.application_id,
            token: self.token.clone(),
        };
        self.inner.open_replies.keep(person, kept, self.inner.clock.moment());
    }

    /// First answer: a message that only this person can see.
    pub async fn say_ephemeral(&self, message: &OutgoingMessage) -> Result<(), DiscordError> {
        self.answer(json!({ "type": 4, "data": body(message, Visibility::OnlyRecipient) })).await
    }

    /// First answer: "thinking", which only this person can see. [`Reply::edit_original`] replaces it.
    pub async fn defer_ephemeral(&self) -> Result<(), DiscordError> {
        self.answer(json!({ "type": 5, "data": { "flags": 64 } })).await
    }

    /// First answer to a button or its form: acknowledges it and leaves the message unchanged.
    pub async fn defer_update(&self) -> Result<(), DiscordError> {
        self.answer(json!({ "type": 6 })).await
    }

    /// First answer to a button or its form: replaces the message. Its visibility doesn't change.
    pub async fn update_message(&self, message: &OutgoingMessage) -> Result<(), DiscordError> {
        self.answer(json!({ "type": 7, "data": body(message, Visibility::Everyone) })).await
    }

    /// First answer: opens a form. Discord doesn't allow this as the answer to a form.
    pub async fn open_modal(&self, modal: &Modal) -> Result<(), DiscordError> {
        self.answer(json!({ "type": 9, "data": modal.body() })).await
    }

    /// Later answer: another message that only this person can see.
    pub async fn follow_up_ephemeral(&self, message: &OutgoingMessage) -> Result<(), DiscordError> {
        let url = self.webhook_url(&[]);
        self.send(
            Kind::Once,
            &Method::POST,
            &url,
            &body(message, Visibility::OnlyRecipient),
            LATER_ANSWER_TIMEOUT,
        )
        .await
    }

    /// A message that only this person can see: as the first answer or, if there was one, as a later one. For callers that don't
    /// know whether a first answer was sent.
    pub async fn say_anyway(&self, message: &OutgoingMessage) -> Result<(), DiscordError> {
        match self.say_ephemeral(message).await {
            Err(DiscordError::Other { status: 400, code: ALREADY_ANSWERED }) => {
                self.follow_up_ephemeral(message).await
            }
            said => said,
        }
    }

    /// When Discord accepted the first answer; `None` before that.
    pub fn acknowledged_at(&self) -> Option<Instant> {
        self.acknowledgement.at()
    }

    /// Later answer: replaces the first answer. Its visibility doesn't change.
    pub async fn edit_original(&self, message: &OutgoingMessage) -> Result<(), DiscordError> {
        let url = self.webhook_url(&["messages", "@original"]);
        self.send(
            Kind::Repeatable,
            &Method::PATCH,
            &url,
            &body(message, Visibility::Everyone),
            LATER_ANSWER_TIMEOUT,
        )
        .await
    }

    /// The same with a file.
    pub async fn edit_original_with_file(
        &self,
        message: &OutgoingMessage,
        file: &Attachment,
    ) -> Result<(), DiscordError> {
        let url = self.webhook_url(&["messages", "@original"]);
        let body = body_with_file(message, Visibility::Everyone, file);
        self.send_as(Kind::Repeatable, &Method::PATCH, &url, &Body::File(&body, file), FILE_TIMEOUT * 2).await
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
        self.send(Kind::First, &Method::POST, &url, &answer, FIRST_ANSWER_TIMEOUT).await?;
        self.acknowledgement.note();
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

    /// Sends the call and repeats it for at most `within`, if a repeat is safe.
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
                    // Discord sometimes answers this although the first answer exists (issue 7220 of its api-docs).
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
        // No Authorization header, because the token in the path authorizes the answer.
        let request = self
            .inner
            .interactions
            .request(method.clone(), url)
            .header(reqwest::header::USER_AGENT, USER_AGENT);
        let request = match body {
            Body::Json(body) => request.json(body),
            Body::File(body, file) => request.multipart(multipart_form(body, file)).timeout(FILE_TIMEOUT),
        };
        let answer = request.send().await.map_err(|error| DiscordError::from_transport(&error))?;
        if answer.status().is_success() {
            return Ok(());
        }
        let status = answer.status().as_u16();
        let wait = retry_after(answer.headers());
        let code = code_of(&answer.bytes().await.unwrap_or_default());
        Err(DiscordError::from_status(status, code, wait))
    }
}

/// The multipart form of a message with a file ("Uploading Files" in Discord's API reference).
fn multipart_form(body: &Value, file: &Attachment) -> Form {
    let part = Part::bytes(file.bytes.clone()).file_name(file.name.clone());
    Form::new().text("payload_json", body.to_string()).part("files[0]", part)
}

/// The value of `Retry-After`, in seconds with optional decimals.
fn retry_after(headers: &reqwest::header::HeaderMap) -> Option<Duration> {
    let seconds: f64 = headers.get(reqwest::header::RETRY_AFTER)?.to_str().ok()?.parse().ok()?;
    Duration::try_from_secs_f64(seconds).ok()
}

/// Discord's own code in the body of an error; -1 if there is none (a proxy's page or a 429).
fn code_of(body: &[u8]) -> i64 {
    serde_json::from_slice::<Value>(body)
        .ok()
        .and_then(|body| body.get("code").and_then(Value::as_i64))
        .unwrap_or(-1)
}
