//! A person's browser, limited to what Keycloak's pages need: it follows the link of a mail, fills in forms and logs in.
//!
//! It keeps its own cookies. Keycloak marks them `Secure` even on plain http. Browsers send such cookies to
//! loopback anyway, but the usual cookie jars do not. Without them the page of the link only leads back to
//! itself.

use anyhow::{Context as _, Result, bail};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use reqwest::{StatusCode, header};
use scraper::{ElementRef, Html, Selector};
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use url::Url;

use crate::keycloak::client_builder;

/// More redirects and "click here" pages than any flow has.
const MOST_PAGES: usize = 20;

/// The result of following a link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The password form was sent, and Keycloak accepted it.
    PasswordSet,
    /// Keycloak did not continue, and gave a reason.
    Refused {
        /// HTTP status of the page.
        status: u16,
        /// The message of the page.
        message: String,
    },
}

/// The result of a login.
#[derive(Clone, Debug)]
pub enum Login {
    /// The login succeeded.
    Tokens(Box<Tokens>),
    /// The message of the page.
    Refused(String),
}

/// What an application receives. Signatures are not checked, because the tokens come straight from Keycloak.
#[derive(Clone, Debug)]
pub struct Tokens {
    /// For calls to APIs.
    pub access_token: String,
    /// For getting a new access token.
    pub refresh_token: Option<String>,
    /// The decoded access token.
    pub access_claims: Value,
    /// The decoded id token.
    pub id_claims: Value,
}

impl Tokens {
    /// The `groups` claim of the id token, or else of the access token; empty if there is none.
    pub fn groups(&self) -> Vec<String> {
        let claim = self.id_claims.get("groups").or_else(|| self.access_claims.get("groups"));
        let names = claim.and_then(Value::as_array).into_iter().flatten();
        names.filter_map(Value::as_str).map(str::to_owned).collect()
    }

    /// The login name that the token carries.
    pub fn username(&self) -> Option<&str> {
        self.id_claims.get("preferred_username").and_then(Value::as_str)
    }
}

/// Follows the mailed link as a person does: opens it, clicks through, and types the new password twice.
pub async fn follow_action_link(link: &str, new_password: &str) -> Result<Outcome> {
    let mut browser = Browser::new()?;
    let page = browser.open_password_form(link).await?;
    let Some(form) = page.form_with("password-new") else {
        return Ok(page.into_refusal());
    };
    let form = form.fill("password-new", new_password).fill("password-confirm", new_password);
    let page = browser.send(&form).await?.into_page()?;
    if page.status == StatusCode::OK && page.form_with("password-new").is_none() && !page.tells_an_error() {
        return Ok(Outcome::PasswordSet);
    }
    Ok(page.into_refusal())
}

/// Where a person is after the last click.
#[derive(Clone, Debug)]
pub struct LastPage {
    /// What Keycloak says after the password.
    pub told: String,
    /// The address of the link on that page.
    pub way_on: Option<String>,
    /// HTTP status of the page behind it.
    pub status: Option<u16>,
}

/// Follows the mailed link, sets the password, and clicks the link on the page that follows.
pub async fn follow_to_last_page(link: &str, new_password: &str) -> Result<LastPage> {
    let mut browser = Browser::new()?;
    let page = browser.open_password_form(link).await?;
    let form = page.form_with("password-new").context("the link leads to no password form")?;
    let form = form.fill("password-new", new_password).fill("password-confirm", new_password);
    let page = browser.send(&form).await?.into_page()?;
    let told = page.message();
    let Some(way_on) = page.way_on() else { return Ok(LastPage { told, way_on: None, status: None }) };
    let last = browser.open(way_on.clone()).await?.into_page()?;
    Ok(LastPage { told, way_on: Some(way_on.into()), status: Some(last.status.as_u16()) })
}

/// Opens the mailed link and continues to the password form, but sends nothing. A link checker does this, and
/// so does a person who leaves the page open. Returns whether the form was reached.
pub async fn reaches_password_form(link: &str) -> Result<bool> {
    let page = Browser::new()?.open_password_form(link).await?;
    Ok(page.form_with("password-new").is_some())
}

