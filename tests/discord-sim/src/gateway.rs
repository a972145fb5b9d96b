//! The gateway: HELLO, IDENTIFY, heartbeats, RESUME with replay, and dispatch by intents and shard.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use axum::extract::ws::{CloseFrame, Message, WebSocket};
use futures::SinkExt as _;
use serde_json::{Value, json};
use tokio::sync::mpsc;

use crate::faults::Effect;
use crate::ids::{Id, random_hex};
use crate::members::GUILD_MEMBERS;
use crate::objects;
use crate::server::Sim;
use crate::state::{Outgoing, Session, SimState};

/// The number of client events that a connection may send in 60 s.
const EVENTS_PER_MINUTE: usize = 120;
/// The number of dispatches that are kept for a replay.
const REPLAY: usize = 5_000;

/// Serves one connection until either side ends it.
pub(crate) async fn serve(sim: Sim, mut socket: WebSocket, version: Option<String>) {
    if version.is_some_and(|asked| asked != "10" && asked != "9") {
        return close(&mut socket, 4012).await;
    }
    let interval_ms = sim.options().heartbeat_interval_ms;
    let hello = json!({"op": 10, "d": {"heartbeat_interval": interval_ms}, "s": null, "t": null});
    if socket.send(Message::Text(hello.to_string().into())).await.is_err() {
        return;
    }
    let (sender, mut outgoing) = mpsc::unbounded_channel();
    let mut talk = Talk { sim, sender, session: None, is_ahead: false, recent: VecDeque::new() };
    talk.opens_at_once();
    // A client that is silent for this long is disconnected (Discord allows about one and a half intervals).
    let patience = Duration::from_millis(interval_ms * 3 / 2 + 5_000);
    let code = loop {
        tokio::select! {
            told = outgoing.recv() => match told {
                Some(Outgoing::Frame(text)) => if socket.send(Message::Text(text.into())).await.is_err() { break None },
                Some(Outgoing::Close(code)) => break Some(code),
                None => break None,
            },
            heard = tokio::time::timeout(patience, socket.recv()) => match heard {
                Err(_) => break Some(4009),
                Ok(None | Some(Err(_))) => break None,
                Ok(Some(Ok(message))) => if let Some(code) = talk.hear(&message) { break code },
            },
        }
    };
    // Frames that are already queued are sent before the close.
    while let Ok(Outgoing::Frame(text)) = outgoing.try_recv() {
        if socket.send(Message::Text(text.into())).await.is_err() {
            break;
        }
    }
    talk.end();
    match code {
        Some(code) => close(&mut socket, code).await,
        // A close frame is answered with a close frame (RFC 6455 section 5.5.1). It is queued, and the client waits for it.
        None => drop(socket.flush().await),
    }
}

async fn close(socket: &mut WebSocket, code: u16) {
    let frame = CloseFrame { code, reason: reason(code).into() };
    // The peer may have disconnected already, so an error is ignored.
    drop(socket.send(Message::Close(Some(frame))).await);
}

fn reason(code: u16) -> &'static str {
    match code {
        4001 => "Unknown opcode.",
        4002 => "Error while decoding payload.",
        4003 => "Not authenticated.",
        4004 => "Authentication failed.",
        4005 => "Already authenticated.",
        4007 => "Invalid seq.",
        4008 => "You are being rate limited.",
        4009 => "Session timed out.",
        4010 => "Invalid shard.",
        4011 => "Sharding required.",
        4012 => "Invalid API version.",
        4013 => "Invalid intent(s).",
        4014 => "Disallowed intent(s).",
        _ => "",
    }
}

/// One connection.
struct Talk {
    sim: Sim,
    sender: mpsc::UnboundedSender<Outgoing>,
    session: Option<String>,
    /// Whether READY was sent before the IDENTIFY that asks for it.
    is_ahead: bool,
    recent: VecDeque<std::time::Instant>,
}

