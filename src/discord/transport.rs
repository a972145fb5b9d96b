//! Builds the HTTP clients, for Discord or for a loopback endpoint.

use std::sync::Arc;

use secrecy::ExposeSecret as _;
use serenity::http::{Http, HttpBuilder, Ratelimiter};

use super::error::ConnectError;
use super::limits::{CALL_TIMEOUT, CONNECT_TIMEOUT, KEEP_ALIVE, TCP_KEEP_ALIVE};
use super::rate_limit::GlobalRateLimit;
use crate::{config, net};

/// The user agent of calls that serenity doesn't send. Discord asks for a URL in it ("User Agent" in its API reference). Accolade has
/// no page of its own yet, so this is serenity's, as on all other calls of this bot.
pub(super) const USER_AGENT: &str = serenity::constants::USER_AGENT;

/// The only host that is called.
const HOST: &str = "discord.com";

/// A client for Discord, or for the configured endpoint with its own CA. It can call no other host.
pub(super) fn build_transport(config: &config::Discord) -> Result<reqwest::Client, ConnectError> {
    // reqwest and the gateway's websocket both use the default provider of the process. A second installation is harmless.
    let _already_there = rustls::crypto::ring::default_provider().install_default();
    let builder = reqwest::Client::builder()
        .use_rustls_tls()
        .https_only(true)
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .tcp_nodelay(true)
        .connect_timeout(CONNECT_TIMEOUT)
        // A new connection takes several round trips, and people wait for the first answer: the connection stays open between
        // interactions. TCP keep-alives detect a dead one.
        .pool_idle_timeout(None)
        .tcp_keepalive(TCP_KEEP_ALIVE)
        .timeout(CALL_TIMEOUT)
        .http2_keep_alive_interval(KEEP_ALIVE)
        .http2_keep_alive_timeout(KEEP_ALIVE);
    let builder = match &config.endpoint {
        None => builder,
        Some(endpoint) => {
            if !endpoint.address.ip().is_loopback() {
                return Err(ConnectError::EndpointNotLoopback);
            }
            let mut builder = builder.tls_built_in_root_certs(false).resolve(HOST, endpoint.address);
            for certificate in net::read_ca_file(&endpoint.ca_file).map_err(ConnectError::CaFile)? {
                let certificate =
                    reqwest::Certificate::from_der(&certificate).map_err(ConnectError::Client)?;
                builder = builder.add_root_certificate(certificate);
            }
            builder
        }
    };
    builder.build().map_err(ConnectError::Client)
}

/// serenity's client with its limiter, on top of our transport. A global limit from Discord is passed on to `global`.
pub(super) fn build_http(
    config: &config::Discord,
    transport: &reqwest::Client,
    global: &Arc<GlobalRateLimit>,
) -> Result<Http, ConnectError> {
    let token = config.token.expose_secret();
    // serenity would panic on a token that no header accepts.
    if token.is_empty() || !token.bytes().all(|b| b.is_ascii_graphic()) {
        return Err(ConnectError::TokenMalformed);
    }
    // The limiter sends the calls itself, so it needs the token in the form of the header ("Reference", Authentication).
    let mut limiter = Ratelimiter::new(transport.clone(), ["Bot ", token].concat());
    let global = Arc::clone(global);
    limiter.set_ratelimit_callback(Box::new(move |limit| {
        if limit.global {
            global.wait_for(limit.timeout);
        }
    }));
    Ok(HttpBuilder::new(token).client(transport.clone()).ratelimiter(limiter).build())
}

/// Whether a gateway URL points to this machine.
pub(super) fn is_on_loopback(gateway_url: &str) -> bool {
    url::Url::parse(gateway_url).is_ok_and(|url| net::is_loopback(&url))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gateway_elsewhere_or_without_a_usable_url_is_not_on_loopback() {
        assert!(is_on_loopback("ws://localhost:9"));
        for url in ["wss://gateway.discord.gg", "nonsense", ""] {
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
        let global = Arc::new(GlobalRateLimit::new(Arc::new(crate::clock::SystemClock)));
        assert!(matches!(build_http(&config, &transport, &global), Err(ConnectError::TokenMalformed)));
    }
}
