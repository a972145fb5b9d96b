//! The card of a request and its buttons: posted once, edited afterwards, always rendered from current data.
//!
//! Which buttons a card has follows from the state of its request and job; `messages/card.rs` has the summary above them.
//! The nonce of its buttons is stored before the post or edit is sent. The earlier nonce stays valid until Discord confirms. Before a post
//! of unknown outcome is sent again, the channel is searched for it.

use std::collections::HashMap;

use super::outcome::{Posted, Sending, Unsent};
use super::upsert::{Place, Upserted, upsert_message};
use crate::discord::custom_id::{CustomId, Verb};
use crate::discord::{ButtonStyle, OutgoingMessage, Profile};
use crate::domain::account::AccountState;
use crate::domain::approval::Notify;
use crate::domain::audit::Actor;
use crate::domain::card::{CardFacts, CardState, Decider, Joined};
use crate::domain::error_code::ErrorCode;
use crate::domain::ids::{ChannelId, DiscordUserId, OutboxId, RequestId};
use crate::domain::job::JobState;
use crate::domain::lang::Lang;
use crate::domain::request::{Request, RequestState};
use crate::messages::{card as sentences, tr};
use crate::store::{CardCase, Message, MessageKind, Outbox, StoreError, Tx};
use crate::worker::context::WorkerContext;

/// A card that may be sent: what it shows, and the nonce of its buttons, which is stored.
pub(super) struct Prepared {
    case: CardCase,
    requester: DiscordUserId,
    row: Message,
}

/// Reads what these cards show and stores the nonces of their buttons. A card whose request, guild or requester is gone is missing in the
/// result.
pub(super) async fn prepare(
    worker: &WorkerContext,
    tx: &mut Tx,
    messages: impl Iterator<Item = &Outbox>,
) -> Result<HashMap<OutboxId, Prepared>, StoreError> {
    let requests =
        messages.filter_map(|message| Some((message.id, message.target.parse::<RequestId>().ok()?)));
    let requests: Vec<_> = requests.collect();
    let mut prepared = HashMap::with_capacity(requests.len());
    let config = worker.deps.config.now();
    for (message, request) in requests {
        let Some(case) = tx.card_case(request).await? else { continue };
        let (Some(guild), Some(requester)) = (config.guild(case.request.guild_id), case.applicant) else {
            continue;
        };
        let row = tx.prepare_message(request, MessageKind::Card, (guild.id, guild.request_channel)).await?;
        prepared.insert(message, Prepared { case, requester, row });
    }
    Ok(prepared)
}

impl Prepared {
    /// The channel that the card belongs into.
    pub(super) fn channel(&self) -> ChannelId {
        self.row.channel_id
    }
}

/// Posts a new card for an open request whose card someone deleted.
pub(super) async fn check(worker: &WorkerContext, message: &Outbox) -> Result<Sending, Unsent> {
    let Ok(request) = message.target.parse::<RequestId>() else { return Ok(Sending::Nothing) };
    let mut view = worker.deps.store.read().await?;
    let (found, card) = (view.request(request).await?, view.message(request, MessageKind::Card).await?);
    drop(view);
    if !found.is_some_and(|request| request.state.is_open()) {
        return Ok(Sending::Nothing);
    }
    let posted = card.and_then(|card| Some((card.channel_id, card.message_id?)));
    if let Some((channel, id)) = posted {
        if worker.deps.discord.has_message(channel, id).await? {
            return Ok(Sending::Sent);
        }
        tracing::warn!(request.id = %request, "the card of an open request was deleted; a new one is posted");
    }
    let mut tx = worker.deps.store.begin().await?;
    tx.forget_message(request, MessageKind::Card).await?;
    tx.put_card(request).await?;
    tx.outbox_sent(message).await?;
    tx.commit("outbox.sent").await?;
    Ok(Sending::Settled)
}

/// Posts or edits the card.
pub(super) async fn send(
    worker: &WorkerContext,
    message: &Outbox,
    prepared: Option<Prepared>,
) -> Result<Sending, Unsent> {
    let Some(mut card) = prepared else { return Ok(Sending::Nothing) };
    let id = card.case.request.id;
    let profile = profile(worker, &card).await;
    loop {
        let post = render(worker, &card, profile.as_ref());
        let place = Place { channel: card.row.channel_id, message: card.row.message_id };
        let is_ours = |found: &CustomId| {
            found.id == Some(id.get()) && matches!(found.verb, Verb::Approve | Verb::Deny | Verb::DenyQuiet)
        };
        match upsert_message(&worker.deps.discord, message, place, &post, is_ours).await? {
            Upserted::Stands(message_id) => {
                return Ok(Sending::Posted(Posted { request_id: id, message_id, nonce: card.row.nonce }));
            }
            Upserted::Deleted => {
                // The new post gets a new nonce, so it is rendered again.
                let place = (card.row.guild_id, card.row.channel_id);
                let mut tx = worker.deps.store.begin().await?;
                tx.forget_message(id, MessageKind::Card).await?;
                card.row = tx.prepare_message(id, MessageKind::Card, place).await?;
                tx.commit("outbox.prepare").await?;
            }
        }
    }
}

