//! Renders the error of a use-case as a text of `messages`.

use crate::accounts::{BrokenRule, Details, Field, FieldFault, UseCaseError};
use crate::domain::ids::Timestamp;
use crate::domain::lang::Lang;
use crate::domain::reference::Reference;
use crate::domain::request::Faulty;
use crate::messages::{account, admin, error_code, form, mails, panel, tr};

/// The text for `denied`.
pub(super) fn error_code(
    lang: Lang,
    denied: &UseCaseError,
    reference: &Reference,
    max_username: usize,
) -> String {
    match &denied.details {
        Details::Dropped => tr!(lang, "draft-dropped"),
        Details::AlreadySent { code } => account::sent_again(lang, code),
        Details::AdminsOnly => tr!(lang, "refusal-admins-only"),
        Details::None | Details::Expired => error_code::sentence(lang, denied.error_code, reference),
        Details::WhyNot(reasons) => error_code::why_not(lang, reasons),
        Details::Form { faults, kept_until } => {
            form_faults(lang, (Faulty::First, *kept_until), faults, max_username)
        }
        Details::NothingKept => tr!(lang, "form-not-kept"),
        Details::DecidedBy { who, verdict, at } => error_code::decided_by(lang, *who, *verdict, *at),
        Details::Ended { state } => error_code::ended(lang, *state),
        Details::CardChanged => tr!(lang, "refusal-card-changed"),
        Details::Nothing => tr!(lang, "refusal-nothing-to-cancel"),
        Details::AccountInUse => tr!(lang, "refusal-account-in-use"),
        Details::AccountUnavailable(why) => mails::not_now(lang, *why),
        Details::NotEnabled(why) => admin::not_enabled(lang, *why),
        Details::NotStopped => tr!(lang, "refusal-not-stopped"),
        Details::ChannelRights(missing) => panel::rights_missing(lang, missing),
        Details::Wait { until } => mails::wait(lang, *until),
        Details::Open { code } => error_code::request_open(lang, code),
    }
}

/// The errors of a form, one below the other.
pub(super) fn form_faults(
    lang: Lang,
    which: (Faulty, Option<Timestamp>),
    faults: &[FieldFault],
    max_username: usize,
) -> String {
    form::faults(lang, which, faults.iter().map(|fault| field_fault(lang, *fault, max_username)))
}

fn field_fault(lang: Lang, fault: FieldFault, max_username: usize) -> String {
    match (fault.rule, fault.field) {
        (Some(BrokenRule::Username(rule)), _) => form::username_fault(lang, rule, max_username),
        (Some(BrokenRule::Address(rule)), _) => form::address_fault(lang, rule),
        (Some(BrokenRule::Name(rule)), Field::Family) => form::family_fault(lang, rule),
        (Some(BrokenRule::Name(rule)), Field::Given | Field::Username | Field::Address | Field::Answer) => {
            form::given_fault(lang, rule)
        }
        (Some(BrokenRule::Realm(rule)), field) => form::realm_fault(lang, &label(lang, field), rule),
        (Some(BrokenRule::AnswerMissing), _) => tr!(lang, "answer-missing"),
        (None, Field::Username) => tr!(lang, "username-unavailable"),
        (None, Field::Address | Field::Given | Field::Family | Field::Answer) => {
            error_code::bare(lang, fault.error_code)
        }
    }
}

/// The label of a field in the form.
fn label(lang: Lang, field: Field) -> String {
    let labels = form::account_form(lang);
    match field {
        Field::Username => labels.username,
        Field::Address => labels.address,
        Field::Given => labels.given,
        Field::Family => labels.family,
        Field::Answer => labels.answer,
    }
}
