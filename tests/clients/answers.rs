//! Checks every row of the tables in `domain::retry` with the real clients. The fault proxy forges one code or status after the other,
//! and the client classifies it. The servers behind the proxy are real, so what a client reads back is true.

use accolade::config;
use accolade::directory::{Added, By, Directory, DirectoryError, Removed};
use accolade::domain::job::Outcome;
use accolade::domain::retry::{ErrorClass, HTTP, LDAP};
use accolade::keycloak::{Actions, Enabled, Keycloak, KeycloakError, MailOutcome};
use testbed::proxy::{Answer, Direction, Fault, Kind, Operation, Place, Plan, Proxy, Server, Speech, Which};
use url::Url;

use crate::directory::TestPerson;
use crate::keycloak;
use crate::servers;

/// Results that the client interprets itself. For every other row it returns the class of the table.
const DECIDED_BY_THE_CLIENT: &[(Operation, u32)] = &[
    // success without an entry: nothing was added
    (Operation::Add, 0),
    // more entries than a correct answer has
    (Operation::Search, 4),
    // our entry is gone: another program deleted it
    (Operation::Modify, 32),
];

/// A client through a proxy in front of a directory.
async fn directory_behind(config: config::Directory) -> (Proxy, config::Directory) {
    let server = config.url.as_str().trim_start_matches("ldap://").trim_end_matches('/');
    let proxy = Proxy::start(server.parse().expect("an address"), Speech::Ldap, 0).await.expect("a proxy");
    let url = Url::parse(&["ldap://", &proxy.address.to_string()].concat()).expect("a URL");
    (proxy, config::Directory { url, ..config })
}

fn class_of<T>(answer: &Result<T, DirectoryError>) -> ErrorClass {
    answer.as_ref().map_or_else(DirectoryError::class, |_| ErrorClass::Fine)
}

#[tokio::test]
async fn each_ldap_result_code_means_what_its_row_says_at_every_operation() {
    let servers = servers::own_slapd().await;
    let (proxy, config) = directory_behind(servers::directory_config(&servers.slapd)).await;
    let client = Directory::new(&config).expect("usable settings");
    let (ada, eve) = (TestPerson::new("ada", 1), TestPerson::new("eve", 2));
    let ours = ada.add_to(&client).await;
    for (code, name, class) in LDAP.iter().copied() {
        let code_byte = u8::try_from(code).expect("a code of the table");
        let answers = |operation| {
            proxy.plans(Plan::answer(
                Which::Ldap(operation),
                Answer::LdapResult(code_byte),
                Server::IsSpared,
            ));
        };
        let is_told = |operation, got: ErrorClass| {
            if !DECIDED_BY_THE_CLIENT.contains(&(operation, code)) {
                assert_eq!(got, class, "{operation:?} answered with {code} ({name})");
            }
        };

        answers(Operation::Search);
        let found = client.find(By::Username(&ada.username)).await;
        is_told(Operation::Search, class_of(&found));
        assert!(code != 4 || found == Err(DirectoryError::TooBig { verb: "find" }), "{found:?}");
        assert!(found.is_err() || found == Ok(Vec::new()), "a result without entries finds nobody");

        answers(Operation::Add);
        let added = client.add_person(&eve.as_new()).await;
        assert!(added.is_err(), "{code} ({name}) returned an entry that does not exist: {added:?}");
        is_told(Operation::Add, class_of(&added));

        answers(Operation::Modify);
        let locked = client.lock(&ours).await;
        match code {
            0 => assert_eq!(locked, Ok(Outcome::Applied)),
            16 => assert_eq!(locked, Ok(Outcome::Unchanged)),
            122 => assert_eq!(locked, Err(DirectoryError::NotOurs { verb: "lock" })),
            32 => assert_eq!(locked, Err(DirectoryError::Absent { verb: "lock" })),
            _ => is_told(Operation::Modify, class_of(&locked)),
        }

        answers(Operation::Delete);
        match (code, client.remove_if_ours(&ours).await) {
            (0, removed) => assert_eq!(removed, Ok(Removed::Removed)),
            (32, removed) => assert_eq!(removed, Ok(Removed::Absent)),
            (50, removed) => assert_eq!(removed, Ok(Removed::HasPassword)),
            (122, removed) => assert_eq!(removed, Ok(Removed::NotOurs)),
            (_, removed) => {
                assert!(removed.is_err(), "{removed:?}");
                is_told(Operation::Delete, class_of(&removed));
            }
        }

        answers(Operation::Bind);
        let bound = Directory::new(&config).expect("usable settings").find(By::Mark(ada.mark)).await;
        if code != 0 {
            assert_eq!(bound, Err(DirectoryError::Refused { verb: "bind", rc: code }));
            is_told(Operation::Bind, class_of(&bound));
        } else {
            // The bind never reached slapd, which shows nothing to an anonymous client.
            assert_ne!(bound.map(|found| found.len()), Ok(1), "a forged bind shows entries");
        }
    }
    assert_eq!(proxy.hits().len(), LDAP.len() * 5, "every row was tried at every operation");
    let people = servers.slapd.people().await.expect("the people");
    assert_eq!(people.len(), 1, "an entry was added or removed: {people:?}");
    let told = client.add_person(&ada.as_new()).await;
    assert!(matches!(told, Ok(Added::AlreadyOurs(_))), "the connection still works: {told:?}");
}

