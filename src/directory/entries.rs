//! The verbs on people: find, look, add, lock, unlock, remove.

use std::collections::HashSet;

use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use ldap3::Scope;

use super::filter::Filter;
use super::link::Operation;
use super::{
    Added, By, Change, Directory, DirectoryError, Entry, Look, NewPerson, OwnedEntry, Removed, Row, Search,
    Taken,
};
use crate::domain::account::{DirectoryId, Mark};
use crate::domain::ids::{DiscordUserId, Timestamp};
use crate::domain::job::Outcome;
use crate::domain::mail_address::MailAddress;
use crate::domain::username::Username;

/// More entries than can honestly share a name, an address, an id or a mark.
const MOST_ENTRIES: usize = 20;

/// How many marked entries are read at once: servers give 500 where nobody has set another limit.
const MOST_MARKED: usize = 500;

/// Result codes (RFC 4511 section 4.1.9, RFC 4528) that decide what a verb answers.
mod rc {
    pub(super) const SUCCESS: u32 = 0;
    pub(super) const NO_SUCH_ATTRIBUTE: u32 = 16;
    pub(super) const CONSTRAINT_VIOLATION: u32 = 19;
    pub(super) const NO_SUCH_OBJECT: u32 = 32;
    pub(super) const INSUFFICIENT_ACCESS: u32 = 50;
    pub(super) const ENTRY_ALREADY_EXISTS: u32 = 68;
    pub(super) const ASSERTION_FAILED: u32 = 122;
}

impl Directory {
    /// Every entry below `people_dn` that fits, at most a few (more is [`DirectoryError::TooBig`]).
    #[tracing::instrument(name = "call", skip_all, fields(target = "directory", verb = "find"))]
    pub async fn find(&self, by: By<'_>) -> Result<Vec<Entry>, DirectoryError> {
        self.entries(Operation::new("find"), by).await
    }

    /// Every entry with our mark whose last digits are `ending`; [`DirectoryError::TooBig`] where there are more than a server gives
    /// at once.
    #[tracing::instrument(name = "call", skip_all, fields(target = "directory", verb = "all_marked"))]
    pub async fn all_marked(&self, ending: &str) -> Result<Vec<Entry>, DirectoryError> {
        let errand = Operation::new("all_marked");
        let filter = Filter::between(self.shared.mark.as_str(), Mark::BEGINS, ending);
        let rows = self.search_people(errand, &filter, MOST_MARKED).await?;
        rows.into_iter().map(|row| self.read_entry(errand, row)).collect()
    }

    /// The entries of these lasting ids, as many as there are; [`MOST_TOGETHER`](Self::MOST_TOGETHER) ids at the most.
    #[tracing::instrument(name = "call", skip_all, fields(target = "directory", verb = "find_together"))]
    pub async fn find_together(&self, ids: &[DirectoryId]) -> Result<Vec<Entry>, DirectoryError> {
        let errand = Operation::new("find_together");
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        if ids.len() > Self::MOST_TOGETHER {
            return Err(DirectoryError::TooBig { verb: errand.verb });
        }
        let entry_id = self.shared.ways.entry_id;
        let filter = Filter::any(ids.iter().map(|id| Filter::equals(entry_id, id.as_str())));
        let rows = self.search_people(errand, &filter, ids.len()).await?;
        rows.into_iter().map(|row| self.read_entry(errand, row)).collect()
    }

    /// How many entries one search may ask for by their ids.
    pub const MOST_TOGETHER: usize = 100;

    /// Who holds this name, this address or this Discord id. Read-only, one search.
    #[tracing::instrument(name = "call", skip_all, fields(target = "directory", verb = "look"))]
    pub async fn look(
        &self,
        username: &Username,
        address: &MailAddress,
        discord_id: DiscordUserId,
    ) -> Result<Look, DirectoryError> {
        let found = self.holders(Operation::new("look"), username, address, discord_id).await?;
        Ok(found.into_look())
    }

    /// Adds the entry without a password, with Discord id and mark in the Add itself. A clash or an unknown outcome
    /// is looked up: an entry with our mark and Discord id is ours, anything else a conflict.
    #[tracing::instrument(name = "call", skip_all, fields(target = "directory", verb = "add_person"))]
    pub async fn add_person(&self, person: &NewPerson<'_>) -> Result<Added, DirectoryError> {
        let errand = Operation::new("add_person");
        let dn = self.shared.people.child(self.shared.ways.username, person.username.as_str());
        let answer = self.add(errand, &dn, &self.attributes_of(person)).await;
        match answer {
            Ok(rc::SUCCESS) => {
                let made = self.marked(errand, person).await?;
                made.map(Added::Created).ok_or(DirectoryError::Absent { verb: errand.verb })
            }
            Ok(code @ (rc::ENTRY_ALREADY_EXISTS | rc::CONSTRAINT_VIOLATION)) => {
                self.judge_clash(errand, person, code).await
            }
            Ok(code) => Err(DirectoryError::Refused { verb: errand.verb, rc: code }),
            // It may have been carried out: the mark tells. What is not there yet converges at the next try.
            Err(DirectoryError::Down { verb, cause, is_ambiguous: true }) => {
                let found = self.marked(Operation::new(errand.verb), person).await;
                let made = found.ok().flatten();
                made.map(Added::Created).ok_or(DirectoryError::Down { verb, cause, is_ambiguous: true })
            }
            Err(error) => Err(error),
        }
    }

