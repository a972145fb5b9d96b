//! Starts a simulator: the state behind its lock, the plain and the TLS listener, and the CA file.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::Context as _;
use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::ws::WebSocketUpgrade;
use axum::extract::{FromRequestParts, Query, Request, State};
use axum::http::{Response, StatusCode};
use axum::response::IntoResponse;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::{CancellationToken, DropGuard};
use tower::ServiceExt as _;

use crate::faults::{Effect, Fault};
use crate::state::{Outgoing, SimState};
use crate::{control, gateway, rest};

/// The options of a simulator.
#[derive(Debug, Clone)]
pub struct Options {
    /// Plain HTTP port on 127.0.0.1; 0 takes a free one.
    pub port: u16,
    /// TLS port on 127.0.0.1; 0 takes a free one.
    pub tls_port: u16,
    /// Where the CA is written; a temporary folder when absent.
    pub ca_file: Option<PathBuf>,
    /// The heartbeat interval in HELLO.
    pub heartbeat_interval_ms: u64,
    /// Whether buckets and the global limit refuse anything.
    pub rate_limits: bool,
    /// How long `waits_for` waits, in real time.
    pub patience: Duration,
    /// The gateway address that bots are given when there is a proxy in between; otherwise that of the plain listener.
    pub gateway_url: Option<String>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            port: 0,
            tls_port: 0,
            ca_file: None,
            heartbeat_interval_ms: 41_250,
            rate_limits: true,
            patience: Duration::from_secs(20),
            gateway_url: None,
        }
    }
}

/// Marks a request that must not be answered: the connection is closed instead.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cut;

#[derive(Debug)]
struct Shared {
    state: Mutex<SimState>,
    changed: watch::Sender<u64>,
    options: Options,
    plain: SocketAddr,
    tls: SocketAddr,
    ca_file: PathBuf,
}

/// A running simulator. It stops when the last handle that a test holds is dropped.
#[derive(Debug, Clone)]
pub struct Sim {
    shared: Arc<Shared>,
    /// Absent in the handles of the simulator's own tasks.
    _guard: Option<Arc<Running>>,
}

#[derive(Debug)]
struct Running {
    _stop: DropGuard,
    /// The folder of the CA, if the simulator has to remove it.
    _folder: Option<tempfile::TempDir>,
}

impl Sim {
    /// Starts both listeners on 127.0.0.1 and writes the CA. Takes a few milliseconds.
    pub async fn start(options: Options) -> anyhow::Result<Self> {
        let plain = TcpListener::bind(("127.0.0.1", options.port)).await.context("binding the plain port")?;
        let tls = TcpListener::bind(("127.0.0.1", options.tls_port)).await.context("binding the TLS port")?;
        let (acceptor, ca_pem) = certificate()?;
        let (ca_file, folder) = if let Some(path) = &options.ca_file {
            (path.clone(), None)
        } else {
            let folder = tempfile::tempdir().context("making a folder for the CA")?;
            (folder.path().join("ca.pem"), Some(folder))
        };
        std::fs::write(&ca_file, ca_pem).context("writing the CA")?;
        let mut state = SimState::default();
        state.rate.enforced = options.rate_limits;
        let (plain_address, tls_address) = (plain.local_addr()?, tls.local_addr()?);
        state.gateway_url = options.gateway_url.clone().unwrap_or_else(|| format!("ws://{plain_address}"));
        let stop = CancellationToken::new();
        let sim = Self {
            shared: Arc::new(Shared {
                state: Mutex::new(state),
                changed: watch::Sender::new(0),
                options,
                plain: plain_address,
                tls: tls_address,
                ca_file,
            }),
            _guard: None,
        };
        let router = router(sim.clone());
        tokio::spawn(listen(plain, None, router.clone(), stop.clone()));
        tokio::spawn(listen(tls, Some(acceptor), router, stop.clone()));
        let running = Running { _stop: stop.drop_guard(), _folder: folder };
        Ok(Self { _guard: Some(Arc::new(running)), ..sim })
    }

    fn lock(&self) -> MutexGuard<'_, SimState> {
        self.shared.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn read<T>(&self, look: impl FnOnce(&SimState) -> T) -> T {
        look(&self.lock())
    }

    /// Changes the state and wakes everything that waits for a change.
    pub(crate) fn change<T>(&self, act: impl FnOnce(&mut SimState) -> T) -> T {
        let made = act(&mut self.lock());
        self.shared.changed.send_modify(|count| *count += 1);
        made
    }

