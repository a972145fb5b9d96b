//! The REST entry point: the table of routes, authorization, limits, faults and the record of requests.
//!
//! A route that is not in the table is answered with 404, logged and recorded.

mod applications;
mod callbacks;
mod channels;
mod guilds;
mod uploads;
mod webhooks;

pub(crate) use callbacks::ANSWER_WITHIN_MS;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use axum::body::Body;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode};
use serde_json::{Value, json};

use crate::faults::Effect;
use crate::ids::Id;
use crate::record::Request;
use crate::server::{Cut, Sim};
use crate::state::SimState;

/// Why a request was refused.
#[derive(Debug, Clone)]
pub(crate) struct ApiError {
    status: u16,
    code: i64,
    message: String,
    errors: Option<Value>,
}

impl ApiError {
    fn new(status: u16, code: i64, message: &str) -> Self {
        Self { status, code, message: message.to_owned(), errors: None }
    }

    /// 400 with a code.
    pub(crate) fn bad(code: i64, message: &str) -> Self {
        Self::new(400, code, message)
    }

    /// 403 with a code.
    fn forbidden(code: i64, message: &str) -> Self {
        Self::new(403, code, message)
    }

    /// 404 with the code of what is unknown.
    fn unknown(code: i64, what: &str) -> Self {
        Self::new(404, code, &format!("Unknown {what}"))
    }

    fn unauthorized() -> Self {
        Self::new(401, 0, "401: Unauthorized")
    }

    /// 400 50035 with its `errors` tree.
    pub(crate) fn form(errors: Value) -> Self {
        Self { errors: Some(errors), ..Self::bad(50035, "Invalid Form Body") }
    }

    fn body(&self) -> Value {
        let mut body = json!({"message": self.message, "code": self.code});
        if let Some(errors) = &self.errors {
            body["errors"] = errors.clone();
        }
        body
    }
}

/// A successful answer; `None` is an empty 204.
type Answer = Result<(u16, Option<Value>), ApiError>;

/// A parsed request.
#[derive(Debug)]
struct Call {
    params: BTreeMap<&'static str, String>,
    query: BTreeMap<String, String>,
    body: Value,
    /// The bot that sent it; `None` on routes without authorization.
    app: Option<Id>,
    /// When the whole request had arrived.
    arrived: Instant,
}

impl Call {
    /// An id in the path. A value that is no number is refused as Discord refuses it.
    fn id(&self, name: &'static str) -> Result<Id, ApiError> {
        let text = self.params.get(name).map(String::as_str).unwrap_or_default();
        text.parse().map_err(|_| {
            let fault = json!({"code": "NUMBER_TYPE_COERCE", "message": format!("Value \"{text}\" is not snowflake.")});
            ApiError::form(json!({format!("{name}_id"): {"_errors": [fault]}}))
        })
    }

    fn text(&self, name: &'static str) -> &str {
        self.params.get(name).map(String::as_str).unwrap_or_default()
    }

    fn app(&self) -> Result<Id, ApiError> {
        self.app.ok_or_else(ApiError::unauthorized)
    }

    /// Whether a Boolean of the query is `true`, `True` or `1`.
    fn asks(&self, name: &str) -> bool {
        self.query.get(name).is_some_and(|value| matches!(value.as_str(), "true" | "True" | "1"))
    }

    /// A number in the query, which must be within its range.
    fn number(
        &self,
        name: &str,
        default: u64,
        range: std::ops::RangeInclusive<u64>,
    ) -> Result<u64, ApiError> {
        let Some(text) = self.query.get(name) else {
            return Ok(default);
        };
        text.parse().ok().filter(|number| range.contains(number)).ok_or_else(|| {
            let text = format!("int value should be between {} and {}.", range.start(), range.end());
            ApiError::form(json!({name: {"_errors": [{"code": "NUMBER_TYPE_MAX", "message": text}]}}))
        })
    }
}

type Handler = fn(&mut SimState, &Call) -> Answer;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Auth {
    Bot,
    /// The interaction token in the path is the authorization.
    Token,
    Open,
}

