//! What the service client can tell of itself and of its server, for `doctor`; the worker never asks.

use std::collections::{BTreeMap, BTreeSet};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use secrecy::ExposeSecret as _;
use serde::Deserialize;
use serde_json::Value;

use super::http::Answer;
use super::{Keycloak, KeycloakError};
use crate::domain::account::KeycloakId;
use crate::domain::ids::Timestamp;

/// A host that cannot exist (RFC 2606): no link may ever carry it.
const STRANGE_HOST: &str = "accolade.invalid";

/// What a fresh access token of the service client says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held {
    /// The rights in the realm's administration (`realm-management`); `None` if the token does not name roles of clients.
    pub rights: Option<Vec<String>>,
    /// The user that stands for the client; `None` if the token does not name it.
    pub account: Option<KeycloakId>,
    /// When Keycloak made it, by its own clock.
    pub issued_at: Timestamp,
}

/// What Keycloak says that the client may do with something, by roles and by fine-grained permissions together.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Reach {
    may: BTreeSet<String>,
}

impl Reach {
    /// Whether this, by Keycloak's own name of it.
    pub fn may(&self, what: &str) -> bool {
        self.may.contains(what)
    }

    /// All of it.
    pub fn all(&self) -> impl Iterator<Item = &str> {
        self.may.iter().map(String::as_str)
    }
}

/// Something with Keycloak's note of what the caller may do with it.
#[derive(Deserialize)]
struct Noted {
    access: Option<BTreeMap<String, bool>>,
}

impl Noted {
    fn reach(self) -> Option<Reach> {
        let may = self.access?.into_iter().filter_map(|(what, may)| may.then_some(what)).collect();
        Some(Reach { may })
    }
}

#[derive(Deserialize)]
struct Claims {
    /// Seconds.
    iat: i64,
    #[serde(default)]
    sub: Option<String>,
    #[serde(default)]
    resource_access: Option<Value>,
}

impl Claims {
    /// `None`: no roles of clients are named, so nothing is known. Named, and none of the realm's administration among them: none is
    /// held.
    fn rights(&self) -> Option<Vec<String>> {
        let clients = self.resource_access.as_ref()?.as_object()?;
        let Some(management) = clients.get("realm-management") else { return Some(Vec::new()) };
        let roles = management.get("roles")?.as_array()?;
        roles.iter().map(|role| role.as_str().map(str::to_owned)).collect()
    }
}

impl Keycloak {
    /// Asks for a fresh token and reads it. It came over our own TLS from the server itself, so its signature is not checked.
    #[tracing::instrument(name = "call", skip_all, fields(target = "keycloak", verb = "held"))]
    pub async fn held(&self) -> Result<Held, KeycloakError> {
        let token = self.shared.http.fresh_token().await?;
        let nonsense = || KeycloakError::InvalidResponse { endpoint: "token", what: "it cannot be read" };
        let middle = token.value.expose_secret().split('.').nth(1).ok_or_else(nonsense)?;
        let bytes = URL_SAFE_NO_PAD.decode(middle).map_err(|_| nonsense())?;
        let claims: Claims = serde_json::from_slice(&bytes).map_err(|_| nonsense())?;
        Ok(Held {
            rights: claims.rights(),
            account: claims.sub.and_then(KeycloakId::new),
            issued_at: Timestamp::from_millis(claims.iat.saturating_mul(1000)),
        })
    }

    /// Asks for users, as the worker does.
    #[tracing::instrument(name = "call", skip_all, fields(target = "keycloak", verb = "may_manage_users"))]
    pub async fn may_see_users(&self) -> Result<(), KeycloakError> {
        self.get("count users", &["users", "count"], &[]).await.map(drop)
    }

