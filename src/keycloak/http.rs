//! One HTTP call to Keycloak: deadline, size limit, and a name for each kind of failure. Tokens are added by the layer above.
//!
//! Every call uses HTTP/1.1 and the public `Host`, because Keycloak puts the caller's host into tokens and links while
//! `KC_HOSTNAME` is unset. Redirects and proxies of the environment are off, and a name that resolves to a cloud's own services
//! is not called: the bearer token goes to the configured address or nowhere.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HOST, HeaderMap, HeaderValue, LOCATION, RETRY_AFTER};
use reqwest::{Client, Method, RequestBuilder, Response, StatusCode, redirect};
use serde::de::DeserializeOwned;
use serde_json::Value;
use url::Url;

use super::error::KeycloakError;
use super::resolve::FilteringResolver;
use crate::domain::cause::Cause;
use crate::net::{self, failure};

/// The time limit of one call of the service, without the token call.
pub const CALL_LIMIT: Duration = Duration::from_secs(8);
/// The time limit for opening a connection.
pub(super) const CONNECT_LIMIT: Duration = Duration::from_secs(3);
/// The largest answer that is read. No answer that this program asks for is longer.
const MAX_ANSWER_BYTES: usize = 1024 * 1024;
/// The longest `Retry-After` that is respected.
const MAX_RETRY_AFTER: Duration = Duration::from_hours(1);

/// Keycloak's addresses and the certificates that prove its identity.
pub(super) struct Server<'a> {
    pub(super) url: &'a Url,
    pub(super) public_url: &'a Url,
    pub(super) ca_file: Option<&'a Path>,
    pub(super) plaintext_on_loopback: bool,
    /// The time limit of one call.
    pub(super) limit: Duration,
}

/// A connection pool to one Keycloak.
pub(super) struct HttpClient {
    http: Client,
    base: Url,
    host: HeaderValue,
}

