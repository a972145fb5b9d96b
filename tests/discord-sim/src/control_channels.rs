//! The control routes for channels: new ones, their types, and exceptions from rights in them.

use axum::Json;
use axum::extract::State;
use serde_json::{Value, json};

use crate::control::{Answer, guild_of, missing, role_of, roles_of};
use crate::ids::Id;
use crate::permissions::bits_of;
use crate::server::Sim;
use crate::state::{ChannelKind, Overwrite, SimState};

pub(crate) async fn add_channel(State(sim): State<Sim>, Json(body): Json<Value>) -> Answer {
    sim.change(|state| {
        let guild = guild_of(state, &body["guild"])?;
        let only_for = roles_of(state, guild, &body["only_for"])?;
        let id = state.add_channel(guild, body["name"].as_str().unwrap_or("channel"), &only_for);
        set_kind(state, id, &body);
        Ok(Json(json!({"id": id})))
    })
}

fn set_kind(state: &mut SimState, channel: Id, body: &Value) {
    if let (Some(kind), Some(found)) = (body["type"].as_u64(), state.channels.get_mut(&channel)) {
        found.kind = ChannelKind(kind);
    }
}

/// `{"guild", "channel", "type", "role", "allow", "deny"}`: another type, or the overwrite of a role (its name or id; the bot's own role
/// has the bot's name) in place of an earlier one.
pub(crate) async fn change_channel(State(sim): State<Sim>, Json(body): Json<Value>) -> Answer {
    sim.change(|state| {
        let guild = guild_of(state, &body["guild"])?;
        let named = body["channel"].as_str().unwrap_or_default();
        let id = state.channel_named(guild, named).ok_or_else(|| missing("channel"))?;
        set_kind(state, id, &body);
        if body["role"].is_string() {
            let role = role_of(state, guild, &body["role"])?;
            let [allow, deny] = ["allow", "deny"].map(|name| bits_of(&body[name]).unwrap_or(0));
            if let Some(found) = state.channels.get_mut(&id) {
                found.overwrites.retain(|overwrite| overwrite.id != role);
                found.overwrites.push(Overwrite { id: role, is_member: false, allow, deny });
            }
        }
        state.announce_channel(id);
        Ok(Json(json!({"id": id})))
    })
}
