//! The program and its control routes, used as from another process.

use std::process::Stdio;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::Command;

use crate::client::{Gateway, INTENTS, TestEnv, webhook};

const FIXTURE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/village.json");

#[tokio::test]
async fn the_program_says_in_one_line_where_it_is_and_stops_when_asked() {
    let mut child = Command::new(env!("CARGO_BIN_EXE_discord-sim"))
        .args(["--fixture", FIXTURE])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .expect("the program starts");
    let mut lines = BufReader::new(child.stdout.take().expect("piped")).lines();
    let line = lines.next_line().await.expect("readable").expect("a line");
    let ready: Value = serde_json::from_str(&line).expect("one JSON line");
    assert_eq!(ready["ready"], true);
    assert!(std::fs::exists(ready["ca"].as_str().expect("a path")).expect("readable"));
    let control = ready["control"].as_str().expect("a URL");
    drop(rustls::crypto::ring::default_provider().install_default());
    let state: Value =
        reqwest::get(format!("{control}/state")).await.expect("up").json().await.expect("JSON");
    let names: Vec<&str> = state["guilds"][0]["channels"]
        .as_array()
        .expect("channels")
        .iter()
        .filter_map(|channel| channel["name"].as_str())
        .collect();
    assert_eq!(names, ["general", "account-requests", "log"]);
    let page =
        reqwest::get(ready["page"].as_str().expect("a URL")).await.expect("up").text().await.expect("text");
    assert!(page.contains("<title>Simulated Discord</title>"));
    let pid = child.id().expect("running").to_string();
    let killed = Command::new("kill").arg(&pid).status().await.expect("kill runs");
    assert!(killed.success());
    let status = tokio::time::timeout(Duration::from_secs(5), child.wait()).await.expect("it stops in time");
    assert!(status.expect("a status").success());
    assert!(!std::fs::exists(ready["ca"].as_str().expect("a path")).expect("readable"), "its CA is gone too");
}

#[tokio::test]
async fn people_act_and_see_through_the_control_routes() {
    let env = TestEnv::new().await;
    let mut gateway: Gateway = env.connect().await;
    let control = format!("{}/sim", env.sim.base_url());
    let client = reqwest::Client::new();
    let post = async |path: &str, body: Value| -> (u16, Value) {
        let sent = client.post(format!("{control}{path}")).json(&body).send().await.expect("up");
        (sent.status().as_u16(), sent.json().await.expect("JSON"))
    };
    let rest = env.rest();
    let answers = async {
        let interaction = gateway.interaction().await;
        rest.answer(&interaction, &json!({"type": 4, "data": {"content": "hello", "flags": 64}})).await
    };
    let typed = json!({"channel": "general", "text": "/account look user:grace"});
    let ((status, reply), _) = tokio::join!(post("/as/ada/command", typed), answers);
    assert_eq!((status, &reply["text"]), (200, &json!("#general Accolade (only you): hello")));
    let (status, refused) = post("/as/ada/command", json!({"text": "/nothing"})).await;
    assert_eq!((status, &refused["error"]), (409, &json!("there is no command /nothing here")));
    let (_, time) = post("/time", json!({"advance_ms": 60_000})).await;
    assert!(time["offset_ms"].as_i64().is_some_and(|offset| offset >= 60_000));
    let fault = json!({"kind": "status", "status": 500, "route": "GET /users/@me", "times": 2});
    assert_eq!(post("/faults", fault).await.1["waiting"][0]["times"], 2);
    assert_eq!(rest.get("/users/@me").await.0, 500);
    let (_, made) =
        post("/members", json!({"name": "eve", "roles": ["member"], "account_age_ms": 1000})).await;
    let eve = made["id"].as_str().expect("an id").to_owned();
    let change = json!({"roles": [], "pending": true, "dms_open": false});
    let path = format!("{control}/members/Village/{eve}");
    assert_eq!(client.patch(path).json(&change).send().await.expect("up").status(), 200);
    let (_, member) = rest.get(&format!("/guilds/{}/members/{eve}", env.guild.id)).await;
    assert_eq!((&member["roles"], &member["pending"]), (&json!([]), &json!(true)));
    let log: Value =
        client.get(format!("{control}/log")).send().await.expect("up").json().await.expect("JSON");
    assert_eq!(log["interactions"][0]["answer"], "Message");
    assert!(
        log["requests"].as_array().is_some_and(|list| {
            list.iter().all(|request| !request.to_string().contains(&env.bot.token()))
        })
    );
}

