//! What can go wrong in the store.

use std::io::ErrorKind;
use std::path::PathBuf;

use sqlx::migrate::MigrateError;

use crate::domain::cause::Cause;
use crate::domain::error_code::ErrorCode;
use crate::domain::request::RequestState;
use crate::net::failure;

/// Why a call to the store failed.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The database did not answer in time; nothing was changed. Try again.
    #[error("the database is busy")]
    Busy,
    /// The disk is full; nothing was changed.
    #[error("the database has no room")]
    Full,
    /// The database can be read but accepts no writes; nothing was changed.
    #[error("the database is read-only, as a standby is")]
    ReadOnlyDatabase,
    /// SQLite's log could not be flushed to the disk, now or earlier. The disk may lack what was committed last, so nothing is written
    /// any more until the process is started again.
    #[error("the database's log could not be flushed to the disk")]
    FlushFailed,
    /// The database is not responding.
    #[error("the database cannot be reached")]
    Down(#[source] sqlx::Error),
    /// A pooler stands between this program and `PostgreSQL`, and its sessions are not usable.
    #[error("a pooler stands before the database ({0})")]
    Pooled(Cause),
    /// The schema is older than this version.
    #[error("the database schema is version {found}, this version needs {wanted}: run `accolade migrate`")]
    SchemaOld {
        /// The version of the database.
        found: i64,
        /// The version that is needed.
        wanted: i64,
    },
    /// The schema is newer than this version.
    #[error(
        "the database schema is version {found}, newer than this version's {wanted}: run a newer accolade"
    )]
    SchemaNew {
        /// The version of the database.
        found: i64,
        /// The newest known version.
        wanted: i64,
    },
    /// A migration failed.
    #[error("a migration failed")]
    Migration(#[source] MigrateError),
    /// Other users can access a file or folder; the text names the fix.
    #[error(transparent)]
    Unsafe(FileFault),
    /// The key file cannot be used.
    #[error(transparent)]
    Key(KeyFault),
    /// The URL is neither `sqlite:///path` nor `postgres://…`.
    #[error("the store's url is not usable: {0}")]
    Url(&'static str),
    /// A sealed column could not be opened: wrong key, or the value is not from this row.
    #[error("a sealed column of `{table}` cannot be opened with this key")]
    Sealed {
        /// The table.
        table: &'static str,
    },
    /// Another `serve` holds the lock.
    #[error("another `accolade serve` uses this database")]
    AlreadyServing,
    /// Another process claimed the job or lease in the meantime: write nothing more.
    #[error("the lease was lost")]
    LostLease,
    /// Every public code that was drawn for a new request is taken. Try again.
    #[error("no free request code was drawn")]
    NoFreeCode,
    /// An earlier statement of this transaction failed, so it cannot be committed.
    #[error("the transaction was poisoned by an earlier error")]
    Poisoned,
    /// The store was opened read-only.
    #[error("the store is open for reading only")]
    ReadOnly,
    /// A row holds a value that this version can't read, such as a newer version's code.
    #[error("a row of `{table}` cannot be read")]
    Row {
        /// The table.
        table: &'static str,
    },
    /// A change of state that the domain doesn't allow.
    #[error("a request cannot go from `{from}` to `{to}`")]
    IllegalMove {
        /// The current state.
        from: RequestState,
        /// The refused state.
        to: RequestState,
    },
    /// Only an SQLite database is a file that can be copied and restored.
    #[error("this database is not SQLite")]
    NotSqlite,
    /// The file cannot be put in the database's place.
    #[error("this is no backup that could be used: {0}")]
    NotABackup(&'static str),
    /// Anything else.
    #[error("a database statement failed")]
    Other(#[source] sqlx::Error),
}

/// What is wrong with a file or folder of the store, and how to fix it.
#[derive(Debug, thiserror::Error)]
pub enum FileFault {
    /// It does not exist.
    #[error("{} does not exist: run `accolade migrate`", .path.display())]
    Missing {
        /// Its path.
        path: PathBuf,
    },
    /// The operating system doesn't allow access to it.
    #[error("{} cannot be looked at: {kind}", .path.display())]
    Hidden {
        /// Its path.
        path: PathBuf,
        /// The system's error.
        kind: ErrorKind,
    },
    /// It belongs to another user.
    #[error("{shown} belongs to user {owner}, accolade runs as user {me}: run it as the user that serves; if that is {me}, run `chown {me} {shown}` as root", shown = .path.display())]
    Foreign {
        /// Its path.
        path: PathBuf,
        /// Its owner.
        owner: u32,
        /// The user of this process.
        me: u32,
    },
    /// Others can read it.
    #[error("{shown} can be read by others (mode {mode:04o}): run `chmod {wanted:o} {shown}`", shown = .path.display())]
    Open {
        /// Its path.
        path: PathBuf,
        /// Its permissions.
        mode: u32,
        /// What they should be.
        wanted: u32,
    },
    /// It exists already, and is never overwritten.
    #[error("{} is there already: name another file", .path.display())]
    Taken {
        /// Its path.
        path: PathBuf,
    },
    /// It could not be created.
    #[error("{} cannot be made: {}", .path.display(), why_not_made(*.kind))]
    NotMade {
        /// Its path.
        path: PathBuf,
        /// The system's error.
        kind: ErrorKind,
    },
}

/// What is wrong with the key file.
#[derive(Debug, thiserror::Error)]
pub enum KeyFault {
    /// It does not exist, and must not be replaced by a new one.
    #[error("the key file {} is missing: run `accolade migrate`, or bring it back from your backup", .path.display())]
    Missing {
        /// Its path.
        path: PathBuf,
    },
    /// The system does not let us read it.
    #[error("the key file {} cannot be read: {kind}", .path.display())]
    Unreadable {
        /// Its path.
        path: PathBuf,
        /// The system's error.
        kind: ErrorKind,
    },
    /// It does not hold a key.
    #[error("the key file {} does not hold 32 bytes in base64", .path.display())]
    Illegible {
        /// Its path.
        path: PathBuf,
    },
    /// Other users can access it; the text names the fix.
    #[error(transparent)]
    Unsafe(FileFault),
    /// A new one could not be written.
    #[error("the key file {} cannot be written: {kind}", .path.display())]
    NotWritten {
        /// Its path.
        path: PathBuf,
        /// The system's error.
        kind: ErrorKind,
    },
    /// It belongs to another database.
    #[error("the key file {} is not the one this database was made with", .path.display())]
    Foreign {
        /// Its path.
        path: PathBuf,
    },
}

impl StoreError {
    /// The code that people and programs are given.
    pub fn error_code(&self) -> ErrorCode {
        match self {
            Self::Busy | Self::ReadOnlyDatabase | Self::Down(_) | Self::NoFreeCode => ErrorCode::StoreBusy,
            Self::Full => ErrorCode::StoreFull,
            Self::Pooled(_)
            | Self::SchemaOld { .. }
            | Self::SchemaNew { .. }
            | Self::Migration(_)
            | Self::Unsafe(_)
            | Self::Key(_)
            | Self::Url(_)
            | Self::Sealed { .. }
            | Self::AlreadyServing
            | Self::LostLease
            | Self::Poisoned
            | Self::ReadOnly
            | Self::Row { .. }
            | Self::IllegalMove { .. }
            | Self::NotSqlite
            | Self::NotABackup(_)
            | Self::FlushFailed
            | Self::Other(_) => ErrorCode::Internal,
        }
    }

    /// Whether the same call may succeed a little later.
    pub fn is_passing(&self) -> bool {
        matches!(self, Self::Busy | Self::Full | Self::ReadOnlyDatabase | Self::Down(_))
    }

    /// What an operator must do, where waiting doesn't help.
    pub fn advice(&self) -> Option<&'static str> {
        match self {
            Self::Full => Some("the database's disk is full: make room"),
            Self::ReadOnlyDatabase => {
                Some("the database is read-only: end that, or lead store.url to the one that is not")
            }
            Self::FlushFailed => Some(
                "the database's log could not be flushed to the disk: check the disk, then start accolade again",
            ),
            Self::Busy
            | Self::Down(_)
            | Self::NoFreeCode
            | Self::Pooled(_)
            | Self::SchemaOld { .. }
            | Self::SchemaNew { .. }
            | Self::Migration(_)
            | Self::Unsafe(_)
            | Self::Key(_)
            | Self::Url(_)
            | Self::Sealed { .. }
            | Self::AlreadyServing
            | Self::LostLease
            | Self::Poisoned
            | Self::ReadOnly
            | Self::Row { .. }
            | Self::IllegalMove { .. }
            | Self::NotSqlite
            | Self::NotABackup(_)
            | Self::Other(_) => None,
        }
    }

    /// The cause, if the error shows one.
    pub fn cause(&self) -> Option<Cause> {
        match self {
            Self::Pooled(cause) => Some(*cause),
            Self::Down(error) | Self::Other(error) => cause_of(error),
            Self::Migration(MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _)) => {
                cause_of(error)
            }
            Self::Busy
            | Self::Full
            | Self::ReadOnlyDatabase
            | Self::FlushFailed
            | Self::SchemaOld { .. }
            | Self::SchemaNew { .. }
            | Self::Migration(_)
            | Self::Unsafe(_)
            | Self::Key(_)
            | Self::Url(_)
            | Self::Sealed { .. }
            | Self::AlreadyServing
            | Self::LostLease
            | Self::NoFreeCode
            | Self::Poisoned
            | Self::ReadOnly
            | Self::Row { .. }
            | Self::IllegalMove { .. }
            | Self::NotSqlite
            | Self::NotABackup(_) => None,
        }
    }

    pub(super) fn from_sqlx(error: sqlx::Error) -> Self {
        if let Some(cause @ (Cause::PgPooled | Cause::PgPoolerRefuses)) = cause_of(&error) {
            return Self::Pooled(cause);
        }
        let is_down = matches!(
            error,
            sqlx::Error::Io(_) | sqlx::Error::Tls(_) | sqlx::Error::PoolClosed | sqlx::Error::WorkerCrashed
        );
        let code = if matches!(error, sqlx::Error::PoolTimedOut) {
            CodeKind::Busy
        } else if is_down {
            CodeKind::Down
        } else {
            let code = error.as_database_error().and_then(sqlx::error::DatabaseError::code);
            code.map_or(CodeKind::Other, |code| kind_of_code(&code))
        };
        match code {
            CodeKind::Busy => Self::Busy,
            CodeKind::Full => Self::Full,
            CodeKind::ReadOnlyDatabase => Self::ReadOnlyDatabase,
            CodeKind::Down => Self::Down(error),
            CodeKind::Other => Self::Other(error),
        }
    }
}

/// The cause behind an error of the driver: by the code of `PostgreSQL`, or by what the network and TLS reported.
#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "the driver's enum: every other variant says nothing about the connection"
)]
pub(super) fn cause_of(error: &sqlx::Error) -> Option<Cause> {
    match error {
        sqlx::Error::Database(error) => error.code().and_then(|code| cause_of_code(&code)),
        sqlx::Error::Io(error) => failure::cause_of(error),
        // The driver's own words: the server has no TLS, or the file of its authority cannot be used.
        sqlx::Error::Tls(error) => Some(failure::cause_of(error.as_ref()).unwrap_or(Cause::PgNoTls)),
        sqlx::Error::Protocol(_) => Some(Cause::NotPostgres),
        _ => None,
    }
}

