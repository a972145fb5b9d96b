//! A service client with fine-grained permissions: what they allow, what they refuse, and what can't be refused.

use std::time::Duration;

use accolade::config;
use accolade::directory::Directory;
use accolade::domain::eligibility::GroupName;
use accolade::domain::ids::Timestamp;
use accolade::domain::job::Outcome;
use accolade::keycloak::{Actions, Enabled, Import, Keycloak, MailOutcome};
use accolade::setup::keycloak::{Mode, Report, Rights, SetupInput, run};
use reqwest::{Method, StatusCode};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Value, json};
use testbed::{Managed, TestServers, wait_until};
use url::Url;

use crate::directory::TestPerson;
use crate::keycloak::MAIL_SERVER;
use crate::servers;

const SOON: Duration = Duration::from_secs(20);

/// A realm of the shared Keycloak with a directory of its own, because the groups of other tests would count as changes here.
struct Site {
    servers: &'static TestServers,
    own: TestServers,
    input: SetupInput,
}

impl Site {
    async fn of(realm: &str) -> Self {
        let (servers, own) = (servers::servers().await, servers::own_slapd().await);
        let mut input = servers::setup_input(servers, realm);
        input.directory.url = Url::parse(&own.slapd.ldap_url).expect("a URL");
        Self { servers, own, input }
    }

    async fn sets_up(&self, mode: Mode, rights: Option<Rights>) -> Report {
        let mut args = servers::setup_args(self.servers, mode);
        args.federation_bind_password = SecretString::from(self.own.slapd.keycloak_password.clone());
        args.rights = rights;
        run(&args, &self.input, &mut Vec::new()).await.expect("set-up succeeds")
    }

    /// Sends a request of an administrator to a path below the realm.
    async fn ask(&self, method: Method, path: &str, body: Option<Value>) -> Value {
        let path = [&self.input.realm, "/", path].concat();
        self.servers.keycloak.admin_json(method, &path, body.as_ref()).await.expect("an administrator may")
    }
}

fn key(value: &Value) -> String {
    value["id"].as_str().expect("an id").to_owned()
}

/// The service client without the product: any call with its own token.
struct Service {
    http: reqwest::Client,
    token: String,
    base: String,
}

impl Service {
    async fn of(config: &config::Keycloak) -> Self {
        let http = reqwest::Client::builder().no_proxy().build().expect("a client");
        let form = [
            ("grant_type", "client_credentials"),
            ("client_id", config.client_id.as_str()),
            ("client_secret", config.client_secret.expose_secret()),
        ];
        let place = format!("{}realms/{}/protocol/openid-connect/token", config.url, config.realm);
        let answer = http.post(place).form(&form).send().await.expect("an answer");
        let answer: Value = answer.json().await.expect("a document");
        let token = answer["access_token"].as_str().expect("a token").to_owned();
        Self { http, token, base: format!("{}admin/realms/{}/", config.url, config.realm) }
    }

    async fn calls(&self, method: Method, path: &str, body: Value) -> u16 {
        let request = self.http.request(method, [&self.base, path].concat()).bearer_auth(&self.token);
        request.json(&body).send().await.expect("an answer").status().as_u16()
    }
}

#[tokio::test]
async fn fine_grained_permissions_are_enough_for_every_call_of_the_service() {
    let site = Site::of("narrow-calls").await;
    let report = site.sets_up(Mode::Apply, Some(Rights::FineGrained)).await;
    let (servers, slapd) = (site.servers, &site.own.slapd);
    servers.keycloak.set_smtp("narrow-calls", &servers.mail).await.expect("the realm mails to the catcher");
    let client = Keycloak::new(&servers::keycloak_config(&site.input, &report)).expect("usable settings");
    client.probe().await.expect("it counts people and reads events");
    client.read_profile_rules().await.expect("it reads the user profile");

    let directory = Directory::new(&servers::directory_config(slapd)).expect("usable settings");
    let somebody = TestPerson::new("narrow-ada", 701);
    let holders = client.find_holders(&somebody.username, &somebody.address).await.expect("an answer");
    assert!(!holders.is_username_taken(None) && !holders.is_address_taken(None));
    let ours = somebody.add_to(&directory).await;
    slapd.add_group("narrow-group", Managed::Yes).await.expect("a group");
    let group = GroupName::new("narrow-group").expect("not empty");
    let wanted = std::slice::from_ref(&group);
    directory.ensure_membership(&ours, wanted, wanted).await.expect("membership");
    // Every search must find the person, not only the first.
    for _ in 0..3 {
        let import = || async { client.find_import(&somebody.username, &ours.directory_id).await };
        wait_until("the import", SOON, || async { Ok(matches!(import().await?, Import::Ours(_))) })
            .await
            .expect("it is imported");
    }
    let Ok(Import::Ours(id)) = client.find_import(&somebody.username, &ours.directory_id).await else {
        panic!("the import was found a moment ago")
    };
    let holders = client.find_holders(&somebody.username, &somebody.address).await.expect("an answer");
    assert!(holders.is_username_taken(None) && holders.is_address_taken(None));
    assert!(client.person(&id).await.expect("an answer").is_some());
    client.sync_groups().await.expect("the sync");
    assert_eq!(client.groups(&id).await, Ok(vec![group]));
    {
        let _alone = MAIL_SERVER.lock().await;
        let mailed = client.send_actions_mail(&id, Actions::FirstPassword, Duration::from_hours(12)).await;
        assert_eq!(mailed, MailOutcome::Accepted);
        servers.mail.wait_for_mail_to(somebody.address.as_str(), SOON).await.expect("the mail");
    }
    assert_eq!(client.set_enabled(&id, Enabled::No).await, Ok(Outcome::Applied));
    assert_eq!(client.set_enabled(&id, Enabled::Yes).await, Ok(Outcome::Applied));
    assert_eq!(client.end_sessions(&id).await, Ok(()));
    assert!(client.events_since(Timestamp::from_millis(0)).await.is_ok());
}

