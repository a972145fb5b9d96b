//! What admins read about links and the audit log: whole answers in chat, the names of differences at the command line.

use super::quote::code_span;
use super::{date_and_time, id_of_code, lines, mention, text_of, text_of_code, tr};
use crate::domain::account::AccountState;
use crate::domain::eligibility::GroupName;
use crate::domain::ids::DiscordUserId;
use crate::domain::lang::Lang;
use crate::domain::link::{Comparison, EntryFacts, Finding, Lookup, NotChecked, UserFacts};
use crate::domain::listing::{AuditFacts, LinkFacts};
use crate::domain::matching::ServerAddress;
use crate::domain::phase::NotEnabled;
use crate::domain::summary::{Fact, Summary, Tone};

/// The longest id, name or address that is quoted.
const QUOTED_MAX: usize = 254;

/// A link in one line.
pub fn link_line(lang: Lang, link: &LinkFacts<'_>) -> String {
    tr!(
        lang,
        "admin-link-line",
        username = quoted(link.username),
        who = person(lang, link.discord_id),
        state = link.state.code(),
        account = quoted(&link.account_id)
    )
}

/// The account is being unlocked.
pub fn enabling(lang: Lang, username: &str) -> String {
    tr!(lang, "admin-enabling", username = quoted(username))
}

/// The account is already being unlocked.
pub fn enabling_already(lang: Lang, username: &str) -> String {
    tr!(lang, "admin-enabling-already", username = quoted(username))
}

/// Unlocking the account had stopped, and is tried again.
pub fn enabling_again(lang: Lang, username: &str) -> String {
    tr!(lang, "admin-enabling-again", username = quoted(username))
}

/// Why the account can't be unlocked now, with the next step.
pub fn not_enabled(lang: Lang, why: NotEnabled) -> String {
    match why {
        NotEnabled::OwnAccount => tr!(lang, "not-enabled-own-account"),
        NotEnabled::ReasonMissing => tr!(lang, "not-enabled-reason-missing"),
        NotEnabled::MemberGone => tr!(lang, "not-enabled-member-gone"),
        NotEnabled::RoleLost => tr!(lang, "not-enabled-role-lost"),
        NotEnabled::Denied => tr!(lang, "not-enabled-denied"),
        NotEnabled::NotLocked => tr!(lang, "not-enabled-not-locked"),
        NotEnabled::NotYet => tr!(lang, "not-enabled-not-yet"),
        NotEnabled::Conflict => tr!(lang, "not-enabled-conflict"),
    }
}

/// A link with the current state of directory and Keycloak.
pub fn link_summary(
    lang: Lang,
    link: &LinkFacts<'_>,
    entry: &Lookup<EntryFacts>,
    user: &Lookup<UserFacts>,
    compared: &Comparison,
) -> Summary {
    let facts = vec![
        Fact::short(tr!(lang, "form-username"), quoted(link.username)),
        Fact::short(tr!(lang, "admin-link-person"), person(lang, link.discord_id)),
        Fact::short(tr!(lang, "admin-link-request"), link.request_code.map(quoted).unwrap_or_default()),
        Fact::short(tr!(lang, "admin-link-invited"), link.invited_at.map(date_and_time).unwrap_or_default()),
        Fact::short(
            tr!(lang, "admin-link-activated"),
            link.activated_at.map(date_and_time).unwrap_or_default(),
        ),
        Fact::long(tr!(lang, "doctor-system-directory"), entry_seen(lang, entry)),
        Fact::long(tr!(lang, "doctor-system-keycloak"), user_seen(lang, user)),
    ];
    let who = person(lang, link.discord_id);
    Summary {
        headline: tr!(lang, "admin-link-headline", username = quoted(link.username), who = who),
        person: None,
        title: tr!(lang, "admin-link-title", state = link.state.code()),
        text: lines(comparison(lang, compared)),
        tone: if compared.is_clean() { link_tone(link.state) } else { Tone::Attention },
        facts,
        footer: tr!(lang, "admin-link-footer", account = link.account_id.as_str()),
        at: None,
    }
}

const fn link_tone(state: AccountState) -> Tone {
    match state {
        AccountState::Creating | AccountState::Invited => Tone::Open,
        AccountState::Active => Tone::Good,
        AccountState::Conflict => Tone::Attention,
        AccountState::Disabled => Tone::Bad,
        AccountState::Closed => Tone::Over,
    }
}

