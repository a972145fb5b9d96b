//! One HTTP call to Keycloak: deadline, size limit, token, and what each kind of failure is called.
//!
//! Every call goes over HTTP/1.1 with the public `Host`, because Keycloak writes the caller's host into tokens and
//! links while no `KC_HOSTNAME` is set. Redirects and proxies from the environment are off, and a name that leads to a
//! cloud's own services is not followed: the bearer token goes to the configured address or nowhere.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HOST, HeaderMap, HeaderValue, LOCATION, RETRY_AFTER};
use reqwest::{Client, Method, Response, StatusCode, redirect};
use secrecy::{ExposeSecret, SecretString};
use serde::de::DeserializeOwned;
use serde_json::Value;
use url::Url;

use super::KeycloakError;
use super::resolve::FilteringResolver;
use super::token::{Grant, Token, TokenCache};

/// How long one call of the service may take, token call apart.
pub const CALL_LIMIT: Duration = Duration::from_secs(8);
/// How long making a connection may take.
const CONNECT_LIMIT: Duration = Duration::from_secs(3);
/// No answer that this program asks for is longer.
const LONGEST_ANSWER: usize = 1024 * 1024;
/// A server that asks for more patience than this is asked again anyway.
const LONGEST_RETRY_AFTER: Duration = Duration::from_hours(1);

/// Where Keycloak is and what proves it.
pub(super) struct Server<'a> {
    pub(super) url: &'a Url,
    pub(super) public_url: &'a Url,
    pub(super) ca_file: Option<&'a Path>,
    pub(super) plaintext_on_loopback: bool,
    /// How long one call may take.
    pub(super) limit: Duration,
}

/// A pool of connections and one token.
pub(super) struct HttpClient {
    http: Client,
    base: Url,
    host: HeaderValue,
    keeper: TokenCache,
}

/// What to call. The path is built from whole segments, so that no value can leave its place.
pub(super) struct Call<'a> {
    /// The name that errors and logs carry.
    pub(super) endpoint: &'static str,
    pub(super) method: Method,
    pub(super) path: &'a [&'a str],
    pub(super) query: &'a [(&'a str, &'a str)],
    pub(super) body: Option<&'a Value>,
}

/// A successful answer, read to its end.
pub(super) struct Answer {
    endpoint: &'static str,
    status: StatusCode,
    headers: HeaderMap,
    body: Vec<u8>,
}

impl HttpClient {
    pub(super) fn new(server: &Server<'_>, grant: Grant) -> Result<Self, KeycloakError> {
        check_scheme(server)?;
        // Harmless if somebody was first: there is one provider, ring.
        rustls::crypto::ring::default_provider().install_default().ok();
        let mut builder = Client::builder()
            .http1_only()
            .no_proxy()
            .dns_resolver(Arc::new(FilteringResolver))
            .redirect(redirect::Policy::none())
            .referer(false)
            .connect_timeout(CONNECT_LIMIT)
            .timeout(server.limit)
            .tcp_nodelay(true)
            .pool_idle_timeout(Duration::from_secs(30));
        if let Some(file) = server.ca_file {
            builder = builder.tls_built_in_root_certs(false);
            for certificate in read_authorities(file)? {
                builder = builder.add_root_certificate(certificate);
            }
        }
        let http = builder.build().map_err(|_| settings("no HTTP client can be made of them"))?;
        Ok(Self {
            http,
            base: server.url.clone(),
            host: public_host(server.public_url)?,
            keeper: TokenCache::new(grant),
        })
    }

    /// Makes sure of a token, without another call.
    pub(super) async fn authorize(&self) -> Result<(), KeycloakError> {
        self.keeper.token(self).await.map(drop)
    }

    /// Takes another secret of the service client.
    pub(super) async fn learn_secret(&self, secret: SecretString) {
        self.keeper.learn_secret(secret).await;
    }

    /// Lets the next call ask for another token.
    pub(super) async fn forget_token(&self) {
        self.keeper.forget().await;
    }

