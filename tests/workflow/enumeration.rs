//! What could reveal who has a name or an address: not only the text of a reply, but also the calls behind it. The tests count the calls
//! and don't measure time, because a busy machine delays each reply but doesn't change the number of calls.

use std::sync::{Arc, Mutex};

use accolade::accounts::{FormInput, UseCaseError};
use accolade::domain::account::AccountState;
use accolade::domain::error_code::ErrorCode;
use testbed::proxy::{Kind, Operation};
use testbed::slapd::PersonByHand;
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt as _};

use harness::accounts::typed;
use harness::{AccountsEnv, Database, MODERATORS, Proxies, REALM, StepEnv, StoreEnv, shared};

const ADA: u64 = 175_928_847_299_117_063;

/// The statements that this thread's store runs, in order.
#[derive(Clone, Default)]
struct Statements(Arc<Mutex<Vec<String>>>);

impl Statements {
    fn taken(&self) -> Vec<String> {
        std::mem::take(&mut *self.0.lock().expect("not poisoned"))
    }
}

/// The text of one statement. The log event of a short statement has it only in the summary.
#[derive(Default)]
struct Text(String);

impl Visit for Text {
    fn record_str(&mut self, field: &Field, value: &str) {
        if matches!(field.name(), "summary" | "db.statement") {
            self.0.push_str(value);
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        self.record_str(field, &format!("{value:?}"));
    }
}

impl<S: Subscriber> Layer<S> for Statements {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        if event.metadata().target() == "sqlx::query" {
            let mut text = Text::default();
            event.record(&mut text);
            self.0.lock().expect("not poisoned").push(text.0);
        }
    }
}

/// Someone new asks for a name with an address, from the form to `Send`. Returns the statements that the database ran, and the result.
async fn asks(
    env: &AccountsEnv,
    asked: &Statements,
    user: u64,
    [username, address]: [&str; 2],
) -> (Vec<String>, Result<bool, UseCaseError>) {
    let caller = env.caller(user);
    // A test in another thread may have registered the event of statements just before this test began to listen.
    tracing::callsite::rebuild_interest_cache();
    asked.taken();
    env.accounts.open_form(&caller).await.expect("the form");
    let filled = FormInput { address: address.to_owned(), ..typed(username) };
    let draft = env.accounts.save_draft(&caller, filled).await.expect("a draft").request;
    let sent = env.accounts.send(&caller, draft.id, draft.nonce).await;
    env.accounts.status(&caller).await.expect("a status");
    (asked.taken(), sent.map(|sent| sent.automatic))
}

/// Runs on `PostgreSQL`, because its driver runs in this thread and logs each statement.
#[tokio::test]
async fn the_database_is_asked_the_same_whoever_has_the_address_or_the_name() {
    let env = StoreEnv::on_postgres().await;
    let env = AccountsEnv::with(|config| config.store = env.config.clone()).await;
    let eve = env.asks(ADA, "eve").await;
    let (account, _) = env.approves(&eve).await;
    env.leaves_tombstone(ADA + 1, "former").await;
    let asked = Statements::default();
    let _heard = tracing::subscriber::set_default(tracing_subscriber::registry().with(asked.clone()));

    let (unknown, told) = asks(&env, &asked, ADA + 10, ["fresh", "fresh@example.org"]).await;
    assert!(unknown.len() > 10 && told == Ok(false), "{told:?}: {unknown:#?}");
    assert!(unknown.iter().any(|text| text.contains("INSERT INTO request")), "{unknown:#?}");
    // The address of an account that is being made, as it is and in another letter case.
    for (user, name, address) in
        [(ADA + 11, "one", "eve@example.org"), (ADA + 12, "other", "EVE@Example.ORG")]
    {
        assert_eq!(asks(&env, &asked, user, [name, address]).await, (unknown.clone(), told.clone()));
    }
    let active = env.account_becomes(&account, AccountState::Active).await;
    let known = asks(&env, &asked, ADA + 13, ["third", "eve@example.org"]).await;
    assert_eq!(known, (unknown, told), "of {:?}", active.state);

    // A name that someone has or had, or one that is confusable with it.
    let refused = Err(UseCaseError::because(ErrorCode::NameUnavailable));
    let (taken, told) = asks(&env, &asked, ADA + 20, ["eve", "twenty@example.org"]).await;
    assert_eq!(told, refused);
    for (user, name) in [(ADA + 21, "former"), (ADA + 22, "f0rmer")] {
        let other = asks(&env, &asked, user, [name, &[name, "@example.org"].concat()]).await;
        assert_eq!(other, (taken.clone(), refused.clone()), "{name}");
    }
}

