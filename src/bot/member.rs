//! Interactions of members: form, draft, `Send`, status, cancel, another mail, "not me". All are answered at once, by the store's data
//! alone.

use super::interaction::{ButtonAnswer, Interaction};
use super::{forms, render};
use crate::accounts::request::DraftShown;
use crate::accounts::status::StatusButton;
use crate::accounts::{Details, FormInput, UseCaseError};
use crate::discord::custom_id::{CustomId, Verb};
use crate::discord::{ButtonStyle, DiscordError, OutgoingMessage};
use crate::domain::ids::{AccountId, Nonce, RequestId};
use crate::domain::lang::Lang;
use crate::domain::mail::Links;
use crate::domain::request::Faulty;
use crate::domain::status::StatusFacts;
use crate::messages::{self, tr};

/// First answer: the form, or why the person can't ask for an account.
pub(super) async fn open_form(interaction: &Interaction) -> Result<(), DiscordError> {
    match interaction.accounts().open_form(&interaction.caller).await {
        Ok(prefill) => {
            let custom_id = CustomId::without_row(Verb::Form);
            interaction.reply.open_modal(&forms::account_form(interaction.lang(), custom_id, prefill)).await
        }
        Err(denied) => interaction.refuse(&denied).await,
    }
}

/// First answer to the form: the draft with its buttons.
pub(super) async fn save_form(interaction: &Interaction, input: FormInput) -> Result<(), DiscordError> {
    let saving = async {
        match interaction.accounts().save_draft(&interaction.caller, input.clone()).await {
            Ok(draft) => draft_message(interaction, &draft),
            Err(denied) => invalid_form(interaction, Faulty::First, &denied, &input)
                .unwrap_or_else(|| interaction.error_message(&denied)),
        }
    };
    interaction.answer_privately(saving).await
}

/// First answer to `Correct it`: the form as it was typed.
pub(super) async fn open_correction(interaction: &Interaction) -> Result<(), DiscordError> {
    match interaction.accounts().correct_form(&interaction.caller).await {
        Ok(correction) => {
            let custom_id = match correction.draft {
                Some((id, nonce)) => CustomId::of_request(Verb::Correct, id, nonce),
                None => CustomId::without_row(Verb::Correct),
            };
            let form = forms::account_form(interaction.lang(), custom_id, correction.prefill);
            interaction.reply.open_modal(&form).await
        }
        Err(denied) => answer_at_once(interaction, refusal_on_draft(interaction, &denied)).await,
    }
}

/// First answer to the corrected form: its message becomes the draft, or names what is still wrong.
pub(super) async fn save_correction(
    interaction: &Interaction,
    draft: Option<(RequestId, Nonce)>,
    input: FormInput,
) -> Result<(), DiscordError> {
    let which = if draft.is_some() { Faulty::Change } else { Faulty::First };
    let saving = async {
        match interaction.accounts().save_correction(&interaction.caller, draft, input.clone()).await {
            Ok(draft) => ButtonAnswer::Update(draft_message(interaction, &draft)),
            Err(denied) => match invalid_form(interaction, which, &denied, &input) {
                Some(message) => ButtonAnswer::Update(message),
                None => refusal_on_draft(interaction, &denied),
            },
        }
    };
    interaction.answer_button(saving).await
}

/// The errors of a form with the button that opens it again as it was typed. If it could not be kept, the message shows what was typed,
/// for copying. `None` if the form is not what was refused.
fn invalid_form(
    interaction: &Interaction,
    which: Faulty,
    denied: &UseCaseError,
    input: &FormInput,
) -> Option<OutgoingMessage> {
    let Details::Form { faults, kept_until } = &denied.details else { return None };
    let lang = interaction.lang();
    let told = OutgoingMessage::text(render::form_faults(
        lang,
        (which, *kept_until),
        faults,
        interaction.max_username,
    ));
    tracing::info!(error_code = %denied.error_code, "a form was refused");
    if kept_until.is_some() {
        let correct = CustomId::without_row(Verb::Correct);
        return Some(told.with_button(tr!(lang, "button-correct"), ButtonStyle::Primary, correct));
    }
    let labels = messages::form::account_form(lang);
    let fields = [
        (labels.username, input.username.as_str()),
        (labels.address, input.address.as_str()),
        (labels.given, input.given.as_str()),
        (labels.family, input.family.as_str()),
        (labels.answer, input.answer.as_deref().unwrap_or_default()),
    ];
    let told = told.followed_by(&messages::form::typed_back(lang, &fields));
    Some(match which {
        Faulty::First => told.with_button(
            tr!(lang, "button-request"),
            ButtonStyle::Primary,
            CustomId::without_row(Verb::Request),
        ),
        Faulty::Change => told,
    })
}

