//! Direct messages to people, and notes to admins: ids and codes in, today's truth out.

use super::WorkerContext;
use super::outbox::{Sending, Unsent};
use super::transitions::Notice;
use crate::discord::custom_id::{CustomId, Verb};
use crate::discord::{ButtonStyle, Delivery, OutgoingMessage, SendNonce};
use crate::domain::account::AccountState;
use crate::domain::approval::Notify;
use crate::domain::error_code::ErrorCode;
use crate::domain::ids::{JobId, PersonId, RequestId};
use crate::domain::job::JobState;
use crate::domain::request::Request;
use crate::messages::{Lang, Reference, account as sentences, card, mails};
use crate::store::{MessageKind, Outbox, Person, StoreError};

/// Tells a person what became of their request.
pub(super) async fn send_direct(worker: &WorkerContext, message: &Outbox) -> Result<Sending, Unsent> {
    let params: serde_json::Value = serde_json::from_str(&message.params).unwrap_or_default();
    let text = params.get("text").and_then(serde_json::Value::as_str).unwrap_or_default();
    let request =
        params.get("request").and_then(serde_json::Value::as_str).and_then(|id| id.parse::<RequestId>().ok());
    let (Ok(person), Some(request)) = (message.target.parse::<PersonId>(), request) else {
        return Ok(Sending::Nothing);
    };
    let mut view = worker.deps.store.read().await?;
    let (Some(person), Some(request)) = (view.person(person).await?, view.request(request).await?) else {
        return Ok(Sending::Nothing);
    };
    drop(view);
    let Some(user) = person.discord_id else { return Ok(Sending::Nothing) };
    let Some(post) = direct_post(worker, text, &person, &request).await? else {
        tracing::warn!(news = text, "there is nothing to say any more, or a newer version wrote it");
        return Ok(Sending::Nothing);
    };
    let delivery = worker.deps.discord.direct_message(user, &post, &SendNonce::of(message.id)).await?;
    Ok(match delivery {
        Delivery::Sent { .. } => Sending::Sent,
        Delivery::Closed => Sending::Closed,
    })
}

async fn direct_post(
    worker: &WorkerContext,
    text: &str,
    person: &Person,
    request: &Request,
) -> Result<Option<OutgoingMessage>, StoreError> {
    match text {
        "activated" | "locked" | "mail_sent" | "mail_unknown" | "mail_refused" | "mail_held_back" => {
            of_account(worker, text, person, request).await
        }
        _ => Ok(sentence(worker, text, person, request).await?.map(OutgoingMessage::text)),
    }
}

/// News of the account as it is now, with what can be pressed.
async fn of_account(
    worker: &WorkerContext,
    text: &str,
    person: &Person,
    request: &Request,
) -> Result<Option<OutgoingMessage>, StoreError> {
    let lang = Lang::parse(&person.lang);
    let mut view = worker.deps.store.read().await?;
    let Some(account) = view.account_of(person.id).await? else { return Ok(None) };
    let sent = view.mails_of(account.id).await?;
    drop(view);
    let username = account.username.as_str();
    let button = |verb| CustomId::of_account(verb, account.id, account.nonce);
    let again = |sentence| {
        OutgoingMessage::text(sentence).with_button(
            mails::resend_label(lang),
            ButtonStyle::Secondary,
            button(Verb::Resend),
        )
    };
    // A link that came too late invites nobody into an account that was locked since: of that the person is told.
    let is_usable = matches!(account.state, AccountState::Invited | AccountState::Active);
    let links = mails::Links { mails: &sent, now: worker.deps.clock.now() };
    Ok(match text {
        "activated" => account.activated_at.filter(|_| account.state == AccountState::Active).map(|at| {
            OutgoingMessage::text(mails::direct_activated(lang, username, at)).with_button(
                mails::not_me_label(lang),
                ButtonStyle::Danger,
                button(Verb::NotMe),
            )
        }),
        "locked" => {
            let config = worker.deps.config.now();
            let guild = config.guild(request.guild_id);
            let are_told = guild.is_some_and(|guild| guild.log_channel.is_some());
            Some(OutgoingMessage::text(mails::direct_locked(lang, username, are_told)))
        }
        _ if !is_usable => None,
        "mail_sent" => Some(OutgoingMessage::text(mails::direct_mail_sent(lang, username, links))),
        "mail_unknown" => Some(again(mails::direct_mail_unknown(lang, username, links))),
        "mail_refused" => Some(again(mails::direct_mail_refused(lang, username, links))),
        _ => Some(again(mails::direct_mail_held_back(lang, username, links))),
    })
}

