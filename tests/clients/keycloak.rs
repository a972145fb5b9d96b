//! The Keycloak client against a real Keycloak that reads a real slapd and mails to a real catcher.

use std::time::Duration;

use accolade::config;
use accolade::directory::{Directory, OwnedEntry};
use accolade::domain::account::KeycloakId;
use accolade::domain::eligibility::GroupName;
use accolade::domain::error_code::ErrorCode;
use accolade::domain::ids::Timestamp;
use accolade::domain::job::Outcome;
use accolade::domain::mail_address::MailAddress;
use accolade::keycloak::{Actions, Enabled, Import, Keycloak, KeycloakError, MailOutcome, StandIn};
use reqwest::Method;
use secrecy::SecretString;
use serde_json::json;
use testbed::keycloak_admin::LocalUser;
use testbed::{MailFault, Managed, TestServers, browser, wait_until};
use tokio::sync::{Mutex, OnceCell};
use url::Url;

use crate::directory::TestPerson;
use crate::servers;

const SOON: Duration = Duration::from_secs(20);

/// Locked by every test that mails or that breaks the shared mail server.
pub(crate) static MAIL_SERVER: Mutex<()> = Mutex::const_new(());

/// One realm for all these tests, because Keycloak needs seconds to create one.
async fn settings(servers: &TestServers) -> config::Keycloak {
    static SETTINGS: OnceCell<config::Keycloak> = OnceCell::const_new();
    SETTINGS.get_or_init(|| servers::realm(servers, "client-tests")).await.clone()
}

pub(crate) struct TestEnv {
    servers: &'static TestServers,
    pub(crate) config: config::Keycloak,
    client: Keycloak,
    directory: Directory,
}

pub(crate) async fn env() -> TestEnv {
    let servers = servers::servers().await;
    let config = settings(servers).await;
    let client = Keycloak::new(&config).expect("usable settings");
    let directory = Directory::new(&servers::directory_config(&servers.slapd)).expect("usable settings");
    TestEnv { servers, config, client, directory }
}

impl TestEnv {
    pub(crate) async fn import(&self, somebody: &TestPerson) -> (OwnedEntry, KeycloakId) {
        let ours = somebody.add_to(&self.directory).await;
        let id = self.imported(somebody, &ours).await;
        (ours, id)
    }

    async fn imported(&self, somebody: &TestPerson, ours: &OwnedEntry) -> KeycloakId {
        let import = || async { self.client.find_import(&somebody.username, &ours.directory_id).await };
        wait_until("the import", SOON, || async { Ok(matches!(import().await?, Import::Ours(_))) })
            .await
            .expect("it is imported");
        let Import::Ours(id) = import().await.expect("an answer") else { panic!("it was found just now") };
        id
    }

    async fn mail(&self, id: &KeycloakId) -> MailOutcome {
        self.client.send_actions_mail(id, Actions::FirstPassword, Duration::from_hours(12)).await
    }
}

#[tokio::test]
async fn an_import_is_ours_only_by_federation_and_entry() {
    let env = env().await;
    let ada = TestPerson::new("kc-ada", 101);
    let (ours, id) = env.import(&ada).await;
    let user = env.client.person(&id).await.expect("an answer").expect("the user");
    assert_eq!(user.directory_id, Some(ours.directory_id.clone()));
    assert_eq!(user.federation_link.as_deref(), Some(env.config.federation_id.as_str()));

    let other = TestPerson::new("kc-other", 102);
    let (other, _) = env.import(&other).await;
    let wrong = env.client.find_import(&ada.username, &other.directory_id).await;
    assert_eq!(wrong, Ok(Import::NotOurs));
    let nobody = TestPerson::new("kc-nobody", 103);
    assert_eq!(env.client.find_import(&nobody.username, &ours.directory_id).await, Ok(Import::NotYet));
}

