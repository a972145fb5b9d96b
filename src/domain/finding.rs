//! What `accolade doctor` may find, and what it tries in the directory to find it.
//!
//! The text of a code is fixed: programs read it, and `docs/reference/findings.md` explains it. The sentences live in `messages`.

use super::error_code::codes;

codes! {
    /// One thing that may be wrong outside this program.
    pub enum Finding {
        /// Discord is not responding.
        DiscordUnreachable = "discord_unreachable",
        /// Discord's certificate is not trusted.
        DiscordUntrusted = "discord_untrusted",
        /// Discord refuses the bot's token.
        DiscordTokenRefused = "discord_token_refused",
        /// The intent that the gateway session needs is off.
        DiscordIntentOff = "discord_intent_off",
        /// Discord sends interactions to a web address instead of the gateway.
        DiscordInteractionsElsewhere = "discord_interactions_elsewhere",
        /// The bot is not in a configured guild.
        GuildMissing = "guild_missing",
        /// A configured channel is not in its guild, or the bot cannot see it.
        ChannelMissing = "channel_missing",
        /// The bot lacks a permission in a configured channel.
        ChannelRightsMissing = "channel_rights_missing",
        /// Everybody reads the channel of the cards.
        ChannelOpen = "channel_open",
        /// A configured role is not in its guild.
        RoleMissing = "role_missing",
        /// The member role does not stand below the bot's own, or belongs to an integration.
        RoleNotBelow = "role_not_below",
        /// The bot may not grant the member role.
        ManageRolesMissing = "manage_roles_missing",
        /// The bot may do everything in a guild.
        AdministratorGiven = "administrator_given",
        /// The directory is not responding.
        LdapUnreachable = "ldap_unreachable",
        /// The directory's certificate is not trusted.
        LdapUntrusted = "ldap_untrusted",
        /// The directory refuses the bot's bind.
        LdapBindRefused = "ldap_bind_refused",
        /// `people_dn` or `groups_dn` is not there, or the bot cannot see it.
        LdapBaseWrong = "ldap_base_wrong",
        /// The bot may do what it must not.
        LdapAclWide = "ldap_acl_wide",
        /// The bot may not do what it needs.
        LdapAclNarrow = "ldap_acl_narrow",
        /// The schema does not know the attribute of the mark, or not on these classes.
        LdapMarkAttributeMissing = "ldap_mark_attribute_missing",
        /// The schema does not know the attribute of the Discord id, or not on these classes.
        LdapIdAttributeMissing = "ldap_id_attribute_missing",
        /// An overlay that Accolade counts on is not there.
        LdapOverlayMissing = "ldap_overlay_missing",
        /// `unique` is there and lets two simultaneous writes pass.
        LdapUniqueNotSerialized = "ldap_unique_not_serialized",
        /// The directory confirms what is not on the disk.
        LdapNoSync = "ldap_nosync",
        /// An attribute that the bot searches has no index.
        LdapIndexMissing = "ldap_index_missing",
        /// A group that a rule grants is not in the directory.
        LdapGroupMissing = "ldap_group_missing",
        /// A group that a rule grants is not marked as managed.
        LdapGroupNotManaged = "ldap_group_not_managed",
        /// An entry of the self-test could not be removed.
        LdapSelfTestLeft = "ldap_self_test_left",
        /// Keycloak is not responding.
        KeycloakUnreachable = "keycloak_unreachable",
        /// Keycloak's certificate is not trusted.
        KeycloakUntrusted = "keycloak_untrusted",
        /// There is no such realm.
        KeycloakRealmMissing = "keycloak_realm_missing",
        /// Keycloak refuses the service client.
        KeycloakSecretWrong = "keycloak_secret_wrong",
        /// The service client lacks a permission.
        KeycloakRightsMissing = "keycloak_rights_missing",
        /// The service client has permissions that it doesn't need.
        KeycloakRightsWide = "keycloak_rights_wide",
        /// `federation_id` names no federation of the realm.
        KeycloakFederationUnknown = "keycloak_federation_unknown",
        /// The federation is switched off.
        KeycloakFederationOff = "keycloak_federation_off",
        /// The federation does not write to the directory.
        KeycloakFederationReadOnly = "keycloak_federation_readonly",
        /// The federation keeps what the directory said.
        KeycloakCachePolicy = "keycloak_cache_policy",
        /// An address counts as proved that nobody has proved.
        KeycloakTrustsAddresses = "keycloak_trusts_addresses",
        /// A mapper of the federation is missing.
        KeycloakMapperMissing = "keycloak_mapper_missing",
        /// People may write their own Discord id, or the profile does not know it.
        KeycloakProfileOpen = "keycloak_profile_open",
        /// The realm has no mail server.
        KeycloakNoMailServer = "keycloak_no_mail_server",
        /// The client of the mailed link is missing or switched off.
        KeycloakMailClientOff = "keycloak_mail_client_off",
        /// The client of the mailed link does not allow `mail_redirect_uri`.
        KeycloakRedirectRefused = "keycloak_redirect_refused",
        /// The client of the mailed link allows addresses with a wildcard.
        KeycloakRedirectWildcard = "keycloak_redirect_wildcard",
        /// A required action that the mail names is off.
        KeycloakActionOff = "keycloak_action_off",
        /// The realm records no events, or forgets them too soon.
        KeycloakEventsOff = "keycloak_events_off",
        /// Mailed links carry the host of whoever asked for them.
        KeycloakHostnameOpen = "keycloak_hostname_open",
        /// This version of Keycloak has known holes.
        KeycloakVersionHoles = "keycloak_version_holes",
        /// Somebody in the bot's realm administers it.
        KeycloakAdminsInRealm = "keycloak_admins_in_realm",
        /// The database is not responding.
        StoreUnreachable = "store_unreachable",
        /// The database doesn't exist yet, or has another version.
        StoreNotReady = "store_not_ready",
        /// The database's file or folder, or the key file, is not this user's alone.
        StoreReadable = "store_readable",
        /// The key file is missing.
        KeyMissing = "key_missing",
        /// The key file is not this database's, or holds no key.
        KeyWrong = "key_wrong",
        /// This machine's clock and a server's are apart.
        ClockSkew = "clock_skew",
    }
}

