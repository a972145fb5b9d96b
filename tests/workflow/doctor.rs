//! `accolade doctor` on real servers: each finding is caused by one fault, and an environment without faults has none.

use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use accolade::domain::finding::Finding;
use anyhow::{Context as _, Result, ensure};
use discord_sim::{ChannelKind, Permissions};
use reqwest::Method;
use serde_json::{Value, json};
use testbed::config::plain_directory;
use testbed::keycloak::PublicUrl;
use testbed::proxy::{Answer, Direction, Fault, Place, Plan, Server, Speech, Which};
use testbed::slapd::{CONFIG_ADMIN, DATABASE, Edits, PersonByHand};
use testbed::{KeycloakOptions, Pooler, Pooling, Proxy, ServerOptions, TestServers};

use crate::doctor_practice::{GROUP, Lent, Practice, UNIQUE, wrong};
use harness::store::postgres;
use harness::{MAIL_CLIENT, visit, write_private};

/// The realm of tests that change nothing in it.
const SHARED: &str = "doctor";

/// Runs a test on the shared Keycloak, in the realm of this name, with a directory of its own.
fn plays(realm: &'static str, edits: Edits, acts: impl AsyncFnOnce(&Practice) -> Result<()>) {
    let (harness, _visit) = visit();
    let played: Result<()> = harness.runtime.block_on(async {
        let practice =
            Practice::opens(&harness.servers.keycloak, &harness.servers.mail, realm, edits).await?;
        acts(&practice).await
    });
    if let Err(error) = played {
        panic!("{error:#}");
    }
}

#[test]
fn a_healthy_world_has_no_findings_and_discord_s_faults_are_named_one_by_one() {
    plays(SHARED, Edits::default(), async |practice| {
        practice.is_healthy().await?;
        breaks_the_way_to_discord(practice).await?;
        breaks_the_application(practice).await?;
        breaks_the_guild(practice).await?;
        breaks_channels_and_roles(practice).await?;
        practice.is_healthy().await
    });
}

async fn breaks_the_way_to_discord(practice: &Practice) -> Result<()> {
    let nobody = practice.with("/discord/endpoint/address", json!("127.0.0.1:1"));
    practice.hears(&nobody, Lent::Nothing, &["discord_unreachable"]).await?;
    let stranger = practice.with("/discord/endpoint/ca_file", json!(practice.servers.slapd.ca_file));
    practice.hears(&stranger, Lent::Nothing, &["discord_untrusted"]).await?;
    write_private(&practice.file("other.token"), "MTE4MDAwMDAwMDAwMDAwMDAwMQ.wrong.token")?;
    let other = practice.with("/discord/token_file", json!(practice.file("other.token")));
    practice.hears(&other, Lent::Nothing, &["discord_token_refused"]).await
}

async fn breaks_the_application(practice: &Practice) -> Result<()> {
    let (bot, config) = (&practice.bot, &practice.config);
    bot.allows_intents(1 | 1 << 2);
    practice.hears(config, Lent::Nothing, &["discord_intent_off"]).await?;
    bot.allows_intents(u64::MAX >> 38);
    bot.takes_interactions_at(Some("https://elsewhere.example.org/interactions"));
    practice.hears(config, Lent::Nothing, &["discord_interactions_elsewhere"]).await?;
    bot.takes_interactions_at(None);
    Ok(())
}

async fn breaks_the_guild(practice: &Practice) -> Result<()> {
    let elsewhere = practice.sim.guild("elsewhere").channel("general").build();
    let foreign = practice.with("/guild/0/id", json!(elsewhere.id.to_string()));
    practice.hears(&foreign, Lent::Nothing, &["guild_missing"]).await?;

    let own = practice.guild.role("Accolade").name;
    let usual = Permissions::MANAGE_ROLES | Permissions::EVERYONE;
    practice.guild.permits_role(&own, usual | Permissions::ADMINISTRATOR);
    practice.hears(&practice.config, Lent::Nothing, &["administrator_given"]).await?;
    practice.guild.permits_role(&own, Permissions::EVERYONE);
    practice.hears(&practice.config, Lent::Nothing, &["manage_roles_missing"]).await?;
    practice.guild.permits_role(&own, usual);
    Ok(())
}

async fn breaks_channels_and_roles(practice: &Practice) -> Result<()> {
    let (guild, config) = (&practice.guild, &practice.config);
    let nowhere = practice.with("/guild/0/log_channel", json!("175928847299117063"));
    practice.hears(&nowhere, Lent::Nothing, &["channel_missing"]).await?;
    let nobody = practice.with("/guild/0/admin_roles", json!(["175928847299117063"]));
    practice.hears(&nobody, Lent::Nothing, &["role_missing"]).await?;

    let (view, write) = (Permissions::VIEW_CHANNEL, Permissions::SEND_MESSAGES);
    let none = Permissions(0);
    practice.lets_bot("account-requests", view, write);
    practice.hears(config, Lent::Nothing, &["channel_rights_missing"]).await?;
    practice.lets_bot("account-requests", view, none);
    for kind in [ChannelKind::FORUM, ChannelKind::CATEGORY, ChannelKind::VOICE, ChannelKind::THREAD] {
        guild.turns("log", kind);
        practice.hears(config, Lent::Nothing, &["channel_type_wrong"]).await?;
    }
    guild.turns("log", ChannelKind::TEXT);
    guild.excepts("account-requests", "@everyone", none, none);
    practice.hears(config, Lent::Nothing, &["channel_open"]).await?;
    guild.excepts("account-requests", "@everyone", none, view);

    guild.moves_role("account-holder", 99);
    practice.hears(config, Lent::Nothing, &["role_not_below"]).await?;
    guild.moves_role("account-holder", 1);
    Ok(())
}

