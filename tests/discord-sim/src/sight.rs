//! What a person sees: which messages, their text, and which are unread.

use serde::Serialize;
use serde_json::Value;

use crate::ids::Id;
use crate::limits::list;
use crate::objects;
use crate::permissions::Permissions;
use crate::state::{Message, SimState};

/// A message that a person should have read.
#[derive(Debug, Clone, Serialize)]
pub struct Unread {
    /// The message.
    pub message: Id,
    /// `#channel`, or `DM to ada`.
    pub place: String,
    /// The only person who sees it, if it is ephemeral.
    pub only_for: Option<String>,
    /// The text as a person reads it.
    pub text: String,
}

/// Whether a person sees a message: ephemeral ones only their user, others by the channel's permissions.
pub(crate) fn sees(state: &SimState, user: Id, message: &Message) -> bool {
    if message.deleted || message.ephemeral_to.is_some_and(|only| only != user) {
        return false;
    }
    state.channels.get(&message.channel).is_some_and(|channel| {
        objects::permissions_for(state, user, channel).has(Permissions::VIEW_CHANNEL)
            || message.ephemeral_to == Some(user)
    })
}

/// The buttons and selects of a message, at every depth.
pub(crate) fn interactive_parts(message: &Message) -> Vec<Value> {
    fn walk(part: &Value, found: &mut Vec<Value>) {
        if matches!(part["type"].as_u64(), Some(2 | 3 | 5..=8)) {
            found.push(part.clone());
        }
        for inner in list(part, "components").iter().chain(part.get("accessory")) {
            walk(inner, found);
        }
    }
    let mut found = Vec::new();
    for row in &message.components {
        walk(row, &mut found);
    }
    found
}

/// A message as plain text: place, author, content, embeds, and buttons in brackets.
pub(crate) fn render(state: &SimState, message: &Message) -> String {
    let mut lines = Vec::new();
    if message.is_loading() {
        lines.push("(thinking…)".to_owned());
    }
    lines.extend(with_names(state, message, &message.content).lines().map(str::to_owned));
    for embed in shown_embeds(state, message) {
        lines.extend(embed_lines(&embed));
    }
    for file in &message.attachments {
        lines.push(format!(
            "(file {}, {} bytes)",
            file["filename"].as_str().unwrap_or_default(),
            file["size"]
        ));
    }
    for row in &message.components {
        let line = row_text(row);
        if !line.is_empty() {
            lines.push(line);
        }
    }
    format!("{}: {}", heading(state, message), lines.join("\n    "))
}

/// An embed as lines of text: the author, the title, the description, a line for each field, the footer with the time.
fn embed_lines(embed: &Value) -> Vec<String> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let fields = list(embed, "fields")
        .iter()
        .map(|field| [&text(&field["name"]), ": ", &text(&field["value"])].concat());
    let footer = [text(&embed["footer"]["text"]), text(&embed["timestamp"])];
    let footer = footer.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" · ");
    let head = [text(&embed["author"]["name"]), text(&embed["title"]), text(&embed["description"])];
    let parts = head.into_iter().chain(fields).chain([footer]);
    parts.flat_map(|part| part.lines().map(str::to_owned).collect::<Vec<_>>()).collect()
}

/// The embeds with names in place of mentions, where a client shows names: in descriptions and in the values of fields.
pub(crate) fn shown_embeds(state: &SimState, message: &Message) -> Vec<Value> {
    let named = |text: &mut Value| {
        if let Some(raw) = text.as_str() {
            *text = with_names(state, message, raw).into();
        }
    };
    let mut embeds = message.embeds.clone();
    for embed in &mut embeds {
        if embed["description"].is_string() {
            named(&mut embed["description"]);
        }
        for field in embed["fields"].as_array_mut().into_iter().flatten() {
            named(&mut field["value"]);
        }
    }
    embeds
}

fn row_text(row: &Value) -> String {
    if let Some(text) = row["content"].as_str() {
        return text.to_owned();
    }
    let part = |part: &Value| match part["type"].as_u64() {
        Some(2) => {
            let label = part["label"].as_str().or_else(|| part["emoji"]["name"].as_str()).unwrap_or_default();
            let off = if part["disabled"] == true { " (off)" } else { "" };
            let link = part["url"].as_str().map_or_else(String::new, |url| format!(" -> {url}"));
            format!("[{label}{link}{off}]")
        }
        Some(3 | 5..=8) => {
            let options: Vec<&str> =
                list(part, "options").iter().filter_map(|o| o["label"].as_str()).collect();
            format!("[{} v {}]", part["placeholder"].as_str().unwrap_or("select"), options.join(" / "))
        }
        _ => row_text(part),
    };
    list(row, "components").iter().map(part).collect::<Vec<_>>().join(" ")
}

