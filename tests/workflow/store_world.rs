//! A fresh store for each test, on SQLite and on PostgreSQL, with a clock that can be pushed.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use accolade::clock::{Clock, SystemClock, SystemRng};
use accolade::config;
use accolade::domain::eligibility::RuleName;
use accolade::domain::ids::{DiscordUserId, GuildId, InteractionId, PersonId, Timestamp};
use accolade::domain::mail_address::MailAddress;
use accolade::domain::person_name::PersonName;
use accolade::domain::request::{Answer, Form, Request, RequestKind};
use accolade::domain::username::Username;
use accolade::store::{NewDraft, SendDraft, Sent, Store, StoreError};
use futures::future::BoxFuture;
use sqlx::{Connection as _, Executor as _, PgConnection, SqliteConnection};
use tempfile::TempDir;
use tokio::sync::Mutex;

/// Runs each test body on both databases.
macro_rules! on_both_databases {
    ($($(#[$doc:meta])* async fn $name:ident($world:ident: &World) $body:block)*) => {$(
        $(#[$doc])*
        async fn $name($world: &$crate::store_world::World) $body

        mod $name {
            #[tokio::test(flavor = "multi_thread")]
            async fn on_sqlite() {
                super::$name(&$crate::store_world::World::on_sqlite().await).await;
            }

            #[tokio::test(flavor = "multi_thread")]
            async fn on_postgres() {
                super::$name(&$crate::store_world::World::on_postgres().await).await;
            }
        }
    )*};
}
pub(crate) use on_both_databases;

/// The machine's time, and what a test added to it.
#[derive(Default)]
pub(crate) struct PushedClock(AtomicI64);

impl PushedClock {
    pub(crate) fn push(&self, span: Duration) {
        self.0.fetch_add(i64::try_from(span.as_millis()).expect("a test's span"), Ordering::SeqCst);
    }
}

impl Clock for PushedClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(SystemClock.now().as_millis() + self.0.load(Ordering::SeqCst))
    }

    fn pause(&self, span: Duration) -> BoxFuture<'static, ()> {
        SystemClock.pause(span)
    }
}

/// One server for all tests that run at the moment; it stops with the last of them.
static POSTGRES: Mutex<Weak<testbed::Postgres>> = Mutex::const_new(Weak::new());

pub(crate) async fn postgres() -> Arc<testbed::Postgres> {
    let mut shared = POSTGRES.lock().await;
    if let Some(server) = shared.upgrade() {
        return server;
    }
    let server = Arc::new(testbed::Postgres::start_new().await.expect("PostgreSQL starts"));
    *shared = Arc::downgrade(&server);
    server
}

/// A store, its files and its clock.
pub(crate) struct World {
    pub(crate) store: Store,
    pub(crate) config: config::Store,
    pub(crate) clock: Arc<PushedClock>,
    pub(crate) folder: TempDir,
    _server: Option<Arc<testbed::Postgres>>,
}

pub(crate) const GUILD: GuildId = GuildId::new(81_384_788_765_712_384);

impl World {
    pub(crate) async fn on_sqlite() -> Self {
        let folder = private_folder();
        let config = sqlite_config(&folder);
        Self::migrated(config, folder, None).await
    }

    pub(crate) async fn on_postgres() -> Self {
        let server = postgres().await;
        let folder = private_folder();
        let config = postgres_config(&server, &folder).await;
        Self::migrated(config, folder, Some(server)).await
    }

    async fn migrated(
        config: config::Store,
        folder: TempDir,
        server: Option<Arc<testbed::Postgres>>,
    ) -> Self {
        rustls::crypto::ring::default_provider().install_default().ok();
        let clock = Arc::new(PushedClock::default());
        Store::migrate(&config, clock.clone(), Arc::new(SystemRng)).await.expect("the database is made");
        let store = Store::open(&config, clock.clone(), Arc::new(SystemRng)).await.expect("it opens");
        Self { store, config, clock, folder, _server: server }
    }

    /// Runs a statement on the database without the store; how many rows it touched.
    pub(crate) async fn changes(&self, statement: &'static str) -> u64 {
        Raw::connect(&self.config).await.runs(statement).await
    }

    /// The SQLite file.
    pub(crate) fn file(&self) -> PathBuf {
        self.folder.path().join("store.sqlite")
    }

    /// The same with a new store, after the first was closed.
    pub(crate) async fn reopened(mut self) -> Self {
        self.store = self.open_again().await.expect("opens");
        self
    }

    /// Opens the same database once more.
    pub(crate) async fn open_again(&self) -> Result<Store, StoreError> {
        Store::open(&self.config, self.clock.clone(), Arc::new(SystemRng)).await
    }

    /// A person, made.
    pub(crate) async fn person(&self, user: u64) -> PersonId {
        let mut tx = self.store.begin().await.expect("begins");
        let person = tx.ensure_person(DiscordUserId::new(user), "en").await.expect("a person");
        tx.commit("test.person").await.expect("commits");
        person.id
    }

