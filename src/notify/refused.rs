//! Messages that Discord refused: what the table in `domain/refusal.rs` says is done, logged, counted, and told to admins.

use std::collections::HashMap;

use super::outcome::{Sending, Unreached, Unsent};
use crate::discord::{DiscordError, OutgoingMessage, SendNonce};
use crate::domain::ids::{ChannelId, GuildId, RequestId, Timestamp};
use crate::domain::lang::Lang;
use crate::domain::notification::Notification;
use crate::domain::refusal::{Destination, RefusalReason, Remedy, judge};
use crate::messages::requests;
use crate::store::{NewOutbox, Outbox, OutboxKind, RefusedMessages, StoreError, Tx};
use crate::worker::context::WorkerContext;

/// A message that is kept although Discord refused it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Verdict {
    refusal: RefusalReason,
    remedy: Remedy,
    /// The channel that refused it; `None` for a direct message.
    channel: Option<ChannelId>,
    next_run: Timestamp,
}

/// The channels that refused a message in this round, so that their other messages need no call.
#[derive(Default)]
pub(super) struct RefusedChannels(HashMap<ChannelId, Verdict>);

impl RefusedChannels {
    pub(super) fn note(&mut self, verdict: Verdict) {
        // A message that is wrong in itself says nothing about others.
        if let (Some(channel), Remedy::AskAdmin(_)) = (verdict.channel, verdict.remedy) {
            self.0.insert(channel, verdict);
        }
    }

    pub(super) fn verdict_on(&self, channel: ChannelId) -> Option<Verdict> {
        self.0.get(&channel).copied()
    }
}

/// Where a message goes, and about which request it is.
struct Route {
    destination: Destination,
    /// `None` for a direct message.
    place: Option<(GuildId, ChannelId)>,
    code: Option<String>,
}

/// Keeps or drops a refused message, as its row of the table says. `None` if it was dropped.
pub(super) async fn apply(
    worker: &WorkerContext,
    message: &Outbox,
    error: &DiscordError,
) -> Result<Option<Verdict>, StoreError> {
    let (status, code) = error.refusal().unwrap_or((0, -1));
    let route = route_of(worker, message).await?;
    let channel = route.place.map(|(_, channel)| channel);
    let (refusal, remedy) = judge(route.destination, status, code);
    let request = route.code.as_deref();
    let (guild_id, channel_id) = (route.place.map(|(guild, _)| guild.get()), channel.map(ChannelId::get));
    let Some(pauses) = remedy.pauses() else {
        tracing::error!(
            request.code = request,
            guild.id = guild_id,
            channel.id = channel_id,
            status,
            discord.code = code,
            %refusal,
            "a message was dropped: Discord will never accept it"
        );
        worker.metrics.dropped(refusal);
        let mut tx = worker.deps.store.begin().await?;
        tx.drop_outbox(message).await?;
        tx.commit("outbox.sent").await?;
        return Ok(None);
    };
    let pause = pauses.after(message.attempt, worker.random());
    let next_run = worker.deps.clock.now().after(pause);
    let verdict = Verdict { refusal, remedy, channel, next_run };
    let told = "Discord refuses a message for now; it is kept and sent when that is over";
    if matches!(remedy, Remedy::Wait(_)) {
        tracing::warn!(request.code = request, guild.id = guild_id, channel.id = channel_id, status, discord.code = code, %refusal, ?pause, "{told}");
    } else {
        tracing::error!(request.code = request, guild.id = guild_id, channel.id = channel_id, status, discord.code = code, %refusal, ?pause, "{told}");
    }
    let mut tx = worker.deps.store.begin().await?;
    if matches!(remedy, Remedy::AskAdmin(_))
        && let (Some(place), OutboxKind::Card | OutboxKind::CardCheck | OutboxKind::Panel) =
            (route.place, message.kind)
    {
        tell_admins(worker, &mut tx, place, refusal).await?;
    }
    tx.outbox_refused(message, next_run, refusal, channel).await?;
    tx.commit("outbox.later").await?;
    Ok(Some(verdict))
}

/// Keeps a message that another one was refused for.
pub(super) async fn put_off(
    worker: &WorkerContext,
    message: &Outbox,
    verdict: Verdict,
) -> Result<(), StoreError> {
    let mut tx = worker.deps.store.begin().await?;
    tx.outbox_refused(message, verdict.next_run, verdict.refusal, verdict.channel).await?;
    tx.commit("outbox.later").await
}

