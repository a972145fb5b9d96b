//! Another federation of the realm makes Keycloak's user of our entry before ours does. The job waits for an operator, and never says that
//! nothing is left while a user is.

use accolade::domain::job::Step;
use reqwest::Method;
use serde_json::{Value, json};

use harness::{Database, MODERATORS, REALM, StepEnv, shared};

const PROVIDER: &str = "org.keycloak.storage.UserStorageProvider";

/// A federation on the suffix that is asked first and shows nobody but this environment's people.
async fn add_federation(env: &StepEnv, cache: &str) -> String {
    let (keycloak, slapd) = (&shared().servers.keycloak, &shared().servers.slapd);
    let parent = keycloak.realm(REALM).await.expect("the realm")["id"].clone();
    let name = ["other", &env.mark].concat();
    let body = json!({
        "name": name, "providerId": "ldap", "providerType": PROVIDER, "parentId": parent, "config": {
            "enabled": ["true"], "priority": ["-1"], "vendor": ["other"], "connectionUrl": [slapd.ldap_url],
            "authType": ["simple"], "bindDn": [slapd.admin_dn], "bindCredential": [slapd.admin_password],
            "editMode": ["READ_ONLY"], "usersDn": ["dc=example,dc=org"], "searchScope": ["2"],
            "usernameLDAPAttribute": ["uid"], "rdnLDAPAttribute": ["uid"], "uuidLDAPAttribute": ["entryUUID"],
            "userObjectClasses": ["inetOrgPerson"], "importEnabled": ["true"], "pagination": ["true"], "cachePolicy": [cache],
            "customUserSearchFilter": [format!("(uid=*{})", env.mark)],
        },
    });
    let path = format!("{REALM}/components");
    keycloak.admin_json(Method::POST, &path, Some(&body)).await.expect("a federation");
    let all =
        keycloak.admin_json(Method::GET, &format!("{path}?type={PROVIDER}"), None).await.expect("a list");
    let made = all.as_array().into_iter().flatten().find(|one| one["name"] == name.as_str());
    made.and_then(|one| one["id"].as_str()).expect("it is there").to_owned()
}

async fn disable(federation: &str) {
    let (keycloak, path) = (&shared().servers.keycloak, format!("{REALM}/components/{federation}"));
    let mut component: Value = keycloak.admin_json(Method::GET, &path, None).await.expect("it is there");
    component["config"]["enabled"] = json!(["false"]);
    keycloak.admin_json(Method::PUT, &path, Some(&component)).await.expect("it is disabled");
}

/// With the federation go the users that it made.
async fn remove(federation: &str) {
    let path = format!("{REALM}/components/{federation}");
    shared().servers.keycloak.admin_json(Method::DELETE, &path, None).await.expect("it goes");
}

async fn place_and_code(env: &StepEnv) -> String {
    env.text("SELECT step || ' ' || error_code FROM job ORDER BY seq DESC LIMIT 1").await
}

/// Ada's entry was made, and Keycloak has her user from the other federation.
async fn is_imported_elsewhere(env: &StepEnv, cache: &str) -> String {
    env.approved().await;
    let federation = add_federation(env, cache).await;
    env.drains().await;
    assert_eq!(env.states().await, "approved needs_operator creating");
    assert_eq!(place_and_code(env).await, "await_import keycloak_user_not_ours");
    let user = env.user().await.expect("the other federation made it");
    assert_eq!(user.federation_link.as_deref(), Some(federation.as_str()));
    let outside = env.outside().await;
    assert_eq!((outside.entries.len(), outside.users.len(), outside.mails), (1, 1, 0), "{outside:?}");
    let read = env.admins_read();
    assert!(read.iter().any(|text| text.contains("another federation")), "{read:?}");
    federation
}

#[test]
fn an_entry_that_another_federation_imports_first_waits_for_an_operator_and_leaves_nothing_if_it_is_cancelled()
 {
    for cache in ["NO_CACHE", "DEFAULT"] {
        StepEnv::plays(Database::Sqlite, MODERATORS, async |env| {
            let federation = is_imported_elsewhere(env, cache).await;
            env.cancels(&env.job().await).await;
            env.drains().await;
            let stands = place_and_code(env).await;
            assert_eq!(
                env.states().await,
                "cancelled undone closed",
                "{cache}: {stands}, {:?}",
                env.user().await
            );
            env.has_nothing_left().await;
            remove(&federation).await;
        });
    }
}

#[test]
fn a_user_that_stays_in_keycloak_after_the_undo_waits_for_an_operator_too() {
    StepEnv::plays(Database::Sqlite, MODERATORS, async |env| {
        let federation = is_imported_elsewhere(env, "DEFAULT").await;
        // Keycloak keeps the users of a disabled federation.
        disable(&federation).await;
        env.cancels(&env.job().await).await;
        for _ in 0..2 {
            env.drains().await;
            assert_eq!(env.states().await, "approved needs_operator creating");
            assert_eq!(place_and_code(env).await, "remove keycloak_user_left");
            let outside = env.outside().await;
            assert_eq!((outside.entries.len(), outside.users.len()), (0, 1), "{outside:?}");
            // Nothing has changed, so the retry finds the same.
            env.is_let_go_on().await;
        }
        remove(&federation).await;
        env.drains().await;
        assert_eq!(env.states().await, "cancelled undone closed");
        env.has_nothing_left().await;
    });
}

#[test]
fn once_the_other_federation_is_out_of_the_way_a_retry_makes_the_account() {
    StepEnv::plays(Database::Sqlite, MODERATORS, async |env| {
        let federation = is_imported_elsewhere(env, "DEFAULT").await;
        remove(&federation).await;
        env.is_let_go_on().await;
        env.drains().await;
        assert_eq!(env.states().await, "approved done invited");
        let outside = env.outside().await;
        assert_eq!((outside.entries.len(), outside.users.len(), outside.mails), (1, 1, 1), "{outside:?}");
        assert_eq!(env.newest_outcome_of(Step::AwaitImport).await, "applied");
    });
}
