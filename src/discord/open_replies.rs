//! Answers that promised a direct message: while Discord accepts edits of them, they can say what the direct message would have said.
//!
//! They stay in memory, because the token of an interaction is never stored. After a restart, `/account status` is what is left.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use secrecy::SecretString;

use crate::clock::Moment;
use crate::domain::ids::{DiscordUserId, InteractionId};

/// Discord accepts edits for 15 minutes. This leaves a minute for queues and clocks.
const OPEN_FOR: Duration = Duration::from_mins(14);

/// How many answers are kept at most. The oldest one makes room.
const MOST: usize = 1024;

/// What a later edit of an answer needs. It keeps no client, because the client keeps it.
#[derive(Clone)]
pub(super) struct KeptReply {
    pub(super) interaction_id: InteractionId,
    pub(super) application_id: u64,
    pub(super) token: SecretString,
}

/// The newest answer of this kind to each person.
pub(super) struct OpenReplies<T>(Mutex<HashMap<DiscordUserId, (Moment, T)>>);

impl<T: Clone> OpenReplies<T> {
    pub(super) fn new() -> Self {
        Self(Mutex::default())
    }

    /// Keeps the answer to a person, in place of an earlier one.
    pub(super) fn keep(&self, person: DiscordUserId, reply: T, now: Moment) {
        let mut replies = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        replies.retain(|_, (since, _)| now.since(*since) < OPEN_FOR);
        if replies.len() >= MOST {
            let oldest = replies.iter().max_by_key(|(_, (since, _))| now.since(*since));
            if let Some(oldest) = oldest.map(|(person, _)| *person) {
                replies.remove(&oldest);
            }
        }
        replies.insert(person, (now, reply));
    }

    /// Forgets the answer to a person.
    pub(super) fn forget(&self, person: DiscordUserId) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&person);
    }

    /// The answer to a person, while it can be edited.
    pub(super) fn of(&self, person: DiscordUserId, now: Moment) -> Option<T> {
        let replies = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (since, reply) = replies.get(&person)?;
        (now.since(*since) < OPEN_FOR).then(|| reply.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::{Clock as _, SystemClock};

    const ADA: DiscordUserId = DiscordUserId::new(1);

    #[test]
    fn an_answer_is_kept_until_discord_refuses_its_edits_and_the_newest_one_counts() {
        let (replies, now) = (OpenReplies::new(), SystemClock.moment());
        replies.keep(ADA, "first", now.before(Duration::from_mins(15)));
        assert_eq!(replies.of(ADA, now), None, "too old");
        replies.keep(ADA, "second", now.before(Duration::from_mins(13)));
        assert_eq!(replies.of(ADA, now), Some("second"));
        replies.keep(ADA, "third", now);
        assert_eq!(replies.of(ADA, now), Some("third"));
        assert_eq!(replies.of(DiscordUserId::new(2), now), None);
        replies.forget(ADA);
        assert_eq!(replies.of(ADA, now), None, "its edit was refused");
    }

    #[test]
    fn the_oldest_answer_makes_room() {
        let (replies, now) = (OpenReplies::new(), SystemClock.moment());
        replies.keep(ADA, (), now.before(Duration::from_mins(1)));
        for other in 2..=MOST as u64 + 1 {
            replies.keep(DiscordUserId::new(other), (), now);
        }
        assert_eq!(replies.of(ADA, now), None);
        assert_eq!(replies.of(DiscordUserId::new(2), now), Some(()));
    }
}