/// The cause behind a code of `PostgreSQL` (its appendix A). SQLite's codes are numbers of other lengths.
fn cause_of_code(code: &str) -> Option<Cause> {
    match code {
        // invalid_password
        "28P01" => Some(Cause::PgPasswordWrong),
        // invalid_authorization_specification
        "28000" => Some(Cause::PgNotAdmitted),
        // invalid_catalog_name
        "3D000" => Some(Cause::PgDatabaseMissing),
        // too_many_connections
        "53300" => Some(Cause::PgTooManyConnections),
        // admin_shutdown, crash_shutdown, cannot_connect_now
        "57P01" | "57P02" | "57P03" => Some(Cause::PgStarting),
        // insufficient_privilege
        "42501" => Some(Cause::PgRightMissing),
        // protocol_violation: the program's own messages are right, so it is PgBouncer, which has this code for all of its refusals
        "08P01" => Some(Cause::PgPoolerRefuses),
        // duplicate_prepared_statement, invalid_sql_statement_name: the session is not the one that prepared it
        "42P05" | "26000" => Some(Cause::PgPooled),
        _ => None,
    }
}

#[derive(Debug, PartialEq, Eq)]
enum CodeKind {
    Busy,
    Full,
    ReadOnlyDatabase,
    Down,
    Other,
}

