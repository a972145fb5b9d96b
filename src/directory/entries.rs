//! Operations on people: find, add, lock, unlock, remove.

use std::collections::HashSet;

use ldap3::Scope;

use super::client::{Change, Directory, Row, Search};
use super::connection::Operation;
use super::error::DirectoryError;
use super::filter::Filter;
use super::person::{Added, By, Entry, Holders, NewPerson, OwnedEntry, Removed, Taken};
use super::result_code;
use super::time::read_time;
use crate::domain::account::{DirectoryId, Mark};
use crate::domain::ids::{DiscordUserId, Timestamp};
use crate::domain::job::Outcome;
use crate::domain::mail_address::MailAddress;
use crate::domain::matching::{ServerAddress, ServerUsername, is_same_value};
use crate::domain::username::Username;

/// The most entries that may share a name, an address, an id or a mark. More means that the answer is wrong.
const MAX_ENTRIES: usize = 20;

/// The most marked entries that are read at once: the default size limit of servers.
const MAX_MARKED: usize = 500;

impl Directory {
    /// Finds all matching entries below `people_dn`. More than a few are an error ([`DirectoryError::TooBig`]).
    #[tracing::instrument(name = "call", skip_all, fields(target = "directory", verb = "find"))]
    pub async fn find(&self, by: By<'_>) -> Result<Vec<Entry>, DirectoryError> {
        self.entries(Operation::new("find"), by).await
    }

    /// Finds all entries whose mark is ours and ends with `ending`. [`DirectoryError::TooBig`] if there are more than a server
    /// returns at once.
    #[tracing::instrument(name = "call", skip_all, fields(target = "directory", verb = "all_marked"))]
    pub async fn all_marked(&self, ending: &str) -> Result<Vec<Entry>, DirectoryError> {
        let operation = Operation::new("all_marked");
        let filter = Filter::between(self.shared.mark.as_str(), Mark::BEGINS, ending);
        let rows = self.search_people(operation, &filter, MAX_MARKED).await?;
        rows.into_iter().map(|row| self.read_entry(operation, row)).collect()
    }

    /// Finds the entries with these permanent ids, at most [`MAX_TOGETHER`](Self::MAX_TOGETHER). Ids without an entry are skipped.
    #[tracing::instrument(name = "call", skip_all, fields(target = "directory", verb = "find_together"))]
    pub async fn find_together(&self, ids: &[DirectoryId]) -> Result<Vec<Entry>, DirectoryError> {
        let operation = Operation::new("find_together");
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        if ids.len() > Self::MAX_TOGETHER {
            return Err(DirectoryError::TooBig { verb: operation.verb });
        }
        let entry_id = self.shared.profile.entry_id;
        let filter = Filter::any(ids.iter().map(|id| Filter::equals(entry_id, id.as_str())));
        let rows = self.search_people(operation, &filter, ids.len()).await?;
        rows.into_iter().map(|row| self.read_entry(operation, row)).collect()
    }

    /// The most ids that one search may contain.
    pub const MAX_TOGETHER: usize = 100;

    /// Finds who holds this name, this address or this Discord id, by one search. Nothing is written.
    #[tracing::instrument(name = "call", skip_all, fields(target = "directory", verb = "find_holders"))]
    pub async fn find_holders(
        &self,
        username: &Username,
        address: &MailAddress,
        discord_id: DiscordUserId,
    ) -> Result<Holders, DirectoryError> {
        let found = self.holders(Operation::new("find_holders"), username, address, discord_id).await?;
        Ok(found.summary())
    }

    /// Adds the entry without a password; Discord id and mark are part of the Add itself. After a clash or an unknown outcome, the
    /// entry is looked up: one with our mark and Discord id is ours, anything else is a conflict.
    #[tracing::instrument(name = "call", skip_all, fields(target = "directory", verb = "add_person"))]
    pub async fn add_person(&self, person: &NewPerson<'_>) -> Result<Added, DirectoryError> {
        let operation = Operation::new("add_person");
        let dn = self.shared.people.child(self.shared.profile.username, person.username.as_str());
        let answer = self.add(operation, &dn, &self.attributes_of(person)).await;
        match answer {
            Ok(result_code::SUCCESS) => {
                let made = self.marked(operation, person).await?;
                made.map(Added::Created).ok_or(DirectoryError::Absent { verb: operation.verb })
            }
            Ok(code @ (result_code::ENTRY_ALREADY_EXISTS | result_code::CONSTRAINT_VIOLATION)) => {
                self.resolve_clash(operation, person, code).await
            }
            Ok(code) => Err(DirectoryError::Refused { verb: operation.verb, rc: code }),
            // The Add may have been carried out: the mark tells. If the entry is not visible yet, the next try finds it.
            Err(DirectoryError::Down { verb, cause, is_ambiguous: true }) => {
                let found = self.marked(Operation::new(operation.verb), person).await;
                let made = found.ok().flatten();
                made.map(Added::Created).ok_or(DirectoryError::Down { verb, cause, is_ambiguous: true })
            }
            Err(error) => Err(error),
        }
    }

