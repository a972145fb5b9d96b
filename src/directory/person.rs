//! What goes to the directory and what comes back, typed.

use crate::domain::account::{DirectoryId, Mark};
use crate::domain::eligibility::GroupName;
use crate::domain::ids::{DiscordUserId, Timestamp};
use crate::domain::job::Outcome;
use crate::domain::mail_address::MailAddress;
use crate::domain::person_name::PersonName;
use crate::domain::username::Username;

use super::Dn;

/// What an entry is looked up by.
#[derive(Clone, Copy, Debug)]
pub enum By<'a> {
    /// The entry's `uid`.
    Username(&'a Username),
    /// The mail address, compared without case.
    Address(&'a MailAddress),
    /// The Discord id.
    DiscordId(DiscordUserId),
    /// Our mark.
    Mark(Mark),
    /// The directory's own lasting id.
    DirectoryId(&'a DirectoryId),
}

/// A person's entry to be made.
#[derive(Clone, Copy, Debug)]
pub struct NewPerson<'a> {
    /// Becomes `uid` and the RDN.
    pub username: &'a Username,
    /// `givenName`
    pub given: &'a PersonName,
    /// `sn`
    pub family: &'a PersonName,
    /// `mail`
    pub address: &'a MailAddress,
    /// Whose entry it is.
    pub discord_id: DiscordUserId,
    /// Says that the entry is ours, and which account's.
    pub mark: Mark,
}

/// The three things that must all be on an entry before it is written to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnedEntry {
    /// The directory's lasting id, recorded when the entry was made.
    pub directory_id: DirectoryId,
    /// Our mark.
    pub mark: Mark,
    /// Whose entry it is.
    pub discord_id: DiscordUserId,
}

/// An entry as the bot may see it. `Debug` shows no personal value.
#[derive(Clone, PartialEq, Eq)]
pub struct Entry {
    /// Where it lies: below `people_dn`.
    pub dn: Dn,
    /// The directory's lasting id.
    pub directory_id: DirectoryId,
    /// `uid`, as the directory writes it (it may be none that we would give).
    pub username: String,
    /// `mail`, if any.
    pub address: Option<String>,
    /// The Discord id, if there is one and it is a snowflake.
    pub discord_id: Option<DiscordUserId>,
    /// Our mark; `None` when there is none or more than one.
    pub mark: Option<Mark>,
    /// Whether the administrator's lock is on it.
    pub is_locked: bool,
    /// When a password was last set.
    pub password_changed_at: Option<Timestamp>,
}

impl Entry {
    /// Whether mark, Discord id and lasting id are the ones that we recorded.
    pub fn is(&self, ours: &OwnedEntry) -> bool {
        self.directory_id == ours.directory_id
            && self.mark == Some(ours.mark)
            && self.discord_id == Some(ours.discord_id)
    }

    /// What names it from now on, if it carries this mark and Discord id.
    pub fn ours(&self, mark: Mark, discord_id: DiscordUserId) -> Option<OwnedEntry> {
        let ours = OwnedEntry { directory_id: self.directory_id.clone(), mark, discord_id };
        self.is(&ours).then_some(ours)
    }
}

impl std::fmt::Debug for Entry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Entry").field("directory_id", &self.directory_id).finish_non_exhaustive()
    }
}

/// Why a name, an address or a Discord id is not free.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taken {
    /// By an entry that is marked as an account's of ours.
    ByAccount(Mark),
    /// By an entry without our mark.
    ByOther,
}

/// What the look found. `None` means free.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Look {
    /// Somebody's `uid`.
    pub username: Option<Taken>,
    /// Somebody's `mail`.
    pub address: Option<Taken>,
    /// Somebody's Discord id.
    pub discord_id: Option<Taken>,
}

impl Look {
    /// Whether nobody but the entry marked as `mine` holds any of the three.
    pub fn is_free_for(&self, mine: Mark) -> bool {
        [self.username, self.address, self.discord_id]
            .into_iter()
            .all(|taken| taken.is_none_or(|taken| taken == Taken::ByAccount(mine)))
    }
}

/// What became of an Add.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Added {
    /// We made it.
    Created(Entry),
    /// It was there with our mark and Discord id: an earlier try made it.
    AlreadyOurs(Entry),
    /// Somebody else's entry holds one of these; nothing was written.
    Conflict(Look),
}

/// What became of the groups.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Membership {
    /// Whether anything had to be done.
    pub outcome: Outcome,
    /// Groups that the entry is now in and was not.
    pub added: Vec<GroupName>,
    /// Groups that the entry was in and is not.
    pub removed: Vec<GroupName>,
}

/// What became of a removal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Removed {
    /// It is gone, by us.
    Removed,
    /// There is no entry of this lasting id.
    Absent,
    /// It is there, but mark or Discord id are not ours: nothing was done.
    NotOurs,
    /// The server refused (50): a password was there, or the lock was not. Look again.
    HasPassword,
}
