//! The two clients: the bot's service client, and the client that mailed links lead to.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;

use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};

use super::context::{SetupContext, SetupError};
use super::documents::{id_of, merged, rows, says};

/// Creates or corrects the service client. Returns its id, or `None` if a plan found no client.
pub(super) async fn ensure_service_client(
    context: &mut SetupContext<'_>,
    realm: Option<&String>,
) -> Result<Option<String>, SetupError> {
    let what = ["service client ", &context.input.client_id].concat();
    let wanted = json!({
        "enabled": true,
        "protocol": "openid-connect",
        "clientAuthenticatorType": "client-secret",
        "publicClient": false,
        "bearerOnly": false,
        "serviceAccountsEnabled": true,
        "standardFlowEnabled": false,
        "implicitFlowEnabled": false,
        "directAccessGrantsEnabled": false,
    });
    let found = find(context, realm, &context.input.client_id).await?;
    let Some(current) = found else {
        return create(context, &what, &context.input.client_id.clone(), &wanted).await;
    };
    let id = id_of(&current);
    if let Some(id) = &id {
        context.ensure_document(&what, &["clients", id], current, &wanted).await?;
    }
    Ok(id)
}

/// Creates or corrects the client that mailed links lead to. People log in there with a code, and its tokens contain their groups.
pub(super) async fn ensure_mail_client(
    context: &mut SetupContext<'_>,
    realm: Option<&String>,
) -> Result<(), SetupError> {
    let client_id = context.input.mail_client_id.clone();
    let what = ["mail client ", &client_id].concat();
    let redirect = context.input.mail_redirect_uri.to_string();
    let Some(current) = find(context, realm, &client_id).await? else {
        let wanted = json!({
            "enabled": true,
            "protocol": "openid-connect",
            "publicClient": true,
            "standardFlowEnabled": true,
            "implicitFlowEnabled": false,
            "directAccessGrantsEnabled": false,
            "serviceAccountsEnabled": false,
            "fullScopeAllowed": false,
            "redirectUris": [redirect],
            "webOrigins": [],
            "protocolMappers": [groups_claim()],
        });
        return create(context, &what, &client_id, &wanted).await.map(drop);
    };
    let Some(id) = id_of(&current) else { return Ok(()) };
    let mut redirects = rows(current.get("redirectUris").cloned());
    if !redirects.contains(&json!(redirect)) {
        redirects.push(json!(redirect));
    }
    if redirects.iter().filter_map(Value::as_str).any(|uri| uri.contains('*')) {
        context
            .report
            .hints
            .push([&what, ": an allowed address holds `*`: replace it by whole addresses"].concat());
    }
    let has_claim = rows(current.get("protocolMappers").cloned()).iter().any(shows_groups);
    let wanted = json!({"enabled": true, "standardFlowEnabled": true, "redirectUris": redirects});
    context.ensure_document(&what, &["clients", &id], current, &wanted).await?;
    let what = [&what, ": groups claim"].concat();
    if has_claim {
        context.note_unchanged(&what);
    } else if context.must_create(&what) {
        let path = context.path(&["clients", &id, "protocol-mappers", "models"]);
        context.admin.create("make claim", &path, &groups_claim()).await?;
    }
    Ok(())
}

fn groups_claim() -> Value {
    json!({
        "name": "groups",
        "protocol": "openid-connect",
        "protocolMapper": "oidc-group-membership-mapper",
        "config": {
            "claim.name": "groups",
            "full.path": "false",
            "id.token.claim": "true",
            "access.token.claim": "true",
            "userinfo.token.claim": "true",
        },
    })
}

fn shows_groups(mapper: &Value) -> bool {
    says(mapper, "protocolMapper", "oidc-group-membership-mapper")
        && mapper.pointer("/config/claim.name").and_then(Value::as_str) == Some("groups")
}

async fn find(
    context: &SetupContext<'_>,
    realm: Option<&String>,
    client_id: &str,
) -> Result<Option<Value>, SetupError> {
    match realm {
        Some(_) => find_client(context, client_id).await,
        None => Ok(None),
    }
}

/// Finds a client by the id that people use.
pub(super) async fn find_client(
    context: &SetupContext<'_>,
    client_id: &str,
) -> Result<Option<Value>, SetupError> {
    let found = context.admin.get("clients", &context.path(&["clients"]), &[("clientId", client_id)]).await?;
    Ok(rows(found).into_iter().find(|row| says(row, "clientId", client_id)))
}

async fn create(
    context: &mut SetupContext<'_>,
    what: &str,
    client_id: &str,
    wanted: &Value,
) -> Result<Option<String>, SetupError> {
    if !context.must_create(what) {
        return Ok(None);
    }
    let body = merged(json!({ "clientId": client_id }), wanted);
    Ok(context.admin.create("make client", &context.path(&["clients"]), &body).await?)
}

/// Writes the secret that Keycloak generated to its file, readable by the owner only. It is never printed.
pub(super) async fn ensure_secret_file(
    context: &mut SetupContext<'_>,
    client: Option<&str>,
) -> Result<(), SetupError> {
    let what = "client_secret_file";
    let Some(client) = client else {
        context.must_do(&["write ", what].concat());
        return Ok(());
    };
    let answer =
        context.admin.get("client secret", &context.path(&["clients", client, "client-secret"]), &[]).await?;
    let secret = answer.as_ref().and_then(|answer| answer.get("value")).and_then(Value::as_str);
    let Some(secret) = secret.map(SecretString::from) else {
        return Err(SetupError::Blocked("keycloak has no secret for the service client".to_owned()));
    };
    let file = &context.input.client_secret_file;
    if holds(file, &secret) {
        context.note_unchanged(what);
    } else if context.must_do(&["write ", what].concat()) {
        write_secret(file, &secret)
            .map_err(|source| SetupError::Io { doing: "write client_secret_file", source })?;
    }
    Ok(())
}

fn holds(file: &Path, secret: &SecretString) -> bool {
    let is_private =
        fs::metadata(file).is_ok_and(|found| matches!(found.permissions().mode() & 0o777, 0o600 | 0o400));
    is_private && fs::read_to_string(file).is_ok_and(|text| text.trim_end() == secret.expose_secret())
}

/// Writes a new file and renames it, so that nobody reads half a secret and only the owner reads it.
fn write_secret(file: &Path, secret: &SecretString) -> std::io::Result<()> {
    let mut beside = file.as_os_str().to_owned();
    beside.push(".new");
    let beside = Path::new(&beside);
    match fs::remove_file(beside) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
        Ok(()) | Err(_) => {}
    }
    let mut new = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(beside)?;
    new.write_all(secret.expose_secret().as_bytes())?;
    new.sync_all()?;
    fs::rename(beside, file)
}
