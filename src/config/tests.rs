//! Which configurations are accepted and rejected, and which messages the operator gets.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::*;
use crate::domain::eligibility::Approval;

/// A placeholder certificate for `ca_file`. The tests check only its form.
const CERTIFICATE: &str = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";

/// A folder that contains every file that the example names.
pub(super) fn folder() -> tempfile::TempDir {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().expect("a folder");
    let secrets = folder.path().join("secrets");
    std::fs::create_dir(&secrets).expect("a folder in it");
    for name in ["discord.token", "bind.password", "client.secret", "postgres.password", "store.key"] {
        let file = secrets.join(name);
        std::fs::write(&file, format!("canary-{name}\n")).expect("a secret");
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).expect("its mode");
    }
    for name in ["sim-ca.pem", "ldap-ca.pem", "keycloak-ca.pem"] {
        std::fs::write(folder.path().join(name), CERTIFICATE).expect("a certificate");
    }
    folder
}

/// The example's configuration with its files, and a database in the same folder, which lives as long as the first value.
pub(crate) fn example_with_files() -> (tempfile::TempDir, Config) {
    use std::os::unix::fs::PermissionsExt;
    let folder = folder();
    std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o700)).expect("its mode");
    let url = format!("sqlite://{}/accolade.sqlite", folder.path().display());
    let key_file = folder.path().join("store.key");
    let mut config = loaded(&folder, EXAMPLE, &[("ACCOLADE__STORE__URL", &url)]).expect("the example").config;
    config.store.key_file = key_file;
    (folder, config)
}

fn file_in(folder: &tempfile::TempDir) -> PathBuf {
    folder.path().join("accolade.toml")
}

pub(super) fn loaded(
    folder: &tempfile::TempDir,
    text: &str,
    environment: &[(&str, &str)],
) -> Result<Loaded, ConfigError> {
    let environment: Vec<(String, String)> =
        environment.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    load_text(&file_in(folder), text, &environment)
}

/// The faults in the example after `changes`, one line each, without the path of the folder.
fn faults_after(changes: &[(&str, &str)]) -> Vec<String> {
    let folder = folder();
    let mut text = EXAMPLE.to_owned();
    for (from, to) in changes {
        assert!(text.contains(from), "the example has no {from:?}");
        text = text.replacen(from, to, 1);
    }
    let refused = loaded(&folder, &text, &[]).expect_err("this must be refused");
    let file = Path::new("accolade.toml");
    let here = format!("{}/", folder.path().display());
    refused.errors.iter().map(|diagnostic| diagnostic.line(file).replace(&here, "")).collect()
}

/// The single fault in the example after one change.
pub(super) fn fault_after(from: &str, to: &str) -> String {
    let faults = faults_after(&[(from, to)]);
    assert_eq!(faults.len(), 1, "{faults:#?}");
    faults.into_iter().next().unwrap_or_default()
}

#[test]
fn the_example_is_taken_and_reads_as_it_says() {
    let folder = folder();
    let loaded = loaded(&folder, EXAMPLE, &[]).expect("the example");
    assert_eq!(loaded.warnings, []);
    let config = loaded.config;
    let guild = config.guilds.first().expect("a guild");
    assert_eq!(guild.id.get(), 100_000_000_000_000_001);
    assert_eq!(guild.request_channel.get(), 100_000_000_000_000_004);
    let rule = guild.policy.rules.first().expect("a rule");
    assert_eq!((rule.name.as_str(), rule.approval, rule.ask_reason), ("crew", Approval::Moderators, true));
    assert_eq!(rule.min_account_age, Duration::from_hours(30 * 24));
    assert_eq!(config.store.url.path(), "/var/lib/accolade/accolade.sqlite");
    assert_eq!(config.store.key_file, folder.path().join("secrets/store.key"));
    assert_eq!(config.keycloak.public_url, config.keycloak.url);
}

