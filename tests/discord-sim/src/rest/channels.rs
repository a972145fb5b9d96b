//! Routes for channels and their messages, including direct messages.

use serde_json::{Value, json};

use super::applications::own_user;
use super::{Answer, ApiError, Call, uploads};
use crate::ids::Id;
use crate::limits;
use crate::members::{DIRECT_MESSAGES, GUILD_MESSAGES};
use crate::objects;
use crate::permissions::Permissions;
use crate::state::{Channel, Message, SimState};

/// How long Discord stores an enforced nonce: "a few minutes" in its documentation.
const NONCE_MS: i64 = 5 * 60_000;

/// The channel in the path, with the caller's permissions in it.
fn own_channel<'a>(state: &'a SimState, call: &Call) -> Result<(&'a Channel, Id, Permissions), ApiError> {
    let (id, bot) = (call.id("channel")?, own_user(state, call)?);
    let channel = state.channels.get(&id).ok_or_else(|| ApiError::unknown(10003, "Channel"))?;
    let may = objects::permissions_for(state, bot, channel);
    if may.has(Permissions::VIEW_CHANNEL) {
        Ok((channel, bot, may))
    } else {
        Err(ApiError::forbidden(50001, "Missing Access"))
    }
}

pub(super) fn get(state: &mut SimState, call: &Call) -> Answer {
    let (channel, bot, _) = own_channel(state, call)?;
    Ok((200, Some(objects::channel(state, channel, Some(bot)))))
}

pub(super) fn open_dm(state: &mut SimState, call: &Call) -> Answer {
    let bot = own_user(state, call)?;
    let recipient = Id::of(&call.body["recipient_id"]).filter(|id| state.users.contains_key(id));
    let Some(recipient) = recipient else {
        return Err(ApiError::unknown(10013, "User"));
    };
    if recipient == bot || state.users.get(&recipient).is_some_and(|user| user.is_bot) {
        return Err(ApiError::bad(50007, "Cannot send messages to this user"));
    }
    let id = state.dm_channel(recipient, bot);
    let object = state.channels.get(&id).map(|channel| objects::channel(state, channel, Some(bot)));
    Ok((200, object))
}

pub(super) fn messages(state: &mut SimState, call: &Call) -> Answer {
    let (channel, _, may) = own_channel(state, call)?;
    let limit = call.number("limit", 50, 1..=100)? as usize;
    let bound = |name| call.number(name, 0, 0..=u64::MAX).map(Id);
    let (before, after, around) = (bound("before")?, bound("after")?, call.query.contains_key("around"));
    if around {
        return Err(ApiError::bad(50035, "the simulator has no `around`"));
    }
    if !may.has(Permissions::READ_MESSAGE_HISTORY) {
        return Ok((200, Some(json!([]))));
    }
    let visible = state
        .messages
        .values()
        .filter(|m| m.channel == channel.id && !m.deleted && m.ephemeral_to.is_none() && m.id > after);
    let visible: Vec<&Message> = visible.filter(|m| before.0 == 0 || m.id < before).collect();
    // With `after`, the oldest messages that follow it; otherwise the newest ones. The order is always newest first.
    let picked: Vec<&Message> = if after.0 > 0 {
        visible.into_iter().take(limit).collect()
    } else {
        let skip = visible.len().saturating_sub(limit);
        visible.into_iter().skip(skip).collect()
    };
    Ok((200, Some(picked.into_iter().rev().map(|m| objects::message(state, m)).collect())))
}

pub(super) fn send(state: &mut SimState, call: &Call) -> Answer {
    let app = call.app()?;
    let (channel, bot, may) = own_channel(state, call)?;
    let (id, guild, recipients) = (channel.id, channel.guild, channel.recipients.clone());
    if !channel.kind.takes_messages() {
        return Err(ApiError::bad(50008, "Cannot send messages in a non-text channel"));
    }
    if guild.is_some() && !may.has(Permissions::SEND_MESSAGES) {
        return Err(ApiError::forbidden(50013, "Missing Permissions"));
    }
    limits::check_message(&call.body, None)?;
    if let Some(person) = recipients.iter().find(|user| **user != bot) {
        if !state.share_a_guild(*person, bot) {
            return Err(ApiError::forbidden(
                50278,
                "Cannot send messages to this user due to having no mutual guilds",
            ));
        }
        if state.users.get(person).is_some_and(|user| !user.dms_open) {
            return Err(ApiError::forbidden(50007, "Cannot send messages to this user"));
        }
    }
    if let Some(known) = sent_before(state, app, id, &call.body) {
        return Ok((200, Some(known)));
    }
    let body = without_forbidden_embeds(&call.body, guild.is_none() || may.has(Permissions::EMBED_LINKS))?;
    let made =
        post(state, &body, &Draft { app, channel: id, ephemeral_to: None, interaction: None, flags: 4 });
    Ok((200, message_object(state, made)))
}