    /// Changes the state without waking anything: for reads that mark messages as read.
    pub(crate) fn change_quietly<T>(&self, act: impl FnOnce(&mut SimState) -> T) -> T {
        act(&mut self.lock())
    }

    /// Waits until `look` returns something, for at most `limit` of real time.
    pub(crate) async fn wait<T>(
        &self,
        limit: Duration,
        mut look: impl FnMut(&mut SimState) -> Option<T>,
    ) -> Option<T> {
        let mut changes = self.shared.changed.subscribe();
        let waiting = async {
            loop {
                changes.borrow_and_update();
                let found = look(&mut self.lock());
                if found.is_some() || changes.changed().await.is_err() {
                    return found;
                }
            }
        };
        tokio::time::timeout(limit, waiting).await.ok().flatten()
    }

    /// A receiver of the number of changes so far, for pages that follow them.
    pub(crate) fn changes(&self) -> watch::Receiver<u64> {
        self.shared.changed.subscribe()
    }

    /// The options with which it was started.
    pub fn options(&self) -> &Options {
        &self.shared.options
    }

    /// `http://127.0.0.1:PORT/api`, for clients that can use plain HTTP.
    pub fn api_url(&self) -> String {
        format!("http://{}/api", self.shared.plain)
    }

    /// `http://127.0.0.1:PORT`: page, control and API.
    pub fn base_url(&self) -> String {
        format!("http://{}", self.shared.plain)
    }

    /// The websocket address in the answer to `GET /gateway`.
    pub fn gateway_url(&self) -> String {
        self.read(|state| state.gateway_url.clone())
    }

    /// The TLS listener, to which a bot resolves `discord.com`.
    pub fn tls_address(&self) -> SocketAddr {
        self.shared.tls
    }

    /// The plain listener.
    pub fn address(&self) -> SocketAddr {
        self.shared.plain
    }

    /// The CA that signed the certificate for `discord.com`, as PEM.
    pub fn ca_file(&self) -> &Path {
        &self.shared.ca_file
    }

