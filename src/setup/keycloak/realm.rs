//! The realm: login settings, recorded events, and the user profile.

use serde_json::{Value, json};

use super::context::{Mode, ProfileMode, SetupContext, SetupError};
use super::documents::{changes_to, id_of, merged, rows, says};
use crate::keycloak::profile;

/// At least as strict as the directory's policy, because a violation of that one shows people raw LDAP text. It is only set in a
/// realm without a policy: an operator's own policy stays.
const PASSWORD_POLICY: &str = "length(8) and notUsername(undefined) and notEmail(undefined)";
/// How long a new realm keeps events, in seconds: longer than any outage of the bot.
const EVENT_LIFETIME: u64 = 30 * 24 * 3600;
/// The shortest accepted lifetime of events, in seconds. With less, an outage of one night loses activations.
const MIN_EVENT_LIFETIME: u64 = 24 * 3600;
/// The events that the bot reads, and those that explain them.
const EVENT_TYPES: [&str; 4] =
    ["UPDATE_PASSWORD", "UPDATE_CREDENTIAL", "UPDATE_PASSWORD_ERROR", "EXECUTE_ACTIONS_ERROR"];

/// Creates or corrects the realm. Returns its id, or `None` if a plan found no realm.
pub(super) async fn ensure(context: &mut SetupContext<'_>) -> Result<Option<String>, SetupError> {
    let what = ["realm ", &context.input.realm].concat();
    let Some(current) = context.admin.get("realm", &context.path(&[]), &[]).await? else {
        return create(context, &what).await;
    };
    let wanted = with_changes(context, &current);
    let changes = changes_to(&current, &wanted);
    if changes.is_empty() {
        context.note_unchanged(&what);
    } else if context.must_change(&what, &changes) {
        // Keycloak changes only the fields in the document.
        context.admin.put("realm", &context.path(&[]), &wanted).await?;
    }
    hint_at_mail_server(context, &current);
    Ok(id_of(&current))
}

async fn create(context: &mut SetupContext<'_>, what: &str) -> Result<Option<String>, SetupError> {
    hint_at_mail_server(context, &Value::Null);
    if !context.must_create(what) {
        return Ok(None);
    }
    let realm = json!({
        "realm": context.input.realm,
        "enabled": true,
        "eventsExpiration": EVENT_LIFETIME,
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
    Ok(made.as_ref().and_then(id_of))
}

/// The settings that the bot requires.
fn wanted() -> Value {
    json!({
        "duplicateEmailsAllowed": false,
        "editUsernameAllowed": false,
        "eventsEnabled": true,
        "adminEventsEnabled": true,
    })
}

/// The settings for a realm that an operator may have made. Their password policy, event types, login settings and a shorter lifetime
/// of links stay.
fn with_changes(context: &SetupContext<'_>, current: &Value) -> Value {
    let mut wanted = wanted();
    let number = |field: &str| current.get(field).and_then(Value::as_u64).unwrap_or(0);
    let link_lifetime = context.input.first_link_lifespan.as_secs();
    if number("actionTokenGeneratedByAdminLifespan") > link_lifetime {
        wanted["actionTokenGeneratedByAdminLifespan"] = json!(link_lifetime);
    }
    // Zero means that events never expire.
    if (1..MIN_EVENT_LIFETIME).contains(&number("eventsExpiration")) {
        wanted["eventsExpiration"] = json!(EVENT_LIFETIME);
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

/// Adds `discordId` to the user profile, writable by administrators only, and closes the names if that is wanted. What the profile asks
/// of people and they can't meet becomes a hint.
pub(super) async fn ensure_profile(
    context: &mut SetupContext<'_>,
    realm: Option<&String>,
) -> Result<(), SetupError> {
    let what = "user profile: discordId";
    let current = match realm {
        Some(_) => context.admin.get("user profile", &context.path(&["users", "profile"]), &[]).await?,
        None => None,
    };
    let Some(mut document) = current else {
        context.must_create(what);
        return match context.args.mode {
            Mode::Plan => Ok(()),
            Mode::Apply => Err(SetupError::Blocked("the realm has no user profile".to_owned())),
        };
    };
    let mut attributes = rows(document.get("attributes").cloned());
    let mut must_put = false;
    for attribute in &mut attributes {
        let Some(name) = attribute.get("name").and_then(Value::as_str).map(ToOwned::to_owned) else {
            continue;
        };
        let Some(wanted) = wanted_of(&name, attribute, context.args.profile) else { continue };
        let what = ["user profile: ", &name].concat();
        let changes = changes_to(attribute, &wanted);
        if changes.is_empty() {
            context.note_unchanged(&what);
            continue;
        }
        must_put |= context.must_change(&what, &changes);
        *attribute = merged(attribute.take(), &wanted);
    }
    if !attributes.iter().any(|attribute| says(attribute, "name", "discordId")) {
        must_put |= context.must_create(what);
        attributes.push(discord_id_attribute(context.args.profile));
    }
    document["attributes"] = Value::Array(attributes);
    let unmet = profile::unmet_demands(&document);
    if !unmet.is_empty() {
        let hint = ["the user profile asks for what people here can't meet: ", &unmet.join("; ")].concat();
        context.report.hints.push(hint);
    }
    if must_put {
        context.admin.put("user profile", &context.path(&["users", "profile"]), &document).await?;
    }
    Ok(())
}

/// The settings for an attribute that the realm has; `None` leaves it as it is.
fn wanted_of(name: &str, attribute: &Value, mode: ProfileMode) -> Option<Value> {
    match mode {
        ProfileMode::Close if profile::CLOSED.contains(&name) => Some(json!({"permissions": {"edit": []}})),
        ProfileMode::Keep | ProfileMode::Close => (name == "discordId").then(|| of_existing(attribute)),
    }
}

/// The settings for an existing `discordId`: only its writers and the number of values. An operator may have made its visibility and
/// its pattern stricter.
fn of_existing(attribute: &Value) -> Value {
    let writers = rows(attribute.pointer("/permissions/edit").cloned());
    if writers.iter().all(|who| who == "admin") && attribute.pointer("/permissions/edit").is_some() {
        return json!({"multivalued": false});
    }
    json!({"multivalued": false, "permissions": {"edit": ["admin"]}})
}

fn discord_id_attribute(mode: ProfileMode) -> Value {
    let writers = match mode {
        ProfileMode::Keep => json!(["admin"]),
        ProfileMode::Close => json!([]),
    };
    json!({
        "name": "discordId",
        "displayName": "Discord id",
        "multivalued": false,
        "permissions": {"view": ["admin", "user"], "edit": writers},
        "validations": {"pattern": {"pattern": "^[0-9]{15,20}$", "error-message": "not a Discord id"}},
    })
}
