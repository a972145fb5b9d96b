//! The door to Discord, outgoing REST only: members, cards, direct messages, roles, and replies to interactions.
//!
//! What may not live here: sentences (`messages`), decisions (`accounts`, `domain`), SQL, and the gateway (`bot`).
//! Repeating after a failure is the worker's business. Start with [`Discord`]; [`reply`] answers interactions;
//! [`custom_id`] is what buttons carry; every message leaves through one helper that pings nobody.

mod client;
pub mod custom_id;
pub mod error;
mod guild_permissions;
pub mod inspect;
pub mod message;
pub mod modal;
mod rate_limit;
pub mod reply;

use std::num::NonZeroU64;
use std::sync::{Arc, OnceLock};

use serde::Deserialize;
use serenity::http::{Http, LightMethod, Request, Route};
use serenity::model::{guild::Member, id};

pub use error::{ConnectError, DiscordError};
pub use message::{Attachment, Button, ButtonStyle, OutgoingMessage, SendNonce, TEXT_MAX};
pub use modal::{FieldStyle, FormField, Modal, Need};
pub use reply::Reply;

use self::rate_limit::GlobalRateLimit;
use crate::clock::Clock;
use crate::config;
use crate::domain::ids::{ChannelId, DiscordUserId, GuildId, MessageId, RoleId, Timestamp};
use crate::domain::member::MemberFacts;

/// Discord asks for this shape, with an address ("User Agent" in its API reference). Accolade has no page of its own yet, and the
/// name of a page that does not exist would mislead whoever looks: this is the library's, as on all other calls of this bot.
const USER_AGENT: &str = serenity::constants::USER_AGENT;

/// The door. Clones share everything.
#[derive(Clone)]
pub struct Discord {
    inner: Arc<Inner>,
}

struct Inner {
    /// Everything but interactions, with serenity's limiter.
    http: Http,
    /// Interactions, without it.
    interactions: reqwest::Client,
    /// What the global limit asks of everything but interactions.
    hold: Arc<GlobalRateLimit>,
    config: config::Discord,
    clock: Arc<dyn Clock>,
    acquaintance: OnceLock<BotIdentity>,
}

/// What Discord has told of itself and of us.
#[derive(Debug)]
struct BotIdentity {
    gateway_url: String,
    bot_user_id: DiscordUserId,
}

impl std::fmt::Debug for Discord {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Discord").field("acquaintance", &self.inner.acquaintance).finish_non_exhaustive()
    }
}

/// How a direct message ended, where it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delivery {
    /// It stands in the person's direct messages.
    Sent {
        /// The channel of the two.
        channel_id: ChannelId,
        /// The message.
        message_id: MessageId,
    },
    /// The person takes no direct messages from the bot (50007, 50278): news waits in `/account status`.
    Closed,
}

/// One message of ours found in a channel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SeenMessage {
    /// Its id.
    pub id: MessageId,
    /// Who wrote it.
    pub author_id: DiscordUserId,
    /// The `custom_id`s of its buttons, as they stand there.
    pub custom_ids: Vec<String>,
}

/// Discord's codes (Opcodes and Status Codes, JSON error codes).
const UNKNOWN_MEMBER: i64 = 10007;
const UNKNOWN_USER: i64 = 10013;
const CANNOT_MESSAGE: i64 = 50007;
const NO_MUTUAL_GUILD: i64 = 50278;

impl Discord {
    /// Opens the door and asks who the bot is: [`Discord::open`], then [`Discord::greet`].
    pub async fn connect(config: &config::Discord, clock: Arc<dyn Clock>) -> Result<Self, ConnectError> {
        let discord = Self::open(config, clock)?;
        discord.greet().await?;
        Ok(discord)
    }

