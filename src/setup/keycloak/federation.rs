//! The LDAP federation: where Keycloak finds people, which attributes it reads, and their groups.

use secrecy::ExposeSecret;
use serde_json::{Value, json};

use super::context::{Mode, SetupContext, SetupError};
use super::documents::{id_of, merged, rows, says};
use crate::config::Flavour;
use crate::keycloak::KeycloakError;

const PROVIDER: &str = "org.keycloak.storage.UserStorageProvider";
const MAPPER: &str = "org.keycloak.storage.ldap.mappers.LDAPStorageMapper";
const GROUP_MAPPER: &str = "groups";

/// Creates or corrects the federation. Returns its id, or `None` if a plan found none.
pub(super) async fn ensure(
    context: &mut SetupContext<'_>,
    realm: Option<&String>,
) -> Result<Option<String>, SetupError> {
    let what = "LDAP federation";
    let Some(realm) = realm else {
        context.must_create(what);
        return Ok(None);
    };
    let query = [("type", PROVIDER), ("parent", realm.as_str())];
    let found = rows(context.admin.get("components", &context.path(&["components"]), &query).await?);
    let mut matching: Vec<Value> = found.into_iter().filter(|row| serves_our_people(row, context)).collect();
    match (matching.pop(), matching.is_empty()) {
        (None, _) => create(context, what, realm).await,
        (Some(current), true) => correct(context, what, current).await.map(Some),
        (Some(_), false) => Err(SetupError::Blocked(
            "the realm has more than one LDAP federation for people_dn: remove all but one".to_owned(),
        )),
    }
}

fn serves_our_people(component: &Value, context: &SetupContext<'_>) -> bool {
    let base = component.pointer("/config/usersDn/0").and_then(Value::as_str);
    says(component, "providerId", "ldap")
        && base.is_some_and(|base| base.eq_ignore_ascii_case(&context.input.people_dn))
}

async fn create(
    context: &mut SetupContext<'_>,
    what: &str,
    realm: &str,
) -> Result<Option<String>, SetupError> {
    let password = context.args.federation_bind_password.expose_secret();
    if !can_bind(context, None, password).await? {
        return Err(cannot_bind());
    }
    if !context.must_create(what) {
        return Ok(None);
    }
    let base = json!({
        "name": "ldap",
        "providerId": "ldap",
        "providerType": PROVIDER,
        "parentId": realm,
        "config": {"bindCredential": [password]},
    });
    let body = merged(base, &json!({ "config": config(context) }));
    Ok(context.admin.create("make federation", &context.path(&["components"]), &body).await?)
}

async fn correct(context: &mut SetupContext<'_>, what: &str, current: Value) -> Result<String, SetupError> {
    let id = id_of(&current).ok_or_else(|| SetupError::Blocked("the federation has no id".to_owned()))?;
    let mut wanted = json!({ "config": config(context) });
    let password = context.args.federation_bind_password.expose_secret();
    // Keycloak shows the stored password as asterisks, and accepts these in its place.
    if !can_bind(context, Some(&id), "**********").await? {
        if !can_bind(context, None, password).await? {
            return Err(cannot_bind());
        }
        wanted["config"]["bindCredential"] = json!([password]);
    }
    context.ensure_document(what, &["components", &id], current, &wanted).await?;
    Ok(id)
}

fn cannot_bind() -> SetupError {
    SetupError::Blocked(
        "keycloak cannot bind to the directory: check --federation-url, --federation-bind-dn, its password, and \
         that Keycloak trusts the directory's certificate"
            .to_owned(),
    )
}

