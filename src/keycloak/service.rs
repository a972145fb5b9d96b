//! The service client's calls to Keycloak's admin API.
//!
//! An empty search result proves nothing: no entry, LDAP down, a mail conflict and a concurrent import all look alike. A hit may be
//! another person's user: only [`Keycloak::find_import`] decides whose a user is.
//! A body with `attributes` replaces the whole profile, in LDAP too, so none is sent but one that holds the user as Keycloak shows it
//! ([`Keycloak::set_enabled_as`]).

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use reqwest::Method;
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use serde_json::{Value, json};

use super::client::AuthorizedClient;
use super::error::KeycloakError;
use super::http::{Answer, CALL_LIMIT, Call, Server};
use super::person::{Actions, Enabled, Holders, Import, MailOutcome, User, UserRow, left_user};
use super::placeholder::placeholder;
use super::profile;
use super::token::Grant;
use crate::config;
use crate::domain::account::{DirectoryId, KeycloakId};
use crate::domain::eligibility::GroupName;
use crate::domain::job::Outcome;
use crate::domain::mail_address::MailAddress;
use crate::domain::profile_rules::ProfileRules;
use crate::domain::username::Username;

/// The fields of a user that hold the names.
const NAME_FIELDS: [&str; 2] = ["firstName", "lastName"];
/// The fields of a user that are no attributes.
const CORE_FIELDS: [&str; 4] = ["firstName", "lastName", "email", "username"];

/// Names that Keycloak accepts, for a user whose own it rejects. `Debug` shows none of them.
#[derive(Clone, PartialEq, Eq)]
pub struct StandIn {
    /// The given name.
    pub given: String,
    /// The family name.
    pub family: String,
}

impl std::fmt::Debug for StandIn {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("StandIn(…)")
    }
}

/// The most groups of one person that are read.
const MAX_GROUPS: usize = 1000;

/// Keycloak, called as the service client. Clones are cheap and share one connection pool and one token.
#[derive(Clone)]
pub struct Keycloak {
    pub(super) shared: Arc<Shared>,
}

pub(super) struct Shared {
    pub(super) client: AuthorizedClient,
    pub(super) realm: String,
    federation_id: String,
    group_mapper_id: String,
    mail_client_id: String,
    mail_redirect_uri: String,
    /// What the form knows of the user profile.
    rules: RwLock<Arc<ProfileRules>>,
}

#[derive(Deserialize)]
struct GroupRow {
    name: String,
    path: String,
}

