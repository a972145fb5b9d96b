//! Kills the bot during a burst. Every person whose request was acknowledged must get an account, no account may stay incomplete, and few
//! people may get two mails.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::Result;
use futures::future::join_all;

use super::env::{BenchEnv, count, open_jobs};
use super::report::{Report, Row};
use super::requester::Approval;
use super::{CONNECT_TIMEOUT, say};
use crate::checker::Checker;
use crate::sandbox::product::REALM;
use crate::waiting::wait_until;

/// How many people send a request, one after the other with this pause.
const PEOPLE: usize = 150;
const PAUSE: Duration = Duration::from_millis(20);

/// The bot is killed after this many acknowledged requests. Other requests are then in progress, and jobs are running.
const ACKNOWLEDGED: usize = 75;

/// The end of the user names of this part. No other part uses it.
const NAMES: &str = "kill";

pub(super) async fn measure(env: &BenchEnv, report: &mut Report) -> Result<()> {
    env.fill_the_guild().await?;
    env.servers.mail.clear();
    let deployment = env.deploy("kill").await?;
    let bot = env.start_bot(&deployment).await?;
    let inspector = deployment.inspector().await?;
    let people = env.take_members(PEOPLE, Approval::Automatic, NAMES).await?;
    let acknowledged = AtomicUsize::new(0);
    let requests = people.iter().zip(0_u32..).map(async |(person, number)| {
        crate::waiting::let_pass(PAUSE * number).await;
        // A press while no bot runs gets no answer, so the bot has promised nothing.
        let is_acknowledged = person.request(&env.chat).await.is_ok();
        acknowledged.fetch_add(usize::from(is_acknowledged), Ordering::Relaxed);
        is_acknowledged
    });
    let killing = async {
        let half = async || Ok(acknowledged.load(Ordering::Relaxed) >= ACKNOWLEDGED);
        wait_until("half of the requests to be acknowledged", CONNECT_TIMEOUT, half).await?;
        bot.kill();
        let open = open_jobs(&inspector).await?;
        Ok::<_, anyhow::Error>((env.start_bot(&deployment).await?, open))
    };
    let (answers, killed) = tokio::join!(join_all(requests), killing);
    let (bot, open) = killed?;
    env.wait_until_idle(&inspector).await?;
    let mails = env.servers.mail.messages();
    let mails_to = |address: &str| mails.iter().filter(|mail| mail.is_to(address)).count();
    let promised: Vec<_> =
        people.iter().zip(&answers).filter(|(_, promised)| **promised).map(|(person, _)| person).collect();
    let lost = promised.iter().filter(|person| mails_to(&person.address) == 0).count();
    let mailed_twice = people.iter().filter(|person| mails_to(&person.address) > 1).count();
    let checker = Checker {
        slapd: &env.servers.slapd,
        keycloak: &env.servers.keycloak,
        realm: REALM,
        mail: &env.servers.mail,
        store: &inspector,
        cards: Vec::new(),
        names_with: &format!(".{NAMES}"),
    };
    let found = checker.check().await?;
    for violation in &found {
        say(&format!("  {}: {}", violation.rule.says(), violation.what));
    }
    let unfinished =
        count(&inspector, "SELECT COUNT(*) FROM account WHERE state NOT IN ('invited', 'active')").await?;
    let half_made = found.len() + usize::try_from(unfinished)?;
    let note = format!("{} acknowledged, {open} jobs open at the kill", promised.len());
    report.push(
        Row::count("mailed twice at a kill in the middle of 150", mailed_twice, 3.0).stretch(0.0).note(note),
    );
    report.push(Row::count("acknowledged and lost at that kill", lost, 0.0));
    report.push(Row::count("half made after that kill", half_made, 0.0));
    bot.kill();
    Ok(())
}
