//! Opening and migrating: the schema's version, the match of database and key file, the first row of the audit chain. `files` creates and
//! reads the key file.

use std::path::Path;
use std::sync::Arc;

use super::connection::{ReadConnection, Store};
use super::counters::Counters;
use super::database::{Access, Db, Target, target};
use super::error::{KeyFault, StoreError};
use super::files;
use super::seal::Keys;
use super::sql::{all, bare, exec, maybe, sql};
use super::write_health::WriteHealth;
use crate::clock::{Clock, Rng};
use crate::config;
use crate::domain::audit::{Actor, Entry, Event, Source};

sql! {
    /// The tables of sqlx's migrator say which version the schema has.
    SCHEMA_VERSION = "SELECT max(version) FROM _sqlx_migrations WHERE success";
    /// Whether the migrator's table exists.
    HAS_SCHEMA = "SELECT name FROM sqlite_schema WHERE name = '_sqlx_migrations'",
        postgres: "SELECT CAST(to_regclass('_sqlx_migrations') AS TEXT) AS name WHERE to_regclass('_sqlx_migrations') IS NOT NULL";
    KEY_ID = "SELECT key_id FROM store_meta WHERE one = 1";
    INSERT_KEY_ID = "INSERT INTO store_meta (one, key_id) VALUES (1, $1) ON CONFLICT (one) DO NOTHING";
    START_HEAD = "INSERT INTO audit_head (one, seq, hash) VALUES (1, 0, $1) ON CONFLICT (one) DO NOTHING";
}

/// The result of `migrate`.
#[derive(Clone, Debug)]
pub struct Migrated {
    /// The schema's version afterwards.
    pub version: i64,
    /// How many migrations were applied now.
    pub applied: usize,
}

/// Held while `serve` runs; a second `serve` on the same SQLite file is refused. Dropping it releases the lock.
#[derive(Debug)]
pub struct ServingLock {
    // Closing the file releases the lock.
    _file: Option<std::fs::File>,
}

impl Store {
    /// Opens a migrated database for reading and writing. Refuses a file or folder that other users can access, a missing
    /// key file, and a schema that is older or newer than this version; the error names the fix.
    pub async fn open(
        config: &config::Store,
        clock: Arc<dyn Clock>,
        rng: Arc<dyn Rng>,
    ) -> Result<Self, StoreError> {
        Self::open_as(config, clock, rng, Access::ReadWrite).await
    }

    /// Opens a migrated database for reading only; [`Store::begin`] is refused.
    pub async fn open_read_only(
        config: &config::Store,
        clock: Arc<dyn Clock>,
        rng: Arc<dyn Rng>,
    ) -> Result<Self, StoreError> {
        Self::open_as(config, clock, rng, Access::ReadOnly).await
    }

    /// Creates the SQLite file and the key file if they are missing (both 0600), applies the migrations that are missing and
    /// starts the audit chain.
    pub async fn migrate(
        config: &config::Store,
        clock: Arc<dyn Clock>,
        rng: Arc<dyn Rng>,
    ) -> Result<Migrated, StoreError> {
        Self::migrate_up_to(config, clock, rng, None).await
    }

    /// The same, up to one version of the schema: for tests of migrations on filled databases.
    #[doc(hidden)]
    pub async fn migrate_to(
        config: &config::Store,
        clock: Arc<dyn Clock>,
        rng: Arc<dyn Rng>,
        version: i64,
    ) -> Result<Migrated, StoreError> {
        Self::migrate_up_to(config, clock, rng, Some(version)).await
    }

    /// Takes the lock on `<database>.lock` that only one `serve` may hold. `PostgreSQL` needs none.
    pub fn lock_for_serving(&self) -> Result<ServingLock, StoreError> {
        let file = match &self.inner.db {
            Db::Sqlite { path, .. } => Some(files::lock_for_serving(path)?),
            Db::Postgres { .. } => None,
        };
        Ok(ServingLock { _file: file })
    }

