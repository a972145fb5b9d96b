//! The whole binary runs with one wrong setting. The operator reads what to change, requests are kept, and with the right setting
//! everything continues.

use std::os::unix::fs::PermissionsExt as _;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use discord_sim::{Effect, Fault};
use serde_json::{Value, json};
use testbed::config::{Registration, Sections};
use testbed::ports::Port;
use testbed::wait_until;

use crate::cli_env::{CliEnv, discord};
use harness::health_page::{page, waits_for_gateway, waits_until_part};
use harness::{Database, EnvOptions, Harness, TestEnv, bail_with, binary, visit, write_private};

const ACCOUNTS: &str = "SELECT state FROM account";
const LIMIT: Duration = Duration::from_mins(1);

/// Starts the environment's bot with these settings in place of those in its file, logging into `log`.
pub(crate) async fn starts_with(
    env: &TestEnv,
    settings: &[(&str, &str)],
    log: &std::path::Path,
) -> Result<()> {
    let child = env.stands_by_with(settings, log)?;
    env.is_taken_over_by(child).await
}

/// A member asks and a moderator approves while a server cannot be used, and the operator is told. With the right setting the same request
/// becomes an account.
fn a_wrong_setting(
    name: &str,
    part: &str,
    told: &str,
    wrong: impl FnOnce(&Harness, &TestEnv) -> Vec<(String, String)>,
) {
    let (harness, _visit) = visit();
    let played: Result<()> = harness.runtime.block_on(async {
        let env = TestEnv::new(harness, name, EnvOptions::plain(Database::Sqlite)).await?;
        let (listener, folder) = (Port::free()?, tempfile::tempdir()?);
        let (health, log) = (listener.address(), folder.path().join("log"));
        let listen = health.to_string();
        let wrong = wrong(harness, &env);
        let mut settings: Vec<(&str, &str)> =
            wrong.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
        settings.push(("ACCOLADE__HTTP__LISTEN", &listen));
        let story = async {
            starts_with(&env, &settings, &log).await?;
            waits_until_part(health, part, told).await?;
            waits_for_gateway(health, 1).await?;
            env.ada_asks().await?;
            env.grace_approves().await?;
            // The job exists, whether it waits for a retry or for an operator.
            env.waits_for(
                "SELECT count(*) FROM job WHERE kind = 'provision' AND error_code IS NOT NULL",
                "1",
            )
            .await?;
            ensure!(env.mails() == 0, "a mail without a server");
            env.stops().await?;
            let said = std::fs::read_to_string(&log)?;
            ensure!(said.contains(told), "the log does not say what to change: {said}");
            env.starts().await?;
            let linus = env.person("linus");
            let state = "SELECT state FROM job WHERE kind = 'provision'";
            wait_until("the retry", LIMIT, async || {
                if env.sees_in_store(state).await? != "needs_operator" {
                    return Ok(true);
                }
                // Until the notice of this job is posted, the newest button is the one of the check, which ended with the approval.
                env.does("the retry", async || linus.tries_to_press("Retry").await).await?;
                Ok(false)
            })
            .await?;
            env.waits_for(ACCOUNTS, "invited").await?;
            env.ada_sets_password().await?;
            env.waits_for(ACCOUNTS, "active").await?;
            env.is_in_order("active", 1).await
        };
        match story.await {
            Ok(()) => Ok(()),
            Err(error) => bail_with(&env, &error),
        }
    });
    if let Err(error) = played {
        panic!("{error:#}");
    }
}

fn set(key: &str, value: impl std::fmt::Display) -> (String, String) {
    (["ACCOLADE__", key].concat(), value.to_string())
}

#[test]
fn a_wrong_ca_of_the_directory_is_named_and_loses_no_request() {
    a_wrong_setting("w01", "directory", "`directory.ca_file`", |_, env| {
        vec![set("DIRECTORY__CA_FILE", env.sim.ca_file().display())]
    });
}

#[test]
fn a_wrong_ca_of_keycloak_is_named_and_loses_no_request() {
    a_wrong_setting("w02", "keycloak", "`keycloak.ca_file`", |harness, env| {
        // Any server whose certificate another CA signed will do.
        let elsewhere = harness.servers.slapd.ldaps_url.replace("ldaps://", "https://");
        vec![set("KEYCLOAK__URL", elsewhere), set("KEYCLOAK__CA_FILE", env.sim.ca_file().display())]
    });
}

