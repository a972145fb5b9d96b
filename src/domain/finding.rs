//! What `accolade doctor` can find, and what it tries in the directory for that.
//!
//! The text of a code is fixed: programs read it, and `docs/reference/findings.md` explains it. `messages` has the texts for people.

use super::error_code::codes;
use super::ldap_result::LdapOperation;

codes! {
    /// A problem outside this program.
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
        /// A configured channel is a forum, a category, a voice channel or a thread.
        ChannelTypeWrong = "channel_type_wrong",
        /// The bot lacks a permission in a configured channel.
        ChannelRightsMissing = "channel_rights_missing",
        /// Everyone can read the channel of the cards.
        ChannelOpen = "channel_open",
        /// A configured role is not in its guild.
        RoleMissing = "role_missing",
        /// The member role is not below the bot's own role, or belongs to an integration.
        RoleNotBelow = "role_not_below",
        /// The bot may not grant the member role.
        ManageRolesMissing = "manage_roles_missing",
        /// The bot has Administrator in a guild.
        AdministratorGiven = "administrator_given",
        /// The directory is not responding.
        LdapUnreachable = "ldap_unreachable",
        /// The directory's certificate is not trusted.
        LdapUntrusted = "ldap_untrusted",
        /// The directory refuses the bot's bind.
        LdapBindRefused = "ldap_bind_refused",
        /// `people_dn` or `groups_dn` does not exist, or the bot cannot see it.
        LdapBaseWrong = "ldap_base_wrong",
        /// The bot has permissions that it must not have.
        LdapAclWide = "ldap_acl_wide",
        /// The bot lacks permissions that it needs.
        LdapAclNarrow = "ldap_acl_narrow",
        /// The schema does not define the attribute of the mark, or these object classes do not allow it.
        LdapMarkAttributeMissing = "ldap_mark_attribute_missing",
        /// The schema does not define the attribute of the Discord id, or these object classes do not allow it.
        LdapIdAttributeMissing = "ldap_id_attribute_missing",
        /// An overlay that Accolade relies on is missing.
        LdapOverlayMissing = "ldap_overlay_missing",
        /// The overlay `unique` accepts two simultaneous writes of the same value.
        LdapUniqueNotSerialized = "ldap_unique_not_serialized",
        /// The directory confirms writes before they are on disk.
        LdapNoSync = "ldap_nosync",
        /// An attribute that the bot searches has no index.
        LdapIndexMissing = "ldap_index_missing",
        /// The directory refuses what the bot needs, for another reason than a missing right.
        LdapRefuses = "ldap_refuses",
        /// `object_classes` names a class that the schema lacks, or one that requires what the bot does not write.
        LdapClassesWrong = "ldap_classes_wrong",
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
        /// Something in front of Keycloak answers in its place.
        KeycloakProxyAnswers = "keycloak_proxy_answers",
        /// Keycloak believes that people reach it without TLS.
        KeycloakLinksPlain = "keycloak_links_plain",
        /// Keycloak has no such realm.
        KeycloakRealmMissing = "keycloak_realm_missing",
        /// Keycloak refuses the service client.
        KeycloakSecretWrong = "keycloak_secret_wrong",
        /// The service client lacks a permission.
        KeycloakRightsMissing = "keycloak_rights_missing",
        /// The service client has permissions that it doesn't need.
        KeycloakRightsWide = "keycloak_rights_wide",
        /// `federation_id` is not a federation of the realm.
        KeycloakFederationUnknown = "keycloak_federation_unknown",
        /// The federation is disabled.
        KeycloakFederationOff = "keycloak_federation_off",
        /// The federation does not write to the directory.
        KeycloakFederationReadOnly = "keycloak_federation_readonly",
        /// The federation does not show the accounts that Accolade creates.
        KeycloakFederationHides = "keycloak_federation_hides",
        /// Another federation shows the same people.
        KeycloakFederationOverlaps = "keycloak_federation_overlaps",
        /// The federation caches what it reads from the directory.
        KeycloakCachePolicy = "keycloak_cache_policy",
        /// The federation treats every address as verified.
        KeycloakTrustsAddresses = "keycloak_trusts_addresses",
        /// A mapper of the federation is missing.
        KeycloakMapperMissing = "keycloak_mapper_missing",
        /// People may change their own Discord id, or the user profile does not define it.
        KeycloakProfileOpen = "keycloak_profile_open",
        /// The user profile asks for what people of this community can't meet.
        KeycloakProfileDemands = "keycloak_profile_demands",
        /// The realm has no mail server.
        KeycloakNoMailServer = "keycloak_no_mail_server",
        /// The client of the mailed link is missing or disabled.
        KeycloakMailClientOff = "keycloak_mail_client_off",
        /// The client of the mailed link does not allow `mail_redirect_uri`.
        KeycloakRedirectRefused = "keycloak_redirect_refused",
        /// The client of the mailed link allows redirect addresses with a wildcard.
        KeycloakRedirectWildcard = "keycloak_redirect_wildcard",
        /// The mail with the link has Keycloak's own text.
        KeycloakMailTextsMissing = "keycloak_mail_texts_missing",
        /// The page to which the mailed link leads at its end does not exist.
        KeycloakLastPageMissing = "keycloak_last_page_missing",
        /// A required action that the mail asks for is disabled.
        KeycloakActionOff = "keycloak_action_off",
        /// The realm records no events, or deletes them too soon.
        KeycloakEventsOff = "keycloak_events_off",
        /// Keycloak takes the host in its links from the request, so a caller can choose it.
        KeycloakHostnameOpen = "keycloak_hostname_open",
        /// This version of Keycloak has known vulnerabilities.
        KeycloakVersionHoles = "keycloak_version_holes",
        /// The bot's realm contains administrators.
        KeycloakAdminsInRealm = "keycloak_admins_in_realm",
        /// The database is not responding.
        StoreUnreachable = "store_unreachable",
        /// A pooler stands between the bot and PostgreSQL and breaks its sessions.
        StorePooled = "store_pooled",
        /// The database doesn't exist yet, or has another version.
        StoreNotReady = "store_not_ready",
        /// Other users can read the database's file or folder, or the key file.
        StoreReadable = "store_readable",
        /// The key file is missing.
        KeyMissing = "key_missing",
        /// The key file belongs to another database, or contains no key.
        KeyWrong = "key_wrong",
        /// The clocks of this machine and a server differ.
        ClockSkew = "clock_skew",
    }
}