/// Without *Embed Links*, Discord drops the embeds of a message that has text, and refuses one that has nothing else.
fn without_forbidden_embeds(body: &Value, may_embed: bool) -> Result<Value, ApiError> {
    let mut body = body.clone();
    if may_embed || limits::list(&body, "embeds").is_empty() {
        return Ok(body);
    }
    if body["content"].as_str().is_none_or(|text| text.trim().is_empty()) {
        return Err(ApiError::forbidden(50013, "Missing Permissions"));
    }
    body["embeds"] = json!([]);
    Ok(body)
}

/// The message that was already created with an enforced nonce.
fn sent_before(state: &SimState, app: Id, channel: Id, body: &Value) -> Option<Value> {
    if body["enforce_nonce"] != true || body["nonce"].is_null() {
        return None;
    }
    let since = state.now_ms() - NONCE_MS;
    let known = state.messages.values().rev().find(|message| {
        message.app == app
            && message.channel == channel
            && message.created_ms > since
            && message.nonce.as_ref() == Some(&body["nonce"])
    })?;
    Some(objects::message(state, known))
}

pub(super) fn message(state: &mut SimState, call: &Call) -> Answer {
    let (_, id) = own_message(state, call)?;
    Ok((200, message_object(state, id)))
}

fn own_message(state: &SimState, call: &Call) -> Result<(Id, Id), ApiError> {
    let (channel, bot, _) = own_channel(state, call)?;
    let id = call.id("message")?;
    let found = state.messages.get(&id).filter(|message| {
        message.channel == channel.id && !message.deleted && message.ephemeral_to.is_none()
    });
    found.map(|message| (bot, message.id)).ok_or_else(|| ApiError::unknown(10008, "Message"))
}

pub(super) fn edit(state: &mut SimState, call: &Call) -> Answer {
    let app = call.app()?;
    let (_, id) = own_message(state, call)?;
    let found = state.messages.get(&id).ok_or_else(|| ApiError::unknown(10008, "Message"))?;
    if found.app != app {
        return Err(ApiError::forbidden(50005, "Cannot edit a message authored by another user"));
    }
    limits::check_message(&call.body, Some(found))?;
    let (channel, _, may) = own_channel(state, call)?;
    let may_embed = channel.guild.is_none() || may.has(Permissions::EMBED_LINKS);
    let body = without_forbidden_embeds(&call.body, may_embed)?;
    change(state, id, &body);
    Ok((200, message_object(state, id)))
}

pub(super) fn delete(state: &mut SimState, call: &Call) -> Answer {
    let app = call.app()?;
    let (channel, _, may) = own_channel(state, call)?;
    let is_guild = channel.guild.is_some();
    let (_, id) = own_message(state, call)?;
    let is_own = state.messages.get(&id).is_some_and(|message| message.app == app);
    if !(is_own || is_guild && may.has(Permissions::MANAGE_MESSAGES)) {
        return Err(ApiError::forbidden(50013, "Missing Permissions"));
    }
    remove(state, id);
    Ok((204, None))
}

/// The properties of a new message that are not in its body.
pub(crate) struct Draft {
    pub(crate) app: Id,
    pub(crate) channel: Id,
    pub(crate) ephemeral_to: Option<Id>,
    pub(crate) interaction: Option<Id>,
    /// The flags that the sender may set.
    pub(crate) flags: u64,
}

/// Creates a message whose body has been checked.
pub(crate) fn post(state: &mut SimState, body: &Value, draft: &Draft) -> Id {
    let (id, now_ms) = (state.new_id(), state.now_ms());
    let settable = draft.flags | 4 | 1 << 12 | 1 << 15;
    let message = Message {
        id,
        channel: draft.channel,
        app: draft.app,
        content: body["content"].as_str().unwrap_or_default().to_owned(),
        embeds: embeds_of(body),
        components: components_of(body),
        attachments: uploads::of_body(body, &[]),
        flags: body["flags"].as_u64().unwrap_or(0) & settable
            | draft.ephemeral_to.map_or(0, |_| Message::EPHEMERAL)
            | draft.flags & Message::LOADING,
        ephemeral_to: draft.ephemeral_to,
        nonce: Some(body["nonce"].clone()).filter(|nonce| !nonce.is_null()),
        created_ms: now_ms,
        edited_ms: None,
        pinged: check_mentions(state, body, draft.channel),
        interaction: draft.interaction,
        version: 1,
        seen: [].into(),
        deleted: false,
    };
    state.messages.insert(id, message);
    announce(state, id, "MESSAGE_CREATE");
    id
}

