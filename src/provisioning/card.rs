//! The card of a request: posted once, edited ever after, always from what is true now.
//!
//! The nonce that its buttons will carry is stored before the post or edit is sent; the one before stays valid until Discord
//! confirms. A post of unknown outcome is looked for in the channel before it is sent again.

use super::WorkerContext;
use super::outbox::{Sending, Unsent};
use crate::discord::custom_id::{CustomId, Verb};
use crate::discord::{ButtonStyle, DiscordError, OutgoingMessage, SendNonce};
use crate::domain::account::{Account, AccountState};
use crate::domain::approval::Notify;
use crate::domain::audit::Actor;
use crate::domain::error_code::ErrorCode;
use crate::domain::ids::{ChannelId, DiscordUserId, GuildId, MessageId, RequestId};
use crate::domain::job::{Job, JobKind, JobState};
use crate::domain::request::{Request, RequestState};
use crate::messages::Lang;
use crate::messages::card::{self as sentences, CardFacts, CardState, Decider, Joined};
use crate::store::{Decision, Message, MessageKind, Outbox, ReadConnection, StoreError};

/// Discord's code for a message that is not there any more.
const UNKNOWN_MESSAGE: i64 = 10008;

/// How many messages back a post of unknown outcome is looked for.
const LOOK_BACK: u8 = 50;

/// Everything that a card shows.
struct Facts {
    request: Request,
    /// Where the card is, or will be.
    place: (GuildId, ChannelId),
    requester: DiscordUserId,
    decision: Option<Decision>,
    decider: Option<DiscordUserId>,
    job: Option<Job>,
    check: Option<Job>,
    account: Option<Account>,
    earlier: i64,
}

/// Posts or edits the card that `message` names.
pub(super) async fn send(worker: &WorkerContext, message: &Outbox) -> Result<Sending, Unsent> {
    let Ok(id) = message.target.parse::<RequestId>() else { return Ok(Sending::Nothing) };
    let mut view = worker.deps.store.read().await?;
    let Some(facts) = load(worker, &mut view, id).await? else { return Ok(Sending::Nothing) };
    drop(view);
    let mut tx = worker.deps.store.begin().await?;
    let prepared = tx.prepare_message(id, MessageKind::Card, facts.place).await?;
    tx.commit("outbox.prepare").await?;
    let post = render(worker, &facts, &prepared).await;
    let message_id = bring(worker, message, &prepared, &post).await?;
    let mut tx = worker.deps.store.begin().await?;
    tx.confirm_message(id, MessageKind::Card, message_id, prepared.nonce).await?;
    tx.outbox_sent(message).await?;
    tx.commit("outbox.sent").await?;
    Ok(Sending::Sent)
}

