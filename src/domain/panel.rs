//! The panel: one message with buttons in a channel, for people who prefer buttons to commands.

use super::ids::{ChannelId, GuildId, MessageId};

/// A panel as the store holds it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Panel {
    /// The guild.
    pub guild_id: GuildId,
    /// The channel, which has at most one panel.
    pub channel_id: ChannelId,
    /// Discord's id of the message, once it was posted.
    pub message_id: Option<MessageId>,
}

/// A permission that the bot needs in the channel of a panel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ChannelRight {
    /// *View Channel*.
    View,
    /// *Send Messages*, or *Send Messages in Threads*.
    Send,
    /// *Read Message History*: without it, a panel could be posted twice if the outcome of the first attempt is unknown.
    ReadHistory,
}

impl ChannelRight {
    /// All of them, in the order in which they are shown.
    pub const ALL: &'static [Self] = &[Self::View, Self::Send, Self::ReadHistory];
}
