//! Outgoing messages: text, summary and buttons in Discord's format. The texts come from `messages`.

use serde_json::{Value, json};

use super::custom_id::CustomId;
use super::embed::embed;
use super::truncated::{cut, cut_spans};
use crate::domain::ids::OutboxId;
use crate::domain::summary::Summary;

/// The style of a button.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ButtonStyle {
    /// The main action.
    Primary,
    /// Neutral.
    Secondary,
    /// A positive action.
    Success,
    /// A destructive action.
    Danger,
}

/// One button.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Button {
    /// Its label, at most 80 characters.
    pub label: String,
    /// Its style.
    pub style: ButtonStyle,
    /// What a press sends back.
    pub custom_id: CustomId,
}

/// A message: text or a summary, and at most one row of five buttons. It never pings anyone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OutgoingMessage {
    /// At most 2000 characters; longer text is truncated.
    pub text: String,
    /// Shown as an embed below the text.
    pub summary: Option<Summary>,
    /// At most five.
    pub buttons: Vec<Button>,
}

impl OutgoingMessage {
    /// Text alone.
    pub fn text(text: impl Into<String>) -> Self {
        Self { text: text.into(), ..Self::default() }
    }

    /// A summary with its headline as the text. An edit with it replaces the text of the message.
    pub fn summary(summary: Summary) -> Self {
        Self { text: summary.headline.clone(), summary: Some(summary), ..Self::default() }
    }

    /// The `custom_id`s of the buttons, as they are sent.
    pub(super) fn custom_ids(&self) -> Vec<String> {
        self.buttons.iter().take(BUTTONS_MAX).map(|button| button.custom_id.to_string()).collect()
    }

    /// The same message with another paragraph.
    #[must_use]
    pub fn followed_by(mut self, paragraph: &str) -> Self {
        self.text.push_str("\n\n");
        self.text.push_str(paragraph);
        self
    }

    /// The same message with another button.
    #[must_use]
    pub fn with_button(mut self, label: impl Into<String>, style: ButtonStyle, custom_id: CustomId) -> Self {
        self.buttons.push(Button { label: label.into(), style, custom_id });
        self
    }
}

/// A file below a message.
#[derive(Clone, PartialEq, Eq)]
pub struct Attachment {
    /// Its name, which contains no personal data.
    pub name: String,
    /// Its content.
    pub bytes: Vec<u8>,
}

/// Shows only the size, because the content may be personal.
impl std::fmt::Debug for Attachment {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Attachment").field("name", &self.name).field("size", &self.bytes.len()).finish()
    }
}

impl Attachment {
    /// The largest file that is sent. Discord accepts requests of 10 MiB from any bot ("Uploading Files"), including the message.
    pub const MAX_BYTES: usize = 9 * 1024 * 1024;
}

/// The nonce by which Discord recognizes a repeated message for some minutes (`nonce` with `enforce_nonce`): the 16 bytes of the
/// outbox id in base64url, 22 characters (Discord accepts 25).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SendNonce(String);

impl SendNonce {
    /// The nonce of an outbox row.
    pub fn of(id: OutboxId) -> Self {
        use base64::Engine as _;
        Self(base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(id.get().as_bytes()))
    }

    /// The nonce as it is sent.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Discord's limits (Message and Button resources), in characters.
pub const TEXT_MAX: usize = 2000;
const LABEL_MAX: usize = 80;
const BUTTONS_MAX: usize = 5;

/// `EPHEMERAL` among the message flags.
const FLAG_EPHEMERAL: u64 = 1 << 6;

/// Who can see a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Visibility {
    /// Everyone in the channel.
    Everyone,
    /// Only the person who used the command, button or form.
    OnlyRecipient,
}

/// The body of a message or an edit. Every body is built here, so `allowed_mentions` is always present and empty, and no message
/// pings anyone.
pub(super) fn body(message: &OutgoingMessage, visibility: Visibility) -> Value {
    let mut body = json!({
        "content": cut_spans(&message.text, TEXT_MAX),
        // Always present, because an edit without it would leave an earlier embed in place.
        "embeds": message.summary.iter().map(embed).collect::<Value>(),
        "allowed_mentions": { "parse": [] },
        "components": rows(&message.buttons),
    });
    if visibility == Visibility::OnlyRecipient {
        body["flags"] = FLAG_EPHEMERAL.into();
    }
    body
}

/// The same with a file, whose content is sent next to the body.
pub(super) fn body_with_file(message: &OutgoingMessage, visibility: Visibility, file: &Attachment) -> Value {
    let mut body = body(message, visibility);
    // The index among the files of the request, as a string as in Discord's API description.
    body["attachments"] = json!([{ "id": "0", "filename": file.name }]);
    body
}

