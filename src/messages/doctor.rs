//! What `accolade doctor` and `accolade setup` say to operators.

use super::quote::code_span;
use super::{Lang, lines, say, say_with};
use crate::domain::diagnosis::{Check, Diagnosis, Outcome};
use crate::domain::finding::{Attempt, Finding, NotChecked, System};

/// The longest thing that a finding is about.
const ABOUT_MAX: usize = 200;

/// What is wrong.
pub fn wrong(lang: Lang, finding: Finding) -> String {
    say(lang, keys(finding).0)
}

/// What puts it right.
pub fn fix(lang: Lang, finding: Finding) -> String {
    say(lang, keys(finding).1)
}

/// The keys of both sentences.
const fn keys(finding: Finding) -> (&'static str, &'static str) {
    match finding {
        Finding::DiscordUnreachable => ("doctor-discord-unreachable", "doctor-discord-unreachable-fix"),
        Finding::DiscordUntrusted => ("doctor-discord-untrusted", "doctor-discord-untrusted-fix"),
        Finding::DiscordTokenRefused => ("doctor-discord-token-refused", "doctor-discord-token-refused-fix"),
        Finding::DiscordIntentOff => ("doctor-discord-intent-off", "doctor-discord-intent-off-fix"),
        Finding::DiscordInteractionsElsewhere => {
            ("doctor-discord-interactions-elsewhere", "doctor-discord-interactions-elsewhere-fix")
        }
        Finding::GuildMissing => ("doctor-guild-missing", "doctor-guild-missing-fix"),
        Finding::ChannelMissing => ("doctor-channel-missing", "doctor-channel-missing-fix"),
        Finding::ChannelRightsMissing => {
            ("doctor-channel-rights-missing", "doctor-channel-rights-missing-fix")
        }
        Finding::ChannelOpen => ("doctor-channel-open", "doctor-channel-open-fix"),
        Finding::RoleMissing => ("doctor-role-missing", "doctor-role-missing-fix"),
        Finding::RoleNotBelow => ("doctor-role-not-below", "doctor-role-not-below-fix"),
        Finding::ManageRolesMissing => ("doctor-manage-roles-missing", "doctor-manage-roles-missing-fix"),
        Finding::AdministratorGiven => ("doctor-administrator-given", "doctor-administrator-given-fix"),
        Finding::LdapUnreachable => ("doctor-ldap-unreachable", "doctor-ldap-unreachable-fix"),
        Finding::LdapUntrusted => ("doctor-ldap-untrusted", "doctor-ldap-untrusted-fix"),
        Finding::LdapBindRefused => ("doctor-ldap-bind-refused", "doctor-ldap-bind-refused-fix"),
        Finding::LdapBaseWrong => ("doctor-ldap-base-wrong", "doctor-ldap-base-wrong-fix"),
        Finding::LdapAclWide => ("doctor-ldap-acl-wide", "doctor-ldap-acl-wide-fix"),
        Finding::LdapAclNarrow => ("doctor-ldap-acl-narrow", "doctor-ldap-acl-narrow-fix"),
        Finding::LdapMarkAttributeMissing => {
            ("doctor-ldap-mark-attribute-missing", "doctor-ldap-mark-attribute-missing-fix")
        }
        Finding::LdapIdAttributeMissing => {
            ("doctor-ldap-id-attribute-missing", "doctor-ldap-id-attribute-missing-fix")
        }
        Finding::LdapOverlayMissing => ("doctor-ldap-overlay-missing", "doctor-ldap-overlay-missing-fix"),
        Finding::LdapUniqueNotSerialized => {
            ("doctor-ldap-unique-not-serialized", "doctor-ldap-unique-not-serialized-fix")
        }
        Finding::LdapNoSync => ("doctor-ldap-nosync", "doctor-ldap-nosync-fix"),
        Finding::LdapIndexMissing => ("doctor-ldap-index-missing", "doctor-ldap-index-missing-fix"),
        Finding::LdapGroupMissing => ("doctor-ldap-group-missing", "doctor-ldap-group-missing-fix"),
        Finding::LdapGroupNotManaged => {
            ("doctor-ldap-group-not-managed", "doctor-ldap-group-not-managed-fix")
        }
        Finding::LdapSelfTestLeft => ("doctor-ldap-self-test-left", "doctor-ldap-self-test-left-fix"),
        Finding::KeycloakUnreachable => ("doctor-keycloak-unreachable", "doctor-keycloak-unreachable-fix"),
        Finding::KeycloakUntrusted => ("doctor-keycloak-untrusted", "doctor-keycloak-untrusted-fix"),
        Finding::KeycloakRealmMissing => {
            ("doctor-keycloak-realm-missing", "doctor-keycloak-realm-missing-fix")
        }
        Finding::KeycloakSecretWrong => ("doctor-keycloak-secret-wrong", "doctor-keycloak-secret-wrong-fix"),
        Finding::KeycloakRightsMissing => {
            ("doctor-keycloak-rights-missing", "doctor-keycloak-rights-missing-fix")
        }
        Finding::KeycloakRightsWide => ("doctor-keycloak-rights-wide", "doctor-keycloak-rights-wide-fix"),
        Finding::KeycloakFederationUnknown => {
            ("doctor-keycloak-federation-unknown", "doctor-keycloak-federation-unknown-fix")
        }
        Finding::KeycloakFederationOff => {
            ("doctor-keycloak-federation-off", "doctor-keycloak-federation-off-fix")
        }
        Finding::KeycloakFederationReadOnly => {
            ("doctor-keycloak-federation-readonly", "doctor-keycloak-federation-readonly-fix")
        }
        Finding::KeycloakCachePolicy => ("doctor-keycloak-cache-policy", "doctor-keycloak-cache-policy-fix"),
        Finding::KeycloakTrustsAddresses => {
            ("doctor-keycloak-trusts-addresses", "doctor-keycloak-trusts-addresses-fix")
        }
        Finding::KeycloakMapperMissing => {
            ("doctor-keycloak-mapper-missing", "doctor-keycloak-mapper-missing-fix")
        }
        Finding::KeycloakProfileOpen => ("doctor-keycloak-profile-open", "doctor-keycloak-profile-open-fix"),
        Finding::KeycloakNoMailServer => {
            ("doctor-keycloak-no-mail-server", "doctor-keycloak-no-mail-server-fix")
        }
        Finding::KeycloakMailClientOff => {
            ("doctor-keycloak-mail-client-off", "doctor-keycloak-mail-client-off-fix")
        }
        Finding::KeycloakRedirectRefused => {
            ("doctor-keycloak-redirect-refused", "doctor-keycloak-redirect-refused-fix")
        }
        Finding::KeycloakRedirectWildcard => {
            ("doctor-keycloak-redirect-wildcard", "doctor-keycloak-redirect-wildcard-fix")
        }
        Finding::KeycloakActionOff => ("doctor-keycloak-action-off", "doctor-keycloak-action-off-fix"),
        Finding::KeycloakEventsOff => ("doctor-keycloak-events-off", "doctor-keycloak-events-off-fix"),
        Finding::KeycloakHostnameOpen => {
            ("doctor-keycloak-hostname-open", "doctor-keycloak-hostname-open-fix")
        }
        Finding::KeycloakVersionHoles => {
            ("doctor-keycloak-version-holes", "doctor-keycloak-version-holes-fix")
        }
        Finding::KeycloakAdminsInRealm => {
            ("doctor-keycloak-admins-in-realm", "doctor-keycloak-admins-in-realm-fix")
        }
        Finding::StoreUnreachable => ("doctor-store-unreachable", "doctor-store-unreachable-fix"),
        Finding::StoreNotReady => ("doctor-store-not-ready", "doctor-store-not-ready-fix"),
        Finding::StoreReadable => ("doctor-store-readable", "doctor-store-readable-fix"),
        Finding::KeyMissing => ("doctor-key-missing", "doctor-key-missing-fix"),
        Finding::KeyWrong => ("doctor-key-wrong", "doctor-key-wrong-fix"),
        Finding::ClockSkew => ("doctor-clock-skew", "doctor-clock-skew-fix"),
    }
}

