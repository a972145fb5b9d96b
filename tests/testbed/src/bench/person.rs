//! People who ask for an account, one act after the other.

use std::time::Instant;

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};

use crate::sandbox::chat::Chat;

/// A member, and what they type.
#[derive(Clone, Debug)]
pub(super) struct Person {
    /// At Discord.
    pub(super) id: String,
    pub(super) username: String,
    pub(super) address: String,
}

impl Person {
    /// What they type into the form.
    fn form(&self) -> [(&'static str, &str); 4] {
        [("username", &self.username), ("address", &self.address), ("given", "Ada"), ("family", "Lovelace")]
    }

    /// The same for a rule that asks why.
    pub(super) fn fields(&self, ask: Ask) -> Value {
        let mut fields = json!({});
        for (name, value) in self.form() {
            fields[name] = json!(value);
        }
        if ask == Ask::Moderators {
            fields["answer"] = json!("I write notes");
        }
        fields
    }

    /// Opens the form, fills it and presses `Send`; gives the moment of that press. An error if anything of it was not acknowledged.
    pub(super) async fn asks(&self, chat: &Chat) -> Result<Instant> {
        let opened = chat.command(&self.id, "/account request").await?;
        ensure!(opened.modal_fields().is_some(), "no form opened: {}", opened.text());
        let fields = self.form().map(|(name, value)| (name.to_owned(), value));
        let shown = chat.submit(&self.id, &fields).await?;
        let draft = shown.message().with_context(|| format!("no draft was shown: {}", shown.text()))?;
        let pressed = Instant::now();
        let sent = chat.press_on(&self.id, "Send", &draft).await?;
        ensure!(!sent.failed() && says_sent(&sent.text()), "it was not sent: {}", sent.text());
        Ok(pressed)
    }
}

/// Who approves what somebody asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ask {
    /// The rule itself.
    Rule,
    /// Moderators; the form asks why.
    Moderators,
}

/// What somebody reads whose request was taken.
pub(super) fn says_sent(text: &str) -> bool {
    text.contains("Sent. Your request is")
}
