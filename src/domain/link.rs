//! Compares directory and Keycloak with the account: every kind of difference has its own code.
//!
//! A server that did not answer is *not checked*: no answer proves nothing and never counts as "no difference".

use super::account::{Account, AccountState, DirectoryId, KeycloakId, Mark};
use super::eligibility::GroupName;
use super::error_code::codes;
use super::ids::{DiscordUserId, Timestamp};
use super::matching::{ServerAddress, ServerUsername};

codes! {
    /// What differs.
    pub enum LinkDifference {
        /// The directory has no entry with the recorded id, and no other in its place.
        EntryGone = "entry_gone",
        /// An entry with our mark or name has a different permanent id than the recorded one.
        EntryReplaced = "entry_replaced",
        /// The account is closed, and its entry is still there.
        EntryLeft = "entry_left",
        /// The entry does not carry our mark.
        MarkMissing = "mark_missing",
        /// The entry carries the mark of another account.
        MarkOfAnother = "mark_of_another",
        /// The entry's Discord id is missing or different.
        DiscordIdDiffers = "discord_id_differs",
        /// The entry has a different name.
        NameDiffers = "name_differs",
        /// The entry's name differs only in case.
        NameCase = "name_case",
        /// The entry is not in a group that the rule grants.
        GroupMissing = "group_missing",
        /// The entry is in a managed group that the rule does not grant.
        GroupExtra = "group_extra",
        /// The entry is locked, and the account is not disabled.
        Locked = "locked",
        /// The account is disabled, and the entry is not locked.
        NotLocked = "not_locked",
        /// Keycloak has no user with the recorded id, and no other for our entry.
        KeycloakUserGone = "keycloak_user_gone",
        /// Keycloak shows our entry with a different id than the recorded one.
        KeycloakIdChanged = "keycloak_id_changed",
        /// The account is closed, and its Keycloak user is still there.
        KeycloakUserLeft = "keycloak_user_left",
        /// The Keycloak user does not come from our federation and our entry.
        KeycloakUserNotOurs = "keycloak_user_not_ours",
        /// Keycloak shows a different name.
        KeycloakNameDiffers = "keycloak_name_differs",
        /// Keycloak shows a different address than the directory.
        AddressDiffers = "address_differs",
        /// Keycloak's address differs from the directory's only in case.
        AddressCase = "address_case",
        /// Keycloak does not show a group that the rule grants.
        KeycloakGroupMissing = "keycloak_group_missing",
        /// Keycloak shows a managed group that the rule does not grant.
        KeycloakGroupExtra = "keycloak_group_extra",
        /// The user is disabled, and the account is not.
        KeycloakDisabled = "keycloak_disabled",
        /// The account is disabled, and the user is enabled.
        KeycloakEnabled = "keycloak_enabled",
    }
}

codes! {
    /// What could not be checked.
    pub enum NotChecked {
        /// The directory did not answer.
        Directory = "directory",
        /// Keycloak did not answer, or the directory did not: without it, Keycloak shows people as disabled, in no group, or not at all.
        Keycloak = "keycloak",
        /// The rule that granted the groups is not in the configuration any more, or the groups could not be read.
        Groups = "groups",
    }
}

/// One difference, with the group, name or id that it is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// What differs.
    pub difference: LinkDifference,
    /// Which group, name or id; never an address.
    pub detail: Option<String>,
}

/// The entry as it is now.
#[derive(Clone, Debug)]
pub struct EntryFacts {
    /// Its permanent id.
    pub directory_id: DirectoryId,
    /// Its name.
    pub username: ServerUsername,
    /// Its mail address.
    pub address: Option<ServerAddress>,
    /// Its Discord id.
    pub discord_id: Option<DiscordUserId>,
    /// The mark, if there is exactly one.
    pub mark: Option<Mark>,
    /// Whether it is locked.
    pub is_locked: bool,
    /// When a password was last set.
    pub password_changed_at: Option<Timestamp>,
    /// The groups that list it as a member; `None` if they could not be read.
    pub groups: Option<Vec<GroupName>>,
}