#[test]
fn faults_of_the_directory_are_named_one_by_one() {
    plays(SHARED, Edits::default(), async |practice| {
        breaks_the_way_to_the_directory(practice).await?;
        breaks_rights(practice).await?;
        breaks_schema_and_groups(practice).await?;
        breaks_the_server(practice).await?;
        practice.is_healthy().await?;
        // The last one: the test's own binds are without TLS too.
        binds_without_tls(practice).await
    });
}

async fn breaks_the_way_to_the_directory(practice: &Practice) -> Result<()> {
    practice.servers.slapd.kill();
    practice.hears(&practice.config, Lent::Nothing, &["ldap_unreachable"]).await?;
    practice.servers.slapd.start().await?;
    let stranger = practice.with("/directory/ca_file", json!(practice.sim.ca_file()));
    practice.hears(&stranger, Lent::Nothing, &["ldap_untrusted"]).await?;
    write_private(&practice.file("wrong.password"), "not the password")?;
    let refused = practice.with("/directory/bind_password_file", json!(practice.file("wrong.password")));
    practice.hears(&refused, Lent::Nothing, &["ldap_bind_refused"]).await?;
    let nowhere = practice.with("/directory/people_dn", json!("ou=persons,dc=example,dc=org"));
    practice.hears(&nowhere, Lent::Nothing, &["ldap_base_wrong"]).await
}

/// The finding with its cause, and the words that its fix must have.
async fn hears_cause(practice: &Practice, config: &Value, code: &str, cause: &str, fix: &str) -> Result<()> {
    practice.hears(config, Lent::Nothing, &[code]).await?;
    let (said, _) = practice.asks(config, Lent::Nothing, &[]).await?;
    let check = check_of(&said, code)?;
    ensure!(check["cause"] == cause && check["fix"].to_string().contains(fix), "{check:#}");
    Ok(())
}

/// The password is right, and what is missing is TLS: slapd answers with 13 (confidentialityRequired).
async fn binds_without_tls(practice: &Practice) -> Result<()> {
    let slapd = &practice.servers.slapd;
    slapd.set_config(DATABASE, "olcSecurity", &["simple_bind=128"]).await?;
    let mut plain = practice.config.clone();
    plain["directory"] = plain_directory(slapd, &slapd.ldap_url);
    hears_cause(practice, &plain, "ldap_bind_refused", "ldap_tls_required", "directory.start_tls = true")
        .await?;
    let why = practice.runs(&plain, &["setup", "directory", "test"], &[]).await?;
    let why = String::from_utf8(why.stderr)?;
    ensure!(why.contains("The directory takes passwords only over TLS"), "{why}");
    Ok(())
}

/// Inserts a rule before all others, checks the findings, and removes it again.
async fn under_rule(practice: &Practice, rule: &str, codes: &[&str]) -> Result<()> {
    let slapd = &practice.servers.slapd;
    let rules = slapd.set_config(DATABASE, "olcAccess", &[]).await?;
    let bare: Vec<String> =
        rules.iter().map(|rule| rule.split_once('}').map_or("", |(_, bare)| bare).to_owned()).collect();
    let numbered: Vec<String> = std::iter::once(rule)
        .chain(bare.iter().map(String::as_str))
        .enumerate()
        .map(|(at, rule)| format!("{{{at}}}{rule}"))
        .collect();
    let with_rule: Vec<&str> = numbered.iter().map(String::as_str).collect();
    slapd.set_config(DATABASE, "olcAccess", &with_rule).await?;
    let heard = practice.hears(&practice.config, Lent::Nothing, codes).await;
    let before: Vec<&str> = rules.iter().map(String::as_str).collect();
    slapd.set_config(DATABASE, "olcAccess", &before).await?;
    heard.with_context(|| format!("under the rule {rule}"))
}

async fn breaks_rights(practice: &Practice) -> Result<()> {
    let slapd = &practice.servers.slapd;
    let bot = format!("by dn.exact=\"{}\"", slapd.bot_dn);
    let (people, groups) = (&slapd.people_dn, &slapd.groups_dn);
    // One right too many: foreign people, foreign groups, and passwords.
    slapd.add_person_by_hand(&PersonByHand::named("theirs")).await?;
    let wide = [
        format!("to dn.one=\"{people}\" attrs=mail {bot} write by * break"),
        format!("to dn.one=\"{groups}\" attrs=member {bot} write by * break"),
        format!("to dn.one=\"{people}\" attrs=userPassword {bot} write by * break"),
        format!("to dn.one=\"{people}\" attrs=employeeType {bot} write by * break"),
        format!("to dn.one=\"{people}\" attrs=entry {bot} write by * break"),
    ];
    for rule in &wide {
        under_rule(practice, rule, &["ldap_acl_wide"]).await?;
        let entry = slapd.entry(&slapd.person_dn("theirs")).await?.context("the foreign entry")?;
        ensure!(entry.value("mail") == Some("theirs@example.org"), "a foreign entry was changed");
        ensure!(slapd.people().await?.len() == 1, "the self-test left an entry under {rule}");
    }
    slapd.delete(&slapd.person_dn("theirs")).await?;
    // One right too few.
    let narrow = format!("to dn.one=\"{groups}\" attrs=member {bot} read by * break");
    under_rule(practice, &narrow, &["ldap_acl_narrow"]).await?;
    let no_lock = format!("to dn.one=\"{people}\" attrs=pwdAccountLockedTime {bot} read by * break");
    under_rule(practice, &no_lock, &["ldap_acl_narrow", "ldap_self_test_left"]).await?;
    for entry in slapd.people().await? {
        slapd.delete(&entry.dn).await?;
    }
    slapd.set_config(DATABASE, "olcAddContentAcl", &["FALSE"]).await?;
    practice.hears(&practice.config, Lent::Nothing, &["ldap_acl_wide"]).await?;
    slapd.set_config(DATABASE, "olcAddContentAcl", &["TRUE"]).await?;
    Ok(())
}

