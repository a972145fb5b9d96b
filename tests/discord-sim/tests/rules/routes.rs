//! The rules of REST: authorization, hierarchy, direct messages, nonces, limits, faults, TLS.

use std::time::Duration;

use discord_sim::{ChannelKind, Effect, Options};
use reqwest::Method;
use serde_json::{Value, json};

use crate::client::{Rest, TestEnv};

/// Asserts a refusal with this status and code.
fn refused((status, body): &(reqwest::StatusCode, Value), wanted: u16, code: i64) {
    assert_eq!((status.as_u16(), &body["code"]), (wanted, &json!(code)), "{body}");
}

#[tokio::test]
async fn nobody_asks_without_the_right_token() {
    let env = TestEnv::new().await;
    for token in [None, Some("wrong".to_owned())] {
        refused(&Rest::new(&env.sim, token).get("/users/@me").await, 401, 0);
    }
    let (status, me) = env.rest().get("/users/@me").await;
    assert_eq!((status.as_u16(), &me["bot"]), (200, &json!(true)));
}

#[tokio::test]
async fn an_unknown_route_is_remembered_and_fails_the_story() {
    let env = TestEnv::new().await;
    refused(&env.rest().get("/guilds/1/unheard-of").await, 404, 0);
    assert_eq!(env.sim.unknown_routes(), ["GET /guilds/1/unheard-of"]);
    let dirty = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| env.sim.assert_clean()));
    assert!(dirty.is_err());
}

#[tokio::test]
async fn a_bot_grants_roles_below_its_own_only() {
    let env = TestEnv::new().await;
    let rest = env.rest();
    let path = |role: &str| {
        let (guild, role) = (&env.guild, env.guild.role(role).id);
        format!("/guilds/{}/members/{}/roles/{role}", guild.id, env.ada.id())
    };
    assert_eq!(rest.put(&path("moderator"), &Value::Null).await.0, 204);
    assert_eq!(env.ada.roles(), ["member", "moderator"]);
    assert_eq!(rest.delete(&path("moderator")).await.0, 204);
    assert_eq!(env.ada.roles(), ["member"]);
    env.guild.moves_role("moderator", 99);
    refused(&rest.put(&path("moderator"), &Value::Null).await, 403, 50013);
    refused(&rest.put(&path("Accolade"), &Value::Null).await, 403, 50013);
    env.guild.permits_role("Accolade", discord_sim::Permissions::VIEW_CHANNEL);
    refused(&rest.put(&path("member"), &Value::Null).await, 403, 50013);
    env.ada.leaves();
    refused(&rest.put(&path("member"), &Value::Null).await, 404, 10007);
    let facts = env.sim.member_facts();
    let events: Vec<&str> = facts.iter().filter(|f| f.user == env.ada.id()).map(|fact| fact.event).collect();
    assert_eq!(events, ["joined", "roles", "roles", "left"]);
}

#[tokio::test]
async fn an_exception_of_a_channel_takes_a_right_away_and_gives_it_back() {
    let env = TestEnv::new().await;
    let (rest, none) = (env.rest(), discord_sim::Permissions(0));
    let (view, send) = (discord_sim::Permissions::VIEW_CHANNEL, discord_sim::Permissions::SEND_MESSAGES);
    let path = format!("/channels/{}/messages", env.guild.channel("account-requests").id);
    let message = json!({"content": "hello", "allowed_mentions": {"parse": []}});
    env.guild.excepts("account-requests", "Accolade", view, send);
    refused(&rest.post(&path, &message).await, 403, 50013);
    let (_, channels) = rest.get(&format!("/guilds/{}/channels", env.guild.id)).await;
    let role = json!(env.guild.role("Accolade").id);
    let all = channels
        .as_array()
        .expect("a list")
        .iter()
        .filter_map(|channel| channel["permission_overwrites"].as_array());
    let own: Vec<&Value> = all.flatten().filter(|overwrite| overwrite["id"] == role).collect();
    assert_eq!(own.len(), 1);
    assert_eq!((&own[0]["type"], &own[0]["deny"]), (&json!(0), &json!(send.0.to_string())));
    env.guild.excepts("account-requests", "Accolade", view, none);
    assert_eq!(rest.post(&path, &message).await.0, 200);
}

#[tokio::test]
async fn a_channel_of_each_type_takes_messages_or_refuses_them_and_threads_are_not_listed() {
    let env = TestEnv::new().await;
    let (rest, id) = (env.rest(), env.guild.channel("general").id);
    let path = format!("/channels/{id}/messages");
    let kinds = [
        (ChannelKind::TEXT, true),
        (ChannelKind::ANNOUNCEMENT, true),
        (ChannelKind::VOICE, true),
        (ChannelKind::THREAD, true),
        (ChannelKind::CATEGORY, false),
        (ChannelKind::FORUM, false),
        (ChannelKind::MEDIA, false),
    ];
    for (kind, takes_messages) in kinds {
        env.guild.turns("general", kind);
        let answer = rest.post(&path, &json!({"content": "hello"})).await;
        if takes_messages {
            assert_eq!(answer.0, 200, "{kind:?}: {}", answer.1);
        } else {
            refused(&answer, 400, 50008);
        }
        assert_eq!(rest.get(&format!("/channels/{id}")).await.1["type"], json!(kind.0));
        let (_, listed) = rest.get(&format!("/guilds/{}/channels", env.guild.id)).await;
        let is_listed = listed.as_array().expect("a list").iter().any(|channel| channel["id"] == json!(id));
        assert_eq!(is_listed, kind != ChannelKind::THREAD, "{kind:?}");
    }
    env.guild.deletes_channel("general");
    refused(&rest.post(&path, &json!({"content": "hello"})).await, 404, 10003);
}

