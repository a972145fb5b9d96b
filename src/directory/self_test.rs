//! What the bot's own bind may do, found out by doing it on throw-away entries, for `doctor` and `setup directory`.
//!
//! An ACL cannot be read with the bot's rights, and a text that looks right proves nothing. So everything that the worker needs is
//! done once, and everything that it must not do is tried once. What is tried on entries of others changes nothing even where it is
//! allowed: the same operation also takes away a value that is not there, so that the server refuses the whole after it has judged
//! the rights. Every throw-away entry carries the mark of no account, lives for a second, and has an address that cannot exist.

mod calls;

use std::collections::HashSet;

use ldap3::controls::RawControl;
use ldap3::{Scope, SearchEntry};
use uuid::Uuid;

use super::entries::read_time;
use super::filter::Filter;
use super::link::Operation;
use super::{Directory, DirectoryError, Dn};
use crate::domain::eligibility::GroupName;
use crate::domain::finding::Attempt;
use crate::domain::ids::Timestamp;
use calls::{give, rc, replace, take, trial_mark, values};

/// What the server answered to an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Told {
    /// It was done, or would have been.
    Done,
    /// The server refused, with this result code.
    Refused(u32),
    /// There was nothing to try it on.
    NotTried,
}

/// What a trial found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SelfTest {
    /// Every attempt in its order.
    pub tries: Vec<(Attempt, Told)>,
    /// Groups that are not there.
    pub groups_missing: Vec<GroupName>,
    /// Groups that are there and do not carry `businessCategory: accolade`.
    pub groups_not_managed: Vec<GroupName>,
    /// Overlays whose effect did not come, and of which attribute where that matters.
    pub overlays_missing: Vec<String>,
    /// The schema takes no mark.
    pub mark_attribute_is_missing: bool,
    /// The schema takes no Discord id.
    pub id_attribute_is_missing: bool,
    /// Entries of this or an earlier trial that could not be removed.
    pub left: usize,
    /// The server's clock when the first entry was made.
    pub server_time: Option<Timestamp>,
}

impl SelfTest {
    /// What the server said to an attempt.
    pub fn told(&self, attempt: Attempt) -> Told {
        let found = self.tries.iter().find(|(other, _)| *other == attempt);
        found.map_or(Told::NotTried, |(_, told)| *told)
    }

    /// Whether the whole of it could be tried: without an entry of its own hardly anything can.
    pub fn is_whole(&self) -> bool {
        self.told(Attempt::AddPerson) == Told::Done
    }

    /// What the bot must not do and may.
    pub fn too_wide(&self) -> impl Iterator<Item = Attempt> {
        self.with(false, |told| told == Told::Done)
    }

    /// What the bot needs and may not.
    pub fn too_narrow(&self) -> impl Iterator<Item = Attempt> {
        self.with(true, |told| matches!(told, Told::Refused(_)))
    }

    fn with(&self, is_needed: bool, fits: impl Fn(Told) -> bool) -> impl Iterator<Item = Attempt> {
        let fitting =
            move |(attempt, told): &(Attempt, Told)| attempt.is_needed() == is_needed && fits(*told);
        self.tries.iter().filter(move |row| fitting(row)).map(|(attempt, _)| *attempt)
    }
}

/// The control of draft-behera-ldap-password-policy.
const PASSWORD_POLICY: &str = "1.3.6.1.4.1.42.2.27.8.5.1";
/// What an operator marks a managed group with; the ACL goes by it.
const MANAGED: (&str, &str) = ("businessCategory", "accolade");
/// An entry of an earlier trial is removed when it is this much older than the new one: another trial may run right now.
const LEFT_AFTER_MS: i64 = 10 * 60 * 1000;
/// A few entries are enough, and earlier trials have left no more.
const MOST_FOUND: i32 = 50;

type Attributes = Vec<(String, HashSet<String>)>;

