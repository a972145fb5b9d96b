//! What a use-case puts into the outbox: ids and codes only. The sender renders what is true when it sends.

use crate::domain::ids::{PersonId, RequestId};
use crate::store::{NewOutbox, OutboxKind, StoreError, Tx};

/// Posts the card of a request, or brings it up to date.
pub(super) async fn put_card(tx: &mut Tx, request: RequestId) -> Result<(), StoreError> {
    tx.put_outbox(NewOutbox {
        kind: OutboxKind::Card,
        target: request.to_string(),
        dedupe_key: ["card:", &request.to_string()].concat(),
        params: "{}".to_owned(),
    })
    .await
}

/// Tells a person by direct message what became of their request.
pub(super) async fn put_news(
    tx: &mut Tx,
    person: PersonId,
    text: &'static str,
    request: RequestId,
) -> Result<(), StoreError> {
    tx.put_outbox(NewOutbox {
        kind: OutboxKind::Direct,
        target: person.to_string(),
        dedupe_key: ["direct:", text, ":", &request.to_string()].concat(),
        params: serde_json::json!({ "text": text, "request": request.to_string() }).to_string(),
    })
    .await
}