/// The same for a new message, with the nonce that makes a repeat harmless.
pub(super) fn body_with_nonce(message: &OutgoingMessage, nonce: &SendNonce) -> Value {
    let mut body = body(message, Visibility::Everyone);
    body["nonce"] = nonce.as_str().into();
    body["enforce_nonce"] = true.into();
    body
}

fn rows(buttons: &[Button]) -> Value {
    if buttons.is_empty() {
        return json!([]);
    }
    let row: Vec<Value> = buttons.iter().take(BUTTONS_MAX).map(button).collect();
    json!([{ "type": 1, "components": row }])
}

fn button(button: &Button) -> Value {
    let style = match button.style {
        ButtonStyle::Primary => 1,
        ButtonStyle::Secondary => 2,
        ButtonStyle::Success => 3,
        ButtonStyle::Danger => 4,
    };
    json!({
        "type": 2,
        "style": style,
        "label": cut(&button.label, LABEL_MAX),
        "custom_id": button.custom_id.to_string(),
    })
}

#[cfg(test)]
mod tests {
    use super::super::custom_id::Verb;
    use super::*;

    #[test]
    fn every_body_forbids_pings_and_says_who_sees_it() {
        let post = OutgoingMessage::text("@everyone <@1>");
        for visibility in [Visibility::Everyone, Visibility::OnlyRecipient] {
            assert_eq!(body(&post, visibility)["allowed_mentions"], json!({ "parse": [] }));
        }
        assert_eq!(body(&post, Visibility::OnlyRecipient)["flags"], 64);
        assert_eq!(body(&post, Visibility::Everyone).get("flags"), None);
    }

    #[test]
    fn a_first_post_carries_its_nonce_within_discords_limit() {
        let nonce = SendNonce::of(OutboxId::new(uuid::Uuid::from_u128(u128::MAX)));
        let body = body_with_nonce(&OutgoingMessage::text("x"), &nonce);
        assert_eq!(body["nonce"].as_str().map(str::len), Some(22));
        assert_eq!(body["enforce_nonce"], true);
        assert_eq!(body["allowed_mentions"], json!({ "parse": [] }));
    }

    #[test]
    fn a_file_is_named_in_the_body_and_what_is_in_it_is_not() {
        let file = Attachment { name: "links.csv".to_owned(), bytes: b"secret".to_vec() };
        let body = body_with_file(&OutgoingMessage::text("x"), Visibility::Everyone, &file);
        assert_eq!(body["attachments"], json!([{ "id": "0", "filename": "links.csv" }]));
        assert_eq!(body["allowed_mentions"], json!({ "parse": [] }));
        assert!(!body.to_string().contains("secret") && !format!("{file:?}").contains("secret"));
    }

    #[test]
    fn too_long_text_is_cut_by_characters_and_buttons_are_five_at_most() {
        let mut post = OutgoingMessage::text("ä".repeat(3000));
        for _ in 0..7 {
            post =
                post.with_button("x".repeat(90), ButtonStyle::Danger, CustomId::without_row(Verb::Request));
        }
        let body = body(&post, Visibility::Everyone);
        assert_eq!(body["content"].as_str().map(|text| text.chars().count()), Some(2000));
        let row = &body["components"][0]["components"];
        assert_eq!(row.as_array().map(Vec::len), Some(5));
        assert_eq!(row[0]["label"].as_str().map(|label| label.chars().count()), Some(80));
    }

    #[test]
    fn a_cut_never_leaves_a_code_span_open() {
        let shown = |text: &str| {
            body(&OutgoingMessage::text(text), Visibility::OnlyRecipient)["content"]
                .as_str()
                .map(str::to_owned)
        };
        for before in [0, 1, 1500, 1996, 1997, 1998, 1999, 2000] {
            let text =
                [&"x".repeat(before), "`**bold** [link](https://evil.example) ", &"y".repeat(3000), "`"];
            let content = shown(&text.concat()).expect("a text");
            assert!(content.chars().count() <= TEXT_MAX, "{before}");
            assert!(content.matches('`').count().is_multiple_of(2), "{before}: {content}");
        }
        assert_eq!(shown("`a` and `b`").as_deref(), Some("`a` and `b`"));
    }

    #[test]
    fn an_edit_with_a_summary_replaces_the_text_and_one_with_text_clears_the_embed() {
        let summary = Summary { headline: "h".to_owned(), title: "x".to_owned(), ..Summary::default() };
        let shown = body(&OutgoingMessage::summary(summary), Visibility::Everyone);
        assert_eq!((&shown["content"], &shown["embeds"][0]["title"]), (&json!("h"), &json!("x")));
        assert_eq!(shown["allowed_mentions"], json!({ "parse": [] }));
        assert_eq!(body(&OutgoingMessage::text("x"), Visibility::Everyone)["embeds"], json!([]));
    }

    #[test]
    fn an_edit_without_buttons_takes_the_old_ones_away() {
        assert_eq!(body(&OutgoingMessage::text("done"), Visibility::Everyone)["components"], json!([]));
    }
}
