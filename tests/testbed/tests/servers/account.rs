//! One account on real servers, from the directory entry to the login.

use std::{collections::HashSet, time::Duration};

use ldap3::Mod;
use reqwest::Method;
use serde_json::json;
use testbed::{
    MailFault, Managed, ServerOptions, TestServers,
    browser::{self, Login, Outcome},
    slapd::PersonByHand,
};

use crate::realm::{CLIENT, REDIRECT_URI, make_realm};

const REALM: &str = "accolade";
const ADDRESS: &str = "ada@example.org";
const PASSWORD: &str = "a-long-enough-secret";
const LIMIT: Duration = Duration::from_secs(20);

/// Asks Keycloak to mail the link, and returns the status of its answer.
async fn ask_for_mail(servers: &TestServers, user_id: &str) -> u16 {
    let path = format!(
        "{REALM}/users/{user_id}/execute-actions-email?lifespan=3600&client_id={CLIENT}&redirect_uri={REDIRECT_URI}"
    );
    let actions = json!(["UPDATE_PASSWORD", "VERIFY_EMAIL"]);
    let answer = servers.keycloak.admin_call(Method::PUT, &path, Some(&actions)).await.expect("an answer");
    answer.status().as_u16()
}

async fn login(servers: &TestServers, password: &str) -> Login {
    browser::login_by_code(&servers.keycloak.url, REALM, CLIENT, REDIRECT_URI, "ada", password)
        .await
        .expect("pages")
}

#[tokio::test]
async fn the_mailed_link_sets_a_password_that_opens_directory_and_login() {
    let servers = TestServers::start(ServerOptions::servers()).await.expect("all servers");
    let (slapd, keycloak) = (&servers.slapd, &servers.keycloak);
    let group = slapd.add_group("members", Managed::Yes).await.expect("a group");
    make_realm(&servers, REALM).await.expect("a realm");

    let person = PersonByHand { mark: Some("accolade:1".to_owned()), ..PersonByHand::named("ada") };
    let dn = slapd.add_person_by_hand(&person).await.expect("an entry");
    let mut bot = slapd.connect_as(&slapd.bot_dn, &slapd.bot_password).await.expect("the bot binds");
    let joins = Mod::Add("member", HashSet::from([dn.as_str()]));
    assert_eq!(bot.modify(&group, vec![joins]).await.expect("an answer").rc, 0);

    let user = keycloak.user_named(REALM, "ada").await.expect("an answer").expect("imported on demand");
    let entry = slapd.entry(&dn).await.expect("a look").expect("an entry");
    assert_eq!(user.ldap_id.as_deref(), entry.value("entryUUID"));
    assert!(user.federation_link.is_some() && !user.email_verified);
    assert_eq!(keycloak.user_groups(REALM, &user.id).await.expect("groups"), ["members"]);

    assert_eq!(ask_for_mail(&servers, &user.id).await, 204);
    let mail = servers.mail.wait_for_mail_to(ADDRESS, LIMIT).await.expect("the mail");
    let link = mail.links.first().expect("a link");
    assert!(link.starts_with(&keycloak.public_url), "the link leads to Keycloak's public address");

    assert!(browser::reaches_password_form(link).await.expect("pages"));
    let short = browser::follow_action_link(link, "short").await.expect("pages");
    assert!(matches!(short, Outcome::Refused { .. }), "the realm's password policy is applied: {short:?}");
    assert!(matches!(login(&servers, PASSWORD).await, Login::Refused(_)), "no password yet");
    assert_eq!(browser::follow_action_link(link, PASSWORD).await.expect("pages"), Outcome::PasswordSet);
    let again = browser::follow_action_link(link, PASSWORD).await.expect("pages");
    assert!(matches!(again, Outcome::Refused { status: 400, .. }), "a used link no longer works: {again:?}");

    assert!(slapd.bind_works(&dn, PASSWORD).await.expect("an answer"));
    assert!(slapd.entry(&dn).await.expect("a look").expect("an entry").value("pwdChangedTime").is_some());
    match login(&servers, PASSWORD).await {
        Login::Tokens(tokens) => {
            assert_eq!(tokens.username(), Some("ada"));
            assert_eq!(tokens.groups(), ["members"]);
        }
        Login::Refused(message) => panic!("the login was refused: {message}"),
    }
    assert!(matches!(login(&servers, "another-password").await, Login::Refused(_)));
    let events = keycloak.events(REALM, Some("UPDATE_PASSWORD")).await.expect("events");
    assert_eq!(events.len(), 1);
    assert_eq!(events[0]["userId"], user.id.as_str());

    mail_faults_reach_keycloak(&servers, &user.id).await;
    keycloak_comes_back_with_its_realm(&servers).await;
    servers.stop().await;
}