impl Talk {
    /// Handles a frame. `Some(code)` ends the connection, with a close frame when there is a code.
    #[expect(clippy::option_option, reason = "`Some(None)` is an end without a close frame")]
    fn hear(&mut self, message: &Message) -> Option<Option<u16>> {
        let bytes: &[u8] = match message {
            Message::Text(text) => text.as_bytes(),
            Message::Binary(bytes) => bytes,
            Message::Ping(_) | Message::Pong(_) => return None,
            Message::Close(frame) => {
                // 1000 and 1001 end the session; any other close leaves it for a RESUME.
                if frame.as_ref().is_none_or(|frame| matches!(frame.code, 1000 | 1001))
                    && let Some(session) = self.session.take()
                {
                    self.sim.change(|state| state.sessions.remove(&session));
                }
                return Some(None);
            }
        };
        let now = std::time::Instant::now();
        self.recent.retain(|at| now.duration_since(*at) < Duration::from_mins(1));
        self.recent.push_back(now);
        if self.recent.len() > EVENTS_PER_MINUTE {
            return Some(Some(4008));
        }
        if bytes.len() > 4096 {
            return Some(Some(4002));
        }
        let Ok(payload) = serde_json::from_slice::<Value>(bytes) else {
            return Some(Some(4002));
        };
        let data = &payload["d"];
        match payload["op"].as_u64() {
            Some(1) => self.acknowledge(),
            Some(2) => return self.refused().or_else(|| self.identify(data).err()).map(Some),
            Some(6) => return self.refused().or_else(|| self.resume(data).err()).map(Some),
            Some(3 | 4 | 8 | 31 | 43) if self.session.is_none() => return Some(Some(4003)),
            Some(3 | 4 | 31 | 43) => {}
            Some(8) => self.request_members(data),
            _ => return Some(Some(4001)),
        }
        None
    }

    fn say(&self, payload: &Value) {
        // A closed channel means that the connection is ending.
        drop(self.sender.send(Outgoing::Frame(payload.to_string())));
    }

    fn acknowledge(&self) {
        let missed = self.sim.change(|state| state.faults.take("*", |effect| *effect == Effect::MissAck));
        if missed.is_none() {
            self.say(&json!({"op": 11, "d": null, "s": null, "t": null}));
        }
    }

    /// The close code with which a test refuses the session.
    fn refused(&self) -> Option<u16> {
        let taken = self
            .sim
            .change(|state| state.faults.take("*", |effect| matches!(effect, Effect::IdentifyRefuse { .. })));
        taken.and_then(|effect| if let Effect::IdentifyRefuse { code } = effect { Some(code) } else { None })
    }

    /// Opens the session of the only bot without its IDENTIFY, if a test wants that.
    fn opens_at_once(&mut self) {
        let (sender, name) = (self.sender.clone(), random_hex(16));
        let is_open = self.sim.change(|state| {
            state.faults.take("*", |effect| *effect == Effect::ReadyAtOnce)?;
            let (id, allowed) = state.apps.values().next().map(|app| (app.id, app.allowed_intents))?;
            state.open_session(&name, id, allowed, (0, 1), sender);
            Some(())
        });
        if is_open.is_some() {
            self.session = Some(name);
            self.is_ahead = true;
        }
    }

    fn identify(&mut self, data: &Value) -> Result<(), u16> {
        if std::mem::take(&mut self.is_ahead) {
            return Ok(());
        }
        if self.session.is_some() {
            return Err(4005);
        }
        let intents = data["intents"].as_u64().ok_or(4013_u16)?;
        let shard = (data["shard"][0].as_u64().unwrap_or(0), data["shard"][1].as_u64().unwrap_or(1));
        if shard.0 >= shard.1 {
            return Err(4010);
        }
        let token = data["token"].as_str().unwrap_or_default();
        let token = token.strip_prefix("Bot ").unwrap_or(token);
        let (sender, name) = (self.sender.clone(), random_hex(16));
        self.session = Some(name.clone());
        let checked = self.sim.change(|state| {
            let app = state.app_by_token(token).ok_or(4004_u16)?;
            let (id, allowed) = (app.id, app.allowed_intents);
            if intents >> 26 != 0 {
                return Err(4013);
            }
            if intents & !allowed != 0 {
                return Err(4014);
            }
            state.open_session(&name, id, intents, shard, sender);
            Ok(())
        });
        if checked.is_err() {
            self.session = None;
        }
        checked
    }

    fn resume(&mut self, data: &Value) -> Result<(), u16> {
        if self.session.is_some() {
            return Err(4005);
        }
        let token = data["token"].as_str().unwrap_or_default();
        let token = token.strip_prefix("Bot ").unwrap_or(token);
        let (name, seq) =
            (data["session_id"].as_str().unwrap_or_default(), data["seq"].as_u64().unwrap_or(0));
        let sender = self.sender.clone();
        let resumed = self.sim.change(|state| {
            let app = state.app_by_token(token).map(|app| app.id).ok_or(4004_u16)?;
            state.resume_session(name, app, seq, sender)
        })?;
        if resumed {
            self.session = Some(name.to_owned());
        } else {
            self.say(&json!({"op": 9, "d": false, "s": null, "t": null}));
        }
        Ok(())
    }