/// Drops a direct message that can't reach its person, and lets moderators see that on the card.
pub(super) async fn note_unreached(
    worker: &WorkerContext,
    message: &Outbox,
    unreached: Unreached,
) -> Result<(), StoreError> {
    let mut tx = worker.deps.store.begin().await?;
    let request = tx.request(unreached.request_id).await?;
    tracing::warn!(
        request.code = request.map(|request| request.code),
        refusal = %unreached.refusal,
        is_told_elsewhere = unreached.is_told_elsewhere,
        "Discord refuses direct messages to this person; /account status shows the news instead"
    );
    worker.metrics.dropped(unreached.refusal);
    if tx.person_unreachable(unreached.person_id).await? {
        tx.put_card(unreached.request_id).await?;
    }
    tx.drop_outbox(message).await?;
    tx.commit("outbox.sent").await
}

async fn route_of(worker: &WorkerContext, message: &Outbox) -> Result<Route, StoreError> {
    let config = worker.deps.config.now();
    Ok(match message.kind {
        OutboxKind::Card | OutboxKind::CardCheck => {
            let request = match message.target.parse::<RequestId>() {
                Ok(id) => worker.deps.store.read().await?.request(id).await?,
                Err(_) => None,
            };
            let guild = request.as_ref().and_then(|request| config.guild(request.guild_id));
            Route {
                destination: Destination::RequestChannel,
                place: guild.map(|guild| (guild.id, guild.request_channel)),
                code: request.as_ref().map(|request| request.code.clone()),
            }
        }
        OutboxKind::Direct => {
            let params: serde_json::Value = serde_json::from_str(&message.params).unwrap_or_default();
            let id = params.get("request").and_then(serde_json::Value::as_str);
            let request = match id.and_then(|id| id.parse::<RequestId>().ok()) {
                Some(id) => worker.deps.store.read().await?.request(id).await?,
                None => None,
            };
            let code = request.map(|request| request.code);
            Route { destination: Destination::Person, place: None, code }
        }
        OutboxKind::Notice => {
            let guild = message.target.parse::<GuildId>().ok().and_then(|id| config.guild(id));
            let place = guild.and_then(|guild| Some((guild.id, guild.log_channel?)));
            Route { destination: Destination::LogChannel, place, code: None }
        }
        OutboxKind::Panel => {
            let panel = match message.target.parse::<ChannelId>() {
                Ok(channel) => worker
                    .deps
                    .store
                    .read()
                    .await?
                    .panel(channel)
                    .await?
                    .map(|panel| (panel.guild_id, channel)),
                Err(_) => None,
            };
            Route { destination: Destination::PanelChannel, place: panel, code: None }
        }
    })
}

/// Writes a notice to the log channel, once for each reason until the channel takes messages again.
async fn tell_admins(
    worker: &WorkerContext,
    tx: &mut Tx,
    (guild, channel): (GuildId, ChannelId),
    refusal: RefusalReason,
) -> Result<(), StoreError> {
    let config = worker.deps.config.now();
    let log_channel = config.guild(guild).and_then(|guild| guild.log_channel);
    let is_same = |row: &RefusedMessages| row.channel == Some(channel) && row.refusal == refusal;
    // The channel itself would refuse the notice, too.
    if log_channel.is_none_or(|log| log == channel) || tx.refused_messages().await?.iter().any(is_same) {
        return Ok(());
    }
    let text = Notification::ChannelRefused.code();
    let params = serde_json::json!({ "text": text, "channel": channel.to_string(), "why": refusal.code() });
    tx.put_outbox(NewOutbox {
        kind: OutboxKind::Notice,
        target: guild.to_string(),
        dedupe_key: ["notice:refused:", &channel.to_string()].concat(),
        params: params.to_string(),
    })
    .await
}

/// Posts that notice, if it is still true.
pub(super) async fn send_notice(
    worker: &WorkerContext,
    message: &Outbox,
    params: &serde_json::Value,
) -> Result<Sending, Unsent> {
    let field = |name| params.get(name).and_then(serde_json::Value::as_str);
    let channel = field("channel").and_then(|id| id.parse::<ChannelId>().ok());
    let refusal = field("why").and_then(|why| why.parse::<RefusalReason>().ok());
    let config = worker.deps.config.now();
    let guild = message.target.parse::<GuildId>().ok().and_then(|id| config.guild(id));
    let log_channel = guild.and_then(|guild| guild.log_channel);
    let (Some(channel), Some(refusal), Some(log_channel)) = (channel, refusal, log_channel) else {
        return Ok(Sending::Nothing);
    };
    let refused = worker.deps.store.read().await?.refused_messages().await?;
    if !refused.iter().any(|row| row.channel == Some(channel)) {
        return Ok(Sending::Nothing);
    }
    let text = requests::refused_notice(Lang::default(), channel, refusal);
    worker.deps.discord.post(log_channel, &OutgoingMessage::text(text), &SendNonce::of(message.id)).await?;
    Ok(Sending::Sent)
}