/// The Keycloak user as it is now.
#[derive(Clone, Debug)]
pub struct UserFacts {
    /// Its id.
    pub keycloak_id: KeycloakId,
    /// Its name.
    pub username: ServerUsername,
    /// Its mail address.
    pub address: Option<ServerAddress>,
    /// Whether it is enabled.
    pub is_enabled: bool,
    /// Whether it comes from our federation.
    pub is_of_our_federation: bool,
    /// The entry that it comes from.
    pub directory_id: Option<DirectoryId>,
    /// Its groups; `None` if they could not be read.
    pub groups: Option<Vec<GroupName>>,
}

/// The result of a look-up in directory or Keycloak.
#[derive(Clone, Debug)]
pub enum Lookup<T> {
    /// The recorded one, or the one with our mark if none is recorded yet.
    Found(T),
    /// The recorded one is gone, and this one is in its place.
    Replaced(T),
    /// The recorded one is gone.
    Gone,
    /// Nothing is recorded, and nothing is there.
    Nothing,
    /// The server did not answer.
    NotChecked,
}

impl<T> Lookup<T> {
    /// The facts, if anything was found.
    pub fn facts(&self) -> Option<&T> {
        match self {
            Self::Found(facts) | Self::Replaced(facts) => Some(facts),
            Self::Gone | Self::Nothing | Self::NotChecked => None,
        }
    }
}

/// What the store has recorded.
#[derive(Clone, Debug)]
pub struct Recorded<'a> {
    /// The account.
    pub account: &'a Account,
    /// Whether an unfinished job ends or locks the account: it must be locked and disabled then, whatever its state is.
    pub is_ending: bool,
    /// Whether an unfinished job unlocks the account: its lock may be there or not then.
    pub is_unlocking: bool,
    /// The owner's Discord id.
    pub discord_id: Option<DiscordUserId>,
    /// The groups of its rule; `None` if they are no longer known.
    pub wanted: Option<&'a [GroupName]>,
    /// The groups that any rule may grant. No others are compared.
    pub managed: &'a [GroupName],
}

/// What a comparison found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Comparison {
    /// Every difference.
    pub differences: Vec<Finding>,
    /// What could not be checked.
    pub not_checked: Vec<NotChecked>,
}

impl Comparison {
    /// Whether everything was checked and nothing differs.
    pub fn is_clean(&self) -> bool {
        self.differences.is_empty() && self.not_checked.is_empty()
    }

    fn note(&mut self, difference: LinkDifference) {
        self.differences.push(Finding { difference, detail: None });
    }

    fn note_with(&mut self, difference: LinkDifference, detail: impl Into<String>) {
        self.differences.push(Finding { difference, detail: Some(detail.into()) });
    }
}

/// Finds every difference between the account and the current state of directory and Keycloak.
pub fn compare(recorded: &Recorded<'_>, entry: &Lookup<EntryFacts>, user: &Lookup<UserFacts>) -> Comparison {
    let mut found = Comparison::default();
    // Keycloak reads from the directory: during an outage of the directory its answer proves nothing.
    let user = if matches!(entry, Lookup::NotChecked) { &Lookup::NotChecked } else { user };
    if recorded.account.state == AccountState::Closed {
        compare_closed(&mut found, recorded, entry, user);
        return found;
    }
    compare_entry(&mut found, recorded, entry);
    compare_user(&mut found, recorded, entry, user);
    if recorded.account.state != AccountState::Creating {
        compare_groups(&mut found, recorded, entry, user);
    }
    found
}

