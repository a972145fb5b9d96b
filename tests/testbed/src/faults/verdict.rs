//! Runs the checker on an idle environment: all eleven rules, from all five stores.

use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, PoisonError};

use anyhow::{Context as _, Result};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use serde_json::Value;

use super::stage::Stage;
use crate::checker::authority::Authority;
use crate::checker::ends::{self, Doors, Keys};
use crate::checker::leaks::{self, Holdings};
use crate::checker::secrets::{Canaries, TypedTexts};
use crate::checker::{Checker, Rule, Violation, told};
use crate::sandbox::product::{MAIL_CLIENT, REALM, REDIRECT, ids};

/// How many mails one account may cause: one, and a second after an unknown outcome.
const MAILS_PER_ACCOUNT: usize = 2;

/// What the checker keeps about an environment between its runs.
#[derive(Default)]
pub(super) struct Memory {
    /// What each bot held when it was first idle.
    held: Mutex<HashMap<usize, Holdings>>,
    /// The people whose end was tried at Keycloak. A try takes as long as a login, so it isn't repeated each time.
    tried: Mutex<HashSet<String>>,
}

impl Memory {
    /// Has the next run try everybody again at Keycloak.
    pub(super) fn tries_everybody_again(&self) {
        self.tried.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}

/// How many people try to log in at the same time.
const TRY_AT_ONCE: usize = 4;

/// Checks everything. The environment is idle: no job is open, and nobody acts.
pub(super) async fn check(stage: &Stage, memory: &Memory) -> Result<Vec<Violation>> {
    let (env, servers) = (&stage.env, &stage.servers.real);
    let log = env.discord_log().await.context("read the simulated Discord's log")?;
    let names = format!(".{}", env.tag);
    let checker = Checker {
        slapd: &servers.slapd,
        keycloak: &servers.keycloak,
        realm: REALM,
        mail: &servers.mail,
        store: &env.db,
        cards: cards_in(&log),
        names_with: &names,
    };
    let mut found = checker.check().await?;
    let entries = servers.slapd.people().await?;
    let authority = Authority {
        log: &log,
        member_role: ids::MEMBER,
        deciding_roles: &[ids::MODERATOR, ids::ADMIN],
        at_real: &|real_ms| env.time.at_real(real_ms),
        bot_said: &|at_ms| env.time.bot_said(at_ms),
    };
    found.extend(authority.check(&env.db, &entries).await?);
    found.extend(told::check(&log, &env.db).await?);
    cards_are_there(stage, &cards_in(&log), &mut found).await?;
    ends_hold(stage, &log, memory, &mut found).await?;
    mails_are_wanted(stage, &mut found).await?;
    nothing_leaks(stage, &log, &mut found).await?;
    nothing_is_held(stage, memory, &mut found).await;
    Ok(found)
}

/// What moderators see in the request channel.
fn cards_in(log: &Value) -> Vec<String> {
    let messages = log["messages"].as_array().into_iter().flatten();
    messages
        .filter(|message| {
            message["channel"] == ids::REQUESTS && message["only_for"].is_null() && message["deleted"] != true
        })
        .filter_map(|message| message["text"].as_str().map(str::to_owned))
        .collect()
}

/// Checks I1 for moderators: each open request has its card, with its buttons.
async fn cards_are_there(stage: &Stage, cards: &[String], found: &mut Vec<Violation>) -> Result<()> {
    let open = "SELECT code AS what FROM request WHERE state IN ('waiting', 'held')";
    for code in stage.env.db.column(open).await? {
        if !cards.iter().any(|card| card.contains(&code) && card.contains("[Approve")) {
            let what = format!("request {code} is open, and moderators have no card of it");
            found.push(Violation { rule: Rule::NothingLost, what });
        }
    }
    Ok(())
}

/// Checks I4 with the inbox alone, including the mails of people whose entry no longer exists.
async fn mails_are_wanted(stage: &Stage, found: &mut Vec<Violation>) -> Result<()> {
    let people = stage.people();
    // Each resend that a person requested allows one more mail.
    let sql =
        "SELECT p.discord_id AS what FROM job w JOIN person p ON p.id = w.person_id WHERE w.kind = 'resend'";
    let asked = stage.env.db.column(sql).await?;
    let mut counts: HashMap<String, usize> = HashMap::new();
    for mail in stage.servers.real.mail.messages() {
        for to in &mail.to {
            if !people.iter().any(|person| person.address.eq_ignore_ascii_case(to)) {
                found.push(Violation {
                    rule: Rule::MailBounded,
                    what: "a mail to an address that nobody asked for".to_owned(),
                });
            }
            *counts.entry(to.to_lowercase()).or_default() += 1;
        }
    }
    for person in &people {
        let count = counts.get(&person.address).copied().unwrap_or(0);
        let most = MAILS_PER_ACCOUNT + asked.iter().filter(|id| **id == person.discord_id).count();
        if count > most {
            found.push(Violation {
                rule: Rule::MailBounded,
                what: format!("{count} mails to {}, {most} at the most", person.name),
            });
        }
    }
    Ok(())
}

/// Checks I11: each person who was told that the account ends tries to log in.
async fn ends_hold(stage: &Stage, log: &Value, memory: &Memory, found: &mut Vec<Violation>) -> Result<()> {
    let servers = &stage.servers.real;
    let doors = Doors {
        slapd: &servers.slapd,
        keycloak: &servers.keycloak,
        realm: REALM,
        client_id: MAIL_CLIENT,
        redirect_uri: REDIRECT,
    };
    let told = ends::told(log, &stage.env.db).await?;
    let mails = servers.mail.messages();
    let tries = stage.people().into_iter().filter(|person| told.contains(&person.name)).map(async |person| {
        let mail = mails.iter().rev().find(|mail| mail.is_to(&person.address));
        let is_action = |link: &&String| link.contains("action-token");
        let keys = Keys {
            link: mail.and_then(|mail| mail.links.iter().find(is_action)).cloned(),
            refresh_token: stage.session(&person.name),
            username: person.name,
            password: person.password,
        };
        let mut found = Vec::new();
        let is_new =
            memory.tried.lock().unwrap_or_else(PoisonError::into_inner).insert(keys.username.clone());
        if is_new {
            doors.try_keycloak(&keys, &mut found).await?;
        }
        doors.try_bind(&keys, &mut found).await?;
        Ok::<_, anyhow::Error>(found)
    });
    let open: Vec<Vec<Violation>> = stream::iter(tries).buffer_unordered(TRY_AT_ONCE).try_collect().await?;
    found.extend(open.into_iter().flatten());
    Ok(())
}

/// All values that must not appear anywhere.
fn canaries(stage: &Stage) -> Result<Canaries> {
    let people = stage.people();
    let mut secrets = stage.servers.secret_values()?;
    secrets.extend(people.iter().map(|person| person.password.clone()));
    let mails = stage.servers.real.mail.messages();
    let keys = mails.iter().flat_map(|mail| &mail.links).filter_map(|link| {
        let (_, query) = link.split_once("key=")?;
        // The signature is the part of a link's token that is unique.
        query.split('&').next()?.rsplit('.').next().map(str::to_owned)
    });
    secrets.extend(keys);
    let typed = people.iter().map(|person| TypedTexts {
        discord_id: person.discord_id.clone(),
        private: person.canaries().map(str::to_owned).to_vec(),
        reason: person.reason.clone(),
        denial: person.denial.clone(),
    });
    Ok(Canaries { secrets, typed: typed.collect(), card_channel: ids::REQUESTS.to_owned() })
}

async fn nothing_leaks(stage: &Stage, log: &Value, found: &mut Vec<Violation>) -> Result<()> {
    let canaries = canaries(stage)?;
    for bot in &stage.env.bots {
        found.extend(canaries.look_through("the bot's log", &bot.log()));
        if let Some(pid) = bot.pid().await {
            let arguments = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            found.extend(canaries.look_through("the bot's arguments", &String::from_utf8_lossy(&arguments)));
        }
        let metrics = async {
            let url = format!("http://{}/metrics", bot.health());
            crate::keycloak::plain_client()?.get(url).send().await?.text().await.context("read the metrics")
        };
        // A standby bot has its own page. One that was just started may not listen yet.
        if let Ok(text) = metrics.await {
            found.extend(canaries.look_through("the metrics", &text));
        }
    }
    found.extend(canaries.look_through("the database", &stage.env.db.dump().await?));
    found.extend(canaries.look_through_messages(log));
    Ok(())
}

/// Compares descriptors, threads and memory of each bot with what it held when it was first idle.
async fn nothing_is_held(stage: &Stage, memory: &Memory, found: &mut Vec<Violation>) {
    for (at, bot) in stage.env.bots.iter().enumerate() {
        let Some(now) = bot.pid().await.and_then(leaks::holdings_of) else { continue };
        let mut held = memory.held.lock().unwrap_or_else(PoisonError::into_inner);
        let before = *held.entry(at).or_insert(now);
        found.extend(leaks::check(before, now));
    }
}
