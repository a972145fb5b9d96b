//! The gateway: commands, buttons and forms from Discord each become one call of a use-case.
//!
//! No texts (`messages`), decisions (`accounts`), SQL, or calls to Discord outside `discord` live here. poise only parses: every
//! event becomes an [`interaction::Interaction`] at once, so interactions over HTTP can be added later. Start with [`run`], then
//! `components` (buttons and forms) and `commands`.

mod admin;
mod admin_commands;
mod commands;
mod components;
mod dependencies;
mod dispatch;
mod error;
mod forms;
mod gateway;
mod gateway_status;
mod guard;
mod guilds;
mod interaction;
mod member;
mod moderator;
mod panel;
mod register;
mod render;
mod request_commands;
mod requests;

pub use dependencies::Dependencies;
pub use error::BotError;
pub use gateway::run;
pub use gateway_status::{GatewayStatus, Session};
pub use guilds::JoinedGuilds;
