//! One interaction without the library's types: the caller and the reply.

use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::time::{Duration, Instant};

use futures::FutureExt as _;
use poise::serenity_prelude as serenity;
use secrecy::SecretString;
use tracing::Instrument as _;

use super::dependencies::Dependencies;
use super::guard::{Origin, Rejection, admit};
use super::render;
use crate::accounts::{Accounts, Caller, Reviewer, UseCaseError};
use crate::discord::custom_id::Verb;
use crate::discord::{DiscordError, OutgoingMessage, Reply, member_facts};
use crate::domain::audit::Source;
use crate::domain::error_code::ErrorCode;
use crate::domain::ids::{DiscordUserId, GuildId, InteractionId};
use crate::domain::lang::Lang;
use crate::domain::reference::Reference;
use crate::messages::{self, tr};
use crate::telemetry::TraceId;

/// The parts that every kind of interaction has, as Discord sent them.
pub(super) struct RawInteraction<'a> {
    pub(super) id: serenity::InteractionId,
    pub(super) application_id: serenity::ApplicationId,
    pub(super) token: &'a str,
    pub(super) user: &'a serenity::User,
    pub(super) member: Option<&'a serenity::Member>,
    pub(super) guild_id: Option<serenity::GuildId>,
    pub(super) locale: &'a str,
}

impl RawInteraction<'_> {
    fn guild_id(&self) -> Option<GuildId> {
        self.guild_id.map(|id| GuildId::new(id.get()))
    }

    fn id(&self) -> InteractionId {
        InteractionId::new(self.id.get())
    }
}

/// How long an answer may take before it is deferred. Discord wants the first answer within three seconds of the press; this leaves half of
/// that time for the network.
const DEFER_AFTER: Duration = Duration::from_millis(1500);

/// The answer to a button, or to a form that a button opened.
pub(super) enum ButtonAnswer {
    /// This replaces the message of the button.
    Update(OutgoingMessage),
    /// A message that only this person sees; the message of the button stays.
    Private(OutgoingMessage),
}

/// One interaction with everything that an answer needs.
pub(super) struct Interaction {
    pub(super) caller: Caller,
    pub(super) reply: Reply,
    pub(super) reference: Reference,
    pub(super) max_username: usize,
    accounts: Accounts,
    /// The name of the one guild that is served, for answers in direct messages.
    server: Option<String>,
}

impl Interaction {
    /// Runs `handle` in the span of the interaction, or answers why the interaction is rejected. `command` names it in the log. A panic
    /// ends only this interaction; the person gets the reference under which the log has the location.
    pub(super) async fn receive(
        data: &Dependencies,
        raw: RawInteraction<'_>,
        command: &str,
        verb: Option<Verb>,
        handle: impl AsyncFnOnce(&Self) -> Result<(), DiscordError>,
    ) {
        let arrived = Instant::now();
        let trace_id = TraceId::from(data.ids.random()).to_string();
        let span = tracing::info_span!(
            "interaction",
            interaction.id = %raw.id,
            guild.id = raw.guild_id.map(serenity::GuildId::get),
            command,
            trace_id,
        );
        let interaction = Self::new(data, &raw, &trace_id);
        let origin = Origin {
            guild_id: raw.guild_id(),
            interaction_id: raw.id(),
            is_bot: raw.user.bot,
            is_maintenance: data.maintenance.is_on(),
            verb,
        };
        let is_configured = |guild| interaction.accounts.config().guild(guild).is_some();
        let admission = admit(is_configured, origin, data.clock.now());
        interaction.run(admission, handle).instrument(span.clone()).await;
        let took = interaction.reply.acknowledged_at().map(|at| at.saturating_duration_since(arrived));
        if let Some(took) = took {
            (data.observe_acknowledgement)(took);
        }
        let ack_ms = took.map(|took| u64::try_from(took.as_millis()).unwrap_or(u64::MAX));
        span.in_scope(|| tracing::info!(ack_ms, "interaction"));
    }

    fn new(data: &Dependencies, raw: &RawInteraction<'_>, trace_id: &str) -> Self {
        let guild_id = raw.guild_id();
        let accounts = data.accounts.up_to_date();
        Self {
            caller: Caller {
                user_id: DiscordUserId::new(raw.user.id.get()),
                guild_id,
                member: guild_id.zip(raw.member).map(|(guild, member)| member_facts(guild, member)),
                lang: Lang::parse(raw.locale),
                interaction_id: raw.id(),
            },
            reply: Reply::new(
                &data.discord,
                raw.id(),
                raw.application_id.get(),
                SecretString::from(raw.token.to_owned()),
            ),
            reference: Reference::of(trace_id),
            max_username: accounts.config().username.max,
            server: match accounts.config().guilds.as_slice() {
                [guild] => data.discord.known_guild_name(guild.id),
                _ => None,
            },
            accounts,
        }
    }