/// Edits the message that stands, or posts it.
async fn bring(
    worker: &WorkerContext,
    outbox: &Outbox,
    card: &Message,
    post: &OutgoingMessage,
) -> Result<MessageId, Unsent> {
    let discord = &worker.deps.discord;
    let standing = match card.message_id {
        Some(id) => Some(id),
        // An earlier try may have posted it: Discord's own guard against doubles lasts for minutes only.
        None if outbox.attempt > 1 => find_posted(worker, card).await?,
        None => None,
    };
    if let Some(id) = standing {
        match discord.edit_message(card.channel_id, id, post).await {
            Ok(()) => return Ok(id),
            Err(DiscordError::Gone(UNKNOWN_MESSAGE)) => {
                let mut tx = worker.deps.store.begin().await?;
                tx.forget_message(card.request_id, MessageKind::Card).await?;
                tx.prepare_message(card.request_id, MessageKind::Card, (card.guild_id, card.channel_id))
                    .await?;
                tx.commit("outbox.prepare").await?;
                // The nonce changed: the next try renders and posts anew.
                return Err(DiscordError::RateLimited { after: std::time::Duration::ZERO }.into());
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok(discord.post(card.channel_id, post, &SendNonce::of(outbox.id)).await?)
}

async fn find_posted(worker: &WorkerContext, card: &Message) -> Result<Option<MessageId>, DiscordError> {
    let recent = worker.deps.discord.recent_messages(card.channel_id, LOOK_BACK).await?;
    let is_ours = |text: &String| {
        text.parse::<CustomId>().is_ok_and(|found| {
            found.id == Some(card.request_id.get())
                && matches!(found.verb, Verb::Approve | Verb::Deny | Verb::DenyQuiet)
        })
    };
    Ok(recent.into_iter().find(|message| message.custom_ids.iter().any(is_ours)).map(|message| message.id))
}

async fn load(
    worker: &WorkerContext,
    view: &mut ReadConnection,
    id: RequestId,
) -> Result<Option<Facts>, StoreError> {
    let Some(request) = view.request(id).await? else { return Ok(None) };
    let config = worker.deps.config.now();
    let guild = config.guild(request.guild_id);
    let Some(place) = guild.map(|guild| (guild.id, guild.request_channel)) else { return Ok(None) };
    let person = view.person(request.person_id).await?;
    let Some(requester) = person.and_then(|person| person.discord_id) else { return Ok(None) };
    let decision = view.decision_on(id).await?;
    let decider = match decision.as_ref().map(|decision| &decision.approver) {
        Some(Actor::Person(person)) => view.person(*person).await?.and_then(|person| person.discord_id),
        Some(Actor::Cli(_) | Actor::System) | None => None,
    };
    let job = view.latest_job_of(id).await?;
    let check = view.job_of_kind(id, JobKind::Check).await?;
    let account = match job.as_ref().and_then(|job| job.account_id) {
        Some(account) => view.account(account).await?,
        None => None,
    };
    let earlier = view.earlier_requests(&request).await?;
    Ok(Some(Facts { request, place, requester, decision, decider, job, check, account, earlier }))
}

async fn render(worker: &WorkerContext, facts: &Facts, card: &Message) -> OutgoingMessage {
    let request = &facts.request;
    let lang = Lang::default();
    // Only who decides needs it, and without an answer the card says less.
    let joined = if request.state.is_open() {
        let member = worker.deps.discord.member(facts.place.0, facts.requester).await;
        let joined_at = member.ok().flatten().and_then(|member| member.joined_at);
        joined_at.map_or(Joined::Unknown, Joined::At)
    } else {
        Joined::Untold
    };
    let state = state_of(facts);
    let shown = CardFacts {
        code: request.code.clone(),
        requester: facts.requester,
        joined,
        username: request.username.as_str().to_owned(),
        rule: request.rule.as_ref().map(|rule| rule.as_str().to_owned()),
        answer: request
            .form
            .as_ref()
            .and_then(|form| form.answer.as_ref())
            .map(|answer| answer.as_str().to_owned()),
        masked_address: request.form.as_ref().map(|form| form.address.masked()),
        earlier: u32::try_from(facts.earlier).unwrap_or(0),
        sent_at: request.created_at,
        state: state.clone(),
    };
    let post = OutgoingMessage::text(sentences::text(lang, &shown));
    let of_request = |verb| CustomId::of_request(verb, request.id, card.nonce);
    match (&state, &facts.job) {
        (CardState::NeedsOperator { .. }, Some(job)) => post.with_button(
            sentences::retry_label(lang),
            ButtonStyle::Primary,
            CustomId::of_job(job.id, card.nonce),
        ),
        _ if request.state.is_open() => post
            .with_button(sentences::approve_label(lang), ButtonStyle::Success, of_request(Verb::Approve))
            .with_button(sentences::deny_label(lang), ButtonStyle::Danger, of_request(Verb::Deny))
            .with_button(
                sentences::deny_quietly_label(lang),
                ButtonStyle::Secondary,
                of_request(Verb::DenyQuiet),
            ),
        _ => post,
    }
}

/// Where the request stands, for moderators.
fn state_of(facts: &Facts) -> CardState {
    let request = &facts.request;
    match request.state {
        RequestState::Draft | RequestState::Waiting => match request.reason_code {
            Some(ErrorCode::NameUnavailable) => CardState::NameTaken,
            Some(code) => CardState::Held(code),
            None if facts.check.as_ref().is_some_and(|check| check.state == JobState::Done) => {
                CardState::Free
            }
            None => CardState::NotYetChecked,
        },
        RequestState::Held => match request.reason_code {
            Some(ErrorCode::AddressInUse) | None => CardState::AddressInUse,
            Some(code) => CardState::Held(code),
        },
        RequestState::Approved => state_of_approved(facts),
        RequestState::Denied => CardState::Denied {
            by: decider(facts),
            quiet: facts.decision.as_ref().is_some_and(|decision| decision.tell == Notify::Quiet),
        },
        RequestState::Cancelled => CardState::Cancelled,
        RequestState::Expired => CardState::Expired,
        RequestState::Failed => {
            let code = request.reason_code.unwrap_or(ErrorCode::Internal);
            let is_kept =
                facts.account.as_ref().is_some_and(|account| account.state == AccountState::Disabled);
            if is_kept { CardState::FailedAndKept(code) } else { CardState::Failed(code) }
        }
    }
}

fn state_of_approved(facts: &Facts) -> CardState {
    let by = decider(facts);
    if let Some(job) = facts.job.as_ref().filter(|job| job.state == JobState::NeedsOperator) {
        let code = job.error_code.unwrap_or(ErrorCode::Internal);
        return CardState::NeedsOperator { by, step: job.step, code };
    }
    match facts.account.as_ref().map(|account| account.state) {
        Some(AccountState::Invited | AccountState::Active | AccountState::Disabled) => CardState::Made(by),
        Some(AccountState::Creating | AccountState::Conflict | AccountState::Closed) | None => {
            CardState::Making(by)
        }
    }
}

fn decider(facts: &Facts) -> Decider {
    match (facts.decision.as_ref().map(|decision| &decision.approver), facts.decider) {
        (_, Some(user)) => Decider::Person(user),
        (Some(Actor::System), None) => {
            let rule = facts.request.rule.as_ref().map(|rule| rule.as_str().to_owned());
            Decider::Rule(rule.unwrap_or_default())
        }
        (Some(Actor::Person(_) | Actor::Cli(_)) | None, None) => Decider::Operator,
    }
}
