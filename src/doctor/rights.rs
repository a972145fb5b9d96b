//! The service client's rights: by the roles that its own token names, or by fine-grained permissions, whose effect Keycloak tells.

use super::Sheet;
use crate::domain::finding::Finding;
use crate::keycloak::fine_grained::NEEDED;
use crate::keycloak::{Held, Keycloak, KeycloakError, Reach};

/// The role for people and groups. Who has it needs no permission, and none takes anything from it.
pub(super) const MANAGE: &str = "manage-users";
/// The role for events, which no permission replaces.
const EVENTS: &str = "view-events";
/// What comes with [`MANAGE`] where Keycloak makes one right of several. Beside permissions it makes searches come back empty.
const HARMLESS: [&str; 2] = ["query-users", "query-groups"];
/// What Keycloak makes of the permission to manage people: it cannot be left out.
const COMES_ALONG: &str = "resetPassword";

/// Judges what is missing and what is too much.
pub(super) async fn judge(keycloak: &Keycloak, held: &Held, sheet: &mut Sheet) -> Result<(), KeycloakError> {
    let (people, events) = tokio::join!(keycloak.may_see_users(), keycloak.may_see_events());
    let (sees_people, sees_events) = (is_allowed(people)?, is_allowed(events)?);
    let roles = held.rights.as_deref();
    let by_role = roles.is_some_and(|roles| roles.iter().any(|role| role == MANAGE));
    let (mut missing, mut needless) = (Vec::new(), needless_roles(roles.unwrap_or_default(), by_role));
    if !sees_people {
        missing.push(MANAGE.to_owned());
    } else if !by_role {
        // Looking at people is possible with less than is needed to mail them.
        for (kind, needed, reach) in reaches(keycloak, held).await? {
            let name = |what: &str| [kind, ": ", what].concat();
            missing.extend(needed.iter().filter(|what| !reach.may(what)).map(|what| name(what)));
            let more = reach.all().filter(|what| !needed.contains(what) && *what != COMES_ALONG);
            needless.extend(more.map(name));
        }
    }
    if !sees_events {
        missing.push(EVENTS.to_owned());
    }
    sheet.judge(Finding::KeycloakRightsMissing, missing);
    // What works is there. Whether there is more, a token that names no roles does not tell.
    if roles.is_some() {
        sheet.judge(Finding::KeycloakRightsWide, needless);
    }
    Ok(())
}

/// What Keycloak says of each kind of thing, beside what is needed.
async fn reaches(
    keycloak: &Keycloak,
    held: &Held,
) -> Result<Vec<(&'static str, &'static [&'static str], Reach)>, KeycloakError> {
    let mut found = Vec::new();
    for (kind, needed) in NEEDED {
        let reach = match (kind, &held.account) {
            ("Groups", _) => keycloak.reach_of_groups().await?,
            (_, Some(own)) => keycloak.reach_of_people(own).await?,
            (_, None) => None,
        };
        found.extend(reach.map(|reach| (kind, needed, reach)));
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
