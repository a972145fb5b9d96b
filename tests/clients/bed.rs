//! The servers that the tests of this binary share, and ready-made settings for the clients.

use std::path::{Path, PathBuf};
use std::time::Duration;

use accolade::config;
use accolade::setup::keycloak::{Args, Mode, Output, Report, SetupInput, run};
use secrecy::SecretString;
use testbed::{Bed, BedOptions, Slapd};
use tokio::sync::OnceCell;
use url::Url;

static BED: OnceCell<Bed> = OnceCell::const_new();

/// All three servers, started by the first test that needs them.
pub(crate) async fn servers() -> &'static Bed {
    BED.get_or_init(|| async {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("clients-bed");
        let options = BedOptions { folder: Some(folder), ..BedOptions::servers() };
        Bed::start(options).await.expect("the servers start")
    })
    .await
}

/// A directory of the test's own, which it may kill and freeze.
pub(crate) async fn own_slapd() -> Bed {
    Bed::start(BedOptions::slapd_alone()).await.expect("slapd starts")
}

/// `[directory]` for a server, plain on loopback.
pub(crate) fn directory_config(slapd: &Slapd) -> config::Directory {
    config::Directory {
        url: Url::parse(&slapd.ldap_url).expect("a URL"),
        ca_file: None,
        start_tls: false,
        plaintext_on_loopback: true,
        flavour: config::Flavour::OpenLdap,
        bind_dn: slapd.bot_dn.clone(),
        bind_password: SecretString::from(slapd.bot_password.clone()),
        people_dn: slapd.people_dn.clone(),
        groups_dn: slapd.groups_dn.clone(),
        discord_id_attribute: "employeeNumber".to_owned(),
        mark_attribute: "description".to_owned(),
        object_classes: ["top", "person", "organizationalPerson", "inetOrgPerson"]
            .map(str::to_owned)
            .to_vec(),
        privileged_groups: Vec::new(),
    }
}

/// The input of `setup keycloak` for one realm of the shared Keycloak.
pub(crate) fn setup_input(bed: &Bed, realm: &str) -> SetupInput {
    SetupInput {
        url: Url::parse(&bed.keycloak.url).expect("a URL"),
        public_url: Url::parse(&bed.keycloak.public_url).expect("a URL"),
        realm: realm.to_owned(),
        client_id: "accolade".to_owned(),
        client_secret_file: secret_file(bed, realm),
        ca_file: None,
        plaintext_on_loopback: true,
        mail_client_id: "members".to_owned(),
        mail_redirect_uri: Url::parse("http://localhost:8700/welcome").expect("a URL"),
        first_link_lifespan: Duration::from_hours(12),
        directory_url: Url::parse(&bed.slapd.ldap_url).expect("a URL"),
        start_tls: false,
        people_dn: bed.slapd.people_dn.clone(),
        groups_dn: bed.slapd.groups_dn.clone(),
        discord_id_attribute: "employeeNumber".to_owned(),
        flavour: config::Flavour::OpenLdap,
    }
}

pub(crate) fn secret_file(bed: &Bed, realm: &str) -> PathBuf {
    bed.folder().join(["client-secret-", realm].concat())
}

/// The flags of `setup keycloak` for the shared servers.
pub(crate) fn setup_args(bed: &Bed, mode: Mode) -> Args {
    let password = std::fs::read_to_string(&bed.keycloak.admin_password_file).expect("the password file");
    Args {
        mode,
        admin_user: bed.keycloak.admin_user.clone(),
        admin_password: SecretString::from(password),
        federation_bind_dn: bed.slapd.keycloak_dn.clone(),
        federation_bind_password: SecretString::from(bed.slapd.keycloak_password.clone()),
        federation_url: None,
        rights: None,
        output: Output::Json,
    }
}

/// Sets up a realm that mails to the catcher, and returns `[keycloak]` for it.
pub(crate) async fn realm(bed: &Bed, realm: &str) -> config::Keycloak {
    let input = setup_input(bed, realm);
    let report = run(&setup_args(bed, Mode::Apply), &input, &mut Vec::new()).await.expect("set-up succeeds");
    bed.keycloak.set_smtp(realm, &bed.mail).await.expect("the realm mails to the catcher");
    keycloak_config(&input, &report)
}

pub(crate) fn keycloak_config(input: &SetupInput, report: &Report) -> config::Keycloak {
    let secret = std::fs::read_to_string(&input.client_secret_file).expect("the secret file");
    config::Keycloak {
        url: input.url.clone(),
        public_url: input.public_url.clone(),
        realm: input.realm.clone(),
        client_id: input.client_id.clone(),
        client_secret: SecretString::from(secret),
        ca_file: None,
        plaintext_on_loopback: true,
        federation_id: report.federation_id.clone().expect("a federation id"),
        group_mapper_id: report.group_mapper_id.clone().expect("a mapper id"),
        mail_client_id: input.mail_client_id.clone(),
        mail_redirect_uri: input.mail_redirect_uri.clone(),
        first_link_lifespan: input.first_link_lifespan,
        reset_link_lifespan: Duration::from_hours(1),
        event_poll: Duration::from_secs(5),
    }
}
