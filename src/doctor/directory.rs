//! Checks of the directory: connection, rights (by the self-test), overlays (by their effect), and the server's settings if an
//! operator lends a bind that may read them.

use uuid::Uuid;

use super::access::{Access, CouldNotRun, SelfTestMode};
use super::checks::Checks;
use crate::config::{self, Config};
use crate::directory::{AttemptResult, AttributeIndex, Directory, DirectoryError, SelfTest, ServerSettings};
use crate::domain::dn::Dn;
use crate::domain::eligibility::GroupName;
use crate::domain::finding::{Attempt, Finding, NotChecked};
use crate::domain::lang::Lang;
use crate::messages;

/// The overlays that Accolade needs.
const OVERLAYS: [&str; 4] = ["memberof", "refint", "unique", "ppolicy"];

/// Findings that only `cn=config` shows.
pub(super) const NEEDS_SERVER_BIND: &[Finding] =
    &[Finding::LdapUniqueNotSerialized, Finding::LdapNoSync, Finding::LdapIndexMissing];

/// Findings that only the self-test shows.
pub(super) const NEEDS_SELF_TEST: &[Finding] = &[
    Finding::LdapAclWide,
    Finding::LdapAclNarrow,
    Finding::LdapMarkAttributeMissing,
    Finding::LdapIdAttributeMissing,
    Finding::LdapOverlayMissing,
    Finding::LdapGroupMissing,
    Finding::LdapGroupNotManaged,
    Finding::LdapSelfTestLeft,
];

/// Checks the directory.
pub(super) async fn examine(
    config: &Config,
    access: &Access,
    seed: Uuid,
    checks: &mut Checks,
) -> Result<(), CouldNotRun> {
    let directory = match Directory::new(&config.directory) {
        Ok(directory) => directory,
        Err(error) => {
            record_error(checks, &error);
            return Ok(());
        }
    };
    if let Err(error) = directory.probe().await {
        record_error(checks, &error);
        return Ok(());
    }
    for finding in
        [Finding::LdapUnreachable, Finding::LdapUntrusted, Finding::LdapBindRefused, Finding::LdapBaseWrong]
    {
        checks.pass(finding);
    }
    check_settings(&config.directory, access, checks).await?;
    if access.self_test == SelfTestMode::Allowed {
        match directory.self_test(seed, &groups_of(config)).await {
            Ok(report) => check_self_test(checks, &report),
            Err(error) => record_error(checks, &error),
        }
    }
    Ok(())
}

fn record_error(checks: &mut Checks, error: &DirectoryError) {
    let finding = match error {
        error if error.is_untrusted() => Finding::LdapUntrusted,
        DirectoryError::Settings { what } if what.starts_with("ca_file") => Finding::LdapUntrusted,
        DirectoryError::Refused { verb: "bind", .. } => Finding::LdapBindRefused,
        // noSuchObject
        DirectoryError::Refused { verb: "probe", rc: 32 } => Finding::LdapBaseWrong,
        DirectoryError::Refused { .. } => Finding::LdapAclNarrow,
        DirectoryError::Down { .. }
        | DirectoryError::NotOurs { .. }
        | DirectoryError::Absent { .. }
        | DirectoryError::TooBig { .. }
        | DirectoryError::InvalidResponse { .. }
        | DirectoryError::Groups { .. }
        | DirectoryError::Settings { .. } => Finding::LdapUnreachable,
    };
    checks.fail(finding, error.to_string());
}

/// Every group that a rule grants, once.
fn groups_of(config: &Config) -> Vec<GroupName> {
    let mut groups: Vec<GroupName> = Vec::new();
    for group in config.guilds.iter().flat_map(|guild| &guild.policy.rules).flat_map(|rule| &rule.groups) {
        if !groups.contains(group) {
            groups.push(group.clone());
        }
    }
    groups
}

