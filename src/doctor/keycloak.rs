//! Checks of Keycloak with the service client: connection, secret, rights, and the server's own address.

use super::checks::Checks;
use super::rights;
use crate::config::Config;
use crate::domain::cause::Cause;
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
    match rights::check(&keycloak, &claims, checks).await {
        Ok(()) => checks.pass(Finding::KeycloakProxyAnswers),
        Err(error) => record_error(checks, &error),
    }
    check_scheme(config, &keycloak, checks).await;
    match keycloak.accepts_any_host().await {
        Ok(accepts) => checks.expect(Finding::KeycloakHostnameOpen, !accepts),
        Err(error) => record_error(checks, &error),
    }
    if with_ids {
        check_ids(&keycloak, checks).await;
    }
}

pub(super) fn record_error(checks: &mut Checks, error: &KeycloakError) {
    let finding = match error {
        error if error.is_untrusted() => Finding::KeycloakUntrusted,
        KeycloakError::Settings { what } if what.starts_with("ca_file") => Finding::KeycloakUntrusted,
        error if is_from_a_proxy(error) => Finding::KeycloakProxyAnswers,
        KeycloakError::Status { endpoint: "token", status: 404, .. } => Finding::KeycloakRealmMissing,
        KeycloakError::Status { endpoint: "token", status: 400 | 401, .. } => Finding::KeycloakSecretWrong,
        KeycloakError::Down { .. }
        | KeycloakError::Status { .. }
        | KeycloakError::InvalidResponse { .. }
        | KeycloakError::Settings { .. } => Finding::KeycloakUnreachable,
    };
    checks.fail_because(finding, error.to_string(), error.cause());
}

/// Whether a proxy refused on its own account. One that does not reach Keycloak reports that Keycloak is down.
fn is_from_a_proxy(error: &KeycloakError) -> bool {
    let is_outage = matches!(error.cause(), Some(Cause::BadGateway | Cause::TooManyRequests));
    error.is_foreign() && !is_outage
}

/// People reach Keycloak over TLS, but Keycloak was not told so by the proxy: its links would begin with `http://`.
async fn check_scheme(config: &Config, keycloak: &Keycloak, checks: &mut Checks) {
    match keycloak.own_scheme().await {
        Ok(scheme) => {
            let is_plain = scheme == "http" && config.keycloak.public_url.scheme() == "https";
            checks.expect(Finding::KeycloakLinksPlain, !is_plain);
        }
        Err(error) => record_error(checks, &error),
    }
}

/// Tries the ids with the call that the worker makes when a group is new to Keycloak.
async fn check_ids(keycloak: &Keycloak, checks: &mut Checks) {
    match keycloak.sync_groups().await {
        Ok(()) => checks.pass(Finding::KeycloakFederationUnknown),
        Err(error) if error.says_absent() => checks.fail(Finding::KeycloakFederationUnknown, None),
        // A missing right (403), or a Keycloak that can't reach the directory (400), tells nothing about the ids.
        Err(KeycloakError::Status { status: 400 | 403, ref text, .. }) if !text.is_empty() => {}
        Err(error) => record_error(checks, &error),
    }
}