/// One call. The path is built from whole segments, so that a value can't change the path around it.
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
    pub(super) fn new(server: &Server<'_>) -> Result<Self, KeycloakError> {
        check_scheme(server)?;
        // ring is the only provider, so a second installation is harmless.
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
        Ok(Self { http, base: server.url.clone(), host: public_host(server.public_url)? })
    }

    /// Sends a call with the value of its `Authorization` header.
    pub(super) async fn send(
        &self,
        call: &Call<'_>,
        authorization: HeaderValue,
    ) -> Result<Answer, KeycloakError> {
        let mut request = self
            .http
            .request(call.method.clone(), self.address(call.path)?)
            .header(HOST, self.host.clone())
            .header(AUTHORIZATION, authorization)
            .query(call.query);
        if let Some(body) = call.body {
            request = request.json(body);
        }
        finish(call.endpoint, request).await
    }

    /// Sends a form without a token: the token endpoint authenticates the caller by the form.
    pub(super) async fn post_form(
        &self,
        endpoint: &'static str,
        path: &[&str],
        form: &[(&str, &str)],
    ) -> Result<Answer, KeycloakError> {
        let request = self.http.post(self.address(path)?).header(HOST, self.host.clone()).form(form);
        finish(endpoint, request).await
    }

    /// Reads a public document under another `Host`.
    pub(super) async fn get_with_host(
        &self,
        endpoint: &'static str,
        path: &[&str],
        host: &'static str,
    ) -> Result<Answer, KeycloakError> {
        let request = self.http.get(self.address(path)?).header(HOST, HeaderValue::from_static(host));
        finish(endpoint, request).await
    }

    fn address(&self, path: &[&str]) -> Result<Url, KeycloakError> {
        let mut address = self.base.clone();
        // The URL library would resolve `.` and `..` as steps in the path.
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

async fn finish(endpoint: &'static str, request: RequestBuilder) -> Result<Answer, KeycloakError> {
    let response = request.send().await.map_err(|error| down(endpoint, &error))?;
    let (status, headers) = (response.status(), response.headers().clone());
    let body = read_limited(endpoint, response).await;
    if status.is_success() {
        return Ok(Answer { endpoint, status, headers, body: body? });
    }
    // A refusal is reported as a refusal even if its text can't be read.
    let document = body.ok().and_then(|body| serde_json::from_slice(&body).ok()).unwrap_or(Value::Null);
    Err(KeycloakError::Status {
        endpoint,
        status: status.as_u16(),
        text: error_text(&document),
        fields: rejected_fields(&document),
        retry_after: read_retry_after(&headers),
    })
}

impl Answer {
    /// Reads the answer as the JSON document that the call promises.
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

    /// Accepts 204 only: a proxy's page with another success status proves nothing.
    pub(super) fn no_content(&self) -> Result<(), KeycloakError> {
        if self.status == StatusCode::NO_CONTENT {
            return Ok(());
        }
        Err(KeycloakError::InvalidResponse { endpoint: self.endpoint, what: "it is not 204" })
    }

    /// Accepts 201 (or 204) of a creating call, and returns the id at the end of `Location`.
    pub(super) fn created(&self) -> Result<Option<String>, KeycloakError> {
        if !matches!(self.status, StatusCode::CREATED | StatusCode::NO_CONTENT) {
            return Err(KeycloakError::InvalidResponse { endpoint: self.endpoint, what: "it is not 201" });
        }
        let location = self.headers.get(LOCATION).and_then(|value| value.to_str().ok());
        Ok(location.and_then(|text| text.rsplit('/').next()).map(ToOwned::to_owned))
    }
}

pub(super) fn settings(what: &str) -> KeycloakError {
    KeycloakError::Settings { what: what.to_owned() }
}

pub(super) fn check_scheme(server: &Server<'_>) -> Result<(), KeycloakError> {
    match server.url.scheme() {
        "https" => Ok(()),
        "http" if server.plaintext_on_loopback && net::is_loopback(server.url) => Ok(()),
        "http" => Err(settings("http is only for loopback, and only with plaintext_on_loopback")),
        _ => Err(settings("the url is neither https nor http")),
    }
}

pub(super) fn public_host(url: &Url) -> Result<HeaderValue, KeycloakError> {
    let host = url.host_str().ok_or_else(|| settings("public_url has no host"))?;
    let value = match url.port() {
        Some(port) => [host, ":", &port.to_string()].concat(),
        None => host.to_owned(),
    };
    HeaderValue::from_str(&value).map_err(|_| settings("public_url has no usable host"))
}

pub(super) fn read_authorities(file: &Path) -> Result<Vec<reqwest::Certificate>, KeycloakError> {
    let unusable = |problem: &str| settings(&["ca_file ", problem].concat());
    let found = net::read_ca_file(file).map_err(|error| unusable(&error.to_string()))?;
    let read = |certificate| reqwest::Certificate::from_der(certificate);
    let certificates: Result<Vec<_>, _> = found.iter().map(|certificate| read(certificate)).collect();
    certificates.map_err(|_| unusable("holds no certificate"))
}

/// Names the cause, and tells whether the request may have arrived.
pub(super) fn down(endpoint: &'static str, error: &reqwest::Error) -> KeycloakError {
    let found = failure::cause_of(error);
    let cause = match found {
        // The address decides whether TLS was beginning.
        Some(Cause::ConnectionLost) | None if error.is_connect() && is_tls(error) => Cause::TlsClosed,
        Some(cause) => cause,
        None if error.is_timeout() => Cause::TimedOut,
        None => Cause::ConnectionLost,
    };
    failure::log("keycloak", cause, error);
    let is_ambiguous = !cause.is_of_tls() && !error.is_connect() && !error.is_builder();
    KeycloakError::Down { endpoint, cause, is_ambiguous }
}

fn is_tls(error: &reqwest::Error) -> bool {
    error.url().is_some_and(|url| url.scheme() == "https")
}

async fn read_limited(endpoint: &'static str, mut response: Response) -> Result<Vec<u8>, KeycloakError> {
    let mut body = Vec::new();
    while let Some(part) = response.chunk().await.map_err(|error| down(endpoint, &error))? {
        if body.len() + part.len() > MAX_ANSWER_BYTES {
            return Err(KeycloakError::InvalidResponse { endpoint, what: "it is too long" });
        }
        body.extend_from_slice(&part);
    }
    Ok(body)
}

/// Reads `Retry-After` in seconds, the only form that Keycloak and common proxies send.
fn read_retry_after(headers: &HeaderMap) -> Option<Duration> {
    let seconds = headers.get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds).min(MAX_RETRY_AFTER))
}