#[tokio::test]
async fn what_manage_users_gives_beyond_the_permissions_is_refused_and_what_remains_is_known() {
    let site = Site::of("narrow-refused").await;
    let report = site.sets_up(Mode::Apply, Some(Rights::FineGrained)).await;
    let config = servers::keycloak_config(&site.input, &report);
    let user = json!({"username": "somebody", "enabled": true});
    site.ask(Method::POST, "users", Some(user)).await;
    site.ask(Method::POST, "roles", Some(json!({"name": "editor"}))).await;
    site.ask(Method::POST, "groups", Some(json!({"name": "staff"}))).await;
    let person = key(&site.ask(Method::GET, "users?username=somebody&exact=true", None).await[0]);
    let group = key(&site.ask(Method::GET, "groups?search=staff", None).await[0]);
    let client = key(&site.ask(Method::GET, "clients?clientId=accolade", None).await[0]);
    let own = key(&site.ask(Method::GET, &format!("clients/{client}/service-account-user"), None).await);
    let management = key(&site.ask(Method::GET, "clients?clientId=realm-management", None).await[0]);
    let editor = site.ask(Method::GET, "roles/editor", None).await;
    let manage = site.ask(Method::GET, &format!("clients/{management}/roles/manage-users"), None).await;

    let beyond = [
        (Method::POST, format!("users/{person}/role-mappings/realm"), json!([editor])),
        (Method::POST, format!("users/{own}/role-mappings/clients/{management}"), json!([manage])),
        (Method::PUT, format!("users/{person}/groups/{group}"), json!({})),
        (Method::POST, "users".to_owned(), json!({"username": "with-group", "groups": ["/staff"]})),
        (Method::POST, "groups".to_owned(), json!({"name": "of-the-service"})),
        (Method::PUT, format!("groups/{group}"), json!({"name": "renamed"})),
        (Method::DELETE, format!("groups/{group}"), Value::Null),
    ];
    let service = Service::of(&config).await;
    for (method, path, body) in &beyond {
        assert_eq!(service.calls(method.clone(), path, body.clone()).await, 403, "{method} {path}");
    }
    // Keycloak has no narrower scope for these: the scope that mails and disables includes them.
    let remains = [
        (Method::POST, "users".to_owned(), json!({"username": "applied", "enabled": true}), 201),
        (
            Method::PUT,
            format!("users/{person}/reset-password"),
            json!({"type": "password", "value": "Another-horse-7-battery", "temporary": false}),
            204,
        ),
        (Method::DELETE, format!("users/{person}"), Value::Null, 204),
    ];
    for (method, path, body, status) in remains {
        assert_eq!(service.calls(method.clone(), &path, body).await, status, "{method} {path}");
    }

    // The permissions cause the refusals: with roles, most of the same calls succeed.
    site.sets_up(Mode::Apply, Some(Rights::Roles)).await;
    site.ask(Method::POST, "users", Some(json!({"username": "again", "enabled": true}))).await;
    let person = key(&site.ask(Method::GET, "users?username=again&exact=true", None).await[0]);
    let service = Service::of(&config).await;
    for (method, path, body, status) in [
        (
            Method::POST,
            format!("users/{person}/role-mappings/realm"),
            json!([editor]),
            StatusCode::NO_CONTENT,
        ),
        (Method::PUT, format!("users/{person}/groups/{group}"), json!({}), StatusCode::NO_CONTENT),
        (Method::POST, "groups".to_owned(), json!({"name": "of-the-service"}), StatusCode::CREATED),
    ] {
        assert_eq!(service.calls(method.clone(), &path, body).await, status.as_u16(), "{method} {path}");
    }
}

