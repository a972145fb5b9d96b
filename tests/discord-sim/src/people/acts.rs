//! The actions themselves, shared by the tests and the control routes: each sends, then waits for the answer.

use serde_json::{Value, json};

use crate::ids::Id;
use crate::interactions::{CannotDo, On, Opened, Place, Reply, command_data};
use crate::limits::list;
use crate::rest::ANSWER_WITHIN_MS;
use crate::server::Sim;
use crate::sight;
use crate::state::{Answered, InteractionKind, Message, SimState};

impl Sim {
    pub(crate) async fn command(&self, user: Id, place: Place, typed: &str) -> Result<Reply, CannotDo> {
        let id = self.change(|state| {
            let command = command_data(state, user, place, typed)?;
            may_act(state, user, place)?;
            let kind = InteractionKind::Command;
            let (what, data) = (&command.what, &command.data);
            let opened = state.open_interaction(user, command.app, place, kind, what, data, None);
            Ok(state.deliver(&opened))
        })?;
        Ok(self.first_answer(user, id).await)
    }

    pub(crate) async fn press(&self, user: Id, label: &str, on: On<'_>) -> Result<Reply, CannotDo> {
        let id = self.change(|state| {
            let is_it = |part: &Value| {
                part["type"] == 2
                    && part["url"].is_null()
                    && (part["label"] == label
                        || part["emoji"]["name"] == label
                        || part["custom_id"] == label)
            };
            let found = state.find_component(user, &is_it, on);
            let (message, part) =
                found.ok_or_else(|| CannotDo(format!("there is no button {label:?} to press")))?;
            let (message, custom_id) =
                (message.id, part["custom_id"].as_str().unwrap_or_default().to_owned());
            state.use_component(
                user,
                message,
                &json!({"component_type": 2, "custom_id": custom_id, "id": part["id"]}),
            )
        })?;
        Ok(self.first_answer(user, id).await)
    }

    pub(crate) async fn select(
        &self,
        user: Id,
        select: &str,
        options: &[String],
        on: On<'_>,
    ) -> Result<Reply, CannotDo> {
        let id = self.change(|state| {
            let is_it = |part: &Value| {
                part["type"].as_u64().is_some_and(|kind| kind != 2)
                    && (part["custom_id"] == select || part["placeholder"] == select)
            };
            let found = state.find_component(user, &is_it, on);
            let (message, part) = found.ok_or_else(|| CannotDo(format!("there is no select {select:?}")))?;
            let message = message.id;
            let values: Result<Vec<Value>, CannotDo> = options
                .iter()
                .map(|wanted| {
                    if part["type"] != 3 {
                        return Ok(json!(wanted));
                    }
                    let option = list(&part, "options").iter().find(|o| o["label"] == *wanted || o["value"] == *wanted);
                    option
                        .map(|option| option["value"].clone())
                        .ok_or_else(|| CannotDo(format!("the select has no option {wanted:?}")))
                })
                .collect();
            let data = json!({"component_type": part["type"], "custom_id": part["custom_id"], "id": part["id"],
                "values": values?, "resolved": {}});
            state.use_component(user, message, &data)
        })?;
        Ok(self.first_answer(user, id).await)
    }

    /// Presses a custom id, which no message needs to show.
    pub(crate) async fn press_raw(
        &self,
        user: Id,
        place: Place,
        custom_id: &str,
        on: Option<Id>,
    ) -> Result<Reply, CannotDo> {
        let id = self.change(|state| {
            let message = match on {
                Some(message) => message,
                None => state.some_message(user, place)?,
            };
            state.use_component(user, message, &json!({"component_type": 2, "custom_id": custom_id, "id": 2}))
        })?;
        Ok(self.first_answer(user, id).await)
    }

    pub(crate) async fn submit(&self, user: Id, values: &[(String, String)]) -> Result<Reply, CannotDo> {
        let (id, open) = self.change(|state| {
            let open = state.modals.get(&user).cloned();
            let open = open.ok_or_else(|| CannotDo("no form is open".to_owned()))?;
            let data = open.fill(values)?;
            let place = Place { guild: open.guild, channel: open.channel };
            may_act(state, user, place)?;
            let kind = InteractionKind::ModalSubmit;
            let what = format!("form {}", open.custom_id);
            let opened =
                state.open_interaction(user, open.app, place, kind, &what, &data, open.source_message);
            let id = state.deliver(&opened);
            // The form closes when the answer arrives. A failed submit leaves it open, as Discord's client does.
            state.modals.remove(&user);
            Ok((id, open))
        })?;
        let reply = self.first_answer(user, id).await;
        if reply.failed {
            self.change(|state| {
                state.modals.entry(user).or_insert(open);
            });
        }
        Ok(reply)
    }

    /// Sends a form that no bot has opened.
    pub(crate) async fn submit_raw(
        &self,
        user: Id,
        place: Place,
        custom_id: &str,
        values: &[(String, String)],
    ) -> Result<Reply, CannotDo> {
        let rows: Vec<Value> = values
            .iter()
            .map(|(name, value)| json!({"type": 1, "components": [{"type": 4, "custom_id": name, "value": value}]}))
            .collect();
        let data = json!({"custom_id": custom_id, "components": rows});
        let id = self.change(|state| {
            let app = state.app_at(place)?;
            may_act(state, user, place)?;
            let what = format!("form {custom_id}");
            let kind = InteractionKind::ModalSubmit;
            let opened = state.open_interaction(user, app, place, kind, &what, &data, None);
            Ok(state.deliver(&opened))
        })?;
        Ok(self.first_answer(user, id).await)
    }

