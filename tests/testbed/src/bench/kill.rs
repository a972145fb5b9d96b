//! A kill in the middle: whoever was told that the request is sent gets an account, and nothing is left half made.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::Result;
use futures::future::join_all;

use super::figures::{Better, Row, Table};
use super::ground::{Ground, count, open_works};
use super::person::Ask;
use super::{CONNECTS_WITHIN, say};
use crate::checker::Checker;
use crate::sandbox::product::REALM;
use crate::store_eyes::StoreEyes;
use crate::waiting::wait_until;

/// So many ask, one after the other at this pause.
const PEOPLE: usize = 150;
const PAUSE: Duration = Duration::from_millis(20);

/// The kill comes when so many were told that their request is sent: others type, and works are under way.
const TOLD: usize = 75;

/// In the user names of this part, and of no other.
const NAMES: &str = "kill";

pub(super) async fn measure(ground: &Ground, table: &mut Table) -> Result<()> {
    ground.fill_the_guild().await?;
    ground.bed.mail.clear();
    let life = ground.prepare("kill").await?;
    let bot = ground.start_bot(&life).await?;
    let eyes = StoreEyes::open_file(&life.database).await?;
    let people = ground.newcomers(PEOPLE, Ask::Rule, NAMES).await?;
    let told = AtomicUsize::new(0);
    let asking = people.iter().zip(0_u32..).map(async |(person, number)| {
        tokio::time::sleep(PAUSE * number).await;
        // Whoever presses while nobody listens gets no answer, and no promise.
        let is_told = person.asks(&ground.chat).await.is_ok();
        told.fetch_add(usize::from(is_told), Ordering::Relaxed);
        is_told
    });
    let killing = async {
        let half = async || Ok(told.load(Ordering::Relaxed) >= TOLD);
        wait_until("half of them to be told", CONNECTS_WITHIN, half).await?;
        bot.kill();
        let open = open_works(&eyes).await?;
        Ok::<_, anyhow::Error>((ground.start_bot(&life).await?, open))
    };
    let (told, killed) = tokio::join!(join_all(asking), killing);
    let (bot, open) = killed?;
    ground.drains(&eyes).await?;
    let mails = ground.bed.mail.messages();
    let promised = people.iter().zip(&told).filter(|(_, is_told)| **is_told).map(|(person, _)| person);
    let (kept, lost): (Vec<_>, Vec<_>) =
        promised.partition(|person| mails.iter().any(|mail| mail.is_to(&person.address)));
    let checker = Checker {
        slapd: &ground.bed.slapd,
        keycloak: &ground.bed.keycloak,
        realm: REALM,
        mail: &ground.bed.mail,
        store: &eyes,
        cards: Vec::new(),
        names_with: &format!(".{NAMES}"),
    };
    let found = checker.check().await?;
    for violation in &found {
        say(&format!("  {}: {}", violation.rule.says(), violation.what));
    }
    let unfinished =
        count(&eyes, "SELECT COUNT(*) FROM account WHERE state NOT IN ('invited', 'active')").await?;
    let number = |count: usize| {
        #[expect(clippy::cast_precision_loss, reason = "some hundreds at the most")]
        let number = count as f64;
        number
    };
    table.push(
        Row::new(
            "kill -9 in the middle of 150: acknowledged and lost",
            "",
            Better::Less,
            number(lost.len()),
            0.0,
        )
        .note(format!("{} acknowledged, {open} works open at the kill", kept.len() + lost.len())),
    );
    let half_made = found.len() + usize::try_from(unfinished)?;
    table.push(Row::new("kill -9 in the middle of 150: half made", "", Better::Less, number(half_made), 0.0));
    bot.kill();
    Ok(())
}
