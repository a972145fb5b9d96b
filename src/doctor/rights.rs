//! The service client's rights: by the roles that its own token names, or by fine-grained permissions, whose effect Keycloak tells.

use super::Sheet;
use crate::domain::finding::Finding;
use crate::keycloak::fine_grained::NEEDED;
use crate::keycloak::{Held, Keycloak, KeycloakError};

/// The role for people and groups. Who has it needs no permission, and none takes anything from it.
pub(super) const MANAGE: &str = "manage-users";
/// The role for events, which no permission replaces.
const EVENTS: &str = "view-events";
/// What comes with [`MANAGE`] where Keycloak makes one right of several. Beside permissions it makes searches come back empty.
const HARMLESS: [&str; 2] = ["query-users", "query-groups"];
/// What Keycloak makes of the permission to manage people: it cannot be left out.
const COMES_ALONG: &str = "resetPassword";

/// Judges what is missing and what is too much. What Keycloak does not tell is not in order: it stays unchecked.
pub(super) async fn judge(keycloak: &Keycloak, held: &Held, sheet: &mut Sheet) -> Result<(), KeycloakError> {
    let (people, events) = tokio::join!(keycloak.may_see_users(), keycloak.may_see_events());
    let (sees_people, sees_events) = (is_allowed(people)?, is_allowed(events)?);
    let by_role = held.rights.as_ref().map(|roles| roles.iter().any(|role| role == MANAGE));
    let mut found = Found::default();
    if !sees_people {
        found.missing.push(MANAGE.to_owned());
    } else if by_role != Some(true) {
        // Looking at people is possible with less than is needed to mail them.
        found = by_permissions(keycloak, held).await?;
    }
    if !sees_events {
        found.missing.push(EVENTS.to_owned());
    }
    if !found.missing.is_empty() || !found.is_partial {
        sheet.judge(Finding::KeycloakRightsMissing, found.missing);
    }
    // Whether there is more than what works, a token that names no roles does not tell.
    let Some((roles, by_role)) = held.rights.as_deref().zip(by_role) else { return Ok(()) };
    found.needless.extend(needless_roles(roles, by_role));
    let is_whole = by_role || (sees_people && !found.is_partial);
    if !found.needless.is_empty() || is_whole {
        sheet.judge(Finding::KeycloakRightsWide, found.needless);
    }
    Ok(())
}

/// What Keycloak's notes say.
#[derive(Default)]
struct Found {
    missing: Vec<String>,
    needless: Vec<String>,
    /// Keycloak has not told everything.
    is_partial: bool,
}

/// Compares what Keycloak notes of each kind of thing with what is needed.
async fn by_permissions(keycloak: &Keycloak, held: &Held) -> Result<Found, KeycloakError> {
    let mut found = Found::default();
    for (kind, needed) in NEEDED {
        let reach = match (kind, &held.account) {
            ("Groups", _) => keycloak.reach_of_groups().await?,
            (_, Some(own)) => keycloak.reach_of_people(own).await?,
            (_, None) => None,
        };
        let Some(reach) = reach else {
            found.is_partial = true;
            continue;
        };
        let name = |what: &str| [kind, ": ", what].concat();
        found.missing.extend(needed.iter().filter(|what| !reach.may(what)).map(|what| name(what)));
        let more = reach.all().filter(|what| !needed.contains(what) && *what != COMES_ALONG);
        found.needless.extend(more.map(name));
    }
    Ok(found)
}

fn needless_roles(roles: &[String], by_role: bool) -> Vec<String> {
    let is_needed = |role: &str| role == EVENTS || (by_role && (role == MANAGE || HARMLESS.contains(&role)));
    roles.iter().filter(|role| !is_needed(role)).cloned().collect()
}

fn is_allowed(answer: Result<(), KeycloakError>) -> Result<bool, KeycloakError> {
    match answer {
        Ok(()) => Ok(true),
        Err(KeycloakError::Status { status: 403, .. }) => Ok(false),
        Err(error) => Err(error),
    }
}