#[test]
fn every_key_that_the_example_shows_as_a_comment_is_its_default() {
    let folder = folder();
    let as_it_stands = show(&loaded(&folder, EXAMPLE, &[]).expect("the example").config);
    let is_key = |line: &str| {
        line.split_once(" = ").is_some_and(|(key, _)| key.chars().all(|c| c.is_ascii_lowercase() || c == '_'))
    };
    let uncommented: String = EXAMPLE
        .lines()
        .map(|line| match line.strip_prefix("# ") {
            // These keys have no default, so they are absent.
            Some(key)
                if is_key(key)
                    && !["endpoint", "ca_file", "password_file", "community_name"]
                        .iter()
                        .any(|absent| key.starts_with(absent)) =>
            {
                key
            }
            Some(_) | None => line,
        })
        .flat_map(|line| [line, "\n"])
        .collect();
    let written_out = show(&loaded(&folder, &uncommented, &[]).expect("the example, written out").config);
    assert_eq!(written_out, as_it_stands);
    let commented = EXAMPLE.lines().filter(|line| line.strip_prefix("# ").is_some_and(is_key)).count();
    assert_eq!(commented, 33, "a key was added or removed: check that it is documented");
}

#[test]
fn all_faults_are_told_in_one_run_each_with_its_place() {
    let faults = faults_after(&[
        ("request_channel = \"100000000000000004\"", "request_chanel = \"100000000000000004\""),
        ("realm = \"members\"", "realm = \"master\""),
        ("min_membership = \"7d\"", "min_membership = \"1 month\""),
        ("url = \"https://id.example.org\"", "url = \"http://id.example.org\""),
        ("ask_reason = true", "ask_reason = \"yes\""),
        ("federation_id = \"00000000-0000-4000-8000-000000000001\"", "federation_id = \"\""),
        ("# max = 20", "max = 2"),
    ]);
    insta::assert_snapshot!(faults.join("\n"));
}

#[test]
fn text_that_is_no_toml_is_refused_with_line_and_column() {
    let folder = folder();
    let refused = loaded(&folder, "[discord]\ntoken_file = \n", &[]).expect_err("this must be refused");
    let first = refused
        .errors
        .iter()
        .find(|diagnostic| diagnostic.problem.contains("not valid TOML"))
        .expect("such a fault");
    assert!(matches!(first.place, Place::Line { line: 2, .. }), "{first:?}");
}

#[test]
fn an_automatic_rule_never_grants_a_privileged_group() {
    let faults = faults_after(&[
        ("approval = \"moderators\"", "approval = \"automatic\""),
        ("privileged_groups = [\"admins\"]", "privileged_groups = [\"CREW\"]"),
    ]);
    assert_eq!(faults.len(), 1);
    assert!(faults.concat().contains("grants the privileged group `crew`"), "{faults:?}");
}

#[test]
fn addresses_that_give_secrets_away_are_refused() {
    for (from, to, said) in [
        ("url = \"ldaps://ldap.example.org\"", "url = \"ldap://ldap.example.org\"", "clear text"),
        ("url = \"ldaps://ldap.example.org\"", "url = \"ldap://127.0.0.1\"", "plaintext_on_loopback"),
        (
            "url = \"ldaps://ldap.example.org\"",
            "url = \"ldaps://a:b@ldap.example.org\"",
            "holds a name or a password",
        ),
        ("url = \"https://id.example.org\"", "url = \"http://localhost:8080\"", "plaintext_on_loopback"),
        (
            "# mail_redirect_uri = \"https://id.example.org/realms/members/account/\"",
            "mail_redirect_uri = \"https://www.example.org/*\"",
            "wildcard",
        ),
        ("# community_name = \"Chess Club\"", "community_name = \"Club {0}\"", "brace"),
        (
            "# mail_redirect_uri = \"https://id.example.org/realms/members/account/\"",
            "mail_redirect_uri = \"http://www.example.org/welcome\"",
            "clear text",
        ),
        ("# first_link_lifespan = \"12h\"", "first_link_lifespan = \"73h\"", "72h or less"),
        (
            "# endpoint = { address = \"127.0.0.1:8701\"",
            "endpoint = { address = \"192.0.2.1:8701\"",
            "loopback only",
        ),
        (
            "url = \"sqlite:///var/lib/accolade/accolade.sqlite\"",
            "url = \"sqlite://accolade.sqlite\"",
            "no absolute path",
        ),
        (
            "url = \"sqlite:///var/lib/accolade/accolade.sqlite\"",
            "url = \"postgres://a:hunter2@db.example.org/a\"",
            "holds a password",
        ),
        (
            "url = \"sqlite:///var/lib/accolade/accolade.sqlite\"",
            "url = \"postgres://a@db.example.org/a?sslmode=prefer\"",
            "verify-full",
        ),
        (
            "url = \"sqlite:///var/lib/accolade/accolade.sqlite\"",
            "url = \"mysql://db.example.org/a\"",
            "neither SQLite nor PostgreSQL",
        ),
    ] {
        let diagnostic = fault_after(from, to);
        assert!(diagnostic.contains(said), "{to}: {diagnostic}");
        assert!(!diagnostic.contains("hunter2"), "a fault quotes a password: {diagnostic}");
    }
}

