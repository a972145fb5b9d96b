//! Which refusals of a message by Discord are for good and which pass, as one table, and how long to wait before the next attempt.

use std::time::Duration;

use Destination::{LogChannel, PanelChannel, Person, RequestChannel};

use super::error_code::codes;

/// Where a message goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Destination {
    /// The channel of the cards, which the configuration names.
    RequestChannel,
    /// The admins' channel, which the configuration names.
    LogChannel,
    /// A channel in which an admin posted the panel.
    PanelChannel,
    /// A person, by direct message.
    Person,
}

codes! {
    /// Why Discord refused a message.
    pub enum RefusalReason {
        /// The bot can't see the channel.
        MissingAccess = "missing_access",
        /// The bot sees the channel and may not post there.
        MissingPermissions = "missing_permissions",
        /// The channel does not exist any more.
        UnknownChannel = "unknown_channel",
        /// The channel is a forum, a category or something else without messages of its own.
        WrongChannelType = "wrong_channel_type",
        /// The thread is archived or locked.
        ThreadClosed = "thread_closed",
        /// A filter of the guild blocked the message.
        Blocked = "blocked",
        /// The bot opens too many direct messages, or edits old messages too often.
        TooFast = "too_fast",
        /// Discord has turned sending off for a while.
        TurnedOff = "turned_off",
        /// The person does not accept direct messages from the bot.
        DirectMessagesClosed = "direct_messages_closed",
        /// The person's Discord account is gone.
        UnknownUser = "unknown_user",
        /// Someone deleted the message that was to be edited.
        UnknownMessage = "unknown_message",
        /// The message that was to be edited belongs to another bot, as after a change of the application.
        NotOurs = "not_ours",
        /// Discord does not accept the message as it is.
        InvalidForm = "invalid_form",
        /// A code that the table does not have.
        Other = "other",
    }
}

/// The pauses between the attempts at a refused message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pauses {
    first: Duration,
    longest: Duration,
}

impl Pauses {
    /// The pause after attempt number `attempt`, from 1. It doubles up to the longest one. Up to a quarter is added, so that messages
    /// that were refused together don't return together. `random` is any uniformly distributed number.
    pub fn after(self, attempt: i64, random: u64) -> Duration {
        let doublings = u32::try_from(attempt.saturating_sub(1).clamp(0, 16)).unwrap_or(0);
        let pause = self.first.saturating_mul(1 << doublings).min(self.longest);
        let quarter = u64::try_from(pause.as_millis() / 4).unwrap_or(0);
        pause + Duration::from_millis(random % (quarter + 1))
    }
}

/// What to do with a refused message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Remedy {
    /// The person can't be reached by direct message. The message is dropped; the person is told elsewhere.
    Unreachable,
    /// The message can never be sent and is dropped.
    Drop,
    /// The message that was to be edited is gone, so a new one is posted.
    PostAnew,
    /// The refusal passes by itself. The message is kept.
    Wait(Pauses),
    /// The refusal passes when an admin changes the guild or the configuration. The message is kept, and admins are told.
    AskAdmin(Pauses),
    /// Only another version or configuration of the bot can help. The message is kept, and operators are told.
    Defect(Pauses),
}

impl Remedy {
    /// The pauses if the message is kept, otherwise `None`.
    pub const fn pauses(self) -> Option<Pauses> {
        match self {
            Self::Unreachable | Self::Drop | Self::PostAnew => None,
            Self::Wait(pauses) | Self::AskAdmin(pauses) | Self::Defect(pauses) => Some(pauses),
        }
    }
}

/// For what an admin changes. An event of the gateway usually ends the pause early.
const ADMIN: Pauses = Pauses { first: Duration::from_secs(10), longest: Duration::from_mins(5) };

/// For what passes by itself. Discord counts attempts, so a later one is better than an earlier one.
const PASSES: Pauses = Pauses { first: Duration::from_secs(10), longest: Duration::from_mins(10) };

/// For what is wrong in the program.
const DEFECT: Pauses = Pauses { first: Duration::from_hours(1), longest: Duration::from_hours(1) };