#[tokio::test]
async fn a_local_user_of_that_name_or_address_is_taken_and_never_ours() {
    let env = env().await;
    let somebody = TestPerson::new("kc-local", 111);
    let local = LocalUser { username: "kc-local", email: "kc-local@example.org", password: None };
    env.servers.keycloak.create_local_user("client-tests", local).await.expect("a local user");
    let holders = env.client.find_holders(&somebody.username, &somebody.address).await.expect("an answer");
    assert!(holders.is_username_taken(None) && holders.is_address_taken(None));
    let ours = somebody.add_to(&env.directory).await;
    let import = env.client.find_import(&somebody.username, &ours.directory_id).await;
    assert_eq!(import, Ok(Import::NotOurs));
}

/// Writes names into the directory that Keycloak's user profile refuses.
async fn give_names_that_keycloak_refuses(env: &TestEnv, person: &TestPerson) {
    let slapd = &env.servers.slapd;
    let dn = slapd.person_dn(person.username.as_str());
    slapd.set_names(&dn, "Anne (Annie)", "O&M").await.expect("the directory answers");
}

#[tokio::test]
async fn a_user_whose_names_keycloak_refuses_is_disabled_with_others_and_gets_the_true_ones_back() {
    let env = env().await;
    let person = TestPerson::new("kc-names", 191);
    let (ours, id) = env.import(&person).await;
    give_names_that_keycloak_refuses(&env, &person).await;
    let names = env.directory.names(&ours).await.expect("an answer");
    let refused = env.client.set_enabled(&id, Enabled::No).await.expect_err("the profile refuses");
    assert_eq!(refused.error_code(), ErrorCode::KeycloakRefused);
    let mut fields = refused.rejected_fields().to_vec();
    fields.sort_unstable();
    assert_eq!(fields, ["firstName", "lastName"]);
    let text = refused.to_string();
    assert!(text.contains("lastName: error-person-name-invalid-character"), "{text}");
    assert!(!text.contains("Annie") && !text.contains("O&M"), "{text}");

    let stand_in = StandIn { given: "Anne Annie".to_owned(), family: "OM".to_owned() };
    let disabled = env.client.set_enabled_as(&id, Enabled::No, &stand_in, refused.rejected_fields()).await;
    assert_eq!(disabled, Ok(Outcome::Applied));
    let written = env.directory.names(&ours).await.expect("an answer");
    assert_eq!((written.given(), written.family()), ("Anne Annie", "OM"), "Keycloak writes the names");
    assert_eq!(env.directory.restore_names(&ours, &names).await, Ok(Outcome::Applied));
    assert_eq!(env.directory.names(&ours).await.expect("an answer"), names);
    assert_eq!(env.directory.restore_names(&ours, &names).await, Ok(Outcome::Unchanged));
    assert!(!env.client.person(&id).await.expect("an answer").expect("the user").enabled);
}