    /// Waits for the first answer, or for the 3 virtual seconds within which it must arrive.
    pub(crate) async fn first_answer(&self, user: Id, id: Id) -> Reply {
        let mut changes = self.changes();
        loop {
            changes.borrow_and_update();
            let (reply, left_ms) = self.change_quietly(|state| {
                let (answered, left_ms) = state.interactions.get(&id).map_or((None, 0), |found| {
                    (found.answered, found.created_ms + ANSWER_WITHIN_MS - state.now_ms())
                });
                (answered.map(|answered| state.reply_of(user, id, answered)), left_ms)
            });
            if let Some(reply) = reply {
                return reply;
            }
            if left_ms < 0 {
                self.change(|state| state.note_silence(id));
                let text = "The application did not respond".to_owned();
                return Reply { text, failed: true, ..Reply::default() };
            }
            let wait = std::time::Duration::from_millis(left_ms as u64 + 2);
            // After a change or the timeout, the loop checks again.
            drop(tokio::time::timeout(wait, changes.changed()).await);
        }
    }
}

/// Checks that a member acts in a guild channel that they see, or in their own direct messages.
fn may_act(state: &SimState, user: Id, place: Place) -> Result<(), CannotDo> {
    let nobody = || CannotDo("this person does not see that channel".to_owned());
    let channel = state.channels.get(&place.channel).ok_or_else(nobody)?;
    let may = crate::objects::permissions_for(state, user, channel);
    if may.has(crate::Permissions::VIEW_CHANNEL) { Ok(()) } else { Err(nobody()) }
}

impl SimState {
    fn use_component(&mut self, user: Id, message: Id, data: &Value) -> Result<Id, CannotDo> {
        let opened = self.open_component(user, message, data)?;
        Ok(self.deliver(&opened))
    }

    /// Creates the interaction of a pressed button or a chosen option.
    pub(crate) fn open_component(&mut self, user: Id, message: Id, data: &Value) -> Result<Opened, CannotDo> {
        let found =
            self.messages.get(&message).ok_or_else(|| CannotDo("there is no such message".to_owned()))?;
        let (app, channel) = (found.app, found.channel);
        let place = Place { guild: self.channels.get(&channel).and_then(|c| c.guild), channel };
        may_act(self, user, place)?;
        let what = format!("button {}", data["custom_id"].as_str().unwrap_or_default());
        let kind = InteractionKind::Component;
        Ok(self.open_interaction(user, app, place, kind, &what, data, Some(message)))
    }

    /// The bot of a place: the other side of a direct message, or the first bot in a guild.
    fn app_at(&self, place: Place) -> Result<Id, CannotDo> {
        let found = self.apps.values().find(|app| match place.guild {
            Some(guild) => self.guilds.get(&guild).is_some_and(|g| g.members.contains_key(&app.user)),
            None => self.channels.get(&place.channel).is_some_and(|c| c.recipients.contains(&app.user)),
        });
        found.map(|app| app.id).ok_or_else(|| CannotDo("there is no bot here".to_owned()))
    }

    /// The newest visible message of the place, or else a new one that is marked as deleted.
    fn some_message(&mut self, user: Id, place: Place) -> Result<Id, CannotDo> {
        let mut visible = self.messages.values().rev().filter(|m| m.channel == place.channel);
        if let Some(message) = visible.find(|message| sight::sees(self, user, message)) {
            return Ok(message.id);
        }
        let (app, id, created_ms) = (self.app_at(place)?, self.new_id(), self.now_ms());
        let message = Message {
            id,
            channel: place.channel,
            app,
            content: "deleted".to_owned(),
            embeds: Vec::new(),
            components: Vec::new(),
            attachments: Vec::new(),
            flags: 0,
            ephemeral_to: None,
            nonce: None,
            created_ms,
            edited_ms: None,
            pinged: Vec::new(),
            interaction: None,
            version: 1,
            seen: [].into(),
            deleted: true,
        };
        self.messages.insert(id, message);
        Ok(id)
    }

    /// What the person sees of the first answer, which is then marked as read.
    fn reply_of(&mut self, user: Id, id: Id, answered: Answered) -> Reply {
        let original = self.interactions.get(&id).and_then(|found| found.original);
        match answered {
            Answered::Message | Answered::Deferred | Answered::Update => {
                let text = original.map(|message| {
                    self.mark_read(user, message);
                    self.text_of(message)
                });
                let ephemeral =
                    original.and_then(|m| self.messages.get(&m)).is_some_and(|m| m.ephemeral_to.is_some());
                Reply { text: text.unwrap_or_default(), message: original, ephemeral, ..Reply::default() }
            }
            Answered::Modal => {
                let modal = self.modals.get(&user).map(|open| open.shown.clone());
                let text = modal.as_ref().map(|modal| format!("form: {}", modal.title)).unwrap_or_default();
                Reply { text, modal, ..Reply::default() }
            }
            Answered::DeferredUpdate | Answered::Autocomplete => Reply::default(),
        }
    }
}
