//! Keycloak's users as typed values, and the rule that decides whose user a search has found.

use std::collections::HashMap;

use serde::Deserialize;

use super::error::KeycloakError;
use crate::domain::account::{DirectoryId, KeycloakId};
use crate::domain::matching::{ServerAddress, ServerUsername};

/// The fields of a Keycloak user that the bot needs. `Debug` shows no personal value.
#[derive(Clone, PartialEq, Eq)]
pub struct User {
    /// Keycloak's id.
    pub id: KeycloakId,
    /// The user name.
    pub username: ServerUsername,
    /// The mail address, if any.
    pub address: Option<ServerAddress>,
    /// Whether the user is enabled. While the directory is down, every uncached user looks disabled.
    pub enabled: bool,
    /// Whether the user has opened a mailed link. That proves nothing about a password.
    pub address_verified: bool,
    /// The federation that the user was imported from. `None` for a local user.
    pub federation_link: Option<String>,
    /// The permanent id of the directory entry (`attributes.LDAP_ID`).
    pub directory_id: Option<DirectoryId>,
}

impl std::fmt::Debug for User {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("User").field("id", &self.id).field("enabled", &self.enabled).finish_non_exhaustive()
    }
}

/// A user as Keycloak writes it, without the fields that are not read here.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct UserRow {
    id: String,
    username: String,
    email: Option<String>,
    /// `None` means that Keycloak did not say, never "disabled".
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
        // The mapper writes one value. Two values would not tell which entry it is.
        let directory_id = match self.attributes.remove("LDAP_ID") {
            Some(mut values) if values.len() == 1 => values.pop().and_then(DirectoryId::new),
            Some(_) | None => None,
        };
        Ok(User {
            id,
            username: ServerUsername::new(self.username),
            address: self.email.map(ServerAddress::new),
            enabled: self.enabled.unwrap_or_default(),
            address_verified: self.email_verified,
            federation_link: self.federation_link,
            directory_id,
        })
    }
}

/// Who holds a user name and an address. An empty list means "nobody found", never "certainly free".
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Holders {
    /// The users with the user name.
    pub username: Vec<User>,
    /// The users with the address.
    pub address: Vec<User>,
}

impl Holders {
    /// Whether anyone but the user of entry `mine` has the user name.
    pub fn is_username_taken(&self, mine: Option<&DirectoryId>) -> bool {
        is_other(&self.username, mine)
    }

    /// Whether anyone but the user of entry `mine` has the address.
    pub fn is_address_taken(&self, mine: Option<&DirectoryId>) -> bool {
        is_other(&self.address, mine)
    }
}

fn is_other(found: &[User], mine: Option<&DirectoryId>) -> bool {
    found.iter().any(|user| mine.is_none() || user.directory_id.as_ref() != mine)
}

/// Whose user an exact search has found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Import {
    /// Exactly one user of our federation and our entry.
    Ours(KeycloakId),
    /// No user yet: search again after a short pause.
    NotYet,
    /// A user that another federation of the realm made from our entry.
    Elsewhere(KeycloakId),
    /// A local user, or one of another entry.
    NotOurs,
}

impl Import {
    /// Decides by federation and entry, never by position: right after an entry was deleted and created again, the answer contains
    /// the old user beside the new one, as a row without attributes.
    pub(super) fn classify(found: &[User], federation_id: &str, directory_id: &DirectoryId) -> Self {
        let from_ours = |user: &&User| user.federation_link.as_deref() == Some(federation_id);
        let mut ours =
            found.iter().filter(from_ours).filter(|user| user.directory_id.as_ref() == Some(directory_id));
        match (ours.next(), ours.next()) {
            (Some(user), None) => Self::Ours(user.id.clone()),
            (Some(_), Some(_)) => Self::NotOurs,
            (None, _) => {
                let is_of_entry = |user: &&User| {
                    user.federation_link.is_some() && user.directory_id.as_ref() == Some(directory_id)
                };
                if let Some(user) = found.iter().find(is_of_entry) {
                    return Self::Elsewhere(user.id.clone());
                }
                let is_leftover = |user: &User| is_leftover(user, federation_id);
                if found.iter().all(is_leftover) { Self::NotYet } else { Self::NotOurs }
            }
        }
    }
}

/// Whether it is a user of our federation whose entry is gone, shown as a row without attributes. Keycloak drops it with this answer.
fn is_leftover(user: &User, federation_id: &str) -> bool {
    user.federation_link.as_deref() == Some(federation_id) && user.directory_id.is_none()
}

