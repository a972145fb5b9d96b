//! The panel: one message with buttons in a channel, for people who prefer buttons to commands.

use super::ids::{ChannelId, GuildId, MessageId};

/// A panel as the store holds it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Panel {
    /// In which guild.
    pub guild_id: GuildId,
    /// In which channel; there is one in each at the most.
    pub channel_id: ChannelId,
    /// Discord's id, once it was posted.
    pub message_id: Option<MessageId>,
}

/// What the bot lacks in a channel for a panel to stand there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ChannelRight {
    /// *View Channel*.
    View,
    /// *Send Messages*, or *Send Messages in Threads*.
    Send,
    /// *Read Message History*: without it a panel of unknown outcome could be posted twice.
    ReadHistory,
}

impl ChannelRight {
    /// All of them, in the order in which people read them.
    pub const ALL: &'static [Self] = &[Self::View, Self::Send, Self::ReadHistory];
}
