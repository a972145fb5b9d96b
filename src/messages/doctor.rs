//! What `accolade doctor` and `accolade setup` say to operators.

use super::cause;
use super::quote::code_span;
use super::{lines, text_of_code, tr};
use crate::domain::diagnosis::{Check, Diagnosis, Outcome};
use crate::domain::finding::{Attempt, Finding, NotChecked, System};
use crate::domain::lang::Lang;

/// The longest thing that a finding is about.
const ABOUT_MAX: usize = 200;

/// What is wrong.
pub fn wrong(lang: Lang, finding: Finding) -> String {
    text_of_code(lang, "doctor", finding.code())
}

/// How to fix it.
pub fn fix(lang: Lang, finding: Finding) -> String {
    text_of_code(lang, "doctor-fix", finding.code())
}

/// Why something was not checked.
pub fn not_checked(lang: Lang, why: NotChecked) -> String {
    text_of_code(lang, "doctor-not-checked", why.code())
}

/// The heading of a system.
pub fn system(lang: Lang, system: System) -> String {
    text_of_code(lang, "doctor-system", system.code())
}

/// What was tried in the directory.
pub fn attempt(lang: Lang, attempt: Attempt) -> String {
    text_of_code(lang, "attempt", attempt.code())
}

/// One finding with what it is about, and its fix.
pub fn finding(lang: Lang, finding: Finding, about: Option<&str>) -> String {
    with_fix(lang, finding, about, &fix(lang, finding))
}

/// One check that failed: the fix of its cause, if that is known, else that of its finding.
pub fn failed_check(lang: Lang, check: &Check, about: Option<&str>) -> String {
    with_fix(lang, check.finding, about, &fix_of(lang, check))
}

/// How to fix what a check found.
pub fn fix_of(lang: Lang, check: &Check) -> String {
    let of_cause = check.cause_and_peer().map(|(cause, peer)| cause::sentence(lang, peer, cause));
    of_cause.unwrap_or_else(|| fix(lang, check.finding))
}

fn with_fix(lang: Lang, finding: Finding, about: Option<&str>, fix: &str) -> String {
    let wrong = wrong(lang, finding);
    let about = about.map(|about| [" (", about, ")"].concat()).unwrap_or_default();
    tr!(lang, "doctor-finding", code = finding.code(), wrong = wrong, about = about, fix = fix)
}

/// What was not checked for one reason.
pub fn unchecked(lang: Lang, why: NotChecked, codes: &str) -> String {
    let why = not_checked(lang, why);
    tr!(lang, "doctor-unchecked", codes = codes, why = why)
}

/// The report for an admin in chat: what is wrong, the worst first, then what was not checked and what passed.
pub fn report(lang: Lang, diagnosis: &Diagnosis) -> String {
    let findings = diagnosis.findings();
    let summary = match (findings, diagnosis.unchecked()) {
        (0, 0) => tr!(lang, "doctor-all-well"),
        (findings, unchecked) => tr!(lang, "doctor-summary", findings = findings, unchecked = unchecked),
    };
    let none = if findings == 0 { tr!(lang, "doctor-nothing-wrong") } else { String::new() };
    let mut parts = vec![summary, none];
    parts.extend(diagnosis.worst_first().into_iter().map(|check| {
        let about = check.about_in_chat().map(|about| code_span(about, ABOUT_MAX));
        failed_check(lang, check, about.as_deref())
    }));
    parts.extend(NotChecked::ALL.iter().filter_map(|why| {
        let unknown = Outcome::NotChecked(*why);
        let codes = codes(diagnosis.checks.iter().filter(|check| check.outcome == unknown));
        (!codes.is_empty()).then(|| unchecked(lang, *why, &codes))
    }));
    let fine = diagnosis.checks.iter().filter(|check| check.outcome == Outcome::InOrder).count();
    parts.push(if fine > 0 { tr!(lang, "doctor-in-order", count = fine) } else { String::new() });
    parts.push(tr!(lang, "doctor-of-this-server"));
    lines(parts)
}

/// The codes of `checks`, separated by commas.
pub fn codes<'a>(checks: impl Iterator<Item = &'a Check>) -> String {
    checks.map(|check| check.finding.code()).collect::<Vec<_>>().join(", ")
}

/// The directory allowed or refused an attempt wrongly.
pub fn self_test_differs(lang: Lang, tried: Attempt) -> String {
    let attempt = attempt(lang, tried);
    if tried.is_needed() {
        tr!(lang, "setup-self-test-refused", attempt = attempt)
    } else {
        tr!(lang, "setup-self-test-allowed", attempt = attempt)
    }
}

/// The invite URL of the bot, with the permissions to give it.
pub fn invite(lang: Lang, url: &str, gives_roles: bool) -> String {
    if gives_roles {
        tr!(lang, "setup-invite-with-roles", url = url)
    } else {
        tr!(lang, "setup-invite", url = url)
    }
}
