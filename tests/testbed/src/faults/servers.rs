//! The servers of a campaign, each behind a line that can be broken, and the values that outlive an environment: secrets and the realm.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::sync::{Mutex, OnceCell};

use super::Database;
use crate::proxy::{Proxy, Speech};
use crate::sandbox::product::{GROUP, REALM, new_token, write_secret};
use crate::servers::{ServerOptions, TestServers, Wanted};
use crate::slapd::Managed;

/// The path of the realm's user profile.
fn profile_path() -> String {
    format!("{REALM}/users/profile")
}

/// Real servers and the lines to them.
pub(super) struct Servers {
    // Dropped before the servers behind it.
    pub(super) lines: ServerLines,
    pub(super) real: TestServers,
    pub(super) database: Database,
    /// The folder that contains the files of all secrets.
    pub(super) secrets: PathBuf,
    pub(super) token: String,
    /// The ids that `setup keycloak` printed.
    pub(super) keycloak_ids: OnceCell<[String; 2]>,
    /// The realm's own user profile, while another one is in force.
    profile: Mutex<Option<Value>>,
}

/// The lines that outlive an environment.
pub(super) struct ServerLines {
    pub(super) ldap: Proxy,
    pub(super) keycloak: Proxy,
    /// Between Keycloak and the mail catcher.
    pub(super) smtp: Proxy,
    /// Only present if the bot's database is PostgreSQL.
    pub(super) postgres: Option<Proxy>,
}

impl Servers {
    /// Starts everything that is slow to start.
    pub(super) async fn start(database: Database, seed: u64) -> Result<Self> {
        let postgres = if database == Database::Postgres { Wanted::Yes } else { Wanted::No };
        let servers = TestServers::start(ServerOptions { postgres, ..ServerOptions::servers() }).await?;
        servers.slapd.add_group(GROUP, Managed::Yes).await?;
        let secrets = servers.folder().join("secrets");
        make_private(&secrets)?;
        let token = new_token();
        write_secret(&secrets.join("discord.token"), &token)?;
        let lines = ServerLines::start(&servers, seed).await?;
        Ok(Self {
            lines,
            real: servers,
            database,
            secrets,
            token,
            keycloak_ids: OnceCell::new(),
            profile: Mutex::default(),
        })
    }

    /// Returns the ids of the federation and of its mapper. The first caller's configuration makes the realm.
    pub(super) async fn realm(&self, accolade: &Path, config: &Path) -> Result<[&str; 2]> {
        let make = async || {
            let made = self.real.provision(accolade, config, REALM).await?;
            self.mail_through_the_line().await?;
            let id = |key: &str| crate::sandbox::product::id_in(&made, key);
            Ok::<_, anyhow::Error>([id("federation_id")?, id("group_mapper_id")?])
        };
        let [federation, mapper] = self.keycloak_ids.get_or_try_init(make).await?;
        Ok([federation, mapper])
    }

    async fn mail_through_the_line(&self) -> Result<()> {
        let address = self.lines.smtp.address;
        let server = json!({
            "host": address.ip().to_string(), "port": address.port().to_string(), "from": "accounts@example.org",
            "ssl": "false", "starttls": "false", "auth": "false",
            "connectionTimeout": "1000", "timeout": "1000", "writeTimeout": "1000",
        });
        self.real.keycloak.set_realm(REALM, &json!({ "smtpServer": server })).await
    }

    /// Adds an attribute to the realm's user profile, until [`Self::restore_profile`].
    pub(super) async fn add_to_profile(&self, attribute: &Value) -> Result<()> {
        let mut own = self.profile.lock().await;
        if own.is_none() {
            *own = Some(self.real.keycloak.admin_json(Method::GET, &profile_path(), None).await?);
        }
        let mut profile = own.clone().context("a profile")?;
        profile["attributes"].as_array_mut().context("a profile has attributes")?.push(attribute.clone());
        self.real.keycloak.admin_json(Method::PUT, &profile_path(), Some(&profile)).await.map(drop)
    }

    /// Puts the realm's own user profile back.
    pub(super) async fn restore_profile(&self) -> Result<()> {
        let mut own = self.profile.lock().await;
        if let Some(profile) = &*own {
            self.real.keycloak.admin_json(Method::PUT, &profile_path(), Some(profile)).await?;
            *own = None;
        }
        Ok(())
    }

    /// All secrets that exist here, as text.
    pub(super) fn secret_values(&self) -> Result<Vec<String>> {
        let files = std::fs::read_dir(&self.secrets).context("list the secrets")?.flatten();
        let servers = [
            self.real.keycloak.admin_password_file.clone(),
            self.real.slapd.keycloak_password_file.clone(),
            self.real.slapd.bot_password_file.clone(),
        ];
        files
            .map(|file| file.path())
            .chain(servers)
            .map(|file| Ok(std::fs::read_to_string(file).context("read a secret")?.trim().to_owned()))
            .collect()
    }

    /// Removes the people that an environment left, so that the next one starts with empty servers.
    pub(super) async fn forget_people(&self) -> Result<()> {
        let slapd = &self.real.slapd;
        for entry in slapd.people().await? {
            slapd.delete(&entry.dn).await?;
        }
        if let Some([federation, _]) = self.keycloak_ids.get() {
            let path = format!("{REALM}/user-storage/{federation}/remove-imported-users");
            self.real.keycloak.admin_json(Method::POST, &path, None).await?;
        }
        self.real.mail.clear();
        Ok(())
    }

    /// Ends all faults of the lines.
    pub(super) async fn heal_lines(&self) -> Result<()> {
        for line in self.lines.all() {
            line.heals().await?;
        }
        Ok(())
    }
}

impl ServerLines {
    async fn start(servers: &TestServers, seed: u64) -> Result<Self> {
        let ldap = address_in(&servers.slapd.ldap_url)?;
        let keycloak = address_in(&servers.keycloak.url)?;
        let postgres = match servers.postgres.started() {
            Some(postgres) => Some(Proxy::start(postgres.address(), Speech::Bytes, seed).await?),
            None => None,
        };
        Ok(Self {
            ldap: Proxy::start(ldap, Speech::Ldap, seed).await?,
            keycloak: Proxy::start(keycloak, Speech::Http, seed).await?,
            smtp: Proxy::start(servers.mail.smtp_addr, Speech::Bytes, seed).await?,
            postgres,
        })
    }

    /// All lines.
    pub(super) fn all(&self) -> impl Iterator<Item = &Proxy> {
        [&self.ldap, &self.keycloak, &self.smtp].into_iter().chain(&self.postgres)
    }
}

fn address_in(url: &str) -> Result<SocketAddr> {
    let (_, address) = url.split_once("://").context("no URL")?;
    address.parse().context("no address in a URL")
}

/// Makes a folder that only its owner may enter.
pub(super) fn make_private(folder: &Path) -> Result<()> {
    crate::sandbox::make_private(folder)
}
