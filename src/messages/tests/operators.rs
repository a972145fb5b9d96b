//! The messages for operators; each function is called once.

use std::time::Duration;

use super::*;
use crate::domain::cause::Cause;
use crate::domain::comparison::DifferenceKind;
use crate::domain::diagnosis::{Check, Diagnosis, Outcome};
use crate::domain::eligibility::{Approval, GroupName, Rule, RuleName};
use crate::domain::finding::{Attempt, Finding, NotChecked, System};

pub(super) fn said(lang: Lang) -> Vec<String> {
    let mail = keycloak_mail::texts(lang, "Chess Club");
    assert!(mail.iter().enumerate().all(|(place, text)| keycloak_mail::is_ours(lang, place, text)));
    let decided =
        [cli::decided(lang, Verdict::Approve, "K7M2QX"), cli::decided(lang, Verdict::Deny, "K7M2QX")];
    // The places that Keycloak fills in.
    let filled =
        mail.map(|text| ["{0}", "{3}", "{4}"].iter().fold(text, |text, place| text.replace(place, "x")));
    decided.into_iter().chain(filled).collect()
}

pub(super) fn of_the_service(lang: Lang) -> Vec<String> {
    let at = Timestamp::from_millis(1_800_000_000_000);
    let roles = vec![RoleId::new(7), RoleId::new(8)];
    let rule = |approval| Rule {
        name: RuleName::new("members"),
        all_roles: Vec::new(),
        any_roles: Vec::new(),
        none_roles: Vec::new(),
        min_account_age: Duration::ZERO,
        min_membership: Duration::ZERO,
        groups: GroupName::new("members").into_iter().collect(),
        approval,
        ask_reason: false,
    };
    let reasons = [
        WhyNot::Pending,
        WhyNot::Bot,
        WhyNot::TimedOut,
        WhyNot::NoRules,
        WhyNot::RolesMissing(roles.clone()),
        WhyNot::OneRoleNeeded(roles.clone()),
        WhyNot::RoleForbids(roles),
        WhyNot::AccountTooYoung(at),
        WhyNot::MembershipTooYoung(Some(at)),
        WhyNot::MembershipTooYoung(None),
    ];
    let said = vec![
        service::compared(lang, 0, false),
        service::compared(lang, 2, true),
        service::reloaded(lang, true),
        service::reloaded(lang, false),
        service::decides(lang, &rule(Approval::Automatic)),
        service::decides(lang, &rule(Approval::Moderators)),
        service::would_fit(lang, &rule(Approval::Moderators)),
        service::does_not_fit(lang, &rule(Approval::Moderators)),
    ];
    let differences = DifferenceKind::ALL.iter().map(|kind| service::difference(lang, *kind));
    let said = said.into_iter().chain(differences);
    let names = [(RoleId::new(7), "member".to_owned())].into();
    assert!(
        service::against(lang, &WhyNot::RoleForbids(vec![RoleId::new(7), RoleId::new(8)]), &names)
            .contains("@member (7), 8")
    );
    said.chain(reasons.iter().map(|reason| service::against(lang, reason, &names))).collect()
}

pub(super) fn by_doctor(lang: Lang) -> Vec<String> {
    let mut said = vec![
        doctor::report(lang, &Diagnosis { checks: Vec::new() }).plain(),
        doctor::invite(lang, "https://discord.com/oauth2/authorize", true),
        doctor::invite(lang, "https://discord.com/oauth2/authorize", false),
    ];
    for finding in Finding::ALL {
        said.extend([doctor::wrong(lang, *finding), doctor::fix(lang, *finding)]);
        said.push(doctor::finding(lang, *finding, Some("guild 1")));
    }
    for cause in Cause::ALL {
        let finding = Finding::LdapUnreachable;
        let check = Check { finding, outcome: Outcome::Wrong, about: None, cause: Some(*cause) };
        said.push(doctor::failed_check(lang, &check, None));
    }
    for why in NotChecked::ALL {
        said.push(doctor::unchecked(lang, *why, "clock_skew"));
    }
    said.extend(System::ALL.iter().map(|system| doctor::system(lang, *system)));
    for attempt in Attempt::ALL {
        said.extend([doctor::attempt(lang, *attempt), doctor::self_test_differs(lang, *attempt)]);
    }
    said
}