#[tokio::test]
async fn a_refusal_is_switched_on_for_a_route_and_has_discords_form() {
    let env = TestEnv::new().await;
    let (rest, route) = (env.rest(), "POST /users/@me/channels");
    env.sim.fails(route, Effect::Refuse { status: 403, code: 40003 }, 2);
    let recipient = json!({"recipient_id": env.ada.id()});
    for _ in 0..2 {
        refused(&rest.post("/users/@me/channels", &recipient).await, 403, 40003);
    }
    assert_eq!(rest.post("/users/@me/channels", &recipient).await.0, 200);
}

#[tokio::test]
async fn a_bot_hears_that_a_channel_was_changed() {
    let env = TestEnv::new().await;
    let mut gateway = env.connect().await;
    let none = discord_sim::Permissions(0);
    env.guild.excepts("general", "Accolade", none, discord_sim::Permissions::VIEW_CHANNEL);
    assert_eq!(gateway.events_so_far().await, ["CHANNEL_UPDATE"]);
    let path = format!("/channels/{}/messages", env.guild.channel("general").id);
    refused(&env.rest().post(&path, &json!({"content": "hello"})).await, 403, 50001);
}

#[tokio::test]
async fn an_invited_bot_has_what_the_invite_asked_for_and_no_more() {
    let env = TestEnv::new().await;
    let guild = env.sim.guild("elsewhere").channel("general").build();
    refused(&env.rest().get(&format!("/guilds/{}/roles", guild.id)).await, 403, 50001);
    guild.invites(&env.bot, discord_sim::Permissions::SEND_MESSAGES);
    let (_, roles) = env.rest().get(&format!("/guilds/{}/roles", guild.id)).await;
    let own =
        roles.as_array().expect("a list").iter().find(|role| role["name"] == "Accolade").expect("its role");
    let asked = discord_sim::Permissions::SEND_MESSAGES.0.to_string();
    assert_eq!((&own["permissions"], &own["managed"]), (&json!(asked), &json!(true)));
}

#[tokio::test]
async fn an_application_shows_where_it_takes_its_interactions() {
    let env = TestEnv::new().await;
    let url = "https://elsewhere.example.org/interactions";
    env.bot.takes_interactions_at(Some(url));
    let (_, application) = env.rest().get("/applications/@me").await;
    assert_eq!(application["interactions_endpoint_url"], json!(url));
    env.bot.takes_interactions_at(None);
    let (_, application) = env.rest().get("/applications/@me").await;
    assert_eq!(application["interactions_endpoint_url"], Value::Null);
}

#[tokio::test]
async fn a_role_that_is_there_already_gives_no_event() {
    let env = TestEnv::new().await;
    let mut gateway = env.connect().await;
    let role = env.guild.role("member").id;
    let path = format!("/guilds/{}/members/{}/roles/{role}", env.guild.id, env.ada.id());
    assert_eq!(env.rest().put(&path, &Value::Null).await.0, 204);
    assert_eq!(gateway.events_so_far().await, Vec::<String>::new());
    env.ada.gains("moderator");
    assert_eq!(gateway.events_so_far().await, ["GUILD_MEMBER_UPDATE"]);
    env.sim.bans(&env.ada);
    assert_eq!(gateway.events_so_far().await, ["GUILD_BAN_ADD", "GUILD_MEMBER_REMOVE"]);
}

#[tokio::test]
async fn closed_direct_messages_refuse_the_message_and_not_the_channel() {
    let env = TestEnv::new().await;
    let rest = env.rest();
    env.ada.closes_dms();
    let (status, channel) = rest.post("/users/@me/channels", &json!({"recipient_id": env.ada.id()})).await;
    assert_eq!(status, 200, "{channel}");
    let path = format!("/channels/{}/messages", channel["id"].as_str().expect("an id"));
    refused(&rest.post(&path, &json!({"content": "hello"})).await, 403, 50007);
    env.ada.opens_dms();
    assert_eq!(rest.post(&path, &json!({"content": "hello"})).await.0, 200);
    assert_eq!(env.ada.sees().await, "DM Accolade: hello");
    env.ada.leaves();
    refused(&rest.post(&path, &json!({"content": "hello"})).await, 403, 50278);
}

