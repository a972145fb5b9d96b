//! `testbed` runs the servers without a test, for the sandbox and for people.

use std::{io::Write as _, path::PathBuf, process::ExitCode, time::Instant};

use anyhow::{Context as _, Result};
use clap::{Parser, Subcommand};
use serde_json::{Value, json};
use testbed::{
    KeycloakOptions, ServerOptions, TestServers,
    bench::{self, BenchOptions},
    faults::{self, FaultsOptions, Verdict},
    keycloak::{self, PublicUrl},
    mail::MailOptions,
    sandbox::{self, AsOptions, Outcome, SandboxOptions},
    servers::Wanted,
    stop::StopSignals,
};

#[derive(Parser)]
#[command(name = "testbed", about = "Real servers for Accolade's tests and its sandbox.")]
struct Arguments {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Start all servers, print one JSON line for each, and run until Ctrl-C or TERM.
    Servers {
        /// Keep logs, data and state.json in this folder.
        #[arg(long, value_name = "DIR")]
        keep: Option<PathBuf>,
        /// Start PostgreSQL too.
        #[arg(long)]
        postgres: bool,
        /// Start without Keycloak, which takes the longest.
        #[arg(long)]
        without_keycloak: bool,
    },
    /// Start everything, run the first story, and keep running.
    Sandbox(SandboxOptions),
    /// Act as a person in the running sandbox.
    As(AsOptions),
    /// Cause random faults while many people use the bot, and check whether anything was lost, duplicated or reported wrongly.
    Faults(FaultsOptions),
    /// Measure what the bot costs, against fixed goals; with `--check`, exits with 3 if a goal is missed.
    Bench(BenchOptions),
    /// Make the caches (unpack and build Keycloak, template database), and print how long each stage took.
    Prepare,
}

#[tokio::main]
async fn main() -> ExitCode {
    match run().await {
        Ok(exit) => exit,
        Err(error) => {
            drop(writeln!(std::io::stderr(), "testbed: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

async fn run() -> Result<ExitCode> {
    // A campaign kills databases on purpose, so such warnings are not useful.
    let filter = tracing_subscriber::EnvFilter::new("info,sqlx=error");
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_target(false).init();
    let done = match Arguments::parse().verb {
        Verb::Servers { keep, postgres, without_keycloak } => {
            let keycloak = KeycloakOptions { public_url: PublicUrl::Localhost, wished_port: Some(8720) };
            let options = ServerOptions {
                folder: keep,
                slapd: Wanted::Yes,
                keycloak: (!without_keycloak).then_some(keycloak),
                mail: Some(MailOptions { wished_inbox_port: Some(8710), ..MailOptions::default() }),
                postgres: if postgres { Wanted::Yes } else { Wanted::No },
                ..ServerOptions::default()
            };
            run_servers(options).await
        }
        Verb::Sandbox(options) => {
            return Ok(match sandbox::run(options).await? {
                Outcome::Held => ExitCode::SUCCESS,
                Outcome::Broke => ExitCode::FAILURE,
            });
        }
        Verb::Faults(options) => {
            return Ok(match faults::run(options).await? {
                Verdict::Clean => ExitCode::SUCCESS,
                Verdict::Broken => ExitCode::FAILURE,
                Verdict::Blind => ExitCode::from(2),
            });
        }
        Verb::Bench(options) => {
            return Ok(match bench::run(&options).await? {
                bench::Outcome::Missed if options.fails_on_a_miss() => ExitCode::from(3),
                bench::Outcome::Met | bench::Outcome::Missed => ExitCode::SUCCESS,
            });
        }
        Verb::As(options) => sandbox::run_as(&options).await,
        Verb::Prepare => prepare().await,
    };
    done.map(|()| ExitCode::SUCCESS)
}

async fn run_servers(options: ServerOptions) -> Result<()> {
    let mut stop = StopSignals::listen()?;
    let begun = Instant::now();
    tracing::info!("starting the servers");
    let servers = tokio::select! {
        servers = TestServers::start(options) => servers?,
        () = stop.wait() => return Ok(()),
    };
    tracing::info!(seconds = begun.elapsed().as_secs_f32(), "all servers are ready");
    for line in describe(&servers).await? {
        print_line(&line)?;
    }
    stop.wait().await;
    tracing::info!("stopping");
    servers.stop().await;
    Ok(())
}

async fn describe(servers: &TestServers) -> Result<Vec<Value>> {
    let mut lines = vec![json!({"ready": "servers", "folder": servers.folder()})];
    if let Some(slapd) = servers.slapd.started() {
        lines.push(json!({
            "ready": "ldap", "url": slapd.ldap_url, "ldaps_url": slapd.ldaps_url, "ca": slapd.ca_file,
            "people_dn": slapd.people_dn, "groups_dn": slapd.groups_dn, "bot_dn": slapd.bot_dn,
            "bot_password_file": slapd.bot_password_file, "pid": slapd.pid(),
        }));
    }
    if let Some(keycloak) = servers.keycloak.started() {
        lines.push(json!({
            "ready": "keycloak", "url": keycloak.url, "public_url": keycloak.public_url,
            "admin_user": keycloak.admin_user, "admin_password_file": keycloak.admin_password_file,
            "pid": keycloak.pid(),
        }));
    }
    if let Some(mail) = servers.mail.started() {
        lines.push(json!({"ready": "mail", "smtp": mail.smtp_addr, "inbox": mail.inbox_url}));
    }
    if let Some(postgres) = servers.postgres.started() {
        let url = postgres.new_database().await?;
        lines.push(json!({"ready": "postgres", "url": url, "pid": postgres.pid()}));
    }
    Ok(lines)
}

async fn prepare() -> Result<()> {
    let stages = keycloak::prepare().await?;
    if stages.is_empty() {
        print_line(&json!({"prepared": true, "stages": {}}))?;
        return Ok(());
    }
    let table: serde_json::Map<String, Value> =
        stages.into_iter().map(|(name, took)| (name.to_owned(), json!(took.as_secs_f32()))).collect();
    print_line(&json!({"prepared": true, "stages": table}))
}

fn print_line(line: &Value) -> Result<()> {
    writeln!(std::io::stdout(), "{line}").context("write to standard output")
}
