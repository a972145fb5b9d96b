//! How a restored database and the external systems may differ.

use super::error_code::codes;

codes! {
    /// How an account in the database and the external systems differ.
    pub enum DifferenceKind {
        /// An entry has our mark, and the database has no such account.
        EntryWithoutAccount = "entry_without_account",
        /// The account ended in the database, and its entry still exists.
        EntryOfClosedAccount = "entry_of_closed_account",
        /// The database has an account whose entry does not exist.
        EntryMissing = "entry_missing",
        /// The entry was created, or created again, after the backup.
        EntryMadeSince = "entry_made_since",
        /// A password was set after the backup.
        PasswordSetSince = "password_set_since",
        /// The entry is locked, and the account is not disabled.
        LockedSince = "locked_since",
        /// The account is disabled, and the entry is not locked.
        UnlockedSince = "unlocked_since",
        /// The database knows a Keycloak user that is not there.
        UserMissing = "user_missing",
        /// The Keycloak user is disabled, and the account is not.
        UserDisabledSince = "user_disabled_since",
        /// The account is disabled, and the Keycloak user is not.
        UserEnabledSince = "user_enabled_since",
    }
}