/// In what an entry differs from one that the worker would add.
enum Twist {
    Attribute(&'static str, String),
    NoMark,
    Class(&'static str),
    Elsewhere,
}

/// A trial under way.
struct SelfTestContext<'a> {
    directory: &'a Directory,
    seed: u64,
    /// Entries that were made and may still be there.
    made: Vec<Dn>,
    trial: SelfTest,
}

impl Directory {
    /// Tries everything that the bot needs and must not do. `seed` is random: the names of the entries follow from it. An error
    /// means that the server was lost on the way; what was made is removed as far as it can be in any case.
    #[tracing::instrument(name = "call", skip_all, fields(target = "directory", verb = "try_out"))]
    pub async fn try_out(&self, seed: Uuid, groups: &[GroupName]) -> Result<SelfTest, DirectoryError> {
        // The low bits of the id are random.
        let mut bench = SelfTestContext {
            directory: self,
            seed: seed.as_u64_pair().1,
            made: Vec::new(),
            trial: SelfTest::default(),
        };
        let run = bench.run(groups).await;
        let cleared = bench.clear().await;
        run.and(cleared).map(|()| bench.trial)
    }
}

impl SelfTestContext<'_> {
    async fn run(&mut self, groups: &[GroupName]) -> Result<(), DirectoryError> {
        let Some(own) = self.add_own().await? else { return Ok(()) };
        self.read_own(&own).await?;
        self.try_unique().await?;
        self.try_locks(&own).await?;
        let joined = self.try_groups(&own, groups).await?;
        self.try_forbidden_adds().await?;
        self.try_forbidden_writes(&own).await?;
        self.look_for_passwords().await?;
        self.try_entries_of_others(&own).await?;
        self.try_deletes(&own).await?;
        self.see_refint(&own, joined).await
    }

    /// The entry that most is tried on; `None` if it cannot be made.
    async fn add_own(&mut self) -> Result<Option<Dn>, DirectoryError> {
        let (dn, attributes) = self.person(0)?;
        let result = self.add(&dn, attributes).await?;
        let shared = &self.directory.shared;
        if matches!(result.rc, rc::UNDEFINED_ATTRIBUTE | rc::OBJECT_CLASS_VIOLATION) {
            let said = result.text.to_lowercase();
            let names = |attribute: &str| said.contains(&attribute.to_lowercase());
            self.trial.mark_attribute_is_missing = names(shared.mark.as_str());
            self.trial.id_attribute_is_missing = names(shared.discord_id.as_str());
            if self.trial.mark_attribute_is_missing || self.trial.id_attribute_is_missing {
                return Ok(None);
            }
        }
        self.note(Attempt::AddPerson, result.rc);
        Ok((result.rc == rc::SUCCESS).then_some(dn))
    }

    async fn read_own(&mut self, own: &Dn) -> Result<(), DirectoryError> {
        let shared = &self.directory.shared;
        let needed = [
            shared.ways.entry_id,
            shared.ways.username,
            "mail",
            shared.discord_id.as_str(),
            shared.mark.as_str(),
        ];
        let asked = needed.iter().copied().chain(["createTimestamp"]).collect();
        let mark = Filter::equals(shared.mark.as_str(), &trial_mark().to_string());
        let name = Filter::equals(shared.ways.username, &self.name(0));
        let found = self.search(&shared.people, Scope::Subtree, &Filter::all([mark, name]), asked).await?;
        let row = found.into_iter().find(|row| Dn::parse(&row.dn).as_ref() == Some(own));
        let has = |attribute: &str| row.as_ref().is_some_and(|row| !values(row, attribute).is_empty());
        let told = if needed.iter().all(|name| has(name)) { rc::SUCCESS } else { rc::INSUFFICIENT_ACCESS };
        self.trial.server_time = row
            .as_ref()
            .and_then(|row| values(row, "createTimestamp").first().and_then(|text| read_time(text)));
        self.note(Attempt::ReadPerson, told);
        Ok(())
    }

    /// A second entry with the first one's address, and one with its Discord id.
    async fn try_unique(&mut self) -> Result<(), DirectoryError> {
        let id = self.directory.shared.discord_id.as_str().to_owned();
        for (at, attribute) in [(1, "mail".to_owned()), (2, id)] {
            let (_, first) = self.person(0)?;
            let (dn, mut attributes) = self.person(at)?;
            let taken = first.into_iter().find(|(name, _)| *name == attribute);
            attributes.retain(|(name, _)| *name != attribute);
            attributes.extend(taken);
            let result = self.add(&dn, attributes).await?;
            if result.rc == rc::SUCCESS {
                self.trial.overlays_missing.push(["unique (", &attribute, ")"].concat());
            } else if result.rc != rc::CONSTRAINT_VIOLATION {
                self.note(Attempt::AddPerson, result.rc);
            }
        }
        Ok(())
    }