const ROUTES: &[(&str, Auth, Handler)] = &[
    ("GET /gateway", Auth::Open, applications::gateway),
    ("GET /gateway/bot", Auth::Bot, applications::gateway_bot),
    ("GET /users/@me", Auth::Bot, applications::me),
    ("GET /users/{user}", Auth::Bot, applications::user),
    ("POST /users/@me/channels", Auth::Bot, channels::open_dm),
    ("GET /users/@me/guilds", Auth::Bot, guilds::own_guilds),
    ("GET /oauth2/applications/@me", Auth::Bot, applications::application),
    ("GET /applications/@me", Auth::Bot, applications::application),
    ("GET /applications/{application}/commands", Auth::Bot, applications::commands),
    ("PUT /applications/{application}/commands", Auth::Bot, applications::overwrite_commands),
    ("GET /applications/{application}/guilds/{guild}/commands", Auth::Bot, applications::commands),
    ("PUT /applications/{application}/guilds/{guild}/commands", Auth::Bot, applications::overwrite_commands),
    ("POST /interactions/{interaction}/{token}/callback", Auth::Token, callbacks::answer),
    ("POST /webhooks/{webhook}/{token}", Auth::Token, webhooks::follow_up),
    ("GET /webhooks/{webhook}/{token}/messages/{message}", Auth::Token, webhooks::get),
    ("PATCH /webhooks/{webhook}/{token}/messages/{message}", Auth::Token, webhooks::edit),
    ("DELETE /webhooks/{webhook}/{token}/messages/{message}", Auth::Token, webhooks::delete),
    ("GET /channels/{channel}", Auth::Bot, channels::get),
    ("GET /channels/{channel}/messages", Auth::Bot, channels::messages),
    ("POST /channels/{channel}/messages", Auth::Bot, channels::send),
    ("GET /channels/{channel}/messages/{message}", Auth::Bot, channels::message),
    ("PATCH /channels/{channel}/messages/{message}", Auth::Bot, channels::edit),
    ("DELETE /channels/{channel}/messages/{message}", Auth::Bot, channels::delete),
    ("GET /guilds/{guild}", Auth::Bot, guilds::get),
    ("GET /guilds/{guild}/roles", Auth::Bot, guilds::roles),
    ("GET /guilds/{guild}/channels", Auth::Bot, guilds::channels),
    ("GET /guilds/{guild}/members", Auth::Bot, guilds::members),
    ("GET /guilds/{guild}/members/{user}", Auth::Bot, guilds::member),
    ("PUT /guilds/{guild}/members/{user}/roles/{role}", Auth::Bot, guilds::grant),
    ("DELETE /guilds/{guild}/members/{user}/roles/{role}", Auth::Bot, guilds::revoke),
    ("GET /guilds/{guild}/bans", Auth::Bot, guilds::bans),
    ("GET /guilds/{guild}/bans/{user}", Auth::Bot, guilds::ban),
];

/// The route of a request. Literal segments take precedence over placeholders, because they come first in the table.
fn find_route(
    method: &Method,
    path: &str,
) -> Option<(&'static str, Auth, Handler, BTreeMap<&'static str, String>)> {
    ROUTES.iter().find_map(|(route, auth, handler)| {
        let (of_method, template) = route.split_once(' ')?;
        if of_method != method.as_str() {
            return None;
        }
        let mut params = BTreeMap::new();
        let (mut wanted, mut given) = (template.split('/'), path.split('/'));
        loop {
            match (wanted.next(), given.next()) {
                (None, None) => return Some((*route, *auth, *handler, params)),
                (Some(want), Some(part)) => match want.strip_prefix('{').and_then(|w| w.strip_suffix('}')) {
                    Some(name) if !part.is_empty() => {
                        params.insert(name, part.to_owned());
                    }
                    _ if want == part => {}
                    _ => return None,
                },
                _ => return None,
            }
        }
    })
}

