//! What every use-case needs: the current configuration, the clock, the store and the clients.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use super::error::{Chain, UseCaseError};
use super::examiner::Examiner;
use crate::clock::Clock;
use crate::config::{Config, SharedConfig};
use crate::directory::Directory;
use crate::discord::Discord;
use crate::domain::error_code::ErrorCode;
use crate::domain::ids::{DiscordUserId, GuildId};
use crate::domain::member::MemberFacts;
use crate::keycloak::Keycloak;
use crate::store::Store;

/// All use-cases. A clone is cheap and shares everything.
#[derive(Clone)]
pub struct Accounts {
    shared: Arc<Shared>,
    /// The configuration at the time this clone was made.
    config: Arc<Config>,
}

struct Shared {
    live: SharedConfig,
    clock: Arc<dyn Clock>,
    clients: Clients,
}

/// The clients of the use-cases. They write only to the store.
#[derive(Clone)]
pub struct Clients {
    /// The store.
    pub store: Store,
    /// Discord. Without it (for a command that needs none), members can't be authorized and nothing can be approved or denied.
    pub discord: Option<Discord>,
    /// The directory. Without it, no link is found by mail address.
    pub directory: Option<Directory>,
    /// Keycloak. Without it, nothing is compared with Keycloak.
    pub keycloak: Option<Keycloak>,
    /// Runs the doctor. Without it, there is no diagnosis.
    pub examiner: Option<Examiner>,
}

/// The limit for a use-case of a member. Discord requires a first answer within three seconds, so the bot defers a slower answer. The store
/// itself gives up after two seconds without progress, so only a long queue reaches this limit.
const LOCAL_LIMIT: Duration = Duration::from_secs(25);

impl Accounts {
    /// Creates the use-cases with these clients.
    pub fn new(config: impl Into<SharedConfig>, clock: Arc<dyn Clock>, clients: Clients) -> Self {
        let live = config.into();
        Self { config: live.now(), shared: Arc::new(Shared { live, clock, clients }) }
    }

    /// The same use-cases with the current configuration. One interaction keeps one configuration from beginning to end.
    #[must_use]
    pub fn up_to_date(&self) -> Self {
        Self { shared: Arc::clone(&self.shared), config: self.shared.live.now() }
    }

    /// The configuration of these use-cases.
    pub fn config(&self) -> &Config {
        &self.config
    }

    pub(super) fn clock(&self) -> &dyn Clock {
        self.shared.clock.as_ref()
    }

    pub(super) fn store(&self) -> &Store {
        &self.shared.clients.store
    }

    pub(super) fn clients(&self) -> &Clients {
        &self.shared.clients
    }

    /// Reads a member from Discord again. Without an answer, nothing is decided.
    pub(super) async fn fetch_member(
        &self,
        guild: GuildId,
        user: DiscordUserId,
    ) -> Result<Option<MemberFacts>, UseCaseError> {
        let discord = self.clients().discord.as_ref().ok_or(ErrorCode::DiscordDown)?;
        discord.member(guild, user).await.map_err(|error| {
            tracing::warn!(error = %Chain(&error), "a member could not be fetched, so nothing was decided");
            error.error_code().into()
        })
    }

    /// Runs a use-case that needs only the store, within its limit. A commit after the limit remains valid, and the next press finds it. An
    /// error is returned only after the data that it depends on has been flushed to the disk.
    pub(super) async fn within_limit<T>(
        &self,
        work: impl Future<Output = Result<T, UseCaseError>> + Send,
    ) -> Result<T, UseCaseError> {
        // Boxed, because otherwise every caller's future would contain the statements of a whole use-case.
        let limited = async {
            let done = work.await;
            if done.is_err() {
                self.store().flushed().await?;
            }
            done
        };
        tokio::time::timeout(LOCAL_LIMIT, Box::pin(limited))
            .await
            .unwrap_or_else(|_| Err(ErrorCode::StoreBusy.into()))
    }
}

impl std::fmt::Debug for Accounts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Accounts")
    }
}
