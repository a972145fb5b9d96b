//! Registers the commands in the configured guilds, where they work at once. This happens only if they differ, because Discord allows
//! 200 creations a day.

use poise::serenity_prelude as serenity;
use serde_json::Value;
use serenity::{Http, LightMethod, Request, Route};

use super::dependencies::Data;
use super::error::BotError;
use crate::config::Config;
use crate::discord::DiscordError;
use crate::domain::ids::GuildId;

type Command = poise::Command<Data, BotError>;

/// Registers exactly our commands in each configured guild, or returns the guild in which that failed.
pub(super) async fn register_commands(
    http: &Http,
    commands: &[Command],
    config: &Config,
) -> Result<(), (GuildId, DiscordError)> {
    let ours = poise::builtins::create_application_commands(commands);
    let wanted = serde_json::to_value(&ours).unwrap_or_default();
    for guild in &config.guilds {
        match register_in(http, guild.id, &wanted).await {
            Ok(()) => {}
            // The bot is not in this guild yet. The other guilds work meanwhile.
            Err(source @ (DiscordError::Forbidden(_) | DiscordError::Gone(_))) => {
                tracing::error!(guild.id = guild.id.get(), error = %source, "cannot register commands: is the bot in this guild, with the scope applications.commands?");
            }
            Err(source) => return Err((guild.id, source)),
        }
    }
    Ok(())
}

async fn register_in(http: &Http, guild: GuildId, wanted: &Value) -> Result<(), DiscordError> {
    let application_id = http.application_id().ok_or(DiscordError::Other { status: 0, code: -1 })?;
    let guild_id = serenity::GuildId::new(guild.get().max(1));
    let route = || Route::GuildCommands { application_id, guild_id };
    let present: Value = http.fire(Request::new(route(), LightMethod::Get)).await?;
    if is_registered(wanted, &present) {
        return Ok(());
    }
    let body = wanted.to_string().into_bytes();
    let _registered: Value = http.fire(Request::new(route(), LightMethod::Put).body(Some(body))).await?;
    tracing::info!(guild.id = guild.get(), "commands registered");
    Ok(())
}

/// Whether Discord has exactly these commands. Discord adds fields and omits empty ones; the order doesn't matter.
fn is_registered(wanted: &Value, present: &Value) -> bool {
    let (Some(wanted), Some(present)) = (wanted.as_array(), present.as_array()) else { return false };
    wanted.len() == present.len()
        && wanted.iter().all(|ours| present.iter().any(|theirs| is_equivalent(ours, theirs)))
}

fn is_equivalent(ours: &Value, theirs: &Value) -> bool {
    match (ours, theirs) {
        (Value::Object(ours), Value::Object(theirs)) => {
            ours.iter().all(|(key, ours)| is_equivalent(ours, theirs.get(key).unwrap_or(&Value::Null)))
        }
        (Value::Array(ours), Value::Array(theirs)) => {
            ours.len() == theirs.len()
                && ours.iter().zip(theirs).all(|(ours, theirs)| is_equivalent(ours, theirs))
        }
        // Discord returns 1.0 as 1.
        (Value::Number(ours), Value::Number(theirs)) => ours.as_f64() == theirs.as_f64(),
        (ours, Value::Null) => is_empty(ours),
        (Value::Null, theirs) => is_empty(theirs),
        (ours, theirs) => ours == theirs,
    }
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => true,
        Value::Array(items) => items.is_empty(),
        Value::Object(fields) => fields.is_empty(),
        Value::String(text) => text.is_empty(),
        Value::Bool(true) | Value::Number(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_discord_adds_is_no_difference_and_a_changed_word_is_one() {
        let wanted = json!([{ "name": "account", "description": "x", "options": [
            { "type": 1, "name": "request", "description": "y", "required": false, "options": [] },
        ], "contexts": null }]);
        let mut present = json!([{ "id": "1", "version": "2", "name": "account", "description": "x", "nsfw": false,
            "options": [{ "type": 1, "name": "request", "description": "y" }] }]);
        assert!(is_registered(&wanted, &present));
        let limit =
            |value: Value| json!([{ "name": "audit", "options": [{ "type": 4, "min_value": value }] }]);
        assert!(is_registered(&limit(json!(1.0)), &limit(json!(1))));
        assert!(!is_registered(&limit(json!(1.0)), &limit(json!(2))));
        present[0]["options"][0]["description"] = "z".into();
        assert!(!is_registered(&wanted, &present));
        assert!(!is_registered(&wanted, &json!([])));
    }
}
