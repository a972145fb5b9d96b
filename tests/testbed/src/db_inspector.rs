//! Reads the bot's database without the bot's code: plain SQL on SQLite or PostgreSQL, rows as JSON.

#![expect(
    clippy::disallowed_types,
    reason = "the checker asks whatever it likes; no value of people is in its SQL"
)]

use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use serde_json::{Map, Value, json};
use sqlx::postgres::{PgPool, PgPoolOptions};
use sqlx::sqlite::{SqliteConnectOptions, SqlitePool, SqlitePoolOptions, SqliteRow};
use sqlx::{AssertSqlSafe, Column as _, Row as _, TypeInfo as _, ValueRef as _};

use crate::waiting::let_pass;

/// How often a read is repeated whose connection was lost, and the pause before.
const MOST_TRIES: u32 = 100;
const RETRY_AFTER: Duration = Duration::from_millis(100);

/// Whether the server or the network ended the connection: class 08 and the codes of a shutdown (PostgreSQL, appendix A).
fn is_lost(error: &sqlx::Error) -> bool {
    if let sqlx::Error::Database(error) = error {
        let code = error.code().unwrap_or_default();
        return code.starts_with("08") || ["57P01", "57P02", "57P03"].contains(&code.as_ref());
    }
    matches!(error, sqlx::Error::Io(_) | sqlx::Error::Protocol(_))
}

/// A test rarely runs two queries at once, and the server needs its connections for the bots.
const CONNECTIONS: u32 = 2;

/// A separate, read-only connection to the bot's database.
#[derive(Clone, Debug)]
pub enum DbInspector {
    /// The embedded database.
    Sqlite(SqlitePool),
    /// The database for several machines.
    Postgres(PgPool),
}

/// One row, by column name; bytes as hexadecimal digits.
pub type JsonRow = Map<String, Value>;

impl DbInspector {
    /// Opens `sqlite:///path` or `postgres://…`.
    pub async fn open(url: &str) -> Result<Self> {
        if let Some(path) = url.strip_prefix("sqlite://") {
            return Self::open_file(Path::new(path)).await;
        }
        if url.starts_with("postgres") {
            let pool = PgPoolOptions::new().max_connections(CONNECTIONS).connect(url).await;
            return Ok(Self::Postgres(pool.context("open the bot's database")?));
        }
        bail!("neither SQLite nor PostgreSQL")
    }

    /// Opens a SQLite file beside the running bot.
    pub async fn open_file(file: &Path) -> Result<Self> {
        let options =
            SqliteConnectOptions::new().filename(file).read_only(true).busy_timeout(Duration::from_secs(5));
        let pool = SqlitePoolOptions::new().max_connections(CONNECTIONS).connect_with(options).await;
        Ok(Self::Sqlite(pool.context("open the bot's database")?))
    }

    /// Returns the rows of a query that works on both databases.
    pub async fn rows(&self, sql: &str) -> Result<Vec<JsonRow>> {
        match self {
            Self::Sqlite(pool) => {
                let rows = sqlx::query(AssertSqlSafe(sql.to_owned())).fetch_all(pool).await;
                Ok(rows.with_context(|| format!("run {sql}"))?.iter().map(as_json).collect())
            }
            Self::Postgres(pool) => {
                let wrapped = format!("SELECT row_to_json(found)::text FROM ({sql}) AS found");
                let mut tries = 0;
                let texts: Vec<String> = loop {
                    match sqlx::query_scalar(AssertSqlSafe(wrapped.clone())).fetch_all(pool).await {
                        // A test that ends PostgreSQL's connections ends this one, too. A read can be repeated.
                        Err(error) if tries < MOST_TRIES && is_lost(&error) => {
                            tries += 1;
                            let_pass(RETRY_AFTER).await;
                        }
                        read => break read.with_context(|| format!("run {sql}"))?,
                    }
                };
                texts.iter().map(|text| serde_json::from_str(text).context("read a row")).collect()
            }
        }
    }

    /// Returns the first column of a query as text; an empty text for NULL.
    pub async fn column(&self, sql: &str) -> Result<Vec<String>> {
        let rows = self.rows(sql).await?;
        Ok(rows.iter().filter_map(|row| row.values().next()).map(text_of).collect())
    }

    /// Returns every row of every table, one JSON object per line.
    pub async fn dump(&self) -> Result<String> {
        let list = match self {
            Self::Sqlite(_) => {
                "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite%' ORDER BY name"
            }
            Self::Postgres(_) => {
                "SELECT tablename AS name FROM pg_tables WHERE schemaname = 'public' ORDER BY tablename"
            }
        };
        let mut lines = Vec::new();
        for table in self.column(list).await? {
            // The name comes from the database's own list. SQL accepts no parameter for a table name.
            let quoted = table.replace('"', "\"\"");
            for row in self.rows(&format!("SELECT * FROM \"{quoted}\"")).await? {
                lines.push(json!({"table": table, "row": row}).to_string());
            }
        }
        lines.push(String::new());
        Ok(lines.join("\n"))
    }
}

/// Formats a value for people: text without quotes, nothing for null.
pub fn text_of(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => value.to_string(),
    }
}

fn as_json(row: &SqliteRow) -> JsonRow {
    let mut object = Map::new();
    for column in row.columns() {
        let at = column.ordinal();
        let value = match row.try_get_raw(at) {
            Ok(raw) if !raw.is_null() => match raw.type_info().name() {
                "INTEGER" => row.try_get::<i64, _>(at).map_or(Value::Null, Value::from),
                "BLOB" => {
                    row.try_get::<Vec<u8>, _>(at).map_or(Value::Null, |bytes| Value::from(hex::encode(bytes)))
                }
                _ => row.try_get::<String, _>(at).map_or(Value::Null, Value::from),
            },
            Ok(_) | Err(_) => Value::Null,
        };
        object.insert(column.name().to_owned(), value);
    }
    object
}
