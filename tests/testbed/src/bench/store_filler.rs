//! Fills a store with copies of the rows that the bot wrote, while no bot runs. Keys are changed so that each copy is a separate person and
//! every constraint of the schema holds.
//!
//! Copied accounts are `active`, because the bot polls `invited` ones. Sealed columns keep the template's bytes, because nothing decrypts
//! them here.

#![expect(
    clippy::disallowed_types,
    reason = "tables and columns come from the database's own catalog, and SQL takes no parameter for their names"
)]

use anyhow::{Context as _, Result, ensure};
use sqlx::postgres::PgConnection;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{AssertSqlSafe, Connection as _};

/// The tables that grow with the community. Each comes after the tables that it references.
const TABLES: [&str; 7] = ["person", "request", "decision", "account", "job", "job_step", "mail"];

/// A connection that can write.
enum Writer {
    Sqlite(SqliteConnection),
    Postgres(PgConnection),
}

/// A column, and whether it contains text.
struct Column {
    name: String,
    kind: String,
}

impl Column {
    fn is_text(&self) -> bool {
        self.kind.eq_ignore_ascii_case("text")
    }

    /// Whether the database assigns the numbers of such rows.
    fn is_numbered(&self) -> bool {
        matches!(self.name.as_str(), "id" | "seq") && !self.is_text()
    }
}

/// Copies the existing rows until [`TABLES`] contain at least `wanted` rows. Returns how many rows they contain.
pub(super) async fn fill(url: &str, wanted: usize) -> Result<u64> {
    let mut writer = Writer::open(url).await?;
    let templates = writer.rows().await?;
    ensure!(templates > 0, "the bot has written no rows to copy");
    let copies = u64::try_from(wanted)?.saturating_sub(templates).div_ceil(templates);
    if copies > 0 {
        for table in TABLES {
            let columns = writer.columns(table).await?;
            ensure!(!columns.is_empty(), "there is no table {table}");
            let statement = writer.copy_of(table, &columns, copies);
            writer.run(&statement).await.with_context(|| format!("fill {table}"))?;
        }
    }
    let rows = writer.rows().await?;
    writer.close().await?;
    Ok(rows)
}

impl Writer {
    async fn open(url: &str) -> Result<Self> {
        if let Some(file) = url.strip_prefix("sqlite://") {
            let options = SqliteConnectOptions::new().filename(file).foreign_keys(true);
            let opened = SqliteConnection::connect_with(&options).await;
            return Ok(Self::Sqlite(opened.context("open the bot's database")?));
        }
        Ok(Self::Postgres(PgConnection::connect(url).await.context("open the bot's database")?))
    }

    async fn close(self) -> Result<()> {
        match self {
            Self::Sqlite(connection) => connection.close().await,
            Self::Postgres(connection) => connection.close().await,
        }
        .context("close the bot's database")
    }

    async fn run(&mut self, sql: &str) -> Result<()> {
        match self {
            Self::Sqlite(connection) => {
                sqlx::query(AssertSqlSafe(sql.to_owned())).execute(connection).await?;
            }
            Self::Postgres(connection) => {
                sqlx::query(AssertSqlSafe(sql.to_owned())).execute(connection).await?;
            }
        }
        Ok(())
    }

    /// The total number of rows in all tables.
    async fn rows(&mut self) -> Result<u64> {
        let counts = TABLES.map(|table| format!("(SELECT COUNT(*) FROM {table})")).join(" + ");
        let sql = AssertSqlSafe(format!("SELECT {counts}"));
        let rows: i64 = match self {
            Self::Sqlite(connection) => sqlx::query_scalar(sql).fetch_one(connection).await?,
            Self::Postgres(connection) => sqlx::query_scalar(sql).fetch_one(connection).await?,
        };
        u64::try_from(rows).context("a negative count")
    }

    async fn columns(&mut self, table: &str) -> Result<Vec<Column>> {
        let found: Vec<(String, String)> = match self {
            Self::Sqlite(connection) => {
                let list = sqlx::query_as("SELECT name, type FROM pragma_table_info($1) ORDER BY cid");
                list.bind(table).fetch_all(connection).await?
            }
            Self::Postgres(connection) => {
                let list = sqlx::query_as(
                    "SELECT column_name::text, data_type::text FROM information_schema.columns \
                     WHERE table_schema = 'public' AND table_name = $1 ORDER BY ordinal_position",
                );
                list.bind(table).fetch_all(connection).await?
            }
        };
        Ok(found.into_iter().map(|(name, kind)| Column { name, kind }).collect())
    }

    /// Twelve hexadecimal digits derived from an expression.
    fn hex(&self, of: &str) -> String {
        match self {
            Self::Sqlite(_) => format!("printf('%012x', {of})"),
            Self::Postgres(_) => format!("lpad(to_hex({of}), 12, '0')"),
        }
    }

    /// The statement that copies every row of a table `copies` times. In it, `copy.n` numbers the copies and `source.template` the rows.
    fn copy_of(&self, table: &str, columns: &[Column], copies: u64) -> String {
        let kept: Vec<&Column> = columns.iter().filter(|column| !column.is_numbered()).collect();
        let names: Vec<&str> = kept.iter().map(|column| column.name.as_str()).collect();
        let values: Vec<String> = kept.iter().map(|column| self.value_of(table, column)).collect();
        format!(
            "WITH RECURSIVE copy(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM copy WHERE n < {copies}) \
             INSERT INTO {table} ({}) SELECT {} FROM \
             (SELECT *, row_number() OVER (ORDER BY {}) AS template FROM {table}) AS source CROSS JOIN copy",
            names.join(", "),
            values.join(", "),
            columns[0].name
        )
    }

    fn value_of(&self, table: &str, column: &Column) -> String {
        let name = format!("source.{}", column.name);
        let number = "CAST(copy.n * 4096 + source.template AS BIGINT)";
        match column.name.as_str() {
            "state" if table == "account" => "'active'".to_owned(),
            "activated_at" => "source.created_at".to_owned(),
            // Snowflakes from a time for which Discord has issued none yet.
            "discord_id" | "interaction_id" => format!("CAST(8000000000000000000 + {number} AS TEXT)"),
            "username" | "skeleton" => format!("'copy' || {number}"),
            "code" => format!("upper(substr({}, 5))", self.hex(number)),
            _ if !column.is_text() => name,
            // Ids and keyed hashes: the end is replaced in the same way in rows and in references to them.
            _ => format!(
                "CASE WHEN length({name}) = 36 AND substr({name}, 9, 1) = '-' AND substr({name}, 24, 1) = '-' \
                 THEN substr({name}, 1, 24) || {end} \
                 WHEN length({name}) = 64 THEN substr({name}, 1, 52) || {end} ELSE {name} END",
                end = self.hex("copy.n")
            ),
        }
    }
}