    async fn resolve_clash(
        &self,
        operation: Operation,
        person: &NewPerson<'_>,
        code: u32,
    ) -> Result<Added, DirectoryError> {
        if let Some(entry) = self.marked(operation, person).await? {
            return Ok(Added::AlreadyOurs(entry));
        }
        let found = self.holders(operation, person.username, person.address, person.discord_id).await?;
        let holders = found.summary();
        if holders == Holders::default() {
            // No visible entry holds any of the three: the server has another rule.
            return Err(DirectoryError::Refused { verb: operation.verb, rc: code });
        }
        Ok(Added::Conflict(holders))
    }

    /// Finds the entry with exactly this mark and Discord id.
    async fn marked(
        &self,
        operation: Operation,
        person: &NewPerson<'_>,
    ) -> Result<Option<Entry>, DirectoryError> {
        let found = self.entries(operation, By::Mark(person.mark)).await?;
        let mut matching = found
            .into_iter()
            .filter(|entry| entry.mark == Some(person.mark) && entry.discord_id == Some(person.discord_id));
        match (matching.next(), matching.next()) {
            (first, None) => Ok(first),
            (_, Some(_)) => Err(DirectoryError::InvalidResponse {
                verb: operation.verb,
                what: "two entries carry one mark",
            }),
        }
    }

    pub(super) fn attributes_of(&self, person: &NewPerson<'_>) -> Vec<(String, HashSet<String>)> {
        let shared = &self.shared;
        let full_name = [person.given.as_str(), " ", person.family.as_str()].concat();
        let one = |name: &str, value: &str| (name.to_owned(), HashSet::from([value.to_owned()]));
        vec![
            ("objectClass".to_owned(), shared.object_classes.iter().cloned().collect()),
            one(shared.profile.username, person.username.as_str()),
            one("cn", &full_name),
            one("sn", person.family.as_str()),
            one("givenName", person.given.as_str()),
            one("mail", person.address.as_str()),
            one(shared.discord_id.as_str(), &person.discord_id.to_string()),
            one(shared.mark.as_str(), &person.mark.to_string()),
        ]
    }

    /// Locks the entry: no bind, and (with the documented ACL) no new password.
    #[tracing::instrument(name = "call", skip_all, fields(target = "directory", verb = "lock"))]
    pub async fn lock(&self, ours: &OwnedEntry) -> Result<Outcome, DirectoryError> {
        let operation = Operation::new("lock");
        let entry = self.entry_of(operation, ours).await?;
        if entry.is_locked {
            return Ok(Outcome::Unchanged);
        }
        let profile = self.shared.profile;
        self.change(operation, &entry, ours, &Change::Set(profile.lock, profile.lock_value)).await
    }

    /// Keeps the entry locked, but lets a new password be set, which removes the lock with the same change.
    #[tracing::instrument(name = "call", skip_all, fields(target = "directory", verb = "lock_until_reset"))]
    pub async fn lock_until_reset(&self, ours: &OwnedEntry) -> Result<Outcome, DirectoryError> {
        let operation = Operation::new("lock_until_reset");
        let entry = self.entry_of(operation, ours).await?;
        if entry.awaits_reset {
            return Ok(Outcome::Unchanged);
        }
        let profile = self.shared.profile;
        self.change(operation, &entry, ours, &Change::Set(profile.lock, profile.reset_lock_value)).await
    }

    /// Removes the lock, of either kind.
    #[tracing::instrument(name = "call", skip_all, fields(target = "directory", verb = "unlock"))]
    pub async fn unlock(&self, ours: &OwnedEntry) -> Result<Outcome, DirectoryError> {
        let operation = Operation::new("unlock");
        let entry = self.entry_of(operation, ours).await?;
        let profile = self.shared.profile;
        let value = match (entry.is_locked, entry.awaits_reset) {
            (false, false) => return Ok(Outcome::Unchanged),
            (true, _) => profile.lock_value,
            (false, true) => profile.reset_lock_value,
        };
        self.change(operation, &entry, ours, &Change::Remove(profile.lock, value)).await
    }

