//! The fault proxy: a TCP proxy in front of a real server that breaks the traffic exactly where a plan says.
//!
//! `plan.rs` defines the faults, `framing.rs` finds the messages of LDAP and HTTP, `line.rs` carries one connection. Without a plan
//! everything passes. One seed decides every corrupted byte. The proxy runs on a separate thread, because a set of servers outlives the
//! runtime of the test that made it.

mod framing;
mod line;
mod plan;

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::{Context as _, Result};
use rand::SeedableRng as _;
use rand::rngs::StdRng;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub use framing::Speech;
pub use plan::{Answer, Direction, Exchange, Fault, Hit, Kind, Operation, Place, Plan, Server, Which};

use crate::ports::Port;

/// A running proxy. Dropping it stops it and ends its connections.
#[derive(Debug)]
pub struct Proxy {
    /// Where it listens.
    pub address: SocketAddr,
    shared: Arc<Shared>,
    stop: CancellationToken,
    thread: Option<std::thread::JoinHandle<()>>,
    _port: Port,
}

/// What all connections share.
#[derive(Debug)]
struct Shared {
    server: SocketAddr,
    speech: Speech,
    state: Mutex<State>,
    /// Whether new connections are accepted.
    is_open: watch::Sender<bool>,
    /// Whether the listening task has bound the port.
    listens: watch::Sender<bool>,
    /// Counts how many times faults ended. Stalled lines continue then.
    heals: watch::Sender<u64>,
    /// Cancelled to end the current connections.
    lines: Mutex<CancellationToken>,
}

#[derive(Debug)]
struct State {
    plans: Vec<Plan>,
    hits: Vec<Hit>,
    exchanges: Vec<Exchange>,
    random: StdRng,
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lines(&self) -> MutexGuard<'_, CancellationToken> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Records the start of an exchange, and takes the fault that is planned for it.
    fn begin(&self, kind: &Kind) -> (usize, Option<Plan>) {
        let mut state = self.state();
        state.exchanges.push(Exchange { kind: kind.clone(), request_bytes: 0, answer_bytes: 0 });
        let at = state.exchanges.len() - 1;
        let Some(index) = state.plans.iter().position(|plan| plan.which.is_met_by(kind)) else {
            return (at, None);
        };
        let plan = &mut state.plans[index];
        if plan.after > 0 {
            plan.after -= 1;
            return (at, None);
        }
        plan.times = plan.times.saturating_sub(1);
        let struck = plan.clone();
        if struck.times == 0 {
            state.plans.remove(index);
        }
        (at, Some(struck))
    }

    /// Takes the fault that is planned for the next bytes in this direction.
    fn begin_bytes(&self, direction: Direction) -> Option<Plan> {
        let mut state = self.state();
        let fits = |plan: &Plan| plan.which == Which::NextBytes && plan.direction == direction;
        let index = state.plans.iter().position(fits)?;
        let plan = &mut state.plans[index];
        if plan.after > 0 {
            plan.after -= 1;
            return None;
        }
        plan.times = plan.times.saturating_sub(1);
        let struck = plan.clone();
        if struck.times == 0 {
            state.plans.remove(index);
        }
        Some(struck)
    }

    fn count(&self, exchange: usize, direction: Direction, bytes: usize) {
        // Exchanges that were cleared are not counted.
        if let Some(exchange) = self.state().exchanges.get_mut(exchange) {
            match direction {
                Direction::ToServer => exchange.request_bytes += bytes,
                Direction::ToClient => exchange.answer_bytes += bytes,
            }
        }
    }

    fn note(&self, hit: Hit) {
        self.state().hits.push(hit);
    }

    /// Waits until faults end.
    async fn healed(&self) {
        let mut heals = self.heals.subscribe();
        // The sender lives as long as `self`.
        let _ = heals.changed().await;
    }
}

