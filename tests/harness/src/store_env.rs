//! A new store for each test, on SQLite and on PostgreSQL.

use std::path::PathBuf;
use std::sync::{Arc, Weak};
use std::time::Duration;

use accolade::clock::{Clock as _, SystemRng};
use accolade::config;
use accolade::domain::eligibility::RuleName;
use accolade::domain::ids::{DiscordUserId, GuildId, InteractionId, PersonId};
use accolade::domain::mail_address::MailAddress;
use accolade::domain::person_name::PersonName;
use accolade::domain::request::{Answer, Form, Request, RequestKind};
use accolade::domain::username::Username;
use accolade::store::{NewDraft, Outbox, SendDraft, Sent, Store, StoreError};
use sqlx::{Connection as _, Executor as _, PgConnection, SqliteConnection};
use tempfile::TempDir;
use tokio::sync::Mutex;

use crate::{PushedClock, private_folder};

/// Runs each test body on both databases.
#[macro_export]
macro_rules! on_both_databases {
    ($($(#[$doc:meta])* async fn $name:ident($env:ident: &StoreEnv) $body:block)*) => {$(
        $(#[$doc])*
        async fn $name($env: &$crate::StoreEnv) $body

        mod $name {
            #[tokio::test(flavor = "multi_thread")]
            async fn on_sqlite() {
                super::$name(&$crate::StoreEnv::on_sqlite().await).await;
            }

            #[tokio::test(flavor = "multi_thread")]
            async fn on_postgres() {
                super::$name(&$crate::StoreEnv::on_postgres().await).await;
            }
        }
    )*};
}
pub use on_both_databases;

/// The PostgreSQL that the running tests share. It stops with the last of them.
static POSTGRES: Mutex<Weak<testbed::Postgres>> = Mutex::const_new(Weak::new());

/// Returns the PostgreSQL that the running tests share.
pub async fn postgres() -> Arc<testbed::Postgres> {
    let mut shared = POSTGRES.lock().await;
    if let Some(server) = shared.upgrade() {
        return server;
    }
    let server = Arc::new(testbed::Postgres::start_new().await.expect("PostgreSQL starts"));
    *shared = Arc::downgrade(&server);
    server
}

/// A store, its files and its clock.
pub struct StoreEnv {
    /// The store.
    pub store: Store,
    /// `[store]`
    pub config: config::Store,
    /// Its clock.
    pub clock: Arc<PushedClock>,
    /// The folder of its files.
    pub folder: TempDir,
    _server: Option<Arc<testbed::Postgres>>,
}

/// The guild of every request.
pub const GUILD: GuildId = GuildId::new(81_384_788_765_712_384);

impl StoreEnv {
    /// A migrated SQLite database.
    pub async fn on_sqlite() -> Self {
        let folder = private_folder();
        let config = sqlite_config(&folder);
        Self::migrated(config, folder, None).await
    }

    /// A migrated PostgreSQL database.
    pub async fn on_postgres() -> Self {
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

    /// Runs a statement on the database without the store. Returns the number of changed rows.
    pub async fn changes(&self, statement: &'static str) -> u64 {
        Raw::connect(&self.config).await.runs(statement).await
    }

    /// The SQLite file.
    pub fn file(&self) -> PathBuf {
        self.folder.path().join("store.sqlite")
    }

    /// Closes the store and opens a new one on the same database.
    #[must_use]
    pub async fn reopened(mut self) -> Self {
        self.store = self.open_again().await.expect("opens");
        self
    }

    /// Opens a second store on the same database.
    pub async fn open_again(&self) -> Result<Store, StoreError> {
        Store::open(&self.config, self.clock.clone(), Arc::new(SystemRng)).await
    }

    /// Claims messages that are due.
    pub async fn claim_messages(&self, owner: &str, lease: Duration, limit: u32) -> Vec<Outbox> {
        let mut tx = self.store.begin().await.expect("begins");
        let claimed = tx.claim_outbox_batch(owner, lease, limit).await.expect("claims");
        tx.commit("test.claim").await.expect("commits");
        claimed
    }

    /// Stores a person.
    pub async fn person(&self, user: u64) -> PersonId {
        let mut tx = self.store.begin().await.expect("begins");
        let person = tx.ensure_person(DiscordUserId::new(user), "en").await.expect("a person");
        tx.commit("test.person").await.expect("commits");
        person.id
    }

    /// Stores a draft of a person.
    pub async fn draft(&self, person: PersonId, name: &str, interaction: u64) -> Request {
        let mut tx = self.store.begin().await.expect("begins");
        let draft = tx.put_draft(self.new_draft(person, name, interaction)).await.expect("a draft");
        tx.commit("test.draft").await.expect("commits");
        draft
    }

    /// The values of a draft.
    pub fn new_draft(&self, person: PersonId, name: &str, interaction: u64) -> NewDraft {
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

    /// The values of pressing `Send`.
    pub fn send_of(&self, draft: &Request) -> SendDraft {
        SendDraft {
            id: draft.id,
            person_id: draft.person_id,
            nonce: draft.nonce,
            rule: None,
            expires_at: self.clock.now().after(Duration::from_hours(336)),
        }
    }

    /// Presses `Send`, in its own transaction.
    pub async fn send(&self, draft: &Request) -> Sent {
        let mut tx = self.store.begin().await.expect("begins");
        let sent = tx.send_draft(self.send_of(draft)).await.expect("answers");
        tx.commit("test.send").await.expect("commits");
        sent
    }

    /// Stores a request that waits for a decision.
    pub async fn waiting(&self, user: u64, name: &str) -> Request {
        let person = self.person(user).await;
        let draft = self.draft(person, name, user * 1_000).await;
        let told = self.send(&draft).await;
        let Sent::Sent(request) = told else { panic!("not sent: {told:?}") };
        request
    }
}

/// A connection to one of the two databases that bypasses the store.
#[derive(Debug)]
pub enum Raw {
    /// The file.
    Sqlite(SqliteConnection),
    /// The server.
    Postgres(PgConnection),
}

impl Raw {
    /// Connects to the database in a store's configuration.
    pub async fn connect(config: &config::Store) -> Self {
        let url = config.url.as_str();
        if config.url.scheme() == "sqlite" {
            Self::Sqlite(SqliteConnection::connect(url).await.expect("connects"))
        } else {
            Self::Postgres(PgConnection::connect(url).await.expect("connects"))
        }
    }

    /// Runs a statement. Returns the number of changed rows.
    pub async fn runs(&mut self, statement: &'static str) -> u64 {
        match self {
            Self::Sqlite(c) => c.execute(statement).await.expect("runs").rows_affected(),
            Self::Postgres(c) => c.execute(statement).await.expect("runs").rows_affected(),
        }
    }

    /// Whether the database refuses the statement.
    pub async fn is_refused(&mut self, statement: &'static str) -> bool {
        match self {
            Self::Sqlite(c) => c.execute(statement).await.is_err(),
            Self::Postgres(c) => c.execute(statement).await.is_err(),
        }
    }

    /// The first column of the only row, as text.
    pub async fn text(&mut self, statement: &'static str) -> String {
        let row: (String,) = match self {
            Self::Sqlite(c) => sqlx::query_as(statement).fetch_one(c).await.expect("reads"),
            Self::Postgres(c) => sqlx::query_as(statement).fetch_one(c).await.expect("reads"),
        };
        row.0
    }
}

/// A form whose address contains its user name.
pub fn form(name: &str) -> Form {
    Form {
        username: Username::parse(name, 20).expect("a legal name"),
        address: MailAddress::parse(&[name, "@example.org"].concat()).expect("a legal address"),
        given: PersonName::parse("Ada").expect("a legal name"),
        family: PersonName::parse("Lovelace").expect("a legal name"),
        answer: Answer::parse("I keep the wiki running"),
    }
}

/// `[store]` of an SQLite file in a folder.
pub fn sqlite_config(folder: &TempDir) -> config::Store {
    let url = ["sqlite://", &folder.path().join("store.sqlite").to_string_lossy()].concat();
    config::Store {
        url: url.parse().expect("a url"),
        password: None,
        key_file: folder.path().join("store.key"),
    }
}

/// `[store]` of a new PostgreSQL database.
pub async fn postgres_config(server: &testbed::Postgres, folder: &TempDir) -> config::Store {
    let url = server.new_database().await.expect("a database");
    config::Store {
        url: url.parse().expect("a url"),
        password: None,
        key_file: folder.path().join("store.key"),
    }
}

/// Repeats a call while the store is busy, because many callers wait for one writer.
pub async fn insists<T>(ask: impl AsyncFn() -> Result<T, StoreError>) -> Result<T, StoreError> {
    loop {
        match ask().await {
            Err(error) if error.is_passing() => {}
            asked => return asked,
        }
    }
}