    async fn open_as(
        config: &config::Store,
        clock: Arc<dyn Clock>,
        rng: Arc<dyn Rng>,
        access: Access,
    ) -> Result<Self, StoreError> {
        let target = target(config)?;
        if let Target::Sqlite(path) = &target {
            files::check_database(path)?;
        }
        let keys = Keys::derive(&files::read_key(&config.key_file)?);
        target.check_sessions().await?;
        let (write_health, counters) = (WriteHealth::default(), Arc::<Counters>::default());
        let db = Db::connect(target, access, &write_health, &counters);
        let wanted = db.wanted_version();
        let store = Self::assemble(db, keys, clock, rng, write_health, counters);
        let mut connection = store.read().await?;
        let found = connection.schema_version().await?;
        match found.cmp(&wanted) {
            std::cmp::Ordering::Less => return Err(StoreError::SchemaOld { found, wanted }),
            std::cmp::Ordering::Greater => return Err(StoreError::SchemaNew { found, wanted }),
            std::cmp::Ordering::Equal => {}
        }
        connection.check_key(&config.key_file).await?;
        drop(connection);
        Ok(store)
    }

    /// Opens a file whose content is not known yet, to inspect it.
    pub(super) fn over_file(path: &Path, clock: &Arc<dyn Clock>, rng: &Arc<dyn Rng>) -> Self {
        Self::unchecked(Target::Sqlite(path.to_owned()), Keys::empty(), Arc::clone(clock), Arc::clone(rng))
    }

    fn unchecked(target: Target, keys: Keys, clock: Arc<dyn Clock>, rng: Arc<dyn Rng>) -> Self {
        let (write_health, counters) = (WriteHealth::default(), Arc::<Counters>::default());
        let db = Db::connect(target, Access::ReadWrite, &write_health, &counters);
        Self::assemble(db, keys, clock, rng, write_health, counters)
    }

    async fn migrate_up_to(
        config: &config::Store,
        clock: Arc<dyn Clock>,
        rng: Arc<dyn Rng>,
        last: Option<i64>,
    ) -> Result<Migrated, StoreError> {
        let target = target(config)?;
        if let Target::Sqlite(path) = &target {
            files::make_database(path)?;
        }
        target.check_sessions().await?;
        // Opened with empty keys: whether a key file must exist already is not known yet.
        let probe = Self::unchecked(target.clone(), Keys::empty(), Arc::clone(&clock), Arc::clone(&rng));
        let wanted = probe.inner.db.wanted_version();
        let version = last.unwrap_or(wanted);
        let found = probe.found_before_migration(&config.key_file, wanted).await;
        probe.close().await;
        let found = found?;
        let keys = Keys::derive(&files::read_key(&config.key_file)?);
        let store = Self::unchecked(target, keys, clock, rng);
        let applied = store.inner.db.migrations_between(found, version);
        store.inner.db.migrate_to(version).await?;
        if version == wanted {
            store.start_chain(&config.key_file).await?;
        }
        store.close().await;
        Ok(Migrated { version, applied })
    }

    /// The schema's version before a migration. Creates the key file, unless the database was sealed with one: it must not get a
    /// new one unnoticed.
    async fn found_before_migration(&self, key_file: &Path, wanted: i64) -> Result<i64, StoreError> {
        let mut tx = self.begin().await?;
        let found = tx.schema_version().await?;
        if found > wanted {
            return Err(StoreError::SchemaNew { found, wanted });
        }
        if found == 0 || maybe!(&mut tx, KEY_ID, (String,);)?.is_none() {
            files::make_key(key_file, self.inner.rng.as_ref())?;
        }
        tx.roll_back().await?;
        Ok(found)
    }

    /// Ties the database to its key file and writes the chain's first row, once.
    async fn start_chain(&self, key_file: &Path) -> Result<(), StoreError> {
        let mut tx = self.begin().await?;
        let key_id = self.inner.keys.id().to_owned();
        exec!(&mut tx, INSERT_KEY_ID; key_id)?;
        tx.check_key(key_file).await?;
        let is_new = exec!(&mut tx, START_HEAD; vec![0_u8; 32])? == 1;
        if is_new {
            tx.audit(Entry::new(Event::ChainStarted, Source::Cli, Actor::System));
        }
        tx.commit("chain.started").await
    }
}

impl ReadConnection {
    async fn schema_version(&mut self) -> Result<i64, StoreError> {
        if maybe!(self, HAS_SCHEMA, (Option<String>,);)?.is_none() {
            return Ok(0);
        }
        Ok(all!(self, SCHEMA_VERSION, (Option<i64>,);)?.first().and_then(|row| row.0).unwrap_or(0))
    }

    async fn check_key(&mut self, key_file: &Path) -> Result<(), StoreError> {
        let stored = maybe!(self, KEY_ID, (String,);)?;
        let is_ours = stored.is_some_and(|row| row.0 == self.inner.keys.id());
        if is_ours {
            return Ok(());
        }
        Err(StoreError::Key(KeyFault::Foreign { path: key_file.to_owned() }))
    }
}
