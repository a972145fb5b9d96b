//! `PgBouncer` in front of the testbed's PostgreSQL: one database, one way of sharing sessions. It refuses to run as root, as PostgreSQL does.

use std::{fs, path::Path, time::Duration};

use anyhow::{Context as _, Result};

use crate::{
    folders::TemporaryFolder,
    ports::Port,
    postgres::Postgres,
    process::{Launch, Process, unprivileged_user},
    waiting::wait_until,
};

const PROGRAM: &str = "/usr/sbin/pgbouncer";
const START_LIMIT: Duration = Duration::from_secs(20);

/// Whose session a client's next statement runs in, and what becomes of the settings in its start-up message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pooling {
    /// Each transaction may have another session. Settings are ignored.
    Transaction,
    /// Each client has a session of its own. Settings are ignored.
    Session,
    /// Each client has a session of its own. A client with settings is refused, as by default.
    Strict,
}

/// A running `PgBouncer`. Dropping it stops it.
#[derive(Debug)]
pub struct Pooler {
    port: Port,
    name: String,
    _process: Process,
    _folder: TemporaryFolder,
}

impl Pooler {
    /// Starts it in front of a database, given by its URL.
    pub async fn start(server: &Postgres, url: &str, pooling: Pooling) -> Result<Self> {
        let folder = TemporaryFolder::for_postgres()?;
        let (port, user) = (Port::free()?, unprivileged_user()?);
        let name = url.rsplit('/').next().context("the url names no database")?.to_owned();
        let password = fs::read_to_string(&server.password_file)?;
        let file = folder.path().join("pgbouncer.ini");
        let settings = settings(server, &name, password.trim(), &port, pooling);
        fs::write(&file, settings)?;
        if let Some(user) = &user {
            let hand_over = |path: &Path| nix::unistd::chown(path, Some(user.uid), Some(user.gid));
            hand_over(folder.path()).and_then(|()| hand_over(&file)).context("give it its settings")?;
        }
        let launch = Launch::new("pgbouncer", PROGRAM, folder.path())
            .run_as(user)
            .arguments([file.display().to_string()]);
        let process = launch.start()?;
        let address = port.address();
        wait_until("PgBouncer to listen", START_LIMIT, || async {
            Ok(tokio::net::TcpStream::connect(address).await.is_ok())
        })
        .await?;
        Ok(Self { port, name, _process: process, _folder: folder })
    }

    /// The URL of the database behind it, without a password: it asks clients for none.
    pub fn url(&self) -> String {
        format!("postgres://accolade@{}/{}", self.port.address(), self.name)
    }
}

fn settings(server: &Postgres, name: &str, password: &str, port: &Port, pooling: Pooling) -> String {
    let address = server.address();
    let (mode, ignored) = match pooling {
        Pooling::Transaction => ("transaction", "options,extra_float_digits"),
        Pooling::Session => ("session", "options,extra_float_digits"),
        Pooling::Strict => ("session", ""),
    };
    format!(
        "[databases]\n\
        {name} = host={} port={} dbname={name} user=accolade password={password}\n\
        [pgbouncer]\n\
        listen_addr = 127.0.0.1\n\
        listen_port = {}\n\
        unix_socket_dir =\n\
        auth_type = any\n\
        pool_mode = {mode}\n\
        ignore_startup_parameters = {ignored}\n",
        address.ip(),
        address.port(),
        port.number(),
    )
}
