//! A small bot, written against Discord's documentation: websocket and HTTP, without any code of the simulator.

use std::time::Duration;

use discord_sim::{Bot, Guild, Options, Permissions, Person, Sim};
use futures::{SinkExt as _, StreamExt as _};
use reqwest::{Client, Method, StatusCode};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

/// `GUILDS`, `GUILD_MEMBERS`, `GUILD_MODERATION`: the intents that Accolade asks for.
pub(crate) const INTENTS: u64 = 1 | 1 << 1 | 1 << 2;
const TIME_LIMIT: Duration = Duration::from_secs(10);

/// A guild with a member, a moderator and a bot.
pub(crate) struct TestEnv {
    pub(crate) sim: Sim,
    pub(crate) bot: Bot,
    pub(crate) guild: Guild,
    pub(crate) ada: Person,
    pub(crate) grace: Person,
}

impl TestEnv {
    pub(crate) async fn new() -> Self {
        Self::with(Options { rate_limits: false, ..Options::default() }).await
    }

    pub(crate) async fn with(options: Options) -> Self {
        let sim = Sim::start(options).await.expect("the simulator starts");
        let bot = sim.bot("Accolade");
        let guild = sim
            .guild("Village")
            .role("member")
            .role_with("moderator", Permissions::KICK_MEMBERS)
            .channel("general")
            .private_channel("account-requests", &["moderator"])
            .person("ada", &["member"])
            .person("grace", &["member", "moderator"])
            .bot(&bot)
            .build();
        let (ada, grace) = (guild.member("ada"), guild.member("grace"));
        Self { sim, bot, guild, ada, grace }
    }

    /// A REST client with the bot's token.
    pub(crate) fn rest(&self) -> Rest {
        Rest::new(&self.sim, Some(self.bot.token()))
    }

    /// A connected bot with `/account request` and `/account look`.
    pub(crate) async fn connect(&self) -> Gateway {
        let option = |kind: u64, name: &str, options: Value| json!({"type": kind, "name": name, "description": name, "options": options});
        let look = json!([{"type": 6, "name": "user", "description": "whom", "required": true}]);
        let commands =
            json!([option(1, "account", json!([option(1, "request", json!([])), option(1, "look", look),]))]);
        let path = format!("/applications/{}/commands", self.bot.application_id());
        let (status, body) = self.rest().put(&path, &commands).await;
        assert_eq!(status, 200, "{body}");
        let mut gateway = Gateway::open(&self.sim).await;
        gateway.identify(&self.bot.token(), INTENTS).await;
        gateway.event("READY").await;
        gateway.event("GUILD_CREATE").await;
        gateway
    }
}

/// HTTP requests of a bot (or without a token, for interaction routes).
pub(crate) struct Rest {
    client: Client,
    base: String,
    token: Option<String>,
}

impl Rest {
    pub(crate) fn new(sim: &Sim, token: Option<String>) -> Self {
        // Another test of this process may have installed it already, which has the same effect.
        drop(rustls::crypto::ring::default_provider().install_default());
        Self { client: Client::new(), base: format!("{}/v10", sim.api_url()), token }
    }

    pub(crate) async fn send(&self, method: Method, path: &str, body: Option<&Value>) -> reqwest::Response {
        let mut request = self.client.request(method, format!("{}{path}", self.base));
        if let Some(token) = &self.token {
            request = request.header("Authorization", format!("Bot {token}"));
        }
        if let Some(body) = body {
            request = request.json(body);
        }
        request.send().await.expect("the simulator answers")
    }

    /// Sends a body with files, as Discord's reference describes.
    pub(crate) async fn send_files(
        &self,
        method: Method,
        path: &str,
        body: &Value,
        files: &[(&str, Vec<u8>)],
    ) -> (StatusCode, Value) {
        let mut form = reqwest::multipart::Form::new().text("payload_json", body.to_string());
        for (index, (name, bytes)) in files.iter().enumerate() {
            let part = reqwest::multipart::Part::bytes(bytes.clone()).file_name((*name).to_owned());
            form = form.part(format!("files[{index}]"), part);
        }
        let mut request = self.client.request(method, format!("{}{path}", self.base)).multipart(form);
        if let Some(token) = &self.token {
            request = request.header("Authorization", format!("Bot {token}"));
        }
        let response = request.send().await.expect("the simulator answers");
        (response.status(), response.json().await.unwrap_or(Value::Null))
    }

    async fn ask(&self, method: Method, path: &str, body: Option<&Value>) -> (StatusCode, Value) {
        let response = self.send(method, path, body).await;
        let status = response.status();
        (status, response.json().await.unwrap_or(Value::Null))
    }

