//! The page to which the mailed link leads at its end: whether it exists.

use std::sync::Arc;

use reqwest::header::HOST;
use reqwest::{Client, redirect};
use url::Url;

use super::error::KeycloakError;
use super::http::Server;
use super::http::{CALL_LIMIT, CONNECT_LIMIT, check_scheme, down, public_host, read_authorities, settings};
use super::resolve::FilteringResolver;
use crate::config;

/// Opens the page as a stranger does, and returns its HTTP status. No redirect is followed: an address that leads on exists.
pub async fn last_page_status(config: &config::Keycloak) -> Result<u16, KeycloakError> {
    let page = &config.mail_redirect_uri;
    // A page of Keycloak is asked for where the bot reaches Keycloak.
    let public = config.public_url.as_str().trim_end_matches('/');
    let inside = page.as_str().strip_prefix(public).filter(|rest| rest.starts_with('/'));
    let (address, host) = match inside {
        Some(rest) => {
            let address = [config.url.as_str().trim_end_matches('/'), rest].concat();
            (
                Url::parse(&address).map_err(|_| settings("mail_redirect_uri is no address"))?,
                &config.public_url,
            )
        }
        None => (page.clone(), page),
    };
    check_scheme(&Server {
        url: &address,
        public_url: host,
        ca_file: None,
        plaintext_on_loopback: config.plaintext_on_loopback,
        limit: CALL_LIMIT,
    })?;
    let mut builder = Client::builder()
        .http1_only()
        .no_proxy()
        .dns_resolver(Arc::new(FilteringResolver))
        .redirect(redirect::Policy::none())
        .connect_timeout(CONNECT_LIMIT)
        .timeout(CALL_LIMIT);
    // The page may have a certificate of the private CA, or of a public one.
    if let Some(file) = &config.ca_file {
        for certificate in read_authorities(file)? {
            builder = builder.add_root_certificate(certificate);
        }
    }
    let client = builder.build().map_err(|_| settings("no HTTP client can be made of them"))?;
    let answer = client.get(address).header(HOST, public_host(host)?).send().await;
    answer.map(|answer| answer.status().as_u16()).map_err(|error| down("last page", &error))
}
