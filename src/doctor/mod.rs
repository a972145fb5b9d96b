//! `accolade doctor`: checks everything outside this program that it depends on. Each fault has a stable code.
//!
//! Start with [`examine`]. One file checks one system and records its results in `Checks`. A check without a result is reported as
//! *not checked*, with the reason, and never as in order: an error on the way can hide a finding, but can't invent one or clear one.
//! Nothing is stored, and only the self-test in the directory writes (`directory/self_test.rs`).

mod access;
mod checks;
mod directory;
mod discord;
mod journey;
mod keycloak;
mod machine;
mod realm;
mod rights;

use std::sync::Arc;

pub use crate::domain::diagnosis::{Check, Diagnosis, Outcome};
pub use access::{Access, CouldNotRun, SelfTestMode};

use crate::clock::{Clock, Ids, Rng};
use crate::config::Config;
use crate::domain::finding::{Finding, NotChecked};
use checks::Checks;

/// Checks all systems at the same time.
pub async fn examine(
    config: &Config,
    access: &Access,
    clock: Arc<dyn Clock>,
    rng: Arc<dyn Rng>,
) -> Result<Diagnosis, CouldNotRun> {
    let mut checks = (Checks::new(&clock), Checks::new(&clock), Checks::new(&clock), Checks::new(&clock));
    let ids = Ids::new(Arc::clone(&clock), Arc::clone(&rng));
    let administrator = access.administrator.as_ref();
    let (by_directory, by_keycloak, (), ()) = tokio::join!(
        directory::examine(config, access, ids.uuid(), &mut checks.0),
        async {
            keycloak::examine(config, administrator.is_none(), &mut checks.1).await;
            match administrator {
                Some(administrator) => realm::examine(config, administrator, &mut checks.1).await,
                None => Ok(()),
            }
        },
        discord::examine(config, access.discord.as_ref(), Arc::clone(&clock), &mut checks.2),
        machine::examine(config, Arc::clone(&clock), rng, &mut checks.3),
    );
    by_directory.and(by_keycloak)?;
    let all: Vec<Check> =
        [checks.0, checks.1, checks.2, checks.3].into_iter().flat_map(Checks::into_checks).collect();
    Ok(Diagnosis { checks: settle(&all, access) })
}

/// Lists every finding once, or once for each fault. A finding without a result was not checked.
fn settle(all: &[Check], access: &Access) -> Vec<Check> {
    let mut settled = Vec::new();
    for finding in Finding::ALL {
        let of_code: Vec<&Check> = all.iter().filter(|check| check.finding == *finding).collect();
        let wrong = of_code.iter().filter(|check| check.outcome == Outcome::Wrong);
        let before = settled.len();
        settled.extend(wrong.map(|check| (*check).clone()));
        if settled.len() > before {
            continue;
        }
        let skipped = of_code.iter().find(|check| matches!(check.outcome, Outcome::NotChecked(_)));
        let one = skipped.or(of_code.first()).map(|check| (*check).clone());
        settled.push(one.unwrap_or_else(|| Check {
            finding: *finding,
            outcome: Outcome::NotChecked(reason(*finding, access)),
            about: None,
            cause: None,
        }));
    }
    settled
}

/// Why a finding has no result.
fn reason(finding: Finding, access: &Access) -> NotChecked {
    if access.administrator.is_none() && realm::NEEDS_ADMINISTRATOR.contains(&finding) {
        NotChecked::NeedsAdministrator
    } else if access.server_bind.is_none() && directory::NEEDS_SERVER_BIND.contains(&finding) {
        NotChecked::NeedsServerConfiguration
    } else if access.self_test == SelfTestMode::Off && directory::NEEDS_SELF_TEST.contains(&finding) {
        NotChecked::NeedsSelfTest
    } else {
        NotChecked::Blocked
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn access() -> Access {
        Access { administrator: None, server_bind: None, self_test: SelfTestMode::Allowed, discord: None }
    }

    fn check(finding: Finding, outcome: Outcome) -> Check {
        Check { finding, outcome, about: None, cause: None }
    }

    #[test]
    fn a_finding_without_a_result_is_not_checked_and_never_in_order() {
        let settled = settle(&[], &access());
        assert_eq!(settled.len(), Finding::ALL.len());
        for check in settled {
            let Outcome::NotChecked(why) = check.outcome else { panic!("{}", check.finding) };
            let is_hidden = realm::NEEDS_ADMINISTRATOR.contains(&check.finding);
            assert_eq!(why == NotChecked::NeedsAdministrator, is_hidden, "{}", check.finding);
        }
    }

    #[test]
    fn one_fault_among_many_things_in_order_is_a_fault_and_one_unknown_is_unknown() {
        let unknown = Outcome::NotChecked(NotChecked::Blocked);
        let settled = settle(
            &[
                check(Finding::GuildMissing, Outcome::InOrder),
                check(Finding::GuildMissing, Outcome::Wrong),
                check(Finding::GuildMissing, Outcome::Wrong),
                check(Finding::RoleMissing, Outcome::InOrder),
                check(Finding::RoleMissing, unknown.clone()),
            ],
            &access(),
        );
        let of = |finding| settled.iter().filter(|check| check.finding == finding).collect::<Vec<_>>();
        assert_eq!(of(Finding::GuildMissing).len(), 2);
        assert_eq!(of(Finding::RoleMissing), [&check(Finding::RoleMissing, unknown)]);
    }
}
