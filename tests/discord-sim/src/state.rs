//! The state of the simulated Discord. Plain data and lookups; the rules are in the other modules.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use serde_json::Value;
use tokio::sync::mpsc;

use crate::faults::Faults;
use crate::ids::Id;
use crate::interactions::OpenModal;
use crate::rate::RateBook;
use crate::record::Record;

/// A bot: one application, its bot user and its token.
#[derive(Debug, Clone)]
pub(crate) struct App {
    pub(crate) id: Id,
    pub(crate) user: Id,
    pub(crate) name: String,
    pub(crate) token: String,
    /// The intents that the application may ask for; others close the gateway with 4014.
    pub(crate) allowed_intents: u64,
    /// The address to which interactions are sent instead of the gateway, if any.
    pub(crate) interactions_url: Option<String>,
    pub(crate) global_commands: Vec<Value>,
    pub(crate) guild_commands: BTreeMap<Id, Vec<Value>>,
}

#[derive(Debug, Clone)]
pub(crate) struct User {
    pub(crate) id: Id,
    pub(crate) username: String,
    pub(crate) global_name: Option<String>,
    pub(crate) is_bot: bool,
    pub(crate) dms_open: bool,
    pub(crate) locale: String,
}

#[derive(Debug, Clone)]
pub(crate) struct Role {
    pub(crate) id: Id,
    pub(crate) name: String,
    pub(crate) position: i64,
    pub(crate) permissions: u64,
    pub(crate) managed: bool,
    /// The bot whose managed role this is, if any.
    pub(crate) bot: Option<Id>,
}

#[derive(Debug, Clone)]
pub(crate) struct Member {
    pub(crate) user: Id,
    pub(crate) nick: Option<String>,
    pub(crate) roles: Vec<Id>,
    pub(crate) joined_ms: i64,
    pub(crate) pending: bool,
    pub(crate) timeout_until_ms: Option<i64>,
}

#[derive(Debug, Clone)]
pub(crate) struct Guild {
    pub(crate) id: Id,
    pub(crate) name: String,
    pub(crate) owner: Id,
    pub(crate) roles: BTreeMap<Id, Role>,
    pub(crate) members: BTreeMap<Id, Member>,
    pub(crate) bans: BTreeMap<Id, Option<String>>,
    pub(crate) locale: String,
}

#[derive(Debug, Clone)]
pub(crate) struct Overwrite {
    pub(crate) id: Id,
    pub(crate) is_member: bool,
    pub(crate) allow: u64,
    pub(crate) deny: u64,
}

/// What a channel is, by Discord's number ("Channel Types" in its reference).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChannelKind(pub u64);

impl ChannelKind {
    /// A text channel.
    pub const TEXT: Self = Self(0);
    /// A direct message channel.
    pub const DIRECT: Self = Self(1);
    /// A voice channel.
    pub const VOICE: Self = Self(2);
    /// A category.
    pub const CATEGORY: Self = Self(4);
    /// An announcement channel.
    pub const ANNOUNCEMENT: Self = Self(5);
    /// A public thread.
    pub const THREAD: Self = Self(11);
    /// A forum.
    pub const FORUM: Self = Self(15);
    /// A media channel.
    pub const MEDIA: Self = Self(16);

    /// Whether Discord takes messages there.
    pub(crate) fn takes_messages(self) -> bool {
        !matches!(self, Self::CATEGORY | Self::FORUM | Self::MEDIA) && self.0 != 14
    }

    /// Threads are not in the list of a guild's channels.
    pub(crate) fn is_thread(self) -> bool {
        (10..=12).contains(&self.0)
    }
}

#[derive(Debug, Clone)]
pub(crate) struct Channel {
    pub(crate) id: Id,
    /// `None` for a direct message channel.
    pub(crate) guild: Option<Id>,
    pub(crate) name: String,
    pub(crate) position: i64,
    pub(crate) kind: ChannelKind,
    pub(crate) overwrites: Vec<Overwrite>,
    /// The person and the bot of a direct message channel.
    pub(crate) recipients: Vec<Id>,
}

