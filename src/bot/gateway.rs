//! The gateway session: opens it, hands events to their handlers, and ends with a reason that an operator understands.

use std::sync::Arc;
use std::time::{Duration, Instant};

use poise::serenity_prelude as serenity;
use serenity::{FullEvent, GatewayIntents};
use tokio_util::sync::CancellationToken;

use super::dependencies::{Data, Dependencies};
use super::error::BotError;
use super::gateway_status::Session;
use super::{commands, components, dispatch, register};
use crate::discord::ConnectError;
use crate::domain::ids::{DiscordUserId, GuildId};
use crate::telemetry::{self, GatewayClosure};

/// Member events invalidate the cached facts about a member who left or lost a role. A later version will audit bans; `GUILD_MODERATION` is
/// requested already, so that an update needs no new intent.
const INTENTS: GatewayIntents =
    GatewayIntents::GUILDS.union(GatewayIntents::GUILD_MEMBERS).union(GatewayIntents::GUILD_MODERATION);

/// A healthy gateway sends READY within two seconds. Time without a connection doesn't count, so an outage doesn't end the bot. It is
/// longer than a heartbeat interval (41 s), because the library may update its own record only at the next heartbeat.
const SESSION_TIMEOUT: Duration = Duration::from_mins(1);

/// The pauses before another attempt to get a session. After the last one the process ends. They are long, because Discord resets the
/// token after 1000 IDENTIFYs a day and a supervisor restarts an ended process.
const SESSION_BACKOFF: [Duration; 3] =
    [Duration::from_secs(5), Duration::from_mins(2), Duration::from_mins(5)];

/// A session this long counts as stable and resets the reconnect backoff.
const STABLE_SESSION: Duration = Duration::from_mins(10);

/// The pause between two attempts to reach Discord.
const IDENTIFY_RETRY: Duration = Duration::from_secs(5);

/// How often the session is checked.
const CHECK_INTERVAL: Duration = Duration::from_secs(1);

/// The pause between two attempts to register the commands.
const REGISTER_RETRY: Duration = Duration::from_secs(5);

/// The limit for an orderly close.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(5);

/// Holds the gateway until `stop` is cancelled or an error makes that impossible.
pub async fn run(dependencies: Dependencies, stop: CancellationToken) -> Result<(), BotError> {
    let data: Data = Arc::new(dependencies);
    identify(&data, &stop).await?;
    let mut pauses = SESSION_BACKOFF.into_iter();
    loop {
        let started = Instant::now();
        let outcome = run_session(&data, &stop).await;
        if started.elapsed() > STABLE_SESSION {
            pauses = SESSION_BACKOFF.into_iter();
        }
        let (Err(error @ BotError::NoSession(_)), Some(pause)) = (&outcome, pauses.next()) else {
            return outcome;
        };
        tracing::error!(%error, again_in = ?pause, "the gateway gave no session; pausing before the next attempt");
        tokio::select! {
            () = stop.cancelled() => return Ok(()),
            () = data.clock.pause(pause) => {}
        }
    }
}

/// Runs one client of the library.
async fn run_session(data: &Data, stop: &CancellationToken) -> Result<(), BotError> {
    let Some(gateway_url) = data.discord.gateway_url() else { return Ok(()) };
    let http = data.discord.gateway_http().map_err(BotError::Open)?;
    let framework = build_framework(Arc::clone(data));
    let mut client = serenity::ClientBuilder::new_with_http(http, INTENTS)
        .framework(framework)
        .await
        .map_err(|error| reason_of(&error))?;
    // The library would connect to the real gateway if its own call failed. This URL is from `Discord::identify`.
    gateway_url.clone_into(&mut *client.ws_url.lock().await);
    let (shards, http) = (Arc::clone(&client.shard_manager), Arc::clone(&client.http));
    data.gateway.set_connected(Arc::clone(&shards));
    let outcome = tokio::select! {
        ended = client.start() => {
            // The runners have ended too, so nothing would answer their shutdown.
            data.gateway.drop_runners();
            ended.map_err(|error| reason_of(&error))
        }
        failed = watch_session(data) => Err(failed),
        failed = keep_registered(&http, data) => Err(failed),
        () = stop.cancelled() => Ok(()),
    };
    data.gateway.set_disconnected();
    if tokio::time::timeout(CLOSE_TIMEOUT, shards.shutdown_all()).await.is_err() {
        tracing::warn!("the gateway did not close in time");
    }
    outcome
}

