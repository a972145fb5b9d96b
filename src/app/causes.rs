//! The cause in an error of any client, for the command line: it knows no client, and prints the sentence with the fix. Errors of Discord
//! name their fix themselves.

use std::error::Error;

use crate::directory::DirectoryError;
use crate::domain::cause::{Cause, Peer};
use crate::keycloak::KeycloakError;
use crate::store::StoreError;

/// The server and the cause, if an error in the chain of sources shows them.
pub fn cause_of(error: &(dyn Error + 'static)) -> Option<(Peer, Cause)> {
    std::iter::successors(Some(error), |&error| error.source()).find_map(|error| {
        let store = error.downcast_ref().and_then(StoreError::cause).map(|cause| (Peer::Database, cause));
        let directory =
            || error.downcast_ref().and_then(DirectoryError::cause).map(|cause| (Peer::Directory, cause));
        let keycloak =
            || error.downcast_ref().and_then(KeycloakError::cause).map(|cause| (Peer::Keycloak, cause));
        store.or_else(directory).or_else(keycloak)
    })
}
