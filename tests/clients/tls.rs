//! No client sends a secret to a server that does not prove its identity. The certificate has a wrong
//! authority, name or date, or an attacker removed StartTLS. The tests check what such a server has received.

use std::sync::Arc;
use std::time::Duration;

use accolade::clock::{SystemClock, SystemRng};
use accolade::config;
use accolade::directory::{Directory, DirectoryError};
use accolade::discord::Discord;
use accolade::domain::cause::Cause;
use accolade::domain::dn::Dn;
use accolade::keycloak::{Keycloak, KeycloakError};
use accolade::store::Store;
use secrecy::SecretString;
use testbed::proxy::{Answer, Kind, Operation, Plan, Proxy, Server, Speech, Which};
use testbed::{Flaw, Impostor, Opening, Slapd, wait_until};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use url::Url;

use crate::servers;

/// Each flaw with the cause that every client names.
const FLAWS: [(Flaw, Cause); 8] = [
    (Flaw::StrangersAuthority, Cause::TlsUnknownIssuer),
    (Flaw::AnotherName, Cause::TlsWrongName),
    (Flaw::Expired, Cause::TlsExpired),
    (Flaw::NotYetValid, Cause::TlsNotYetValid),
    (Flaw::SelfSigned, Cause::TlsSelfSigned),
    (Flaw::ForClients, Cause::TlsWrongPurpose),
    (Flaw::Sha1, Cause::TlsWeakSignature),
    (Flaw::VersionOne, Cause::TlsVersionOne),
];

const SOON: Duration = Duration::from_secs(5);

