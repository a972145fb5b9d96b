//! Routes buttons and submitted forms to their use-case by `custom_id` alone. No state is kept between them, so a restart doesn't
//! matter.

use poise::serenity_prelude as serenity;
use serenity::ActionRowComponent;

use super::dependencies::Dependencies;
use super::interaction::{Interaction, RawInteraction};
use super::{forms, member, moderator};
use crate::accounts::Proof;
use crate::discord::DiscordError;
use crate::discord::custom_id::{CustomId, Verb};
use crate::domain::approval::Notify;
use crate::domain::ids::{AccountId, ChannelId, JobId, MessageId, RequestId};

/// The prefix of all our `custom_id`s in any version. Others belong to another program or to poise.
const PREFIX: &str = "ac";

/// Handles a button or a submitted form. poise handles commands.
pub(super) async fn handle_interaction(data: &Dependencies, interaction: &serenity::Interaction) {
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "serenity's own enum: commands and pings are answered elsewhere"
    )]
    match interaction {
        serenity::Interaction::Component(press) => handle_component(data, press).await,
        serenity::Interaction::Modal(submit) => handle_modal(data, submit).await,
        _ => {}
    }
}

async fn handle_component(data: &Dependencies, press: &serenity::ComponentInteraction) {
    if !press.data.custom_id.starts_with(PREFIX) {
        return;
    }
    let raw = RawInteraction {
        id: press.id,
        application_id: press.application_id,
        token: &press.token,
        user: &press.user,
        member: press.member.as_ref(),
        guild_id: press.guild_id,
        locale: &press.locale,
    };
    let custom_id = press.data.custom_id.parse::<CustomId>().ok();
    let place = Place {
        channel_id: ChannelId::new(press.channel_id.get()),
        message_id: Some(MessageId::new(press.message.id.get())),
    };
    let verb = custom_id.map(|custom_id| custom_id.verb);
    let command = verb.map_or("unknown", Verb::code);
    Interaction::receive(data, raw, command, verb, async |interaction| match custom_id {
        Some(custom_id) => answer_component(interaction, custom_id, place).await,
        None => interaction.say_old_button().await,
    })
    .await;
}

/// The message to which a button or form belongs.
#[derive(Clone, Copy)]
struct Place {
    channel_id: ChannelId,
    message_id: Option<MessageId>,
}

impl Place {
    fn proof(self, custom_id: CustomId) -> Option<Proof> {
        let Self { channel_id, message_id } = self;
        Some(Proof::Card { nonce: custom_id.nonce, channel_id, message_id: message_id? })
    }
}

async fn answer_component(
    interaction: &Interaction,
    custom_id: CustomId,
    place: Place,
) -> Result<(), DiscordError> {
    let nonce = custom_id.nonce;
    let request = custom_id.id.map(RequestId::new);
    match (custom_id.verb, request, place.proof(custom_id)) {
        (Verb::Request, _, _) => member::open_form(interaction).await,
        (Verb::Status, _, _) => member::say_status(interaction).await,
        (Verb::Correct, _, _) => member::open_correction(interaction).await,
        (Verb::Send, Some(id), _) => member::send(interaction, id, nonce).await,
        (Verb::Change, Some(id), _) => member::open_change(interaction, id, nonce).await,
        (Verb::Cancel, Some(id), _) => member::cancel_named(interaction, id, nonce).await,
        (Verb::Approve, Some(id), Some(proof)) => moderator::approve(interaction, id, proof).await,
        (Verb::Deny, Some(id), Some(proof)) => {
            moderator::open_denial(interaction, id, nonce, proof, Notify::Told).await
        }
        (Verb::DenyQuiet, Some(id), Some(proof)) => {
            moderator::open_denial(interaction, id, nonce, proof, Notify::Quiet).await
        }
        (Verb::Retry, Some(_), _) => match custom_id.id.map(JobId::new) {
            Some(job) => moderator::retry(interaction, job, nonce).await,
            None => interaction.say_old_button().await,
        },
        (Verb::Resend, id, _) => {
            let which = id.map(|id| (AccountId::new(id.get()), nonce));
            member::mail_again(interaction, which).await
        }
        (Verb::NotMe, Some(id), _) => member::open_lock(interaction, AccountId::new(id.get()), nonce).await,
        // Verbs of forms, and buttons without their row.
        (
            Verb::Form
            | Verb::DenyForm
            | Verb::DenyQuietForm
            | Verb::NotMe
            | Verb::Send
            | Verb::Change
            | Verb::Cancel
            | Verb::Approve
            | Verb::Deny
            | Verb::DenyQuiet
            | Verb::Retry,
            _,
            _,
        ) => interaction.say_old_button().await,
    }
}

