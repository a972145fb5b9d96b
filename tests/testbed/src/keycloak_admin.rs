//! What a test does in Keycloak as its administrator: it reads users, groups and events, and prepares states. The product never has these
//! rights.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use reqwest::{Method, Response, StatusCode};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::{keycloak::Keycloak, mail::Mail};

/// How long a token of the administrator is reused. Keycloak's tokens are valid for a minute.
const TOKEN_KEPT: Duration = Duration::from_secs(40);

/// The administrator's last token and when it was issued. A new one costs Keycloak a password hash.
#[derive(Debug, Default)]
pub(crate) struct KeptToken(Mutex<Option<(String, Instant)>>);

impl KeptToken {
    fn usable(&self) -> Option<String> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.as_ref().filter(|(_, at)| at.elapsed() < TOKEN_KEPT).map(|(token, _)| token.clone())
    }

    fn keep(&self, token: &str) {
        let kept = (token.to_owned(), Instant::now());
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(kept);
    }
}

/// A user as the admin API returns it; `all` is the whole answer.
#[derive(Clone, Debug)]
pub struct User {
    /// Keycloak's id.
    pub id: String,
    /// Lower case.
    pub username: String,
    /// Address.
    pub email: Option<String>,
    /// Whether the link in a mail was followed.
    pub email_verified: bool,
    /// Whether the user may log in (also false while the directory is down).
    pub enabled: bool,
    /// The directory component it came from; `None` for a local user.
    pub federation_link: Option<String>,
    /// The directory's `entryUUID`.
    pub ldap_id: Option<String>,
    /// The whole answer.
    pub all: Value,
}

impl User {
    fn read(all: Value) -> Result<Self> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Row {
            id: String,
            username: String,
            email: Option<String>,
            #[serde(default)]
            email_verified: bool,
            #[serde(default)]
            enabled: bool,
            federation_link: Option<String>,
        }
        let row: Row = serde_json::from_value(all.clone()).context("read a user of Keycloak")?;
        let ldap_id = all.pointer("/attributes/LDAP_ID/0").and_then(Value::as_str).map(str::to_owned);
        Ok(Self {
            id: row.id,
            username: row.username,
            email: row.email,
            email_verified: row.email_verified,
            enabled: row.enabled,
            federation_link: row.federation_link,
            ldap_id,
            all,
        })
    }
}

/// A local Keycloak user, as an administrator creates one by hand.
#[derive(Clone, Debug)]
pub struct LocalUser<'a> {
    /// Login name.
    pub username: &'a str,
    /// Address.
    pub email: &'a str,
    /// Password, not temporary.
    pub password: Option<&'a str>,
}

impl Keycloak {
    /// A fresh token of the administrator, valid for a minute.
    pub async fn admin_token(&self) -> Result<String> {
        let answer = self
            .http
            .post(format!("{}/realms/master/protocol/openid-connect/token", self.url))
            .form(&[
                ("grant_type", "password"),
                ("client_id", "admin-cli"),
                ("username", self.admin_user.as_str()),
                ("password", self.admin_password.as_str()),
            ])
            .send()
            .await?;
        let body: Value = accepted("get an administrator's token", answer).await?.json().await?;
        let token = body["access_token"].as_str().context("Keycloak's answer holds no token")?;
        self.token.keep(token);
        Ok(token.to_owned())
    }

    /// Makes one call to the admin API; `path` is what follows `/admin/realms/`.
    pub async fn admin_call(&self, method: Method, path: &str, body: Option<&Value>) -> Result<Response> {
        let kept = self.token.usable();
        let is_kept = kept.is_some();
        let token = match kept {
            Some(token) => token,
            None => self.admin_token().await?,
        };
        let answer = self.send_with(&token, method.clone(), path, body).await?;
        // A reused token does not cover a realm that was made after it, and is not valid after a restart.
        if is_kept && matches!(answer.status(), StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) {
            return self.send_with(&self.admin_token().await?, method, path, body).await;
        }
        Ok(answer)
    }

