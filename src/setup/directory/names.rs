//! The names in the printed LDIF, and the check that they need no escaping.

use std::path::PathBuf;

use crate::config;
use crate::domain::dn::Dn;
use crate::domain::eligibility::GroupName;

/// The names in the LDIF.
#[derive(Clone, Debug)]
pub struct Names {
    /// `[directory]`
    pub directory: config::Directory,
    /// `[directory] bind_password_file`. The LDIF names the file and never contains the password.
    pub bind_password_file: PathBuf,
    /// The entry that Keycloak binds as.
    pub keycloak_dn: String,
    /// The file with that entry's password.
    pub keycloak_password_file: PathBuf,
    /// The entry with the database's settings.
    pub database: String,
    /// The entry with the server's list of modules.
    pub module: String,
    /// Every group that a rule grants.
    pub groups: Vec<GroupName>,
}

/// Why no LDIF can be printed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LdifError {
    /// A name has characters that LDIF, access rules and patterns escape differently.
    #[error(
        "{name} has characters other than letters, digits and `=,.-_ `: write the LDIF by hand, after the example in docs/directory.md"
    )]
    UnusualName {
        /// The key or flag of the name.
        name: &'static str,
    },
    /// The names have no common suffix.
    #[error("people_dn, groups_dn, bind_dn and --federation-bind-dn are not in one tree")]
    NoSuffix,
}

/// The configured names, checked to be valid in LDIF, access rules and patterns alike.
pub(super) struct TreeNames {
    pub(super) people: String,
    pub(super) groups: String,
    pub(super) bot: String,
    pub(super) keycloak: String,
    pub(super) suffix: String,
}

impl TreeNames {
    pub(super) fn of(names: &Names) -> Result<Self, LdifError> {
        let own = &names.directory;
        let people = without_blanks(own.people_dn.as_str(), "people_dn")?;
        let groups = without_blanks(own.groups_dn.as_str(), "groups_dn")?;
        let bot = without_blanks(own.bind_dn.as_str(), "bind_dn")?;
        let keycloak = without_blanks(&names.keycloak_dn, "--federation-bind-dn")?;
        for (value, name) in
            [(&own.mark_attribute, "mark_attribute"), (&own.discord_id_attribute, "discord_id_attribute")]
        {
            plain(value, name)?;
        }
        let suffix = [&groups, &bot, &keycloak]
            .into_iter()
            .try_fold(people.clone(), |suffix, other| common_suffix(&suffix, other));
        let suffix = suffix.ok_or(LdifError::NoSuffix)?;
        Ok(Self { people, groups, bot, keycloak, suffix })
    }

    pub(super) fn services(&self) -> String {
        self.bot.split_once(',').map_or_else(|| self.suffix.clone(), |(_, parent)| parent.to_owned())
    }

    /// The placeholder member of an empty group.
    pub(super) fn nobody(&self) -> String {
        ["cn=nobody,", &self.services()].concat()
    }

    /// The suffix, the entries between, and the entry itself.
    pub(super) fn ancestors_and(&self, place: &str) -> Vec<String> {
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

/// Removes blanks that a server ignores, because patterns don't ignore them.
fn without_blanks(dn: &str, name: &'static str) -> Result<String, LdifError> {
    let parts: Vec<&str> = plain(dn, name)?.split(',').map(str::trim).collect();
    Ok(parts.join(","))
}

/// Refuses a name with a character that is special in LDIF, access rules or patterns.
pub(super) fn plain<'a>(text: &'a str, name: &'static str) -> Result<&'a str, LdifError> {
    let is_plain =
        text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '=' | ',' | '.' | '-' | '_' | ' '));
    if is_plain { Ok(text) } else { Err(LdifError::UnusualName { name }) }
}

fn is_same_part(one: &str, other: &str) -> bool {
    Dn::parse(one).is_some_and(|one| Dn::parse(other).as_ref() == Some(&one))
}

/// The common suffix of two names.
fn common_suffix(one: &str, other: &str) -> Option<String> {
    let (one, other): (Vec<&str>, Vec<&str>) = (one.split(',').collect(), other.split(',').collect());
    let same = one.iter().rev().zip(other.iter().rev()).take_while(|(a, b)| is_same_part(a, b)).count();
    (same > 0).then(|| one[one.len() - same..].join(","))
}
