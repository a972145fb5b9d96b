//! Backups, their restoration, and the hold that keeps the service from acting on a restored database until an operator agrees.
//!
//! A backup is one file, written by SQLite itself while others write. `PostgreSQL` has its own tools; its hold is set by hand.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::audit::AuditVerdict;
use super::audit_head::Head;
use super::connection::{ReadConnection, Store, Tx};
use super::database::sqlite_path;
use super::error::StoreError;
use super::files;
use super::sql::{Raw, bare, exec, maybe, one, sql};
use crate::clock::{Clock, Rng};
use crate::config;
use crate::domain::ids::{AccountId, Timestamp};
use crate::domain::job::MAILS_PER_JOB;

sql! {
    RESTORED_AT = "SELECT restored_at FROM store_meta WHERE one = 1";
    HOLD = "UPDATE store_meta SET restored_at = $1 WHERE one = 1";
    LET_GO = "UPDATE store_meta SET restored_at = NULL WHERE one = 1 AND restored_at IS NOT NULL";
    HAS_KEY = "SELECT key_id FROM store_meta WHERE one = 1";
    /// Whether a process serves at this moment.
    SERVED = "SELECT count(*) FROM lease WHERE name = 'gateway' AND until > $1";
    USE_UP_MAILS = "UPDATE job SET mail_attempts = $2, revision = revision + 1 \
        WHERE account_id = $1 AND kind = 'provision' AND state = 'open'";
    DELETE_NOTIFICATIONS = "DELETE FROM outbox WHERE kind <> 'card'";
    /// A second attempt looks for the message of the first.
    COUNT_CARD_ATTEMPT = "UPDATE outbox SET attempt = attempt + 1 WHERE kind = 'card'";
}

/// The result of a restoration.
#[derive(Clone, Debug)]
pub struct Restored {
    /// The head of the backup's audit log.
    pub head: Head,
    /// The path of the previous database, if there was one.
    pub kept: Option<PathBuf>,
}

impl Store {
    /// Copies the whole database as it is at this moment into a new file (0600). Never overwrites. Returns a head of the audit log that
    /// the copy contains.
    pub async fn back_up(&self, file: &Path) -> Result<Head, StoreError> {
        let mut connection = self.read().await?;
        let head = connection.audit_head().await?;
        let Raw::Sqlite(raw) = connection.conn.raw() else { return Err(StoreError::NotSqlite) };
        files::make_new(file)?;
        let copying = sqlx::query("VACUUM INTO $1").bind(file.to_string_lossy().into_owned());
        let copied = copying.execute(raw).await.map_err(StoreError::from_sqlx);
        match copied.and_then(|_| files::sync(file)) {
            Ok(()) => Ok(head),
            Err(error) => {
                files::remove(file);
                Err(error)
            }
        }
    }

    /// Moves a backup into the database's place, held until an operator agrees. Refused while `serve` runs, and for a file that is damaged,
    /// has another key, or is newer than this version. The previous database is kept beside it.
    pub async fn restore(
        config: &config::Store,
        backup: &Path,
        clock: Arc<dyn Clock>,
        rng: Arc<dyn Rng>,
    ) -> Result<Restored, StoreError> {
        let path = sqlite_path(config)?.ok_or(StoreError::NotSqlite)?;
        files::make_folder(&path)?;
        let _lock = files::lock_for_serving(&path)?;
        let copy = files::copy_beside(backup, &path)?;
        let mut of_copy = config.clone();
        of_copy.url.set_path(&copy.to_string_lossy());
        let now = clock.now();
        let prepared = prepare(&of_copy, &copy, clock, rng).await;
        match prepared.and_then(|head| Ok((head, files::replace(&copy, &path, now)?))) {
            Ok((head, kept)) => Ok(Restored { head, kept }),
            Err(error) => {
                files::remove(&copy);
                Err(error)
            }
        }
    }