    fn request_members(&self, data: &Value) {
        let Some(session) = self.session.clone() else {
            return;
        };
        self.sim.change(|state| state.send_chunks(&session, data));
    }

    /// Detaches the session from its connection, for a RESUME.
    fn end(&mut self) {
        let Some(name) = self.session.take() else { return };
        let sender = self.sender.clone();
        self.sim.change(|state| {
            if let Some(session) = state.sessions.get_mut(&name)
                && session.connection.iter().chain(&session.held).any(|other| other.same_channel(&sender))
            {
                session.connection = None;
                session.held = None;
            }
        });
    }
}

impl Session {
    /// Numbers a dispatch, keeps it for a replay, and sends it if a client is connected.
    fn send(&mut self, event: &str, payload: &Value) {
        self.seq += 1;
        let text = json!({"op": 0, "t": event, "s": self.seq, "d": payload}).to_string();
        self.sent.push_back((self.seq, text.clone()));
        if self.sent.len() > REPLAY {
            self.sent.pop_front();
        }
        if let Some(connection) = &self.connection {
            drop(connection.send(Outgoing::Frame(text)));
        }
    }
}

impl SimState {
    fn open_session(
        &mut self,
        name: &str,
        app: Id,
        intents: u64,
        shard: (u64, u64),
        sender: mpsc::UnboundedSender<Outgoing>,
    ) {
        let Some(found) = self.apps.get(&app).cloned() else {
            return;
        };
        let guilds: Vec<Id> = self
            .guilds
            .values()
            .filter(|g| g.members.contains_key(&found.user) && (g.id.0 >> 22) % shard.1 == shard.0)
            .map(|g| g.id)
            .collect();
        let unavailable: Vec<Value> =
            guilds.iter().map(|id| json!({"id": id, "unavailable": true})).collect();
        let ready = json!({
            "v": 10, "user": objects::own_user(self, found.user), "guilds": unavailable,
            "session_id": name, "resume_gateway_url": self.gateway_url, "session_type": "normal",
            "shard": [shard.0, shard.1], "private_channels": [], "relationships": [], "user_settings": {},
            "user_settings_proto": null, "presences": [], "guild_join_requests": [], "geo_ordered_rtc_regions": [],
            "application": {"id": app, "flags": objects::application_flags(found.allowed_intents)},
            "_trace": ["[\"discord-sim\",{\"micros\":0}]"],
        });
        let mut session = Session {
            app,
            intents,
            shard,
            seq: 0,
            sent: VecDeque::new(),
            connection: Some(sender),
            held: None,
            member_requests: BTreeMap::new(),
        };
        if self.faults.take("*", |effect| *effect == Effect::ReadyHeld).is_some() {
            session.held = session.connection.take();
        }
        let is_twice = self.faults.take("*", |effect| *effect == Effect::ReadyTwice).is_some();
        let times = if is_twice { 2 } else { 1 };
        for _ in 0..times {
            session.send("READY", &ready);
            if intents & 1 != 0 {
                for guild in guilds.iter().filter_map(|id| self.guilds.get(id)) {
                    session.send("GUILD_CREATE", &objects::guild_create(self, guild, found.user));
                }
            }
        }
        self.sessions.insert(name.to_owned(), session);
        self.record.identified_ms = Some(self.now_ms());
        self.note_gateway(format!("{} identified", found.name));
    }

    /// Sends what held sessions have to send, READY first.
    pub(crate) fn release_sessions(&mut self) {
        for session in self.sessions.values_mut() {
            let Some(connection) = session.held.take() else { continue };
            for (_, text) in &session.sent {
                drop(connection.send(Outgoing::Frame(text.clone())));
            }
            session.connection = Some(connection);
        }
    }

