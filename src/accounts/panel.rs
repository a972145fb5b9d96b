//! An admin posts the panel, or brings the one that stands in the channel up to date.

use super::decide::actor_of;
use super::{Accounts, Details, Reviewer, UseCaseError};
use crate::domain::approval::judge_admin;
use crate::domain::audit::{Entry, Event};
use crate::domain::error_code::ErrorCode;
use crate::domain::ids::ChannelId;
use crate::domain::panel::ChannelRight;
use crate::store::{NewOutbox, OutboxKind};

/// The panel is on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PanelPosted {
    /// One stands in the channel already: it is brought up to date.
    pub stands: bool,
}

impl Accounts {
    /// Posts the panel into a channel of the presser's guild. `missing` is what Discord says that the bot lacks there.
    pub async fn post_panel(
        &self,
        reviewer: &Reviewer,
        channel: ChannelId,
        missing: &[ChannelRight],
    ) -> Result<PanelPosted, UseCaseError> {
        let guild = self.config().guild(reviewer.guild_id).ok_or(ErrorCode::NotModerator)?;
        let member = self.fetch(guild.id, reviewer.user_id).await?;
        let judged = member
            .filter(|member| member.user_id == reviewer.user_id)
            .ok_or(ErrorCode::NotModerator)
            .and_then(|member| judge_admin(&member, &guild.admin_roles, self.clock().now()));
        let mut tx = self.store().begin().await?;
        let actor = actor_of(&mut tx, reviewer).await?;
        let entry = |event| Entry::new(event, reviewer.via, actor.clone()).in_guild(guild.id);
        if let Err(error_code) = judged {
            tx.audit(entry(Event::PressRefused).because(error_code));
            tx.commit("press_refused").await?;
            return Err(error_code.into());
        }
        if !missing.is_empty() {
            return Err(UseCaseError::with(ErrorCode::NotEligible, Details::ChannelRights(missing.to_vec())));
        }
        let panel = tx.put_panel(guild.id, channel).await?;
        tx.put_outbox(NewOutbox {
            kind: OutboxKind::Panel,
            target: channel.to_string(),
            dedupe_key: ["panel:", &channel.to_string()].concat(),
            params: "{}".to_owned(),
        })
        .await?;
        tx.audit(entry(Event::PanelPosted).becoming(channel.to_string()));
        tx.commit("panel").await?;
        Ok(PanelPosted { stands: panel.message_id.is_some() })
    }
}
