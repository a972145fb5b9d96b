//! Direct messages to people.

use std::time::Duration;

use super::outcome::{Sending, Unreached, Unsent};
use crate::discord::custom_id::{CustomId, Verb};
use crate::discord::{ButtonStyle, OutgoingMessage, SendNonce};
use crate::domain::account::AccountState;
use crate::domain::approval::Notify;
use crate::domain::error_code::ErrorCode;
use crate::domain::ids::{DiscordUserId, PersonId, RequestId};
use crate::domain::lang::Lang;
use crate::domain::mail::Links;
use crate::domain::notification::Notification;
use crate::domain::person::Person;
use crate::domain::reference::Reference;
use crate::domain::refusal::{Destination, Remedy, judge};
use crate::domain::request::Request;
use crate::messages::{account as sentences, mails, tr};
use crate::store::{Outbox, StoreError};
use crate::worker::context::WorkerContext;

/// How long the edit of the answer that promised a direct message may take. The message is claimed meanwhile, and another process whose
/// clock is ahead may take it over, so this is short.
const EDIT_LIMIT: Duration = Duration::from_secs(2);

/// Sends a notification to a person.
pub(super) async fn send(worker: &WorkerContext, message: &Outbox) -> Result<Sending, Unsent> {
    let params: serde_json::Value = serde_json::from_str(&message.params).unwrap_or_default();
    let field = |name| params.get(name).and_then(serde_json::Value::as_str);
    let Some(notification) = field("text").and_then(|text| text.parse::<Notification>().ok()) else {
        tracing::warn!("a newer version wrote a notification that this one does not know");
        return Ok(Sending::Nothing);
    };
    let request = field("request").and_then(|id| id.parse::<RequestId>().ok());
    let (Ok(person), Some(request)) = (message.target.parse::<PersonId>(), request) else {
        return Ok(Sending::Nothing);
    };
    let mut view = worker.deps.store.read().await?;
    let (Some(person), Some(request)) = (view.person(person).await?, view.request(request).await?) else {
        return Ok(Sending::Nothing);
    };
    drop(view);
    let Some(user) = person.discord_id else { return Ok(Sending::Nothing) };
    let Some(post) = render(worker, notification, &person, &request).await? else {
        tracing::info!(notification = %notification, "a notification is out of date and was not sent");
        return Ok(Sending::Nothing);
    };
    // The answer that promised a direct message is in the server, where commands work.
    let in_server = post.clone();
    let post = say_where(worker, &person, &request, post).await;
    let error = match worker.deps.discord.direct_message(user, &post, &SendNonce::of(message.id)).await {
        Ok(_) if person.unreachable_since.is_some() => {
            let mut tx = worker.deps.store.begin().await?;
            tx.person_reachable(person.id).await?;
            tx.put_card(request.id).await?;
            tx.commit("outbox.prepare").await?;
            return Ok(Sending::Sent);
        }
        Ok(_) => return Ok(Sending::Sent),
        Err(error) => error,
    };
    let judged = error.refusal().map(|(status, code)| judge(Destination::Person, status, code));
    let Some((refusal, Remedy::Unreachable)) = judged else { return Err(error.into()) };
    let is_told_elsewhere = edit_promise(worker, Lang::parse(&person.lang), user, in_server).await;
    Ok(Sending::Unreached(Unreached {
        person_id: person.id,
        request_id: request.id,
        refusal,
        is_told_elsewhere,
    }))
}

/// Says it in the answer that promised the direct message, if Discord still accepts edits of that answer. Only the person sees it.
async fn edit_promise(
    worker: &WorkerContext,
    lang: Lang,
    user: DiscordUserId,
    post: OutgoingMessage,
) -> bool {
    let Some(reply) = worker.deps.discord.open_reply_to(user) else { return false };
    let text = [tr!(lang, "direct-closed"), post.text].join("\n\n");
    let edited = OutgoingMessage { text, ..post };
    let failed = match tokio::time::timeout(EDIT_LIMIT, reply.edit_original(&edited)).await {
        Ok(Ok(())) => return true,
        Ok(Err(error)) => error.to_string(),
        Err(_) => "not in time".to_owned(),
    };
    tracing::info!(error = failed, "the answer that promised a direct message can't be edited any more");
    worker.deps.discord.forget_open_reply(user);
    false
}

/// Adds where commands work, if the message names one: they don't work in direct messages.
async fn say_where(
    worker: &WorkerContext,
    person: &Person,
    request: &Request,
    mut post: OutgoingMessage,
) -> OutgoingMessage {
    if sentences::names_command(&post.text) {
        let server = worker.deps.discord.guild_name(request.guild_id).await;
        let place = sentences::where_commands_work(Lang::parse(&person.lang), server.as_deref());
        post.text = [post.text, place].join("\n");
    }
    post
}

/// The message, or `None` if it would no longer be true.
async fn render(
    worker: &WorkerContext,
    notification: Notification,
    person: &Person,
    request: &Request,
) -> Result<Option<OutgoingMessage>, StoreError> {
    match notification {
        Notification::Activated
        | Notification::Locked
        | Notification::Enabled
        | Notification::MailSent
        | Notification::MailUnknown
        | Notification::MailRefused
        | Notification::MailHeldBack => of_account(worker, notification, person, request).await,
        Notification::Invited
        | Notification::Denied
        | Notification::Failed
        | Notification::Expired
        | Notification::Cancelled
        | Notification::NameTaken
        | Notification::Withdrawn => {
            Ok(of_request(worker, notification, person, request).await?.map(OutgoingMessage::text))
        }
        Notification::NeedsOperator
        | Notification::KeptWithPassword
        | Notification::Delayed
        | Notification::LockedByPerson
        | Notification::EnabledAgain
        | Notification::LockLost
        | Notification::ChannelRefused => Ok(None),
    }
}

