//! Notices to a guild's admins: a job that needs an operator, jobs that wait for long, or an account that was locked. They hold no
//! personal values.

use super::outcome::{Sending, Unsent};
use super::refused;
use crate::discord::custom_id::CustomId;
use crate::discord::{ButtonStyle, OutgoingMessage, SendNonce};
use crate::domain::error_code::ErrorCode;
use crate::domain::ids::{GuildId, JobId};
use crate::domain::job::JobState;
use crate::domain::lang::Lang;
use crate::domain::notification::Notification;
use crate::messages::{card, tr};
use crate::store::{MessageKind, Outbox};
use crate::worker::context::WorkerContext;

/// Posts a notice in the guild's log channel.
pub(super) async fn send(worker: &WorkerContext, message: &Outbox) -> Result<Sending, Unsent> {
    let params: serde_json::Value = serde_json::from_str(&message.params).unwrap_or_default();
    if let Some(jobs) = params.get("jobs") {
        return send_delays(worker, message, jobs).await;
    }
    let text = params.get("text").and_then(serde_json::Value::as_str);
    let notification = text.and_then(|text| text.parse::<Notification>().ok());
    if notification == Some(Notification::ChannelRefused) {
        return refused::send_notice(worker, message, &params).await;
    }
    let job = params.get("job").and_then(serde_json::Value::as_str).and_then(|id| id.parse::<JobId>().ok());
    let Some(job) = job else { return Ok(Sending::Nothing) };
    let mut view = worker.deps.store.read().await?;
    let Some(job) = view.job(job).await? else { return Ok(Sending::Nothing) };
    let request = match job.request_id {
        Some(id) => view.request(id).await?,
        None => None,
    };
    let who = view.person(job.person_id).await?.and_then(|person| person.discord_id);
    drop(view);
    let Some(request) = request else { return Ok(Sending::Nothing) };
    let config = worker.deps.config.now();
    let guild = config.guild(request.guild_id);
    let Some((guild, channel)) = guild.and_then(|guild| Some((guild, guild.log_channel?))) else {
        return Ok(Sending::Nothing);
    };
    let lang = Lang::default();
    let told = match notification {
        Some(Notification::KeptWithPassword) => Some(card::kept_notice(lang, &request.code)),
        Some(Notification::LockedByPerson) => {
            let Some(who) = who else { return Ok(Sending::Nothing) };
            Some(card::locked_notice(lang, &request.code, who))
        }
        Some(text @ (Notification::EnabledAgain | Notification::LockLost)) => {
            let Some(who) = who else { return Ok(Sending::Nothing) };
            Some(if text == Notification::EnabledAgain {
                card::enabled_notice(lang, &request.code, who)
            } else {
                card::lock_lost_notice(lang, &request.code, who)
            })
        }
        Some(Notification::NeedsOperator) => None,
        Some(
            Notification::Invited
            | Notification::Denied
            | Notification::Failed
            | Notification::Expired
            | Notification::Cancelled
            | Notification::NameTaken
            | Notification::Withdrawn
            | Notification::Activated
            | Notification::Locked
            | Notification::Enabled
            | Notification::MailSent
            | Notification::MailUnknown
            | Notification::MailRefused
            | Notification::MailHeldBack
            // They have several jobs or none, and were handled above.
            | Notification::Delayed
            | Notification::ChannelRefused,
        )
        | None => return Ok(Sending::Nothing),
    };
    if let Some(told) = told {
        worker.deps.discord.post(channel, &OutgoingMessage::text(told), &SendNonce::of(message.id)).await?;
        return Ok(Sending::Sent);
    }
    if job.state != JobState::NeedsOperator {
        // The job was retried before this message was sent.
        return Ok(Sending::Nothing);
    }
    let why = job.error_code.unwrap_or(ErrorCode::Internal);
    let mut post = OutgoingMessage::text(card::needs_operator_notice(lang, &request.code, job.step, why));
    let mut tx = worker.deps.store.begin().await?;
    let prepared = tx.prepare_message(request.id, MessageKind::Operator, (guild.id, channel)).await?;
    tx.commit("outbox.prepare").await?;
    let retry = CustomId::of_job(job.id, prepared.nonce);
    post = post.with_button(tr!(lang, "button-retry"), ButtonStyle::Primary, retry);
    let message_id = worker.deps.discord.post(channel, &post, &SendNonce::of(message.id)).await?;
    let mut tx = worker.deps.store.begin().await?;
    tx.confirm_message(request.id, MessageKind::Operator, message_id, prepared.nonce).await?;
    tx.commit("outbox.prepare").await?;
    Ok(Sending::Sent)
}

/// Posts a notice about those of these jobs that still wait.
async fn send_delays(
    worker: &WorkerContext,
    message: &Outbox,
    jobs: &serde_json::Value,
) -> Result<Sending, Unsent> {
    let ids = jobs.as_array().into_iter().flatten().filter_map(|id| id.as_str()?.parse::<JobId>().ok());
    let ids: Vec<JobId> = ids.collect();
    let delays = worker.deps.store.read().await?.noticed_delays(&ids).await?;
    let config = worker.deps.config.now();
    let guild = message.target.parse::<GuildId>().ok().and_then(|guild| config.guild(guild));
    let (Some(channel), Some(first)) = (guild.and_then(|guild| guild.log_channel), delays.first()) else {
        return Ok(Sending::Nothing);
    };
    let codes: Vec<&str> = delays.iter().map(|delay| delay.request_code.as_str()).collect();
    let text = card::delayed_notice(Lang::default(), &codes, &first.wait);
    worker.deps.discord.post(channel, &OutgoingMessage::text(text), &SendNonce::of(message.id)).await?;
    Ok(Sending::Sent)
}
