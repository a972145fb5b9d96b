//! The client for Discord's REST API: members, cards, direct messages, roles, and replies to interactions.
//!
//! No texts (`messages`), decisions (`accounts`, `domain`), SQL or gateway (`bot`) live here. Retrying is the worker's job. Start with
//! [`Discord`]. [`reply`] answers interactions, [`custom_id`] is what buttons carry, and every message is built by one function that
//! never pings anyone.

mod client;
pub mod custom_id;
pub mod embed;
pub mod error;
mod guild_names;
mod guild_permissions;
pub mod inspect;
mod limits;
pub mod message;
pub mod modal;
mod open_replies;
mod rate_limit;
mod recent_members;
pub mod reply;
mod transport;
mod truncated;
mod unanswered;

pub use client::{ChannelMessage, Discord, Profile, member_facts};
pub use error::{ConnectError, DiscordError};
pub use message::{Attachment, Button, ButtonStyle, OutgoingMessage, SendNonce, TEXT_MAX};
pub use modal::{FieldStyle, FormField, Modal, Need};
pub use reply::Reply;
