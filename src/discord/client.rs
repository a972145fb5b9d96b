//! The client: members, cards, direct messages and roles.

use std::num::NonZeroU64;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use serde::Deserialize;
use serenity::http::{Http, LightMethod, Request, Route};
use serenity::model::{guild::Member, id};

use super::error::{ConnectError, DiscordError};
use super::guild_names::GuildNames;
use super::limits::CALL_TIMEOUT;
use super::message::{self, OutgoingMessage, SendNonce, Visibility};
use super::open_replies::{KeptReply, OpenReplies};
use super::rate_limit::GlobalRateLimit;
use super::recent_members::RecentMembers;
use super::transport;
use super::unanswered::Unanswered;
use crate::clock::{Clock, Moment};
use crate::config;
use crate::domain::ids::{ChannelId, DiscordUserId, GuildId, MessageId, RoleId, Timestamp};
use crate::domain::member::MemberFacts;
use crate::domain::summary::ShownPerson;

/// The client for Discord. Clones share everything.
#[derive(Clone)]
pub struct Discord {
    pub(super) inner: Arc<Inner>,
}

pub(super) struct Inner {
    /// For all calls except replies to interactions, with serenity's limiter.
    pub(super) http: Http,
    /// For replies to interactions, without the limiter.
    pub(super) interactions: reqwest::Client,
    /// The global limit of all calls except replies to interactions.
    global: Arc<GlobalRateLimit>,
    config: config::Discord,
    pub(super) clock: Arc<dyn Clock>,
    identity: OnceLock<BotIdentity>,
    pub(super) unanswered: Unanswered,
    recent_members: RecentMembers,
    pub(super) open_replies: OpenReplies<KeptReply>,
    pub(super) guild_names: GuildNames,
}

/// The bot's identity and the gateway's URL, from Discord.
#[derive(Debug)]
struct BotIdentity {
    gateway_url: String,
    bot_user_id: DiscordUserId,
}

impl std::fmt::Debug for Discord {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Discord").field("identity", &self.inner.identity).finish_non_exhaustive()
    }
}

/// How a member is shown to others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Profile {
    /// Name and picture.
    pub shown: ShownPerson,
    /// When they joined the guild, if Discord said so.
    pub joined_at: Option<Timestamp>,
}

/// A message of the bot that was found in a channel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChannelMessage {
    /// Its id.
    pub id: MessageId,
    /// Who wrote it.
    pub author_id: DiscordUserId,
    /// The `custom_id`s of its buttons.
    pub custom_ids: Vec<String>,
}

/// Discord's codes (Opcodes and Status Codes, JSON error codes).
const UNKNOWN_MEMBER: i64 = 10007;
const UNKNOWN_USER: i64 = 10013;
const UNKNOWN_MESSAGE: i64 = 10008;

impl Discord {
    /// [`Discord::open`], then [`Discord::identify`].
    pub async fn connect(config: &config::Discord, clock: Arc<dyn Clock>) -> Result<Self, ConnectError> {
        let discord = Self::open(config, clock)?;
        discord.identify().await?;
        Ok(discord)
    }

