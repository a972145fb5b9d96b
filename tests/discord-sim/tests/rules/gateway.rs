//! The rules of the gateway: who may connect, what is sent, and what outlasts a lost connection.

use serde_json::json;

use discord_sim::{Effect, Options};

use crate::client::{Gateway, INTENTS, TestEnv};

#[tokio::test]
async fn a_wrong_token_is_told_4004_and_a_disallowed_intent_4014() {
    let env = TestEnv::new().await;
    let mut gateway = Gateway::open(&env.sim).await;
    gateway.identify("wrong", INTENTS).await;
    assert_eq!(gateway.frame().await, Err(4004));
    env.bot.allows_intents(1);
    let mut gateway = Gateway::open(&env.sim).await;
    gateway.identify(&env.bot.token(), INTENTS).await;
    assert_eq!(gateway.frame().await, Err(4014));
    let mut gateway = Gateway::open(&env.sim).await;
    gateway.say(&json!({"op": 8, "d": {}})).await;
    assert_eq!(gateway.frame().await, Err(4003));
}

#[tokio::test]
async fn a_resume_replays_what_was_missed_in_order() {
    let env = TestEnv::new().await;
    let gateway = env.connect().await;
    let session =
        gateway.frames.iter().find(|f| f["t"] == "READY").expect("READY")["d"]["session_id"].clone();
    let seq = gateway.breaks_off();
    env.ada.gains("moderator");
    env.ada.loses("moderator");
    env.ada.leaves();
    let mut gateway = Gateway::open(&env.sim).await;
    let token = format!("Bot {}", env.bot.token());
    gateway.say_binary(&json!({"op": 6, "d": {"token": token, "session_id": session, "seq": seq}})).await;
    gateway.event("RESUMED").await;
    let names: Vec<&str> = gateway.frames.iter().filter_map(|frame| frame["t"].as_str()).collect();
    assert_eq!(names, ["GUILD_MEMBER_UPDATE", "GUILD_MEMBER_UPDATE", "GUILD_MEMBER_REMOVE", "RESUMED"]);
    let mut gateway = Gateway::open(&env.sim).await;
    gateway.say(&json!({"op": 6, "d": {"token": token, "session_id": "unknown", "seq": 1}})).await;
    let frame = gateway.frame().await.expect("still open");
    assert_eq!((&frame["op"], &frame["d"]), (&json!(9), &json!(false)));
}

#[tokio::test]
async fn a_bot_is_sent_to_the_gateway_that_the_options_name_and_so_is_its_resume() {
    let elsewhere = "ws://127.0.0.1:9";
    let env = TestEnv::with(Options { gateway_url: Some(elsewhere.to_owned()), ..Options::default() }).await;
    let (_, told) = env.rest().get("/gateway").await;
    assert_eq!(told["url"], elsewhere);
    // The listener itself still has its address.
    let mut gateway = Gateway::open_at(&format!("ws://{}/?v=10", env.sim.address())).await;
    gateway.identify(&env.bot.token(), INTENTS).await;
    let ready = gateway.event("READY").await;
    assert_eq!(ready["resume_gateway_url"], elsewhere);
}

#[tokio::test]
async fn a_held_ready_comes_first_when_it_is_released_and_what_happened_meanwhile_follows() {
    let env = TestEnv::new().await;
    env.sim.fails("*", Effect::ReadyHeld, 1);
    let mut gateway = Gateway::open(&env.sim).await;
    gateway.identify(&env.bot.token(), INTENTS).await;
    assert!(gateway.events_so_far().await.is_empty(), "something came before READY");
    assert!(!env.sim.is_connected(&env.bot));
    env.ada.gains("moderator");
    env.sim.heals();
    gateway.event("GUILD_MEMBER_UPDATE").await;
    let names: Vec<&str> = gateway.frames.iter().filter_map(|frame| frame["t"].as_str()).collect();
    assert_eq!(names, ["READY", "GUILD_CREATE", "GUILD_MEMBER_UPDATE"]);
    assert!(env.sim.is_connected(&env.bot));
}

#[tokio::test]
async fn ready_comes_twice_or_before_the_identify_when_a_test_wants_it() {
    let env = TestEnv::new().await;
    env.sim.fails("*", Effect::ReadyTwice, 1);
    let mut gateway = Gateway::open(&env.sim).await;
    gateway.identify(&env.bot.token(), INTENTS).await;
    assert_eq!(gateway.events_so_far().await, ["READY", "GUILD_CREATE", "READY", "GUILD_CREATE"]);
    env.sim.fails("*", Effect::ReadyAtOnce, 1);
    let mut gateway = Gateway::open(&env.sim).await;
    gateway.event("READY").await;
    gateway.identify(&env.bot.token(), INTENTS).await;
    assert_eq!(
        gateway.events_so_far().await,
        ["GUILD_CREATE"],
        "the IDENTIFY is taken, and answered already"
    );
}