async fn breaks_schema_and_groups(practice: &Practice) -> Result<()> {
    let (slapd, config) = (&practice.servers.slapd, &practice.config);
    let no_mark = practice.with("/directory/mark_attribute", json!("accoladeMark"));
    practice.hears(&no_mark, Lent::Nothing, &["ldap_mark_attribute_missing"]).await?;
    // The schema defines it, but not for people.
    let no_id = practice.with("/directory/discord_id_attribute", json!("associatedDomain"));
    practice.hears(&no_id, Lent::Nothing, &["ldap_id_attribute_missing"]).await?;
    let usual = ["top", "person", "organizationalPerson", "inetOrgPerson"];
    for (class, said) in [
        ("strongAuthenticationUser", "strongAuthenticationUser requires userCertificate"),
        ("accoladeGhost", "accoladeGhost is not in the schema"),
        ("document", "inetOrgPerson and document are both structural"),
    ] {
        let classes: Vec<&str> = usual.into_iter().chain([class]).collect();
        let wrong = practice.with("/directory/object_classes", json!(classes));
        let (heard, _) = practice.asks(&wrong, Lent::Nothing, &[]).await?;
        ensure!(crate::doctor_practice::wrong(&heard) == BTreeSet::from(["ldap_classes_wrong"]), "{heard:#}");
        ensure!(heard.to_string().contains(said), "{heard:#}");
    }
    // A server that does not write refuses with 53 (unwillingToPerform), whatever its access rules say.
    slapd.set_config(DATABASE, "olcReadOnly", &["TRUE"]).await?;
    hears_cause(practice, config, "ldap_refuses", "ldap_unwilling", "read-only").await?;
    slapd.set_config(DATABASE, "olcReadOnly", &["FALSE"]).await?;
    let nowhere = practice.with("/guild/0/rule/0/groups", json!([GROUP, "nowhere"]));
    practice.hears(&nowhere, Lent::Nothing, &["ldap_group_missing"]).await?;
    let group = format!("cn={GROUP},{}", slapd.groups_dn);
    slapd.set_attribute(&group, "businessCategory", &[]).await?;
    practice.hears(config, Lent::Nothing, &["ldap_group_not_managed"]).await?;
    slapd.set_attribute(&group, "businessCategory", &["accolade"]).await
}

async fn breaks_the_server(practice: &Practice) -> Result<()> {
    let (slapd, config) = (&practice.servers.slapd, &practice.config);
    slapd.set_config(DATABASE, "olcDbNoSync", &["TRUE"]).await?;
    practice.hears(config, Lent::Everything, &["ldap_nosync"]).await?;
    slapd.set_config(DATABASE, "olcDbNoSync", &["FALSE"]).await?;

    let bare = |attribute: &str| format!("ldap:///{}?{attribute}?sub", slapd.people_dn);
    let (id, uid, mail) = (bare("employeeNumber"), bare("uid"), bare("mail"));
    let before = slapd.set_config(UNIQUE, "olcUniqueURI", &[&id, &uid, &mail]).await?;
    practice.hears(config, Lent::Everything, &["ldap_unique_not_serialized"]).await?;
    let without_mail: Vec<&str> =
        before.iter().map(String::as_str).filter(|uri| !uri.contains("?mail?")).collect();
    slapd.set_config(UNIQUE, "olcUniqueURI", &without_mail).await?;
    practice.hears(config, Lent::Everything, &["ldap_overlay_missing"]).await?;
    let before: Vec<&str> = before.iter().map(String::as_str).collect();
    slapd.set_config(UNIQUE, "olcUniqueURI", &before).await?;
    Ok(())
}

/// A change to the initial settings of a directory.
type Edit = fn(&str) -> String;

/// The LDIF without the paragraphs that contain one of these names.
fn without(text: &str, names: &[&str]) -> String {
    let kept = text.split("\n\n").filter(|part| !names.iter().any(|name| part.contains(name)));
    kept.collect::<Vec<_>>().join("\n\n")
}

#[test]
fn an_overlay_that_is_not_there_is_named_by_its_missing_effect() {
    let (harness, _visit) = visit();
    let played: Result<()> = harness.runtime.block_on(async {
        let (keycloak, mail) = (&harness.servers.keycloak, &harness.servers.mail);
        let mut practice = Practice::opens(keycloak, mail, SHARED, Edits::default()).await?;
        let edits: [(&str, Edit); 4] = [
            ("unique (mail)", |text| without(text, &["dn: olcOverlay={2}unique"])),
            ("ppolicy", |text| without(text, &["dn: olcOverlay={3}ppolicy"])),
            ("memberof", |text| without(text, &["dn: olcOverlay={0}memberof"])),
            ("refint", |text| {
                without(text, &["dn: olcOverlay={1}refint"])
                    .replace("olcMemberOfRefInt: TRUE", "olcMemberOfRefInt: FALSE")
            }),
        ];
        for (overlay, config) in edits {
            practice.moves_to(Edits { config, ..Edits::default() }).await?;
            for lent in [Lent::Nothing, Lent::Everything] {
                let (said, _) = practice.asks(&practice.config, lent, &[]).await?;
                ensure!(wrong(&said) == BTreeSet::from(["ldap_overlay_missing"]), "{overlay}: {said:#}");
                ensure!(said.to_string().contains(overlay), "{overlay}: {said:#}");
            }
        }
        Ok(())
    });
    if let Err(error) = played {
        panic!("{error:#}");
    }
}

