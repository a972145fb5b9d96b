//! `accolade setup directory`: prints access rules, overlays, indexes and first entries as LDIF with the configured names, and runs
//! the self-test. It writes nothing but the temporary entries of the self-test: only an administrator changes the server's settings.

mod indexes;
mod names;

use std::path::Path;

use uuid::Uuid;

pub use crate::directory::{AttemptResult, SelfTest};
pub use indexes::{Server, indexes};
pub use names::{LdifError, Names};

use crate::config;
use crate::directory::{Directory, DirectoryError};
use crate::domain::eligibility::GroupName;
use crate::domain::matching::attribute_key;
use names::{TreeNames, plain};

const RULES: &str = include_str!("directory/rules.ldif");

/// Access rules, overlays and indexes, for `ldapmodify` by an administrator of `cn=config`.
pub fn rules(names: &Names) -> Result<String, LdifError> {
    let tree_names = TreeNames::of(names)?;
    let own = &names.directory;
    let values = [
        ("@PEOPLE_PATTERN@", tree_names.people.replace('.', "\\.")),
        ("@PEOPLE@", tree_names.people.clone()),
        ("@GROUPS@", tree_names.groups.clone()),
        ("@BOT@", tree_names.bot.clone()),
        ("@KEYCLOAK@", tree_names.keycloak.clone()),
        ("@NOBODY@", tree_names.nobody()),
        ("@SUFFIX@", tree_names.suffix.clone()),
        ("@INDEXES@", indexes::open_ldap(own, &names.database)?),
        ("@DATABASE@", names.database.clone()),
        ("@MODULE@", names.module.clone()),
        ("@CLASSES@", own.object_classes.join("|")),
        ("@MARK@", own.mark_attribute.clone()),
        ("@ID@", own.discord_id_attribute.clone()),
    ];
    Ok(values.iter().fold(RULES.to_owned(), |text, (place, value)| text.replace(place, value)))
}

/// The first entries for `ldapadd`: tree, both bind entries, the placeholder member, the password policy and the managed groups.
pub fn tree(names: &Names) -> Result<String, LdifError> {
    let tree_names = TreeNames::of(names)?;
    let mut text = Ldif(String::from(
        "# The first entries of the directory. Load them as the directory's administrator:\n\
         #   ldapadd -c -D ADMIN -W -H URL -f FILE\n\
         # \"-c\" skips entries that exist already. Passwords are read from their files as they are, so the files must not end with a line break.\n",
    ));
    let mut printed: Vec<String> = Vec::new();
    let services = tree_names.services();
    let policies = ["ou=policies,", &tree_names.suffix].concat();
    for place in [&tree_names.people, &tree_names.groups, &services, &policies] {
        for dn in tree_names.ancestors_and(place) {
            if !printed.contains(&dn) {
                text.container(&dn);
                printed.push(dn);
            }
        }
    }
    text.service(&tree_names.bot, &names.bind_password_file);
    text.service(&tree_names.keycloak, &names.keycloak_password_file);
    text.entry(&tree_names.nobody(), &["organizationalRole"], &[]);
    let policy = ["cn=default,", &policies].concat();
    let rules = [
        ("pwdAttribute", "userPassword"),
        ("pwdMinLength", "8"),
        ("pwdCheckQuality", "1"),
        ("pwdLockout", "TRUE"),
    ];
    text.entry(&policy, &["device", "pwdPolicy"], &rules);
    for group in &names.groups {
        let dn = ["cn=", plain(group.as_str(), "a group")?, ",", &tree_names.groups].concat();
        let rules = [("businessCategory", "accolade"), ("member", &tree_names.nobody())];
        text.entry(&dn, &["groupOfNames"], &rules);
    }
    Ok(text.0)
}

/// Runs the self-test with the bot's own bind.
pub async fn self_test(
    names: &config::Directory,
    seed: Uuid,
    groups: &[GroupName],
) -> Result<SelfTest, DirectoryError> {
    let directory = Directory::new(names)?;
    directory.probe().await?;
    directory.self_test(seed, groups).await
}

/// Whether a self-test has no findings.
pub fn has_passed(report: &SelfTest) -> bool {
    let mut needed = report.attempts.iter().filter(|(attempt, _)| attempt.is_needed());
    report.is_complete()
        && report.too_wide().next().is_none()
        && needed.all(|(_, result)| *result == AttemptResult::Done)
        && report.overlays_missing.is_empty()
        && report.groups_missing.is_empty()
        && report.groups_not_managed.is_empty()
        && report.entries_left == 0
}

