//! The mappers of the federation: names, the Discord id, and the groups.

use serde_json::{Value, json};

use super::context::{Mode, SetupContext, SetupError};
use super::documents::{id_of, rows, says};
use super::settings::is_same_mapper_setting;

const MAPPER: &str = "org.keycloak.storage.ldap.mappers.LDAPStorageMapper";
const GROUP_MAPPER: &str = "groups";

/// Creates or corrects the mappers. Returns the id of the group mapper.
pub(super) async fn ensure(
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
        let wanted = json!({ "config": without_same(config, &current) });
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

/// The settings whose values differ for Keycloak or the directory: names are compared as the directory compares them.
fn without_same(config: &Value, current: &Value) -> Value {
    let mut wanted = config.clone();
    if let Some(settings) = wanted.as_object_mut() {
        settings.retain(|key, value| {
            let set = current.get("config").and_then(|config| config.get(key)?.get(0)?.as_str());
            let value = value.get(0).and_then(Value::as_str).unwrap_or_default();
            !set.is_some_and(|set| is_same_mapper_setting(key, set, value))
        });
    }
    wanted
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
        "ldap.attribute": [context.input.directory.discord_id_attribute],
        "user.model.attribute": ["discordId"],
        "read.only": ["true"],
        "is.mandatory.in.ldap": ["false"],
        "always.read.value.from.ldap": ["true"],
    });
    let groups = json!({
        "groups.dn": [context.input.directory.groups_dn.as_str()],
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
