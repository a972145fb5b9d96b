//! The directory: the way there, the bot's rights by trying, the overlays by their effect, and the server's settings where a bind
//! that may read them is lent.

use uuid::Uuid;

use super::{Access, CouldNotRun, SelfTestIs, Sheet};
use crate::config::{self, Config};
use crate::directory::{Directory, DirectoryError, SelfTest, ServerSettings, Told};
use crate::domain::eligibility::GroupName;
use crate::domain::finding::{Attempt, Finding};
use crate::messages::{self, Lang};

/// What Accolade counts on.
const OVERLAYS: [&str; 4] = ["memberof", "refint", "unique", "ppolicy"];

/// What only `cn=config` tells.
pub(super) const NEEDS_SERVER_BIND: &[Finding] = &[Finding::LdapUniqueNotSerialized, Finding::LdapNoSync];

/// What shows only in a trial.
pub(super) const NEEDS_TRIAL: &[Finding] = &[
    Finding::LdapAclWide,
    Finding::LdapAclNarrow,
    Finding::LdapMarkAttributeMissing,
    Finding::LdapIdAttributeMissing,
    Finding::LdapOverlayMissing,
    Finding::LdapGroupMissing,
    Finding::LdapGroupNotManaged,
    Finding::LdapTrialLeft,
];

/// Asks the directory and judges.
pub(super) async fn examine(
    config: &Config,
    access: &Access,
    seed: Uuid,
    sheet: &mut Sheet,
) -> Result<(), CouldNotRun> {
    let directory = match Directory::new(&config.directory) {
        Ok(directory) => directory,
        Err(error) => {
            name_loss(sheet, &error);
            return Ok(());
        }
    };
    if let Err(error) = directory.probe().await {
        name_loss(sheet, &error);
        return Ok(());
    }
    for finding in
        [Finding::LdapUnreachable, Finding::LdapUntrusted, Finding::LdapBindRefused, Finding::LdapBaseWrong]
    {
        sheet.in_order(finding);
    }
    judge_settings(&config.directory, access, sheet).await?;
    if access.trial == SelfTestIs::Allowed {
        match directory.try_out(seed, &groups_of(config)).await {
            Ok(trial) => judge_trial(sheet, &trial),
            Err(error) => name_loss(sheet, &error),
        }
    }
    Ok(())
}

fn name_loss(sheet: &mut Sheet, error: &DirectoryError) {
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
    sheet.wrong(finding, error.to_string());
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

async fn judge_settings(
    own: &config::Directory,
    access: &Access,
    sheet: &mut Sheet,
) -> Result<(), CouldNotRun> {
    let Some((bind_dn, bind_password)) = access.server_bind.clone() else { return Ok(()) };
    let lent = config::Directory { bind_dn, bind_password, ..own.clone() };
    let read = match Directory::new(&lent) {
        Ok(directory) => directory.server_settings().await,
        Err(error) => Err(error),
    };
    match read {
        Ok(Some(settings)) => judge_server(sheet, &settings),
        // It may not read there either: what it would have shown stays unchecked.
        Ok(None) => {}
        Err(DirectoryError::Refused { verb: "bind", .. }) => return Err(CouldNotRun::ServerBindRefused),
        Err(error) => name_loss(sheet, &error),
    }
    Ok(())
}

fn judge_server(sheet: &mut Sheet, settings: &ServerSettings) {
    sheet.expect(Finding::LdapNoSync, !settings.is_nosync);
    let missing = OVERLAYS.iter().filter(|name| !settings.overlays.iter().any(|overlay| overlay == **name));
    sheet.judge(Finding::LdapOverlayMissing, missing.map(|name| (*name).to_owned()));
    if settings.overlays.iter().any(|overlay| overlay == "unique") {
        let is_open =
            |uri: &&String| !uri.split_whitespace().any(|word| word.eq_ignore_ascii_case("serialize"));
        sheet.judge(Finding::LdapUniqueNotSerialized, settings.unique.iter().filter(is_open).cloned());
    }
}

fn judge_trial(sheet: &mut Sheet, trial: &SelfTest) {
    sheet.expect(Finding::LdapTrialLeft, trial.left == 0);
    if trial.mark_attribute_is_missing || trial.id_attribute_is_missing {
        sheet.expect(Finding::LdapMarkAttributeMissing, !trial.mark_attribute_is_missing);
        sheet.expect(Finding::LdapIdAttributeMissing, !trial.id_attribute_is_missing);
        return;
    }
    sheet.judge(Finding::LdapAclNarrow, trial.too_narrow().map(|attempt| refused(trial, attempt)));
    if !trial.is_whole() {
        return;
    }
    sheet.in_order(Finding::LdapMarkAttributeMissing);
    sheet.in_order(Finding::LdapIdAttributeMissing);
    sheet.judge(
        Finding::LdapAclWide,
        trial.too_wide().map(|attempt| messages::doctor::attempt(Lang::default(), attempt)),
    );
    sheet.judge(Finding::LdapOverlayMissing, trial.overlays_missing.iter().cloned());
    let name = |group: &GroupName| group.as_str().to_owned();
    sheet.judge(Finding::LdapGroupMissing, trial.groups_missing.iter().map(name));
    sheet.judge(Finding::LdapGroupNotManaged, trial.groups_not_managed.iter().map(name));
    if let Some(theirs) = trial.server_time {
        sheet.compare_clock("the directory", theirs);
    }
}

fn refused(trial: &SelfTest, attempt: Attempt) -> String {
    let what = messages::doctor::attempt(Lang::default(), attempt);
    match trial.told(attempt) {
        Told::Refused(rc) => [&what, ": result code ", &rc.to_string()].concat(),
        Told::Done | Told::NotTried => what,
    }
}
