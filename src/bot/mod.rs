//! The gateway entrance: commands, buttons and forms from Discord become one call of a use-case each.
//!
//! What may not live here: sentences (`messages`), decisions (`accounts`), SQL, and calls to Discord other than through `discord`.
//! poise's context is used for parsing only: at once everything becomes a [`visit::Visit`] (a `Caller` and a `Reply`), so that
//! interactions over HTTP can become one more entrance. Start with [`run`], then `components`, the one place of dispatch.

mod admin;
mod admin_commands;
mod commands;
mod components;
mod desk;
mod desk_commands;
mod forms;
mod gateway;
mod gateway_status;
mod guard;
mod member;
mod moderator;
mod panel;
mod register;
mod render;
mod visit;

use std::sync::Arc;
use std::time::Duration;

pub use gateway::run;
pub use gateway_status::{GatewayStatus, Session};

use crate::accounts::Accounts;
use crate::accounts::restored::MaintenanceMode;
use crate::clock::{Clock, Ids};
use crate::config::SharedConfig;
use crate::discord::{ConnectError, Discord, DiscordError};

/// What the entrance works with.
#[derive(Clone)]
pub struct BotParts {
    /// Outgoing calls.
    pub discord: Discord,
    /// The use-cases.
    pub accounts: Accounts,
    /// The checked configuration.
    pub config: SharedConfig,
    /// Judges the age of an interaction.
    pub clock: Arc<dyn Clock>,
    /// Makes the trace id of each interaction.
    pub ids: Ids,
    /// While it is on, everybody is asked to come back later.
    pub hold: MaintenanceMode,
    /// Shows others whether there is a session.
    pub watch: GatewayStatus,
    /// Hears how long each first answer took, from the interaction's arrival until Discord had taken it.
    pub note_acknowledgement: Arc<dyn Fn(Duration) + Send + Sync>,
}

/// Why the entrance ended. Each is a reason to end the process with its text.
#[derive(Debug, thiserror::Error)]
pub enum BotError {
    /// Close code 4004.
    #[error("Discord refuses the bot token: check discord.token_file")]
    WrongToken,
    /// Close code 4014.
    #[error(
        "Discord refuses the gateway intents: switch on \"Server Members Intent\" for this application in Discord's developer portal"
    )]
    IntentNotGranted,
    /// Close codes 4010, 4011 or 4013: nothing that waiting cures.
    #[error(
        "Discord refuses the gateway session for good: this version of Accolade cannot serve this application (too many guilds for one session, or intents that Discord does not know)"
    )]
    SessionRefused,
    /// Discord's gateway takes connections and gives no session, for longer than any healthy gateway needs, again and again.
    #[error(
        "Discord's gateway was reached and gave no session within {0:?}: if this comes again, look at the application in Discord's developer portal"
    )]
    NoSession(Duration),
    /// The commands could not be registered.
    #[error("cannot register the commands in guild {guild}")]
    Register {
        /// Which guild.
        guild: crate::domain::ids::GuildId,
        /// Why.
        #[source]
        source: DiscordError,
    },
    /// The client could not be built.
    #[error("cannot open the gateway")]
    Open(#[source] ConnectError),
    /// Anything else that the gateway library ended with.
    #[error("the gateway ended: {0}")]
    Ended(&'static str),
}

type Data = Arc<BotParts>;
type Context<'a> = poise::ApplicationContext<'a, Data, BotError>;
