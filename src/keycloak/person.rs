//! What comes back from Keycloak, typed, and whose it is.

use std::collections::HashMap;

use serde::Deserialize;

use crate::domain::account::{DirectoryId, KeycloakId};

use super::KeycloakError;

/// A Keycloak user as the bot needs it. `Debug` shows no personal value.
#[derive(Clone, PartialEq, Eq)]
pub struct User {
    /// Keycloak's id.
    pub id: KeycloakId,
    /// The user name.
    pub username: String,
    /// The mail address, if any.
    pub address: Option<String>,
    /// Whether the user is enabled. During an outage of the directory every uncached user looks disabled.
    pub enabled: bool,
    /// Whether a link of a mail was opened. Proves nothing about a password.
    pub address_verified: bool,
    /// The federation component that the user comes from; `None` for a local one.
    pub federation_link: Option<String>,
    /// The lasting id of the directory entry (`attributes.LDAP_ID`).
    pub directory_id: Option<DirectoryId>,
}

impl std::fmt::Debug for User {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("User").field("id", &self.id).field("enabled", &self.enabled).finish_non_exhaustive()
    }
}

/// A user as Keycloak writes it; fields that are not read here are left out.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct UserRow {
    id: String,
    username: String,
    email: Option<String>,
    /// `None` is no answer, and never "disabled".
    pub(super) enabled: Option<bool>,
    #[serde(default)]
    email_verified: bool,
    federation_link: Option<String>,
    #[serde(default)]
    attributes: HashMap<String, Vec<String>>,
}

impl UserRow {
    pub(super) fn into_user(mut self, endpoint: &'static str) -> Result<User, KeycloakError> {
        let id = KeycloakId::new(self.id)
            .ok_or(KeycloakError::InvalidResponse { endpoint, what: "a user has no id" })?;
        // The mapper gives one value; two would not say which entry it is.
        let directory_id = match self.attributes.remove("LDAP_ID") {
            Some(mut values) if values.len() == 1 => values.pop().and_then(DirectoryId::new),
            Some(_) | None => None,
        };
        Ok(User {
            id,
            username: self.username,
            address: self.email,
            enabled: self.enabled.unwrap_or_default(),
            address_verified: self.email_verified,
            federation_link: self.federation_link,
            directory_id,
        })
    }
}

/// What the searches found. Empty is "no answer", never "free for sure".
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Look {
    /// Who has the user name.
    pub username: Vec<User>,
    /// Who has the address.
    pub address: Vec<User>,
}

impl Look {
    /// Whether somebody other than the user of entry `mine` has the user name.
    pub fn is_username_taken(&self, mine: Option<&DirectoryId>) -> bool {
        is_other(&self.username, mine)
    }

    /// Whether somebody other than the user of entry `mine` has the address.
    pub fn is_address_taken(&self, mine: Option<&DirectoryId>) -> bool {
        is_other(&self.address, mine)
    }
}

fn is_other(found: &[User], mine: Option<&DirectoryId>) -> bool {
    found.iter().any(|user| mine.is_none() || user.directory_id.as_ref() != mine)
}

/// Whose user an exact search found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Import {
    /// Exactly one, from our federation and our entry.
    Ours(KeycloakId),
    /// Nobody (yet): ask again after a short pause.
    NotYet,
    /// A local user, another federation's, or another entry's.
    SomebodyElse,
}

impl Import {
    /// Never by position: right after an entry was deleted and made again, the answer holds the old user beside the
    /// new one, as a row without attributes.
    pub(super) fn judge(found: &[User], federation_id: &str, directory_id: &DirectoryId) -> Self {
        let from_ours = |user: &&User| user.federation_link.as_deref() == Some(federation_id);
        let mut ours =
            found.iter().filter(from_ours).filter(|user| user.directory_id.as_ref() == Some(directory_id));
        match (ours.next(), ours.next()) {
            (Some(user), None) => Self::Ours(user.id.clone()),
            (Some(_), Some(_)) => Self::SomebodyElse,
            (None, _) => {
                let is_leftover = |user: &User| from_ours(&user) && user.directory_id.is_none();
                if found.iter().all(is_leftover) { Self::NotYet } else { Self::SomebodyElse }
            }
        }
    }
}

/// What a mailed link asks for. Never empty: Keycloak would send a mail without an action.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Actions {
    /// The first mail: `UPDATE_PASSWORD` and `VERIFY_EMAIL`.
    FirstPassword,
    /// A later one: `UPDATE_PASSWORD`.
    NewPassword,
}

impl Actions {
    pub(super) const fn names(self) -> &'static [&'static str] {
        match self {
            Self::FirstPassword => &["UPDATE_PASSWORD", "VERIFY_EMAIL"],
            Self::NewPassword => &["UPDATE_PASSWORD"],
        }
    }
}

