//! Keycloak as the service client sees it: the way there, its secret, its rights, and what the server calls itself.

use super::{Sheet, rights};
use crate::config::Config;
use crate::domain::finding::Finding;
use crate::keycloak::{Keycloak, KeycloakError};

/// Asks with the service's own credentials, and judges. `ids` also tries `federation_id` and `group_mapper_id`, where no
/// administrator looks them up.
pub(super) async fn examine(config: &Config, ids: bool, sheet: &mut Sheet) {
    let keycloak = match Keycloak::new(&config.keycloak) {
        Ok(keycloak) => keycloak,
        Err(error) => return name_loss(sheet, &error),
    };
    let held = match keycloak.held().await {
        Ok(held) => held,
        Err(error) => return name_loss(sheet, &error),
    };
    for finding in [
        Finding::KeycloakUnreachable,
        Finding::KeycloakUntrusted,
        Finding::KeycloakRealmMissing,
        Finding::KeycloakSecretWrong,
    ] {
        sheet.in_order(finding);
    }
    sheet.compare_clock("Keycloak", held.issued_at);
    if let Err(error) = rights::judge(&keycloak, &held, sheet).await {
        name_loss(sheet, &error);
    }
    match keycloak.believes_any_host().await {
        Ok(believes) => sheet.expect(Finding::KeycloakHostnameOpen, !believes),
        Err(error) => name_loss(sheet, &error),
    }
    if ids {
        judge_ids(&keycloak, sheet).await;
    }
}

fn name_loss(sheet: &mut Sheet, error: &KeycloakError) {
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
    sheet.wrong(finding, error.to_string());
}

/// The same call that the worker makes when a group is new to Keycloak.
async fn judge_ids(keycloak: &Keycloak, sheet: &mut Sheet) {
    match keycloak.sync_groups().await {
        Ok(()) => sheet.in_order(Finding::KeycloakFederationUnknown),
        Err(KeycloakError::Status { status: 404, .. }) => {
            sheet.wrong(Finding::KeycloakFederationUnknown, None);
        }
        // Without the right nothing is known, nor where Keycloak itself does not reach the directory.
        Err(KeycloakError::Status { status: 400 | 403, .. }) => {}
        Err(error) => name_loss(sheet, &error),
    }
}
