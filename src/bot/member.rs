//! The member's side: form, draft, `Send`, status, cancel, the mail again, "not me". Decided from the store and answered at once.

use super::visit::Visit;
use super::{forms, render};
use crate::accounts::request::DraftShown;
use crate::accounts::status::StatusButton;
use crate::accounts::{Details, FormInput, UseCaseError};
use crate::discord::custom_id::{CustomId, Verb};
use crate::discord::{ButtonStyle, DiscordError, OutgoingMessage};
use crate::domain::error_code::ErrorCode;
use crate::domain::ids::{AccountId, Nonce, RequestId};
use crate::messages;
use crate::messages::form::Faulty;
use crate::messages::mails::Links;

/// First answer: the form, or why not.
pub(super) async fn open_form(visit: &Visit) -> Result<(), DiscordError> {
    match visit.accounts().open_form(&visit.caller).await {
        Ok(prefill) => {
            let custom_id = CustomId::without_row(Verb::Form);
            visit.reply.open_modal(&forms::account_form(visit.lang(), custom_id, prefill)).await
        }
        Err(denied) => visit.reply.say_ephemeral(&visit.error_code(&denied)).await,
    }
}

/// First answer to the form: the draft, shown back.
pub(super) async fn save_form(visit: &Visit, typed: FormInput) -> Result<(), DiscordError> {
    match visit.accounts().save_draft(&visit.caller, typed.clone()).await {
        Ok(draft) => visit.reply.say_ephemeral(&draft_post(visit, &draft)).await,
        Err(denied) if matches!(denied.details, Details::Form(_)) => {
            visit.reply.say_ephemeral(&faulty_form_post(visit, &denied, &typed)).await
        }
        Err(denied) => visit.reply.say_ephemeral(&visit.error_code(&denied)).await,
    }
}

/// What is wrong with the form, what was typed (a faulty form is not stored), and the way to a fresh one.
fn faulty_form_post(visit: &Visit, denied: &UseCaseError, typed: &FormInput) -> OutgoingMessage {
    let lang = visit.lang();
    let labels = messages::form::account_form(lang);
    let fields = [
        (labels.username, typed.username.as_str()),
        (labels.address, typed.address.as_str()),
        (labels.given, typed.given.as_str()),
        (labels.family, typed.family.as_str()),
        (labels.answer, typed.answer.as_deref().unwrap_or_default()),
    ];
    let typed = messages::form::typed_back(lang, &fields);
    visit.error_code(denied).followed_by(&typed).with_button(
        messages::account::request_label(lang),
        ButtonStyle::Primary,
        CustomId::without_row(Verb::Request),
    )
}

/// First answer to `Change`: the form with what was typed.
pub(super) async fn open_change(visit: &Visit, id: RequestId, nonce: Nonce) -> Result<(), DiscordError> {
    match visit.accounts().change_form(&visit.caller, id, nonce).await {
        Ok(prefill) => {
            let custom_id = CustomId::of_request(Verb::Change, id, nonce);
            visit.reply.open_modal(&forms::account_form(visit.lang(), custom_id, prefill)).await
        }
        Err(denied) => refuse_on_draft(visit, &denied).await,
    }
}

/// First answer to the changed form: the draft's message shows the new values.
pub(super) async fn save_change(
    visit: &Visit,
    id: RequestId,
    nonce: Nonce,
    typed: FormInput,
) -> Result<(), DiscordError> {
    match visit.accounts().change_draft(&visit.caller, id, nonce, typed).await {
        Ok(draft) => visit.reply.update_message(&draft_post(visit, &draft)).await,
        Err(UseCaseError { details: Details::Form(faults), .. }) => {
            let told = render::form_faults(visit.lang(), Faulty::Change, &faults, visit.max_username);
            visit.reply.say_ephemeral(&OutgoingMessage::text(told)).await
        }
        Err(denied) => refuse_on_draft(visit, &denied).await,
    }
}

/// First answer to `Send`: the message says "sent" and has no buttons any more.
pub(super) async fn send(visit: &Visit, id: RequestId, nonce: Nonce) -> Result<(), DiscordError> {
    let lang = visit.lang();
    match visit.accounts().send(&visit.caller, id, nonce).await {
        Ok(sent) => {
            let sentence = if sent.again {
                messages::account::sent_again(lang, &sent.code)
            } else if sent.automatic {
                messages::account::sent_to_rule(lang, &sent.code)
            } else {
                messages::account::sent_to_moderators(lang, &sent.code)
            };
            visit.reply.update_message(&OutgoingMessage::text(sentence)).await
        }
        Err(denied) => refuse_on_draft(visit, &denied).await,
    }
}

/// First answer: where the caller stands.
pub(super) async fn say_status(visit: &Visit) -> Result<(), DiscordError> {
    let lang = visit.lang();
    match visit.accounts().status(&visit.caller).await {
        Ok(shown) => {
            let sentence = messages::status::sentence(lang, &shown.stage, shown.code.as_deref());
            let post = shown
                .buttons
                .iter()
                .fold(OutgoingMessage::text(sentence), |post, button| add_button(lang, post, *button));
            visit.reply.say_ephemeral(&post).await
        }
        Err(denied) => visit.reply.say_ephemeral(&visit.error_code(&denied)).await,
    }
}

/// First answer to `/account cancel`.
pub(super) async fn cancel(visit: &Visit) -> Result<(), DiscordError> {
    let post = cancelled_post(visit, None).await;
    visit.reply.say_ephemeral(&post.unwrap_or_else(|denied| visit.error_code(&denied))).await
}

