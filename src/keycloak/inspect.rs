//! What the service client can tell of itself and of its server, for `doctor`; the service never asks.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use secrecy::ExposeSecret as _;
use serde::Deserialize;
use serde_json::Value;

use super::{Keycloak, KeycloakError};
use crate::domain::ids::Timestamp;

/// A host that cannot exist (RFC 2606): no link may ever carry it.
const STRANGE_HOST: &str = "accolade.invalid";

/// What a fresh access token of the service client says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held {
    /// The rights in the realm's administration (`realm-management`); `None` if the token does not name its roles.
    pub rights: Option<Vec<String>>,
    /// When Keycloak made it, by its own clock.
    pub issued_at: Timestamp,
}

#[derive(Deserialize)]
struct Claims {
    /// Seconds.
    iat: i64,
    #[serde(default)]
    resource_access: Option<Value>,
    #[serde(default)]
    realm_access: Option<Value>,
}

impl Keycloak {
    /// Asks for a fresh token and reads it. It came over our own TLS from the server itself, so its signature is not checked.
    #[tracing::instrument(name = "call", skip_all, fields(target = "keycloak", verb = "held"))]
    pub async fn held(&self) -> Result<Held, KeycloakError> {
        let token = self.shared.wire.fresh_token().await?;
        let nonsense = || KeycloakError::Nonsense { endpoint: "token", what: "it cannot be read" };
        let middle = token.value.expose_secret().split('.').nth(1).ok_or_else(nonsense)?;
        let bytes = URL_SAFE_NO_PAD.decode(middle).map_err(|_| nonsense())?;
        let claims: Claims = serde_json::from_slice(&bytes).map_err(|_| nonsense())?;
        let names_roles = claims.resource_access.is_some() || claims.realm_access.is_some();
        let rights = claims.resource_access.as_ref().and_then(|all| all.pointer("/realm-management/roles"));
        let rights = rights.and_then(Value::as_array).into_iter().flatten();
        let rights = rights.filter_map(Value::as_str).map(str::to_owned).collect();
        Ok(Held {
            rights: names_roles.then_some(rights),
            issued_at: Timestamp::from_millis(claims.iat.saturating_mul(1000)),
        })
    }

    /// Asks for users, as the worker does.
    #[tracing::instrument(name = "call", skip_all, fields(target = "keycloak", verb = "may_manage_users"))]
    pub async fn may_see_users(&self) -> Result<(), KeycloakError> {
        self.get("count users", &["users", "count"], &[]).await.map(drop)
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
        let answer = self.shared.wire.get_as_known_by("discovery", &path, STRANGE_HOST).await?;
        let document: Value = answer.json()?;
        let issuer = document.get("issuer").and_then(Value::as_str);
        let issuer =
            issuer.ok_or(KeycloakError::Nonsense { endpoint: "discovery", what: "it names no issuer" })?;
        Ok(issuer.contains(STRANGE_HOST))
    }
}
