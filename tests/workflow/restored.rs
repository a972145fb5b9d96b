//! Backup and restore: what a backup contains, what is refused, and that a restored bot writes nothing until an operator agrees.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use testbed::wait_until;

use crate::cli_env::{CliEnv, discord};
use harness::health_page::{page, waits_for_gateway, waits_until_part};
use harness::{Database, EnvOptions, TestEnv, bail_with, visit};

const LIMIT: Duration = Duration::from_mins(1);

/// The names of the files in a folder, except the lock file of `serve`.
fn names_in(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).expect("the folder can be listed").flatten();
    let names = entries.map(|entry| entry.file_name().to_string_lossy().into_owned());
    let mut names: Vec<String> = names.filter(|name| name != "accolade.sqlite.lock").collect();
    names.sort();
    names
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_is_whole_for_its_owner_alone_never_overwrites_and_comes_back() {
    let sim = discord().await;
    let bot = sim.first_bot().expect("the guild has a bot");
    let mut cli = CliEnv::new();
    cli.talk_to(&sim);
    cli.runs(&["migrate"]).done();
    cli.runs(&["deny", "add", "--domain", "before.example"]).done();
    let backup = cli.folder.join("kept.backup");
    let backup = backup.to_str().expect("a name");
    // The backup is made while `serve` runs and writes.
    let serving = cli.starts(&["serve"]);
    sim.waits_until_ready(&bot).await;
    let run = cli.runs(&["backup", backup]);
    assert!(run.err.contains("The key is not part of it") && run.err.contains("accolade.key"), "{run:?}");
    assert!(run.done().contains("audit log ends at the head"));
    let mode = std::fs::metadata(backup).expect("it is there").permissions().mode() & 0o777;
    assert_eq!(mode, 0o600);
    let bytes = std::fs::read(backup).expect("it reads");
    assert!(cli.runs(&["backup", backup]).fails(1).contains("is there already"));
    assert!(cli.runs(&["restore", backup]).fails(1).contains("another `accolade serve`"));
    assert_eq!(serving.stops(), Some(0));
    assert_eq!(std::fs::read(backup).expect("it reads"), bytes);
    // A restore removes what was written after the backup, and keeps the database that it replaces.
    cli.runs(&["deny", "add", "--domain", "after.example"]).done();
    let listed = |run: Value| run["denied"].as_array().map(Vec::len);
    assert_eq!(listed(cli.runs(&["deny", "list", "--json"]).json()), Some(2));
    let before = names_in(&cli.folder);
    let run = cli.runs(&["restore", backup]);
    assert!(run.err.contains("accolade restore --agree"), "{run:?}");
    let told = run.done();
    assert_eq!(listed(cli.runs(&["deny", "list", "--json"]).json()), Some(1));
    cli.runs(&["audit", "verify"]).done();
    let kept: Vec<String> = names_in(&cli.folder).into_iter().filter(|name| !before.contains(name)).collect();
    // The kept files include those that SQLite stores beside a database.
    let kept_as = kept.first().expect("the former database is kept");
    assert!(kept_as.starts_with("accolade.sqlite.before-") && told.contains(kept_as.as_str()), "{told}");
    assert!(kept.iter().all(|name| name.starts_with(kept_as.as_str())), "{kept:?}");
}

