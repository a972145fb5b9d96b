//! The one place where presses and submits find their use-case, by `custom_id` alone: nothing is remembered between them, so a
//! restart changes nothing.

use poise::serenity_prelude as serenity;
use serenity::{ActionRowComponent, Interaction};

use super::visit::{Delivered, Visit};
use super::{Data, forms, member, moderator};
use crate::accounts::Proof;
use crate::discord::DiscordError;
use crate::discord::custom_id::{CustomId, Verb};
use crate::domain::approval::Notify;
use crate::domain::ids::{AccountId, ChannelId, JobId, MessageId, RequestId};

/// What every `custom_id` of ours begins with, in any version; anything else belongs to another program or to poise.
const OURS: &str = "ac";

/// Hands a press or a submit over. Commands are poise's business.
pub(super) async fn dispatch(data: &Data, interaction: &Interaction) {
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "serenity's own enum: commands and pings are answered elsewhere"
    )]
    match interaction {
        Interaction::Component(press) => heed_press(data, press).await,
        Interaction::Modal(submit) => heed_submit(data, submit).await,
        _ => {}
    }
}

async fn heed_press(data: &Data, press: &serenity::ComponentInteraction) {
    if !press.data.custom_id.starts_with(OURS) {
        return;
    }
    let delivered = Delivered {
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
    let what = verb.map_or("unknown", Verb::code);
    Visit::receive(data, delivered, what, verb, |visit| async move {
        match custom_id {
            Some(custom_id) => answer_press(&visit, custom_id, place).await,
            None => visit.say_old_button().await,
        }
    })
    .await;
}

/// Where a press or submit came from.
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

async fn answer_press(visit: &Visit, custom_id: CustomId, place: Place) -> Result<(), DiscordError> {
    let nonce = custom_id.nonce;
    let request = custom_id.id.map(RequestId::new);
    match (custom_id.verb, request, place.proof(custom_id)) {
        (Verb::Request, _, _) => member::open_form(visit).await,
        (Verb::Status, _, _) => member::say_status(visit).await,
        (Verb::Send, Some(id), _) => member::send(visit, id, nonce).await,
        (Verb::Change, Some(id), _) => member::open_change(visit, id, nonce).await,
        (Verb::Cancel, Some(id), _) => member::cancel_named(visit, id, nonce).await,
        (Verb::Approve, Some(id), Some(proof)) => moderator::approve(visit, id, proof).await,
        (Verb::Deny, Some(id), Some(proof)) => {
            moderator::open_denial(visit, id, nonce, proof, Notify::Told).await
        }
        (Verb::DenyQuiet, Some(id), Some(proof)) => {
            moderator::open_denial(visit, id, nonce, proof, Notify::Quiet).await
        }
        (Verb::Retry, Some(_), _) => match custom_id.id.map(JobId::new) {
            Some(job) => moderator::retry(visit, job, nonce).await,
            None => visit.say_old_button().await,
        },
        (Verb::Resend, id, _) => {
            let which = id.map(|id| (AccountId::new(id.get()), nonce));
            member::mail_again(visit, which).await
        }
        (Verb::NotMe, Some(id), _) => member::open_lock(visit, AccountId::new(id.get()), nonce).await,
        // Submits that came as presses, and buttons without their row.
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
        ) => visit.say_old_button().await,
    }
}

async fn heed_submit(data: &Data, submit: &serenity::ModalInteraction) {
    if !submit.data.custom_id.starts_with(OURS) {
        return;
    }
    let delivered = Delivered {
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
    let what = verb.map_or("unknown", Verb::code);
    Visit::receive(data, delivered, what, verb, |visit| async move {
        match custom_id {
            Some(custom_id) => answer_submit(&visit, custom_id, place, submit).await,
            None => visit.say_old_button().await,
        }
    })
    .await;
}

async fn answer_submit(
    visit: &Visit,
    custom_id: CustomId,
    place: Place,
    submit: &serenity::ModalInteraction,
) -> Result<(), DiscordError> {
    let field = |name: &str| value_of(submit, name);
    let request = custom_id.id.map(RequestId::new);
    match (custom_id.verb, request, place.proof(custom_id)) {
        (Verb::Form, _, _) => member::save_form(visit, forms::read_account_form(field)).await,
        (Verb::Change, Some(id), _) => {
            member::save_change(visit, id, custom_id.nonce, forms::read_account_form(field)).await
        }
        (Verb::DenyForm, Some(id), Some(proof)) => {
            moderator::deny(visit, id, proof, &forms::read_reason(field), Notify::Told).await
        }
        (Verb::DenyQuietForm, Some(id), Some(proof)) => {
            moderator::deny(visit, id, proof, &forms::read_reason(field), Notify::Quiet).await
        }
        (Verb::NotMe, Some(id), _) => {
            let account = AccountId::new(id.get());
            member::lock(visit, account, custom_id.nonce, &forms::read_note(field)).await
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
        ) => visit.say_old_button().await,
    }
}

/// What was typed into a field; `None` if the form has no such field.
fn value_of(submit: &serenity::ModalInteraction, name: &str) -> Option<String> {
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