/// What the worker asks the directory and Keycloak about one request: the kinds of calls, and the names of their parameters. Logins are
/// left out.
fn questions(lines: &Proxies) -> Vec<String> {
    let asked = [lines.directory.exchanges(), lines.keycloak.exchanges()].concat();
    let mut questions: Vec<String> = asked
        .into_iter()
        .filter_map(|exchange| match exchange.kind {
            Kind::Ldap(Operation::Bind) | Kind::Connection => None,
            Kind::Ldap(operation) => Some(format!("{operation:?}")),
            Kind::Http(method, path) => {
                let (path, query) = path.split_once('?').unwrap_or((&path, ""));
                let mut keys: Vec<&str> =
                    query.split('&').filter_map(|pair| pair.split('=').next()).collect();
                keys.sort_unstable();
                (!path.ends_with("/token")).then(|| format!("{method} {path} {keys:?}"))
            }
        })
        .collect();
    questions.sort();
    questions
}

#[test]
fn directory_and_keycloak_are_asked_the_same_whoever_has_the_name_or_the_address() {
    StepEnv::plays(Database::Sqlite, MODERATORS, async |env| {
        let servers = &shared().servers;
        let name = |first: &str| [first, &env.mark].concat();
        let address = |first: &str| [&name(first), "@people.example"].concat();
        let mail = Some(address("mailed"));
        for known in [
            PersonByHand::named(&name("named")),
            PersonByHand { mail, ..PersonByHand::named(&name("owner")) },
        ] {
            servers.slapd.add_person_by_hand(&known).await.expect("an entry by hand");
        }
        let (username, email) = (name("local"), address("locally"));
        let local = testbed::keycloak_admin::LocalUser { username: &username, email: &email, password: None };
        servers.keycloak.create_local_user(REALM, local).await.expect("a user of Keycloak's own");
        let lines = Proxies::start().await;
        let worker = env.worker_behind(&lines);
        let asks = async |who: &str, first: &str, address: &str| {
            let who = env.guild.newcomer(who).with_role("member").joins();
            lines.forgets();
            env.tries_to_ask(&who, &name(first), address).await;
            env.frees_leases().await;
            worker.drain_once().await.expect("the store answers");
            let found = env
                .text(
                    "SELECT state || ' ' || coalesce(reason_code, '') FROM request ORDER BY id DESC LIMIT 1",
                )
                .await;
            (questions(&lines), found)
        };
        let (unknown, found) = asks("p0", "fresh", &address("fresh")).await;
        assert_eq!((unknown.len(), found.as_str()), (3, "waiting "), "{unknown:?}");
        let known = [
            ("p1", "named", address("named2"), "waiting name_unavailable"),
            ("p2", "second", address("mailed"), "held address_in_use"),
            ("p3", "local", address("local2"), "waiting name_unavailable"),
            ("p4", "fourth", address("locally"), "held address_in_use"),
        ];
        for (who, first, address, wanted) in known {
            let (asked, found) = asks(who, first, &address).await;
            assert_eq!((found.as_str(), &asked), (wanted, &unknown), "{who}");
        }
        // The entries made by hand are not our accounts.
        servers
            .keycloak
            .user_named(REALM, &username)
            .await
            .expect("Keycloak answers")
            .expect("it is left alone");
    });
}
