//! Checks of the service client's rights: by the roles in its token, or by the effect of fine-grained permissions.

use super::checks::Checks;
use crate::domain::finding::Finding;
use crate::keycloak::fine_grained::NEEDED;
use crate::keycloak::{Keycloak, KeycloakError, TokenClaims};

/// The role for users and groups. A client with this role needs no permission, and no permission restricts it.
pub(super) const MANAGE: &str = "manage-users";
/// The role for events. No permission can replace it.
const EVENTS: &str = "view-events";
/// Roles that Keycloak adds to [`MANAGE`]. Together with permissions they make searches return nothing.
const IMPLIED_ROLES: [&str; 2] = ["query-users", "query-groups"];
/// An action that the permission to manage users always includes.
const IMPLIED_ACTION: &str = "resetPassword";

/// Checks for missing and for needless rights. What Keycloak does not report stays unchecked.
pub(super) async fn check(
    keycloak: &Keycloak,
    claims: &TokenClaims,
    checks: &mut Checks,
) -> Result<(), KeycloakError> {
    let (people, events) = tokio::join!(keycloak.may_see_users(), keycloak.may_see_events());
    let (sees_people, sees_events) = (is_allowed(people)?, is_allowed(events)?);
    let by_role = claims.rights.as_ref().map(|roles| roles.iter().any(|role| role == MANAGE));
    let mut found = RightsFound::default();
    if !sees_people {
        found.missing.push(MANAGE.to_owned());
    } else if by_role != Some(true) {
        // Reading users needs fewer rights than mailing them.
        found = by_permissions(keycloak, claims).await?;
    }
    if !sees_events {
        found.missing.push(EVENTS.to_owned());
    }
    if !found.missing.is_empty() || !found.is_partial {
        checks.fail_for_each(Finding::KeycloakRightsMissing, found.missing);
    }
    // A token without roles does not tell whether the client has needless rights.
    let Some((roles, by_role)) = claims.rights.as_deref().zip(by_role) else { return Ok(()) };
    found.needless.extend(needless_roles(roles, by_role));
    let is_complete = by_role || (sees_people && !found.is_partial);
    if !found.needless.is_empty() || is_complete {
        checks.fail_for_each(Finding::KeycloakRightsWide, found.needless);
    }
    Ok(())
}

/// Missing and needless rights.
#[derive(Default)]
struct RightsFound {
    missing: Vec<String>,
    needless: Vec<String>,
    /// Keycloak did not report everything.
    is_partial: bool,
}

/// Compares the allowed actions on each resource type with the needed ones.
async fn by_permissions(keycloak: &Keycloak, claims: &TokenClaims) -> Result<RightsFound, KeycloakError> {
    let mut found = RightsFound::default();
    for (kind, needed) in NEEDED {
        let allowed = match (kind, &claims.account) {
            ("Groups", _) => keycloak.allowed_on_groups().await?,
            (_, Some(own)) => keycloak.allowed_on_users(own).await?,
            (_, None) => None,
        };
        let Some(allowed) = allowed else {
            found.is_partial = true;
            continue;
        };
        let name = |what: &str| [kind, ": ", what].concat();
        found.missing.extend(needed.iter().filter(|what| !allowed.contains(what)).map(|what| name(what)));
        let more = allowed.iter().filter(|what| !needed.contains(what) && *what != IMPLIED_ACTION);
        found.needless.extend(more.map(name));
    }
    Ok(found)
}

fn needless_roles(roles: &[String], by_role: bool) -> Vec<String> {
    let is_needed =
        |role: &str| role == EVENTS || (by_role && (role == MANAGE || IMPLIED_ROLES.contains(&role)));
    roles.iter().filter(|role| !is_needed(role)).cloned().collect()
}

fn is_allowed(answer: Result<(), KeycloakError>) -> Result<bool, KeycloakError> {
    match answer {
        Ok(()) => Ok(true),
        Err(error) if error.says_forbidden() => Ok(false),
        Err(error) => Err(error),
    }
}
