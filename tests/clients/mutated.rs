//! Corrupted answers: a scripted server sends a correct answer with one corrupted place and closes the connection. The client must not
//! crash, must not report a success that did not happen, and must accept the next correct answer.
//!
//! TLS protects against changes in transit. These tests are about faulty servers and proxies, and about the client's parsers.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use accolade::config;
use accolade::directory::{Added, By, Directory, OwnedEntry, Removed};
use accolade::domain::account::{DirectoryId, KeycloakId};
use accolade::keycloak::{Actions, Enabled, Import, Keycloak, MailOutcome};
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use secrecy::SecretString;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use url::Url;

use crate::directory::TestPerson;
use crate::servers;

const PEOPLE: &str = "ou=people,dc=example,dc=org";

/// The number of corrupted answers of each server.
const TRIALS: u64 = 10_000;

/// Corrupts one place: changes, removes, inserts or repeats bytes.
fn spoil(mut bytes: Vec<u8>, random: &mut StdRng) -> Vec<u8> {
    let at = random.random_range(0..bytes.len());
    match random.random_range(0..6) {
        0 => bytes[at] ^= random.random_range(1..=u8::MAX),
        1 => {
            bytes[at] = random.random();
            let other = random.random_range(0..bytes.len());
            bytes[other] = random.random();
        }
        2 => bytes.truncate(at),
        3 => drop(bytes.remove(at)),
        4 => bytes.insert(at, random.random()),
        _ => {
            let end = random.random_range(at..bytes.len());
            let again = bytes[at..end].to_vec();
            bytes.splice(at..at, again);
        }
    }
    bytes
}

/// Returns the answer to a request, or `None` while the request is incomplete.
type Script = fn(&[u8]) -> Option<Reply>;

struct Reply {
    /// The length of the request that it answers.
    taken: usize,
    bytes: Vec<u8>,
    /// Whether this answer may be corrupted.
    is_plot: bool,
}

/// How the next answers are sent.
#[derive(Debug)]
struct Mood {
    random: StdRng,
    is_honest: bool,
    /// The last corrupted answer, for the message of a failed assertion.
    last: Vec<u8>,
}

struct Liar {
    port: u16,
    mood: Arc<Mutex<Mood>>,
}

impl Liar {
    async fn starts(script: Script) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let mood = Mood { random: StdRng::seed_from_u64(1), is_honest: false, last: Vec::new() };
        let mood = Arc::new(Mutex::new(mood));
        let shared = Arc::clone(&mood);
        #[expect(clippy::disallowed_methods, reason = "the scripted server ends with the test's runtime")]
        tokio::spawn(async move {
            while let Ok((line, _)) = listener.accept().await {
                // A broken connection means that the client has closed it.
                tokio::spawn(answer(line, script, Arc::clone(&shared)));
            }
        });
        Self { port, mood }
    }

    fn is_honest_from_now_on(&self) {
        self.mood.lock().unwrap_or_else(PoisonError::into_inner).is_honest = true;
    }

    fn last(&self) -> String {
        String::from_utf8_lossy(&self.mood.lock().unwrap_or_else(PoisonError::into_inner).last).into_owned()
    }
}

async fn answer(mut line: TcpStream, script: Script, mood: Arc<Mutex<Mood>>) -> std::io::Result<()> {
    let mut asked = Vec::new();
    loop {
        if line.read_buf(&mut asked).await? == 0 {
            return Ok(());
        }
        while let Some(reply) = script(&asked) {
            asked.drain(..reply.taken);
            let (bytes, is_last) = {
                let mut mood = mood.lock().unwrap_or_else(PoisonError::into_inner);
                if mood.is_honest || !reply.is_plot {
                    (reply.bytes, false)
                } else {
                    let spoilt = spoil(reply.bytes, &mut mood.random);
                    mood.last.clone_from(&spoilt);
                    (spoilt, true)
                }
            };
            line.write_all(&bytes).await?;
            if is_last {
                return line.shutdown().await;
            }
        }
    }
}

/// A BER element (X.690 section 8.1).
fn element(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = u16::try_from(content.len()).expect("short answers").to_be_bytes();
    let mut bytes = vec![tag];
    if content.len() < 128 {
        bytes.push(length[1]);
    } else {
        bytes.extend([0x82, length[0], length[1]]);
    }
    bytes.extend(content);
    bytes
}

fn text(value: &str) -> Vec<u8> {
    element(0x04, value.as_bytes())
}

/// An LDAP result with this code, in an answer with this tag.
fn result(tag: u8, code: u8) -> Vec<u8> {
    element(tag, &[vec![0x0a, 1, code], text(""), text("")].concat())
}

