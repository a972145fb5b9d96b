//! `/panel post`: posts or updates the panel in the current channel.

use poise::serenity_prelude as serenity;
use serenity::Permissions;

use super::interaction::Interaction;
use crate::accounts::Purpose;
use crate::discord::{DiscordError, OutgoingMessage};
use crate::domain::ids::ChannelId;
use crate::domain::panel::ChannelRight;
use crate::messages::tr;

/// The channel in which `/panel post` was used, and the permissions that the bot lacks there.
pub(super) struct PanelPlace {
    channel_id: ChannelId,
    missing: Vec<ChannelRight>,
}

impl PanelPlace {
    /// Reads the channel's permissions from the command. If Discord sends none, no permission counts as missing; the post itself will
    /// fail then.
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

/// `/panel post`. The answer is deferred, because the caller's roles are fetched from Discord first.
pub(super) async fn post_panel(interaction: &Interaction, place: PanelPlace) -> Result<(), DiscordError> {
    let Some(reviewer) = interaction.reviewer() else { return interaction.say_old_button().await };
    interaction.reply.defer_ephemeral().await?;
    let lang = interaction.lang();
    let accounts = interaction.accounts();
    let posting = async {
        let admin = accounts.authorize_admin(&reviewer, Purpose::Panel).await?;
        accounts.post_panel(&admin, place.channel_id, &place.missing).await
    };
    let post = match posting.await {
        Ok(posted) if posted.stands => OutgoingMessage::text(tr!(lang, "panel-updating")),
        Ok(_) => OutgoingMessage::text(tr!(lang, "panel-posting")),
        Err(denied) => interaction.error_message(&denied),
    };
    interaction.reply.edit_original(&post).await
}