#[test]
fn addresses_of_a_clouds_own_services_are_refused() {
    for host in [
        "169.254.169.254",
        "169.254.0.1",
        "2852039166",
        "0xa9fea9fe",
        "[fe80::1]",
        "[::ffff:169.254.169.254]",
        "[fd00:ec2::254]",
        "0.0.0.0",
        "[::]",
    ] {
        let url = format!("url = \"https://{host}\"");
        let diagnostic = fault_after("url = \"https://id.example.org\"", &url);
        assert!(diagnostic.contains("a cloud's or network's own services"), "{host}: {diagnostic}");
        if host.contains(['.', ':']) {
            let url = format!("url = \"ldaps://{host}\"");
            let diagnostic = fault_after("url = \"ldaps://ldap.example.org\"", &url);
            assert!(diagnostic.contains("a cloud's or network's own services"), "{host}: {diagnostic}");
        }
    }
    for host in ["10.0.0.1", "192.168.1.2", "[fd00::1]", "127.0.0.1", "id.internal"] {
        let folder = folder();
        let text = EXAMPLE.replace("https://id.example.org", &["https://", host].concat());
        assert!(loaded(&folder, &text, &[]).is_ok(), "{host} is refused");
    }
}

#[test]
fn the_role_of_account_holders_decides_nothing() {
    for role in ["100000000000000002", "100000000000000003"] {
        let named = format!("member_role = \"{role}\"");
        let diagnostic = fault_after("member_role = \"100000000000000006\"", &named);
        assert!(diagnostic.contains("this role decides requests"), "{diagnostic}");
    }
}

#[test]
fn guilds_and_rules_are_there_once() {
    let (head, tail) = EXAMPLE.split_at(EXAMPLE.find("[directory]").expect("a directory"));
    let guild = head.get(head.find("[[guild]]").expect("a guild")..).expect("the guild's text");
    let rule = guild.get(guild.find("[[guild.rule]]").expect("a rule")..).expect("the rule's text");
    let folder = folder();
    for (text, said) in [
        ([head, rule, tail].concat(), "another rule of this guild has this name"),
        ([head, guild, tail].concat(), "this guild is there twice"),
        (EXAMPLE.replace(guild, ""), "there is no guild"),
    ] {
        let refused = loaded(&folder, &text, &[]).expect_err("this must be refused");
        assert_eq!(refused.errors.len(), 1, "{refused}");
        assert!(refused.to_string().contains(said), "{refused}");
    }
}

#[test]
fn what_is_allowed_but_rarely_meant_is_warned_about() {
    let folder = folder();
    let text = EXAMPLE
        .replace("moderator_roles = [\"100000000000000002\"]", "")
        .replace("admin_roles = [\"100000000000000003\"]", "")
        .replace("all_roles = [\"100000000000000007\"]", "")
        .replace("any_roles = [\"100000000000000008\", \"100000000000000009\"]", "")
        .replace("# listen = \"127.0.0.1:9464\"", "listen = \"0.0.0.0:9464\"")
        .replace("# endpoint = ", "endpoint = ");
    let warnings = loaded(&folder, &text, &[]).expect("allowed").warnings;
    let keys: Vec<&str> = warnings.iter().map(|warning| warning.key.as_str()).collect();
    assert_eq!(
        keys,
        [
            "discord.endpoint",
            "guild[0].moderator_roles",
            "guild[0].admin_roles",
            "guild[0].rule[0].any_roles",
            "http.listen"
        ]
    );
}

