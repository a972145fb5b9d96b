//! The panel of a channel: posted once, edited afterwards. Its buttons name no row and carry no nonce: each does what a command does, and
//! is checked like that command.

use super::outcome::{Sending, Unsent};
use super::upsert::{Place, Upserted, upsert_message};
use crate::discord::custom_id::{CustomId, Verb};
use crate::discord::{ButtonStyle, OutgoingMessage};
use crate::domain::ids::ChannelId;
use crate::domain::lang::Lang;
use crate::messages::{panel as sentences, tr};
use crate::store::Outbox;
use crate::worker::context::WorkerContext;

/// Posts or edits the panel that `message` names.
pub(super) async fn send(worker: &WorkerContext, message: &Outbox) -> Result<Sending, Unsent> {
    let Ok(channel) = message.target.parse::<ChannelId>() else { return Ok(Sending::Nothing) };
    let panel = worker.deps.store.read().await?.panel(channel).await?;
    let Some(panel) = panel.filter(|panel| worker.deps.config.now().guild(panel.guild_id).is_some()) else {
        return Ok(Sending::Nothing);
    };
    let post = render(worker.deps.config.now().keycloak.login_url.as_str());
    let mut place = Place { channel, message: panel.message_id };
    let current = loop {
        let is_ours = |id: &CustomId| *id == CustomId::without_row(Verb::Status);
        match upsert_message(&worker.deps.discord, message, place, &post, is_ours).await? {
            Upserted::Stands(id) => break id,
            Upserted::Deleted => {
                let mut tx = worker.deps.store.begin().await?;
                tx.panel_stands(channel, None).await?;
                tx.commit("outbox.prepare").await?;
                place.message = None;
            }
        }
    };
    let mut tx = worker.deps.store.begin().await?;
    tx.panel_stands(channel, Some(current)).await?;
    tx.outbox_sent(message).await?;
    tx.commit("outbox.sent").await?;
    Ok(Sending::Settled)
}

/// Everyone reads the panel, so it is in the default language.
fn render(login_url: &str) -> OutgoingMessage {
    let lang = Lang::default();
    OutgoingMessage::text(sentences::text(lang, login_url))
        .with_button(tr!(lang, "button-request"), ButtonStyle::Primary, CustomId::without_row(Verb::Request))
        .with_button(tr!(lang, "button-status"), ButtonStyle::Secondary, CustomId::without_row(Verb::Status))
        .with_button(tr!(lang, "button-resend"), ButtonStyle::Secondary, CustomId::without_row(Verb::Resend))
}