/// Lets Keycloak try a bind with the password.
async fn can_bind(
    context: &SetupContext<'_>,
    federation: Option<&str>,
    password: &str,
) -> Result<bool, SetupError> {
    let body = json!({
        "action": "testAuthentication",
        "componentId": federation,
        "connectionUrl": connection_url(context),
        "authType": "simple",
        "bindDn": context.args.federation_bind_dn,
        "bindCredential": password,
        "useTruststoreSpi": "always",
        "connectionTimeout": "3000",
        "startTls": start_tls(context),
    });
    match context.admin.create("test bind", &context.path(&["testLDAPConnection"]), &body).await {
        Ok(_) => Ok(true),
        Err(KeycloakError::Status { status: 400, .. }) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

fn connection_url(context: &SetupContext<'_>) -> String {
    context
        .args
        .federation_url
        .as_ref()
        .unwrap_or(&context.input.directory_url)
        .as_str()
        .trim_end_matches('/')
        .to_owned()
}

/// `--federation-url` is used as it is. The bot's own address is used with the bot's setting.
fn start_tls(context: &SetupContext<'_>) -> &'static str {
    let wants = context.args.federation_url.is_none() && context.input.start_tls;
    if wants { "true" } else { "false" }
}

/// The settings of the federation. `NO_CACHE` shows a change in the directory at once.
fn config(context: &SetupContext<'_>) -> Value {
    let entry_id = match context.input.flavour {
        Flavour::OpenLdap => "entryUUID",
    };
    json!({
        "enabled": ["true"],
        "vendor": ["other"],
        "connectionUrl": [connection_url(context)],
        "authType": ["simple"],
        "bindDn": [context.args.federation_bind_dn],
        "connectionPooling": ["true"],
        "connectionTimeout": ["3000"],
        "readTimeout": ["5000"],
        "startTls": [start_tls(context)],
        "useTruststoreSpi": ["always"],
        "editMode": ["WRITABLE"],
        "importEnabled": ["true"],
        "syncRegistrations": ["false"],
        // `true` would mark every address as verified although nobody has proved it.
        "trustEmail": ["false"],
        "usersDn": [context.input.people_dn],
        "searchScope": ["1"],
        "usernameLDAPAttribute": ["uid"],
        "rdnLDAPAttribute": ["uid"],
        "uuidLDAPAttribute": [entry_id],
        "userObjectClasses": ["inetOrgPerson"],
        "pagination": ["true"],
        "batchSizeForSync": ["1000"],
        "fullSyncPeriod": ["-1"],
        "changedSyncPeriod": ["-1"],
        "cachePolicy": ["NO_CACHE"],
        "validatePasswordPolicy": ["true"],
        "usePasswordModifyExtendedOp": ["true"],
    })
}

/// Creates or corrects the mappers. Returns the id of the group mapper.
pub(super) async fn ensure_mappers(
    context: &mut SetupContext<'_>,
    federation: Option<&String>,
) -> Result<Option<String>, SetupError> {
    let found = match federation {
        Some(id) => {
            let query = [("type", MAPPER), ("parent", id.as_str())];
            rows(context.admin.get("components", &context.path(&["components"]), &query).await?)
        }
        None => Vec::new(),
    };
    let mut group_mapper = None;
    for (name, provider, config) in mappers(context) {
        let current = found.iter().find(|row| says(row, "name", name)).cloned();
        let id = ensure_mapper(context, federation, current, name, provider, &config).await?;
        if name == GROUP_MAPPER {
            group_mapper = id;
        }
    }
    Ok(group_mapper)
}

async fn ensure_mapper(
    context: &mut SetupContext<'_>,
    federation: Option<&String>,
    current: Option<Value>,
    name: &str,
    provider: &str,
    config: &Value,
) -> Result<Option<String>, SetupError> {
    let what = ["mapper ", name].concat();
    if let Some(current) = current {
        let id = id_of(&current);
        if !says(&current, "providerId", provider) {
            return Err(SetupError::Blocked([&what, " is of another kind: rename or remove it"].concat()));
        }
        let wanted = json!({ "config": config });
        if let Some(id) = &id {
            context.ensure_document(&what, &["components", id], current, &wanted).await?;
        }
        return Ok(id);
    }
    let (true, Some(parent)) = (context.must_create(&what), federation) else { return Ok(None) };
    let body = json!({
        "name": name, "providerId": provider, "providerType": MAPPER, "parentId": parent, "config": config,
    });
    Ok(context.admin.create("make mapper", &context.path(&["components"]), &body).await?)
}

/// Name, type and settings of each mapper that differs from Keycloak's default.
fn mappers(context: &SetupContext<'_>) -> [(&'static str, &'static str, Value); 4] {
    let first_name = json!({
        "ldap.attribute": ["givenName"],
        "user.model.attribute": ["firstName"],
    });
    // `cn` is written from the two names and never read.
    let full_name = json!({
        "ldap.full.name.attribute": ["cn"],
        "read.only": ["false"],
        "write.only": ["true"],
    });
    let discord_id = json!({
        "ldap.attribute": [context.input.discord_id_attribute],
        "user.model.attribute": ["discordId"],
        "read.only": ["true"],
        "is.mandatory.in.ldap": ["false"],
        "always.read.value.from.ldap": ["true"],
    });
    let groups = json!({
        "groups.dn": [context.input.groups_dn],
        "group.name.ldap.attribute": ["cn"],
        "group.object.classes": ["groupOfNames"],
        "membership.ldap.attribute": ["member"],
        "membership.attribute.type": ["DN"],
        "membership.user.ldap.attribute": ["uid"],
        "mode": ["READ_ONLY"],
        "user.roles.retrieve.strategy": ["LOAD_GROUPS_BY_MEMBER_ATTRIBUTE"],
        "preserve.group.inheritance": ["false"],
        "drop.non.existing.groups.during.sync": ["false"],
        "groups.path": ["/"],
    });
    [
        ("first name", "user-attribute-ldap-mapper", first_name),
        ("full name", "full-name-ldap-mapper", full_name),
        ("discordId", "user-attribute-ldap-mapper", discord_id),
        (GROUP_MAPPER, "group-ldap-mapper", groups),
    ]
}

/// Lets Keycloak import the directory's groups.
pub(super) async fn import_groups(
    context: &mut SetupContext<'_>,
    federation: Option<&String>,
    mapper: Option<&String>,
) -> Result<(), SetupError> {
    let (Mode::Apply, Some(federation), Some(mapper)) = (context.args.mode, federation, mapper) else {
        return Ok(());
    };
    let path = context.path(&["user-storage", federation, "mappers", mapper, "sync"]);
    let result = context.admin.act("sync groups", &path, &[("direction", "fedToKeycloak")]).await?;
    let count = |field: &str| result.get(field).and_then(Value::as_u64).unwrap_or(0);
    if count("failed") > 0 {
        return Err(SetupError::Blocked(
            "keycloak could not import some groups; its log says which".to_owned(),
        ));
    }
    match count("added") {
        0 => context.note_unchanged("groups"),
        added => context.report.changes.push(["import groups: ", &added.to_string()].concat()),
    }
    Ok(())
}
