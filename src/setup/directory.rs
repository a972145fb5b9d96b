//! `accolade setup directory`: the rights, overlays and first entries that Accolade counts on, as LDIF with the configured names, and
//! the trial that says what differs. It writes nothing but the throw-away entries of the trial: the server's settings are its
//! administrator's.

use std::path::{Path, PathBuf};

use uuid::Uuid;

use crate::config;
use crate::directory::{Directory, DirectoryError};
use crate::domain::eligibility::GroupName;

pub use crate::directory::{SelfTest, Told};

const RULES: &str = include_str!("directory/rules.ldif");

/// What the text is made of.
#[derive(Clone, Debug)]
pub struct Names {
    /// `[directory]`
    pub directory: config::Directory,
    /// `[directory] bind_password_file`: the text names it, and never holds what is in it.
    pub bind_password_file: PathBuf,
    /// The entry that Keycloak binds as.
    pub keycloak_dn: String,
    /// The file with its password.
    pub keycloak_password_file: PathBuf,
    /// Where the database's settings are.
    pub database: String,
    /// Where the server's modules are.
    pub module: String,
    /// Every group that a rule grants.
    pub groups: Vec<GroupName>,
}

/// Why no text can be made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoText {
    /// A name holds what would have to be escaped differently in each place.
    #[error(
        "{name} holds other characters than letters, digits and `=,.-_ `: write the rules by hand after the model in docs/directory.md"
    )]
    UnusualName {
        /// Which.
        name: &'static str,
    },
    /// The names have no end in common.
    #[error("people_dn, groups_dn, bind_dn and --federation-bind-dn do not lie in one tree")]
    NoSuffix,
}

/// The rights and overlays, for `ldapmodify` by an administrator of `cn=config`.
pub fn rules(names: &Names) -> Result<String, NoText> {
    let parts = Parts::of(names)?;
    let own = &names.directory;
    let values = [
        ("@PEOPLE_PATTERN@", parts.people.replace('.', "\\.")),
        ("@PEOPLE@", parts.people.clone()),
        ("@GROUPS@", parts.groups.clone()),
        ("@BOT@", parts.bot.clone()),
        ("@KEYCLOAK@", parts.keycloak.clone()),
        ("@NOBODY@", parts.nobody()),
        ("@SUFFIX@", parts.suffix.clone()),
        ("@DATABASE@", names.database.clone()),
        ("@MODULE@", names.module.clone()),
        ("@CLASSES@", own.object_classes.join("|")),
        ("@MARK@", own.mark_attribute.clone()),
        ("@ID@", own.discord_id_attribute.clone()),
    ];
    Ok(values.iter().fold(RULES.to_owned(), |text, (place, value)| text.replace(place, value)))
}

/// The tree, both binds, the placeholder, the password policy and the managed groups, for `ldapadd` by the directory's administrator.
pub fn tree(names: &Names) -> Result<String, NoText> {
    let parts = Parts::of(names)?;
    let mut text = Ldif(String::from(
        "# What the directory holds before anybody asks for an account, for the directory's administrator:\n\
         #   ldapadd -c -D ADMIN -W -H URL -f FILE\n\
         # \"-c\" goes on where an entry is there already. The passwords are read from their files as they are: no line end in them.\n",
    ));
    let mut made: Vec<String> = Vec::new();
    let services = parts.services();
    let policies = ["ou=policies,", &parts.suffix].concat();
    for place in [&parts.people, &parts.groups, &services, &policies] {
        for dn in parts.ancestors_and(place) {
            if !made.contains(&dn) {
                text.container(&dn);
                made.push(dn);
            }
        }
    }
    text.service(&parts.bot, &names.bind_password_file);
    text.service(&parts.keycloak, &names.keycloak_password_file);
    text.entry(&parts.nobody(), &["organizationalRole"], &[]);
    let policy = ["cn=default,", &policies].concat();
    let rules = [
        ("pwdAttribute", "userPassword"),
        ("pwdMinLength", "8"),
        ("pwdCheckQuality", "1"),
        ("pwdLockout", "TRUE"),
    ];
    text.entry(&policy, &["device", "pwdPolicy"], &rules);
    for group in &names.groups {
        let dn = ["cn=", plain(group.as_str(), "a group")?, ",", &parts.groups].concat();
        let rules = [("businessCategory", "accolade"), ("member", &parts.nobody())];
        text.entry(&dn, &["groupOfNames"], &rules);
    }
    Ok(text.0)
}

/// Tries with the bot's own bind what it needs and what it must not do.
pub async fn test(
    names: &config::Directory,
    seed: Uuid,
    groups: &[GroupName],
) -> Result<SelfTest, DirectoryError> {
    let directory = Directory::new(names)?;
    directory.probe().await?;
    directory.try_out(seed, groups).await
}

