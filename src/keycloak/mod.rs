//! The only Keycloak: its admin API, as the service client sees it.
//!
//! An empty answer of a search proves nothing (no entry, LDAP down, a mail conflict and a concurrent import all look
//! alike), and a hit may be somebody else: only [`Keycloak::find_import`] decides whose a user is.
//! Bodies with `attributes` are never sent: such a PUT replaces the whole profile, in LDAP too.
//! [`Admin`] is for `setup` and `doctor`, with an administrator's credentials.

mod admin;
mod error;
mod events;
pub mod fine_grained;
mod http;
mod inspect;
mod person;
mod resolve;
mod token;

pub use admin::{Admin, AdminServer};
pub use error::KeycloakError;
pub use events::{Event, Events};
pub use http::CALL_LIMIT;
pub use inspect::{Held, Reach};
pub use person::{Actions, Enabled, Import, Look, MailOutcome, User};

use std::sync::{Arc, RwLock};
use std::time::Duration;

use reqwest::Method;
use secrecy::SecretString;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::config;
use crate::domain::account::{DirectoryId, KeycloakId};
use crate::domain::eligibility::GroupName;
use crate::domain::job::Outcome;
use crate::domain::mail_address::MailAddress;
use crate::domain::username::Username;

use http::{Answer, Call, HttpClient, Server};
use person::UserRow;
use token::Grant;

/// More groups than one person can sensibly be in.
const MOST_GROUPS: usize = 1000;

/// Keycloak, as the service client sees it. A cheap clone over one connection pool and one token.
#[derive(Clone)]
pub struct Keycloak {
    shared: Arc<Shared>,
}

struct Shared {
    http: HttpClient,
    realm: String,
    federation_id: String,
    group_mapper_id: String,
    mail_client_id: String,
    mail_redirect_uri: String,
}

#[derive(Deserialize)]
struct GroupRow {
    name: String,
    path: String,
}

impl Keycloak {
    /// Checks the settings (scheme, CA file). Nothing is sent before the first verb.
    pub fn new(config: &config::Keycloak) -> Result<Self, KeycloakError> {
        let server = Server {
            url: &config.url,
            public_url: &config.public_url,
            ca_file: config.ca_file.as_deref(),
            plaintext_on_loopback: config.plaintext_on_loopback,
            limit: CALL_LIMIT,
        };
        let grant = Grant::Client {
            realm: config.realm.clone(),
            id: config.client_id.clone(),
            secret: RwLock::new(config.client_secret.clone()),
        };
        let shared = Shared {
            http: HttpClient::new(&server, grant)?,
            realm: config.realm.clone(),
            federation_id: config.federation_id.clone(),
            group_mapper_id: config.group_mapper_id.clone(),
            mail_client_id: config.mail_client_id.clone(),
            mail_redirect_uri: config.mail_redirect_uri.to_string(),
        };
        Ok(Self { shared: Arc::new(shared) })
    }

    /// Takes another client secret, for every clone of this door: the next call gets its token by it.
    pub async fn learn_secret(&self, secret: SecretString) {
        self.shared.http.learn_secret(secret).await;
    }

    /// Gets a token and asks for users and events with it: the readiness check. A missing right is a 403.
    #[tracing::instrument(name = "call", skip_all, fields(target = "keycloak", verb = "probe"))]
    pub async fn probe(&self) -> Result<(), KeycloakError> {
        let users = self.get("count users", &["users", "count"], &[]).await?;
        users.json::<u64>()?;
        let events = self.get("events", &["events"], &[("max", "1")]).await?;
        events.json::<Vec<Value>>().map(drop)
    }

    /// Exact searches by user name and by address. A hit means taken; an empty answer proves nothing.
    #[tracing::instrument(name = "call", skip_all, fields(target = "keycloak", verb = "look"))]
    pub async fn look(&self, username: &Username, address: &MailAddress) -> Result<Look, KeycloakError> {
        let by_name = self.search("username", username.as_str());
        let by_address = self.search("email", address.as_str());
        let (username, address) = futures::try_join!(by_name, by_address)?;
        Ok(Look { username, address })
    }

    /// One exact search, which makes Keycloak import the entry. The caller asks again on [`Import::NotYet`].
    #[tracing::instrument(name = "call", skip_all, fields(target = "keycloak", verb = "find_import"))]
    pub async fn find_import(
        &self,
        username: &Username,
        directory_id: &DirectoryId,
    ) -> Result<Import, KeycloakError> {
        let hits = self.search("username", username.as_str()).await?;
        Ok(Import::judge(&hits, &self.shared.federation_id, directory_id))
    }

