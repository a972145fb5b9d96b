//! What the bot needs to run.

use std::sync::Arc;
use std::time::Duration;

use super::error::BotError;
use super::gateway_status::GatewayStatus;
use super::guilds::JoinedGuilds;
use crate::accounts::Accounts;
use crate::accounts::restored::MaintenanceMode;
use crate::clock::{Clock, Ids};
use crate::config::SharedConfig;
use crate::discord::Discord;

/// What the bot needs to run.
#[derive(Clone)]
pub struct Dependencies {
    /// The client for outgoing calls.
    pub discord: Discord,
    /// The use-cases.
    pub accounts: Accounts,
    /// The current configuration.
    pub config: SharedConfig,
    /// The clock for the age of an interaction.
    pub clock: Arc<dyn Clock>,
    /// The source of trace ids.
    pub ids: Ids,
    /// While it is on, every interaction is answered with "come back later".
    pub maintenance: MaintenanceMode,
    /// The status of the gateway session, which the health page reads.
    pub gateway: GatewayStatus,
    /// The guilds that the bot is in, which the health page reads.
    pub guilds: JoinedGuilds,
    /// Called with the time between the arrival of an interaction and the moment when Discord accepted the first answer.
    pub observe_acknowledgement: Arc<dyn Fn(Duration) + Send + Sync>,
}

/// The user data of poise.
pub(super) type Data = Arc<Dependencies>;

/// The context of a command.
pub(super) type Context<'a> = poise::ApplicationContext<'a, Data, BotError>;
