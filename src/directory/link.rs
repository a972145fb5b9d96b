//! The one shared connection: made and bound when first needed, made again after a loss.
//!
//! Operations of many tasks travel on it at the same time (RFC 4511 section 3.1). Whatever times out or breaks takes
//! the connection with it: the next operation makes a new one, so that a frozen server is not asked for ever.

use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::path::Path;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use futures::FutureExt as _;
use ldap3::{Ldap, LdapConnAsync, LdapConnSettings, LdapError};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore};
use secrecy::{ExposeSecret, SecretString};
use tokio::sync::Mutex;
use tokio::time::{Instant, timeout};
use url::Url;

use super::DirectoryError;
use crate::config;

/// How long making a connection may take, TLS included.
const CONNECT_LIMIT: Duration = Duration::from_secs(3);
/// How long one operation may take.
pub(super) const OPERATION_LIMIT: Duration = Duration::from_secs(5);
/// How long one verb may take, whatever number of operations it needs.
pub const VERB_LIMIT: Duration = Duration::from_secs(10);

/// Keeps the connection.
pub(super) struct Link {
    url: Url,
    settings: LdapConnSettings,
    bind_dn: String,
    bind_password: RwLock<SecretString>,
    kept: Mutex<Kept>,
}

#[derive(Default)]
struct Kept {
    ldap: Option<Ldap>,
    generation: u64,
}

/// One verb under way: what it is called in errors, and until when it may go on.
#[derive(Clone, Copy)]
pub(super) struct Operation {
    pub(super) verb: &'static str,
    until: Instant,
}

impl Operation {
    pub(super) fn new(verb: &'static str) -> Self {
        Self { verb, until: Instant::now() + VERB_LIMIT }
    }

    fn limit(&self) -> Duration {
        self.until.saturating_duration_since(Instant::now()).min(OPERATION_LIMIT)
    }

    fn down(&self, cause: impl Into<String>, is_ambiguous: bool) -> DirectoryError {
        DirectoryError::Down { verb: self.verb, cause: cause.into(), is_ambiguous }
    }
}

impl Link {
    pub(super) fn new(config: &config::Directory) -> Result<Self, DirectoryError> {
        check_transport(config)?;
        if config.bind_dn.is_empty() || config.bind_password.expose_secret().is_empty() {
            // The server would take it for an anonymous bind and call it a success (RFC 4513 section 5.1.2).
            return Err(settings("bind_dn or the bind password is empty"));
        }
        // Harmless if somebody was first: there is one provider, ring.
        rustls::crypto::ring::default_provider().install_default().ok();
        let mut connection =
            LdapConnSettings::new().set_conn_timeout(CONNECT_LIMIT).set_starttls(config.start_tls);
        if let Some(file) = &config.ca_file {
            connection = connection.set_config(Arc::new(trust_only(file)?));
        }
        Ok(Self {
            url: config.url.clone(),
            settings: connection,
            bind_dn: config.bind_dn.clone(),
            bind_password: RwLock::new(config.bind_password.clone()),
            kept: Mutex::default(),
        })
    }

    /// Runs one operation. A connection that broke before the operation was sent is made again once.
    pub(super) async fn run<T, F, Fut>(&self, errand: Operation, operation: F) -> Result<T, DirectoryError>
    where
        F: Fn(Ldap) -> Fut,
        Fut: Future<Output = Result<T, LdapError>>,
    {
        let mut is_second_try = false;
        loop {
            let (ldap, generation) = self.connection(errand).await?;
            let running = AssertUnwindSafe(operation(ldap)).catch_unwind();
            let error = match timeout(errand.limit(), running).await {
                Ok(Ok(Ok(done))) => return Ok(done),
                Ok(Ok(Err(LdapError::LdapResult { result }))) => {
                    return Err(DirectoryError::Refused { verb: errand.verb, rc: result.rc });
                }
                Ok(Ok(Err(error))) => error,
                Ok(Err(_panic)) => {
                    // The library gives up on an answer that is no LDAP by panicking.
                    self.discard(generation).await;
                    return Err(errand.down("the answer is no LDAP", true));
                }
                Err(_elapsed) => {
                    self.discard(generation).await;
                    return Err(errand.down("timed out", true));
                }
            };
            self.discard(generation).await;
            let was_sent = !matches!(error, LdapError::OpSend { .. });
            if was_sent || is_second_try {
                return Err(errand.down(name_loss(&error), was_sent));
            }
            is_second_try = true;
        }
    }

