//! What `accolade doctor` judges: everything outside this program that it counts on, with a stable code for each fault.
//!
//! Start with [`examine`]. One file per system asks and judges; a [`Sheet`] takes what it found. What nobody judged is said to be
//! *not checked*, with the reason, and never taken for in order: an error on the way to an answer can hide a finding, but not make
//! one up, and not make one go away. Nothing here is kept, and only the trial in the directory writes (see `directory/trial.rs`).

mod directory;
mod discord;
mod keycloak;
mod machine;
mod realm;
mod rights;

use std::sync::Arc;

use secrecy::SecretString;

use crate::clock::{Clock, Rng};
use crate::config::Config;
use crate::discord::Discord;
pub use crate::domain::diagnosis::{Check, Diagnosis, Outcome};
use crate::domain::finding::{Finding, NotChecked};
use crate::domain::ids::Timestamp;

/// How far two clocks may be apart: a token's life has a minute to spare, the log's order has none.
const SKEW_MS: i64 = 60_000;

/// What one run may use: what an operator lends, and what is open already.
#[derive(Clone, Debug)]
pub struct Access {
    /// An administrator of Keycloak's realm `master`: name and password.
    pub administrator: Option<(String, SecretString)>,
    /// A bind that may read `cn=config`: DN and password.
    pub server_bind: Option<(String, SecretString)>,
    /// Whether throw-away entries may be made in the directory.
    pub trial: SelfTestIs,
    /// A door to Discord that is open already: its limiter knows what else this process asks. `None` opens one.
    pub discord: Option<Discord>,
}

/// Whether throw-away entries may be made in the directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SelfTestIs {
    /// They are made, and removed again.
    Allowed,
    /// Nothing is written anywhere.
    Unwanted,
}

/// Why there is no diagnosis at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CouldNotRun {
    /// Keycloak does not let the administrator in.
    AdministratorRefused,
    /// The directory does not let the server's bind in.
    ServerBindRefused,
}

/// Asks all systems at once and judges what they say.
pub async fn examine(
    config: &Config,
    access: &Access,
    clock: Arc<dyn Clock>,
    rng: Arc<dyn Rng>,
) -> Result<Diagnosis, CouldNotRun> {
    let mut sheets = (Sheet::of(&clock), Sheet::of(&clock), Sheet::of(&clock), Sheet::of(&clock));
    let ids = crate::clock::Ids::new(Arc::clone(&clock), Arc::clone(&rng));
    let (lent, own) = (access.administrator.as_ref(), access.administrator.is_none());
    let (by_directory, by_keycloak, (), ()) = tokio::join!(
        directory::examine(config, access, ids.uuid(), &mut sheets.0),
        async {
            keycloak::examine(config, own, &mut sheets.1).await;
            match lent {
                Some(administrator) => realm::examine(config, administrator, &mut sheets.1).await,
                None => Ok(()),
            }
        },
        discord::examine(config, access.discord.as_ref(), Arc::clone(&clock), &mut sheets.2),
        machine::examine(config, Arc::clone(&clock), rng, &mut sheets.3),
    );
    by_directory.and(by_keycloak)?;
    let all = [sheets.0, sheets.1, sheets.2, sheets.3].into_iter().flat_map(|sheet| sheet.checks);
    Ok(Diagnosis { checks: settle(&all.collect::<Vec<_>>(), access) })
}

/// Where a system's judge writes down what it found.
struct Sheet {
    checks: Vec<Check>,
    clock: Arc<dyn Clock>,
}

impl Sheet {
    fn of(clock: &Arc<dyn Clock>) -> Self {
        Self { checks: Vec::new(), clock: Arc::clone(clock) }
    }

    fn in_order(&mut self, finding: Finding) {
        self.checks.push(Check { finding, outcome: Outcome::InOrder, about: None });
    }

    fn wrong(&mut self, finding: Finding, about: impl Into<Option<String>>) {
        self.checks.push(Check { finding, outcome: Outcome::Wrong, about: about.into() });
    }

    /// Wrong with each of `faults`, in order without any.
    fn judge(&mut self, finding: Finding, faults: impl IntoIterator<Item = String>) {
        let before = self.checks.len();
        for about in faults {
            self.wrong(finding, about);
        }
        if self.checks.len() == before {
            self.in_order(finding);
        }
    }

    /// In order if it `holds`.
    fn expect(&mut self, finding: Finding, holds: bool) {
        if holds { self.in_order(finding) } else { self.wrong(finding, None) }
    }

    /// Compares a server's clock, as it was a moment ago, with ours.
    fn compare_clock(&mut self, server: &str, theirs: Timestamp) {
        let apart = (self.clock.now().as_millis() - theirs.as_millis()) / 1000;
        if apart.abs() * 1000 <= SKEW_MS {
            return self.in_order(Finding::ClockSkew);
        }
        let side = if apart > 0 { " is behind ours by " } else { " is ahead of ours by " };
        self.wrong(Finding::ClockSkew, [server, side, &apart.abs().to_string(), " s"].concat());
    }
}

/// Every code once or, where several things are wrong, once for each of them. What nobody wrote down was not checked.
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
        let unknown = of_code.iter().find(|check| matches!(check.outcome, Outcome::NotChecked(_)));
        let one = unknown.or(of_code.first()).map(|check| (*check).clone());
        settled.push(one.unwrap_or_else(|| Check {
            finding: *finding,
            outcome: Outcome::NotChecked(reason(*finding, access)),
            about: None,
        }));
    }
    settled
}

/// Why nobody wrote it down.
fn reason(finding: Finding, access: &Access) -> NotChecked {
    let is_lent = access.administrator.is_some();
    if !is_lent && realm::JUDGES.contains(&finding) {
        NotChecked::NeedsAdministrator
    } else if access.server_bind.is_none() && directory::NEEDS_SERVER_BIND.contains(&finding) {
        NotChecked::NeedsServerConfiguration
    } else if access.trial == SelfTestIs::Unwanted && directory::NEEDS_TRIAL.contains(&finding) {
        NotChecked::NeedsTrial
    } else {
        NotChecked::Blocked
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn access() -> Access {
        Access { administrator: None, server_bind: None, trial: SelfTestIs::Allowed, discord: None }
    }

    fn check(finding: Finding, outcome: Outcome) -> Check {
        Check { finding, outcome, about: None }
    }

    #[test]
    fn what_nobody_judged_is_not_checked_and_never_in_order() {
        let settled = settle(&[], &access());
        assert_eq!(settled.len(), Finding::ALL.len());
        for check in settled {
            let Outcome::NotChecked(why) = check.outcome else { panic!("{}", check.finding) };
            let is_hidden = realm::JUDGES.contains(&check.finding);
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
