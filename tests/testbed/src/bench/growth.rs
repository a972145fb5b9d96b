//! Measures the cost as the community grows. It compares the CPU time of the bot and of slapd for each account,
//! with few and with many people in the directory and rows in the store.
//!
//! Each size uses its own directory and database, so that no data of the other parts is in them. The people in
//! the directory are not in the group that the rule grants, because slapd needs more time for any change to a
//! `groupOfNames` of that size.

use std::fmt::Write as _;

use anyhow::Result;

use super::accounts::{Usage, make_accounts, ms_each};
use super::env::BenchEnv;
use super::report::{Report, Row, shown};
use super::store_filler;
use crate::sandbox::product::GROUP;

/// People in the directory.
const FEW: usize = 100;
const MANY: usize = 50_000;

/// Rows in the large store.
const ROWS: usize = 100_000;

/// How many accounts the bot makes before its store is filled. Their rows are the templates that are copied.
const TEMPLATES: usize = 24;

/// How many accounts are made before the measurement, and how many are measured.
const WARM_UP: usize = 48;
const ACCOUNTS: usize = 320;
const LANES: usize = 16;

/// Milliseconds of CPU time for each account.
struct Cost {
    bot: f64,
    slapd: f64,
    /// Rows in the store at the start.
    rows: u64,
}

pub(super) async fn measure(env: &BenchEnv, report: &mut Report) -> Result<()> {
    env.fill_the_guild().await?;
    let small = cost_with(env, FEW, 0).await?;
    let large = cost_with(env, MANY, ROWS).await?;
    for (what, small, large) in [("own", small.bot, large.bot), ("slapd's", small.slapd, large.slapd)] {
        let what = format!("{what} CPU for each account with {MANY} people ÷ with {FEW}");
        let note = format!("{} ms / {} ms", shown(large), shown(small));
        report.push(Row::ratio(what, large / small, 1.1).stretch(1.0).note(note));
    }
    report.note(format!("growth: {} and {} rows in the store", small.rows, large.rows));
    Ok(())
}

async fn cost_with(env: &BenchEnv, people: usize, rows: usize) -> Result<Cost> {
    let part = format!("of{people}");
    env.servers.slapd.replace_entries(&ldif_of(env, people)?).await?;
    let deployment = env.deploy(&part).await?;
    let inspector = deployment.inspector().await?;
    let bot = env.start_bot(&deployment).await?;
    make_accounts(env, 1, TEMPLATES, &part).await?;
    env.wait_until_idle(&inspector).await?;
    bot.stop();
    let rows = store_filler::fill(&deployment.database_url, rows).await?;
    let bot = env.start_bot(&deployment).await?;
    make_accounts(env, LANES, WARM_UP, &part).await?;
    env.wait_until_idle(&inspector).await?;
    let before = Usage::read(env, &bot)?;
    make_accounts(env, LANES, ACCOUNTS, &part).await?;
    env.wait_until_idle(&inspector).await?;
    let used = Usage::read(env, &bot)?.since(before);
    bot.kill();
    Ok(Cost { bot: ms_each(used.bot, ACCOUNTS), slapd: ms_each(used.slapd, ACCOUNTS), rows })
}

/// The group of the rule, and people as the bot adds them, as LDIF.
fn ldif_of(env: &BenchEnv, people: usize) -> Result<String> {
    let slapd = &env.servers.slapd;
    let mut ldif = format!(
        "dn: cn={GROUP},{}\nobjectClass: groupOfNames\ncn: {GROUP}\nmember: cn=nobody,ou=services,{}\nbusinessCategory: accolade\n\n",
        slapd.groups_dn, slapd.base
    );
    for number in 0..people {
        let name = format!("resident{number}");
        writeln!(ldif, "dn: {}", slapd.person_dn(&name))?;
        for class in ["top", "person", "organizationalPerson", "inetOrgPerson"] {
            writeln!(ldif, "objectClass: {class}")?;
        }
        writeln!(ldif, "uid: {name}\ncn: Grace {name}\nsn: {name}\ngivenName: Grace")?;
        writeln!(
            ldif,
            "mail: {name}@community.example\nemployeeNumber: {}",
            8_000_000_000_000_000_000 + number
        )?;
        writeln!(ldif, "description: accolade:{}\n", uuid::Uuid::new_v4())?;
    }
    Ok(ldif)
}
