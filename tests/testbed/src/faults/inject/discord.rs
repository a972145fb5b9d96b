//! Faults of Discord, caused through the simulator's controls.

use anyhow::Result;
use rand::Rng as _;
use rand::seq::IndexedRandom as _;
use reqwest::Method;
use serde_json::{Value, json};

use super::{Hand, STRIKES_WITHIN};
use crate::sandbox::chat::Chat;
use crate::sandbox::product::ids;
use crate::waiting::comes_true;

/// The bot's own role in the guild, which has the bot's name.
const BOT_ROLE: &str = "Accolade";

/// The bot's calls, and the step to which each belongs.
const ROUTES: &[(&str, &str, u32)] = &[
    ("POST /interactions/{interaction}/{token}/callback", "acknowledge", 8),
    ("* /webhooks/*", "follow up", 3),
    ("GET /guilds/{guild}/members/{user}", "eligible", 6),
    ("POST /channels/{channel}/messages", "message", 8),
    ("PATCH /channels/{channel}/messages/{message}", "card", 6),
    ("PUT /guilds/{guild}/members/{user}/roles/{role}", "grant_role", 3),
    ("POST /users/@me/channels", "message", 3),
    ("*", "Discord, any", 2),
];

fn one_of(hand: &mut Hand<'_>, codes: &[u16]) -> u16 {
    codes.choose(&mut hand.random).copied().unwrap_or_default()
}

async fn breaks(hand: &Hand<'_>, fault: &Value) -> Result<Value> {
    hand.stage.env.chat.control(Method::POST, "faults", fault).await
}

async fn waiting(hand: &Hand<'_>) -> Result<Value> {
    hand.stage.env.chat.control(Method::GET, "faults", &Value::Null).await
}

async fn clears(hand: &Hand<'_>) -> Result<()> {
    hand.stage.env.chat.control(Method::DELETE, "faults", &Value::Null).await.map(drop)
}

/// Discord refuses calls, once or in a storm.
pub(super) async fn refuse(hand: &mut Hand<'_>) -> Result<Vec<String>> {
    if hand.random.random_bool(0.08) {
        return close_messages(hand).await;
    }
    let Ok((route, step, _)) = ROUTES.choose_weighted(&mut hand.random, |(_, _, often)| *often).copied()
    else {
        return Ok(Vec::new());
    };
    let mut fault = match hand.random.random_range(0..6) {
        0 => json!({"kind": "rate_limit", "retry_after": hand.random.random_range(0.1..1.5)}),
        1 => json!({"kind": "rate_limit", "retry_after": 0.3, "global": true}),
        2 => json!({"kind": "status", "status": one_of(hand, &[500, 502, 503])}),
        3 => json!({"kind": "latency", "ms": hand.random.random_range(100..2500)}),
        4 => json!({"kind": "cut", "after_effect": false}),
        _ => json!({"kind": "cut", "after_effect": true}),
    };
    fault["route"] = json!(route);
    fault["times"] = json!(if hand.random.random_bool(0.3) { hand.random.random_range(2..8) } else { 1 });
    let is_struck = is_met(hand, &fault).await?;
    clears(hand).await?;
    Ok(if is_struck { vec![step.to_owned()] } else { Vec::new() })
}

/// Sets a fault and waits until it has taken effect.
async fn is_met(hand: &Hand<'_>, fault: &Value) -> Result<bool> {
    let placed = breaks(hand, fault).await?;
    comes_true(STRIKES_WITHIN, async || Ok(waiting(hand).await? != placed)).await
}

/// Discord refuses messages for a while: the bot loses its rights in the moderators' channel, that channel is a forum, or direct messages
/// are opened too fast.
pub(super) async fn refuse_messages(hand: &mut Hand<'_>) -> Result<Vec<String>> {
    if hand.random.random_bool(0.3) {
        let times = hand.random.random_range(1..4);
        let route = "POST /users/@me/channels";
        let fault = json!({"kind": "refuse", "status": 403, "code": 40003, "route": route, "times": times});
        let is_struck = is_met(hand, &fault).await?;
        clears(hand).await?;
        return Ok(if is_struck { vec!["message".to_owned()] } else { Vec::new() });
    }
    let before = refused_in_channel(hand).await?;
    let change = match hand.random.random_range(0..3) {
        // View Channel
        0 => json!({"deny": "1024"}),
        // Send Messages
        1 => json!({"allow": "1024", "deny": "2048"}),
        _ => json!({"type": 15}),
    };
    change_request_channel(&hand.stage.env.chat, change).await?;
    let is_struck = comes_true(STRIKES_WITHIN, async || Ok(refused_in_channel(hand).await? > before)).await?;
    open_request_channel(&hand.stage.env.chat).await?;
    Ok(if is_struck { vec!["card".to_owned()] } else { Vec::new() })
}

/// How many messages Discord has refused because of their channel.
async fn refused_in_channel(hand: &Hand<'_>) -> Result<usize> {
    let log = hand.stage.env.discord_log().await?;
    let requests = log["requests"].as_array().into_iter().flatten();
    let is_of_channel = |request: &&Value| matches!(request["code"].as_i64(), Some(50001 | 50008 | 50013));
    Ok(requests.filter(is_of_channel).count())
}

async fn change_request_channel(chat: &Chat, mut change: Value) -> Result<()> {
    change["guild"] = json!(ids::GUILD);
    change["channel"] = json!(ids::REQUESTS);
    change["role"] = json!(BOT_ROLE);
    if change["deny"].is_null() {
        change["allow"] = json!("1024");
    }
    chat.control(Method::PATCH, "channels", &change).await.map(drop)
}

/// Gives the bot its rights in the moderators' channel back.
pub(in crate::faults) async fn open_request_channel(chat: &Chat) -> Result<()> {
    change_request_channel(chat, json!({"type": 0})).await
}

/// A person stops accepting direct messages for a while, or accepts them again.
async fn close_messages(hand: &mut Hand<'_>) -> Result<Vec<String>> {
    let people = hand.stage.people();
    let Some(person) = people.choose(&mut hand.random) else { return Ok(Vec::new()) };
    let is_open = hand.random.random_bool(0.5);
    person.changes(&hand.stage.env, &json!({"dms_open": is_open})).await?;
    Ok(vec!["message".to_owned()])
}

/// The gateway closes the connection, asks for a reconnect, drops the session, or sends events twice.
pub(super) async fn trouble_gateway(hand: &mut Hand<'_>) -> Result<Vec<String>> {
    let draw = hand.random.random_range(0..20);
    let (fault, waits) = match draw {
        0..4 => (json!({"kind": "reconnect"}), false),
        4..8 => (json!({"kind": "gateway_close", "code": one_of(hand, &[4000, 4001, 4008, 1001])}), false),
        8 => (json!({"kind": "gateway_close", "code": 4009}), false),
        9 => (json!({"kind": "invalid_session", "resumable": true}), false),
        10 => (json!({"kind": "invalid_session", "resumable": false}), false),
        11 => (json!({"kind": "gateway_refuse"}), true),
        _ => (json!({"kind": "deliver_again", "copies": hand.random.random_range(1..5)}), true),
    };
    let steps = hand.steps().await;
    let is_struck = if waits {
        if draw == 11 {
            // The fault refuses the next connection, so there must be one.
            breaks(hand, &fault).await?;
            breaks(hand, &json!({"kind": "reconnect"})).await?;
            true
        } else {
            is_met(hand, &fault).await?
        }
    } else {
        breaks(hand, &fault).await?;
        true
    };
    if waits && draw != 11 {
        clears(hand).await?;
    }
    Ok(if is_struck { steps } else { Vec::new() })
}