/// What became of a mail. The budget was committed before the call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MailOutcome {
    /// The mail server took it (204).
    Accepted,
    /// Keycloak refused (400, 404): `mail_refused`, the budget is given back. Ask [`KeycloakError::says_disabled`]
    /// before believing it: during an outage of the directory everybody looks disabled.
    Refused(KeycloakError),
    /// Nothing can have been sent (401, 403, the connection never stood, no token): the budget is given back, retry.
    NeverSent(KeycloakError),
    /// It may have been sent (every 500, every timeout, a lost answer): the budget stays spent.
    Unknown(KeycloakError),
}

impl MailOutcome {
    /// Keycloak answers one and the same 500 for every fault of the mail server, also when the mail went out.
    pub(super) fn judge(error: KeycloakError) -> Self {
        match error {
            KeycloakError::Status { status: 400 | 404, endpoint, .. } if endpoint != "token" => {
                Self::Refused(error)
            }
            KeycloakError::Status { status: 401 | 403, .. }
            | KeycloakError::Status { endpoint: "token", .. }
            | KeycloakError::Down { endpoint: "token", .. }
            | KeycloakError::InvalidResponse { endpoint: "token", .. }
            | KeycloakError::Down { is_ambiguous: false, .. }
            | KeycloakError::Settings { .. } => Self::NeverSent(error),
            KeycloakError::Status { .. }
            | KeycloakError::Down { .. }
            | KeycloakError::InvalidResponse { .. } => Self::Unknown(error),
        }
    }
}

/// Whether a user may log in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Enabled {
    /// They may.
    Yes,
    /// They may not.
    No,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(text: &str) -> DirectoryId {
        DirectoryId::new(text).expect("not empty")
    }

    fn user(id: &str, federation: Option<&str>, directory_id: Option<&str>) -> User {
        User {
            id: KeycloakId::new(id).expect("not empty"),
            username: "ada".to_owned(),
            address: None,
            enabled: true,
            address_verified: false,
            federation_link: federation.map(ToOwned::to_owned),
            directory_id: directory_id.map(entry),
        }
    }

    #[test]
    fn only_one_hit_of_our_federation_and_our_entry_is_ours() {
        let ours = user("1", Some("ldap"), Some("e1"));
        let leftover = user("0", Some("ldap"), None);
        let judge = |found: &[User]| Import::judge(found, "ldap", &entry("e1"));
        assert_eq!(judge(std::slice::from_ref(&ours)), Import::Ours(ours.id.clone()));
        assert_eq!(judge(&[leftover.clone(), ours.clone()]), Import::Ours(ours.id.clone()));
        assert_eq!(judge(&[]), Import::NotYet);
        assert_eq!(judge(&[leftover]), Import::NotYet);
        assert_eq!(judge(&[user("2", None, None)]), Import::SomebodyElse);
        assert_eq!(judge(&[user("2", None, Some("e1"))]), Import::SomebodyElse);
        assert_eq!(judge(&[user("2", Some("other"), Some("e1"))]), Import::SomebodyElse);
        assert_eq!(judge(&[user("2", Some("ldap"), Some("e2"))]), Import::SomebodyElse);
        assert_eq!(judge(&[ours.clone(), user("3", Some("ldap"), Some("e1"))]), Import::SomebodyElse);
    }

    #[test]
    fn a_mail_is_given_back_only_where_nothing_can_have_gone_out() {
        let status = |status, endpoint| {
            MailOutcome::judge(KeycloakError::Status {
                endpoint,
                status,
                text: String::new(),
                retry_after: None,
            })
        };
        let down = |is_ambiguous| {
            MailOutcome::judge(KeycloakError::Down { endpoint: "mail", cause: "x", is_ambiguous })
        };
        for refused in [400, 404] {
            assert!(matches!(status(refused, "mail"), MailOutcome::Refused(_)));
        }
        for never in [401, 403] {
            assert!(matches!(status(never, "mail"), MailOutcome::NeverSent(_)));
        }
        for unknown in [302, 408, 409, 429, 500, 502, 503, 504] {
            assert!(matches!(status(unknown, "mail"), MailOutcome::Unknown(_)), "{unknown}");
        }
        assert!(matches!(status(500, "token"), MailOutcome::NeverSent(_)));
        assert!(matches!(down(false), MailOutcome::NeverSent(_)));
        assert!(matches!(down(true), MailOutcome::Unknown(_)));
    }

    #[test]
    fn a_name_is_taken_by_everybody_but_the_user_of_our_own_entry() {
        let look = Look { username: vec![user("1", Some("ldap"), Some("e1"))], address: Vec::new() };
        assert!(look.is_username_taken(None));
        assert!(look.is_username_taken(Some(&entry("e2"))));
        assert!(!look.is_username_taken(Some(&entry("e1"))));
        assert!(!look.is_address_taken(None));
        let local = Look { username: Vec::new(), address: vec![user("2", None, None)] };
        assert!(local.is_address_taken(Some(&entry("e1"))));
        assert!(local.is_address_taken(None));
    }
}
