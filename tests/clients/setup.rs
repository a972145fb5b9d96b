//! `setup keycloak`: creates a working realm, changes nothing on a second run, and corrects what was changed by hand.

use std::os::unix::fs::PermissionsExt as _;

use accolade::keycloak::Keycloak;
use accolade::setup::keycloak::{Mode, Narrowing, SetupError, run};
use reqwest::Method;
use secrecy::SecretString;
use serde_json::{Value, json};

use crate::servers;

#[tokio::test]
async fn the_second_run_changes_nothing_and_the_service_client_works() {
    let servers = servers::servers().await;
    let input = servers::setup_input(servers, "setup-twice");
    let mut printed = Vec::new();
    let first =
        run(&servers::setup_args(servers, Mode::Apply), &input, &mut printed).await.expect("the first run");
    assert!(first.changes.iter().any(|change| change == "create realm setup-twice"), "{:?}", first.changes);
    let printed: Value = serde_json::from_slice(&printed).expect("JSON is printed");
    assert_eq!(printed["federation_id"].as_str(), first.federation_id.as_deref());
    assert_eq!(printed["group_mapper_id"].as_str(), first.group_mapper_id.as_deref());

    let second = run(&servers::setup_args(servers, Mode::Apply), &input, &mut Vec::new())
        .await
        .expect("the second run");
    assert_eq!(second.changes, Vec::<String>::new());
    assert_eq!(second.federation_id, first.federation_id);
    assert_eq!(second.group_mapper_id, first.group_mapper_id);

    let keycloak =
        Keycloak::new(&servers::keycloak_config(&input, &second)).expect("the settings are usable");
    keycloak.probe().await.expect("the service client may count users and read events");
}

#[tokio::test]
async fn a_plan_says_everything_and_touches_nothing() {
    let servers = servers::servers().await;
    let input = servers::setup_input(servers, "setup-plan");
    let plan =
        run(&servers::setup_args(servers, Mode::Plan), &input, &mut Vec::new()).await.expect("the plan");
    for wanted in [
        "create realm setup-plan",
        "create LDAP federation",
        "create mapper groups",
        "write client_secret_file",
    ] {
        assert!(
            plan.changes.iter().any(|change| change == wanted),
            "{wanted:?} is missing: {:?}",
            plan.changes
        );
    }
    assert_eq!(plan.federation_id, None);
    assert!(!input.client_secret_file.exists());
    let answer = servers.keycloak.admin_call(Method::GET, "setup-plan", None).await.expect("an answer");
    assert_eq!(answer.status(), 404);
}

#[tokio::test]
async fn the_secret_is_readable_by_its_owner_only_and_is_never_printed() {
    let servers = servers::servers().await;
    let input = servers::setup_input(servers, "setup-secret");
    let mut printed = Vec::new();
    run(&servers::setup_args(servers, Mode::Apply), &input, &mut printed).await.expect("set-up succeeds");
    let mode = std::fs::metadata(&input.client_secret_file).expect("the file").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let secret = std::fs::read_to_string(&input.client_secret_file).expect("the secret");
    assert!(secret.len() >= 32, "Keycloak's secrets are long");
    let printed = String::from_utf8(printed).expect("text");
    for hidden in [secret.as_str(), &servers.slapd.keycloak_password] {
        assert!(!printed.contains(hidden));
    }

    std::fs::remove_file(&input.client_secret_file).expect("the file goes");
    let again = run(&servers::setup_args(servers, Mode::Apply), &input, &mut Vec::new())
        .await
        .expect("the second run");
    assert_eq!(again.changes, ["write client_secret_file"]);
    assert_eq!(std::fs::read_to_string(&input.client_secret_file).expect("the secret"), secret);
}

