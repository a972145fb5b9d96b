//! The bot's health listener, as an operator's monitoring reads it.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use testbed::wait_until;

const LIMIT: Duration = Duration::from_mins(1);

/// Returns the status and the text of one page of the health listener.
pub async fn page(health: SocketAddr, path: &str) -> Result<(u16, String)> {
    let client = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(10)).build()?;
    let answer = client.get(format!("http://{health}{path}")).send().await.context("ask the health page")?;
    Ok((answer.status().as_u16(), answer.text().await?))
}

/// Waits until the readiness page reports this about a part; other parts do not matter.
pub async fn waits_until_part(health: SocketAddr, part: &str, says: &str) -> Result<()> {
    let mut seen = String::new();
    let found = wait_until("the health page to say it", LIMIT, async || {
        let Ok((status, text)) = page(health, "/healthz/ready").await else { return Ok(false) };
        let parts: Value = serde_json::from_str(&text).context("the health page is JSON")?;
        let said = parts[part].as_str().unwrap_or_default().to_owned();
        ensure!(
            said == "ok" || status == 503 || said == "stands by" || said.starts_with("degraded: "),
            "{status} although {text}"
        );
        seen = text;
        Ok(said.contains(says))
    });
    found.await.with_context(|| format!("{part} never says {says:?}: {seen}"))
}

/// Waits until the metrics say whether the gateway is up (1) or not (0).
pub async fn waits_for_gateway(health: SocketAddr, up: u8) -> Result<()> {
    let line = format!("accolade_gateway_up {up}");
    wait_until(&line, LIMIT, async || {
        let Ok((_, text)) = page(health, "/metrics").await else { return Ok(false) };
        Ok(text.lines().any(|have| have == line))
    })
    .await
}