    /// Builds the clients; asks nobody.
    ///
    /// With `discord.endpoint` everything goes to that loopback address under its CA, and a gateway outside loopback is refused.
    pub fn open(config: &config::Discord, clock: Arc<dyn Clock>) -> Result<Self, ConnectError> {
        let interactions = client::build_transport(config)?;
        let hold = Arc::new(GlobalRateLimit::new(Arc::clone(&clock)));
        let http = client::build_http(config, &interactions, &hold)?;
        if let Some(endpoint) = &config.endpoint {
            tracing::warn!(
                endpoint.address = %endpoint.address,
                "NOT talking to Discord: discord.endpoint sends everything to another address; remove it in production"
            );
        }
        let inner =
            Inner { http, interactions, hold, config: config.clone(), clock, acquaintance: OnceLock::new() };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// Asks who the bot is and where the gateway is, which the gateway's session needs. Once is enough; safe to repeat.
    /// `GET /users/@me`, `GET /gateway`.
    pub async fn greet(&self) -> Result<(), ConnectError> {
        if self.inner.acquaintance.get().is_some() {
            return Ok(());
        }
        let http = &self.inner.http;
        let (me, gateway) = tokio::join!(http.get_current_user(), http.get_gateway());
        let me = me.map_err(|error| ConnectError::of_question("the bot's own user", error))?;
        // serenity would fall back to the real gateway if it could not ask; so we ask, and insist.
        let gateway = gateway.map_err(|error| ConnectError::of_question("the gateway", error))?;
        if self.inner.config.endpoint.is_some() && !client::is_on_loopback(&gateway.url) {
            return Err(ConnectError::GatewayNotLoopback);
        }
        // Somebody else may have asked at the same time: both heard the same.
        let _: &BotIdentity = self.inner.acquaintance.get_or_init(|| BotIdentity {
            gateway_url: gateway.url,
            bot_user_id: DiscordUserId::new(me.id.get()),
        });
        Ok(())
    }

    /// The bot's own user; `None` before [`Discord::greet`] succeeded.
    pub fn bot_user_id(&self) -> Option<DiscordUserId> {
        self.inner.acquaintance.get().map(|known| known.bot_user_id)
    }

    /// Where the gateway is, as Discord (or the endpoint) named it; `None` before [`Discord::greet`] succeeded.
    pub fn gateway_url(&self) -> Option<&str> {
        self.inner.acquaintance.get().map(|known| known.gateway_url.as_str())
    }

    /// A client for the gateway's library over the same transport: it insists on owning one.
    pub fn gateway_http(&self) -> Result<Http, ConnectError> {
        client::build_http(&self.inner.config, &self.inner.interactions, &self.inner.hold)
    }

    /// One member of a guild, fresh; `None` if they are no member (10007) or no user (10013).
    /// `GET /guilds/{guild}/members/{user}`. Safe to repeat.
    pub async fn member(
        &self,
        guild_id: GuildId,
        user_id: DiscordUserId,
    ) -> Result<Option<MemberFacts>, DiscordError> {
        let asking = self.inner.http.get_member(snowflake(guild_id.get())?, snowflake(user_id.get())?);
        match self.bounded(async { Ok(asking.await?) }).await {
            Ok(member) => Ok(Some(member_facts(guild_id, &member))),
            Err(DiscordError::Gone(UNKNOWN_MEMBER | UNKNOWN_USER)) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Posts a message into a channel. A repeat with the same nonce within minutes does not post again: the first message then shows
    /// what this one was to show. An older unknown send must look into [`Discord::recent_messages`] first.
    /// `POST /channels/{channel}/messages`; after it, for a repeat, `PATCH /channels/{channel}/messages/{message}`.
    pub async fn post(
        &self,
        channel_id: ChannelId,
        post: &OutgoingMessage,
        nonce: &SendNonce,
    ) -> Result<MessageId, DiscordError> {
        let route = Route::ChannelMessages { channel_id: snowflake(channel_id.get())? };
        let made: Found = self.call(LightMethod::Post, route, &message::body_with_nonce(post, nonce)).await?;
        let stands = SeenMessage::from(made);
        // For a known nonce Discord answers with the message of then, whose buttons may have become void.
        if stands.custom_ids != post.custom_ids() {
            self.edit_message(channel_id, stands.id, post).await?;
        }
        Ok(stands.id)
    }

    /// Replaces text and buttons of a message of ours. `Gone(10008)` if it was deleted. Safe to repeat.
    /// `PATCH /channels/{channel}/messages/{message}`.
    pub async fn edit_message(
        &self,
        channel_id: ChannelId,
        message_id: MessageId,
        post: &OutgoingMessage,
    ) -> Result<(), DiscordError> {
        let route = Route::ChannelMessage {
            channel_id: snowflake(channel_id.get())?,
            message_id: snowflake(message_id.get())?,
        };
        let _made: Made =
            self.call(LightMethod::Patch, route, &message::body(post, message::Seen::ByAll)).await?;
        Ok(())
    }

    /// The newest messages of a channel that the bot itself wrote, newest first, among the newest `limit` (at most 100) of all.
    /// `GET /channels/{channel}/messages`. Safe to repeat. `Down` before [`Discord::greet`] succeeded: nobody knows yet whose are ours.
    pub async fn recent_messages(
        &self,
        channel_id: ChannelId,
        limit: u8,
    ) -> Result<Vec<SeenMessage>, DiscordError> {
        let Some(me) = self.bot_user_id() else { return Err(DiscordError::Down { ambiguous: false }) };
        let request = Request::new(
            Route::ChannelMessages { channel_id: snowflake(channel_id.get())? },
            LightMethod::Get,
        )
        .params(Some(vec![("limit", limit.clamp(1, 100).to_string())]));
        let found: Vec<Found> = self.bounded(async { Ok(self.inner.http.fire(request).await?) }).await?;
        Ok(found.into_iter().map(SeenMessage::from).filter(|message| message.author_id == me).collect())
    }

    /// Writes to a person. `POST /users/@me/channels`, then `POST /channels/{channel}/messages`; the nonce as in [`Discord::post`].
    pub async fn direct_message(
        &self,
        user_id: DiscordUserId,
        post: &OutgoingMessage,
        nonce: &SendNonce,
    ) -> Result<Delivery, DiscordError> {
        let sending = async {
            let recipient = serde_json::json!({ "recipient_id": user_id.to_string() });
            let channel: Made = self.call(LightMethod::Post, Route::UserMeDmChannels, &recipient).await?;
            let channel_id = ChannelId::new(channel.id.get());
            let message_id = self.post(channel_id, post, nonce).await?;
            Ok(Delivery::Sent { channel_id, message_id })
        };
        match sending.await {
            Err(DiscordError::Forbidden(CANNOT_MESSAGE | NO_MUTUAL_GUILD)) => Ok(Delivery::Closed),
            other => other,
        }
    }

    /// Gives a member a role. `Forbidden(50013)` if the role is not below the bot's own. Safe to repeat.
    /// `PUT /guilds/{guild}/members/{user}/roles/{role}`.
    pub async fn grant_role(
        &self,
        guild_id: GuildId,
        user_id: DiscordUserId,
        role_id: RoleId,
    ) -> Result<(), DiscordError> {
        let granting = self.inner.http.add_member_role(
            snowflake(guild_id.get())?,
            snowflake(user_id.get())?,
            snowflake(role_id.get())?,
            Some("account active"),
        );
        self.bounded(async { Ok(granting.await?) }).await
    }

    /// Forgets what the limiter knows of routes that nobody uses at present: it keeps one entry per channel and person for
    /// ever otherwise. To be called now and then.
    pub async fn drop_idle_routes(&self) {
        let Some(limiter) = &self.inner.http.ratelimiter else { return };
        let routes = limiter.routes();
        // An entry that somebody holds is in use; one without calls left still says how long to wait.
        routes.write().await.retain(|_, route| {
            Arc::strong_count(route) > 1 || route.try_lock().is_ok_and(|route| route.remaining() == 0)
        });
    }

    async fn call<T: serde::de::DeserializeOwned>(
        &self,
        method: LightMethod,
        route: Route<'_>,
        body: &serde_json::Value,
    ) -> Result<T, DiscordError> {
        let request = Request::new(route, method).body(Some(body.to_string().into_bytes()));
        self.bounded(async { Ok(self.inner.http.fire(request).await?) }).await
    }

    /// One call, once the global limit lets it leave. serenity's limiter may wait longer than any caller wants to; then it is not
    /// known whether the call left.
    async fn bounded<T>(
        &self,
        call: impl Future<Output = Result<T, DiscordError>>,
    ) -> Result<T, DiscordError> {
        self.inner.hold.passes().await?;
        tokio::time::timeout(client::CALL_TIMEOUT, call)
            .await
            .unwrap_or(Err(DiscordError::Down { ambiguous: true }))
    }
}

/// serenity's ids panic on zero, which Discord never sends; a zero of ours is a defect, not a reason to panic.
fn snowflake<T: From<NonZeroU64>>(raw: u64) -> Result<T, DiscordError> {
    NonZeroU64::new(raw).map(T::from).ok_or(DiscordError::Other { status: 0, code: -1 })
}

/// What Discord says of a member, from a fetch or from an interaction.
pub fn member_facts(guild_id: GuildId, member: &Member) -> MemberFacts {
    let instant = |time: serenity::model::Timestamp| Timestamp::from_millis(time.timestamp_millis());
    MemberFacts {
        user_id: DiscordUserId::new(member.user.id.get()),
        guild_id,
        user_name: member.user.name.clone(),
        display_name: member.nick.clone().or_else(|| member.user.global_name.clone()),
        roles: member.roles.iter().map(|role| RoleId::new(role.get())).collect(),
        joined_at: member.joined_at.map(instant),
        pending: member.pending,
        timed_out_until: member.communication_disabled_until.map(instant),
        bot: member.user.bot,
    }
}

/// Of what was made, only the id matters.
#[derive(Deserialize)]
struct Made {
    id: id::GenericId,
}

#[derive(Deserialize)]
struct Found {
    id: id::MessageId,
    author: FoundAuthor,
    #[serde(default)]
    components: Vec<FoundComponent>,
}

#[derive(Deserialize)]
struct FoundAuthor {
    id: id::UserId,
}

#[derive(Deserialize)]
struct FoundComponent {
    #[serde(default)]
    custom_id: Option<String>,
    #[serde(default)]
    components: Vec<FoundComponent>,
}

impl FoundComponent {
    fn collect_into(self, custom_ids: &mut Vec<String>) {
        custom_ids.extend(self.custom_id);
        for inner in self.components {
            inner.collect_into(custom_ids);
        }
    }
}

impl From<Found> for SeenMessage {
    fn from(found: Found) -> Self {
        let mut custom_ids = Vec::new();
        for component in found.components {
            component.collect_into(&mut custom_ids);
        }
        Self {
            id: MessageId::new(found.id.get()),
            author_id: DiscordUserId::new(found.author.id.get()),
            custom_ids,
        }
    }
}
