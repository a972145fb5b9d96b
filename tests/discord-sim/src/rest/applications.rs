//! Routes about the bot itself: gateway, user, application, commands.

use serde_json::json;

use super::{Answer, ApiError, Call};
use crate::commands;
use crate::ids::Id;
use crate::objects;
use crate::state::SimState;

#[expect(clippy::unnecessary_wraps, reason = "all routes have one signature")]
pub(super) fn gateway(state: &mut SimState, _: &Call) -> Answer {
    Ok((200, Some(json!({"url": state.gateway_url}))))
}

#[expect(clippy::unnecessary_wraps, reason = "all routes have one signature")]
pub(super) fn gateway_bot(state: &mut SimState, _: &Call) -> Answer {
    let limit = json!({"total": 1000, "remaining": 999, "reset_after": 14_400_000, "max_concurrency": 1});
    Ok((200, Some(json!({"url": state.gateway_url, "shards": 1, "session_start_limit": limit}))))
}

pub(super) fn me(state: &mut SimState, call: &Call) -> Answer {
    let user = own_user(state, call)?;
    Ok((200, Some(objects::own_user(state, user))))
}

pub(super) fn user(state: &mut SimState, call: &Call) -> Answer {
    let id = call.id("user")?;
    if !state.users.contains_key(&id) {
        return Err(ApiError::unknown(10013, "User"));
    }
    Ok((200, Some(objects::user(state, id))))
}

pub(super) fn application(state: &mut SimState, call: &Call) -> Answer {
    Ok((200, Some(objects::application(state, call.app()?))))
}

pub(super) fn commands(state: &mut SimState, call: &Call) -> Answer {
    let (app, guild) = own_commands(state, call)?;
    let mut list = commands::stored(state, app, guild);
    if !call.asks("with_localizations") {
        for command in &mut list {
            if let Some(object) = command.as_object_mut() {
                object.remove("name_localizations");
                object.remove("description_localizations");
            }
        }
    }
    Ok((200, Some(json!(list))))
}

pub(super) fn overwrite_commands(state: &mut SimState, call: &Call) -> Answer {
    let (app, guild) = own_commands(state, call)?;
    commands::overwrite(state, app, guild, &call.body).map(|made| (200, Some(made)))
}

/// Checks that the application is the caller's own, and that it is in the guild.
fn own_commands(state: &SimState, call: &Call) -> Result<(Id, Option<Id>), ApiError> {
    let app = call.app()?;
    if call.id("application")? != app {
        return Err(ApiError::forbidden(
            20012,
            "You are not authorized to perform this action on this application",
        ));
    }
    if !call.params.contains_key("guild") {
        return Ok((app, None));
    }
    let guild = call.id("guild")?;
    let bot = own_user(state, call)?;
    let is_in = state.guilds.get(&guild).is_some_and(|found| found.members.contains_key(&bot));
    if is_in { Ok((app, Some(guild))) } else { Err(ApiError::forbidden(50001, "Missing Access")) }
}

pub(super) fn own_user(state: &SimState, call: &Call) -> Result<Id, ApiError> {
    let app = call.app()?;
    state.apps.get(&app).map(|app| app.user).ok_or_else(ApiError::unauthorized)
}
