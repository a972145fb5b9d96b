//! The admin API with an administrator's credentials, for `setup` and `doctor`. The service never uses it.
//!
//! Documents are passed as JSON, because set-up changes a few fields of large documents and must keep the rest.

use std::path::Path;
use std::time::Duration;

use reqwest::Method;
use secrecy::SecretString;
use serde_json::Value;
use url::Url;

use super::client::AuthorizedClient;
use super::error::KeycloakError;
use super::http::{Answer, Call, Server};
use super::token::Grant;

/// The time limit of one call: Keycloak needs ten seconds and more to create a realm on a busy machine.
const ADMIN_CALL_LIMIT: Duration = Duration::from_mins(1);

/// An administrator of the realm `master`. The password is kept in this value only.
pub struct Admin {
    client: AuthorizedClient,
}

/// Keycloak's addresses, for an administrator.
#[derive(Clone, Copy, Debug)]
pub struct AdminServer<'a> {
    /// The address that is called.
    pub url: &'a Url,
    /// The address that people use.
    pub public_url: &'a Url,
    /// The file of a private CA (PEM).
    pub ca_file: Option<&'a Path>,
    /// `http://` is accepted on loopback.
    pub plaintext_on_loopback: bool,
}

impl Admin {
    /// Checks the settings. Nothing is sent before the first call.
    pub fn new(server: AdminServer<'_>, user: &str, password: SecretString) -> Result<Self, KeycloakError> {
        let AdminServer { url, public_url, ca_file, plaintext_on_loopback } = server;
        let server = Server { url, public_url, ca_file, plaintext_on_loopback, limit: ADMIN_CALL_LIMIT };
        let client =
            AuthorizedClient::new(&server, Grant::Administrator { user: user.to_owned(), password })?;
        Ok(Self { client })
    }

    /// Reads a document. `None` if Keycloak itself says that it does not exist (404); a proxy's 404 is an error.
    pub async fn get(
        &self,
        endpoint: &'static str,
        path: &[&str],
        query: &[(&str, &str)],
    ) -> Result<Option<Value>, KeycloakError> {
        match self.send(endpoint, Method::GET, path, query, None).await {
            Ok(answer) => answer.json().map(Some),
            Err(error) if error.says_absent() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Replaces a document.
    pub async fn put(
        &self,
        endpoint: &'static str,
        path: &[&str],
        body: &Value,
    ) -> Result<(), KeycloakError> {
        self.send(endpoint, Method::PUT, path, &[], Some(body)).await.map(drop)
    }

    /// Creates an object, and returns its id if Keycloak reports one.
    pub async fn create(
        &self,
        endpoint: &'static str,
        path: &[&str],
        body: &Value,
    ) -> Result<Option<String>, KeycloakError> {
        self.send(endpoint, Method::POST, path, &[], Some(body)).await?.created()
    }

    /// Starts an action that answers with a document.
    pub async fn act(
        &self,
        endpoint: &'static str,
        path: &[&str],
        query: &[(&str, &str)],
    ) -> Result<Value, KeycloakError> {
        self.send(endpoint, Method::POST, path, query, None).await?.json()
    }

    /// Deletes the path, or what the body names there.
    pub async fn remove(
        &self,
        endpoint: &'static str,
        path: &[&str],
        body: &Value,
    ) -> Result<(), KeycloakError> {
        self.send(endpoint, Method::DELETE, path, &[], Some(body)).await.map(drop)
    }

    /// Requests a new token with the next call: rights on a new realm are not in the current one.
    pub async fn refresh_rights(&self) {
        self.client.forget_token().await;
    }

    async fn send(
        &self,
        endpoint: &'static str,
        method: Method,
        path: &[&str],
        query: &[(&str, &str)],
        body: Option<&Value>,
    ) -> Result<Answer, KeycloakError> {
        self.client.send(&Call { endpoint, method, path, query, body }).await
    }
}

impl std::fmt::Debug for Admin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Admin").finish_non_exhaustive()
    }
}
