//! Who uses Accolade and what they type: the facts that the bot or the command line passes to a use-case.

use crate::domain::audit::{Actor, Source};
use crate::domain::ids::{ChannelId, DiscordUserId, GuildId, InteractionId, MessageId, Nonce};
use crate::domain::lang::Lang;
use crate::domain::member::MemberFacts;

/// The facts about one interaction of a member.
#[derive(Clone, Debug)]
pub struct Caller {
    /// The Discord user.
    pub user_id: DiscordUserId,
    /// The guild; `None` in a direct message.
    pub guild_id: Option<GuildId>,
    /// The member as the interaction carried it; `None` in a direct message.
    pub member: Option<MemberFacts>,
    /// The person's language.
    pub lang: Lang,
    /// The interaction. One interaction has one effect, however often Discord delivers it.
    pub interaction_id: InteractionId,
}

/// A member who wants to decide, retry or view something. This value grants no right: the check reads the member again from Discord.
#[derive(Clone, Debug)]
pub struct Reviewer {
    /// The Discord user; at the command line the value of `--as`.
    pub user_id: DiscordUserId,
    /// The guild.
    pub guild_id: GuildId,
    /// The source: chat or the command line.
    pub via: Source,
    /// The login name of the operator, at the command line.
    pub cli_login: Option<String>,
    /// The interaction, in chat.
    pub interaction_id: Option<InteractionId>,
    /// The reviewer's language.
    pub lang: Lang,
}

/// An operator at the command line, who can read the database and its key file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Operator {
    /// The login name on the machine.
    pub login: String,
}

impl Operator {
    pub(super) fn actor(&self) -> Actor {
        Actor::Cli(self.login.clone())
    }
}

/// How a decision proves that it refers to the request's current card.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Proof {
    /// A button of a card: it must be on the recorded message and carry its current or previous nonce.
    Card {
        /// The nonce that the button carried.
        nonce: Nonce,
        /// The channel of the button.
        channel_id: ChannelId,
        /// The message of the button.
        message_id: MessageId,
    },
    /// The command line names the request itself.
    CommandLine,
}
