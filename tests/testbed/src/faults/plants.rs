//! Violations made on purpose in the real stores, to prove that the checker detects them.

#![expect(clippy::disallowed_types, reason = "what is planted is made of ids of the small world's own")]

use std::collections::HashSet;
use std::io::Write as _;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use ldap3::Mod;
use serde_json::json;
use sqlx::{AssertSqlSafe, Connection as _, Executor as _, PgConnection, SqliteConnection};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;

use super::env::{Plan, TestEnv};
use super::journeys::{Journey, travels};
use super::person::Person;
use super::report::say;
use super::servers::Servers;
use super::stage::Stage;
use super::verdict::{self, Memory};
use super::{Database, Paths, Verdict};
use crate::checker::leaks::holdings_of;
use crate::checker::{Rule, Violation};
use crate::sandbox::product::ids;
use crate::slapd::PersonByHand;
use crate::waiting::wait_until;

/// The account that may change slapd's own configuration, and the entry with its uniqueness rules.
const CONFIG_ADMIN: &str = "cn=admin,cn=config";
const UNIQUE: &str = "olcOverlay={2}unique,olcDatabase={1}mdb,cn=config";

/// How long anything here may take. There are no faults.
const LIMIT: Duration = Duration::from_mins(1);

/// The result of one planted violation.
#[derive(Clone, Debug)]
pub struct Planted {
    /// `I1` to `I11`.
    pub rule: String,
    /// What the checker reports and did not report before.
    pub found: Vec<String>,
    /// Whether a report names the rule.
    pub is_found: bool,
}

/// Parses the name of a rule from a flag.
pub(super) fn rule_named(name: &str) -> Result<Rule> {
    let found = Rule::ALL.into_iter().find(|known| known.id().eq_ignore_ascii_case(name));
    found.with_context(|| format!("no rule is called {name}; there are I1 to I11"))
}

/// Plants one violation in a small environment that had none before.
pub(super) async fn run(paths: &Paths, database: Database, rule: Rule) -> Result<Verdict> {
    let planted = plant(paths, database, &[rule]).await?;
    let planted = planted.first().context("a planted violation")?;
    for what in &planted.found {
        say(what);
    }
    if planted.is_found {
        say(&format!("The checker names {}: {}.", planted.rule, rule.says()));
        return Ok(Verdict::Broken);
    }
    say(&format!("The checker does not see that {} is broken: {}.", planted.rule, rule.says()));
    Ok(Verdict::Blind)
}

/// Plants a violation of each rule, one after the other, in one small environment.
pub async fn plant_all(paths: &Paths, database: Database) -> Result<Vec<Planted>> {
    plant(paths, database, &Rule::ALL).await
}

async fn plant(paths: &Paths, database: Database, rules: &[Rule]) -> Result<Vec<Planted>> {
    let servers = Arc::new(Servers::start(database, 1).await?);
    let env = TestEnv::start(&servers, &Plan { paths, number: 0, seed: 1 }).await?;
    let stage = Arc::new(Stage::new(env, Arc::clone(&servers)));
    let garden = Garden::grown(&stage).await?;
    let memory = Memory::default();
    let mut known = verdict::check(&stage, &memory).await?;
    ensure!(known.is_empty(), "the environment has violations before any is planted: {known:#?}");
    let mut planted = Vec::new();
    let mut held = Vec::new();
    for rule in rules {
        held.extend(garden.plant(*rule).await.with_context(|| format!("plant {}", rule.id()))?);
        let now = verdict::check(&stage, &memory).await?;
        let new: Vec<&Violation> = now.iter().filter(|violation| !known.contains(violation)).collect();
        planted.push(Planted {
            rule: rule.id(),
            found: new
                .iter()
                .map(|violation| format!("{}: {}", violation.rule.id(), violation.what))
                .collect(),
            is_found: new.iter().any(|violation| violation.rule == *rule),
        });
        known = now;
    }
    drop(held);
    stage.env.stop(Duration::from_secs(25)).await?;
    Ok(planted)
}

