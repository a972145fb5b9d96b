//! Routes for guilds, members, roles and bans, with permissions and the role hierarchy.

use serde_json::{Value, json};

use super::applications::own_user;
use super::{Answer, ApiError, Call};
use crate::ids::Id;
use crate::objects;
use crate::permissions::Permissions;
use crate::state::{Guild, SimState};

/// The guild in the path, if the caller is in it. Discord answers alike for a foreign guild and one that does not exist.
fn own_guild<'a>(state: &'a SimState, call: &Call) -> Result<(&'a Guild, Id), ApiError> {
    let (id, bot) = (call.id("guild")?, own_user(state, call)?);
    match state.guilds.get(&id) {
        Some(guild) if guild.members.contains_key(&bot) => Ok((guild, bot)),
        Some(_) => Err(ApiError::forbidden(50001, "Missing Access")),
        None => Err(ApiError::unknown(10004, "Guild")),
    }
}

pub(super) fn own_guilds(state: &mut SimState, call: &Call) -> Answer {
    let bot = own_user(state, call)?;
    let limit = call.number("limit", 200, 1..=200)? as usize;
    let after = Id(call.number("after", 0, 0..=u64::MAX)?);
    let list: Vec<Value> = state
        .guilds
        .values()
        .filter(|guild| guild.members.contains_key(&bot) && guild.id > after)
        .take(limit)
        .map(|guild| {
            json!({"id": guild.id, "name": guild.name, "icon": null, "banner": null, "owner": false,
                "permissions": guild.base_permissions(bot).0.to_string(), "features": []})
        })
        .collect();
    Ok((200, Some(json!(list))))
}

pub(super) fn get(state: &mut SimState, call: &Call) -> Answer {
    let (guild, _) = own_guild(state, call)?;
    let mut object = objects::guild(guild);
    if call.asks("with_counts") {
        object["approximate_member_count"] = json!(guild.members.len());
        object["approximate_presence_count"] = json!(0);
    }
    Ok((200, Some(object)))
}

pub(super) fn roles(state: &mut SimState, call: &Call) -> Answer {
    let (guild, _) = own_guild(state, call)?;
    Ok((200, Some(guild.roles.values().map(objects::role).collect())))
}

pub(super) fn channels(state: &mut SimState, call: &Call) -> Answer {
    let (guild, bot) = own_guild(state, call)?;
    let list: Vec<Value> = state
        .channels
        .values()
        .filter(|channel| channel.guild == Some(guild.id) && !channel.kind.is_thread())
        .map(|channel| objects::channel(state, channel, Some(bot)))
        .collect();
    Ok((200, Some(json!(list))))
}

pub(super) fn members(state: &mut SimState, call: &Call) -> Answer {
    let (guild, _) = own_guild(state, call)?;
    let allowed = state.apps.get(&call.app()?).map_or(0, |app| app.allowed_intents);
    if allowed & crate::members::GUILD_MEMBERS == 0 {
        return Err(ApiError::forbidden(50001, "Missing Access"));
    }
    let limit = call.number("limit", 1, 1..=1000)? as usize;
    let after = Id(call.number("after", 0, 0..=u64::MAX)?);
    let list: Vec<Value> = guild
        .members
        .values()
        .filter(|member| member.user > after)
        .take(limit)
        .map(|member| objects::member(state, member))
        .collect();
    Ok((200, Some(json!(list))))
}

pub(super) fn member(state: &mut SimState, call: &Call) -> Answer {
    let (guild, _) = own_guild(state, call)?;
    let user = call.id("user")?;
    let found = guild.members.get(&user).ok_or_else(|| unknown_member(state, user))?;
    Ok((200, Some(objects::member(state, found))))
}

fn unknown_member(state: &SimState, user: Id) -> ApiError {
    if state.users.contains_key(&user) {
        ApiError::unknown(10007, "Member")
    } else {
        ApiError::unknown(10013, "User")
    }
}

pub(super) fn grant(state: &mut SimState, call: &Call) -> Answer {
    let (guild, user, role) = may_give(state, call)?;
    state.change_member(guild, user, "roles", |member| member.roles.push(role));
    Ok((204, None))
}

pub(super) fn revoke(state: &mut SimState, call: &Call) -> Answer {
    let (guild, user, role) = may_give(state, call)?;
    state.change_member(guild, user, "roles", |member| {
        member.roles.retain(|id| *id != role);
    });
    Ok((204, None))
}

/// Checks `MANAGE_ROLES`, and that the role is below the bot's highest one. @everyone and managed roles are always refused.
fn may_give(state: &SimState, call: &Call) -> Result<(Id, Id, Id), ApiError> {
    let (guild, bot) = own_guild(state, call)?;
    let (user, role) = (call.id("user")?, call.id("role")?);
    if !guild.members.contains_key(&user) {
        return Err(unknown_member(state, user));
    }
    let found = guild.roles.get(&role).ok_or_else(|| ApiError::unknown(10011, "Role"))?;
    if role == guild.id {
        return Err(ApiError::bad(50028, "Invalid Role"));
    }
    let may = guild.base_permissions(bot).has(Permissions::MANAGE_ROLES);
    let is_above = guild.owner == bot || guild.highest_position(bot) > found.position;
    if may && is_above && !found.managed {
        Ok((guild.id, user, role))
    } else {
        Err(ApiError::forbidden(50013, "Missing Permissions"))
    }
}

pub(super) fn bans(state: &mut SimState, call: &Call) -> Answer {
    let guild = may_see_bans(state, call)?;
    let limit = call.number("limit", 1000, 1..=1000)? as usize;
    let after = Id(call.number("after", 0, 0..=u64::MAX)?);
    let list: Vec<Value> = guild
        .bans
        .iter()
        .filter(|(user, _)| **user > after)
        .take(limit)
        .map(|(user, reason)| json!({"user": objects::user(state, *user), "reason": reason}))
        .collect();
    Ok((200, Some(json!(list))))
}

pub(super) fn ban(state: &mut SimState, call: &Call) -> Answer {
    let guild = may_see_bans(state, call)?;
    let user = call.id("user")?;
    let reason = guild.bans.get(&user).ok_or_else(|| ApiError::unknown(10026, "Ban"))?;
    Ok((200, Some(json!({"user": objects::user(state, user), "reason": reason}))))
}

fn may_see_bans<'a>(state: &'a SimState, call: &Call) -> Result<&'a Guild, ApiError> {
    let (guild, bot) = own_guild(state, call)?;
    if guild.base_permissions(bot).has(Permissions::BAN_MEMBERS) {
        Ok(guild)
    } else {
        Err(ApiError::forbidden(50013, "Missing Permissions"))
    }
}
