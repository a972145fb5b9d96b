//! The first story, step by step, on real servers: a member requests an account, a moderator approves, the person logs in.
//!
//! The names of the steps are fixed, because other programs read them in the report.

use std::time::Instant;

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::{Value, json};

use crate::browser::{self, Login, Outcome};
use crate::db_inspector::DbInspector;
use crate::servers::TestServers;
use crate::waiting::wait_until;

use super::product::{GROUP, MAIL_CLIENT, Product, REALM, REDIRECT};
use super::report::Report;
use super::{STEP_LIMIT, say};

const USERNAME: &str = "ada";
const ADDRESS: &str = "augusta.kingnoel@analytical.example";
const GIVEN: &str = "Augusta";
const FAMILY: &str = "Kingnoel";
const REASON: &str = "I keep the wiki of the engine tidy on Tuesdays";

struct Story<'a> {
    servers: &'a TestServers,
    product: &'a Product,
    store: DbInspector,
    password: String,
    link: Option<String>,
    canaries: Vec<String>,
}

/// Runs all steps. The first step that fails ends the story, and the rest is reported as not reached.
pub(super) async fn play(servers: &TestServers, product: &Product, report: &mut Report) {
    for value in [ADDRESS, GIVEN, FAMILY, REASON] {
        report.canaries.push(value.to_owned());
    }
    let store = match DbInspector::open_file(&product.database).await {
        Ok(store) => store,
        Err(error) => {
            report.add("servers_ready", &Err(error));
            return;
        }
    };
    let password = format!("Story-{}", hex::encode(rand::random::<[u8; 8]>()));
    report.canaries.push(password.clone());
    let mut playing = Story { servers, product, store, password, link: None, canaries: Vec::new() };
    let mut is_broken = false;
    for (name, says) in STEPS {
        if is_broken {
            report.add(name, &Err(anyhow::anyhow!("not reached")));
            continue;
        }
        let begun = Instant::now();
        let went = match tokio::time::timeout(STEP_LIMIT, playing.step(name)).await {
            Ok(went) => went,
            Err(_) => Err(anyhow::anyhow!("it took longer than {} s", STEP_LIMIT.as_secs())),
        };
        show(name, says, &went, begun);
        is_broken = went.is_err();
        report.add(name, &went);
    }
    report.canaries.append(&mut playing.canaries);
}

/// The steps, and the text that the terminal shows for each.
const STEPS: [(&str, &str); 15] = [
    ("servers_ready", "slapd, Keycloak and the mail catcher answer"),
    ("bot_ready", "the bot is on the gateway and has registered its commands"),
    ("request_submitted", "ada: /account request, the form, Send"),
    ("card_posted", "grace sees the card"),
    ("request_approved", "grace: Approve"),
    ("entry_created", "the directory has the entry"),
    ("groups_set", "the entry is in its group"),
    ("imported", "Keycloak has imported the person, with the group"),
    ("mail_received", "Keycloak's mail with the link is in the inbox"),
    ("password_set", "ada follows the link and sets a password"),
    ("bind_works", "the directory takes the password"),
    ("login_works", "Keycloak takes the password; the token names the group"),
    ("account_active", "the bot has seen it: the account is active"),
    ("member_told", "ada was told"),
    ("audit_verified", "the audit log is intact"),
];

fn show(name: &str, says: &str, went: &Result<Value>, begun: Instant) {
    let mark = if went.is_ok() { "ok    " } else { "FAILED" };
    say(&format!("{mark} {name:18} {says} ({:.1} s)", begun.elapsed().as_secs_f32()));
    match went {
        Ok(Value::Object(parts)) => {
            // Lists go only into the report. The terminal shows what fits on a line.
            for (part, value) in parts.iter().filter(|(_, value)| !value.is_array() || part_is_short(value)) {
                let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
                for (number, line) in text.lines().enumerate() {
                    let label = if number == 0 { part.as_str() } else { "" };
                    say(&format!("         {label:>10}  {line}"));
                }
            }
        }
        Ok(other) => say(&format!("                     {other}")),
        Err(error) => say(&format!("         {error:#}")),
    }
}

fn part_is_short(value: &Value) -> bool {
    value.to_string().len() < 120
}

/// The last of several messages. A message begins at a line without indentation.
fn newest_of(messages: &str) -> String {
    let lines: Vec<&str> = messages.lines().collect();
    let begins = lines.iter().rposition(|line| !line.starts_with(' ')).unwrap_or(0);
    lines[begins..].join("\n")
}