/// What Discord says of the requester for an open request. Without an answer, the card says that it is unknown.
async fn profile(worker: &WorkerContext, card: &Prepared) -> Option<Profile> {
    let request = &card.case.request;
    if !request.state.is_open() {
        return None;
    }
    worker.deps.discord.profile(request.guild_id, card.requester).await.ok().flatten()
}

/// Only the card of an open request says when the requester joined.
fn joined(request: &Request, profile: Option<&Profile>) -> Joined {
    if !request.state.is_open() {
        return Joined::Untold;
    }
    profile.and_then(|profile| profile.joined_at).map_or(Joined::Unknown, Joined::At)
}

/// The groups of the request's rule, if the configuration still has it.
fn groups(worker: &WorkerContext, request: &Request) -> Vec<String> {
    let config = worker.deps.config.now();
    let rules = config.guild(request.guild_id).map(|guild| guild.policy.rules.as_slice()).unwrap_or_default();
    let rule = rules.iter().find(|rule| request.rule.as_ref() == Some(&rule.name));
    let groups = rule.map(|rule| rule.groups.as_slice()).unwrap_or_default();
    groups.iter().map(|group| group.as_str().to_owned()).collect()
}

fn render(worker: &WorkerContext, card: &Prepared, profile: Option<&Profile>) -> OutgoingMessage {
    let Prepared { case, requester, row } = card;
    let request = &case.request;
    let lang = Lang::default();
    let state = state_of(case);
    let shown = CardFacts {
        code: request.code.clone(),
        requester: *requester,
        shown: profile.map(|profile| profile.shown.clone()),
        joined: joined(request, profile),
        username: request.username.as_str().to_owned(),
        rule: request.rule.as_ref().map(|rule| rule.as_str().to_owned()),
        groups: groups(worker, request),
        answer: request
            .form
            .as_ref()
            .and_then(|form| form.answer.as_ref())
            .map(|answer| answer.as_str().to_owned()),
        masked_address: request.form.as_ref().map(|form| form.address.masked()),
        earlier: u32::try_from(case.earlier).unwrap_or(0),
        is_unreachable: case.is_unreachable,
        sent_at: request.created_at,
        state: state.clone(),
        wait: case.reported_wait,
    };
    let post = OutgoingMessage::summary(sentences::summary(lang, &shown));
    let of_request = |verb| CustomId::of_request(verb, request.id, row.nonce);
    match (&state, &case.job) {
        (CardState::NeedsOperator { .. }, Some(job)) => post.with_button(
            tr!(lang, "button-retry"),
            ButtonStyle::Primary,
            CustomId::of_job(job.id, row.nonce),
        ),
        _ if request.state.is_open() => post
            .with_button(tr!(lang, "button-approve"), ButtonStyle::Success, of_request(Verb::Approve))
            .with_button(tr!(lang, "button-deny"), ButtonStyle::Danger, of_request(Verb::Deny))
            .with_button(
                tr!(lang, "button-deny-quietly"),
                ButtonStyle::Secondary,
                of_request(Verb::DenyQuiet),
            ),
        _ => post,
    }
}

/// The state that moderators see.
fn state_of(case: &CardCase) -> CardState {
    let request = &case.request;
    match request.state {
        RequestState::Draft | RequestState::Waiting => match request.reason_code {
            Some(ErrorCode::NameUnavailable) => CardState::NameTaken,
            Some(code) => CardState::Held(code),
            None if case.is_checked => CardState::Free,
            None => CardState::NotYetChecked,
        },
        RequestState::Held => match request.reason_code {
            Some(ErrorCode::AddressInUse) | None => CardState::AddressInUse,
            Some(code) => CardState::Held(code),
        },
        RequestState::Approved => state_of_approved(case),
        RequestState::Denied => CardState::Denied {
            by: decider(case),
            quiet: case.decision.as_ref().is_some_and(|(_, _, notify)| *notify == Notify::Quiet),
        },
        RequestState::Cancelled => CardState::Cancelled,
        RequestState::Expired => CardState::Expired,
        RequestState::Failed => {
            let code = request.reason_code.unwrap_or(ErrorCode::Internal);
            if case.account_state == Some(AccountState::Disabled) {
                CardState::FailedAndKept(code)
            } else {
                CardState::Failed(code)
            }
        }
    }
}

fn state_of_approved(case: &CardCase) -> CardState {
    let by = decider(case);
    if let Some(job) = case.job.filter(|job| job.state == JobState::NeedsOperator) {
        let code = job.error_code.unwrap_or(ErrorCode::Internal);
        return CardState::NeedsOperator { by, step: job.step, code };
    }
    match case.account_state {
        Some(AccountState::Invited | AccountState::Active | AccountState::Disabled) => CardState::Made(by),
        Some(AccountState::Creating | AccountState::Conflict | AccountState::Closed) | None => {
            CardState::Making(by)
        }
    }
}

fn decider(case: &CardCase) -> Decider {
    match &case.decision {
        Some((_, Some(user), _)) => Decider::Person(*user),
        Some((Actor::System, None, _)) => {
            let rule = case.request.rule.as_ref().map(|rule| rule.as_str().to_owned());
            Decider::Rule(rule.unwrap_or_default())
        }
        Some((Actor::Person(_) | Actor::Cli(_), None, _)) | None => Decider::Operator,
    }
}