/// Why something was not judged.
pub fn not_checked(lang: Lang, why: NotChecked) -> String {
    let key = match why {
        NotChecked::NeedsAdministrator => "doctor-not-checked-needs-administrator",
        NotChecked::NeedsServerConfiguration => "doctor-not-checked-needs-server-configuration",
        NotChecked::ServerConfigurationHidden => "doctor-not-checked-server-configuration-hidden",
        NotChecked::NeedsSelfTest => "doctor-not-checked-needs-self-test",
        NotChecked::Blocked => "doctor-not-checked-blocked",
    };
    say(lang, key)
}

/// A part of the world, as a heading.
pub fn system(lang: Lang, system: System) -> String {
    let key = match system {
        System::Discord => "doctor-system-discord",
        System::Directory => "doctor-system-directory",
        System::Keycloak => "doctor-system-keycloak",
        System::Machine => "doctor-system-machine",
    };
    say(lang, key)
}

/// What was tried in the directory.
pub fn attempt(lang: Lang, attempt: Attempt) -> String {
    let key = match attempt {
        Attempt::AddPerson => "attempt-add-person",
        Attempt::ReadPerson => "attempt-read-person",
        Attempt::Lock => "attempt-lock",
        Attempt::Unlock => "attempt-unlock",
        Attempt::JoinGroup => "attempt-join-group",
        Attempt::LeaveGroup => "attempt-leave-group",
        Attempt::DeleteLocked => "attempt-delete-locked",
        Attempt::AddWithPassword => "attempt-add-with-password",
        Attempt::AddWithoutMark => "attempt-add-without-mark",
        Attempt::AddForeignAttribute => "attempt-add-foreign-attribute",
        Attempt::AddForeignClass => "attempt-add-foreign-class",
        Attempt::AddElsewhere => "attempt-add-elsewhere",
        Attempt::WritePassword => "attempt-write-password",
        Attempt::SetPassword => "attempt-set-password",
        Attempt::TakeMarkOff => "attempt-take-mark-off",
        Attempt::Rename => "attempt-rename",
        Attempt::DeleteUnlocked => "attempt-delete-unlocked",
        Attempt::SeePasswords => "attempt-see-passwords",
        Attempt::WriteForeignPerson => "attempt-write-foreign-person",
        Attempt::WriteForeignGroup => "attempt-write-foreign-group",
    };
    say(lang, key)
}