#[tokio::test]
async fn a_user_who_lacks_what_the_realm_requires_is_disabled_with_a_placeholder() {
    let servers = servers::servers().await;
    let config = servers::realm(servers, "requires-phone").await;
    let client = Keycloak::new(&config).expect("usable settings");
    let directory = Directory::new(&servers::directory_config(&servers.slapd)).expect("usable settings");
    let env = TestEnv { servers, config, client, directory };
    let person = TestPerson::new("kc-phone", 192);
    let (ours, id) = env.import(&person).await;
    let path = "requires-phone/users/profile";
    let mut profile = servers.keycloak.admin_json(Method::GET, path, None).await.expect("the profile");
    let everyone = json!({"view": ["admin", "user"], "edit": ["admin", "user"]});
    let phone = json!({"name": "phone", "required": {"roles": ["admin", "user"]}, "permissions": everyone});
    profile["attributes"].as_array_mut().expect("attributes").push(phone);
    let put = servers.keycloak.admin_call(Method::PUT, path, Some(&profile)).await.expect("an answer");
    assert!(put.status().is_success(), "{put:?}");

    for is_misnamed in [false, true] {
        if is_misnamed {
            env.client.set_enabled(&id, Enabled::Yes).await.expect("the placeholder is there by now");
            give_names_that_keycloak_refuses(&env, &person).await;
        }
        let names = env.directory.names(&ours).await.expect("an answer");
        let refused = env.client.set_enabled(&id, Enabled::No).await.expect_err("the profile refuses");
        let fields = refused.rejected_fields();
        assert_eq!(fields.contains(&"phone".to_owned()), !is_misnamed, "{fields:?}");
        let stand_in = StandIn { given: "Anne".to_owned(), family: "OM".to_owned() };
        let disabled = env.client.set_enabled_as(&id, Enabled::No, &stand_in, fields).await;
        assert_eq!(disabled, Ok(Outcome::Applied));
        env.directory.restore_names(&ours, &names).await.expect("an answer");
        let user = env.client.person(&id).await.expect("an answer").expect("the user");
        assert!(!user.enabled);
        assert!(user.address.is_some_and(|address| address.is(&person.address)), "nothing else was erased");
        assert_eq!(user.directory_id.as_ref(), Some(&ours.directory_id));
        let entry = servers.slapd.entry(&servers.slapd.person_dn("kc-phone")).await.expect("an answer");
        assert_eq!(entry.expect("the entry").value("mail"), Some(person.address.as_str()));
    }
}

#[tokio::test]
async fn a_placeholder_meets_the_validators_of_its_attribute_or_they_are_named() {
    let servers = servers::servers().await;
    let config = servers::realm(servers, "requires-much").await;
    let client = Keycloak::new(&config).expect("usable settings");
    let directory = Directory::new(&servers::directory_config(&servers.slapd)).expect("usable settings");
    let env = TestEnv { servers, config, client, directory };
    let (_, id) = env.import(&TestPerson::new("kc-much", 193)).await;
    let path = "requires-much/users/profile";
    let before = servers.keycloak.admin_json(Method::GET, path, None).await.expect("the profile");
    let with = |attributes: &[(&str, serde_json::Value)]| {
        let mut profile = before.clone();
        for (name, validations) in attributes {
            let everyone = json!({"view": ["admin", "user"], "edit": ["admin", "user"]});
            profile["attributes"].as_array_mut().expect("attributes").push(
                json!({"name": name, "required": {}, "permissions": everyone, "validations": validations}),
            );
        }
        profile
    };
    let much = with(&[
        ("colour", json!({"options": {"options": ["blue", "red"]}})),
        ("motto", json!({"length": {"min": 3, "max": 9}})),
        ("shoes", json!({"integer": {"min": 15, "max": 50}})),
        ("weight", json!({"double": {"min": 1.5}})),
        ("second", json!({"email": {}})),
        ("page", json!({"uri": {}})),
        ("since", json!({"iso-date": {}})),
        ("dashes", json!({"pattern": {"pattern": "[-+]*", "error-message": "no"}})),
    ]);
    let put = async |profile: &serde_json::Value| {
        let put = servers.keycloak.admin_call(Method::PUT, path, Some(profile)).await.expect("an answer");
        assert!(put.status().is_success(), "{put:?}");
    };
    put(&much).await;
    let refused = env.client.set_enabled(&id, Enabled::No).await.expect_err("the profile refuses");
    assert_eq!(refused.rejected_fields().len(), 8, "{refused}");
    let stand_in = StandIn { given: "Ada".to_owned(), family: "Lovelace".to_owned() };
    let disabled = env.client.set_enabled_as(&id, Enabled::No, &stand_in, refused.rejected_fields()).await;
    assert_eq!(disabled, Ok(Outcome::Applied));
    assert!(!env.client.person(&id).await.expect("an answer").expect("the user").enabled);

    put(&with(&[("plate", json!({"pattern": {"pattern": "[A-Z]{3}[0-9]", "error-message": "no"}}))])).await;
    let refused = env.client.set_enabled(&id, Enabled::Yes).await.expect_err("the profile refuses");
    let still = env.client.set_enabled_as(&id, Enabled::Yes, &stand_in, refused.rejected_fields()).await;
    assert_eq!(still.expect_err("no value can be made").rejected_fields(), ["plate"]);
}

