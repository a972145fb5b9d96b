//! The realm itself: how it logs in, what it records, and what it knows of a person.

use serde_json::{Value, json};

use super::documents::{Difference, differences, merged, rows, says};
use super::{Mode, SetupContext, SetupError};

/// As strict as the directory's own rule or stricter, because a person who meets the directory's rule is shown raw
/// LDAP text. Only set where the realm has none: an operator's own policy stays.
const PASSWORD_POLICY: &str = "length(8) and notUsername(undefined) and notEmail(undefined)";
/// Longer than any outage of the bot, in seconds.
const EVENTS_ARE_KEPT: u64 = 30 * 24 * 3600;
/// Shorter than this, an outage of the bot over a night loses an activation. In seconds.
const EVENTS_LIVE_AT_LEAST: u64 = 24 * 3600;
/// What the bot reads, and what explains it.
const EVENT_TYPES: [&str; 4] =
    ["UPDATE_PASSWORD", "UPDATE_CREDENTIAL", "UPDATE_PASSWORD_ERROR", "EXECUTE_ACTIONS_ERROR"];

/// Makes sure of the realm; its id, or `None` in a plan that found none.
pub(super) async fn ensure(context: &mut SetupContext<'_>) -> Result<Option<String>, SetupError> {
    let what = ["realm ", &context.input.realm].concat();
    let Some(current) = context.admin.get("realm", &context.path(&[]), &[]).await? else {
        return create(context, &what).await;
    };
    let wanted = with_changes(context, &current);
    let shown: Vec<String> = differences(&current, &wanted).iter().map(Difference::shown).collect();
    if shown.is_empty() {
        context.note_unchanged(&what);
    } else if context.must_do(&["change ", &what, ": ", &shown.join(", ")].concat()) {
        // Keycloak changes only the fields that are there.
        context.admin.put("realm", &context.path(&[]), &wanted).await?;
    }
    hint_at_mail_server(context, &current);
    Ok(super::documents::id_of(&current))
}

async fn create(context: &mut SetupContext<'_>, what: &str) -> Result<Option<String>, SetupError> {
    hint_at_mail_server(context, &Value::Null);
    if !context.must_create(what) {
        return Ok(None);
    }
    let realm = json!({
        "realm": context.input.realm,
        "enabled": true,
        "eventsExpiration": EVENTS_ARE_KEPT,
        "passwordPolicy": PASSWORD_POLICY,
    });
    let new = json!({
        "loginWithEmailAllowed": true,
        "actionTokenGeneratedByAdminLifespan": context.input.first_link_lifespan.as_secs(),
    });
    let realm = merged(merged(realm, &new), &wanted());
    context.admin.create("make realm", &["admin", "realms"], &realm).await?;
    context.admin.refresh_rights().await;
    let made = context.admin.get("realm", &context.path(&[]), &[]).await?;
    Ok(made.as_ref().and_then(super::documents::id_of))
}

/// What the bot counts on.
fn wanted() -> Value {
    json!({
        "duplicateEmailsAllowed": false,
        "editUsernameAllowed": false,
        "eventsEnabled": true,
        "adminEventsEnabled": true,
    })
}

/// What is wanted of a realm that an operator may have made: their policy, their event types, their way to log in and a shorter life
/// of links stay.
fn with_changes(context: &SetupContext<'_>, current: &Value) -> Value {
    let mut wanted = wanted();
    let number = |field: &str| current.get(field).and_then(Value::as_u64).unwrap_or(0);
    let link_lives = context.input.first_link_lifespan.as_secs();
    if number("actionTokenGeneratedByAdminLifespan") > link_lives {
        wanted["actionTokenGeneratedByAdminLifespan"] = json!(link_lives);
    }
    // Zero keeps them for good.
    if (1..EVENTS_LIVE_AT_LEAST).contains(&number("eventsExpiration")) {
        wanted["eventsExpiration"] = json!(EVENTS_ARE_KEPT);
    }
    let has_policy =
        current.get("passwordPolicy").and_then(Value::as_str).is_some_and(|policy| !policy.is_empty());
    if !has_policy {
        wanted["passwordPolicy"] = json!(PASSWORD_POLICY);
    }
    // An empty list means every type.
    let kept = rows(current.get("enabledEventTypes").cloned());
    let missing: Vec<Value> =
        EVENT_TYPES.iter().map(|name| json!(name)).filter(|name| !kept.contains(name)).collect();
    if !kept.is_empty() && !missing.is_empty() {
        wanted["enabledEventTypes"] = json!([kept, missing].concat());
    }
    wanted
}

fn hint_at_mail_server(context: &mut SetupContext<'_>, realm: &Value) {
    let has_server =
        realm.pointer("/smtpServer/host").and_then(Value::as_str).is_some_and(|host| !host.is_empty());
    if !has_server {
        context.report.hints.push(
            "the realm has no mail server: set one in Keycloak (Realm settings, Email), or no link can be mailed"
                .to_owned(),
        );
    }
}

/// Makes sure that the profile knows `discordId` and lets only administrators write it.
pub(super) async fn ensure_profile(
    context: &mut SetupContext<'_>,
    realm: Option<&String>,
) -> Result<(), SetupError> {
    let what = "user profile: discordId";
    let current = match realm {
        Some(_) => context.admin.get("user profile", &context.path(&["users", "profile"]), &[]).await?,
        None => None,
    };
    let Some(mut profile) = current else {
        context.must_create(what);
        return match context.args.mode {
            Mode::Plan => Ok(()),
            Mode::Apply => Err(SetupError::InTheWay("the realm has no user profile".to_owned())),
        };
    };
    let mut attributes = rows(profile.get("attributes").cloned());
    let place = attributes.iter().position(|attribute| says(attribute, "name", "discordId"));
    let change = if let Some(at) = place {
        let wanted = of_existing(&attributes[at]);
        let shown: Vec<String> =
            differences(&attributes[at], &wanted).iter().map(Difference::shown).collect();
        if shown.is_empty() {
            context.note_unchanged(what);
            return Ok(());
        }
        attributes[at] = merged(attributes[at].take(), &wanted);
        ["change ", what, ": ", &shown.join(", ")].concat()
    } else {
        attributes.push(discord_id_attribute());
        ["create ", what].concat()
    };
    if context.must_do(&change) {
        profile["attributes"] = Value::Array(attributes);
        context.admin.put("user profile", &context.path(&["users", "profile"]), &profile).await?;
    }
    Ok(())
}

/// Of an attribute that is there, only who writes it and how many values it has matter: who sees it, and by which pattern it is
/// checked, may have been made stricter.
fn of_existing(attribute: &Value) -> Value {
    let writers = rows(attribute.pointer("/permissions/edit").cloned());
    if writers.iter().all(|who| who == "admin") && attribute.pointer("/permissions/edit").is_some() {
        return json!({"multivalued": false});
    }
    json!({"multivalued": false, "permissions": {"edit": ["admin"]}})
}

fn discord_id_attribute() -> Value {
    json!({
        "name": "discordId",
        "displayName": "Discord id",
        "multivalued": false,
        "permissions": {"view": ["admin", "user"], "edit": ["admin"]},
        "validations": {"pattern": {"pattern": "^[0-9]{15,20}$", "error-message": "not a Discord id"}},
    })
}
