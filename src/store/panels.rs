//! Panels: the messages with the buttons for members, at most one in each channel.

use super::connection::{ReadConnection, Tx};
use super::error::StoreError;
use super::sql::{bare, exec, maybe, one, sql};
use crate::domain::ids::{ChannelId, GuildId, MessageId};
use crate::domain::panel::Panel;

sql! {
    BY_CHANNEL = "SELECT guild_id, channel_id, message_id FROM panel WHERE channel_id = $1";
    PUT = "INSERT INTO panel (channel_id, guild_id) VALUES ($1, $2) \
        ON CONFLICT (channel_id) DO UPDATE SET guild_id = excluded.guild_id \
        RETURNING guild_id, channel_id, message_id";
    STANDS = "UPDATE panel SET message_id = $2 WHERE channel_id = $1";
}

/// Guild, channel and message, as [`BY_CHANNEL`] and [`PUT`] give them.
type Row = (String, String, Option<String>);

fn panel_of((guild, channel, message): Row) -> Result<Panel, StoreError> {
    let unreadable = |_| StoreError::Row { table: "panel" };
    Ok(Panel {
        guild_id: guild.parse().map_err(unreadable)?,
        channel_id: channel.parse().map_err(unreadable)?,
        message_id: message.map(|id| id.parse()).transpose().map_err(unreadable)?,
    })
}

impl ReadConnection {
    /// The panel of a channel.
    pub async fn panel(&mut self, channel: ChannelId) -> Result<Option<Panel>, StoreError> {
        maybe!(self, BY_CHANNEL, Row; channel.to_string())?.map(panel_of).transpose()
    }
}

impl Tx {
    /// Notes that the channel is to have a panel; an existing one is kept.
    pub async fn put_panel(&mut self, guild: GuildId, channel: ChannelId) -> Result<Panel, StoreError> {
        panel_of(one!(self, PUT, Row; channel.to_string(), guild.to_string())?)
    }

    /// Notes the posted panel; `None` if it was deleted in Discord, and the next one is posted as new.
    pub async fn panel_stands(
        &mut self,
        channel: ChannelId,
        message: Option<MessageId>,
    ) -> Result<(), StoreError> {
        exec!(self, STANDS; channel.to_string(), message.map(|id| id.to_string())).map(|_| ())
    }
}