#[derive(Debug, Clone)]
pub(crate) struct Message {
    pub(crate) id: Id,
    pub(crate) channel: Id,
    pub(crate) app: Id,
    pub(crate) content: String,
    pub(crate) embeds: Vec<Value>,
    pub(crate) components: Vec<Value>,
    pub(crate) attachments: Vec<Value>,
    pub(crate) flags: u64,
    /// The only person who sees it, if it is ephemeral.
    pub(crate) ephemeral_to: Option<Id>,
    pub(crate) nonce: Option<Value>,
    pub(crate) created_ms: i64,
    pub(crate) edited_ms: Option<i64>,
    pub(crate) pinged: Vec<Id>,
    pub(crate) interaction: Option<Id>,
    /// Incremented by every edit; compared with `seen`.
    pub(crate) version: u32,
    /// The version that each person has read last.
    pub(crate) seen: BTreeMap<Id, u32>,
    pub(crate) deleted: bool,
}

impl Message {
    pub(crate) const EPHEMERAL: u64 = 64;
    pub(crate) const LOADING: u64 = 128;

    pub(crate) fn is_loading(&self) -> bool {
        self.flags & Self::LOADING != 0
    }
}

/// The kind of a bot's first answer to an interaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Answered {
    Message,
    Deferred,
    DeferredUpdate,
    Update,
    Autocomplete,
    Modal,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum InteractionKind {
    Command,
    Component,
    Autocomplete,
    ModalSubmit,
}

#[derive(Debug, Clone)]
pub(crate) struct Interaction {
    pub(crate) id: Id,
    pub(crate) token: String,
    pub(crate) app: Id,
    pub(crate) user: Id,
    pub(crate) guild: Option<Id>,
    pub(crate) channel: Id,
    pub(crate) kind: InteractionKind,
    /// `/account request` or a custom id, to identify the interaction in the log.
    pub(crate) what: String,
    pub(crate) created_ms: i64,
    pub(crate) answered: Option<Answered>,
    pub(crate) answered_ms: Option<i64>,
    /// When it was handed to the gateway, by a clock that tests cannot move.
    pub(crate) sent_at: Instant,
    /// How long after that the first answer had arrived completely, before anything checked it.
    pub(crate) answered_after: Option<Duration>,
    /// Whether a follow-up, an edit or a deletion came after the first answer.
    pub(crate) is_followed_up: bool,
    /// The newest message that followed the first answer.
    pub(crate) follow_up: Option<Id>,
    /// The message that `@original` refers to.
    pub(crate) original: Option<Id>,
    /// The message whose component was used (also of the modal opened from it).
    pub(crate) source_message: Option<Id>,
    pub(crate) choices: Vec<Value>,
    pub(crate) failed: bool,
}

/// What a gateway connection has to send.
#[derive(Debug)]
pub(crate) enum Outgoing {
    Frame(String),
    Close(u16),
}

/// A gateway session, which outlives its connection for a RESUME.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) app: Id,
    pub(crate) intents: u64,
    pub(crate) shard: (u64, u64),
    pub(crate) seq: u64,
    /// The dispatches that were sent, for the replay.
    pub(crate) sent: VecDeque<(u64, String)>,
    pub(crate) connection: Option<mpsc::UnboundedSender<Outgoing>>,
    /// The connection of a session whose READY is held back.
    pub(crate) held: Option<mpsc::UnboundedSender<Outgoing>>,
    pub(crate) member_requests: BTreeMap<Id, i64>,
}

