//! Group membership. Groups are found by their `cn` directly below `groups_dn`, members by their DN.

use ldap3::Scope;

use super::client::{Change, Directory, MAX_VALUES, Row, Search};
use super::connection::Operation;
use super::error::DirectoryError;
use super::filter::Filter;
use super::person::{Entry, Membership, OwnedEntry};
use super::result_code::{NO_SUCH_OBJECT, SUCCESS};
use crate::domain::dn::Dn;
use crate::domain::eligibility::GroupName;
use crate::domain::job::Outcome;

/// The most groups that one search may return.
const MAX_GROUPS: usize = 1000;
/// The attribute that names a group.
pub(super) const GROUP_NAME: &str = "cn";

impl Directory {
    /// Adds the entry to all `wanted` groups, and removes it from `managed` groups that are not wanted.
    /// Other groups are never changed.
    #[tracing::instrument(name = "call", skip_all, fields(target = "directory", verb = "ensure_membership"))]
    pub async fn ensure_membership(
        &self,
        ours: &OwnedEntry,
        wanted: &[GroupName],
        managed: &[GroupName],
    ) -> Result<Membership, DirectoryError> {
        let operation = Operation::new("ensure_membership");
        let entry = self.entry_of(operation, ours).await?;
        let current = self.groups_listing(operation, &entry.dn).await?;
        let mut done = Membership { outcome: Outcome::Unchanged, added: Vec::new(), removed: Vec::new() };
        let mut refused = Vec::new();
        for group in wanted.iter().filter(|group| !current.contains(group)) {
            match self.add_member(operation, group, &entry.dn).await? {
                SUCCESS => done.added.push(group.clone()),
                rc if rc == self.shared.profile.already_member => {}
                rc => refused.push((group.clone(), rc)),
            }
        }
        let unwanted = managed.iter().filter(|group| current.contains(group) && !wanted.contains(group));
        for group in unwanted {
            match self.remove_member(operation, group, &entry.dn).await? {
                SUCCESS => done.removed.push(group.clone()),
                // The group itself was deleted meanwhile.
                NO_SUCH_OBJECT => {}
                rc if rc == self.shared.profile.not_member => {}
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

    /// The groups below `groups_dn` that list the entry as a member.
    #[tracing::instrument(name = "call", skip_all, fields(target = "directory", verb = "groups_of"))]
    pub async fn groups_of(&self, entry: &Entry) -> Result<Vec<GroupName>, DirectoryError> {
        self.groups_listing(Operation::new("groups_of"), &entry.dn).await
    }

    /// The members of a group that are below `people_dn`. A missing group is [`DirectoryError::Absent`].
    #[tracing::instrument(name = "call", skip_all, fields(target = "directory", verb = "members"))]
    pub async fn members(&self, group: &GroupName) -> Result<Vec<Dn>, DirectoryError> {
        let operation = Operation::new("members");
        let member = self.shared.profile.member;
        let filter = Filter::equals(GROUP_NAME, group.as_str());
        let found = self.search_groups(operation, &filter, member).await?;
        let group = found.first().ok_or(DirectoryError::Absent { verb: operation.verb })?;
        let members = group.values(member);
        if members.len() >= MAX_VALUES {
            return Err(DirectoryError::TooBig { verb: operation.verb });
        }
        let people = members.iter().filter_map(|text| Dn::parse(text));
        Ok(people.filter(|dn| dn.is_below(&self.shared.people)).collect())
    }

    async fn groups_listing(
        &self,
        operation: Operation,
        member: &Dn,
    ) -> Result<Vec<GroupName>, DirectoryError> {
        let filter = Filter::equals(self.shared.profile.member, member.as_str());
        let found = self.search_groups(operation, &filter, GROUP_NAME).await?;
        Ok(found.iter().filter_map(|row| GroupName::new(row.one(GROUP_NAME)?)).collect())
    }

    async fn search_groups(
        &self,
        operation: Operation,
        filter: &Filter,
        attribute: &str,
    ) -> Result<Vec<Row>, DirectoryError> {
        let search = Search {
            base: &self.shared.groups,
            scope: Scope::OneLevel,
            filter,
            attributes: vec![attribute],
            max: MAX_GROUPS,
        };
        self.search(operation, &search).await
    }

    async fn add_member(
        &self,
        operation: Operation,
        group: &GroupName,
        member: &Dn,
    ) -> Result<u32, DirectoryError> {
        let dn = self.shared.groups.child(GROUP_NAME, group.as_str());
        self.modify(operation, &dn, &Change::Add(self.shared.profile.member, member.as_str()), None).await
    }

    async fn remove_member(
        &self,
        operation: Operation,
        group: &GroupName,
        member: &Dn,
    ) -> Result<u32, DirectoryError> {
        let dn = self.shared.groups.child(GROUP_NAME, group.as_str());
        self.modify(operation, &dn, &Change::Remove(self.shared.profile.member, member.as_str()), None).await
    }
}
