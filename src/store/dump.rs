//! Every table as text, for tests and for looking into a sandbox.

use sqlx::{Column, Row, TypeInfo, ValueRef};

use super::connection::Store;
use super::error::StoreError;
use super::sql::{Raw, sql};

sql! {
    PERSON = "SELECT * FROM person ORDER BY id";
    REQUEST = "SELECT * FROM request ORDER BY id";
    TYPED_FORM = "SELECT * FROM typed_form ORDER BY owner_key, guild_id";
    DECISION = "SELECT * FROM decision ORDER BY request_id, round, slot";
    ACCOUNT = "SELECT * FROM account ORDER BY id";
    TOMBSTONE = "SELECT * FROM tombstone ORDER BY username";
    JOB = "SELECT * FROM job ORDER BY seq";
    JOB_STEP = "SELECT * FROM job_step ORDER BY id";
    MAIL = "SELECT * FROM mail ORDER BY id";
    OUTBOX = "SELECT * FROM outbox ORDER BY id";
    PANEL = "SELECT * FROM panel ORDER BY channel_id";
    MESSAGE = "SELECT * FROM message ORDER BY request_id, kind";
    RATE_LIMIT = "SELECT * FROM rate_limit ORDER BY id";
    DENY = "SELECT * FROM deny ORDER BY key_hmac";
    EVENT_CURSOR = "SELECT * FROM event_cursor ORDER BY name";
    LEASE = "SELECT * FROM lease ORDER BY name";
    AUDIT = "SELECT * FROM audit ORDER BY seq";
    AUDIT_PERSONAL = "SELECT * FROM audit_personal ORDER BY seq";
    AUDIT_HEAD = "SELECT * FROM audit_head";
    STORE_META = "SELECT * FROM store_meta";
}

/// Columns whose bytes are shown, in hex; all other bytes are sealed and only counted.
const SHOWN_BYTES: [&str; 3] = ["prev", "hash", "personal_hash"];

/// Shows one row of either database.
macro_rules! show_row {
    ($row:expr, $text:expr) => {
        for column in $row.columns() {
            let (at, name) = (column.ordinal(), column.name());
            let is_null = $row.try_get_raw(at).is_ok_and(|value| value.is_null());
            let shown = if is_null {
                "-".to_owned()
            } else {
                match column.type_info().name() {
                    "TEXT" => $row.try_get::<String, _>(at).unwrap_or_default(),
                    "BLOB" | "BYTEA" => show_bytes(name, &$row.try_get::<Vec<u8>, _>(at).unwrap_or_default()),
                    "BOOL" => $row.try_get::<bool, _>(at).unwrap_or_default().to_string(),
                    _ => $row.try_get::<i64, _>(at).unwrap_or_default().to_string(),
                }
            };
            $text.push_str(&["  ", name, "=", &shown].concat());
        }
        $text.push('\n');
    };
}

fn show_bytes(name: &str, bytes: &[u8]) -> String {
    if SHOWN_BYTES.contains(&name) {
        hex::encode(bytes)
    } else {
        ["(", &bytes.len().to_string(), " bytes)"].concat()
    }
}

impl Store {
    /// Every table as text, for tests and `--keep`: sealed columns as their length, secrets never.
    #[doc(hidden)]
    pub async fn dump(&self) -> Result<String, StoreError> {
        let mut connection = self.read().await?;
        let mut text = String::new();
        for (table, statement) in STATEMENTS {
            text.push_str(&[&table.to_lowercase(), "\n"].concat());
            match connection.conn.raw() {
                Raw::Sqlite(c) => {
                    let rows = sqlx::query(statement.sqlite).fetch_all(c).await;
                    for row in rows.map_err(StoreError::from_sqlx)? {
                        show_row!(row, text);
                    }
                }
                Raw::Postgres(c) => {
                    let rows = sqlx::query(statement.postgres).fetch_all(c).await;
                    for row in rows.map_err(StoreError::from_sqlx)? {
                        show_row!(row, text);
                    }
                }
            }
        }
        Ok(text)
    }
}
