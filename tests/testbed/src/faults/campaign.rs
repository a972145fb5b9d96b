//! The campaign: rounds of faults during people's journeys. After each round everything heals, becomes idle, and the checker runs.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use futures::future::join_all;
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use tokio::task::JoinSet;

use super::env::{MODERATORS, Plan, TestEnv};
use super::inject::{Hand, Strike, strike};
use super::journeys::{Journey, operator_retries, travels};
use super::point::Fault;
use super::report;
use super::servers::Servers;
use super::stage::Stage;
use super::tally::{Found, Tally, percentile};
use super::verdict::{self, Memory};
use super::{Database, Paths};
use crate::checker::Violation;
use crate::waiting::{comes_true_at_looks, let_pass};

/// How many journeys run at any time.
const JOURNEYS: usize = 12;

/// The maximum number of simultaneous faults.
const VOLLEY: usize = 4;

/// How many points lie between two runs of the checker.
const ROUND: std::ops::Range<u64> = 15..31;

/// How many points one environment gets before people, database and Discord are replaced.
const POINTS_OF_ONE: u64 = 300;

/// How soon after the last fault every queue must be empty, in the environment's time. A clock that was an hour off delays work by that
/// hour.
pub(super) const DRAINED_WITHIN_MS: i64 = 120_000;
const AN_HOUR_MS: i64 = 3_600_000;

/// How soon after its start a killed bot must claim jobs again.
pub(super) const RESUMED_WITHIN_MS: u64 = 2000;

/// How soon another bot must take over from a killed one, in the environment's time.
pub(super) const TAKEN_OVER_WITHIN_MS: u64 = 20_000;

/// The limit for a list of the requests once everything is healed. A bot that lost its session needs a moment.
const LISTED_WITHIN: Duration = Duration::from_mins(1);

/// The limit of a drain in real time. Advancing the environment's time shortens the drain.
const DRAIN_LIMIT: Duration = Duration::from_secs(90);

/// How long the last journeys may take once no more faults happen.
const LAST_JOURNEYS: Duration = Duration::from_mins(2);

/// How often the checker retries while something in the environment still changes.
const LOOKS: u32 = 5;

/// How often an operator retries a stopped job before it counts as stuck.
const RETRIES: u32 = 6;

/// When a campaign ends.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    pub(super) points: u64,
    pub(super) until: Option<Instant>,
    pub(super) only: Option<Fault>,
}

/// A running campaign.
pub(super) struct Campaign {
    pub(super) paths: Paths,
    pub(super) database: Database,
    pub(super) limits: Limits,
    pub(super) servers: Arc<Servers>,
    pub(super) tally: Tally,
    pub(super) random: StdRng,
}

/// The part of the campaign that one environment runs.
struct EnvironmentRun<'a> {
    campaign: &'a mut Campaign,
    stage: Arc<Stage>,
    journeys: JoinSet<Result<()>>,
    memory: Memory,
    was_clock_apart: bool,
}

impl Campaign {
    fn is_over(&self) -> bool {
        self.tally.points >= self.limits.points
            || self.limits.until.is_some_and(|until| Instant::now() >= until)
            || !self.tally.violations.is_empty()
    }

    /// Runs one environment after the other until all points are made, the time is over, or a violation is found.
    pub(super) async fn run(&mut self) -> Result<()> {
        let mut number = 0;
        while !self.is_over() {
            self.servers.forget_people().await?;
            self.run_in_environment(number).await.with_context(|| format!("in environment {number}"))?;
            number += 1;
        }
        let tally = &mut self.tally;
        for (times, limit, what) in [
            (&tally.resumes_ms, RESUMED_WITHIN_MS, "a restarted bot was at work"),
            (&tally.takeovers_ms, TAKEN_OVER_WITHIN_MS, "another bot had taken over from a killed one"),
        ] {
            let median = percentile(times, 50);
            if median > limit {
                let what = format!("in the median {what} after {median} ms only");
                tally.violations.push(Found { rule: "I10".to_owned(), what });
            }
        }
        Ok(())
    }

