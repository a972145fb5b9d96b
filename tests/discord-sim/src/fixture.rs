//! Guilds from JSON: the fixture file of the program and `POST /sim/guilds`.

use anyhow::{Context as _, bail};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::ids::Id;
use crate::permissions::Permissions;
use crate::server::Sim;
use crate::state::SimState;

/// A whole fixture: bots and guilds.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct SceneFile {
    #[serde(default)]
    bots: Vec<BotFile>,
    #[serde(default)]
    guilds: Vec<GuildFile>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct BotFile {
    name: String,
    token: Option<String>,
    allowed_intents: Option<u64>,
}

/// A guild with its roles (lowest first), channels, members and bots.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct GuildFile {
    name: String,
    id: Option<Id>,
    #[serde(default)]
    roles: Vec<RoleFile>,
    #[serde(default)]
    channels: Vec<ChannelFile>,
    #[serde(default)]
    members: Vec<MemberFile>,
    /// The names of the applications that are installed in it.
    #[serde(default)]
    bots: Vec<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RoleFile {
    name: String,
    id: Option<Id>,
    #[serde(default)]
    permissions: u64,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ChannelFile {
    name: String,
    id: Option<Id>,
    /// The names of the roles that can view it; everybody can when empty.
    #[serde(default)]
    only_for: Vec<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct MemberFile {
    name: String,
    id: Option<Id>,
    #[serde(default)]
    roles: Vec<String>,
    #[serde(default = "four_hundred_days")]
    account_age_ms: i64,
    #[serde(default = "four_hundred_days")]
    joined_ago_ms: i64,
    #[serde(default)]
    pending: bool,
    locale: Option<String>,
    global_name: Option<String>,
}

fn four_hundred_days() -> i64 {
    400 * 86_400_000
}

/// Loads bots and guilds from JSON and returns what was created, including ids and tokens.
pub fn load_fixture(sim: &Sim, json: &str) -> anyhow::Result<Value> {
    let scene: SceneFile = serde_json::from_str(json).context("the fixture is no scene")?;
    sim.change(|state| {
        let mut bots = Vec::new();
        for bot in &scene.bots {
            let id = state.add_app(&bot.name, bot.token.clone());
            if let (Some(app), Some(intents)) = (state.apps.get_mut(&id), bot.allowed_intents) {
                app.allowed_intents = intents;
            }
            let app = state.apps.get(&id);
            bots.push(
                json!({"name": bot.name, "application": id, "token": app.map(|app| app.token.clone())}),
            );
        }
        let guilds: anyhow::Result<Vec<Value>> =
            scene.guilds.iter().map(|guild| make_guild(state, guild)).collect();
        Ok(json!({"bots": bots, "guilds": guilds?}))
    })
}

pub(crate) fn make_guild(state: &mut SimState, file: &GuildFile) -> anyhow::Result<Value> {
    let owner = state.add_user(&format!("owner-of-{}", file.name), false, four_hundred_days());
    let guild = match file.id {
        Some(id) if state.guilds.contains_key(&id) => bail!("the guild {id} is there already"),
        Some(id) => state.add_guild_with_id(id, &file.name, owner),
        None => state.add_guild(&file.name, owner),
    };
    for role in &file.roles {
        let made = state.add_role(guild, &role.name, Permissions(role.permissions));
        state.renumber_role(guild, made, role.id);
    }
    let named = |state: &SimState, names: &[String]| -> anyhow::Result<Vec<Id>> {
        let find = |name: &String| {
            let found = state.guilds.get(&guild)?.roles.values().find(|role| role.name == *name)?;
            Some(found.id)
        };
        names.iter().map(|name| find(name).with_context(|| format!("there is no role {name:?}"))).collect()
    };
    for channel in &file.channels {
        let only_for = named(state, &channel.only_for)?;
        let made = state.add_channel(guild, &channel.name, &only_for);
        if let Some(id) = channel.id
            && let Some(mut moved) = state.channels.remove(&made)
        {
            moved.id = id;
            state.channels.insert(id, moved);
        }
    }
    for member in &file.members {
        let roles = named(state, &member.roles)?;
        let user = state.user_by_name(&member.name);
        let user = user.unwrap_or_else(|| state.add_user(&member.name, false, member.account_age_ms));
        let user = state.renumber_user(user, member.id);
        if let Some(found) = state.users.get_mut(&user) {
            found.global_name.clone_from(&member.global_name);
            if let Some(locale) = &member.locale {
                found.locale.clone_from(locale);
            }
        }
        state.add_member(guild, user, member.joined_ago_ms);
        state.change_member(guild, user, "roles", |found| {
            found.roles = roles;
            found.pending = member.pending;
        });
    }
    for name in &file.bots {
        let app = state.apps.values().find(|app| app.name == *name || app.id.to_string() == *name);
        let app = app.map(|app| app.id).with_context(|| format!("there is no bot {name:?}"))?;
        state.install(guild, app);
    }
    Ok(describe(state, guild))
}

/// A guild with the ids of everything in it.
pub(crate) fn describe(state: &SimState, guild: Id) -> Value {
    let Some(found) = state.guilds.get(&guild) else {
        return Value::Null;
    };
    let roles: Vec<Value> = found
        .roles
        .values()
        .map(|role| json!({"id": role.id, "name": role.name, "position": role.position}))
        .collect();
    let channels: Vec<Value> = state
        .channels
        .values()
        .filter(|channel| channel.guild == Some(guild))
        .map(|channel| json!({"id": channel.id, "name": channel.name}))
        .collect();
    let members: Vec<Value> = found
        .members
        .values()
        .map(|member| {
            let user = state.users.get(&member.user);
            json!({"id": member.user, "name": user.map(|user| user.username.clone()),
                "display_name": crate::objects::display_name(state, member.user),
                "bot": user.is_some_and(|user| user.is_bot), "owner": found.owner == member.user,
                "roles": member.roles, "role_names": member.roles.iter().filter_map(|id| found.roles.get(id))
                    .map(|role| role.name.clone()).collect::<Vec<_>>(),
                "joined_ms": member.joined_ms, "pending": member.pending,
                "dms_open": user.is_some_and(|user| user.dms_open), "timeout_until_ms": member.timeout_until_ms})
        })
        .collect();
    json!({"id": guild, "name": found.name, "roles": roles, "channels": channels, "members": members,
        "bans": found.bans.keys().collect::<Vec<_>>()})
}