    pub(super) async fn change(
        &self,
        operation: Operation,
        entry: &Entry,
        ours: &OwnedEntry,
        change: &Change<'_>,
    ) -> Result<Outcome, DirectoryError> {
        match self.modify(operation, &entry.dn, change, Some(&self.still_ours(ours))).await? {
            result_code::SUCCESS => Ok(Outcome::Applied),
            result_code::NO_SUCH_ATTRIBUTE => Ok(Outcome::Unchanged),
            result_code::ASSERTION_FAILED => Err(DirectoryError::NotOurs { verb: operation.verb }),
            result_code::NO_SUCH_OBJECT => Err(DirectoryError::Absent { verb: operation.verb }),
            code => Err(DirectoryError::Refused { verb: operation.verb, rc: code }),
        }
    }

    /// When a password was last set. `None` means never.
    #[tracing::instrument(
        name = "call",
        skip_all,
        fields(target = "directory", verb = "password_changed_at")
    )]
    pub async fn password_changed_at(&self, ours: &OwnedEntry) -> Result<Option<Timestamp>, DirectoryError> {
        Ok(self.entry_of(Operation::new("password_changed_at"), ours).await?.password_changed_at)
    }

    /// Deletes the entry if id, mark and Discord id are all ours. The caller locks it first, because the ACL requires that.
    #[tracing::instrument(name = "call", skip_all, fields(target = "directory", verb = "remove_if_ours"))]
    pub async fn remove_if_ours(&self, ours: &OwnedEntry) -> Result<Removed, DirectoryError> {
        let operation = Operation::new("remove_if_ours");
        let entry = match self.entry_of(operation, ours).await {
            Ok(entry) => entry,
            Err(DirectoryError::Absent { .. }) => return Ok(Removed::Absent),
            Err(DirectoryError::NotOurs { .. }) => return Ok(Removed::NotOurs),
            Err(error) => return Err(error),
        };
        match self.delete(operation, &entry.dn, &self.still_ours(ours)).await {
            Ok(result_code::SUCCESS) => Ok(Removed::Removed),
            Ok(result_code::NO_SUCH_OBJECT) => Ok(Removed::Absent),
            Ok(result_code::ASSERTION_FAILED) => Ok(Removed::NotOurs),
            Ok(result_code::INSUFFICIENT_ACCESS) => Ok(Removed::HasPassword),
            Ok(code) => Err(DirectoryError::Refused { verb: operation.verb, rc: code }),
            // The Delete may have been carried out. If the entry is gone, it was.
            Err(error @ DirectoryError::Down { is_ambiguous: true, .. }) => {
                match self.entry_of(Operation::new(operation.verb), ours).await {
                    Err(DirectoryError::Absent { .. }) => Ok(Removed::Removed),
                    Ok(_) | Err(_) => Err(error),
                }
            }
            Err(error) => Err(error),
        }
    }

    /// Reads the entry with this permanent id, only if its mark and Discord id are the recorded ones.
    pub(super) async fn entry_of(
        &self,
        operation: Operation,
        ours: &OwnedEntry,
    ) -> Result<Entry, DirectoryError> {
        let mut found = self.entries(operation, By::DirectoryId(&ours.directory_id)).await?;
        match (found.pop(), found.is_empty()) {
            (None, _) => Err(DirectoryError::Absent { verb: operation.verb }),
            (Some(entry), true) if entry.is(ours) => Ok(entry),
            (Some(_), _) => Err(DirectoryError::NotOurs { verb: operation.verb }),
        }
    }

    /// The condition that the server itself checks at the moment of a write (RFC 4528).
    fn still_ours(&self, ours: &OwnedEntry) -> Filter {
        let shared = &self.shared;
        Filter::all([
            Filter::equals(shared.profile.entry_id, ours.directory_id.as_str()),
            Filter::equals(shared.mark.as_str(), &ours.mark.to_string()),
            Filter::equals(shared.discord_id.as_str(), &ours.discord_id.to_string()),
        ])
    }

    async fn entries(&self, operation: Operation, by: By<'_>) -> Result<Vec<Entry>, DirectoryError> {
        let shared = &self.shared;
        let filter = match by {
            By::Username(name) => Filter::equals(shared.profile.username, name.as_str()),
            By::Address(address) => Filter::equals("mail", address.as_str()),
            By::DiscordId(id) => Filter::equals(shared.discord_id.as_str(), &id.to_string()),
            By::Mark(mark) => Filter::equals(shared.mark.as_str(), &mark.to_string()),
            By::DirectoryId(id) => Filter::equals(shared.profile.entry_id, id.as_str()),
        };
        let rows = self.search_people(operation, &filter, MAX_ENTRIES).await?;
        rows.into_iter().map(|row| self.read_entry(operation, row)).collect()
    }

    async fn search_people(
        &self,
        operation: Operation,
        filter: &Filter,
        max: usize,
    ) -> Result<Vec<Row>, DirectoryError> {
        let shared = &self.shared;
        let profile = shared.profile;
        let search = Search {
            base: &shared.people,
            scope: Scope::Subtree,
            filter,
            attributes: vec![
                profile.entry_id,
                profile.username,
                "mail",
                shared.discord_id.as_str(),
                shared.mark.as_str(),
                profile.lock,
                profile.password_changed,
            ],
            max,
        };
        self.search(operation, &search).await
    }

    fn read_entry(&self, operation: Operation, row: Row) -> Result<Entry, DirectoryError> {
        let (shared, profile) = (&self.shared, self.shared.profile);
        let invalid = |what| DirectoryError::InvalidResponse { verb: operation.verb, what };
        let directory_id = row.one(profile.entry_id).and_then(DirectoryId::new);
        let changed_at = match row.values(profile.password_changed) {
            [] => None,
            // An unreadable time must never look like "no password".
            [text, ..] => Some(read_time(text).ok_or_else(|| invalid("a time cannot be read"))?),
        };
        Ok(Entry {
            directory_id: directory_id.ok_or_else(|| invalid("an entry has no permanent id"))?,
            username: ServerUsername::new(row.values(profile.username).first().cloned().unwrap_or_default()),
            address: row.values("mail").first().cloned().map(ServerAddress::new),
            discord_id: row.one(shared.discord_id.as_str()).and_then(|text| text.parse().ok()),
            mark: self.mark_of(&row),
            is_locked: row.values(profile.lock).iter().any(|value| value == profile.lock_value),
            awaits_reset: row.values(profile.lock).iter().any(|value| value == profile.reset_lock_value),
            password_changed_at: changed_at,
            dn: row.dn,
        })
    }

    /// The only mark among the values. `None` if there are two, because they don't tell whose the entry is.
    fn mark_of(&self, row: &Row) -> Option<Mark> {
        let mut marks = row.values(self.shared.mark.as_str()).iter().filter_map(|value| Mark::parse(value));
        match (marks.next(), marks.next()) {
            (Some(mark), None) => Some(mark),
            (None, _) | (Some(_), Some(_)) => None,
        }
    }

    async fn holders(
        &self,
        operation: Operation,
        username: &Username,
        address: &MailAddress,
        discord_id: DiscordUserId,
    ) -> Result<HolderLists, DirectoryError> {
        let shared = &self.shared;
        let (uid, id) = (shared.profile.username, shared.discord_id.as_str());
        let discord_id = discord_id.to_string();
        let filter = Filter::any([
            Filter::equals(uid, username.as_str()),
            Filter::equals("mail", address.as_str()),
            Filter::equals(id, &discord_id),
        ]);
        let rows = self.search_people(operation, &filter, MAX_ENTRIES).await?;
        let mut holders = HolderLists::default();
        for row in &rows {
            let taken = self.mark_of(row).map_or(Taken::ByOther, Taken::ByAccount);
            let holds = |attribute: &str, wanted: &str| {
                row.values(attribute).iter().any(|value| is_same_value(attribute, value, wanted))
            };
            let before = holders.count();
            if holds(uid, username.as_str()) {
                holders.username.push(taken);
            }
            if holds("mail", address.as_str()) {
                holders.address.push(taken);
            }
            if holds(id, &discord_id) {
                holders.discord_id.push(taken);
            }
            if holders.count() == before {
                // The server's matching rule is wider than this comparison: the name still counts as taken.
                holders.username.push(taken);
            }
        }
        Ok(holders)
    }
}