    async fn try_locks(&mut self, own: &Dn) -> Result<(), DirectoryError> {
        let ways = self.directory.shared.ways;
        if !self.has_password_policy(own).await? {
            self.trial.overlays_missing.push("ppolicy".to_owned());
        }
        let lock = self.modify(own, vec![replace(ways.lock, &[ways.lock_value])]).await?;
        if lock == rc::UNDEFINED_ATTRIBUTE {
            // Without the overlay's schema there is no lock at all, and that was said.
            return Ok(());
        }
        self.note(Attempt::Lock, lock);
        let unlock = self.modify(own, vec![take(ways.lock, ways.lock_value)]).await?;
        if lock == rc::SUCCESS {
            self.note(Attempt::Unlock, unlock);
        }
        Ok(())
    }

    /// Whether the overlay that makes a lock a lock is at this database: only it takes its control, and a critical control that nobody
    /// takes is refused (RFC 4511 section 4.1.11). The change is the mark, which the entry has already.
    async fn has_password_policy(&self, own: &Dn) -> Result<bool, DirectoryError> {
        let mark = give(self.directory.shared.mark.as_str(), &trial_mark().to_string());
        let run = |mut ldap: ldap3::Ldap| {
            let mark = mark.clone();
            async move {
                let control = RawControl { ctype: PASSWORD_POLICY.to_owned(), crit: true, val: None };
                ldap.with_controls(control).modify(own.as_str(), vec![mark]).await
            }
        };
        let result = self.directory.shared.link.run(Operation::new("trial"), run).await?;
        Ok(result.rc != rc::UNAVAILABLE_CRITICAL_EXTENSION)
    }

    /// Joins and leaves every group that a rule grants; the entry stays in the one that is given back.
    async fn try_groups(
        &mut self,
        own: &Dn,
        groups: &[GroupName],
    ) -> Result<Option<GroupName>, DirectoryError> {
        let mut joined = None;
        for group in groups {
            let dn = self.directory.shared.groups.child("cn", group.as_str());
            let member = self.directory.shared.ways.member;
            match self.modify(&dn, vec![give(member, own.as_str())]).await? {
                rc::NO_SUCH_OBJECT => self.trial.groups_missing.push(group.clone()),
                rc::INSUFFICIENT_ACCESS if !self.is_managed(&dn).await? => {
                    self.trial.groups_not_managed.push(group.clone());
                }
                rc::SUCCESS => {
                    self.note(Attempt::JoinGroup, rc::SUCCESS);
                    if joined.is_none() {
                        self.see_memberof(own).await?;
                    }
                    let left = self.modify(&dn, vec![take(member, own.as_str())]).await?;
                    self.note(Attempt::LeaveGroup, left);
                    if joined.is_none() && self.modify(&dn, vec![give(member, own.as_str())]).await? == 0 {
                        joined = Some(group.clone());
                    }
                }
                code => self.note(Attempt::JoinGroup, code),
            }
        }
        Ok(joined)
    }

    async fn is_managed(&self, group: &Dn) -> Result<bool, DirectoryError> {
        let filter = Filter::equals(MANAGED.0, MANAGED.1);
        Ok(!self.search(group, Scope::Base, &filter, vec!["1.1"]).await?.is_empty())
    }

    async fn see_memberof(&mut self, own: &Dn) -> Result<(), DirectoryError> {
        let found = self.search(own, Scope::Base, &Filter::anything(), vec!["memberOf"]).await?;
        if found.first().is_some_and(|row| values(row, "memberOf").is_empty()) {
            self.trial.overlays_missing.push("memberof".to_owned());
        }
        Ok(())
    }

    async fn try_forbidden_adds(&mut self) -> Result<(), DirectoryError> {
        let twists = [
            (Attempt::AddForeignAttribute, Twist::Attribute("employeeType", "trial".to_owned())),
            (Attempt::AddWithPassword, Twist::Attribute("userPassword", self.password())),
            (Attempt::AddWithoutMark, Twist::NoMark),
            (Attempt::AddForeignClass, Twist::Class("extensibleObject")),
            (Attempt::AddElsewhere, Twist::Elsewhere),
        ];
        for (at, (attempt, twist)) in (3..).zip(twists) {
            // Where rights on attributes do not hold for a new entry, a password would go in, and nobody could take it out again.
            let is_open = self.trial.told(Attempt::AddForeignAttribute) == Told::Done;
            if attempt == Attempt::AddWithPassword && is_open {
                self.trial.tries.push((attempt, Told::NotTried));
                continue;
            }
            let (dn, attributes) = self.twisted(at, &twist)?;
            let result = self.add(&dn, attributes).await?;
            self.note(attempt, result.rc);
        }
        Ok(())
    }