    /// The user of this id; `None` if there is none.
    #[tracing::instrument(name = "call", skip_all, fields(target = "keycloak", verb = "person"))]
    pub async fn person(&self, id: &KeycloakId) -> Result<Option<User>, KeycloakError> {
        match self.get("user", &["users", id.as_str()], &[]).await {
            Ok(answer) => Ok(Some(answer.json::<UserRow>()?.into_user("user")?)),
            Err(KeycloakError::Status { status: 404, .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The groups that Keycloak shows for the user: those at the top, where the mapper puts the directory's.
    #[tracing::instrument(name = "call", skip_all, fields(target = "keycloak", verb = "groups"))]
    pub async fn groups(&self, id: &KeycloakId) -> Result<Vec<GroupName>, KeycloakError> {
        let max = MOST_GROUPS.to_string();
        let answer = self.get("groups", &["users", id.as_str(), "groups"], &[("max", &max)]).await?;
        let rows: Vec<GroupRow> = answer.json()?;
        if rows.len() >= MOST_GROUPS {
            return Err(KeycloakError::InvalidResponse { endpoint: "groups", what: "there are too many" });
        }
        let at_top = rows.into_iter().filter(|row| row.path.strip_prefix('/') == Some(&row.name));
        Ok(at_top.filter_map(|row| GroupName::new(row.name)).collect())
    }

    /// Lets the group mapper read the directory's groups. A green answer proves nothing: read again.
    #[tracing::instrument(name = "call", skip_all, fields(target = "keycloak", verb = "sync_groups"))]
    pub async fn sync_groups(&self) -> Result<(), KeycloakError> {
        let shared = &self.shared;
        let path = ["user-storage", &shared.federation_id, "mappers", &shared.group_mapper_id, "sync"];
        let query = [("direction", "fedToKeycloak")];
        self.send("sync groups", Method::POST, &path, &query, None).await?.json::<Value>().map(drop)
    }

    /// Lets Keycloak mail an action link. Commit the budget first; see [`MailOutcome`] for when it is given back.
    #[tracing::instrument(name = "call", skip_all, fields(target = "keycloak", verb = "send_actions_mail"))]
    pub async fn send_actions_mail(
        &self,
        id: &KeycloakId,
        actions: Actions,
        lifespan: Duration,
    ) -> MailOutcome {
        if let Err(error) = self.shared.http.authorize().await {
            return MailOutcome::NeverSent(error);
        }
        let lifespan = lifespan.as_secs().max(1).to_string();
        let query = [
            ("lifespan", lifespan.as_str()),
            ("client_id", &self.shared.mail_client_id),
            ("redirect_uri", &self.shared.mail_redirect_uri),
        ];
        let path = ["users", id.as_str(), "execute-actions-email"];
        let sent = self.send("mail", Method::PUT, &path, &query, Some(&json!(actions.names()))).await;
        match sent.and_then(|answer| answer.no_content()) {
            Ok(()) => MailOutcome::Accepted,
            Err(error) => MailOutcome::judge(error),
        }
    }

    /// Enables or disables the user, and reads it back. A user who is not there is an error of status 404.
    /// It is sent also when the user looks disabled, because during an outage of the directory everybody does.
    #[tracing::instrument(name = "call", skip_all, fields(target = "keycloak", verb = "set_enabled"))]
    pub async fn set_enabled(&self, id: &KeycloakId, enabled: Enabled) -> Result<Outcome, KeycloakError> {
        let is_wanted = enabled == Enabled::Yes;
        let was = self.is_enabled(id).await?;
        let body = json!({ "enabled": is_wanted });
        let path = ["users", id.as_str()];
        self.send("set enabled", Method::PUT, &path, &[], Some(&body)).await?.no_content()?;
        if self.is_enabled(id).await? != is_wanted {
            return Err(KeycloakError::InvalidResponse {
                endpoint: "set enabled",
                what: "it did not stay so",
            });
        }
        Ok(if was == is_wanted { Outcome::Unchanged } else { Outcome::Applied })
    }

    async fn is_enabled(&self, id: &KeycloakId) -> Result<bool, KeycloakError> {
        let row: UserRow = self.get("user", &["users", id.as_str()], &[]).await?.json()?;
        let nonsense =
            KeycloakError::InvalidResponse { endpoint: "user", what: "it does not say whether enabled" };
        row.enabled.ok_or(nonsense)
    }

    /// Ends every session of the user. Harmless when there is none.
    #[tracing::instrument(name = "call", skip_all, fields(target = "keycloak", verb = "end_sessions"))]
    pub async fn end_sessions(&self, id: &KeycloakId) -> Result<(), KeycloakError> {
        let path = ["users", id.as_str(), "logout"];
        self.send("end sessions", Method::POST, &path, &[], None).await?.no_content()
    }

    async fn search(&self, field: &str, value: &str) -> Result<Vec<User>, KeycloakError> {
        let query = [(field, value), ("exact", "true"), ("max", "5")];
        let rows: Vec<UserRow> = self.get("search", &["users"], &query).await?.json()?;
        rows.into_iter().map(|row| row.into_user("search")).collect()
    }

    async fn get(
        &self,
        endpoint: &'static str,
        path: &[&str],
        query: &[(&str, &str)],
    ) -> Result<Answer, KeycloakError> {
        self.send(endpoint, Method::GET, path, query, None).await
    }

    async fn send(
        &self,
        endpoint: &'static str,
        method: Method,
        path: &[&str],
        query: &[(&str, &str)],
        body: Option<&Value>,
    ) -> Result<Answer, KeycloakError> {
        let whole: Vec<&str> =
            ["admin", "realms", &self.shared.realm].into_iter().chain(path.iter().copied()).collect();
        self.shared.http.send(&Call { endpoint, method, path: &whole, query, body }).await
    }
}

impl std::fmt::Debug for Keycloak {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Keycloak").field("realm", &self.shared.realm).finish_non_exhaustive()
    }
}
