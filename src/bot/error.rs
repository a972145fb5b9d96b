//! Why the bot ended.

use std::time::Duration;

use crate::discord::{ConnectError, DiscordError};
use crate::domain::ids::GuildId;

/// Why the bot ended. Each is a reason to end the process with its text.
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
    /// Close codes 4010, 4011 or 4013: waiting doesn't help.
    #[error(
        "Discord refuses the gateway session for good: this version of Accolade cannot serve this application (too many guilds for one session, or intents that Discord does not know)"
    )]
    SessionRefused,
    /// Discord's gateway accepted connections but gave no session for much longer than a healthy gateway needs, several times.
    #[error(
        "Discord's gateway was reached and gave no session within {0:?}: if this comes again, look at the application in Discord's developer portal"
    )]
    NoSession(Duration),
    /// The commands could not be registered.
    #[error("cannot register the commands in guild {guild}")]
    Register {
        /// The guild.
        guild: GuildId,
        /// The cause.
        #[source]
        source: DiscordError,
    },
    /// The client could not be built.
    #[error("cannot open the gateway")]
    Open(#[source] ConnectError),
    /// The gateway library ended for another reason.
    #[error("the gateway ended: {0}")]
    Ended(&'static str),
}