impl Proxy {
    /// Starts a proxy on a free port in front of `server`. `seed` decides the corrupted bytes.
    pub async fn start(server: SocketAddr, speech: Speech, seed: u64) -> Result<Self> {
        let port = Port::free_preferring(None)?;
        let address = port.address();
        let state = State {
            plans: Vec::new(),
            hits: Vec::new(),
            exchanges: Vec::new(),
            random: StdRng::seed_from_u64(seed),
        };
        let shared = Arc::new(Shared {
            server,
            speech,
            state: Mutex::new(state),
            is_open: watch::Sender::new(true),
            listens: watch::Sender::new(false),
            heals: watch::Sender::new(0),
            lines: Mutex::new(CancellationToken::new()),
        });
        let stop = CancellationToken::new();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (at_work, end) = (Arc::clone(&shared), stop.clone());
        let thread = std::thread::Builder::new()
            .name("fault-proxy".to_owned())
            .spawn(move || runtime.block_on(serve(at_work, address, end)))
            .context("start a thread")?;
        let proxy = Self { address, shared, stop, thread: Some(thread), _port: port };
        proxy.listens_is(true).await?;
        Ok(proxy)
    }

    /// Adds a fault. Of several that fit an exchange, the one that was added first strikes.
    pub fn plans(&self, plan: Plan) {
        self.shared.state().plans.push(plan);
    }

    /// Ends all faults: plans are removed, stalled lines continue, and connections are accepted again.
    pub async fn heals(&self) -> Result<()> {
        self.shared.state().plans.clear();
        self.shared.heals.send_modify(|count| *count += 1);
        self.shared.is_open.send_replace(true);
        self.listens_is(true).await
    }

    /// Refuses connections from now on, as if the server were down, and ends the current ones.
    pub async fn refuses(&self) -> Result<()> {
        self.shared.is_open.send_replace(false);
        self.cuts_all();
        self.listens_is(false).await
    }

    /// Ends all current connections.
    pub fn cuts_all(&self) {
        let ended = std::mem::take(&mut *self.shared.lines());
        ended.cancel();
    }

    /// The faults that struck so far, in order.
    pub fn hits(&self) -> Vec<Hit> {
        self.shared.state().hits.clone()
    }

    /// The exchanges so far, in order of the requests.
    pub fn exchanges(&self) -> Vec<Exchange> {
        self.shared.state().exchanges.clone()
    }

    /// Clears the recorded exchanges and faults.
    pub fn forgets(&self) {
        let mut state = self.shared.state();
        state.hits.clear();
        state.exchanges.clear();
    }

    async fn listens_is(&self, wanted: bool) -> Result<()> {
        let mut listens = self.shared.listens.subscribe();
        listens.wait_for(|listens| *listens == wanted).await.context("the proxy has ended")?;
        Ok(())
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.stop.cancel();
        if let Some(thread) = self.thread.take() {
            // A panic on that thread has already been printed.
            let _ = thread.join();
        }
    }
}

/// Listens while the proxy is open, and carries each connection until the proxy stops.
async fn serve(shared: Arc<Shared>, address: SocketAddr, stop: CancellationToken) {
    let lines = TaskTracker::new();
    let mut is_open = shared.is_open.subscribe();
    while !stop.is_cancelled() {
        let listener = match TcpListener::bind(address).await {
            Ok(listener) => listener,
            Err(error) => {
                tracing::error!(error = %error, "the fault proxy cannot listen");
                return;
            }
        };
        shared.listens.send_replace(true);
        loop {
            tokio::select! {
                () = stop.cancelled() => break,
                changed = is_open.wait_for(|is_open| !is_open) => {
                    if changed.is_ok() { break }
                    return;
                }
                accepted = listener.accept() => {
                    // A client that has already disconnected is ignored.
                    let Ok((client, _)) = accepted else { continue };
                    let (shared, stop) = (Arc::clone(&shared), stop.clone());
                    lines.spawn(async move {
                        tokio::select! {
                            () = stop.cancelled() => {}
                            () = carry(&shared, client) => {}
                        }
                    });
                }
            }
        }
        drop(listener);
        shared.listens.send_replace(false);
        tokio::select! {
            () = stop.cancelled() => {}
            _ = is_open.wait_for(|is_open| *is_open) => {}
        }
    }
    lines.close();
    lines.wait().await;
}

async fn carry(shared: &Arc<Shared>, client: TcpStream) {
    let ended = shared.lines().clone();
    // If the server is down, the connection ends at once.
    let Ok(server) = TcpStream::connect(shared.server).await else { return };
    tokio::select! {
        () = ended.cancelled() => {}
        ended = line::carry(shared, client, server) => {
            if let Err(error) = ended {
                tracing::debug!(error = %error, "a line of the fault proxy ended");
            }
        }
    }
}
