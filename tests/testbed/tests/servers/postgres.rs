//! PostgreSQL as an unprivileged user.

use std::os::unix::fs::MetadataExt as _;

use sqlx::{Connection as _, PgConnection};
use testbed::Postgres;

async fn connect(url: &str) -> PgConnection {
    PgConnection::connect(url).await.expect("a connection")
}

#[tokio::test]
async fn two_databases_share_a_server_and_nothing_else() {
    let postgres = Postgres::start_new().await.expect("PostgreSQL");
    let pid = postgres.pid().expect("it runs");
    let owner = std::fs::metadata(format!("/proc/{pid}")).expect("its process").uid();
    assert_ne!(owner, 0, "never as root");

    let (one, other) =
        (postgres.new_database().await.expect("one"), postgres.new_database().await.expect("another"));
    assert_ne!(one, other);
    let password = std::fs::read_to_string(&postgres.password_file).expect("the password");
    assert!(one.contains(&password) && !postgres.without_password(&one).contains(&password));
    sqlx::query("CREATE TABLE kept (n BIGINT)").execute(&mut connect(&one).await).await.expect("made");
    let missing = sqlx::query("SELECT n FROM kept").fetch_all(&mut connect(&other).await).await;
    assert!(missing.is_err(), "the other database has no such table");

    sqlx::query("INSERT INTO kept VALUES (7)").execute(&mut connect(&one).await).await.expect("written");
    postgres.kill();
    assert!(PgConnection::connect(&one).await.is_err(), "no server answers");
    postgres.start().await.expect("again");
    let kept: i64 =
        sqlx::query_scalar("SELECT n FROM kept").fetch_one(&mut connect(&one).await).await.expect("read");
    assert_eq!(kept, 7, "committed rows survive a kill");
}