/// Nothing should be left of a closed account.
fn compare_closed(
    found: &mut Comparison,
    recorded: &Recorded<'_>,
    entry: &Lookup<EntryFacts>,
    user: &Lookup<UserFacts>,
) {
    let mine = Mark::of(recorded.account.id);
    match entry {
        Lookup::NotChecked => found.not_checked.push(NotChecked::Directory),
        Lookup::Found(facts) if facts.mark == Some(mine) => found.note(LinkDifference::EntryLeft),
        Lookup::Found(_) | Lookup::Replaced(_) | Lookup::Gone | Lookup::Nothing => {}
    }
    match user {
        Lookup::NotChecked => found.not_checked.push(NotChecked::Keycloak),
        Lookup::Found(_) => found.note(LinkDifference::KeycloakUserLeft),
        Lookup::Replaced(_) | Lookup::Gone | Lookup::Nothing => {}
    }
}

fn compare_entry(found: &mut Comparison, recorded: &Recorded<'_>, entry: &Lookup<EntryFacts>) {
    let account = recorded.account;
    let facts = match entry {
        Lookup::NotChecked => return found.not_checked.push(NotChecked::Directory),
        Lookup::Gone => return found.note(LinkDifference::EntryGone),
        Lookup::Nothing => return,
        Lookup::Replaced(facts) => {
            found.note_with(LinkDifference::EntryReplaced, facts.directory_id.as_str());
            facts
        }
        Lookup::Found(facts) => facts,
    };
    match facts.mark {
        Some(mark) if mark == Mark::of(account.id) => {}
        Some(mark) => found.note_with(LinkDifference::MarkOfAnother, mark.account().to_string()),
        None => found.note(LinkDifference::MarkMissing),
    }
    if facts.discord_id != recorded.discord_id {
        found.differences.push(Finding {
            difference: LinkDifference::DiscordIdDiffers,
            detail: facts.discord_id.map(|id| id.to_string()),
        });
    }
    if facts.username.as_str() != account.username.as_str() {
        let is_same = facts.username.is(&account.username);
        let difference = if is_same { LinkDifference::NameCase } else { LinkDifference::NameDiffers };
        found.note_with(difference, facts.username.as_str());
    }
    match (expects_lock(recorded), facts.is_locked) {
        (Some(false), true) => found.note(LinkDifference::Locked),
        (Some(true), false) => found.note(LinkDifference::NotLocked),
        (None, _) | (Some(true), true) | (Some(false), false) => {}
    }
}

/// Whether the account is to be locked and disabled; `None` if it may be either.
fn expects_lock(recorded: &Recorded<'_>) -> Option<bool> {
    if recorded.is_ending {
        return Some(true);
    }
    match recorded.account.state {
        AccountState::Invited | AccountState::Active => Some(false),
        AccountState::Disabled if recorded.is_unlocking => None,
        AccountState::Disabled => Some(true),
        AccountState::Creating | AccountState::Conflict | AccountState::Closed => None,
    }
}

fn compare_user(
    found: &mut Comparison,
    recorded: &Recorded<'_>,
    entry: &Lookup<EntryFacts>,
    user: &Lookup<UserFacts>,
) {
    let account = recorded.account;
    let facts = match user {
        Lookup::NotChecked => return found.not_checked.push(NotChecked::Keycloak),
        // Keycloak reads its users from the directory: during an outage of the directory, absence proves nothing.
        Lookup::Gone if matches!(entry, Lookup::NotChecked) => {
            return found.not_checked.push(NotChecked::Keycloak);
        }
        Lookup::Gone => return found.note(LinkDifference::KeycloakUserGone),
        Lookup::Nothing => return,
        Lookup::Replaced(facts) => {
            found.note_with(LinkDifference::KeycloakIdChanged, facts.keycloak_id.as_str());
            facts
        }
        Lookup::Found(facts) => facts,
    };
    if !facts.is_of_our_federation || facts.directory_id != account.directory_id {
        found.note(LinkDifference::KeycloakUserNotOurs);
    }
    if !facts.username.is(&account.username) {
        found.note_with(LinkDifference::KeycloakNameDiffers, facts.username.as_str());
    }
    let Some(entry) = entry.facts() else { return };
    match (expects_lock(recorded), facts.is_enabled) {
        (Some(false), false) => found.note(LinkDifference::KeycloakDisabled),
        (Some(true), true) => found.note(LinkDifference::KeycloakEnabled),
        (None, _) | (Some(true), false) | (Some(false), true) => {}
    }
    let text = |address: &Option<ServerAddress>| address.as_ref().map(|address| address.as_str().to_owned());
    if facts.address != entry.address {
        found.note(LinkDifference::AddressDiffers);
    } else if text(&facts.address) != text(&entry.address) {
        found.note(LinkDifference::AddressCase);
    }
}