impl Keycloak {
    /// Checks the settings (scheme, CA file). Nothing is sent before the first call.
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
            client: AuthorizedClient::new(&server, grant)?,
            realm: config.realm.clone(),
            federation_id: config.federation_id.clone(),
            group_mapper_id: config.group_mapper_id.clone(),
            mail_client_id: config.mail_client_id.clone(),
            mail_redirect_uri: config.mail_redirect_uri.to_string(),
            rules: RwLock::default(),
        };
        Ok(Self { shared: Arc::new(shared) })
    }

    /// Replaces the client secret in every clone. The next call requests its token with it.
    pub async fn replace_secret(&self, secret: SecretString) {
        self.shared.client.replace_secret(secret).await;
    }

    /// The readiness check: requests a token, and reads users and events with it. A missing right is a 403.
    #[tracing::instrument(name = "call", skip_all, fields(target = "keycloak", verb = "probe"))]
    pub async fn probe(&self) -> Result<(), KeycloakError> {
        let users = self.get("count users", &["users", "count"], &[]).await?;
        users.json::<u64>()?;
        let events = self.get("events", &["events"], &[("max", "1")]).await?;
        events.json::<Vec<Value>>().map(drop)
    }

    /// What the realm's user profile accepts in the fields of the form, as it was last read. Before that, it accepts everything.
    pub fn profile_rules(&self) -> Arc<ProfileRules> {
        Arc::clone(&self.shared.rules.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Reads the user profile for [`Keycloak::profile_rules`]. If it can't be read, the rules stay as they were.
    #[tracing::instrument(name = "call", skip_all, fields(target = "keycloak", verb = "read_profile_rules"))]
    pub async fn read_profile_rules(&self) -> Result<(), KeycloakError> {
        let (rules, ignored) = profile::rules(&self.profile().await?);
        for attribute in ignored {
            tracing::warn!(
                attribute,
                "the form can't run the pattern of this attribute of the user profile: Keycloak may refuse what the form accepts"
            );
        }
        *self.shared.rules.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(rules);
        Ok(())
    }

    async fn profile(&self) -> Result<Value, KeycloakError> {
        self.get("user profile", &["users", "profile"], &[]).await?.json()
    }

    /// Finds who holds the user name and the address, by two exact searches. A hit means taken; an empty answer proves nothing.
    #[tracing::instrument(name = "call", skip_all, fields(target = "keycloak", verb = "find_holders"))]
    pub async fn find_holders(
        &self,
        username: &Username,
        address: &MailAddress,
    ) -> Result<Holders, KeycloakError> {
        let by_name = self.search("username", username.as_str());
        let by_address = self.search("email", address.as_str());
        let (username, address) = futures::try_join!(by_name, by_address)?;
        Ok(Holders { username, address })
    }

    /// Searches once by the exact user name, which makes Keycloak import the entry. The caller repeats it on [`Import::NotYet`].
    #[tracing::instrument(name = "call", skip_all, fields(target = "keycloak", verb = "find_import"))]
    pub async fn find_import(
        &self,
        username: &Username,
        directory_id: &DirectoryId,
    ) -> Result<Import, KeycloakError> {
        let hits = self.search("username", username.as_str()).await?;
        Ok(Import::classify(&hits, &self.shared.federation_id, directory_id))
    }

    /// The user that some federation made and that stays, although there is no entry with this name any more. The search makes Keycloak
    /// look for the entry, and drop a user that has none.
    #[tracing::instrument(name = "call", skip_all, fields(target = "keycloak", verb = "left_user"))]
    pub async fn left_user(&self, username: &Username) -> Result<Option<User>, KeycloakError> {
        let hits = self.search("username", username.as_str()).await?;
        Ok(left_user(hits, &self.shared.federation_id))
    }

    /// Reads the user with this id. `None` if it does not exist.
    #[tracing::instrument(name = "call", skip_all, fields(target = "keycloak", verb = "person"))]
    pub async fn person(&self, id: &KeycloakId) -> Result<Option<User>, KeycloakError> {
        match self.get("user", &["users", id.as_str()], &[]).await {
            Ok(answer) => Ok(Some(answer.json::<UserRow>()?.into_user("user")?)),
            Err(error) if error.says_absent() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Reads the user's groups at the top level, where the group mapper puts those of the directory.
    #[tracing::instrument(name = "call", skip_all, fields(target = "keycloak", verb = "groups"))]
    pub async fn groups(&self, id: &KeycloakId) -> Result<Vec<GroupName>, KeycloakError> {
        let max = MAX_GROUPS.to_string();
        let answer = self.get("groups", &["users", id.as_str(), "groups"], &[("max", &max)]).await?;
        let rows: Vec<GroupRow> = answer.json()?;
        if rows.len() >= MAX_GROUPS {
            return Err(KeycloakError::InvalidResponse { endpoint: "groups", what: "there are too many" });
        }
        let at_top = rows.into_iter().filter(|row| row.path.strip_prefix('/') == Some(&row.name));
        Ok(at_top.filter_map(|row| GroupName::new(row.name)).collect())
    }

    /// Lets the group mapper import the directory's groups. Success proves nothing: read the user's groups afterwards.
    #[tracing::instrument(name = "call", skip_all, fields(target = "keycloak", verb = "sync_groups"))]
    pub async fn sync_groups(&self) -> Result<(), KeycloakError> {
        let shared = &self.shared;
        let path = ["user-storage", &shared.federation_id, "mappers", &shared.group_mapper_id, "sync"];
        let query = [("direction", "fedToKeycloak")];
        self.send("sync groups", Method::POST, &path, &query, None).await?.json::<Value>().map(drop)
    }

    /// Lets Keycloak mail an action link. Reserve the mail quota first; [`MailOutcome`] says when it is refunded.
    #[tracing::instrument(name = "call", skip_all, fields(target = "keycloak", verb = "send_actions_mail"))]
    pub async fn send_actions_mail(
        &self,
        id: &KeycloakId,
        actions: Actions,
        lifespan: Duration,
    ) -> MailOutcome {
        if let Err(error) = self.shared.client.authorize().await {
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
            Err(error) => MailOutcome::classify(error),
        }
    }

    /// Enables or disables the user, and reads it back. A missing user is an error of status 404.
    /// The change is sent even if the user looks disabled, because all users do while the directory is down.
    #[tracing::instrument(name = "call", skip_all, fields(target = "keycloak", verb = "set_enabled"))]
    pub async fn set_enabled(&self, id: &KeycloakId, enabled: Enabled) -> Result<Outcome, KeycloakError> {
        let is_wanted = enabled == Enabled::Yes;
        let was = self.is_enabled(id).await?;
        self.put_user(id, &json!({ "enabled": is_wanted }), is_wanted).await?;
        Ok(if was == is_wanted { Outcome::Unchanged } else { Outcome::Applied })
    }

    /// Enables or disables a user whom the realm's profile does not accept, and reads it back. Keycloak validates the whole user at each
    /// change, so the change brings valid names along. Keycloak writes them into the directory if its mappers do that: the caller puts
    /// the true ones back.
    ///
    /// `fields` are those that Keycloak rejected. Fields other than the names get a value that their validators accept. Then the body
    /// holds the user as Keycloak shows it, because a body with `attributes` replaces all of them.
    #[tracing::instrument(name = "call", skip_all, fields(target = "keycloak", verb = "set_enabled_as"))]
    pub async fn set_enabled_as(
        &self,
        id: &KeycloakId,
        enabled: Enabled,
        stand_in: &StandIn,
        fields: &[String],
    ) -> Result<Outcome, KeycloakError> {
        let is_wanted = enabled == Enabled::Yes;
        let are_names = fields.iter().all(|field| NAME_FIELDS.contains(&field.as_str()));
        let mut body = if are_names {
            json!({})
        } else {
            self.get("user", &["users", id.as_str()], &[]).await?.json()?
        };
        body["enabled"] = json!(is_wanted);
        body["firstName"] = json!(stand_in.given);
        body["lastName"] = json!(stand_in.family);
        let others: Vec<&String> =
            fields.iter().filter(|field| !CORE_FIELDS.contains(&field.as_str())).collect();
        if !others.is_empty() {
            // Without the profile, each attribute is taken for one without validators.
            let profile = self.profile().await.unwrap_or_default();
            for field in others {
                let attribute = profile::attribute(&profile, field).unwrap_or(&Value::Null);
                match placeholder(attribute) {
                    Ok(value) => body["attributes"][field] = json!([value]),
                    Err(validator) => tracing::warn!(
                        attribute = field,
                        validator,
                        "Accolade can make no value that this validator of the user profile accepts: give the person one"
                    ),
                }
            }
        }
        self.put_user(id, &body, is_wanted).await?;
        Ok(Outcome::Applied)
    }

    /// Changes the user, and reads back whether it is enabled as wanted.
    async fn put_user(&self, id: &KeycloakId, body: &Value, is_enabled: bool) -> Result<(), KeycloakError> {
        let endpoint = "set enabled";
        let path = ["users", id.as_str()];
        self.send(endpoint, Method::PUT, &path, &[], Some(body)).await?.no_content()?;
        if self.is_enabled(id).await? == is_enabled {
            return Ok(());
        }
        Err(KeycloakError::InvalidResponse { endpoint, what: "the change did not last" })
    }

    async fn is_enabled(&self, id: &KeycloakId) -> Result<bool, KeycloakError> {
        let row: UserRow = self.get("user", &["users", id.as_str()], &[]).await?.json()?;
        let invalid =
            KeycloakError::InvalidResponse { endpoint: "user", what: "it does not say whether enabled" };
        row.enabled.ok_or(invalid)
    }

    /// Replaces the user's password, in the directory that the user comes from. It also works while the user is disabled.
    #[tracing::instrument(name = "call", skip_all, fields(target = "keycloak", verb = "reset_password"))]
    pub async fn reset_password(
        &self,
        id: &KeycloakId,
        password: &SecretString,
    ) -> Result<(), KeycloakError> {
        let body = json!({ "type": "password", "value": password.expose_secret(), "temporary": false });
        let path = ["users", id.as_str(), "reset-password"];
        self.send("reset password", Method::PUT, &path, &[], Some(&body)).await?.no_content()
    }

    /// Ends every session of the user. Harmless if there is none.
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

    pub(super) async fn get(
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
        self.shared.client.send(&Call { endpoint, method, path: &whole, query, body }).await
    }
}

impl std::fmt::Debug for Keycloak {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Keycloak").field("realm", &self.shared.realm).finish_non_exhaustive()
    }
}
