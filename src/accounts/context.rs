//! What every use-case works with: the configuration of this moment, the clock, the store and the clients.

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

/// What the use-cases read through. They write only to the store.
#[derive(Clone)]
pub struct Clients {
    /// The store.
    pub store: Store,
    /// Discord. Without it (a command-line verb that needs none) nothing can be approved, denied or retried.
    pub discord: Option<Discord>,
    /// The directory. Without it nobody is found by mail address.
    pub directory: Option<Directory>,
    /// Keycloak. Without it nothing is compared with Keycloak.
    pub keycloak: Option<Keycloak>,
    /// Runs the doctor. Without it there is no diagnosis.
    pub examiner: Option<Examiner>,
}

/// How long a use-case of the member's side may take. Discord wants a first answer within three seconds; an entrance that waits longer
/// than that defers. The store itself gives up after two seconds without any progress, so only a long queue gets here.
const LOCAL_LIMIT: Duration = Duration::from_secs(25);

impl Accounts {
    /// Makes the use-cases over these clients.
    pub fn new(config: impl Into<SharedConfig>, clock: Arc<dyn Clock>, clients: Clients) -> Self {
        let live = config.into();
        Self { config: live.now(), shared: Arc::new(Shared { live, clock, clients }) }
    }

    /// The same use-cases under the present configuration. One interaction keeps one configuration from its beginning to its end.
    #[must_use]
    pub fn up_to_date(&self) -> Self {
        Self { shared: Arc::clone(&self.shared), config: self.shared.live.now() }
    }

    /// The configuration that these use-cases go by.
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

    /// A member, read afresh from Discord. Without an answer nothing is decided.
    pub(super) async fn fetch_member(
        &self,
        guild: GuildId,
        user: DiscordUserId,
    ) -> Result<Option<MemberFacts>, UseCaseError> {
        let discord = self.clients().discord.as_ref().ok_or(ErrorCode::Internal)?;
        discord.member(guild, user).await.map_err(|error| {
            tracing::warn!(error = %Chain(&error), "a member could not be fetched, so nothing was decided");
            error.error_code().into()
        })
    }

    /// Runs a use-case that asks only the store, within its limit. A commit after the limit stands, and the next press finds it. A
    /// refusal returns when what it rests on is on the disk.
    pub(super) async fn within_limit<T>(
        &self,
        work: impl Future<Output = Result<T, UseCaseError>> + Send,
    ) -> Result<T, UseCaseError> {
        // Boxed: the statements of a whole use-case would otherwise lie in every caller's future.
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
