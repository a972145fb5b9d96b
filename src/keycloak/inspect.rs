//! What the service client can find out about itself and its server, for `doctor`. The worker never calls this.

use std::collections::{BTreeMap, BTreeSet};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use reqwest::Method;
use secrecy::ExposeSecret as _;
use serde::Deserialize;
use serde_json::Value;

use super::error::KeycloakError;
use super::http::{Answer, Call};
use super::service::Keycloak;
use crate::domain::account::KeycloakId;
use crate::domain::ids::Timestamp;

/// A host that can't exist (RFC 2606): no link may contain it.
const FORGED_HOST: &str = "accolade.invalid";

/// The claims of a fresh access token of the service client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenClaims {
    /// The roles of the client `realm-management`. `None` if the token names no client roles.
    pub rights: Option<Vec<String>>,
    /// The client's service account. `None` if the token does not name it.
    pub account: Option<KeycloakId>,
    /// The time of issue, by Keycloak's clock.
    pub issued_at: Timestamp,
}

/// What Keycloak says that the client may do with an object, by roles and fine-grained permissions together.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct AllowedActions {
    names: BTreeSet<String>,
}

impl AllowedActions {
    /// Whether the action with this name of Keycloak's is allowed.
    pub fn contains(&self, action: &str) -> bool {
        self.names.contains(action)
    }

    /// The names of all allowed actions.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.names.iter().map(String::as_str)
    }
}

/// An object with Keycloak's note of what the caller may do with it.
#[derive(Deserialize)]
struct AccessRow {
    access: Option<BTreeMap<String, bool>>,
}

impl AccessRow {
    fn allowed(self) -> Option<AllowedActions> {
        let names = self.access?.into_iter().filter_map(|(name, may)| may.then_some(name)).collect();
        Some(AllowedActions { names })
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
    /// `None` if the token names no client roles, so nothing is known. If it names some, but none of `realm-management`, the client
    /// holds none.
    fn rights(&self) -> Option<Vec<String>> {
        let clients = self.resource_access.as_ref()?.as_object()?;
        let Some(management) = clients.get("realm-management") else { return Some(Vec::new()) };
        let roles = management.get("roles")?.as_array()?;
        roles.iter().map(|role| role.as_str().map(str::to_owned)).collect()
    }
}

impl Keycloak {
    /// Requests a fresh token and reads its claims. The signature is not checked: the token comes from the server over TLS.
    #[tracing::instrument(name = "call", skip_all, fields(target = "keycloak", verb = "token_claims"))]
    pub async fn token_claims(&self) -> Result<TokenClaims, KeycloakError> {
        let token = self.shared.client.fresh_token().await?;
        let invalid = || KeycloakError::InvalidResponse { endpoint: "token", what: "it cannot be read" };
        let payload = token.value.expose_secret().split('.').nth(1).ok_or_else(invalid)?;
        let bytes = URL_SAFE_NO_PAD.decode(payload).map_err(|_| invalid())?;
        let claims: Claims = serde_json::from_slice(&bytes).map_err(|_| invalid())?;
        Ok(TokenClaims {
            rights: claims.rights(),
            account: claims.sub.and_then(KeycloakId::new),
            issued_at: Timestamp::from_millis(claims.iat.saturating_mul(1000)),
        })
    }

    /// Reads users, as the worker does.
    #[tracing::instrument(name = "call", skip_all, fields(target = "keycloak", verb = "may_see_users"))]
    pub async fn may_see_users(&self) -> Result<(), KeycloakError> {
        self.get("count users", &["users", "count"], &[]).await.map(drop)
    }

    /// What the client may do with users. Its own service account serves as the example, because a permission on all users covers
    /// it too. `None` if Keycloak does not say.
    #[tracing::instrument(name = "call", skip_all, fields(target = "keycloak", verb = "allowed_on_users"))]
    pub async fn allowed_on_users(&self, own: &KeycloakId) -> Result<Option<AllowedActions>, KeycloakError> {
        let answer = self.get("own user", &["users", own.as_str()], &[]).await;
        unless_forbidden(answer)?
            .map_or(Ok(Some(AllowedActions::default())), |answer| answer.json().map(AccessRow::allowed))
    }

    /// What the client may do with groups, by the example of the first one. `None` if there is no group, or Keycloak does not say.
    #[tracing::instrument(name = "call", skip_all, fields(target = "keycloak", verb = "allowed_on_groups"))]
    pub async fn allowed_on_groups(&self) -> Result<Option<AllowedActions>, KeycloakError> {
        let answer = self.get("list groups", &["groups"], &[("max", "1")]).await;
        let Some(answer) = unless_forbidden(answer)? else { return Ok(Some(AllowedActions::default())) };
        Ok(answer.json::<Vec<AccessRow>>()?.into_iter().next().and_then(AccessRow::allowed))
    }

    /// Reads events, as the worker does.
    #[tracing::instrument(name = "call", skip_all, fields(target = "keycloak", verb = "may_see_events"))]
    pub async fn may_see_events(&self) -> Result<(), KeycloakError> {
        self.get("events", &["events"], &[("max", "1")]).await.map(drop)
    }

    /// The scheme of the server's own address, which its links begin with, as a client of the public address sees it.
    #[tracing::instrument(name = "call", skip_all, fields(target = "keycloak", verb = "own_scheme"))]
    pub async fn own_scheme(&self) -> Result<String, KeycloakError> {
        let path = ["realms", &self.shared.realm, ".well-known", "openid-configuration"];
        let call = Call { endpoint: "discovery", method: Method::GET, path: &path, query: &[], body: None };
        let document: Value = self.shared.client.send(&call).await?.json()?;
        let issuer = document.get("issuer").and_then(Value::as_str);
        let scheme = issuer.and_then(|issuer| issuer.split_once("://")).map(|(scheme, _)| scheme.to_owned());
        scheme.ok_or(KeycloakError::InvalidResponse { endpoint: "discovery", what: "it names no issuer" })
    }

    /// Whether the server uses the `Host` of a call for its own address, and so would put it into links.
    #[tracing::instrument(name = "call", skip_all, fields(target = "keycloak", verb = "accepts_any_host"))]
    pub async fn accepts_any_host(&self) -> Result<bool, KeycloakError> {
        let path = ["realms", &self.shared.realm, ".well-known", "openid-configuration"];
        let answer = self.shared.client.get_with_host("discovery", &path, FORGED_HOST).await?;
        let document: Value = answer.json()?;
        let issuer = document.get("issuer").and_then(Value::as_str);
        let issuer = issuer
            .ok_or(KeycloakError::InvalidResponse { endpoint: "discovery", what: "it names no issuer" })?;
        Ok(issuer.contains(FORGED_HOST))
    }
}

/// `None` for Keycloak's own 403: a missing right is an answer too.
fn unless_forbidden(answer: Result<Answer, KeycloakError>) -> Result<Option<Answer>, KeycloakError> {
    match answer {
        Ok(answer) => Ok(Some(answer)),
        Err(error) if error.says_forbidden() => Ok(None),
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
        let read =
            |document: Value| serde_json::from_value::<AccessRow>(document).expect("a document").allowed();
        assert_eq!(read(json!({"id": "x"})), None);
        let allowed = read(json!({"access": {"view": true, "manage": false}})).expect("it is noted");
        assert_eq!(allowed.iter().collect::<Vec<_>>(), ["view"]);
    }
}
