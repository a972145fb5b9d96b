//! Checks of this machine: the database, its permissions, and its key.

use std::sync::Arc;

use super::checks::Checks;
use crate::clock::{Clock, Rng};
use crate::config::Config;
use crate::domain::finding::Finding;
use crate::store::{FileFault, KeyFault, Store, StoreError};

/// Opens the database as `serve` does, read-only, and records why it can't be opened.
pub(super) async fn examine(config: &Config, clock: Arc<dyn Clock>, rng: Arc<dyn Rng>, checks: &mut Checks) {
    match Store::open_read_only(&config.store, clock, rng).await {
        Ok(store) => store.close().await,
        Err(error) => return checks.fail_because(finding_of(&error), error.to_string(), error.cause()),
    }
    for finding in [
        Finding::StoreUnreachable,
        Finding::StorePooled,
        Finding::StoreNotReady,
        Finding::StoreReadable,
        Finding::KeyMissing,
        Finding::KeyWrong,
    ] {
        checks.pass(finding);
    }
}

fn finding_of(error: &StoreError) -> Finding {
    match error {
        StoreError::Unsafe(FileFault::Missing { .. })
        | StoreError::SchemaOld { .. }
        | StoreError::SchemaNew { .. } => Finding::StoreNotReady,
        StoreError::Key(KeyFault::Unsafe(_))
        | StoreError::Unsafe(
            FileFault::Open { .. }
            | FileFault::Foreign { .. }
            | FileFault::Hidden { .. }
            | FileFault::NotMade { .. }
            | FileFault::Taken { .. },
        ) => Finding::StoreReadable,
        StoreError::Key(KeyFault::Missing { .. }) => Finding::KeyMissing,
        StoreError::Key(
            KeyFault::Unreadable { .. }
            | KeyFault::Illegible { .. }
            | KeyFault::NotWritten { .. }
            | KeyFault::Foreign { .. },
        ) => Finding::KeyWrong,
        StoreError::Pooled(_) => Finding::StorePooled,
        StoreError::Busy
        | StoreError::FlushFailed
        | StoreError::NoFreeCode
        | StoreError::Full
        | StoreError::ReadOnlyDatabase
        | StoreError::Down(_)
        | StoreError::Migration(_)
        | StoreError::Url(_)
        | StoreError::Sealed { .. }
        | StoreError::AlreadyServing
        | StoreError::LostLease
        | StoreError::Poisoned
        | StoreError::ReadOnly
        | StoreError::Row { .. }
        | StoreError::IllegalMove { .. }
        | StoreError::NotSqlite
        | StoreError::NotABackup(_)
        | StoreError::Other(_) => Finding::StoreUnreachable,
    }
}
