//! What one run of `doctor` may use, and why a run may be impossible.

use secrecy::SecretString;

use crate::discord::Discord;

/// The credentials that an operator lends for one run, and connections that are open already.
#[derive(Clone, Debug)]
pub struct Access {
    /// An administrator of Keycloak's realm `master`: name and password.
    pub administrator: Option<(String, SecretString)>,
    /// A bind that may read `cn=config`: DN and password.
    pub server_bind: Option<(String, SecretString)>,
    /// Whether the self-test may add temporary entries to the directory.
    pub self_test: SelfTestMode,
    /// An open client of Discord, whose rate limiter knows the other calls of this process. `None` opens a new one.
    pub discord: Option<Discord>,
}

/// Whether the self-test may run in the directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SelfTestMode {
    /// It adds temporary entries and removes them.
    Allowed,
    /// Nothing is written anywhere.
    Off,
}

/// Why a run is impossible.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CouldNotRun {
    /// Keycloak refuses the administrator.
    AdministratorRefused,
    /// The directory refuses the lent bind.
    ServerBindRefused,
}
