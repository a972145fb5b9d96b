//! What people do: commands, buttons, selects and forms, and the `INTERACTION_CREATE` event for each.

mod parse;

use std::fmt;
use std::time::Instant;

use serde::Serialize;
use serde_json::{Value, json};

use crate::faults::Effect;
use crate::ids::{Id, random_hex};
use crate::limits::list;
use crate::objects;
use crate::permissions::Permissions;
use crate::sight;
use crate::state::{Interaction, InteractionKind, Message, SimState};

pub(crate) use parse::command_data;

/// An action that Discord's own client would not allow.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct CannotDo(pub String);

/// A field of an open form.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Field {
    /// The name under which the bot receives the value.
    pub custom_id: String,
    /// The text above the field.
    pub label: String,
    /// The current value.
    pub value: String,
    /// The grey text of an empty field.
    pub placeholder: String,
    /// Whether the form can be sent only with a value in it.
    pub required: bool,
    /// The minimum number of characters.
    pub min_length: u64,
    /// The maximum number of characters.
    pub max_length: u64,
    /// Whether it has several lines.
    pub paragraph: bool,
}

/// A form as the person sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Modal {
    /// Its heading.
    pub title: String,
    /// Its fields from top to bottom.
    pub fields: Vec<Field>,
}

impl Modal {
    /// The value of a field, by custom id or label.
    pub fn value(&self, name: &str) -> Option<&str> {
        self.fields
            .iter()
            .find(|field| field.custom_id == name || field.label == name)
            .map(|f| f.value.as_str())
    }
}

/// What a person sees in answer to an action.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Reply {
    /// The answering message as text, or the reason why there is none.
    pub text: String,
    /// The message, when there is one.
    pub message: Option<Id>,
    /// The form that was opened.
    pub modal: Option<Modal>,
    /// Whether the bot failed to answer in time.
    pub failed: bool,
    /// Whether the message is visible to this person only.
    pub ephemeral: bool,
}

impl fmt::Display for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// A person's open form, with the data that its submit must contain.
#[derive(Debug, Clone)]
pub(crate) struct OpenModal {
    pub(crate) app: Id,
    pub(crate) guild: Option<Id>,
    pub(crate) channel: Id,
    pub(crate) custom_id: String,
    pub(crate) source_message: Option<Id>,
    pub(crate) shown: Modal,
    /// The components as the bot sent them, which the submit repeats.
    components: Vec<Value>,
}

impl OpenModal {
    pub(crate) fn new(from: &Interaction, data: &Value) -> Self {
        let components = list(data, "components").to_vec();
        let fields = components.iter().filter_map(|row| {
            let (input, label) = match row["type"].as_u64() {
                Some(18) => (&row["component"], &row["label"]),
                _ => (&row["components"][0], &row["components"][0]["label"]),
            };
            input.is_object().then(|| field(input, label))
        });
        let shown = Modal { title: text(&data["title"]), fields: fields.collect() };
        Self {
            app: from.app,
            guild: from.guild,
            channel: from.channel,
            custom_id: text(&data["custom_id"]),
            source_message: from.source_message,
            shown,
            components,
        }
    }