    /// Builds the HTTP clients. Sends nothing.
    ///
    /// With `discord.endpoint` every call goes to that loopback address with its CA, and a gateway outside loopback is rejected.
    pub fn open(config: &config::Discord, clock: Arc<dyn Clock>) -> Result<Self, ConnectError> {
        let interactions = transport::build_transport(config)?;
        let global = Arc::new(GlobalRateLimit::new(Arc::clone(&clock)));
        let http = transport::build_http(config, &interactions, &global)?;
        if let Some(endpoint) = &config.endpoint {
            tracing::warn!(
                endpoint.address = %endpoint.address,
                "NOT talking to Discord: discord.endpoint sends everything to another address; remove it in production"
            );
        }
        let inner = Inner {
            http,
            interactions,
            global,
            config: config.clone(),
            clock,
            identity: OnceLock::new(),
            unanswered: Unanswered::new(),
            recent_members: RecentMembers::default(),
            open_replies: OpenReplies::new(),
            guild_names: GuildNames::default(),
        };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// Asks Discord who the bot is and where the gateway is. The gateway session needs both. Safe to repeat; later calls do nothing.
    /// `GET /users/@me`, `GET /gateway`.
    pub async fn identify(&self) -> Result<(), ConnectError> {
        if self.inner.identity.get().is_some() {
            return Ok(());
        }
        let http = &self.inner.http;
        let (me, gateway) = tokio::join!(http.get_current_user(), http.get_gateway());
        let me = me.map_err(|error| ConnectError::of_first_call("the bot's own user", error))?;
        // serenity would fall back to the real gateway if this call failed, so a failure is an error here.
        let gateway = gateway.map_err(|error| ConnectError::of_first_call("the gateway", error))?;
        if self.inner.config.endpoint.is_some() && !transport::is_on_loopback(&gateway.url) {
            return Err(ConnectError::GatewayNotLoopback);
        }
        // Another task may have asked at the same time and got the same answer.
        let _: &BotIdentity = self.inner.identity.get_or_init(|| BotIdentity {
            gateway_url: gateway.url,
            bot_user_id: DiscordUserId::new(me.id.get()),
        });
        Ok(())
    }

    /// The bot's own user; `None` before [`Discord::identify`] succeeded.
    pub fn bot_user_id(&self) -> Option<DiscordUserId> {
        self.inner.identity.get().map(|known| known.bot_user_id)
    }

    /// The URL of the gateway, as Discord (or the endpoint) named it; `None` before [`Discord::identify`] succeeded.
    pub fn gateway_url(&self) -> Option<&str> {
        self.inner.identity.get().map(|known| known.gateway_url.as_str())
    }

    /// Returns when no interaction waits for its first answer, or after `at_most`. Background work calls it before it takes up time that
    /// an answer may need.
    pub async fn interactions_answered(&self, at_most: Duration) {
        self.inner.unanswered.none(at_most).await;
    }

    /// Whether an interaction arrived less than `span` ago.
    pub fn had_interaction_within(&self, span: Duration) -> bool {
        self.inner.unanswered.any_within(span)
    }

    /// A serenity client on the same transport for the gateway, which must own its client.
    pub fn gateway_http(&self) -> Result<Http, ConnectError> {
        transport::build_http(&self.inner.config, &self.inner.interactions, &self.inner.global)
    }

    /// The current state of a member of a guild; `None` if the user is not a member (10007) or doesn't exist (10013).
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

    /// How a member is shown to others, and when they joined; `None` if they are no member. `GET /guilds/{guild}/members/{user}`. Safe to
    /// repeat.
    pub async fn profile(
        &self,
        guild_id: GuildId,
        user_id: DiscordUserId,
    ) -> Result<Option<Profile>, DiscordError> {
        let asking = self.inner.http.get_member(snowflake(guild_id.get())?, snowflake(user_id.get())?);
        match self.bounded(async { Ok(asking.await?) }).await {
            Ok(member) => Ok(Some(Profile {
                shown: ShownPerson { name: member.display_name().to_owned(), avatar_url: member.face() },
                joined_at: member_facts(guild_id, &member).joined_at,
            })),
            Err(DiscordError::Gone(UNKNOWN_MEMBER | UNKNOWN_USER)) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The member that was noted at most [`FRESH_FOR`](crate::domain::freshness::FRESH_FOR) ago, and when; `None` if none was, or if
    /// they changed since. Makes no call.
    pub fn recent_member(&self, guild_id: GuildId, user_id: DiscordUserId) -> Option<(Moment, MemberFacts)> {
        self.inner.recent_members.fresh(guild_id, user_id, self.inner.clock.moment())
    }

    /// Notes a member from an interaction that has just arrived, so that its consequences may use these facts.
    pub fn note_member(&self, facts: &MemberFacts) {
        self.inner.recent_members.note(facts, self.inner.clock.moment());
    }

    /// Forgets a member who changed or left, according to the gateway: older facts no longer count.
    pub fn forget_member(&self, guild_id: GuildId, user_id: DiscordUserId) {
        self.inner.recent_members.forget(guild_id, user_id, self.inner.clock.moment());
    }

    /// Posts a message to a channel. A repeat with the same nonce within some minutes doesn't post again; it updates the first message. If
    /// the outcome of an older call is unknown, check [`Discord::recent_messages`] first. `POST /channels/{channel}/messages`; after it,
    /// for a repeat, `PATCH /channels/{channel}/messages/{message}`.
    pub async fn post(
        &self,
        channel_id: ChannelId,
        post: &OutgoingMessage,
        nonce: &SendNonce,
    ) -> Result<MessageId, DiscordError> {
        let route = Route::ChannelMessages { channel_id: snowflake(channel_id.get())? };
        let created: MessageRow =
            self.call(LightMethod::Post, route, &message::body_with_nonce(post, nonce)).await?;
        let posted = ChannelMessage::from(created);
        // For a known nonce Discord returns the first message, whose buttons may be out of date.
        if posted.custom_ids != post.custom_ids() {
            self.edit_message(channel_id, posted.id, post).await?;
        }
        Ok(posted.id)
    }

    /// Replaces the text and buttons of a message of the bot. `Gone(10008)` if it was deleted. Safe to repeat.
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
        let _edited: Created =
            self.call(LightMethod::Patch, route, &message::body(post, Visibility::Everyone)).await?;
        Ok(())
    }

    /// The bot's own messages among the newest `limit` (at most 100) messages of a channel, newest first.
    /// `GET /channels/{channel}/messages`. Safe to repeat. `Down` before [`Discord::identify`] succeeded, because the bot's own id is unknown until then.
    pub async fn recent_messages(
        &self,
        channel_id: ChannelId,
        limit: u8,
    ) -> Result<Vec<ChannelMessage>, DiscordError> {
        let Some(me) = self.bot_user_id() else { return Err(DiscordError::Down { ambiguous: false }) };
        let request = Request::new(
            Route::ChannelMessages { channel_id: snowflake(channel_id.get())? },
            LightMethod::Get,
        )
        .params(Some(vec![("limit", limit.clamp(1, 100).to_string())]));
        let found: Vec<MessageRow> = self.bounded(async { Ok(self.inner.http.fire(request).await?) }).await?;
        Ok(found.into_iter().map(ChannelMessage::from).filter(|message| message.author_id == me).collect())
    }

    /// Whether a message is still there. `GET /channels/{channel}/messages/{message}`. Safe to repeat.
    pub async fn has_message(
        &self,
        channel_id: ChannelId,
        message_id: MessageId,
    ) -> Result<bool, DiscordError> {
        let route = Route::ChannelMessage {
            channel_id: snowflake(channel_id.get())?,
            message_id: snowflake(message_id.get())?,
        };
        let request = Request::new(route, LightMethod::Get);
        let found = self.bounded(async { Ok(self.inner.http.fire::<Created>(request).await?) }).await;
        match found {
            Ok(_) => Ok(true),
            Err(DiscordError::Gone(UNKNOWN_MESSAGE)) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Sends a direct message. `POST /users/@me/channels`, then `POST /channels/{channel}/messages`; the nonce as in [`Discord::post`].
    /// Discord opens the channel also if the person accepts no direct messages, and refuses the message (50007).
    pub async fn direct_message(
        &self,
        user_id: DiscordUserId,
        post: &OutgoingMessage,
        nonce: &SendNonce,
    ) -> Result<MessageId, DiscordError> {
        let recipient = serde_json::json!({ "recipient_id": user_id.to_string() });
        let channel: Created = self.call(LightMethod::Post, Route::UserMeDmChannels, &recipient).await?;
        self.post(ChannelId::new(channel.id.get()), post, nonce).await
    }

    /// Grants a role to a member. `Forbidden(50013)` if the role is not below the bot's own. Safe to repeat.
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

    /// Drops the unused routes of the limiter, which otherwise keeps one entry for each channel and person forever. Call it
    /// periodically.
    pub async fn drop_idle_routes(&self) {
        let Some(limiter) = &self.inner.http.ratelimiter else { return };
        let routes = limiter.routes();
        // An entry that is shared is in use. One without remaining calls still says how long to wait.
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

    /// Waits for the global limit, then makes one call. serenity's limiter may wait longer than the time limit; then it is unknown
    /// whether the call was sent.
    pub(super) async fn bounded<T>(
        &self,
        call: impl Future<Output = Result<T, DiscordError>>,
    ) -> Result<T, DiscordError> {
        self.inner.global.ready().await?;
        tokio::time::timeout(CALL_TIMEOUT, call).await.unwrap_or(Err(DiscordError::Down { ambiguous: true }))
    }
}

/// Converts an id for serenity, whose ids panic on zero. Discord never sends zero, so a zero is a defect here, but no reason to panic.
pub(super) fn snowflake<T: From<NonZeroU64>>(raw: u64) -> Result<T, DiscordError> {
    NonZeroU64::new(raw).map(T::from).ok_or(DiscordError::Other { status: 0, code: -1 })
}

/// The facts about a member, from a fetch or from an interaction.
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

/// A created object; only its id matters.
#[derive(Deserialize)]
struct Created {
    id: id::GenericId,
}

#[derive(Deserialize)]
struct MessageRow {
    id: id::MessageId,
    author: MessageAuthor,
    #[serde(default)]
    components: Vec<MessageComponent>,
}

#[derive(Deserialize)]
struct MessageAuthor {
    id: id::UserId,
}

#[derive(Deserialize)]
struct MessageComponent {
    #[serde(default)]
    custom_id: Option<String>,
    #[serde(default)]
    components: Vec<MessageComponent>,
}

impl MessageComponent {
    fn collect_into(self, custom_ids: &mut Vec<String>) {
        custom_ids.extend(self.custom_id);
        for inner in self.components {
            inner.collect_into(custom_ids);
        }
    }
}

impl From<MessageRow> for ChannelMessage {
    fn from(found: MessageRow) -> Self {
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