/// Lets the bot read the suffixes of the databases, and no other settings.
fn shows_only_suffixes(text: &str) -> String {
    let bot = "by dn.exact=\"cn=bot,ou=services,dc=example,dc=org\" read by * none";
    text.replace(
        "olcAccess: to * by * none",
        &format!("olcAccess: {{0}}to attrs=entry,olcSuffix {bot}\nolcAccess: {{1}}to * by * none"),
    )
}

#[test]
fn an_attribute_without_an_index_is_named_and_an_index_that_is_hidden_is_never_ok() {
    let (harness, _visit) = visit();
    let played: Result<()> = harness.runtime.block_on(async {
        let (keycloak, mail) = (&harness.servers.keycloak, &harness.servers.mail);
        let without_index = Edits { without_index: Some("description"), ..Edits::default() };
        let mut practice = Practice::opens(keycloak, mail, SHARED, without_index).await?;
        let (said, _) = practice.asks(&practice.config, Lent::Everything, &[]).await?;
        ensure!(wrong(&said) == BTreeSet::from(["ldap_index_missing"]), "{said:#}");
        let check = check_of(&said, "ldap_index_missing")?;
        ensure!(check["about"] == "description: eq, subinitial", "{check:#}");
        ensure!(check["fix"].to_string().contains("setup directory indexes"), "{check:#}");

        // Without a lent bind, and with one that may not read the settings: not checked, each with its reason.
        let (said, _) = practice.asks(&practice.config, Lent::Nothing, &[]).await?;
        is_not_checked(&said, "ldap_index_missing", "needs_server_configuration")?;
        let hidden = async |practice: &Practice| -> Result<()> {
            let said = asks_with_the_bots_bind(practice).await?;
            ensure!(said["findings"] == 0, "{said:#}");
            for code in ["ldap_index_missing", "ldap_nosync", "ldap_unique_not_serialized"] {
                is_not_checked(&said, code, "server_configuration_hidden")?;
            }
            Ok(())
        };
        hidden(&practice).await?;
        practice.moves_to(Edits { config: shows_only_suffixes, ..without_index }).await?;
        hidden(&practice).await
    });
    if let Err(error) = played {
        panic!("{error:#}");
    }
}

/// Lends the bot's own bind for the server's settings.
async fn asks_with_the_bots_bind(practice: &Practice) -> Result<Value> {
    let slapd = &practice.servers.slapd;
    let password_file = slapd.bot_password_file.display().to_string();
    let flags = [
        "doctor",
        "--json",
        "--ldap-config-dn",
        &slapd.bot_dn,
        "--ldap-config-password-file",
        &password_file,
    ];
    let run = practice.runs(&practice.config, &flags, &[]).await?;
    serde_json::from_slice(&run.stdout).with_context(|| format!("{run:?}"))
}

fn check_of<'a>(said: &'a Value, code: &str) -> Result<&'a Value> {
    let mut checks = said["checks"].as_array().into_iter().flatten();
    checks.find(|check| check["code"] == code).with_context(|| format!("no {code} in {said:#}"))
}

fn is_not_checked(said: &Value, code: &str, why: &str) -> Result<()> {
    let check = check_of(said, code)?;
    ensure!(check["result"] == "not_checked" && check["why"] == why, "{check:#}");
    Ok(())
}

#[test]
fn faults_of_keycloak_are_named_one_by_one_and_setup_mends_what_its_fix_promises() {
    plays("doctor-keycloak", Edits::default(), async |practice| {
        breaks_the_way_to_keycloak(practice).await?;
        breaks_rights_of_the_client(practice).await?;
        breaks_the_federation(practice).await?;
        breaks_the_mail(practice).await?;
        breaks_the_rest_of_the_realm(practice).await?;
        practice.is_healthy().await
    });
}

async fn breaks_the_way_to_keycloak(practice: &Practice) -> Result<()> {
    let lent = Lent::Nothing;
    practice
        .hears(&practice.with("/keycloak/url", json!("http://127.0.0.1:1")), lent, &["keycloak_unreachable"])
        .await?;
    let tls = practice.servers.slapd.ldaps_url.replace("ldaps://", "https://");
    practice.hears(&practice.with("/keycloak/url", json!(tls)), lent, &["keycloak_untrusted"]).await?;
    practice
        .hears(&practice.with("/keycloak/realm", json!("nowhere")), lent, &["keycloak_realm_missing"])
        .await?;
    write_private(&practice.file("wrong.secret"), "not the secret")?;
    let other = practice.with("/keycloak/client_secret_file", json!(practice.file("wrong.secret")));
    practice.hears(&other, lent, &["keycloak_secret_wrong"]).await?;
    for (key, lent) in [
        ("federation_id", Lent::Nothing),
        ("group_mapper_id", Lent::Nothing),
        ("federation_id", Lent::Administrator),
    ] {
        let config = practice.with(&format!("/keycloak/{key}"), json!("nothing-has-this-id"));
        practice.hears(&config, lent, &["keycloak_federation_unknown"]).await?;
    }
    let https = practice.keycloak.url.replace("http://", "https://");
    let plain = practice.with("/keycloak/public_url", json!(https));
    practice.hears(&plain, Lent::Nothing, &["keycloak_links_plain"]).await?;
    closes_the_way_to_keycloak(practice).await
}