codes! {
    /// Which part of the world a finding is about.
    pub enum System {
        /// Discord.
        Discord = "discord",
        /// The directory.
        Directory = "directory",
        /// Keycloak.
        Keycloak = "keycloak",
        /// This machine: database, key, clock.
        Machine = "machine",
    }
}

impl Finding {
    /// What it is about.
    pub fn system(self) -> System {
        let code = self.code();
        let begins = |start: &[&str]| start.iter().any(|start| code.starts_with(start));
        if begins(&["ldap_"]) {
            System::Directory
        } else if begins(&["keycloak_"]) {
            System::Keycloak
        } else if begins(&["store_", "key_", "clock_"]) {
            System::Machine
        } else {
            System::Discord
        }
    }
}

/// How bad a finding is; the worst comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Weight {
    /// Somebody may do or see what they must not. Nothing else shows it.
    Opens,
    /// Accounts cannot be asked for, made or used. What was asked for waits.
    Stops,
    /// Something is less safe or less whole than it should be.
    Weakens,
}

impl Finding {
    /// How bad it is.
    pub const fn weight(self) -> Weight {
        match self {
            Self::ChannelOpen
            | Self::AdministratorGiven
            | Self::LdapAclWide
            | Self::KeycloakRightsWide
            | Self::KeycloakTrustsAddresses
            | Self::KeycloakProfileOpen
            | Self::KeycloakRedirectWildcard
            | Self::KeycloakHostnameOpen
            | Self::KeycloakVersionHoles
            | Self::KeycloakAdminsInRealm
            | Self::StoreReadable => Weight::Opens,
            Self::DiscordUnreachable
            | Self::DiscordUntrusted
            | Self::DiscordTokenRefused
            | Self::DiscordIntentOff
            | Self::DiscordInteractionsElsewhere
            | Self::GuildMissing
            | Self::ChannelMissing
            | Self::ChannelRightsMissing
            | Self::LdapUnreachable
            | Self::LdapUntrusted
            | Self::LdapBindRefused
            | Self::LdapBaseWrong
            | Self::LdapAclNarrow
            | Self::LdapMarkAttributeMissing
            | Self::LdapIdAttributeMissing
            | Self::LdapGroupMissing
            | Self::LdapGroupNotManaged
            | Self::KeycloakUnreachable
            | Self::KeycloakUntrusted
            | Self::KeycloakRealmMissing
            | Self::KeycloakSecretWrong
            | Self::KeycloakRightsMissing
            | Self::KeycloakFederationUnknown
            | Self::KeycloakFederationOff
            | Self::KeycloakFederationReadOnly
            | Self::KeycloakMapperMissing
            | Self::KeycloakNoMailServer
            | Self::KeycloakMailClientOff
            | Self::KeycloakRedirectRefused
            | Self::KeycloakActionOff
            | Self::StoreUnreachable
            | Self::StoreNotReady
            | Self::KeyMissing
            | Self::KeyWrong => Weight::Stops,
            Self::RoleMissing
            | Self::RoleNotBelow
            | Self::ManageRolesMissing
            | Self::LdapOverlayMissing
            | Self::LdapUniqueNotSerialized
            | Self::LdapNoSync
            | Self::LdapIndexMissing
            | Self::LdapSelfTestLeft
            | Self::KeycloakCachePolicy
            | Self::KeycloakEventsOff
            | Self::ClockSkew => Weight::Weakens,
        }
    }
}

