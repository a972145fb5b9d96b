//! Sends the outbox to Discord: cards, panels, direct messages and notices.
//!
//! Start with [`sender`]. Messages are stored as ids and rendered from current data when they are sent.

mod card;
mod direct;
mod notice;
mod outcome;
mod panel;
mod refused;
pub(crate) mod sender;
mod upsert;
