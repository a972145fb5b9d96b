//! Checks of the directory: connection, rights (by the self-test), overlays (by their effect), and the server's settings if an
//! operator lends a bind that may read them.

use uuid::Uuid;

use super::access::{Access, CouldNotRun, SelfTestMode};
use super::checks::Checks;
use crate::config::{self, Config};
use crate::directory::{
    AttemptResult, AttributeIndex, ClassProblem, Directory, DirectoryError, SelfTest, ServerSettings,
};
use crate::domain::cause::Cause;
use crate::domain::dn::Dn;
use crate::domain::eligibility::GroupName;
use crate::domain::finding::{Finding, NotChecked};
use crate::domain::lang::Lang;
use crate::domain::ldap_result;
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
    Finding::LdapRefuses,
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
    let fits_schema = check_classes(&directory, checks).await;
    // With wrong classes the server refuses every entry of the self-test, for that reason alone.
    if access.self_test == SelfTestMode::Allowed && fits_schema {
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
        DirectoryError::Refused { .. } if error.cause() == Some(Cause::LdapRightMissing) => {
            Finding::LdapAclNarrow
        }
        DirectoryError::Refused { .. } => Finding::LdapRefuses,
        DirectoryError::Down { .. }
        | DirectoryError::NotOurs { .. }
        | DirectoryError::Absent { .. }
        | DirectoryError::TooBig { .. }
        | DirectoryError::InvalidResponse { .. }
        | DirectoryError::Groups { .. }
        | DirectoryError::Settings { .. } => Finding::LdapUnreachable,
    };
    checks.fail_because(finding, error.to_string(), error.cause());
}

/// Compares `object_classes` with the schema. `false` if an entry with these classes can't be added.
async fn check_classes(directory: &Directory, checks: &mut Checks) -> bool {
    let problems = match directory.class_problems().await {
        Ok(Some(problems)) => problems,
        Ok(None) => {
            checks.skip(Finding::LdapClassesWrong, NotChecked::SchemaHidden);
            return true;
        }
        Err(error) => {
            record_error(checks, &error);
            return true;
        }
    };
    let fits = problems.is_empty();
    checks.fail_for_each(Finding::LdapClassesWrong, problems.iter().map(shown_problem));
    fits
}

/// Such as `posixAccount requires uidNumber, gidNumber, homeDirectory`.
fn shown_problem(problem: &ClassProblem) -> String {
    match problem {
        ClassProblem::Unknown { class } => [class, " is not in the schema"].concat(),
        ClassProblem::Requires { class, attributes } => {
            [class, " requires ", &attributes.join(", "), ", which Accolade does not write"].concat()
        }
        ClassProblem::SecondStructural { class, other } => {
            [class, " and ", other, " are both structural, and an entry has one"].concat()
        }
    }
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
    check_refusals(checks, report);
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

/// Records what the bot needs and was refused: as a missing right only if the result code says so.
fn check_refusals(checks: &mut Checks, report: &SelfTest) {
    let (mut rights, mut others) = (Vec::new(), Vec::new());
    for attempt in report.too_narrow() {
        let what = messages::doctor::attempt(Lang::default(), attempt);
        let AttemptResult::Refused(code) = report.result_of(attempt) else { continue };
        let about = [&what, ": result code ", &code.to_string()].concat();
        let cause = ldap_result::cause_of(attempt.operation(), code);
        if cause == Cause::LdapRightMissing {
            rights.push(about);
        } else {
            others.push((about, cause));
        }
    }
    if others.is_empty() {
        checks.pass(Finding::LdapRefuses);
    }
    if !rights.is_empty() || others.is_empty() {
        checks.fail_for_each(Finding::LdapAclNarrow, rights);
    }
    for (about, cause) in others {
        checks.fail_because(Finding::LdapRefuses, about, cause);
    }
}
