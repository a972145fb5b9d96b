//! The running service as its operator uses it: a service manager, a watchdog, metrics, and reloads.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::net::SocketAddr;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use nix::sys::signal::Signal;
use serde_json::json;
use tempfile::TempDir;
use testbed::ports::Port;
use testbed::proxy::{Answer, Plan, Proxy, Server, Speech, Which};
use testbed::wait_until;

use crate::settings::starts_with;
use harness::health_page::{page, waits_for_gateway, waits_until_part};
use harness::{Database, EnvOptions, Harness, TestEnv, bail_with, visit, write_private};

const LIMIT: Duration = Duration::from_mins(1);

/// A service manager's end of the protocol.
struct Ear {
    socket: UnixDatagram,
    path: String,
    heard: Vec<String>,
    _folder: TempDir,
}

impl Ear {
    fn opens() -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let path = folder.path().join("notify");
        let socket = UnixDatagram::bind(&path)?;
        socket.set_nonblocking(true)?;
        Ok(Self { socket, path: path.to_string_lossy().into_owned(), heard: Vec::new(), _folder: folder })
    }

    /// Reads what was sent since the last call.
    fn listens(&mut self) -> Result<()> {
        let mut bytes = [0; 4096];
        loop {
            match self.socket.recv(&mut bytes) {
                Ok(count) => {
                    let said = String::from_utf8_lossy(&bytes[..count]).into_owned();
                    self.heard.extend(said.lines().map(str::to_owned));
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error.into()),
            }
        }
    }

    fn times(&self, line: &str) -> usize {
        self.heard.iter().filter(|heard| heard.starts_with(line)).count()
    }

    /// Waits until `times` lines that begin with `line` were received.
    async fn hears(&mut self, line: &str, times: usize) -> Result<()> {
        let heard = wait_until(line, LIMIT, async || {
            self.listens()?;
            Ok(self.times(line) >= times)
        });
        heard.await.with_context(|| format!("never {times} × {line:?}: {:?}", self.heard))
    }

    /// Whether nothing is received for this span. A service manager waits for such a silence.
    fn hears_nothing_for(&mut self, span: Duration) -> Result<bool> {
        self.listens()?;
        self.socket.set_nonblocking(false)?;
        self.socket.set_read_timeout(Some(span))?;
        let is_silent = self.socket.recv(&mut [0; 4096]).is_err();
        self.socket.set_nonblocking(true)?;
        Ok(is_silent)
    }
}

/// An environment whose bot has a health page at a known address and its own log.
struct Watched {
    env: TestEnv,
    port: Port,
    folder: TempDir,
}

impl Watched {
    async fn settles(harness: &'static Harness, name: &str) -> Result<Self> {
        let env = TestEnv::new(harness, name, EnvOptions::plain(Database::Sqlite)).await?;
        Ok(Self { env, port: Port::free()?, folder: tempfile::tempdir()? })
    }

    fn health(&self) -> SocketAddr {
        self.port.address()
    }

    fn log(&self) -> PathBuf {
        self.folder.path().join("log")
    }

    async fn starts(&self, settings: &[(&str, &str)]) -> Result<()> {
        let listen = self.health().to_string();
        let settings = [settings, &[("ACCOLADE__HTTP__LISTEN", listen.as_str())]].concat();
        starts_with(&self.env, &settings, &self.log()).await
    }

    /// Asks for a reload and waits until the log has this outcome for the `times`-th time.
    async fn reloads(&self, outcome: &str, times: usize) -> Result<()> {
        self.env.signals(Signal::SIGHUP).await?;
        wait_until(outcome, LIMIT, async || {
            Ok(std::fs::read_to_string(self.log())?.matches(outcome).count() >= times)
        })
        .await
    }
}

