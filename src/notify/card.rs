//! The card of a request: posted once, edited afterwards, always rendered from current data.
//!
//! The nonce of its buttons is stored before the post or edit is sent. The earlier nonce stays valid until Discord confirms. Before a post
//! of unknown outcome is sent again, the channel is searched for it.

use super::outcome::{Sending, Unsent};
use super::upsert::{Place, Upserted, upsert_message};
use crate::discord::custom_id::{CustomId, Verb};
use crate::discord::{ButtonStyle, OutgoingMessage};
use crate::domain::account::{Account, AccountState};
use crate::domain::approval::Notify;
use crate::domain::audit::Actor;
use crate::domain::card::{CardFacts, CardState, Decider, Joined};
use crate::domain::error_code::ErrorCode;
use crate::domain::ids::{ChannelId, DiscordUserId, GuildId, RequestId};
use crate::domain::job::{Job, JobKind, JobState};
use crate::domain::lang::Lang;
use crate::domain::request::{Request, RequestState};
use crate::messages::{card as sentences, tr};
use crate::store::{Decision, Message, MessageKind, Outbox, ReadConnection, StoreError};
use crate::worker::context::WorkerContext;

/// Everything that a card shows.
struct Facts {
    request: Request,
    /// Guild and channel of the card.
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
    let joined = joined(worker, &facts).await;
    let mut tx = worker.deps.store.begin().await?;
    loop {
        let prepared = tx.prepare_message(id, MessageKind::Card, facts.place).await?;
        tx.commit("outbox.prepare").await?;
        let post = render(&facts, joined, &prepared);
        let place = Place { channel: prepared.channel_id, message: prepared.message_id };
        let is_ours = |found: &CustomId| {
            found.id == Some(id.get()) && matches!(found.verb, Verb::Approve | Verb::Deny | Verb::DenyQuiet)
        };
        match upsert_message(&worker.deps.discord, message, place, &post, is_ours).await? {
            Upserted::Stands(message_id) => {
                let mut tx = worker.deps.store.begin().await?;
                tx.confirm_message(id, MessageKind::Card, message_id, prepared.nonce).await?;
                tx.outbox_sent(message).await?;
                tx.commit("outbox.sent").await?;
                return Ok(Sending::Settled);
            }
            Upserted::Deleted => {
                // The new post gets a new nonce, so it is rendered again.
                tx = worker.deps.store.begin().await?;
                tx.forget_message(id, MessageKind::Card).await?;
            }
        }
    }
}

/// When the requester joined. Only the moderator who decides needs it; without an answer the card says less.
async fn joined(worker: &WorkerContext, facts: &Facts) -> Joined {
    if !facts.request.state.is_open() {
        return Joined::Untold;
    }
    let member = worker.deps.discord.member(facts.place.0, facts.requester).await;
    member.ok().flatten().and_then(|member| member.joined_at).map_or(Joined::Unknown, Joined::At)
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

fn render(facts: &Facts, joined: Joined, card: &Message) -> OutgoingMessage {
    let request = &facts.request;
    let lang = Lang::default();
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
            tr!(lang, "button-retry"),
            ButtonStyle::Primary,
            CustomId::of_job(job.id, card.nonce),
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
