//! One interaction, freed of the library's types: who came, and the way back.

use std::panic::AssertUnwindSafe;
use std::time::Instant;

use futures::FutureExt as _;
use poise::serenity_prelude as serenity;
use secrecy::SecretString;
use tracing::Instrument as _;

use super::guard::{Arrival, Barred, admit};
use super::{Data, render};
use crate::accounts::{Accounts, Caller, Reviewer, UseCaseError, Viewer};
use crate::discord::custom_id::Verb;
use crate::discord::{Discord, DiscordError, OutgoingMessage, Reply, member_facts};
use crate::domain::audit::Source;
use crate::domain::error_code::ErrorCode;
use crate::domain::ids::{DiscordUserId, GuildId, InteractionId};
use crate::messages::{self, Lang, Reference};

/// What Discord delivered, whichever kind of interaction it was.
pub(super) struct Delivered<'a> {
    pub(super) id: serenity::InteractionId,
    pub(super) application_id: serenity::ApplicationId,
    pub(super) token: &'a str,
    pub(super) user: &'a serenity::User,
    pub(super) member: Option<&'a serenity::Member>,
    pub(super) guild_id: Option<serenity::GuildId>,
    pub(super) locale: &'a str,
}

/// Somebody came; everything that an answer needs.
pub(super) struct Visit {
    pub(super) caller: Caller,
    pub(super) reply: Reply,
    pub(super) reference: Reference,
    pub(super) max_username: usize,
    accounts: Accounts,
}

impl Visit {
    /// Makes the visit and runs `stay` in its span; whoever is not let in reads why. A panic ends this visit and nothing else: the
    /// person reads the reference under which the log has its place.
    pub(super) async fn receive<F, Stay>(
        data: &Data,
        delivered: Delivered<'_>,
        what: &str,
        verb: Option<Verb>,
        stay: F,
    ) where
        F: FnOnce(Self) -> Stay,
        Stay: Future<Output = Result<(), DiscordError>>,
    {
        let arrived = Instant::now();
        let arrival = Arrival {
            guild_id: delivered.guild_id.map(|id| GuildId::new(id.get())),
            interaction_id: InteractionId::new(delivered.id.get()),
            is_bot: delivered.user.bot,
            verb,
        };
        // Two nonces make 128 random bits: the reference must differ between two interactions of one minute.
        let trace_id = [data.ids.nonce().to_string(), data.ids.nonce().to_string()].concat();
        let span = tracing::info_span!(
            "interaction",
            interaction.id = %arrival.interaction_id,
            guild.id = arrival.guild_id.map(GuildId::get),
            command = what,
            trace_id = %trace_id,
        );
        let accounts = data.accounts.up_to_date();
        let visit = Self::of(data, accounts.clone(), &delivered, &trace_id);
        let (reply, reference, lang) = (visit.reply.clone(), visit.reference.clone(), visit.lang());
        let entering = async {
            let staying = async {
                let serves = |guild| accounts.config().guild(guild).is_some();
                match admit(serves, arrival, data.clock.now()) {
                    Ok(()) if data.hold.is_on() => visit.turn_away(Barred::Held).await,
                    Ok(()) => stay(visit).await,
                    Err(barred) => visit.turn_away(barred).await,
                }
            };
            let outcome = match AssertUnwindSafe(staying).catch_unwind().await {
                Ok(outcome) => outcome,
                Err(_panic) => {
                    // The payload may hold what somebody typed: the panic hook has counted it and logged its place.
                    tracing::error!("an interaction panicked");
                    let sorry = messages::error_code::sentence(lang, ErrorCode::Internal, &reference);
                    reply.say_anyway(&OutgoingMessage::text(sorry)).await
                }
            };
            if let Err(error) = outcome {
                tracing::warn!(%error, "an answer did not reach Discord");
            }
        };
        entering.instrument(span).await;
        if let Some(acknowledged) = reply.acknowledged_at() {
            (data.note_acknowledgement)(acknowledged.saturating_duration_since(arrived));
        }
    }

    fn of(data: &Data, accounts: Accounts, delivered: &Delivered<'_>, trace_id: &str) -> Self {
        let guild_id = delivered.guild_id.map(|id| GuildId::new(id.get()));
        let interaction_id = InteractionId::new(delivered.id.get());
        Self {
            caller: Caller {
                user_id: DiscordUserId::new(delivered.user.id.get()),
                guild_id,
                member: guild_id.zip(delivered.member).map(|(guild, member)| member_facts(guild, member)),
                lang: Lang::parse(delivered.locale),
                interaction_id,
            },
            reply: way_back(&data.discord, interaction_id, delivered),
            reference: Reference::of(trace_id),
            max_username: accounts.config().username.max,
            accounts,
        }
    }

    pub(super) fn accounts(&self) -> &Accounts {
        &self.accounts
    }

    pub(super) fn lang(&self) -> Lang {
        self.caller.lang
    }

    /// The presser of a moderator's button; `None` in a direct message.
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

    /// The caller as somebody who wants to look at requests, links or the log; `None` in a direct message.
    pub(super) fn viewer(&self) -> Option<Viewer> {
        self.reviewer().map(Viewer::Reviewer)
    }

    /// The sentence for a refusal. The code goes to the log; its cause was logged where it arose.
    pub(super) fn error_code(&self, denied: &UseCaseError) -> OutgoingMessage {
        tracing::info!(error_code = %denied.error_code, "refused");
        OutgoingMessage::text(render::error_code(self.lang(), denied, &self.reference, self.max_username))
    }

    /// First answer: a button that this version does not know.
    pub(super) async fn say_old_button(&self) -> Result<(), DiscordError> {
        self.reply.say_ephemeral(&OutgoingMessage::text(messages::error_code::old_button(self.lang()))).await
    }

    async fn turn_away(&self, barred: Barred) -> Result<(), DiscordError> {
        tracing::info!(?barred, "not let in");
        let sentence = match barred {
            Barred::NoPerson => return Ok(()),
            Barred::NotServed => messages::error_code::not_served(self.lang()),
            Barred::OnlyInServer => messages::error_code::only_in_server(self.lang()),
            Barred::Held => messages::service::held(self.lang()),
            Barred::TooLate => messages::error_code::too_late(self.lang()),
        };
        self.reply.say_ephemeral(&OutgoingMessage::text(sentence)).await
    }
}

fn way_back(discord: &Discord, interaction_id: InteractionId, delivered: &Delivered<'_>) -> Reply {
    Reply::new(
        discord,
        interaction_id,
        delivered.application_id.get(),
        SecretString::from(delivered.token.to_owned()),
    )
}