/// Logs in as a person does at an application: authorization code with PKCE (RFC 7636) at a public client.
pub async fn login_by_code(
    keycloak_url: &str,
    realm: &str,
    client_id: &str,
    redirect_uri: &str,
    username: &str,
    password: &str,
) -> Result<Login> {
    let endpoint = format!("{keycloak_url}/realms/{realm}/protocol/openid-connect");
    let verifier = hex::encode(rand::random::<[u8; 32]>());
    let challenge = URL_SAFE_NO_PAD.encode(Sha256::digest(verifier.as_bytes()));
    let state = hex::encode(rand::random::<[u8; 8]>());
    let start = Url::parse_with_params(
        &format!("{endpoint}/auth"),
        [
            ("response_type", "code"),
            ("scope", "openid"),
            ("client_id", client_id),
            ("redirect_uri", redirect_uri),
            ("state", &state),
            ("code_challenge", &challenge),
            ("code_challenge_method", "S256"),
        ],
    )?;
    let mut browser = Browser { stop_at: Some(redirect_uri.to_owned()), ..Browser::new()? };
    let page = browser.open(start).await?.into_page()?;
    let Some(form) = page.form_with("password") else {
        return Ok(Login::Refused(page.message()));
    };
    let form = form.fill("username", username).fill("password", password);
    let back = match browser.send(&form).await? {
        Arrival::Page(page) => return Ok(Login::Refused(page.message())),
        Arrival::BackAt(url) => url,
    };
    let answer =
        |name: &str| back.query_pairs().find(|(key, _)| key == name).map(|(_, value)| value.into_owned());
    if answer("state").as_deref() != Some(&state) {
        bail!("Keycloak came back with another state");
    }
    let Some(code) = answer("code") else {
        return Ok(Login::Refused(answer("error").unwrap_or_else(|| "neither code nor error".to_owned())));
    };
    let exchange = [
        ("grant_type", "authorization_code"),
        ("client_id", client_id),
        ("redirect_uri", redirect_uri),
        ("code", &code),
        ("code_verifier", &verifier),
    ];
    let response = browser.client.post(format!("{endpoint}/token")).form(&exchange).send().await?;
    if !response.status().is_success() {
        return Ok(Login::Refused(response.text().await?));
    }
    read_tokens(&response.json().await?).map(|tokens| Login::Tokens(Box::new(tokens)))
}

/// Asks for a new access token with a refresh token, as an application does in the background.
pub async fn refresh(keycloak_url: &str, realm: &str, client_id: &str, refresh_token: &str) -> Result<Login> {
    let endpoint = format!("{keycloak_url}/realms/{realm}/protocol/openid-connect/token");
    let body = [("grant_type", "refresh_token"), ("client_id", client_id), ("refresh_token", refresh_token)];
    let response = Browser::new()?.client.post(endpoint).form(&body).send().await?;
    if !response.status().is_success() {
        return Ok(Login::Refused(response.text().await?));
    }
    read_tokens(&response.json().await?).map(|tokens| Login::Tokens(Box::new(tokens)))
}

fn read_tokens(body: &Value) -> Result<Tokens> {
    let text = |name: &str| body[name].as_str().map(str::to_owned);
    let access_token = text("access_token").context("Keycloak's answer holds no access token")?;
    let id_token = text("id_token").context("Keycloak's answer holds no id token")?;
    Ok(Tokens {
        access_claims: decode_claims(&access_token)?,
        id_claims: decode_claims(&id_token)?,
        refresh_token: text("refresh_token"),
        access_token,
    })
}

fn decode_claims(token: &str) -> Result<Value> {
    let body = token.split('.').nth(1).context("a token has three parts")?;
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(body)?).context("read a token's claims")
}

struct Browser {
    client: reqwest::Client,
    cookies: Vec<Cookie>,
    /// A redirect to an address with this prefix ends the flow, because nothing listens there.
    stop_at: Option<String>,
}

struct Cookie {
    host: String,
    path: String,
    name: String,
    value: String,
}

enum Arrival {
    Page(Page),
    BackAt(Url),
}

impl Arrival {
    fn into_page(self) -> Result<Page> {
        match self {
            Self::Page(page) => Ok(page),
            Self::BackAt(_) => bail!("Keycloak sent the browser back to the application too early"),
        }
    }
}

impl Browser {
    fn new() -> Result<Self> {
        Ok(Self { client: client_builder().build()?, cookies: Vec::new(), stop_at: None })
    }

    /// Opens the link and clicks "proceed" until there is a form, or a page without a way to continue.
    async fn open_password_form(&mut self, link: &str) -> Result<Page> {
        let mut page = self.open(Url::parse(link).context("read the mailed link")?).await?.into_page()?;
        for _ in 0..MOST_PAGES {
            match page.proceed_link() {
                Some(next) if page.form_with("password-new").is_none() => {
                    page = self.open(next).await?.into_page()?;
                }
                Some(_) | None => return Ok(page),
            }
        }
        bail!("the link leads from page to page without end")
    }

    async fn open(&mut self, url: Url) -> Result<Arrival> {
        let request = self.client.get(url.clone());
        self.go(url, request).await
    }

    async fn send(&mut self, form: &Form) -> Result<Arrival> {
        let request = self.client.post(form.action.clone()).form(&form.fields);
        self.go(form.action.clone(), request).await
    }

