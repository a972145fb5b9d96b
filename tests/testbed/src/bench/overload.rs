//! Applies twice the rate that the bot can sustain, for a while. The bot must still answer in time and must work off the growing queue.

use std::convert::Infallible;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};

use super::accounts::make_accounts;
use super::burst::{draft_all, send_all};
use super::env::{BenchEnv, open_jobs};
use super::report::{Report, Row, per_second, shown, spread};
use super::requester::Approval;
use crate::db_inspector::DbInspector;

/// How the sustainable rate is measured: the number of accounts, and how many are made concurrently.
const PROBE: usize = 160;
const PROBE_LANES: usize = 16;

/// The multiple of the sustainable rate, and the duration.
const FACTOR: f64 = 2.0;
const SPAN: Duration = Duration::from_secs(10);

/// How often the queue length is sampled.
const SAMPLE_EVERY: Duration = Duration::from_millis(250);

pub(super) async fn measure(env: &BenchEnv, report: &mut Report) -> Result<()> {
    env.fill_the_guild().await?;
    let deployment = env.deploy("overload").await?;
    let bot = env.start_bot(&deployment).await?;
    let inspector = deployment.inspector().await?;
    make_accounts(env, PROBE_LANES, PROBE, "probe").await?;
    let (_, pace) = make_accounts(env, PROBE_LANES, PROBE, "probe").await?;
    env.wait_until_idle(&inspector).await?;
    let bearable = per_second(&[pace]);
    let pause = Duration::from_secs_f64(1.0 / (bearable * FACTOR));
    ensure!(!pause.is_zero(), "no rate was found");
    let people = usize::try_from(SPAN.as_nanos() / pause.as_nanos()).context("too many people")?;
    let people = env.take_members(people, Approval::Automatic, "over").await?;
    env.servers.mail.clear();
    // Drafts cost nothing later. They are created first, so that every press of `Send` comes at the full rate.
    let drafts = draft_all(&env.chat, &people, Approval::Automatic, pause).await?;
    let mut longest = 0;
    let (times, taken) = tokio::select! {
        done = send_all(&env.chat, &drafts, pause) => done?,
        failed = watch_queue(&inspector, &mut longest) => match failed? {},
    };
    let left = open_jobs(&inspector).await?;
    let begun = Instant::now();
    env.wait_until_idle(&inspector).await.context("work off the queue of an overload")?;
    let drained = begun.elapsed();
    let mails = env.servers.mail.messages();
    let unmailed =
        taken.iter().filter(|person| !mails.iter().any(|mail| mail.is_to(&person.address))).count();
    let mut all = drafts.round.command.clone();
    all.add(&drafts.round.form);
    all.add(&times);
    let note = format!(
        "{} people at {}/s, twice {}/s; ms: {}",
        people.len(),
        shown(bearable * FACTOR),
        shown(bearable),
        spread(&times.took)
    );
    report.push(Row::count("overload: told \"busy\"", all.busy, 0.0).note(note));
    report.push(Row::count("overload: callbacks not acknowledged within Discord's 3 s", all.missed, 0.0));
    let row = Row::count("overload: sent requests whose mail never came", unmailed, 0.0);
    let note = format!(
        "{longest} jobs in the queue at most, {left} at the end, worked off in {:.1} s",
        drained.as_secs_f64()
    );
    report.push(row.note(note));
    bot.kill();
    Ok(())
}

/// Records the longest queue until the caller drops the future.
async fn watch_queue(inspector: &DbInspector, longest: &mut u64) -> Result<Infallible> {
    loop {
        *longest = open_jobs(inspector).await?.max(*longest);
        crate::waiting::let_pass(SAMPLE_EVERY).await;
    }
}