    fn resume_session(
        &mut self,
        name: &str,
        app: Id,
        seq: u64,
        sender: mpsc::UnboundedSender<Outgoing>,
    ) -> Result<bool, u16> {
        let Some(session) = self.sessions.get_mut(name).filter(|session| session.app == app) else {
            return Ok(false);
        };
        if seq > session.seq {
            self.sessions.remove(name);
            return Err(4007);
        }
        let oldest = session.sent.front().map_or(session.seq + 1, |(first, _)| *first);
        if seq == 0 || seq + 1 < oldest {
            self.sessions.remove(name);
            return Ok(false);
        }
        for (_, text) in session.sent.iter().filter(|(number, _)| *number > seq) {
            drop(sender.send(Outgoing::Frame(text.clone())));
        }
        session.connection = Some(sender);
        session.send("RESUMED", &json!({"_trace": []}));
        self.note_gateway(format!("session resumed from {seq}"));
        Ok(true)
    }

    /// Sends an event to one application: to the matching shard, if its intents cover the event.
    pub(crate) fn dispatch_to(
        &mut self,
        app: Id,
        event: &str,
        payload: &Value,
        intent: u64,
        guild: Option<Id>,
    ) {
        for session in self.sessions.values_mut().filter(|session| session.app == app) {
            let shard = guild.map_or(0, |id| (id.0 >> 22) % session.shard.1);
            if shard == session.shard.0 && (intent == 0 || session.intents & intent != 0) {
                session.send(event, payload);
            }
        }
    }

    /// Sends a frame that is no dispatch to every connection.
    pub(crate) fn tell_connections(&mut self, make: impl Fn() -> Outgoing) {
        for session in self.sessions.values_mut() {
            if let Some(connection) = &session.connection {
                drop(connection.send(make()));
            }
        }
    }

    fn send_chunks(&mut self, name: &str, data: &Value) {
        let now_ms = self.now_ms();
        let first = if data["guild_id"].is_array() { &data["guild_id"][0] } else { &data["guild_id"] };
        let Some(guild) = Id::of(first) else { return };
        let Some((app, intents)) = self.sessions.get(name).map(|s| (s.app, s.intents)) else {
            return;
        };
        let bot = self.apps.get(&app).map(|app| app.user);
        let Some(found) =
            self.guilds.get(&guild).filter(|g| bot.is_some_and(|id| g.members.contains_key(&id)))
        else {
            return;
        };
        let nonce = data["nonce"].as_str().filter(|nonce| nonce.len() <= 32).map(str::to_owned);
        let ids: Vec<Id> = match &data["user_ids"] {
            Value::Array(list) => list.iter().filter_map(Id::of).take(100).collect(),
            one @ (Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Object(_)) => {
                Id::of(one).into_iter().collect()
            }
        };
        let query = data["query"].as_str().unwrap_or_default().to_lowercase();
        let limit = data["limit"].as_u64().unwrap_or(0) as usize;
        let everybody = ids.is_empty() && query.is_empty() && limit == 0;
        if everybody && intents & GUILD_MEMBERS == 0 {
            return;
        }
        let members: Vec<Value> = found
            .members
            .values()
            .filter(|member| {
                let name = self.users.get(&member.user).map_or("", |user| &user.username);
                if ids.is_empty() {
                    name.to_lowercase().starts_with(&query)
                } else {
                    ids.contains(&member.user)
                }
            })
            .take(if limit == 0 { usize::MAX } else { limit.min(100) })
            .map(|member| objects::member(self, member))
            .collect();
        let missing: Vec<Id> = ids.into_iter().filter(|id| !found.members.contains_key(id)).collect();
        let Some(session) = self.sessions.get_mut(name) else {
            return;
        };
        if everybody {
            let last = session.member_requests.insert(guild, now_ms).unwrap_or(i64::MIN / 2);
            if now_ms - last < 30_000 {
                session.member_requests.insert(guild, last);
                #[expect(clippy::cast_precision_loss, reason = "at most 30 s, in milliseconds")]
                let wait = (30_000 - (now_ms - last)) as f64 / 1000.0;
                let meta = json!({"guild_id": guild, "nonce": nonce});
                session.send("RATE_LIMITED", &json!({"opcode": 8, "retry_after": wait, "meta": meta}));
                return;
            }
        }
        let chunks: Vec<&[Value]> =
            if members.is_empty() { vec![&[]] } else { members.chunks(1000).collect() };
        for (index, chunk) in chunks.iter().enumerate() {
            let mut payload = json!({"guild_id": guild, "members": chunk, "chunk_index": index,
                "chunk_count": chunks.len(), "not_found": missing});
            if let Some(nonce) = &nonce {
                payload["nonce"] = json!(nonce);
            }
            session.send("GUILD_MEMBERS_CHUNK", &payload);
        }
    }
}
