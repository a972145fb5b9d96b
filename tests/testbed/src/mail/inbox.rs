//! The caught mails over HTTP: JSON for scripts, a small page for people.

use std::{sync::Arc, time::Duration};

use axum::{
    Json, Router,
    extract::{Path, Query, State},
    http::{HeaderValue, StatusCode, header},
    response::{Html, IntoResponse, Response},
    routing::{get, post},
};
use serde::Deserialize;
use tokio::net::TcpListener;

use super::{CaughtMail, MailFault, PostOffice};

/// The maximum time that one request waits.
const LONGEST_WAIT: Duration = Duration::from_mins(1);

/// Serves requests until the future is dropped.
pub(super) async fn serve(listener: TcpListener, office: Arc<PostOffice>) {
    let routes = Router::new()
        .route("/", get(page))
        .route("/api/messages", get(list).delete(clear))
        .route("/api/messages/{id}", get(show))
        .route("/api/faults", post(set_fault))
        .with_state(office);
    if let Err(error) = axum::serve(listener, routes).await {
        tracing::warn!(%error, "the inbox stopped");
    }
}

/// The page shows mails as text built by a script. It may load nothing from other addresses.
async fn page() -> Response {
    let policy = HeaderValue::from_static(
        "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; connect-src 'self'",
    );
    ([(header::CONTENT_SECURITY_POLICY, policy)], Html(include_str!("inbox.html"))).into_response()
}

#[derive(Deserialize)]
struct Wanted {
    to: Option<String>,
    #[serde(default)]
    after: u64,
    #[serde(default)]
    wait_ms: u64,
}

/// All mails, or those to one address. With `wait_ms` it answers as soon as the first one has arrived.
async fn list(State(office): State<Arc<PostOffice>>, Query(wanted): Query<Wanted>) -> Json<Vec<CaughtMail>> {
    if let Some(address) = &wanted.to {
        office.wait_for(address, wanted.after, Duration::from_millis(wanted.wait_ms).min(LONGEST_WAIT)).await;
    }
    let mut mails = office.messages();
    mails.retain(|mail| {
        mail.id > wanted.after && wanted.to.as_ref().is_none_or(|address| mail.is_to(address))
    });
    Json(mails)
}

async fn show(
    State(office): State<Arc<PostOffice>>,
    Path(id): Path<u64>,
) -> Result<Json<CaughtMail>, StatusCode> {
    let found = office.messages().into_iter().find(|mail| mail.id == id);
    found.map(Json).ok_or(StatusCode::NOT_FOUND)
}

async fn clear(State(office): State<Arc<PostOffice>>) -> StatusCode {
    office.clear();
    StatusCode::NO_CONTENT
}

#[derive(Deserialize)]
struct FaultOrder {
    fault: MailFault,
}

/// `{"fault": "none"}`, `"refuse450"`, `"refuse550"`, `"accept_then_drop"`, `"refuse_connections"` or `{"delay": 4000}`.
async fn set_fault(State(office): State<Arc<PostOffice>>, Json(order): Json<FaultOrder>) -> StatusCode {
    match office.set_fault(order.fault).await {
        Ok(()) => StatusCode::NO_CONTENT,
        Err(_) => StatusCode::SERVICE_UNAVAILABLE,
    }
}