/// The longest error text that is kept.
const MAX_TEXT: usize = 320;
/// The most faults of one answer that are kept.
const MAX_FAULTS: usize = 20;

/// The faults that Keycloak reports: the document itself if it has one, or each in its list `errors`.
fn faults(document: &Value) -> impl Iterator<Item = &Value> {
    let listed = document.get("errors").and_then(Value::as_array);
    std::iter::once(document).chain(listed.into_iter().flatten()).take(MAX_FAULTS)
}

/// The fields of the user that Keycloak's profile does not accept.
fn rejected_fields(document: &Value) -> Vec<String> {
    let field = |fault: &Value| Some(fault.get("field")?.as_str()?.to_owned());
    faults(document).filter_map(field).filter(|field| is_plain(field)).collect()
}

/// Whether a word can't be an address, a DN, a link or a control sequence.
fn is_plain(word: &str) -> bool {
    !word.contains(['@', '=', '/']) && !word.chars().any(char::is_control)
}

/// Keycloak's own error text: only known fields, of each fault that it reports, and without words that may be personal.
fn error_text(document: &Value) -> String {
    let of_fault = |fault: &Value| {
        ["field", "error", "errorMessage", "error_description"]
            .into_iter()
            .filter_map(|name| fault.get(name)?.as_str().map(ToOwned::to_owned))
            .collect::<Vec<_>>()
            .join(": ")
    };
    let said: Vec<String> = faults(document).map(of_fault).filter(|text| !text.is_empty()).collect();
    let mut text = String::new();
    for word in said.join("; ").split_whitespace() {
        let shown = if is_plain(word) { word } else { "…" };
        if text.chars().count() + shown.chars().count() > MAX_TEXT {
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

    fn document(text: &str) -> Value {
        serde_json::from_str(text).unwrap_or(Value::Null)
    }

    #[test]
    fn an_error_text_keeps_what_keycloak_says_and_drops_what_may_be_personal() {
        let said = document(
            r#"{"error":"unknown_error","error_description":"no mail to ada@example.org at uid=ada,ou=people"}"#,
        );
        assert_eq!(error_text(&said), "unknown_error: no mail to … at …");
        assert_eq!(error_text(&document("<html>proxy</html>")), "");
        let long = document(&[r#"{"error":""#, &"word ".repeat(90), r#""}"#].concat());
        assert!(error_text(&long).chars().count() <= MAX_TEXT + 1);
    }

    #[test]
    fn every_fault_that_keycloak_reports_is_named_with_its_field() {
        let one = document(
            r#"{"field":"lastName","errorMessage":"error-person-name-invalid-character","params":["lastName","O&M"]}"#,
        );
        assert_eq!(error_text(&one), "lastName: error-person-name-invalid-character");
        assert_eq!(rejected_fields(&one), ["lastName"]);
        let two = document(
            r#"{"errors":[{"field":"firstName","errorMessage":"error-person-name-invalid-character"},
                {"field":"phone","errorMessage":"error-user-attribute-required","params":["phone"]}]}"#,
        );
        assert_eq!(
            error_text(&two),
            "firstName: error-person-name-invalid-character; phone: error-user-attribute-required"
        );
        assert_eq!(rejected_fields(&two), ["firstName", "phone"]);
        assert_eq!(rejected_fields(&document(r#"{"error":"unknown_error"}"#)), Vec::<String>::new());
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
        assert_eq!(read("999999999"), Some(MAX_RETRY_AFTER));
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
        let http = HttpClient::new(&server).expect("a client");
        let address = http.address(&["admin", "realms", "a/../b?c#d"]).expect("an address");
        assert_eq!(address.as_str(), "http://127.0.0.1:8080/auth/admin/realms/a%2F..%2Fb%3Fc%23d");
        assert!(http.address(&["admin", ".."]).is_err());
        assert!(http.address(&["admin", ""]).is_err());
    }
}