/// Plays a story on the shared servers.
fn plays(name: &str, story: impl AsyncFnOnce(&Harness, &Watched) -> Result<()>) {
    let (harness, _visit) = visit();
    let played: Result<()> = harness.runtime.block_on(async {
        let watched = Watched::settles(harness, name).await?;
        match story(harness, &watched).await {
            Ok(()) => Ok(()),
            Err(error) => {
                let log = std::fs::read_to_string(watched.log()).unwrap_or_default();
                let end: Vec<&str> = log.lines().rev().take(15).collect();
                bail_with(&watched.env, &error.context(end.join("\n")))
            }
        }
    });
    if let Err(error) = played {
        panic!("{error:#}");
    }
}

const RELOADED: &str = "the configuration was reloaded";
const REFUSED: &str = "the configuration was not reloaded: nothing has changed";

#[test]
fn the_service_manager_hears_of_readiness_life_reload_and_the_end_when_they_are_true() {
    plays("sv1", async |harness, watched| {
        let mut ear = Ear::opens()?;
        let path = ear.path.clone();
        let password = watched.folder.path().join("bind.password");
        write_private(&password, "wrong")?;
        let settings = [
            ("NOTIFY_SOCKET", path.as_str()),
            ("WATCHDOG_USEC", "8000000"),
            ("ACCOLADE__DIRECTORY__BIND_PASSWORD_FILE", &password.to_string_lossy()),
        ];
        watched.starts(&settings).await?;
        waits_for_gateway(watched.health(), 1).await?;
        // The gateway is connected and the service is not ready, so it reports what it waits for and asks for more time.
        ear.hears("STATUS=waiting for directory;", 1).await?;
        ear.hears("EXTEND_TIMEOUT_USEC=", 1).await?;
        ensure!(ear.times("READY=1") == 0 && ear.times("WATCHDOG=1") == 0, "{:?}", ear.heard);
        std::fs::copy(&harness.servers.slapd.bot_password_file, &password)?;
        watched.reloads(RELOADED, 1).await?;
        ear.hears("READY=1", 1).await?;
        ensure!(ear.times("RELOADING=1") == 0, "{:?}", ear.heard);
        watched.reloads(RELOADED, 2).await?;
        ear.hears("RELOADING=1", 1).await?;
        ear.hears("MONOTONIC_USEC=", 1).await?;
        ear.hears("READY=1", 2).await?;
        ear.hears("WATCHDOG=1", 2).await?;
        watched.env.stops().await?;
        ear.hears("STOPPING=1", 1).await
    });
}

#[test]
fn a_dead_worker_gives_no_sign_of_life_though_every_part_answers() {
    plays("sv2", async |_, watched| {
        let mut ear = Ear::opens()?;
        let path = ear.path.clone();
        let settings = [
            ("NOTIFY_SOCKET", path.as_str()),
            ("WATCHDOG_USEC", "4000000"),
            ("ACCOLADE_PANIC_AT", "job.after_claim:1"),
        ];
        watched.starts(&settings).await?;
        ear.hears("READY=1", 1).await?;
        wait_until("the panic", LIMIT, async || {
            let (_, metrics) = page(watched.health(), "/metrics").await?;
            Ok(metrics.contains("accolade_panics_total 1"))
        })
        .await?;
        let silent = wait_until("the silence", LIMIT, async || ear.hears_nothing_for(Duration::from_secs(4)));
        silent.await?;
        is_ready_in_the_end(watched).await?;
        watched.env.stops().await
    });
}

/// A single check may fail because a server is slow for a moment.
async fn is_ready_in_the_end(watched: &Watched) -> Result<()> {
    wait_until("the readiness", LIMIT, async || {
        Ok(page(watched.health(), "/healthz/ready").await.is_ok_and(|(status, _)| status == 200))
    })
    .await
}

/// The table of metrics in the reference: name -> labels.
fn guide() -> BTreeMap<String, Vec<String>> {
    let text = include_str!("../../docs/reference/metrics.md");
    let cells = text.lines().filter_map(|line| line.strip_prefix("| `accolade_")?.split('`').next());
    cells
        .map(|cell| {
            let (name, labels) = cell.split_once('{').unwrap_or((cell, ""));
            let labels = labels.trim_end_matches('}').split(',').filter(|label| !label.is_empty());
            (format!("accolade_{name}"), labels.map(str::to_owned).collect())
        })
        .collect()
}