/// Whether a trial found everything as it should be.
pub fn is_as_printed(trial: &SelfTest) -> bool {
    let refused = |told: &Told| *told != Told::Done;
    trial.is_whole()
        && trial.too_wide().next().is_none()
        && trial.tries.iter().filter(|(attempt, _)| attempt.is_needed()).all(|(_, told)| !refused(told))
        && trial.overlays_missing.is_empty()
        && trial.groups_missing.is_empty()
        && trial.groups_not_managed.is_empty()
        && trial.left == 0
}

/// The configured names, checked for what an LDIF, a rule and a pattern take alike.
struct Parts {
    people: String,
    groups: String,
    bot: String,
    keycloak: String,
    suffix: String,
}

impl Parts {
    fn of(names: &Names) -> Result<Self, NoText> {
        let own = &names.directory;
        let people = tidy(&own.people_dn, "people_dn")?;
        let groups = tidy(&own.groups_dn, "groups_dn")?;
        let bot = tidy(&own.bind_dn, "bind_dn")?;
        let keycloak = tidy(&names.keycloak_dn, "--federation-bind-dn")?;
        for (value, name) in
            [(&own.mark_attribute, "mark_attribute"), (&own.discord_id_attribute, "discord_id_attribute")]
        {
            plain(value, name)?;
        }
        let suffix = [&groups, &bot, &keycloak]
            .into_iter()
            .try_fold(people.clone(), |end, other| common_end(&end, other));
        let suffix = suffix.ok_or(NoText::NoSuffix)?;
        Ok(Self { people, groups, bot, keycloak, suffix })
    }

    fn services(&self) -> String {
        self.bot.split_once(',').map_or_else(|| self.suffix.clone(), |(_, parent)| parent.to_owned())
    }

    fn nobody(&self) -> String {
        ["cn=nobody,", &self.services()].concat()
    }

    /// The suffix, what lies between, and the place itself.
    fn ancestors_and(&self, place: &str) -> Vec<String> {
        let mut all = vec![place.to_owned()];
        let mut rest = place;
        while let Some((_, parent)) = rest.split_once(',')
            && rest != self.suffix
        {
            all.push(parent.to_owned());
            rest = parent;
        }
        all.reverse();
        all
    }
}

/// Without the blanks that a server drops, because a pattern would not.
fn tidy(dn: &str, name: &'static str) -> Result<String, NoText> {
    let parts: Vec<&str> = plain(dn, name)?.split(',').map(str::trim).collect();
    Ok(parts.join(","))
}

fn plain<'a>(text: &'a str, name: &'static str) -> Result<&'a str, NoText> {
    let is_plain =
        text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '=' | ',' | '.' | '-' | '_' | ' '));
    if is_plain { Ok(text) } else { Err(NoText::UnusualName { name }) }
}

fn common_end(one: &str, other: &str) -> Option<String> {
    let (one, other): (Vec<&str>, Vec<&str>) = (one.split(',').collect(), other.split(',').collect());
    let same =
        one.iter().rev().zip(other.iter().rev()).take_while(|(a, b)| a.eq_ignore_ascii_case(b)).count();
    (same > 0).then(|| one[one.len() - same..].join(","))
}

/// A text of entries.
struct Ldif(String);

impl Ldif {
    /// A place in the tree, by the kind of its name.
    fn container(&mut self, dn: &str) {
        let class = match dn.split('=').next().unwrap_or_default().to_ascii_lowercase().as_str() {
            "dc" => "domain",
            "o" => "organization",
            "cn" => "organizationalRole",
            _ => "organizationalUnit",
        };
        self.entry(dn, &[class], &[]);
    }

    /// A bind. LDIF reads a value from a file where `<` says so (RFC 2849).
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
    use secrecy::SecretString;
    use url::Url;

    use super::*;

    fn names(people: &str, bot: &str) -> Names {
        let text = str::to_owned;
        let directory = config::Directory {
            url: Url::parse("ldaps://ldap.example.org").expect("a URL"),
            ca_file: None,
            start_tls: false,
            plaintext_on_loopback: false,
            flavour: config::Flavour::OpenLdap,
            bind_dn: text(bot),
            bind_password: SecretString::from("canary"),
            people_dn: text(people),
            groups_dn: text("ou=groups,ou=accounts,dc=example,dc=org"),
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
        // slapd refuses all of a line in which one attribute has an index already
        assert!(text.contains("olcDbIndex: mail eq\n"), "{text}");
        assert!(text.lines().all(|line| !line.starts_with("olcDbIndex") || !line.contains(',')), "{text}");
        let dotted = rules(&names("ou=peo.ple,dc=example,dc=org", BOT)).expect("a text");
        assert!(dotted.contains(r"[^+,]+,ou=peo\.ple,dc=example,dc=org$"), "{dotted}");
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
            ["ou=p\"eople,dc=example,dc=org", "ou=pe(o)ple,dc=example,dc=org", "ou=people\ndn: x,dc=org"]
        {
            let refused = rules(&names(people, BOT));
            assert_eq!(refused, Err(NoText::UnusualName { name: "people_dn" }), "{people}");
        }
        assert_eq!(tree(&names(PEOPLE, "cn=bot,dc=elsewhere")), Err(NoText::NoSuffix));
    }
}