/// Applies an edit whose body has been checked. Absent fields keep their values.
pub(crate) fn change(state: &mut SimState, id: Id, body: &Value) {
    let now_ms = state.now_ms();
    let Some(channel) = state.messages.get(&id).map(|message| message.channel) else {
        return;
    };
    let pinged = check_mentions(state, body, channel);
    let Some(message) = state.messages.get_mut(&id) else {
        return;
    };
    let seen = |message: &Message| {
        let Message { content, embeds, components, attachments, flags, .. } = message;
        (content.clone(), embeds.clone(), components.clone(), attachments.clone(), *flags)
    };
    let before = seen(message);
    if let Some(content) = body.get("content") {
        content.as_str().unwrap_or_default().clone_into(&mut message.content);
    }
    if body.get("embeds").is_some() {
        message.embeds = embeds_of(body);
    }
    if body.get("components").is_some() {
        message.components = components_of(body);
    }
    if body.get("attachments").is_some() {
        message.attachments = uploads::of_body(body, &message.attachments);
    }
    message.flags = message.flags & !Message::LOADING | body["flags"].as_u64().unwrap_or(0) & (4 | 1 << 15);
    message.edited_ms = Some(now_ms);
    message.pinged = pinged;
    if before != seen(message) {
        message.version += 1;
    }
    announce(state, id, "MESSAGE_UPDATE");
}

/// Deletes a message for everybody.
pub(crate) fn remove(state: &mut SimState, id: Id) {
    let Some(message) = state.messages.get_mut(&id) else {
        return;
    };
    message.deleted = true;
    announce(state, id, "MESSAGE_DELETE");
}

pub(crate) fn message_object(state: &SimState, id: Id) -> Option<Value> {
    state.messages.get(&id).map(|message| objects::message(state, message))
}

fn embeds_of(body: &Value) -> Vec<Value> {
    limits::list(body, "embeds")
        .iter()
        .map(|embed| {
            let mut kept = without_nulls(embed);
            kept["type"] = json!("rich");
            kept
        })
        .collect()
}

fn components_of(body: &Value) -> Vec<Value> {
    let mut next = 0;
    limits::list(body, "components")
        .iter()
        .map(|row| number_components(without_nulls(row), &mut next))
        .collect()
}

fn without_nulls(value: &Value) -> Value {
    match value {
        Value::Object(map) => {
            map.iter().filter(|(_, v)| !v.is_null()).map(|(k, v)| (k.clone(), without_nulls(v))).collect()
        }
        Value::Array(list) => list.iter().map(without_nulls).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => value.clone(),
    }
}

/// Gives every component its own `id`, as Discord does.
fn number_components(mut component: Value, next: &mut u64) -> Value {
    *next += 1;
    if component["id"].as_u64().is_none_or(|id| id == 0) {
        component["id"] = json!(*next);
    }
    if let Some(inner) = component["components"].as_array_mut() {
        for part in inner {
            *part = number_components(part.take(), next);
        }
    }
    if component.get("components").is_some_and(Value::is_null)
        && let Some(map) = component.as_object_mut()
    {
        map.remove("components");
    }
    component
}

/// The users that a message pings. A body that mentions someone without `allowed_mentions` violates one of
/// Accolade's own rules.
fn check_mentions(state: &mut SimState, body: &Value, channel: Id) -> Vec<Id> {
    let content = body["content"].as_str().unwrap_or_default();
    let users: Vec<Id> = content
        .split("<@")
        .skip(1)
        .filter_map(|rest| rest.split_once('>')?.0.trim_start_matches('!').parse().ok())
        .collect();
    let mentions_more = content.contains("<@&") || content.contains("@everyone") || content.contains("@here");
    let allowed = &body["allowed_mentions"];
    if (!users.is_empty() || mentions_more) && !allowed.is_object() {
        state.note_violation(format!(
            "a message into channel {channel} mentions somebody without allowed_mentions"
        ));
    }
    let everybody = !allowed.is_object() || limits::list(allowed, "parse").iter().any(|kind| kind == "users");
    let named: Vec<Id> = limits::list(allowed, "users").iter().filter_map(Id::of).collect();
    users.into_iter().filter(|id| everybody || named.contains(id)).collect()
}

/// Sends the event to bots that asked for messages. An ephemeral message creates no event.
fn announce(state: &mut SimState, id: Id, event: &str) {
    let Some(message) = state.messages.get(&id).filter(|message| message.ephemeral_to.is_none()) else {
        return;
    };
    let (app, guild) = (message.app, state.channels.get(&message.channel).and_then(|channel| channel.guild));
    let mut payload = if event == "MESSAGE_DELETE" {
        json!({"id": id, "channel_id": message.channel})
    } else {
        objects::message(state, message)
    };
    let intent = if guild.is_some() { GUILD_MESSAGES } else { DIRECT_MESSAGES };
    match guild {
        Some(guild) => {
            payload["guild_id"] = json!(guild);
            state.dispatch(guild, event, &payload, intent);
        }
        None => state.dispatch_to(app, event, &payload, intent, None),
    }
}