    /// What the client may do with people, by the example of its own user, for which a permission on all people holds, too.
    /// `None` if Keycloak does not say.
    #[tracing::instrument(name = "call", skip_all, fields(target = "keycloak", verb = "reach_of_people"))]
    pub async fn reach_of_people(&self, own: &KeycloakId) -> Result<Option<Reach>, KeycloakError> {
        let answer = self.get("own user", &["users", own.as_str()], &[]).await;
        allowed(answer)?.map_or(Ok(Some(Reach::default())), |answer| answer.json().map(Noted::reach))
    }

    /// What the client may do with groups, by the example of the first; `None` if there is none, or Keycloak does not say.
    #[tracing::instrument(name = "call", skip_all, fields(target = "keycloak", verb = "reach_of_groups"))]
    pub async fn reach_of_groups(&self) -> Result<Option<Reach>, KeycloakError> {
        let answer = self.get("list groups", &["groups"], &[("max", "1")]).await;
        let Some(answer) = allowed(answer)? else { return Ok(Some(Reach::default())) };
        Ok(answer.json::<Vec<Noted>>()?.into_iter().next().and_then(Noted::reach))
    }

    /// Asks for events, as the worker does.
    #[tracing::instrument(name = "call", skip_all, fields(target = "keycloak", verb = "may_see_events"))]
    pub async fn may_see_events(&self) -> Result<(), KeycloakError> {
        self.get("events", &["events"], &[("max", "1")]).await.map(drop)
    }

    /// Whether the server takes up the host that a caller names, and would put it into links.
    #[tracing::instrument(name = "call", skip_all, fields(target = "keycloak", verb = "believes_any_host"))]
    pub async fn believes_any_host(&self) -> Result<bool, KeycloakError> {
        let path = ["realms", &self.shared.realm, ".well-known", "openid-configuration"];
        let answer = self.shared.http.get_as_known_by("discovery", &path, STRANGE_HOST).await?;
        let document: Value = answer.json()?;
        let issuer = document.get("issuer").and_then(Value::as_str);
        let issuer = issuer
            .ok_or(KeycloakError::InvalidResponse { endpoint: "discovery", what: "it names no issuer" })?;
        Ok(issuer.contains(STRANGE_HOST))
    }
}

/// A refusal for want of a right is an answer, too: `None`.
fn allowed(answer: Result<Answer, KeycloakError>) -> Result<Option<Answer>, KeycloakError> {
    match answer {
        Ok(answer) => Ok(Some(answer)),
        Err(KeycloakError::Status { status: 403, .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn rights(claims: Value) -> Option<Vec<String>> {
        let claims: Claims = serde_json::from_value(claims).expect("claims");
        claims.rights()
    }

    #[test]
    fn a_token_that_names_no_roles_of_clients_tells_nothing_of_rights() {
        let realm = json!({"roles": ["offline_access"]});
        for silent in [
            json!({"iat": 1}),
            json!({"iat": 1, "realm_access": realm}),
            json!({"iat": 1, "resource_access": null}),
            json!({"iat": 1, "resource_access": {"realm-management": {}}}),
            json!({"iat": 1, "resource_access": {"realm-management": {"roles": [7]}}}),
        ] {
            assert_eq!(rights(silent.clone()), None, "{silent}");
        }
        let account = json!({"roles": ["view-profile"]});
        assert_eq!(rights(json!({"iat": 1, "resource_access": {"account": account}})), Some(Vec::new()));
        let held = json!({"realm-management": {"roles": ["manage-users"]}});
        assert_eq!(rights(json!({"iat": 1, "resource_access": held})), Some(vec!["manage-users".to_owned()]));
    }

    #[test]
    fn an_answer_without_access_tells_nothing_of_what_may_be_done() {
        let noted = |document: Value| serde_json::from_value::<Noted>(document).expect("a document").reach();
        assert_eq!(noted(json!({"id": "x"})), None);
        let reach = noted(json!({"access": {"view": true, "manage": false}})).expect("it is noted");
        assert_eq!(reach.all().collect::<Vec<_>>(), ["view"]);
    }
}