/// First answer to `Change`: the form with the values of the draft.
pub(super) async fn open_change(
    interaction: &Interaction,
    id: RequestId,
    nonce: Nonce,
) -> Result<(), DiscordError> {
    match interaction.accounts().change_form(&interaction.caller, id, nonce).await {
        Ok(prefill) => {
            let custom_id = CustomId::of_request(Verb::Change, id, nonce);
            interaction.reply.open_modal(&forms::account_form(interaction.lang(), custom_id, prefill)).await
        }
        Err(denied) => answer_at_once(interaction, refusal_on_draft(interaction, &denied)).await,
    }
}

/// First answer to a button that opened no form.
async fn answer_at_once(interaction: &Interaction, answer: ButtonAnswer) -> Result<(), DiscordError> {
    match answer {
        ButtonAnswer::Update(message) => interaction.reply.update_message(&message).await,
        ButtonAnswer::Private(message) => interaction.reply.say_ephemeral(&message).await,
    }
}

/// First answer to the changed form: the message of the draft with the new values.
pub(super) async fn save_change(
    interaction: &Interaction,
    id: RequestId,
    nonce: Nonce,
    input: FormInput,
) -> Result<(), DiscordError> {
    let changing = async {
        let changed = interaction.accounts().change_draft(&interaction.caller, id, nonce, input.clone());
        match changed.await {
            Ok(draft) => ButtonAnswer::Update(draft_message(interaction, &draft)),
            Err(denied) => match invalid_form(interaction, Faulty::Change, &denied, &input) {
                Some(message) => ButtonAnswer::Private(message),
                None => refusal_on_draft(interaction, &denied),
            },
        }
    };
    interaction.answer_button(changing).await
}

/// First answer to `Send`: the message says "sent" and loses its buttons.
pub(super) async fn send(interaction: &Interaction, id: RequestId, nonce: Nonce) -> Result<(), DiscordError> {
    let lang = interaction.lang();
    let sending = async {
        match interaction.accounts().send(&interaction.caller, id, nonce).await {
            Ok(sent) => {
                let sentence = if sent.again {
                    messages::account::sent_again(lang, &sent.code)
                } else if sent.automatic {
                    messages::account::sent_to_rule(lang, &sent.code)
                } else {
                    messages::account::sent_to_moderators(lang, &sent.code)
                };
                promise(interaction);
                ButtonAnswer::Update(OutgoingMessage::text(sentence))
            }
            Err(denied) => refusal_on_draft(interaction, &denied),
        }
    };
    interaction.answer_button(sending).await
}

/// The answer promises a direct message. If Discord refuses that, the answer itself says the news.
fn promise(interaction: &Interaction) {
    interaction.reply.promises_direct_message_to(interaction.caller.user_id);
}

/// First answer: the status of the caller.
pub(super) async fn say_status(interaction: &Interaction) -> Result<(), DiscordError> {
    let lang = interaction.lang();
    let reading = async {
        match interaction.accounts().status(&interaction.caller).await {
            Ok(shown) => {
                let facts = StatusFacts {
                    stage: &shown.stage,
                    code: shown.code.as_deref(),
                    next: &shown.next,
                    login_url: interaction.accounts().config().keycloak.login_url.as_str(),
                };
                let sentence = messages::status::sentence(lang, &facts);
                shown
                    .buttons
                    .iter()
                    .fold(OutgoingMessage::text(sentence), |post, button| add_button(lang, post, *button))
            }
            Err(denied) => interaction.error_message(&denied),
        }
    };
    interaction.answer_privately(reading).await
}

/// First answer to `/account cancel`.
pub(super) async fn cancel(interaction: &Interaction) -> Result<(), DiscordError> {
    let cancelling = async {
        cancelled_message(interaction, None).await.unwrap_or_else(|denied| interaction.error_message(&denied))
    };
    interaction.answer_privately(cancelling).await
}

/// First answer to the button `Cancel request`: its message shows the result.
pub(super) async fn cancel_named(
    interaction: &Interaction,
    id: RequestId,
    nonce: Nonce,
) -> Result<(), DiscordError> {
    let cancelling = async {
        match cancelled_message(interaction, Some((id, nonce))).await {
            Ok(message) => ButtonAnswer::Update(message),
            Err(denied) => refusal_on_draft(interaction, &denied),
        }
    };
    interaction.answer_button(cancelling).await
}

