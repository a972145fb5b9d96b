//! Checks against independent sources: twilight's strict models and limits, and Discord's own OpenAPI document if it is available.

use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use twilight_model::application::interaction::Interaction;
use twilight_model::channel::Message;
use twilight_model::channel::message::Embed;
use twilight_model::gateway::payload::incoming::{MemberUpdate, Ready};
use twilight_model::guild::{Guild, Member, Role};

use crate::client::{Rest, TestEnv};

pub(crate) fn reads<T: DeserializeOwned>(what: &str, value: &Value) -> T {
    T::deserialize(value).unwrap_or_else(|error| panic!("twilight cannot read {what}: {error}\n{value:#}"))
}

/// Creates an interaction of every kind and answers each.
async fn interactions(env: &TestEnv) -> Vec<Value> {
    let mut gateway = env.connect().await;
    let rest = Rest::new(&env.sim, None);
    let answers = [
        json!({"type": 4, "data": {"content": "press", "flags": 64, "components": [{"type": 1, "components": [
            {"type": 2, "style": 1, "label": "Open", "custom_id": "open"}]}]}}),
        json!({"type": 9, "data": {"custom_id": "form", "title": "Form", "components": [{"type": 1, "components": [
            {"type": 4, "custom_id": "name", "label": "Name", "style": 1}]}]}}),
        json!({"type": 7, "data": {"content": "done", "components": []}}),
    ];
    let deeds = async {
        env.ada.runs("/account look user:grace").await;
        env.ada.presses("Open").await;
        env.ada.submits(&[("name", "Ada")]).await
    };
    let bot = async {
        let mut heard = Vec::new();
        for answer in &answers {
            let interaction = gateway.interaction().await;
            let (status, body) = rest.answer(&interaction, answer).await;
            assert_eq!(status, 204, "{body}");
            heard.push(interaction);
        }
        heard
    };
    let (last, mut heard) = tokio::join!(deeds, bot);
    assert!(last.text.ends_with("done"), "{last}");
    heard.extend(gateway.frames.iter().filter(|frame| frame["t"] == "READY").map(|frame| frame["d"].clone()));
    heard.extend(gateway.frames.iter().filter(|frame| frame["t"] == "GUILD_CREATE").map(|f| f["d"].clone()));
    env.ada.gains("moderator");
    heard.push(gateway.event("GUILD_MEMBER_UPDATE").await);
    heard
}

#[tokio::test]
async fn twilight_reads_every_payload() {
    let env = TestEnv::new().await;
    let heard = interactions(&env).await;
    for interaction in &heard[..3] {
        let read: Interaction = reads("an interaction", interaction);
        assert!(read.data.is_some() && read.member.is_some() && read.channel.is_some());
    }
    assert!(reads::<Interaction>("a press", &heard[1]).message.is_some());
    assert_eq!(heard[0]["data"]["options"][0]["options"][0]["value"], env.grace.id().to_string());
    assert!(heard[0]["data"]["resolved"]["members"][env.grace.id().to_string()].is_object());
    reads::<Ready>("READY", &heard[3]);
    assert_eq!(reads::<Guild>("GUILD_CREATE", &heard[4]).members.len(), 1);
    reads::<MemberUpdate>("GUILD_MEMBER_UPDATE", &heard[5]);
    let rest = env.rest();
    let guild = format!("/guilds/{}", env.guild.id);
    reads::<Member>("a member", &rest.get(&format!("{guild}/members/{}", env.ada.id())).await.1);
    reads::<Vec<Role>>("roles", &rest.get(&format!("{guild}/roles")).await.1);
    let path = format!("/channels/{}/messages", env.guild.channel("general").id);
    let embed = json!({"title": "t", "fields": [{"name": "n", "value": "v", "inline": true}]});
    let (_, sent) = rest.post(&path, &json!({"content": "x", "embeds": [embed]})).await;
    reads::<Message>("a message", &sent);
    reads::<Vec<Message>>("messages", &rest.get(&path).await.1);
}