/// A small idle environment: one active account, one whose mail was sent, two waiting requests, and one account that was locked.
struct Garden {
    stage: Arc<Stage>,
    used: Person,
    invited: Person,
    waiting: [Person; 2],
    locked: Person,
}

impl Garden {
    async fn grown(stage: &Arc<Stage>) -> Result<Self> {
        let journeys = [Journey::Used, Journey::Invited, Journey::Waits, Journey::Waits, Journey::NotMe];
        for (seed, journey) in (1..).zip(journeys) {
            travels(Arc::clone(stage), journey, seed).await?;
        }
        let open =
            "SELECT kind FROM job WHERE state IN ('open', 'undoing') UNION ALL SELECT kind FROM outbox";
        wait_until("the environment to become idle", LIMIT, async || {
            stage.env.skip_pauses().await?;
            Ok(stage.env.db.column(open).await?.is_empty())
        })
        .await?;
        let [used, invited, one, other, locked]: [Person; 5] =
            stage.people().try_into().map_err(|_| anyhow::anyhow!("five people"))?;
        Ok(Self { stage: Arc::clone(stage), used, invited, waiting: [one, other], locked })
    }

    /// Breaks the rule. The returned value must be kept for as long as the violation is to last.
    async fn plant(&self, rule: Rule) -> Result<Vec<TcpStream>> {
        let stage = &self.stage;
        let slapd = &stage.servers.real.slapd;
        match rule {
            Rule::NothingLost => {
                let lost = self.waiting[0].request(&stage.env).await?.context("a request")?;
                self.execute(format!("DELETE FROM request WHERE id = '{}'", lost.request)).await?;
            }
            Rule::NoSecondAccount => self.adds_a_second_entry().await?,
            Rule::NoOrphan => {
                let orphan = PersonByHand {
                    mark: Some("accolade:01890000-0000-7000-8000-000000000000".to_owned()),
                    ..PersonByHand::named(&format!("orphan.{}", stage.env.tag))
                };
                slapd.add_person_by_hand(&orphan).await?;
            }
            Rule::MailBounded => self.mails_a_stranger().await?,
            Rule::Authority => {
                let sql = "UPDATE decision SET approver_id = (SELECT id FROM person WHERE discord_id = '{by}') \
                    WHERE request_id = '{request}'";
                let decided = self.used.request(&stage.env).await?.context("a request")?;
                let sql =
                    sql.replace("{by}", &self.invited.discord_id).replace("{request}", &decided.request);
                self.execute(sql).await?;
            }
            Rule::AuditWhole => {
                self.execute("UPDATE audit SET source = 'cli' WHERE seq = 2".to_owned()).await?;
            }
            Rule::NothingLeaks => {
                let mut log = std::fs::File::options().append(true).open(stage.env.bots[0].log_path())?;
                writeln!(log, r#"{{"message":"sending a mail to {}"}}"#, self.invited.address)?;
            }
            Rule::NothingUsableEarly => {
                let dn = slapd.person_dn(&self.invited.name);
                slapd.set_attribute(&dn, "userPassword", &["set-by-somebody-7"]).await?;
            }
            Rule::WordsAreTrue => self.edits_a_card().await?,
            Rule::QueuesEmpty => return self.holds_connections().await,
            Rule::EndsHold => {
                let dn = slapd.person_dn(&self.locked.name);
                slapd.set_attribute(&dn, "pwdAccountLockedTime", &[]).await?;
            }
        }
        Ok(Vec::new())
    }

    /// Adds another person's entry with the Discord id of an existing one, after relaxing the overlay that forbids it.
    async fn adds_a_second_entry(&self) -> Result<()> {
        let slapd = &self.stage.servers.real.slapd;
        let names_only = HashSet::from(["ldap:///ou=people,dc=example,dc=org?uid?sub"]);
        let mut config = slapd.connect_as(CONFIG_ADMIN, &slapd.admin_password).await?;
        let loosened = config.modify(UNIQUE, vec![Mod::Replace("olcUniqueURI", names_only)]).await?;
        loosened.success().context("loosen the overlay")?;
        let mut ldap = slapd.connect_as(&slapd.admin_dn, &slapd.admin_password).await?;
        let uid = format!("double.{}", self.stage.env.tag);
        let one = |text: &str| HashSet::from([text.to_owned()]);
        let attributes = vec![
            ("objectClass".to_owned(), one("inetOrgPerson")),
            ("uid".to_owned(), one(&uid)),
            ("cn".to_owned(), one("Second Entry")),
            ("sn".to_owned(), one("Entry")),
            ("employeeNumber".to_owned(), one(&self.used.discord_id)),
        ];
        let added = ldap.add(&slapd.person_dn(&uid), attributes).await?;
        added.success().context("add a second entry")?;
        Ok(())
    }

    async fn mails_a_stranger(&self) -> Result<()> {
        let (reader, mut writer) =
            TcpStream::connect(self.stage.servers.real.mail.smtp_addr).await?.into_split();
        let mut answers = BufReader::new(reader).lines();
        let to = format!("stranger@{}.example", self.stage.env.tag);
        let letter =
            ["HELO x", "MAIL FROM:<a@example.org>", &format!("RCPT TO:<{to}>"), "DATA", "Hello\r\n.", "QUIT"];
        answers.next_line().await?;
        for line in letter {
            writer.write_all(format!("{line}\r\n").as_bytes()).await?;
            answers.next_line().await?.context("the catcher hung up")?;
        }
        self.stage.servers.real.mail.wait_for_mail_to(&to, LIMIT).await.map(drop)
    }

    /// Edits the text of the bot's own message with the bot's own token.
    async fn edits_a_card(&self) -> Result<()> {
        let request = self.waiting[1].request(&self.stage.env).await?.context("a request")?;
        let card = request.card.context("a card")?;
        let url = format!("{}/v10/channels/{}/messages/{card}", self.stage.env.chat.api, ids::REQUESTS);
        let body = json!({
            "content": format!("**Request {}** · Account created", request.code), "embeds": [], "components": [],
            "allowed_mentions": {"parse": []},
        });
        let answer = crate::keycloak::plain_client()?
            .patch(url)
            .header("Authorization", format!("Bot {}", self.stage.servers.token))
            .json(&body)
            .send()
            .await?;
        ensure!(answer.status().is_success(), "Discord refuses the edit: {}", answer.text().await?);
        Ok(())
    }

    /// Opens connections that the bot holds and nothing needs.
    async fn holds_connections(&self) -> Result<Vec<TcpStream>> {
        let bot = &self.stage.env.bots[0];
        let pid = bot.pid().await.context("the bot runs")?;
        let before = holdings_of(pid).context("the bot runs")?.descriptors;
        let mut held = Vec::new();
        for _ in 0..60 {
            held.push(TcpStream::connect(bot.health()).await?);
        }
        wait_until("the bot to take the connections", LIMIT, async || {
            Ok(holdings_of(pid).is_some_and(|now| now.descriptors >= before + 60))
        })
        .await?;
        Ok(held)
    }

    /// Runs a statement that the product would never run.
    async fn execute(&self, sql: String) -> Result<()> {
        let url = &self.stage.env.store_url;
        if url.starts_with("sqlite") {
            let mut connection = SqliteConnection::connect(url).await?;
            connection.execute("PRAGMA busy_timeout = 5000").await?;
            connection.execute("PRAGMA foreign_keys = OFF").await?;
            connection.execute(AssertSqlSafe(sql)).await?;
            return connection.close().await.context("close the database");
        }
        let mut connection = PgConnection::connect(url).await?;
        connection.execute("SET session_replication_role = replica").await?;
        connection.execute(AssertSqlSafe(sql)).await?;
        connection.close().await.context("close the database")
    }
}