#[tokio::test]
async fn a_notice_of_disconnection_is_an_outage_and_the_next_verb_has_a_line_again() {
    let servers = servers::own_slapd().await;
    let (proxy, config) = directory_behind(servers::directory_config(&servers.slapd)).await;
    let client = Directory::new(&config).expect("usable settings");
    let ada = TestPerson::new("ada", 1);
    ada.add_to(&client).await;
    for operation in [Operation::Search, Operation::Bind] {
        let client = if operation == Operation::Bind {
            Directory::new(&config).expect("usable settings")
        } else {
            client.clone()
        };
        let which = Which::Ldap(operation);
        proxy.plans(Plan::answer(which, Answer::LdapDisconnection, Server::IsSpared));
        let down = client.find(By::Username(&ada.username)).await;
        assert_eq!(class_of(&down), ErrorClass::Retry, "{operation:?}: {down:?}");
        let found = client.find(By::Username(&ada.username)).await.expect("a line again");
        assert_eq!(found.len(), 1);
    }
}

#[tokio::test]
async fn an_add_whose_line_breaks_at_any_byte_in_either_direction_makes_one_entry() {
    let servers = servers::own_slapd().await;
    let (proxy, config) = directory_behind(servers::directory_config(&servers.slapd)).await;
    let client = Directory::new(&config).expect("usable settings");
    let add = Which::Ldap(Operation::Add);
    // Names and numbers have a fixed length, so that each Add has as many bytes as the first.
    let somebody = |number: u64| TestPerson::new(&format!("p{number:04}"), 10_000 + number);
    somebody(0).add_to(&client).await;
    let exchanges = proxy.exchanges();
    let first = exchanges.iter().find(|call| call.kind == Kind::Ldap(Operation::Add)).expect("an Add");
    let request = (0..=first.request_bytes).map(|at| (Direction::ToServer, at));
    let answer = (0..=first.answer_bytes).map(|at| (Direction::ToClient, at));
    let mut number = 0;
    for (direction, at) in request.chain(answer) {
        number += 1;
        let somebody = somebody(number);
        proxy.plans(Plan::once(add, direction, Place::Byte(at), Fault::Cut));
        let broken = client.add_person(&somebody.as_new()).await;
        assert_eq!(proxy.hits().len() as u64, number, "{direction:?} {at}");
        match &broken {
            Ok(Added::Created(_)) => {}
            Err(error) => assert_eq!(error.class(), ErrorClass::Retry, "{direction:?} {at}: {error:?}"),
            Ok(Added::AlreadyOurs(_) | Added::Conflict(_)) => panic!("{direction:?} {at}: {broken:?}"),
        }
        let again = client.add_person(&somebody.as_new()).await;
        assert!(
            matches!(again, Ok(Added::Created(_) | Added::AlreadyOurs(_))),
            "{direction:?} {at}: {again:?}"
        );
        assert!(
            broken.is_err() || matches!(again, Ok(Added::AlreadyOurs(_))),
            "{direction:?} {at}: made twice"
        );
    }
    assert!(number > 300, "an Add of {} bytes", first.request_bytes);
    assert_eq!(servers.slapd.people().await.expect("the people").len() as u64, number + 1, "one entry each");
}

