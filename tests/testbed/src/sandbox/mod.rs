//! `./dev sandbox` starts everything on this machine, runs the first story while you watch, and then leaves the sandbox to you.
//!
//! Start at [`run`]. `place` is the folder and what an earlier run left there. `product` starts the simulated
//! Discord and the bot as programs, and `chat` simulates people there. `story` runs the steps, and `report`
//! writes the output of `--report` and `--keep`.

pub(crate) mod chat;
mod place;
pub(crate) mod product;
mod report;
mod story;
mod times;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use clap::Args;

pub use chat::{AsOptions, run_as};

use crate::keycloak::{KeycloakOptions, PublicUrl};
use crate::mail::MailOptions;
use crate::servers::{ServerOptions, TestServers, Wanted};
use crate::stop::StopSignals;
use place::Place;
pub(crate) use place::make_private;
use product::Product;
use report::Report;

/// The options of `testbed sandbox`.
#[derive(Args, Debug)]
pub struct SandboxOptions {
    /// Stop after the story; exit with 0 only if every step succeeded.
    #[arg(long)]
    once: bool,
    /// Write `{"ok", "steps": [{"name", "ok", "evidence"}]}` to this file.
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
    /// Write the bot's log, the replies, a dump of the store and `canaries.txt` to this folder.
    #[arg(long, value_name = "DIR")]
    keep: Option<PathBuf>,
    /// Only start; run no story.
    #[arg(long, conflicts_with = "once")]
    no_story: bool,
    /// The built `accolade`.
    #[arg(long, value_name = "PATH")]
    accolade: PathBuf,
    /// The built `discord-sim`.
    #[arg(long, value_name = "PATH")]
    discord_sim: PathBuf,
}

/// Whether every step succeeded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// All steps succeeded, or none was run.
    Held,
    /// At least one step failed.
    Broke,
}

/// Starts everything, runs the story, and keeps running until Ctrl-C unless told otherwise.
pub async fn run(options: SandboxOptions) -> Result<Outcome> {
    let mut stop = StopSignals::listen()?;
    tokio::select! {
        outcome = play(&options) => outcome?.finish(&options, &mut stop).await,
        () = stop.wait() => {
            say("Stopping …");
            Ok(Outcome::Broke)
        }
    }
}

/// The running servers and programs.
struct Sandbox {
    servers: TestServers,
    product: Product,
    place: Place,
    report: Report,
}

async fn play(options: &SandboxOptions) -> Result<Sandbox> {
    let place = Place::prepare()?;
    let mut report = Report::default();
    let servers =
        stage("Starting slapd, Keycloak and the mail catcher", "10 s", start_servers(&place)).await?;
    let product = stage(
        "Preparing the realm, starting the simulated Discord and the bot",
        "8 s",
        Product::start(&servers, &place, &options.accolade, &options.discord_sim),
    )
    .await?;
    place.write_state(&servers, &product)?;
    report.canaries.extend(product.secrets()?);
    if !options.no_story {
        say("");
        story::play(&servers, &product, &mut report).await;
    }
    Ok(Sandbox { servers, product, place, report })
}

async fn start_servers(place: &Place) -> Result<TestServers> {
    TestServers::start(ServerOptions {
        folder: Some(place.servers()),
        slapd: Wanted::Yes,
        keycloak: Some(KeycloakOptions { public_url: PublicUrl::Localhost, wished_port: Some(8720) }),
        mail: Some(MailOptions { wished_inbox_port: Some(8710), ..MailOptions::default() }),
        ..ServerOptions::default()
    })
    .await
}

impl Sandbox {
    async fn finish(mut self, options: &SandboxOptions, stop: &mut StopSignals) -> Result<Outcome> {
        let outcome = self.report.outcome();
        if let Some(file) = &options.report {
            self.report.write(file)?;
        }
        if !options.once {
            self.invite();
            stop.wait().await;
            say("Stopping …");
        }
        let replies = self.product.chat.everything().await;
        self.product.stop_bot();
        if let Some(folder) = &options.keep {
            self.report.keep(folder, &self.product, &replies?).await?;
        }
        self.product.stop_chat();
        self.servers.stop().await;
        self.place.forget_state();
        say("Stopped.");
        Ok(outcome)
    }

    fn invite(&self) {
        let keycloak = &self.servers.keycloak;
        say("");
        say("Everything is up. Open:");
        say(&format!("  chat            {}", self.product.chat.page));
        say(&format!("  inbox           {}", self.servers.mail.inbox_url.replace("127.0.0.1", "localhost")));
        say(&format!("  account page    {}/realms/{}/account", keycloak.public_url, product::REALM));
        say("");
        say("Three people to be: ada (a member), grace (a moderator), linus (an admin).");
        say("Also waiting for an account: edsger and barbara (members), mallory (no role).");
        say("");
        say("Try, in another terminal or on the chat page:");
        say("  ./dev as edsger /account request        fill the form, press Send");
        say("  ./dev as grace sees                     the card; then: ./dev as grace press Approve");
        say("  ./dev as mallory /account request       a refusal says why, and what to do");
        say("  ./dev as edsger /account status         at any time");
        say("  ./dev as edsger /account password       five minutes after a mail: the link once more");
        say("  ./dev as linus /panel post              the same with buttons, for everybody");
        say(
            "  ./dev as ada press 'Not me'             somebody else set her password; then: ./dev as ada submit",
        );
        say("");
        say("Ctrl-C stops everything.");
    }
}

async fn stage<T>(what: &str, expected: &str, job: impl Future<Output = Result<T>>) -> Result<T> {
    let begun = Instant::now();
    say(&format!("{what} (about {expected}) …"));
    let done = job.await.with_context(|| format!("{what}: it did not work"))?;
    say(&format!("  done in {:.1} s", begun.elapsed().as_secs_f32()));
    Ok(done)
}

/// Writes a line for people to standard error.
fn say(line: &str) {
    use std::io::Write as _;
    // A closed terminal must not stop the sandbox.
    drop(writeln!(std::io::stderr(), "{line}"));
}

/// How long one step of the story may take.
const STEP_LIMIT: Duration = Duration::from_mins(1);