fn entry_seen(lang: Lang, entry: &Lookup<EntryFacts>) -> String {
    let facts = match entry {
        Lookup::NotChecked => return tr!(lang, "admin-directory-silent"),
        Lookup::Gone | Lookup::Nothing => return tr!(lang, "admin-directory-none"),
        Lookup::Found(facts) | Lookup::Replaced(facts) => facts,
    };
    let lock = if facts.is_locked { tr!(lang, "admin-locked") } else { tr!(lang, "admin-not-locked") };
    let password = match facts.password_changed_at {
        Some(at) => tr!(lang, "admin-password-set", at = date_and_time(at)),
        None => tr!(lang, "admin-no-password"),
    };
    tr!(
        lang,
        "admin-directory-entry",
        id = quoted(facts.directory_id.as_str()),
        username = quoted(facts.username.as_str()),
        address = quoted(facts.address.as_ref().map_or("", ServerAddress::as_str)),
        groups = groups(lang, facts.groups.as_deref()),
        lock = lock,
        password = password
    )
}

fn user_seen(lang: Lang, user: &Lookup<UserFacts>) -> String {
    let facts = match user {
        Lookup::NotChecked => return tr!(lang, "admin-keycloak-silent"),
        Lookup::Gone | Lookup::Nothing => return tr!(lang, "admin-keycloak-none"),
        Lookup::Found(facts) | Lookup::Replaced(facts) => facts,
    };
    let enabled = if facts.is_enabled { tr!(lang, "admin-enabled") } else { tr!(lang, "admin-not-enabled") };
    tr!(
        lang,
        "admin-keycloak-user",
        id = quoted(facts.keycloak_id.as_str()),
        username = quoted(facts.username.as_str()),
        groups = groups(lang, facts.groups.as_deref()),
        enabled = enabled
    )
}

fn groups(lang: Lang, groups: Option<&[GroupName]>) -> String {
    match groups {
        None => tr!(lang, "admin-groups-unread"),
        Some([]) => tr!(lang, "admin-no-groups"),
        Some(groups) => {
            let names: Vec<_> = groups.iter().take(10).map(|group| code_span(group.as_str(), 64)).collect();
            names.join(", ")
        }
    }
}

/// The differences, then what could not be checked, or that there are no differences.
pub fn comparison(lang: Lang, compared: &Comparison) -> Vec<String> {
    if compared.is_clean() {
        return vec![tr!(lang, "admin-no-differences")];
    }
    let differences = compared.differences.iter().map(|finding| {
        let code = quoted(finding.difference.code());
        tr!(lang, "admin-difference", what = difference(lang, finding), code = code)
    });
    let not_checked = compared.not_checked.iter().map(|part| not_checked(lang, *part));
    differences.chain(not_checked).collect()
}

/// What a difference means.
pub fn difference(lang: Lang, finding: &Finding) -> String {
    let detail = quoted(finding.detail.as_deref().unwrap_or_default());
    text_of(lang, &id_of_code("difference", finding.difference.code()), [("detail", detail.into())])
}

/// What could not be checked, and why.
pub fn not_checked(lang: Lang, part: NotChecked) -> String {
    text_of_code(lang, "not-checked", part.code())
}

/// A row of the audit log.
pub fn audit_line(lang: Lang, row: &AuditFacts<'_>) -> String {
    let name = |who: &Result<DiscordUserId, &str>| match who {
        Ok(user) => mention(*user),
        Err(text) => quoted(text),
    };
    let about = row
        .subject
        .as_ref()
        .map_or_else(String::new, |subject| tr!(lang, "admin-audit-about", whom = name(subject)));
    let request = row.request_code.map_or_else(String::new, quoted);
    let change = match (row.before, row.after) {
        (Some(before), Some(after)) => [quoted(before), quoted(after)].join(" → "),
        (None, Some(one)) | (Some(one), None) => quoted(one),
        (None, None) => String::new(),
    };
    let reason = row.reason_code.map_or_else(String::new, quoted);
    let head = tr!(
        lang,
        "admin-audit-line",
        seq = row.seq.to_string(),
        at = date_and_time(row.at),
        event = quoted(row.event),
        who = name(&row.actor),
        source = row.source
    );
    [head, about, request, change, reason]
        .into_iter()
        .filter(|part| !part.is_empty())
        .collect::<Vec<_>>()
        .join(" · ")
}

/// The rows are in the file, up to this head.
pub fn exported_audit(lang: Lang, head: &str) -> String {
    tr!(lang, "admin-exported-audit", head = quoted(head))
}

/// A Discord user by name, or that they were erased.
fn person(lang: Lang, id: Option<DiscordUserId>) -> String {
    id.map_or_else(|| tr!(lang, "admin-erased"), mention)
}

fn quoted(name: &str) -> String {
    code_span(name, QUOTED_MAX)
}
