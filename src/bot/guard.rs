//! Who is let in at all: configured guilds, people (no bots), and interactions that can still be answered.

use std::time::Duration;

use crate::discord::custom_id::Verb;
use crate::domain::ids::{GuildId, InteractionId, Timestamp};

/// Discord's tokens of an interaction live 15 minutes ("Receiving and Responding to Interactions").
const TOKEN_LIVES: Duration = Duration::from_mins(15);

/// Why somebody is not let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Barred {
    /// A guild that the configuration does not name.
    NotServed,
    /// A direct message, for something that needs a guild.
    OnlyInServer,
    /// The interaction cannot be answered any more.
    TooLate,
    /// A restored database waits for an operator.
    Held,
    /// A bot or webhook: no answer at all.
    NoPerson,
}

/// What the guard looks at.
#[derive(Clone, Copy, Debug)]
pub(super) struct Arrival {
    pub(super) guild_id: Option<GuildId>,
    pub(super) interaction_id: InteractionId,
    pub(super) is_bot: bool,
    /// `None` for a slash command.
    pub(super) verb: Option<Verb>,
}

/// Lets somebody in, or says why not. `serves` knows the configured guilds.
pub(super) fn admit(
    serves: impl Fn(GuildId) -> bool,
    arrival: Arrival,
    now: Timestamp,
) -> Result<(), Barred> {
    if arrival.is_bot {
        return Err(Barred::NoPerson);
    }
    if now.since(arrival.interaction_id.created_at()) > TOKEN_LIVES {
        return Err(Barred::TooLate);
    }
    match (arrival.guild_id, arrival.verb) {
        (Some(guild), _) if serves(guild) => Ok(()),
        (Some(_), _) => Err(Barred::NotServed),
        (None, Some(Verb::NotMe | Verb::Resend | Verb::Cancel)) => Ok(()),
        (None, _) => Err(Barred::OnlyInServer),
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

    fn judge(guild_id: Option<GuildId>, verb: Option<Verb>) -> Result<(), Barred> {
        let now = Timestamp::from_millis(1_800_000_000_000);
        let arrival = Arrival { guild_id, interaction_id: made_at(now), is_bot: false, verb };
        admit(|guild| guild == OURS, arrival, now)
    }

    #[test]
    fn commands_and_buttons_work_in_configured_guilds_only() {
        for verb in Verb::ALL.iter().copied().map(Some).chain([None]) {
            assert_eq!(judge(Some(OURS), verb), Ok(()), "{verb:?}");
            assert_eq!(judge(Some(GuildId::new(9002)), verb), Err(Barred::NotServed), "{verb:?}");
        }
    }

    #[test]
    fn in_direct_messages_only_what_concerns_the_person_alone_works() {
        let personal = [Verb::NotMe, Verb::Resend, Verb::Cancel];
        for verb in Verb::ALL.iter().copied() {
            let wanted = if personal.contains(&verb) { Ok(()) } else { Err(Barred::OnlyInServer) };
            assert_eq!(judge(None, Some(verb)), wanted, "{verb:?}");
        }
        assert_eq!(judge(None, None), Err(Barred::OnlyInServer), "a command");
    }

    #[test]
    fn what_is_older_than_a_quarter_of_an_hour_does_nothing() {
        let now = Timestamp::from_millis(1_800_000_000_000);
        let after = |age: Duration| {
            let arrival = Arrival {
                guild_id: Some(OURS),
                interaction_id: made_at(now.before(age)),
                is_bot: false,
                verb: Some(Verb::Approve),
            };
            admit(|_| true, arrival, now)
        };
        assert_eq!(after(TOKEN_LIVES), Ok(()));
        assert_eq!(after(TOKEN_LIVES + Duration::from_millis(1)), Err(Barred::TooLate));
        assert_eq!(after(Duration::from_hours(24)), Err(Barred::TooLate));
    }

    #[test]
    fn bots_and_webhooks_get_no_answer() {
        let now = Timestamp::from_millis(1_800_000_000_000);
        let arrival =
            Arrival { guild_id: Some(OURS), interaction_id: made_at(now), is_bot: true, verb: None };
        assert_eq!(admit(|_| true, arrival, now), Err(Barred::NoPerson));
    }
}