    /// Sends a call with the token; once more with a fresh one if Keycloak no longer takes it.
    pub(super) async fn send(&self, call: &Call<'_>) -> Result<Answer, KeycloakError> {
        let token = self.keeper.token(self).await?;
        match self.send_with(call, &token).await {
            Err(KeycloakError::Status { status: 401, .. }) => {
                let token = self.keeper.renew(self, &token).await?;
                self.send_with(call, &token).await
            }
            answer => answer,
        }
    }

    async fn send_with(&self, call: &Call<'_>, token: &Token) -> Result<Answer, KeycloakError> {
        let mut bearer =
            HeaderValue::from_str(&["Bearer ", token.value.expose_secret()].concat()).map_err(|_| {
                KeycloakError::InvalidResponse { endpoint: "token", what: "it is no header value" }
            })?;
        bearer.set_sensitive(true);
        let mut request = self
            .http
            .request(call.method.clone(), self.address(call.path)?)
            .header(HOST, self.host.clone())
            .header(AUTHORIZATION, bearer)
            .query(call.query);
        if let Some(body) = call.body {
            request = request.json(body);
        }
        self.finish(call.endpoint, request).await
    }

    /// Asks the token endpoint, which takes a form and no token.
    pub(super) async fn post_form(
        &self,
        endpoint: &'static str,
        path: &[&str],
        form: &[(&str, &str)],
    ) -> Result<Answer, KeycloakError> {
        let request = self.http.post(self.address(path)?).header(HOST, self.host.clone()).form(form);
        self.finish(endpoint, request).await
    }

    /// Reads a public document as somebody who knows the server by another name.
    pub(super) async fn get_as_known_by(
        &self,
        endpoint: &'static str,
        path: &[&str],
        host: &'static str,
    ) -> Result<Answer, KeycloakError> {
        let request = self.http.get(self.address(path)?).header(HOST, HeaderValue::from_static(host));
        self.finish(endpoint, request).await
    }

    /// A fresh access token, for its claims.
    pub(super) async fn fresh_token(&self) -> Result<Token, KeycloakError> {
        self.keeper.forget().await;
        self.keeper.token(self).await
    }

    async fn finish(
        &self,
        endpoint: &'static str,
        request: reqwest::RequestBuilder,
    ) -> Result<Answer, KeycloakError> {
        let response = request.send().await.map_err(|error| down(endpoint, &error))?;
        let (status, headers) = (response.status(), response.headers().clone());
        let body = read_limited(endpoint, response).await;
        if status.is_success() {
            return Ok(Answer { endpoint, status, headers, body: body? });
        }
        // A refusal stays a refusal when its text cannot be read.
        let text = body.map(|body| error_text(&body)).unwrap_or_default();
        Err(KeycloakError::Status {
            endpoint,
            status: status.as_u16(),
            text,
            retry_after: read_retry_after(&headers),
        })
    }

    fn address(&self, path: &[&str]) -> Result<Url, KeycloakError> {
        let mut address = self.base.clone();
        // `.` and `..` would be taken for steps in the tree.
        if path.iter().any(|segment| segment.is_empty() || *segment == "." || *segment == "..") {
            return Err(settings("a part of a path is empty or a step upwards"));
        }
        address
            .path_segments_mut()
            .map_err(|()| settings("the url cannot be a base"))?
            .pop_if_empty()
            .extend(path);
        Ok(address)
    }
}

impl Answer {
    /// The document of an answer that promises one.
    pub(super) fn json<T: DeserializeOwned>(&self) -> Result<T, KeycloakError> {
        let is_json = self
            .headers
            .get(CONTENT_TYPE)
            .and_then(|value| value.to_str().ok())
            .is_some_and(|value| value.trim_start().starts_with("application/json"));
        if !is_json {
            return Err(KeycloakError::InvalidResponse { endpoint: self.endpoint, what: "it is not JSON" });
        }
        serde_json::from_slice(&self.body).map_err(|_| KeycloakError::InvalidResponse {
            endpoint: self.endpoint,
            what: "it is not the document that the call promises",
        })
    }