#[test]
fn a_wrong_bind_password_is_named_and_loses_no_request() {
    a_wrong_setting(
        "w03",
        "directory",
        "the password in `directory.bind_password_file` is wrong",
        |harness, _| {
            vec![set("DIRECTORY__BIND_PASSWORD_FILE", harness.servers.slapd.keycloak_password_file.display())]
        },
    );
}

#[test]
fn a_wrong_client_secret_is_named_and_loses_no_request() {
    a_wrong_setting("w04", "keycloak", "Check `keycloak.client_id`", |harness, _| {
        vec![set("KEYCLOAK__CLIENT_SECRET_FILE", harness.servers.slapd.bot_password_file.display())]
    });
}

#[test]
fn while_discord_is_silent_at_the_start_the_worker_and_the_health_page_work() {
    let (harness, _visit) = visit();
    let played: Result<()> = harness.runtime.block_on(async {
        let env = TestEnv::new(harness, "w05", EnvOptions::plain(Database::Sqlite)).await?;
        let story = async {
            env.starts().await?;
            env.ada_asks().await?;
            env.waits_for("SELECT state FROM job WHERE kind = 'check'", "done").await?;
            // The request is approved, and the bot stops before anything is made.
            env.wait_until_idle().await?;
            env.holds_the_members_answer();
            env.grace_approves().await?;
            env.stops().await?;
            ensure!(env.mails() == 0, "the account was made too soon");
            env.sim.heals();
            for route in ["GET /users/@me", "GET /gateway"] {
                env.sim.fails(route, Effect::Status { status: 503 }, 1000);
            }
            let (port, folder) = (Port::free()?, tempfile::tempdir()?);
            let health = port.address();
            let listen = health.to_string();
            starts_with(&env, &[("ACCOLADE__HTTP__LISTEN", &listen)], &folder.path().join("log")).await?;
            waits_until_part(health, "gateway", "does not answer").await?;
            waits_for_gateway(health, 0).await?;
            let mail = env.mail_server().wait_for_mail_to(&env.address(), LIMIT).await?;
            ensure!(!mail.links.is_empty(), "a mail without a link");
            wait_until("the account", LIMIT, async || Ok(env.sees_in_store(ACCOUNTS).await? == "invited"))
                .await?;
            ensure!(!env.is_ready(), "the bot did not ask for the address of the gateway");
            env.sim.heals();
            wait_until("the session", LIMIT, async || Ok(env.is_ready())).await?;
            waits_until_part(health, "gateway", "ok").await?;
            waits_for_gateway(health, 1).await?;
            env.ada_sets_password().await?;
            env.waits_for(ACCOUNTS, "active").await?;
            env.is_in_order("active", 1).await
        };
        match story.await {
            Ok(()) => Ok(()),
            Err(error) => bail_with(&env, &error),
        }
    });
    if let Err(error) = played {
        panic!("{error:#}");
    }
}

#[test]
fn a_defect_behind_a_button_is_said_with_its_reference_and_counted_and_the_bot_lives_on() {
    let (harness, _visit) = visit();
    let played: Result<()> = harness.runtime.block_on(async {
        let env = TestEnv::new(harness, "w06", EnvOptions::plain(Database::Sqlite)).await?;
        let (port, folder) = (Port::free()?, tempfile::tempdir()?);
        let (health, log) = (port.address(), folder.path().join("log"));
        let listen = health.to_string();
        let story = async {
            let settings = [
                ("ACCOLADE__HTTP__LISTEN", listen.as_str()),
                ("ACCOLADE_PANIC_AT", "store.commit.before:send:1"),
            ];
            starts_with(&env, &settings, &log).await?;
            waits_for_gateway(health, 1).await?;
            let ada = env.person("ada");
            env.ada_wants(&env.username()).await?;
            let told = env.does("the press", async || ada.tries_to_press("Send").await).await?;
            ensure!(told.text.contains("something went wrong"), "ada reads: {told}");
            let reference = told.text.split("(reference ").nth(1).and_then(|rest| rest.split(')').next());
            let reference = reference.context("a reference")?;
            ensure!(reference.len() == 8, "{reference}");
            let said = std::fs::read_to_string(&log)?;
            let line = said
                .lines()
                .find(|line| line.contains("an interaction panicked"))
                .context("a line of the log")?;
            ensure!(
                line.contains(&format!("\"trace_id\":\"{reference}")),
                "{line} is not found by {reference}"
            );
            let place =
                said.lines().find(|line| line.contains("the program panicked")).context("the place")?;
            ensure!(place.contains(reference) && place.contains("src/crash.rs"), "{place}");
            // The bot counts the last acknowledgement when Discord's answer to it arrives, which is after the person has read it.
            wait_until("the panic and three acknowledgements", LIMIT, async || {
                let (_, metrics) = page(health, "/metrics").await?;
                let answered = metrics
                    .lines()
                    .find_map(|line| line.strip_prefix("accolade_interaction_ack_seconds_count "));
                let answered: u32 = answered.context("the acknowledgements")?.parse()?;
                Ok(metrics.contains("accolade_panics_total 1") && answered >= 3)
            })
            .await?;
            // Nothing was sent and nothing was lost, so the same button works now.
            let sent = env.does("the press", async || ada.tries_to_press("Send").await).await?;
            ensure!(sent.text.contains("our request"), "ada reads: {sent}");
            env.grace_approves().await?;
            env.waits_for(ACCOUNTS, "invited").await?;
            env.ada_sets_password().await?;
            env.waits_for(ACCOUNTS, "active").await?;
            env.is_in_order("active", 1).await
        };
        match story.await {
            Ok(()) => Ok(()),
            Err(error) => bail_with(&env, &error),
        }
    });
    if let Err(error) = played {
        panic!("{error:#}");
    }
}