#[tokio::test]
async fn what_somebody_changed_is_brought_back_and_what_they_added_stays() {
    let servers = servers::servers().await;
    let mut input = servers::setup_input(servers, "setup-meddled");
    input.community_name = Some("Chess Club".to_owned());
    run(&servers::setup_args(servers, Mode::Apply), &input, &mut Vec::new()).await.expect("set-up succeeds");
    let change = json!({"eventsEnabled": false, "displayName": "Our people", "passwordPolicy": "length(20)"});
    servers.keycloak.set_realm("setup-meddled", &change).await.expect("the realm is changed");

    let report = run(&servers::setup_args(servers, Mode::Apply), &input, &mut Vec::new())
        .await
        .expect("the second run");
    assert_eq!(report.changes, ["change realm setup-meddled: eventsEnabled false -> true"]);
    let realm = servers.keycloak.realm("setup-meddled").await.expect("the realm");
    assert_eq!(realm["eventsEnabled"], json!(true));
    assert_eq!(realm["displayName"], json!("Our people"));
    assert_eq!(realm["passwordPolicy"], json!("length(20)"));
}

#[tokio::test]
async fn what_an_operator_hardened_stays_and_a_loosening_is_said() {
    let servers = servers::servers().await;
    let input = servers::setup_input(servers, "setup-hardened");
    let first = run(&servers::setup_args(servers, Mode::Apply), &input, &mut Vec::new())
        .await
        .expect("set-up succeeds");
    let hardened = json!({
        "passwordPolicy": "length(20)", "actionTokenGeneratedByAdminLifespan": 600, "loginWithEmailAllowed": false,
        "eventsExpiration": 7 * 24 * 3600,
    });
    servers.keycloak.set_realm("setup-hardened", &hardened).await.expect("the realm is changed");
    let ask = async |method, path: &str, body: Option<&Value>| {
        let path = ["setup-hardened/", path].concat();
        servers.keycloak.admin_json(method, &path, body).await.expect("a document")
    };
    let mut profile = ask(Method::GET, "users/profile", None).await;
    let attributes = profile["attributes"].as_array_mut().expect("attributes");
    let own = attributes.iter_mut().find(|attribute| attribute["name"] == "discordId").expect("ours");
    own["permissions"] = json!({"view": ["admin"], "edit": ["admin"]});
    own["validations"] = json!({"pattern": {"pattern": "^[0-9]{17,19}$", "error-message": "no"}});
    ask(Method::PUT, "users/profile", Some(&profile)).await;
    let federation = ["components/", first.federation_id.as_deref().expect("an id")].concat();
    let mut component = ask(Method::GET, &federation, None).await;
    component["config"]["editMode"] = json!(["READ_ONLY"]);
    component["config"]["validatePasswordPolicy"] = json!(["false"]);
    ask(Method::PUT, &federation, Some(&component)).await;

    let mut args = servers::setup_args(servers, Mode::Apply);
    let stopped = run(&args, &input, &mut Vec::new()).await.expect_err("Keycloak would begin to write");
    assert!(
        matches!(&stopped, SetupError::Blocked(text) if text.contains("--accept-narrowing") && text.contains("editMode")),
        "{stopped:?}"
    );
    let unchanged = ask(Method::GET, &federation, None).await;
    assert_eq!(unchanged["config"]["editMode"], json!(["READ_ONLY"]));
    args.narrowing = Narrowing::Accepted;
    let report = run(&args, &input, &mut Vec::new()).await.expect("the second run");
    assert_eq!(
        report.changes,
        [
            "change LDAP federation: editMode READ_ONLY -> WRITABLE (Keycloak writes to the directory by it)",
            "change LDAP federation: validatePasswordPolicy false -> true",
        ]
    );
    let realm = servers.keycloak.realm("setup-hardened").await.expect("the realm");
    for (key, value) in hardened.as_object().expect("an object") {
        assert_eq!(&realm[key], value, "{key}");
    }
    let after = ask(Method::GET, "users/profile", None).await;
    let own = |profile: &Value| {
        let attributes = profile["attributes"].as_array().expect("attributes");
        attributes.iter().find(|attribute| attribute["name"] == "discordId").cloned()
    };
    assert_eq!(own(&after), own(&profile));
}