#[tokio::test]
async fn groups_are_seen_once_the_mapper_has_read_them() {
    let env = env().await;
    let (ours, id) = env.import(&TestPerson::new("kc-groups", 121)).await;
    env.servers.slapd.add_group("kc-new-group", Managed::Yes).await.expect("a group");
    let group = GroupName::new("kc-new-group").expect("not empty");
    let wanted = std::slice::from_ref(&group);
    env.directory.ensure_membership(&ours, wanted, wanted).await.expect("membership");
    env.client.sync_groups().await.expect("the sync");
    assert_eq!(env.client.groups(&id).await, Ok(vec![group]));
}

#[tokio::test]
async fn a_mail_is_accepted_refused_or_unknown_as_the_servers_behave() {
    let env = env().await;
    let _alone = MAIL_SERVER.lock().await;
    let somebody = TestPerson::new("kc-mail", 131);
    let (_, id) = env.import(&somebody).await;
    assert_eq!(env.mail(&id).await, MailOutcome::Accepted);
    env.servers.mail.wait_for_mail_to(somebody.address.as_str(), SOON).await.expect("the mail");

    for fault in
        [MailFault::Refuse450, MailFault::Refuse550, MailFault::AcceptThenDrop, MailFault::RefuseConnections]
    {
        env.servers.mail.set_fault(fault).await.expect("the fault is set");
        let outcome = env.mail(&id).await;
        env.servers.mail.set_fault(MailFault::None).await.expect("the fault is over");
        assert!(matches!(outcome, MailOutcome::Unknown(_)), "{fault:?}: {outcome:?}");
    }

    let nobody = KeycloakId::new("00000000-0000-0000-0000-000000000000").expect("not empty");
    let outcome = env.mail(&nobody).await;
    assert!(
        matches!(outcome, MailOutcome::Refused(KeycloakError::Status { status: 404, .. })),
        "{outcome:?}"
    );

    assert_eq!(env.client.set_enabled(&id, Enabled::No).await, Ok(Outcome::Applied));
    assert_eq!(env.client.set_enabled(&id, Enabled::No).await, Ok(Outcome::Unchanged));
    let outcome = env.mail(&id).await;
    assert!(matches!(&outcome, MailOutcome::Refused(error) if error.says_disabled()), "{outcome:?}");
    assert_eq!(env.client.set_enabled(&id, Enabled::Yes).await, Ok(Outcome::Applied));
    assert_eq!(env.client.end_sessions(&id).await, Ok(()));
    let address = env.client.person(&id).await.expect("an answer").expect("the user").address;
    assert!(address.is_some_and(|address| address.is(&somebody.address)), "the profile is as it was");
}

#[tokio::test]
async fn a_mailed_link_ends_with_its_time_whoever_cleans_up() {
    let env = env().await;
    let _alone = MAIL_SERVER.lock().await;
    let somebody = TestPerson::new("kc-shortlink", 171);
    let (_, id) = env.import(&somebody).await;
    let mailed = async |lives, before: u64| {
        let sent = env.client.send_actions_mail(&id, Actions::FirstPassword, lives).await;
        assert_eq!(sent, MailOutcome::Accepted);
        let mail = env.servers.mail.wait_for_mail_after(somebody.address.as_str(), before, SOON).await;
        let mail = mail.expect("the mail");
        (mail.id, mail.links.first().expect("a link").clone())
    };
    let (first, long) = mailed(Duration::from_hours(12), 0).await;
    let (_, short) = mailed(Duration::from_secs(1), first).await;
    let link = &short;
    wait_until("the link to end", SOON, || async { Ok(!browser::reaches_password_form(link).await?) })
        .await
        .expect("the link ends");
    assert!(browser::reaches_password_form(&long).await.expect("pages"), "the other link has hours left");
    let outcome = browser::follow_action_link(link, "a-long-enough-secret").await.expect("pages");
    assert!(matches!(outcome, browser::Outcome::Refused { .. }), "{outcome:?}");
    assert!(
        !env.servers
            .slapd
            .bind_works(&env.servers.slapd.person_dn("kc-shortlink"), "a-long-enough-secret")
            .await
            .expect("an answer")
    );
}

