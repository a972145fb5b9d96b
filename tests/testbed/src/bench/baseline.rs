//! The baseline drivers measure what an account costs without the bot, its store and Discord. They use the bot's service accounts, one
//! shared LDAP connection and one pool of HTTP connections, as the bot's clients do.
//!
//! [`Flow::Bare`] makes only the calls that an account needs. [`Flow::Safe`] also makes the calls that prevent collisions with other
//! accounts and announcements of incomplete accounts.

use std::collections::HashSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use ldap3::{Ldap, Mod, Scope, SearchEntry};
use serde_json::Value;
use tokio::sync::Mutex;

use super::MAIL_TIMEOUT;
use super::env::{BenchEnv, username_of};
use crate::keycloak_admin::accepted;
use crate::sandbox::product::{GROUP, MAIL_CLIENT, REALM, REDIRECT};
use crate::waiting::wait_until;

/// How long a token is reused. Keycloak's tokens are valid for a minute.
const TOKEN_REUSE: Duration = Duration::from_secs(45);

/// Which calls a driver makes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Flow {
    /// An LDAP add and group add; an import search and a mail at Keycloak.
    Bare,
    /// Also one LDAP search for user name, address and Discord id, and a read of the new entry. At Keycloak
    /// also exact searches for name and address, and the groups of the imported user, which makes five calls.
    Safe,
}

impl Flow {
    const fn part(self) -> &'static str {
        match self {
            Self::Bare => "bare",
            Self::Safe => "safe",
        }
    }
}

/// Open connections and a token.
pub(super) struct BaselineDriver<'a> {
    env: &'a BenchEnv,
    ldap: Ldap,
    http: reqwest::Client,
    secret: String,
    token: Mutex<Option<(String, Instant)>>,
    made: AtomicU64,
}

/// The values of one account.
struct Person {
    username: String,
    address: String,
    discord_id: String,
}

