//! Runs of the whole binary before and around the service: usage, configuration, the database's files, and the start of `serve`.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;
use std::sync::Arc;
use std::time::{Duration, Instant};

use accolade::clock::{SystemClock, SystemRng};
use accolade::store::Store;
use discord_sim::{Effect, Fault};
use serde_json::{Value, json};

use crate::cli_env::{ADA, CliEnv, MALLORY, discord, run_bare};
use harness::accounts::{GUILD, MEMBER, TRUSTED};

#[test]
fn wrong_usage_ends_with_2_and_says_what_would_be_right() {
    for (arguments, told) in [
        (&[][..], "Usage:"),
        (&["dance"], "dance"),
        (&["request", "approve", "K7M2QX"], "--as"),
        (&["request", "approve", "K7M2QX", "--as", "grace"], "--as"),
        (&["request", "deny", "K7M2QX", "--as", "1"], "--reason"),
        (&["request", "list", "--state", "asleep"], "needs-operator"),
        (&["request", "list", "--limit", "0"], "--limit"),
        (&["audit", "search", "--event", "party"], "there is no such event"),
        (&["audit", "search", "--since", "yesterday"], "2026-11-23T00:00:00Z"),
        (&["audit", "verify", "--head", "12"], "64 hexadecimal digits"),
        (&["deny", "add"], "--person"),
        (&["deny", "add", "--person", "1", "--domain", "example.org"], "cannot be used with"),
        (&["deny", "add", "--person", "1", "--until", "soon"], "30d"),
    ] {
        let told_by = run_bare(arguments).fails(2);
        assert!(told_by.contains(told), "{arguments:?}: {told_by}");
    }
    let cli = CliEnv::new();
    for (arguments, told) in [
        (&["deny", "add", "--address", "nobody"][..], "that is not a mail address"),
        (&["deny", "remove", "--domain", "a b"], "that is not a mail domain"),
        (&["request", "list", "--after", "x"], "--after"),
        (&["audit", "search", "--after", "x"], "--after"),
    ] {
        let told_by = cli.runs(arguments).fails(2);
        assert!(told_by.contains(told), "{arguments:?}: {told_by}");
    }
}

#[test]
fn completions_and_the_manual_page_name_every_verb() {
    let verbs =
        ["serve", "migrate", "backup", "restore", "doctor", "setup", "request", "link", "audit", "deny"];
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let script = run_bare(&["completions", shell]).done();
        for verb in verbs {
            assert!(script.contains(verb), "{shell}: no {verb}");
        }
    }
    assert!(run_bare(&["completions", "cmd"]).fails(2).contains("possible values"));
    let page = run_bare(&["man"]).done();
    assert!(page.contains(".TH accolade 1"), "{page}");
    for verb in ["SERVE", "REQUEST LIST", "SETUP KEYCLOAK", "AUDIT VERIFY", "CONFIG CHECK"] {
        assert!(page.contains(&format!(".SH ACCOLADE {verb}\n")), "no {verb}: {page}");
    }
    assert!(page.contains("ACCOLADE_CONFIG") && page.contains("federation\\-bind\\-dn"), "{page}");
}

#[test]
fn help_and_version_are_no_faults() {
    assert!(run_bare(&["--help"]).done().contains("turns a Discord membership into a real account"));
    assert!(run_bare(&["request", "--help"]).done().contains("approve"));
    assert!(run_bare(&["--version"]).done().starts_with("accolade "));
}

#[test]
fn a_configuration_that_is_not_named_or_not_there_is_said_with_2() {
    for verb in [&["serve"][..], &["migrate"], &["config", "check"], &["request", "list"]] {
        let told = run_bare(verb).fails(2);
        assert!(told.contains("--config FILE") && told.contains("ACCOLADE_CONFIG"), "{told}");
        let file = "/nowhere/accolade.toml";
        let told = run_bare(&[&["--config", file], verb].concat()).fails(2);
        assert!(told.contains(file), "{told}");
    }
}

#[test]
fn the_example_is_printed_without_a_configuration() {
    assert_eq!(run_bare(&["config", "example"]).done(), accolade::config::EXAMPLE);
}

