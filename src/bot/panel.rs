//! `/panel post`: where it was used, and what becomes of it.

use poise::serenity_prelude as serenity;
use serenity::Permissions;

use super::visit::Visit;
use crate::discord::{DiscordError, OutgoingMessage};
use crate::domain::ids::ChannelId;
use crate::domain::panel::ChannelRight;
use crate::messages;

/// Where `/panel post` was used, and what the bot lacks there.
pub(super) struct PanelPlace {
    channel_id: ChannelId,
    missing: Vec<ChannelRight>,
}

impl PanelPlace {
    /// Reads what Discord says of the channel with the command. Without a word of it nothing is taken to be missing: the post itself
    /// will tell.
    pub(super) fn of(command: &serenity::CommandInteraction) -> Self {
        let has = command.app_permissions.unwrap_or_else(Permissions::all);
        let is_thread = command.channel.as_ref().is_some_and(|channel| channel.thread_metadata.is_some());
        let send = if is_thread { Permissions::SEND_MESSAGES_IN_THREADS } else { Permissions::SEND_MESSAGES };
        let needed = |right| match right {
            ChannelRight::View => Permissions::VIEW_CHANNEL,
            ChannelRight::Send => send,
            ChannelRight::ReadHistory => Permissions::READ_MESSAGE_HISTORY,
        };
        let is_missing = |right: &&ChannelRight| {
            !has.contains(needed(**right)) && !has.contains(Permissions::ADMINISTRATOR)
        };
        Self {
            channel_id: ChannelId::new(command.channel_id.get()),
            missing: ChannelRight::ALL.iter().filter(is_missing).copied().collect(),
        }
    }
}

/// `/panel post`: who may is asked of Discord first, so the answer is deferred.
pub(super) async fn post_panel(visit: &Visit, place: PanelPlace) -> Result<(), DiscordError> {
    let Some(reviewer) = visit.reviewer() else { return visit.say_old_button().await };
    visit.reply.defer_ephemeral().await?;
    let lang = visit.lang();
    let post = match visit.accounts().post_panel(&reviewer, place.channel_id, &place.missing).await {
        Ok(posted) if posted.stands => OutgoingMessage::text(messages::panel::updating(lang)),
        Ok(_) => OutgoingMessage::text(messages::panel::posting(lang)),
        Err(denied) => visit.error_code(&denied),
    };
    visit.reply.edit_original(&post).await
}
