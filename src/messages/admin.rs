//! What admins read of links and the audit log: in chat whole answers, on the command line the names of differences.

use super::quote::code_span;
use super::{Lang, date_and_time, lines, mention, say, say_with};
use crate::domain::account::AccountState;
use crate::domain::eligibility::GroupName;
use crate::domain::ids::{DiscordUserId, Timestamp};
use crate::domain::link::{Comparison, EntryFacts, Finding, LinkDifference, Lookup, NotChecked, UserFacts};

/// The longest id, name or address that is quoted.
const QUOTED_MAX: usize = 254;

/// What stands in the store about an account.
#[derive(Clone, Debug)]
pub struct LinkFacts<'a> {
    /// The user name.
    pub username: &'a str,
    /// Where it stands.
    pub state: AccountState,
    /// Whose it is, unless erased.
    pub discord_id: Option<DiscordUserId>,
    /// Our id of the account.
    pub account_id: String,
    /// The code of the request that made it.
    pub request_code: Option<&'a str>,
    /// When the mail went out.
    pub invited_at: Option<Timestamp>,
    /// When the first password was seen.
    pub activated_at: Option<Timestamp>,
}

/// A row of the audit log.
#[derive(Clone, Debug)]
pub struct AuditFacts<'a> {
    /// Its position.
    pub seq: i64,
    /// When.
    pub at: Timestamp,
    /// What.
    pub event: &'a str,
    /// Through which entrance.
    pub source: &'a str,
    /// Who: a Discord user, else the text of the column.
    pub actor: Result<DiscordUserId, &'a str>,
    /// Whom it concerns, if anybody.
    pub subject: Option<Result<DiscordUserId, &'a str>>,
    /// The request's code.
    pub request_code: Option<&'a str>,
    /// What it was.
    pub before: Option<&'a str>,
    /// What it became.
    pub after: Option<&'a str>,
    /// Why.
    pub reason_code: Option<&'a str>,
}

/// Nothing fits.
pub fn no_links(lang: Lang) -> String {
    say(lang, "admin-no-links")
}

/// Nothing, or more than one, fits where one was asked for.
pub fn no_such_link(lang: Lang) -> String {
    say(lang, "admin-no-such-link")
}

/// A link in one line.
pub fn link_line(lang: Lang, link: &LinkFacts<'_>) -> String {
    let given = [
        ("username", code_span(link.username, QUOTED_MAX).into()),
        ("who", person(lang, link.discord_id).into()),
        ("state", link.state.code().into()),
        ("account", code_span(&link.account_id, QUOTED_MAX).into()),
    ];
    say_with(lang, "admin-link-line", given)
}

/// A link with directory and Keycloak as they are now.
pub fn link_shown(
    lang: Lang,
    link: &LinkFacts<'_>,
    entry: &Lookup<EntryFacts>,
    user: &Lookup<UserFacts>,
    compared: &Comparison,
) -> String {
    let request = link.request_code.map_or_else(String::new, |code| {
        say_with(lang, "admin-link-request", [("code", code_span(code, QUOTED_MAX).into())])
    });
    let times = [("admin-link-invited", link.invited_at), ("admin-link-activated", link.activated_at)];
    let times = times
        .into_iter()
        .filter_map(|(key, at)| at.map(|at| say_with(lang, key, [("at", date_and_time(at).into())])));
    let mut parts = vec![link_line(lang, link), request];
    parts.extend(times);
    parts.push(entry_seen(lang, entry));
    parts.push(user_seen(lang, user));
    parts.push(String::from("\u{2014}"));
    parts.extend(comparison(lang, compared));
    lines(parts)
}

