//! The fault proxy in front of the real directory and the mail catcher: each fault has the described effect, at the planned place.

use std::time::{Duration, Instant};

use ldap3::{Ldap, LdapConnAsync, LdapConnSettings, Scope};
use testbed::mail::Mail;
use testbed::proxy::{Answer, Direction, Fault, Kind, Operation, Place, Plan, Proxy, Server, Speech, Which};
use testbed::{ServerOptions, Slapd, TestServers};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

const SOON: Duration = Duration::from_secs(5);

/// How long to wait for an answer that arrives.
const LIMIT: Duration = Duration::from_secs(30);

/// How long to wait where no answer arrives.
const TIME_LIMIT: Duration = Duration::from_secs(1);

/// A directory behind a proxy.
struct ProxiedServers {
    servers: TestServers,
    proxy: Proxy,
}

async fn start() -> ProxiedServers {
    let servers = TestServers::start(ServerOptions::slapd_alone()).await.expect("slapd");
    let server = servers.slapd.ldap_url.trim_start_matches("ldap://").parse().expect("an address");
    let proxy = Proxy::start(server, Speech::Ldap, 7).await.expect("a proxy");
    ProxiedServers { servers, proxy }
}

impl ProxiedServers {
    fn slapd(&self) -> &Slapd {
        &self.servers.slapd
    }

    /// A connection through the proxy, bound as the administrator.
    async fn ldap(&self) -> Ldap {
        let url = format!("ldap://{}", self.proxy.address);
        let settings = LdapConnSettings::new().set_conn_timeout(LIMIT);
        let (connection, mut ldap) =
            LdapConnAsync::with_settings(settings, &url).await.expect("a connection");
        #[expect(clippy::disallowed_methods, reason = "the driver of a connection of this test")]
        tokio::spawn(connection.drive());
        let slapd = self.slapd();
        let bound = ldap.with_timeout(LIMIT).simple_bind(&slapd.admin_dn, &slapd.admin_password).await;
        bound.expect("an answer").success().expect("bound");
        ldap
    }

    async fn adds(&self, ldap: &mut Ldap, uid: &str) -> Result<u32, ldap3::LdapError> {
        self.adds_within(LIMIT, ldap, uid).await
    }

    async fn adds_within(
        &self,
        limit: Duration,
        ldap: &mut Ldap,
        uid: &str,
    ) -> Result<u32, ldap3::LdapError> {
        let one = |text: &'static str| std::collections::HashSet::from([text]);
        let entry = vec![("objectClass", one("inetOrgPerson")), ("cn", one("A")), ("sn", one("B"))];
        let added = ldap.with_timeout(limit).add(&self.slapd().person_dn(uid), entry).await?;
        Ok(added.rc)
    }

    async fn has(&self, uid: &str) -> bool {
        self.slapd().entry(&self.slapd().person_dn(uid)).await.expect("an answer").is_some()
    }
}

const ADD: Which = Which::Ldap(Operation::Add);

#[tokio::test]
async fn without_a_plan_everything_passes_and_is_counted() {
    let servers = start().await;
    let mut ldap = servers.ldap().await;
    assert_eq!(servers.adds(&mut ldap, "ada").await.expect("an answer"), 0);
    let found = ldap.search(&servers.slapd().people_dn, Scope::Subtree, "(uid=ada)", vec!["*"]).await;
    assert_eq!(found.expect("an answer").0.len(), 1);
    assert!(servers.has("ada").await);
    let exchanges = servers.proxy.exchanges();
    let kinds: Vec<&Kind> = exchanges.iter().map(|exchange| &exchange.kind).collect();
    let wanted = [Operation::Bind, Operation::Add, Operation::Search].map(Kind::Ldap);
    assert_eq!(kinds, wanted.iter().collect::<Vec<_>>());
    assert!(exchanges.iter().all(|exchange| exchange.request_bytes > 10 && exchange.answer_bytes > 10));
    // The answer to a search consists of its entries and its end.
    assert!(exchanges[2].answer_bytes > 100, "{exchanges:?}");
    assert!(servers.proxy.hits().is_empty());
}

#[tokio::test]
async fn a_request_that_is_cut_anywhere_before_its_end_has_no_effect_and_one_cut_behind_it_has() {
    let servers = start().await;
    let mut ldap = servers.ldap().await;
    assert_eq!(servers.adds(&mut ldap, "measure").await.expect("an answer"), 0);
    let length = servers.proxy.exchanges().last().expect("the Add").request_bytes;
    for (at, cut) in [0, 1, length / 2, length - 1].into_iter().enumerate() {
        let mut ldap = servers.ldap().await;
        servers.proxy.plans(Plan::once(ADD, Direction::ToServer, Place::Byte(cut), Fault::Cut));
        // The uid has the same length as the measured one.
        let uid = format!("cut-at{at}");
        servers.adds(&mut ldap, &uid).await.expect_err("the line is cut");
        assert!(!servers.has(&uid).await, "cut after {cut} of {length} bytes");
        assert_eq!(servers.proxy.hits().last().expect("a hit").offset, cut);
    }
    let mut ldap = servers.ldap().await;
    servers.proxy.plans(Plan::once(ADD, Direction::ToClient, Place::Start, Fault::Reset));
    servers.adds(&mut ldap, "answer-lost").await.expect_err("the answer is lost");
    assert!(servers.has("answer-lost").await, "the server received it, and its answer was lost");
}