/// Uses the same set of servers, because starting Keycloak takes seconds.
async fn mail_faults_reach_keycloak(servers: &TestServers, user_id: &str) {
    let faults = [
        (MailFault::Refuse450, 0),
        (MailFault::Refuse550, 0),
        (MailFault::RefuseConnections, 0),
        (MailFault::AcceptThenDrop, 1),
        (MailFault::Delay(Duration::from_secs(4)), 1),
    ];
    for (fault, arrived) in faults {
        servers.mail.clear();
        servers.mail.set_fault(fault).await.expect("set");
        assert_eq!(ask_for_mail(servers, user_id).await, 500, "{fault:?}");
        assert_eq!(servers.mail.messages().len(), arrived, "{fault:?}");
    }
    servers.mail.set_fault(MailFault::None).await.expect("set");
    assert_eq!(ask_for_mail(servers, user_id).await, 204);
}

async fn keycloak_comes_back_with_its_realm(servers: &TestServers) {
    let keycloak = &servers.keycloak;
    keycloak.freeze();
    let asked = tokio::time::timeout(Duration::from_millis(500), keycloak.admin_token()).await;
    assert!(asked.is_err(), "no answer while it is frozen");
    keycloak.thaw();
    assert!(keycloak.admin_token().await.is_ok());
    keycloak.create_local_user(REALM, local("grace")).await.expect("made");
    let before = keycloak.users(REALM).await.expect("users").len();
    keycloak.kill();
    assert!(keycloak.admin_token().await.is_err(), "no server answers");
    keycloak.start().await.expect("again");
    assert_eq!(keycloak.users(REALM).await.expect("users").len(), before);
    let user = keycloak.user_named(REALM, "grace").await.expect("an answer").expect("still there");
    keycloak.set_user(REALM, &user.id, &json!({"enabled": false})).await.expect("changed");
    assert!(!keycloak.user_named(REALM, "grace").await.expect("an answer").expect("there").enabled);
    keycloak.delete_user(REALM, &user.id).await.expect("deleted");
    keycloak.delete_realm(REALM).await.expect("deleted");
    keycloak.delete_realm(REALM).await.expect("a second deletion is no error");
    assert!(keycloak.realm(REALM).await.is_err());
}

const fn local(username: &str) -> testbed::keycloak_admin::LocalUser<'_> {
    testbed::keycloak_admin::LocalUser { username, email: "grace@example.org", password: None }
}

#[tokio::test]
async fn two_keycloaks_run_side_by_side_and_share_nothing() {
    let alone =
        || ServerOptions { keycloak: Some(testbed::KeycloakOptions::default()), ..ServerOptions::default() };
    let (one, other) = tokio::join!(TestServers::start(alone()), TestServers::start(alone()));
    let (one, other) = (one.expect("the first"), other.expect("the second"));
    let body = json!({"realm": "only-here", "enabled": true});
    let made = one.keycloak.admin_call(Method::POST, "", Some(&body)).await.expect("an answer");
    assert_eq!(made.status(), 201);
    assert!(one.keycloak.realm("only-here").await.is_ok());
    assert!(other.keycloak.realm("only-here").await.is_err());
}