/// Handles one request below `/api/v10` or `/api`.
pub(crate) async fn serve(
    sim: Sim,
    method: Method,
    path: String,
    query: BTreeMap<String, String>,
    headers: HeaderMap,
    bytes: Vec<u8>,
) -> Response<Body> {
    let arrived = Instant::now();
    let path = path.strip_prefix("/v10").unwrap_or(&path).to_owned();
    let body = uploads::read_body(&headers, &bytes);
    let json = || body.as_ref().map(|body| body.json.clone()).unwrap_or_default();
    let Some((route, auth, handler, params)) = find_route(&method, &path) else {
        let line = format!("{method} {path}");
        tracing::error!(route = %line, "UNKNOWN ROUTE: the simulator does not have it");
        sim.change(|state| {
            state.record.unknown_routes.push(line.clone());
            let request = Request { path, status: 404, code: Some(0), ..begin(state, &line, None, json()) };
            state.record.requests.push(request);
        });
        return response(404, Some(&json!({"message": "404: Not Found", "code": 0})), &[]);
    };
    let token = headers.get("authorization").and_then(|value| value.to_str().ok()).unwrap_or_default();
    let app = sim.read(|state| {
        token.strip_prefix("Bot ").and_then(|token| state.app_by_token(token)).map(|app| app.id)
    });
    let mut request = sim.read(|state| begin(state, route, app, json()));
    request.path = masked(&path, &params);
    let fault = sim.change(|state| state.faults.take(route, is_rest_fault));
    if let Some(Effect::Latency { ms }) = &fault {
        tokio::time::sleep(Duration::from_millis(*ms)).await;
    }
    if matches!(fault, Some(Effect::Hold { .. })) {
        let mut changes = sim.changes();
        while sim.read(|state| state.faults.holds(route)) {
            // The sender exists as long as the simulator.
            if changes.changed().await.is_err() {
                break;
            }
        }
    }
    let asking = if auth == Auth::Open { None } else { app };
    sim.change(|state| {
        let call = body.and_then(|mut body| {
            uploads::settle(state, app, &mut body)?;
            Ok(Call { params, query, body: body.json, app: asking, arrived })
        });
        run(state, request, auth, handler, call, fault.as_ref())
    })
}

fn is_rest_fault(effect: &Effect) -> bool {
    match effect {
        Effect::RateLimit { .. }
        | Effect::Status { .. }
        | Effect::Refuse { .. }
        | Effect::Latency { .. }
        | Effect::Hold { .. }
        | Effect::Cut { .. }
        | Effect::UnknownWebhook => true,
        Effect::GatewayClose { .. }
        | Effect::GatewayRefuse
        | Effect::IdentifyRefuse { .. }
        | Effect::ReadyHeld
        | Effect::ReadyTwice
        | Effect::ReadyAtOnce
        | Effect::Reconnect
        | Effect::InvalidSession { .. }
        | Effect::MissAck
        | Effect::DeliverAgain { .. } => false,
    }
}

fn begin(state: &SimState, route: &str, app: Option<Id>, body: Value) -> Request {
    let (at_ms, route) = (state.now_ms(), route.to_owned());
    Request { at_ms, route, path: String::new(), app, status: 0, code: None, body, inside_retry_after: false }
}

fn masked(path: &str, params: &BTreeMap<&'static str, String>) -> String {
    params.get("token").map_or_else(|| path.to_owned(), |token| path.replace(token.as_str(), "{token}"))
}