/// The metrics on a page: name -> labels, without those of buckets.
fn families(text: &str) -> BTreeMap<String, Vec<String>> {
    let mut found = BTreeMap::new();
    let mut family = String::new();
    for line in text.lines() {
        if let Some((name, kind)) = line.strip_prefix("# TYPE ").and_then(|rest| rest.split_once(' ')) {
            family = if kind == "counter" { format!("{name}_total") } else { name.to_owned() };
            found.insert(family.clone(), Vec::new());
        } else if let Some((_, labels)) = line.split_once('{')
            && !line.starts_with('#')
        {
            let labels = labels.split('}').next().unwrap_or_default().split(',');
            let labels = labels.filter_map(|label| label.split_once('=').map(|(name, _)| name.to_owned()));
            found.insert(family.clone(), labels.filter(|name| name != "le").collect());
        }
    }
    found
}

#[test]
fn the_metrics_page_has_every_metric_of_the_guide_and_no_other() {
    plays("sv3", async |_, watched| {
        watched.starts(&[]).await?;
        watched.env.ada_asks().await?;
        watched.env.grace_approves().await?;
        watched.env.waits_for("SELECT state FROM account", "invited").await?;
        let (status, text) = page(watched.health(), "/metrics").await?;
        ensure!(status == 200, "{text}");
        let (wanted, found) = (guide(), families(&text));
        ensure!(wanted == found, "the guide has {wanted:?}, the page {found:?}");
        watched.env.stops().await
    });
}

/// The value of one metric without labels.
async fn gauge(watched: &Watched, name: &str) -> Result<i64> {
    let (_, text) = page(watched.health(), "/metrics").await?;
    let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    Ok(value.with_context(|| format!("no {name} in {text}"))?.parse()?)
}

#[test]
fn a_wait_for_an_import_degrades_readiness_and_grows_in_the_metrics_until_it_comes() {
    plays("sv7", async |harness, watched| {
        let (_, server) = harness.servers.keycloak.url.split_once("//").context("a url")?;
        let proxy = Proxy::start(server.parse()?, Speech::Http, 0).await?;
        let through = format!("http://{}", proxy.address);
        watched.starts(&[("ACCOLADE__KEYCLOAK__URL", through.as_str())]).await?;
        let env = &watched.env;
        env.ada_asks().await?;
        env.waits_for("SELECT state FROM job WHERE kind = 'check'", "done").await?;
        waits_until_part(watched.health(), "jobs", "ok").await?;
        let users = Which::Http("GET", "/users?");
        let nobody = Plan::answer(users, Answer::HttpDocument("[]"), Server::IsSpared);
        proxy.plans(Plan { times: u32::MAX, ..nobody });
        env.grace_approves().await?;
        env.waits_for("SELECT error_code FROM job WHERE kind = 'provision'", "import_not_seen").await?;
        let none = "accolade_jobs_waiting{code=\"none\"} 0";
        ensure!(page(watched.health(), "/metrics").await?.1.contains(none));
        let before = gauge(watched, "accolade_job_waiting_seconds").await?;
        env.advances(Duration::from_mins(6))?;
        waits_until_part(watched.health(), "jobs", "degraded: waiting for import_not_seen (1)").await?;
        let one = "accolade_jobs_waiting{code=\"import_not_seen\"} 1";
        ensure!(page(watched.health(), "/metrics").await?.1.contains(one));
        let after = gauge(watched, "accolade_job_waiting_seconds").await?;
        ensure!(after >= before + 300, "{before} s became {after} s");
        proxy.heals().await?;
        env.waits_for("SELECT state FROM account", "invited").await?;
        waits_until_part(watched.health(), "jobs", "ok").await?;
        ensure!(gauge(watched, "accolade_job_waiting_seconds").await? == 0);
        env.stops().await
    });
}

