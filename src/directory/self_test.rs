//! The self-test: tries with the bot's own bind what it needs and what it must not do. For `doctor` and `setup directory`.
//!
//! The bot can't read the ACL, and a rule that looks right proves nothing. So the test does everything that the worker needs, and
//! tries everything that must be refused, on temporary entries. An attempt on another entry changes nothing even if it is allowed:
//! the same request also removes a value that does not exist, so the server refuses it after it has checked the rights. A temporary
//! entry carries the mark of no account and an address that can't exist, and is removed within seconds.

mod context;
mod report;

pub use report::{AttemptResult, SelfTest};

use std::collections::HashSet;

use ldap3::controls::RawControl;
use ldap3::{Scope, SearchEntry};
use uuid::Uuid;

use super::client::Directory;
use super::connection::Operation;
use super::error::DirectoryError;
use super::filter::Filter;
use super::result_code;
use super::time::read_time;
use crate::domain::dn::Dn;
use crate::domain::eligibility::GroupName;
use crate::domain::finding::Attempt;
use context::{Attributes, SelfTestContext, add_value, remove_value, replace, self_test_mark, values};

/// The control of draft-behera-ldap-password-policy.
const PASSWORD_POLICY: &str = "1.3.6.1.4.1.42.2.27.8.5.1";
/// The mark of a managed group. The ACL tests it.
const MANAGED: (&str, &str) = ("businessCategory", "accolade");
/// An entry of an earlier test is removed if it is this much older than the new one. Another test may be running now.
const STALE_AFTER_MS: i64 = 10 * 60 * 1000;
/// How an entry differs from one that the worker would add.
enum Variation {
    Attribute(&'static str, String),
    NoMark,
    Class(&'static str),
    Elsewhere,
}

impl Directory {
    /// Runs the self-test. The names of the temporary entries are derived from the random `seed`. An error means that the server was
    /// lost; the entries are removed as far as possible in any case.
    #[tracing::instrument(name = "call", skip_all, fields(target = "directory", verb = "self_test"))]
    pub async fn self_test(&self, seed: Uuid, groups: &[GroupName]) -> Result<SelfTest, DirectoryError> {
        let mut context = SelfTestContext::new(self, seed);
        let run = context.run(groups).await;
        let cleaned = context.clean_up().await;
        run.and(cleaned).map(|()| context.report)
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
        self.try_to_see_passwords().await?;
        self.try_entries_of_others(&own).await?;
        self.try_deletes(&own).await?;
        self.check_refint(&own, joined).await
    }

    /// Adds the entry that most attempts use. `None` if it can't be added.
    async fn add_own(&mut self) -> Result<Option<Dn>, DirectoryError> {
        let (dn, attributes) = self.person(0)?;
        let result = self.add(&dn, attributes).await?;
        let shared = &self.directory.shared;
        if matches!(result.rc, result_code::UNDEFINED_ATTRIBUTE | result_code::OBJECT_CLASS_VIOLATION) {
            let said = result.text.to_lowercase();
            let names = |attribute: &str| said.contains(&attribute.to_lowercase());
            self.report.mark_attribute_is_missing = names(shared.mark.as_str());
            self.report.id_attribute_is_missing = names(shared.discord_id.as_str());
            if self.report.mark_attribute_is_missing || self.report.id_attribute_is_missing {
                return Ok(None);
            }
        }
        self.note(Attempt::AddPerson, result.rc);
        Ok((result.rc == result_code::SUCCESS).then_some(dn))
    }

    async fn read_own(&mut self, own: &Dn) -> Result<(), DirectoryError> {
        let shared = &self.directory.shared;
        let needed = [
            shared.profile.entry_id,
            shared.profile.username,
            "mail",
            shared.discord_id.as_str(),
            shared.mark.as_str(),
        ];
        let asked = needed.iter().copied().chain(["createTimestamp"]).collect();
        let mark = Filter::equals(shared.mark.as_str(), &self_test_mark().to_string());
        let name = Filter::equals(shared.profile.username, &self.name(0));
        let found = self.search(&shared.people, Scope::Subtree, &Filter::all([mark, name]), asked).await?;
        let row = found.into_iter().find(|row| Dn::parse(&row.dn).as_ref() == Some(own));
        let has = |attribute: &str| row.as_ref().is_some_and(|row| !values(row, attribute).is_empty());
        let result = if needed.iter().all(|name| has(name)) {
            result_code::SUCCESS
        } else {
            result_code::INSUFFICIENT_ACCESS
        };
        self.report.server_time = row
            .as_ref()
            .and_then(|row| values(row, "createTimestamp").first().and_then(|text| read_time(text)));
        self.note(Attempt::ReadPerson, result);
        Ok(())
    }

    /// Tries to add an entry with the address of the first one, and one with its Discord id.
    async fn try_unique(&mut self) -> Result<(), DirectoryError> {
        let id = self.directory.shared.discord_id.as_str().to_owned();
        for (at, attribute) in [(1, "mail".to_owned()), (2, id)] {
            let (_, first) = self.person(0)?;
            let (dn, mut attributes) = self.person(at)?;
            let taken = first.into_iter().find(|(name, _)| *name == attribute);
            attributes.retain(|(name, _)| *name != attribute);
            attributes.extend(taken);
            let result = self.add(&dn, attributes).await?;
            if result.rc == result_code::SUCCESS {
                self.report.overlays_missing.push(["unique (", &attribute, ")"].concat());
            } else if result.rc != result_code::CONSTRAINT_VIOLATION {
                self.note(Attempt::AddPerson, result.rc);
            }
        }
        Ok(())
    }

    async fn try_locks(&mut self, own: &Dn) -> Result<(), DirectoryError> {
        let profile = self.directory.shared.profile;
        if !self.has_password_policy(own).await? {
            self.report.overlays_missing.push("ppolicy".to_owned());
        }
        let lock = self.modify(own, vec![replace(profile.lock, &[profile.lock_value])]).await?;
        if lock == result_code::UNDEFINED_ATTRIBUTE {
            // Without the overlay's schema there is no lock at all, which is reported already.
            return Ok(());
        }
        self.note(Attempt::Lock, lock);
        let unlock = self.modify(own, vec![remove_value(profile.lock, profile.lock_value)]).await?;
        if lock == result_code::SUCCESS {
            self.note(Attempt::Unlock, unlock);
        }
        Ok(())
    }

    /// Whether the database has the overlay that enforces locks. Only that overlay accepts its control, and a server refuses a critical
    /// control that it does not know (RFC 4511 section 4.1.11). The request adds the mark, which the entry has already.
    async fn has_password_policy(&self, own: &Dn) -> Result<bool, DirectoryError> {
        let mark = add_value(self.directory.shared.mark.as_str(), &self_test_mark().to_string());
        let run = |mut ldap: ldap3::Ldap| {
            let mark = mark.clone();
            async move {
                let control = RawControl { ctype: PASSWORD_POLICY.to_owned(), crit: true, val: None };
                ldap.with_controls(control).modify(own.as_str(), vec![mark]).await
            }
        };
        let result = self.directory.shared.connection.run(Operation::new("self_test"), run).await?;
        Ok(result.rc != result_code::UNAVAILABLE_CRITICAL_EXTENSION)
    }

    /// Joins and leaves every group that a rule grants. The entry stays in the group that is returned.
    async fn try_groups(
        &mut self,
        own: &Dn,
        groups: &[GroupName],
    ) -> Result<Option<GroupName>, DirectoryError> {
        let mut joined = None;
        for group in groups {
            let dn = self.directory.shared.groups.child("cn", group.as_str());
            let member = self.directory.shared.profile.member;
            match self.modify(&dn, vec![add_value(member, own.as_str())]).await? {
                result_code::NO_SUCH_OBJECT => self.report.groups_missing.push(group.clone()),
                result_code::INSUFFICIENT_ACCESS if !self.is_managed(&dn).await? => {
                    self.report.groups_not_managed.push(group.clone());
                }
                result_code::SUCCESS => {
                    self.note(Attempt::JoinGroup, result_code::SUCCESS);
                    if joined.is_none() {
                        self.check_memberof(own).await?;
                    }
                    let left = self.modify(&dn, vec![remove_value(member, own.as_str())]).await?;
                    self.note(Attempt::LeaveGroup, left);
                    if joined.is_none()
                        && self.modify(&dn, vec![add_value(member, own.as_str())]).await?
                            == result_code::SUCCESS
                    {
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

    async fn check_memberof(&mut self, own: &Dn) -> Result<(), DirectoryError> {
        let found = self.search(own, Scope::Base, &Filter::anything(), vec!["memberOf"]).await?;
        if found.first().is_some_and(|row| values(row, "memberOf").is_empty()) {
            self.report.overlays_missing.push("memberof".to_owned());
        }
        Ok(())
    }

    async fn try_forbidden_adds(&mut self) -> Result<(), DirectoryError> {
        let variations = [
            (Attempt::AddForeignAttribute, Variation::Attribute("employeeType", "self-test".to_owned())),
            (Attempt::AddWithPassword, Variation::Attribute("userPassword", self.password())),
            (Attempt::AddWithoutMark, Variation::NoMark),
            (Attempt::AddForeignClass, Variation::Class("extensibleObject")),
            (Attempt::AddElsewhere, Variation::Elsewhere),
        ];
        for (at, (attempt, variation)) in (3..).zip(variations) {
            // If rights on attributes don't apply to a new entry, a password would be stored that the bot could not remove.
            let is_open = self.report.result_of(Attempt::AddForeignAttribute) == AttemptResult::Done;
            if attempt == Attempt::AddWithPassword && is_open {
                self.report.attempts.push((attempt, AttemptResult::NotTried));
                continue;
            }
            let (dn, attributes) = self.varied(at, &variation)?;
            let result = self.add(&dn, attributes).await?;
            self.note(attempt, result.rc);
        }
        Ok(())
    }

    /// The n-th entry with one variation.
    fn varied(&self, at: u64, variation: &Variation) -> Result<(Dn, Attributes), DirectoryError> {
        let shared = &self.directory.shared;
        let (mut dn, mut attributes) = self.person(at)?;
        match variation {
            Variation::Attribute(name, value) => {
                attributes.push(((*name).to_owned(), HashSet::from([value.clone()])));
            }
            Variation::NoMark => attributes.retain(|(name, _)| name != shared.mark.as_str()),
            Variation::Class(class) => {
                let classes = attributes.iter_mut().filter(|(name, _)| name == "objectClass");
                classes.for_each(|(_, classes)| {
                    classes.insert((*class).to_owned());
                });
            }
            Variation::Elsewhere => dn = shared.groups.child(shared.profile.username, &self.name(at)),
        }
        Ok((dn, attributes))
    }

    async fn try_forbidden_writes(&mut self, own: &Dn) -> Result<(), DirectoryError> {
        let password = self.password();
        let written = self.modify(own, vec![replace("userPassword", &[&password])]).await?;
        self.note(Attempt::WritePassword, written);
        let set = self.set_password(own, &password).await?;
        self.note(Attempt::SetPassword, set);
        if written == result_code::SUCCESS || set == result_code::SUCCESS {
            // Otherwise the entry could not be deleted.
            self.modify(own, vec![replace("userPassword", &[])]).await?;
        }
        let mark = (self.directory.shared.mark.as_str().to_owned(), self_test_mark().to_string());
        let taken = self.modify(own, vec![remove_value(&mark.0, &mark.1)]).await?;
        self.note(Attempt::TakeMarkOff, taken);
        if taken == result_code::SUCCESS {
            self.modify(own, vec![add_value(&mark.0, &mark.1)]).await?;
        }
        let (first, other) = (self.name(0), self.name(8));
        let renamed = self.rename(own, &other).await?;
        self.note(Attempt::Rename, renamed);
        if renamed == result_code::SUCCESS {
            let shared = &self.directory.shared;
            let elsewhere = shared.people.child(shared.profile.username, &other);
            self.added.push(elsewhere.clone());
            self.rename(&elsewhere, &first).await?;
        }
        Ok(())
    }

    async fn try_to_see_passwords(&mut self) -> Result<(), DirectoryError> {
        let shared = &self.directory.shared;
        let asked = vec!["userPassword", "pwdHistory"];
        let with_one = Filter::has("userPassword");
        let mut found = self.search(&shared.people, Scope::Subtree, &with_one, asked.clone()).await?;
        let people = self.search(&shared.people, Scope::Subtree, &Filter::anything(), asked).await?;
        found.extend(people.into_iter().filter(|row| !row.attrs.is_empty() || !row.bin_attrs.is_empty()));
        let result = if found.is_empty() { result_code::INSUFFICIENT_ACCESS } else { result_code::SUCCESS };
        self.note(Attempt::SeePasswords, result);
        Ok(())
    }

    /// Tries to change a foreign entry and a foreign group, in a way that changes nothing.
    async fn try_entries_of_others(&mut self, own: &Dn) -> Result<(), DirectoryError> {
        let shared = &self.directory.shared;
        let ours = Filter::begins(shared.mark.as_str(), "accolade:");
        let theirs = Filter::all([Filter::has(shared.profile.username), Filter::not(&ours)]);
        let person = self.search(&shared.people, Scope::OneLevel, &theirs, vec!["1.1"]).await?;
        let address = self.address(9);
        self.try_change(Attempt::WriteForeignPerson, person.first(), "mail", &address).await?;

        let member = shared.profile.member;
        let managed = Filter::equals(MANAGED.0, MANAGED.1);
        let foreign = Filter::all([Filter::has(member), Filter::not(&managed)]);
        let group = self.search(&shared.groups, Scope::OneLevel, &foreign, vec!["1.1"]).await?;
        self.try_change(Attempt::WriteForeignGroup, group.first(), member, own.as_str()).await
    }

    /// Removes a value that does not exist and adds it. The server refuses for the right or for the missing value, and never does it.
    async fn try_change(
        &mut self,
        attempt: Attempt,
        row: Option<&SearchEntry>,
        attribute: &str,
        value: &str,
    ) -> Result<(), DirectoryError> {
        let Some(dn) = row.and_then(|row| Dn::parse(&row.dn)) else {
            self.report.attempts.push((attempt, AttemptResult::NotTried));
            return Ok(());
        };
        let code =
            self.modify(&dn, vec![remove_value(attribute, value), add_value(attribute, value)]).await?;
        self.note(attempt, if code == result_code::NO_SUCH_ATTRIBUTE { result_code::SUCCESS } else { code });
        Ok(())
    }

    async fn try_deletes(&mut self, own: &Dn) -> Result<(), DirectoryError> {
        let unlocked = self.delete(own).await?;
        self.note(Attempt::DeleteUnlocked, unlocked);
        if unlocked == result_code::SUCCESS {
            return Ok(());
        }
        let profile = self.directory.shared.profile;
        if self.modify(own, vec![replace(profile.lock, &[profile.lock_value])]).await? == result_code::SUCCESS
        {
            let locked = self.delete(own).await?;
            self.note(Attempt::DeleteLocked, locked);
        }
        Ok(())
    }

    /// Checks that the deleted entry has left its group.
    async fn check_refint(&mut self, own: &Dn, joined: Option<GroupName>) -> Result<(), DirectoryError> {
        let is_gone = [Attempt::DeleteUnlocked, Attempt::DeleteLocked]
            .iter()
            .any(|attempt| self.report.result_of(*attempt) == AttemptResult::Done);
        let (Some(group), true) = (joined, is_gone) else { return Ok(()) };
        let member = self.directory.shared.profile.member;
        let dn = self.directory.shared.groups.child("cn", group.as_str());
        let filter = Filter::equals(member, own.as_str());
        if !self.search(&dn, Scope::Base, &filter, vec!["1.1"]).await?.is_empty() {
            self.report.overlays_missing.push("refint".to_owned());
            self.modify(&dn, vec![remove_value(member, own.as_str())]).await?;
        }
        Ok(())
    }

    /// Removes the entries of this and earlier tests, and counts those that remain.
    async fn clean_up(&mut self) -> Result<(), DirectoryError> {
        let earlier = self.stale_entries().await?;
        let all: Vec<Dn> = self.added.drain(..).chain(earlier).collect();
        for dn in &all {
            if self.remove(dn).await? {
                continue;
            }
            self.report.entries_left += 1;
        }
        Ok(())
    }

    async fn remove(&self, dn: &Dn) -> Result<bool, DirectoryError> {
        let profile = self.directory.shared.profile;
        let is_gone = |code| matches!(code, result_code::SUCCESS | result_code::NO_SUCH_OBJECT);
        if is_gone(self.delete(dn).await?) {
            return Ok(true);
        }
        // The ACL forbids deleting an entry with a password, or one that is not locked.
        self.modify(dn, vec![replace("userPassword", &[])]).await?;
        self.modify(dn, vec![replace(profile.lock, &[profile.lock_value])]).await?;
        Ok(is_gone(self.delete(dn).await?))
    }

    async fn stale_entries(&self) -> Result<Vec<Dn>, DirectoryError> {
        let shared = &self.directory.shared;
        let Some(now) = self.report.server_time else { return Ok(Vec::new()) };
        let filter = Filter::equals(shared.mark.as_str(), &self_test_mark().to_string());
        let found = self.search(&shared.people, Scope::Subtree, &filter, vec!["createTimestamp"]).await?;
        let is_old = |row: &SearchEntry| {
            let made = values(row, "createTimestamp").first().and_then(|text| read_time(text));
            made.is_some_and(|made| now.as_millis() - made.as_millis() > STALE_AFTER_MS)
        };
        Ok(found.iter().filter(|row| is_old(row)).filter_map(|row| Dn::parse(&row.dn)).collect())
    }

    /// Records a result. If an attempt is made more than once, the worst result counts.
    fn note(&mut self, attempt: Attempt, code: u32) {
        let result =
            if code == result_code::SUCCESS { AttemptResult::Done } else { AttemptResult::Refused(code) };
        match self.report.attempts.iter_mut().find(|(other, _)| *other == attempt) {
            Some((_, before)) if attempt.is_needed() && result != AttemptResult::Done => *before = result,
            Some(_) => {}
            None => self.report.attempts.push((attempt, result)),
        }
    }
}