#[test]
fn config_check_tells_all_faults_at_once_for_people_and_for_programs() {
    let mut cli = CliEnv::new();
    assert!(cli.runs(&["config", "check"]).done().ends_with("accolade.toml: no errors\n"));
    assert_eq!(cli.runs(&["config", "check", "--json"]).json()["ok"], true);
    cli.set("keycloak", "realm", json!("master"));
    cli.set("username", "max", json!(2));
    cli.set("log", "colour", json!("red"));
    cli.set("discord", "token_file", json!("/nowhere/token"));
    let told = cli.runs(&["config", "check"]).fails(2);
    let found = cli.runs(&["config", "check", "--json"]);
    assert_eq!(found.code, Some(2), "{found:?}");
    let found: Value = serde_json::from_str(&found.out).expect("one JSON object");
    let mut keys: Vec<_> =
        found["faults"].as_array().expect("a list").iter().map(|f| f["key"].clone()).collect();
    keys.sort_by_key(Value::to_string);
    assert_eq!(keys, ["discord.token_file", "keycloak.realm", "log.colour", "username.max"]);
    for fault in found["faults"].as_array().expect("a list") {
        assert!(told.contains(fault["key"].as_str().expect("a key")), "{told}");
        assert!(fault["line"].is_u64() && fault["problem"].is_string(), "{fault}");
    }
    // No other command runs with this configuration.
    for verb in [&["serve"][..], &["migrate"], &["audit", "verify"], &["config", "show"]] {
        assert!(cli.runs(verb).fails(2).contains("keycloak.realm"), "{verb:?}");
    }
    assert!(!cli.database().exists());
}

#[test]
fn config_show_prints_what_holds_and_no_secret() {
    let cli = CliEnv::new();
    let shown = cli.runs(&["config", "show"]).done();
    assert!(
        shown.contains("***") && shown.contains("unused_after") && shown.contains("127.0.0.1:0"),
        "{shown}"
    );
    assert!(!shown.contains("canary"), "{shown}");
}

#[test]
fn migrate_makes_the_database_once_and_for_its_owner_alone() {
    let cli = CliEnv::new();
    for verb in [&["request", "list"][..], &["deny", "list"], &["audit", "verify"], &["serve"]] {
        let told = cli.runs(verb).fails(1);
        assert!(told.contains("accolade migrate"), "{verb:?}: {told}");
    }
    assert!(cli.runs(&["migrate"]).done().contains("is now at version"));
    for file in [cli.database(), cli.folder.join("accolade.key")] {
        let mode = std::fs::metadata(&file).expect("it is there").permissions().mode() & 0o777;
        assert_eq!(mode, 0o600, "{}", file.display());
    }
    assert!(cli.runs(&["migrate"]).done().contains("There was nothing to do."));
    assert_eq!(cli.runs(&["audit", "verify", "--json"]).json()["ok"], true);
}

#[test]
fn files_that_others_could_read_and_a_missing_key_are_refused_with_the_fix() {
    let cli = CliEnv::new();
    cli.runs(&["migrate"]).done();
    let key = cli.folder.join("accolade.key");
    for (path, loose, tight, fix) in [
        (cli.database(), 0o644, 0o600, "chmod 600"),
        (cli.folder.clone(), 0o755, 0o700, "chmod 700"),
        (key.clone(), 0o640, 0o600, "chmod 600"),
    ] {
        std::fs::set_permissions(&path, Permissions::from_mode(loose)).expect("a mode");
        for verb in
            [&["serve"][..], &["request", "list"], &["deny", "add", "--domain", "example.org"], &["migrate"]]
        {
            // A service manager must not retry a failure that a restart can't fix.
            let is_of_configuration = verb == ["serve"] && path == key;
            let told = cli.runs(verb).fails(if is_of_configuration { 2 } else { 1 });
            assert!(told.contains(fix) && told.contains(&*path.to_string_lossy()), "{verb:?}: {told}");
        }
        std::fs::set_permissions(&path, Permissions::from_mode(tight)).expect("a mode");
    }
    std::fs::rename(&key, cli.folder.join("elsewhere")).expect("the key is taken away");
    for (verb, code) in [(&["serve"][..], 2), (&["request", "list"], 1), (&["migrate"], 1)] {
        let told = cli.runs(verb).fails(code);
        assert!(told.contains(&*key.to_string_lossy()), "{verb:?}: {told}");
        assert!(!key.exists(), "{verb:?} made a new key for a sealed database");
    }
}