    async fn run_in_environment(&mut self, number: u64) -> Result<()> {
        let seed = self.random.random();
        let plan = Plan { paths: &self.paths, number, seed };
        let env = TestEnv::start(&self.servers, &plan).await?;
        let stage = Arc::new(Stage::new(env, Arc::clone(&self.servers)));
        let mut run = EnvironmentRun {
            campaign: self,
            stage: Arc::clone(&stage),
            journeys: JoinSet::new(),
            memory: Memory::default(),
            was_clock_apart: false,
        };
        let went = run.goes().await;
        let found = match went {
            Ok(found) => found,
            Err(error) => vec![Found { rule: "stuck".to_owned(), what: format!("{error:#}") }],
        };
        run.journeys.abort_all();
        drop(run);
        self.tally.ends_of_its_own +=
            stage.env.bots.iter().map(crate::bot_process::BotProcess::ends_of_its_own).sum::<u64>();
        if !found.is_empty() {
            report::helps(&stage, &found, self.seed_command()).await;
            self.tally.violations.extend(found);
            return Ok(());
        }
        stage.env.stop(Duration::from_secs(25)).await
    }

    /// Draws faults that strike at the same time, each in a different place.
    fn volley(&mut self) -> Vec<Strike> {
        let mut volley: Vec<Strike> = Vec::new();
        for _ in 0..self.random.random_range(1..=VOLLEY) {
            let fault = Fault::drawn(&mut self.random, self.database, self.limits.only);
            let strike = Strike::drawn(&mut self.random, self.database, fault);
            if volley.iter().all(|other| strike.is_apart_from(*other)) {
                volley.push(strike);
            }
        }
        volley
    }

    /// The command that repeats this campaign.
    fn seed_command(&self) -> String {
        let only = self.limits.only.map(|fault| format!(" --only {}", fault.id())).unwrap_or_default();
        format!(
            "./dev faults --points {} --seed {} --database {}{only}",
            self.tally.points,
            self.tally.seed,
            self.database.name()
        )
    }
}