#[test]
fn the_environment_stands_above_the_file_and_takes_lists_of_tables_whole() {
    let folder = folder();
    let guild = "[{ id = 7, request_channel = \"8\", moderator_roles = [9], rule = [{ name = \"all\", any_roles = [1] }] }]";
    let config = loaded(
        &folder,
        EXAMPLE,
        &[
            ("ACCOLADE__RATE_LIMITS__MAILS_IN_ALL", "7"),
            ("ACCOLADE__DISCORD__ENDPOINT__ADDRESS", "127.0.0.1:1"),
            ("ACCOLADE__DISCORD__ENDPOINT__CA_FILE", "sim-ca.pem"),
            ("ACCOLADE__GUILD", guild),
            ("ACCOLADE__KEYCLOAK__PLAINTEXT_ON_LOOPBACK", "true"),
            ("ACCOLADE__KEYCLOAK__REALM", "true"),
            ("ACCOLADE__USERNAME__RESERVED", "[\"Boss\"]"),
        ],
    )
    .expect("a configuration")
    .config;
    assert_eq!(config.rate_limits.mails_in_all, 7);
    assert_eq!(config.discord.endpoint.map(|endpoint| endpoint.address.port()), Some(1));
    assert_eq!(config.guilds.iter().map(|guild| guild.id.get()).collect::<Vec<_>>(), [7]);
    assert_eq!(config.keycloak.realm, "true");
    assert!(config.keycloak.plaintext_on_loopback);
    assert_eq!(config.username.reserved, ["boss"]);
}

#[test]
fn a_fault_of_the_environment_names_the_variable() {
    let folder = folder();
    let refused = loaded(
        &folder,
        EXAMPLE,
        &[
            ("ACCOLADE__RATE_LIMITS__MAILS_IN_ALL", "many"),
            ("ACCOLADE__KEYCLOCK__REALM", "members"),
            ("ACCOLADE____X", "1"),
        ],
    )
    .expect_err("this must be refused");
    let lines: Vec<String> =
        refused.errors.iter().map(|diagnostic| diagnostic.line(Path::new("f"))).collect();
    insta::assert_snapshot!(lines.join("\n"));
}

#[test]
fn a_secret_loses_one_newline_and_nothing_else() {
    use secrecy::ExposeSecret;
    let folder = folder();
    let file = folder.path().join("secret");
    for (content, secret) in [
        ("a b ", Some("a b ")),
        ("a\n", Some("a")),
        ("a\r\n", Some("a")),
        ("a\n\n", None),
        ("\n", None),
        ("", None),
    ] {
        std::fs::write(&file, content).expect("a secret");
        let read = read_secret_file(&file).ok();
        assert_eq!(read.as_ref().map(ExposeSecret::expose_secret), secret, "{content:?}");
    }
    let missing = read_secret_file(&folder.path().join("nothing")).expect_err("there is no such file");
    assert!(missing.contains("cannot be read"), "{missing}");
}

#[test]
fn a_secret_that_everybody_may_write_is_refused_and_one_that_everybody_may_read_is_warned_about() {
    use std::os::unix::fs::PermissionsExt;
    let folder = folder();
    let file = folder.path().join("secrets/discord.token");
    let set =
        |mode| std::fs::set_permissions(&file, std::fs::Permissions::from_mode(mode)).expect("its mode");
    set(0o644);
    let warnings = loaded(&folder, EXAMPLE, &[]).expect("allowed").warnings;
    assert_eq!(
        warnings.iter().map(|warning| warning.key.as_str()).collect::<Vec<_>>(),
        ["discord.token_file"]
    );
    set(0o666);
    let refused = loaded(&folder, EXAMPLE, &[]).expect_err("this must be refused");
    assert!(refused.to_string().contains("chmod 600"), "{refused}");
}

#[test]
fn no_secret_is_shown() {
    let folder = folder();
    let text = EXAMPLE
        .replace("sqlite:///var/lib/accolade/accolade.sqlite", "postgres://accolade@db.example.org/accolade")
        .replace("# password_file", "password_file");
    let config = loaded(&folder, &text, &[]).expect("a configuration").config;
    for shown in [show(&config), format!("{config:?}")] {
        assert!(!shown.contains("canary"), "{shown}");
    }
    assert_eq!(show(&config).matches("***").count(), 4);
}

