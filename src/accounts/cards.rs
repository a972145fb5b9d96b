//! Cards of open requests that moderators can't see: they are posted again, and messages that Discord refused are tried again.

use super::authority::ViewGrant;
use super::context::Accounts;
use super::error::UseCaseError;
use crate::domain::ids::ChannelId;
use crate::domain::refusal::RefusalReason;

/// How many open requests are looked after at once, the oldest first.
const MOST: u32 = 100;

impl Accounts {
    /// Posts the missing cards of the open requests of the holder's guild, and has the others looked for in Discord. Returns why Discord
    /// refuses messages in the channels of that guild.
    pub async fn recover_cards(
        &self,
        grant: &ViewGrant,
    ) -> Result<Vec<(ChannelId, RefusalReason)>, UseCaseError> {
        let Some(guild) = grant.guild() else { return Ok(Vec::new()) };
        let mut view = self.store().read().await?;
        let (open, refused) = (view.open_cards(guild, MOST).await?, view.refused_messages().await?);
        drop(view);
        if !open.is_empty() || !refused.is_empty() {
            let mut tx = self.store().begin().await?;
            for (request, is_posted) in open {
                if is_posted { tx.put_card_check(request).await? } else { tx.put_card(request).await? }
            }
            tx.wake_refused(None).await?;
            tx.commit("cards.recover").await?;
        }
        let config = self.config().guild(guild);
        let ours: Vec<ChannelId> = config
            .map(|guild| [Some(guild.request_channel), guild.log_channel])
            .into_iter()
            .flatten()
            .flatten()
            .collect();
        let of_guild = refused.iter().filter_map(|row| Some((row.channel?, row.refusal)));
        Ok(of_guild.filter(|(channel, _)| ours.contains(channel)).collect())
    }

    /// Tries the refused messages again that an admin's change may have cured.
    pub async fn wake_refused_messages(&self) -> Result<(), UseCaseError> {
        if self.store().read().await?.refused_messages().await?.is_empty() {
            return Ok(());
        }
        let mut tx = self.store().begin().await?;
        tx.wake_refused(None).await?;
        Ok(tx.commit("cards.recover").await?)
    }
}
