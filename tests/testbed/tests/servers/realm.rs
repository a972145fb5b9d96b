//! A realm made by hand, to test the browser and the mails without the product.

use anyhow::Result;
use reqwest::Method;
use serde_json::{Value, json};
use testbed::{TestServers, keycloak_admin};

/// The client where people log in, and its address, where nothing listens.
pub(crate) const CLIENT: &str = "app";
pub(crate) const REDIRECT_URI: &str = "http://127.0.0.1:9/callback";

/// A realm with the directory, its groups, a public client with a `groups` claim, and the catcher for its mails.
pub(crate) async fn make_realm(servers: &TestServers, realm: &str) -> Result<()> {
    let keycloak = &servers.keycloak;
    let body = json!({
        "realm": realm, "enabled": true, "sslRequired": "none", "duplicateEmailsAllowed": false,
        "loginWithEmailAllowed": true, "editUsernameAllowed": false, "eventsEnabled": true,
        "adminEventsEnabled": true, "passwordPolicy": "length(8)", "actionTokenGeneratedByAdminLifespan": 43200,
    });
    let answer = keycloak.admin_call(Method::POST, "", Some(&body)).await?;
    keycloak_admin::accepted("make a realm", answer).await?;
    keycloak.set_smtp(realm, &servers.mail).await?;
    let realm_id = keycloak.realm(realm).await?["id"].as_str().unwrap_or_default().to_owned();
    let ldap = make_component(servers, realm, &federation(servers, &realm_id)).await?;
    correct_first_name(servers, realm, &ldap).await?;
    let groups = make_component(servers, realm, &group_mapper(servers, &ldap)).await?;
    let sync = format!("{realm}/user-storage/{ldap}/mappers/{groups}/sync?direction=fedToKeycloak");
    keycloak.admin_json(Method::POST, &sync, None).await?;
    let client = json!({
        "clientId": CLIENT, "publicClient": true, "redirectUris": [REDIRECT_URI], "standardFlowEnabled": true,
        "directAccessGrantsEnabled": false,
        "protocolMappers": [{
            "name": "groups", "protocol": "openid-connect", "protocolMapper": "oidc-group-membership-mapper",
            "config": {"claim.name": "groups", "full.path": "false", "id.token.claim": "true",
                       "access.token.claim": "true", "userinfo.token.claim": "true"},
        }],
    });
    let answer = keycloak.admin_call(Method::POST, &format!("{realm}/clients"), Some(&client)).await?;
    keycloak_admin::accepted("make a client", answer).await?;
    Ok(())
}

fn federation(servers: &TestServers, realm_id: &str) -> Value {
    let slapd = &servers.slapd;
    json!({
        "name": "ldap", "providerId": "ldap", "providerType": "org.keycloak.storage.UserStorageProvider",
        "parentId": realm_id,
        "config": {
            "enabled": ["true"], "priority": ["0"], "vendor": ["other"], "connectionUrl": [slapd.ldaps_url],
            "authType": ["simple"], "bindDn": [slapd.keycloak_dn], "bindCredential": [slapd.keycloak_password],
            "connectionPooling": ["true"], "connectionTimeout": ["3000"], "readTimeout": ["5000"],
            "startTls": ["false"], "useTruststoreSpi": ["always"], "editMode": ["WRITABLE"],
            "importEnabled": ["true"], "syncRegistrations": ["false"], "trustEmail": ["false"],
            "usersDn": [slapd.people_dn], "searchScope": ["1"], "usernameLDAPAttribute": ["uid"],
            "rdnLDAPAttribute": ["uid"], "uuidLDAPAttribute": ["entryUUID"],
            "userObjectClasses": ["inetOrgPerson"], "pagination": ["true"], "batchSizeForSync": ["1000"],
            "fullSyncPeriod": ["-1"], "changedSyncPeriod": ["-1"], "cachePolicy": ["NO_CACHE"],
            "validatePasswordPolicy": ["true"], "usePasswordModifyExtendedOp": ["true"],
        },
    })
}

fn group_mapper(servers: &TestServers, ldap: &str) -> Value {
    json!({
        "name": "groups", "providerId": "group-ldap-mapper",
        "providerType": "org.keycloak.storage.ldap.mappers.LDAPStorageMapper", "parentId": ldap,
        "config": {
            "groups.dn": [servers.slapd.groups_dn], "group.name.ldap.attribute": ["cn"],
            "group.object.classes": ["groupOfNames"], "membership.ldap.attribute": ["member"],
            "membership.attribute.type": ["DN"], "membership.user.ldap.attribute": ["uid"],
            "mode": ["READ_ONLY"], "groups.path": ["/"], "preserve.group.inheritance": ["false"],
            "user.roles.retrieve.strategy": ["LOAD_GROUPS_BY_MEMBER_ATTRIBUTE"],
        },
    })
}

async fn make_component(servers: &TestServers, realm: &str, body: &Value) -> Result<String> {
    let answer =
        servers.keycloak.admin_call(Method::POST, &format!("{realm}/components"), Some(body)).await?;
    keycloak_admin::id_of_new(&keycloak_admin::accepted("make a component", answer).await?)
}

/// Keycloak's default mapper uses the full name as the first name.
async fn correct_first_name(servers: &TestServers, realm: &str, ldap: &str) -> Result<()> {
    let path = format!("{realm}/components?parent={ldap}&name=first%20name");
    let found = servers.keycloak.admin_json(Method::GET, &path, None).await?;
    let mut mapper = found[0].clone();
    mapper["config"]["ldap.attribute"] = json!(["givenName"]);
    let id = mapper["id"].as_str().unwrap_or_default().to_owned();
    servers.keycloak.admin_json(Method::PUT, &format!("{realm}/components/{id}"), Some(&mapper)).await?;
    Ok(())
}
