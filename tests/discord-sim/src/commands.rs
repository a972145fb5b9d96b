//! Registration of application commands: what Discord refuses, and how it stores the rest.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use regex::Regex;
use serde_json::{Value, json};

use crate::ids::Id;
use crate::limits::{FormErrors, list};
use crate::permissions::bits_of;
use crate::rest::ApiError;
use crate::state::SimState;

/// Names of chat-input commands and of options, as Discord documents them.
static NAME: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"^[-_'\p{L}\p{N}\p{sc=Deva}\p{sc=Thai}]{1,32}$")
        .expect("a constant pattern that the tests run")
});

/// Replaces all commands of an application, globally or in a guild.
pub(crate) fn overwrite(
    state: &mut SimState,
    app: Id,
    guild: Option<Id>,
    body: &Value,
) -> Result<Value, ApiError> {
    let Some(wanted) = body.as_array() else {
        return Err(ApiError::form(json!({"_errors": [
            {"code": "LIST_TYPE_CONVERT", "message": "Only iterables may be used in a ListType"}]})));
    };
    let mut errors = FormErrors::default();
    let mut names = BTreeSet::new();
    let mut counts = [0_usize; 4];
    for (index, command) in wanted.iter().enumerate() {
        let kind = command["type"].as_u64().unwrap_or(1);
        check_command(&mut errors, &index.to_string(), command);
        if let Some(count) = counts.get_mut(kind as usize) {
            *count += 1;
        }
        if !names.insert((kind, command["name"].as_str().unwrap_or_default().to_owned())) {
            let text = "Application command names must be unique";
            errors.add(&format!("{index}.name"), "APPLICATION_COMMANDS_DUPLICATE_NAME", text);
        }
    }
    errors.finish()?;
    if counts[1] > 100 || counts[2] > 15 || counts[3] > 15 {
        return Err(ApiError::bad(30032, "Maximum number of application commands reached"));
    }
    let had = stored(state, app, guild);
    let made: Vec<Value> = wanted.iter().map(|command| complete(state, app, guild, command, &had)).collect();
    if let Some(found) = state.apps.get_mut(&app) {
        match guild {
            Some(guild) => {
                found.guild_commands.insert(guild, made.clone());
            }
            None => found.global_commands.clone_from(&made),
        }
    }
    Ok(Value::Array(made))
}

/// The commands as they are registered.
pub(crate) fn stored(state: &SimState, app: Id, guild: Option<Id>) -> Vec<Value> {
    let found = state.apps.get(&app);
    match guild {
        Some(guild) => found.and_then(|app| app.guild_commands.get(&guild)).cloned().unwrap_or_default(),
        None => found.map(|app| app.global_commands.clone()).unwrap_or_default(),
    }
}

/// Fills in what Discord adds. A command keeps its id if one of the same name and type existed.
fn complete(state: &mut SimState, app: Id, guild: Option<Id>, command: &Value, had: &[Value]) -> Value {
    let kind = command["type"].as_u64().unwrap_or(1);
    let same = had.iter().find(|old| old["name"] == command["name"] && old["type"] == kind);
    let id = same.and_then(|old| Id::of(&old["id"])).unwrap_or_else(|| state.new_id());
    let options: Vec<Value> = list(command, "options").iter().map(complete_option).collect();
    let permissions = bits_of(&command["default_member_permissions"]).map(|bits| bits.to_string());
    let mut object = json!({
        "id": id, "application_id": app, "type": kind, "name": command["name"],
        "name_localizations": command["name_localizations"], "description": text_or_empty(&command["description"]),
        "description_localizations": command["description_localizations"], "options": options,
        "default_member_permissions": permissions, "dm_permission": command["dm_permission"].as_bool().unwrap_or(true),
        "contexts": command["contexts"], "nsfw": command["nsfw"].as_bool().unwrap_or(false),
        "version": state.new_id(),
    });
    if let Some(guild) = guild {
        object["guild_id"] = json!(guild);
    } else {
        let types = &command["integration_types"];
        object["integration_types"] = if types.is_array() { types.clone() } else { json!([0]) };
    }
    object
}

fn text_or_empty(value: &Value) -> Value {
    json!(value.as_str().unwrap_or_default())
}

/// Returns an option without nulls and empty lists, as Discord does.
fn complete_option(option: &Value) -> Value {
    let mut kept = serde_json::Map::new();
    for (key, value) in option.as_object().into_iter().flatten() {
        let empty = value.is_null()
            || (key != "options" && value.as_array().is_some_and(Vec::is_empty))
            || (value == &json!(false) && key != "required");
        if empty {
            continue;
        }
        let value = match value.as_array() {
            Some(inner) if key == "options" => Value::Array(inner.iter().map(complete_option).collect()),
            _ => value.clone(),
        };
        kept.insert(key.clone(), value);
    }
    if matches!(option["type"].as_u64(), Some(1 | 2)) {
        kept.remove("required");
    } else {
        kept.remove("options");
    }
    Value::Object(kept)
}