/// One finding with what it is about, and its fix.
pub fn finding(lang: Lang, finding: Finding, about: Option<&str>) -> String {
    let (wrong, fix) = (wrong(lang, finding), fix(lang, finding));
    let about = about.map(|about| [" (", about, ")"].concat()).unwrap_or_default();
    say_with(
        lang,
        "doctor-finding",
        [
            ("code", finding.code().into()),
            ("wrong", wrong.into()),
            ("about", about.into()),
            ("fix", fix.into()),
        ],
    )
}

/// How many things of a part are in order.
pub fn in_order(lang: Lang, count: usize) -> String {
    say_with(lang, "doctor-in-order", [("count", count.into())])
}

/// Things that were not judged, for one reason.
pub fn unjudged(lang: Lang, why: NotChecked, codes: &str) -> String {
    let why = not_checked(lang, why);
    say_with(lang, "doctor-unjudged", [("codes", codes.to_owned().into()), ("why", why.into())])
}

/// The end of a run that found nothing and judged everything.
pub fn all_well(lang: Lang) -> String {
    say(lang, "doctor-all-well")
}

/// The end of any other run.
pub fn summary(lang: Lang, findings: usize, unjudged: usize) -> String {
    say_with(lang, "doctor-summary", [("findings", findings.into()), ("unjudged", unjudged.into())])
}