#[tokio::test]
async fn the_service_account_holds_exactly_two_rights_again_after_somebody_gave_it_more() {
    let servers = servers::servers().await;
    let input = servers::setup_input(servers, "setup-rights");
    run(&servers::setup_args(servers, Mode::Apply), &input, &mut Vec::new()).await.expect("set-up succeeds");
    let ask = |path: String| async move {
        servers
            .keycloak
            .admin_json(Method::GET, &["setup-rights/", &path].concat(), None)
            .await
            .expect("a document")
    };
    let id = |value: &Value| value["id"].as_str().expect("an id").to_owned();
    let client = id(&ask("clients?clientId=accolade".to_owned()).await[0]);
    let management = id(&ask("clients?clientId=realm-management".to_owned()).await[0]);
    let account = id(&ask(["clients/", &client, "/service-account-user"].concat()).await);
    let role = ask(["clients/", &management, "/roles/manage-realm"].concat()).await;
    let place = ["users/", &account, "/role-mappings/clients/", &management].concat();
    servers
        .keycloak
        .admin_json(Method::POST, &["setup-rights/", &place].concat(), Some(&json!([role])))
        .await
        .expect("the role is given");

    let report = run(&servers::setup_args(servers, Mode::Apply), &input, &mut Vec::new())
        .await
        .expect("the second run");
    assert_eq!(report.changes, ["take away right manage-realm"]);
    let held = ask(place).await;
    let mut names: Vec<&str> =
        held.as_array().expect("a list").iter().filter_map(|role| role["name"].as_str()).collect();
    names.sort_unstable();
    assert_eq!(names, ["manage-users", "view-events"]);
}

#[tokio::test]
async fn a_wrong_bind_password_stops_set_up_before_a_federation_is_made() {
    let servers = servers::servers().await;
    let input = servers::setup_input(servers, "setup-bind");
    let mut args = servers::setup_args(servers, Mode::Apply);
    args.federation_bind_password = SecretString::from("not the password");
    let error = run(&args, &input, &mut Vec::new()).await.expect_err("the password is wrong");
    assert!(matches!(&error, SetupError::Blocked(text) if text.contains("cannot bind")), "{error:?}");
    assert!(!format!("{error:?}").contains("not the password"));

    let report = run(&servers::setup_args(servers, Mode::Apply), &input, &mut Vec::new())
        .await
        .expect("the right one");
    assert!(report.changes.iter().any(|change| change == "create LDAP federation"), "{:?}", report.changes);
}

#[tokio::test]
async fn a_changed_bind_password_of_the_federation_is_noticed_and_set() {
    let servers = servers::servers().await;
    let input = servers::setup_input(servers, "setup-rebind");
    let first = run(&servers::setup_args(servers, Mode::Apply), &input, &mut Vec::new())
        .await
        .expect("set-up succeeds");
    let id = first.federation_id.expect("a federation");
    let path = ["setup-rebind/components/", &id].concat();
    let mut component = servers.keycloak.admin_json(Method::GET, &path, None).await.expect("the component");
    component["config"]["bindCredential"] = json!(["stale"]);
    servers
        .keycloak
        .admin_json(Method::PUT, &path, Some(&component))
        .await
        .expect("the component is changed");

    let report = run(&servers::setup_args(servers, Mode::Apply), &input, &mut Vec::new())
        .await
        .expect("the second run");
    assert_eq!(report.changes, ["change LDAP federation: bindCredential"]);
    let report = run(&servers::setup_args(servers, Mode::Apply), &input, &mut Vec::new())
        .await
        .expect("the third run");
    assert_eq!(report.changes, Vec::<String>::new());
}

#[tokio::test]
async fn a_wrong_admin_password_and_the_realm_master_are_refused() {
    let servers = servers::servers().await;
    let mut args = servers::setup_args(servers, Mode::Apply);
    let input = servers::setup_input(servers, "master");
    let error = run(&args, &input, &mut Vec::new()).await.expect_err("master is refused");
    assert!(matches!(error, SetupError::Blocked(_)));

    args.admin_password = SecretString::from("wrong");
    let input = servers::setup_input(servers, "setup-nobody");
    let error = run(&args, &input, &mut Vec::new()).await.expect_err("the password is wrong");
    assert!(matches!(error, SetupError::Keycloak(_)), "{error:?}");
}
