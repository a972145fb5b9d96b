//! The shared connection: opened and bound when it is first needed, and opened again after a loss.
//!
//! Operations of many tasks use it at the same time (RFC 4511 section 3.1). An operation that times out or breaks closes the
//! connection, and the next operation opens a new one, so that nothing keeps waiting for a frozen server.

use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::path::Path;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use futures::FutureExt as _;
use ldap3::{Ldap, LdapConnAsync, LdapConnSettings, LdapError};
use rustls::{ClientConfig, RootCertStore};
use secrecy::{ExposeSecret, SecretString};
use tokio::sync::Mutex;
use tokio::time::{Instant, timeout};
use url::Url;

use super::error::DirectoryError;
use super::result_code;
use crate::config;
use crate::domain::cause::Cause;
use crate::net::{self, failure};

/// The time limit for opening a connection, TLS included.
const CONNECT_LIMIT: Duration = Duration::from_secs(3);
/// The time limit of one LDAP operation.
pub(super) const OPERATION_LIMIT: Duration = Duration::from_secs(5);
/// The time limit of one verb of the client, however many LDAP operations it needs.
pub const VERB_LIMIT: Duration = Duration::from_secs(10);

/// The connection, and what is needed to open it.
pub(super) struct Connection {
    url: Url,
    settings: LdapConnSettings,
    /// Whether TLS begins before the bind.
    is_tls: bool,
    bind_dn: String,
    bind_password: RwLock<SecretString>,
    current: Mutex<Current>,
}

#[derive(Default)]
struct Current {
    ldap: Option<Ldap>,
    generation: u64,
}

/// A running verb: its name in errors, and its deadline.
#[derive(Clone, Copy)]
pub(super) struct Operation {
    pub(super) verb: &'static str,
    deadline: Instant,
}

impl Operation {
    pub(super) fn new(verb: &'static str) -> Self {
        Self { verb, deadline: Instant::now() + VERB_LIMIT }
    }

    fn limit(&self) -> Duration {
        self.deadline.saturating_duration_since(Instant::now()).min(OPERATION_LIMIT)
    }

    fn down(&self, cause: Cause, is_ambiguous: bool) -> DirectoryError {
        DirectoryError::Down { verb: self.verb, cause, is_ambiguous }
    }
}

impl Connection {
    pub(super) fn new(config: &config::Directory) -> Result<Self, DirectoryError> {
        check_transport(config)?;
        if config.bind_password.expose_secret().is_empty() {
            // A server treats it as an anonymous bind and reports success (RFC 4513 section 5.1.2).
            return Err(settings("the bind password is empty"));
        }
        // ring is the only provider, so a second installation is harmless.
        rustls::crypto::ring::default_provider().install_default().ok();
        let mut connection =
            LdapConnSettings::new().set_conn_timeout(CONNECT_LIMIT).set_starttls(config.start_tls);
        if let Some(file) = &config.ca_file {
            connection = connection.set_config(Arc::new(trust_only(file)?));
        }
        Ok(Self {
            url: config.url.clone(),
            settings: connection,
            is_tls: config.start_tls || config.url.scheme() == "ldaps",
            bind_dn: config.bind_dn.as_str().to_owned(),
            bind_password: RwLock::new(config.bind_password.clone()),
            current: Mutex::default(),
        })
    }

    /// Runs one LDAP request. If the connection broke before the request was sent, it is repeated once on a new connection.
    pub(super) async fn run<T, F, Fut>(&self, operation: Operation, request: F) -> Result<T, DirectoryError>
    where
        F: Fn(Ldap) -> Fut,
        Fut: Future<Output = Result<T, LdapError>>,
    {
        let mut is_second_try = false;
        loop {
            let (ldap, generation) = self.connection(operation).await?;
            let running = AssertUnwindSafe(request(ldap)).catch_unwind();
            let error = match timeout(operation.limit(), running).await {
                Ok(Ok(Ok(done))) => return Ok(done),
                Ok(Ok(Err(LdapError::LdapResult { result }))) => {
                    return Err(DirectoryError::Refused { verb: operation.verb, rc: result.rc });
                }
                Ok(Ok(Err(error))) => error,
                Ok(Err(_panic)) => {
                    // The library panics on an answer that is not LDAP.
                    self.discard(generation).await;
                    return Err(operation.down(Cause::NotLdap, true));
                }
                Err(_elapsed) => {
                    self.discard(generation).await;
                    return Err(operation.down(Cause::TimedOut, true));
                }
            };
            self.discard(generation).await;
            let was_sent = !matches!(error, LdapError::OpSend { .. });
            if was_sent || is_second_try {
                return Err(operation.down(cause_of(&error), was_sent));
            }
            is_second_try = true;
        }
    }

    /// Returns the shared connection. The lock is held while one is opened, so that a burst of verbs opens one.
    async fn connection(&self, operation: Operation) -> Result<(Ldap, u64), DirectoryError> {
        let mut current = self.current.lock().await;
        if let Some(ldap) = &mut current.ldap
            && !ldap.is_closed()
        {
            return Ok((ldap.clone(), current.generation));
        }
        current.ldap = None;
        let ldap = self.connect(operation).await?;
        current.generation += 1;
        current.ldap = Some(ldap.clone());
        Ok((ldap, current.generation))
    }