    /// Injects a fault; gateway faults such as a close happen at once.
    pub fn breaks(&self, fault: Fault) {
        self.change(|state| match fault.effect {
            Effect::GatewayClose { code } => {
                if !state.gateway_timeout_only(code) {
                    state.tell_connections(|| Outgoing::Close(code));
                }
            }
            Effect::Reconnect => state
                .tell_connections(|| Outgoing::Frame(r#"{"op":7,"d":null,"s":null,"t":null}"#.to_owned())),
            Effect::InvalidSession { resumable } => {
                state.tell_connections(|| {
                    Outgoing::Frame(format!(r#"{{"op":9,"d":{resumable},"s":null,"t":null}}"#))
                });
                if !resumable {
                    state.sessions.clear();
                }
            }
            Effect::RateLimit { .. }
            | Effect::Status { .. }
            | Effect::Refuse { .. }
            | Effect::Latency { .. }
            | Effect::Hold { .. }
            | Effect::Cut { .. }
            | Effect::UnknownWebhook
            | Effect::GatewayRefuse
            | Effect::IdentifyRefuse { .. }
            | Effect::ReadyHeld
            | Effect::ReadyTwice
            | Effect::ReadyAtOnce
            | Effect::MissAck
            | Effect::DeliverAgain { .. } => state.faults.add(fault),
        });
    }

    /// Moves virtual time forward (or back, with a negative number of milliseconds).
    pub fn advance_ms(&self, by_ms: i64) {
        self.change(|state| state.offset_ms += by_ms);
    }

    /// Stops virtual time, which then changes only when it is moved: for counts within a time span that a busy machine would exceed.
    pub fn stops_time(&self) {
        self.change(|state| state.stands_at_ms = Some(crate::state::real_ms()));
    }

    /// Moves virtual time forward, with immediate effect on deadlines, snowflakes and limits.
    pub fn advance(&self, by: Duration) {
        self.advance_ms(by.as_millis() as i64);
    }

    /// Virtual time in Unix milliseconds.
    pub fn now_ms(&self) -> i64 {
        self.read(SimState::now_ms)
    }
}

impl SimState {
    /// 4009 ends the session itself, so a RESUME must not find it.
    fn gateway_timeout_only(&mut self, code: u16) -> bool {
        if matches!(code, 4007 | 4009) {
            self.tell_connections(|| Outgoing::Close(code));
            self.sessions.clear();
            return true;
        }
        false
    }
}

/// Creates a CA and a certificate for Discord's hosts, new at each start.
fn certificate() -> anyhow::Result<(TlsAcceptor, String)> {
    let ca_key = rcgen::KeyPair::generate()?;
    let mut ca = rcgen::CertificateParams::new(Vec::<String>::new())?;
    ca.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    ca.distinguished_name.push(rcgen::DnType::CommonName, "discord-sim test CA");
    ca.key_usages = vec![rcgen::KeyUsagePurpose::KeyCertSign, rcgen::KeyUsagePurpose::CrlSign];
    let ca_pem = ca.self_signed(&ca_key)?.pem();
    let issuer = rcgen::Issuer::new(ca, ca_key);
    let key = rcgen::KeyPair::generate()?;
    let names =
        ["discord.com", "*.discord.com", "gateway.discord.gg", "*.discord.gg", "localhost", "127.0.0.1"];
    let leaf = rcgen::CertificateParams::new(names.map(str::to_owned))?.signed_by(&key, &issuer)?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let key = rustls::pki_types::PrivateKeyDer::try_from(key.serialize_der()).map_err(anyhow::Error::msg)?;
    let mut config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(vec![leaf.der().clone()], key)?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok((TlsAcceptor::from(Arc::new(config)), ca_pem))
}

async fn listen(
    listener: TcpListener,
    acceptor: Option<TlsAcceptor>,
    router: Router,
    stop: CancellationToken,
) {
    loop {
        let accepted = tokio::select! {
            () = stop.cancelled() => return,
            accepted = listener.accept() => accepted,
        };
        // A connection that breaks while it is accepted does not affect the others.
        let Ok((stream, _)) = accepted else { continue };
        drop(stream.set_nodelay(true));
        let (acceptor, router, stop) = (acceptor.clone(), router.clone(), stop.clone());
        tokio::spawn(async move {
            tokio::select! {
                () = stop.cancelled() => {}
                () = connection(stream, acceptor, router) => {}
            }
        });
    }
}

async fn connection(stream: TcpStream, acceptor: Option<TlsAcceptor>, router: Router) {
    match acceptor {
        Some(acceptor) => match acceptor.accept(stream).await {
            Ok(stream) => speak_http(stream, router).await,
            Err(error) => tracing::debug!(%error, "a TLS handshake failed"),
        },
        None => speak_http(stream, router).await,
    }
}

async fn speak_http<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(stream: S, router: Router) {
    let service = hyper::service::service_fn(move |request: hyper::Request<hyper::body::Incoming>| {
        let router = router.clone();
        async move {
            let Ok(response) = router.oneshot(request.map(Body::new)).await;
            if response.extensions().get::<Cut>().is_some() {
                return Err(io::Error::other("cut by a fault"));
            }
            Ok(response)
        }
    });
    let builder = hyper_util::server::conn::auto::Builder::new(TokioExecutor::new());
    if let Err(error) = builder.serve_connection_with_upgrades(TokioIo::new(stream), service).await {
        tracing::debug!(error, "a connection ended early");
    }
}

fn router(sim: Sim) -> Router {
    Router::new().nest("/sim", control::routes()).fallback(entrance).with_state(sim)
}

/// `/api…` is REST, a websocket upgrade is the gateway on any path, and everything else is the page.
async fn entrance(State(sim): State<Sim>, request: Request) -> Response<Body> {
    let path = request.uri().path().to_owned();
    let query: BTreeMap<String, String> =
        Query::try_from_uri(request.uri()).map(|Query(query)| query).unwrap_or_default();
    if let Some(rest_path) = path.strip_prefix("/api").filter(|rest| rest.starts_with('/')) {
        let (method, headers) = (request.method().clone(), request.headers().clone());
        let Ok(bytes) = to_bytes(request.into_body(), 26 << 20).await else {
            return StatusCode::PAYLOAD_TOO_LARGE.into_response();
        };
        return rest::serve(sim, method, rest_path.to_owned(), query, headers, bytes.to_vec()).await;
    }
    let (mut parts, _) = request.into_parts();
    if parts.headers.contains_key("upgrade") {
        if sim.change(|state| state.faults.take("*", |effect| *effect == Effect::GatewayRefuse)).is_some() {
            return StatusCode::SERVICE_UNAVAILABLE.into_response();
        }
        return match WebSocketUpgrade::from_request_parts(&mut parts, &()).await {
            Ok(upgrade) => {
                let version = query.get("v").cloned();
                upgrade.on_upgrade(move |socket| gateway::serve(sim, socket, version))
            }
            Err(rejection) => rejection.into_response(),
        };
    }
    control::page(&path)
}