    async fn judge_clash(
        &self,
        errand: Operation,
        person: &NewPerson<'_>,
        code: u32,
    ) -> Result<Added, DirectoryError> {
        if let Some(entry) = self.marked(errand, person).await? {
            return Ok(Added::AlreadyOurs(entry));
        }
        let holders = self.holders(errand, person.username, person.address, person.discord_id).await?;
        let look = holders.into_look();
        if look == Look::default() {
            // Nobody we can see holds any of the three: the server has another rule.
            return Err(DirectoryError::Refused { verb: errand.verb, rc: code });
        }
        Ok(Added::Conflict(look))
    }

    /// The entry with exactly this mark and Discord id.
    async fn marked(
        &self,
        errand: Operation,
        person: &NewPerson<'_>,
    ) -> Result<Option<Entry>, DirectoryError> {
        let found = self.entries(errand, By::Mark(person.mark)).await?;
        let mut fitting = found
            .into_iter()
            .filter(|entry| entry.mark == Some(person.mark) && entry.discord_id == Some(person.discord_id));
        match (fitting.next(), fitting.next()) {
            (first, None) => Ok(first),
            (_, Some(_)) => {
                Err(DirectoryError::InvalidResponse { verb: errand.verb, what: "two entries carry one mark" })
            }
        }
    }

