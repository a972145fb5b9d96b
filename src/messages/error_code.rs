//! One sentence for each refusal code, with the next step.

use super::quote::code_span;
use super::{Lang, Reference, lines, mention, mention_roles, relative, say, say_with};
use crate::domain::approval::Verdict;
use crate::domain::eligibility::WhyNot;
use crate::domain::error_code::ErrorCode;
use crate::domain::ids::{DiscordUserId, Timestamp};
use crate::domain::request::RequestState;

/// What a person reads for `refusal`. Failures on our side end with the reference, so that somebody can find the cause.
pub fn sentence(lang: Lang, error_code: ErrorCode, reference: &Reference) -> String {
    let bare = bare(lang, error_code);
    if is_a_failure(error_code) {
        let reference = say_with(lang, "reference", [("reference", reference.as_str().to_owned().into())]);
        return [bare, reference].join(" ");
    }
    bare
}

/// The same without a reference, for sentences in lists.
pub fn bare(lang: Lang, error_code: ErrorCode) -> String {
    match error_code {
        ErrorCode::NotEligible => say(lang, "refusal-not-eligible"),
        ErrorCode::AlreadyHasAccount => say(lang, "refusal-already-has-account"),
        ErrorCode::RequestOpen => say(lang, "refusal-request-open"),
        ErrorCode::NameIllegal => say(lang, "refusal-name-illegal"),
        ErrorCode::NameUnavailable => say(lang, "refusal-name-unavailable"),
        ErrorCode::AddressIllegal => say(lang, "refusal-address-illegal"),
        ErrorCode::AddressInUse => say(lang, "refusal-address-in-use"),
        ErrorCode::DeniedPerson => say(lang, "refusal-denied-person"),
        ErrorCode::TooMany => say(lang, "refusal-too-many"),
        ErrorCode::MemberGone => say(lang, "refusal-member-gone"),
        ErrorCode::RoleLost => say(lang, "refusal-role-lost"),
        ErrorCode::NotModerator => say(lang, "refusal-not-moderator"),
        ErrorCode::OwnRequest => say(lang, "refusal-own-request"),
        ErrorCode::AlreadyDecided => say(lang, "refusal-already-decided"),
        ErrorCode::StaleButton => say(lang, "refusal-stale-button"),
        ErrorCode::DirectoryDown => say(lang, "refusal-directory-down"),
        ErrorCode::DirectoryRefused => say(lang, "refusal-directory-refused"),
        ErrorCode::DirectoryConflict => say(lang, "refusal-directory-conflict"),
        ErrorCode::KeycloakDown => say(lang, "refusal-keycloak-down"),
        ErrorCode::KeycloakRightMissing => say(lang, "refusal-keycloak-right-missing"),
        ErrorCode::KeycloakUserNotOurs => say(lang, "refusal-keycloak-user-not-ours"),
        ErrorCode::ImportNotSeen => say(lang, "refusal-import-not-seen"),
        ErrorCode::GroupsNotSeen => say(lang, "refusal-groups-not-seen"),
        ErrorCode::MailRefused => say(lang, "refusal-mail-refused"),
        ErrorCode::MailUnknown => say(lang, "refusal-mail-unknown"),
        ErrorCode::DiscordDown => say(lang, "refusal-discord-down"),
        ErrorCode::DiscordRefused => say(lang, "refusal-discord-refused"),
        ErrorCode::StoreBusy => say(lang, "refusal-store-busy"),
        ErrorCode::StoreFull => say(lang, "refusal-store-full"),
        ErrorCode::Internal => say(lang, "refusal-internal"),
    }
}

/// Why an approved account could not be made, for the person who asked. [`bare`] speaks to moderators in these cases, and nobody
/// learns here whose name or address is taken.
pub fn why_failed(lang: Lang, error_code: ErrorCode) -> String {
    match error_code {
        ErrorCode::RoleLost | ErrorCode::NotEligible => say(lang, "failed-role-lost"),
        ErrorCode::MemberGone => say(lang, "failed-member-gone"),
        ErrorCode::AddressInUse | ErrorCode::KeycloakUserNotOurs | ErrorCode::DirectoryConflict => {
            say(lang, "failed-details")
        }
        ErrorCode::AlreadyHasAccount
        | ErrorCode::RequestOpen
        | ErrorCode::NameIllegal
        | ErrorCode::NameUnavailable
        | ErrorCode::AddressIllegal
        | ErrorCode::DeniedPerson
        | ErrorCode::TooMany
        | ErrorCode::NotModerator
        | ErrorCode::OwnRequest
        | ErrorCode::AlreadyDecided
        | ErrorCode::StaleButton
        | ErrorCode::DirectoryDown
        | ErrorCode::DirectoryRefused
        | ErrorCode::KeycloakDown
        | ErrorCode::KeycloakRightMissing
        | ErrorCode::ImportNotSeen
        | ErrorCode::GroupsNotSeen
        | ErrorCode::MailRefused
        | ErrorCode::MailUnknown
        | ErrorCode::DiscordDown
        | ErrorCode::DiscordRefused
        | ErrorCode::StoreBusy
        | ErrorCode::StoreFull
        | ErrorCode::Internal => bare(lang, error_code),
    }
}