/// The user that a federation made and that stays, although its entry is gone.
pub(super) fn left_user(found: Vec<User>, federation_id: &str) -> Option<User> {
    found.into_iter().find(|user| user.federation_link.is_some() && !is_leftover(user, federation_id))
}

/// What a mailed link asks the person to do. Never empty, because Keycloak would send a mail without an action.
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

/// The result of a mail call. The mail quota was reserved before the call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MailOutcome {
    /// The mail server accepted it (204).
    Accepted,
    /// Keycloak itself refused (400, 404): `mail_refused`, the quota is refunded. Check [`KeycloakError::says_disabled`] before you
    /// rely on it: while the directory is down, every user looks disabled.
    Refused(KeycloakError),
    /// Nothing can have been sent (401, 403, a refusal by a proxy, no connection, no token): the quota is refunded, and the call can be repeated.
    NeverSent(KeycloakError),
    /// A mail may have been sent (every 500, every timeout, a lost answer): the quota stays used.
    Unknown(KeycloakError),
}

impl MailOutcome {
    /// Keycloak answers every fault of the mail server with the same 500, even if the mail went out.
    pub(super) fn classify(error: KeycloakError) -> Self {
        match error {
            KeycloakError::Status { status: 400..=404, .. } if error.is_foreign() => Self::NeverSent(error),
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
    use crate::domain::cause::Cause;

    fn entry(text: &str) -> DirectoryId {
        DirectoryId::new(text).expect("not empty")
    }

    fn user(id: &str, federation: Option<&str>, directory_id: Option<&str>) -> User {
        User {
            id: KeycloakId::new(id).expect("not empty"),
            username: ServerUsername::new("ada"),
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
        let classify = |found: &[User]| Import::classify(found, "ldap", &entry("e1"));
        assert_eq!(classify(std::slice::from_ref(&ours)), Import::Ours(ours.id.clone()));
        assert_eq!(classify(&[leftover.clone(), ours.clone()]), Import::Ours(ours.id.clone()));
        assert_eq!(classify(&[]), Import::NotYet);
        assert_eq!(classify(std::slice::from_ref(&leftover)), Import::NotYet);
        assert_eq!(classify(&[user("2", None, None)]), Import::NotOurs);
        assert_eq!(classify(&[user("2", None, Some("e1"))]), Import::NotOurs);
        let elsewhere = user("2", Some("other"), Some("e1"));
        assert_eq!(classify(std::slice::from_ref(&elsewhere)), Import::Elsewhere(elsewhere.id.clone()));
        assert_eq!(classify(&[user("2", Some("other"), Some("e2"))]), Import::NotOurs);
        for left in [elsewhere, ours.clone()] {
            assert_eq!(left_user(vec![left.clone()], "ldap"), Some(left));
        }
        assert_eq!(left_user(vec![user("2", None, None), leftover], "ldap"), None);
        assert_eq!(classify(&[user("2", Some("ldap"), Some("e2"))]), Import::NotOurs);
        assert_eq!(classify(&[ours.clone(), user("3", Some("ldap"), Some("e1"))]), Import::NotOurs);
    }

    #[test]
    fn a_mail_is_given_back_only_where_nothing_can_have_gone_out() {
        let answered = |status, endpoint, text: &str| {
            MailOutcome::classify(KeycloakError::Status {
                endpoint,
                status,
                text: text.to_owned(),
                fields: Vec::new(),
                retry_after: None,
            })
        };
        let status = |status, endpoint| answered(status, endpoint, "refused");
        for foreign in [400, 401, 403, 404] {
            assert!(
                matches!(answered(foreign, "mail", ""), MailOutcome::NeverSent(_)),
                "a proxy's {foreign}"
            );
        }
        let down = |is_ambiguous| {
            MailOutcome::classify(KeycloakError::Down {
                endpoint: "mail",
                cause: Cause::TimedOut,
                is_ambiguous,
            })
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
        let holders = Holders { username: vec![user("1", Some("ldap"), Some("e1"))], address: Vec::new() };
        assert!(holders.is_username_taken(None));
        assert!(holders.is_username_taken(Some(&entry("e2"))));
        assert!(!holders.is_username_taken(Some(&entry("e1"))));
        assert!(!holders.is_address_taken(None));
        let local = Holders { username: Vec::new(), address: vec![user("2", None, None)] };
        assert!(local.is_address_taken(Some(&entry("e1"))));
        assert!(local.is_address_taken(None));
    }
}
