//! Measures accounts by a rule that needs no moderator, from the command to the mail, between rounds of the two baseline drivers.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use futures::{StreamExt as _, TryStreamExt as _};

use super::MAIL_TIMEOUT;
use super::baseline::{BaselineDriver, Flow};
use super::env::{BenchEnv, BotProcess, Deployment};
use super::metrics::{Counters, growth};
use super::procfs::{context_switches_of, cpu_of, cpu_of_family};
use super::report::{Better, Pace, Report, Row, float, per_second, percentile_ms, shown, spread};
use super::requester::{Approval, Requester};
use crate::db_inspector::DbInspector;

/// How many accounts are made concurrently, how many each baseline driver makes before and after the bot, and how many the bot makes.
#[derive(Clone, Copy)]
struct Size {
    lanes: usize,
    baseline: usize,
    bot: usize,
}

const SERIAL: Size = Size { lanes: 1, baseline: 25, bot: 60 };
const FOUR: Size = Size { lanes: 4, baseline: 80, bot: 200 };
const SIXTEEN: Size = Size { lanes: 16, baseline: 160, bot: 400 };

/// Keycloak compiles code while it runs. It counts as warm when a round is hardly faster than the previous one.
const WARM_ROUND: usize = 120;
const WARM_ROUNDS: usize = 8;
const WARM_WITHIN: f64 = 1.05;

/// CPU time of each process, and context switches of the bot.
#[derive(Clone, Copy, Default)]
pub(super) struct Usage {
    pub(super) bot: Duration,
    simulator: Duration,
    keycloak: Duration,
    pub(super) slapd: Duration,
    postgres: Duration,
    switches: u64,
}

impl Usage {
    /// Reads what each process has used so far.
    pub(super) fn read(env: &BenchEnv, bot: &BotProcess) -> Result<Self> {
        let servers = &env.servers;
        let postgres = servers.postgres.started().and_then(crate::Postgres::pid);
        Ok(Self {
            bot: cpu_of(bot.pid())?,
            simulator: cpu_of(env.simulator_pid())?,
            keycloak: cpu_of(servers.keycloak.pid().context("no Keycloak")?)?,
            slapd: cpu_of(servers.slapd.pid().context("no slapd")?)?,
            postgres: postgres.map_or(Ok(Duration::ZERO), cpu_of_family)?,
            switches: context_switches_of(bot.pid())?,
        })
    }

    pub(super) fn since(self, before: Self) -> Self {
        Self {
            bot: self.bot.saturating_sub(before.bot),
            simulator: self.simulator.saturating_sub(before.simulator),
            keycloak: self.keycloak.saturating_sub(before.keycloak),
            slapd: self.slapd.saturating_sub(before.slapd),
            postgres: self.postgres.saturating_sub(before.postgres),
            switches: self.switches.saturating_sub(before.switches),
        }
    }
}

/// Milliseconds of CPU for each account.
pub(super) fn ms_each(used: Duration, accounts: usize) -> f64 {
    used.as_secs_f64() * 1000.0 / float(accounts)
}

/// Accounts that one of the makers made.
struct Run {
    times: Vec<Duration>,
    pace: Pace,
    used: Usage,
    /// The bot's counters before and after the run.
    counted: [Counters; 2],
}

impl Run {
    fn cpu_ms(&self, part: impl Fn(&Usage) -> Duration) -> f64 {
        ms_each(part(&self.used), self.pace.count)
    }
}

/// The same number of accounts, made concurrently by the bot and by both baseline drivers before and after it.
struct Bracket {
    bare: [Run; 2],
    safe: [Run; 2],
    /// The time excludes messages, because nobody waits for them. The CPU time includes them.
    bot: Run,
}

fn rate_of(runs: &[Run; 2]) -> f64 {
    per_second(&[runs[0].pace, runs[1].pace])
}

impl Bracket {
    fn bot_rate(&self) -> f64 {
        per_second(&[self.bot.pace])
    }

    fn bare_times(&self) -> Vec<Duration> {
        self.bare.iter().flat_map(|run| run.times.clone()).collect()
    }

    fn bare_keycloak_ms(&self) -> f64 {
        let [before, after] = &self.bare;
        f64::midpoint(before.cpu_ms(|used| used.keycloak), after.cpu_ms(|used| used.keycloak))
    }

