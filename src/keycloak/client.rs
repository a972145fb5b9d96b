//! Calls to Keycloak with a token: the layer below the service client and the administrator.

use secrecy::SecretString;

use super::error::KeycloakError;
use super::http::{Answer, Call, HttpClient, Server};
use super::token::{Grant, Token, TokenCache};

/// An HTTP client that authenticates each call.
pub(super) struct AuthorizedClient {
    http: HttpClient,
    tokens: TokenCache,
}

impl AuthorizedClient {
    /// Checks the settings. Nothing is sent before the first call.
    pub(super) fn new(server: &Server<'_>, grant: Grant) -> Result<Self, KeycloakError> {
        Ok(Self { http: HttpClient::new(server)?, tokens: TokenCache::new(grant) })
    }

    /// Makes sure that a token is there, so that the next call fails only for its own reasons.
    pub(super) async fn authorize(&self) -> Result<(), KeycloakError> {
        self.tokens.token(&self.http).await.map(drop)
    }

    /// Replaces the secret of the service client.
    pub(super) async fn replace_secret(&self, secret: SecretString) {
        self.tokens.replace_secret(secret).await;
    }

    /// Drops the token, so that the next call requests another.
    pub(super) async fn forget_token(&self) {
        self.tokens.forget().await;
    }

    /// Requests a fresh token, to read its claims.
    pub(super) async fn fresh_token(&self) -> Result<Token, KeycloakError> {
        self.tokens.forget().await;
        self.tokens.token(&self.http).await
    }

    /// Sends a call. If Keycloak no longer accepts the token (401), the call is repeated once with a new one.
    pub(super) async fn send(&self, call: &Call<'_>) -> Result<Answer, KeycloakError> {
        let token = self.tokens.token(&self.http).await?;
        match self.http.send(call, token.bearer()?).await {
            Err(KeycloakError::Status { status: 401, .. }) => {
                let token = self.tokens.renew(&self.http, &token).await?;
                self.http.send(call, token.bearer()?).await
            }
            answer => answer,
        }
    }

    /// Reads a public document under another `Host`, without a token.
    pub(super) async fn get_with_host(
        &self,
        endpoint: &'static str,
        path: &[&str],
        host: &'static str,
    ) -> Result<Answer, KeycloakError> {
        self.http.get_with_host(endpoint, path, host).await
    }
}