/// What twilight's limits refuse is refused here with 50035, and what they allow is accepted.
#[tokio::test]
async fn the_limits_of_messages_agree_with_twilights() {
    let env = TestEnv::new().await;
    let rest = env.rest();
    let path = format!("/channels/{}/messages", env.guild.channel("general").id);
    let text = |count: usize| "é".repeat(count);
    for count in [1, 2000, 2001] {
        let taken = rest.post(&path, &json!({"content": text(count)})).await.0 == 200;
        assert_eq!(taken, twilight_validate::message::content(text(count)).is_ok(), "content of {count}");
    }
    let field =
        |name: usize, value: usize| json!({"name": text(name), "value": text(value), "inline": false});
    let many = |count: usize| vec![field(1, 1); count];
    for embed in [
        json!({"title": text(256)}),
        json!({"title": text(257)}),
        json!({"description": text(4096)}),
        json!({"description": text(4097)}),
        json!({"fields": [field(256, 1024)]}),
        json!({"fields": [field(257, 1)]}),
        json!({"fields": [field(1, 1025)]}),
        json!({"fields": many(25)}),
        json!({"fields": many(26)}),
        json!({"footer": {"text": text(2048)}, "title": "t"}),
        json!({"footer": {"text": text(2049)}, "title": "t"}),
        json!({"author": {"name": text(257)}, "title": "t"}),
        json!({"description": text(4096), "footer": {"text": text(1904)}}),
        json!({"description": text(4096), "footer": {"text": text(1905)}}),
    ] {
        let mut full = embed.clone();
        full["type"] = json!("rich");
        if full.get("fields").is_none() {
            full["fields"] = json!([]);
        }
        let judged = twilight_validate::embed::embed(&reads::<Embed>("an embed", &full)).is_ok();
        let (status, body) = rest.post(&path, &json!({"embeds": [embed]})).await;
        assert_eq!(status == 200, judged, "{status} {body} for {}", full.to_string().len());
    }
}

#[tokio::test]
async fn the_limits_of_components_agree_with_twilights() {
    let env = TestEnv::new().await;
    let rest = env.rest();
    let path = format!("/channels/{}/messages", env.guild.channel("general").id);
    let button = |label: usize, id: usize| json!({"type": 2, "style": 1, "label": "l".repeat(label), "custom_id": "c".repeat(id), "disabled": false});
    let row = |parts: Vec<Value>| json!({"type": 1, "components": parts});
    let buttons = |count: usize| (1..=count).map(|id| button(1, id)).collect::<Vec<_>>();
    let option = |label: usize| json!({"label": "l".repeat(label), "value": "v", "default": false});
    let select =
        |label: usize| json!({"type": 3, "custom_id": "s", "disabled": false, "options": [option(label)]});
    for parts in [
        vec![button(80, 100)],
        vec![button(81, 1)],
        vec![button(1, 101)],
        buttons(5),
        buttons(6),
        vec![select(100)],
        vec![select(101)],
    ] {
        let row = row(parts);
        let read = reads::<twilight_model::channel::message::Component>("a row", &row);
        let judged = twilight_validate::component::component_v1(&read).is_ok();
        let (status, body) = rest.post(&path, &json!({"content": "x", "components": [row]})).await;
        assert_eq!(status == 200, judged, "{status} {body}");
    }
    let twice = row(vec![button(1, 1), button(1, 1)]);
    let (status, body) = rest.post(&path, &json!({"content": "x", "components": [twice]})).await;
    assert_eq!(status, 400);
    let fault = &body["errors"]["components"]["0"]["components"]["1"]["custom_id"]["_errors"][0]["code"];
    assert_eq!(fault, "COMPONENT_CUSTOM_ID_DUPLICATED");
    let (_, empty) = rest.post(&path, &json!({"content": ""})).await;
    assert_eq!(empty["code"], 50006);
}

#[tokio::test]
async fn the_limits_of_commands_agree_with_twilights() {
    let env = TestEnv::new().await;
    let rest = env.rest();
    let path = format!("/applications/{}/commands", env.bot.application_id());
    let option = |name: &str, required: bool| json!({"type": 3, "name": name, "description": "d", "required": required});
    let command = |name: &str, description: &str, options: Value| json!({"type": 1, "name": name, "description": description, "options": options});
    let numbered: Vec<Value> = (0..26).map(|number| option(&format!("o{number}"), false)).collect();
    for asked in [
        command("account", "d", json!([])),
        command("Account", "d", json!([])),
        command("two words", "d", json!([])),
        command(&"x".repeat(32), &"d".repeat(100), json!([])),
        command(&"x".repeat(33), "d", json!([])),
        command("x", &"d".repeat(101), json!([])),
        command("x", "", json!([])),
        command("x", "d", json!([option("a", true), option("b", false)])),
        command("x", "d", json!([option("a", false), option("b", true)])),
        command("x", "d", json!([option("a", false), option("a", false)])),
        command("x", "d", json!(numbered[..25])),
        command("x", "d", json!(numbered)),
        command("größe-ключ", "d", json!([])),
    ] {
        let mut full = asked.clone();
        full["version"] = json!("1");
        full["default_member_permissions"] = Value::Null;
        let read = reads::<twilight_model::application::command::Command>("a command", &full);
        let judged = twilight_validate::command::command(&read).is_ok()
            && twilight_validate::command::options(&read.options).is_ok();
        let (status, body) = rest.put(&path, &json!([asked])).await;
        assert_eq!(status == 200, judged, "{status} {body} for {asked}");
    }
}