impl EnvironmentRun<'_> {
    async fn goes(&mut self) -> Result<Vec<Found>> {
        let end = self.campaign.tally.points + POINTS_OF_ONE;
        while !self.campaign.is_over() && self.campaign.tally.points < end {
            let found = self.round().await?;
            if !found.is_empty() {
                return Ok(found);
            }
        }
        self.comes_to_an_end().await
    }

    /// Runs some faults, then waits until the environment is idle and runs the checker.
    async fn round(&mut self) -> Result<Vec<Found>> {
        let points = self.campaign.random.random_range(ROUND);
        let end = self.campaign.tally.points + points;
        let begun = Instant::now();
        // A round in which few faults can strike must end too.
        while self.campaign.tally.points < end
            && !self.campaign.is_over()
            && begun.elapsed() < Duration::from_mins(1)
        {
            self.keeps_journeys_going()?;
            self.point().await?;
            self.stage.env.supervise().await?;
            if let Err(error) = self.stage.env.skip_pauses().await {
                // The database itself may be broken.
                tracing::debug!(%error, "no pause was skipped");
            }
        }
        let (broke, quiet) = (begun.elapsed(), Instant::now());
        let found = self.quiet().await?;
        let tally = &mut self.campaign.tally;
        tally.rounds += 1;
        report::say(&format!(
            "round {}: {} points and {} journeys so far; {:.1} s of faults, {:.1} s of quiet",
            tally.rounds,
            tally.points,
            tally.journeys,
            broke.as_secs_f32(),
            quiet.elapsed().as_secs_f32()
        ));
        Ok(found)
    }

    async fn point(&mut self) -> Result<()> {
        let campaign = &mut *self.campaign;
        let started = Instant::now();
        let was_connected = self.stage.env.is_connected().await?;
        self.stage.env.wait_until_connected().await?;
        if !was_connected {
            campaign.tally.restarts_ms.push(started.elapsed().as_millis() as u64);
        }
        let pause = campaign.random.random_range(10..100);
        let_pass(Duration::from_millis(pause)).await;
        let volley: Vec<(Strike, u64)> =
            campaign.volley().into_iter().map(|strike| (strike, campaign.random.random())).collect();
        self.was_clock_apart |= volley.iter().any(|(strike, _)| strike.fault == Fault::Clock);
        let stage = &self.stage;
        let struck = volley.into_iter().map(async |one| {
            let random = StdRng::seed_from_u64(one.1);
            let mut hand = Hand { stage, random, takeovers_ms: Vec::new(), resumes_ms: Vec::new() };
            let steps = strike(&mut hand, one.0).await;
            (one.0.fault, steps, (hand.takeovers_ms, hand.resumes_ms))
        });
        for (fault, steps, (takeovers_ms, resumes_ms)) in join_all(struck).await {
            let steps = steps.with_context(|| format!("{}: {}", fault.id(), fault.says()))?;
            campaign.tally.takeovers_ms.extend(takeovers_ms);
            campaign.tally.resumes_ms.extend(resumes_ms);
            if !steps.is_empty() {
                campaign.tally.hit(fault, &steps);
            }
        }
        Ok(())
    }

    /// Keeps the number of journeys constant. A journey that never ended is an error.
    fn keeps_journeys_going(&mut self) -> Result<()> {
        while let Some(ended) = self.journeys.try_join_next() {
            ended.context("a journey panicked")??;
            self.campaign.tally.journeys += 1;
        }
        while self.journeys.len() < JOURNEYS {
            let journey = Journey::drawn(&mut self.campaign.random);
            let seed = self.campaign.random.random();
            self.journeys.spawn_local(travels(Arc::clone(&self.stage), journey, seed));
        }
        Ok(())
    }

    /// Heals everything, pauses the people, drains the queues and runs the checker.
    async fn quiet(&mut self) -> Result<Vec<Found>> {
        let stage = Arc::clone(&self.stage);
        stage.heals().await.context("heal everything")?;
        let healed = stage.env.time.now_ms();
        let _closed = stage.gate.write().await;
        let allowance = if std::mem::take(&mut self.was_clock_apart) { AN_HOUR_MS } else { 0 };
        moderator_lists(&stage).await.context("list the requests")?;
        let mut found = Vec::new();
        for _ in 0..RETRIES {
            if let Some(late) = drain(&stage, healed + DRAINED_WITHIN_MS + allowance).await? {
                found.push(late);
                break;
            }
            if operator_retries(&stage.env).await? == 0 {
                break;
            }
        }
        if allowance == 0 {
            let drained = stage.env.time.now_ms() - healed;
            self.campaign.tally.drains_ms.push(u64::try_from(drained).unwrap_or(0));
        }
        found.extend(self.look(healed + DRAINED_WITHIN_MS + allowance).await?);
        let broken = stage.env.discord_rules_broken().await?;
        found.extend(broken.into_iter().map(|what| Found { rule: "Discord".to_owned(), what }));
        for line in stage.servers.lines.all().chain([&stage.env.lines.discord, &stage.env.lines.gateway]) {
            line.forgets();
        }
        stage.lets_time_pass().await?;
        Ok(found)
    }

    /// Returns what the checker finds. A press that Discord delivered late may take effect while the checker reads. The checker then
    /// combined two different states, and runs again.
    async fn look(&self, latest: i64) -> Result<Vec<Found>> {
        let env = &self.stage.env;
        let mut found = Vec::new();
        for _ in 0..LOOKS {
            let before = env.movements().await?;
            found = verdict::check(&self.stage, &self.memory).await?.into_iter().map(Found::from).collect();
            if found.is_empty() || env.movements().await? == before {
                break;
            }
            if let Some(late) = drain(&self.stage, latest).await? {
                return Ok(vec![late]);
            }
        }
        Ok(found)
    }

    /// Without further faults, waits until every person's journey has ended.
    async fn comes_to_an_end(&mut self) -> Result<Vec<Found>> {
        let ended = comes_true_at_looks(LAST_JOURNEYS, Duration::from_millis(200), async || {
            while let Some(ended) = self.journeys.try_join_next() {
                ended.context("a journey panicked")??;
                self.campaign.tally.journeys += 1;
            }
            if self.journeys.is_empty() {
                return Ok(true);
            }
            self.stage.env.supervise().await?;
            let is_at_work = self.stage.env.is_at_work().await?;
            if !self.stage.env.skip_pauses().await? && !is_at_work {
                self.stage.lets_time_pass().await?;
            }
            operator_retries(&self.stage.env).await?;
            Ok(false)
        });
        let ended = ended.await?;
        let left = self.journeys.len();
        anyhow::ensure!(ended, "{left} journeys never end although no fault happens any more");
        self.memory.tries_everybody_again();
        self.quiet().await
    }
}

