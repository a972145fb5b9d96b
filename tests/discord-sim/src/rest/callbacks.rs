//! `POST /interactions/{id}/{token}/callback`: the first answer, once and within 3 seconds.

use serde_json::{Value, json};

use super::channels::{Draft, change, message_object, post};
use super::{Answer, ApiError, Call};
use crate::ids::Id;
use crate::interactions::OpenModal;
use crate::limits;
use crate::state::{Answered, Interaction, InteractionKind, Message, SimState};

/// How long Discord waits for the first answer.
pub(crate) const ANSWER_WITHIN_MS: i64 = 3_000;

pub(super) fn answer(state: &mut SimState, call: &Call) -> Answer {
    let (id, now_ms) = (call.id("interaction")?, state.now_ms());
    let unknown = || ApiError::unknown(10062, "interaction");
    let found = state.interactions.get(&id).ok_or_else(unknown)?.clone();
    if found.token != call.text("token") {
        return Err(unknown());
    }
    if found.answered.is_some() {
        return Err(ApiError::bad(40060, "Interaction has already been acknowledged."));
    }
    if now_ms - found.created_ms > ANSWER_WITHIN_MS || found.failed {
        state.note_silence(id);
        return Err(unknown());
    }
    let (body, data) = (&call.body, &call.body["data"]);
    let answered = legal_kind(body, &found)?;
    let mut original = None;
    match answered {
        Answered::Message => {
            limits::check_message(data, None)?;
            original = Some(respond(state, data, &found, 0));
        }
        Answered::Deferred => original = Some(respond(state, data, &found, Message::LOADING)),
        Answered::DeferredUpdate => original = found.source_message,
        Answered::Update => {
            original = found.source_message;
            if let Some(source) = original {
                let message = state.messages.get(&source).filter(|message| !message.deleted);
                let message = message.ok_or_else(|| ApiError::unknown(10008, "Message"))?;
                limits::check_message(data, Some(message))?;
                change(state, source, data);
            }
        }
        Answered::Autocomplete => {
            let choices = limits::list(data, "choices");
            if choices.len() > 25 {
                return Err(too_many_choices());
            }
            if let Some(found) = state.interactions.get_mut(&id) {
                found.choices = choices.to_vec();
            }
        }
        Answered::Modal => {
            limits::check_modal(data)?;
            state.modals.insert(found.user, OpenModal::new(&found, data));
        }
    }
    if let Some(found) = state.interactions.get_mut(&id) {
        found.answered = Some(answered);
        found.answered_ms = Some(now_ms);
        found.answered_after = Some(call.arrived.saturating_duration_since(found.sent_at));
        found.original = original;
    }
    if call.asks("with_response") {
        Ok((200, Some(with_response(state, &found, body, original))))
    } else {
        Ok((204, None))
    }
}

fn too_many_choices() -> ApiError {
    let fault = json!({"code": "BASE_TYPE_MAX_LENGTH", "message": "Must be 25 or fewer in length."});
    ApiError::form(json!({"data": {"choices": {"_errors": [fault]}}}))
}

/// The answers that an interaction may get: 6 and 7 need a message, 9 must not follow a modal, 8 needs an autocomplete.
fn legal_kind(body: &Value, found: &Interaction) -> Result<Answered, ApiError> {
    let has_source = found.source_message.is_some();
    let completes = found.kind == InteractionKind::Autocomplete;
    let answered = match body["type"].as_u64() {
        Some(4) if !completes => Some(Answered::Message),
        Some(5) if !completes => Some(Answered::Deferred),
        Some(6) if has_source => Some(Answered::DeferredUpdate),
        Some(7) if has_source => Some(Answered::Update),
        Some(8) if completes => Some(Answered::Autocomplete),
        Some(9) if matches!(found.kind, InteractionKind::Command | InteractionKind::Component) => {
            Some(Answered::Modal)
        }
        // 1 answers a PING, which is never sent over the gateway; 12 starts activities.
        _ => None,
    };
    answered.ok_or_else(|| {
        let fault =
            json!({"code": "BASE_TYPE_CHOICES", "message": "This type cannot answer this interaction."});
        ApiError::form(json!({"type": {"_errors": [fault]}}))
    })
}

/// Creates the answering message. Only the EPHEMERAL flag of the answer decides who sees it, permanently.
fn respond(state: &mut SimState, data: &Value, found: &Interaction, flags: u64) -> Id {
    let is_ephemeral = data["flags"].as_u64().unwrap_or(0) & Message::EPHEMERAL != 0;
    let draft = Draft {
        app: found.app,
        channel: found.channel,
        ephemeral_to: is_ephemeral.then_some(found.user),
        interaction: Some(found.id),
        flags,
    };
    let empty = json!({});
    post(state, if flags & Message::LOADING == 0 { data } else { &empty }, &draft)
}

fn with_response(state: &SimState, found: &Interaction, body: &Value, original: Option<Id>) -> Value {
    let message = original.and_then(|id| state.messages.get(&id));
    let kind = match found.kind {
        InteractionKind::Command => 2,
        InteractionKind::Component => 3,
        InteractionKind::Autocomplete => 4,
        InteractionKind::ModalSubmit => 5,
    };
    let mut interaction = json!({"id": found.id, "type": kind});
    let mut resource = json!({"type": body["type"]});
    if let Some(message) = message {
        interaction["response_message_id"] = json!(message.id);
        interaction["response_message_loading"] = json!(message.is_loading());
        interaction["response_message_ephemeral"] = json!(message.ephemeral_to.is_some());
        resource["message"] = json!(message_object(state, message.id));
    }
    json!({"interaction": interaction, "resource": resource})
}
