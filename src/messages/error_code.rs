//! One text for each error code, with the next step.

use super::quote::code_span;
use super::{lines, mention, mention_roles, relative, text_of_code, text_of_code_if_any, tr};
use crate::domain::approval::Verdict;
use crate::domain::eligibility::WhyNot;
use crate::domain::error_code::ErrorCode;
use crate::domain::ids::{DiscordUserId, Timestamp};
use crate::domain::lang::Lang;
use crate::domain::reference::Reference;
use crate::domain::request::RequestState;

/// What a person reads for `error_code`. The text of a failure ends with the reference, so that an operator can find the cause.
pub fn sentence(lang: Lang, error_code: ErrorCode, reference: &Reference) -> String {
    let bare = bare(lang, error_code);
    if error_code.is_failure() {
        return [bare, tr!(lang, "reference", reference = reference.as_str())].join(" ");
    }
    bare
}

/// The same without a reference, for sentences in lists.
pub fn bare(lang: Lang, error_code: ErrorCode) -> String {
    text_of_code(lang, "refusal", error_code.code())
}

/// Why an approved account could not be created, for the person who asked. Where a code has its own text here, the text of [`bare`] is for
/// moderators. No text here discloses whose name or address is taken.
pub fn why_failed(lang: Lang, error_code: ErrorCode) -> String {
    text_of_code_if_any(lang, "failed", error_code.code()).unwrap_or_else(|| bare(lang, error_code))
}

/// What a job waits for, as a sentence that names the system and the thing.
pub fn waits_for(lang: Lang, error_code: ErrorCode) -> String {
    text_of_code_if_any(lang, "waits-for", error_code.code())
        .unwrap_or_else(|| tr!(lang, "waits-for-other", code = error_code.code()))
}

/// `not_eligible`, with what is missing.
pub fn why_not(lang: Lang, reasons: &[WhyNot]) -> String {
    if reasons.is_empty() {
        return bare(lang, ErrorCode::NotEligible);
    }
    let listed = reasons.iter().map(|reason| ["- ", &why_not_line(lang, reason)].concat());
    lines([tr!(lang, "why-not")].into_iter().chain(listed))
}

fn why_not_line(lang: Lang, reason: &WhyNot) -> String {
    match reason {
        WhyNot::Pending => tr!(lang, "why-pending"),
        WhyNot::Bot => tr!(lang, "why-bot"),
        WhyNot::TimedOut => tr!(lang, "why-timed-out"),
        WhyNot::NoRules => tr!(lang, "why-no-rules"),
        WhyNot::RolesMissing(roles) => {
            tr!(lang, "why-roles-missing", count = roles.len(), roles = mention_roles(roles))
        }
        WhyNot::OneRoleNeeded(roles) => {
            tr!(lang, "why-one-role-needed", count = roles.len(), roles = mention_roles(roles))
        }
        WhyNot::RoleForbids(roles) => {
            tr!(lang, "why-role-forbids", roles = mention_roles(roles))
        }
        WhyNot::AccountTooYoung(at) => {
            tr!(lang, "why-account-too-young", at = relative(*at))
        }
        WhyNot::MembershipTooYoung(Some(at)) => {
            tr!(lang, "why-membership-too-young", at = relative(*at))
        }
        WhyNot::MembershipTooYoung(None) => tr!(lang, "why-membership-unknown"),
    }
}

/// `already_decided`: who decided first, and how.
pub fn decided_by(lang: Lang, who: DiscordUserId, verdict: Verdict, at: Timestamp) -> String {
    let (who, at) = (mention(who), relative(at));
    match verdict {
        Verdict::Approve => tr!(lang, "refusal-approved-by", who = who, at = at),
        Verdict::Deny => tr!(lang, "refusal-denied-by", who = who, at = at),
    }
}

/// `already_decided` where no person decided.
pub fn ended(lang: Lang, state: RequestState) -> String {
    tr!(lang, "refusal-ended", state = text_of_code(lang, "ended", state.code()))
}

/// `request_open`, with the request's code.
pub fn request_open(lang: Lang, code: &str) -> String {
    tr!(lang, "refusal-request-open-code", code = code_span(code, 64))
}
