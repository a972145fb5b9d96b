//! A database for one test, on SQLite or PostgreSQL.

use std::path::Path;
use std::sync::Arc;

use accolade::clock::{Clock, SystemRng};
use accolade::config;
use accolade::store::Store;
use serde_json::{Value, json};
use testbed::Postgres;
use testbed::config::sqlite;
use tokio::sync::OnceCell;

use crate::clock::PushedClock;
use crate::files::write_secret;
use crate::{Database, Harness};

/// `[store]` and the URL with its password.
#[derive(Debug)]
pub(crate) struct TestDatabase {
    pub(crate) section: Value,
    pub(crate) url: String,
}

impl TestDatabase {
    /// A database whose files are in `folder`. The SQLite file has its own folder, which does not exist yet.
    pub(crate) async fn new(harness: &'static Harness, database: Database, folder: &Path) -> Self {
        let key_file = folder.join("store.key");
        match database {
            Database::Sqlite => {
                let file = folder.join("store/accolade.sqlite");
                let url = ["sqlite://", &file.to_string_lossy()].concat();
                Self { section: sqlite(&file, &key_file), url }
            }
            Database::Postgres => {
                let postgres = harness.postgres().await;
                let url = copy_of_empty(postgres, &key_file).await;
                let password = std::fs::read_to_string(&postgres.password_file).expect("a password");
                let password_file = write_secret(folder, "database.password", &password);
                let bare = postgres.without_password(&url);
                Self {
                    section: json!({"url": bare, "password_file": password_file, "key_file": key_file}),
                    url,
                }
            }
        }
    }
}

/// Copies a database that has our tables and no rows; it is migrated once. The key is written to `key_file`.
async fn copy_of_empty(postgres: &Postgres, key_file: &Path) -> String {
    static EMPTY: OnceCell<(String, Vec<u8>)> = OnceCell::const_new();
    let (empty, key) = EMPTY
        .get_or_init(async || {
            let folder = crate::private_folder();
            let url = postgres.new_database().await.expect("a database");
            let template_key = folder.path().join("template.key");
            let config = config::Store {
                url: url.parse().expect("a URL"),
                password: None,
                key_file: template_key.clone(),
            };
            let clock = Arc::new(PushedClock::default());
            Store::migrate(&config, clock, Arc::new(SystemRng)).await.expect("our tables");
            (url, std::fs::read(template_key).expect("the key"))
        })
        .await;
    let url = postgres.copy_of(empty).await.expect("a copy");
    write_secret(key_file.parent().expect("a folder"), "store.key", &String::from_utf8_lossy(key));
    url
}

/// Creates or migrates the tables, and retries while the database reports that it is busy.
pub(crate) async fn migrate(config: &config::Store, clock: Arc<dyn Clock>) {
    let migrate = async || Store::migrate(config, Arc::clone(&clock), Arc::new(SystemRng)).await;
    crate::store_env::insists(migrate).await.expect("the tables are made");
}