fn directory_at(url: &str, start_tls: bool, ca_file: &std::path::Path) -> config::Directory {
    config::Directory {
        url: Url::parse(url).expect("a URL"),
        ca_file: Some(ca_file.to_owned()),
        start_tls,
        plaintext_on_loopback: false,
        flavour: config::Flavour::OpenLdap,
        bind_dn: servers::dn("cn=accolade,dc=example,dc=org"),
        bind_password: SecretString::from("the bind password"),
        people_dn: servers::dn("ou=people,dc=example,dc=org"),
        groups_dn: servers::dn("ou=groups,dc=example,dc=org"),
        discord_id_attribute: "employeeNumber".to_owned(),
        mark_attribute: "description".to_owned(),
        object_classes: vec!["inetOrgPerson".to_owned()],
        privileged_groups: Vec::new(),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_bind_is_sent_to_a_directory_whose_certificate_is_wrong() {
    for (opening, scheme) in [(Opening::Tls, "ldaps"), (Opening::StartTls, "ldap")] {
        let is_start_tls = opening == Opening::StartTls;
        for (flaw, cause) in FLAWS {
            let impostor =
                Impostor::start(&["127.0.0.1", "localhost"], flaw, opening).await.expect("an impostor");
            let url = format!("{scheme}://{}", impostor.address);
            let client = Directory::new(&directory_at(&url, is_start_tls, &impostor.ca_file))
                .expect("usable settings");
            let refused = client.probe().await.expect_err("the certificate is wrong");
            assert!(
                matches!(&refused, DirectoryError::Down { is_ambiguous: false, .. }),
                "{flaw:?} by {scheme}: {refused:?}"
            );
            assert_eq!(refused.cause(), Some(cause), "{flaw:?} by {scheme}");
            assert!(impostor.met() > 0, "no client connected: {flaw:?} by {scheme}");
            assert_eq!(impostor.told(), 0, "{flaw:?} by {scheme}: the bind was sent");
        }
        // The same server with a valid certificate receives the bind, so the certificate is what prevented it above.
        let honest = Impostor::start(&["127.0.0.1"], Flaw::None, opening).await.expect("a server");
        let url = format!("{scheme}://{}", honest.address);
        let client =
            Directory::new(&directory_at(&url, is_start_tls, &honest.ca_file)).expect("usable settings");
        let asking = client.probe();
        let told = wait_until("the bind", SOON, async || Ok(honest.told() > 0));
        tokio::select! {
            ended = asking => panic!("the command ended although the server never answers: {ended:?}"),
            told = told => told.expect("a server that proves its name is told the bind"),
        }
    }
}

fn keycloak_of(impostor: &Impostor) -> config::Keycloak {
    keycloak_at(&format!("https://{}", impostor.address), Some(&impostor.ca_file))
}

fn keycloak_at(url: &str, ca_file: Option<&std::path::Path>) -> config::Keycloak {
    let url = Url::parse(url).expect("a URL");
    config::Keycloak {
        public_url: url.clone(),
        login_url: url.clone(),
        url,
        realm: "members".to_owned(),
        client_id: "accolade".to_owned(),
        client_secret: SecretString::from("the client's secret"),
        ca_file: ca_file.map(std::path::Path::to_owned),
        plaintext_on_loopback: true,
        federation_id: "x".to_owned(),
        group_mapper_id: "x".to_owned(),
        mail_client_id: "x".to_owned(),
        mail_redirect_uri: Url::parse("https://www.example.org/").expect("a URL"),
        community_name: None,
        first_link_lifespan: SOON,
        reset_link_lifespan: SOON,
        event_poll: SOON,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_secret_is_sent_to_a_keycloak_whose_certificate_is_wrong() {
    for (flaw, cause) in FLAWS {
        let impostor = Impostor::start(&["127.0.0.1"], flaw, Opening::Tls).await.expect("an impostor");
        let client = Keycloak::new(&keycloak_of(&impostor)).expect("usable settings");
        let refused = client.probe().await.expect_err("the certificate is wrong");
        assert!(matches!(&refused, KeycloakError::Down { is_ambiguous: false, .. }), "{flaw:?}: {refused:?}");
        assert_eq!(refused.cause(), Some(cause), "{flaw:?}");
        assert!(impostor.met() > 0, "no client connected: {flaw:?}");
        assert_eq!(impostor.told(), 0, "{flaw:?}: something was sent");
    }
    let honest = Impostor::start(&["127.0.0.1"], Flaw::None, Opening::Tls).await.expect("a server");
    let client = Keycloak::new(&keycloak_of(&honest)).expect("usable settings");
    tokio::select! {
        ended = client.probe() => panic!("the command ended although the server never answers: {ended:?}"),
        told = wait_until("the token call", SOON, async || Ok(honest.told() > 0)) => told.expect("it is told"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_token_is_sent_to_a_discord_whose_certificate_is_wrong() {
    let discord_at = |impostor: &Impostor| {
        let endpoint = config::Endpoint { address: impostor.address, ca_file: impostor.ca_file.clone() };
        let config =
            config::Discord { token: SecretString::from("the-bots-token"), endpoint: Some(endpoint) };
        Discord::open(&config, Arc::new(SystemClock)).expect("usable settings")
    };
    for (flaw, cause) in FLAWS {
        let impostor = Impostor::start(&["discord.com"], flaw, Opening::Tls).await.expect("an impostor");
        let refused = discord_at(&impostor).identify().await.expect_err("the certificate is wrong");
        assert_eq!(refused.cause(), Some(cause), "{flaw:?}");
        assert!(impostor.met() > 0, "no client connected: {flaw:?}");
        assert_eq!(impostor.told(), 0, "{flaw:?}: something was sent");
    }
    let honest = Impostor::start(&["discord.com"], Flaw::None, Opening::Tls).await.expect("a server");
    let discord = discord_at(&honest);
    tokio::select! {
        ended = discord.identify() => panic!("the call ended although the server never answers: {ended:?}"),
        told = wait_until("the first call", SOON, async || Ok(honest.told() > 0)) => told.expect("it is told"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_password_is_sent_to_a_database_whose_certificate_is_wrong() {
    let folder = tempfile::tempdir().expect("a folder");
    let opens = |impostor: &Impostor| {
        let (port, ca_file) = (impostor.address.port(), impostor.ca_file.display());
        let url = format!("postgres://accolade@localhost:{port}/x?sslmode=verify-full&sslrootcert={ca_file}");
        let config = config::Store {
            url: Url::parse(&url).expect("a URL"),
            password: Some(SecretString::from("the database's password")),
            key_file: folder.path().join("store.key"),
        };
        async move { Store::migrate(&config, Arc::new(SystemClock), Arc::new(SystemRng)).await }
    };
    for (flaw, cause) in FLAWS {
        let impostor = Impostor::start(&["localhost"], flaw, Opening::Postgres).await.expect("an impostor");
        let refused = opens(&impostor).await.expect_err("the certificate is wrong");
        assert_eq!(refused.cause(), Some(cause), "{flaw:?}");
        assert!(impostor.met() > 0, "no client connected: {flaw:?}");
        assert_eq!(impostor.told(), 0, "{flaw:?}: something was sent");
    }
    let honest = Impostor::start(&["localhost"], Flaw::None, Opening::Postgres).await.expect("a server");
    tokio::select! {
        ended = opens(&honest) => panic!("the call ended although the server never answers: {ended:?}"),
        told = wait_until("the start-up message", SOON, async || Ok(honest.told() > 0)) => told.expect("it is told"),
    }
}

/// An attacker between the client and the directory forges the answer to StartTLS.
async fn probe_behind(slapd: &Slapd, answer: Answer) -> (DirectoryError, Vec<Kind>) {
    let server = slapd.ldap_url.trim_start_matches("ldap://").parse().expect("an address");
    let proxy = Proxy::start(server, Speech::Ldap, 7).await.expect("a proxy");
    proxy.plans(Plan {
        times: 100,
        ..Plan::answer(Which::Ldap(Operation::Extended), answer, Server::IsSpared)
    });
    let url = format!("ldap://{}", proxy.address);
    let config = config::Directory {
        bind_dn: servers::dn(&slapd.bot_dn),
        bind_password: SecretString::from(slapd.bot_password.clone()),
        ..directory_at(&url, true, &slapd.ca_file)
    };
    let refused =
        Directory::new(&config).expect("usable settings").probe().await.expect_err("there is no TLS");
    assert!(!proxy.hits().is_empty(), "StartTLS was not asked for");
    (refused, proxy.exchanges().into_iter().map(|exchange| exchange.kind).collect())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_start_tls_that_was_taken_away_ends_the_connection_before_any_bind() {
    let servers = servers::own_slapd().await;
    // The codes for refused, not understood, and granted but without TLS afterwards.
    for code in [0, 2, 12, 52, 53] {
        let (refused, seen) = probe_behind(&servers.slapd, Answer::LdapResult(code)).await;
        assert!(matches!(&refused, DirectoryError::Down { is_ambiguous: false, .. }), "{code}: {refused:?}");
        assert!(
            !seen.contains(&Kind::Ldap(Operation::Bind)),
            "{code}: the bind went out in the clear: {seen:?}"
        );
    }
}

/// A web server that redirects every request and counts the requests.
async fn redirector(to: String) -> (Url, Arc<std::sync::atomic::AtomicUsize>) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    let came = Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let counts = Arc::clone(&came);
    #[expect(clippy::disallowed_methods, reason = "a server of this test, which ends with its runtime")]
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            counts.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
            let answer = format!(
                "HTTP/1.1 307 Temporary Redirect\r\nlocation: {to}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
            );
            let mut request = [0; 4096];
            // A client that closes the connection needs no answer.
            if stream.read(&mut request).await.is_ok() {
                drop(stream.write_all(answer.as_bytes()).await);
            }
        }
    });
    (Url::parse(&url).expect("a URL"), came)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_keycloak_that_sends_us_elsewhere_is_not_followed() {
    let (elsewhere, came_there) = redirector("http://127.0.0.1:1/".to_owned()).await;
    for to in ["http://169.254.169.254/latest/meta-data/", elsewhere.as_str()] {
        let (url, came) = redirector(to.to_owned()).await;
        let config = config::Keycloak {
            public_url: url.clone(),
            login_url: url.clone(),
            url,
            realm: "members".to_owned(),
            client_id: "accolade".to_owned(),
            client_secret: SecretString::from("the client's secret"),
            ca_file: None,
            plaintext_on_loopback: true,
            federation_id: "x".to_owned(),
            group_mapper_id: "x".to_owned(),
            mail_client_id: "x".to_owned(),
            mail_redirect_uri: Url::parse("https://www.example.org/").expect("a URL"),
            community_name: None,
            first_link_lifespan: SOON,
            reset_link_lifespan: SOON,
            event_poll: SOON,
        };
        let refused = Keycloak::new(&config).expect("usable settings").probe().await.expect_err("no token");
        assert!(matches!(refused, KeycloakError::Status { status: 307, .. }), "{refused:?}");
        assert_eq!(came.load(std::sync::atomic::Ordering::SeqCst), 1, "{to}");
    }
    assert_eq!(came_there.load(std::sync::atomic::Ordering::SeqCst), 0, "the secret was sent elsewhere");
}

/// OpenSSL's own server with settings that no modern library can have. It ends with this value.
struct OldServer {
    port: u16,
    ca_file: std::path::PathBuf,
    _process: tokio::process::Child,
    _folder: tempfile::TempDir,
}

impl OldServer {
    async fn start(bits: &str, more: &[&str]) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let run = |arguments: &[&str]| {
            let mut command = tokio::process::Command::new("openssl");
            command.args(arguments).current_dir(folder.path()).stderr(std::process::Stdio::null());
            command
        };
        let made =
            async |arguments: &[&str]| assert!(run(arguments).status().await.expect("openssl").success());
        std::fs::write(folder.path().join("extensions"), "subjectAltName=IP:127.0.0.1").expect("a file");
        made(&[
            "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", "ca.key", "-out", "ca.crt", "-days",
            "3650", "-subj", "/CN=old",
        ])
        .await;
        made(&[
            "req",
            "-newkey",
            bits,
            "-nodes",
            "-keyout",
            "s.key",
            "-out",
            "s.csr",
            "-subj",
            "/CN=localhost",
        ])
        .await;
        made(&[
            "x509",
            "-req",
            "-in",
            "s.csr",
            "-CA",
            "ca.crt",
            "-CAkey",
            "ca.key",
            "-CAcreateserial",
            "-days",
            "3650",
            "-extfile",
            "extensions",
            "-out",
            "s.crt",
        ])
        .await;
        let serve = [
            "s_server",
            "-accept",
            "127.0.0.1:0",
            "-cert",
            "s.crt",
            "-key",
            "s.key",
            "-cipher",
            "ALL:@SECLEVEL=0",
        ];
        let mut command = run(&[&serve[..], more].concat());
        let mut process = command
            .stdin(std::process::Stdio::piped())
            .stdout(std::process::Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("openssl");
        let mut out = tokio::io::BufReader::new(process.stdout.take().expect("its output"));
        let mut line = String::new();
        while !line.starts_with("ACCEPT ") {
            line.clear();
            let read = tokio::io::AsyncBufReadExt::read_line(&mut out, &mut line);
            assert!(
                tokio::time::timeout(SOON, read).await.expect("in time").expect("a line") > 0,
                "openssl ended"
            );
        }
        let port = line.trim().rsplit(':').next().and_then(|port| port.parse().ok()).expect("a port");
        let ca_file = folder.path().join("ca.crt");
        Self { port, ca_file, _process: process, _folder: folder }
    }
}

/// What rustls refuses and older clients accept is told apart, because each has another fix.
#[tokio::test(flavor = "multi_thread")]
async fn a_server_of_yesterday_is_told_what_it_must_change() {
    for (bits, more, cause) in [
        ("rsa:1024", &[][..], Cause::TlsBadSignature),
        ("rsa:2048", &["-tls1_1"], Cause::TlsTooOld),
        ("rsa:2048", &["-tls1_2", "-cipher", "AES256-SHA:@SECLEVEL=0"], Cause::TlsNoCommonCipher),
    ] {
        let server = OldServer::start(bits, more).await;
        let address = format!("127.0.0.1:{}", server.port);
        let keycloak = Keycloak::new(&keycloak_at(&format!("https://{address}"), Some(&server.ca_file)));
        let refused = keycloak.expect("usable settings").probe().await.expect_err("it is too old");
        assert_eq!(refused.cause(), Some(cause), "{bits} {more:?}");
        let directory = Directory::new(&directory_at(&format!("ldaps://{address}"), false, &server.ca_file));
        let refused = directory.expect("usable settings").probe().await.expect_err("it is too old");
        assert_eq!(refused.cause(), Some(cause), "{bits} {more:?}");
    }
}

/// The wrong scheme or port is not a wrong certificate, and a host that is not there is not a server that is busy.
#[tokio::test(flavor = "multi_thread")]
async fn another_protocol_and_another_place_are_named() {
    let servers = servers::own_slapd().await;
    let (plain, tls) = (&servers.slapd.ldap_url, &servers.slapd.ldaps_url);
    let ca_file = &servers.slapd.ca_file;
    let ldap = |url: String, start_tls| {
        let config =
            config::Directory { plaintext_on_loopback: true, ..directory_at(&url, start_tls, ca_file) };
        Directory::new(&config).expect("usable settings")
    };
    let (web, _) = redirector("http://127.0.0.1:1/".to_owned()).await;
    let web = format!("127.0.0.1:{}", web.port().expect("a port"));
    let swapped =
        |url: &str, scheme: &str| [scheme, url.split_once("://").map_or("", |(_, rest)| rest)].concat();
    for (url, start_tls, causes) in [
        (swapped(plain, "ldaps://"), false, [Cause::TlsClosed, Cause::TlsNotSpoken, Cause::ConnectionLost]),
        (swapped(tls, "ldap://"), true, [Cause::TlsClosed, Cause::NotLdap, Cause::TimedOut]),
        (format!("ldaps://{web}"), false, [Cause::TlsNotSpoken; 3]),
        ("ldaps://127.0.0.1:1".to_owned(), false, [Cause::ConnectionRefused; 3]),
        ("ldaps://no-such-host.invalid".to_owned(), false, [Cause::NameUnknown; 3]),
    ] {
        let refused = ldap(url.clone(), start_tls).probe().await.expect_err("it is not there");
        assert!(refused.cause().is_some_and(|cause| causes.contains(&cause)), "{url}: {refused:?}");
    }
    for (url, causes) in [
        (swapped(plain, "https://"), [Cause::TlsClosed, Cause::TlsNotSpoken, Cause::ConnectionLost]),
        (format!("https://{web}"), [Cause::TlsNotSpoken; 3]),
        (swapped(tls, "http://"), [Cause::NotHttp, Cause::ConnectionLost, Cause::TlsClosed]),
        ("https://127.0.0.1:1".to_owned(), [Cause::ConnectionRefused; 3]),
        ("https://no-such-host.invalid".to_owned(), [Cause::NameUnknown; 3]),
    ] {
        let keycloak = Keycloak::new(&keycloak_at(&url, Some(ca_file))).expect("usable settings");
        let refused = keycloak.probe().await.expect_err("it is not there");
        assert!(refused.cause().is_some_and(|cause| causes.contains(&cause)), "{url}: {refused:?}");
    }
}

/// slapd answers a bind without TLS with 13 (confidentialityRequired), before it looks at the password.
#[tokio::test(flavor = "multi_thread")]
async fn a_directory_that_takes_passwords_only_over_tls_says_so_and_not_that_the_password_is_wrong() {
    let servers = servers::own_slapd().await;
    let slapd = &servers.slapd;
    slapd.set_config(testbed::slapd::DATABASE, "olcSecurity", &["simple_bind=128"]).await.expect("a setting");
    let plain = config::Directory {
        plaintext_on_loopback: true,
        bind_dn: Dn::parse(&slapd.bot_dn).expect("a DN"),
        bind_password: SecretString::from(slapd.bot_password.clone()),
        ..directory_at(&slapd.ldap_url, false, &slapd.ca_file)
    };
    let refused = Directory::new(&plain).expect("usable settings").probe().await.expect_err("no TLS");
    assert_eq!(refused, DirectoryError::Refused { verb: "bind", rc: 13 });
    assert_eq!(refused.cause(), Some(Cause::LdapTlsRequired));
    let over_tls = config::Directory { start_tls: true, ..plain.clone() };
    Directory::new(&over_tls).expect("usable settings").probe().await.expect("the fix works");
    let wrong = config::Directory { bind_password: SecretString::from("wrong"), ..over_tls };
    let refused =
        Directory::new(&wrong).expect("usable settings").probe().await.expect_err("a wrong password");
    assert_eq!(refused.cause(), Some(Cause::LdapPasswordWrong));
}
