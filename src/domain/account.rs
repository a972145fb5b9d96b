//! The account: one person's link between Discord, the directory and Keycloak.

use super::error_code::codes;
use super::ids::{AccountId, Nonce, PersonId, Timestamp};
use super::job::JobKind;
use super::username::Username;

codes! {
    /// The state of an account.
    pub enum AccountState {
        /// Its first job runs; nothing can be used yet.
        Creating = "creating",
        /// Everything is created and the mail was sent; no password is set.
        Invited = "invited",
        /// The person set a password.
        Active = "active",
        /// Locked in the directory and disabled in Keycloak.
        Disabled = "disabled",
        /// The entry or the Keycloak user is not the one that we recorded; nothing is written.
        Conflict = "conflict",
        /// Ended; a tombstone may reserve its name.
        Closed = "closed",
    }
}

/// The mark that makes an entry ours: `accolade:<account id>`, one value of the mark attribute.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark(AccountId);

impl Mark {
    /// The prefix of every mark.
    pub const BEGINS: &'static str = "accolade:";

    /// The mark of an account's entry.
    pub const fn of(account: AccountId) -> Self {
        Self(account)
    }

    /// Reads a value of the mark attribute; `None` if it is not a mark.
    pub fn parse(value: &str) -> Option<Self> {
        value.strip_prefix(Self::BEGINS)?.parse().ok().map(Self)
    }

    /// The account that the mark names.
    pub const fn account(self) -> AccountId {
        self.0
    }
}

impl std::fmt::Display for Mark {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "accolade:{}", self.0)
    }
}

/// The directory's own permanent id of an entry (`entryUUID`, `nsUniqueId` or `objectGUID`), as text.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct DirectoryId(String);

/// Keycloak's id of a user, as text.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct KeycloakId(String);

macro_rules! opaque {
    ($name:ident) => {
        impl $name {
            /// The id with the text that the server sent; `None` if it is empty.
            pub fn new(text: impl Into<String>) -> Option<Self> {
                let text = text.into();
                (!text.is_empty()).then_some(Self(text))
            }

            /// The id as the server writes it.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}
opaque!(DirectoryId);
opaque!(KeycloakId);

/// An account as the store holds it.
#[derive(Clone, Debug)]
pub struct Account {
    /// Our id; the mark on the entry carries it.
    pub id: AccountId,
    /// Its owner.
    pub person_id: PersonId,
    /// Its state.
    pub state: AccountState,
    /// The user name, which is also the entry's `uid`.
    pub username: Username,
    /// The entry, once it was created.
    pub directory_id: Option<DirectoryId>,
    /// The Keycloak user, once it was seen.
    pub keycloak_id: Option<KeycloakId>,
    /// The nonce that the buttons `notme` and `resend` must carry.
    pub nonce: Nonce,
    /// When the mail was sent.
    pub invited_at: Option<Timestamp>,
    /// When the first password was seen.
    pub activated_at: Option<Timestamp>,
    /// When it ended.
    pub closed_at: Option<Timestamp>,
    /// Counts every change.
    pub revision: i64,
}

impl Account {
    /// The state of an account before a job of this kind found the conflict, derived from what had happened until then.
    pub const fn state_before_conflict(&self, kind: JobKind) -> AccountState {
        match kind {
            JobKind::Enable => AccountState::Disabled,
            // None of these jobs begins with a disabled or closed account.
            JobKind::Check
            | JobKind::Provision
            | JobKind::Withdraw
            | JobKind::Welcome
            | JobKind::Resend
            | JobKind::Lock => match (self.activated_at, self.invited_at) {
                (Some(_), _) => AccountState::Active,
                (None, Some(_)) => AccountState::Invited,
                (None, None) => AccountState::Creating,
            },
        }
    }
}