/// First answer to the button `Cancel request`: its message says what became of it.
pub(super) async fn cancel_named(visit: &Visit, id: RequestId, nonce: Nonce) -> Result<(), DiscordError> {
    match cancelled_post(visit, Some((id, nonce))).await {
        Ok(post) => visit.reply.update_message(&post).await,
        Err(denied) => refuse_on_draft(visit, &denied).await,
    }
}

async fn cancelled_post(
    visit: &Visit,
    which: Option<(RequestId, Nonce)>,
) -> Result<OutgoingMessage, UseCaseError> {
    let lang = visit.lang();
    let cancelled = visit.accounts().cancel(&visit.caller, which).await?;
    let sentence = if cancelled.withdraw {
        messages::account::cancelled_withdrawing(lang, &cancelled.code)
    } else if cancelled.undo {
        messages::account::cancelled_undoing(lang, &cancelled.code)
    } else {
        messages::account::cancelled(lang, &cancelled.code)
    };
    Ok(OutgoingMessage::text(sentence))
}

/// First answer to `/account password` and its button.
pub(super) async fn mail_again(visit: &Visit, which: Option<(AccountId, Nonce)>) -> Result<(), DiscordError> {
    let lang = visit.lang();
    let post = match visit.accounts().mail_again(&visit.caller, which).await {
        Ok(asked) => {
            let links = Links { mails: &asked.mails, now: asked.now };
            OutgoingMessage::text(if asked.again {
                messages::mails::asked_already(lang, &asked.username, links)
            } else {
                messages::mails::asked(lang, &asked.username, links)
            })
        }
        Err(denied) => visit.error_code(&denied),
    };
    visit.reply.say_ephemeral(&post).await
}

/// First answer to `Not me`: one form that confirms it, so that nobody locks their account by a slip.
pub(super) async fn open_lock(visit: &Visit, id: AccountId, nonce: Nonce) -> Result<(), DiscordError> {
    match visit.accounts().may_lock(&visit.caller, id, nonce).await {
        Ok(()) => {
            let custom_id = CustomId::of_account(Verb::NotMe, id, nonce);
            visit.reply.open_modal(&forms::not_me_form(visit.lang(), custom_id)).await
        }
        Err(denied) => visit.reply.say_ephemeral(&visit.error_code(&denied)).await,
    }
}

/// First answer to the confirmed `Not me`: its message says what happens now and has no buttons any more.
pub(super) async fn lock(visit: &Visit, id: AccountId, nonce: Nonce, note: &str) -> Result<(), DiscordError> {
    let lang = visit.lang();
    match visit.accounts().lock(&visit.caller, id, nonce, note).await {
        Ok(asked) if asked.again => {
            visit
                .reply
                .update_message(&OutgoingMessage::text(messages::mails::locking_already(
                    lang,
                    &asked.username,
                )))
                .await
        }
        Ok(asked) => {
            visit
                .reply
                .update_message(&OutgoingMessage::text(messages::mails::locking(lang, &asked.username)))
                .await
        }
        Err(denied) => visit.reply.say_ephemeral(&visit.error_code(&denied)).await,
    }
}

/// An expired draft's message is replaced; any other refusal leaves the message and its buttons for the next press.
async fn refuse_on_draft(visit: &Visit, denied: &UseCaseError) -> Result<(), DiscordError> {
    if denied.error_code == ErrorCode::StaleButton && denied.details == Details::Expired {
        let expired = messages::account::draft_expired(visit.lang());
        return visit.reply.update_message(&OutgoingMessage::text(expired)).await;
    }
    visit.reply.say_ephemeral(&visit.error_code(denied)).await
}

fn draft_post(visit: &Visit, draft: &DraftShown) -> OutgoingMessage {
    let lang = visit.lang();
    let request = &draft.request;
    let text = match &request.form {
        Some(form) => messages::account::draft_shown(lang, form, draft.expires_at),
        // A draft without its values was erased a moment ago.
        None => return OutgoingMessage::text(messages::account::draft_expired(lang)),
    };
    let button = |verb| CustomId::of_request(verb, request.id, request.nonce);
    OutgoingMessage::text(text)
        .with_button(messages::account::send_label(lang), ButtonStyle::Success, button(Verb::Send))
        .with_button(messages::account::change_label(lang), ButtonStyle::Secondary, button(Verb::Change))
}

fn add_button(lang: messages::Lang, post: OutgoingMessage, button: StatusButton) -> OutgoingMessage {
    let of = CustomId::of_request;
    match button {
        StatusButton::Send(id, nonce) => post.with_button(
            messages::account::send_label(lang),
            ButtonStyle::Success,
            of(Verb::Send, id, nonce),
        ),
        StatusButton::Change(id, nonce) => post.with_button(
            messages::account::change_label(lang),
            ButtonStyle::Secondary,
            of(Verb::Change, id, nonce),
        ),
        StatusButton::Cancel(id, nonce) => post.with_button(
            messages::account::cancel_label(lang),
            ButtonStyle::Danger,
            of(Verb::Cancel, id, nonce),
        ),
        StatusButton::Form => post.with_button(
            messages::account::request_label(lang),
            ButtonStyle::Primary,
            CustomId::without_row(Verb::Request),
        ),
        StatusButton::Resend(id, nonce) => post.with_button(
            messages::mails::resend_label(lang),
            ButtonStyle::Secondary,
            CustomId::of_account(Verb::Resend, id, nonce),
        ),
        StatusButton::NotMe(id, nonce) => post.with_button(
            messages::mails::not_me_label(lang),
            ButtonStyle::Danger,
            CustomId::of_account(Verb::NotMe, id, nonce),
        ),
    }
}
