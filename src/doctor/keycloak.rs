//! Checks of Keycloak with the service client: connection, secret, rights, and the server's own address.

use super::checks::Checks;
use super::rights;
use crate::config::Config;
use crate::domain::finding::Finding;
use crate::keycloak::{Keycloak, KeycloakError};

/// Checks Keycloak with the service's own credentials. `with_ids` also tries `federation_id` and `group_mapper_id`, which an
/// administrator would look up.
pub(super) async fn examine(config: &Config, with_ids: bool, checks: &mut Checks) {
    let keycloak = match Keycloak::new(&config.keycloak) {
        Ok(keycloak) => keycloak,
        Err(error) => return record_error(checks, &error),
    };
    let claims = match keycloak.token_claims().await {
        Ok(claims) => claims,
        Err(error) => return record_error(checks, &error),
    };
    for finding in [
        Finding::KeycloakUnreachable,
        Finding::KeycloakUntrusted,
        Finding::KeycloakRealmMissing,
        Finding::KeycloakSecretWrong,
    ] {
        checks.pass(finding);
    }
    checks.compare_clock("Keycloak", claims.issued_at);
    if let Err(error) = rights::check(&keycloak, &claims, checks).await {
        record_error(checks, &error);
    }
    match keycloak.accepts_any_host().await {
        Ok(accepts) => checks.expect(Finding::KeycloakHostnameOpen, !accepts),
        Err(error) => record_error(checks, &error),
    }
    if with_ids {
        check_ids(&keycloak, checks).await;
    }
}

fn record_error(checks: &mut Checks, error: &KeycloakError) {
    let finding = match error {
        error if error.is_untrusted() => Finding::KeycloakUntrusted,
        KeycloakError::Settings { what } if what.starts_with("ca_file") => Finding::KeycloakUntrusted,
        KeycloakError::Status { endpoint: "token", status: 404, .. } => Finding::KeycloakRealmMissing,
        KeycloakError::Status { endpoint: "token", status: 400 | 401, .. } => Finding::KeycloakSecretWrong,
        KeycloakError::Down { .. }
        | KeycloakError::Status { .. }
        | KeycloakError::InvalidResponse { .. }
        | KeycloakError::Settings { .. } => Finding::KeycloakUnreachable,
    };
    checks.fail(finding, error.to_string());
}

/// Tries the ids with the call that the worker makes when a group is new to Keycloak.
async fn check_ids(keycloak: &Keycloak, checks: &mut Checks) {
    match keycloak.sync_groups().await {
        Ok(()) => checks.pass(Finding::KeycloakFederationUnknown),
        Err(KeycloakError::Status { status: 404, .. }) => {
            checks.fail(Finding::KeycloakFederationUnknown, None);
        }
        // A missing right (403), or a Keycloak that can't reach the directory (400), tells nothing about the ids.
        Err(KeycloakError::Status { status: 400 | 403, .. }) => {}
        Err(error) => record_error(checks, &error),
    }
}
