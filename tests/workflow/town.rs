//! The servers of the step tests: one slapd, Keycloak, mail catcher and PostgreSQL for all of them, and our own hand in a case's
//! database. Work is stopped and torn by triggers of that hand, never by code of the product.

#![expect(
    clippy::disallowed_types,
    reason = "triggers are made from the names of plans and steps; no value of people is in them"
)]

use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use accolade::clock::SystemRng;
use accolade::config;
use accolade::domain::job::{JobKind, Step};
use accolade::store::Store;
use serde_json::{Value, json};
use sqlx::AssertSqlSafe;
use sqlx::postgres::PgPoolOptions;
use sqlx::sqlite::SqlitePoolOptions;
use tempfile::TempDir;
use testbed::bed::Wanted;
use testbed::{Bed, BedOptions, Managed};
use tokio::runtime::Runtime;
use tokio::sync::OnceCell;

use crate::store_world::{PushedClock, private_folder};

/// Keycloak's realm.
pub(crate) const REALM: &str = "steps";

/// The servers that all cases share.
pub(crate) struct Town {
    pub(crate) bed: Bed,
    pub(crate) runtime: Runtime,
    /// Of the federation and of its group mapper.
    pub(crate) ids: [String; 2],
    pub(crate) folder: TempDir,
    /// A PostgreSQL database with our tables and no rows.
    empty: OnceCell<String>,
}

/// Starts the servers at the first call. They end with the test process.
pub(crate) fn town() -> &'static Town {
    static TOWN: OnceLock<Town> = OnceLock::new();
    TOWN.get_or_init(|| {
        rustls::crypto::ring::default_provider().install_default().ok();
        let runtime = Runtime::new().expect("a runtime");
        let started = std::thread::scope(|scope| scope.spawn(|| runtime.block_on(start_servers())).join());
        let (bed, made, folder) = started.expect("starting the servers does not panic");
        let text = |key: &str| made[key].as_str().expect("setup names both ids").to_owned();
        Town {
            ids: [text("federation_id"), text("group_mapper_id")],
            bed,
            runtime,
            folder,
            empty: OnceCell::new(),
        }
    })
}

impl Town {
    /// A PostgreSQL database of a case's own, with our tables: a copy of one that was migrated once. Its key goes to `key_file`.
    pub(crate) async fn new_postgres_database(&self, key_file: &Path) -> String {
        let template_key = self.folder.path().join("template.key");
        let postgres = &self.bed.postgres;
        let empty = self.empty.get_or_init(|| async {
            let url = postgres.new_database().await.expect("a database");
            let config = config::Store {
                url: url.parse().expect("a url"),
                password: None,
                key_file: template_key.clone(),
            };
            let clock = Arc::new(PushedClock::default());
            Store::migrate(&config, clock, Arc::new(SystemRng)).await.expect("our tables");
            url
        });
        let url = postgres.copy_of(empty.await).await.expect("a database");
        std::fs::copy(&template_key, key_file).expect("the key of the copied database");
        url
    }
}

async fn start_servers() -> (Bed, Value, TempDir) {
    let options = BedOptions { postgres: Wanted::Yes, ..BedOptions::servers() };
    let bed = Bed::start(options).await.expect("the servers start");
    for (group, managed) in [("members", Managed::Yes), ("unmanaged", Managed::No)] {
        bed.slapd.add_group(group, managed).await.expect("a group can be added");
    }
    let folder = private_folder();
    write_secret(&folder, "discord.token", "none-yet");
    let store = json!({
        "url": format!("sqlite://{}", folder.path().join("setup.sqlite").display()),
        "key_file": folder.path().join("setup.key"),
    });
    let discord = json!({"token_file": folder.path().join("discord.token")});
    let guilds = json!([{"id": "1", "request_channel": "1"}]);
    let secret = folder.path().join("client.secret");
    let text = config_text(&bed, [&discord, &guilds, &store], ["", ""], &secret);
    let file = write_secret(&folder, "setup.toml", &text);
    let accolade = env!("CARGO_BIN_EXE_accolade").as_ref();
    let made = bed.provision(accolade, &file, REALM).await.expect("setup makes the realm");
    (bed, made, folder)
}

/// A configuration with these servers; `parts` are Discord, the guilds and the store.
pub(crate) fn config_text(bed: &Bed, parts: [&Value; 3], ids: [&str; 2], client_secret: &Path) -> String {
    let (slapd, keycloak) = (&bed.slapd, &bed.keycloak);
    let [discord, guilds, store] = parts;
    let config = json!({
        "discord": discord,
        "guild": guilds,
        "directory": {
            "url": slapd.ldaps_url, "ca_file": slapd.ca_file, "bind_dn": slapd.bot_dn, "bind_password_file": slapd.bot_password_file,
            "people_dn": slapd.people_dn, "groups_dn": slapd.groups_dn,
        },
        "keycloak": {
            "url": keycloak.url, "plaintext_on_loopback": true, "realm": REALM, "client_id": "accolade",
            "client_secret_file": client_secret, "federation_id": ids[0], "group_mapper_id": ids[1],
            "mail_client_id": "account-link", "mail_redirect_uri": "http://localhost/welcome",
        },
        "store": store,
        "http": {"listen": "127.0.0.1:0"},
    });
    toml::to_string(&config).expect("the configuration is TOML")
}