    /// Puts a hold on a database that was restored by another tool. Refused while a process serves it.
    pub async fn hold(&self) -> Result<(), StoreError> {
        let mut tx = self.begin().await?;
        let now = tx.database_now().await?;
        if one!(&mut tx, SERVED, (i64,); now)?.0 > 0 {
            return Err(StoreError::AlreadyServing);
        }
        tx.hold().await?;
        tx.commit("restore.hold").await
    }
}

/// Checks the copy, migrates it to this version and holds it. Returns the head of its audit log.
async fn prepare(
    config: &config::Store,
    copy: &Path,
    clock: Arc<dyn Clock>,
    rng: Arc<dyn Rng>,
) -> Result<Head, StoreError> {
    files::read_key(&config.key_file)?;
    is_whole(copy, &clock, &rng).await?;
    Store::migrate(config, Arc::clone(&clock), Arc::clone(&rng)).await?;
    let store = Store::open(config, clock, rng).await?;
    let verdict = store.verify_audit(None).await;
    let held = match verdict {
        Ok(AuditVerdict::Whole(head)) => {
            let mut tx = store.begin().await?;
            tx.hold().await?;
            tx.commit("restore.hold").await.map(|()| head)
        }
        Ok(AuditVerdict::Broken { .. }) => {
            Err(StoreError::NotABackup("its audit log was changed or cut off"))
        }
        Err(error) => Err(error),
    };
    store.close().await;
    held
}

/// Checks that SQLite finds no damage, and that it is a database of accolade.
async fn is_whole(copy: &Path, clock: &Arc<dyn Clock>, rng: &Arc<dyn Rng>) -> Result<(), StoreError> {
    let store = Store::over_file(copy, clock, rng);
    let looked = look_into(&store).await;
    store.close().await;
    match looked {
        Err(StoreError::Other(_)) => Err(StoreError::NotABackup("it is not a database of accolade")),
        looked => looked,
    }
}

async fn look_into(store: &Store) -> Result<(), StoreError> {
    let mut connection = store.read().await?;
    let Raw::Sqlite(raw) = connection.conn.raw() else { return Err(StoreError::NotSqlite) };
    let found: Vec<(String,)> =
        sqlx::query_as("PRAGMA integrity_check").fetch_all(raw).await.map_err(StoreError::from_sqlx)?;
    if found.iter().any(|(text,)| text != "ok") {
        return Err(StoreError::NotABackup("the file is damaged"));
    }
    let has_key = maybe!(&mut connection, HAS_KEY, (String,);)?.is_some();
    if has_key { Ok(()) } else { Err(StoreError::NotABackup("it was never finished by `accolade migrate`")) }
}

impl ReadConnection {
    /// When the database was restored, while it waits for an operator's agreement.
    pub async fn restored_at(&mut self) -> Result<Option<Timestamp>, StoreError> {
        let at = maybe!(self, RESTORED_AT, (Option<i64>,);)?.and_then(|row| row.0);
        Ok(at.map(Timestamp::from_millis))
    }
}

impl Tx {
    async fn hold(&mut self) -> Result<(), StoreError> {
        let now = self.now().as_millis();
        exec!(self, HOLD; now).map(|_| ())
    }

    /// Ends the hold; `false` if the database was not held.
    pub async fn let_go(&mut self) -> Result<bool, StoreError> {
        Ok(exec!(self, LET_GO;)? > 0)
    }

    /// Counts the mails of the account's provisioning as sent: after the backup was made, the bot may have sent them.
    pub async fn use_up_mails(&mut self, account: AccountId) -> Result<(), StoreError> {
        exec!(self, USE_UP_MAILS; account.to_string(), MAILS_PER_JOB).map(|_| ())
    }

    /// Deletes unsent notifications and notices, which may have been sent after the backup. Cards are looked for before they are posted.
    pub async fn settle_outbox(&mut self) -> Result<(), StoreError> {
        exec!(self, DELETE_NOTIFICATIONS;)?;
        exec!(self, COUNT_CARD_ATTEMPT;).map(|_| ())
    }
}