fn entry_seen(lang: Lang, entry: &Lookup<EntryFacts>) -> String {
    let facts = match entry {
        Lookup::NotChecked => return say(lang, "admin-directory-silent"),
        Lookup::Gone | Lookup::Nothing => return say(lang, "admin-directory-none"),
        Lookup::Found(facts) | Lookup::Replaced(facts) => facts,
    };
    let lock = say(lang, if facts.is_locked { "admin-locked" } else { "admin-not-locked" });
    let password = match facts.password_changed_at {
        Some(at) => say_with(lang, "admin-password-set", [("at", date_and_time(at).into())]),
        None => say(lang, "admin-no-password"),
    };
    let given = [
        ("id", code_span(facts.directory_id.as_str(), QUOTED_MAX).into()),
        ("username", code_span(&facts.username, QUOTED_MAX).into()),
        ("address", code_span(facts.address.as_deref().unwrap_or_default(), QUOTED_MAX).into()),
        ("groups", groups(lang, facts.groups.as_deref()).into()),
        ("lock", lock.into()),
        ("password", password.into()),
    ];
    say_with(lang, "admin-directory-entry", given)
}

fn user_seen(lang: Lang, user: &Lookup<UserFacts>) -> String {
    let facts = match user {
        Lookup::NotChecked => return say(lang, "admin-keycloak-silent"),
        Lookup::Gone | Lookup::Nothing => return say(lang, "admin-keycloak-none"),
        Lookup::Found(facts) | Lookup::Replaced(facts) => facts,
    };
    let enabled = say(lang, if facts.is_enabled { "admin-enabled" } else { "admin-not-enabled" });
    let given = [
        ("id", code_span(facts.keycloak_id.as_str(), QUOTED_MAX).into()),
        ("username", code_span(&facts.username, QUOTED_MAX).into()),
        ("groups", groups(lang, facts.groups.as_deref()).into()),
        ("enabled", enabled.into()),
    ];
    say_with(lang, "admin-keycloak-user", given)
}

fn groups(lang: Lang, groups: Option<&[GroupName]>) -> String {
    match groups {
        None => say(lang, "admin-groups-unread"),
        Some([]) => say(lang, "admin-no-groups"),
        Some(groups) => {
            let names: Vec<_> = groups.iter().take(10).map(|group| code_span(group.as_str(), 64)).collect();
            names.join(", ")
        }
    }
}

/// The differences by their names, then what could not be checked; or that there are none.
pub fn comparison(lang: Lang, compared: &Comparison) -> Vec<String> {
    if compared.is_clean() {
        return vec![say(lang, "admin-no-differences")];
    }
    let differences = compared.differences.iter().map(|finding| {
        let given = [
            ("what", difference(lang, finding).into()),
            ("code", code_span(finding.difference.code(), QUOTED_MAX).into()),
        ];
        say_with(lang, "admin-difference", given)
    });
    let not_checked = compared.not_checked.iter().map(|part| not_checked(lang, *part));
    differences.chain(not_checked).collect()
}

/// What a difference means.
pub fn difference(lang: Lang, finding: &Finding) -> String {
    let key = match finding.difference {
        LinkDifference::EntryGone => "difference-entry-gone",
        LinkDifference::EntryReplaced => "difference-entry-replaced",
        LinkDifference::EntryLeft => "difference-entry-left",
        LinkDifference::MarkMissing => "difference-mark-missing",
        LinkDifference::MarkOfAnother => "difference-mark-of-another",
        LinkDifference::DiscordIdDiffers => "difference-discord-id",
        LinkDifference::NameDiffers => "difference-name",
        LinkDifference::NameCase => "difference-name-case",
        LinkDifference::GroupMissing => "difference-group-missing",
        LinkDifference::GroupExtra => "difference-group-extra",
        LinkDifference::Locked => "difference-locked",
        LinkDifference::NotLocked => "difference-not-locked",
        LinkDifference::KeycloakUserGone => "difference-keycloak-gone",
        LinkDifference::KeycloakIdChanged => "difference-keycloak-id",
        LinkDifference::KeycloakUserLeft => "difference-keycloak-left",
        LinkDifference::KeycloakUserNotOurs => "difference-keycloak-not-ours",
        LinkDifference::KeycloakNameDiffers => "difference-keycloak-name",
        LinkDifference::AddressDiffers => "difference-address",
        LinkDifference::AddressCase => "difference-address-case",
        LinkDifference::KeycloakGroupMissing => "difference-keycloak-group-missing",
        LinkDifference::KeycloakGroupExtra => "difference-keycloak-group-extra",
        LinkDifference::KeycloakDisabled => "difference-keycloak-disabled",
        LinkDifference::KeycloakEnabled => "difference-keycloak-enabled",
    };
    let detail = finding.detail.as_deref().unwrap_or_default();
    say_with(lang, key, [("detail", code_span(detail, QUOTED_MAX).into())])
}

