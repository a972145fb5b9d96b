//! Password events: which passwords were set, by Keycloak's own record and clock.

use std::collections::HashSet;

use serde::Deserialize;

use super::error::KeycloakError;
use super::service::Keycloak;
use crate::domain::account::KeycloakId;
use crate::domain::ids::Timestamp;

/// The number of events that one call reads.
const PAGE_SIZE: usize = 100;
/// The most pages that are read at once. The next poll continues from the cursor.
const MAX_PAGES: usize = 50;

/// One `UPDATE_PASSWORD` event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// Keycloak's id of the event. If it has none, time and user.
    pub id: String,
    /// The time, by Keycloak's clock.
    pub at: Timestamp,
    /// The user whose password was set.
    pub user: KeycloakId,
}

/// Some events, oldest first.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Events {
    /// Each event once.
    pub events: Vec<Event>,
    /// The time of the latest event: the next cursor.
    pub latest: Option<Timestamp>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct EventRow {
    id: Option<String>,
    time: i64,
    user_id: Option<String>,
}

impl EventRow {
    /// `None` for an event without a user: it concerns no account.
    fn into_event(self) -> Option<Event> {
        let user = KeycloakId::new(self.user_id?)?;
        let id = self.id.unwrap_or_else(|| [&self.time.to_string(), "/", user.as_str()].concat());
        Some(Event { id, at: Timestamp::from_millis(self.time), user })
    }
}

impl Keycloak {
    /// Reads the `UPDATE_PASSWORD` events since `cursor` (Keycloak's clock, inclusive), oldest first.
    /// The caller sets the cursor 60 s before the last event and drops ids that it has seen.
    #[tracing::instrument(name = "call", skip_all, fields(target = "keycloak", verb = "events_since"))]
    pub async fn events_since(&self, cursor: Timestamp) -> Result<Events, KeycloakError> {
        let mut found = Events::default();
        let mut known = HashSet::new();
        let (from, max) = (cursor.as_millis().max(0).to_string(), PAGE_SIZE.to_string());
        for page in 0..MAX_PAGES {
            let first = (page * PAGE_SIZE).to_string();
            let query = [
                ("type", "UPDATE_PASSWORD"),
                ("dateFrom", from.as_str()),
                ("direction", "asc"),
                ("first", &first),
                ("max", &max),
            ];
            let rows: Vec<EventRow> = self.get("events", &["events"], &query).await?.json()?;
            let is_last = rows.len() < PAGE_SIZE;
            for event in rows.into_iter().filter_map(EventRow::into_event) {
                found.latest = found.latest.max(Some(event.at));
                if known.insert(event.id.clone()) {
                    found.events.push(event);
                }
            }
            if is_last {
                break;
            }
        }
        Ok(found)
    }
}