/// Everything for an admin in chat: what is wrong, the worst first, then what was not judged and what is in order.
pub fn report(lang: Lang, diagnosis: &Diagnosis) -> String {
    let findings = diagnosis.findings();
    let summary = match (findings, diagnosis.unchecked()) {
        (0, 0) => all_well(lang),
        (findings, unjudged) => summary(lang, findings, unjudged),
    };
    let none = if findings == 0 { say(lang, "doctor-nothing-wrong") } else { String::new() };
    let mut parts = vec![summary, none];
    parts.extend(diagnosis.worst_first().into_iter().map(|check| {
        let about = check.about_in_chat().map(|about| code_span(about, ABOUT_MAX));
        finding(lang, check.finding, about.as_deref())
    }));
    parts.extend(NotChecked::ALL.iter().filter_map(|why| {
        let unknown = Outcome::NotChecked(*why);
        let codes = codes(diagnosis.checks.iter().filter(|check| check.outcome == unknown));
        (!codes.is_empty()).then(|| unjudged(lang, *why, &codes))
    }));
    let fine = diagnosis.checks.iter().filter(|check| check.outcome == Outcome::InOrder).count();
    parts.push(if fine > 0 { in_order(lang, fine) } else { String::new() });
    parts.push(say(lang, "doctor-of-this-server"));
    lines(parts)
}

/// Their codes in a row.
pub fn codes<'a>(checks: impl Iterator<Item = &'a Check>) -> String {
    checks.map(|check| check.finding.code()).collect::<Vec<_>>().join(", ")
}

/// Somebody else's look is under way.
pub fn under_way(lang: Lang) -> String {
    say(lang, "doctor-under-way")
}

/// Nobody waits for the end of a look any more.
pub fn takes_long(lang: Lang) -> String {
    say(lang, "doctor-takes-long")
}

/// The administrator could not log in, so nothing was judged.
pub fn administrator_refused(lang: Lang) -> String {
    say(lang, "doctor-administrator-refused")
}

/// The bind for the server's configuration could not be used, so nothing was judged.
pub fn config_bind_refused(lang: Lang) -> String {
    say(lang, "doctor-config-bind-refused")
}

/// `setup directory test` found everything as it should be.
pub fn self_test_passed(lang: Lang) -> String {
    say(lang, "setup-self-test-passed")
}

/// The server did not answer an attempt as it should.
pub fn self_test_differs(lang: Lang, tried: Attempt) -> String {
    let key = if tried.is_needed() { "setup-self-test-refused" } else { "setup-self-test-allowed" };
    say_with(lang, key, [("attempt", attempt(lang, tried).into())])
}

/// The application's id at Discord.
pub fn application(lang: Lang, id: &str) -> String {
    say_with(lang, "setup-application", [("id", id.to_owned().into())])
}

/// Where a bot is invited, and with which rights.
pub fn invite(lang: Lang, url: &str, gives_roles: bool) -> String {
    let key = if gives_roles { "setup-invite-with-roles" } else { "setup-invite" };
    say_with(lang, key, [("url", url.to_owned().into())])
}

/// The settings are as they should be.
pub fn application_fits(lang: Lang) -> String {
    say(lang, "setup-application-fits")
}

/// An invite would ask for a code exchange.
pub fn needs_code_grant(lang: Lang) -> String {
    say(lang, "setup-needs-code-grant")
}

/// Strangers may invite the bot.
pub fn is_public(lang: Lang) -> String {
    say(lang, "setup-is-public")
}

/// A configured guild that the bot is not in.
pub fn not_invited(lang: Lang, guild: &str) -> String {
    say_with(lang, "setup-not-invited", [("guild", guild.to_owned().into())])
}

/// A text about the directory cannot be made without Keycloak's bind.
pub fn needs_federation(lang: Lang) -> String {
    say(lang, "setup-needs-federation")
}