/// Address, given and family name. The form takes all of the addresses, and the directory all of the names. Each attacks a program that pastes text into mails.
const STRANGE: [(&str, &str, &str); 8] = [
    ("o'hara+tag=1@people.example", "Bcc: eve", "evil.example"),
    ("{x}~^$&*?/#@people.example", "{0} ${link}", "${user.email}"),
    ("ada@b\u{fc}cher.example", "=?utf-8?q?Subject=3A_x?=", "%0d%0aBcc=eve"),
    ("-ada@people.example", "&lt;b&gt;bold&lt;/b&gt;", "\"quoted\" 'and' `more`"),
    ("Bcc=eve@people.example", "Ada. Your account is locked; call 555 0100", "Lovelace"),
    ("a.b.c@sub.people.example", "http：//evil.example", "hxxp evil dot example"),
    ("$x@people.example", "[click](here)", "!-- comment --"),
    ("x_=-@people.example", "Ada \\r\\n.\\r\\n", "Content-Type: text/html"),
];

#[tokio::test]
async fn whatever_legal_text_somebody_typed_one_mail_goes_to_one_address_and_shows_none_of_it() {
    let env = env().await;
    let _alone = MAIL_SERVER.lock().await;
    for (number, (address, given, family)) in STRANGE.into_iter().enumerate() {
        let mut somebody = TestPerson::new(&format!("kc-strange{number}"), 160 + number as u64);
        somebody.address = MailAddress::parse(address).expect("a legal address");
        let ours = somebody.add_to(&env.directory).await;
        // The form refuses some of these names; an operator may write any into the directory.
        let dn = env.servers.slapd.person_dn(somebody.username.as_str());
        env.servers.slapd.set_names(&dn, given, family).await.expect("the directory answers");
        let id = env.imported(&somebody, &ours).await;
        let known: Vec<u64> = env.servers.mail.messages().iter().map(|mail| mail.id).collect();
        assert_eq!(env.mail(&id).await, MailOutcome::Accepted, "{address}");
        env.servers.mail.wait_for_mail_to(somebody.address.as_str(), SOON).await.expect("the mail");
        // Other tests mail to other addresses at the same time.
        let ours = |mail: &testbed::CaughtMail| {
            !known.contains(&mail.id)
                && mail.to.iter().any(|to| to.ends_with(somebody.address.domain()) || to.contains("eve"))
        };
        let mails: Vec<_> = env.servers.mail.messages().into_iter().filter(ours).collect();
        assert_eq!(mails.len(), 1, "{address}: {mails:?}");
        let mail = &mails[0];
        // Keycloak keeps addresses in lower case.
        assert_eq!(mail.to, [somebody.address.folded()], "another recipient");
        let links: Vec<_> = mail.links.iter().filter(|link| link.contains("action-token")).collect();
        assert_eq!((links.len(), mail.links.len()), (1, 1), "{:?}", mail.links);
        assert!(links[0].starts_with(&env.servers.keycloak.public_url), "{links:?}");
        for typed in [given, family] {
            let shows = |text: &str| text.contains(typed);
            assert!(
                !shows(&mail.subject) && !shows(&mail.text) && !shows(&mail.html),
                "the mail shows {typed:?}"
            );
        }
    }
}

