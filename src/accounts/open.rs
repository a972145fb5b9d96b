//! Opens the use-cases for one command of an operator, with no more access than the command needs.

use std::sync::Arc;

use super::context::{Accounts, Clients};
use crate::clock::{Clock, Rng};
use crate::config::Config;
use crate::directory::{Directory, DirectoryError};
use crate::discord::{ConnectError, Discord};
use crate::keycloak::{Keycloak, KeycloakError};
use crate::store::{Store, StoreError};

/// What a command may access.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AccessLevel {
    /// Reads the store.
    Read,
    /// Writes to the store and may read the directory.
    Write,
    /// The same, and reads Keycloak.
    Compare,
    /// Decides: writes to the store after asking Discord for the member's roles.
    Decide,
}

/// A client could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The database.
    #[error("could not open the database")]
    Store(#[from] StoreError),
    /// Discord.
    #[error("could not reach Discord")]
    Discord(#[from] ConnectError),
    /// The directory's settings.
    #[error("could not use the settings of the directory")]
    Directory(#[from] DirectoryError),
    /// Keycloak's settings.
    #[error("could not use the settings of Keycloak")]
    Keycloak(#[from] KeycloakError),
}

impl Accounts {
    /// Opens what a command with this access needs. Close it with [`Accounts::close`].
    pub async fn open(
        config: Config,
        clock: Arc<dyn Clock>,
        rng: Arc<dyn Rng>,
        level: AccessLevel,
    ) -> Result<Self, OpenError> {
        let store = match level {
            AccessLevel::Read => Store::open_read_only(&config.store, clock.clone(), rng).await?,
            AccessLevel::Write | AccessLevel::Compare | AccessLevel::Decide => {
                Store::open(&config.store, clock.clone(), rng).await?
            }
        };
        let directory = match level {
            AccessLevel::Read => None,
            AccessLevel::Write | AccessLevel::Compare | AccessLevel::Decide => {
                Some(Directory::new(&config.directory)?)
            }
        };
        let discord = match level {
            AccessLevel::Read | AccessLevel::Write | AccessLevel::Compare => None,
            AccessLevel::Decide => Some(Discord::connect(&config.discord, clock.clone()).await?),
        };
        let keycloak = match level {
            AccessLevel::Read | AccessLevel::Write | AccessLevel::Decide => None,
            AccessLevel::Compare => Some(Keycloak::new(&config.keycloak)?),
        };
        Ok(Self::new(
            Arc::new(config),
            clock,
            Clients { store, discord, directory, keycloak, examiner: None },
        ))
    }

    /// Closes the store after waiting for running operations.
    pub async fn close(&self) {
        self.store().close().await;
    }
}