/// Everything after the delays: limits, authorization, the fault, the route itself, the record.
fn run(
    state: &mut SimState,
    mut request: Request,
    auth: Auth,
    handler: Handler,
    call: Result<Call, ApiError>,
    fault: Option<&Effect>,
) -> Response<Body> {
    let now_ms = state.now_ms();
    let (limiter, major, exempt) = match &call {
        Ok(call) => {
            let limiter = call.app.or_else(|| owner_of(state, call));
            (limiter, major_of(call), auth != Auth::Bot)
        }
        Err(_) => (request.app, String::new(), false),
    };
    let judged = limiter.map(|app| state.rate.judge(app, &request.route, &major, now_ms, exempt));
    let (mut headers, refused) = match judged {
        Some(judged) => {
            request.inside_retry_after = judged.inside_retry_after;
            (judged.headers, judged.refused)
        }
        None => (Vec::new(), None),
    };
    if let Some(body) = refused {
        return finish(state, request, 429, Some(&body), &headers);
    }
    let execute = |state: &mut SimState| match call.and_then(|call| {
        if auth == Auth::Bot && call.app.is_none() {
            Err(ApiError::unauthorized())
        } else {
            handler(state, &call)
        }
    }) {
        Ok(answer) => (answer.0, answer.1, None),
        Err(error) => (error.status, Some(error.body()), Some(error.code)),
    };
    match fault {
        Some(&Effect::Status { status }) => {
            request.status = status;
            state.record.requests.push(request);
            let page = format!("<html><head><title>{status}</title></head><body>cloudflare</body></html>");
            return response_text(status, page);
        }
        Some(&Effect::Refuse { status, code }) => {
            request.code = Some(code);
            let body = ApiError::new(status, code, "Refused by a fault of the simulator").body();
            return finish(state, request, status, Some(&body), &headers);
        }
        Some(&Effect::Cut { after_effect }) => {
            if after_effect {
                execute(state);
            }
            state.record.requests.push(request);
            let mut cut = Response::new(Body::empty());
            cut.extensions_mut().insert(Cut);
            return cut;
        }
        Some(&Effect::RateLimit { retry_after, global }) => {
            let mut body = json!({"message": "You are being rate limited.", "global": global});
            if let Some(wait) = retry_after {
                body["retry_after"] = json!(wait);
                headers.push(("Retry-After", wait.ceil().to_string()));
                if let Some(app) = limiter {
                    let until = now_ms + (wait * 1000.0) as i64;
                    if global {
                        state.rate.asked_all_to_wait(app, until);
                    } else {
                        state.rate.asked_to_wait(app, &request.route, &major, until);
                    }
                }
            }
            headers.push(("X-RateLimit-Scope", if global { "global" } else { "user" }.to_owned()));
            if global {
                headers.push(("X-RateLimit-Global", "true".to_owned()));
            }
            return finish(state, request, 429, Some(&body), &headers);
        }
        Some(Effect::UnknownWebhook) => {
            request.code = Some(10015);
            let body = ApiError::unknown(10015, "Webhook").body();
            return finish(state, request, 404, Some(&body), &headers);
        }
        Some(
            Effect::Latency { .. }
            | Effect::Hold { .. }
            | Effect::GatewayClose { .. }
            | Effect::GatewayRefuse
            | Effect::IdentifyRefuse { .. }
            | Effect::ReadyHeld
            | Effect::ReadyTwice
            | Effect::ReadyAtOnce
            | Effect::Reconnect
            | Effect::InvalidSession { .. }
            | Effect::MissAck
            | Effect::DeliverAgain { .. },
        )
        | None => {}
    }
    let (status, body, code) = execute(state);
    request.code = code;
    finish(state, request, status, body.as_ref(), &headers)
}

/// The application that owns the interaction token in the path.
fn owner_of(state: &SimState, call: &Call) -> Option<Id> {
    let interaction = state.tokens.get(call.params.get("token")?)?;
    state.interactions.get(interaction).map(|found| found.app)
}

fn major_of(call: &Call) -> String {
    ["channel", "guild", "webhook", "interaction", "token"]
        .iter()
        .filter_map(|name| call.params.get(name).map(String::as_str))
        .collect::<Vec<_>>()
        .join(" ")
}

fn finish(
    state: &mut SimState,
    mut request: Request,
    status: u16,
    body: Option<&Value>,
    headers: &[(&'static str, String)],
) -> Response<Body> {
    request.status = status;
    state.record.requests.push(request);
    response(status, body, headers)
}

fn response(status: u16, body: Option<&Value>, headers: &[(&'static str, String)]) -> Response<Body> {
    let mut made = Response::new(body.map_or_else(Body::empty, |body| Body::from(body.to_string())));
    *made.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    if body.is_some() {
        // Exactly this value: discord.py does not parse the body when a charset follows.
        made.headers_mut().insert("content-type", HeaderValue::from_static("application/json"));
    }
    for (name, value) in headers {
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(*name), HeaderValue::try_from(value.as_str())) {
            made.headers_mut().insert(name, value);
        }
    }
    made
}

fn response_text(status: u16, page: String) -> Response<Body> {
    let mut made = response(status, None, &[]);
    made.headers_mut().insert("content-type", HeaderValue::from_static("text/html"));
    *made.body_mut() = Body::from(page);
    made
}