/// A web server in front of Keycloak closes `/admin`. Its answers say nothing about rights, and nothing about the realm.
async fn closes_the_way_to_keycloak(practice: &Practice) -> Result<()> {
    let real = practice.keycloak.url.trim_start_matches("http://").parse().context("an address")?;
    let proxy = Proxy::start(real, Speech::Http, 1).await?;
    let mut through = practice.with("/keycloak/url", json!(format!("http://{}", proxy.address)));
    through["keycloak"]["public_url"] = json!(practice.keycloak.url);
    let slapd = &practice.servers.slapd;
    let text = |file: &Path| file.to_str().map(str::to_owned).context("a path of text");
    let (admin, bind) = (text(&practice.keycloak.admin_password_file)?, text(&slapd.keycloak_password_file)?);
    let setup = ["setup", "keycloak", "--admin-password-file", &admin, "--federation-bind-dn"];
    let setup = [&setup[..], &[&slapd.keycloak_dn, "--federation-bind-password-file", &bind]].concat();
    for (status, cause, said) in [
        (403, "proxy_forbids", "its rights are not the reason"),
        (404, "proxy_not_found", "the realm may well exist"),
        (401, "proxy_forbids", "its rights are not the reason"),
        (302, "http_moved", "redirects aren't followed"),
        (413, "http_too_large", "Raise its limit"),
    ] {
        let closed =
            Plan::answer(Which::Http("GET", "/admin/"), Answer::HttpPageStatus(status), Server::IsSpared);
        proxy.plans(Plan { times: u32::MAX, ..closed });
        hears_cause(practice, &through, "keycloak_proxy_answers", cause, said).await?;
        let run = practice.runs(&through, &setup, &[]).await?;
        let (out, err) = (String::from_utf8(run.stdout)?, String::from_utf8(run.stderr)?);
        ensure!(run.status.code() == Some(1) && err.contains(said), "{status}: {out}{err}");
        ensure!(!out.contains("create"), "{status}: {out}");
        proxy.heals().await?;
    }
    // A proxy that does not reach Keycloak: nothing has to be changed in front of it.
    let lost = Plan::answer(Which::Http("GET", "/admin/"), Answer::HttpPageStatus(502), Server::IsSpared);
    proxy.plans(Plan { times: u32::MAX, ..lost });
    hears_cause(practice, &through, "keycloak_unreachable", "bad_gateway", "proxy doesn't reach Keycloak")
        .await?;
    proxy.heals().await?;
    // Keycloak's own answer below a wrong path.
    let path = practice.with("/keycloak/url", json!(format!("{}/auth", practice.keycloak.url)));
    hears_cause(practice, &path, "keycloak_realm_missing", "keycloak_path_wrong", "KC_HTTP_RELATIVE_PATH")
        .await
}

async fn breaks_rights_of_the_client(practice: &Practice) -> Result<()> {
    let held = practice.place_of_rights().await?;
    let (config, lent) = (&practice.config, Lent::Nothing);
    for right in ["view-events", "manage-users"] {
        let role = practice.right(right).await?;
        practice.calls(Method::DELETE, &held, &role).await?;
        practice.hears(config, lent, &["keycloak_rights_missing"]).await?;
        practice.calls(Method::POST, &held, &role).await?;
    }
    // The right to read users is not enough to mail them.
    let (manage, view) = (practice.right("manage-users").await?, practice.right("view-users").await?);
    practice.calls(Method::DELETE, &held, &manage).await?;
    practice.calls(Method::POST, &held, &view).await?;
    practice.hears(config, lent, &["keycloak_rights_missing", "keycloak_rights_wide"]).await?;
    practice.calls(Method::DELETE, &held, &view).await?;
    practice.calls(Method::POST, &held, &manage).await?;

    practice.calls(Method::POST, &held, &practice.right("manage-realm").await?).await?;
    practice.hears(config, lent, &["keycloak_rights_wide"]).await?;
    // The fix that the finding names.
    practice.mends_by_setup().await?;
    Ok(())
}

/// Changes a document, checks the findings, and restores it by `setup keycloak --apply` or by the old document.
async fn under_change(
    practice: &Practice,
    place: &str,
    change: impl FnOnce(&mut Value),
    code: &str,
    by_setup: bool,
) -> Result<()> {
    let before = practice.reads(place).await?;
    let mut after = before.clone();
    change(&mut after);
    practice.calls(Method::PUT, place, &after).await?;
    practice.hears(&practice.config, Lent::Administrator, &[code]).await.with_context(|| code.to_owned())?;
    if by_setup {
        practice.mends_by_setup().await?;
    } else {
        practice.calls(Method::PUT, place, &before).await?;
    }
    Ok(())
}