fn heading(state: &SimState, message: &Message) -> String {
    let author = state.apps.get(&message.app).map_or("?", |app| &app.name);
    let only = message.ephemeral_to.map_or("", |_| " (only you)");
    let edited = if message.edited_ms.is_some() { " (edited)" } else { "" };
    format!("{} {author}{only}{edited}", place_name(state, message))
}

pub(crate) fn place_name(state: &SimState, message: &Message) -> String {
    match state.channels.get(&message.channel) {
        Some(channel) if channel.guild.is_some() => format!("#{}", channel.name),
        Some(_) => "DM".to_owned(),
        None => "?".to_owned(),
    }
}

/// Replaces mentions with names, as a client shows them.
pub(crate) fn with_names(state: &SimState, message: &Message, text: &str) -> String {
    let guild = state.channels.get(&message.channel).and_then(|channel| channel.guild);
    let mut shown = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('<') {
        shown.push_str(before);
        let name = after.split_once('>').and_then(|(inside, tail)| {
            let name = if let Some(role) = inside.strip_prefix("@&") {
                let role = role.parse().ok()?;
                guild.and_then(|g| state.guilds.get(&g)?.roles.get(&role)).map(|role| role.name.clone())?
            } else if let Some(user) = inside.strip_prefix('@') {
                let user = user.trim_start_matches('!').parse().ok()?;
                state.users.get(&user).map(|user| user.username.clone())?
            } else {
                let channel = inside.strip_prefix('#')?.parse().ok()?;
                let channel = state.channels.get(&channel)?;
                return Some((format!("#{}", channel.name), tail));
            };
            Some((format!("@{name}"), tail))
        });
        if let Some((name, tail)) = name {
            shown.push_str(&name);
            rest = tail;
        } else {
            shown.push('<');
            rest = after;
        }
    }
    shown.push_str(rest);
    shown
}

/// Masks snowflakes, UUIDs, hex ids and times, so that two runs give the same text.
pub(crate) fn mask_ids(text: &str) -> String {
    use std::sync::LazyLock;

    use regex::Regex;
    static IDS: LazyLock<Regex> = LazyLock::new(|| {
        Regex::new(
            r"(?x) <t:-?\d+(:[a-zA-Z])?> | \d{4}-\d\d-\d\dT[\d:.]+Z | \b[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\b
             | \b\d{17,20}\b | \b[0-9a-f]{32}\b | \b[0-9a-f]{8}\b",
        )
        .expect("a constant pattern that the tests run")
    });
    IDS.replace_all(text, |found: &regex::Captures<'_>| {
        if found[0].starts_with("<t:") || found[0].ends_with('Z') { "<time>" } else { "<id>" }
    })
    .into_owned()
}

impl SimState {
    /// The messages that a person sees and whose current version they have not read, oldest change first.
    pub(crate) fn unread_by(&self, user: Id) -> Vec<Id> {
        let mut found: Vec<&Message> = self
            .messages
            .values()
            .filter(|m| sees(self, user, m) && m.seen.get(&user).is_none_or(|version| *version < m.version))
            .collect();
        found.sort_by_key(|message| (message.edited_ms.unwrap_or(message.created_ms), message.id));
        found.into_iter().map(|message| message.id).collect()
    }

    pub(crate) fn mark_read(&mut self, user: Id, id: Id) {
        if let Some(message) = self.messages.get_mut(&id) {
            message.seen.insert(user, message.version);
        }
    }

    pub(crate) fn text_of(&self, id: Id) -> String {
        self.messages.get(&id).map(|message| render(self, message)).unwrap_or_default()
    }

    /// Messages whose current version nobody has read.
    pub(crate) fn unread_by_all(&self) -> Vec<Unread> {
        self.messages
            .values()
            .filter(|m| !m.deleted && !m.seen.values().any(|version| *version >= m.version))
            .map(|m| Unread {
                message: m.id,
                place: self.place_with_reader(m),
                only_for: m.ephemeral_to.map(|user| objects::display_name(self, user)),
                text: render(self, m),
            })
            .collect()
    }

    fn place_with_reader(&self, message: &Message) -> String {
        let channel = self.channels.get(&message.channel).filter(|channel| channel.guild.is_none());
        let reader = channel
            .and_then(|c| c.recipients.iter().find(|id| self.users.get(id).is_some_and(|user| !user.is_bot)));
        match reader {
            Some(reader) => format!("DM to {}", objects::display_name(self, *reader)),
            None => place_name(self, message),
        }
    }
}