/// Runs `setup keycloak` as an administrator types it.
async fn sets_up(harness: &Harness, file: &std::path::Path, flags: &[&str]) -> Result<std::process::Output> {
    let servers = &harness.servers;
    let run = tokio::process::Command::new(binary())
        .arg("--config")
        .arg(file)
        .args(["setup", "keycloak", "--admin-user", &servers.keycloak.admin_user, "--admin-password-file"])
        .arg(&servers.keycloak.admin_password_file)
        .args(["--federation-bind-dn", &servers.slapd.keycloak_dn, "--federation-bind-password-file"])
        .arg(&servers.slapd.keycloak_password_file)
        .args(flags)
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output();
    tokio::time::timeout(Duration::from_mins(3), run).await.context("it ends")?.context("it runs")
}

#[test]
fn setup_keycloak_plans_makes_and_then_finds_nothing_to_do() {
    let (harness, _visit) = visit();
    let played: Result<()> = harness.runtime.block_on(async {
        let folder = tempfile::tempdir()?;
        let (file, secret) = (folder.path().join("accolade.toml"), folder.path().join("client.secret"));
        write_private(&folder.path().join("token"), "none-yet")?;
        let registration = Registration { realm: "whole-setup", secret_file: &secret, ids: ["", ""] };
        let sections = Sections {
            discord: json!({"token_file": folder.path().join("token")}),
            guilds: vec![json!({"id": "1", "request_channel": "1"})],
            directory: testbed::config::directory(&harness.servers.slapd),
            keycloak: testbed::config::keycloak(&harness.servers.keycloak, registration),
            store: testbed::config::sqlite(&folder.path().join("none.sqlite"), &folder.path().join("key")),
        };
        let mut config = sections.whole();
        testbed::config::write(&file, &config)?;

        let out = |run: &std::process::Output| String::from_utf8_lossy(&run.stdout).into_owned();
        let planned = sets_up(harness, &file, &[]).await?;
        ensure!(planned.status.code() == Some(3), "the plan must have something to do: {planned:?}");
        ensure!(out(&planned).contains("would create realm whole-setup"), "{}", out(&planned));
        ensure!(!secret.exists(), "a plan wrote the secret");
        let realm = harness.servers.keycloak.admin_call(reqwest::Method::GET, "whole-setup", None).await?;
        ensure!(realm.status() == 404, "a plan made the realm");

        let made = sets_up(harness, &file, &["--apply"]).await?;
        ensure!(made.status.success(), "{made:?}");
        ensure!(
            out(&made).contains("create realm whole-setup") && out(&made).contains("federation_id = "),
            "{}",
            out(&made)
        );
        let rights = std::fs::metadata(&secret)?.permissions().mode() & 0o777;
        ensure!(rights == 0o600, "the secret's file has mode {rights:o}");
        let text = std::fs::read_to_string(&secret)?;
        for hidden in [text.trim(), &harness.servers.slapd.keycloak_password] {
            ensure!(
                !out(&made).contains(hidden) && !String::from_utf8_lossy(&made.stderr).contains(hidden),
                "a secret is printed"
            );
        }

        let again = sets_up(harness, &file, &["--apply", "--json"]).await?;
        ensure!(again.status.success(), "{again:?}");
        let again: Value = serde_json::from_slice(&again.stdout)?;
        ensure!(again["changes"] == json!([]), "{again}");
        ensure!(std::fs::read_to_string(&secret)? == text, "the secret was written again");

        let nothing = sets_up(harness, &file, &[]).await?;
        ensure!(nothing.status.code() == Some(0), "a second plan must have nothing to do: {nothing:?}");
        ensure!(!out(&nothing).contains("would "), "{}", out(&nothing));

        // With the printed values the configuration is complete.
        config["keycloak"]["federation_id"] = again["federation_id"].clone();
        config["keycloak"]["group_mapper_id"] = again["group_mapper_id"].clone();
        testbed::config::write(&file, &config)?;
        let checked = tokio::process::Command::new(binary())
            .arg("--config")
            .arg(&file)
            .args(["config", "check"])
            .output()
            .await?;
        ensure!(checked.status.success(), "{checked:?}");
        Ok(())
    });
    if let Err(error) = played {
        panic!("{error:#}");
    }
}

