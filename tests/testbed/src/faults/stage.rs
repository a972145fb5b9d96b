//! What journeys, faults and the checker share: the environment, the servers, and the gate that is closed while the checker runs.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Result;
use reqwest::Method;
use serde_json::Value;
use tokio::sync::RwLock;

use super::env::TestEnv;
use super::inject::open_request_channel;
use super::person::Person;
use super::servers::Servers;
use crate::MailFault;

/// An environment on its servers, with all people who joined it.
pub(super) struct Stage {
    pub(super) env: TestEnv,
    pub(super) servers: Arc<Servers>,
    /// Journeys act while they hold the read half.
    pub(super) gate: RwLock<()>,
    people: Mutex<Vec<Person>>,
    /// What each traveller waits for; reports show it.
    waits: Mutex<BTreeMap<String, String>>,
    /// The refresh token of each person who logged in.
    sessions: Mutex<BTreeMap<String, String>>,
    /// When each traveller who must let time pass may continue, in the environment's time.
    pauses: Mutex<BTreeMap<String, i64>>,
}

impl Stage {
    /// A stage without people.
    pub(super) fn new(env: TestEnv, servers: Arc<Servers>) -> Self {
        Self {
            env,
            servers,
            gate: RwLock::default(),
            people: Mutex::default(),
            waits: Mutex::default(),
            sessions: Mutex::default(),
            pauses: Mutex::default(),
        }
    }

    /// Records a person for the checker.
    pub(super) fn knows(&self, person: &Person) {
        self.people.lock().unwrap_or_else(PoisonError::into_inner).push(person.clone());
    }

    /// Records what a person waits for; `None` at the end of their journey.
    pub(super) fn notes_wait(&self, name: &str, what: Option<String>) {
        let mut waits = self.waits.lock().unwrap_or_else(PoisonError::into_inner);
        match what {
            Some(what) => waits.insert(name.to_owned(), what),
            None => waits.remove(name),
        };
    }

    /// Records the refresh token of a login.
    pub(super) fn notes_session(&self, name: &str, refresh_token: String) {
        let mut sessions = self.sessions.lock().unwrap_or_else(PoisonError::into_inner);
        sessions.insert(name.to_owned(), refresh_token);
    }

    /// The refresh token of a person's login.
    pub(super) fn session(&self, name: &str) -> Option<String> {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner).get(name).cloned()
    }

    /// What all people wait for.
    pub(super) fn waits(&self) -> BTreeMap<String, String> {
        self.waits.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Records until when a person must let time pass; `None` once they continue.
    pub(super) fn notes_pause(&self, name: &str, until_ms: Option<i64>) {
        let mut pauses = self.pauses.lock().unwrap_or_else(PoisonError::into_inner);
        match until_ms {
            Some(until) => pauses.insert(name.to_owned(), until),
            None => pauses.remove(name),
        };
    }

    /// Advances time over the pauses that people must make. These last minutes, so this happens only while no job is in progress.
    pub(super) async fn lets_time_pass(&self) -> Result<()> {
        let last =
            self.pauses.lock().unwrap_or_else(PoisonError::into_inner).values().max().copied().unwrap_or(0);
        match u64::try_from(last - self.env.time.now_ms()) {
            Ok(ahead) if ahead > 0 => self.env.time.advance(Duration::from_millis(ahead)).await,
            Ok(_) | Err(_) => Ok(()),
        }
    }

    /// All people who joined.
    pub(super) fn people(&self) -> Vec<Person> {
        self.people.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Ends every fault and restarts every server and bot that is down.
    pub(super) async fn heals(&self) -> Result<()> {
        self.servers.heal_lines().await?;
        self.env.lines.discord.heals().await?;
        self.env.lines.gateway.heals().await?;
        self.env.chat.control(Method::DELETE, "faults", &Value::Null).await?;
        open_request_channel(&self.env.chat).await?;
        self.env.time.set_apart(0)?;
        let servers = &self.servers.real;
        servers.mail.set_fault(MailFault::None).await?;
        servers.slapd.thaw();
        servers.slapd.start().await?;
        servers.keycloak.thaw();
        servers.keycloak.start().await?;
        self.servers.restore_profile().await?;
        if let Some(postgres) = servers.postgres.started() {
            postgres.start().await?;
        }
        self.env.wait_until_connected().await
    }
}