const CHANNELS: &[Destination] = &[RequestChannel, LogChannel, PanelChannel];
const CONFIGURED: &[Destination] = &[RequestChannel, LogChannel];
const EDITED: &[Destination] = &[RequestChannel, PanelChannel];
const EVERYWHERE: &[Destination] = &[RequestChannel, LogChannel, PanelChannel, Person];

/// One row: where to, HTTP status, Discord's code, what it means and what to do.
pub type Row = (&'static [Destination], u16, i64, RefusalReason, Remedy);

/// Discord's codes ("Opcodes and Status Codes" in its reference) that a message can meet.
pub const ROWS: &[Row] = &[
    (CHANNELS, 403, 50001, RefusalReason::MissingAccess, Remedy::AskAdmin(ADMIN)),
    (CHANNELS, 403, 50013, RefusalReason::MissingPermissions, Remedy::AskAdmin(ADMIN)),
    (CONFIGURED, 404, 10003, RefusalReason::UnknownChannel, Remedy::AskAdmin(ADMIN)),
    // Nobody configured this channel, so nothing leads the panel to another one.
    (&[PanelChannel], 404, 10003, RefusalReason::UnknownChannel, Remedy::Drop),
    (CONFIGURED, 404, 10004, RefusalReason::MissingAccess, Remedy::AskAdmin(ADMIN)),
    (EDITED, 404, 10008, RefusalReason::UnknownMessage, Remedy::PostAnew),
    (EDITED, 403, 50005, RefusalReason::NotOurs, Remedy::PostAnew),
    (CHANNELS, 400, 50008, RefusalReason::WrongChannelType, Remedy::AskAdmin(ADMIN)),
    (CHANNELS, 400, 50024, RefusalReason::WrongChannelType, Remedy::AskAdmin(ADMIN)),
    (CHANNELS, 400, 50083, RefusalReason::ThreadClosed, Remedy::AskAdmin(ADMIN)),
    (CHANNELS, 403, 160_005, RefusalReason::ThreadClosed, Remedy::AskAdmin(ADMIN)),
    (CHANNELS, 400, 200_000, RefusalReason::Blocked, Remedy::AskAdmin(ADMIN)),
    (CHANNELS, 400, 240_000, RefusalReason::Blocked, Remedy::AskAdmin(ADMIN)),
    (CHANNELS, 400, 30046, RefusalReason::TooFast, Remedy::Wait(PASSES)),
    (&[Person], 403, 40003, RefusalReason::TooFast, Remedy::Wait(PASSES)),
    (EVERYWHERE, 403, 40004, RefusalReason::TurnedOff, Remedy::Wait(PASSES)),
    (EVERYWHERE, 403, 40006, RefusalReason::TurnedOff, Remedy::Wait(PASSES)),
    (&[Person], 403, 50007, RefusalReason::DirectMessagesClosed, Remedy::Unreachable),
    (&[Person], 400, 50007, RefusalReason::DirectMessagesClosed, Remedy::Unreachable),
    (&[Person], 403, 50278, RefusalReason::DirectMessagesClosed, Remedy::Unreachable),
    (&[Person], 404, 10013, RefusalReason::UnknownUser, Remedy::Unreachable),
    (&[Person], 400, 50033, RefusalReason::UnknownUser, Remedy::Unreachable),
    (EVERYWHERE, 400, 50006, RefusalReason::InvalidForm, Remedy::Defect(DEFECT)),
    (EVERYWHERE, 400, 50035, RefusalReason::InvalidForm, Remedy::Defect(DEFECT)),
];

/// What a refusal means and what to do. A code without a row is never taken as final: 403 and 404 may pass, anything else is a defect.
pub fn judge(destination: Destination, status: u16, code: i64) -> (RefusalReason, Remedy) {
    let row = ROWS.iter().find(|(to, of_status, of_code, _, _)| {
        *of_status == status && *of_code == code && to.contains(&destination)
    });
    match (row, status, destination) {
        (Some((_, _, _, refusal, remedy)), _, _) => (*refusal, *remedy),
        (None, 403 | 404, Person) => (RefusalReason::Other, Remedy::Wait(PASSES)),
        (None, 403 | 404, _) => (RefusalReason::Other, Remedy::AskAdmin(ADMIN)),
        (None, _, _) => (RefusalReason::Other, Remedy::Defect(DEFECT)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [Destination; 4] = [RequestChannel, LogChannel, PanelChannel, Person];

    #[test]
    fn each_refusal_has_one_row_for_each_destination() {
        for (to, status, code, _, _) in ROWS {
            assert!((400..500).contains(status), "{status} {code}");
            for destination in *to {
                let rows = ROWS
                    .iter()
                    .filter(|row| row.1 == *status && row.2 == *code && row.0.contains(destination));
                assert_eq!(rows.count(), 1, "{destination:?} {status} {code}");
            }
        }
    }

    #[test]
    fn a_card_and_a_notice_are_never_dropped_whatever_discord_answers() {
        let codes =
            ROWS.iter().map(|row| (row.1, row.2)).chain([(0, -1), (400, 1), (403, 2), (404, 3), (418, -1)]);
        for (status, code) in codes {
            for destination in [RequestChannel, LogChannel] {
                let (_, remedy) = judge(destination, status, code);
                let is_kept = remedy.pauses().is_some() || remedy == Remedy::PostAnew;
                assert!(is_kept, "{destination:?} {status} {code}: {remedy:?}");
            }
        }
    }

    #[test]
    fn the_refusals_that_people_meet_most_mean_this() {
        for (destination, status, code, wanted) in [
            (RequestChannel, 403, 50001, (RefusalReason::MissingAccess, Remedy::AskAdmin(ADMIN))),
            (LogChannel, 403, 50013, (RefusalReason::MissingPermissions, Remedy::AskAdmin(ADMIN))),
            (RequestChannel, 404, 10003, (RefusalReason::UnknownChannel, Remedy::AskAdmin(ADMIN))),
            (PanelChannel, 404, 10003, (RefusalReason::UnknownChannel, Remedy::Drop)),
            (RequestChannel, 404, 10008, (RefusalReason::UnknownMessage, Remedy::PostAnew)),
            (RequestChannel, 400, 50008, (RefusalReason::WrongChannelType, Remedy::AskAdmin(ADMIN))),
            (RequestChannel, 400, 50035, (RefusalReason::InvalidForm, Remedy::Defect(DEFECT))),
            (Person, 403, 40003, (RefusalReason::TooFast, Remedy::Wait(PASSES))),
            (Person, 403, 50007, (RefusalReason::DirectMessagesClosed, Remedy::Unreachable)),
            (Person, 403, 50278, (RefusalReason::DirectMessagesClosed, Remedy::Unreachable)),
            (Person, 404, 10013, (RefusalReason::UnknownUser, Remedy::Unreachable)),
            (Person, 403, 99999, (RefusalReason::Other, Remedy::Wait(PASSES))),
            (RequestChannel, 404, 99999, (RefusalReason::Other, Remedy::AskAdmin(ADMIN))),
            (Person, 418, -1, (RefusalReason::Other, Remedy::Defect(DEFECT))),
        ] {
            assert_eq!(judge(destination, status, code), wanted, "{destination:?} {status} {code}");
        }
    }

    #[test]
    fn the_pauses_double_up_to_the_longest_and_are_never_shorter_than_told() {
        for pauses in [ADMIN, PASSES, DEFECT] {
            for attempt in [i64::MIN, 0, 1, 2, 3, 5, 40, i64::MAX] {
                let least = pauses.after(attempt, 0);
                assert!(least >= pauses.first && least <= pauses.longest, "{attempt}: {least:?}");
                for random in [1, 977, u64::MAX] {
                    let pause = pauses.after(attempt, random);
                    assert!(pause >= least && pause <= pauses.longest * 5 / 4, "{attempt}: {pause:?}");
                }
            }
        }
        assert_eq!(ADMIN.after(1, 0), Duration::from_secs(10));
        assert_eq!(ADMIN.after(3, 0), Duration::from_secs(40));
        assert_eq!(ADMIN.after(9, 0), Duration::from_mins(5));
    }

    #[test]
    fn every_destination_can_meet_an_unknown_code() {
        for destination in ALL {
            assert_eq!(judge(destination, 403, -1).0, RefusalReason::Other);
        }
    }
}