/// The entries as text.
struct Ldif(String);

impl Ldif {
    /// A container, with the object class that its RDN needs.
    fn container(&mut self, dn: &str) {
        let class = match attribute_key(dn.split('=').next().unwrap_or_default()).as_str() {
            "dc" => "domain",
            "o" => "organization",
            "cn" => "organizationalRole",
            _ => "organizationalUnit",
        };
        self.entry(dn, &[class], &[]);
    }

    /// An entry to bind as. `<` lets LDIF read the password from its file (RFC 2849).
    fn service(&mut self, dn: &str, password_file: &Path) {
        let url = ["file://", &password_file.display().to_string()].concat();
        self.entry(dn, &["organizationalRole", "simpleSecurityObject"], &[]);
        self.line("userPassword:< ", &url);
    }

    fn entry(&mut self, dn: &str, classes: &[&str], values: &[(&str, &str)]) {
        self.0.push('\n');
        self.line("dn: ", dn);
        for class in classes {
            self.line("objectClass: ", class);
        }
        if let Some((name, value)) = dn.split(',').next().and_then(|own| own.split_once('=')) {
            self.line(&[name, ": "].concat(), value);
        }
        for (name, value) in values {
            self.line(&[name, ": "].concat(), value);
        }
    }

    fn line(&mut self, start: &str, value: &str) {
        self.0.push_str(start);
        self.0.push_str(value);
        self.0.push('\n');
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use secrecy::SecretString;
    use url::Url;

    use super::*;
    use crate::domain::dn::Dn;

    fn names(people: &str, bot: &str) -> Names {
        let text = str::to_owned;
        let dn = |text: &str| Dn::parse(text).expect("a name");
        let directory = config::Directory {
            url: Url::parse("ldaps://ldap.example.org").expect("a URL"),
            ca_file: None,
            start_tls: false,
            plaintext_on_loopback: false,
            flavour: config::Flavour::OpenLdap,
            bind_dn: dn(bot),
            bind_password: SecretString::from("canary"),
            people_dn: dn(people),
            groups_dn: dn("ou=groups,ou=accounts,dc=example,dc=org"),
            discord_id_attribute: text("employeeNumber"),
            mark_attribute: text("destinationIndicator"),
            object_classes: vec![text("inetOrgPerson"), text("posixAccount")],
            privileged_groups: Vec::new(),
        };
        Names {
            directory,
            bind_password_file: PathBuf::from("/etc/accolade/bind.password"),
            keycloak_dn: text("cn=keycloak,ou=services,dc=example,dc=org"),
            keycloak_password_file: PathBuf::from("/etc/accolade/keycloak.password"),
            database: text("olcDatabase={2}mdb,cn=config"),
            module: text("cn=module{0},cn=config"),
            groups: vec![GroupName::new("members").expect("a name")],
        }
    }

    const PEOPLE: &str = "ou=people, ou=accounts,dc=example,dc=org";
    const BOT: &str = "cn=bot,ou=services,dc=example,dc=org";

    #[test]
    fn the_rules_carry_the_configured_names_and_no_blank_that_a_pattern_would_not_meet() {
        let text = rules(&names(PEOPLE, BOT)).expect("a text");
        assert!(!text.contains('@') && !text.contains("canary"), "{text}");
        assert!(
            text.contains(r#"dn.regex="^uid=[^+,]+,ou=people,ou=accounts,dc=example,dc=org$""#),
            "{text}"
        );
        assert!(text.contains("attrs=destinationIndicator val.regex"), "{text}");
        assert!(text.contains("^(inetOrgPerson|posixAccount)$"), "{text}");
        assert!(text.contains("dn: olcOverlay=unique,olcDatabase={2}mdb,cn=config"), "{text}");
        assert!(text.contains("olcDbIndex: mail eq\n"), "{text}");
        let dotted = rules(&names("ou=peo.ple,dc=example,dc=org", BOT)).expect("a text");
        assert!(dotted.contains(r"[^+,]+,ou=peo\.ple,dc=example,dc=org$"), "{dotted}");
    }

    #[test]
    fn each_index_of_openldap_is_a_change_of_its_own_that_only_adds() {
        let names = names(PEOPLE, BOT);
        let server = Server::OpenLdap { database: names.database.clone() };
        let text = indexes(&names.directory, &server).expect("a text");
        let values: Vec<&str> = text.lines().filter_map(|line| line.strip_prefix("olcDbIndex: ")).collect();
        assert_eq!(
            values,
            [
                "objectClass eq",
                "uid eq",
                "mail eq",
                "employeeNumber eq",
                "destinationIndicator eq,subinitial",
                "entryUUID eq",
                "member eq",
                "cn eq",
            ]
        );
        let changes: Vec<&str> = text.split("\n\n").skip(1).collect();
        assert_eq!(changes.len(), values.len(), "{text}");
        for change in changes {
            let head = "dn: olcDatabase={2}mdb,cn=config\nchangetype: modify\nadd: olcDbIndex\nolcDbIndex: ";
            assert!(change.starts_with(head) && change.trim_end().lines().count() == 4, "{change}");
        }
        let rules = rules(&names).expect("a text");
        assert!(
            values.iter().all(|value| rules.contains(&["olcDbIndex: ", value, "\n"].concat())),
            "{rules}"
        );
    }

    #[test]
    fn an_index_of_389_is_an_entry_and_each_kind_is_also_added_to_one_that_exists() {
        let directory = names(PEOPLE, BOT).directory;
        let server = Server::Ds389 { backend: "userRoot".to_owned() };
        let text = indexes(&directory, &server).expect("a text");
        let mark = "dn: cn=destinationIndicator,cn=index,cn=userRoot,cn=ldbm database,cn=plugins,cn=config\n";
        assert!(
            text.contains(
                &[
                    mark,
                    "changetype: add\nobjectClass: top\nobjectClass: nsIndex\ncn: destinationIndicator\n",
                    "nsSystemIndex: false\nnsIndexType: eq\nnsIndexType: sub\n\n",
                ]
                .concat()
            ),
            "{text}"
        );
        for kind in ["eq", "sub"] {
            let change = [mark, "changetype: modify\nadd: nsIndexType\nnsIndexType: ", kind, "\n\n"].concat();
            assert!(text.contains(&change), "{text}");
        }
        let task = text.split("\n\n").last().expect("a task");
        assert!(task.starts_with("dn: cn=accolade,cn=index,cn=tasks,cn=config\nchangetype: add\n"), "{task}");
        assert_eq!(task.matches("nsIndexAttribute: ").count(), 8, "{task}");
        assert!(!text.contains("replace:") && !text.contains("delete"), "{text}");
        let unusual = Server::Ds389 { backend: "user\nRoot".to_owned() };
        assert_eq!(indexes(&directory, &unusual), Err(LdifError::UnusualName { name: "--backend" }));
    }

    #[test]
    fn the_tree_makes_each_place_once_from_the_top_and_names_the_files_of_passwords() {
        let text = tree(&names(PEOPLE, BOT)).expect("a text");
        let made: Vec<&str> = text.lines().filter_map(|line| line.strip_prefix("dn: ")).collect();
        assert_eq!(
            made,
            [
                "dc=example,dc=org",
                "ou=accounts,dc=example,dc=org",
                "ou=people,ou=accounts,dc=example,dc=org",
                "ou=groups,ou=accounts,dc=example,dc=org",
                "ou=services,dc=example,dc=org",
                "ou=policies,dc=example,dc=org",
                BOT,
                "cn=keycloak,ou=services,dc=example,dc=org",
                "cn=nobody,ou=services,dc=example,dc=org",
                "cn=default,ou=policies,dc=example,dc=org",
                "cn=members,ou=groups,ou=accounts,dc=example,dc=org",
            ]
        );
        assert!(text.contains("userPassword:< file:///etc/accolade/bind.password\n"), "{text}");
        assert!(!text.contains("canary"), "{text}");
    }

    #[test]
    fn names_that_each_place_would_escape_differently_and_trees_without_a_top_are_refused() {
        for people in
            ["ou=p\\\"eople,dc=example,dc=org", "ou=pe(o)ple,dc=example,dc=org", "ou=people\ndn: x,dc=org"]
        {
            let refused = rules(&names(people, BOT));
            assert_eq!(refused, Err(LdifError::UnusualName { name: "people_dn" }), "{people}");
        }
        assert_eq!(tree(&names(PEOPLE, "cn=bot,dc=elsewhere")), Err(LdifError::NoSuffix));
    }
}
