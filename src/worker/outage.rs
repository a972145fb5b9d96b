//! Which errors mean that a server is unavailable, so that its circuit breaker counts them.

use crate::directory::DirectoryError;
use crate::discord::DiscordError;
use crate::domain::retry::ErrorClass;
use crate::keycloak::KeycloakError;

/// An error of a client, classified for the circuit breaker.
pub(crate) trait IsOutage: std::fmt::Display {
    /// The server didn't answer, or answered that it is unavailable.
    fn is_outage(&self) -> bool;
}

impl IsOutage for DirectoryError {
    fn is_outage(&self) -> bool {
        self.class() == ErrorClass::Retry
    }
}

impl IsOutage for KeycloakError {
    fn is_outage(&self) -> bool {
        self.class() == ErrorClass::Retry
    }
}

impl IsOutage for DiscordError {
    fn is_outage(&self) -> bool {
        matches!(self, Self::Down { .. })
    }
}
