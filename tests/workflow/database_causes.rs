//! Each refusal of PostgreSQL is told with its own cause, by the server's own codes.

use std::sync::Arc;

use accolade::clock::{SystemClock, SystemRng};
use accolade::config;
use accolade::domain::cause::Cause;
use accolade::store::Store;
use secrecy::SecretString;
use sqlx::{Connection as _, Executor as _, PgConnection};
use tokio::net::TcpListener;

use harness::private_folder;
use harness::store::postgres;

/// Roles that PostgreSQL refuses for different reasons. They belong to the whole server, so their names are those of this test.
const ROLES: &str = "CREATE ROLE causes_barred NOLOGIN PASSWORD 'p'; \
    CREATE ROLE causes_crowded LOGIN PASSWORD 'p' CONNECTION LIMIT 0; \
    CREATE ROLE causes_poor LOGIN PASSWORD 'p'";

#[tokio::test(flavor = "multi_thread")]
async fn each_refusal_of_postgres_is_told_with_its_cause() {
    let server = postgres().await;
    let url = server.new_database().await.expect("a database");
    let mut superuser = PgConnection::connect(&url).await.expect("connects");
    superuser.execute(ROLES).await.expect("roles");
    let folder = private_folder();
    let migrates = async |url: String, password: &str| {
        let config = config::Store {
            url: url.parse().expect("a url"),
            password: Some(SecretString::from(password.to_owned())),
            key_file: folder.path().join("store.key"),
        };
        Store::migrate(&config, Arc::new(SystemClock), Arc::new(SystemRng)).await.expect_err("it is refused")
    };
    let (address, name) = (server.address(), url.rsplit('/').next().expect("a name"));
    let of = |user: &str, name: &str| format!("postgres://{user}@{address}/{name}");
    for (url, password, cause) in [
        (of("accolade", name), "not the password", Cause::PgPasswordWrong),
        (of("causes_barred", name), "p", Cause::PgNotAdmitted),
        (of("causes_crowded", name), "p", Cause::PgTooManyConnections),
        (of("causes_poor", name), "p", Cause::PgRightMissing),
        (of("causes_poor", "no_such_database"), "p", Cause::PgDatabaseMissing),
        (format!("postgres://causes_poor@{address}/{name}?sslmode=require"), "p", Cause::PgNoTls),
        ("postgres://a@127.0.0.1:1/b".to_owned(), "p", Cause::ConnectionRefused),
        ("postgres://a@no-such-host.invalid/b".to_owned(), "p", Cause::NameUnknown),
    ] {
        let refused = migrates(url, password).await;
        assert_eq!(refused.cause(), Some(cause), "{refused:?}");
    }
    // Another server than PostgreSQL.
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let answering = async {
        let (mut stream, _) = listener.accept().await.expect("a client");
        tokio::io::AsyncWriteExt::write_all(&mut stream, b"HTTP/1.1 400 Bad Request\r\n\r\n")
            .await
            .expect("an answer");
        std::future::pending::<()>().await;
    };
    tokio::select! {
        () = answering => unreachable!("it never ends"),
        refused = migrates(format!("postgres://a@127.0.0.1:{port}/b"), "p") => {
            assert_eq!(refused.cause(), Some(Cause::NotPostgres), "{refused:?}");
        }
    }
}
