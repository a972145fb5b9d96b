//! `setup keycloak` beside federations of others: it names who relies on a setting, and makes no second federation without a word.

use accolade::keycloak::Keycloak;
use accolade::setup::keycloak::{Args, Mode, Narrowing, Report, SetupError, SetupInput, run};
use reqwest::Method;
use secrecy::SecretString;
use serde_json::{Value, json};
use testbed::TestServers;
use testbed::slapd::PersonByHand;

use crate::servers;

const PROVIDER: &str = "org.keycloak.storage.UserStorageProvider";

/// A realm whose federations a test changes, with a directory of its own: the people of other tests would count as changes here.
struct Realm {
    servers: &'static TestServers,
    own: TestServers,
    input: SetupInput,
}

impl Realm {
    async fn of(name: &str) -> Self {
        let (servers, own) = (servers::servers().await, servers::own_slapd().await);
        let mut input = servers::setup_input(servers, name);
        input.directory = servers::directory_config(&own.slapd);
        Self { servers, own, input }
    }

    /// An empty realm.
    async fn made(name: &str) -> Self {
        let realm = Self::of(name).await;
        let body = json!({"realm": name, "enabled": true});
        realm.servers.keycloak.admin_json(Method::POST, "", Some(&body)).await.expect("a realm");
        realm
    }

    fn args(&self, mode: Mode, narrowing: Narrowing) -> Args {
        let federation_bind_password = SecretString::from(self.own.slapd.keycloak_password.clone());
        Args { narrowing, federation_bind_password, ..servers::setup_args(self.servers, mode) }
    }

    async fn sets_up(&self, mode: Mode, narrowing: Narrowing) -> Report {
        run(&self.args(mode, narrowing), &self.input, &mut Vec::new()).await.expect("set-up succeeds")
    }

    async fn is_stopped(&self, mode: Mode) -> String {
        let stopped = run(&self.args(mode, Narrowing::Refused), &self.input, &mut Vec::new()).await;
        match stopped {
            Err(SetupError::Blocked(text)) => text,
            other => panic!("set-up was not stopped: {other:?}"),
        }
    }

    async fn ask(&self, method: Method, path: &str, body: Option<&Value>) -> Value {
        let path = [&self.input.realm, "/", path].concat();
        self.servers.keycloak.admin_json(method, &path, body).await.expect("an administrator may")
    }

    async fn federations(&self) -> Vec<Value> {
        let found = self.ask(Method::GET, &format!("components?type={PROVIDER}"), None).await;
        found.as_array().expect("a list").clone()
    }

    /// Adds a federation that Keycloak uses with the directory's administrator, and returns its id.
    async fn adds(&self, name: &str, settings: &[(&str, &str)]) -> String {
        let slapd = &self.own.slapd;
        let mut config = json!({
            "enabled": ["true"], "vendor": ["other"], "connectionUrl": [slapd.ldap_url], "authType": ["simple"],
            "bindDn": [slapd.admin_dn], "bindCredential": [slapd.admin_password], "editMode": ["READ_ONLY"],
            "usersDn": ["dc=example,dc=org"], "searchScope": ["2"], "usernameLDAPAttribute": ["uid"],
            "rdnLDAPAttribute": ["uid"], "uuidLDAPAttribute": ["entryUUID"], "userObjectClasses": ["inetOrgPerson"],
            "importEnabled": ["true"], "pagination": ["true"],
        });
        for (key, value) in settings {
            config[*key] = json!([value]);
        }
        let parent = self.servers.keycloak.realm(&self.input.realm).await.expect("the realm")["id"].clone();
        let body = json!({
            "name": name, "providerId": "ldap", "providerType": PROVIDER, "parentId": parent, "config": config,
        });
        self.ask(Method::POST, "components", Some(&body)).await;
        let all = self.federations().await;
        let made = all.iter().find(|one| one["name"] == name).expect("it is there");
        made["id"].as_str().expect("an id").to_owned()
    }

    async fn sets(&self, id: &str, settings: &[(&str, &str)]) {
        let path = ["components/", id].concat();
        let mut component = self.ask(Method::GET, &path, None).await;
        for (key, value) in settings {
            component["config"][*key] = json!([value]);
        }
        self.ask(Method::PUT, &path, Some(&component)).await;
    }