    /// Fills in fields by custom id or label, and checks what the client checks before it sends.
    pub(crate) fn fill(&self, values: &[(String, String)]) -> Result<Value, CannotDo> {
        for (name, _) in values {
            if !self.shown.fields.iter().any(|field| field.custom_id == *name || field.label == *name) {
                return Err(CannotDo(format!("the form has no field {name:?}: {:?}", self.shown)));
            }
        }
        let value_of = |field: &Field| {
            let given = values.iter().find(|(name, _)| *name == field.custom_id || *name == field.label);
            given.map_or_else(|| field.value.clone(), |(_, value)| value.clone())
        };
        for field in &self.shown.fields {
            let count = value_of(field).chars().count() as u64;
            if count == 0 && field.required {
                return Err(CannotDo(format!("the field {:?} is required", field.label)));
            }
            if count > field.max_length || (count < field.min_length && count > 0) {
                let (min, max) = (field.min_length, field.max_length);
                return Err(CannotDo(format!("the field {:?} takes {min} to {max} characters", field.label)));
            }
        }
        let input = |sent: &Value| {
            let shown = self.shown.fields.iter().find(|field| sent["custom_id"] == field.custom_id);
            let value = shown.map(value_of).unwrap_or_default();
            if sent["type"] == 4 {
                json!({"type": 4, "id": 1, "custom_id": sent["custom_id"], "value": value})
            } else {
                json!({"type": sent["type"], "id": 1, "custom_id": sent["custom_id"], "values": [value]})
            }
        };
        let rows: Vec<Value> = self
            .components
            .iter()
            .enumerate()
            .map(|(index, row)| match row["type"].as_u64() {
                Some(18) => json!({"type": 18, "id": index + 1, "component": input(&row["component"])}),
                Some(1) => json!({"type": 1, "id": index + 1, "components": [input(&row["components"][0])]}),
                _ => json!({"type": row["type"], "id": index + 1}),
            })
            .collect();
        Ok(json!({"custom_id": self.custom_id, "components": rows, "resolved": {}}))
    }
}

fn field(input: &Value, label: &Value) -> Field {
    Field {
        custom_id: text(&input["custom_id"]),
        label: text(label),
        value: text(&input["value"]),
        placeholder: text(&input["placeholder"]),
        required: input["required"].as_bool().unwrap_or(true),
        min_length: input["min_length"].as_u64().unwrap_or(0),
        max_length: input["max_length"].as_u64().unwrap_or(4000),
        paragraph: input["style"] == 2,
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

/// Where a person acts.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place {
    pub(crate) guild: Option<Id>,
    pub(crate) channel: Id,
}

/// The message in which a button or select is searched.
#[derive(Clone, Copy, Debug)]
pub(crate) enum On<'a> {
    /// The newest message that has it.
    Newest,
    /// The message with this id.
    Message(Id),
    /// The newest message that has it and whose text contains this.
    Saying(&'a str),
}

impl On<'_> {
    fn is_it(self, message: &Message) -> bool {
        match self {
            Self::Newest => true,
            Self::Message(id) => message.id == id,
            Self::Saying(words) => message.content.contains(words),
        }
    }
}

impl From<Option<Id>> for On<'_> {
    fn from(message: Option<Id>) -> Self {
        message.map_or(Self::Newest, Self::Message)
    }
}

/// An interaction that exists but was not sent to its application yet.
pub(crate) struct Opened {
    pub(crate) id: Id,
    app: Id,
    guild: Option<Id>,
    payload: Value,
}

impl SimState {
    /// Finds the button (or select) in the messages that the person sees.
    pub(crate) fn find_component(
        &self,
        user: Id,
        wanted: &dyn Fn(&Value) -> bool,
        on: On<'_>,
    ) -> Option<(&Message, Value)> {
        let mut seen: Vec<&Message> = match on {
            On::Message(id) => self.messages.get(&id).into_iter().collect(),
            On::Newest | On::Saying(_) => self.messages.values().collect(),
        };
        seen.retain(|message| sight::sees(self, user, message));
        // The newest message is the one that changed last, because a person reads an edited message again.
        seen.sort_by_key(|message| message.edited_ms.unwrap_or(message.created_ms));
        seen.into_iter().rev().filter(|message| on.is_it(message)).find_map(|message| {
            let parts = sight::interactive_parts(message);
            parts
                .into_iter()
                .find(|part| part["disabled"] != true && wanted(part))
                .map(|part| (message, part))
        })
    }

