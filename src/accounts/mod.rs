//! The use-cases: what members, moderators and admins can do, one file each.
//!
//! A use-case opens a transaction, loads facts, asks `domain`, writes the result *with* its audit row, outbox rows and job, and
//! commits. Remote systems are only read, and never inside a transaction; effects on people and groups belong to `jobs`.
//! No sentence that people read is made here: entrances get facts and codes, and render them through `messages`.
//!
//! Start with [`request`] (the member's side), then [`decide`] (the moderators').

mod answer;
pub mod audit_log;
pub mod cancel;
pub mod decide;
pub mod deny_list;
pub mod diagnosis;
mod eligibility_check;
pub mod explain;
mod export_writer;
pub mod links;
pub mod not_me;
pub mod open;
pub mod panel;
pub mod password;
mod remote_state;
pub mod request;
pub mod requests;
pub mod restored;
pub mod retry;
pub mod status;
mod viewer;

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use crate::clock::Clock;
use crate::config::{Config, SharedConfig};
use crate::directory::Directory;
use crate::discord::Discord;
use crate::domain::audit::{Actor, Source};
use crate::domain::error_code::ErrorCode;
use crate::domain::ids::{ChannelId, DiscordUserId, GuildId, InteractionId, MessageId, Nonce};
use crate::domain::member::MemberFacts;
use crate::keycloak::Keycloak;
use crate::messages::Lang;
use crate::store::Store;
use diagnosis::Examiner;

pub use crate::messages::mails::MailUnavailable;
pub use answer::{BrokenRule, Details, Field, FieldFault, UseCaseError};
pub use export_writer::Format;
pub use viewer::Viewer;

/// All use-cases. A clone is cheap and shares everything.
#[derive(Clone)]
pub struct Accounts {
    shared: Arc<Shared>,
    /// What held when this clone was made.
    config: Arc<Config>,
}

/// What every use-case may need.
struct Shared {
    live: SharedConfig,
    clock: Arc<dyn Clock>,
    clients: Clients,
}

/// The rooms that the use-cases read through. Only the store is written to.
#[derive(Clone)]
pub struct Clients {
    /// The store.
    pub store: Store,
    /// Discord. Without it (a command-line verb that needs none) nothing can be approved, denied or retried.
    pub discord: Option<Discord>,
    /// The directory. Without it nobody is found by mail address.
    pub directory: Option<Directory>,
    /// Keycloak. Without it nothing of it is compared.
    pub keycloak: Option<Keycloak>,
    /// Whoever judges all of them. Without it nobody does.
    pub examiner: Option<Examiner>,
}

/// How long the member's side may take, of the three seconds in which Discord wants a first answer.
const LOCAL_LIMIT: Duration = Duration::from_secs(2);

impl Accounts {
    /// Takes what the use-cases work with.
    pub fn new(config: impl Into<SharedConfig>, clock: Arc<dyn Clock>, clients: Clients) -> Self {
        let live = config.into();
        Self { config: live.now(), shared: Arc::new(Shared { live, clock, clients }) }
    }

    /// The same use-cases under the configuration that holds now: for one interaction, from its beginning to its end.
    #[must_use]
    pub fn up_to_date(&self) -> Self {
        Self { shared: Arc::clone(&self.shared), config: self.shared.live.now() }
    }

    /// The configuration that these use-cases go by.
    pub fn config(&self) -> &Config {
        &self.config
    }

    fn clock(&self) -> &dyn Clock {
        self.shared.clock.as_ref()
    }

    fn store(&self) -> &Store {
        &self.shared.clients.store
    }

    /// Runs what asks nobody but the store, within the time of a first answer. What is committed after all stands, and the next
    /// press finds it.
    async fn within_limit<T>(
        &self,
        job: impl Future<Output = Result<T, UseCaseError>>,
    ) -> Result<T, UseCaseError> {
        tokio::time::timeout(LOCAL_LIMIT, job).await.unwrap_or_else(|_| Err(ErrorCode::StoreBusy.into()))
    }
}

impl std::fmt::Debug for Accounts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Accounts")
    }
}

/// The facts of one interaction of a member, made by the entrance.
#[derive(Clone, Debug)]
pub struct Caller {
    /// Who.
    pub user_id: DiscordUserId,
    /// In which guild; `None` in a direct message.
    pub guild_id: Option<GuildId>,
    /// The member as the interaction carried it; `None` in a direct message.
    pub member: Option<MemberFacts>,
    /// The person's language.
    pub lang: Lang,
    /// The interaction. One interaction has one effect, however often it is delivered.
    pub interaction_id: InteractionId,
}

/// Who decides, retries or looks. The rights are judged by the use-case on a freshly fetched member.
#[derive(Clone, Debug)]
pub struct Reviewer {
    /// Who presses; at the command line the value of `--as`.
    pub user_id: DiscordUserId,
    /// In which guild.
    pub guild_id: GuildId,
    /// Through which entrance.
    pub via: Source,
    /// The login name of the operator, at the command line.
    pub cli_login: Option<String>,
    /// The interaction, in chat.
    pub interaction_id: Option<InteractionId>,
    /// The presser's language.
    pub lang: Lang,
}

/// How a decision proves that it means the request's present card.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Proof {
    /// A button of a card: it must be the recorded message, with its present nonce or the one before.
    Card {
        /// What the button carried.
        nonce: Nonce,
        /// Where it was pressed.
        channel_id: ChannelId,
        /// On which message.
        message_id: MessageId,
    },
    /// The command line names the request itself.
    CommandLine,
}

/// Who looks at links or the audit log from the command line; every look is audited.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Operator {
    /// The login name on the machine.
    pub login: String,
}

impl Operator {
    fn actor(&self) -> Actor {
        Actor::Cli(self.login.clone())
    }
}

/// The values of a form as typed: untrusted, and never printed.
#[derive(Clone, Default)]
pub struct FormInput {
    /// The wanted user name.
    pub username: String,
    /// The mail address.
    pub address: String,
    /// Given name.
    pub given: String,
    /// Family name.
    pub family: String,
    /// The reason, where the form asked for one.
    pub answer: Option<String>,
}

impl std::fmt::Debug for FormInput {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("FormInput(…)")
    }
}

#[cfg(test)]
mod tests;
