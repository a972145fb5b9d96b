//! How each fault is caused. Every function returns the steps at which it struck. Without a step it did not strike and is no point.

mod discord;
mod lines;
mod processes;
mod profile;
mod store;

pub(super) use discord::open_request_channel;

use std::time::Duration;

use anyhow::Result;
use rand::Rng as _;
use rand::rngs::StdRng;

use super::Database;
use super::point::Fault;
use super::stage::Stage;
use crate::waiting::comes_true;
use lines::Line;

/// How long a fault may wait for its target.
const STRIKES_WITHIN: Duration = Duration::from_millis(700);

/// How long to wait until a process is working on a job.
const AT_JOB_WITHIN: Duration = Duration::from_millis(400);

/// What a fault needs.
pub(super) struct Hand<'a> {
    pub(super) stage: &'a Stage,
    pub(super) random: StdRng,
    /// How long the other bot took to take over during this fault.
    pub(super) takeovers_ms: Vec<u64>,
    /// How long after its start a killed bot claimed a job again.
    pub(super) resumes_ms: Vec<u64>,
}

/// A fault and the place where it strikes. Several strike at once only if they touch different things.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Strike {
    pub(super) fault: Fault,
    line: Option<Line>,
}

/// What a fault touches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Domain {
    Bot,
    Store,
    Clock,
    Profile,
    Line(Line),
}

impl Strike {
    /// Draws where a fault strikes.
    pub(super) fn drawn(random: &mut StdRng, database: Database, fault: Fault) -> Self {
        Self { fault, line: Line::drawn(random, database, fault) }
    }

    /// Whether both can strike at once.
    pub(super) fn is_apart_from(self, other: Self) -> bool {
        self.domain() != other.domain()
    }

    const fn domain(self) -> Domain {
        match (self.line, self.fault) {
            (Some(line), _) => Domain::Line(line),
            (None, Fault::DiskFull | Fault::Locked) => Domain::Store,
            (None, Fault::Clock) => Domain::Clock,
            (None, Fault::Profile) => Domain::Profile,
            (None, _) => Domain::Bot,
        }
    }
}

impl Hand<'_> {
    /// A span between these, in milliseconds.
    fn span(&mut self, from_ms: u64, to_ms: u64) -> Duration {
        Duration::from_millis(self.random.random_range(from_ms..to_ms))
    }

    /// The steps in progress. If there are none, waits briefly for one, and if none comes, returns "at rest".
    async fn steps(&self) -> Vec<String> {
        let mut steps = Vec::new();
        let looked = comes_true(AT_JOB_WITHIN, async || {
            steps = self.stage.env.steps_at_work().await;
            Ok(!steps.is_empty())
        });
        if looked.await.unwrap_or(false) { steps } else { vec!["at rest".to_owned()] }
    }
}

/// Causes a fault, and ends it unless it ends by itself.
pub(super) async fn strike(hand: &mut Hand<'_>, strike: Strike) -> Result<Vec<String>> {
    match strike.fault {
        Fault::Kill => processes::kill(hand).await,
        Fault::Stop => processes::freeze(hand).await,
        Fault::Terminate => processes::terminate(hand).await,
        Fault::KillDirectory => processes::kill_directory(hand).await,
        Fault::KillKeycloak => processes::kill_keycloak(hand).await,
        Fault::KillPostgres => processes::kill_postgres(hand).await,
        Fault::Cut | Fault::Stall | Fault::Corrupt => match strike.line {
            Some(line) => lines::break_line(hand, strike.fault, line).await,
            None => Ok(Vec::new()),
        },
        Fault::LdapCode => lines::answer_with_ldap_code(hand).await,
        Fault::HttpStatus => lines::answer_with_status(hand).await,
        Fault::Mail => lines::trouble_mail(hand).await,
        Fault::Discord => discord::refuse(hand).await,
        Fault::Gateway => discord::trouble_gateway(hand).await,
        Fault::Refuse => discord::refuse_messages(hand).await,
        Fault::DiskFull => store::fill_disk(hand).await,
        Fault::Locked => store::lock(hand).await,
        Fault::Clock => store::set_clock_apart(hand).await,
        Fault::Profile => profile::ask_for_more(hand).await,
    }
}