impl Story<'_> {
    async fn step(&mut self, name: &str) -> Result<Value> {
        match name {
            "servers_ready" => self.servers_ready().await,
            "bot_ready" => self.bot_ready().await,
            "request_submitted" => self.request_submitted().await,
            "card_posted" => self.card_posted().await,
            "request_approved" => self.request_approved().await,
            "entry_created" => self.entry_created().await,
            "groups_set" => self.groups_set().await,
            "imported" => self.imported().await,
            "mail_received" => self.mail_received().await,
            "password_set" => self.password_set().await,
            "bind_works" => self.bind_works().await,
            "login_works" => self.login_works().await,
            "account_active" => self.account_active().await,
            "member_told" => self.member_told().await,
            "audit_verified" => self.audit_verified().await,
            other => bail!("no such step: {other}"),
        }
    }

    /// The newest request, without personal values.
    async fn newest_request(&self) -> Result<Value> {
        let sql = "SELECT id, code, state, rule, username, reason_code FROM request ORDER BY created_at DESC, id DESC LIMIT 1";
        Ok(self.store.rows(sql).await?.into_iter().next().map_or(Value::Null, Value::Object))
    }

    /// The story's account.
    async fn account(&self) -> Result<Value> {
        let sql = "SELECT id, state, username, directory_id, keycloak_id, invited_at, activated_at FROM account WHERE state <> 'closed'";
        let rows = self.store.rows(sql).await?;
        Ok(rows.into_iter().find(|row| row["username"] == USERNAME).map_or(Value::Null, Value::Object))
    }

    /// The audit rows, in order.
    async fn audit(&self) -> Result<Vec<Value>> {
        let sql = "SELECT seq, at, event, source, actor_id, subject_id, before, after, reason_code FROM audit ORDER BY seq";
        Ok(self.store.rows(sql).await?.into_iter().map(Value::Object).collect())
    }

    fn entry_dn(&self) -> String {
        self.servers.slapd.person_dn(USERNAME)
    }

    async fn servers_ready(&self) -> Result<Value> {
        let entries = self.servers.slapd.people().await?.len();
        let realm = self.servers.keycloak.realm(REALM).await?;
        ensure!(realm["enabled"] == true, "the realm is not enabled");
        Ok(
            json!({"ldap": format!("{} people below {}", entries, self.servers.slapd.people_dn), "keycloak": format!("realm `{REALM}`"), "inbox": format!("{} mails", self.servers.mail.messages().len())}),
        )
    }

    async fn bot_ready(&self) -> Result<Value> {
        let commands = self.product.wait_until_ready().await?;
        Ok(json!({"commands": commands}))
    }

    async fn request_submitted(&self) -> Result<Value> {
        let chat = &self.product.chat;
        let form = chat.command("ada", "/account request").await?;
        let fields = form.modal_fields().context("the command did not open the form")?;
        let typed: Vec<(String, &str)> = fields
            .into_iter()
            .filter_map(|field| {
                let value = match field.as_str() {
                    "username" => USERNAME,
                    "address" => ADDRESS,
                    "given" => GIVEN,
                    "family" => FAMILY,
                    "answer" => REASON,
                    _ => return None,
                };
                Some((field, value))
            })
            .collect();
        let draft = chat.submit("ada", &typed).await?;
        let sent = chat.press("ada", "Send", None).await?;
        let request = self.newest_request().await?;
        ensure!(
            request["state"] == "waiting" || request["state"] == "approved",
            "the request is {}",
            request["state"]
        );
        Ok(json!({"request": request, "draft": draft.text(), "reply": sent.text()}))
    }

    async fn card_posted(&self) -> Result<Value> {
        let card = self.product.chat.wait_for("grace", "Approve").await?;
        ensure!(!card.contains(ADDRESS), "the card shows the whole address");
        Ok(json!({"card": card}))
    }

    async fn request_approved(&self) -> Result<Value> {
        let reply = self.product.chat.press("grace", "Approve", None).await?;
        wait_until("the approval", STEP_LIMIT, async || {
            Ok(self.newest_request().await?["state"] == "approved")
        })
        .await?;
        Ok(json!({"request": self.newest_request().await?, "reply": reply.text()}))
    }

    async fn entry_created(&self) -> Result<Value> {
        let dn = self.entry_dn();
        wait_until("the entry to exist", STEP_LIMIT, async || {
            Ok(self.servers.slapd.entry(&dn).await?.is_some())
        })
        .await?;
        Ok(json!({"ldif": self.servers.slapd.ldif_of_people().await?}))
    }

    async fn groups_set(&self) -> Result<Value> {
        let dn = self.entry_dn();
        wait_until("the entry to be in its group", STEP_LIMIT, async || {
            let groups = self.servers.slapd.groups().await?;
            Ok(groups
                .iter()
                .any(|group| group.value("cn") == Some(GROUP) && group.values("member").contains(&dn)))
        })
        .await?;
        Ok(json!({"ldap": format!("member of cn={GROUP}")}))
    }

    async fn imported(&self) -> Result<Value> {
        let keycloak = &self.servers.keycloak;
        wait_until("Keycloak to import the person", STEP_LIMIT, async || {
            Ok(!self.account().await?["keycloak_id"].is_null())
        })
        .await?;
        let user = keycloak.user_named(REALM, USERNAME).await?.context("Keycloak no longer has this user")?;
        let groups = keycloak.user_groups(REALM, &user.id).await?;
        ensure!(groups.iter().any(|group| group == GROUP), "Keycloak shows the groups {groups:?}");
        Ok(json!({"keycloak": format!("{user:?}"), "groups": groups}))
    }

    async fn mail_received(&mut self) -> Result<Value> {
        let mail = self.servers.mail.wait_for_mail_to(ADDRESS, STEP_LIMIT).await?;
        let link = mail
            .links
            .iter()
            .find(|link| link.contains("/login-actions/action-token"))
            .context("the mail has no link")?;
        self.link = Some(link.clone());
        if let Some((_, query)) = link.split_once("key=") {
            self.canaries.push(query.split('&').next().unwrap_or(query).to_owned());
        }
        Ok(json!({"inbox": format!("from {} to {}: {}", mail.from, mail.to.join(", "), mail.subject)}))
    }

    async fn password_set(&self) -> Result<Value> {
        let link = self.link.as_deref().context("there is no link")?;
        let outcome = browser::follow_action_link(link, &self.password).await?;
        ensure!(outcome == Outcome::PasswordSet, "Keycloak's page: {outcome:?}");
        Ok(json!({"page": "the password is set"}))
    }

    async fn bind_works(&self) -> Result<Value> {
        let dn = self.entry_dn();
        ensure!(
            self.servers.slapd.bind_works(&dn, &self.password).await?,
            "the directory refuses the password"
        );
        ensure!(
            !self.servers.slapd.bind_works(&dn, "not-the-password").await?,
            "the directory accepts any password"
        );
        Ok(json!({"ldap": format!("bind as {dn}: success; with another password: refused")}))
    }

    async fn login_works(&self) -> Result<Value> {
        let keycloak = &self.servers.keycloak;
        let login = browser::login_by_code(
            &keycloak.public_url,
            REALM,
            MAIL_CLIENT,
            REDIRECT,
            USERNAME,
            &self.password,
        )
        .await?;
        let tokens = match login {
            Login::Tokens(tokens) => tokens,
            Login::Refused(page) => bail!("Keycloak refuses the login: {page}"),
        };
        ensure!(tokens.username() == Some(USERNAME), "the token is for {:?}", tokens.username());
        let groups = tokens.groups();
        ensure!(
            groups.iter().any(|group| group.trim_start_matches('/') == GROUP),
            "the token's groups are {groups:?}"
        );
        Ok(
            json!({"token": {"preferred_username": USERNAME, "email_verified": tokens.id_claims["email_verified"], "groups": groups}}),
        )
    }

    async fn account_active(&self) -> Result<Value> {
        wait_until("the account to be active", STEP_LIMIT, async || {
            Ok(self.account().await?["state"] == "active")
        })
        .await?;
        Ok(json!({"account": self.account().await?}))
    }

    async fn member_told(&self) -> Result<Value> {
        let told = self.product.chat.wait_for("ada", "in use now").await?;
        let status = self.product.chat.command("ada", "/account status").await?;
        Ok(json!({"told": newest_of(&told), "status": status.text()}))
    }

    async fn audit_verified(&self) -> Result<Value> {
        let verified = self.product.accolade(&["audit", "verify", "--json"]).await?;
        let rows = self.audit().await?;
        for event in [
            "request.submitted",
            "request.approved",
            "entry.created",
            "mail.sent",
            "account.invited",
            "account.activated",
        ] {
            ensure!(rows.iter().any(|row| row["event"] == event), "the audit log has no `{event}`");
        }
        let told: Vec<String> = rows
            .iter()
            .map(|row| {
                format!(
                    "{} {} {}",
                    row["seq"],
                    row["event"].as_str().unwrap_or("?"),
                    row["after"].as_str().unwrap_or("")
                )
            })
            .collect();
        Ok(json!({"verified": verified.trim(), "audit": told.join("\n"), "rows": rows}))
    }
}
