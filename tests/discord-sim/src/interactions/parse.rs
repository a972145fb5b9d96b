//! Parses what a person types after `/` with the registered commands, as Discord's client would.

use serde_json::{Map, Value, json};

use super::{CannotDo, Place};
use crate::ids::Id;
use crate::limits::list;
use crate::objects;
use crate::permissions::{Permissions, bits_of};
use crate::state::SimState;

/// A parsed command: its application, its data, and its name for the record.
pub(crate) struct ParsedCommand {
    pub(crate) app: Id,
    pub(crate) data: Value,
    pub(crate) what: String,
}

/// `/account request`, `/link find user:ada`, `/x note:"two words"`.
pub(crate) fn command_data(
    state: &SimState,
    user: Id,
    place: Place,
    typed: &str,
) -> Result<ParsedCommand, CannotDo> {
    let typed_parts = split_words(typed.trim().strip_prefix('/').unwrap_or(typed.trim()));
    let mut rest = typed_parts.iter().map(String::as_str).peekable();
    let name = rest.next().ok_or_else(|| CannotDo("no command was typed".to_owned()))?;
    let (app, command) = find_command(state, user, place, name)?;
    let mut what = format!("/{name}");
    // Walks down the subcommands; each level wraps the options of the next one.
    let mut path = Vec::new();
    let mut options = list(&command, "options").to_vec();
    while options.iter().any(|option| matches!(option["type"].as_u64(), Some(1 | 2))) {
        let step = rest.next().unwrap_or_default();
        let Some(found) = options.iter().find(|option| option["name"] == step).cloned() else {
            let names: Vec<&str> = options.iter().filter_map(|option| option["name"].as_str()).collect();
            return Err(CannotDo(format!("{what} has no subcommand {step:?}, it has {names:?}")));
        };
        what = format!("{what} {step}");
        options = list(&found, "options").to_vec();
        path.push(found);
    }
    let given: Vec<&str> = rest.collect();
    let mut resolved = Map::new();
    let mut values = read_options(state, place, &options, &given, &mut resolved)?;
    for step in path.iter().rev() {
        values = vec![json!({"name": step["name"], "type": step["type"], "options": values})];
    }
    let mut data = json!({"id": command["id"], "name": command["name"], "type": 1, "options": values});
    if !resolved.is_empty() {
        data["resolved"] = Value::Object(resolved);
    }
    if let Some(guild) = command.get("guild_id") {
        data["guild_id"] = guild.clone();
    }
    Ok(ParsedCommand { app, data, what })
}

/// The command as this person sees it here: guild commands take precedence over global ones.
fn find_command(state: &SimState, user: Id, place: Place, name: &str) -> Result<(Id, Value), CannotDo> {
    let no_such = || CannotDo(format!("there is no command /{name} here"));
    let found = state.apps.values().find_map(|app| {
        match place.guild {
            Some(guild) if !state.guilds.get(&guild)?.members.contains_key(&app.user) => return None,
            None if !state.channels.get(&place.channel)?.recipients.contains(&app.user) => return None,
            Some(_) | None => {}
        }
        let here = place.guild.and_then(|guild| app.guild_commands.get(&guild)).into_iter().flatten();
        here.chain(&app.global_commands)
            .find(|command| command["name"] == name && command["type"] == 1)
            .map(|command| (app.id, command.clone()))
    });
    let (app, command) = found.ok_or_else(no_such)?;
    let context = u64::from(place.guild.is_none());
    let contexts = command["contexts"].as_array();
    let is_allowed_here = contexts.map_or_else(
        || place.guild.is_some() || command["dm_permission"] != false,
        |allowed| allowed.iter().any(|one| *one == context),
    );
    let channel = state.channels.get(&place.channel).ok_or_else(no_such)?;
    let mine = objects::permissions_for(state, user, channel);
    let needed = match bits_of(&command["default_member_permissions"]) {
        Some(0) => Permissions::ADMINISTRATOR,
        Some(bits) => Permissions(bits),
        None => Permissions(0),
    };
    if is_allowed_here && (place.guild.is_none() || mine.has(needed)) {
        Ok((app, command))
    } else {
        Err(no_such())
    }
}

/// Splits at spaces, but not inside double quotes. The quotes are removed.
fn split_words(typed: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut quoted = false;
    for c in typed.chars() {
        match c {
            '"' => quoted = !quoted,
            ' ' if !quoted => words.push(String::new()),
            _ => words.last_mut().expect("the list starts with one word and only grows").push(c),
        }
    }
    words.retain(|word| !word.is_empty());
    words
}

