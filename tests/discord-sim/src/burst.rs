//! Many people at once: a crowd that joins in one request, and a burst of interactions. A burst is created
//! first, then sent, and timed here.
//!
//! The simulator measures the time, because no other traffic affects its clock. A time begins when an
//! interaction is handed to the gateway. It ends when the first answer has arrived completely, before anything
//! checks it.

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::control::{Answer, fields_of, guild_of, place_of, refuse, roles_of, user_of};
use crate::ids::Id;
use crate::interactions::{CannotDo, On, Opened, Place, command_data};
use crate::rest::ANSWER_WITHIN_MS;
use crate::server::Sim;
use crate::state::{Answered, InteractionKind, SimState};

/// How long to wait for a burst, in real time. The text of a deferred answer may come late.
const LIMIT: Duration = Duration::from_secs(40);

#[derive(Deserialize)]
pub(crate) struct Crowd {
    guild: Value,
    /// How many members join.
    count: u64,
    /// Each user name is this text and a number.
    name: String,
    roles: Value,
}

/// Lets many members join and returns their ids.
pub(crate) async fn add_crowd(State(sim): State<Sim>, Json(crowd): Json<Crowd>) -> Answer {
    const AGE_MS: i64 = 400 * 86_400_000;
    sim.change(|state| {
        let guild = guild_of(state, &crowd.guild)?;
        let roles = roles_of(state, guild, &crowd.roles)?;
        let mut ids = Vec::new();
        for number in 0..crowd.count {
            let user = state.add_user(&format!("{}{number}", crowd.name), false, AGE_MS);
            state.add_member_as(guild, user, AGE_MS, |member| member.roles.clone_from(&roles));
            ids.push(user);
        }
        Ok(Json(json!({"ids": ids})))
    })
}

/// What a person of a burst does.
#[derive(Deserialize)]
#[serde(tag = "do", rename_all = "snake_case")]
enum Deed {
    /// Types a command.
    Command { text: String },
    /// Fills in the person's open form.
    Submit { fields: Value },
    /// Presses the button with this label on this message.
    Press { label: String, message: Id },
}

#[derive(Deserialize)]
struct Act {
    user: String,
    #[serde(flatten)]
    deed: Deed,
    /// For `command`: the place, as in `/as/{user}/command`.
    #[serde(default)]
    place: Value,
}

#[derive(Deserialize)]
pub(crate) struct Burst {
    acts: Vec<Act>,
    /// The pause between two interactions, in microseconds of real time; 0 sends all at once.
    #[serde(default)]
    every_us: u64,
}

/// Sends a burst. Answers when every first answer has arrived or is too late, and every deferred answer was followed by its text. The
/// result has `{"us", "kind", "text", "message"}` for each act, where `us` is when the first answer came; null if nothing came in time.
/// Text and message are those of the follow-up if one was sent, because it holds what the person asked for.
pub(crate) async fn burst(State(sim): State<Sim>, Json(burst): Json<Burst>) -> Answer {
    let sent = if burst.every_us == 0 { at_once(&sim, &burst.acts) } else { paced(&sim, &burst).await };
    let sent = sent.map_err(|why| refuse(StatusCode::CONFLICT, &why.to_string()))?;
    // An answered interaction stays answered, so each check continues where the last one stopped.
    let mut seen = 0;
    let all = sim.wait(LIMIT, |state| {
        while sent.get(seen).is_some_and(|(id, _)| is_settled(state, *id)) {
            seen += 1;
        }
        (seen == sent.len()).then_some(())
    });
    // An interaction that is not settled by then is missing in the answers.
    let _: Option<()> = all.await;
    Ok(Json(sim.change_quietly(|state| {
        let answers: Vec<Value> = sent.iter().map(|(id, user)| answer_of(state, *id, *user)).collect();
        json!({"answers": answers})
    })))
}

fn at_once(sim: &Sim, acts: &[Act]) -> Result<Vec<(Id, Id)>, CannotDo> {
    let opened: Result<Vec<(Opened, Id)>, CannotDo> =
        sim.change_quietly(|state| acts.iter().map(|act| open(state, act)).collect());
    let opened = opened?;
    sim.change(|state| {
        for (one, _) in &opened {
            state.deliver(one);
        }
    });
    Ok(opened.into_iter().map(|(one, user)| (one.id, user)).collect())
}

async fn paced(sim: &Sim, burst: &Burst) -> Result<Vec<(Id, Id)>, CannotDo> {
    let mut beat = tokio::time::interval(Duration::from_micros(burst.every_us));
    let mut sent = Vec::new();
    for act in &burst.acts {
        beat.tick().await;
        let (opened, user) = sim.change_quietly(|state| open(state, act))?;
        sim.change_quietly(|state| state.deliver(&opened));
        sent.push((opened.id, user));
    }
    Ok(sent)
}

fn cannot(what: &str) -> CannotDo {
    CannotDo(what.to_owned())
}

fn open(state: &mut SimState, act: &Act) -> Result<(Opened, Id), CannotDo> {
    let user = user_of(state, &act.user).map_err(|_| cannot("there is no such person"))?;
    let opened = match &act.deed {
        Deed::Command { text } => {
            let place = place_of(state, user, &act.place).map_err(|_| cannot("there is no such place"))?;
            let typed = command_data(state, user, place, text)?;
            let kind = InteractionKind::Command;
            state.open_interaction(user, typed.app, place, kind, &typed.what, &typed.data, None)
        }
        Deed::Submit { fields } => {
            let form = state.modals.remove(&user).ok_or_else(|| cannot("no form is open"))?;
            let data = form.fill(&fields_of(fields))?;
            let place = Place { guild: form.guild, channel: form.channel };
            let what = format!("form {}", form.custom_id);
            let kind = InteractionKind::ModalSubmit;
            state.open_interaction(user, form.app, place, kind, &what, &data, form.source_message)
        }
        Deed::Press { label, message } => {
            let is_it = |part: &Value| part["type"] == 2 && part["label"] == *label;
            let found = state.find_component(user, &is_it, On::Message(*message));
            let (_, part) = found.ok_or_else(|| cannot("there is no such button"))?;
            let data = json!({"component_type": 2, "custom_id": part["custom_id"], "id": part["id"]});
            state.open_component(user, *message, &data)?
        }
    };
    Ok((opened, user))
}

/// Whether an interaction is answered in full, or is so late that no answer counts any more.
fn is_settled(state: &SimState, id: Id) -> bool {
    let Some(found) = state.interactions.get(&id) else { return true };
    match found.answered {
        Some(Answered::Deferred | Answered::DeferredUpdate) => found.is_followed_up,
        Some(_) => true,
        None => state.now_ms() - found.created_ms > ANSWER_WITHIN_MS,
    }
}

fn answer_of(state: &mut SimState, id: Id, user: Id) -> Value {
    let Some(found) = state.interactions.get(&id) else {
        return Value::Null;
    };
    let us = found.answered_after.map(|after| u64::try_from(after.as_micros()).unwrap_or(u64::MAX));
    let (kind, message) =
        (found.answered.map(|answered| format!("{answered:?}")), found.follow_up.or(found.original));
    if let Some(message) = message {
        state.mark_read(user, message);
    }
    let text = message.map(|message| state.text_of(message));
    json!({"us": us, "kind": kind, "text": text, "message": message})
}