    /// 204 and nothing else: a page of some proxy is a success for nobody.
    pub(super) fn no_content(&self) -> Result<(), KeycloakError> {
        if self.status == StatusCode::NO_CONTENT {
            return Ok(());
        }
        Err(KeycloakError::InvalidResponse { endpoint: self.endpoint, what: "it is not 204" })
    }

    /// 201 (or 204) of a call that makes something, and the id at the end of `Location`.
    pub(super) fn created(&self) -> Result<Option<String>, KeycloakError> {
        if !matches!(self.status, StatusCode::CREATED | StatusCode::NO_CONTENT) {
            return Err(KeycloakError::InvalidResponse { endpoint: self.endpoint, what: "it is not 201" });
        }
        let location = self.headers.get(LOCATION).and_then(|value| value.to_str().ok());
        Ok(location.and_then(|text| text.rsplit('/').next()).map(ToOwned::to_owned))
    }
}

fn settings(what: &str) -> KeycloakError {
    KeycloakError::Settings { what: what.to_owned() }
}

fn check_scheme(server: &Server<'_>) -> Result<(), KeycloakError> {
    match server.url.scheme() {
        "https" => Ok(()),
        "http" if server.plaintext_on_loopback && is_loopback(server.url) => Ok(()),
        "http" => Err(settings("http is only for loopback, and only with plaintext_on_loopback")),
        _ => Err(settings("the url is neither https nor http")),
    }
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(url::Host::Domain(name)) => name.eq_ignore_ascii_case("localhost"),
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

fn public_host(url: &Url) -> Result<HeaderValue, KeycloakError> {
    let host = url.host_str().ok_or_else(|| settings("public_url has no host"))?;
    let value = match url.port() {
        Some(port) => [host, ":", &port.to_string()].concat(),
        None => host.to_owned(),
    };
    HeaderValue::from_str(&value).map_err(|_| settings("public_url has no usable host"))
}

fn read_authorities(file: &Path) -> Result<Vec<reqwest::Certificate>, KeycloakError> {
    let pem = std::fs::read(file).map_err(|_| settings("ca_file cannot be read"))?;
    let found =
        reqwest::Certificate::from_pem_bundle(&pem).map_err(|_| settings("ca_file holds no certificate"))?;
    if found.is_empty() {
        return Err(settings("ca_file holds no certificate"));
    }
    Ok(found)
}

/// What the network said, in words without addresses, and whether the request may have arrived.
fn down(endpoint: &'static str, error: &reqwest::Error) -> KeycloakError {
    let (cause, is_ambiguous) = if is_distrust(error) {
        (UNTRUSTED, false)
    } else if error.is_connect() {
        ("no connection", false)
    } else if error.is_builder() {
        ("no request could be made", false)
    } else if error.is_timeout() {
        ("timed out", true)
    } else {
        ("the connection was lost", true)
    };
    KeycloakError::Down { endpoint, cause, is_ambiguous }
}

/// What stands in `Down` when TLS refused the server's certificate: time does not cure it.
pub(super) const UNTRUSTED: &str = "the server's certificate is not trusted";

fn is_distrust(error: &reqwest::Error) -> bool {
    let mut next = std::error::Error::source(error);
    while let Some(cause) = next {
        if let Some(rustls::Error::InvalidCertificate(_)) = cause.downcast_ref() {
            return true;
        }
        // an I/O error names the cause of its cause as its source, and so would step over the one that counts
        let within = cause.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref);
        next = within.map_or_else(|| cause.source(), |inner| Some(inner));
    }
    false
}

async fn read_limited(endpoint: &'static str, mut response: Response) -> Result<Vec<u8>, KeycloakError> {
    let mut body = Vec::new();
    while let Some(part) = response.chunk().await.map_err(|error| down(endpoint, &error))? {
        if body.len() + part.len() > LONGEST_ANSWER {
            return Err(KeycloakError::InvalidResponse { endpoint, what: "it is too long" });
        }
        body.extend_from_slice(&part);
    }
    Ok(body)
}