codes! {
    /// The system that a finding is about.
    pub enum System {
        /// Discord.
        Discord = "discord",
        /// The directory.
        Directory = "directory",
        /// Keycloak.
        Keycloak = "keycloak",
        /// This machine: its database, key file and clock.
        Machine = "machine",
    }
}

impl Finding {
    /// The system that the finding is about.
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

/// The severity of a finding, the worst first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Weight {
    /// Someone can do or see what they must not, and nothing else shows it.
    Opens,
    /// Accounts cannot be requested, created or used. Open requests wait.
    Stops,
    /// Something is less safe or less complete than it should be.
    Weakens,
}

impl Finding {
    /// The severity of the finding.
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
            | Self::KeycloakLinksPlain
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
            | Self::ChannelTypeWrong
            | Self::ChannelRightsMissing
            | Self::LdapUnreachable
            | Self::LdapUntrusted
            | Self::LdapBindRefused
            | Self::LdapBaseWrong
            | Self::LdapAclNarrow
            | Self::LdapMarkAttributeMissing
            | Self::LdapIdAttributeMissing
            | Self::LdapRefuses
            | Self::LdapClassesWrong
            | Self::LdapGroupMissing
            | Self::LdapGroupNotManaged
            | Self::KeycloakUnreachable
            | Self::KeycloakUntrusted
            | Self::KeycloakProxyAnswers
            | Self::KeycloakRealmMissing
            | Self::KeycloakSecretWrong
            | Self::KeycloakRightsMissing
            | Self::KeycloakFederationUnknown
            | Self::KeycloakFederationOff
            | Self::KeycloakFederationReadOnly
            | Self::KeycloakFederationHides
            | Self::KeycloakFederationOverlaps
            | Self::KeycloakMapperMissing
            | Self::KeycloakNoMailServer
            | Self::KeycloakMailClientOff
            | Self::KeycloakRedirectRefused
            | Self::KeycloakActionOff
            | Self::StoreUnreachable
            | Self::StorePooled
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
            | Self::KeycloakProfileDemands
            | Self::KeycloakMailTextsMissing
            | Self::KeycloakLastPageMissing
            | Self::KeycloakEventsOff
            | Self::ClockSkew => Weight::Weakens,
        }
    }
}