#[test]
fn a_report_tells_the_worst_first_and_what_nobody_judged_apart_from_what_is_in_order() {
    let check = |finding, outcome, about: Option<&str>| Check {
        finding,
        outcome,
        about: about.map(str::to_owned),
        cause: None,
    };
    let checks = vec![
        check(Finding::DiscordIntentOff, Outcome::InOrder, None),
        check(Finding::RoleMissing, Outcome::Wrong, Some("guild 1, role 2")),
        check(Finding::LdapAclWide, Outcome::Wrong, Some("**rename** `an` entry")),
        check(Finding::LdapNoSync, Outcome::NotChecked(NotChecked::NeedsServerConfiguration), None),
        check(Finding::KeyWrong, Outcome::Wrong, Some("the key file /srv/accolade.key is not the one")),
    ];
    let report = doctor::report(Lang::En, &Diagnosis { checks });
    assert_eq!((report.title.as_str(), report.tone), ("Findings: 3", Tone::Bad));
    let lines: Vec<&str> = report.text.lines().collect();
    assert!(
        lines[0].starts_with("ldap_acl_wide: ") && lines[0].ends_with("(`**rename** 'an' entry`)"),
        "{report:?}"
    );
    assert!(lines[1].trim_start().starts_with("Fix: "), "{report:?}");
    assert!(lines[2].starts_with("key_wrong: ") && !report.text.contains("/srv/"), "{report:?}");
    assert!(lines[4].starts_with("role_missing: ") && lines[4].contains("`guild 1, role 2`"), "{report:?}");
    assert!(lines[6].starts_with("Not checked: The directory (1). "), "{report:?}");
    assert!(lines[6].contains("`accolade doctor --ldap-config-dn DN`"), "{report:?}");
    let fine = "Discord: 1 of 2 checks passed\nThe directory: 0 of 1 checks passed\nThis machine: 0 of 1 checks passed";
    assert_eq!(report.facts[0].value, fine);
}

#[test]
fn a_report_without_findings_says_what_is_fine_and_how_to_check_the_rest() {
    let check = |finding, outcome| Check { finding, outcome, about: None, cause: None };
    let healthy = Diagnosis {
        checks: Finding::ALL
            .iter()
            .map(|finding| match finding.system() {
                System::Keycloak => check(*finding, Outcome::NotChecked(NotChecked::NeedsAdministrator)),
                System::Discord | System::Directory | System::Machine => check(*finding, Outcome::InOrder),
            })
            .collect(),
    };
    let report = doctor::report(Lang::En, &healthy);
    assert_eq!(report.tone, Tone::Good);
    assert!(report.title.starts_with("Findings: none"), "{report:?}");
    assert!(report.text.contains("`accolade doctor --as-admin`"), "{report:?}");
    assert!(report.facts[0].value.contains("checks passed"), "{report:?}");
    assert!(report.plain().chars().count() < 1500, "{report:?}");
}

#[test]
fn a_stop_because_of_discord_names_discord_and_a_defect_does_not() {
    let notice = |code| card::needs_operator_notice(Lang::default(), "K7M2QX", Some(Step::Eligible), code);
    let blames = |said: String| {
        ["Discord is not responding", "Discord refused"].iter().any(|text| said.contains(text))
    };
    for code in ErrorCode::ALL {
        let is_discords = matches!(code, ErrorCode::DiscordDown | ErrorCode::DiscordRefused);
        assert_eq!(blames(notice(*code)), is_discords, "{code}");
    }
    assert!(notice(ErrorCode::Internal).contains("unexpected cause"));
}
