//! The control routes below `/sim`, for tests in other processes, the sandbox and the chat page.

use axum::body::Body;
use axum::extract::{Path, Query, State};
use axum::http::{Response, StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::{get, patch, post};
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::burst;
use crate::control_channels;
use crate::faults::Fault;
use crate::fixture;
use crate::ids::Id;
use crate::interactions::{CannotDo, On, Place, Reply};
use crate::permissions::{Permissions, bits_of};
use crate::server::Sim;
use crate::sight;
use crate::state::SimState;

pub(crate) type Answer = Result<Json<Value>, (StatusCode, Json<Value>)>;

pub(crate) fn refuse(status: StatusCode, why: &str) -> (StatusCode, Json<Value>) {
    (status, Json(json!({"error": why})))
}

pub(crate) fn missing(what: &str) -> (StatusCode, Json<Value>) {
    refuse(StatusCode::NOT_FOUND, &format!("there is no such {what}"))
}

pub(crate) fn routes() -> Router<Sim> {
    Router::new()
        .route("/reset", post(reset))
        .route("/guilds", post(add_guild))
        .route("/roles", post(add_role).patch(change_role).delete(delete_role))
        .route("/members", post(add_member))
        .route("/channels", post(control_channels::add_channel).patch(control_channels::change_channel))
        .route("/time", post(move_time).get(tell_time))
        .route("/faults", post(add_fault).get(list_faults).delete(clear_faults))
        .route("/members/{guild}/{user}", patch(change_member))
        .route("/crowd", post(burst::add_crowd))
        .route("/burst", post(burst::burst))
        .route("/as/{user}/command", post(command))
        .route("/as/{user}/press", post(press))
        .route("/as/{user}/select", post(select))
        .route("/as/{user}/submit", post(submit))
        .route("/as/{user}/raw", post(raw))
        .route("/as/{user}/sees", get(sees))
        .route("/as/{user}/view", get(view))
        .route("/state", get(state))
        .route("/connected", get(connected))
        .route("/log", get(log))
        .route("/changes/{since}", get(changes))
}

/// Serves the chat page; any other path is not found.
pub(crate) fn page(path: &str) -> Response<Body> {
    let (kind, text) = match path {
        "/" | "/index.html" => ("text/html; charset=utf-8", include_str!("page/index.html")),
        "/page.css" => ("text/css; charset=utf-8", include_str!("page/page.css")),
        "/page.js" => ("text/javascript; charset=utf-8", include_str!("page/page.js")),
        _ => return StatusCode::NOT_FOUND.into_response(),
    };
    ([(header::CONTENT_TYPE, kind), (header::CACHE_CONTROL, "no-store")], text).into_response()
}

async fn reset(State(sim): State<Sim>) -> Answer {
    sim.change(SimState::reset);
    Ok(Json(json!({"ok": true})))
}

async fn add_guild(State(sim): State<Sim>, Json(body): Json<fixture::GuildFile>) -> Answer {
    let made = sim.change(|state| fixture::make_guild(state, &body));
    made.map(Json).map_err(|why| refuse(StatusCode::BAD_REQUEST, &why.to_string()))
}

pub(crate) fn guild_of(state: &SimState, value: &Value) -> Result<Id, (StatusCode, Json<Value>)> {
    let found = match value.as_str() {
        Some(name) => state.guild_by_name(name),
        None => state.guilds.keys().next().copied(),
    };
    found.ok_or_else(|| missing("guild"))
}

pub(crate) fn role_of(state: &SimState, guild: Id, value: &Value) -> Result<Id, (StatusCode, Json<Value>)> {
    let name = value.as_str().unwrap_or_default();
    let found = state.guilds.get(&guild).into_iter().flat_map(|g| g.roles.values());
    let mut found = found.filter(|role| role.name == name || role.id.to_string() == name);
    found.next().map(|role| role.id).ok_or_else(|| missing(&format!("role: {name}")))
}

pub(crate) fn roles_of(
    state: &SimState,
    guild: Id,
    value: &Value,
) -> Result<Vec<Id>, (StatusCode, Json<Value>)> {
    value.as_array().into_iter().flatten().map(|role| role_of(state, guild, role)).collect()
}

pub(crate) fn user_of(state: &SimState, name: &str) -> Result<Id, (StatusCode, Json<Value>)> {
    state.user_by_name(name).ok_or_else(|| missing(&format!("person: {name}")))
}

async fn add_role(State(sim): State<Sim>, Json(body): Json<Value>) -> Answer {
    sim.change(|state| {
        let guild = guild_of(state, &body["guild"])?;
        let permissions = Permissions(bits_of(&body["permissions"]).unwrap_or(0));
        let id = state.add_role(guild, body["name"].as_str().unwrap_or("role"), permissions);
        if let Some(position) = body["position"].as_i64() {
            state.change_role(guild, id, |role| role.position = position);
        }
        Ok(Json(json!({"id": id})))
    })
}

async fn change_role(State(sim): State<Sim>, Json(body): Json<Value>) -> Answer {
    sim.change(|state| {
        let guild = guild_of(state, &body["guild"])?;
        let role = role_of(state, guild, &body["role"])?;
        state.change_role(guild, role, |role| {
            if let Some(position) = body["position"].as_i64() {
                role.position = position;
            }
            if let Some(bits) = bits_of(&body["permissions"]) {
                role.permissions = bits;
            }
            if let Some(name) = body["name"].as_str() {
                name.clone_into(&mut role.name);
            }
        });
        Ok(Json(json!({"id": role})))
    })
}

async fn delete_role(State(sim): State<Sim>, Json(body): Json<Value>) -> Answer {
    sim.change(|state| {
        let guild = guild_of(state, &body["guild"])?;
        let role = role_of(state, guild, &body["role"])?;
        state.delete_role(guild, role);
        Ok(Json(json!({"id": role})))
    })
}

async fn add_member(State(sim): State<Sim>, Json(body): Json<Value>) -> Answer {
    sim.change(|state| {
        let guild = guild_of(state, &body["guild"])?;
        let name =
            body["name"].as_str().ok_or_else(|| refuse(StatusCode::BAD_REQUEST, "a member needs a name"))?;
        let roles = roles_of(state, guild, &body["roles"])?;
        let age = |key: &str| body[key].as_i64().unwrap_or(0);
        let user = match state.user_by_name(name) {
            Some(known) => known,
            None => state.add_user(name, false, body["account_age_ms"].as_i64().unwrap_or(400 * 86_400_000)),
        };
        state.add_member(guild, user, age("joined_ago_ms"));
        state.change_member(guild, user, "roles", |member| member.roles = roles);
        change_one(state, guild, user, &body)?;
        Ok(Json(json!({"id": user})))
    })
}

async fn move_time(State(sim): State<Sim>, Json(body): Json<Value>) -> Answer {
    if let Some(offset_ms) = body["offset_ms"].as_i64() {
        sim.change(|state| state.offset_ms = offset_ms);
    }
    sim.advance_ms(body["advance_ms"].as_i64().unwrap_or(0));
    tell_time(State(sim)).await
}

async fn tell_time(State(sim): State<Sim>) -> Answer {
    Ok(Json(sim.read(|state| json!({"now_ms": state.now_ms(), "offset_ms": state.offset_ms}))))
}

async fn add_fault(State(sim): State<Sim>, Json(fault): Json<Fault>) -> Answer {
    sim.breaks(fault);
    list_faults(State(sim)).await
}

async fn list_faults(State(sim): State<Sim>) -> Answer {
    Ok(Json(sim.read(|state| json!({"waiting": state.faults.waiting()}))))
}

async fn clear_faults(State(sim): State<Sim>) -> Answer {
    sim.heals();
    list_faults(State(sim)).await
}

async fn change_member(
    State(sim): State<Sim>,
    Path((guild, user)): Path<(String, String)>,
    Json(body): Json<Value>,
) -> Answer {
    sim.change(|state| {
        let guild = guild_of(state, &json!(guild))?;
        let user = user_of(state, &user)?;
        change_one(state, guild, user, &body)?;
        Ok(Json(json!({"id": user})))
    })
}

/// Applies what the body says about a member; other properties stay unchanged.
fn change_one(
    state: &mut SimState,
    guild: Id,
    user: Id,
    body: &Value,
) -> Result<(), (StatusCode, Json<Value>)> {
    match body["banned"].as_bool() {
        Some(true) => state.ban(guild, user, body["reason"].as_str().map(str::to_owned)),
        Some(false) => state.unban(guild, user),
        None => {}
    }
    match body["left"].as_bool() {
        Some(true) => state.remove_member(guild, user, "left"),
        Some(false) => state.add_member(guild, user, 0),
        None => {}
    }
    if body["kicked"] == true {
        state.remove_member(guild, user, "kicked");
    }
    if body["roles"].is_array() {
        let roles = roles_of(state, guild, &body["roles"])?;
        state.change_member(guild, user, "roles", |member| member.roles = roles);
    }
    let now_ms = state.now_ms();
    state.change_member(guild, user, "changed", |member| {
        if let Some(pending) = body["pending"].as_bool() {
            member.pending = pending;
        }
        if let Some(timeout_ms) = body["timeout_ms"].as_i64() {
            member.timeout_until_ms = (timeout_ms > 0).then_some(now_ms + timeout_ms);
        }
        if body.get("nick").is_some() {
            member.nick = body["nick"].as_str().map(str::to_owned);
        }
    });
    if let Some(found) = state.users.get_mut(&user) {
        if let Some(open) = body["dms_open"].as_bool() {
            found.dms_open = open;
        }
        if let Some(locale) = body["locale"].as_str() {
            locale.clone_into(&mut found.locale);
        }
        if body.get("global_name").is_some() {
            found.global_name = body["global_name"].as_str().map(str::to_owned);
        }
    }
    Ok(())
}

/// The place where a person acts: `{"guild", "channel"}`. `channel` may be `dm`; both default to the first.
pub(crate) fn place_of(
    state: &mut SimState,
    user: Id,
    body: &Value,
) -> Result<Place, (StatusCode, Json<Value>)> {
    if body["channel"] == "dm" {
        let bot = match body["bot"].as_str() {
            Some(name) => state.apps.values().find(|app| app.name == name || app.id.to_string() == name),
            None => state.apps.values().next(),
        };
        let bot = bot.map(|app| app.user).ok_or_else(|| missing("bot"))?;
        return Ok(Place { guild: None, channel: state.dm_channel(user, bot) });
    }
    let named = body["channel"].as_str();
    if let Some(channel) = named.and_then(|name| name.parse().ok()).and_then(|id: Id| state.channels.get(&id))
    {
        return Ok(Place { guild: channel.guild, channel: channel.id });
    }
    let guild = if body["guild"].is_string() {
        guild_of(state, &body["guild"])?
    } else {
        let mut own = state.guilds.values().filter(|guild| guild.members.contains_key(&user));
        own.next().map(|guild| guild.id).ok_or_else(|| missing("guild"))?
    };
    let channel = match named {
        Some(name) => state.channel_named(guild, name),
        None => {
            state.channels.values().find(|channel| channel.guild == Some(guild)).map(|channel| channel.id)
        }
    };
    Ok(Place { guild: Some(guild), channel: channel.ok_or_else(|| missing("channel"))? })
}

fn shown(tried: Result<Reply, CannotDo>) -> Answer {
    match tried {
        Ok(reply) => Ok(Json(json!(reply))),
        Err(why) => Err(refuse(StatusCode::CONFLICT, &why.to_string())),
    }
}

async fn command(State(sim): State<Sim>, Path(user): Path<String>, Json(body): Json<Value>) -> Answer {
    let (user, place) = actor(&sim, &user, &body)?;
    shown(sim.command(user, place, body["text"].as_str().unwrap_or_default()).await)
}

fn actor(sim: &Sim, user: &str, body: &Value) -> Result<(Id, Place), (StatusCode, Json<Value>)> {
    sim.change(|state| {
        let user = user_of(state, user)?;
        Ok((user, place_of(state, user, body)?))
    })
}

async fn press(State(sim): State<Sim>, Path(user): Path<String>, Json(body): Json<Value>) -> Answer {
    let user = sim.read(|state| user_of(state, &user))?;
    let label = body["label"].as_str().or_else(|| body["custom_id"].as_str()).unwrap_or_default();
    shown(sim.press(user, label, which(&body)).await)
}

async fn select(State(sim): State<Sim>, Path(user): Path<String>, Json(body): Json<Value>) -> Answer {
    let user = sim.read(|state| user_of(state, &user))?;
    let values: Vec<String> = body["values"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .map(str::to_owned)
        .collect();
    shown(sim.select(user, body["select"].as_str().unwrap_or_default(), &values, which(&body)).await)
}

/// `"message": ID` or `"saying": TEXT` names the message. Without either it is the newest message that has the component.
fn which(body: &Value) -> On<'_> {
    match (Id::of(&body["message"]), body["saying"].as_str()) {
        (Some(id), _) => On::Message(id),
        (None, Some(text)) => On::Saying(text),
        (None, None) => On::Newest,
    }
}

/// `{"fields": {"username": "ada"}}` submits the form; `"cancel": true` closes it.
async fn submit(State(sim): State<Sim>, Path(user): Path<String>, Json(body): Json<Value>) -> Answer {
    let user = sim.read(|state| user_of(state, &user))?;
    if body["cancel"] == true {
        sim.change(|state| state.modals.remove(&user));
        return Ok(Json(json!({"ok": true})));
    }
    shown(sim.submit(user, &fields_of(&body["fields"])).await)
}

pub(crate) fn fields_of(value: &Value) -> Vec<(String, String)> {
    let pairs = value.as_object().into_iter().flatten();
    pairs.map(|(name, value)| (name.clone(), value.as_str().unwrap_or_default().to_owned())).collect()
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum RawKind {
    Component,
    Modal,
}

#[derive(Deserialize)]
struct Raw {
    kind: RawKind,
    custom_id: String,
    message: Option<Id>,
    #[serde(default)]
    fields: Value,
    #[serde(flatten)]
    place: Value,
}

/// A press or submit that Discord's client would never send: custom ids that are forged, old or foreign.
async fn raw(State(sim): State<Sim>, Path(user): Path<String>, Json(body): Json<Raw>) -> Answer {
    let (user, place) = actor(&sim, &user, &body.place)?;
    shown(match body.kind {
        RawKind::Component => sim.press_raw(user, place, &body.custom_id, body.message).await,
        RawKind::Modal => sim.submit_raw(user, place, &body.custom_id, &fields_of(&body.fields)).await,
    })
}

#[derive(Deserialize)]
struct Seeing {
    unread: Option<u8>,
    /// How long to wait for an unread message, in real milliseconds.
    wait_ms: Option<u64>,
}

async fn sees(State(sim): State<Sim>, Path(user): Path<String>, Query(asked): Query<Seeing>) -> Answer {
    let user = sim.read(|state| user_of(state, &user))?;
    if let Some(wait_ms) = asked.wait_ms {
        let limit = std::time::Duration::from_millis(wait_ms);
        sim.wait(limit, |state| (!state.unread_by(user).is_empty()).then_some(())).await;
    }
    Ok(Json(sim.change(|state| {
        let only_unread = asked.unread == Some(1);
        let unread = state.unread_by(user);
        let list: Vec<Id> = if only_unread {
            unread.clone()
        } else {
            state
                .messages
                .values()
                .filter(|message| sight::sees(state, user, message))
                .map(|m| m.id)
                .collect()
        };
        let messages: Vec<Value> =
            list.iter().map(|id| seen_message(state, *id, unread.contains(id))).collect();
        let text: Vec<String> = list.iter().map(|id| state.text_of(*id)).collect();
        for id in list {
            state.mark_read(user, id);
        }
        let modal = state.modals.get(&user).map(|open| &open.shown);
        json!({"text": text.join("\n"), "messages": messages, "modal": modal})
    })))
}

fn seen_message(state: &SimState, id: Id, unread: bool) -> Value {
    let Some(message) = state.messages.get(&id) else {
        return Value::Null;
    };
    let author = state.apps.get(&message.app).map(|app| app.name.clone());
    json!({
        "id": id, "channel": message.channel, "place": sight::place_name(state, message), "author": author,
        "at_ms": message.created_ms, "edited": message.edited_ms.is_some(), "loading": message.is_loading(),
        "ephemeral": message.ephemeral_to.is_some(), "content": sight::with_names(state, message, &message.content),
        "embeds": sight::shown_embeds(state, message), "components": message.components, "unread": unread,
        "text": sight::render(state, message),
    })
}

/// Everything that the page needs about one person: guild, channels, messages, open form, commands.
async fn view(State(sim): State<Sim>, Path(user): Path<String>) -> Answer {
    let user = sim.read(|state| user_of(state, &user))?;
    Ok(Json(sim.read(|state| {
        let channels: Vec<Value> = state
            .channels
            .values()
            .filter(|channel| {
                crate::objects::permissions_for(state, user, channel).has(Permissions::VIEW_CHANNEL)
            })
            .map(|channel| {
                let name = if channel.guild.is_some() {
                    channel.name.clone()
                } else {
                    let bot = channel.recipients.iter().find(|id| **id != user);
                    bot.map(|id| crate::objects::display_name(state, *id)).unwrap_or_default()
                };
                json!({"id": channel.id, "name": name, "dm": channel.guild.is_none(),
                    "guild": channel.guild.and_then(|id| state.guilds.get(&id)).map(|guild| guild.name.clone())})
            })
            .collect();
        let visible = state.messages.values().filter(|message| sight::sees(state, user, message));
        let messages: Vec<Value> = visible.map(|message| seen_message(state, message.id, false)).collect();
        let modal = state.modals.get(&user).map(|open| &open.shown);
        let commands: Vec<String> = state.apps.values().flat_map(known_commands).collect();
        json!({"channels": channels, "messages": messages, "modal": modal, "commands": commands})
    })))
}

/// The registered commands, such as `/account request`, for the suggestions of the page.
fn known_commands(app: &crate::state::App) -> Vec<String> {
    fn walk(prefix: &str, part: &Value, found: &mut Vec<String>) {
        let name = format!("{prefix}{}", part["name"].as_str().unwrap_or_default());
        let inner = crate::limits::list(part, "options");
        let branches: Vec<&Value> =
            inner.iter().filter(|o| matches!(o["type"].as_u64(), Some(1 | 2))).collect();
        if branches.is_empty() {
            found.push(name);
        } else {
            for branch in branches {
                walk(&format!("{name} "), branch, found);
            }
        }
    }
    let mut found = Vec::new();
    let commands = app.guild_commands.values().flatten().chain(&app.global_commands);
    for command in commands.filter(|command| command["type"] == 1) {
        walk("/", command, &mut found);
    }
    found.dedup();
    found
}

/// Whether a bot is connected to the gateway, since when, and whether it has commands. This is a small part of the state, for clients
/// that ask often.
async fn connected(State(sim): State<Sim>) -> Answer {
    Ok(Json(sim.read(|state| {
        let is_connected = state.sessions.values().any(|session| session.connection.is_some());
        let has_commands = state.apps.values().any(|app| !known_commands(app).is_empty());
        json!({"connected": is_connected, "commands": has_commands, "identified_ms": state.record.identified_ms})
    })))
}

async fn state(State(sim): State<Sim>) -> Answer {
    Ok(Json(sim.read(|state| {
        let guilds: Vec<Value> =
            state.guilds.values().map(|guild| fixture::describe(state, guild.id)).collect();
        let bots: Vec<Value> = state
            .apps
            .values()
            .map(|app| {
                let connected = state.sessions.values().any(|s| s.app == app.id && s.connection.is_some());
                json!({"application": app.id, "user": app.user, "name": app.name, "connected": connected,
                    "commands": known_commands(app)})
            })
            .collect();
        json!({
            "now_ms": state.now_ms(), "offset_ms": state.offset_ms, "guilds": guilds, "bots": bots,
            "violations": state.record.violations, "unknown_routes": state.record.unknown_routes,
            "did_not_respond": state.record.silences, "unread": state.unread_by_all(),
            "faults": state.faults.waiting(),
        })
    })))
}

async fn log(State(sim): State<Sim>) -> Answer {
    Ok(Json(sim.read(|state| {
        let interactions: Vec<Value> = state
            .interactions
            .values()
            .map(|found| {
                json!({"id": found.id, "at_ms": found.created_ms, "user": found.user, "guild": found.guild,
                    "channel": found.channel, "kind": format!("{:?}", found.kind), "what": found.what,
                    "answer": found.answered.map(|answered| format!("{answered:?}")),
                    "answered_ms": found.answered_ms, "failed": found.failed})
            })
            .collect();
        let messages: Vec<Value> = state
            .messages
            .values()
            .map(|message| {
                let mut object = seen_message(state, message.id, false);
                object["only_for"] = json!(message.ephemeral_to);
                object["deleted"] = json!(message.deleted);
                object["pinged"] = json!(message.pinged);
                object["nonce"] = json!(message.nonce);
                object
            })
            .collect();
        json!({
            "requests": state.record.requests, "members": state.record.members, "messages": messages,
            "interactions": interactions, "gateway": state.record.gateway,
        })
    })))
}

/// Answers when something has changed since that count, or after 25 s, so that a page can follow the changes.
async fn changes(State(sim): State<Sim>, Path(since): Path<u64>) -> Answer {
    let mut changes = sim.changes();
    let limit = std::time::Duration::from_secs(25);
    // After the time limit the old count is returned, and the page asks again.
    drop(tokio::time::timeout(limit, changes.wait_for(|count| *count > since)).await);
    let count = *changes.borrow();
    Ok(Json(json!({"count": count})))
}