/// Asks Discord for the bot's identity until it answers or `stop` is cancelled. Only a refusal is an error.
async fn identify(data: &Data, stop: &CancellationToken) -> Result<(), BotError> {
    loop {
        match data.discord.identify().await {
            Err(ConnectError::Ask { what, source, .. }) if source.is_worth_another_try() => {
                tracing::warn!(%source, what, "Discord does not answer; trying again in 5 s");
            }
            result => return result.map_err(BotError::Open),
        }
        tokio::select! {
            () = stop.cancelled() => return Ok(()),
            () = data.clock.pause(IDENTIFY_RETRY) => {}
        }
    }
}

/// Returns when the session can't be opened in time, or when Discord has closed the gateway with a code that serenity doesn't handle.
///
/// After close codes 4003, 4010 and 4011 serenity 0.12 spins for one heartbeat interval, identifies again, and repeats that forever.
/// [`telemetry::take_gateway_closure`] reports them; [`GatewayStatus`](super::gateway_status::GatewayStatus) has ended the loop by then.
async fn watch_session(data: &Data) -> BotError {
    let mut waited = Duration::ZERO;
    telemetry::take_gateway_closure();
    loop {
        data.clock.pause(CHECK_INTERVAL).await;
        match telemetry::take_gateway_closure() {
            Some(GatewayClosure::Permanent) => return BotError::SessionRefused,
            Some(GatewayClosure::NotAuthenticated) => return BotError::NoSession(SESSION_TIMEOUT),
            None => {}
        }
        match data.gateway.session().await {
            Session::Open => waited = Duration::ZERO,
            Session::Opening => waited += CHECK_INTERVAL,
            Session::None | Session::Elsewhere => {}
        }
        if waited >= SESSION_TIMEOUT {
            return BotError::NoSession(SESSION_TIMEOUT);
        }
    }
}

/// Registers the commands after READY, and whenever the bot joins a guild. Interactions are answered meanwhile; only a refusal ends the
/// session.
async fn keep_registered(http: &serenity::Http, data: &Data) -> BotError {
    loop {
        data.guilds.changed().await;
        while data.maintenance.is_on() {
            data.clock.pause(CHECK_INTERVAL).await;
        }
        loop {
            match register::register_commands(http, &commands::all(), &data.config.now()).await {
                Ok(()) => break,
                Err((guild, source)) if source.is_worth_another_try() => {
                    tracing::warn!(guild.id = guild.get(), error = %source, "the commands are not registered yet; trying again in 5 s");
                    data.clock.pause(REGISTER_RETRY).await;
                }
                Err((guild, source)) => return BotError::Register { guild, source },
            }
        }
    }
}

fn build_framework(data: Data) -> poise::Framework<Data, BotError> {
    let options = poise::FrameworkOptions {
        commands: commands::all(),
        allowed_mentions: Some(serenity::CreateAllowedMentions::new()),
        initialize_owners: false,
        on_error: |error| Box::pin(handle_error(error)),
        event_handler: |framework, event| {
            Box::pin(async move {
                handle_event(framework.user_data, event).await;
                Ok(())
            })
        },
        ..Default::default()
    };
    poise::Framework::builder()
        .options(options)
        .initialize_owners(false)
        .setup(move |_, ready, _| {
            Box::pin(async move {
                tracing::info!(guilds = ready.guilds.len(), "the gateway session is open");
                Ok(data)
            })
        })
        .build()
}

async fn handle_event(data: &Data, event: &FullEvent) {
    #[expect(clippy::wildcard_enum_match_arm, reason = "serenity's own enum: the other events do not matter")]
    match event {
        FullEvent::InteractionCreate { interaction } => {
            components::handle_interaction(data, interaction).await;
        }
        FullEvent::Ready { data_about_bot } => {
            data.guilds.set(data_about_bot.guilds.iter().map(|guild| GuildId::new(guild.id.get())));
            data.gateway.note_open(data.clock.as_ref()).await;
        }
        FullEvent::Resume { .. } => data.gateway.note_open(data.clock.as_ref()).await,
        FullEvent::GuildCreate { guild, .. } => {
            data.discord.note_guild_name(GuildId::new(guild.id.get()), &guild.name);
            join_guild(data, GuildId::new(guild.id.get()));
            note_rights(data, guild.id).await;
        }
        FullEvent::GuildUpdate { new_data, .. } => {
            data.discord.note_guild_name(GuildId::new(new_data.id.get()), &new_data.name);
        }
        FullEvent::GuildDelete { incomplete, .. } => {
            leave_guild(data, GuildId::new(incomplete.id.get()), incomplete.unavailable);
        }
        FullEvent::GuildMemberUpdate { event, .. } => {
            forget_member(data, event.guild_id, event.user.id);
            if data.discord.bot_user_id() == Some(DiscordUserId::new(event.user.id.get())) {
                note_rights(data, event.guild_id).await;
            }
        }
        FullEvent::ChannelCreate { channel, .. } => note_rights(data, channel.guild_id).await,
        FullEvent::ChannelUpdate { new, .. } => note_rights(data, new.guild_id).await,
        FullEvent::GuildRoleUpdate { new, .. } => note_rights(data, new.guild_id).await,
        FullEvent::GuildMemberRemoval { guild_id, user, .. } => forget_member(data, *guild_id, user.id),
        _ => {}
    }
}