async fn breaks_the_federation(practice: &Practice) -> Result<()> {
    let id = practice.config["keycloak"]["federation_id"].as_str().context("an id")?.to_owned();
    let place = format!("components/{id}");
    for (key, value, code) in [
        ("editMode", "READ_ONLY", "keycloak_federation_readonly"),
        ("cachePolicy", "DEFAULT", "keycloak_cache_policy"),
        ("trustEmail", "true", "keycloak_trusts_addresses"),
        ("enabled", "false", "keycloak_federation_off"),
    ] {
        let set = |document: &mut Value| {
            document["config"][key] = json!([value]);
            if key == "editMode" {
                // Keycloak accepts this value only together with the other.
                document["config"]["validatePasswordPolicy"] = json!(["false"]);
            }
        };
        under_change(practice, &place, set, code, true).await?;
    }
    let filtered = |filter: &str| {
        let filter = json!([filter]);
        move |document: &mut Value| document["config"]["customUserSearchFilter"] = filter
    };
    // Keycloak keeps a setting that a document leaves out.
    let mut before = practice.reads(&place).await?;
    filtered("")(&mut before);
    under_change(practice, &place, filtered("(businessCategory=staff)"), "keycloak_federation_hides", false)
        .await?;
    practice.calls(Method::PUT, &place, &before).await?;
    for (key, value) in [
        ("usersDn", "ou=staff,dc=example,dc=org"),
        ("userObjectClasses", "inetOrgPerson, posixAccount"),
        ("usernameLDAPAttribute", "cn"),
    ] {
        let set = |document: &mut Value| document["config"][key] = json!([value]);
        under_change(practice, &place, set, "keycloak_federation_hides", false).await?;
    }
    let alike = |document: &mut Value| {
        document["config"]["usersDn"] = json!(["OU=People, DC=example,DC=org"]);
        document["config"]["usernameLDAPAttribute"] = json!(["userid"]);
        document["config"]["searchScope"] = json!(["2"]);
    };
    let before = practice.reads(&place).await?;
    let mut after = before.clone();
    alike(&mut after);
    practice.calls(Method::PUT, &place, &after).await?;
    practice.hears(&practice.config, Lent::Administrator, &[]).await?;
    practice.calls(Method::PUT, &place, &before).await?;
    shows_the_same_people_twice(practice, &before).await?;
    let mappers = practice.reads(&format!("components?parent={id}")).await?;
    let mapper = mappers.as_array().into_iter().flatten().find(|mapper| mapper["name"] == "discordId");
    let mapper = mapper.and_then(|mapper| mapper["id"].as_str()).context("the mapper")?;
    practice.calls(Method::DELETE, &format!("components/{mapper}"), &Value::Null).await?;
    practice.hears(&practice.config, Lent::Administrator, &["keycloak_mapper_missing"]).await?;
    practice.mends_by_setup().await?;
    Ok(())
}

/// A federation of others on the suffix, until it is disabled or keeps our accounts out.
async fn shows_the_same_people_twice(practice: &Practice, own: &Value) -> Result<()> {
    let mut other = own.clone();
    other.as_object_mut().context("a document")?.remove("id");
    other["name"] = json!("corp");
    for (key, value) in [
        ("usersDn", "dc=example,dc=org"),
        ("searchScope", "2"),
        ("editMode", "READ_ONLY"),
        ("validatePasswordPolicy", "false"),
        ("priority", "5"),
    ] {
        other["config"][key] = json!([value]);
    }
    practice.calls(Method::POST, "components", &other).await?;
    practice.hears(&practice.config, Lent::Administrator, &["keycloak_federation_overlaps"]).await?;
    let all = practice.reads("components?type=org.keycloak.storage.UserStorageProvider").await?;
    let made = all.as_array().into_iter().flatten().find(|one| one["name"] == "corp").context("it")?.clone();
    let place = format!("components/{}", made["id"].as_str().context("an id")?);
    for (key, value) in [("enabled", "false"), ("customUserSearchFilter", "(!(description=accolade:*))")] {
        let mut changed = made.clone();
        changed["config"][key] = json!([value]);
        practice.calls(Method::PUT, &place, &changed).await?;
        practice.hears(&practice.config, Lent::Administrator, &[]).await?;
    }
    practice.calls(Method::DELETE, &place, &Value::Null).await.map(drop)
}

async fn breaks_the_mail(practice: &Practice) -> Result<()> {
    let server = practice.reads("").await?["smtpServer"].clone();
    practice.keycloak.set_realm(practice.realm, &json!({"smtpServer": {}})).await?;
    practice.hears(&practice.config, Lent::Administrator, &["keycloak_no_mail_server"]).await?;
    practice.keycloak.set_realm(practice.realm, &json!({"smtpServer": server})).await?;

    let client = format!("clients/{}", practice.client(MAIL_CLIENT).await?);
    let off = |document: &mut Value| document["enabled"] = json!(false);
    under_change(practice, &client, off, "keycloak_mail_client_off", true).await?;
    let elsewhere = |document: &mut Value| document["redirectUris"] = json!(["https://other.example.org/"]);
    under_change(practice, &client, elsewhere, "keycloak_redirect_refused", false).await?;
    let wild = |document: &mut Value| {
        document["redirectUris"]
            .as_array_mut()
            .into_iter()
            .for_each(|all| all.push(json!("http://localhost/*")));
    };
    under_change(practice, &client, wild, "keycloak_redirect_wildcard", false).await?;
    let no_client = practice.with("/keycloak/mail_client_id", json!("nobody"));
    practice.hears(&no_client, Lent::Administrator, &["keycloak_mail_client_off"]).await?;

    practice.calls(Method::DELETE, "localization/en", &Value::Null).await?;
    practice.hears(&practice.config, Lent::Administrator, &["keycloak_mail_texts_missing"]).await?;
    practice.mends_by_setup().await?;
    // A page that isn't there, although the client allows it.
    let nowhere = json!(format!("{}/realms/nowhere/account/", practice.keycloak.public_url));
    let no_page = practice.with("/keycloak/mail_redirect_uri", nowhere.clone());
    let allowed = |document: &mut Value| {
        document["redirectUris"].as_array_mut().into_iter().for_each(|all| all.push(nowhere.clone()));
    };
    let before = practice.reads(&client).await?;
    let mut after = before.clone();
    allowed(&mut after);
    practice.calls(Method::PUT, &client, &after).await?;
    practice.hears(&no_page, Lent::Administrator, &["keycloak_last_page_missing"]).await?;
    practice.calls(Method::PUT, &client, &before).await?;
    // A page that doesn't answer here may answer elsewhere.
    let silent = practice.with("/keycloak/mail_redirect_uri", json!("http://127.0.0.1:1/welcome"));
    let (said, _) = practice.asks(&silent, Lent::Administrator, &[]).await?;
    let mut checks = said["checks"].as_array().into_iter().flatten();
    let page = checks.find(|check| check["code"] == "keycloak_last_page_missing");
    ensure!(page.is_some_and(|page| page["result"] == "not_checked"), "{page:?}");
    Ok(())
}

