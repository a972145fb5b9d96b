//! How much of the configuration must exist already.

use secrecy::SecretString;

/// How complete the file must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// Every required key must be set.
    Complete,
    /// Secrets and ids that `accolade setup` creates may be missing.
    BeforeSetup,
}

/// The placeholder for a secret that does not exist yet.
pub(super) fn no_secret() -> SecretString {
    SecretString::from(String::new())
}