pub(crate) fn check_command(errors: &mut FormErrors, at: &str, command: &Value) {
    let kind = command["type"].as_u64().unwrap_or(1);
    match kind {
        1 => {
            check_name(errors, &format!("{at}.name"), &command["name"]);
            errors.required_length(&format!("{at}.description"), &command["description"], 1, 100);
            check_options(errors, at, list(command, "options"), 0);
            if characters(command) > 8000 {
                let text = "Command exceeds maximum size (8000)";
                errors.add(at, "APPLICATION_COMMAND_TOO_LARGE", text);
            }
        }
        2 | 3 => {
            errors.required_length(&format!("{at}.name"), &command["name"], 1, 32);
            if command["description"].as_str().is_some_and(|text| !text.is_empty()) {
                let text = "Context menu commands cannot have description";
                errors.add(&format!("{at}.description"), "APPLICATION_COMMAND_INVALID_DESCRIPTION", text);
            }
            if !list(command, "options").is_empty() {
                let text = "Context menu commands cannot have options";
                errors.add(&format!("{at}.options"), "APPLICATION_COMMAND_INVALID_OPTIONS", text);
            }
        }
        _ => errors.add(&format!("{at}.type"), "BASE_TYPE_CHOICES", "Value must be one of {1, 2, 3}."),
    }
    let permissions = &command["default_member_permissions"];
    if !permissions.is_null() && bits_of(permissions).is_none() {
        errors.add(&format!("{at}.default_member_permissions"), "NUMBER_TYPE_COERCE", "is not a bit set.");
    }
}

fn check_name(errors: &mut FormErrors, path: &str, name: &Value) {
    let Some(text) = name.as_str().filter(|text| !text.is_empty()) else {
        return errors.add(path, "BASE_TYPE_REQUIRED", "This field is required");
    };
    if text.chars().count() > 32 {
        errors.add(path, "BASE_TYPE_BAD_LENGTH", "Must be between 1 and 32 in length.");
    } else if !NAME.is_match(text) || text.chars().any(|c| c.to_lowercase().next() != Some(c)) {
        errors.add(path, "APPLICATION_COMMAND_INVALID_NAME", "Command name is invalid");
    }
}

/// `depth` 0: a command, 1: a group, 2: a subcommand.
fn check_options(errors: &mut FormErrors, at: &str, options: &[Value], depth: u8) {
    if options.len() > 25 {
        errors.add(&format!("{at}.options"), "BASE_TYPE_BAD_LENGTH", "Must be between 0 and 25 in length.");
    }
    let mut names = BTreeSet::new();
    let mut optional_seen = false;
    let branches = options.iter().filter(|o| matches!(o["type"].as_u64(), Some(1 | 2))).count();
    if branches > 0 && branches < options.len() {
        let text = "Sub-command and sub-command group option types are mutually exclusive to all other types";
        errors.add(&format!("{at}.options"), "APPLICATION_COMMAND_OPTIONS_TYPE_INVALID", text);
    }
    for (index, option) in options.iter().enumerate() {
        let at = format!("{at}.options.{index}");
        check_name(errors, &format!("{at}.name"), &option["name"]);
        errors.required_length(&format!("{at}.description"), &option["description"], 1, 100);
        if !names.insert(option["name"].as_str().unwrap_or_default().to_owned()) {
            let text = "Option name already exists in this options list";
            errors.add(&format!("{at}.name"), "APPLICATION_COMMAND_OPTIONS_NAME_ALREADY_EXISTS", text);
        }
        match option["type"].as_u64() {
            Some(1) if depth < 2 => check_options(errors, &at, list(option, "options"), 2),
            Some(2) if depth == 0 => check_options(errors, &at, list(option, "options"), 1),
            Some(3..=11) if depth != 1 => {
                if option["required"] == true && optional_seen {
                    let text = "Required options must be placed before non-required options";
                    errors.add(&at, "APPLICATION_COMMAND_OPTIONS_REQUIRED_INVALID", text);
                }
                optional_seen |= option["required"] != true;
                check_value_option(errors, &at, option);
            }
            _ => {
                let text = "This option type does not belong here.";
                errors.add(&format!("{at}.type"), "APPLICATION_COMMAND_OPTIONS_TYPE_INVALID", text);
            }
        }
    }
}

fn check_value_option(errors: &mut FormErrors, at: &str, option: &Value) {
    let choices = list(option, "choices");
    errors.count(&format!("{at}.choices"), choices.len(), 0, 25);
    if !choices.is_empty() && option["autocomplete"] == true {
        let text = "Autocomplete and choices are mutually exclusive";
        errors.add(&format!("{at}.choices"), "APPLICATION_COMMAND_AUTOCOMPLETE_AND_CHOICES", text);
    }
    for (index, choice) in choices.iter().enumerate() {
        errors.required_length(&format!("{at}.choices.{index}.name"), &choice["name"], 1, 100);
        if choice["value"].is_string() {
            errors.length(&format!("{at}.choices.{index}.value"), &choice["value"], 0, 100);
        }
    }
    for (key, min) in [("min_length", 0), ("max_length", 1)] {
        if option[key].as_i64().is_some_and(|length| !(min..=6000).contains(&length)) {
            let text = format!("int value should be between {min} and 6000.");
            errors.add(&format!("{at}.{key}"), "NUMBER_TYPE_MAX", &text);
        }
    }
}

/// The number of characters that count towards 8,000: names, descriptions and choice values, at every depth. Of localized texts only
/// the longest counts.
fn characters(part: &Value) -> usize {
    let own = ["name", "description"].map(|key| {
        let localized = part[format!("{key}_localizations")].as_object();
        let texts = localized.into_iter().flat_map(serde_json::Map::values).chain([&part[key]]);
        texts.filter_map(Value::as_str).map(|text| text.chars().count()).max().unwrap_or(0)
    });
    let choices: usize = list(part, "choices")
        .iter()
        .map(|choice| characters(choice) + choice["value"].as_str().map_or(0, |text| text.chars().count()))
        .sum();
    own.iter().sum::<usize>() + choices + list(part, "options").iter().map(characters).sum::<usize>()
}