fn compare_groups(
    found: &mut Comparison,
    recorded: &Recorded<'_>,
    entry: &Lookup<EntryFacts>,
    user: &Lookup<UserFacts>,
) {
    let (entry, user) = (entry.facts(), user.facts());
    if entry.is_none() && user.is_none() {
        return;
    }
    let Some(wanted) = recorded.wanted else { return found.not_checked.push(NotChecked::Groups) };
    let mut compare_groups = |present: &Option<Vec<GroupName>>, missing, extra| {
        let Some(present) = present else { return false };
        for group in wanted.iter().filter(|group| !present.contains(group)) {
            found.note_with(missing, group.as_str());
        }
        let unwanted = recorded.managed.iter().filter(|group| !wanted.contains(group));
        for group in unwanted.filter(|group| present.contains(group)) {
            found.note_with(extra, group.as_str());
        }
        true
    };
    let in_directory = entry.is_none_or(|entry| {
        compare_groups(&entry.groups, LinkDifference::GroupMissing, LinkDifference::GroupExtra)
    });
    let in_keycloak = user.is_none_or(|user| {
        compare_groups(&user.groups, LinkDifference::KeycloakGroupMissing, LinkDifference::KeycloakGroupExtra)
    });
    if !(in_directory && in_keycloak) {
        found.not_checked.push(NotChecked::Groups);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::ids::{AccountId, Nonce, PersonId};
    use crate::domain::username::Username;

    const ADA: DiscordUserId = DiscordUserId::new(12);

    fn account(state: AccountState) -> Account {
        Account {
            id: AccountId::new(uuid::Uuid::from_u128(1)),
            person_id: PersonId::new(uuid::Uuid::from_u128(2)),
            state,
            username: Username::parse("ada", 20).expect("a legal name"),
            directory_id: DirectoryId::new("entry"),
            keycloak_id: KeycloakId::new("user"),
            nonce: Nonce::NONE,
            invited_at: None,
            activated_at: None,
            closed_at: None,
            revision: 1,
        }
    }

    fn groups(names: &[&str]) -> Vec<GroupName> {
        names.iter().filter_map(|name| GroupName::new(*name)).collect()
    }

    fn entry() -> EntryFacts {
        EntryFacts {
            directory_id: DirectoryId::new("entry").expect("an id"),
            username: ServerUsername::new("ada"),
            address: Some(ServerAddress::new("ada@example.org")),
            discord_id: Some(ADA),
            mark: Some(Mark::of(account(AccountState::Active).id)),
            is_locked: false,
            password_changed_at: None,
            groups: Some(groups(&["Members", "unmanaged"])),
        }
    }

    fn user() -> UserFacts {
        UserFacts {
            keycloak_id: KeycloakId::new("user").expect("an id"),
            username: ServerUsername::new("ada"),
            address: Some(ServerAddress::new("ada@example.org")),
            is_enabled: true,
            is_of_our_federation: true,
            directory_id: DirectoryId::new("entry"),
            groups: Some(groups(&["members"])),
        }
    }

    fn compared(state: AccountState, entry: &Lookup<EntryFacts>, user: &Lookup<UserFacts>) -> Comparison {
        let (wanted, managed) = (groups(&["members"]), groups(&["members", "wiki"]));
        let account = account(state);
        let recorded = Recorded {
            account: &account,
            is_ending: false,
            is_unlocking: false,
            discord_id: Some(ADA),
            wanted: Some(&wanted),
            managed: &managed,
        };
        compare(&recorded, entry, user)
    }

    /// An account of a rule that grants no group.
    fn alone(account: &Account) -> Recorded<'_> {
        let (wanted, managed) = (Some([].as_slice()), [].as_slice());
        Recorded { account, is_ending: false, is_unlocking: false, discord_id: Some(ADA), wanted, managed }
    }

    fn named(comparison: &Comparison) -> Vec<LinkDifference> {
        comparison.differences.iter().map(|finding| finding.difference).collect()
    }

    /// The differences of an active account while both servers answer.
    fn of_active(entry: EntryFacts, user: UserFacts) -> Vec<LinkDifference> {
        named(&compared(AccountState::Active, &Lookup::Found(entry), &Lookup::Found(user)))
    }

    #[test]
    fn what_is_as_recorded_has_no_difference() {
        assert_eq!(of_active(entry(), user()), []);
        let locked = Lookup::Found(EntryFacts { is_locked: true, ..entry() });
        let disabled = Lookup::Found(UserFacts { is_enabled: false, ..user() });
        assert!(compared(AccountState::Disabled, &locked, &disabled).is_clean());
        assert!(compared(AccountState::Closed, &Lookup::Gone, &Lookup::Gone).is_clean());
        assert!(compared(AccountState::Creating, &Lookup::Nothing, &Lookup::Nothing).is_clean());
    }

    #[test]
    fn an_account_that_a_job_ends_must_be_locked_and_disabled() {
        let account = account(AccountState::Invited);
        let recorded = Recorded { is_ending: true, ..alone(&account) };
        let found = compare(&recorded, &Lookup::Found(entry()), &Lookup::Found(user()));
        assert_eq!(named(&found), [LinkDifference::NotLocked, LinkDifference::KeycloakEnabled]);
        let locked = EntryFacts { is_locked: true, ..entry() };
        let disabled = UserFacts { is_enabled: false, ..user() };
        assert!(compare(&recorded, &Lookup::Found(locked), &Lookup::Found(disabled)).is_clean());
    }

    #[test]
    fn an_account_that_is_being_unlocked_may_be_locked_or_not() {
        let account = account(AccountState::Disabled);
        let recorded = Recorded { is_unlocking: true, ..alone(&account) };
        for (is_locked, is_enabled) in [(true, false), (false, false), (false, true)] {
            let entry = Lookup::Found(EntryFacts { is_locked, ..entry() });
            let user = Lookup::Found(UserFacts { is_enabled, ..user() });
            assert_eq!(named(&compare(&recorded, &entry, &user)), []);
        }
    }

    #[test]
    fn each_difference_of_the_entry_has_its_name() {
        let other = AccountId::new(uuid::Uuid::from_u128(9));
        for (changed, difference) in [
            (EntryFacts { mark: None, ..entry() }, LinkDifference::MarkMissing),
            (EntryFacts { mark: Some(Mark::of(other)), ..entry() }, LinkDifference::MarkOfAnother),
            (EntryFacts { discord_id: None, ..entry() }, LinkDifference::DiscordIdDiffers),
            (
                EntryFacts { discord_id: Some(DiscordUserId::new(13)), ..entry() },
                LinkDifference::DiscordIdDiffers,
            ),
            (EntryFacts { username: ServerUsername::new("ada2"), ..entry() }, LinkDifference::NameDiffers),
            (EntryFacts { username: ServerUsername::new("Ada"), ..entry() }, LinkDifference::NameCase),
            (EntryFacts { is_locked: true, ..entry() }, LinkDifference::Locked),
            (EntryFacts { groups: Some(Vec::new()), ..entry() }, LinkDifference::GroupMissing),
            (
                EntryFacts { groups: Some(groups(&["members", "WIKI"])), ..entry() },
                LinkDifference::GroupExtra,
            ),
        ] {
            assert_eq!(of_active(changed, user()), [difference]);
        }
        let replaced =
            Lookup::Replaced(EntryFacts { directory_id: DirectoryId::new("x").expect("an id"), ..entry() });
        let found = Lookup::Found(user());
        assert_eq!(
            named(&compared(AccountState::Active, &replaced, &found)),
            [LinkDifference::EntryReplaced]
        );
        assert_eq!(
            named(&compared(AccountState::Active, &Lookup::Gone, &found)),
            [LinkDifference::EntryGone]
        );
        let disabled = Lookup::Found(UserFacts { is_enabled: false, ..user() });
        let unlocked = compared(AccountState::Disabled, &Lookup::Found(entry()), &disabled);
        assert_eq!(named(&unlocked), [LinkDifference::NotLocked]);
        let left = compared(AccountState::Closed, &Lookup::Found(entry()), &Lookup::Gone);
        assert_eq!(named(&left), [LinkDifference::EntryLeft]);
    }

    #[test]
    fn each_difference_of_the_keycloak_user_has_its_name() {
        for (changed, difference) in [
            (UserFacts { is_of_our_federation: false, ..user() }, LinkDifference::KeycloakUserNotOurs),
            (
                UserFacts { directory_id: DirectoryId::new("x"), ..user() },
                LinkDifference::KeycloakUserNotOurs,
            ),
            (
                UserFacts { username: ServerUsername::new("eve"), ..user() },
                LinkDifference::KeycloakNameDiffers,
            ),
            (
                UserFacts { address: Some(ServerAddress::new("Ada@example.org")), ..user() },
                LinkDifference::AddressCase,
            ),
            (UserFacts { address: None, ..user() }, LinkDifference::AddressDiffers),
            (UserFacts { is_enabled: false, ..user() }, LinkDifference::KeycloakDisabled),
            (UserFacts { groups: Some(Vec::new()), ..user() }, LinkDifference::KeycloakGroupMissing),
            (
                UserFacts { groups: Some(groups(&["members", "wiki"])), ..user() },
                LinkDifference::KeycloakGroupExtra,
            ),
        ] {
            assert_eq!(of_active(entry(), changed), [difference]);
        }
        let found = Lookup::Found(entry());
        let changed = UserFacts { keycloak_id: KeycloakId::new("new").expect("an id"), ..user() };
        let compared_with = |user| named(&compared(AccountState::Active, &found, &user));
        assert_eq!(compared_with(Lookup::Replaced(changed)), [LinkDifference::KeycloakIdChanged]);
        assert_eq!(compared_with(Lookup::Gone), [LinkDifference::KeycloakUserGone]);
        let locked = Lookup::Found(EntryFacts { is_locked: true, ..entry() });
        let enabled = compared(AccountState::Disabled, &locked, &Lookup::Found(user()));
        assert_eq!(named(&enabled), [LinkDifference::KeycloakEnabled]);
        let left = compared(AccountState::Closed, &Lookup::Gone, &Lookup::Found(user()));
        assert_eq!(named(&left), [LinkDifference::KeycloakUserLeft]);
    }

    #[test]
    fn what_did_not_answer_is_not_checked_and_proves_nothing() {
        for state in AccountState::ALL {
            let silent = compared(*state, &Lookup::NotChecked, &Lookup::NotChecked);
            assert_eq!(silent.differences, []);
            assert!(!silent.is_clean(), "{state}");
            assert!(
                silent.not_checked.starts_with(&[NotChecked::Directory, NotChecked::Keycloak]),
                "{state}"
            );
        }
        // Without the directory Keycloak shows everybody as disabled, in no group, or not at all.
        let disabled = UserFacts { is_enabled: false, groups: Some(Vec::new()), ..user() };
        for shown in [Lookup::Found(disabled), Lookup::Gone] {
            let found = compared(AccountState::Active, &Lookup::NotChecked, &shown);
            assert_eq!(found.differences, []);
            assert_eq!(found.not_checked, [NotChecked::Directory, NotChecked::Keycloak]);
        }
        let unread = EntryFacts { groups: None, ..entry() };
        let found = compared(AccountState::Active, &Lookup::Found(unread), &Lookup::Found(user()));
        assert_eq!((found.differences.as_slice(), found.not_checked), (&[][..], vec![NotChecked::Groups]));
    }
}