    /// The shared connection. The lock is held while one is made, so that a burst of verbs makes one.
    async fn connection(&self, errand: Operation) -> Result<(Ldap, u64), DirectoryError> {
        let mut kept = self.kept.lock().await;
        if let Some(ldap) = &mut kept.ldap
            && !ldap.is_closed()
        {
            return Ok((ldap.clone(), kept.generation));
        }
        kept.ldap = None;
        let ldap = self.connect(errand).await?;
        kept.generation += 1;
        kept.ldap = Some(ldap.clone());
        Ok((ldap, kept.generation))
    }

    /// Binds with another password from the next connection on, which the next operation makes.
    pub(super) async fn learn_password(&self, password: SecretString) {
        *self.bind_password.write().unwrap_or_else(PoisonError::into_inner) = password;
        self.kept.lock().await.ldap = None;
    }

    async fn discard(&self, generation: u64) {
        let mut kept = self.kept.lock().await;
        if kept.generation == generation {
            kept.ldap = None;
        }
    }

    async fn connect(&self, errand: Operation) -> Result<Ldap, DirectoryError> {
        let making = LdapConnAsync::from_url_with_settings(self.settings.clone(), &self.url);
        let making = AssertUnwindSafe(making).catch_unwind();
        let (driver, mut ldap) = match timeout(CONNECT_LIMIT.min(errand.limit()), making).await {
            Ok(Ok(Ok(made))) => made,
            Ok(Ok(Err(error))) => return Err(errand.down(name_loss(&error), false)),
            Ok(Err(_panic)) => return Err(errand.down("the answer is no LDAP", false)),
            Err(_elapsed) => return Err(errand.down("no connection in time", false)),
        };
        #[expect(
            clippy::disallowed_methods,
            reason = "the connection's driver ends by itself with the last handle, or when the connection is lost"
        )]
        tokio::spawn(async move {
            if let Err(error) = driver.drive().await {
                tracing::debug!(target: "accolade::directory", cause = name_loss(&error), "the connection ended");
            }
        });
        let password = self.bind_password.read().unwrap_or_else(PoisonError::into_inner).clone();
        let binding = ldap.simple_bind(&self.bind_dn, password.expose_secret());
        match timeout(errand.limit(), AssertUnwindSafe(binding).catch_unwind()).await {
            Ok(Ok(Ok(result))) if result.rc == 0 => Ok(ldap),
            Ok(Ok(Ok(result))) => Err(DirectoryError::Refused { verb: "bind", rc: result.rc }),
            Ok(Ok(Err(error))) => Err(errand.down(name_loss(&error), false)),
            Ok(Err(_panic)) => Err(errand.down("the answer is no LDAP", false)),
            Err(_elapsed) => Err(errand.down("timed out in the bind", false)),
        }
    }
}

fn settings(what: &str) -> DirectoryError {
    DirectoryError::Settings { what: what.to_owned() }
}

/// TLS always, but for loopback where the operator allowed it.
fn check_transport(config: &config::Directory) -> Result<(), DirectoryError> {
    let is_loopback = match config.url.host_str() {
        Some(host) => {
            host.eq_ignore_ascii_case("localhost")
                || host
                    .trim_matches(['[', ']'])
                    .parse::<std::net::IpAddr>()
                    .is_ok_and(|address| address.is_loopback())
        }
        None => return Err(settings("the url has no host")),
    };
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

/// With a private CA nothing else is trusted.
fn trust_only(file: &Path) -> Result<ClientConfig, DirectoryError> {
    let mut authorities = RootCertStore::empty();
    let found = CertificateDer::pem_file_iter(file).map_err(|_| settings("ca_file cannot be read"))?;
    for certificate in found {
        let certificate = certificate.map_err(|_| settings("ca_file holds no certificate"))?;
        authorities.add(certificate).map_err(|_| settings("ca_file holds no usable certificate"))?;
    }
    if authorities.is_empty() {
        return Err(settings("ca_file holds no certificate"));
    }
    Ok(ClientConfig::builder().with_root_certificates(authorities).with_no_client_auth())
}

/// What stands in `Down` when TLS could not begin: time does not cure it.
pub(super) const UNTRUSTED: &str = "the server's certificate is not trusted, or it speaks no TLS";

/// What was lost and how, without names and addresses.
#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "the library's own enum: whatever else it has is a loss too"
)]
fn name_loss(error: &LdapError) -> &'static str {
    let is_tls = |source: &std::io::Error| source.kind() == std::io::ErrorKind::InvalidData;
    match error {
        LdapError::Io { source } if is_tls(source) => UNTRUSTED,
        LdapError::Io { source } if source.kind() == std::io::ErrorKind::ConnectionRefused => {
            "connection refused"
        }
        LdapError::Rustls { .. } | LdapError::DNSName { .. } => "TLS failed",
        LdapError::Timeout { .. } => "timed out",
        LdapError::LdapResult { .. } => "the server refused to begin TLS",
        _ => "the connection was lost",
    }
}