    pub(crate) async fn get(&self, path: &str) -> (StatusCode, Value) {
        self.ask(Method::GET, path, None).await
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> (StatusCode, Value) {
        self.ask(Method::POST, path, Some(body)).await
    }

    pub(crate) async fn put(&self, path: &str, body: &Value) -> (StatusCode, Value) {
        self.ask(Method::PUT, path, Some(body)).await
    }

    pub(crate) async fn patch(&self, path: &str, body: &Value) -> (StatusCode, Value) {
        self.ask(Method::PATCH, path, Some(body)).await
    }

    pub(crate) async fn delete(&self, path: &str) -> (StatusCode, Value) {
        self.ask(Method::DELETE, path, None).await
    }

    /// Answers an interaction.
    pub(crate) async fn answer(&self, interaction: &Value, body: &Value) -> (StatusCode, Value) {
        let id = interaction["id"].as_str().expect("an id");
        let token = interaction["token"].as_str().expect("a token");
        self.post(&format!("/interactions/{id}/{token}/callback"), body).await
    }
}

/// The path of an interaction's webhook, followed by `rest`.
pub(crate) fn webhook(interaction: &Value, rest: &str) -> String {
    let app = interaction["application_id"].as_str().expect("an application");
    let token = interaction["token"].as_str().expect("a token");
    format!("/webhooks/{app}/{token}{rest}")
}

/// One gateway connection.
pub(crate) struct Gateway {
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
    /// The last sequence number.
    pub(crate) seq: u64,
    /// Every frame since HELLO.
    pub(crate) frames: Vec<Value>,
}

impl Gateway {
    pub(crate) async fn open(sim: &Sim) -> Self {
        Self::open_at(&format!("{}/?v=10", sim.gateway_url())).await
    }

    pub(crate) async fn open_at(url: &str) -> Self {
        let (socket, _) = connect_async(url).await.expect("the gateway accepts");
        let mut gateway = Self { socket, seq: 0, frames: Vec::new() };
        let hello = gateway.frame().await.expect("HELLO");
        assert_eq!(hello["op"], 10);
        assert!(hello["d"]["heartbeat_interval"].is_u64());
        gateway
    }

    pub(crate) async fn say(&mut self, payload: &Value) {
        self.socket.send(Message::text(payload.to_string())).await.expect("the gateway listens");
    }

    pub(crate) async fn say_binary(&mut self, payload: &Value) {
        self.socket.send(Message::binary(payload.to_string())).await.expect("the gateway listens");
    }

    pub(crate) async fn identify(&mut self, token: &str, intents: u64) {
        let data = json!({"token": format!("Bot {token}"), "intents": intents, "compress": true,
            "large_threshold": 250, "shard": [0, 1], "properties": {"os": "linux", "browser": "t", "device": "t"},
            "presence": {"status": "online", "afk": false, "activities": [],
                "since": {"secs_since_epoch": 1, "nanos_since_epoch": 2}}});
        self.say(&json!({"op": 2, "d": data})).await;
    }

    /// The next frame, or the code with which the gateway closed.
    pub(crate) async fn frame(&mut self) -> Result<Value, u16> {
        let next =
            tokio::time::timeout(TIME_LIMIT, self.socket.next()).await.expect("the gateway speaks in time");
        match next {
            Some(Ok(Message::Text(text))) => {
                let frame: Value = serde_json::from_str(&text).expect("frames are JSON");
                if let Some(seq) = frame["s"].as_u64() {
                    self.seq = seq;
                }
                self.frames.push(frame.clone());
                Ok(frame)
            }
            Some(Ok(Message::Close(Some(frame)))) => Err(frame.code.into()),
            other => panic!("neither frame nor close code: {other:?}"),
        }
    }

    /// Waits for a dispatch with this name; others may arrive before it.
    pub(crate) async fn event(&mut self, name: &str) -> Value {
        loop {
            let frame = self.frame().await.unwrap_or_else(|code| panic!("closed with {code} before {name}"));
            if frame["t"] == name {
                return frame["d"].clone();
            }
        }
    }

    pub(crate) async fn interaction(&mut self) -> Value {
        self.event("INTERACTION_CREATE").await
    }

    /// Sends a heartbeat and waits for its ACK. Returns the names of the dispatches before it.
    pub(crate) async fn events_so_far(&mut self) -> Vec<String> {
        self.say(&json!({"op": 1, "d": self.seq})).await;
        let mut names = Vec::new();
        loop {
            let frame = self.frame().await.expect("still open");
            if frame["op"] == 11 {
                return names;
            }
            names.extend(frame["t"].as_str().map(str::to_owned));
        }
    }

    /// Closes the connection without a close frame.
    pub(crate) fn breaks_off(self) -> u64 {
        self.seq
    }
}