/// Whether a guild is one of the configured ones.
fn is_configured(data: &Data, guild: GuildId) -> bool {
    data.config.now().guild(guild).is_some()
}

fn join_guild(data: &Data, guild: GuildId) {
    if data.guilds.add(guild) {
        let is_configured = is_configured(data, guild);
        tracing::info!(guild.id = guild.get(), is_configured, "the bot was added to a guild");
    }
}

/// Discord sends the same event for an outage of the guild, which doesn't remove the bot.
fn leave_guild(data: &Data, guild: GuildId, is_unavailable: bool) {
    if is_unavailable {
        tracing::warn!(guild.id = guild.get(), "Discord has an outage of a guild");
        return;
    }
    data.guilds.remove(guild);
    if is_configured(data, guild) {
        tracing::error!(
            guild.id = guild.get(),
            "the bot was removed from a configured guild: invite it again"
        );
    } else {
        tracing::info!(guild.id = guild.get(), "the bot was removed from a guild");
    }
}

/// The bot's rights in a guild may have changed: messages that Discord refused may be accepted now.
async fn note_rights(data: &Data, guild: serenity::GuildId) {
    if is_configured(data, GuildId::new(guild.get()))
        && let Err(error) = data.accounts.wake_refused_messages().await
    {
        tracing::warn!(error_code = %error.error_code, "refused messages were not woken; they are sent at their own time");
    }
}

/// Discards what Discord showed of a member before this event.
fn forget_member(data: &Data, guild: serenity::GuildId, user: serenity::UserId) {
    data.discord.forget_member(GuildId::new(guild.get()), DiscordUserId::new(user.get()));
}

/// Handles errors of poise, whose default handler would show the cause to people.
async fn handle_error(error: poise::FrameworkError<'_, Data, BotError>) {
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "poise's own enum: the rest cannot come from our commands"
    )]
    match error {
        poise::FrameworkError::CommandPanic { ctx, .. } => {
            tracing::error!(command = %ctx.command().qualified_name, "a command panicked");
            if let poise::Context::Application(ctx) = ctx {
                dispatch::apologize(ctx).await;
            }
        }
        other => tracing::error!(error = %other, "an interaction could not be read"),
    }
}

/// The library's error as a reason that an operator understands.
fn reason_of(error: &serenity::Error) -> BotError {
    use serenity::GatewayError;
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "serenity's own enum: the other errors tell an operator no more"
    )]
    match error {
        serenity::Error::Gateway(GatewayError::InvalidAuthentication) => BotError::WrongToken,
        serenity::Error::Gateway(GatewayError::DisallowedGatewayIntents) => BotError::IntentNotGranted,
        serenity::Error::Gateway(
            GatewayError::InvalidGatewayIntents
            | GatewayError::InvalidShardData
            | GatewayError::OverloadedShard
            | GatewayError::NoAuthentication,
        ) => BotError::SessionRefused,
        serenity::Error::Gateway(_) => BotError::Ended("a gateway error"),
        serenity::Error::Tungstenite(_) => BotError::Ended("the websocket failed"),
        _ => BotError::Ended("an unexpected error"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_gateway_is_asked_for_no_messages_and_no_presences() {
        let ours = GatewayIntents::GUILDS | GatewayIntents::GUILD_MEMBERS | GatewayIntents::GUILD_MODERATION;
        assert_eq!(INTENTS, ours);
        let eavesdropping = GatewayIntents::MESSAGE_CONTENT
            | GatewayIntents::GUILD_MESSAGES
            | GatewayIntents::DIRECT_MESSAGES
            | GatewayIntents::GUILD_PRESENCES
            | GatewayIntents::GUILD_MESSAGE_TYPING;
        assert!(!INTENTS.intersects(eavesdropping));
    }

    #[test]
    fn what_an_operator_must_change_is_named() {
        let end = |error| reason_of(&serenity::Error::Gateway(error)).to_string();
        assert!(end(serenity::GatewayError::InvalidAuthentication).contains("discord.token_file"));
        assert!(end(serenity::GatewayError::DisallowedGatewayIntents).contains("Server Members Intent"));
    }
}
