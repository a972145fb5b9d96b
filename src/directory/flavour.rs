//! The ways of each directory server, as data. A new server is a new row and a door test, not a new branch.

use crate::config::Flavour;

/// How one kind of server names and does things.
pub(super) struct ServerProfile {
    /// The entry's lasting id, which survives a rename.
    pub(super) entry_id: &'static str,
    /// The user name, which is also the RDN.
    pub(super) username: &'static str,
    /// The attribute of a group that names its members.
    pub(super) member: &'static str,
    /// The attribute whose value locks an entry for good.
    pub(super) lock: &'static str,
    /// That value. Other values are the server's own, passing locks after wrong passwords.
    pub(super) lock_value: &'static str,
    /// When the password was last set; absent until the first one.
    pub(super) password_changed: &'static str,
    /// What adding a member answers who is one.
    pub(super) already_member: u32,
    /// What taking away a member answers who is none.
    pub(super) not_member: u32,
}

const OPEN_LDAP: ServerProfile = ServerProfile {
    entry_id: "entryUUID",
    username: "uid",
    member: "member",
    lock: "pwdAccountLockedTime",
    lock_value: "000001010000Z",
    password_changed: "pwdChangedTime",
    already_member: 20,
    not_member: 16,
};

/// The ways of a configured flavour.
pub(super) const fn ways_of(flavour: Flavour) -> &'static ServerProfile {
    match flavour {
        Flavour::OpenLdap => &OPEN_LDAP,
    }
}
