//! The access token: requested once, shared by all calls, renewed before it expires.

use std::sync::{PoisonError, RwLock};
use std::time::Duration;

use reqwest::header::HeaderValue;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use tokio::sync::Mutex;
use tokio::time::Instant;

use super::error::KeycloakError;
use super::http::{Answer, HttpClient};

/// The credentials that a token is requested with.
pub(super) enum Grant {
    /// The service client of a realm.
    Client { realm: String, id: String, secret: RwLock<SecretString> },
    /// An administrator of the realm `master`, through Keycloak's own command-line client.
    Administrator { user: String, password: SecretString },
}

/// An access token.
#[derive(Clone)]
pub(super) struct Token {
    pub(super) value: SecretString,
    renew_at: Instant,
    generation: u64,
}

impl Token {
    /// The value of the `Authorization` header.
    pub(super) fn bearer(&self) -> Result<HeaderValue, KeycloakError> {
        let text = ["Bearer ", self.value.expose_secret()].concat();
        let mut bearer = HeaderValue::from_str(&text).map_err(|_| KeycloakError::InvalidResponse {
            endpoint: "token",
            what: "it is no header value",
        })?;
        bearer.set_sensitive(true);
        Ok(bearer)
    }
}

/// Holds the current token. The lock is held while a new one is requested, so that a burst of calls requests one.
pub(super) struct TokenCache {
    grant: Grant,
    current: Mutex<Option<Token>>,
}

#[derive(Deserialize)]
struct TokenAnswer {
    access_token: SecretString,
    /// Seconds.
    expires_in: u64,
}

impl TokenCache {
    pub(super) fn new(grant: Grant) -> Self {
        Self { grant, current: Mutex::new(None) }
    }

    /// Returns a token that is valid for at least a fifth of its lifetime.
    pub(super) async fn token(&self, http: &HttpClient) -> Result<Token, KeycloakError> {
        let mut current = self.current.lock().await;
        if let Some(token) = current.as_ref().filter(|token| Instant::now() < token.renew_at) {
            return Ok(token.clone());
        }
        let generation = current.as_ref().map_or(0, |token| token.generation + 1);
        self.request(http, generation, &mut current).await
    }

    /// Returns a newer token than `refused`. If another task has already requested one, that one is returned.
    pub(super) async fn renew(&self, http: &HttpClient, refused: &Token) -> Result<Token, KeycloakError> {
        let mut current = self.current.lock().await;
        if let Some(token) = current.as_ref().filter(|token| token.generation > refused.generation) {
            return Ok(token.clone());
        }
        self.request(http, refused.generation + 1, &mut current).await
    }

    /// Replaces the secret of the service client. The next call requests a token with it.
    pub(super) async fn replace_secret(&self, new: SecretString) {
        if let Grant::Client { secret, .. } = &self.grant {
            *secret.write().unwrap_or_else(PoisonError::into_inner) = new;
            self.forget().await;
        }
    }

    /// Drops the token. The next call requests one, which carries the rights of that moment.
    pub(super) async fn forget(&self) {
        *self.current.lock().await = None;
    }

    async fn request(
        &self,
        http: &HttpClient,
        generation: u64,
        current: &mut Option<Token>,
    ) -> Result<Token, KeycloakError> {
        let requested_at = Instant::now();
        let answer: TokenAnswer = self.post(http).await?.json()?;
        let lifetime = Duration::from_secs(answer.expires_in.min(24 * 3600));
        let token =
            Token { value: answer.access_token, renew_at: requested_at + lifetime * 4 / 5, generation };
        *current = Some(token.clone());
        Ok(token)
    }

    async fn post(&self, http: &HttpClient) -> Result<Answer, KeycloakError> {
        let path = |realm| ["realms", realm, "protocol", "openid-connect", "token"];
        match &self.grant {
            Grant::Client { realm, id, secret } => {
                let secret = secret.read().unwrap_or_else(PoisonError::into_inner).clone();
                let form = [
                    ("grant_type", "client_credentials"),
                    ("client_id", id),
                    ("client_secret", secret.expose_secret()),
                ];
                http.post_form("token", &path(realm), &form).await
            }
            Grant::Administrator { user, password } => {
                let form = [
                    ("grant_type", "password"),
                    ("client_id", "admin-cli"),
                    ("username", user),
                    ("password", password.expose_secret()),
                ];
                http.post_form("token", &path("master"), &form).await
            }
        }
    }
}