#[tokio::test]
async fn a_press_can_name_its_message_by_what_that_says() {
    let env = TestEnv::new().await;
    let mut gateway = env.connect().await;
    let rest = env.rest();
    let channel = env.guild.channel("account-requests").id;
    let button = json!({"type": 2, "style": 1, "label": "Approve", "custom_id": "yes"});
    for text in ["the first request", "the second request"] {
        let card = json!({"content": text, "components": [{"type": 1, "components": [button]}]});
        assert_eq!(rest.post(&format!("/channels/{channel}/messages"), &card).await.0, 200);
    }
    let client = reqwest::Client::new();
    let control = format!("{}/sim", env.sim.base_url());
    let press = async |body: Value| {
        let press = client.post(format!("{control}/as/grace/press")).json(&body);
        let answer = press.send().await.expect("up");
        (answer.status().as_u16(), answer.json::<Value>().await.expect("JSON"))
    };
    for (saying, pressed) in [(json!("first"), "the first request"), (Value::Null, "the second request")] {
        let heard = async {
            let interaction = gateway.interaction().await;
            rest.answer(&interaction, &json!({"type": 6})).await;
            interaction
        };
        let body = json!({"label": "Approve", "saying": saying});
        let ((status, _), interaction) = tokio::join!(press(body), heard);
        assert_eq!((status, &interaction["message"]["content"]), (200, &json!(pressed)));
    }
    let (status, told) = press(json!({"label": "Approve", "saying": "the third"})).await;
    assert_eq!((status, &told["error"]), (409, &json!("there is no button \"Approve\" to press")));
}

#[tokio::test]
async fn a_duplicate_delivery_and_a_close_code_reach_the_bot() {
    let env = TestEnv::new().await;
    let mut gateway = env.connect().await;
    env.sim.delivers_twice(1);
    let rest = env.rest();
    let twice = async {
        let (first, second) = (gateway.interaction().await, gateway.interaction().await);
        assert_eq!(first, second);
        rest.answer(&first, &json!({"type": 4, "data": {"content": "once", "flags": 64}})).await
    };
    let (reply, _) = tokio::join!(env.ada.runs("/account request"), twice);
    assert!(reply.text.ends_with("once"));
    let fault = serde_json::from_value(json!({"kind": "gateway_close", "code": 4009})).expect("a fault");
    env.sim.breaks(fault);
    assert_eq!(gateway.frame().await, Err(4009));
    let mut gateway = Gateway::open(&env.sim).await;
    gateway.identify(&env.bot.token(), INTENTS).await;
    gateway.event("READY").await;
    assert_eq!(gateway.events_so_far().await, ["GUILD_CREATE"]);
}

