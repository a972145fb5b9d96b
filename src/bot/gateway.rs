//! Holds the gateway: starts the session, hands events to the dispatch, ends with a reason that a person understands.

use std::sync::Arc;
use std::time::{Duration, Instant};

use poise::serenity_prelude as serenity;
use serenity::{FullEvent, GatewayIntents};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::{BotError, BotParts, Data, Session, commands, components, register};
use crate::discord::ConnectError;
use crate::telemetry::{self, GatewayClosure};

/// Members leave and lose roles while requests wait, and bans are audited: later rooms read those events, and a missing
/// privilege must show at the first start, not after an update.
const INTENTS: GatewayIntents =
    GatewayIntents::GUILDS.union(GatewayIntents::GUILD_MEMBERS).union(GatewayIntents::GUILD_MODERATION);

/// A healthy gateway says READY within two seconds. Time without any connection does not count: an outage is waited out.
const SESSION_WITHIN: Duration = Duration::from_secs(30);

/// The pauses before the gateway is asked again after it gave no session; after the last one the process ends. They are long because
/// Discord takes the token away after 1000 IDENTIFYs a day, whatever a supervisor does with an ended process.
const SESSION_AGAIN: [Duration; 3] = [Duration::from_secs(5), Duration::from_mins(2), Duration::from_mins(5)];

/// A holding that lasted this long was a good one: what follows it begins to count anew.
const GOOD_HOLDING: Duration = Duration::from_mins(10);

/// Between two tries to reach Discord.
const GREET_AGAIN: Duration = Duration::from_secs(5);

/// How often the session is looked at.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Between two tries to register the commands.
const REGISTER_AGAIN: Duration = Duration::from_secs(5);

/// How long an orderly close may take.
const CLOSE_WITHIN: Duration = Duration::from_secs(5);

/// Holds the gateway until `stop` is cancelled or nothing more can be done.
pub async fn run(bot: BotParts, stop: CancellationToken) -> Result<(), BotError> {
    let data: Data = Arc::new(bot);
    greet(&data, &stop).await?;
    let mut pauses = SESSION_AGAIN.into_iter();
    loop {
        let begun = Instant::now();
        let outcome = hold(&data, &stop).await;
        if begun.elapsed() > GOOD_HOLDING {
            pauses = SESSION_AGAIN.into_iter();
        }
        let (Err(error @ BotError::NoSession(_)), Some(pause)) = (&outcome, pauses.next()) else {
            return outcome;
        };
        tracing::error!(%error, again_in = ?pause, "the gateway is left alone for a while");
        tokio::select! {
            () = stop.cancelled() => return Ok(()),
            () = data.clock.pause(pause) => {}
        }
    }
}

/// Holds the gateway with one client of the library.
async fn hold(data: &Data, stop: &CancellationToken) -> Result<(), BotError> {
    let Some(gateway_url) = data.discord.gateway_url() else { return Ok(()) };
    let http = data.discord.gateway_http().map_err(BotError::Open)?;
    let opened = Arc::new(Notify::new());
    let framework = build_framework(Arc::clone(data), Arc::clone(&opened));
    let mut client = serenity::ClientBuilder::new_with_http(http, INTENTS)
        .framework(framework)
        .await
        .map_err(|error| reason_of(&error))?;
    // The library would go to the real gateway if its own question failed: it goes where the door was told.
    gateway_url.clone_into(&mut *client.ws_url.lock().await);
    let (shards, http) = (Arc::clone(&client.shard_manager), Arc::clone(&client.http));
    data.watch.looks_at(Arc::clone(&shards));
    let outcome = tokio::select! {
        ended = client.start() => {
            // Its runners have ended, too: nobody would answer a farewell.
            data.watch.drops_runners();
            ended.map_err(|error| reason_of(&error))
        }
        failed = watch_session(data) => Err(failed),
        failed = register_once(&opened, &http, data) => Err(failed),
        () = stop.cancelled() => Ok(()),
    };
    data.watch.ends();
    if tokio::time::timeout(CLOSE_WITHIN, shards.shutdown_all()).await.is_err() {
        tracing::warn!("the gateway did not close in time");
    }
    outcome
}

