//! Messages with buttons: where they are, and which nonces their buttons carry.

use super::connection::{ReadConnection, Tx};
use super::error::StoreError;
use super::sql::{all, bare, exec, maybe, one, sql};
use crate::domain::error_code::codes;
use crate::domain::ids::{ChannelId, GuildId, MessageId, Nonce, RequestId};

codes! {
    /// The kind of a request's message.
    pub enum MessageKind {
        /// The card on which moderators decide.
        Card = "card",
        /// The notice to admins that a job needs an operator, with `Retry`.
        Operator = "operator",
    }
}

/// A message with buttons.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// The request that it shows.
    pub request_id: RequestId,
    /// The kind of message.
    pub kind: MessageKind,
    /// The guild that it is in.
    pub guild_id: GuildId,
    /// The channel that it is in.
    pub channel_id: ChannelId,
    /// Discord's id, once it was posted.
    pub message_id: Option<MessageId>,
    /// The nonce of its buttons, or of the edit that Discord has not confirmed yet.
    pub nonce: Nonce,
    /// The nonce before that edit; valid until Discord confirms it.
    pub nonce_before: Option<Nonce>,
}

impl Message {
    /// Whether a button with this nonce belongs to this message.
    pub fn accepts(&self, nonce: Nonce) -> bool {
        nonce != Nonce::NONE && (self.nonce == nonce || self.nonce_before == Some(nonce))
    }
}

sql! {
    BY_KEY = "SELECT guild_id, channel_id, message_id, nonce, nonce_before FROM message \
        WHERE request_id = $1 AND kind = $2";
    /// The nonce that Discord last confirmed stays valid, however often a new one is prepared.
    PREPARE = "INSERT INTO message (request_id, kind, guild_id, channel_id, nonce) VALUES ($1, $2, $3, $4, $5) \
        ON CONFLICT (request_id, kind) DO UPDATE SET \
        nonce_before = COALESCE(message.nonce_before, message.nonce), nonce = excluded.nonce, \
        guild_id = excluded.guild_id, channel_id = excluded.channel_id \
        RETURNING guild_id, channel_id, message_id, nonce, nonce_before";
    CONFIRM = "UPDATE message SET message_id = $3, \
        nonce_before = CASE WHEN nonce = $4 THEN NULL ELSE nonce_before END \
        WHERE request_id = $1 AND kind = $2";
    /// The open requests of a guild, oldest first, with whether their card was posted.
    OPEN = "SELECT r.id, m.message_id IS NOT NULL AS is_posted FROM request AS r \
        LEFT JOIN message AS m ON m.request_id = r.id AND m.kind = 'card' \
        WHERE r.guild_id = $1 AND r.state IN ('waiting', 'held') ORDER BY r.id LIMIT $2";
    FORGET = "UPDATE message SET message_id = NULL WHERE request_id = $1 AND kind = $2";
}

#[derive(sqlx::FromRow)]
struct Row {
    guild_id: String,
    channel_id: String,
    message_id: Option<String>,
    nonce: String,
    nonce_before: Option<String>,
}

impl Row {
    fn message(self, request_id: RequestId, kind: MessageKind) -> Result<Message, StoreError> {
        let unreadable = |_| StoreError::Row { table: "message" };
        Ok(Message {
            request_id,
            kind,
            guild_id: self.guild_id.parse().map_err(unreadable)?,
            channel_id: self.channel_id.parse().map_err(unreadable)?,
            message_id: self.message_id.map(|id| id.parse()).transpose().map_err(unreadable)?,
            nonce: self.nonce.parse().map_err(unreadable)?,
            nonce_before: self.nonce_before.map(|nonce| nonce.parse()).transpose().map_err(unreadable)?,
        })
    }
}

#[derive(sqlx::FromRow)]
struct OpenRow {
    id: String,
    is_posted: bool,
}

impl ReadConnection {
    /// The open requests of a guild, oldest first, with whether their card was posted.
    pub async fn open_cards(
        &mut self,
        guild: GuildId,
        limit: u32,
    ) -> Result<Vec<(RequestId, bool)>, StoreError> {
        let rows = all!(self, OPEN, OpenRow; guild.to_string(), i64::from(limit))?;
        let unreadable = |_| StoreError::Row { table: "request" };
        rows.into_iter().map(|row| Ok((row.id.parse().map_err(unreadable)?, row.is_posted))).collect()
    }

    /// The message of this kind of a request.
    pub async fn message(
        &mut self,
        request: RequestId,
        kind: MessageKind,
    ) -> Result<Option<Message>, StoreError> {
        maybe!(self, BY_KEY, Row; request.to_string(), kind.code())?
            .map(|row| row.message(request, kind))
            .transpose()
    }
}

impl Tx {
    /// Before a message is posted or edited: stores the nonce that it will carry; the one before stays valid until
    /// [`Tx::confirm_message`]. A second call before the confirmation keeps the nonce that Discord last confirmed.
    pub async fn prepare_message(
        &mut self,
        request: RequestId,
        kind: MessageKind,
        place: (GuildId, ChannelId),
    ) -> Result<Message, StoreError> {
        let nonce = self.inner.ids.nonce().to_string();
        one!(self, PREPARE, Row;
            request.to_string(), kind.code(), place.0.to_string(), place.1.to_string(), nonce)?
        .message(request, kind)
    }

    /// Notes that Discord confirmed the message with this nonce: the one before is no longer valid.
    pub async fn confirm_message(
        &mut self,
        request: RequestId,
        kind: MessageKind,
        message_id: MessageId,
        nonce: Nonce,
    ) -> Result<(), StoreError> {
        exec!(self, CONFIRM; request.to_string(), kind.code(), message_id.to_string(), nonce.to_string())
            .map(|_| ())
    }

    /// Notes that the message was deleted in Discord: the next one is posted as new.
    pub async fn forget_message(&mut self, request: RequestId, kind: MessageKind) -> Result<(), StoreError> {
        exec!(self, FORGET; request.to_string(), kind.code()).map(|_| ())
    }
}