    /// Creates an interaction, which [`SimState::deliver`] sends: all interactions of a burst are created before the first is sent.
    #[expect(clippy::too_many_arguments, reason = "an interaction is made of these and of nothing else")]
    pub(crate) fn open_interaction(
        &mut self,
        user: Id,
        app: Id,
        place: Place,
        kind: InteractionKind,
        what: &str,
        data: &Value,
        source_message: Option<Id>,
    ) -> Opened {
        let id = self.new_id();
        let token = format!("aW50ZXJhY3Rpb246{}", random_hex(48));
        let interaction = Interaction {
            id,
            token: token.clone(),
            app,
            user,
            guild: place.guild,
            channel: place.channel,
            kind,
            what: what.to_owned(),
            created_ms: self.now_ms(),
            answered: None,
            answered_ms: None,
            sent_at: Instant::now(),
            answered_after: None,
            is_followed_up: false,
            follow_up: None,
            original: None,
            source_message,
            choices: Vec::new(),
            failed: false,
        };
        let payload = self.interaction_payload(&interaction, data);
        self.tokens.insert(token, id);
        self.interactions.insert(id, interaction);
        Opened { id, app, guild: place.guild, payload }
    }

    /// Sends an opened interaction to its application and returns its id.
    pub(crate) fn deliver(&mut self, opened: &Opened) -> Id {
        let again = self.faults.take("*", |effect| matches!(effect, Effect::DeliverAgain { .. }));
        // With such an address Discord posts the interaction there and sends no event to the gateway ("Receiving an Interaction").
        if self.apps.get(&opened.app).is_some_and(|app| app.interactions_url.is_some()) {
            return opened.id;
        }
        if let Some(found) = self.interactions.get_mut(&opened.id) {
            found.sent_at = Instant::now();
        }
        let copies = if let Some(Effect::DeliverAgain { copies }) = again { copies } else { 0 };
        for _ in 0..=copies {
            self.dispatch_to(opened.app, "INTERACTION_CREATE", &opened.payload, 0, opened.guild);
        }
        opened.id
    }

    fn interaction_payload(&self, of: &Interaction, data: &Value) -> Value {
        let kind = match of.kind {
            InteractionKind::Command => 2,
            InteractionKind::Component => 3,
            InteractionKind::Autocomplete => 4,
            InteractionKind::ModalSubmit => 5,
        };
        let locale = self.users.get(&of.user).map_or("en-US", |user| &user.locale);
        let bot = self.apps.get(&of.app).map_or(of.app, |app| app.user);
        let (mut channel, mine, theirs) = match self.channels.get(&of.channel) {
            Some(found) => (
                objects::channel(self, found, None),
                objects::permissions_for(self, of.user, found),
                objects::permissions_for(self, bot, found),
            ),
            None => (json!({"id": of.channel, "type": 0}), Permissions(0), Permissions(0)),
        };
        channel["permissions"] = json!(mine.0.to_string());
        let mut payload = json!({
            "id": of.id, "application_id": of.app, "type": kind, "token": of.token, "version": 1, "data": data,
            "channel": channel, "channel_id": of.channel, "locale": locale, "entitlements": [],
            "entitlement_sku_ids": [], "attachment_size_limit": 10_485_760,
            "app_permissions": theirs.0.to_string(), "authorizing_integration_owners": objects::owners(of.guild),
            "context": u8::from(of.guild.is_none()),
        });
        if let Some(guild) = of.guild.and_then(|id| self.guilds.get(&id)) {
            payload["guild_id"] = json!(guild.id);
            payload["guild_locale"] = json!(guild.locale);
            payload["guild"] = json!({"id": guild.id, "locale": guild.locale, "features": []});
            if let Some(member) = guild.members.get(&of.user) {
                payload["member"] = objects::member(self, member);
                payload["member"]["permissions"] = json!(mine.0.to_string());
            }
        } else {
            payload["user"] = objects::user(self, of.user);
        }
        if let Some(message) = of.source_message.and_then(|id| self.messages.get(&id)) {
            payload["message"] = objects::message(self, message);
        }
        payload
    }
}