async fn handle_modal(data: &Dependencies, submit: &serenity::ModalInteraction) {
    if !submit.data.custom_id.starts_with(PREFIX) {
        return;
    }
    let raw = RawInteraction {
        id: submit.id,
        application_id: submit.application_id,
        token: &submit.token,
        user: &submit.user,
        member: submit.member.as_ref(),
        guild_id: submit.guild_id,
        locale: &submit.locale,
    };
    let custom_id = submit.data.custom_id.parse::<CustomId>().ok();
    let place = Place {
        channel_id: ChannelId::new(submit.channel_id.get()),
        message_id: submit.message.as_ref().map(|message| MessageId::new(message.id.get())),
    };
    let verb = custom_id.map(|custom_id| custom_id.verb);
    let command = verb.map_or("unknown", Verb::code);
    Interaction::receive(data, raw, command, verb, async |interaction| match custom_id {
        Some(custom_id) => answer_modal(interaction, custom_id, place, submit).await,
        None => interaction.say_old_button().await,
    })
    .await;
}

async fn answer_modal(
    interaction: &Interaction,
    custom_id: CustomId,
    place: Place,
    submit: &serenity::ModalInteraction,
) -> Result<(), DiscordError> {
    let field = |name: &str| field_value(submit, name);
    let request = custom_id.id.map(RequestId::new);
    match (custom_id.verb, request, place.proof(custom_id)) {
        (Verb::Form, _, _) => member::save_form(interaction, forms::read_account_form(field)).await,
        (Verb::Change, Some(id), _) => {
            member::save_change(interaction, id, custom_id.nonce, forms::read_account_form(field)).await
        }
        (Verb::Correct, id, _) => {
            let draft = id.map(|id| (id, custom_id.nonce));
            member::save_correction(interaction, draft, forms::read_account_form(field)).await
        }
        (Verb::DenyForm, Some(id), Some(proof)) => {
            moderator::deny(interaction, id, proof, &forms::read_reason(field), Notify::Told).await
        }
        (Verb::DenyQuietForm, Some(id), Some(proof)) => {
            moderator::deny(interaction, id, proof, &forms::read_reason(field), Notify::Quiet).await
        }
        (Verb::NotMe, Some(id), _) => {
            let account = AccountId::new(id.get());
            member::lock(interaction, account, custom_id.nonce, &forms::read_note(field)).await
        }
        (
            Verb::Request
            | Verb::Send
            | Verb::Change
            | Verb::Approve
            | Verb::Deny
            | Verb::DenyForm
            | Verb::DenyQuiet
            | Verb::DenyQuietForm
            | Verb::Retry
            | Verb::Cancel
            | Verb::Status
            | Verb::Resend
            | Verb::NotMe,
            _,
            _,
        ) => interaction.say_old_button().await,
    }
}

/// The text of a field; `None` if the form has no such field.
fn field_value(submit: &serenity::ModalInteraction, name: &str) -> Option<String> {
    submit.data.components.iter().flat_map(|row| &row.components).find_map(|component| {
        #[expect(
            clippy::wildcard_enum_match_arm,
            reason = "serenity's own enum: our forms have text inputs only"
        )]
        match component {
            ActionRowComponent::InputText(input) if input.custom_id == name => {
                Some(input.value.clone().unwrap_or_default())
            }
            _ => None,
        }
    })
}