    async fn setting(&self, id: &str, key: &str) -> Value {
        self.ask(Method::GET, &["components/", id].concat(), None).await["config"][key][0].clone()
    }

    async fn shows(&self, username: &str) -> bool {
        self.servers.keycloak.user_named(&self.input.realm, username).await.expect("an answer").is_some()
    }
}

#[tokio::test]
async fn another_spelling_of_the_same_base_is_the_same_federation() {
    let realm = Realm::of("setup-spelling").await;
    let first = realm.sets_up(Mode::Apply, Narrowing::Refused).await;
    let id = first.federation_id.clone().expect("an id");
    let bind = realm.own.slapd.keycloak_dn.replace("cn=", "CommonName = ").replace(",dc=", ", DC=");
    realm
        .sets(
            &id,
            &[
                ("usersDn", "OU=People, DC=example,DC=org"),
                ("bindDn", &bind),
                ("usernameLDAPAttribute", "userid"),
                ("uuidLDAPAttribute", "ENTRYUUID"),
                ("fullSyncPeriod", "604800"),
                ("userObjectClasses", "inetOrgPerson, organizationalPerson"),
            ],
        )
        .await;
    let second = realm.sets_up(Mode::Apply, Narrowing::Refused).await;
    assert_eq!(second.changes, Vec::<String>::new());
    assert_eq!((second.federation_id, realm.federations().await.len()), (first.federation_id, 1));
    let keycloak =
        Keycloak::new(&servers::keycloak_config(&realm.input, &Report { federation_id: Some(id), ..second }));
    keycloak.expect("usable settings").probe().await.expect("it works");
}

#[tokio::test]
async fn people_below_sub_units_stay_unless_their_loss_is_accepted_by_name() {
    let realm = Realm::of("setup-deep").await;
    let slapd = &realm.own.slapd;
    let id = realm.sets_up(Mode::Apply, Narrowing::Refused).await.federation_id.expect("an id");
    realm.sets(&id, &[("searchScope", "2")]).await;
    let unit = slapd.add_unit("deep-staff", &slapd.people_dn).await.expect("a unit");
    for name in ["deep-grace", "deep-linus"] {
        slapd.add_person_in(&unit, &PersonByHand::named(name)).await.expect("a person");
    }
    let loss = "2 people would no longer be seen: deep-grace, deep-linus";
    let kept = realm.sets_up(Mode::Apply, Narrowing::Refused).await;
    assert_eq!((kept.changes, kept.warnings), (Vec::<String>::new(), Vec::<String>::new()));
    assert!(kept.hints.iter().any(|hint| hint.starts_with("kept: searchScope 2 -> 1")), "{:?}", kept.hints);
    assert!(kept.hints.iter().any(|hint| hint.ends_with(loss)), "{:?}", kept.hints);
    assert!(realm.shows("deep-grace").await);

    let change = "change LDAP federation: searchScope 2 -> 1 (people may no longer be seen)";
    realm.sets(&id, &[("trustEmail", "true")]).await;
    for mode in [Mode::Plan, Mode::Apply] {
        let report = realm.sets_up(mode, Narrowing::Accepted).await;
        assert_eq!(report.changes, [change, "change LDAP federation: trustEmail true -> false"], "{mode:?}");
        assert_eq!(report.warnings, [loss], "{mode:?}");
        assert_eq!(realm.setting(&id, "searchScope").await, if mode == Mode::Plan { "2" } else { "1" });
    }
    assert!(!realm.shows("deep-linus").await);
}

#[tokio::test]
async fn a_federation_of_others_above_the_people_stops_set_up_before_it_makes_a_second_one() {
    let realm = Realm::made("setup-beside").await;
    let id = realm.adds("corp", &[]).await;
    for mode in [Mode::Plan, Mode::Apply] {
        let text = realm.is_stopped(mode).await;
        for part in ["`corp`", "READ_ONLY", "dc=example,dc=org", "(!(description=accolade:*))", &id] {
            assert!(text.contains(part), "{part}: {text}");
        }
    }
    assert_eq!(realm.federations().await.len(), 1);

    // Each remedy that the sentence names.
    realm.sets(&id, &[("customUserSearchFilter", "(!(description=accolade:*))")]).await;
    assert!(
        realm
            .sets_up(Mode::Plan, Narrowing::Refused)
            .await
            .changes
            .contains(&"create LDAP federation".to_owned())
    );
    realm.sets(&id, &[("customUserSearchFilter", ""), ("enabled", "false")]).await;
    let beside = realm.sets_up(Mode::Apply, Narrowing::Refused).await;
    assert!(
        beside.hints.iter().any(|hint| hint.contains("the disabled LDAP federation `corp`")),
        "{:?}",
        beside.hints
    );
    assert_eq!(realm.federations().await.len(), 2);
    assert_eq!(realm.setting(&id, "enabled").await, "false");
}

