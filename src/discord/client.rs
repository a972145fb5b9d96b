//! Builds the HTTP clients, in production and towards a loopback endpoint.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use secrecy::ExposeSecret as _;
use serenity::http::{Http, HttpBuilder, Ratelimiter};

use super::error::ConnectError;
use super::rate_limit::GlobalRateLimit;
use crate::config;

/// How long one call to Discord may take: longer than Discord needs on a bad day, shorter than anybody waits for news.
pub(super) const CALL_TIMEOUT: Duration = Duration::from_secs(8);

/// Reaching Discord at all.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(4);

/// How often a connection with calls in flight is asked whether it still lives, so that a half-open one is noticed.
const KEEP_ALIVE: Duration = Duration::from_secs(5);

/// The one name that is ever called.
const HOST: &str = "discord.com";

/// A client that speaks to Discord, or to the configured endpoint under its own CA, and to nobody else.
pub(super) fn build_transport(config: &config::Discord) -> Result<reqwest::Client, ConnectError> {
    // Both reqwest and the gateway's websocket ask rustls for the process's provider; a second installation is harmless.
    let _already_there = rustls::crypto::ring::default_provider().install_default();
    let builder = reqwest::Client::builder()
        .use_rustls_tls()
        .https_only(true)
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .tcp_nodelay(true)
        .connect_timeout(CONNECT_TIMEOUT)
        .timeout(CALL_TIMEOUT)
        .http2_keep_alive_interval(KEEP_ALIVE)
        .http2_keep_alive_timeout(KEEP_ALIVE);
    let builder = match &config.endpoint {
        None => builder,
        Some(endpoint) => {
            if !endpoint.address.ip().is_loopback() {
                return Err(ConnectError::EndpointNotLoopback);
            }
            let pem = std::fs::read(&endpoint.ca_file).map_err(ConnectError::CaUnreadable)?;
            let mut builder = builder.tls_built_in_root_certs(false).resolve(HOST, endpoint.address);
            for certificate in reqwest::Certificate::from_pem_bundle(&pem).map_err(ConnectError::Client)? {
                builder = builder.add_root_certificate(certificate);
            }
            builder
        }
    };
    builder.build().map_err(ConnectError::Client)
}

/// serenity's client with its limiter, over our transport. What the global limit asks for is told to `hold`.
pub(super) fn build_http(
    config: &config::Discord,
    transport: &reqwest::Client,
    hold: &Arc<GlobalRateLimit>,
) -> Result<Http, ConnectError> {
    let token = config.token.expose_secret();
    // serenity would panic on what no header takes.
    if token.is_empty() || !token.bytes().all(|b| b.is_ascii_graphic()) {
        return Err(ConnectError::TokenMalformed);
    }
    // The limiter sends the calls itself, with what it is given ("Reference", Authentication).
    let mut limiter = Ratelimiter::new(transport.clone(), ["Bot ", token].concat());
    let hold = Arc::clone(hold);
    limiter.set_ratelimit_callback(Box::new(move |told| {
        if told.global {
            hold.asked(told.timeout);
        }
    }));
    Ok(HttpBuilder::new(token).client(transport.clone()).ratelimiter(limiter).build())
}

/// Whether a gateway URL points to this machine.
pub(super) fn is_on_loopback(gateway_url: &str) -> bool {
    let Ok(url) = url::Url::parse(gateway_url) else { return false };
    match url.host() {
        Some(url::Host::Domain(name)) => name == "localhost",
        Some(url::Host::Ipv4(address)) => IpAddr::from(address).is_loopback(),
        Some(url::Host::Ipv6(address)) => IpAddr::from(address).is_loopback(),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_this_machine_is_loopback() {
        for url in ["ws://127.0.0.1:8700", "ws://[::1]:1/?v=10", "ws://localhost:9"] {
            assert!(is_on_loopback(url), "{url}");
        }
        for url in [
            "wss://gateway.discord.gg",
            "ws://127.0.0.1.example.org",
            "ws://localhost.example.org",
            "ws://10.0.0.1",
            "nonsense",
            "",
        ] {
            assert!(!is_on_loopback(url), "{url}");
        }
    }

    #[test]
    fn an_endpoint_outside_loopback_is_refused_before_anything_is_read() {
        let config = config::Discord {
            token: "token".into(),
            endpoint: Some(config::Endpoint {
                address: "192.0.2.1:443".parse().expect("an address"),
                ca_file: "/nowhere".into(),
            }),
        };
        assert!(matches!(build_transport(&config), Err(ConnectError::EndpointNotLoopback)));
    }

    #[test]
    fn a_token_with_a_line_break_is_refused_instead_of_sent() {
        let config = config::Discord { token: "abc\r\nx: y".into(), endpoint: None };
        let transport = build_transport(&config).expect("a client");
        let hold = Arc::new(GlobalRateLimit::new(Arc::new(crate::clock::SystemClock)));
        assert!(matches!(build_http(&config, &transport, &hold), Err(ConnectError::TokenMalformed)));
    }
}
