//! What differs between directory servers, as data. A new server is a new row and a client test, not a new branch.

use super::result_code;
use crate::config::Flavour;

/// The names and answers of one kind of server.
pub(super) struct ServerProfile {
    /// The permanent id of an entry, which survives a rename.
    pub(super) entry_id: &'static str,
    /// The attribute of the user name, which is also the RDN.
    pub(super) username: &'static str,
    /// The attribute of a group that lists its members.
    pub(super) member: &'static str,
    /// The attribute that locks an entry.
    pub(super) lock: &'static str,
    /// The value of a permanent lock. Other values are temporary locks that the server sets after wrong passwords.
    pub(super) lock_value: &'static str,
    /// The value of a permanent lock that the documented access rules don't know: nobody can log in, but a password can be set, and
    /// the server removes the lock with the same change.
    pub(super) reset_lock_value: &'static str,
    /// When the password was last set; absent until the first one.
    pub(super) password_changed: &'static str,
    /// The result code when a member is added who is one already.
    pub(super) already_member: u32,
    /// The result code when a member is removed who is none.
    pub(super) not_member: u32,
}

const OPEN_LDAP: ServerProfile = ServerProfile {
    entry_id: "entryUUID",
    username: "uid",
    member: "member",
    lock: "pwdAccountLockedTime",
    lock_value: "000001010000Z",
    // For the overlay `ppolicy` every fraction of this second is the same permanent lock; the rule compares the exact value.
    reset_lock_value: "00000101000000.5Z",
    password_changed: "pwdChangedTime",
    already_member: result_code::ATTRIBUTE_OR_VALUE_EXISTS,
    not_member: result_code::NO_SUCH_ATTRIBUTE,
};

/// The profile of a configured flavour.
pub(super) const fn profile_of(flavour: Flavour) -> &'static ServerProfile {
    match flavour {
        Flavour::OpenLdap => &OPEN_LDAP,
    }
}
