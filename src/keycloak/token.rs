//! The access token: asked for once by whoever comes first, shared by all, renewed before it ends.

use std::sync::{PoisonError, RwLock};
use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use tokio::sync::Mutex;
use tokio::time::Instant;

use super::KeycloakError;
use super::http::HttpClient;

/// Who asks.
pub(super) enum Grant {
    /// The service client of a realm.
    Client { realm: String, id: String, secret: RwLock<SecretString> },
    /// An administrator of the realm `master`, through Keycloak's own command-line client.
    Administrator { user: String, password: SecretString },
}

/// One token.
#[derive(Clone)]
pub(super) struct Token {
    pub(super) value: SecretString,
    renew_at: Instant,
    generation: u64,
}

/// Keeps the one token. The lock is held while a new one is asked for, so that a burst of calls asks once.
pub(super) struct TokenCache {
    grant: Grant,
    kept: Mutex<Option<Token>>,
}

#[derive(Deserialize)]
struct TokenAnswer {
    access_token: SecretString,
    /// Seconds.
    expires_in: u64,
}

impl TokenCache {
    pub(super) fn new(grant: Grant) -> Self {
        Self { grant, kept: Mutex::new(None) }
    }

    /// The token, fresh for at least a fifth of its life.
    pub(super) async fn token(&self, http: &HttpClient) -> Result<Token, KeycloakError> {
        let mut kept = self.kept.lock().await;
        if let Some(token) = kept.as_ref().filter(|token| Instant::now() < token.renew_at) {
            return Ok(token.clone());
        }
        let generation = kept.as_ref().map_or(0, |token| token.generation + 1);
        self.ask(http, generation, &mut kept).await
    }

    /// Another token than `refused`, unless somebody else has fetched one meanwhile.
    pub(super) async fn renew(&self, http: &HttpClient, refused: &Token) -> Result<Token, KeycloakError> {
        let mut kept = self.kept.lock().await;
        if let Some(token) = kept.as_ref().filter(|token| token.generation > refused.generation) {
            return Ok(token.clone());
        }
        self.ask(http, refused.generation + 1, &mut kept).await
    }

    /// Proves who asks by another secret from now on.
    pub(super) async fn learn_secret(&self, new: SecretString) {
        if let Grant::Client { secret, .. } = &self.grant {
            *secret.write().unwrap_or_else(PoisonError::into_inner) = new;
            self.forget().await;
        }
    }

    /// Lets the next call ask for another token: the rights of this one are older than what was just made.
    pub(super) async fn forget(&self) {
        *self.kept.lock().await = None;
    }

    async fn ask(
        &self,
        http: &HttpClient,
        generation: u64,
        kept: &mut Option<Token>,
    ) -> Result<Token, KeycloakError> {
        let asked_at = Instant::now();
        let answer: TokenAnswer = self.post(http).await?.json()?;
        let life = Duration::from_secs(answer.expires_in.min(24 * 3600));
        let token = Token { value: answer.access_token, renew_at: asked_at + life * 4 / 5, generation };
        *kept = Some(token.clone());
        Ok(token)
    }

    async fn post(&self, http: &HttpClient) -> Result<super::http::Answer, KeycloakError> {
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