async fn cancelled_message(
    interaction: &Interaction,
    which: Option<(RequestId, Nonce)>,
) -> Result<OutgoingMessage, UseCaseError> {
    let lang = interaction.lang();
    let cancelled = interaction.accounts().cancel(&interaction.caller, which).await?;
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
pub(super) async fn mail_again(
    interaction: &Interaction,
    which: Option<(AccountId, Nonce)>,
) -> Result<(), DiscordError> {
    let lang = interaction.lang();
    let asking = async {
        match interaction.accounts().mail_again(&interaction.caller, which).await {
            Ok(asked) => {
                let links = Links { mails: &asked.mails, now: asked.now, used_at: asked.used_at };
                promise(interaction);
                OutgoingMessage::text(if asked.again {
                    messages::mails::asked_already(lang, &asked.username, links)
                } else {
                    messages::mails::asked(lang, &asked.username, links)
                })
            }
            Err(denied) => interaction.error_message(&denied),
        }
    };
    interaction.answer_privately(asking).await
}

/// First answer to `Not me`: a form for confirmation, so that nobody locks an account by accident.
pub(super) async fn open_lock(
    interaction: &Interaction,
    id: AccountId,
    nonce: Nonce,
) -> Result<(), DiscordError> {
    match interaction.accounts().may_lock(&interaction.caller, id, nonce).await {
        Ok(()) => {
            let custom_id = CustomId::of_account(Verb::NotMe, id, nonce);
            interaction.reply.open_modal(&forms::not_me_form(interaction.lang(), custom_id)).await
        }
        Err(denied) => interaction.refuse(&denied).await,
    }
}

/// First answer to the confirmed `Not me`: its message says what happens next and loses its buttons.
pub(super) async fn lock(
    interaction: &Interaction,
    id: AccountId,
    nonce: Nonce,
    note: &str,
) -> Result<(), DiscordError> {
    let lang = interaction.lang();
    let locking = async {
        match interaction.accounts().lock(&interaction.caller, id, nonce, note).await {
            Ok(asked) => {
                let text = if asked.again {
                    messages::mails::locking_already(lang, &asked.username)
                } else {
                    messages::mails::locking(lang, &asked.username)
                };
                promise(interaction);
                ButtonAnswer::Update(OutgoingMessage::text(text))
            }
            Err(denied) => ButtonAnswer::Private(interaction.error_message(&denied)),
        }
    };
    interaction.answer_button(locking).await
}

/// Replaces the message of a draft that is no longer there. Any other error leaves the message and its buttons unchanged.
fn refusal_on_draft(interaction: &Interaction, denied: &UseCaseError) -> ButtonAnswer {
    let lang = interaction.lang();
    if denied.details == Details::Expired {
        return ButtonAnswer::Update(OutgoingMessage::text(tr!(lang, "draft-expired")));
    }
    if denied.details == Details::Dropped {
        return ButtonAnswer::Update(OutgoingMessage::text(tr!(lang, "draft-dropped")));
    }
    ButtonAnswer::Private(interaction.error_message(denied))
}

fn draft_message(interaction: &Interaction, draft: &DraftShown) -> OutgoingMessage {
    let lang = interaction.lang();
    let request = &draft.request;
    let text = match &request.form {
        Some(form) => messages::account::draft_shown(lang, form, draft.expires_at),
        // The values of the draft were erased a moment ago.
        None => return OutgoingMessage::text(tr!(lang, "draft-expired")),
    };
    let button = |verb| CustomId::of_request(verb, request.id, request.nonce);
    OutgoingMessage::text(text)
        .with_button(tr!(lang, "button-send"), ButtonStyle::Success, button(Verb::Send))
        .with_button(tr!(lang, "button-change"), ButtonStyle::Secondary, button(Verb::Change))
}

fn add_button(lang: Lang, post: OutgoingMessage, button: StatusButton) -> OutgoingMessage {
    let of = CustomId::of_request;
    match button {
        StatusButton::Send(id, nonce) => {
            post.with_button(tr!(lang, "button-send"), ButtonStyle::Success, of(Verb::Send, id, nonce))
        }
        StatusButton::Change(id, nonce) => {
            post.with_button(tr!(lang, "button-change"), ButtonStyle::Secondary, of(Verb::Change, id, nonce))
        }
        StatusButton::Cancel(id, nonce) => {
            post.with_button(tr!(lang, "button-cancel"), ButtonStyle::Danger, of(Verb::Cancel, id, nonce))
        }
        StatusButton::Form => post.with_button(
            tr!(lang, "button-request"),
            ButtonStyle::Primary,
            CustomId::without_row(Verb::Request),
        ),
        StatusButton::Resend(id, nonce) => post.with_button(
            tr!(lang, "button-resend"),
            ButtonStyle::Secondary,
            CustomId::of_account(Verb::Resend, id, nonce),
        ),
        StatusButton::NotMe(id, nonce) => post.with_button(
            tr!(lang, "button-not-me"),
            ButtonStyle::Danger,
            CustomId::of_account(Verb::NotMe, id, nonce),
        ),
    }
}