#[tokio::test]
async fn an_answer_is_made_up_whether_or_not_the_server_acts() {
    let servers = start().await;
    let mut ldap = servers.ldap().await;
    servers.proxy.plans(Plan::answer(ADD, Answer::LdapResult(51), Server::IsSpared));
    assert_eq!(servers.adds(&mut ldap, "spared").await.expect("an answer"), 51);
    assert!(!servers.has("spared").await);
    servers.proxy.plans(Plan::answer(ADD, Answer::LdapResult(52), Server::Acts));
    assert_eq!(servers.adds(&mut ldap, "acted").await.expect("an answer"), 52);
    assert!(servers.has("acted").await);
    // The connection still works, and the fault struck once.
    assert_eq!(servers.adds(&mut ldap, "after").await.expect("an answer"), 0);
    servers.proxy.plans(Plan::answer(ADD, Answer::LdapDisconnection, Server::IsSpared));
    servers.adds(&mut ldap, "disconnected").await.expect_err("the server says goodbye");
    assert!(!servers.has("disconnected").await);
    assert_eq!(servers.proxy.hits().len(), 3);
}

#[tokio::test]
async fn what_stalls_goes_on_when_faults_end() {
    let servers = start().await;
    let mut ldap = servers.ldap().await;
    servers.proxy.plans(Plan::once(ADD, Direction::ToServer, Place::Byte(9), Fault::Stall));
    servers.adds_within(TIME_LIMIT, &mut ldap, "stalled").await.expect_err("no answer in time");
    assert!(!servers.has("stalled").await);
    servers.proxy.heals().await.expect("healed");
    testbed::wait_until("the Add", SOON, async || Ok(servers.has("stalled").await))
        .await
        .expect("it goes on");
}

#[tokio::test]
async fn a_half_open_line_is_silent_and_not_closed() {
    let servers = start().await;
    let mut ldap = servers.ldap().await;
    servers.proxy.plans(Plan::once(ADD, Direction::ToServer, Place::Start, Fault::HalfOpen));
    let begun = Instant::now();
    servers.adds_within(TIME_LIMIT, &mut ldap, "silence").await.expect_err("no answer");
    assert!(begun.elapsed() >= TIME_LIMIT, "the line was closed");
    assert!(!servers.has("silence").await);
}

#[tokio::test]
async fn late_and_dripping_answers_are_whole_and_a_corrupted_byte_is_the_seed_s() {
    let servers = start().await;
    // An answer to an Add has more than ten bytes.
    let late = Duration::from_millis(50);
    for fault in [Fault::Latency(late), Fault::Drip(late / 10)] {
        let mut ldap = servers.ldap().await;
        let begun = Instant::now();
        servers.proxy.plans(Plan::once(ADD, Direction::ToClient, Place::Start, fault.clone()));
        let uid = format!("late{}", servers.proxy.hits().len());
        assert_eq!(servers.adds(&mut ldap, &uid).await.expect("an answer"), 0, "{fault:?}");
        assert!(begun.elapsed() >= late, "{fault:?} took {:?}", begun.elapsed());
    }
    let greeting = async |seed, plans: &[Plan]| {
        let mail = Mail::start().await.expect("a catcher");
        let proxy = Proxy::start(mail.smtp_addr, Speech::Bytes, seed).await.expect("a proxy");
        for plan in plans {
            proxy.plans(plan.clone());
        }
        let mut line = TcpStream::connect(proxy.address).await.expect("a line");
        let mut greeting = [0; 16];
        line.read_exact(&mut greeting).await.expect("a greeting");
        greeting
    };
    let plan = [Plan::once(Which::Any, Direction::ToClient, Place::Byte(4), Fault::Corrupt)];
    let (whole, first) = (greeting(1, &[]).await, greeting(1, &plan).await);
    assert_ne!(first[4], whole[4]);
    assert_eq!([&first[..4], &first[5..]], [&whole[..4], &whole[5..]], "exactly one byte differs");
    assert_eq!(first, greeting(1, &plan).await);
    assert_ne!(first, greeting(2, &plan).await);
}

#[tokio::test]
async fn an_answer_of_several_messages_is_cut_at_each_of_its_bytes() {
    let servers = start().await;
    let search = async || {
        let mut ldap = servers.ldap().await;
        let people = &servers.slapd().people_dn;
        let found = ldap.with_timeout(SOON).search(people, Scope::Base, "(objectClass=*)", ["ou"]).await?;
        // Entries of a search without an end are dropped with it.
        Ok::<_, ldap3::LdapError>(found.success()?.0.len())
    };
    servers.proxy.forgets();
    assert_eq!(search().await.expect("an answer"), 1);
    let is_search = |exchange: &testbed::proxy::Exchange| exchange.kind == Kind::Ldap(Operation::Search);
    let length = servers.proxy.exchanges().into_iter().find(is_search).expect("the search").answer_bytes;
    let plan = |place| Plan::once(Which::Ldap(Operation::Search), Direction::ToClient, place, Fault::Cut);
    for at in 0..length {
        servers.proxy.plans(plan(Place::Byte(at)));
        search().await.expect_err("an answer without its end");
        assert_eq!(servers.proxy.hits().pop().map(|hit| hit.offset), Some(at));
    }
    servers.proxy.plans(plan(Place::End));
    assert_eq!(search().await.expect("the whole answer"), 1);
    assert_eq!(servers.proxy.hits().pop().map(|hit| hit.offset), Some(length));
}