    async fn go(&mut self, mut url: Url, mut request: reqwest::RequestBuilder) -> Result<Arrival> {
        for _ in 0..MOST_PAGES {
            let response = request.header(header::COOKIE, self.cookies_for(&url)).send().await?;
            self.keep_cookies(&url, &response);
            let status = response.status();
            let location = response.headers().get(header::LOCATION).filter(|_| status.is_redirection());
            let Some(location) = location else {
                return Ok(Arrival::Page(Page { status, url, html: response.text().await? }));
            };
            url = url.join(location.to_str()?)?;
            if self.stop_at.as_ref().is_some_and(|end| url.as_str().starts_with(end.as_str())) {
                return Ok(Arrival::BackAt(url));
            }
            request = self.client.get(url.clone());
        }
        bail!("more than {MOST_PAGES} redirects")
    }

    fn cookies_for(&self, url: &Url) -> String {
        let host = url.host_str().unwrap_or_default();
        let ours =
            self.cookies.iter().filter(|cookie| cookie.host == host && url.path().starts_with(&cookie.path));
        ours.map(|cookie| format!("{}={}", cookie.name, cookie.value)).collect::<Vec<_>>().join("; ")
    }

    fn keep_cookies(&mut self, url: &Url, response: &reqwest::Response) {
        let host = url.host_str().unwrap_or_default();
        for line in response.headers().get_all(header::SET_COOKIE) {
            let Some(cookie) = line.to_str().ok().and_then(|line| read_cookie(host, line)) else { continue };
            self.cookies.retain(|old| {
                (&old.host, &old.path, &old.name) != (&cookie.host, &cookie.path, &cookie.name)
            });
            // Keycloak deletes a cookie by emptying it.
            if !cookie.value.is_empty() {
                self.cookies.push(cookie);
            }
        }
    }
}

fn read_cookie(host: &str, line: &str) -> Option<Cookie> {
    let mut parts = line.split(';').map(str::trim);
    let (name, value) = parts.next()?.split_once('=')?;
    let path =
        parts.filter_map(|part| part.split_once('=')).find(|(key, _)| key.eq_ignore_ascii_case("path"));
    Some(Cookie {
        host: host.to_owned(),
        path: path.map_or("/", |(_, path)| path).to_owned(),
        name: name.to_owned(),
        value: value.trim_matches('"').to_owned(),
    })
}

struct Page {
    status: StatusCode,
    url: Url,
    html: String,
}

struct Form {
    action: Url,
    fields: Vec<(String, String)>,
}

impl Form {
    fn fill(mut self, name: &str, value: &str) -> Self {
        self.fields.retain(|(field, _)| field != name);
        self.fields.push((name.to_owned(), value.to_owned()));
        self
    }
}

impl Page {
    /// The form that has a field with this name, including its hidden fields.
    fn form_with(&self, field: &str) -> Option<Form> {
        let (forms, inputs) = (selector("form"), selector("input"));
        let document = Html::parse_document(&self.html);
        let form = document
            .select(&forms)
            .find(|form| form.select(&inputs).any(|input| input.value().attr("name") == Some(field)))?;
        let fields = form.select(&inputs).filter(|input| input.value().attr("type") == Some("hidden"));
        let fields = fields.filter_map(|input| {
            let value = input.value().attr("value").unwrap_or_default();
            Some((input.value().attr("name")?.to_owned(), value.to_owned()))
        });
        let action = self.url.join(form.value().attr("action").unwrap_or_default()).ok()?;
        Some(Form { action, fields: fields.collect() })
    }

    /// The link "Click here to proceed", which leads from the mailed link to its actions.
    fn proceed_link(&self) -> Option<Url> {
        let document = Html::parse_document(&self.html);
        let links = selector("#kc-info-message a[href]");
        let mut targets =
            document.select(&links).filter_map(|link| self.url.join(link.value().attr("href")?).ok());
        targets.find(|target| target.path().contains("/login-actions/"))
    }

    /// The link back to the application, at the end of the actions.
    fn way_on(&self) -> Option<Url> {
        let document = Html::parse_document(&self.html);
        let link = document.select(&selector("#kc-info-message a[href]")).next()?;
        self.url.join(link.value().attr("href")?).ok()
    }

    fn tells_an_error(&self) -> bool {
        let document = Html::parse_document(&self.html);
        document.select(&selector("#kc-error-message")).next().is_some()
    }

    /// The message that the page shows to the person.
    fn message(&self) -> String {
        let document = Html::parse_document(&self.html);
        let places = [
            "#kc-error-message .instruction",
            "[id^=input-error]",
            ".kc-feedback-text",
            ".pf-v5-c-alert__title",
            "#kc-info-message .instruction",
            "title",
        ];
        for place in places {
            if let Some(text) = document.select(&selector(place)).map(text_of).find(|text| !text.is_empty()) {
                return text;
            }
        }
        format!("a page without a message ({})", self.status)
    }

    fn into_refusal(self) -> Outcome {
        Outcome::Refused { status: self.status.as_u16(), message: self.message() }
    }
}

fn text_of(element: ElementRef<'_>) -> String {
    element.text().flat_map(str::split_whitespace).collect::<Vec<_>>().join(" ")
}

fn selector(css: &'static str) -> Selector {
    Selector::parse(css).expect("the selectors of this file are constants")
}