#[tokio::test]
async fn switching_a_user_off_and_on_leaves_every_value_of_the_entry_as_it_was() {
    let env = env().await;
    let (ours, id) = env.import(&TestPerson::new("kc-profile", 151)).await;
    let dn = env.servers.slapd.person_dn("kc-profile");
    env.servers
        .slapd
        .set_attribute(&dn, "telephoneNumber", &["+44 20 7946 0000"])
        .await
        .expect("a value of others");
    let values =
        async || env.servers.slapd.entry(&dn).await.expect("an answer").expect("the entry").attributes;
    let before = values().await;
    assert_eq!(env.client.set_enabled(&id, Enabled::No).await, Ok(Outcome::Applied));
    assert_eq!(env.client.set_enabled(&id, Enabled::Yes).await, Ok(Outcome::Applied));
    assert_eq!(values().await, before);
    let user = env.client.person(&id).await.expect("an answer").expect("the user");
    assert_eq!(user.directory_id, Some(ours.directory_id));
}

#[tokio::test]
async fn a_wrong_secret_a_missing_right_and_nobody_there_are_told_apart() {
    let env = env().await;
    let wrong = config::Keycloak { client_secret: SecretString::from("wrong"), ..env.config.clone() };
    let client = Keycloak::new(&wrong).expect("usable settings");
    let error = client.probe().await.expect_err("the secret is wrong");
    assert!(matches!(error, KeycloakError::Status { endpoint: "token", status: 401, .. }), "{error:?}");
    assert_eq!(error.error_code(), ErrorCode::KeycloakRightMissing);
    assert!(!format!("{client:?} {error:?} {error}").contains("wrong"));
    let id = KeycloakId::new("x").expect("not empty");
    let outcome = client.send_actions_mail(&id, Actions::NewPassword, Duration::from_hours(1)).await;
    assert!(matches!(outcome, MailOutcome::NeverSent(_)), "{outcome:?}");

    let client = json!({"clientId": "no-rights", "secret": "s", "publicClient": false, "serviceAccountsEnabled": true});
    env.servers
        .keycloak
        .admin_json(Method::POST, "client-tests/clients", Some(&client))
        .await
        .expect("a client");
    let weak = config::Keycloak {
        client_id: "no-rights".to_owned(),
        client_secret: SecretString::from("s"),
        ..env.config.clone()
    };
    let error = Keycloak::new(&weak).expect("usable settings").probe().await.expect_err("no right");
    assert!(matches!(error, KeycloakError::Status { status: 403, .. }), "{error:?}");

    let nowhere = config::Keycloak { url: Url::parse("http://127.0.0.1:1").expect("a URL"), ..env.config };
    let error = Keycloak::new(&nowhere).expect("usable settings").probe().await.expect_err("nobody is there");
    assert!(matches!(error, KeycloakError::Down { is_ambiguous: false, .. }), "{error:?}");
    assert_eq!(error.error_code(), ErrorCode::KeycloakDown);
}

#[tokio::test]
async fn a_token_that_ends_is_replaced_and_events_can_be_read() {
    let servers = servers::servers().await;
    let config = servers::realm(servers, "client-token").await;
    servers
        .keycloak
        .set_realm("client-token", &json!({"accessTokenLifespan": 1}))
        .await
        .expect("short tokens");
    let client = Keycloak::new(&config).expect("usable settings");
    let begun = std::time::Instant::now();
    // Every call succeeds: its token is renewed before it expires, or the call is repeated after a 401.
    wait_until("several renewals of a token", SOON, || async {
        client.probe().await?;
        Ok(begun.elapsed() > Duration::from_secs(4))
    })
    .await
    .expect("every call works");
    let events = client.events_since(Timestamp::from_millis(0)).await.expect("an answer");
    assert!(events.events.is_empty() && events.latest.is_none());
}