#[test]
fn set_up_needs_neither_the_ids_nor_the_secret_that_it_makes() {
    let folder = folder();
    let text = EXAMPLE
        .replace("federation_id = ", "# federation_id = ")
        .replace("group_mapper_id = ", "# group_mapper_id = ")
        .replace("token_file = ", "# token_file = ");
    std::fs::remove_file(folder.path().join("secrets/client.secret")).expect("it was there");
    let file = file_in(&folder);
    std::fs::write(&file, text).expect("a file");
    let input = load_for_setup(&file).expect("enough for set-up");
    assert_eq!(input.client_secret_file, folder.path().join("secrets/client.secret"));
    assert_eq!(input.keycloak.realm, "members");
    let refused = load(&file).expect_err("not enough to serve");
    assert!(refused.to_string().contains("run `accolade setup keycloak --apply`"), "{refused}");
}

#[test]
fn the_sandboxs_template_is_taken_and_stays_on_this_machine() {
    use std::os::unix::fs::PermissionsExt;
    let folder = folder();
    for name in ["discord.token", "bot.password", "client.secret"] {
        let file = folder.path().join("secrets").join(name);
        std::fs::write(&file, "dummy").expect("a secret");
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).expect("its mode");
    }
    std::fs::write(folder.path().join("discord-ca.pem"), CERTIFICATE).expect("a certificate");
    let template = include_str!("../../config/sandbox.toml");
    let config = loaded(&folder, template, &[]).expect("the sandbox's template").config;
    assert!(config.discord.endpoint.expect("a simulated Discord").address.ip().is_loopback());
    assert_eq!(config.directory.url.host_str(), Some("127.0.0.1"));
    assert_eq!(config.keycloak.url.host_str(), Some("127.0.0.1"));
    assert_eq!(config.keycloak.event_poll, Duration::from_secs(1));
}

/// The differences between the example and the example with these variables: keys that can be applied, and keys that need a restart.
fn differences(folder: &tempfile::TempDir, environment: &[(&str, &str)]) -> (Vec<String>, Vec<String>) {
    let old = loaded(folder, EXAMPLE, &[]).expect("the example").config;
    let new = loaded(folder, EXAMPLE, environment).expect("the example with other values").config;
    let ConfigChanges { reloadable, needs_restart } = ConfigChanges::between(&old, &new);
    (reloadable, needs_restart)
}

#[test]
fn a_reload_takes_policy_words_budgets_and_filter_and_names_every_other_key() {
    let folder = folder();
    let none: Vec<String> = Vec::new();
    assert_eq!(differences(&folder, &[]), (none.clone(), none.clone()));
    for (variable, value, key) in [
        ("ACCOLADE__RATE_LIMITS__MAILS_IN_ALL", "7", "rate_limits"),
        ("ACCOLADE__REQUEST__EXPIRES_AFTER", "3d", "request"),
        ("ACCOLADE__USERNAME__MAX", "9", "username"),
        ("ACCOLADE__ACCOUNT__UNUSED_AFTER", "9d", "account"),
        ("ACCOLADE__ACCOUNT__REPORT_DELAY_AFTER", "9m", "account"),
        ("ACCOLADE__LOG__FILTER", "warn", "log.filter"),
        ("ACCOLADE__KEYCLOAK__FIRST_LINK_LIFESPAN", "3h", "keycloak.first_link_lifespan"),
        ("ACCOLADE__KEYCLOAK__LOGIN_URL", "https://wiki.example.org/", "keycloak.login_url"),
        ("ACCOLADE__KEYCLOAK__COMMUNITY_NAME", "Go Club", "keycloak.community_name"),
    ] {
        assert_eq!(differences(&folder, &[(variable, value)]), (vec![key.to_owned()], none.clone()));
    }
    for (variable, value, key) in [
        ("ACCOLADE__LOG__FORMAT", "text", "log.format"),
        ("ACCOLADE__HTTP__LISTEN", "127.0.0.1:1", "http.listen"),
        ("ACCOLADE__STORE__KEY_FILE", "other.key", "store.key_file"),
        ("ACCOLADE__DIRECTORY__BIND_DN", "cn=other,dc=example,dc=org", "directory.bind_dn"),
        ("ACCOLADE__KEYCLOAK__CLIENT_ID", "elsewhere", "keycloak.client_id"),
        ("ACCOLADE__KEYCLOAK__EVENT_POLL", "9s", "keycloak.event_poll"),
    ] {
        assert_eq!(differences(&folder, &[(variable, value)]), (none.clone(), vec![key.to_owned()]));
    }
    // The defaults of where people log in and where the mailed link ends name the realm.
    let realm = differences(&folder, &[("ACCOLADE__KEYCLOAK__REALM", "elsewhere")]);
    let needs_restart = ["keycloak.mail_redirect_uri", "keycloak.realm"].map(str::to_owned).to_vec();
    assert_eq!(realm, (vec!["keycloak.login_url".to_owned()], needs_restart));
}