/// A service manager doesn't restart a process that exits with 2, because only an operator can fix the cause.
#[test]
fn serve_ends_with_2_when_a_file_that_the_configuration_names_cannot_be_used() {
    let unit = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/config/accolade.service"));
    assert!(unit.expect("the unit").contains("\nRestartPreventExitStatus=2\n"));
    let cli = CliEnv::new();
    cli.runs(&["migrate"]).done();
    let key = cli.folder.join("accolade.key");
    let kept = std::fs::read_to_string(&key).expect("the key");
    let replaced = |content: Option<&str>| {
        std::fs::remove_file(&key).ok();
        if let Some(content) = content {
            std::fs::write(&key, content).expect("a file");
            std::fs::set_permissions(&key, Permissions::from_mode(0o600)).expect("a mode");
        }
        cli.runs(&["serve"]).fails(2)
    };
    for (content, told) in [
        (None, "is missing"),
        (Some("bm90IGEga2V5\n"), "does not hold 32 bytes"),
        (
            Some("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n"),
            "is not the one this database was made with",
        ),
    ] {
        let said = replaced(content);
        assert!(said.contains(told) && said.contains(&*key.to_string_lossy()), "{told}: {said}");
    }
    std::fs::remove_file(&key).expect("it goes");
    std::fs::create_dir(&key).expect("a folder in its place");
    std::fs::set_permissions(&key, Permissions::from_mode(0o700)).expect("a mode");
    assert!(cli.runs(&["serve"]).fails(2).contains("cannot be read"));
    std::fs::remove_dir(&key).expect("it goes");
    std::fs::write(&key, kept).expect("the key");
    std::fs::set_permissions(&key, Permissions::from_mode(0o600)).expect("a mode");
    for secret in ["token", "bind", "client"] {
        let (file, aside) = (cli.folder.join("secrets").join(secret), cli.folder.join("aside"));
        std::fs::rename(&file, &aside).expect("the secret is taken away");
        let said = cli.runs(&["serve"]).fails(2);
        assert!(said.contains(&*file.to_string_lossy()) && said.contains("cannot be read"), "{said}");
        std::fs::rename(&aside, &file).expect("the secret comes back");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_older_schema_is_refused_until_migrate_and_a_newer_one_always() {
    let cli = CliEnv::new();
    let config = accolade::config::load(&cli.file).expect("the configuration is right");
    Store::migrate_to(&config.store, Arc::new(SystemClock), Arc::new(SystemRng), 1)
        .await
        .expect("an old database");
    for verb in [&["serve"][..], &["request", "list"], &["audit", "verify"]] {
        assert!(cli.runs(verb).fails(1).contains("run `accolade migrate`"), "{verb:?}");
    }
    cli.runs(&["migrate"]).done();
    cli.runs(&["request", "list"]).done();
    cli
        .tampers("INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) VALUES (99, 'x', TRUE, x'00', 0)")
        .await;
    for verb in [&["serve"][..], &["request", "list"], &["migrate"]] {
        assert!(cli.runs(verb).fails(1).contains("newer"), "{verb:?}");
    }
}

/// Expects that `serve` exits with 1 by itself and soon, and prints this text but never the token.
fn serve_refuses(cli: &CliEnv, told: &str) {
    let begun = Instant::now();
    let run = cli.runs(&["serve"]);
    assert_eq!(run.code, Some(1), "{run:?}");
    assert!(run.err.contains(told), "{told}: {run:?}");
    assert!(!run.err.contains("canary"), "{run:?}");
    assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", begun.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn serve_ends_with_what_to_mend_when_discord_refuses_it() {
    let sim = discord().await;
    let bot = sim.first_bot().expect("the guild has a bot");
    let mut cli = CliEnv::new();
    cli.runs(&["migrate"]).done();

    cli.talk_to(&sim);
    let token = cli.folder.join("secrets/token");
    std::fs::write(&token, "MTE4MDAwMDAwMDAwMDAwMDAwMQ.c4na7y.a-revoked-canary").expect("another token");
    serve_refuses(&cli, "check discord.token_file");
    std::fs::write(&token, crate::cli_env::TOKEN).expect("the token");

    bot.allows_intents(1);
    serve_refuses(&cli, "Server Members Intent");

    let other = discord().await;
    let foreign = json!({"address": sim.tls_address().to_string(), "ca_file": other.ca_file()});
    cli.set("discord", "endpoint", foreign);
    serve_refuses(&cli, "not trusted: check discord.endpoint.ca_file");
}

#[tokio::test(flavor = "multi_thread")]
async fn another_discord_is_taken_on_this_machine_only() {
    let sim = discord().await;
    let mut cli = CliEnv::new();
    cli.set("discord", "endpoint", json!({"address": "192.0.2.1:443", "ca_file": sim.ca_file()}));
    for verb in [&["serve"][..], &["config", "check"]] {
        let told = cli.runs(verb).fails(2);
        assert!(told.contains("discord.endpoint") && told.contains("loopback"), "{told}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_serve_on_one_database_is_refused_and_the_first_goes_on() {
    let sim = discord().await;
    let mut cli = CliEnv::new();
    cli.talk_to(&sim);
    cli.runs(&["migrate"]).done();
    let first = cli.starts(&["serve"]);
    sim.waits_until_ready(&sim.first_bot().expect("the guild has a bot")).await;
    serve_refuses(&cli, "another `accolade serve` uses this database");
    // Other commands work meanwhile.
    assert_eq!(cli.runs(&["request", "list"]).done(), "No requests.\n");
    cli.runs(&["deny", "add", "--domain", "example.net"]).done();
    assert_eq!(first.stops(), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_taken_address_of_the_health_page_is_said() {
    let sim = discord().await;
    let mut cli = CliEnv::new();
    cli.talk_to(&sim);
    cli.runs(&["migrate"]).done();
    cli.set("http", "listen", json!(sim.address().to_string()));
    serve_refuses(&cli, &sim.address().to_string());
}

#[tokio::test(flavor = "multi_thread")]
async fn config_why_says_which_rule_decides_and_what_stands_against_the_others() {
    let sim = discord().await;
    let mut cli = CliEnv::new();
    cli.talk_to(&sim);
    let (guild, ada, mallory) = (GUILD.to_string(), ADA.to_string(), MALLORY.to_string());
    let why = |who: &str, more: &[&str]| {
        cli.runs(&[&["config", "why", "--guild", &guild, "--member", who], more].concat())
    };
    // Ada is a member and not trusted: the second rule decides.
    let said = why(&ada, &[]).done();
    assert!(said.starts_with("Eligible: rule `members` applies."), "{said}");
    assert!(said.contains("Rule `trusted` does not match:"), "{said}");
    assert!(said.contains(&format!("lacks @trusted ({TRUSTED}) of `all_roles`")), "{said}");
    // Discord shows the member, and not the roles.
    sim.breaks(Fault {
        route: "GET /guilds/{guild}/roles".to_owned(),
        effect: Effect::Status { status: 500 },
        times: 1,
    });
    let said = why(&ada, &[]).done();
    assert!(said.contains(&format!("lacks {TRUSTED} of `all_roles`")), "{said}");
    let found = why(&ada, &["--json"]).json();
    assert_eq!((&found["eligible"], &found["rule"]), (&json!(true), &json!("members")), "{found}");
    let missing = json!([{"condition": "all_roles", "roles": [TRUSTED.to_string()]}]);
    assert_eq!(found["rules"][0]["why_not"], missing, "{found}");
    // Mallory has no role, so no rule matches.
    let said = why(&mallory, &[]).done();
    assert!(said.starts_with("Not eligible.") && said.contains("Rule `members` does not match:"), "{said}");
    assert_eq!(why(&mallory, &["--json"]).json()["rule"], Value::Null);
    // A member who does not exist, and a guild that is not configured.
    assert!(why("175928847299117099", &[]).fails(1).contains("no such member"));
    let elsewhere = cli.runs(&["config", "why", "--guild", "42", "--member", &ada]);
    assert!(elsewhere.fails(2).contains("[[guild]]"));
    // With given roles the command works without Discord. The first of two rules decides.
    let mut alone = CliEnv::new();
    alone.set("discord", "endpoint", json!({"address": "127.0.0.1:1", "ca_file": sim.ca_file()}));
    let why = |who: &str, more: &[&str]| {
        alone.runs(&[&["config", "why", "--guild", &guild, "--member", who], more].concat())
    };
    assert!(why(&ada, &[]).fails(1).contains("could not reach Discord"));
    let both = [TRUSTED.to_string(), MEMBER.to_string()].join(",");
    let said = why(&mallory, &["--roles", &both]).done();
    assert!(said.contains("rule `trusted` applies") && said.contains("`members` would match too"), "{said}");
    assert!(why(&mallory, &["--joined", "2026-01-01T00:00:00Z"]).fails(2).contains("--roles"));
}