/// What could not be checked, and why.
pub fn not_checked(lang: Lang, part: NotChecked) -> String {
    match part {
        NotChecked::Directory => say(lang, "not-checked-directory"),
        NotChecked::Keycloak => say(lang, "not-checked-keycloak"),
        NotChecked::Groups => say(lang, "not-checked-groups"),
    }
}

/// Nothing in the log fits.
pub fn no_audit_rows(lang: Lang) -> String {
    say(lang, "admin-no-audit-rows")
}

/// A row of the log.
pub fn audit_line(lang: Lang, row: &AuditFacts<'_>) -> String {
    let name = |who: &Result<DiscordUserId, &str>| match who {
        Ok(user) => mention(*user),
        Err(text) => code_span(text, QUOTED_MAX),
    };
    let about = row.subject.as_ref().map_or_else(String::new, |subject| {
        say_with(lang, "admin-audit-about", [("whom", name(subject).into())])
    });
    let request = row.request_code.map_or_else(String::new, |code| code_span(code, QUOTED_MAX));
    let change = match (row.before, row.after) {
        (Some(before), Some(after)) => {
            [code_span(before, QUOTED_MAX), code_span(after, QUOTED_MAX)].join(" → ")
        }
        (None, Some(one)) | (Some(one), None) => code_span(one, QUOTED_MAX),
        (None, None) => String::new(),
    };
    let reason = row.reason_code.map_or_else(String::new, |code| code_span(code, QUOTED_MAX));
    let head = say_with(
        lang,
        "admin-audit-line",
        [
            ("seq", row.seq.to_string().into()),
            ("at", date_and_time(row.at).into()),
            ("event", code_span(row.event, QUOTED_MAX).into()),
            ("who", name(&row.actor).into()),
            ("source", row.source.to_owned().into()),
        ],
    );
    [head, about, request, change, reason]
        .into_iter()
        .filter(|part| !part.is_empty())
        .collect::<Vec<_>>()
        .join(" · ")
}

/// How to read on.
pub fn more(lang: Lang, after: i64) -> String {
    say_with(lang, "admin-more", [("after", after.to_string().into())])
}

/// The answer is in the file.
pub fn in_file(lang: Lang) -> String {
    say(lang, "admin-in-file")
}

/// All links are in the file.
pub fn exported_links(lang: Lang, count: usize) -> String {
    say_with(lang, "admin-exported-links", [("count", count.into())])
}

/// The rows are in the file, up to this head.
pub fn exported_audit(lang: Lang, head: &str) -> String {
    say_with(lang, "admin-exported-audit", [("head", code_span(head, QUOTED_MAX).into())])
}

/// The file would be larger than Discord takes.
pub fn too_large(lang: Lang) -> String {
    say(lang, "admin-too-large")
}

/// What was typed is no event of the log.
pub fn no_such_event(lang: Lang) -> String {
    say(lang, "admin-no-such-event")
}

/// What was typed is no time.
pub fn no_time(lang: Lang) -> String {
    say(lang, "admin-no-time")
}

/// What was typed is no head.
pub fn no_head(lang: Lang) -> String {
    say(lang, "admin-no-head")
}

/// A Discord user by name, or that they were erased.
fn person(lang: Lang, id: Option<DiscordUserId>) -> String {
    id.map_or_else(|| say(lang, "admin-erased"), mention)
}