    fn push_rates(&self, lanes: usize, report: &mut Report) {
        let note = format!(
            "{}/s; safe bare {}/s, bare {}/s",
            shown(self.bot_rate()),
            shown(rate_of(&self.safe)),
            shown(rate_of(&self.bare))
        );
        let rows =
            [("safe bare", rate_of(&self.safe), 0.75, 0.85), ("bare", rate_of(&self.bare), 0.55, 0.65)];
        for (driver, rate, goal, stretch) in rows {
            let what = format!("accounts/s ÷ {driver}, {lanes} in parallel");
            let row = Row::new(what, "", Better::Higher, self.bot_rate() / rate, goal);
            report.push(row.stretch(stretch).note(note.clone()).compared());
        }
    }

    /// Adds each process's share of the CPU time of an account, for each of the three ways.
    fn push_shares(&self, lanes: usize, report: &mut Report) {
        let shares = |run: &Run| {
            let keycloak = shown(run.cpu_ms(|used| used.keycloak));
            format!("Keycloak {keycloak}, slapd {}", shown(run.cpu_ms(|used| used.slapd)))
        };
        report.note(format!(
            "CPU ms for each account, {lanes} in parallel: bot {}, simulator {}, PostgreSQL {}, {}; safe bare: {}; bare: {}",
            shown(self.bot.cpu_ms(|used| used.bot)),
            shown(self.bot.cpu_ms(|used| used.simulator)),
            shown(self.bot.cpu_ms(|used| used.postgres)),
            shares(&self.bot),
            shares(&self.safe[1]),
            shares(&self.bare[1])
        ));
    }
}

/// The bot and the baseline drivers.
struct Makers<'a> {
    env: &'a BenchEnv,
    baseline: BaselineDriver<'a>,
    deployment: &'a Deployment,
    bot: &'a BotProcess,
    inspector: DbInspector,
}

pub(super) async fn measure(env: &BenchEnv, report: &mut Report) -> Result<()> {
    env.fill_the_guild().await?;
    let deployment = env.deploy("accounts").await?;
    let bot = env.start_bot(&deployment).await?;
    let inspector = deployment.inspector().await?;
    let baseline = BaselineDriver::start(env).await?;
    let makers = Makers { env, baseline, deployment: &deployment, bot: &bot, inspector };
    makers.warm_up(report).await?;
    let serial = makers.bracket(SERIAL).await?;
    let (ours, bare) = (percentile_ms(&serial.bot.times, 50), percentile_ms(&serial.bare_times(), 50));
    let note = format!("ms: {}; bare {}", spread(&serial.bot.times), spread(&serial.bare_times()));
    report.push(
        Row::ratio("Send to mail, one after the other: p50 ÷ bare p50", ours / bare, 2.0)
            .stretch(1.6)
            .note(note)
            .compared(),
    );
    makers.bracket(FOUR).await?.push_rates(FOUR.lanes, report);
    let sixteen = makers.bracket(SIXTEEN).await?;
    sixteen.push_rates(SIXTEEN.lanes, report);
    push_costs(&sixteen, report);
    push_counts(&sixteen.bot, report);
    serial.push_shares(SERIAL.lanes, report);
    sixteen.push_shares(SIXTEEN.lanes, report);
    bot.kill();
    Ok(())
}

fn push_costs(sixteen: &Bracket, report: &mut Report) {
    let bare = sixteen.bare_keycloak_ms();
    let own = sixteen.bot.cpu_ms(|used| used.bot);
    let keycloak = sixteen.bot.cpu_ms(|used| used.keycloak);
    let what = "own CPU for each account ÷ Keycloak's for each bare one, 16 in parallel";
    let note = format!("{} ms / {} ms, messages included", shown(own), shown(bare));
    report.push(Row::ratio(what, own / bare, 0.35).stretch(0.25).note(note).compared());
    let note = format!("{} ms / {} ms", shown(keycloak), shown(bare));
    let row = Row::ratio("Keycloak's CPU for each account ÷ bare's, 16 in parallel", keycloak / bare, 1.6);
    report.push(row.stretch(1.4).note(note));
}