#[test]
fn changed_secrets_are_named_by_their_files_and_another_guild_needs_a_restart() {
    let folder = folder();
    let old = loaded(&folder, EXAMPLE, &[]).expect("the example").config;
    for name in ["discord.token", "bind.password", "client.secret"] {
        std::fs::write(folder.path().join("secrets").join(name), "another").expect("a secret");
    }
    let mut new = loaded(&folder, EXAMPLE, &[]).expect("the example").config;
    new.guilds.pop();
    let found = ConfigChanges::between(&old, &new);
    assert_eq!(found.reloadable, ["directory.bind_password_file", "guild", "keycloak.client_secret_file"]);
    assert_eq!(found.needs_restart, ["discord.token_file", "guild.id"]);
}

#[test]
fn what_is_under_way_keeps_the_configuration_it_began_with() {
    let folder = folder();
    let read =
        |max| loaded(&folder, EXAMPLE, &[("ACCOLADE__USERNAME__MAX", max)]).expect("the example").config;
    let live = SharedConfig::from(std::sync::Arc::new(read("9")));
    let under_way = live.now();
    live.clone().replace(std::sync::Arc::new(read("12")));
    assert_eq!((under_way.username.max, live.now().username.max), (9, 12));
}

/// Corrupts a text in one place.
fn spoilt(text: &str, at: proptest::sample::Index, kind: u8, with: char) -> String {
    let mut letters: Vec<char> = text.chars().collect();
    let at = at.index(letters.len());
    match kind {
        0 => letters[at] = with,
        1 => letters.insert(at, with),
        2 => drop(letters.remove(at)),
        3 => letters.truncate(at),
        _ => {
            let line =
                letters[at..].iter().position(|letter| *letter == '\n').map_or(letters.len(), |end| at + end);
            letters.drain(at..line);
        }
    }
    letters.into_iter().collect()
}

proptest::proptest! {
    #[test]
    fn a_spoilt_configuration_is_read_or_refused_with_its_faults_and_gives_no_secret_away(
        places in proptest::collection::vec(
            (proptest::prelude::any::<proptest::sample::Index>(), 0_u8..5, proptest::prelude::any::<char>()), 1..4,
        ),
    ) {
        let folder = folder();
        let text = places.into_iter().fold(EXAMPLE.to_owned(), |text, (at, kind, with)| {
            if text.is_empty() { text } else { spoilt(&text, at, kind, with) }
        });
        match loaded(&folder, &text, &[]) {
            Ok(loaded) => proptest::prop_assert!(!show(&loaded.config).contains("canary-")),
            Err(refused) => {
                proptest::prop_assert!(!refused.errors.is_empty());
                for diagnostic in &refused.errors {
                    let line = diagnostic.line(Path::new("accolade.toml"));
                    proptest::prop_assert!(!line.contains("canary-") && !line.trim().is_empty(), "{line}");
                }
            }
        }
    }

    #[test]
    fn any_value_of_the_environment_is_read_or_refused(key in 0_usize..6, value in "\\PC{0,24}|[0-9]{1,24}[smhd]?|-?[0-9.]+") {
        let keys = [
            "ACCOLADE__REQUEST__EXPIRES_AFTER",
            "ACCOLADE__RATE_LIMITS__MAILS_IN_ALL",
            "ACCOLADE__USERNAME__MAX",
            "ACCOLADE__HTTP__LISTEN",
            "ACCOLADE__KEYCLOAK__URL",
            "ACCOLADE__GUILD",
        ];
        let folder = folder();
        let read = loaded(&folder, EXAMPLE, &[(keys[key], &value)]);
        proptest::prop_assert!(read.is_ok() || read.is_err_and(|refused| !refused.errors.is_empty()));
    }
}
