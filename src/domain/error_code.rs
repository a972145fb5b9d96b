//! The code of every refusal and failure, for people and programs.
//!
//! The text of a code is fixed: it is in columns, logs, JSON and docs (`docs/reference/codes.md`). The message for a code is in `messages`.

/// Defines an enum whose variants have fixed codes: `ALL`, `code`, `Display` and `FromStr`.
macro_rules! codes {
    ($(#[$doc:meta])* $vis:vis enum $name:ident { $($(#[$vdoc:meta])* $variant:ident = $code:literal,)* }) => {
        $(#[$doc])*
        #[derive(
            Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord,
            ::strum::Display, ::strum::EnumString, ::strum::VariantArray,
        )]
        #[strum(
            parse_err_ty = $crate::domain::error_code::UnknownCode,
            parse_err_fn = $crate::domain::error_code::unknown_code
        )]
        $vis enum $name { $($(#[$vdoc])* #[strum(serialize = $code)] $variant,)* }

        impl $name {
            /// All variants, in the order of the definition.
            pub const ALL: &'static [Self] = <Self as ::strum::VariantArray>::VARIANTS;

            /// The fixed text of the code.
            pub const fn code(self) -> &'static str {
                match self { $(Self::$variant => $code,)* }
            }
        }
    };
}
pub(crate) use codes;

/// The text is not a known code; a newer version may have written it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an unknown code")]
pub struct UnknownCode;

pub(crate) fn unknown_code(_text: &str) -> UnknownCode {
    UnknownCode
}

codes! {
    /// Why something was refused or did not succeed.
    pub enum ErrorCode {
        /// No rule of the guild's policy fits the member, or the state of the account or channel doesn't allow the action.
        NotEligible = "not_eligible",
        /// The person has an account that is not closed.
        AlreadyHasAccount = "already_has_account",
        /// The person has a request that is not decided.
        RequestOpen = "request_open",
        /// The user name or a personal name is not valid, or a required reason is missing.
        NameIllegal = "name_illegal",
        /// The user name is reserved, taken, looks like a taken one, or belonged to another person before.
        NameUnavailable = "name_unavailable",
        /// The mail address is not valid, or its domain is not accepted.
        AddressIllegal = "address_illegal",
        /// Another person's account has this mail address.
        AddressInUse = "address_in_use",
        /// The person, address or domain is on the deny list.
        DeniedPerson = "denied_person",
        /// A rate limit is reached.
        TooMany = "too_many",
        /// The person is no longer a member of the guild.
        MemberGone = "member_gone",
        /// The person is a member, but no rule fits them any more.
        RoleLost = "role_lost",
        /// The member holds no moderator or admin role now, is timed out, or has not passed screening.
        NotModerator = "not_moderator",
        /// Nobody may decide their own request.
        OwnRequest = "own_request",
        /// Another moderator decided first, or the request has ended.
        AlreadyDecided = "already_decided",
        /// The request was changed by someone else each time that this change was tried. Nothing was done.
        ChangedMeanwhile = "changed_meanwhile",
        /// The button belongs to an older message, or to another person.
        StaleButton = "stale_button",
        /// The directory did not answer.
        DirectoryDown = "directory_down",
        /// The directory refused: the bot lacks a right, or a rule of the server forbids the change.
        DirectoryRefused = "directory_refused",
        /// An entry with this name or Discord id is not ours.
        DirectoryConflict = "directory_conflict",
        /// Keycloak did not answer.
        KeycloakDown = "keycloak_down",
        /// Keycloak answered and refused: a rule of the realm forbids the change, or what the call names is not there.
        KeycloakRefused = "keycloak_refused",
        /// The service client lacks a right in Keycloak.
        KeycloakRightMissing = "keycloak_right_missing",
        /// Keycloak has a user of this name or address that does not come from our entry.
        KeycloakUserNotOurs = "keycloak_user_not_ours",
        /// The entry is gone, and a user that another federation made from it is still in Keycloak.
        KeycloakUserLeft = "keycloak_user_left",
        /// Keycloak has not imported the entry.
        ImportNotSeen = "import_not_seen",
        /// Keycloak does not show the groups of the entry.
        GroupsNotSeen = "groups_not_seen",
        /// Keycloak refused to send the mail.
        MailRefused = "mail_refused",
        /// It is unknown whether the mail was sent, and no further attempt is allowed.
        MailUnknown = "mail_unknown",
        /// Discord did not answer, or refused the bot's token.
        DiscordDown = "discord_down",
        /// Discord refused the call: the bot lacks a right, or the object of the call no longer exists.
        DiscordRefused = "discord_refused",
        /// The database is busy; nothing is lost, try again.
        StoreBusy = "store_busy",
        /// The database has no room; nothing was stored.
        StoreFull = "store_full",
        /// A defect in Accolade; the reference id leads to it in the log.
        Internal = "internal",
    }
}

