//! What is sent: text and buttons. Texts come from `messages`; this file only knows Discord's shapes.

use serde_json::{Value, json};

use super::custom_id::CustomId;
use crate::domain::ids::OutboxId;

/// How a button looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ButtonStyle {
    /// The wanted way on.
    Primary,
    /// Neutral.
    Secondary,
    /// Yes.
    Success,
    /// No.
    Danger,
}

/// One button.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Button {
    /// What it says, at most 80 characters.
    pub label: String,
    /// How it looks.
    pub style: ButtonStyle,
    /// What a press sends back.
    pub custom_id: CustomId,
}

/// A message: text and at most one row of five buttons. Nobody is ever pinged by it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OutgoingMessage {
    /// At most 2000 characters; longer text is cut.
    pub text: String,
    /// At most five.
    pub buttons: Vec<Button>,
}

impl OutgoingMessage {
    /// Text alone.
    pub fn text(text: impl Into<String>) -> Self {
        Self { text: text.into(), buttons: Vec::new() }
    }

    /// What the buttons carry, as they are sent.
    pub(super) fn custom_ids(&self) -> Vec<String> {
        self.buttons.iter().take(BUTTONS_MAX).map(|button| button.custom_id.to_string()).collect()
    }

    /// The same message with a paragraph more.
    #[must_use]
    pub fn followed_by(mut self, paragraph: &str) -> Self {
        self.text.push_str("\n\n");
        self.text.push_str(paragraph);
        self
    }

    /// The same message with one more button.
    #[must_use]
    pub fn with_button(mut self, label: impl Into<String>, style: ButtonStyle, custom_id: CustomId) -> Self {
        self.buttons.push(Button { label: label.into(), style, custom_id });
        self
    }
}

/// A file below a message.
#[derive(Clone, PartialEq, Eq)]
pub struct Attachment {
    /// Its name: what kind of file it is, and nothing about anybody.
    pub name: String,
    /// What is in it.
    pub bytes: Vec<u8>,
}

/// The content may be personal: only its size is shown.
impl std::fmt::Debug for Attachment {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Attachment").field("name", &self.name).field("size", &self.bytes.len()).finish()
    }
}

impl Attachment {
    /// Larger files are not sent: Discord takes 10 MiB from any bot ("Uploading Files"), and some of it is not the file.
    pub const MOST_BYTES: usize = 9 * 1024 * 1024;
}

/// What makes a repeated send of one message recognisable to Discord for some minutes (`nonce` with `enforce_nonce`):
/// the 16 bytes of the outbox id in base64url, 22 characters (Discord takes 25).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SendNonce(String);

impl SendNonce {
    /// The nonce of an outbox row.
    pub fn of(id: OutboxId) -> Self {
        use base64::Engine as _;
        Self(base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(id.get().as_bytes()))
    }

    /// The text as sent.
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

/// Who sees a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Seen {
    /// Everybody in the channel.
    ByAll,
    /// The person who pressed or typed, and nobody else.
    ByOne,
}

/// The body of every message and every edit that leaves this program. The only place that makes one, so that nothing ever
/// pings: `allowed_mentions` is always there and always empty.
pub(super) fn body(post: &OutgoingMessage, seen: Seen) -> Value {
    let mut body = json!({
        "content": cut_text(&post.text),
        "allowed_mentions": { "parse": [] },
        "components": rows(&post.buttons),
    });
    if seen == Seen::ByOne {
        body["flags"] = FLAG_EPHEMERAL.into();
    }
    body
}

/// The same with a file, whose bytes stand beside the body.
pub(super) fn body_with_file(post: &OutgoingMessage, seen: Seen, file: &Attachment) -> Value {
    let mut body = body(post, seen);
    // Its place among the request's files; a string, as Discord's description has it.
    body["attachments"] = json!([{ "id": "0", "filename": file.name }]);
    body
}

/// The same for a first post: with the nonce that makes a repeat harmless.
pub(super) fn body_with_nonce(post: &OutgoingMessage, nonce: &SendNonce) -> Value {
    let mut body = body(post, Seen::ByAll);
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

/// The text of a message within Discord's limit. A code span that the cut opens is closed again: what somebody typed would be
/// formatted otherwise.
fn cut_text(text: &str) -> String {
    let closed = |text: &str| text.matches('`').count().is_multiple_of(2);
    let kept = cut(text, TEXT_MAX);
    if kept.len() == text.len() || closed(&kept) {
        return kept;
    }
    let shorter = cut(text, TEXT_MAX - 1);
    if closed(&shorter) { shorter } else { [&shorter, "`"].concat() }
}

/// At most `max` characters; what is cut shows as an ellipsis.
pub(super) fn cut(text: &str, max: usize) -> String {
    if text.chars().count() <= max {
        return text.to_owned();
    }
    text.chars().take(max.saturating_sub(1)).chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use super::super::custom_id::Verb;
    use super::*;

    #[test]
    fn every_body_forbids_pings_and_says_who_sees_it() {
        let post = OutgoingMessage::text("@everyone <@1>");
        for seen in [Seen::ByAll, Seen::ByOne] {
            assert_eq!(body(&post, seen)["allowed_mentions"], json!({ "parse": [] }));
        }
        assert_eq!(body(&post, Seen::ByOne)["flags"], 64);
        assert_eq!(body(&post, Seen::ByAll).get("flags"), None);
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
        let body = body_with_file(&OutgoingMessage::text("x"), Seen::ByAll, &file);
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
        let body = body(&post, Seen::ByAll);
        assert_eq!(body["content"].as_str().map(|text| text.chars().count()), Some(2000));
        let row = &body["components"][0]["components"];
        assert_eq!(row.as_array().map(Vec::len), Some(5));
        assert_eq!(row[0]["label"].as_str().map(|label| label.chars().count()), Some(80));
    }

    #[test]
    fn a_cut_never_leaves_a_code_span_open() {
        let shown = |text: &str| {
            body(&OutgoingMessage::text(text), Seen::ByOne)["content"].as_str().map(str::to_owned)
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
    fn an_edit_without_buttons_takes_the_old_ones_away() {
        assert_eq!(body(&OutgoingMessage::text("done"), Seen::ByAll)["components"], json!([]));
    }
}