fn message(id: &[u8], operation: &[u8]) -> Vec<u8> {
    element(0x30, &[element(0x02, id), operation.to_vec()].concat())
}

/// Eve's entry, with a mark and a password.
fn eves_entry() -> Vec<u8> {
    let eve = TestPerson::new("eve", 2);
    let attribute =
        |name: &str, value: &str| element(0x30, &[text(name), element(0x31, &text(value))].concat());
    let attributes = [
        attribute("entryUUID", "00000000-0000-4000-8000-0000000000ee"),
        attribute("uid", "eve"),
        attribute("mail", "eve@example.org"),
        attribute("employeeNumber", &eve.discord_id.to_string()),
        attribute("description", &eve.mark.to_string()),
        attribute("pwdChangedTime", "20260101000000Z"),
    ];
    let dn = ["uid=eve,", PEOPLE].concat();
    element(0x64, &[text(&dn), element(0x30, &attributes.concat())].concat())
}

/// A read-only directory with Eve's entry only.
fn directory(asked: &[u8]) -> Option<Reply> {
    let content_at = match asked.get(1)? {
        0x81 => 3,
        0x82 => 4,
        0x84 => 6,
        short if *short < 128 => 2,
        _ => return None,
    };
    let digits = if content_at == 2 { &asked[1..2] } else { asked.get(2..content_at)? };
    let length = digits.iter().fold(0, |sum, digit| sum << 8 | usize::from(*digit));
    let taken = content_at + length;
    let content = asked.get(content_at..taken)?;
    let id_ends = 2 + usize::from(*content.get(1)?);
    let id = content.get(2..id_ends)?;
    let operation = *content.get(id_ends)?;
    let answers = match operation {
        0x60 => vec![result(0x61, 0)],
        0x63 => vec![eves_entry(), result(0x65, 0)],
        0x66 => vec![result(0x67, 50)],
        0x68 => vec![result(0x69, 68)],
        0x4a => vec![result(0x6b, 50)],
        _ => return None,
    };
    let bytes = answers.iter().flat_map(|answer| message(id, answer)).collect();
    Some(Reply { taken, bytes, is_plot: operation != 0x60 })
}

#[tokio::test(flavor = "multi_thread")]
async fn no_spoilt_answer_of_the_directory_is_taken_for_a_success_or_stops_the_process() {
    let liar = Liar::starts(directory).await;
    let config = config::Directory {
        url: Url::parse(&format!("ldap://127.0.0.1:{}", liar.port)).expect("a URL"),
        ca_file: None,
        start_tls: false,
        plaintext_on_loopback: true,
        flavour: config::Flavour::OpenLdap,
        bind_dn: servers::dn("cn=bot"),
        bind_password: SecretString::from("secret"),
        people_dn: servers::dn(PEOPLE),
        groups_dn: servers::dn("ou=groups,dc=example,dc=org"),
        discord_id_attribute: "employeeNumber".to_owned(),
        mark_attribute: "description".to_owned(),
        object_classes: vec!["inetOrgPerson".to_owned()],
        privileged_groups: Vec::new(),
    };
    let client = Directory::new(&config).expect("usable settings");
    let (ada, eve) = (TestPerson::new("ada", 1), TestPerson::new("eve", 2));
    let id = DirectoryId::new("00000000-0000-4000-8000-0000000000aa").expect("not empty");
    let ours = OwnedEntry { directory_id: id, mark: ada.mark, discord_id: ada.discord_id };
    for trial in 0..TRIALS {
        match trial % 5 {
            0 => {
                let added = client.add_person(&ada.as_new()).await;
                let is_made = matches!(added, Ok(Added::Created(_) | Added::AlreadyOurs(_)));
                assert!(!is_made, "trial {trial}: {added:?} of {:?}", liar.last());
            }
            1 => {
                let found = client.find(By::Mark(ada.mark)).await.unwrap_or_default();
                let is_ours = found.iter().any(|entry| entry.ours(ada.mark, ada.discord_id).is_some());
                assert!(!is_ours, "trial {trial}: {:?}", liar.last());
            }
            2 => assert!(client.lock(&ours).await.is_err(), "trial {trial}: {:?}", liar.last()),
            3 => {
                let removed = client.remove_if_ours(&ours).await;
                let is_done = matches!(removed, Ok(Removed::Removed | Removed::HasPassword));
                assert!(!is_done, "trial {trial}: {removed:?} of {:?}", liar.last());
            }
            _ => {
                let time = client.password_changed_at(&ours).await;
                assert!(time.is_err(), "trial {trial}: {time:?} of {:?}", liar.last());
            }
        }
    }
    liar.is_honest_from_now_on();
    let found = client.find(By::Mark(eve.mark)).await.expect("an honest answer");
    assert_eq!(found.iter().filter(|entry| entry.mark == Some(eve.mark)).count(), 1);
}

