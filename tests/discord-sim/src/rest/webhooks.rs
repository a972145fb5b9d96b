//! Follow-ups and `@original`: what a bot sends after its first answer, for 15 minutes.

use super::channels::{Draft, change, message_object, post, remove};
use super::{Answer, ApiError, Call};
use crate::ids::Id;
use crate::limits;
use crate::state::{Interaction, Message, SimState};

/// How long an interaction's token is valid.
const TOKEN_MS: i64 = 15 * 60_000;

/// The answered interaction that owns the token in the path.
fn own_interaction(state: &SimState, call: &Call) -> Result<Interaction, ApiError> {
    let unknown = || ApiError::unknown(10015, "Webhook");
    let id = state.tokens.get(call.text("token")).ok_or_else(unknown)?;
    let found = state.interactions.get(id).ok_or_else(unknown)?;
    if found.app != call.id("webhook")? {
        return Err(unknown());
    }
    if state.now_ms() - found.created_ms > TOKEN_MS {
        return Err(ApiError::new(401, 50027, "Invalid Webhook Token"));
    }
    // Before the first answer, Discord accepts no follow-up.
    if found.answered.is_none() { Err(unknown()) } else { Ok(found.clone()) }
}

/// Records that something was sent after the first answer.
fn note_follow_up(state: &mut SimState, call: &Call) -> Result<(), ApiError> {
    let id = own_interaction(state, call)?.id;
    if let Some(found) = state.interactions.get_mut(&id) {
        found.is_followed_up = true;
    }
    Ok(())
}

pub(super) fn follow_up(state: &mut SimState, call: &Call) -> Answer {
    let found = own_interaction(state, call)?;
    limits::check_message(&call.body, None)?;
    note_follow_up(state, call)?;
    // The first follow-up after a deferred answer replaces that answer, so its own flag is ignored.
    if let Some(waiting) = found.original.filter(|id| is_loading(state, *id)) {
        change(state, waiting, &call.body);
        if let Some(message) = state.messages.get_mut(&waiting) {
            message.edited_ms = None;
        }
        return Ok((200, message_object(state, waiting)));
    }
    let is_ephemeral = call.body["flags"].as_u64().unwrap_or(0) & Message::EPHEMERAL != 0;
    let draft = Draft {
        app: found.app,
        channel: found.channel,
        ephemeral_to: is_ephemeral.then_some(found.user),
        interaction: Some(found.id),
        flags: 0,
    };
    let made = post(state, &call.body, &draft);
    if let Some(found) = state.interactions.get_mut(&found.id) {
        found.follow_up = Some(made);
    }
    Ok((200, message_object(state, made)))
}

fn is_loading(state: &SimState, id: Id) -> bool {
    state.messages.get(&id).is_some_and(|message| message.is_loading() && !message.deleted)
}

/// `@original`, or a message that was sent with this interaction's token.
fn own_message(state: &SimState, call: &Call) -> Result<Id, ApiError> {
    let found = own_interaction(state, call)?;
    let id = if call.text("message") == "@original" { found.original } else { Some(call.id("message")?) };
    id.and_then(|id| state.messages.get(&id))
        .filter(|message| {
            !message.deleted && (message.interaction == Some(found.id) || found.original == Some(message.id))
        })
        .map(|message| message.id)
        .ok_or_else(|| ApiError::unknown(10008, "Message"))
}

pub(super) fn get(state: &mut SimState, call: &Call) -> Answer {
    let id = own_message(state, call)?;
    Ok((200, message_object(state, id)))
}

pub(super) fn edit(state: &mut SimState, call: &Call) -> Answer {
    let id = own_message(state, call)?;
    limits::check_message(&call.body, state.messages.get(&id))?;
    note_follow_up(state, call)?;
    change(state, id, &call.body);
    Ok((200, message_object(state, id)))
}

pub(super) fn delete(state: &mut SimState, call: &Call) -> Answer {
    let id = own_message(state, call)?;
    note_follow_up(state, call)?;
    remove(state, id);
    Ok((204, None))
}