#[test]
fn a_reload_brings_new_rules_words_and_secrets_to_what_comes_next() {
    plays("sv4", async |harness, watched| {
        let env = &watched.env;
        let secret = watched.folder.path().join("client.secret");
        write_private(&secret, "wrong")?;
        watched.starts(&[("ACCOLADE__KEYCLOAK__CLIENT_SECRET_FILE", &secret.to_string_lossy())]).await?;
        waits_until_part(watched.health(), "keycloak", "Check `keycloak.client_id`").await?;
        let ada = env.person("ada");
        // From now on nobody is eligible.
        env.changes_config(|config| {
            config["guild"][0]["rule"][0]["all_roles"] = json!(["1"]);
            config["log"]["filter"] = json!("info,accolade=debug");
        })?;
        watched.reloads(RELOADED, 1).await?;
        let told = env.does("the form", async || ada.tries_to_run("/account request").await).await?;
        ensure!(told.modal.is_none() && told.text.contains("<@&1>"), "ada reads: {told}");
        // The old rule, one more reserved name, and the right secret.
        std::fs::copy(&harness.client_secret_file, &secret)?;
        env.changes_config(|config| {
            config["username"]["reserved"] = json!([env.username()]);
        })?;
        env.puts_rules_back()?;
        watched.reloads(RELOADED, 2).await?;
        waits_until_part(watched.health(), "keycloak", "ok").await?;
        env.ada_wants(&env.username()).await?;
        let told = env.does("the sending", async || ada.tries_to_press("Send").await).await?;
        ensure!(told.text.contains("not available"), "ada reads: {told}");
        let said = std::fs::read_to_string(watched.log())?;
        for changed in ["guild log.filter", "guild keycloak.client_secret_file log.filter username"] {
            ensure!(said.contains(&format!("\"config.changed\":\"{changed}\"")), "{changed}: {said}");
        }
        env.stops().await
    });
}

/// The keys that the log reports since the last reload.
fn keys_told(log: &Path) -> Result<Vec<String>> {
    let said = std::fs::read_to_string(log)?;
    let keys = said.lines().filter_map(|line| {
        let line: serde_json::Value = serde_json::from_str(line).ok()?;
        (line["level"] == "ERROR").then(|| line["config.key"].as_str().map(str::to_owned))?
    });
    Ok(keys.collect())
}

#[test]
fn a_reload_with_a_fault_or_with_what_needs_a_restart_changes_nothing_and_names_the_keys() {
    plays("sv5", async |_, watched| {
        let env = &watched.env;
        let mut ear = Ear::opens()?;
        watched.starts(&[("NOTIFY_SOCKET", &ear.path.clone())]).await?;
        // Wait for the gateway first: a reload signal that arrives before the bot handles signals would end it.
        waits_for_gateway(watched.health(), 1).await?;
        let ada = env.person("ada");
        let asks = async || env.does("the form", async || ada.tries_to_run("/account request").await).await;
        // Keys that cannot be reloaded, and a rule that could.
        env.changes_config(|config| {
            config["guild"][0]["rule"][0]["all_roles"] = json!(["1"]);
            config["keycloak"]["realm"] = json!("elsewhere");
            config["log"]["format"] = json!("text");
        })?;
        watched.reloads(REFUSED, 1).await?;
        let told = keys_told(&watched.log())?;
        ensure!(told == ["keycloak.realm", "log.format"], "{told:?}");
        ensure!(asks().await?.modal.is_some(), "the old rule no longer applies");
        // An invalid value, and the same rule.
        env.changes_config(|config| {
            config["keycloak"]["realm"] = json!("master");
            config["rate_limits"] = json!({"mails_in_all": 0});
        })?;
        watched.reloads(REFUSED, 2).await?;
        let mut told = keys_told(&watched.log())?.split_off(2);
        told.sort();
        ensure!(told == ["keycloak.realm", "rate_limits.mails_in_all"], "{told:?}");
        ensure!(asks().await?.modal.is_some(), "the old rule no longer applies");
        ear.hears("STATUS=serving; the new configuration was REJECTED", 2).await?;
        is_ready_in_the_end(watched).await?;
        // A reload without any change succeeds, too.
        env.puts_rules_back()?;
        watched.reloads(RELOADED, 1).await?;
        env.stops().await
    });
}