#[test]
fn what_is_no_whole_backup_of_this_key_is_refused_and_changes_nothing() {
    let cli = CliEnv::new();
    cli.runs(&["migrate"]).done();
    cli.runs(&["deny", "add", "--domain", "kept.example"]).done();
    let file = |name: &str| cli.folder.join(name).to_str().expect("a name").to_owned();
    // A backup from another installation, one that was tampered with, one cut in half, and a file that is no backup.
    let stranger = CliEnv::new();
    stranger.runs(&["migrate"]).done();
    stranger.runs(&["backup", &file("foreign")]).done();
    cli.runs(&["backup", &file("tampered")]).done();
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(CliEnv::tampers_with(
        Path::new(&file("tampered")),
        "UPDATE audit SET event = 'admin.viewed' WHERE seq = 2",
    ));
    let whole = std::fs::read(file("tampered")).expect("it reads");
    std::fs::write(file("cut"), &whole[..whole.len() / 2]).expect("it is written");
    std::fs::write(file("letter"), "Dear database").expect("it is written");
    let before = names_in(&cli.folder);
    for (name, told) in [
        ("foreign", "is not the one this database was made with"),
        ("tampered", "its audit log was changed or cut off"),
        ("cut", "no backup that could be used"),
        ("letter", "no backup that could be used"),
        ("nowhere", "cannot be looked at"),
    ] {
        let said = cli.runs(&["restore", &file(name)]).fails(1);
        assert!(said.contains("nothing was restored") && said.contains(told), "{name}: {said}");
        assert_eq!(names_in(&cli.folder), before, "{name}");
    }
    let listed = cli.runs(&["deny", "list", "--json"]).json();
    assert_eq!(listed["denied"].as_array().map(Vec::len), Some(1), "{listed}");
    assert!(cli.runs(&["restore", "--agree"]).fails(1).contains("nothing to agree to"));
    for wrong in [&["restore"][..], &["restore", "--hold", "--agree"], &["restore", "--agree", "--json"]] {
        cli.runs(wrong).fails(2);
    }
}

/// Plays a story in its own environment.
fn plays(name: &str, database: Database, story: impl AsyncFnOnce(&TestEnv) -> Result<()>) {
    let (harness, _visit) = visit();
    let played: Result<()> = harness.runtime.block_on(async {
        let env = TestEnv::new(harness, name, EnvOptions::plain(database)).await?;
        match story(&env).await {
            Ok(()) => Ok(()),
            Err(error) => bail_with(&env, &error),
        }
    });
    if let Err(error) = played {
        panic!("{error:#}");
    }
}

/// Runs a command that must exit with this code, and returns what it printed.
async fn runs(env: &TestEnv, arguments: &[&str], code: i32) -> Result<String> {
    let run = env.command(arguments).output().await?;
    let err = String::from_utf8_lossy(&run.stderr).into_owned();
    ensure!(run.status.code() == Some(code), "{arguments:?} ended with {}: {err}", run.status);
    Ok(String::from_utf8(run.stdout)?)
}

/// The kinds of the differences that concern Ada.
async fn differences(env: &TestEnv) -> Result<Vec<String>> {
    let found: Value = serde_json::from_str(&runs(env, &["restore", "--compare", "--json"], 3).await?)?;
    let listed = found["differences"].as_array().context("a list")?;
    let of_ada = listed.iter().filter(|one| one["username"] == env.username().as_str());
    let mut kinds: Vec<String> =
        of_ada.map(|one| one["difference"].as_str().unwrap_or_default().to_owned()).collect();
    kinds.sort();
    Ok(kinds)
}

/// Stops the bot, restores the backup and starts the bot again. Its reply must say that it was restored.
async fn comes_back(env: &TestEnv, backup: &str) -> Result<()> {
    env.stops().await?;
    runs(env, &["restore", backup], 0).await?;
    env.looks_again().await;
    let before = effects(env);
    env.starts().await?;
    let told =
        env.does("the answer", async || env.person("ada").tries_to_run("/account status").await).await?;
    ensure!(told.text.contains("restored from a backup"), "ada reads: {told}");
    ensure!(effects(env) == before, "something was written to Discord");
    Ok(())
}

/// What was written to Discord, except replies to interactions.
fn effects(env: &TestEnv) -> Vec<String> {
    let requests = env.sim.requests().into_iter().map(|request| request.route);
    requests.filter(|route| !route.starts_with("GET ") && !route.contains("/interactions/")).collect()
}

async fn code_of_stopped_job(env: &TestEnv) -> Result<String> {
    env.sees_in_store("SELECT error_code FROM job WHERE state = 'needs_operator'").await
}