fn read_options(
    state: &SimState,
    place: Place,
    options: &[Value],
    given: &[&str],
    resolved: &mut Map<String, Value>,
) -> Result<Vec<Value>, CannotDo> {
    let mut texts: Vec<(&Value, String)> = Vec::new();
    for word in given {
        let named = word.split_once(':').and_then(|(name, value)| {
            options.iter().find(|option| option["name"] == name).map(|option| (option, value))
        });
        match (named, texts.last_mut()) {
            (Some((option, value)), _) => texts.push((option, value.to_owned())),
            // A value may contain spaces: a word that names no option belongs to the option before it.
            (None, Some((_, text))) => {
                text.push(' ');
                text.push_str(word);
            }
            (None, None) => return Err(CannotDo(format!("{word:?} names no option"))),
        }
    }
    for option in options.iter().filter(|option| option["required"] == true) {
        if !texts.iter().any(|(given, _)| given["name"] == option["name"]) {
            return Err(CannotDo(format!("the option {} is required", option["name"])));
        }
    }
    texts
        .into_iter()
        .map(|(option, text)| {
            let value = read_value(state, place, option, &text, resolved)?;
            Ok(json!({"name": option["name"], "type": option["type"], "value": value}))
        })
        .collect()
}

fn read_value(
    state: &SimState,
    place: Place,
    option: &Value,
    text: &str,
    resolved: &mut Map<String, Value>,
) -> Result<Value, CannotDo> {
    let wrong = |what: &str| CannotDo(format!("{}: {text:?} is no {what}", option["name"]));
    let choice =
        list(option, "choices").iter().find(|choice| choice["name"] == text || choice["value"] == text);
    if !list(option, "choices").is_empty() {
        return choice.map(|choice| choice["value"].clone()).ok_or_else(|| wrong("choice"));
    }
    match option["type"].as_u64() {
        Some(4) => text.parse::<i64>().map(|n| json!(n)).map_err(|_| wrong("integer")),
        Some(5) => text.parse::<bool>().map(|b| json!(b)).map_err(|_| wrong("boolean")),
        Some(10) => text.parse::<f64>().map(|n| json!(n)).map_err(|_| wrong("number")),
        Some(6 | 9) => {
            let bare = text.trim_start_matches("<@").trim_end_matches('>');
            let id = state.user_by_name(bare).ok_or_else(|| wrong("user"))?;
            insert(resolved, "users", id, objects::user(state, id));
            let member = place.guild.and_then(|guild| state.guilds.get(&guild)?.members.get(&id));
            if let Some(member) = member {
                let mut partial = objects::partial_member(member);
                let channel = state.channels.get(&place.channel);
                let bits = channel.map_or(0, |channel| objects::permissions_for(state, id, channel).0);
                partial["permissions"] = json!(bits.to_string());
                insert(resolved, "members", id, partial);
            }
            Ok(json!(id))
        }
        Some(7) => {
            let id = place
                .guild
                .and_then(|guild| state.channel_named(guild, text))
                .ok_or_else(|| wrong("channel"))?;
            let channel = state.channels.get(&id).map(|channel| objects::channel(state, channel, None));
            insert(resolved, "channels", id, channel.unwrap_or_default());
            Ok(json!(id))
        }
        Some(8) => {
            let guild =
                place.guild.and_then(|guild| state.guilds.get(&guild)).ok_or_else(|| wrong("role"))?;
            let name = text.trim_start_matches('@');
            let role = guild.roles.values().find(|role| role.name == name || role.id.to_string() == name);
            let role = role.ok_or_else(|| wrong("role"))?;
            insert(resolved, "roles", role.id, objects::role(role));
            Ok(json!(role.id))
        }
        _ => {
            let count = text.chars().count() as u64;
            let (min, max) = (option["min_length"].as_u64().unwrap_or(0), option["max_length"].as_u64());
            if count < min || count > max.unwrap_or(6000) {
                Err(wrong("text of that length"))
            } else {
                Ok(json!(text))
            }
        }
    }
}

fn insert(resolved: &mut Map<String, Value>, kind: &str, id: Id, object: Value) {
    let group = resolved.entry(kind).or_insert_with(|| json!({}));
    group[id.to_string()] = object;
}
