//! The results of sending a message.

use crate::discord::DiscordError;
use crate::domain::ids::{MessageId, Nonce, PersonId, RequestId};
use crate::domain::refusal::RefusalReason;
use crate::store::StoreError;

/// A card that Discord has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Posted {
    pub(super) request_id: RequestId,
    pub(super) message_id: MessageId,
    /// The nonce of the buttons that it shows.
    pub(super) nonce: Nonce,
}

/// A direct message that can't reach its person.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Unreached {
    pub(super) person_id: PersonId,
    pub(super) request_id: RequestId,
    pub(super) refusal: RefusalReason,
    /// The answer that promised the message says it now.
    pub(super) is_told_elsewhere: bool,
}

/// What became of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sending {
    /// Discord has it. The sender still has to settle the outbox row.
    Sent,
    /// Discord has a card. The sender still has to note where it is and to settle the outbox row.
    Posted(Posted),
    /// Discord has it, and the outbox row was settled together with the place of the message.
    Settled,
    /// There is nothing to send any more, or nobody to send it to.
    Nothing,
    /// The person can't be reached by direct message; `/account status` tells them instead.
    Unreached(Unreached),
}

/// Why a message was not sent.
#[derive(Debug)]
pub(super) enum Unsent {
    Discord(DiscordError),
    Store(StoreError),
}

impl From<DiscordError> for Unsent {
    fn from(error: DiscordError) -> Self {
        Self::Discord(error)
    }
}

impl From<StoreError> for Unsent {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}
