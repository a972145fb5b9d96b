//! A summary: the facts of a request or an account, arranged so that they are read at a glance. Discord shows it as an embed.

use super::ids::Timestamp;

/// What the colour of a summary says. Its title says the same in words.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Tone {
    /// Someone has to decide, or work is under way.
    #[default]
    Open,
    /// Someone has to look at it.
    Attention,
    /// It ended well.
    Good,
    /// It was denied, or it failed.
    Bad,
    /// It is over.
    Over,
}

/// The person that a summary is about, as Discord shows them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShownPerson {
    /// Their display name as they typed it.
    pub name: String,
    /// Their picture.
    pub avatar_url: String,
}

/// One fact with its label. Values are texts of `messages`, in which what people typed is quoted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fact {
    /// The label.
    pub label: String,
    /// The value. A fact without a value is not shown.
    pub value: String,
    /// Whether it may stand beside others on a line.
    pub is_short: bool,
}

impl Fact {
    /// A fact that may stand beside others.
    pub fn short(label: String, value: String) -> Self {
        Self { label, value, is_short: true }
    }

    /// A fact on a line of its own.
    pub fn long(label: String, value: String) -> Self {
        Self { label, value, is_short: false }
    }
}

/// A summary.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// One line in front of everything. Notifications show it, and so do clients and channels in which embeds are turned off.
    pub headline: String,
    /// The person, if Discord showed them.
    pub person: Option<ShownPerson>,
    /// What it is, with its state in words.
    pub title: String,
    /// The sentence about the state.
    pub text: String,
    /// The colour.
    pub tone: Tone,
    /// The facts, the most important first.
    pub facts: Vec<Fact>,
    /// What identifies it.
    pub footer: String,
    /// Since when it exists.
    pub at: Option<Timestamp>,
}

impl Summary {
    /// The same as lines of text, for a file.
    pub fn plain(&self) -> String {
        let facts = self.facts.iter().filter(|fact| !fact.value.trim().is_empty());
        let facts = facts.map(|fact| [&fact.label, ": ", &fact.value].concat());
        let parts = [self.headline.clone(), self.title.clone()].into_iter().chain(facts);
        let parts = parts.chain([self.text.clone(), self.footer.clone()]);
        parts.filter(|part| !part.is_empty()).collect::<Vec<_>>().join("\n")
    }
}