/// Asks Discord who we are until it answers or `stop` is cancelled. Silence is waited out; a refusal is told.
async fn greet(data: &Data, stop: &CancellationToken) -> Result<(), BotError> {
    loop {
        match data.discord.greet().await {
            Err(ConnectError::Ask { what, source }) if source.is_worth_another_try() => {
                tracing::warn!(%source, what, "Discord does not answer; trying again in 5 s");
            }
            met => return met.map_err(BotError::Open),
        }
        tokio::select! {
            () = stop.cancelled() => return Ok(()),
            () = data.clock.pause(GREET_AGAIN) => {}
        }
    }
}

/// Looks at the session for as long as it comes back in time.
///
/// After close codes 4003, 4010 and 4011 serenity 0.12 spins for one heartbeat interval, identifies again, and so on for ever. It says
/// so in its log and nowhere else; [`GatewayStatus`](super::Watch) has ended its loop then.
async fn watch_session(data: &Data) -> BotError {
    let mut without = Duration::ZERO;
    telemetry::take_gateway_closure();
    loop {
        data.clock.pause(LOOK_EVERY).await;
        match telemetry::take_gateway_closure() {
            Some(GatewayClosure::ForGood) => return BotError::SessionRefused,
            Some(GatewayClosure::Unidentified) => return BotError::NoSession(SESSION_WITHIN),
            None => {}
        }
        match data.watch.session().await {
            Session::Open => without = Duration::ZERO,
            Session::Opening => without += LOOK_EVERY,
            Session::None | Session::Elsewhere => {}
        }
        if without >= SESSION_WITHIN {
            return BotError::NoSession(SESSION_WITHIN);
        }
    }
}

/// Registers the commands once the first session is open. Presses are answered meanwhile; only a refusal ends the holder.
async fn register_once(opened: &Notify, http: &serenity::Http, data: &Data) -> BotError {
    opened.notified().await;
    while data.hold.is_on() {
        data.clock.pause(LOOK_EVERY).await;
    }
    loop {
        match register::register_commands(http, &commands::all(), &data.config.now()).await {
            Ok(()) => std::future::pending().await,
            Err((guild, source)) if source.is_worth_another_try() => {
                tracing::warn!(guild.id = guild.get(), error = %source, "the commands are not registered yet; trying again in 5 s");
                data.clock.pause(REGISTER_AGAIN).await;
            }
            Err((guild, source)) => return BotError::Register { guild, source },
        }
    }
}

fn build_framework(data: Data, opened: Arc<Notify>) -> poise::Framework<Data, BotError> {
    let options = poise::FrameworkOptions {
        commands: commands::all(),
        allowed_mentions: Some(serenity::CreateAllowedMentions::new()),
        initialize_owners: false,
        on_error: |error| Box::pin(settle_error(error)),
        event_handler: |framework, event| {
            Box::pin(async move {
                heed_event(framework.user_data, event).await;
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
                opened.notify_one();
                Ok(data)
            })
        })
        .build()
}

async fn heed_event(data: &Data, event: &FullEvent) {
    if let FullEvent::InteractionCreate { interaction } = event {
        components::dispatch(data, interaction).await;
    }
}

/// poise's own handler would show the whole cause to people.
async fn settle_error(error: poise::FrameworkError<'_, Data, BotError>) {
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "poise's own enum: the rest cannot come from our commands"
    )]
    match error {
        poise::FrameworkError::CommandPanic { ctx, .. } => {
            tracing::error!(command = %ctx.command().qualified_name, "a command panicked");
            if let poise::Context::Application(ctx) = ctx {
                commands::apologize(ctx).await;
            }
        }
        other => tracing::error!(error = %other, "an interaction could not be read"),
    }
}

/// The library's end as a reason that a person understands.
fn reason_of(error: &serenity::Error) -> BotError {
    use serenity::GatewayError;
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "serenity's own enum: the rest says no more to an operator"
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