impl ErrorCode {
    /// Whether the cause is a failure of Accolade or a server, so that the log has details.
    pub const fn is_failure(self) -> bool {
        match self {
            Self::DirectoryDown
            | Self::DirectoryRefused
            | Self::DirectoryConflict
            | Self::KeycloakDown
            | Self::KeycloakRefused
            | Self::KeycloakRightMissing
            | Self::KeycloakUserNotOurs
            | Self::KeycloakUserLeft
            | Self::ImportNotSeen
            | Self::GroupsNotSeen
            | Self::MailRefused
            | Self::MailUnknown
            | Self::DiscordDown
            | Self::DiscordRefused
            | Self::StoreBusy
            | Self::StoreFull
            | Self::Internal => true,
            Self::NotEligible
            | Self::AlreadyHasAccount
            | Self::RequestOpen
            | Self::NameIllegal
            | Self::NameUnavailable
            | Self::AddressIllegal
            | Self::AddressInUse
            | Self::DeniedPerson
            | Self::TooMany
            | Self::MemberGone
            | Self::RoleLost
            | Self::NotModerator
            | Self::OwnRequest
            | Self::AlreadyDecided
            | Self::ChangedMeanwhile
            | Self::StaleButton => false,
        }
    }

    /// Whether a job that failed with this code is tried again by itself, so that people wait for what the code names.
    ///
    /// Each of these codes says in `en.ftl` what is waited for. The reason of a decision or of an undo is never waited for.
    pub const fn is_waited_for(self) -> bool {
        match self {
            // A server that doesn't answer.
            Self::DirectoryDown | Self::KeycloakDown | Self::DiscordDown | Self::StoreBusy | Self::StoreFull
            // Keycloak answers, and does not show or confirm it yet.
            | Self::ImportNotSeen
            | Self::GroupsNotSeen
            | Self::MailUnknown
            // Keycloak refuses a mail for a moment after its user was enabled.
            | Self::MailRefused
            // A limit on mails.
            | Self::TooMany
            // A step that panicked is tried again, too.
            | Self::Internal => true,
            Self::NotEligible
            | Self::AlreadyHasAccount
            | Self::RequestOpen
            | Self::NameIllegal
            | Self::NameUnavailable
            | Self::AddressIllegal
            | Self::AddressInUse
            | Self::DeniedPerson
            | Self::MemberGone
            | Self::RoleLost
            | Self::NotModerator
            | Self::OwnRequest
            | Self::AlreadyDecided
            | Self::ChangedMeanwhile
            | Self::StaleButton
            | Self::DirectoryRefused
            | Self::DirectoryConflict
            | Self::KeycloakRefused
            | Self::KeycloakRightMissing
            | Self::KeycloakUserNotOurs
            | Self::KeycloakUserLeft
            | Self::DiscordRefused => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_reads_back() {
        for error_code in ErrorCode::ALL {
            assert_eq!(error_code.code().parse(), Ok(*error_code));
        }
        assert_eq!("no_such_code".parse::<ErrorCode>(), Err(UnknownCode));
    }
}
