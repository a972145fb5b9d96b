//! Keycloak as the service client sees it: the way there, its secret, its rights, and what the server calls itself.

use super::Sheet;
use crate::config::Config;
use crate::domain::finding::Finding;
use crate::keycloak::{Held, Keycloak, KeycloakError};

/// What the service needs.
const NEEDED: [&str; 2] = ["manage-users", "view-events"];
/// What comes with it where Keycloak makes one right of several.
const HARMLESS: [&str; 2] = ["query-users", "query-groups"];

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
    judge_rights(&keycloak, &held, sheet).await;
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
        | KeycloakError::Nonsense { .. }
        | KeycloakError::Settings { .. } => Finding::KeycloakUnreachable,
    };
    sheet.wrong(finding, error.to_string());
}

async fn judge_rights(keycloak: &Keycloak, held: &Held, sheet: &mut Sheet) {
    let (users, events) = tokio::join!(keycloak.may_see_users(), keycloak.may_see_events());
    let mut missing = Vec::new();
    for (right, answer) in NEEDED.into_iter().zip([users, events]) {
        match answer {
            Ok(()) => {}
            Err(KeycloakError::Status { status: 403, .. }) => missing.push(right.to_owned()),
            Err(error) => return name_loss(sheet, &error),
        }
    }
    let Some(rights) = &held.rights else {
        // The token names no roles. What works is there; whether there is more, it does not tell.
        return sheet.judge(Finding::KeycloakRightsMissing, missing);
    };
    // Looking at users is possible with less than is needed to mail them.
    let holds = |right: &str| rights.iter().any(|held| held == right);
    if missing.is_empty() && !holds(NEEDED[0]) && (holds("view-users") || holds("query-users")) {
        missing.push(NEEDED[0].to_owned());
    }
    sheet.judge(Finding::KeycloakRightsMissing, missing);
    let needless = rights.iter().filter(|right| !NEEDED.iter().chain(&HARMLESS).any(|fine| fine == right));
    sheet.judge(Finding::KeycloakRightsWide, needless.cloned());
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