#[tokio::test]
async fn the_federation_that_the_configuration_names_is_used_with_its_wider_base() {
    let mut realm = Realm::made("setup-named").await;
    let id = realm.adds("corp", &[("priority", "7")]).await;
    realm.input.federation_id = Some(id.clone());
    let text = realm.is_stopped(Mode::Apply).await;
    assert!(text.contains("editMode READ_ONLY -> WRITABLE") && text.contains("--accept-narrowing"), "{text}");
    let plan = realm.sets_up(Mode::Plan, Narrowing::Refused).await;
    assert!(plan.changes[0].contains("bindDn cn=admin"), "{:?}", plan.changes);
    assert!(plan.changes[1].contains("editMode READ_ONLY -> WRITABLE"), "{:?}", plan.changes);
    assert!(plan.warnings.iter().any(|warning| warning.contains("present bind")), "{:?}", plan.warnings);
    assert!(
        plan.hints.iter().any(|hint| hint.starts_with("kept: usersDn dc=example,dc=org")),
        "{:?}",
        plan.hints
    );
    assert_eq!(realm.setting(&id, "editMode").await, "READ_ONLY");

    // Another one is in the way, no matter which one is asked first.
    for (priority, order) in [("9", "asks it second"), ("3", "through it first")] {
        let other = realm.adds("other", &[("priority", priority)]).await;
        let text = realm.is_stopped(Mode::Apply).await;
        assert!(text.contains("`other`") && text.contains(order), "{text}");
        realm.ask(Method::DELETE, &["components/", &other].concat(), None).await;
    }
}

#[tokio::test]
async fn a_user_filter_that_shuts_new_accounts_out_is_never_changed_and_stops_set_up() {
    let realm = Realm::of("setup-filter").await;
    let id = realm.sets_up(Mode::Apply, Narrowing::Refused).await.federation_id.expect("an id");
    realm.sets(&id, &[("customUserSearchFilter", "(businessCategory=staff)")]).await;
    let text = realm.is_stopped(Mode::Apply).await;
    assert!(text.contains("user filter shuts out") && text.contains("(businessCategory=staff)"), "{text}");
    assert_eq!(realm.setting(&id, "customUserSearchFilter").await, "(businessCategory=staff)");
    realm.sets(&id, &[("customUserSearchFilter", "(!(memberOf=cn=left,dc=example,dc=org))")]).await;
    let report = realm.sets_up(Mode::Apply, Narrowing::Refused).await;
    assert_eq!(report.changes, Vec::<String>::new());
    assert!(report.hints.iter().any(|hint| hint.contains("lets new accounts in")), "{:?}", report.hints);
}

#[tokio::test]
async fn a_federation_on_another_server_is_not_moved_without_consent_and_the_report_says_what_is_not_known() {
    let realm = Realm::of("setup-moved").await;
    let id = realm.sets_up(Mode::Apply, Narrowing::Refused).await.federation_id.expect("an id");
    realm.sets(&id, &[("connectionUrl", "ldap://ldap.elsewhere.invalid")]).await;
    let text = realm.is_stopped(Mode::Apply).await;
    assert!(text.contains("connectionUrl ldap://ldap.elsewhere.invalid -> "), "{text}");
    assert!(text.contains("could not be found out"), "{text}");
    let report = realm.sets_up(Mode::Apply, Narrowing::Accepted).await;
    assert!(report.changes[0].starts_with("change LDAP federation: connectionUrl "), "{:?}", report.changes);
    // Keycloak sends a stored password to no other address.
    assert_eq!(report.changes[1..], ["change LDAP federation: bindCredential"]);
}
