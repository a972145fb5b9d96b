//! The panel of a channel: posted once, edited ever after. Its buttons carry no row and no nonce: each asks for what a command asks
//! for, and is judged as that.

use std::time::Duration;

use super::WorkerContext;
use super::outbox::{Sending, Unsent};
use crate::discord::custom_id::{CustomId, Verb};
use crate::discord::{ButtonStyle, DiscordError, OutgoingMessage, SendNonce};
use crate::domain::ids::{ChannelId, MessageId};
use crate::domain::panel::Panel;
use crate::messages::{Lang, account, mails, panel as sentences};
use crate::store::Outbox;

/// Discord's code for a message that is not there any more.
const UNKNOWN_MESSAGE: i64 = 10008;

/// How many messages back a post of unknown outcome is looked for.
const LOOK_BACK: u8 = 50;

/// Posts or edits the panel that `message` names.
pub(super) async fn send(worker: &WorkerContext, message: &Outbox) -> Result<Sending, Unsent> {
    let Ok(channel) = message.target.parse::<ChannelId>() else { return Ok(Sending::Nothing) };
    let panel = worker.deps.store.read().await?.panel(channel).await?;
    let Some(panel) = panel.filter(|panel| worker.deps.config.now().guild(panel.guild_id).is_some()) else {
        return Ok(Sending::Nothing);
    };
    let standing = bring(worker, message, &panel).await?;
    let mut tx = worker.deps.store.begin().await?;
    tx.panel_stands(channel, Some(standing)).await?;
    tx.outbox_sent(message).await?;
    tx.commit("outbox.sent").await?;
    Ok(Sending::Sent)
}

/// Edits the message that stands, or posts it.
async fn bring(worker: &WorkerContext, outbox: &Outbox, panel: &Panel) -> Result<MessageId, Unsent> {
    let discord = &worker.deps.discord;
    let post = render();
    let standing = match panel.message_id {
        Some(id) => Some(id),
        // An earlier try may have posted it: Discord's own guard against doubles lasts for minutes only.
        None if outbox.attempt > 1 => find_posted(worker, panel.channel_id).await?,
        None => None,
    };
    let Some(id) = standing else {
        return Ok(discord.post(panel.channel_id, &post, &SendNonce::of(outbox.id)).await?);
    };
    match discord.edit_message(panel.channel_id, id, &post).await {
        Ok(()) => Ok(id),
        Err(DiscordError::Gone(UNKNOWN_MESSAGE)) => {
            let mut tx = worker.deps.store.begin().await?;
            tx.panel_stands(panel.channel_id, None).await?;
            tx.commit("outbox.prepare").await?;
            // Somebody deleted it: the next try posts it anew.
            Err(DiscordError::RateLimited { after: Duration::ZERO }.into())
        }
        Err(error) => Err(error.into()),
    }
}

/// The newest message of ours with the panel's buttons.
async fn find_posted(worker: &WorkerContext, channel: ChannelId) -> Result<Option<MessageId>, DiscordError> {
    let is_ours = |text: &String| text.parse() == Ok(CustomId::without_row(Verb::Status));
    let recent = worker.deps.discord.recent_messages(channel, LOOK_BACK).await?;
    Ok(recent.into_iter().find(|message| message.custom_ids.iter().any(is_ours)).map(|message| message.id))
}

/// It stands for everybody, so it speaks the house's language.
fn render() -> OutgoingMessage {
    let lang = Lang::default();
    OutgoingMessage::text(sentences::text(lang))
        .with_button(account::request_label(lang), ButtonStyle::Primary, CustomId::without_row(Verb::Request))
        .with_button(
            sentences::status_label(lang),
            ButtonStyle::Secondary,
            CustomId::without_row(Verb::Status),
        )
        .with_button(mails::resend_label(lang), ButtonStyle::Secondary, CustomId::without_row(Verb::Resend))
}
