//! The realm's user profile asks for more than people have, for a while. Then Keycloak refuses every change of a user.

use std::time::Duration;

use anyhow::Result;
use rand::Rng as _;
use serde_json::json;

use super::Hand;
use crate::waiting::{comes_true, let_pass};

/// How long to wait for an account that ends meanwhile.
const MET_WITHIN: Duration = Duration::from_secs(2);

/// The jobs that end an account, with their steps.
const ENDING: &str = "SELECT kind || '.' || step AS what FROM job WHERE step IS NOT NULL \
    AND (state = 'undoing' OR (state = 'open' AND kind IN ('lock', 'withdraw')))";

/// Requires an attribute that nobody has, half of the time one whose every value is refused, until an account has ended under it.
pub(super) async fn ask_for_more(hand: &mut Hand<'_>) -> Result<Vec<String>> {
    let mut attribute = json!({
        "name": "phone", "displayName": "Phone", "required": {"roles": ["admin", "user"]},
        "permissions": {"view": ["admin", "user"], "edit": ["admin", "user"]},
    });
    if hand.random.random_bool(0.5) {
        attribute["validations"] = json!({"pattern": {"pattern": "[0-9]{7}", "error-message": "no number"}});
    }
    let lasts = hand.span(200, 900);
    let stage = hand.stage;
    // Keycloak may be down because of another fault.
    if let Err(error) = stage.servers.add_to_profile(&attribute).await {
        tracing::debug!(%error, "the profile stays as it was");
        return Ok(Vec::new());
    }
    let mut steps = Vec::new();
    let met = comes_true(MET_WITHIN, async || {
        steps = stage.env.db.column(ENDING).await.unwrap_or_default();
        Ok(!steps.is_empty())
    });
    if met.await? {
        let_pass(lasts).await;
    }
    if let Err(error) = stage.servers.restore_profile().await {
        tracing::debug!(%error, "the profile is restored when everything heals");
    }
    steps.sort();
    steps.dedup();
    Ok(steps)
}