async fn sentence(
    worker: &WorkerContext,
    text: &str,
    person: &Person,
    request: &Request,
) -> Result<Option<String>, StoreError> {
    let lang = Lang::parse(&person.lang);
    let username = request.username.as_str();
    let why = request.reason_code;
    Ok(match text {
        "invited" => {
            let lifespan = worker.deps.config.now().keycloak.first_link_lifespan;
            Some(sentences::direct_approved(lang, username, lifespan))
        }
        "denied" => {
            let decision = worker.deps.store.read().await?.decision_on(request.id).await?;
            let told = decision.filter(|decision| decision.tell == Notify::Told);
            told.map(|told| {
                sentences::direct_denied(lang, &request.code, told.reason.as_deref().unwrap_or_default())
            })
        }
        "failed" => {
            let account = worker.deps.store.read().await?.account_of(person.id).await?;
            let why = why.unwrap_or(ErrorCode::Internal);
            Some(if account.is_some_and(|account| account.state == AccountState::Disabled) {
                sentences::direct_failed_and_kept(lang, &request.code, why)
            } else {
                let reference = Reference::of_row(&request.id.to_string());
                sentences::direct_failed(lang, &request.code, why, &reference)
            })
        }
        "expired" => Some(sentences::direct_expired(lang, &request.code)),
        "cancelled" => Some(sentences::direct_cancelled(lang, &request.code, why)),
        "name_taken" => Some(sentences::direct_name_taken(lang, &request.code, username)),
        "withdrawn" => Some(sentences::direct_withdrawn(lang, username)),
        _ => None,
    })
}

/// Tells admins of a job that needs somebody, or of an account that was locked, without personal values.
pub(super) async fn send_notice(worker: &WorkerContext, message: &Outbox) -> Result<Sending, Unsent> {
    let params: serde_json::Value = serde_json::from_str(&message.params).unwrap_or_default();
    let job = params.get("job").and_then(serde_json::Value::as_str).and_then(|id| id.parse::<JobId>().ok());
    let Some(job) = job else { return Ok(Sending::Nothing) };
    let mut view = worker.deps.store.read().await?;
    let Some(job) = view.job(job).await? else { return Ok(Sending::Nothing) };
    let request = match job.request_id {
        Some(id) => view.request(id).await?,
        None => None,
    };
    let who = view.person(job.person_id).await?.and_then(|person| person.discord_id);
    drop(view);
    let Some(request) = request else { return Ok(Sending::Nothing) };
    let config = worker.deps.config.now();
    let guild = config.guild(request.guild_id);
    let Some((guild, channel)) = guild.and_then(|guild| Some((guild, guild.log_channel?))) else {
        return Ok(Sending::Nothing);
    };
    let lang = Lang::default();
    let text = params.get("text").and_then(serde_json::Value::as_str).unwrap_or_default();
    let told = if text == Notice::KeptWithPassword.code() {
        Some(card::kept_notice(lang, &request.code))
    } else if text == Notice::LockedByPerson.code() {
        let Some(who) = who else { return Ok(Sending::Nothing) };
        Some(card::locked_notice(lang, &request.code, who))
    } else {
        None
    };
    if let Some(told) = told {
        worker.deps.discord.post(channel, &OutgoingMessage::text(told), &SendNonce::of(message.id)).await?;
        return Ok(Sending::Sent);
    }
    if job.state != JobState::NeedsOperator {
        // Somebody was faster than this message: it goes on already.
        return Ok(Sending::Nothing);
    }
    let why = job.error_code.unwrap_or(ErrorCode::Internal);
    let mut post = OutgoingMessage::text(card::needs_operator_notice(lang, &request.code, job.step, why));
    let mut tx = worker.deps.store.begin().await?;
    let prepared = tx.prepare_message(request.id, MessageKind::Operator, (guild.id, channel)).await?;
    tx.commit("outbox.prepare").await?;
    let retry = CustomId::of_job(job.id, prepared.nonce);
    post = post.with_button(card::retry_label(lang), ButtonStyle::Primary, retry);
    let message_id = worker.deps.discord.post(channel, &post, &SendNonce::of(message.id)).await?;
    let mut tx = worker.deps.store.begin().await?;
    tx.confirm_message(request.id, MessageKind::Operator, message_id, prepared.nonce).await?;
    tx.commit("outbox.prepare").await?;
    Ok(Sending::Sent)
}
