//! Discord's objects as JSON: users, members, roles, channels, guilds and messages.

use serde_json::{Value, json};

use crate::ids::{Id, iso};
use crate::permissions::Permissions;
use crate::state::{Channel, Guild, Interaction, InteractionKind, Member, Message, Role, SimState};

/// The name that is shown to other members.
pub(crate) fn display_name(state: &SimState, user: Id) -> String {
    state.users.get(&user).map_or_else(
        || user.to_string(),
        |known| known.global_name.clone().unwrap_or_else(|| known.username.clone()),
    )
}

pub(crate) fn user(state: &SimState, id: Id) -> Value {
    let Some(user) = state.users.get(&id) else {
        return json!({"id": id, "username": "Deleted User", "discriminator": "0000", "avatar": null,
            "global_name": null, "public_flags": 0, "flags": 0});
    };
    let mut object = json!({
        "id": id, "username": user.username, "discriminator": if user.is_bot { "0001" } else { "0" },
        "global_name": user.global_name, "avatar": null, "banner": null, "accent_color": null,
        "public_flags": 0, "flags": 0, "avatar_decoration_data": null, "collectibles": null,
        "display_name_styles": null, "primary_guild": null, "clan": null,
    });
    if user.is_bot {
        object["bot"] = json!(true);
        object["system"] = json!(false);
    }
    object
}

/// A bot's own user, as in `GET /users/@me` and READY.
pub(crate) fn own_user(state: &SimState, id: Id) -> Value {
    let mut object = user(state, id);
    for (key, value) in [
        ("email", Value::Null),
        ("verified", json!(true)),
        ("mfa_enabled", json!(true)),
        ("locale", json!("en-US")),
        ("premium_type", json!(0)),
    ] {
        object[key] = value;
    }
    object
}

/// A member without its user, as part of a message or of an interaction's resolved data.
pub(crate) fn partial_member(member: &Member) -> Value {
    json!({
        "nick": member.nick, "avatar": null, "banner": null, "roles": member.roles,
        "joined_at": iso(member.joined_ms), "premium_since": null, "deaf": false, "mute": false,
        "flags": 0, "pending": member.pending,
        "communication_disabled_until": member.timeout_until_ms.map(iso),
    })
}

pub(crate) fn member(state: &SimState, member: &Member) -> Value {
    let mut object = partial_member(member);
    object["user"] = user(state, member.user);
    object
}

pub(crate) fn role(role: &Role) -> Value {
    let mut object = json!({
        "id": role.id, "name": role.name, "description": null, "color": 0,
        "colors": {"primary_color": 0, "secondary_color": null, "tertiary_color": null},
        "hoist": false, "icon": null, "unicode_emoji": null, "position": role.position,
        "permissions": role.permissions.to_string(), "managed": role.managed, "mentionable": false, "flags": 0,
    });
    if let Some(bot) = role.bot {
        object["tags"] = json!({"bot_id": bot});
    }
    object
}

pub(crate) fn channel(state: &SimState, channel: &Channel, viewer: Option<Id>) -> Value {
    let last = state
        .messages
        .values()
        .rev()
        .find(|m| m.channel == channel.id && !m.deleted && m.ephemeral_to.is_none());
    let last = last.map(|message| message.id);
    let Some(guild) = channel.guild else {
        let others: Vec<Value> =
            channel.recipients.iter().filter(|id| Some(**id) != viewer).map(|id| user(state, *id)).collect();
        return json!({"id": channel.id, "type": 1, "last_message_id": last, "flags": 0, "recipients": others});
    };
    let overwrites: Vec<Value> = channel
        .overwrites
        .iter()
        .map(|over| {
            json!({"id": over.id, "type": u8::from(over.is_member),
                "allow": over.allow.to_string(), "deny": over.deny.to_string()})
        })
        .collect();
    json!({
        "id": channel.id, "type": channel.kind.0, "guild_id": guild, "name": channel.name, "position": channel.position,
        "permission_overwrites": overwrites, "parent_id": null, "topic": null, "nsfw": false,
        "rate_limit_per_user": 0, "last_message_id": last, "last_pin_timestamp": null, "flags": 0,
    })
}

