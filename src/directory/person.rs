//! The directory's people as typed values: what is written, what is read, and when an entry is ours.

use crate::domain::account::{DirectoryId, Mark};
use crate::domain::dn::Dn;
use crate::domain::eligibility::GroupName;
use crate::domain::ids::{DiscordUserId, Timestamp};
use crate::domain::job::Outcome;
use crate::domain::mail_address::MailAddress;
use crate::domain::matching::{ServerAddress, ServerUsername};
use crate::domain::person_name::PersonName;
use crate::domain::username::Username;

/// The key that an entry is found by.
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
    /// The directory's own permanent id.
    DirectoryId(&'a DirectoryId),
}

/// The content of a person's new entry.
#[derive(Clone, Copy, Debug)]
pub struct NewPerson<'a> {
    /// `uid`, and the RDN.
    pub username: &'a Username,
    /// `givenName`
    pub given: &'a PersonName,
    /// `sn`
    pub family: &'a PersonName,
    /// `mail`
    pub address: &'a MailAddress,
    /// Whose entry it is.
    pub discord_id: DiscordUserId,
    /// Marks the entry as ours, and names its account.
    pub mark: Mark,
}

/// The three values that must all be on an entry before it is changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnedEntry {
    /// The directory's permanent id, recorded when the entry was created.
    pub directory_id: DirectoryId,
    /// Our mark.
    pub mark: Mark,
    /// Whose entry it is.
    pub discord_id: DiscordUserId,
}

/// An entry as the bot may read it. `Debug` shows no personal value.
#[derive(Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its name, below `people_dn`.
    pub dn: Dn,
    /// The directory's permanent id.
    pub directory_id: DirectoryId,
    /// `uid`, as the directory writes it. It may be a name that the bot would not accept.
    pub username: ServerUsername,
    /// `mail`, if any.
    pub address: Option<ServerAddress>,
    /// The Discord id, if it is a valid snowflake.
    pub discord_id: Option<DiscordUserId>,
    /// Our mark. `None` if there is none or more than one.
    pub mark: Option<Mark>,
    /// Whether it carries the administrator's lock.
    pub is_locked: bool,
    /// Whether it carries the lock that a new password removes.
    pub awaits_reset: bool,
    /// When a password was last set.
    pub password_changed_at: Option<Timestamp>,
}

impl Entry {
    /// Whether mark, Discord id and permanent id are the recorded ones.
    pub fn is(&self, ours: &OwnedEntry) -> bool {
        self.directory_id == ours.directory_id
            && self.mark == Some(ours.mark)
            && self.discord_id == Some(ours.discord_id)
    }

    /// The values to record for the entry, if it carries this mark and Discord id.
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

/// Whose entry holds a name, an address or a Discord id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taken {
    /// An entry with our mark.
    ByAccount(Mark),
    /// An entry without our mark.
    ByOther,
}

/// Who holds a name, an address and a Discord id. `None` means free.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Holders {
    /// The holder of the `uid`.
    pub username: Option<Taken>,
    /// The holder of the `mail`.
    pub address: Option<Taken>,
    /// The holder of the Discord id.
    pub discord_id: Option<Taken>,
}

/// The result of an Add.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Added {
    /// The entry was created.
    Created(Entry),
    /// It exists with our mark and Discord id: an earlier try created it.
    AlreadyOurs(Entry),
    /// Another entry holds one of these. Nothing was written.
    Conflict(Holders),
}

/// The result of a change of membership.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Membership {
    /// Whether anything was changed.
    pub outcome: Outcome,
    /// Groups that the entry has joined.
    pub added: Vec<GroupName>,
    /// Groups that the entry has left.
    pub removed: Vec<GroupName>,
}

/// The result of a removal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Removed {
    /// The entry was deleted.
    Removed,
    /// No entry has this permanent id.
    Absent,
    /// The entry's mark or Discord id is not ours. Nothing was done.
    NotOurs,
    /// The server refused (50): the entry has a password, or no lock. Read it again.
    HasPassword,
}
