//! Which passwords were set, by Keycloak's own record and its own clock.

use std::collections::HashSet;

use serde::Deserialize;

use super::{Keycloak, KeycloakError};
use crate::domain::account::KeycloakId;
use crate::domain::ids::Timestamp;

/// How many events one call brings.
const PAGE: usize = 100;
/// How many calls one verb makes at the most; the cursor goes on from there.
const MOST_PAGES: usize = 50;

/// One `UPDATE_PASSWORD` event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// Keycloak's id of the event, or time and user where it gives none.
    pub id: String,
    /// Keycloak's own time.
    pub at: Timestamp,
    /// Whose password was set.
    pub user: KeycloakId,
}

/// A run of events, oldest first.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Events {
    /// The events, each once.
    pub events: Vec<Event>,
    /// The time of the latest, to be kept as the cursor.
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
    /// An event without a user says nothing about an account.
    fn into_event(self) -> Option<Event> {
        let user = KeycloakId::new(self.user_id?)?;
        let id = self.id.unwrap_or_else(|| [&self.time.to_string(), "/", user.as_str()].concat());
        Some(Event { id, at: Timestamp::from_millis(self.time), user })
    }
}

impl Keycloak {
    /// The `UPDATE_PASSWORD` events from `cursor` on (Keycloak's own time, inclusive), oldest first.
    /// The caller steps back from the last one by 60 s and drops ids that it knows.
    #[tracing::instrument(name = "call", skip_all, fields(target = "keycloak", verb = "events_since"))]
    pub async fn events_since(&self, cursor: Timestamp) -> Result<Events, KeycloakError> {
        let mut found = Events::default();
        let mut known = HashSet::new();
        let (from, max) = (cursor.as_millis().max(0).to_string(), PAGE.to_string());
        for page in 0..MOST_PAGES {
            let first = (page * PAGE).to_string();
            let query = [
                ("type", "UPDATE_PASSWORD"),
                ("dateFrom", from.as_str()),
                ("direction", "asc"),
                ("first", &first),
                ("max", &max),
            ];
            let rows: Vec<EventRow> = self.get("events", &["events"], &query).await?.json()?;
            let is_last = rows.len() < PAGE;
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