/// The guild, as in `GET /guilds/{guild}`.
pub(crate) fn guild(guild: &Guild) -> Value {
    let roles: Vec<Value> = guild.roles.values().map(role).collect();
    json!({
        "id": guild.id, "name": guild.name, "owner_id": guild.owner, "icon": null, "description": null,
        "home_header": null, "splash": null, "discovery_splash": null, "features": [], "banner": null,
        "region": "deprecated", "afk_channel_id": null, "afk_timeout": 300, "system_channel_id": null,
        "system_channel_flags": 0, "widget_enabled": false, "widget_channel_id": null,
        "verification_level": 1, "roles": roles, "default_message_notifications": 1, "mfa_level": 0,
        "explicit_content_filter": 0, "max_presences": null, "max_members": 500_000,
        "max_stage_video_channel_users": 50, "max_video_channel_users": 25, "vanity_url_code": null,
        "premium_tier": 0, "premium_subscription_count": 0, "preferred_locale": guild.locale,
        "rules_channel_id": null, "safety_alerts_channel_id": null, "public_updates_channel_id": null,
        "premium_progress_bar_enabled": false, "premium_progress_bar_enabled_user_updated_at": null,
        "nsfw": false, "nsfw_level": 0, "emojis": [], "stickers": [], "application_id": null,
        "incidents_data": null, "inventory_settings": null, "hub_type": null, "icon_hash": null,
    })
}

/// `GUILD_CREATE` for a bot without the presence intent: it contains only the bot's own member.
pub(crate) fn guild_create(state: &SimState, of: &Guild, bot: Id) -> Value {
    let mut object = guild(of);
    let own: Vec<Value> = of.members.get(&bot).map(|found| member(state, found)).into_iter().collect();
    let channels: Vec<Value> = state
        .channels
        .values()
        .filter(|c| c.guild == Some(of.id))
        .map(|c| channel(state, c, Some(bot)))
        .collect();
    let joined = of.members.get(&bot).map_or(0, |found| found.joined_ms);
    for (key, value) in [
        ("joined_at", json!(iso(joined))),
        ("large", json!(of.members.len() > 50)),
        ("unavailable", json!(false)),
        ("member_count", json!(of.members.len())),
        ("voice_states", json!([])),
        ("members", json!(own)),
        ("channels", json!(channels)),
        ("threads", json!([])),
        ("presences", json!([])),
        ("stage_instances", json!([])),
        ("guild_scheduled_events", json!([])),
        ("soundboard_sounds", json!([])),
        ("activity_instances", json!([])),
        ("embedded_activities", json!([])),
    ] {
        object[key] = value;
    }
    object
}

pub(crate) fn message(state: &SimState, message: &Message) -> Value {
    let author = state.apps.get(&message.app).map_or(message.app, |app| app.user);
    let mut object = json!({
        "id": message.id, "channel_id": message.channel, "author": user(state, author),
        "content": message.content, "timestamp": iso(message.created_ms),
        "edited_timestamp": message.edited_ms.map(iso), "tts": false, "mention_everyone": false,
        "mentions": message.pinged.iter().map(|id| user(state, *id)).collect::<Vec<_>>(),
        "mention_roles": [], "attachments": attachments(message), "embeds": message.embeds, "components": message.components,
        "pinned": false, "flags": message.flags, "type": 0,
    });
    if let Some(nonce) = &message.nonce {
        object["nonce"] = nonce.clone();
    }
    if let Some(found) = message.interaction.and_then(|id| state.interactions.get(&id)) {
        object["type"] = json!(if found.kind == InteractionKind::Command { 20 } else { 0 });
        object["application_id"] = json!(message.app);
        object["webhook_id"] = json!(message.app);
        object["interaction_metadata"] = interaction_metadata(state, found);
    }
    object
}