    /// Replaces the bind password, and closes the connection so that the next operation binds with the new one.
    pub(super) async fn replace_password(&self, password: SecretString) {
        *self.bind_password.write().unwrap_or_else(PoisonError::into_inner) = password;
        self.current.lock().await.ldap = None;
    }

    async fn discard(&self, generation: u64) {
        let mut current = self.current.lock().await;
        if current.generation == generation {
            current.ldap = None;
        }
    }

    async fn connect(&self, operation: Operation) -> Result<Ldap, DirectoryError> {
        let opening = LdapConnAsync::from_url_with_settings(self.settings.clone(), &self.url);
        let opening = AssertUnwindSafe(opening).catch_unwind();
        let (driver, mut ldap) = match timeout(CONNECT_LIMIT.min(operation.limit()), opening).await {
            Ok(Ok(Ok(opened))) => opened,
            Ok(Ok(Err(error))) => return Err(operation.down(self.cause_of_opening(&error).await, false)),
            Ok(Err(_panic)) => return Err(operation.down(Cause::NotLdap, false)),
            Err(_elapsed) => return Err(operation.down(Cause::TimedOut, false)),
        };
        #[expect(
            clippy::disallowed_methods,
            reason = "the connection's driver ends by itself with the last handle, or when the connection is lost"
        )]
        tokio::spawn(async move {
            if let Err(error) = driver.drive().await {
                tracing::debug!(target: "accolade::directory", cause = %cause_of(&error), "the connection ended");
            }
        });
        let password = self.bind_password.read().unwrap_or_else(PoisonError::into_inner).clone();
        let binding = ldap.simple_bind(&self.bind_dn, password.expose_secret());
        match timeout(operation.limit(), AssertUnwindSafe(binding).catch_unwind()).await {
            Ok(Ok(Ok(result))) if result.rc == result_code::SUCCESS => Ok(ldap),
            Ok(Ok(Ok(result))) => Err(DirectoryError::Refused { verb: "bind", rc: result.rc }),
            Ok(Ok(Err(error))) => Err(operation.down(cause_of(&error), false)),
            Ok(Err(_panic)) => Err(operation.down(Cause::NotLdap, false)),
            Err(_elapsed) => Err(operation.down(Cause::TimedOut, false)),
        }
    }
}

impl Connection {
    /// The cause of a connection that could not be opened, with the original error in the log.
    async fn cause_of_opening(&self, error: &LdapError) -> Cause {
        let mut cause = cause_of(error);
        if cause == Cause::ConnectionLost {
            let (host, port) = (self.url.host_str().unwrap_or_default(), self.url.port().unwrap_or(389));
            cause = if !failure::resolves(host, port).await {
                Cause::NameUnknown
            } else if self.is_tls {
                Cause::TlsClosed
            } else {
                cause
            };
        }
        failure::log("directory", cause, error);
        cause
    }
}

fn settings(what: &str) -> DirectoryError {
    DirectoryError::Settings { what: what.to_owned() }
}

/// Requires TLS, except on loopback if the operator allowed it.
fn check_transport(config: &config::Directory) -> Result<(), DirectoryError> {
    if config.url.host_str().is_none() {
        return Err(settings("the url has no host"));
    }
    let is_loopback = net::is_loopback(&config.url);
    match (config.url.scheme(), config.start_tls) {
        ("ldaps", false) | ("ldap", true) => Ok(()),
        ("ldaps", true) => Err(settings("start_tls belongs to an ldap:// url, not to ldaps://")),
        ("ldap", false) if config.plaintext_on_loopback && is_loopback => Ok(()),
        ("ldap", false) => {
            Err(settings("plain ldap:// is only for loopback, and only with plaintext_on_loopback"))
        }
        _ => Err(settings("the url is neither ldaps:// nor ldap://")),
    }
}

/// A TLS configuration that trusts only the authorities of the file.
fn trust_only(file: &Path) -> Result<ClientConfig, DirectoryError> {
    let unusable = |problem: &str| settings(&["ca_file ", problem].concat());
    let mut authorities = RootCertStore::empty();
    for certificate in net::read_ca_file(file).map_err(|error| unusable(&error.to_string()))? {
        authorities.add(certificate).map_err(|_| unusable("holds no usable certificate"))?;
    }
    Ok(ClientConfig::builder().with_root_certificates(authorities).with_no_client_auth())
}

/// The cause of a lost connection.
#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "the library's enum: every other variant means a lost connection"
)]
fn cause_of(error: &LdapError) -> Cause {
    match error {
        LdapError::Io { source } => failure::cause_of(source).unwrap_or(Cause::ConnectionLost),
        LdapError::Rustls { source } => failure::of_tls(source),
        LdapError::DNSName { .. } => Cause::TlsWrongName,
        LdapError::Timeout { .. } => Cause::TimedOut,
        // The answer to StartTLS: the results of all other requests are handled before.
        LdapError::LdapResult { .. } => Cause::StartTlsRefused,
        _ => Cause::ConnectionLost,
    }
}