    pub(super) fn attributes_of(&self, person: &NewPerson<'_>) -> Vec<(String, HashSet<String>)> {
        let shared = &self.shared;
        let full_name = [person.given.as_str(), " ", person.family.as_str()].concat();
        let one = |name: &str, value: &str| (name.to_owned(), HashSet::from([value.to_owned()]));
        vec![
            ("objectClass".to_owned(), shared.object_classes.iter().cloned().collect()),
            one(shared.ways.username, person.username.as_str()),
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
        let errand = Operation::new("lock");
        let entry = self.entry_of(errand, ours).await?;
        if entry.is_locked {
            return Ok(Outcome::Unchanged);
        }
        let ways = self.shared.ways;
        self.change(errand, &entry, ours, &Change::Set(ways.lock, ways.lock_value)).await
    }

    /// Takes the lock off.
    #[tracing::instrument(name = "call", skip_all, fields(target = "directory", verb = "unlock"))]
    pub async fn unlock(&self, ours: &OwnedEntry) -> Result<Outcome, DirectoryError> {
        let errand = Operation::new("unlock");
        let entry = self.entry_of(errand, ours).await?;
        if !entry.is_locked {
            return Ok(Outcome::Unchanged);
        }
        let ways = self.shared.ways;
        self.change(errand, &entry, ours, &Change::Take(ways.lock, ways.lock_value)).await
    }

    async fn change(
        &self,
        errand: Operation,
        entry: &Entry,
        ours: &OwnedEntry,
        change: &Change<'_>,
    ) -> Result<Outcome, DirectoryError> {
        match self.modify(errand, &entry.dn, change, Some(&self.still_ours(ours))).await? {
            rc::SUCCESS => Ok(Outcome::Applied),
            rc::NO_SUCH_ATTRIBUTE => Ok(Outcome::Unchanged),
            rc::ASSERTION_FAILED => Err(DirectoryError::NotOurs { verb: errand.verb }),
            rc::NO_SUCH_OBJECT => Err(DirectoryError::Absent { verb: errand.verb }),
            code => Err(DirectoryError::Refused { verb: errand.verb, rc: code }),
        }
    }

    /// Whether the entry carries the administrator's lock.
    #[tracing::instrument(name = "call", skip_all, fields(target = "directory", verb = "is_locked"))]
    pub async fn is_locked(&self, ours: &OwnedEntry) -> Result<bool, DirectoryError> {
        Ok(self.entry_of(Operation::new("is_locked"), ours).await?.is_locked)
    }

    /// When a password was last set; `None` means that there never was one.
    #[tracing::instrument(
        name = "call",
        skip_all,
        fields(target = "directory", verb = "password_changed_at")
    )]
    pub async fn password_changed_at(&self, ours: &OwnedEntry) -> Result<Option<Timestamp>, DirectoryError> {
        Ok(self.entry_of(Operation::new("password_changed_at"), ours).await?.password_changed_at)
    }

    /// Deletes the entry if id, mark and Discord id are all ours. Lock it first: the ACL refuses otherwise.
    #[tracing::instrument(name = "call", skip_all, fields(target = "directory", verb = "remove_if_ours"))]
    pub async fn remove_if_ours(&self, ours: &OwnedEntry) -> Result<Removed, DirectoryError> {
        let errand = Operation::new("remove_if_ours");
        let entry = match self.entry_of(errand, ours).await {
            Ok(entry) => entry,
            Err(DirectoryError::Absent { .. }) => return Ok(Removed::Absent),
            Err(DirectoryError::NotOurs { .. }) => return Ok(Removed::NotOurs),
            Err(error) => return Err(error),
        };
        match self.delete(errand, &entry.dn, &self.still_ours(ours)).await {
            Ok(rc::SUCCESS) => Ok(Removed::Removed),
            Ok(rc::NO_SUCH_OBJECT) => Ok(Removed::Absent),
            Ok(rc::ASSERTION_FAILED) => Ok(Removed::NotOurs),
            Ok(rc::INSUFFICIENT_ACCESS) => Ok(Removed::HasPassword),
            Ok(code) => Err(DirectoryError::Refused { verb: errand.verb, rc: code }),
            // It may have been carried out: gone is gone.
            Err(error @ DirectoryError::Down { is_ambiguous: true, .. }) => {
                match self.entry_of(Operation::new(errand.verb), ours).await {
                    Err(DirectoryError::Absent { .. }) => Ok(Removed::Removed),
                    Ok(_) | Err(_) => Err(error),
                }
            }
            Err(error) => Err(error),
        }
    }

    /// The entry of this lasting id, only if mark and Discord id are the recorded ones.
    pub(super) async fn entry_of(
        &self,
        errand: Operation,
        ours: &OwnedEntry,
    ) -> Result<Entry, DirectoryError> {
        let mut found = self.entries(errand, By::DirectoryId(&ours.directory_id)).await?;
        match (found.pop(), found.is_empty()) {
            (None, _) => Err(DirectoryError::Absent { verb: errand.verb }),
            (Some(entry), true) if entry.is(ours) => Ok(entry),
            (Some(_), _) => Err(DirectoryError::NotOurs { verb: errand.verb }),
        }
    }

    /// What the server itself checks in the moment of a write.
    fn still_ours(&self, ours: &OwnedEntry) -> Filter {
        let shared = &self.shared;
        Filter::all([
            Filter::equals(shared.ways.entry_id, ours.directory_id.as_str()),
            Filter::equals(shared.mark.as_str(), &ours.mark.to_string()),
            Filter::equals(shared.discord_id.as_str(), &ours.discord_id.to_string()),
        ])
    }

    async fn entries(&self, errand: Operation, by: By<'_>) -> Result<Vec<Entry>, DirectoryError> {
        let shared = &self.shared;
        let filter = match by {
            By::Username(name) => Filter::equals(shared.ways.username, name.as_str()),
            By::Address(address) => Filter::equals("mail", address.as_str()),
            By::DiscordId(id) => Filter::equals(shared.discord_id.as_str(), &id.to_string()),
            By::Mark(mark) => Filter::equals(shared.mark.as_str(), &mark.to_string()),
            By::DirectoryId(id) => Filter::equals(shared.ways.entry_id, id.as_str()),
        };
        let rows = self.search_people(errand, &filter, MOST_ENTRIES).await?;
        rows.into_iter().map(|row| self.read_entry(errand, row)).collect()
    }

    async fn search_people(
        &self,
        errand: Operation,
        filter: &Filter,
        most: usize,
    ) -> Result<Vec<Row>, DirectoryError> {
        let shared = &self.shared;
        let ways = shared.ways;
        let search = Search {
            base: &shared.people,
            scope: Scope::Subtree,
            filter,
            attributes: vec![
                ways.entry_id,
                ways.username,
                "mail",
                shared.discord_id.as_str(),
                shared.mark.as_str(),
                ways.lock,
                ways.password_changed,
            ],
            most,
        };
        self.search(errand, &search).await
    }

    fn read_entry(&self, errand: Operation, row: Row) -> Result<Entry, DirectoryError> {
        let (shared, ways) = (&self.shared, self.shared.ways);
        let nonsense = |what| DirectoryError::InvalidResponse { verb: errand.verb, what };
        let directory_id = row.one(ways.entry_id).and_then(DirectoryId::new);
        let changed_at = match row.values(ways.password_changed) {
            [] => None,
            // A time that cannot be read must never look like "no password".
            [text, ..] => Some(read_time(text).ok_or_else(|| nonsense("a time cannot be read"))?),
        };
        Ok(Entry {
            directory_id: directory_id.ok_or_else(|| nonsense("an entry has no lasting id"))?,
            username: row.values(ways.username).first().cloned().unwrap_or_default(),
            address: row.values("mail").first().cloned(),
            discord_id: row.one(shared.discord_id.as_str()).and_then(|text| text.parse().ok()),
            mark: self.mark_of(&row),
            is_locked: row.values(ways.lock).iter().any(|value| value == ways.lock_value),
            password_changed_at: changed_at,
            dn: row.dn,
        })
    }

    /// The one mark among the values; two would not say whose the entry is.
    fn mark_of(&self, row: &Row) -> Option<Mark> {
        let mut marks = row.values(self.shared.mark.as_str()).iter().filter_map(|value| Mark::parse(value));
        match (marks.next(), marks.next()) {
            (Some(mark), None) => Some(mark),
            (None, _) | (Some(_), Some(_)) => None,
        }
    }

    async fn holders(
        &self,
        errand: Operation,
        username: &Username,
        address: &MailAddress,
        discord_id: DiscordUserId,
    ) -> Result<Holders, DirectoryError> {
        let shared = &self.shared;
        let (uid, id) = (shared.ways.username, shared.discord_id.as_str());
        let discord_id = discord_id.to_string();
        let filter = Filter::any([
            Filter::equals(uid, username.as_str()),
            Filter::equals("mail", address.as_str()),
            Filter::equals(id, &discord_id),
        ]);
        let rows = self.search_people(errand, &filter, MOST_ENTRIES).await?;
        let mut holders = Holders::default();
        for row in &rows {
            let taken = self.mark_of(row).map_or(Taken::ByOther, Taken::ByAccount);
            let holds = |attribute: &str, wanted: &str| {
                let wanted = wanted.to_lowercase();
                row.values(attribute).iter().any(|value| value.to_lowercase() == wanted)
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
                // The server's rule of comparing is wider than ours: it still means taken.
                holders.username.push(taken);
            }
        }
        Ok(holders)
    }
}