async fn check_settings(
    own: &config::Directory,
    access: &Access,
    checks: &mut Checks,
) -> Result<(), CouldNotRun> {
    let Some((bind_dn, bind_password)) = access.server_bind.clone() else { return Ok(()) };
    let bind_dn = Dn::parse(&bind_dn).ok_or(CouldNotRun::ServerBindRefused)?;
    let lent = config::Directory { bind_dn, bind_password, ..own.clone() };
    let read = match Directory::new(&lent) {
        Ok(directory) => directory.server_settings().await,
        Err(error) => Err(error),
    };
    match read {
        Ok(Some(settings)) => check_server(checks, &settings),
        Ok(None) => {
            for finding in NEEDS_SERVER_BIND {
                checks.skip(*finding, NotChecked::ServerConfigurationHidden);
            }
        }
        Err(DirectoryError::Refused { verb: "bind", .. }) => return Err(CouldNotRun::ServerBindRefused),
        Err(error) => record_error(checks, &error),
    }
    Ok(())
}

fn check_server(checks: &mut Checks, settings: &ServerSettings) {
    checks.expect(Finding::LdapNoSync, !settings.is_nosync);
    checks.fail_for_each(Finding::LdapIndexMissing, settings.missing_indexes.iter().map(shown));
    let missing = OVERLAYS.iter().filter(|name| !settings.overlays.iter().any(|overlay| overlay == **name));
    checks.fail_for_each(Finding::LdapOverlayMissing, missing.map(|name| (*name).to_owned()));
    if settings.overlays.iter().any(|overlay| overlay == "unique") {
        let is_open =
            |uri: &&String| !uri.split_whitespace().any(|word| word.eq_ignore_ascii_case("serialize"));
        checks
            .fail_for_each(Finding::LdapUniqueNotSerialized, settings.unique.iter().filter(is_open).cloned());
    }
}

/// Such as `description: eq, subinitial`.
fn shown(index: &AttributeIndex) -> String {
    let kinds: Vec<&str> = index.kinds.iter().map(|kind| kind.open_ldap_name()).collect();
    [&index.attribute, ": ", &kinds.join(", ")].concat()
}

fn check_self_test(checks: &mut Checks, report: &SelfTest) {
    checks.expect(Finding::LdapSelfTestLeft, report.entries_left == 0);
    if report.mark_attribute_is_missing || report.id_attribute_is_missing {
        checks.expect(Finding::LdapMarkAttributeMissing, !report.mark_attribute_is_missing);
        checks.expect(Finding::LdapIdAttributeMissing, !report.id_attribute_is_missing);
        return;
    }
    checks.fail_for_each(Finding::LdapAclNarrow, report.too_narrow().map(|attempt| refused(report, attempt)));
    if !report.is_complete() {
        return;
    }
    checks.pass(Finding::LdapMarkAttributeMissing);
    checks.pass(Finding::LdapIdAttributeMissing);
    checks.fail_for_each(
        Finding::LdapAclWide,
        report.too_wide().map(|attempt| messages::doctor::attempt(Lang::default(), attempt)),
    );
    checks.fail_for_each(Finding::LdapOverlayMissing, report.overlays_missing.iter().cloned());
    let name = |group: &GroupName| group.as_str().to_owned();
    checks.fail_for_each(Finding::LdapGroupMissing, report.groups_missing.iter().map(name));
    checks.fail_for_each(Finding::LdapGroupNotManaged, report.groups_not_managed.iter().map(name));
    if let Some(theirs) = report.server_time {
        checks.compare_clock("the directory", theirs);
    }
}

fn refused(report: &SelfTest, attempt: Attempt) -> String {
    let what = messages::doctor::attempt(Lang::default(), attempt);
    match report.result_of(attempt) {
        AttemptResult::Refused(rc) => [&what, ": result code ", &rc.to_string()].concat(),
        AttemptResult::Done | AttemptResult::NotTried => what,
    }
}
