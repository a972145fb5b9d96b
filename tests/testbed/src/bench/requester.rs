//! People who request an account, one action after the other.

use std::time::Instant;

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};

use crate::sandbox::chat::Chat;

/// A member, and the values that they type.
#[derive(Clone, Debug)]
pub(super) struct Requester {
    /// The Discord user id.
    pub(super) id: String,
    pub(super) username: String,
    pub(super) address: String,
}

/// Who approves a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Approval {
    /// The rule approves automatically.
    Automatic,
    /// Moderators approve; the form asks for a reason.
    Moderators,
}

impl Requester {
    fn form(&self) -> [(&'static str, &str); 4] {
        [("username", &self.username), ("address", &self.address), ("given", "Ada"), ("family", "Lovelace")]
    }

    /// The values for the form of a rule with this approval.
    pub(super) fn fields(&self, approval: Approval) -> Value {
        let mut fields = json!({});
        for (name, value) in self.form() {
            fields[name] = json!(value);
        }
        if approval == Approval::Moderators {
            fields["answer"] = json!("I write notes");
        }
        fields
    }

    /// Opens the form of an automatic rule, fills it in and presses `Send`. Returns the time of that press, or an error if one of the three
    /// actions was not acknowledged.
    pub(super) async fn request(&self, chat: &Chat) -> Result<Instant> {
        let opened = chat.command(&self.id, "/account request").await?;
        ensure!(opened.modal_fields().is_some(), "no form opened: {}", opened.text());
        let fields = self.form().map(|(name, value)| (name.to_owned(), value));
        let shown = chat.submit(&self.id, &fields).await?;
        let draft = shown.message().with_context(|| format!("no draft was shown: {}", shown.text()))?;
        let pressed = Instant::now();
        let sent = chat.press_on(&self.id, "Send", &draft).await?;
        ensure!(!sent.failed() && is_sent(&sent.text()), "the request was not sent: {}", sent.text());
        Ok(pressed)
    }
}

/// Whether a reply says that the request was accepted.
pub(super) fn is_sent(text: &str) -> bool {
    text.contains("Sent. Your request is")
}

/// Whether a reply says that the store is busy (`store_busy`).
pub(super) fn is_busy(text: &str) -> bool {
    text.contains("The service is busy")
}