#[tokio::test]
async fn the_way_to_rights_is_kept_planned_before_it_changes_and_can_be_changed_back() {
    let site = Site::of("narrow-way").await;
    let plan = site.sets_up(Mode::Plan, Some(Rights::FineGrained)).await;
    for line in [
        "switch on fine-grained permissions of the realm",
        "create policy Accolade: accolade",
        "create permission Accolade: accolade, Users: view manage",
        "create permission Accolade: accolade, Groups: view",
        "create rights view-events",
    ] {
        assert!(plan.changes.iter().any(|change| change == line), "{line:?} is missing: {:?}", plan.changes);
    }
    site.sets_up(Mode::Apply, None).await;
    let change = [
        "switch on fine-grained permissions of the realm",
        "create policy Accolade: accolade",
        "create permission Accolade: accolade, Users: view manage",
        "create permission Accolade: accolade, Groups: view",
        "take away right manage-users",
    ];
    for mode in [Mode::Plan, Mode::Apply] {
        assert_eq!(site.sets_up(mode, Some(Rights::FineGrained)).await.changes, change, "{mode:?}");
    }
    for rights in [Some(Rights::FineGrained), None] {
        let again = site.sets_up(Mode::Apply, rights).await;
        assert_eq!(again.changes, Vec::<String>::new(), "{rights:?}");
    }
    let back = [
        "give manage-users (this loosens it)",
        "take away permission Accolade: accolade, Users",
        "take away permission Accolade: accolade, Groups",
        "take away policy Accolade: accolade",
    ];
    for mode in [Mode::Plan, Mode::Apply] {
        assert_eq!(site.sets_up(mode, Some(Rights::Roles)).await.changes, back, "{mode:?}");
    }
    for rights in [Some(Rights::Roles), None] {
        let again = site.sets_up(Mode::Apply, rights).await;
        assert_eq!(again.changes, Vec::<String>::new(), "{rights:?}");
    }
}

#[tokio::test]
async fn permissions_that_somebody_changed_are_brought_back_and_those_of_others_are_named() {
    let site = Site::of("narrow-meddled").await;
    site.sets_up(Mode::Apply, Some(Rights::FineGrained)).await;
    let client =
        async |name: &str| key(&site.ask(Method::GET, &format!("clients?clientId={name}"), None).await[0]);
    let server = format!("clients/{}/authz/resource-server", client("admin-permissions").await);
    let (own, other) = (client("accolade").await, client("members").await);
    let found = async |path: &str| key(&site.ask(Method::GET, &format!("{server}/{path}"), None).await[0]);
    let policy = found("policy?permission=false&name=Accolade").await;
    let permission = found("permission?name=Users").await;
    let fits_another = json!({"name": "Accolade: accolade", "clients": [own, other]});
    site.ask(Method::PUT, &format!("{server}/policy/client/{policy}"), Some(fits_another)).await;
    let more = json!({
        "id": permission, "name": "Accolade: accolade, Users", "resourceType": "Users", "policies": [policy],
        "scopes": ["view", "map-roles"],
    });
    site.ask(Method::PUT, &format!("{server}/permission/scope/{permission}"), Some(more)).await;
    let strange = json!({"name": "helpdesk", "clients": [other]});
    site.ask(Method::POST, &format!("{server}/policy/client"), Some(strange)).await;
    let strange = found("policy?permission=false&name=helpdesk").await;
    let over_ours = json!({
        "name": "helpdesk resets", "resourceType": "Users", "policies": [strange], "scopes": ["reset-password"],
    });
    site.ask(Method::POST, &format!("{server}/permission/scope"), Some(over_ours)).await;

    let report = site.sets_up(Mode::Apply, None).await;
    // What loosens something comes first.
    let [first, second] = report.changes.as_slice() else { panic!("{:?}", report.changes) };
    let wanted =
        "change permission Accolade: accolade, Users: scopes view map-roles -> view manage (this loosens it)";
    assert_eq!(first, wanted);
    assert!(second.starts_with("change policy Accolade: accolade: clients "), "{second}");
    let named =
        |report: &Report| report.hints.iter().any(|hint| hint.contains("`helpdesk resets` is on Users"));
    assert!(named(&report), "{:?}", report.hints);
    let again = site.sets_up(Mode::Apply, None).await;
    assert_eq!(again.changes, Vec::<String>::new());
    assert!(named(&again), "{:?}", again.hints);

    // A foreign policy may depend on ours. Going back to roles must work nevertheless.
    let either = json!({"name": "either", "decisionStrategy": "AFFIRMATIVE", "policies": [policy, strange]});
    site.ask(Method::POST, &format!("{server}/policy/aggregate"), Some(either)).await;
    site.sets_up(Mode::Apply, Some(Rights::Roles)).await;
    let left = site.ask(Method::GET, &format!("{server}/policy?permission=false&name=Accolade"), None).await;
    assert_eq!(left, json!([]));
    let config = servers::keycloak_config(&site.input, &again);
    Keycloak::new(&config).expect("usable settings").probe().await.expect("roles are above permissions");
}