/// The first and the last status of each row. Interim answers are left out, because the HTTP client does not return them.
fn statuses() -> impl Iterator<Item = (u16, ErrorClass)> {
    let rows = HTTP.iter().filter(|(statuses, _, _)| *statuses.end() >= 200);
    rows.flat_map(|(statuses, _, class)| {
        let mut ends = vec![(*statuses.start(), *class), (*statuses.end(), *class)];
        ends.dedup();
        ends
    })
}

fn is_error_of(class: ErrorClass, error: &KeycloakError, what: &str, status: u16) {
    if class == ErrorClass::Fine {
        // A success status that the call does not promise proves nothing, so the call is repeated.
        assert!(
            matches!(error, KeycloakError::InvalidResponse { .. }),
            "{what} answered with {status}: {error:?}"
        );
        assert_eq!(error.class(), ErrorClass::Retry);
    } else {
        assert_eq!(error.class(), class, "{what} answered with {status}: {error:?}");
    }
}

#[tokio::test]
async fn each_http_status_means_what_its_row_says_at_every_call() {
    let env = keycloak::env().await;
    let somebody = TestPerson::new("kc-rows", 901);
    let (ours, id) = env.import(&somebody).await;
    let server = [env.config.url.host_str().expect("a host"), ":", &port(&env.config.url)].concat();
    let proxy = Proxy::start(server.parse().expect("an address"), Speech::Http, 0).await.expect("a proxy");
    let url = Url::parse(&["http://", &proxy.address.to_string()].concat()).expect("a URL");
    let config = config::Keycloak { url, ..env.config.clone() };
    let client = Keycloak::new(&config).expect("usable settings");
    let mut planned = 0;
    for (status, class) in statuses() {
        let mut answers = |which| {
            // After a 401 the client repeats the call once with a fresh token.
            let times = if status == 401 { 2 } else { 1 };
            planned += times;
            let plan = Plan::answer(which, Answer::HttpStatus(status), Server::IsSpared);
            proxy.plans(Plan { times: u32::try_from(times).expect("one or two"), ..plan });
        };

        answers(Which::Http("GET", "/users?"));
        let found = client.find_import(&somebody.username, &ours.directory_id).await;
        is_error_of(class, &found.expect_err("no such answer finds anybody"), "the search", status);

        answers(Which::Http("PUT", "/users/"));
        let set = client.set_enabled(&id, Enabled::No).await;
        is_error_of(class, &set.expect_err("nothing was set"), "enabling", status);

        answers(Which::Http("POST", "/logout"));
        let ended = client.end_sessions(&id).await;
        is_error_of(class, &ended.expect_err("nothing was ended"), "the logout", status);

        answers(Which::Http("PUT", "/execute-actions-email"));
        let outcome = client.send_actions_mail(&id, Actions::NewPassword, config.reset_link_lifespan).await;
        match outcome {
            MailOutcome::Refused(_) => assert!(matches!(status, 400 | 404), "refused by {status}"),
            MailOutcome::NeverSent(_) => assert!(matches!(status, 401 | 403), "never sent by {status}"),
            MailOutcome::Unknown(error) => {
                assert!(!matches!(status, 400 | 401 | 403 | 404), "unknown by {status}");
                is_error_of(class, &error, "the mail", status);
            }
            MailOutcome::Accepted => panic!("{status} was treated as an accepted mail"),
        }

        planned += 1;
        let token = Which::Http("POST", "/token");
        proxy.plans(Plan::answer(token, Answer::HttpStatus(status), Server::IsSpared));
        let newcomer = Keycloak::new(&config).expect("usable settings");
        let probed = newcomer.probe().await.expect_err("no token");
        is_error_of(class, &probed, "the token", status);
    }
    assert_eq!(proxy.hits().len(), planned, "every row was tried at every call");
    let user = client.person(&id).await.expect("an answer").expect("the user");
    assert!(user.enabled, "nothing was changed behind the made-up answers");
}

fn port(url: &Url) -> String {
    url.port_or_known_default().expect("a port").to_string()
}
