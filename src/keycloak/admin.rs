//! The admin API as an administrator sees it: what `setup` and `doctor` use, never the service.
//!
//! Documents go in and out as JSON, because set-up brings a few fields of large documents to a wanted value and must
//! give the rest back as it was.

use std::path::Path;
use std::time::Duration;

use reqwest::Method;
use secrecy::SecretString;
use serde_json::Value;
use url::Url;

use super::KeycloakError;
use super::http::{Answer, Call, HttpClient, Server};
use super::token::Grant;

/// Making a realm takes Keycloak ten seconds and more on a busy machine.
const ADMIN_CALL_LIMIT: Duration = Duration::from_mins(1);

/// An administrator of the realm `master`. Keeps the password for as long as it lives, and nowhere else.
pub struct Admin {
    http: HttpClient,
}

/// Where an administrator finds Keycloak.
#[derive(Clone, Copy, Debug)]
pub struct AdminServer<'a> {
    /// Where it is called.
    pub url: &'a Url,
    /// Where people reach it.
    pub public_url: &'a Url,
    /// A private CA (PEM).
    pub ca_file: Option<&'a Path>,
    /// `http://` is accepted on loopback.
    pub plaintext_on_loopback: bool,
}

impl Admin {
    /// Checks the settings. Nothing is sent before the first call.
    pub fn new(server: AdminServer<'_>, user: &str, password: SecretString) -> Result<Self, KeycloakError> {
        let AdminServer { url, public_url, ca_file, plaintext_on_loopback } = server;
        let server = Server { url, public_url, ca_file, plaintext_on_loopback, limit: ADMIN_CALL_LIMIT };
        let http = HttpClient::new(&server, Grant::Administrator { user: user.to_owned(), password })?;
        Ok(Self { http })
    }

    /// Reads a document; `None` if there is none (404).
    pub async fn get(
        &self,
        endpoint: &'static str,
        path: &[&str],
        query: &[(&str, &str)],
    ) -> Result<Option<Value>, KeycloakError> {
        match self.send(endpoint, Method::GET, path, query, None).await {
            Ok(answer) => answer.json().map(Some),
            Err(KeycloakError::Status { status: 404, .. }) => Ok(None),
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

    /// Makes something; the new thing's id if Keycloak gave one.
    pub async fn create(
        &self,
        endpoint: &'static str,
        path: &[&str],
        body: &Value,
    ) -> Result<Option<String>, KeycloakError> {
        self.send(endpoint, Method::POST, path, &[], Some(body)).await?.created()
    }

    /// Lets Keycloak do something that answers with a document.
    pub async fn act(
        &self,
        endpoint: &'static str,
        path: &[&str],
        query: &[(&str, &str)],
    ) -> Result<Value, KeycloakError> {
        self.send(endpoint, Method::POST, path, query, None).await?.json()
    }

    /// Takes what the body names away.
    pub async fn remove(
        &self,
        endpoint: &'static str,
        path: &[&str],
        body: &Value,
    ) -> Result<(), KeycloakError> {
        self.send(endpoint, Method::DELETE, path, &[], Some(body)).await.map(drop)
    }

    /// Takes up the rights that came with something just made, such as a realm.
    pub async fn refresh_rights(&self) {
        self.http.forget_token().await;
    }

    async fn send(
        &self,
        endpoint: &'static str,
        method: Method,
        path: &[&str],
        query: &[(&str, &str)],
        body: Option<&Value>,
    ) -> Result<Answer, KeycloakError> {
        self.http.send(&Call { endpoint, method, path, query, body }).await
    }
}

impl std::fmt::Debug for Admin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Admin").finish_non_exhaustive()
    }
}