async fn breaks_the_rest_of_the_realm(practice: &Practice) -> Result<()> {
    let off = |document: &mut Value| document["enabled"] = json!(false);
    for alias in ["VERIFY_EMAIL", "UPDATE_PASSWORD"] {
        let place = format!("authentication/required-actions/{alias}");
        under_change(practice, &place, off, "keycloak_action_off", false).await?;
    }
    practice.keycloak.set_realm(practice.realm, &json!({"eventsEnabled": false})).await?;
    practice.hears(&practice.config, Lent::Administrator, &["keycloak_events_off"]).await?;
    practice.mends_by_setup().await?;

    let open = |document: &mut Value| {
        for attribute in document["attributes"].as_array_mut().into_iter().flatten() {
            if attribute["name"] == "discordId" {
                attribute["permissions"]["edit"] = json!(["admin", "user"]);
            }
        }
    };
    under_change(practice, "users/profile", open, "keycloak_profile_open", true).await?;
    let demanding = |document: &mut Value| {
        let phone =
            json!({"name": "phone", "required": {"roles": ["admin"]}, "permissions": {"edit": ["admin"]}});
        document["attributes"].as_array_mut().into_iter().for_each(|all| all.push(phone.clone()));
    };
    under_change(practice, "users/profile", demanding, "keycloak_profile_demands", false).await?;

    let local =
        testbed::keycloak_admin::LocalUser { username: "root", email: "root@example.org", password: None };
    let id = practice.keycloak.create_local_user(practice.realm, local).await?;
    let management = practice.client("realm-management").await?;
    let role = practice.reads(&format!("clients/{management}/roles/realm-admin")).await?;
    let held = format!("users/{id}/role-mappings/clients/{management}");
    practice.calls(Method::POST, &held, &json!([role])).await?;
    practice.hears(&practice.config, Lent::Administrator, &["keycloak_admins_in_realm"]).await?;
    practice.keycloak.delete_user(practice.realm, &id).await?;

    let real = practice.keycloak.url.trim_start_matches("http://").parse().context("an address")?;
    let proxy = Proxy::start(real, Speech::Http, 1).await?;
    proxy.plans(Plan {
        which: Which::Http("GET", "/admin/serverinfo"),
        after: 0,
        times: 1,
        direction: Direction::ToClient,
        place: Place::Start,
        fault: Fault::Instead(
            Answer::HttpDocument(r#"{"systemInfo":{"version":"26.7.1"}}"#),
            Server::IsSpared,
        ),
    });
    let mut through = practice.with("/keycloak/url", json!(format!("http://{}", proxy.address)));
    through["keycloak"]["public_url"] = json!(practice.keycloak.url);
    practice.hears(&through, Lent::Administrator, &["keycloak_version_holes"]).await
}

#[test]
fn a_keycloak_whose_links_follow_the_caller_is_named() {
    let (harness, _visit) = visit();
    let played: Result<()> = harness.runtime.block_on(async {
        let options = KeycloakOptions { public_url: PublicUrl::Unset, wished_port: None };
        let servers =
            TestServers::start(ServerOptions { keycloak: Some(options), ..ServerOptions::default() }).await?;
        // The environment borrows its Keycloak for the lifetime of the process.
        let servers: &'static TestServers = Box::leak(Box::new(servers));
        let practice =
            Practice::opens(&servers.keycloak, &harness.servers.mail, "doctor-host", Edits::default())
                .await?;
        practice.hears(&practice.config, Lent::Everything, &["keycloak_hostname_open"]).await?;
        // A realm may have an address of its own.
        let fixed = json!({"attributes": {"frontendUrl": servers.keycloak.url}});
        servers.keycloak.set_realm(practice.realm, &fixed).await?;
        practice.is_healthy().await?;
        servers.keycloak.stop();
        Ok(())
    });
    if let Err(error) = played {
        panic!("{error:#}");
    }
}

#[test]
fn faults_of_this_machine_are_named_one_by_one() {
    plays(SHARED, Edits::default(), async |practice| {
        let (config, lent) = (&practice.config, Lent::Nothing);
        let mode = |file: &Path, mode| std::fs::set_permissions(file, std::fs::Permissions::from_mode(mode));
        let (database, key) = (practice.file("accolade.sqlite"), practice.file("accolade.key"));
        for file in [&database, &key] {
            mode(file, 0o644)?;
            practice.hears(config, lent, &["store_readable"]).await?;
            mode(file, 0o600)?;
        }
        let aside = practice.file("aside");
        std::fs::rename(&key, &aside)?;
        practice.hears(config, lent, &["key_missing"]).await?;
        write_private(&key, "bm90IGEga2V5\n")?;
        practice.hears(config, lent, &["key_wrong"]).await?;
        std::fs::rename(&aside, &key)?;
        std::fs::rename(&database, &aside)?;
        practice.hears(config, lent, &["store_not_ready"]).await?;
        std::fs::rename(&aside, &database)?;
        let elsewhere = practice.with("/store/url", json!("postgres://accolade@127.0.0.1:1/accolade"));
        practice.hears(&elsewhere, lent, &["store_unreachable"]).await?;

        let offset = practice.file("offset");
        for ahead in ["600000", "-600000"] {
            write_private(&offset, ahead)?;
            let variable = [("ACCOLADE_CLOCK_OFFSET_FILE", offset.as_path())];
            practice.hears_with(config, lent, &variable, &["clock_skew"]).await?;
        }
        practice.is_healthy().await
    });
}

/// `PgBouncer` gives each transaction another session, or refuses or drops the settings of a connection. It is never a schema to migrate.
#[test]
fn a_pooler_in_front_of_the_database_is_named() {
    plays(SHARED, Edits::default(), async |practice| {
        let server = postgres().await;
        let url = server.new_database().await?;
        for (pooling, cause) in [
            (Pooling::Transaction, "pg_pooled"),
            (Pooling::Session, "pg_pooler_drops"),
            (Pooling::Strict, "pg_pooler_refuses"),
        ] {
            let pooler = Pooler::start(&server, &url, pooling).await?;
            let config = practice.with("/store/url", json!(pooler.url()));
            hears_cause(practice, &config, "store_pooled", cause, "Set `store.url` to PostgreSQL itself")
                .await?;
            for verb in [&["migrate"][..], &["request", "list"]] {
                let run = practice.runs(&config, verb, &[]).await?;
                let err = String::from_utf8(run.stderr)?;
                let names_it =
                    err.contains("A pooler such as PgBouncer") && !err.contains("run `accolade migrate`");
                ensure!(run.status.code() == Some(1) && names_it, "{pooling:?} {verb:?}: {err}");
            }
        }
        // The same database without a pooler only lacks its tables.
        let mut direct = practice.with("/store/url", json!(server.without_password(&url)));
        direct["store"]["password_file"] = json!(server.password_file);
        practice.hears(&direct, Lent::Nothing, &["store_not_ready"]).await
    });
}

#[test]
fn what_was_not_checked_is_said_with_its_reason_and_is_never_ok() {
    plays(SHARED, Edits::default(), async |practice| {
        let run =
            async |flags: &[&str]| practice.runs(&practice.config, &[&["doctor"], flags].concat(), &[]).await;
        let json = |output: &std::process::Output| serde_json::from_slice::<Value>(&output.stdout);
        let plain = run(&["--json"]).await?;
        ensure!(plain.status.code() == Some(3), "{plain:?}");
        let said = json(&plain)?;
        ensure!(said["findings"] == 0 && said["ok"] == false, "{said:#}");
        let reason = |said: &Value, code: &str| {
            let mut checks = said["checks"].as_array().into_iter().flatten();
            checks.find(|check| check["code"] == code).map(|check| check["why"].clone())
        };
        ensure!(reason(&said, "keycloak_admins_in_realm") == Some(json!("needs_administrator")), "{said:#}");
        ensure!(reason(&said, "ldap_nosync") == Some(json!("needs_server_configuration")), "{said:#}");
        let read_only = json(&run(&["--json", "--read-only"]).await?)?;
        ensure!(reason(&read_only, "ldap_acl_wide") == Some(json!("needs_self_test")), "{read_only:#}");
        let allowed = run(&["--allow-unchecked"]).await?;
        ensure!(allowed.status.code() == Some(0), "{allowed:?}");
        let text = String::from_utf8(allowed.stdout)?;
        ensure!(text.contains("Not checked: ") && text.contains("add `--as-admin`"), "{text}");

        // Every code is reported, even if a server is down.
        practice.servers.slapd.kill();
        let half = json(&run(&["--json"]).await?)?;
        practice.servers.slapd.start().await?;
        let codes: Vec<&str> =
            half["checks"].as_array().context("checks")?.iter().filter_map(|c| c["code"].as_str()).collect();
        ensure!(codes == Finding::ALL.iter().map(|finding| finding.code()).collect::<Vec<_>>(), "{codes:?}");
        ensure!(reason(&half, "ldap_acl_wide") == Some(json!("blocked")), "{half:#}");

        could_not_run(practice).await
    });
}

/// Wrong lent credentials and wrong usage end the command without a diagnosis.
async fn could_not_run(practice: &Practice) -> Result<()> {
    let wrong_password = practice.file("wrong.password");
    write_private(&wrong_password, "not the password")?;
    let wrong_password = wrong_password.to_str().context("text")?;
    for (flags, code, told) in [
        (&["--as-admin", "--admin-password-file", wrong_password][..], 1, "administrator"),
        (
            &["--ldap-config-dn", CONFIG_ADMIN, "--ldap-config-password-file", wrong_password],
            1,
            "--ldap-config-dn",
        ),
        (&["--as-admin", "--admin-password-file", "/nowhere"], 2, "/nowhere"),
        (&["--as-admin"], 2, "--admin-password-file"),
        (&["--admin-password-file", wrong_password], 2, "--as-admin"),
        (&["--no-such-flag"], 2, "--no-such-flag"),
    ] {
        let run = practice.runs(&practice.config, &[&["doctor"], flags].concat(), &[]).await?;
        let err = String::from_utf8_lossy(&run.stderr);
        ensure!(run.status.code() == Some(code) && err.contains(told), "{flags:?}: {run:?}");
        ensure!(!err.contains("not the password"), "{err}");
    }
    Ok(())
}

/// Refuses a new finding that no test of this file causes.
#[test]
fn every_finding_is_provoked_by_a_test_of_this_file() {
    let source = include_str!("doctor.rs");
    let missing: Vec<&str> = Finding::ALL
        .iter()
        .map(|finding| finding.code())
        .filter(|code| !source.contains(&format!("\"{code}\"")))
        .collect();
    assert!(missing.is_empty(), "no test causes {missing:?}");
}
