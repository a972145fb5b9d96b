//! Routes for guilds, members, roles and bans, with permissions and the role hierarchy.

use serde_json::{Value, json};

use super::applications::own_user;
use super::{Answer, ApiError, Call};
use crate::ids::Id;
use crate::objects;
use crate::permissions::Permissions;
use crate::state::{Guild, World};

/// The guild in the path, if the caller is in it. Discord answers alike for a foreign guild and one that does not exist.
fn own_guild<'a>(world: &'a World, call: &Call) -> Result<(&'a Guild, Id), ApiError> {
    let (id, bot) = (call.id("guild")?, own_user(world, call)?);
    match world.guilds.get(&id) {
        Some(guild) if guild.members.contains_key(&bot) => Ok((guild, bot)),
        Some(_) => Err(ApiError::forbidden(50001, "Missing Access")),
        None => Err(ApiError::unknown(10004, "Guild")),
    }
}

pub(super) fn own_guilds(world: &mut World, call: &Call) -> Answer {
    let bot = own_user(world, call)?;
    let limit = call.number("limit", 200, 1..=200)? as usize;
    let after = Id(call.number("after", 0, 0..=u64::MAX)?);
    let list: Vec<Value> = world
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

pub(super) fn get(world: &mut World, call: &Call) -> Answer {
    let (guild, _) = own_guild(world, call)?;
    let mut object = objects::guild(guild);
    if call.asks("with_counts") {
        object["approximate_member_count"] = json!(guild.members.len());
        object["approximate_presence_count"] = json!(0);
    }
    Ok((200, Some(object)))
}

pub(super) fn roles(world: &mut World, call: &Call) -> Answer {
    let (guild, _) = own_guild(world, call)?;
    Ok((200, Some(guild.roles.values().map(objects::role).collect())))
}

pub(super) fn channels(world: &mut World, call: &Call) -> Answer {
    let (guild, bot) = own_guild(world, call)?;
    let list: Vec<Value> = world
        .channels
        .values()
        .filter(|channel| channel.guild == Some(guild.id))
        .map(|channel| objects::channel(world, channel, Some(bot)))
        .collect();
    Ok((200, Some(json!(list))))
}

pub(super) fn members(world: &mut World, call: &Call) -> Answer {
    let (guild, _) = own_guild(world, call)?;
    let allowed = world.apps.get(&call.app()?).map_or(0, |app| app.allowed_intents);
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
        .map(|member| objects::member(world, member))
        .collect();
    Ok((200, Some(json!(list))))
}

pub(super) fn member(world: &mut World, call: &Call) -> Answer {
    let (guild, _) = own_guild(world, call)?;
    let user = call.id("user")?;
    let found = guild.members.get(&user).ok_or_else(|| unknown_member(world, user))?;
    Ok((200, Some(objects::member(world, found))))
}

fn unknown_member(world: &World, user: Id) -> ApiError {
    if world.users.contains_key(&user) {
        ApiError::unknown(10007, "Member")
    } else {
        ApiError::unknown(10013, "User")
    }
}

pub(super) fn grant(world: &mut World, call: &Call) -> Answer {
    let (guild, user, role) = may_give(world, call)?;
    world.change_member(guild, user, "roles", |member| member.roles.push(role));
    Ok((204, None))
}

pub(super) fn revoke(world: &mut World, call: &Call) -> Answer {
    let (guild, user, role) = may_give(world, call)?;
    world.change_member(guild, user, "roles", |member| {
        member.roles.retain(|id| *id != role);
    });
    Ok((204, None))
}

/// Checks `MANAGE_ROLES`, and that the role is below the bot's highest one. @everyone and managed roles are always refused.
fn may_give(world: &World, call: &Call) -> Result<(Id, Id, Id), ApiError> {
    let (guild, bot) = own_guild(world, call)?;
    let (user, role) = (call.id("user")?, call.id("role")?);
    if !guild.members.contains_key(&user) {
        return Err(unknown_member(world, user));
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

pub(super) fn bans(world: &mut World, call: &Call) -> Answer {
    let guild = may_see_bans(world, call)?;
    let limit = call.number("limit", 1000, 1..=1000)? as usize;
    let after = Id(call.number("after", 0, 0..=u64::MAX)?);
    let list: Vec<Value> = guild
        .bans
        .iter()
        .filter(|(user, _)| **user > after)
        .take(limit)
        .map(|(user, reason)| json!({"user": objects::user(world, *user), "reason": reason}))
        .collect();
    Ok((200, Some(json!(list))))
}

pub(super) fn ban(world: &mut World, call: &Call) -> Answer {
    let guild = may_see_bans(world, call)?;
    let user = call.id("user")?;
    let reason = guild.bans.get(&user).ok_or_else(|| ApiError::unknown(10026, "Ban"))?;
    Ok((200, Some(json!({"user": objects::user(world, user), "reason": reason}))))
}

fn may_see_bans<'a>(world: &'a World, call: &Call) -> Result<&'a Guild, ApiError> {
    let (guild, bot) = own_guild(world, call)?;
    if guild.base_permissions(bot).has(Permissions::BAN_MEMBERS) {
        Ok(guild)
    } else {
        Err(ApiError::forbidden(50013, "Missing Permissions"))
    }
}
