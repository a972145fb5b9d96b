//! What a look at everything outside found: each thing with how it stands. What nobody judged is never in order.

use super::finding::{Finding, NotChecked, System};

/// How one thing stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It was judged and is in order.
    InOrder,
    /// It is wrong.
    Wrong,
    /// Nobody knows.
    NotChecked(NotChecked),
}

/// One thing that was, or was not, judged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Check {
    /// What it is.
    pub finding: Finding,
    /// How it stands.
    pub outcome: Outcome,
    /// What exactly is wrong: an id, a file, an attribute. Never a name, an address or a secret.
    pub about: Option<String>,
}

impl Check {
    /// What exactly is wrong, for people who do not run the machine: without what may name its files.
    pub fn about_in_chat(&self) -> Option<&str> {
        let is_a_way = matches!(
            self.finding,
            Finding::DiscordUnreachable
                | Finding::DiscordUntrusted
                | Finding::LdapUnreachable
                | Finding::LdapUntrusted
                | Finding::KeycloakUnreachable
                | Finding::KeycloakUntrusted
        );
        let is_of_files = self.finding.system() == System::Machine && self.finding != Finding::ClockSkew;
        self.about.as_deref().filter(|_| !is_a_way && !is_of_files)
    }
}

/// What was found, in the order of the codes. Several findings may carry one code; every code is there at least once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnosis {
    /// All of it.
    pub checks: Vec<Check>,
}

impl Diagnosis {
    /// How many things are wrong.
    pub fn findings(&self) -> usize {
        self.wrong().count()
    }

    /// How many things were not judged.
    pub fn unchecked(&self) -> usize {
        self.checks.iter().filter(|check| matches!(check.outcome, Outcome::NotChecked(_))).count()
    }

    /// What is wrong, the worst first.
    pub fn worst_first(&self) -> Vec<&Check> {
        let mut wrong: Vec<&Check> = self.wrong().collect();
        wrong.sort_by_key(|check| check.finding.weight());
        wrong
    }

    fn wrong(&self) -> impl Iterator<Item = &Check> {
        self.checks.iter().filter(|check| check.outcome == Outcome::Wrong)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wrong(finding: Finding, about: &str) -> Check {
        Check { finding, outcome: Outcome::Wrong, about: Some(about.to_owned()) }
    }

    #[test]
    fn a_hole_stands_before_what_stops_accounts_and_that_before_the_rest() {
        let checks = vec![
            wrong(Finding::RoleMissing, "role 1"),
            wrong(Finding::AdministratorGiven, "guild 1"),
            Check { finding: Finding::LdapAclWide, outcome: Outcome::InOrder, about: None },
            wrong(Finding::LdapGroupMissing, "members"),
            wrong(Finding::LdapGroupMissing, "wiki"),
        ];
        let diagnosis = Diagnosis { checks };
        let order: Vec<_> = diagnosis.worst_first().into_iter().map(|check| check.about.as_deref()).collect();
        assert_eq!(order, [Some("guild 1"), Some("members"), Some("wiki"), Some("role 1")]);
    }

    #[test]
    fn what_may_name_a_file_of_the_machine_is_not_for_chat() {
        for hidden in [Finding::StoreReadable, Finding::KeyMissing, Finding::KeycloakUntrusted] {
            assert_eq!(wrong(hidden, "/srv/accolade.key").about_in_chat(), None);
        }
        for shown in [Finding::ClockSkew, Finding::RoleMissing, Finding::LdapGroupMissing] {
            assert_eq!(wrong(shown, "this").about_in_chat(), Some("this"));
        }
    }
}