/// The whole state. One lock protects it; nothing waits while it holds the lock.
#[derive(Debug, Default)]
pub(crate) struct SimState {
    pub(crate) offset_ms: i64,
    /// The fixed value of real time while virtual time is stopped.
    pub(crate) stands_at_ms: Option<i64>,
    pub(crate) low_bits: u64,
    pub(crate) last_id: u64,
    pub(crate) apps: BTreeMap<Id, App>,
    pub(crate) users: BTreeMap<Id, User>,
    pub(crate) guilds: BTreeMap<Id, Guild>,
    pub(crate) channels: BTreeMap<Id, Channel>,
    pub(crate) messages: BTreeMap<Id, Message>,
    /// The content of the attached files, by the attachments' ids.
    pub(crate) files: BTreeMap<Id, Vec<u8>>,
    pub(crate) interactions: BTreeMap<Id, Interaction>,
    pub(crate) tokens: BTreeMap<String, Id>,
    pub(crate) sessions: BTreeMap<String, Session>,
    pub(crate) modals: BTreeMap<Id, OpenModal>,
    pub(crate) faults: Faults,
    pub(crate) rate: RateBook,
    pub(crate) record: Record,
    pub(crate) gateway_url: String,
}

/// Real time in Unix milliseconds.
pub(crate) fn real_ms() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as i64)
}

impl SimState {
    /// Removes all bots, guilds and people and resets virtual time to real time. Limits and addresses stay.
    pub(crate) fn reset(&mut self) {
        let enforced = self.rate.enforced;
        let gateway_url = std::mem::take(&mut self.gateway_url);
        self.tell_connections(|| Outgoing::Close(1001));
        *self = Self { gateway_url, ..Self::default() };
        self.rate.enforced = enforced;
    }

    /// Virtual time in Unix milliseconds.
    pub(crate) fn now_ms(&self) -> i64 {
        self.stands_at_ms.unwrap_or_else(real_ms) + self.offset_ms
    }

    /// A new snowflake of this moment, greater than every earlier one.
    pub(crate) fn new_id(&mut self) -> Id {
        let low = self.next_low_bits();
        let id = Id::at(self.now_ms(), low).0.max(self.last_id + 1);
        self.last_id = id;
        Id(id)
    }

    /// A snowflake of another moment, for accounts that are older than the test.
    pub(crate) fn id_made_at(&mut self, ms: i64) -> Id {
        let low = self.next_low_bits();
        Id::at(ms, low)
    }

    /// Starts at a random number, so that two simulators never create the same ids.
    fn next_low_bits(&mut self) -> u64 {
        if self.low_bits == 0 {
            self.low_bits = u64::from(rand::random::<u32>()) | 1 << 40;
        }
        self.low_bits += 1;
        self.low_bits
    }

    pub(crate) fn app_by_token(&self, token: &str) -> Option<&App> {
        self.apps.values().find(|app| app.token == token)
    }

    pub(crate) fn user_by_name(&self, name: &str) -> Option<Id> {
        let name = name.trim_start_matches('@');
        name.parse()
            .ok()
            .filter(|id| self.users.contains_key(id))
            .or_else(|| self.users.values().find(|user| user.username == name).map(|user| user.id))
    }

    pub(crate) fn channel_named(&self, guild: Id, name: &str) -> Option<Id> {
        let name = name.trim_start_matches('#');
        self.channels
            .values()
            .find(|channel| {
                channel.guild == Some(guild) && (channel.name == name || channel.id.to_string() == name)
            })
            .map(|channel| channel.id)
    }

    pub(crate) fn guild_by_name(&self, name: &str) -> Option<Id> {
        self.guilds.values().find(|guild| guild.name == name || guild.id.to_string() == name).map(|g| g.id)
    }

    /// The direct message channel of a person and a bot, which is created if there is none.
    pub(crate) fn dm_channel(&mut self, person: Id, bot: Id) -> Id {
        let found = self
            .channels
            .values()
            .find(|c| c.guild.is_none() && c.recipients.contains(&person) && c.recipients.contains(&bot));
        if let Some(channel) = found {
            return channel.id;
        }
        let id = self.new_id();
        let channel = Channel {
            id,
            guild: None,
            name: String::new(),
            position: 0,
            kind: ChannelKind::DIRECT,
            overwrites: Vec::new(),
            recipients: vec![person, bot],
        };
        self.channels.insert(id, channel);
        id
    }

    /// Whether a person and a bot share a guild.
    pub(crate) fn share_a_guild(&self, one: Id, other: Id) -> bool {
        self.guilds
            .values()
            .any(|guild| guild.members.contains_key(&one) && guild.members.contains_key(&other))
    }
}
