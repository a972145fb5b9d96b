//! Which interactions are handled at all: those of people (not bots) in configured guilds that can still be answered.

use std::time::Duration;

use crate::discord::custom_id::Verb;
use crate::domain::ids::{GuildId, InteractionId, Timestamp};

/// The lifetime of an interaction's token ("Receiving and Responding to Interactions").
const TOKEN_LIFETIME: Duration = Duration::from_mins(15);

/// Why an interaction is rejected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rejection {
    /// The guild is not in the configuration.
    GuildNotConfigured,
    /// A direct message, for an action that needs a guild.
    OnlyInGuild,
    /// The interaction can no longer be answered.
    TooLate,
    /// A restored database waits for an operator.
    Maintenance,
    /// A bot or webhook, which gets no answer.
    NotAPerson,
}

/// Where an interaction comes from.
#[derive(Clone, Copy, Debug)]
pub(super) struct Origin {
    pub(super) guild_id: Option<GuildId>,
    pub(super) interaction_id: InteractionId,
    pub(super) is_bot: bool,
    /// A restored database waits for an operator.
    pub(super) is_maintenance: bool,
    /// The verb of the button or form; `None` for a slash command.
    pub(super) verb: Option<Verb>,
}

/// Accepts an interaction or returns why it is rejected. `is_configured` knows the configured guilds.
pub(super) fn admit(
    is_configured: impl Fn(GuildId) -> bool,
    origin: Origin,
    now: Timestamp,
) -> Result<(), Rejection> {
    if origin.is_bot {
        return Err(Rejection::NotAPerson);
    }
    if now.since(origin.interaction_id.created_at()) > TOKEN_LIFETIME {
        return Err(Rejection::TooLate);
    }
    let admission = match (origin.guild_id, origin.verb) {
        (Some(guild), _) if is_configured(guild) => Ok(()),
        (Some(_), _) => Err(Rejection::GuildNotConfigured),
        (None, Some(Verb::NotMe | Verb::Resend | Verb::Cancel)) => Ok(()),
        (None, _) => Err(Rejection::OnlyInGuild),
    };
    match admission {
        Ok(()) if origin.is_maintenance => Err(Rejection::Maintenance),
        admission => admission,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OURS: GuildId = GuildId::new(9001);

    /// Discord's epoch lies in the upper 42 bits of an id.
    fn made_at(at: Timestamp) -> InteractionId {
        InteractionId::new(u64::try_from(at.as_millis() - 1_420_070_400_000).expect("after 2015") << 22)
    }

    fn admitted(guild_id: Option<GuildId>, verb: Option<Verb>) -> Result<(), Rejection> {
        let now = Timestamp::from_millis(1_800_000_000_000);
        let origin =
            Origin { guild_id, interaction_id: made_at(now), is_bot: false, is_maintenance: false, verb };
        admit(|guild| guild == OURS, origin, now)
    }

    #[test]
    fn commands_and_buttons_work_in_configured_guilds_only() {
        for verb in Verb::ALL.iter().copied().map(Some).chain([None]) {
            assert_eq!(admitted(Some(OURS), verb), Ok(()), "{verb:?}");
            assert_eq!(
                admitted(Some(GuildId::new(9002)), verb),
                Err(Rejection::GuildNotConfigured),
                "{verb:?}"
            );
        }
    }

    #[test]
    fn in_direct_messages_only_what_concerns_the_person_alone_works() {
        let personal = [Verb::NotMe, Verb::Resend, Verb::Cancel];
        for verb in Verb::ALL.iter().copied() {
            let wanted = if personal.contains(&verb) { Ok(()) } else { Err(Rejection::OnlyInGuild) };
            assert_eq!(admitted(None, Some(verb)), wanted, "{verb:?}");
        }
        assert_eq!(admitted(None, None), Err(Rejection::OnlyInGuild), "a command");
    }

    #[test]
    fn what_is_older_than_a_quarter_of_an_hour_does_nothing() {
        let now = Timestamp::from_millis(1_800_000_000_000);
        let after = |age: Duration| {
            let origin = Origin {
                guild_id: Some(OURS),
                interaction_id: made_at(now.before(age)),
                is_bot: false,
                is_maintenance: false,
                verb: Some(Verb::Approve),
            };
            admit(|_| true, origin, now)
        };
        assert_eq!(after(TOKEN_LIFETIME), Ok(()));
        assert_eq!(after(TOKEN_LIFETIME + Duration::from_millis(1)), Err(Rejection::TooLate));
        assert_eq!(after(Duration::from_hours(24)), Err(Rejection::TooLate));
    }

    #[test]
    fn maintenance_is_said_only_to_those_who_would_be_admitted() {
        let now = Timestamp::from_millis(1_800_000_000_000);
        let in_guild = |guild| {
            let origin = Origin {
                guild_id: Some(guild),
                interaction_id: made_at(now),
                is_bot: false,
                is_maintenance: true,
                verb: None,
            };
            admit(|guild| guild == OURS, origin, now)
        };
        assert_eq!(in_guild(OURS), Err(Rejection::Maintenance));
        assert_eq!(in_guild(GuildId::new(9002)), Err(Rejection::GuildNotConfigured));
    }

    #[test]
    fn bots_and_webhooks_get_no_answer() {
        let now = Timestamp::from_millis(1_800_000_000_000);
        let origin = Origin {
            guild_id: Some(OURS),
            interaction_id: made_at(now),
            is_bot: true,
            is_maintenance: true,
            verb: None,
        };
        assert_eq!(admit(|_| true, origin, now), Err(Rejection::NotAPerson));
    }
}