impl<'a> BaselineDriver<'a> {
    pub(super) async fn start(env: &'a BenchEnv) -> Result<Self> {
        let slapd = &env.servers.slapd;
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
            secret: env.client_secret()?,
            token: Mutex::default(),
            made: AtomicU64::new(0),
            env,
        })
    }

    /// Makes one account and returns the time until the mail was caught.
    pub(super) async fn make_account(&self, flow: Flow) -> Result<Duration> {
        let username = username_of(self.made.fetch_add(1, Ordering::Relaxed), flow.part());
        let person = Person {
            address: format!("{username}@bench.example"),
            discord_id: format!("9{:017}", rand::random_range(0..10_u64.pow(17))),
            username,
        };
        let begun = Instant::now();
        if flow == Flow::Safe {
            let (by_name, by_address) =
                ([("username", person.username.as_str())], [("email", person.address.as_str())]);
            tokio::try_join!(
                self.check_directory(&person),
                self.check_keycloak(&by_name),
                self.check_keycloak(&by_address)
            )?;
        }
        self.create_entry(&person).await?;
        let entry_id = match flow {
            Flow::Bare => None,
            Flow::Safe => Some(self.read_back(&person).await?),
        };
        let id = self.await_import(&person, entry_id.as_deref()).await?;
        if flow == Flow::Safe {
            self.check_groups(&id).await?;
        }
        let caught = async {
            self.env.servers.mail.wait_for_mail_to(&person.address, MAIL_TIMEOUT).await?;
            Ok::<_, anyhow::Error>(begun.elapsed())
        };
        let ((), took) = tokio::try_join!(self.send_mail(&id), caught)?;
        Ok(took)
    }

    /// Checks that no entry in the directory has the user name, the address or the Discord id.
    async fn check_directory(&self, person: &Person) -> Result<()> {
        let part = |name: &str, value: &str| ["(", name, "=", &ldap3::ldap_escape(value), ")"].concat();
        let filter = [
            "(|".to_owned(),
            part("uid", &person.username),
            part("mail", &person.address),
            part("employeeNumber", &person.discord_id),
            ")".to_owned(),
        ]
        .concat();
        let people = &self.env.servers.slapd.people_dn;
        let found = self.ldap.clone().search(people, Scope::Subtree, &filter, vec!["entryUUID"]).await?;
        let (rows, _) = found.success().context("search the directory")?;
        ensure!(rows.is_empty(), "{} is taken in the directory", person.username);
        Ok(())
    }

    /// Checks that no user in Keycloak has this name or address.
    async fn check_keycloak(&self, wanted: &[(&str, &str); 1]) -> Result<()> {
        let found = self.search(wanted).await?;
        ensure!(found.as_array().is_some_and(Vec::is_empty), "{:?} is taken at Keycloak", wanted[0]);
        Ok(())
    }

    async fn create_entry(&self, person: &Person) -> Result<()> {
        let slapd = &self.env.servers.slapd;
        let dn = slapd.person_dn(&person.username);
        let mark = format!("accolade:{}", uuid::Uuid::new_v4());
        let classes = ["top", "person", "organizationalPerson", "inetOrgPerson"];
        let one = |value| HashSet::from([value]);
        let attributes = vec![
            ("objectClass", HashSet::from(classes)),
            ("uid", one(person.username.as_str())),
            ("cn", one("Ada Lovelace")),
            ("sn", one("Lovelace")),
            ("givenName", one("Ada")),
            ("mail", one(person.address.as_str())),
            ("employeeNumber", one(person.discord_id.as_str())),
            ("description", one(mark.as_str())),
        ];
        let mut ldap = self.ldap.clone();
        ldap.add(&dn, attributes).await?.success().context("add an entry")?;
        let group = format!("cn={GROUP},{}", slapd.groups_dn);
        let joined = vec![Mod::Add("member", one(dn.as_str()))];
        ldap.modify(&group, joined).await?.success().context("add to a group")?;
        Ok(())
    }

    /// Returns the entry's permanent id once the entry exists and is in its group.
    async fn read_back(&self, person: &Person) -> Result<String> {
        let slapd = &self.env.servers.slapd;
        let attributes = vec!["entryUUID", "memberOf", "description", "employeeNumber"];
        let dn = slapd.person_dn(&person.username);
        let found = self.ldap.clone().search(&dn, Scope::Base, "(objectClass=*)", attributes).await?;
        let (rows, _) = found.success().context("read the entry back")?;
        let entry = rows.into_iter().next().map(SearchEntry::construct).context("the entry is not there")?;
        let groups = entry.attrs.get("memberOf").map_or(0, Vec::len);
        ensure!(groups == 1, "{} is in {groups} groups", person.username);
        entry.attrs.get("entryUUID").and_then(|ids| ids.first()).cloned().context("an entry without an id")
    }

    /// Sends the exact search that makes Keycloak import the entry.
    async fn await_import(&self, person: &Person, entry_id: Option<&str>) -> Result<String> {
        let mut id = None;
        wait_until("Keycloak to import the entry", MAIL_TIMEOUT, async || {
            let found = self.search(&[("username", person.username.as_str())]).await?;
            let is_ours = found[0]["federationLink"] == self.env.federation_id()
                && entry_id.is_none_or(|entry| found[0]["attributes"]["LDAP_ID"][0] == entry);
            id = found[0]["id"].as_str().filter(|_| is_ours).map(str::to_owned);
            Ok(id.is_some())
        })
        .await?;
        id.context("a user without an id")
    }

    async fn search(&self, wanted: &[(&str, &str); 1]) -> Result<Value> {
        let request =
            self.http.get(self.url("users")).query(wanted).query(&[("exact", "true"), ("max", "5")]);
        let answer = request.bearer_auth(self.token().await?).send().await?;
        accepted("search", answer).await?.json().await.context("read found users")
    }

    async fn check_groups(&self, id: &str) -> Result<()> {
        let request = self.http.get(self.url(&format!("users/{id}/groups")));
        let answer = request.bearer_auth(self.token().await?).send().await?;
        let found: Value = accepted("read groups", answer).await?.json().await?;
        let has_group =
            found.as_array().is_some_and(|groups| groups.iter().any(|group| group["name"] == GROUP));
        ensure!(has_group, "Keycloak doesn't show the group yet: {found}");
        Ok(())
    }

    async fn send_mail(&self, id: &str) -> Result<()> {
        let query = [("lifespan", "43200"), ("client_id", MAIL_CLIENT), ("redirect_uri", REDIRECT)];
        let request = self.http.put(self.url(&format!("users/{id}/execute-actions-email"))).query(&query);
        let request = request.json(&["UPDATE_PASSWORD", "VERIFY_EMAIL"]);
        let answer = request.bearer_auth(self.token().await?).send().await?;
        accepted("send a mail", answer).await.map(drop)
    }

    fn url(&self, path: &str) -> String {
        format!("{}/admin/realms/{REALM}/{path}", self.env.servers.keycloak.url)
    }

    async fn token(&self) -> Result<String> {
        let mut kept = self.token.lock().await;
        if let Some((token, _)) = kept.as_ref().filter(|(_, at)| at.elapsed() < TOKEN_REUSE) {
            return Ok(token.clone());
        }
        let form = [
            ("grant_type", "client_credentials"),
            ("client_id", "accolade"),
            ("client_secret", self.secret.as_str()),
        ];
        let url = format!("{}/realms/{REALM}/protocol/openid-connect/token", self.env.servers.keycloak.url);
        let answer = accepted("get a token", self.http.post(url).form(&form).send().await?).await?;
        let told: Value = answer.json().await?;
        let token = told["access_token"].as_str().context("no token")?.to_owned();
        *kept = Some((token.clone(), Instant::now()));
        Ok(token)
    }
}
