//! How the sending of a message ends.

use crate::discord::DiscordError;
use crate::store::StoreError;

/// How a message ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sending {
    /// Discord has it. The sender still has to settle the outbox row.
    Sent,
    /// Discord has it, and the outbox row was settled together with the place of the message.
    Settled,
    /// There is nothing to send any more, or nobody to send it to.
    Nothing,
    /// The person accepts no direct messages; `/account status` tells them instead.
    Closed,
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