/// The files of a message. Those of an ephemeral message are marked as ephemeral.
fn attachments(message: &Message) -> Vec<Value> {
    let mut attachments = message.attachments.clone();
    if message.ephemeral_to.is_some() {
        for attachment in &mut attachments {
            attachment["ephemeral"] = json!(true);
        }
    }
    attachments
}

fn interaction_metadata(state: &SimState, found: &Interaction) -> Value {
    let kind = match found.kind {
        InteractionKind::Command => 2,
        InteractionKind::Component => 3,
        InteractionKind::Autocomplete => 4,
        InteractionKind::ModalSubmit => 5,
    };
    let mut object = json!({
        "id": found.id, "type": kind, "user": user(state, found.user),
        "authorizing_integration_owners": owners(found.guild),
    });
    match found.kind {
        InteractionKind::Command | InteractionKind::Autocomplete => {
            object["name"] = json!(found.what.trim_start_matches('/'));
            object["command_type"] = json!(1);
        }
        InteractionKind::Component => {
            object["interacted_message_id"] = json!(found.source_message);
        }
        InteractionKind::ModalSubmit => {
            object["triggering_interaction_metadata"] = json!({
                "id": found.id, "type": 2, "user": user(state, found.user), "name": "modal", "command_type": 1,
                "authorizing_integration_owners": owners(found.guild),
            });
        }
    }
    object
}

/// `{"0": guild}` for an app that is installed in the guild; `"0": "0"` in the direct messages with the bot.
pub(crate) fn owners(guild: Option<Id>) -> Value {
    json!({"0": guild.map_or_else(|| "0".to_owned(), |id| id.to_string())})
}

/// The application, as in `GET /oauth2/applications/@me`.
pub(crate) fn application(state: &SimState, app: Id) -> Value {
    let Some(found) = state.apps.get(&app) else {
        return Value::Null;
    };
    let owner = json!({"id": "1", "username": "operator", "discriminator": "0", "avatar": null,
        "global_name": null, "public_flags": 0, "flags": 0, "primary_guild": null});
    json!({
        "id": app, "name": found.name, "icon": null, "description": "", "type": null, "summary": "",
        "is_monetized": false, "is_verified": false, "is_discoverable": false,
        "bot": user(state, found.user), "bot_public": false, "bot_require_code_grant": false,
        "verify_key": "0".repeat(64), "flags": application_flags(found.allowed_intents), "hook": true,
        "storefront_available": false, "integration_types_config": {"0": {}}, "owner": owner, "team": null,
        "redirect_uris": [], "interactions_endpoint_url": found.interactions_url, "role_connections_verification_url": null,
        "approximate_guild_count": state.guilds.len(), "approximate_user_install_count": 0,
        "approximate_user_authorization_count": 0, "explicit_content_filter": 0,
        "event_webhooks_url": null, "event_webhooks_status": 1, "event_webhooks_types": [],
        "internal_guild_restriction": 1, "eligible_oauth2_scopes": [],
        "flags_new": application_flags(found.allowed_intents).to_string(), "rpc_origins": [], "tags": [],
    })
}

/// The limited-intent flags of an unverified application for its allowed privileged intents.
pub(crate) fn application_flags(allowed_intents: u64) -> u64 {
    [(1 << 8, 1 << 13), (1 << 1, 1 << 15), (1 << 15, 1 << 19)]
        .into_iter()
        .filter(|(intent, _)| allowed_intents & intent != 0)
        .fold(0, |flags, (_, flag)| flags | flag)
}

/// The permissions of a user in a channel; all of them in a direct message.
pub(crate) fn permissions_for(state: &SimState, user: Id, channel: &Channel) -> Permissions {
    match channel.guild.and_then(|id| state.guilds.get(&id)) {
        Some(guild) => guild.permissions_in(user, channel, state.now_ms()),
        None if channel.recipients.contains(&user) => {
            Permissions::EVERYONE | Permissions(1 << 6 | 1 << 15 | 1 << 18)
        }
        None => Permissions(0),
    }
}