#[tokio::test]
async fn a_burst_of_a_crowd_is_sent_at_once_and_each_first_answer_is_timed_or_missing() {
    let env = TestEnv::new().await;
    let mut gateway = env.connect().await;
    let rest = env.rest();
    let client = reqwest::Client::new();
    let control = format!("{}/sim", env.sim.base_url());
    let post = async |path: &str, body: Value| -> (u16, Value) {
        let sent = client.post(format!("{control}{path}")).json(&body).send().await.expect("up");
        (sent.status().as_u16(), sent.json().await.expect("JSON"))
    };
    let crowd = json!({"guild": env.guild.id, "count": 3, "name": "many", "roles": ["member"]});
    let (_, made) = post("/crowd", crowd).await;
    let ids: Vec<&str> =
        made["ids"].as_array().expect("ids").iter().map(|id| id.as_str().expect("an id")).collect();
    assert_eq!(env.guild.member("many2").id().to_string(), ids[2]);
    let act = |user: &&str| json!({"user": user, "do": "command", "text": "/account request", "place": {"channel": "general"}});
    let acts: Vec<Value> = ids.iter().map(act).collect();
    let answering = async {
        // All three interactions arrive before the first is answered, so they did not wait for each other.
        let heard = [gateway.interaction().await, gateway.interaction().await, gateway.interaction().await];
        let form = json!({"type": 9, "data": {"custom_id": "f", "title": "Account", "components": [{"type": 1,
            "components": [{"type": 4, "custom_id": "username", "label": "Name", "style": 1}]}]}});
        assert_eq!(rest.answer(&heard[0], &form).await.0, 204);
        let buttons =
            json!([{"type": 1, "components": [{"type": 2, "style": 1, "label": "Send", "custom_id": "s"}]}]);
        let message = json!({"type": 4, "data": {"content": "draft", "flags": 64, "components": buttons}});
        assert_eq!(rest.answer(&heard[1], &message).await.0, 204);
        env.sim.advance(Duration::from_secs(4));
    };
    let ((status, told), ()) = tokio::join!(post("/burst", json!({"acts": acts})), answering);
    let answers = &told["answers"];
    assert_eq!(status, 200, "{told}");
    assert_eq!([&answers[0]["kind"], &answers[1]["kind"]], [&json!("Modal"), &json!("Message")]);
    assert!(answers[0]["us"].as_u64() > Some(0) && answers[0]["us"].as_u64() < Some(3_000_000), "{told}");
    assert_eq!([&answers[2]["us"], &answers[2]["kind"]], [&Value::Null, &Value::Null]);

    let next = json!([
        {"user": ids[0], "do": "submit", "fields": {"username": "ada"}},
        {"user": ids[1], "do": "press", "label": "Send", "message": answers[1]["message"]},
    ]);
    let answering = async {
        for _ in 0..2 {
            let heard = gateway.interaction().await;
            rest.answer(&heard, &json!({"type": 4, "data": {"content": "done", "flags": 64}})).await;
        }
    };
    let ((status, told), ()) =
        tokio::join!(post("/burst", json!({"acts": next, "every_us": 1000})), answering);
    assert_eq!(status, 200, "{told}");
    assert!(told["answers"][1]["text"].as_str().is_some_and(|text| text.ends_with("done")), "{told}");
    // After a deferral, the burst reports the follow-up message.
    let press = json!([{"user": ids[1], "do": "press", "label": "Send", "message": answers[1]["message"]}]);
    let answering = async {
        let heard = gateway.interaction().await;
        rest.answer(&heard, &json!({"type": 6})).await;
        let refusal = json!({"content": "not now", "flags": 64});
        assert_eq!(rest.post(&webhook(&heard, ""), &refusal).await.0, 200);
    };
    let ((_, told), ()) = tokio::join!(post("/burst", json!({"acts": press})), answering);
    assert_eq!(told["answers"][0]["kind"], json!("DeferredUpdate"));
    assert!(told["answers"][0]["text"].as_str().is_some_and(|text| text.ends_with("not now")), "{told}");
    // The form is closed, so Discord's client would have nothing to send.
    let (status, told) =
        post("/burst", json!({"acts": [{"user": ids[0], "do": "submit", "fields": {}}]})).await;
    assert_eq!((status, &told["error"]), (409, &json!("no form is open")));
}

#[tokio::test]
async fn where_nothing_is_refused_the_headers_speak_of_no_limit_that_a_client_would_heed() {
    let env = TestEnv::new().await;
    let rest = env.rest();
    let channel = env.guild.channel("general").id;
    for text in 0..7 {
        let path = format!("/channels/{channel}/messages");
        let sent = rest.send(reqwest::Method::POST, &path, Some(&json!({"content": text.to_string()}))).await;
        let left =
            sent.headers()["x-ratelimit-remaining"].to_str().expect("text").parse::<u64>().expect("a number");
        assert!(sent.status().is_success() && left > 1000, "{left}");
    }
}
