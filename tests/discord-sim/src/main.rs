//! The simulated Discord as a program: prints one JSON line when it is ready, stops on SIGTERM or SIGINT.

use std::io::Write as _;
use std::path::PathBuf;

use anyhow::Context as _;
use clap::Parser;
use discord_sim::{Options, Sim, load_fixture};
use serde_json::json;
use tokio::signal::unix::{SignalKind, signal};

/// A simulated Discord on loopback.
#[derive(Debug, Parser)]
struct Arguments {
    /// Plain HTTP: page, control, API and gateway. 0 takes a free port.
    #[arg(long, default_value_t = 0)]
    port: u16,
    /// TLS for bots that resolve discord.com to this machine. 0 takes a free port.
    #[arg(long, default_value_t = 0)]
    tls_port: u16,
    /// Where the CA is written; a temporary folder when absent.
    #[arg(long)]
    ca: Option<PathBuf>,
    /// Bots and guilds to start with, as JSON.
    #[arg(long)]
    fixture: Option<PathBuf>,
    /// Where the ready line is written too.
    #[arg(long)]
    state: Option<PathBuf>,
    /// The gateway address that bots are given, when something stands in between.
    #[arg(long, value_name = "URL")]
    gateway: Option<String>,
    /// Refuse nothing for being too fast.
    #[arg(long)]
    no_rate_limits: bool,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    tracing_subscriber::fmt().with_writer(std::io::stderr).init();
    let arguments = Arguments::parse();
    let options = Options {
        port: arguments.port,
        tls_port: arguments.tls_port,
        ca_file: arguments.ca,
        rate_limits: !arguments.no_rate_limits,
        gateway_url: arguments.gateway,
        ..Options::default()
    };
    let mut terminate = signal(SignalKind::terminate()).context("listening for SIGTERM")?;
    let sim = Sim::start(options).await?;
    let mut ready = json!({
        "ready": true, "api": sim.api_url(), "tls": sim.tls_address().to_string(), "ca": sim.ca_file(),
        "page": format!("http://localhost:{}/", sim.address().port()),
        "control": format!("{}/sim", sim.base_url()), "gateway": sim.gateway_url(),
    });
    if let Some(path) = arguments.fixture {
        let text = std::fs::read_to_string(&path).context("reading the fixture")?;
        ready["scene"] = load_fixture(&sim, &text)?;
    }
    if let Some(path) = arguments.state {
        std::fs::write(path, ready.to_string()).context("writing the state")?;
    }
    writeln!(std::io::stdout(), "{ready}").context("saying that it is ready")?;
    tokio::select! {
        _ = terminate.recv() => {}
        interrupted = tokio::signal::ctrl_c() => interrupted.context("listening for SIGINT")?,
    }
    Ok(())
}