    async fn run(
        &self,
        admission: Result<(), Rejection>,
        handle: impl AsyncFnOnce(&Self) -> Result<(), DiscordError>,
    ) {
        let handling = async {
            match admission {
                Ok(()) => handle(self).await,
                Err(rejection) => self.reject(rejection).await,
            }
        };
        let outcome = match AssertUnwindSafe(handling).catch_unwind().await {
            Ok(outcome) => outcome,
            Err(_panic) => {
                // The payload may contain typed text. The panic hook has counted the panic and logged its location.
                tracing::error!("an interaction panicked");
                let text = messages::error_code::sentence(self.lang(), ErrorCode::Internal, &self.reference);
                self.reply.say_anyway(&OutgoingMessage::text(text)).await
            }
        };
        if let Err(error) = outcome {
            tracing::warn!(%error, "an answer could not be delivered to Discord");
        }
    }

    pub(super) fn accounts(&self) -> &Accounts {
        &self.accounts
    }

    pub(super) fn lang(&self) -> Lang {
        self.caller.lang
    }

    /// The caller as a reviewer; `None` in a direct message.
    pub(super) fn reviewer(&self) -> Option<Reviewer> {
        Some(Reviewer {
            user_id: self.caller.user_id,
            guild_id: self.caller.guild_id?,
            via: Source::Chat,
            cli_login: None,
            interaction_id: Some(self.caller.interaction_id),
            lang: self.caller.lang,
        })
    }

    /// The message for an error of a use-case. Only the code is logged here, because the cause was logged where it occurred.
    pub(super) fn error_message(&self, error: &UseCaseError) -> OutgoingMessage {
        tracing::info!(error_code = %error.error_code, "refused");
        OutgoingMessage::text(render::error_code(self.lang(), error, &self.reference, self.max_username))
    }

    /// The message with where its commands work, if it is an answer in a direct message that names one.
    fn placed(&self, mut message: OutgoingMessage) -> OutgoingMessage {
        if self.caller.guild_id.is_none() && messages::account::names_command(&message.text) {
            let place = messages::account::where_commands_work(self.lang(), self.server.as_deref());
            message.text = [message.text, place].join("\n");
        }
        message
    }

    /// First answer: the error of a use-case.
    pub(super) async fn refuse(&self, error: &UseCaseError) -> Result<(), DiscordError> {
        self.reply.say_ephemeral(&self.placed(self.error_message(error))).await
    }

    /// First answer: a text that only the caller can see.
    pub(super) async fn say(&self, text: impl Into<String>) -> Result<(), DiscordError> {
        self.reply.say_ephemeral(&OutgoingMessage::text(text)).await
    }

    /// An answer that only this person sees. If it is not ready in time, Discord shows "thinking" and the answer replaces it.
    pub(super) async fn answer_privately(
        &self,
        making: impl Future<Output = OutgoingMessage>,
    ) -> Result<(), DiscordError> {
        let mut making = pin!(making);
        if let Ok(message) = tokio::time::timeout(DEFER_AFTER, &mut making).await {
            return self.reply.say_ephemeral(&self.placed(message)).await;
        }
        // Both run at once, because a failed deferral must not stop the use-case.
        let (deferred, message) = futures::join!(self.reply.defer_ephemeral(), making);
        deferred?;
        self.reply.edit_original(&self.placed(message)).await
    }

    /// An answer to a button. If it is not ready in time, the message of the button stays unchanged until it is.
    pub(super) async fn answer_button(
        &self,
        making: impl Future<Output = ButtonAnswer>,
    ) -> Result<(), DiscordError> {
        let mut making = pin!(making);
        if let Ok(answer) = tokio::time::timeout(DEFER_AFTER, &mut making).await {
            return match answer {
                ButtonAnswer::Update(message) => self.reply.update_message(&self.placed(message)).await,
                ButtonAnswer::Private(message) => self.reply.say_ephemeral(&self.placed(message)).await,
            };
        }
        let (deferred, answer) = futures::join!(self.reply.defer_update(), making);
        deferred?;
        match answer {
            ButtonAnswer::Update(message) => self.reply.edit_original(&self.placed(message)).await,
            ButtonAnswer::Private(message) => self.reply.follow_up_ephemeral(&self.placed(message)).await,
        }
    }

    /// First answer: this version doesn't know the button.
    pub(super) async fn say_old_button(&self) -> Result<(), DiscordError> {
        self.say(tr!(self.lang(), "old-button")).await
    }

    async fn reject(&self, rejection: Rejection) -> Result<(), DiscordError> {
        tracing::info!(?rejection, "rejected");
        self.say(match rejection {
            Rejection::NotAPerson => return Ok(()),
            Rejection::GuildNotConfigured => tr!(self.lang(), "not-served"),
            Rejection::OnlyInGuild => tr!(self.lang(), "only-in-server"),
            Rejection::Maintenance => tr!(self.lang(), "service-held"),
            Rejection::TooLate => tr!(self.lang(), "too-late"),
        })
        .await
    }
}