#[tokio::test]
async fn an_enforced_nonce_gives_the_same_message_for_some_minutes() {
    let env = TestEnv::new().await;
    let rest = env.rest();
    let path = format!("/channels/{}/messages", env.guild.channel("general").id);
    let body = json!({"content": "card", "nonce": "abc", "enforce_nonce": true});
    let (first, second) = (rest.post(&path, &body).await.1, rest.post(&path, &body).await.1);
    assert_eq!(first["id"], second["id"]);
    env.sim.advance(Duration::from_mins(6));
    assert_ne!(rest.post(&path, &body).await.1["id"], first["id"]);
    let (_, list) = rest.get(&format!("{path}?limit=1")).await;
    assert_eq!(list.as_array().map(Vec::len), Some(1));
}

#[tokio::test]
async fn a_mention_without_allowed_mentions_is_a_violation() {
    let env = TestEnv::new().await;
    let rest = env.rest();
    let path = format!("/channels/{}/messages", env.guild.channel("general").id);
    let content = format!("hello <@{}>", env.ada.id());
    let (_, quiet) = rest.post(&path, &json!({"content": content, "allowed_mentions": {"parse": []}})).await;
    assert_eq!(quiet["mentions"], json!([]));
    assert_eq!(env.sim.violations(), Vec::<String>::new());
    let (_, loud) = rest.post(&path, &json!({"content": content})).await;
    assert_eq!(loud["mentions"][0]["username"], "ada");
    assert_eq!(env.sim.violations().len(), 1);
    assert!(env.ada.sees().await.contains("hello @ada"));
}

#[tokio::test]
async fn a_full_bucket_answers_429_and_tells_how_long_to_wait() {
    let env = TestEnv::with(Options::default()).await;
    env.sim.stops_time();
    let rest = env.rest();
    let path = format!("/channels/{}/messages", env.guild.channel("general").id);
    let body = json!({"content": "x"});
    for left in (0..5).rev() {
        let response = rest.send(Method::POST, &path, Some(&body)).await;
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["x-ratelimit-remaining"], left.to_string().as_str());
    }
    let response = rest.send(Method::POST, &path, Some(&body)).await;
    assert_eq!(response.status(), 429);
    assert_eq!(response.headers()["x-ratelimit-scope"], "user");
    assert!(response.headers().contains_key("retry-after"));
    let told: Value = response.json().await.expect("JSON");
    assert!(told["retry_after"].as_f64().is_some_and(|wait| wait > 0.0 && wait <= 5.0), "{told}");
    assert_eq!(rest.post(&path, &body).await.0, 429);
    assert_eq!(env.sim.requests_inside_retry_after().len(), 1);
    env.sim.advance(Duration::from_secs(6));
    assert_eq!(rest.post(&path, &body).await.0, 200);
    // The global limit is fifty requests a second for each bot.
    let mut last = 200;
    for _ in 0..51 {
        last = rest.get("/users/@me").await.0.as_u16();
    }
    assert_eq!(last, 429);
}

#[tokio::test]
async fn faults_happen_as_often_as_asked() {
    let env = TestEnv::new().await;
    let rest = env.rest();
    let route = "POST /channels/{channel}/messages";
    let path = format!("/channels/{}/messages", env.guild.channel("general").id);
    let body = json!({"content": "x", "nonce": "n", "enforce_nonce": true});
    env.sim.fails(route, Effect::Status { status: 502 }, 1);
    assert_eq!(rest.post(&path, &body).await.0, 502);
    env.sim.fails(route, Effect::RateLimit { retry_after: Some(1.5), global: false }, 1);
    let response = rest.send(Method::POST, &path, Some(&body)).await;
    assert_eq!(
        (response.status().as_u16(), &response.headers()["retry-after"]),
        (429, &"2".parse().expect("ascii"))
    );
    assert_eq!(env.guild.history("general").len(), 0);
    env.sim.fails(route, Effect::Cut { after_effect: true }, 1);
    let cut = reqwest::Client::new()
        .post(format!("{}/v10{path}", env.sim.api_url()))
        .header("Authorization", format!("Bot {}", env.bot.token()))
        .json(&body)
        .send()
        .await;
    assert!(cut.is_err(), "the answer is lost");
    assert_eq!(env.guild.history("general").len(), 1);
    assert_eq!(rest.post(&path, &body).await.0, 200);
    assert_eq!(env.guild.history("general").len(), 1);
}

#[tokio::test]
async fn a_bot_that_trusts_the_ca_finds_discord_com_here() {
    let env = TestEnv::new().await;
    let ca = std::fs::read(env.sim.ca_file()).expect("the CA is written");
    // Installs the TLS provider.
    drop(Rest::new(&env.sim, None));
    let client = reqwest::Client::builder()
        .use_rustls_tls()
        .add_root_certificate(reqwest::Certificate::from_pem(&ca).expect("a certificate"))
        .resolve("discord.com", env.sim.tls_address())
        .build()
        .expect("a client");
    let answer = client.get("https://discord.com/api/v10/gateway").send().await.expect("TLS works");
    assert_eq!(answer.version(), reqwest::Version::HTTP_2);
    let answer: Value = answer.json().await.expect("JSON");
    assert_eq!(answer["url"], env.sim.gateway_url());
}