fn http(status: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    format!("HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}")
        .into_bytes()
}

const EVES_USER: &str = r#"{"id":"11111111-1111-4111-8111-111111111111","username":"eve","email":"eve@example.org","enabled":true,"emailVerified":true,"federationLink":"ldap","attributes":{"LDAP_ID":["00000000-0000-4000-8000-0000000000ee"]}}"#;

/// A Keycloak with the user Eve, who always stays enabled, and with a broken mail server.
fn keycloak(asked: &[u8]) -> Option<Reply> {
    let head = asked.windows(4).position(|four| four == b"\r\n\r\n")? + 4;
    let request = std::str::from_utf8(&asked[..head]).ok()?;
    let length = request.lines().find_map(|line| {
        line.to_ascii_lowercase().strip_prefix("content-length:").and_then(|text| text.trim().parse().ok())
    });
    let taken = head + length.unwrap_or(0_usize);
    if asked.len() < taken {
        return None;
    }
    let is_token = request.contains("/token ");
    let bytes = if is_token {
        http("200 OK", r#"{"access_token":"abc","expires_in":300,"token_type":"Bearer"}"#)
    } else if request.contains("/execute-actions-email") {
        http("500 Internal Server Error", r#"{"errorMessage":"Failed to send execute actions email"}"#)
    } else if request.contains("/logout") {
        http("403 Forbidden", r#"{"error":"HTTP 403 Forbidden"}"#)
    } else if request.starts_with("PUT ") {
        // It reports success and changes nothing, which only reading back shows.
        b"HTTP/1.1 204 No Content\r\n\r\n".to_vec()
    } else if request.contains("/users?") {
        http("200 OK", &["[", EVES_USER, "]"].concat())
    } else {
        http("200 OK", EVES_USER)
    };
    Some(Reply { taken, bytes, is_plot: !is_token && !request.starts_with("PUT /admin/realms/r/users/1 ") })
}

#[tokio::test(flavor = "multi_thread")]
async fn no_spoilt_answer_of_keycloak_is_taken_for_a_success_or_stops_the_process() {
    let liar = Liar::starts(keycloak).await;
    let url = Url::parse(&format!("http://127.0.0.1:{}", liar.port)).expect("a URL");
    let config = config::Keycloak {
        url: url.clone(),
        public_url: url.clone(),
        login_url: url.clone(),
        realm: "r".to_owned(),
        client_id: "accolade".to_owned(),
        client_secret: SecretString::from("secret"),
        ca_file: None,
        plaintext_on_loopback: true,
        federation_id: "ldap".to_owned(),
        group_mapper_id: "mapper".to_owned(),
        mail_client_id: "members".to_owned(),
        mail_redirect_uri: url,
        community_name: None,
        first_link_lifespan: Duration::from_hours(12),
        reset_link_lifespan: Duration::from_hours(1),
        event_poll: Duration::from_secs(5),
    };
    let client = Keycloak::new(&config).expect("usable settings");
    let (ada, eve) = (TestPerson::new("ada", 1), TestPerson::new("eve", 2));
    let entry = DirectoryId::new("00000000-0000-4000-8000-0000000000aa").expect("not empty");
    let id = KeycloakId::new("1").expect("not empty");
    for trial in 0..TRIALS {
        match trial % 4 {
            0 => {
                let found = client.find_import(&ada.username, &entry).await;
                assert!(!matches!(found, Ok(Import::Ours(_))), "trial {trial}: {:?}", liar.last());
            }
            1 => {
                let set = client.set_enabled(&id, Enabled::No).await;
                assert!(set.is_err(), "trial {trial}: {set:?} of {:?}", liar.last());
            }
            2 => {
                let ended = client.end_sessions(&id).await;
                assert!(ended.is_err(), "trial {trial}: {:?}", liar.last());
            }
            _ => {
                let mailed =
                    client.send_actions_mail(&id, Actions::NewPassword, Duration::from_hours(1)).await;
                assert!(mailed != MailOutcome::Accepted, "trial {trial}: {:?}", liar.last());
            }
        }
    }
    liar.is_honest_from_now_on();
    let eves = DirectoryId::new("00000000-0000-4000-8000-0000000000ee").expect("not empty");
    let found = client.find_import(&eve.username, &eves).await.expect("an honest answer");
    assert!(matches!(found, Import::Ours(_)), "{found:?}");
}
