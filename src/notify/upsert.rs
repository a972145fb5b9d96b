//! A message that is posted once and edited afterwards: what cards and panels share.

use crate::discord::custom_id::CustomId;
use crate::discord::{Discord, DiscordError, OutgoingMessage, SendNonce};
use crate::domain::ids::{ChannelId, MessageId};
use crate::domain::refusal::{Destination, Remedy, judge};
use crate::store::Outbox;

/// How many messages back a post of unknown outcome is searched for.
const LOOK_BACK: u8 = 50;

/// The place of a message, as the store has recorded it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    pub(super) channel: ChannelId,
    /// The message that was posted before.
    pub(super) message: Option<MessageId>,
}

/// The result of an upsert.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Upserted {
    /// The message is up to date.
    Stands(MessageId),
    /// The message was deleted: the caller forgets its id and posts a new one.
    Deleted,
}

/// Edits the message, or posts it. `is_ours` recognises a button of the message.
pub(super) async fn upsert_message(
    discord: &Discord,
    outbox: &Outbox,
    place: Place,
    post: &OutgoingMessage,
    is_ours: impl Fn(&CustomId) -> bool,
) -> Result<Upserted, DiscordError> {
    let current = match place.message {
        Some(id) => Some(id),
        // An earlier attempt may have posted it: Discord's own deduplication lasts only for minutes.
        None if outbox.attempt > 1 => find_posted(discord, place.channel, is_ours).await?,
        None => None,
    };
    let Some(id) = current else {
        return Ok(Upserted::Stands(discord.post(place.channel, post, &SendNonce::of(outbox.id)).await?));
    };
    match discord.edit_message(place.channel, id, post).await {
        Ok(()) => Ok(Upserted::Stands(id)),
        Err(error) if is_gone(&error) => Ok(Upserted::Deleted),
        Err(error) => Err(error),
    }
}

/// Whether there is no message of ours to edit any more. Cards and panels share this part of the table.
fn is_gone(error: &DiscordError) -> bool {
    let judged = error.refusal().map(|(status, code)| judge(Destination::RequestChannel, status, code));
    judged.is_some_and(|(_, remedy)| remedy == Remedy::PostAnew)
}

/// The newest message of the channel with one of our buttons.
async fn find_posted(
    discord: &Discord,
    channel: ChannelId,
    is_ours: impl Fn(&CustomId) -> bool,
) -> Result<Option<MessageId>, DiscordError> {
    let recent = discord.recent_messages(channel, LOOK_BACK).await?;
    let has_ours = |ids: &[String]| ids.iter().any(|text| text.parse().is_ok_and(|id| is_ours(&id)));
    Ok(recent.into_iter().find(|message| has_ours(&message.custom_ids)).map(|message| message.id))
}