#[test]
fn a_restored_bot_makes_no_account_twice_sends_no_second_mail_and_goes_on_once_agreed() {
    plays("rs1", Database::Sqlite, async |env| {
        // The request is approved while the bot is down, so the job exists and nothing outside does.
        env.starts().await?;
        env.ada_asks().await?;
        env.waits_for("SELECT state FROM job WHERE kind = 'check'", "done").await?;
        env.stops().await?;
        let code = env.sees_in_store("SELECT code FROM request WHERE state = 'waiting'").await?;
        let grace = env.person("grace").id().to_string();
        runs(env, &["request", "approve", &code, "--as", &grace], 0).await?;
        let folder = tempfile::tempdir()?;
        let backup = folder.path().join("backup").to_string_lossy().into_owned();
        runs(env, &["backup", &backup], 0).await?;
        // After the backup the account is made and activated.
        env.starts().await?;
        env.waits_for("SELECT state FROM account", "invited").await?;
        env.ada_sets_password().await?;
        env.waits_for("SELECT state FROM account", "active").await?;
        env.wait_until_idle().await?;
        ensure!(env.mails() == 1, "{} mails", env.mails());

        comes_back(env, &backup).await?;
        let found = differences(env).await?;
        ensure!(found == ["entry_made_since", "password_set_since"], "{found:?}");
        let waits = env.sees_in_store("SELECT step FROM job WHERE kind = 'provision'").await?;
        ensure!(waits == "eligible", "the job went on to {waits}");
        ensure!(env.mails() == 1, "a mail was sent before the operator agreed");

        runs(env, &["restore", "--agree"], 0).await?;
        env.waits_for("SELECT state FROM account", "active").await?;
        ensure!(env.mails() == 1, "{} mails", env.mails());
        let told =
            env.does("the answer", async || env.person("ada").tries_to_run("/account status").await).await?;
        ensure!(!told.text.contains("restored from a backup"), "ada reads: {told}");
        env.is_in_order("active", 1).await
    });
}

#[test]
fn an_entry_made_after_the_backup_is_listed_and_left_alone() {
    plays("rs2", Database::Sqlite, async |env| {
        env.starts().await?;
        env.ada_asks().await?;
        env.waits_for("SELECT state FROM job WHERE kind = 'check'", "done").await?;
        let folder = tempfile::tempdir()?;
        let backup = folder.path().join("backup").to_string_lossy().into_owned();
        runs(env, &["backup", &backup], 0).await?;
        env.grace_approves().await?;
        env.waits_for("SELECT state FROM account", "invited").await?;
        env.wait_until_idle().await?;

        comes_back(env, &backup).await?;
        let found = differences(env).await?;
        ensure!(found == ["entry_without_account"], "{found:?}");
        runs(env, &["restore", "--agree"], 0).await?;
        // The request waits again. After a second approval the job finds the entry, and an operator must decide.
        env.grace_approves().await?;
        env.waits_for("SELECT state FROM job WHERE kind = 'provision'", "needs_operator").await?;
        ensure!(env.mails() == 1, "{} mails", env.mails());
        let code = code_of_stopped_job(env).await?;
        ensure!(code == "directory_conflict", "{code}");
        let test_entry = env.entry().await?.context("ada's entry")?;
        ensure!(test_entry.value("description").is_some_and(|mark| mark.starts_with("accolade:")), "no mark");
        env.stops().await
    });
}

#[test]
fn a_restored_postgres_database_is_held_back_by_hand_and_says_so_on_the_health_page() {
    plays("rs3", Database::Postgres, async |env| {
        let said = env.command(&["backup", "/tmp/nowhere.backup"]).output().await?;
        ensure!(said.status.code() == Some(2), "{said:?}");
        ensure!(String::from_utf8_lossy(&said.stderr).contains("pg_dump"), "{said:?}");
        runs(env, &["restore", "--hold"], 0).await?;
        let (port, folder) = (testbed::ports::Port::free()?, tempfile::tempdir()?);
        let listen = port.address().to_string();
        let settings = [("ACCOLADE__HTTP__LISTEN", listen.as_str())];
        crate::settings::starts_with(env, &settings, &folder.path().join("log")).await?;
        waits_until_part(port.address(), "store", "was restored and waits").await?;
        waits_for_gateway(port.address(), 1).await?;
        let held = env.command(&["restore", "--hold"]).output().await?;
        ensure!(held.status.code() == Some(1), "{held:?}");
        runs(env, &["restore", "--agree"], 0).await?;
        waits_until_part(port.address(), "store", "ok").await?;
        wait_until("readiness", LIMIT, async || Ok(page(port.address(), "/healthz/ready").await?.0 == 200))
            .await?;
        env.ada_asks().await?;
        env.waits_for("SELECT state FROM job WHERE kind = 'check'", "done").await?;
        env.stops().await
    });
}
