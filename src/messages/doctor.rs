//! What `accolade doctor` and `accolade setup` say to operators.

use super::cause;
use super::quote::code_span;
use super::{lines, text_of_code, tr};
use crate::domain::diagnosis::{Check, Diagnosis, Outcome};
use crate::domain::finding::{Attempt, Finding, NotChecked, System};
use crate::domain::lang::Lang;
use crate::domain::summary::{Fact, Summary, Tone};

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

/// The report for an admin in chat: what is wrong, the worst first, then what was not checked and how to check it, and what is fine.
pub fn report(lang: Lang, diagnosis: &Diagnosis) -> Summary {
    let findings = diagnosis.findings();
    let wrong = diagnosis.worst_first().into_iter().map(|check| {
        let about = check.about_in_chat().map(|about| code_span(about, ABOUT_MAX));
        finding(lang, check.finding, about.as_deref())
    });
    let not_checked = NotChecked::ALL.iter().map(|why| unchecked_in_chat(lang, *why, diagnosis));
    let title = match (findings, diagnosis.unchecked()) {
        (0, 0) => tr!(lang, "doctor-chat-all-well"),
        (findings, _) => tr!(lang, "doctor-chat-title", count = findings),
    };
    let fine = System::ALL.iter().map(|system| fine(lang, *system, diagnosis));
    Summary {
        headline: ["**", &title, "**"].concat(),
        title,
        text: lines(wrong.chain(not_checked).chain([tr!(lang, "doctor-of-this-server")])),
        tone: if findings == 0 { Tone::Good } else { Tone::Bad },
        facts: vec![Fact::long(tr!(lang, "doctor-chat-fine"), lines(fine))],
        ..Summary::default()
    }
}

/// How many checks of a system passed; empty if none was made.
fn fine(lang: Lang, of: System, diagnosis: &Diagnosis) -> String {
    let made = || {
        diagnosis.checks.iter().filter(move |check| {
            check.finding.system() == of && !matches!(check.outcome, Outcome::NotChecked(_))
        })
    };
    let (passed, all) = (made().filter(|check| check.outcome == Outcome::InOrder).count(), made().count());
    if all == 0 {
        return String::new();
    }
    tr!(lang, "doctor-chat-fine-line", system = system(lang, of), passed = passed, all = all)
}

/// What was not checked for one reason, by system, and how to check it; empty if there is nothing.
fn unchecked_in_chat(lang: Lang, why: NotChecked, diagnosis: &Diagnosis) -> String {
    let unknown = || diagnosis.checks.iter().filter(|check| check.outcome == Outcome::NotChecked(why));
    let systems = System::ALL.iter().filter_map(|of| {
        let count = unknown().filter(|check| check.finding.system() == *of).count();
        (count > 0).then(|| [&system(lang, *of), " (", &count.to_string(), ")"].concat())
    });
    let systems = systems.collect::<Vec<_>>().join(", ");
    if systems.is_empty() {
        return String::new();
    }
    let how = match why {
        NotChecked::NeedsAdministrator => tr!(lang, "doctor-chat-needs-administrator"),
        NotChecked::NeedsServerConfiguration => tr!(lang, "doctor-chat-needs-server-configuration"),
        NotChecked::ServerConfigurationHidden | NotChecked::NeedsSelfTest | NotChecked::SchemaHidden => {
            not_checked(lang, why)
        }
        NotChecked::Blocked => tr!(lang, "doctor-chat-blocked", codes = codes(unknown())),
    };
    tr!(lang, "doctor-chat-unchecked", systems = systems, how = how)
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
