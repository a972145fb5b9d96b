//! An admin posts the panel, or updates the one in the channel.

use super::authority::Admin;
use super::context::Accounts;
use super::error::{Details, UseCaseError};
use crate::domain::audit::{Entry, Event};
use crate::domain::error_code::ErrorCode;
use crate::domain::ids::ChannelId;
use crate::domain::panel::ChannelRight;
use crate::store::{NewOutbox, OutboxKind};

/// The panel will be posted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PanelPosted {
    /// The channel already has a panel, which is edited.
    pub stands: bool,
}

impl Accounts {
    /// Posts the panel into a channel of the admin's guild. `missing` lists the permissions that the bot lacks there.
    pub async fn post_panel(
        &self,
        admin: &Admin,
        channel: ChannelId,
        missing: &[ChannelRight],
    ) -> Result<PanelPosted, UseCaseError> {
        let guild = admin.guild().ok_or(ErrorCode::NotModerator)?;
        if !missing.is_empty() {
            return Err(UseCaseError::with(ErrorCode::NotEligible, Details::ChannelRights(missing.to_vec())));
        }
        let mut tx = self.store().begin().await?;
        let actor = admin.actor(&mut tx).await?;
        let panel = tx.put_panel(guild, channel).await?;
        tx.put_outbox(NewOutbox {
            kind: OutboxKind::Panel,
            target: channel.to_string(),
            dedupe_key: ["panel:", &channel.to_string()].concat(),
            params: "{}".to_owned(),
        })
        .await?;
        let entry = Entry::new(Event::PanelPosted, admin.source(), actor);
        tx.audit(entry.in_guild(guild).becoming(channel.to_string()));
        tx.commit("panel").await?;
        Ok(PanelPosted { stands: panel.message_id.is_some() })
    }
}