/// Who holds what, by everybody who holds it.
#[derive(Default)]
struct Holders {
    username: Vec<Taken>,
    address: Vec<Taken>,
    discord_id: Vec<Taken>,
}

impl Holders {
    fn count(&self) -> usize {
        self.username.len() + self.address.len() + self.discord_id.len()
    }

    /// Of several holders a foreign one counts: one's own entry must not hide it.
    fn into_look(self) -> Look {
        let worst = |taken: Vec<Taken>| match taken.as_slice() {
            [] => None,
            [one] => Some(*one),
            [first, rest @ ..] => {
                Some(if rest.iter().all(|other| other == first) { *first } else { Taken::ByOther })
            }
        };
        Look {
            username: worst(self.username),
            address: worst(self.address),
            discord_id: worst(self.discord_id),
        }
    }
}

/// `GeneralizedTime` in UTC (RFC 4517 section 3.3.13), as servers write operational times; fractions are dropped.
pub(super) fn read_time(text: &str) -> Option<Timestamp> {
    let digits = text.get(..14)?;
    let rest = text.get(14..)?;
    let is_utc =
        rest.ends_with('Z') && rest[..rest.len() - 1].bytes().all(|b| b.is_ascii_digit() || b == b'.');
    if !is_utc {
        return None;
    }
    let time = DateTime::strptime("%Y%m%d%H%M%S", digits).ok()?;
    let instant = TimeZone::UTC.to_timestamp(time).ok()?;
    Some(Timestamp::from_millis(instant.as_millisecond()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_of_the_server_are_read_and_others_are_not() {
        assert_eq!(read_time("20260101000000Z"), Some(Timestamp::from_millis(1_767_225_600_000)));
        assert_eq!(read_time("20260101000000.5Z"), Some(Timestamp::from_millis(1_767_225_600_000)));
        for text in
            ["", "2026", "20260101000000", "20261301000000Z", "20260101000000+0100", "ä0260101000000Z"]
        {
            assert_eq!(read_time(text), None, "{text:?} was taken");
        }
    }

    #[test]
    fn a_foreign_holder_is_not_hidden_by_one_of_ours() {
        let mark = Mark::parse("accolade:018bcfe5-6800-7000-8000-000000000000").expect("a mark");
        let ours = Taken::ByAccount(mark);
        let look = |address| Holders { address, ..Holders::default() }.into_look().address;
        assert_eq!(look(vec![]), None);
        assert_eq!(look(vec![ours]), Some(ours));
        assert_eq!(look(vec![ours, ours]), Some(ours));
        assert_eq!(look(vec![ours, Taken::ByOther]), Some(Taken::ByOther));
    }
}