/// A message about the account as it is now, with its buttons.
async fn of_account(
    worker: &WorkerContext,
    notification: Notification,
    person: &Person,
    request: &Request,
) -> Result<Option<OutgoingMessage>, StoreError> {
    let lang = Lang::parse(&person.lang);
    let mut view = worker.deps.store.read().await?;
    let Some(account) = view.account_of(person.id).await? else { return Ok(None) };
    let sent = view.mails_of(account.id).await?;
    drop(view);
    let config = worker.deps.config.now();
    let login_url = config.keycloak.login_url.as_str();
    let username = account.username.as_str();
    let button = |verb| CustomId::of_account(verb, account.id, account.nonce);
    let again = |sentence| {
        OutgoingMessage::text(sentence).with_button(
            tr!(lang, "button-resend"),
            ButtonStyle::Secondary,
            button(Verb::Resend),
        )
    };
    // A mail that was sent too late must not invite into an account that was locked meanwhile. The person is told of the lock.
    let is_usable = matches!(account.state, AccountState::Invited | AccountState::Active);
    let links = Links { mails: &sent, now: worker.deps.clock.now(), used_at: account.activated_at };
    Ok(match notification {
        Notification::Activated => {
            account.activated_at.filter(|_| account.state == AccountState::Active).map(|at| {
                OutgoingMessage::text(mails::direct_activated(lang, username, at, login_url)).with_button(
                    tr!(lang, "button-not-me"),
                    ButtonStyle::Danger,
                    button(Verb::NotMe),
                )
            })
        }
        Notification::Locked => {
            let guild = config.guild(request.guild_id);
            let are_told = guild.is_some_and(|guild| guild.log_channel.is_some());
            // It may have been unlocked before this was sent.
            let is_locked = account.state == AccountState::Disabled;
            is_locked.then(|| OutgoingMessage::text(mails::direct_locked(lang, username, are_told)))
        }
        _ if !is_usable => None,
        Notification::Enabled => Some(OutgoingMessage::text(mails::direct_enabled(lang, username))),
        Notification::MailSent => Some(OutgoingMessage::text(mails::direct_mail_sent(lang, username, links))),
        Notification::MailUnknown => Some(again(mails::direct_mail_unknown(lang, username, links))),
        Notification::MailRefused => Some(again(mails::direct_mail_refused(lang, username, links))),
        Notification::MailHeldBack => Some(again(mails::direct_mail_held_back(lang, username, links))),
        Notification::Invited
        | Notification::Denied
        | Notification::Failed
        | Notification::Expired
        | Notification::Cancelled
        | Notification::NameTaken
        | Notification::Withdrawn
        | Notification::NeedsOperator
        | Notification::KeptWithPassword
        | Notification::Delayed
        | Notification::LockedByPerson
        | Notification::EnabledAgain
        | Notification::LockLost
        | Notification::ChannelRefused => None,
    })
}

/// A message about the request.
async fn of_request(
    worker: &WorkerContext,
    notification: Notification,
    person: &Person,
    request: &Request,
) -> Result<Option<String>, StoreError> {
    let lang = Lang::parse(&person.lang);
    let username = request.username.as_str();
    let why = request.reason_code;
    Ok(match notification {
        Notification::Invited => {
            let lifespan = worker.deps.config.now().keycloak.first_link_lifespan;
            Some(sentences::direct_approved(lang, username, lifespan))
        }
        Notification::Denied => {
            let decision = worker.deps.store.read().await?.decision_on(request.id).await?;
            let told = decision.filter(|decision| decision.notify == Notify::Told);
            told.map(|told| {
                sentences::direct_denied(lang, &request.code, told.reason.as_deref().unwrap_or_default())
            })
        }
        Notification::Failed => {
            let account = worker.deps.store.read().await?.account_of(person.id).await?;
            let why = why.unwrap_or(ErrorCode::Internal);
            Some(if account.is_some_and(|account| account.state == AccountState::Disabled) {
                sentences::direct_failed_and_kept(lang, &request.code, why)
            } else {
                let reference = Reference::of_row(&request.id.to_string());
                sentences::direct_failed(lang, &request.code, why, &reference)
            })
        }
        Notification::Expired => Some(sentences::direct_expired(lang, &request.code)),
        Notification::Cancelled => Some(sentences::direct_cancelled(lang, &request.code, why)),
        Notification::NameTaken => Some(sentences::direct_name_taken(lang, &request.code, username)),
        Notification::Withdrawn => Some(sentences::direct_withdrawn(lang, username)),
        Notification::Activated
        | Notification::Locked
        | Notification::Enabled
        | Notification::MailSent
        | Notification::MailUnknown
        | Notification::MailRefused
        | Notification::MailHeldBack
        | Notification::NeedsOperator
        | Notification::KeptWithPassword
        | Notification::Delayed
        | Notification::LockedByPerson
        | Notification::EnabledAgain
        | Notification::LockLost
        | Notification::ChannelRefused => None,
    })
}