/// Allows a numeric string for every integer, because ids and bit sets are strings.
fn relax(schema: &mut Value) {
    if let Some(map) = schema.as_object_mut() {
        if let Some(kind) = map.get_mut("type") {
            let mut kinds: Vec<Value> = kind.as_array().cloned().unwrap_or_else(|| vec![kind.clone()]);
            if kinds.contains(&json!("integer")) && !kinds.contains(&json!("string")) {
                kinds.push(json!("string"));
                *kind = Value::Array(kinds);
            }
        }
        for inner in map.values_mut() {
            relax(inner);
        }
    } else if let Some(list) = schema.as_array_mut() {
        for inner in list {
            relax(inner);
        }
    }
}

/// The violations of the specification that a value contains, at a place of the document such as `/paths/...`.
pub(crate) fn faults(document: &Value, place: &str, value: &Value) -> Vec<String> {
    let schema = document.pointer(place).unwrap_or_else(|| panic!("the OpenAPI has no {place}"));
    let whole = json!({"components": document["components"], "allOf": [schema]});
    let validator = jsonschema::options()
        .with_draft(jsonschema::Draft::Draft202012)
        .build(&whole)
        .unwrap_or_else(|error| panic!("the schema at {place} is unusable: {error}"));
    validator.iter_errors(value).map(|error| format!("{}: {error}", error.instance_path())).collect()
}

#[expect(clippy::print_stderr, reason = "a judge that was not heard must be seen in the output of the tests")]
#[expect(clippy::disallowed_methods, reason = "this variable is the one way to tell where the OpenAPI lies")]
pub(crate) fn openapi() -> Option<Value> {
    let Some(path) = std::env::var_os("DISCORD_OPENAPI").filter(|path| !path.is_empty()) else {
        eprintln!("NOT HEARD: Discord's OpenAPI (DISCORD_OPENAPI is unset), so no answer was judged by it");
        return None;
    };
    let text = std::fs::read_to_string(path).expect("DISCORD_OPENAPI names a readable file");
    let mut document: Value = serde_json::from_str(&text).expect("the OpenAPI is JSON");
    relax(&mut document);
    Some(document)
}

#[tokio::test]
async fn discords_openapi_accepts_the_answers() {
    let Some(document) = openapi() else { return };
    let env = TestEnv::new().await;
    let heard = interactions(&env).await;
    let rest = env.rest();
    let (guild, channel, app) = (env.guild.id, env.guild.channel("general").id, env.bot.application_id());
    let (_, sent) = rest.post(&format!("/channels/{channel}/messages"), &json!({"content": "x"})).await;
    let message = sent["id"].as_str().expect("an id");
    let (ada, token) = (env.ada.id(), heard[0]["token"].as_str().expect("a token"));
    rest.post("/users/@me/channels", &json!({"recipient_id": ada})).await;
    let mut all = Vec::new();
    for (template, path) in [
        ("/gateway", "/gateway".to_owned()),
        ("/gateway/bot", "/gateway/bot".to_owned()),
        ("/users/@me", "/users/@me".to_owned()),
        ("/oauth2/applications/@me", "/oauth2/applications/@me".to_owned()),
        ("/applications/{application_id}/commands", format!("/applications/{app}/commands")),
        ("/guilds/{guild_id}", format!("/guilds/{guild}")),
        ("/guilds/{guild_id}/roles", format!("/guilds/{guild}/roles")),
        ("/guilds/{guild_id}/channels", format!("/guilds/{guild}/channels")),
        ("/guilds/{guild_id}/members", format!("/guilds/{guild}/members?limit=10")),
        ("/guilds/{guild_id}/members/{user_id}", format!("/guilds/{guild}/members/{ada}")),
        ("/guilds/{guild_id}/bans", format!("/guilds/{guild}/bans")),
        ("/channels/{channel_id}", format!("/channels/{channel}")),
        ("/channels/{channel_id}/messages", format!("/channels/{channel}/messages")),
        ("/channels/{channel_id}/messages/{message_id}", format!("/channels/{channel}/messages/{message}")),
        (
            "/webhooks/{webhook_id}/{webhook_token}/messages/@original",
            format!("/webhooks/{app}/{token}/messages/@original"),
        ),
    ] {
        let (status, body) = rest.get(&path).await;
        assert_eq!(status, 200, "{path}: {body}");
        let escaped = template.replace('~', "~0").replace('/', "~1");
        let place = format!("/paths/{escaped}/get/responses/200/content/application~1json/schema");
        let found = faults(&document, &place, &body);
        all.extend(found.into_iter().map(|fault| format!("{template}: {fault}")));
    }
    assert!(all.is_empty(), "{all:#?}");
}