/// Writes a file that only we can read.
pub(crate) fn write_secret(folder: &TempDir, name: &str, text: &str) -> PathBuf {
    use std::os::unix::fs::PermissionsExt as _;
    let file = folder.path().join(name);
    std::fs::write(&file, text).expect("a file can be written");
    let only_us = std::fs::Permissions::from_mode(0o600);
    std::fs::set_permissions(&file, only_us).expect("a mode can be set");
    file
}

/// Where a case keeps its rows.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Database {
    Sqlite,
    Postgres,
}

/// Our own hand in the case's database.
pub(crate) enum Hand {
    Sqlite(sqlx::SqlitePool),
    Postgres(sqlx::PgPool),
}

impl Hand {
    /// One connection: another would not know which triggers are there.
    pub(crate) async fn open(url: &str) -> Self {
        if url.starts_with("sqlite") {
            let pool = SqlitePoolOptions::new().max_connections(1).connect(url).await;
            Self::Sqlite(pool.expect("the database opens"))
        } else {
            let pool = PgPoolOptions::new().max_connections(1).connect(url).await;
            Self::Postgres(pool.expect("the database opens"))
        }
    }

    async fn runs(&self, sql: &str) {
        let sql = AssertSqlSafe(sql.to_owned());
        let ended = match self {
            Self::Sqlite(pool) => sqlx::raw_sql(sql).execute(pool).await.map(|_| ()),
            Self::Postgres(pool) => sqlx::raw_sql(sql).execute(pool).await.map(|_| ()),
        };
        ended.expect("the database does what we ask");
    }

    /// What a restart does (`serve` voids the leases of an earlier life), and time that makes all due.
    pub(crate) async fn frees_leases(&self) {
        self.runs(
            "UPDATE job SET lease_until = 0, owner = NULL, next_run = 0 WHERE state IN ('open', 'undoing'); \
             UPDATE outbox SET lease_until = 0, owner = NULL, next_run = 0; UPDATE lease SET until = 0;",
        )
        .await;
    }

    /// Work stops from now on when it comes to `step`: its claim is void from then on, and it sleeps.
    pub(crate) async fn halts_before(&self, step: Step) {
        let (when, then) = (
            format!("NEW.step = '{step}'"),
            "fence = fence + 1, owner = NULL, lease_until = 0, next_run = 9000000000000",
        );
        self.runs(&match self {
            Self::Sqlite(_) => format!(
                "CREATE TRIGGER halt AFTER UPDATE OF step ON job WHEN {when} \
                 BEGIN UPDATE job SET {then} WHERE id = NEW.id; END;"
            ),
            Self::Postgres(_) => format!(
                "CREATE OR REPLACE FUNCTION halt() RETURNS trigger AS $$ BEGIN NEW.fence := NEW.fence + 1; \
                 NEW.owner := NULL; NEW.lease_until := 0; NEW.next_run := 9000000000000; RETURN NEW; END $$ \
                 LANGUAGE plpgsql; CREATE TRIGGER halt BEFORE UPDATE OF step ON job FOR EACH ROW WHEN ({when}) \
                 EXECUTE FUNCTION halt();"
            ),
        })
        .await;
    }

    /// Work goes on again.
    pub(crate) async fn halts_no_more(&self) {
        self.runs(match self {
            Self::Sqlite(_) => "DROP TRIGGER halt",
            Self::Postgres(_) => "DROP TRIGGER halt ON job",
        })
        .await;
    }

    /// From now on the record of `step` is lost with all that is written together with it.
    pub(crate) async fn loses_records_of(&self, step: Step) {
        let when = format!("NEW.step = '{step}'");
        self.runs(&match self {
            Self::Sqlite(_) => format!(
                "CREATE TRIGGER torn BEFORE INSERT ON job_step WHEN {when} BEGIN SELECT RAISE(ABORT, 'torn'); END;"
            ),
            Self::Postgres(_) => format!(
                "CREATE OR REPLACE FUNCTION torn() RETURNS trigger AS $$ BEGIN RAISE EXCEPTION 'torn'; END $$ \
                 LANGUAGE plpgsql; CREATE TRIGGER torn BEFORE INSERT ON job_step FOR EACH ROW WHEN ({when}) \
                 EXECUTE FUNCTION torn();"
            ),
        })
        .await;
    }

    /// Records are kept again.
    pub(crate) async fn loses_no_more(&self) {
        self.runs(match self {
            Self::Sqlite(_) => "DROP TRIGGER torn",
            Self::Postgres(_) => "DROP TRIGGER torn ON job_step",
        })
        .await;
    }

    /// Puts the jobs of a kind back to `step`.
    pub(crate) async fn puts_back(&self, kind: JobKind, state: &str, step: Step) {
        self.runs(&format!(
            "UPDATE job SET state = '{state}', step = '{step}', attempt = 0 WHERE kind = '{kind}'"
        ))
        .await;
    }
}