codes! {
    /// Why something was not judged. It is never taken for "in order".
    pub enum NotChecked {
        /// The service's client may not see it: `--as-admin`.
        NeedsAdministrator = "needs_administrator",
        /// The bot's bind may not see it: `--ldap-config-dn`.
        NeedsServerConfiguration = "needs_server_configuration",
        /// The bind of `--ldap-config-dn` may not see it.
        ServerConfigurationHidden = "server_configuration_hidden",
        /// The operator asked that nothing is written: `--read-only`.
        NeedsSelfTest = "needs_self_test",
        /// What it depends on is wrong.
        Blocked = "blocked",
    }
}

codes! {
    /// One thing that is tried in the directory with the bot's own credentials.
    pub enum Attempt {
        /// Add a person as the worker does.
        AddPerson = "add_person",
        /// Read that entry again, with everything that the worker needs of it.
        ReadPerson = "read_person",
        /// Lock it.
        Lock = "lock",
        /// Take the lock off.
        Unlock = "unlock",
        /// Make it a member of a group that a rule grants.
        JoinGroup = "join_group",
        /// Take it out again.
        LeaveGroup = "leave_group",
        /// Delete it, locked and without a password.
        DeleteLocked = "delete_locked",
        /// Add a person with a password.
        AddWithPassword = "add_with_password",
        /// Add a person without the mark.
        AddWithoutMark = "add_without_mark",
        /// Add a person with an attribute that is not the bot's to write.
        AddForeignAttribute = "add_foreign_attribute",
        /// Add a person of another class.
        AddForeignClass = "add_foreign_class",
        /// Add a person among the groups.
        AddElsewhere = "add_elsewhere",
        /// Write a password.
        WritePassword = "write_password",
        /// Set a password by the operation for it (RFC 3062).
        SetPassword = "set_password",
        /// Take the mark off.
        TakeMarkOff = "take_mark_off",
        /// Rename an entry.
        Rename = "rename",
        /// Delete an entry that is not locked.
        DeleteUnlocked = "delete_unlocked",
        /// See somebody's password, or that there is one.
        SeePasswords = "see_passwords",
        /// Write to an entry that is not ours.
        WriteForeignPerson = "write_foreign_person",
        /// Write to a group that is not managed.
        WriteForeignGroup = "write_foreign_group",
    }
}

impl Attempt {
    /// Whether the bot needs it; all others must be refused.
    pub const fn is_needed(self) -> bool {
        matches!(
            self,
            Self::AddPerson
                | Self::ReadPerson
                | Self::Lock
                | Self::Unlock
                | Self::JoinGroup
                | Self::LeaveGroup
                | Self::DeleteLocked
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_finding_is_about_the_system_that_its_code_names() {
        assert_eq!(Finding::GuildMissing.system(), System::Discord);
        assert_eq!(Finding::LdapNoSync.system(), System::Directory);
        assert_eq!(Finding::KeycloakCachePolicy.system(), System::Keycloak);
        assert_eq!(Finding::KeyMissing.system(), System::Machine);
        assert!(Finding::ALL.len() >= 25);
    }
}
