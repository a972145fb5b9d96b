//! Membership: groups by their `cn` right below `groups_dn`, members by their DN.

use ldap3::Scope;

use super::filter::Filter;
use super::link::Operation;
use super::{Change, Directory, DirectoryError, Dn, Entry, MOST_VALUES, Membership, OwnedEntry, Search};
use crate::domain::eligibility::GroupName;
use crate::domain::job::Outcome;

/// More groups than one person can sensibly be in.
const MOST_GROUPS: usize = 1000;
/// What names a group.
const GROUP_NAME: &str = "cn";
/// noSuchObject
const ABSENT: u32 = 32;

impl Directory {
    /// Makes the entry a member of `wanted`, and no member of `managed` groups that are not wanted.
    /// Groups outside `managed` and `wanted` are never touched.
    #[tracing::instrument(name = "call", skip_all, fields(target = "directory", verb = "ensure_membership"))]
    pub async fn ensure_membership(
        &self,
        ours: &OwnedEntry,
        wanted: &[GroupName],
        managed: &[GroupName],
    ) -> Result<Membership, DirectoryError> {
        let errand = Operation::new("ensure_membership");
        let entry = self.entry_of(errand, ours).await?;
        let current = self.groups_naming(errand, &entry.dn).await?;
        let mut done = Membership { outcome: Outcome::Unchanged, added: Vec::new(), removed: Vec::new() };
        let mut refused = Vec::new();
        for group in wanted.iter().filter(|group| !is_among(group, &current)) {
            match self.add_member(errand, group, &entry.dn).await? {
                0 => done.added.push(group.clone()),
                rc if rc == self.shared.ways.already_member => {}
                rc => refused.push((group.clone(), rc)),
            }
        }
        let unwanted = managed.iter().filter(|group| is_among(group, &current) && !is_among(group, wanted));
        for group in unwanted {
            match self.take_member(errand, group, &entry.dn).await? {
                0 => done.removed.push(group.clone()),
                // The whole group went away meanwhile.
                ABSENT => {}
                rc if rc == self.shared.ways.not_member => {}
                rc => refused.push((group.clone(), rc)),
            }
        }
        if let Some(&(_, rc)) = refused.first() {
            return Err(DirectoryError::Groups {
                groups: refused.into_iter().map(|(group, _)| group).collect(),
                rc,
            });
        }
        if !(done.added.is_empty() && done.removed.is_empty()) {
            done.outcome = Outcome::Applied;
        }
        Ok(done)
    }

    /// The groups (by `cn`, below `groups_dn`) that name the entry as a member.
    #[tracing::instrument(name = "call", skip_all, fields(target = "directory", verb = "groups_of"))]
    pub async fn groups_of(&self, entry: &Entry) -> Result<Vec<GroupName>, DirectoryError> {
        self.groups_naming(Operation::new("groups_of"), &entry.dn).await
    }

    /// The members of a group that lie below `people_dn`. A group that is not there is [`DirectoryError::Absent`].
    #[tracing::instrument(name = "call", skip_all, fields(target = "directory", verb = "members"))]
    pub async fn members(&self, group: &GroupName) -> Result<Vec<Dn>, DirectoryError> {
        let errand = Operation::new("members");
        let member = self.shared.ways.member;
        let filter = Filter::equals(GROUP_NAME, group.as_str());
        let found = self.search_groups(errand, &filter, member).await?;
        let group = found.first().ok_or(DirectoryError::Absent { verb: errand.verb })?;
        let members = group.values(member);
        if members.len() >= MOST_VALUES {
            return Err(DirectoryError::TooBig { verb: errand.verb });
        }
        let people = members.iter().filter_map(|text| Dn::parse(text));
        Ok(people.filter(|dn| dn.is_below(&self.shared.people)).collect())
    }

    async fn groups_naming(&self, errand: Operation, member: &Dn) -> Result<Vec<GroupName>, DirectoryError> {
        let filter = Filter::equals(self.shared.ways.member, member.as_str());
        let found = self.search_groups(errand, &filter, GROUP_NAME).await?;
        Ok(found.iter().filter_map(|row| GroupName::new(row.one(GROUP_NAME)?)).collect())
    }

    async fn search_groups(
        &self,
        errand: Operation,
        filter: &Filter,
        attribute: &str,
    ) -> Result<Vec<super::Row>, DirectoryError> {
        let search = Search {
            base: &self.shared.groups,
            scope: Scope::OneLevel,
            filter,
            attributes: vec![attribute],
            most: MOST_GROUPS,
        };
        self.search(errand, &search).await
    }

    async fn add_member(
        &self,
        errand: Operation,
        group: &GroupName,
        member: &Dn,
    ) -> Result<u32, DirectoryError> {
        let dn = self.shared.groups.child(GROUP_NAME, group.as_str());
        self.modify(errand, &dn, &Change::Add(self.shared.ways.member, member.as_str()), None).await
    }

    async fn take_member(
        &self,
        errand: Operation,
        group: &GroupName,
        member: &Dn,
    ) -> Result<u32, DirectoryError> {
        let dn = self.shared.groups.child(GROUP_NAME, group.as_str());
        self.modify(errand, &dn, &Change::Take(self.shared.ways.member, member.as_str()), None).await
    }
}

/// `cn` is compared without case (RFC 4519 section 2.3).
fn is_among(group: &GroupName, groups: &[GroupName]) -> bool {
    let name = group.as_str().to_lowercase();
    groups.iter().any(|other| other.as_str().to_lowercase() == name)
}
