//! The servers that the tests of this binary share, and ready-made settings for the clients.

use std::path::{Path, PathBuf};
use std::time::Duration;

use accolade::config;
use accolade::domain::dn::Dn;
use accolade::setup::keycloak::{
    Args, MailTextsMode, Mode, Narrowing, Output, ProfileMode, Report, SetupInput, run,
};
use secrecy::SecretString;
use serde_json::json;
use testbed::{ServerOptions, Slapd, TestServers};
use tokio::sync::OnceCell;
use url::Url;

static SERVERS: OnceCell<TestServers> = OnceCell::const_new();

/// All three servers, started by the first test that needs them.
pub(crate) async fn servers() -> &'static TestServers {
    SERVERS
        .get_or_init(|| async {
            let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("clients-servers");
            let options = ServerOptions { folder: Some(folder), ..ServerOptions::servers() };
            TestServers::start(options).await.expect("the servers start")
        })
        .await
}

/// A directory that belongs to one test, which may kill and freeze it.
pub(crate) async fn own_slapd() -> TestServers {
    TestServers::start(ServerOptions::slapd_alone()).await.expect("slapd starts")
}

/// `[directory]` for a server, in plain text on loopback.
pub(crate) fn directory_config(slapd: &Slapd) -> config::Directory {
    harness::sections::directory(slapd)
}

/// A distinguished name.
pub(crate) fn dn(text: &str) -> Dn {
    Dn::parse(text).expect("a name")
}

/// The input of `setup keycloak` for one realm of the shared Keycloak.
pub(crate) fn setup_input(servers: &TestServers, realm: &str) -> SetupInput {
    SetupInput {
        url: Url::parse(&servers.keycloak.url).expect("a URL"),
        public_url: Url::parse(&servers.keycloak.public_url).expect("a URL"),
        realm: realm.to_owned(),
        client_id: "accolade".to_owned(),
        client_secret_file: secret_file(servers, realm),
        ca_file: None,
        plaintext_on_loopback: true,
        mail_client_id: "members".to_owned(),
        mail_redirect_uri: Url::parse("http://localhost:8700/welcome").expect("a URL"),
        community_name: None,
        first_link_lifespan: Duration::from_hours(12),
        federation_id: None,
        directory: directory_config(&servers.slapd),
    }
}

pub(crate) fn secret_file(servers: &TestServers, realm: &str) -> PathBuf {
    servers.folder().join(["client-secret-", realm].concat())
}

/// The flags of `setup keycloak` for the shared servers.
pub(crate) fn setup_args(servers: &TestServers, mode: Mode) -> Args {
    let password = std::fs::read_to_string(&servers.keycloak.admin_password_file).expect("the password file");
    Args {
        mode,
        admin_user: servers.keycloak.admin_user.clone(),
        admin_password: SecretString::from(password),
        federation_bind_dn: servers.slapd.keycloak_dn.clone(),
        federation_bind_password: SecretString::from(servers.slapd.keycloak_password.clone()),
        federation_url: None,
        rights: None,
        profile: ProfileMode::Keep,
        narrowing: Narrowing::Refused,
        mail_texts: MailTextsMode::Fill,
        output: Output::Json,
    }
}

/// Sets up a realm that mails to the catcher, and returns `[keycloak]` for it.
pub(crate) async fn realm(servers: &TestServers, realm: &str) -> config::Keycloak {
    let input = setup_input(servers, realm);
    let report =
        run(&setup_args(servers, Mode::Apply), &input, &mut Vec::new()).await.expect("set-up succeeds");
    servers.keycloak.set_smtp(realm, &servers.mail).await.expect("the realm mails to the catcher");
    keycloak_config(&input, &report)
}

/// `[keycloak]` for a realm that `setup keycloak` made.
pub(crate) fn keycloak_config(input: &SetupInput, report: &Report) -> config::Keycloak {
    let keys = json!({
        "url": input.url.as_str(),
        "public_url": input.public_url.as_str(),
        "realm": input.realm,
        "client_id": input.client_id,
        "federation_id": report.federation_id.as_deref().expect("a federation id"),
        "group_mapper_id": report.group_mapper_id.as_deref().expect("a mapper id"),
        "mail_client_id": input.mail_client_id,
        "mail_redirect_uri": input.mail_redirect_uri.as_str(),
    });
    harness::sections::keycloak(&input.client_secret_file, &keys)
}
