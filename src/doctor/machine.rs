//! This machine: the database, who may read it, and its key.

use std::sync::Arc;

use super::Sheet;
use crate::clock::{Clock, Rng};
use crate::config::Config;
use crate::domain::finding::Finding;
use crate::store::{FileFault, KeyFault, Store, StoreError};

/// Opens the database as `serve` would, for reading only, and judges what stands in the way.
pub(super) async fn examine(config: &Config, clock: Arc<dyn Clock>, rng: Arc<dyn Rng>, sheet: &mut Sheet) {
    match Store::open_read_only(&config.store, clock, rng).await {
        Ok(store) => store.close().await,
        Err(error) => return sheet.wrong(name(&error), error.to_string()),
    }
    for finding in [
        Finding::StoreUnreachable,
        Finding::StoreNotReady,
        Finding::StoreReadable,
        Finding::KeyMissing,
        Finding::KeyWrong,
    ] {
        sheet.in_order(finding);
    }
}

fn name(error: &StoreError) -> Finding {
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
