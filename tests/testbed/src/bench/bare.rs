//! The bare driver: what making an account costs with the bot taken away. The same LDAP add, group add, exact search and mail call as the
//! same service accounts, over one shared LDAP connection and one pool of HTTP connections, as the bot's doors have them.

use std::collections::HashSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use ldap3::{Ldap, Mod};
use serde_json::Value;
use tokio::sync::Mutex;

use super::MAIL_WITHIN;
use super::ground::{Ground, username_of};
use crate::keycloak_admin::accepted;
use crate::sandbox::product::{GROUP, MAIL_CLIENT, REALM, REDIRECT};
use crate::waiting::wait_until;

/// A token lives a minute.
const TOKEN_KEPT: Duration = Duration::from_secs(45);

/// Connections that are open, and a token.
pub(super) struct Bare<'a> {
    ground: &'a Ground,
    ldap: Ldap,
    http: reqwest::Client,
    secret: String,
    token: Mutex<Option<(String, Instant)>>,
    made: AtomicU64,
}

impl<'a> Bare<'a> {
    pub(super) async fn start(ground: &'a Ground) -> Result<Self> {
        let slapd = &ground.bed.slapd;
        let http = reqwest::Client::builder()
            .no_proxy()
            .http1_only()
            .tcp_nodelay(true)
            .timeout(Duration::from_secs(30))
            .build()
            .context("make an HTTP client")?;
        Ok(Self {
            ldap: slapd.connect_as(&slapd.bot_dn, &slapd.bot_password).await?,
            http,
            secret: ground.client_secret()?,
            token: Mutex::default(),
            made: AtomicU64::new(0),
            ground,
        })
    }

    /// Makes one account; how long it took until the mail was caught.
    pub(super) async fn account(&self) -> Result<Duration> {
        let username = username_of(self.made.fetch_add(1, Ordering::Relaxed), "bare");
        let address = format!("{username}@bench.example");
        let begun = Instant::now();
        self.enters(&username, &address).await?;
        let id = self.is_imported(&username).await?;
        let caught = async {
            self.ground.bed.mail.wait_for_mail_to(&address, MAIL_WITHIN).await?;
            Ok::<_, anyhow::Error>(begun.elapsed())
        };
        let ((), took) = tokio::try_join!(self.is_mailed(&id), caught)?;
        Ok(took)
    }

    async fn enters(&self, username: &str, address: &str) -> Result<()> {
        let slapd = &self.ground.bed.slapd;
        let dn = slapd.person_dn(username);
        let mark = format!("accolade:{}", uuid::Uuid::new_v4());
        let number = format!("9{:017}", rand::random_range(0..10_u64.pow(17)));
        let classes = ["top", "person", "organizationalPerson", "inetOrgPerson"];
        let one = |value| HashSet::from([value]);
        let attributes = vec![
            ("objectClass", HashSet::from(classes)),
            ("uid", one(username)),
            ("cn", one("Ada Lovelace")),
            ("sn", one("Lovelace")),
            ("givenName", one("Ada")),
            ("mail", one(address)),
            ("employeeNumber", one(&number)),
            ("description", one(&mark)),
        ];
        let mut ldap = self.ldap.clone();
        ldap.add(&dn, attributes).await?.success().context("add an entry")?;
        let group = format!("cn={GROUP},{}", slapd.groups_dn);
        let joined = vec![Mod::Add("member", one(dn.as_str()))];
        ldap.modify(&group, joined).await?.success().context("add to a group")?;
        Ok(())
    }

    /// The exact search that makes Keycloak import the entry.
    async fn is_imported(&self, username: &str) -> Result<String> {
        let mut id = None;
        wait_until("Keycloak to import the entry", MAIL_WITHIN, async || {
            let query = [("username", username), ("exact", "true"), ("max", "5")];
            let request = self.http.get(self.address("users")).query(&query);
            let answer = request.bearer_auth(self.token().await?).send().await?;
            let found: Value = accepted("search", answer).await?.json().await?;
            let is_ours = found[0]["federationLink"] == self.ground.federation_id();
            id = found[0]["id"].as_str().filter(|_| is_ours).map(str::to_owned);
            Ok(id.is_some())
        })
        .await?;
        id.context("a user without an id")
    }

    async fn is_mailed(&self, id: &str) -> Result<()> {
        let query = [("lifespan", "43200"), ("client_id", MAIL_CLIENT), ("redirect_uri", REDIRECT)];
        let request = self.http.put(self.address(&format!("users/{id}/execute-actions-email"))).query(&query);
        let request = request.json(&["UPDATE_PASSWORD", "VERIFY_EMAIL"]);
        let answer = request.bearer_auth(self.token().await?).send().await?;
        accepted("send a mail", answer).await.map(drop)
    }

    fn address(&self, path: &str) -> String {
        format!("{}/admin/realms/{REALM}/{path}", self.ground.bed.keycloak.url)
    }

    async fn token(&self) -> Result<String> {
        let mut kept = self.token.lock().await;
        if let Some((token, _)) = kept.as_ref().filter(|(_, at)| at.elapsed() < TOKEN_KEPT) {
            return Ok(token.clone());
        }
        let form = [
            ("grant_type", "client_credentials"),
            ("client_id", "accolade"),
            ("client_secret", self.secret.as_str()),
        ];
        let url = format!("{}/realms/{REALM}/protocol/openid-connect/token", self.ground.bed.keycloak.url);
        let answer = accepted("get a token", self.http.post(url).form(&form).send().await?).await?;
        let told: Value = answer.json().await?;
        let token = told["access_token"].as_str().context("no token")?.to_owned();
        *kept = Some((token.clone(), Instant::now()));
        Ok(token)
    }
}