/// All holders of each value.
#[derive(Default)]
struct HolderLists {
    username: Vec<Taken>,
    address: Vec<Taken>,
    discord_id: Vec<Taken>,
}

impl HolderLists {
    fn count(&self) -> usize {
        self.username.len() + self.address.len() + self.discord_id.len()
    }

    /// One holder for each value. Of several, a foreign one counts, so that our own entry does not hide it.
    fn summary(self) -> Holders {
        let worst = |taken: Vec<Taken>| match taken.as_slice() {
            [] => None,
            [one] => Some(*one),
            [first, rest @ ..] => {
                Some(if rest.iter().all(|other| other == first) { *first } else { Taken::ByOther })
            }
        };
        Holders {
            username: worst(self.username),
            address: worst(self.address),
            discord_id: worst(self.discord_id),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_foreign_holder_is_not_hidden_by_one_of_ours() {
        let mark = Mark::parse("accolade:018bcfe5-6800-7000-8000-000000000000").expect("a mark");
        let ours = Taken::ByAccount(mark);
        let holder = |address| HolderLists { address, ..HolderLists::default() }.summary().address;
        assert_eq!(holder(vec![]), None);
        assert_eq!(holder(vec![ours]), Some(ours));
        assert_eq!(holder(vec![ours, ours]), Some(ours));
        assert_eq!(holder(vec![ours, Taken::ByOther]), Some(Taken::ByOther));
    }
}