impl From<Violation> for Found {
    fn from(violation: Violation) -> Self {
        Self { rule: violation.rule.id(), what: violation.what }
    }
}

/// A moderator lists the requests, as they do when they miss a card.
async fn moderator_lists(stage: &Stage) -> Result<()> {
    let listed = comes_true_at_looks(LISTED_WITHIN, Duration::from_millis(100), async || {
        let answer = stage.env.chat.command(MODERATORS[0], "/request list").await;
        Ok(answer.is_ok_and(|answer| !answer.failed()))
    });
    anyhow::ensure!(listed.await?, "no list although every fault is over");
    Ok(())
}

/// Waits until no work is left and advances time over every pause. Returns a finding if something is too late.
async fn drain(stage: &Stage, latest: i64) -> Result<Option<Found>> {
    let env = &stage.env;
    // A job that is queued after one that waits for a person waits too.
    let sql = "SELECT w.kind || ' at ' || w.step || ': ' || COALESCE(w.error_code, '-') AS what FROM job w \
        WHERE w.state IN ('open', 'undoing') AND NOT EXISTS (SELECT 1 FROM job e WHERE e.person_id = w.person_id \
        AND e.seq < w.seq AND e.state = 'needs_operator') \
        UNION ALL SELECT kind || ' message: ' || COALESCE(error_code, '-') AS what FROM outbox";
    let (mut open, mut is_late) = (Vec::new(), false);
    comes_true_at_looks(DRAIN_LIMIT, Duration::from_millis(20), async || {
        open = env.db.column(sql).await?;
        if open.is_empty() {
            open = unseen_passwords(stage).await?;
        }
        is_late = env.time.now_ms() > latest;
        if open.is_empty() || is_late {
            return Ok(true);
        }
        env.supervise().await?;
        env.skip_pauses().await?;
        Ok(false)
    })
    .await?;
    if open.is_empty() {
        return Ok(None);
    }
    let what = format!("long after the last fault {} still wait: {}", open.len(), open.join("; "));
    Ok(Some(Found { rule: "I10".to_owned(), what }))
}

/// People who followed their link although the bot has not checked their password since.
async fn unseen_passwords(stage: &Stage) -> Result<Vec<String>> {
    let sql = "SELECT username AS what FROM account WHERE state IN ('creating', 'invited')";
    let unused = stage.env.db.column(sql).await?;
    let entries = stage.servers.real.slapd.people().await?;
    let has_password = |name: &&String| {
        let is_theirs = |entry: &&crate::slapd::Entry| entry.value("uid") == Some(name.as_str());
        entries.iter().find(is_theirs).is_some_and(|entry| entry.value("userPassword").is_some())
    };
    Ok(unused.iter().filter(has_password).map(|name| format!("the first password of {name}")).collect())
}

/// Creates the generator for a campaign that continues after the given number of points.
pub(super) fn generator(seed: u64, points: u64) -> StdRng {
    StdRng::seed_from_u64(seed ^ points.rotate_left(32))
}