#[tokio::test]
async fn a_refusing_proxy_is_like_a_server_that_is_not_there() {
    let servers = start().await;
    let mut ldap = servers.ldap().await;
    servers.proxy.refuses().await.expect("refusing");
    servers.adds(&mut ldap, "present").await.expect_err("the present line ends");
    let refused = TcpStream::connect(servers.proxy.address).await.expect_err("nobody listens");
    assert_eq!(refused.kind(), std::io::ErrorKind::ConnectionRefused);
    servers.proxy.heals().await.expect("healed");
    let mut ldap = servers.ldap().await;
    assert_eq!(servers.adds(&mut ldap, "again").await.expect("an answer"), 0);
}

#[tokio::test]
async fn http_calls_are_found_by_method_and_path_and_answered_in_their_place() {
    let mail = Mail::start().await.expect("a catcher");
    let inbox = mail.inbox_url.trim_start_matches("http://").parse().expect("an address");
    let proxy = Proxy::start(inbox, Speech::Http, 7).await.expect("a proxy");
    let http = reqwest::Client::builder().timeout(SOON).build().expect("a client");
    let url = |path: &str| format!("http://{}{path}", proxy.address);
    let get = async |path: &str| http.get(url(path)).send().await;
    let messages = Which::Http("GET", "/api/messages");

    proxy.plans(Plan { after: 1, ..Plan::answer(messages, Answer::HttpTooMany(9), Server::IsSpared) });
    assert_eq!(get("/api/messages").await.expect("an answer").status(), 200);
    assert_eq!(get("/").await.expect("an answer").status(), 200);
    let told = get("/api/messages?to=x").await.expect("an answer");
    assert_eq!((told.status().as_u16(), told.headers()["retry-after"].as_bytes()), (429, b"9".as_slice()));
    assert_eq!(get("/api/messages").await.expect("an answer").status(), 200);

    for (answer, status) in [(Answer::HttpStatus(503), 503), (Answer::HttpPage, 200)] {
        proxy.plans(Plan::answer(messages, answer, Server::Acts));
        let told = get("/api/messages").await.expect("an answer");
        assert_eq!(told.status(), status);
        assert!(told.json::<Vec<serde_json::Value>>().await.is_err(), "it is no list");
    }

    // The server deletes its mails, and the client is not told.
    let mut line = TcpStream::connect(mail.smtp_addr).await.expect("a line");
    let letter = "EHLO x\r\nMAIL FROM:<a@example.org>\r\nRCPT TO:<b@example.org>\r\nDATA\r\nHello\r\n.\r\n";
    line.write_all(letter.as_bytes()).await.expect("sent");
    mail.wait_for_mail_to("b@example.org", SOON).await.expect("caught");
    let clear = Which::Http("DELETE", "/api/messages");
    proxy.plans(Plan::once(clear, Direction::ToClient, Place::Byte(12), Fault::Cut));
    http.delete(url("/api/messages")).send().await.expect_err("half an answer");
    assert!(mail.messages().is_empty(), "the server received it, and its answer was lost");
    let hit = proxy.hits().pop().expect("a hit");
    assert_eq!((hit.offset, hit.kind), (12, Kind::Http("DELETE".to_owned(), "/api/messages".to_owned())));
}

#[tokio::test]
async fn an_old_connection_of_bytes_is_struck_in_what_comes_next() {
    let mail = Mail::start().await.expect("a catcher");
    let proxy = Proxy::start(mail.smtp_addr, Speech::Bytes, 7).await.expect("a proxy");
    let mut line = TcpStream::connect(proxy.address).await.expect("a line");
    let mut greeting = [0; 3];
    line.read_exact(&mut greeting).await.expect("a greeting");
    let answer = Plan::once(Which::NextBytes, Direction::ToClient, Place::Byte(3), Fault::Cut);
    proxy.plans(answer);
    line.write_all(b"NOOP\r\n").await.expect("sent");
    let mut rest = Vec::new();
    line.read_to_end(&mut rest).await.expect("the rest of the greeting, and three bytes of the answer");
    assert!(rest.ends_with(b"\r\n250"), "{:?}", String::from_utf8_lossy(&rest));
    let hit = proxy.hits().pop().expect("a hit");
    assert_eq!((hit.kind, hit.direction), (Kind::Connection, Direction::ToClient));
    // A new connection is not affected.
    let mut line = TcpStream::connect(proxy.address).await.expect("a line");
    line.read_exact(&mut greeting).await.expect("a greeting");
    assert_eq!(&greeting, b"220");
}