/// Adds what is counted rather than timed. Polls and housekeeping during the run are included.
fn push_counts(bot: &Run, report: &mut Report) {
    let [before, after] = &bot.counted;
    let each = |sample: &str| Some(growth(before, after, sample)? / float(bot.pace.count));
    let counters = [
        ("statements", "accolade_store_statements_total", 45.0, 35.0),
        ("commits", "accolade_store_commits_total", 6.0, 5.0),
        ("flushes", "accolade_store_flushes_total", 4.0, 3.0),
    ];
    for (what, sample, goal, stretch) in counters {
        let row = Row::new(format!("{what} for each account"), "", Better::Lower, each(sample), goal);
        report.push(row.stretch(stretch));
    }
    let switches = usize::try_from(bot.used.switches).unwrap_or(usize::MAX);
    let switches = float(switches) / float(bot.pace.count);
    report
        .push(Row::new("thread changes for each account", "", Better::Lower, switches, 200.0).stretch(120.0));
    let calls = |target: &str| {
        let calls = each(&format!("accolade_call_seconds_count{{target=\"{target}\""));
        calls.map_or_else(|| "not counted".to_owned(), shown)
    };
    report.note(format!(
        "calls for each account, 16 in parallel: Keycloak {}, mail {}, directory {}, Discord {}",
        calls("keycloak"),
        calls("mail"),
        calls("directory"),
        calls("discord")
    ));
}

impl Makers<'_> {
    async fn warm_up(&self, report: &mut Report) -> Result<()> {
        let mut rates: Vec<f64> = Vec::new();
        while rates.len() < WARM_ROUNDS {
            let run = self.baseline(Flow::Safe, SIXTEEN.lanes, WARM_ROUND).await?;
            rates.push(per_second(&[run.pace]));
            if let [.., before, last] = rates.as_slice()
                && *last < before * WARM_WITHIN
            {
                break;
            }
        }
        self.bot(SIXTEEN.lanes, WARM_ROUND).await?;
        let rates: Vec<String> = rates.iter().map(|rate| format!("{rate:.0}")).collect();
        report.note(format!(
            "Keycloak warmed up: safe bare accounts a second in each round: {}",
            rates.join(" ")
        ));
        Ok(())
    }

    async fn bracket(&self, size: Size) -> Result<Bracket> {
        let Size { lanes, baseline, bot } = size;
        let bare_before = self.baseline(Flow::Bare, lanes, baseline).await?;
        let safe_before = self.baseline(Flow::Safe, lanes, baseline).await?;
        let bot = self.bot(lanes, bot).await?;
        let safe_after = self.baseline(Flow::Safe, lanes, baseline).await?;
        let bare_after = self.baseline(Flow::Bare, lanes, baseline).await?;
        Ok(Bracket { bare: [bare_before, bare_after], safe: [safe_before, safe_after], bot })
    }

    async fn baseline(&self, flow: Flow, lanes: usize, count: usize) -> Result<Run> {
        self.env.servers.mail.clear();
        let before = Usage::read(self.env, self.bot)?;
        let (times, pace) = in_lanes(lanes, 0..count, |_| self.baseline.make_account(flow)).await?;
        let used = Usage::read(self.env, self.bot)?.since(before);
        Ok(Run { times, pace, used, counted: [Counters::default(), Counters::default()] })
    }

    async fn bot(&self, lanes: usize, count: usize) -> Result<Run> {
        let counted_before = Counters::read(self.deployment.health).await?;
        let before = Usage::read(self.env, self.bot)?;
        let (times, pace) = make_accounts(self.env, lanes, count, "made").await?;
        self.env.wait_until_idle(&self.inspector).await?;
        let used = Usage::read(self.env, self.bot)?.since(before);
        Ok(Run {
            times,
            pace,
            used,
            counted: [counted_before, Counters::read(self.deployment.health).await?],
        })
    }
}

/// Has the bot make the given number of accounts concurrently. Times run from the press of `Send` to the mail.
pub(super) async fn make_accounts(
    env: &BenchEnv,
    lanes: usize,
    count: usize,
    part: &str,
) -> Result<(Vec<Duration>, Pace)> {
    env.servers.mail.clear();
    let people = env.take_members(count, Approval::Automatic, part).await?;
    in_lanes(lanes, people.iter(), |person| make_account(env, person)).await
}

/// Returns the time from the press of `Send` to the mail.
pub(super) async fn make_account(env: &BenchEnv, person: &Requester) -> Result<Duration> {
    let pressed = person.request(&env.chat).await?;
    env.servers.mail.wait_for_mail_to(&person.address, MAIL_TIMEOUT).await?;
    Ok(pressed.elapsed())
}

/// Makes accounts in the given number of lanes, one after the other within each lane.
async fn in_lanes<One, Made: Future<Output = Result<Duration>>>(
    lanes: usize,
    all: impl Iterator<Item = One>,
    make: impl Fn(One) -> Made,
) -> Result<(Vec<Duration>, Pace)> {
    let begun = Instant::now();
    let times: Vec<Duration> =
        futures::stream::iter(all.map(make)).buffer_unordered(lanes).try_collect().await?;
    let pace = Pace { count: times.len(), took: begun.elapsed() };
    Ok((times, pace))
}