fn why_not_made(kind: ErrorKind) -> String {
    if kind == ErrorKind::NotFound { "its folder does not exist".to_owned() } else { kind.to_string() }
}

/// SQLite's result codes are numbers (<https://sqlite.org/rescode.html>, the low byte is the primary one), `PostgreSQL`'s have
/// five characters (its appendix A).
fn kind_of_code(code: &str) -> CodeKind {
    match code {
        // serialization_failure, deadlock_detected, lock_not_available, query_canceled, insufficient_resources, out_of_memory
        "40001" | "40P01" | "55P03" | "57014" | "53000" | "53200" => CodeKind::Busy,
        // disk_full
        "53100" => CodeKind::Full,
        // read_only_sql_transaction (a standby, or an operator's switch)
        "25006" => CodeKind::ReadOnlyDatabase,
        // too_many_connections, admin_shutdown, crash_shutdown, cannot_connect_now, io_error
        "53300" | "57P01" | "57P02" | "57P03" | "58030" => CodeKind::Down,
        _ if code.len() == 5 => CodeKind::Other,
        _ => match code.parse::<u32>() {
            // SQLITE_FULL; SQLITE_IOERR_WRITE, which a limit on file size gives instead; SQLITE_IOERR_SHMSIZE
            Ok(13 | 778 | 4874) => CodeKind::Full,
            // SQLITE_READONLY: a file system that went read-only
            Ok(code) if code & 0xff == 8 => CodeKind::ReadOnlyDatabase,
            // SQLITE_BUSY, SQLITE_LOCKED
            Ok(code) if matches!(code & 0xff, 5 | 6) => CodeKind::Busy,
            // SQLITE_IOERR, SQLITE_CANTOPEN
            Ok(code) if matches!(code & 0xff, 10 | 14) => CodeKind::Down,
            Ok(_) | Err(_) => CodeKind::Other,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_codes_of_both_databases_mean_the_same_to_people() {
        for code in ["5", "261", "517", "6", "40001", "40P01", "55P03", "53200"] {
            assert_eq!(kind_of_code(code), CodeKind::Busy, "{code}");
        }
        for code in ["13", "778", "4874", "53100"] {
            assert_eq!(kind_of_code(code), CodeKind::Full, "{code}");
        }
        for code in ["8", "776", "25006"] {
            assert_eq!(kind_of_code(code), CodeKind::ReadOnlyDatabase, "{code}");
        }
        for code in ["14", "266", "57P01", "58030"] {
            assert_eq!(kind_of_code(code), CodeKind::Down, "{code}");
        }
        for code in ["2067", "23505", "1", ""] {
            assert_eq!(kind_of_code(code), CodeKind::Other, "{code}");
        }
    }

    #[test]
    fn each_refusal_of_postgres_has_its_cause() {
        for (code, cause) in [
            ("28P01", Some(Cause::PgPasswordWrong)),
            ("28000", Some(Cause::PgNotAdmitted)),
            ("3D000", Some(Cause::PgDatabaseMissing)),
            ("53300", Some(Cause::PgTooManyConnections)),
            ("57P03", Some(Cause::PgStarting)),
            ("42501", Some(Cause::PgRightMissing)),
            ("08P01", Some(Cause::PgPoolerRefuses)),
            ("42P05", Some(Cause::PgPooled)),
            ("26000", Some(Cause::PgPooled)),
            ("23505", None),
            ("14", None),
        ] {
            assert_eq!(cause_of_code(code), cause, "{code}");
        }
    }

    #[test]
    fn root_is_sent_to_the_user_that_serves() {
        let said = FileFault::Foreign { path: "/var/lib/accolade".into(), owner: 999, me: 0 }.to_string();
        assert!(
            said.contains("runs as user 0: run it as the user that serves; if that is 0, run `chown "),
            "{said}"
        );
    }

    #[test]
    fn a_file_without_a_folder_is_said_so() {
        let fault = FileFault::NotMade { path: "/backups/today".into(), kind: ErrorKind::NotFound };
        assert_eq!(fault.to_string(), "/backups/today cannot be made: its folder does not exist");
    }
}