    /// The n-th entry, but for one thing as the worker would add it.
    fn twisted(&self, at: u64, twist: &Twist) -> Result<(Dn, Attributes), DirectoryError> {
        let shared = &self.directory.shared;
        let (mut dn, mut attributes) = self.person(at)?;
        match twist {
            Twist::Attribute(name, value) => {
                attributes.push(((*name).to_owned(), HashSet::from([value.clone()])));
            }
            Twist::NoMark => attributes.retain(|(name, _)| name != shared.mark.as_str()),
            Twist::Class(class) => {
                let classes = attributes.iter_mut().filter(|(name, _)| name == "objectClass");
                classes.for_each(|(_, classes)| {
                    classes.insert((*class).to_owned());
                });
            }
            Twist::Elsewhere => dn = shared.groups.child(shared.ways.username, &self.name(at)),
        }
        Ok((dn, attributes))
    }

    async fn try_forbidden_writes(&mut self, own: &Dn) -> Result<(), DirectoryError> {
        let password = self.password();
        let written = self.modify(own, vec![replace("userPassword", &[&password])]).await?;
        self.note(Attempt::WritePassword, written);
        let set = self.set_password(own, &password).await?;
        self.note(Attempt::SetPassword, set);
        if written == rc::SUCCESS || set == rc::SUCCESS {
            // Or nobody could delete the entry.
            self.modify(own, vec![replace("userPassword", &[])]).await?;
        }
        let mark = (self.directory.shared.mark.as_str().to_owned(), trial_mark().to_string());
        let taken = self.modify(own, vec![take(&mark.0, &mark.1)]).await?;
        self.note(Attempt::TakeMarkOff, taken);
        if taken == rc::SUCCESS {
            self.modify(own, vec![give(&mark.0, &mark.1)]).await?;
        }
        let (first, other) = (self.name(0), self.name(8));
        let renamed = self.rename(own, &other).await?;
        self.note(Attempt::Rename, renamed);
        if renamed == rc::SUCCESS {
            let shared = &self.directory.shared;
            let elsewhere = shared.people.child(shared.ways.username, &other);
            self.made.push(elsewhere.clone());
            self.rename(&elsewhere, &first).await?;
        }
        Ok(())
    }

    async fn look_for_passwords(&mut self) -> Result<(), DirectoryError> {
        let shared = &self.directory.shared;
        let asked = vec!["userPassword", "pwdHistory"];
        let with_one = Filter::has("userPassword");
        let mut found = self.search(&shared.people, Scope::Subtree, &with_one, asked.clone()).await?;
        let people = self.search(&shared.people, Scope::Subtree, &Filter::anything(), asked).await?;
        found.extend(people.into_iter().filter(|row| !row.attrs.is_empty() || !row.bin_attrs.is_empty()));
        let told = if found.is_empty() { rc::INSUFFICIENT_ACCESS } else { rc::SUCCESS };
        self.note(Attempt::SeePasswords, told);
        Ok(())
    }

    /// Somebody else's entry and somebody else's group, in a way that changes nothing.
    async fn try_entries_of_others(&mut self, own: &Dn) -> Result<(), DirectoryError> {
        let shared = &self.directory.shared;
        let ours = Filter::begins(shared.mark.as_str(), "accolade:");
        let theirs = Filter::all([Filter::has(shared.ways.username), Filter::not(&ours)]);
        let person = self.search(&shared.people, Scope::OneLevel, &theirs, vec!["1.1"]).await?;
        let address = self.address(9);
        self.probe(Attempt::WriteForeignPerson, person.first(), "mail", &address).await?;

        let member = shared.ways.member;
        let managed = Filter::equals(MANAGED.0, MANAGED.1);
        let foreign = Filter::all([Filter::has(member), Filter::not(&managed)]);
        let group = self.search(&shared.groups, Scope::OneLevel, &foreign, vec!["1.1"]).await?;
        self.probe(Attempt::WriteForeignGroup, group.first(), member, own.as_str()).await
    }