    /// A draft of a person, made.
    pub(crate) async fn draft(&self, person: PersonId, name: &str, interaction: u64) -> Request {
        let mut tx = self.store.begin().await.expect("begins");
        let draft = tx.put_draft(self.new_draft(person, name, interaction)).await.expect("a draft");
        tx.commit("test.draft").await.expect("commits");
        draft
    }

    pub(crate) fn new_draft(&self, person: PersonId, name: &str, interaction: u64) -> NewDraft {
        NewDraft {
            person_id: person,
            guild_id: GUILD,
            kind: RequestKind::Account,
            form: form(name),
            rule: Some(RuleName::new("members")),
            notice_version: 1,
            lang: "en".to_owned(),
            interaction_id: InteractionId::new(interaction),
            expires_at: self.clock.now().after(Duration::from_mins(15)),
        }
    }

    pub(crate) fn send_of(&self, draft: &Request) -> SendDraft {
        SendDraft {
            id: draft.id,
            person_id: draft.person_id,
            nonce: draft.nonce,
            rule: None,
            expires_at: self.clock.now().after(Duration::from_hours(336)),
        }
    }

    /// Presses `Send` in a transaction of its own.
    pub(crate) async fn send(&self, draft: &Request) -> Sent {
        let mut tx = self.store.begin().await.expect("begins");
        let sent = tx.send_draft(self.send_of(draft)).await.expect("answers");
        tx.commit("test.send").await.expect("commits");
        sent
    }

    /// A request that waits.
    pub(crate) async fn waiting(&self, user: u64, name: &str) -> Request {
        let person = self.person(user).await;
        let draft = self.draft(person, name, user * 1_000).await;
        let told = self.send(&draft).await;
        let Sent::Sent(request) = told else { panic!("not sent: {told:?}") };
        request
    }
}

/// A connection to one of the two databases without the store.
pub(crate) enum Raw {
    Sqlite(SqliteConnection),
    Postgres(PgConnection),
}

impl Raw {
    pub(crate) async fn connect(config: &config::Store) -> Self {
        let url = config.url.as_str();
        if config.url.scheme() == "sqlite" {
            Self::Sqlite(SqliteConnection::connect(url).await.expect("connects"))
        } else {
            Self::Postgres(PgConnection::connect(url).await.expect("connects"))
        }
    }

    pub(crate) async fn runs(&mut self, statement: &'static str) -> u64 {
        match self {
            Self::Sqlite(c) => c.execute(statement).await.expect("runs").rows_affected(),
            Self::Postgres(c) => c.execute(statement).await.expect("runs").rows_affected(),
        }
    }

    /// Whether the database refuses the statement.
    pub(crate) async fn is_refused(&mut self, statement: &'static str) -> bool {
        match self {
            Self::Sqlite(c) => c.execute(statement).await.is_err(),
            Self::Postgres(c) => c.execute(statement).await.is_err(),
        }
    }

    /// The first column of the only row, a text.
    pub(crate) async fn text(&mut self, statement: &'static str) -> String {
        let row: (String,) = match self {
            Self::Sqlite(c) => sqlx::query_as(statement).fetch_one(c).await.expect("reads"),
            Self::Postgres(c) => sqlx::query_as(statement).fetch_one(c).await.expect("reads"),
        };
        row.0
    }
}

/// A form whose address is of its name.
pub(crate) fn form(name: &str) -> Form {
    Form {
        username: Username::parse(name, 20).expect("a legal name"),
        address: MailAddress::parse(&[name, "@example.org"].concat()).expect("a legal address"),
        given: PersonName::parse("Ada").expect("a legal name"),
        family: PersonName::parse("Lovelace").expect("a legal name"),
        answer: Answer::parse("I keep the wiki running"),
    }
}

pub(crate) fn private_folder() -> TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::set_permissions(folder.path(), Permissions::from_mode(0o700)).expect("a folder of ours");
    folder
}

pub(crate) fn sqlite_config(folder: &TempDir) -> config::Store {
    let url = ["sqlite://", &folder.path().join("store.sqlite").to_string_lossy()].concat();
    config::Store {
        url: url.parse().expect("a url"),
        password: None,
        key_file: folder.path().join("store.key"),
    }
}

pub(crate) async fn postgres_config(server: &testbed::Postgres, folder: &TempDir) -> config::Store {
    let url = server.new_database().await.expect("a database");
    config::Store {
        url: url.parse().expect("a url"),
        password: None,
        key_file: folder.path().join("store.key"),
    }
}

/// Asks again while the store is only busy: many at once wait for one writer.
pub(crate) async fn insists<T>(ask: impl AsyncFn() -> Result<T, StoreError>) -> Result<T, StoreError> {
    loop {
        match ask().await {
            Err(error) if error.is_passing() => {}
            asked => return asked,
        }
    }
}
