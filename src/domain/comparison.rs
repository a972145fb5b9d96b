//! How a restored database and the world outside may differ.

use super::error_code::codes;

codes! {
    /// How an account of the database and the world outside differ.
    pub enum DifferenceKind {
        /// An entry carries our mark, and the database knows no such account.
        EntryWithoutAccount = "entry_without_account",
        /// The account ended in the database, and its entry is there.
        EntryOfClosedAccount = "entry_of_closed_account",
        /// The database knows an entry that is not there.
        EntryMissing = "entry_missing",
        /// The entry was made, or made anew, after the backup.
        EntryMadeSince = "entry_made_since",
        /// A password was set of which the database does not know.
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