/// Seconds, the only form that Keycloak and common proxies send.
fn read_retry_after(headers: &HeaderMap) -> Option<Duration> {
    let seconds = headers.get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds).min(LONGEST_RETRY_AFTER))
}

/// Keycloak's own error text: known fields only, without words that could be an address, a DN or a link.
fn error_text(body: &[u8]) -> String {
    let Ok(document) = serde_json::from_slice::<Value>(body) else { return String::new() };
    let said: Vec<&str> = ["error", "errorMessage", "error_description"]
        .into_iter()
        .filter_map(|field| document.get(field).and_then(Value::as_str))
        .collect();
    let mut text = String::new();
    for word in said.join(": ").split_whitespace() {
        let shown =
            if word.contains(['@', '=', '/']) || word.chars().any(char::is_control) { "…" } else { word };
        if text.chars().count() + shown.chars().count() > 160 {
            text.push('…');
            break;
        }
        if !text.is_empty() {
            text.push(' ');
        }
        text.push_str(shown);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_text_keeps_what_keycloak_says_and_drops_what_may_be_personal() {
        let said = br#"{"error":"unknown_error","error_description":"no mail to ada@example.org at uid=ada,ou=people"}"#;
        assert_eq!(error_text(said), "unknown_error: no mail to … at …");
        assert_eq!(error_text(b"<html>proxy</html>"), "");
        let long = [br#"{"error":""#.as_slice(), "word ".repeat(90).as_bytes(), br#""}"#].concat();
        assert!(error_text(&long).chars().count() <= 162);
    }

    #[test]
    fn plain_http_is_taken_on_loopback_only_and_only_when_allowed() {
        let check = |url: &str, plaintext_on_loopback| {
            let url = Url::parse(url).expect("a URL");
            check_scheme(&Server {
                url: &url,
                public_url: &url,
                ca_file: None,
                plaintext_on_loopback,
                limit: CALL_LIMIT,
            })
            .is_ok()
        };
        assert!(check("https://id.example.org", false));
        assert!(check("http://127.0.0.1:8080", true));
        assert!(check("http://[::1]:8080", true));
        assert!(!check("http://127.0.0.1:8080", false));
        assert!(!check("http://10.0.0.1:8080", true));
        assert!(!check("http://127.0.0.1.example.org", true));
        assert!(!check("ftp://127.0.0.1", true));
    }

    #[test]
    fn retry_after_is_read_in_seconds_and_has_a_limit() {
        let read = |text: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(RETRY_AFTER, HeaderValue::from_str(text).expect("a header"));
            read_retry_after(&headers)
        };
        assert_eq!(read("7"), Some(Duration::from_secs(7)));
        assert_eq!(read("999999999"), Some(LONGEST_RETRY_AFTER));
        assert_eq!(read("Wed, 21 Oct 2015 07:28:00 GMT"), None);
        assert_eq!(read("-1"), None);
    }

    #[test]
    fn a_value_in_a_path_cannot_leave_its_place() {
        let url = Url::parse("http://127.0.0.1:8080/auth/").expect("a URL");
        let server = Server {
            url: &url,
            public_url: &url,
            ca_file: None,
            plaintext_on_loopback: true,
            limit: CALL_LIMIT,
        };
        let grant = Grant::Client {
            realm: "r".to_owned(),
            id: "bot".to_owned(),
            secret: std::sync::RwLock::new(SecretString::from("s")),
        };
        let http = HttpClient::new(&server, grant).expect("a http");
        let address = http.address(&["admin", "realms", "a/../b?c#d"]).expect("an address");
        assert_eq!(address.as_str(), "http://127.0.0.1:8080/auth/admin/realms/a%2F..%2Fb%3Fc%23d");
        assert!(http.address(&["admin", ".."]).is_err());
        assert!(http.address(&["admin", ""]).is_err());
    }
}