codes! {
    /// Why a check was not made. Such a check never counts as passed.
    pub enum NotChecked {
        /// The service client may not read it; `--as-admin` may.
        NeedsAdministrator = "needs_administrator",
        /// The bot's bind DN may not read it; `--ldap-config-dn` may.
        NeedsServerConfiguration = "needs_server_configuration",
        /// The bind of `--ldap-config-dn` may not read it.
        ServerConfigurationHidden = "server_configuration_hidden",
        /// The directory does not show its schema to the bot.
        SchemaHidden = "schema_hidden",
        /// It needs a write, and the operator gave `--read-only`.
        NeedsSelfTest = "needs_self_test",
        /// It depends on something that is wrong or was not checked.
        Blocked = "blocked",
    }
}

codes! {
    /// An operation that the self-test tries in the directory with the bot's own credentials.
    pub enum Attempt {
        /// Add a person as the worker does.
        AddPerson = "add_person",
        /// Read that entry, with every attribute that the worker needs.
        ReadPerson = "read_person",
        /// Lock it.
        Lock = "lock",
        /// Unlock it.
        Unlock = "unlock",
        /// Add it to a group that a rule grants.
        JoinGroup = "join_group",
        /// Remove it from that group.
        LeaveGroup = "leave_group",
        /// Delete it, locked and without a password.
        DeleteLocked = "delete_locked",
        /// Add a person with a password.
        AddWithPassword = "add_with_password",
        /// Add a person without the mark.
        AddWithoutMark = "add_without_mark",
        /// Add a person with an attribute that the bot must not write.
        AddForeignAttribute = "add_foreign_attribute",
        /// Add a person of another object class.
        AddForeignClass = "add_foreign_class",
        /// Add a person among the groups.
        AddElsewhere = "add_elsewhere",
        /// Write a password.
        WritePassword = "write_password",
        /// Set a password with the Password Modify operation (RFC 3062).
        SetPassword = "set_password",
        /// Remove the mark.
        TakeMarkOff = "take_mark_off",
        /// Rename an entry.
        Rename = "rename",
        /// Delete an entry that is not locked.
        DeleteUnlocked = "delete_unlocked",
        /// Read a password, or whether there is one.
        SeePasswords = "see_passwords",
        /// Change an entry without the mark.
        WriteForeignPerson = "write_foreign_person",
        /// Change a group that is not managed.
        WriteForeignGroup = "write_foreign_group",
    }
}

impl Attempt {
    /// The request that is made, for the meaning of its result code.
    pub const fn operation(self) -> LdapOperation {
        match self {
            Self::AddPerson
            | Self::AddWithPassword
            | Self::AddWithoutMark
            | Self::AddForeignAttribute
            | Self::AddForeignClass
            | Self::AddElsewhere => LdapOperation::Add,
            Self::ReadPerson | Self::SeePasswords => LdapOperation::Search,
            Self::DeleteLocked | Self::DeleteUnlocked => LdapOperation::Delete,
            Self::Lock
            | Self::Unlock
            | Self::JoinGroup
            | Self::LeaveGroup
            | Self::WritePassword
            | Self::SetPassword
            | Self::TakeMarkOff
            | Self::Rename
            | Self::WriteForeignPerson
            | Self::WriteForeignGroup => LdapOperation::Modify,
        }
    }

    /// Whether the bot needs the operation. The directory must refuse all others.
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