/// Starts `serve` without its servers, lets the gateway close a good session, and expects exit code 1 and this text.
async fn ends_after_the_close(code: u16, told: &str) {
    let sim = discord().await;
    let bot = sim.first_bot().expect("the guild has a bot");
    let mut cli = CliEnv::new();
    cli.talk_to(&sim);
    cli.runs(&["migrate"]).done();
    let serving = cli.starts(&["serve"]);
    sim.waits_until_ready(&bot).await;
    sim.fails("*", Effect::IdentifyRefuse { code }, 1000);
    sim.breaks(Fault { route: "*".to_owned(), effect: Effect::GatewayClose { code }, times: 1 });
    let file = cli.folder.join("said");
    let ended = serving.ends(Duration::from_secs(30)).await;
    let (code, said) = ended.unwrap_or_else(|| {
        panic!("{code} does not end it: {}", std::fs::read_to_string(&file).unwrap_or_default())
    });
    assert_eq!(code, Some(1), "{said}");
    let sentences: Vec<&str> = said.lines().filter(|line| line.starts_with("accolade: ")).collect();
    assert!(
        matches!(sentences.as_slice(), [one] if one.starts_with("accolade: the bot ended: ") && one.contains(told)),
        "{sentences:?}"
    );
    assert!(!said.contains("canary"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revoked_token_a_lost_intent_and_a_refused_shard_end_a_running_serve_with_what_to_change() {
    ends_after_the_close(4004, "check discord.token_file").await;
    ends_after_the_close(4014, "Server Members Intent").await;
    ends_after_the_close(4010, "too many guilds").await;
    ends_after_the_close(4011, "too many guilds").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_gateway_is_up_only_while_there_is_a_session_and_comes_back() {
    let sim = discord().await;
    let bot = sim.first_bot().expect("the guild has a bot");
    let (mut cli, port) = (CliEnv::new(), Port::free().expect("a free port"));
    cli.talk_to(&sim);
    cli.set("http", "listen", json!(port.address().to_string()));
    cli.runs(&["migrate"]).done();
    // The gateway refuses new connections, so no session begins.
    sim.fails("*", Effect::GatewayRefuse, 1000);
    let serving = cli.starts(&["serve"]);
    waits_for_gateway(port.address(), 0).await.expect("it is down");
    sim.heals();
    sim.waits_until_ready(&bot).await;
    waits_for_gateway(port.address(), 1).await.expect("it is up");
    let close =
        |code| sim.breaks(Fault { route: "*".to_owned(), effect: Effect::GatewayClose { code }, times: 1 });
    sim.fails("*", Effect::GatewayRefuse, 1000);
    close(4000);
    waits_for_gateway(port.address(), 0).await.expect("it is down again");
    sim.heals();
    waits_for_gateway(port.address(), 1).await.expect("it comes back");
    // A close with 4003 makes the library spin, so the bot opens a new session.
    let sessions = || sim.gateway_log().iter().filter(|line| line.contains("identified")).count();
    let before = sessions();
    close(4003);
    wait_until("a new session", LIMIT, async || Ok(sessions() > before)).await.expect("a new session");
    waits_for_gateway(port.address(), 1).await.expect("it is up after 4003");
    assert_eq!(serving.stops(), Some(0));
}
