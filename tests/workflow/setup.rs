//! A site that only the setup commands created, from an empty directory server, no realm, and an application without a guild.

use std::path::PathBuf;
use std::process::{Output, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use discord_sim::{Bot, Guild, Options, Permissions, Sim};
use reqwest::Method;
use serde_json::{Value, json};
use tempfile::TempDir;
use testbed::config::{self, Registration, Sections};
use testbed::slapd::{CONFIG_ADMIN, Edits, PersonByHand};
use testbed::{Launch, ServerOptions, TestServers, wait_until};

use harness::test_env::LIMIT;
use harness::{Harness, binary, private_folder, visit, write_private};

const KEYCLOAK: &str = "cn=keycloak,ou=services,dc=example,dc=org";
const MODEL: &str = include_str!("../testbed/slapd/config.ldif");

/// The settings of the testbed without those that Accolade needs.
fn bare_settings(text: &str) -> String {
    let text = text
        .split("\n\n")
        .filter(|part| !part.contains("\ndn: olcOverlay=") && !part.starts_with("dn: olcOverlay="));
    let text = text.collect::<Vec<_>>().join("\n\n");
    let mut kept = Vec::new();
    let mut is_rule = false;
    for line in text.lines() {
        // A continuation line begins with a blank.
        is_rule = line.starts_with("olcAccess: {")
            || line.starts_with("olcAddContentAcl")
            || (is_rule && line.starts_with(' '));
        let is_module = ["memberof", "refint", "unique", "ppolicy"]
            .iter()
            .any(|name| line == format!("olcModuleLoad: {name}"));
        let is_ours = line.starts_with("olcDbIndex") || line.starts_with("olcDbNoSync");
        if !is_rule && !is_module && !is_ours && !line.starts_with('#') {
            kept.push(line);
        }
    }
    kept.join("\n") + "\n"
}

/// Only the suffix entry.
fn bare_data(text: &str) -> String {
    text.split("\n\n").find(|part| part.starts_with("dn: dc=")).unwrap_or_default().to_owned() + "\n"
}

/// The systems that an operator sets up.
struct Site {
    harness: &'static Harness,
    servers: TestServers,
    sim: Sim,
    bot: Bot,
    guild: Guild,
    realm: &'static str,
    config: Value,
    folder: TempDir,
}

impl Site {
    async fn begins(harness: &'static Harness, realm: &'static str) -> Result<Self> {
        let sim = Sim::start(Options::default()).await?;
        let bot = sim.bot("Accolade");
        let guild = sim
            .guild("alone")
            .role("member")
            .role("account-holder")
            .role("moderator")
            .channel("general")
            .private_channel("account-requests", &["moderator"])
            .person("ada", &["member"])
            .person("grace", &["member", "moderator"])
            .build();
        let edits = Edits { config: bare_settings, data: bare_data, ..Edits::default() };
        let servers =
            TestServers::start(ServerOptions { slapd_edits: edits, ..ServerOptions::slapd_alone() }).await?;
        let folder = private_folder();
        let mut site = Self { harness, servers, sim, bot, guild, realm, config: Value::Null, folder };
        for (name, secret) in [
            ("token", site.bot.token()),
            ("bind.password", "a long secret of the bot".to_owned()),
            ("keycloak.password", "a long secret of keycloak".to_owned()),
            ("admin.password", site.servers.slapd.admin_password.clone()),
        ] {
            write_private(&site.file(name), &secret)?;
        }
        site.config = site.settings();
        Ok(site)
    }

    fn settings(&self) -> Value {
        let id = |role: &str| self.guild.role(role).id.to_string();
        let guild = json!({
            "id": self.guild.id.to_string(), "moderator_roles": [id("moderator")], "member_role": id("account-holder"),
            "request_channel": self.guild.channel("account-requests").id.to_string(),
            "rule": [{"name": "members", "all_roles": [id("member")], "groups": ["members", "wiki"]}],
        });
        let mut directory = config::directory(&self.servers.slapd);
        directory["bind_password_file"] = json!(self.file("bind.password"));
        let secret_file = self.file("client.secret");
        let registration = Registration { realm: self.realm, secret_file: &secret_file, ids: ["", ""] };
        Sections {
            discord: config::discord(&self.file("token"), self.sim.tls_address(), self.sim.ca_file()),
            guilds: vec![guild],
            directory,
            keycloak: config::to_the_console(config::keycloak(&self.harness.servers.keycloak, registration)),
            store: config::sqlite(&self.file("accolade.sqlite"), &self.file("accolade.key")),
        }
        .whole()
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    async fn runs(&self, arguments: &[&str]) -> Result<Output> {
        config::write(&self.file("accolade.toml"), &self.config)?;
        finishes(
            tokio::process::Command::new(binary())
                .arg("--config")
                .arg(self.file("accolade.toml"))
                .args(arguments),
        )
        .await
    }

    /// Runs the binary, expects this exit code, and returns the output.
    async fn runs_to(&self, code: i32, arguments: &[&str]) -> Result<String> {
        let run = self.runs(arguments).await?;
        ensure!(run.status.code() == Some(code), "accolade {arguments:?}: {run:?}");
        Ok(String::from_utf8(run.stdout)?)
    }

    /// Prints LDIF with `setup directory` and loads it as this administrator.
    async fn loads(&self, what: &str, program: &str, administrator: &str) -> Result<()> {
        let password_file = self.file("keycloak.password");
        let password_file = password_file.to_str().context("text")?;
        let flags = ["--federation-bind-dn", KEYCLOAK, "--federation-bind-password-file", password_file];
        let text = self.runs_to(0, &[&["setup", "directory", what][..], &flags].concat()).await?;
        for secret in ["a long secret of the bot", "a long secret of keycloak"] {
            ensure!(!text.contains(secret), "a password is printed");
        }
        let ldif = self.file(what);
        std::fs::write(&ldif, &text)?;
        let loaded = finishes(
            tokio::process::Command::new(program)
                .args(["-c", "-x", "-H", &self.servers.slapd.ldap_url, "-D", administrator, "-y"])
                .arg(self.file("admin.password"))
                .arg("-f")
                .arg(&ldif),
        )
        .await?;
        // "-c" skips what exists. For the suffix the code is 68 (entryAlreadyExists). For an index it is 80
        // (slapd's "duplicate index definition"), or 20 (typeOrValueExists) if the same value is there.
        let fine = loaded.status.success() || matches!(loaded.status.code(), Some(20 | 68 | 80));
        ensure!(fine, "{program}: {}\n{text}", String::from_utf8_lossy(&loaded.stderr));
        Ok(())
    }

    /// Loads what set-up prints.
    async fn sets_up_directory_alone(&self) -> Result<()> {
        self.loads("rules", "ldapmodify", CONFIG_ADMIN).await?;
        self.loads("tree", "ldapadd", &self.servers.slapd.admin_dn).await
    }

    async fn sets_up_the_directory(&self) -> Result<()> {
        let refused = self.runs(&["setup", "directory", "rules"]).await?;
        ensure!(refused.status.code() == Some(2), "without the federation's bind: {refused:?}");
        self.sets_up_directory_alone().await?;
        // A second time: every index exists already, and none is changed.
        self.loads("indexes", "ldapmodify", CONFIG_ADMIN).await?;
        let tried = self.runs_to(0, &["setup", "directory", "test"]).await?;
        ensure!(tried.contains("is refused"), "{tried}");
        ensure!(self.servers.slapd.people().await?.is_empty(), "the self-test left something");
        // A group that is not managed is reported by the self-test.
        let staff = format!("cn=wiki,{}", self.servers.slapd.groups_dn);
        self.servers.slapd.set_attribute(&staff, "businessCategory", &[]).await?;
        let tried: Value =
            serde_json::from_str(&self.runs_to(3, &["setup", "directory", "test", "--json"]).await?)?;
        ensure!(
            tried["ok"] == false && tried["differences"].to_string().contains("ldap_group_not_managed"),
            "{tried}"
        );
        self.servers.slapd.set_attribute(&staff, "businessCategory", &["accolade"]).await
    }

    async fn sets_up_discord(&self) -> Result<()> {
        self.bot.allows_intents(1 | 1 << 2);
        let said = self.runs_to(3, &["setup", "discord"]).await?;
        ensure!(said.contains("Server Members Intent") && said.contains("not in guild"), "{said}");
        self.bot.allows_intents(u64::MAX >> 38);
        let said: Value = serde_json::from_str(&self.runs_to(3, &["setup", "discord", "--json"]).await?)?;
        ensure!(
            said["differences"] == json!([]) && said["not_invited"] == json!([self.guild.id.to_string()]),
            "{said}"
        );
        let url = said["invite_url"].as_str().context("an address")?;
        let asked = url.split("permissions=").nth(1).context("permissions")?.parse()?;
        ensure!(url.contains(&format!("client_id={}", self.bot.application_id())), "{url}");
        self.guild.invites(&self.bot, Permissions(asked));
        self.runs_to(0, &["setup", "discord"]).await.map(drop)
    }

    /// Runs `setup keycloak` with more flags.
    async fn runs_setup_keycloak(&self, more: &[&str]) -> Result<Output> {
        let admin = self.harness.servers.keycloak.admin_password_file.display().to_string();
        let bind = self.file("keycloak.password").display().to_string();
        let flags = [
            "setup",
            "keycloak",
            "--admin-password-file",
            &admin,
            "--federation-bind-dn",
            KEYCLOAK,
            "--federation-bind-password-file",
            &bind,
            "--federation-url",
            &self.servers.slapd.ldap_url,
        ];
        self.runs(&[&flags[..], more].concat()).await
    }

    async fn sets_up_keycloak(&mut self, more: &[&str]) -> Result<()> {
        let keycloak = &self.harness.servers.keycloak;
        let run = self.runs_setup_keycloak(&[&["--apply", "--json"], more].concat()).await?;
        ensure!(run.status.success(), "{run:?}");
        let made: Value = serde_json::from_slice(&run.stdout)?;
        for key in ["federation_id", "group_mapper_id"] {
            self.config["keycloak"][key] = made[key].clone();
        }
        keycloak.set_smtp(self.realm, &self.harness.servers.mail).await
    }

    /// Ada requests an account, Grace approves it, the mail arrives, Ada sets a password, and can bind to the directory.
    async fn plays_the_first_story(&self) -> Result<()> {
        let launch = Launch::new("accolade", binary(), self.folder.path());
        let file = self.file("accolade.toml").display().to_string();
        let serving = launch.arguments(["--config", &file, "serve"]).start()?;
        wait_until("the bot to connect", LIMIT, async || Ok(self.sim.is_connected(&self.bot))).await?;
        let (ada, grace) = (self.guild.member("ada"), self.guild.member("grace"));
        wait_until("the commands and the form", LIMIT, async || {
            Ok(ada.tries_to_run("/account request").await.is_ok_and(|reply| reply.modal.is_some()))
        })
        .await?;
        let address = format!("ada@{}.example", self.realm);
        let address = address.as_str();
        let fields =
            [("username", "ada.alone"), ("address", address), ("given", "Ada"), ("family", "Lovelace")];
        ada.submits(&fields).await;
        ada.presses("Send").await;
        grace.in_channel("account-requests").waits_for("name and address are free").await;
        grace.presses("Approve").await;
        let mail = self.harness.servers.mail.wait_for_mail_to(address, LIMIT).await?;
        let link = mail.links.iter().find(|link| link.contains("action-token")).context("a link")?;
        let subject = format!("Your account with {}: here is your link", self.realm);
        ensure!(mail.subject == subject, "the subject: {}", mail.subject);
        let last = testbed::browser::follow_to_last_page(link, "Correct-horse-7-battery").await?;
        let console = format!("/realms/{}/account/", self.realm);
        let leads_on = last.way_on.as_ref().is_some_and(|way_on| way_on.ends_with(&console));
        ensure!(leads_on && last.status == Some(200), "the link ends at {last:?}");
        let slapd = &self.servers.slapd;
        let dn = slapd.person_dn("ada.alone");
        ensure!(slapd.bind_works(&dn, "Correct-horse-7-battery").await?, "her password fails");
        wait_until("the member role", LIMIT, async || Ok(ada.roles().contains(&"account-holder".to_owned())))
            .await?;
        let entry = slapd.entry(&dn).await?.context("the entry")?;
        ensure!(entry.values("memberOf").len() == 2, "{:?}", entry.values("memberOf"));
        drop(serving);
        Ok(())
    }
}

async fn finishes(command: &mut tokio::process::Command) -> Result<Output> {
    let run = command.env_remove("ACCOLADE_CONFIG").stdin(Stdio::null()).kill_on_drop(true).output();
    tokio::time::timeout(Duration::from_mins(2), run).await.context("it ends")?.context("it runs")
}

/// Sets up a site with these flags for Keycloak, checks it, and plays the first story.
fn runs_the_first_story(realm: &'static str, flags: &[&str]) {
    let (harness, _visit) = visit();
    let played: Result<()> = harness.runtime.block_on(async {
        let mut site = Site::begins(harness, realm).await?;
        site.sets_up_the_directory().await?;
        site.sets_up_discord().await?;
        site.sets_up_keycloak(flags).await?;
        site.runs_to(0, &["migrate"]).await?;
        let admin = harness.servers.keycloak.admin_password_file.display().to_string();
        let password = site.file("admin.password").display().to_string();
        let doctor = ["doctor", "--as-admin", "--admin-password-file", &admin];
        let server = ["--ldap-config-dn", CONFIG_ADMIN, "--ldap-config-password-file", &password];
        site.runs_to(0, &[&doctor[..], &server].concat()).await?;
        site.plays_the_first_story().await
    });
    if let Err(error) = played {
        panic!("{error:#}");
    }
}

#[test]
fn a_world_that_only_set_up_made_runs_the_first_story() {
    runs_the_first_story("set-up-alone", &[]);
}

#[test]
fn a_world_with_fine_grained_rights_runs_the_first_story() {
    runs_the_first_story("set-up-narrow", &["--rights", "fine-grained"]);
}

/// Changes settings of a federation by hand.
async fn set_federation(site: &Site, id: &str, settings: &[(&str, &str)]) -> Result<()> {
    let keycloak = &site.harness.servers.keycloak;
    let place = format!("{}/components/{id}", site.realm);
    let mut component = keycloak.admin_json(Method::GET, &place, None).await?;
    for (key, value) in settings {
        component["config"][*key] = json!([value]);
    }
    keycloak.admin_json(Method::PUT, &place, Some(&component)).await.map(drop)
}

#[test]
fn a_plan_puts_the_dangerous_changes_first_and_names_who_would_be_lost() {
    let (harness, _visit) = visit();
    let seen: Result<()> = harness.runtime.block_on(async {
        let mut site = Site::begins(harness, "set-up-narrowing").await?;
        site.sets_up_directory_alone().await?;
        site.sets_up_keycloak(&[]).await?;
        let id = site.config["keycloak"]["federation_id"].as_str().context("an id")?.to_owned();
        let slapd = &site.servers.slapd;
        let unit = slapd.add_unit("staff", &slapd.people_dn).await?;
        slapd.add_person_in(&unit, &PersonByHand::named("grace")).await?;
        set_federation(&site, &id, &[("searchScope", "2"), ("trustEmail", "true")]).await?;
        let told = async |flags: &[&str], code: i32| {
            let run = site.runs_setup_keycloak(flags).await?;
            ensure!(run.status.code() == Some(code), "{flags:?}: {run:?}");
            Ok([String::from_utf8(run.stdout)?, String::from_utf8(run.stderr)?].concat())
        };
        let loss = "1 person would no longer be seen: grace";
        let text = told(&[], 3).await?;
        let lines: Vec<&str> = text.lines().collect();
        ensure!(lines[0] == "would change LDAP federation: trustEmail true -> false", "{text}");
        ensure!(text.contains("note: kept: searchScope 2 -> 1") && text.contains(loss), "{text}");
        let text = told(&["--accept-narrowing"], 3).await?;
        let lines: Vec<&str> = text.lines().collect();
        ensure!(
            lines[..3]
                == [
                    "would change LDAP federation: searchScope 2 -> 1 (people may no longer be seen)",
                    "would change LDAP federation: trustEmail true -> false",
                    &["warning: ", loss].concat(),
                ],
            "{text}"
        );
        // Somebody makes it read-only: only an operator's word lets Keycloak write again.
        set_federation(&site, &id, &[("editMode", "READ_ONLY"), ("validatePasswordPolicy", "false")]).await?;
        let run = site.runs_setup_keycloak(&["--apply"]).await?;
        let text = String::from_utf8(run.stderr)?;
        ensure!(!run.status.success() && text.contains("these changes need `--accept-narrowing`"), "{text}");
        told(&["--apply", "--accept-narrowing"], 0).await?;
        told(&[], 0).await.map(drop)
    });
    if let Err(error) = seen {
        panic!("{error:#}");
    }
}

/// The lines with these names, with continuation lines joined and blanks folded.
fn values_of(text: &str, names: &[&str]) -> Vec<String> {
    let joined = text.replace("\n  ", " ");
    let lines = joined.lines().filter(|line| names.iter().any(|name| line.starts_with(name)));
    lines.map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect()
}

#[test]
fn the_printed_rules_are_those_that_the_tests_run_with() {
    let (harness, _visit) = visit();
    let printed: Result<String> = harness.runtime.block_on(async {
        let site = Site::begins(harness, "set-up-alone").await?;
        site.runs_to(0, &["setup", "directory", "rules", "--federation-bind-dn", KEYCLOAK]).await
    });
    let printed = match printed {
        Ok(printed) => printed,
        Err(error) => panic!("{error:#}"),
    };
    let names =
        ["olcAccess: {", "olcAddContentAcl", "olcUniqueURI", "olcRefint", "olcMemberOf", "olcPPolicy"];
    let sorted = |mut values: Vec<String>| {
        values.sort();
        values
    };
    assert_eq!(sorted(values_of(&printed, &names)), sorted(values_of(MODEL, &names)));
    assert!(!printed.contains('@'), "a placeholder was not filled in");
}