    /// Takes a value away that is not there and adds it: refused for the right, or for the missing value, and never done.
    async fn probe(
        &mut self,
        attempt: Attempt,
        row: Option<&SearchEntry>,
        attribute: &str,
        value: &str,
    ) -> Result<(), DirectoryError> {
        let Some(dn) = row.and_then(|row| Dn::parse(&row.dn)) else {
            self.trial.tries.push((attempt, Told::NotTried));
            return Ok(());
        };
        let code = self.modify(&dn, vec![take(attribute, value), give(attribute, value)]).await?;
        self.note(attempt, if code == rc::NO_SUCH_ATTRIBUTE { rc::SUCCESS } else { code });
        Ok(())
    }

    async fn try_deletes(&mut self, own: &Dn) -> Result<(), DirectoryError> {
        let unlocked = self.delete(own).await?;
        self.note(Attempt::DeleteUnlocked, unlocked);
        if unlocked == rc::SUCCESS {
            return Ok(());
        }
        let ways = self.directory.shared.ways;
        if self.modify(own, vec![replace(ways.lock, &[ways.lock_value])]).await? == rc::SUCCESS {
            let locked = self.delete(own).await?;
            self.note(Attempt::DeleteLocked, locked);
        }
        Ok(())
    }

    /// A deleted person must have left every group.
    async fn see_refint(&mut self, own: &Dn, joined: Option<GroupName>) -> Result<(), DirectoryError> {
        let is_gone = [Attempt::DeleteUnlocked, Attempt::DeleteLocked]
            .iter()
            .any(|attempt| self.trial.told(*attempt) == Told::Done);
        let (Some(group), true) = (joined, is_gone) else { return Ok(()) };
        let member = self.directory.shared.ways.member;
        let dn = self.directory.shared.groups.child("cn", group.as_str());
        let filter = Filter::equals(member, own.as_str());
        if !self.search(&dn, Scope::Base, &filter, vec!["1.1"]).await?.is_empty() {
            self.trial.overlays_missing.push("refint".to_owned());
            self.modify(&dn, vec![take(member, own.as_str())]).await?;
        }
        Ok(())
    }

    /// Removes what was made and what earlier trials left, and counts what stays.
    async fn clear(&mut self) -> Result<(), DirectoryError> {
        let earlier = self.earlier().await?;
        let all: Vec<Dn> = self.made.drain(..).chain(earlier).collect();
        for dn in &all {
            if self.remove(dn).await? {
                continue;
            }
            self.trial.left += 1;
        }
        Ok(())
    }

    async fn remove(&self, dn: &Dn) -> Result<bool, DirectoryError> {
        let ways = self.directory.shared.ways;
        let is_gone = |code| matches!(code, rc::SUCCESS | rc::NO_SUCH_OBJECT);
        if is_gone(self.delete(dn).await?) {
            return Ok(true);
        }
        // Nobody deletes an entry with a password, nor one that is not locked.
        self.modify(dn, vec![replace("userPassword", &[])]).await?;
        self.modify(dn, vec![replace(ways.lock, &[ways.lock_value])]).await?;
        Ok(is_gone(self.delete(dn).await?))
    }

    async fn earlier(&self) -> Result<Vec<Dn>, DirectoryError> {
        let shared = &self.directory.shared;
        let Some(now) = self.trial.server_time else { return Ok(Vec::new()) };
        let filter = Filter::equals(shared.mark.as_str(), &trial_mark().to_string());
        let found = self.search(&shared.people, Scope::Subtree, &filter, vec!["createTimestamp"]).await?;
        let is_old = |row: &SearchEntry| {
            let made = values(row, "createTimestamp").first().and_then(|text| read_time(text));
            made.is_some_and(|made| now.as_millis() - made.as_millis() > LEFT_AFTER_MS)
        };
        Ok(found.iter().filter(|row| is_old(row)).filter_map(|row| Dn::parse(&row.dn)).collect())
    }

    /// The worst answer to an attempt counts, where it is made more than once.
    fn note(&mut self, attempt: Attempt, code: u32) {
        let told = if code == rc::SUCCESS { Told::Done } else { Told::Refused(code) };
        match self.trial.tries.iter_mut().find(|(other, _)| *other == attempt) {
            Some((_, before)) if attempt.is_needed() && told != Told::Done => *before = told,
            Some(_) => {}
            None => self.trial.tries.push((attempt, told)),
        }
    }
}
