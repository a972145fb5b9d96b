//! The result of `doctor`: every check with its outcome. A check that was not made never counts as passed.

use super::cause::{Cause, Peer};
use super::finding::{Finding, NotChecked, System};

/// The outcome of one check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The check found no problem.
    InOrder,
    /// The check found a problem.
    Wrong,
    /// The check was not made.
    NotChecked(NotChecked),
}

/// One check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Check {
    /// What it looks for.
    pub finding: Finding,
    /// Its outcome.
    pub outcome: Outcome,
    /// What exactly is wrong: an id, a file, an attribute. Never a name, an address or a secret.
    pub about: Option<String>,
    /// Why a connection failed or a server refused, if that is known. It has a fix of its own.
    pub cause: Option<Cause>,
}

impl Check {
    /// The cause with the server that it is about. Findings about Discord have a fix of their own for each cause.
    pub fn cause_and_peer(&self) -> Option<(Cause, Peer)> {
        let peer = match self.finding.system() {
            System::Discord => None,
            System::Directory => Some(Peer::Directory),
            System::Keycloak => Some(Peer::Keycloak),
            System::Machine => Some(Peer::Database),
        };
        self.cause.zip(peer)
    }

    /// What exactly is wrong, for people who do not run the machine. It is left out if it may name files or addresses.
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

/// All checks, in the order of the codes. Every code occurs at least once, and once for each problem.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnosis {
    /// The checks.
    pub checks: Vec<Check>,
}

impl Diagnosis {
    /// The number of problems.
    pub fn findings(&self) -> usize {
        self.wrong().count()
    }

    /// The number of checks that were not made.
    pub fn unchecked(&self) -> usize {
        self.checks.iter().filter(|check| matches!(check.outcome, Outcome::NotChecked(_))).count()
    }

    /// The problems, worst first.
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
        Check { finding, outcome: Outcome::Wrong, about: Some(about.to_owned()), cause: None }
    }

    #[test]
    fn a_hole_stands_before_what_stops_accounts_and_that_before_the_rest() {
        let checks = vec![
            wrong(Finding::RoleMissing, "role 1"),
            wrong(Finding::AdministratorGiven, "guild 1"),
            Check { finding: Finding::LdapAclWide, outcome: Outcome::InOrder, about: None, cause: None },
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