/// Whether the cause is on our side, where the log helps.
const fn is_a_failure(error_code: ErrorCode) -> bool {
    match error_code {
        ErrorCode::DirectoryDown
        | ErrorCode::DirectoryRefused
        | ErrorCode::DirectoryConflict
        | ErrorCode::KeycloakDown
        | ErrorCode::KeycloakRightMissing
        | ErrorCode::KeycloakUserNotOurs
        | ErrorCode::ImportNotSeen
        | ErrorCode::GroupsNotSeen
        | ErrorCode::MailRefused
        | ErrorCode::MailUnknown
        | ErrorCode::DiscordDown
        | ErrorCode::DiscordRefused
        | ErrorCode::StoreBusy
        | ErrorCode::StoreFull
        | ErrorCode::Internal => true,
        ErrorCode::NotEligible
        | ErrorCode::AlreadyHasAccount
        | ErrorCode::RequestOpen
        | ErrorCode::NameIllegal
        | ErrorCode::NameUnavailable
        | ErrorCode::AddressIllegal
        | ErrorCode::AddressInUse
        | ErrorCode::DeniedPerson
        | ErrorCode::TooMany
        | ErrorCode::MemberGone
        | ErrorCode::RoleLost
        | ErrorCode::NotModerator
        | ErrorCode::OwnRequest
        | ErrorCode::AlreadyDecided
        | ErrorCode::StaleButton => false,
    }
}

/// `not_eligible`, with what is missing.
pub fn why_not(lang: Lang, reasons: &[WhyNot]) -> String {
    if reasons.is_empty() {
        return bare(lang, ErrorCode::NotEligible);
    }
    let listed = reasons.iter().map(|reason| ["- ", &why_not_line(lang, reason)].concat());
    lines([say(lang, "why-not")].into_iter().chain(listed))
}

fn why_not_line(lang: Lang, reason: &WhyNot) -> String {
    match reason {
        WhyNot::Pending => say(lang, "why-pending"),
        WhyNot::Bot => say(lang, "why-bot"),
        WhyNot::TimedOut => say(lang, "why-timed-out"),
        WhyNot::NoRules => say(lang, "why-no-rules"),
        WhyNot::RolesMissing(roles) => say_with(
            lang,
            "why-roles-missing",
            [("count", roles.len().into()), ("roles", mention_roles(roles).into())],
        ),
        WhyNot::OneRoleNeeded(roles) => say_with(
            lang,
            "why-one-role-needed",
            [("count", roles.len().into()), ("roles", mention_roles(roles).into())],
        ),
        WhyNot::RoleForbids(roles) => {
            say_with(lang, "why-role-forbids", [("roles", mention_roles(roles).into())])
        }
        WhyNot::AccountTooYoung(at) => {
            say_with(lang, "why-account-too-young", [("at", relative(*at).into())])
        }
        WhyNot::MembershipTooYoung(Some(at)) => {
            say_with(lang, "why-membership-too-young", [("at", relative(*at).into())])
        }
        WhyNot::MembershipTooYoung(None) => say(lang, "why-membership-unknown"),
    }
}

/// `already_decided`: who was first, and with what.
pub fn decided_by(lang: Lang, who: DiscordUserId, verdict: Verdict, at: Timestamp) -> String {
    let given = [("who", mention(who).into()), ("at", relative(at).into())];
    match verdict {
        Verdict::Approve => say_with(lang, "refusal-approved-by", given),
        Verdict::Deny => say_with(lang, "refusal-denied-by", given),
    }
}

/// `already_decided` without a person who decided.
pub fn ended(lang: Lang, state: RequestState) -> String {
    let state = match state {
        RequestState::Draft => say(lang, "ended-draft"),
        RequestState::Waiting => say(lang, "ended-waiting"),
        RequestState::Held => say(lang, "ended-held"),
        RequestState::Approved => say(lang, "ended-approved"),
        RequestState::Denied => say(lang, "ended-denied"),
        RequestState::Cancelled => say(lang, "ended-cancelled"),
        RequestState::Expired => say(lang, "ended-expired"),
        RequestState::Failed => say(lang, "ended-failed"),
    };
    say_with(lang, "refusal-ended", [("state", state.into())])
}

/// `request_open`, with the request's code.
pub fn request_open(lang: Lang, code: &str) -> String {
    say_with(lang, "refusal-request-open-code", [("code", code_span(code, 64).into())])
}

/// `/account cancel` where nothing can be taken back.
pub fn nothing_to_cancel(lang: Lang) -> String {
    say(lang, "refusal-nothing-to-cancel")
}

/// A press on a card that was edited meanwhile.
pub fn card_changed(lang: Lang) -> String {
    say(lang, "refusal-card-changed")
}

/// A button that this version does not know.
pub fn old_button(lang: Lang) -> String {
    say(lang, "old-button")
}

/// A guild that the configuration does not name.
pub fn not_served(lang: Lang) -> String {
    say(lang, "not-served")
}

/// Something that needs a guild, tried in a direct message.
pub fn only_in_server(lang: Lang) -> String {
    say(lang, "only-in-server")
}

/// The interaction was older than its token lives.
pub fn too_late(lang: Lang) -> String {
    say(lang, "too-late")
}

/// An admin pressed `Retry`, and the job goes on.
pub fn retry_started(lang: Lang) -> String {
    say(lang, "retry-started")
}