    async fn send_with(
        &self,
        token: &str,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<Response> {
        let mut request =
            self.http.request(method, format!("{}/admin/realms/{path}", self.url)).bearer_auth(token);
        if let Some(body) = body {
            request = request.json(body);
        }
        Ok(request.send().await?)
    }

    /// Makes a call that must succeed, and returns its JSON (null if there is none).
    pub async fn admin_json(&self, method: Method, path: &str, body: Option<&Value>) -> Result<Value> {
        let answer = self.admin_call(method, path, body).await?;
        let bytes = accepted(path, answer).await?.bytes().await?;
        if bytes.is_empty() { Ok(Value::Null) } else { serde_json::from_slice(&bytes).context("read JSON") }
    }

    async fn admin_put(&self, path: &str, body: &Value) -> Result<()> {
        self.admin_json(Method::PUT, path, Some(body)).await.map(|_| ())
    }

    /// All users of a realm in Keycloak, without service accounts. This also imports users from LDAP.
    pub async fn users(&self, realm: &str) -> Result<Vec<User>> {
        let found = self.admin_json(Method::GET, &format!("{realm}/users?max=100000"), None).await?;
        found.as_array().context("a list of users")?.iter().cloned().map(User::read).collect()
    }

    /// The users whose name contains `part`. With many users this is far cheaper than [`Keycloak::users`], because Keycloak queries the
    /// directory for each.
    pub async fn users_with(&self, realm: &str, part: &str) -> Result<Vec<User>> {
        let query: String = url::form_urlencoded::byte_serialize(part.as_bytes()).collect();
        let path = format!("{realm}/users?username={query}&max=100000");
        let found = self.admin_json(Method::GET, &path, None).await?;
        found.as_array().context("a list of users")?.iter().cloned().map(User::read).collect()
    }

    /// The user with exactly this name. This also imports the user from LDAP.
    pub async fn user_named(&self, realm: &str, username: &str) -> Result<Option<User>> {
        let query: String = url::form_urlencoded::byte_serialize(username.as_bytes()).collect();
        let path = format!("{realm}/users?username={query}&exact=true");
        let found = self.admin_json(Method::GET, &path, None).await?;
        found.as_array().context("a list of users")?.iter().cloned().map(User::read).next().transpose()
    }

    /// The names of a user's groups, sorted.
    pub async fn user_groups(&self, realm: &str, user_id: &str) -> Result<Vec<String>> {
        let found = self.admin_json(Method::GET, &format!("{realm}/users/{user_id}/groups"), None).await?;
        let mut names: Vec<String> = found
            .as_array()
            .context("a list of groups")?
            .iter()
            .filter_map(|group| group["name"].as_str().map(str::to_owned))
            .collect();
        names.sort();
        Ok(names)
    }

    /// How many sessions the user has.
    pub async fn sessions(&self, realm: &str, user_id: &str) -> Result<usize> {
        let path = format!("{realm}/users/{user_id}/sessions");
        let sessions = self.admin_json(Method::GET, &path, None).await?;
        Ok(sessions.as_array().context("sessions are a list")?.len())
    }

    /// Sends this realm's mails to the catcher, with short timeouts.
    pub async fn set_smtp(&self, realm: &str, mail: &Mail) -> Result<()> {
        let server = json!({
            "host": mail.smtp_addr.ip().to_string(), "port": mail.smtp_addr.port().to_string(),
            "from": "accounts@example.org", "ssl": "false", "starttls": "false", "auth": "false",
            "connectionTimeout": "2000", "timeout": "3000", "writeTimeout": "2000",
        });
        self.admin_put(realm, &json!({ "smtpServer": server })).await
    }

    /// Creates a user that does not come from the directory, and returns its id.
    pub async fn create_local_user(&self, realm: &str, user: LocalUser<'_>) -> Result<String> {
        let mut body = json!({
            "username": user.username, "email": user.email, "enabled": true, "emailVerified": true,
            "firstName": "Local", "lastName": "User",
        });
        if let Some(password) = user.password {
            body["credentials"] = json!([{"type": "password", "value": password, "temporary": false}]);
        }
        let answer = self.admin_call(Method::POST, &format!("{realm}/users"), Some(&body)).await?;
        id_of_new(&accepted("create a user", answer).await?)
    }

    /// Changes a user, for example `{"enabled": false}`. A body with `attributes` replaces the whole profile.
    pub async fn set_user(&self, realm: &str, user_id: &str, change: &Value) -> Result<()> {
        self.admin_put(&format!("{realm}/users/{user_id}"), change).await
    }

    /// Deletes a user. A user from the directory is deleted there too if Keycloak has that right.
    pub async fn delete_user(&self, realm: &str, user_id: &str) -> Result<()> {
        self.admin_json(Method::DELETE, &format!("{realm}/users/{user_id}"), None).await.map(|_| ())
    }

    /// The realm's events of one type (all for `None`), oldest first.
    pub async fn events(&self, realm: &str, kind: Option<&str>) -> Result<Vec<Value>> {
        let filter = kind.map(|kind| format!("&type={kind}")).unwrap_or_default();
        let path = format!("{realm}/events?direction=asc&max=10000{filter}");
        let found = self.admin_json(Method::GET, &path, None).await?;
        found.as_array().cloned().context("a list of events")
    }

    /// The whole realm as the admin API returns it.
    pub async fn realm(&self, realm: &str) -> Result<Value> {
        self.admin_json(Method::GET, realm, None).await
    }

    /// Changes settings of a realm, for example `{"passwordPolicy": "length(8)"}`.
    pub async fn set_realm(&self, realm: &str, change: &Value) -> Result<()> {
        self.admin_put(realm, change).await
    }

    /// Deletes a realm with all its data. Does nothing if there is none.
    pub async fn delete_realm(&self, realm: &str) -> Result<()> {
        let answer = self.admin_call(Method::DELETE, realm, None).await?;
        if answer.status() == StatusCode::NOT_FOUND {
            return Ok(());
        }
        accepted("delete a realm", answer).await.map(|_| ())
    }
}

/// The id of the new object: the last part of `Location`.
pub fn id_of_new(answer: &Response) -> Result<String> {
    let location = answer.headers().get("location").context("Keycloak gave no Location")?.to_str()?;
    location.rsplit('/').next().map(str::to_owned).context("Location holds no id")
}

/// Returns the answer if it is a success, or else an error with Keycloak's message.
pub async fn accepted(what: &str, answer: Response) -> Result<Response> {
    let status = answer.status();
    if status.is_success() {
        return Ok(answer);
    }
    bail!("Keycloak answered {status} to \"{what}\": {}", answer.text().await.unwrap_or_default())
}
