//! Why a connection to another server fails: one cause for each class of failure, with a fix of its own.
//!
//! The text of a code is fixed: logs and JSON carry it, and `docs/reference/causes.md` explains it. `messages` has the sentence for each.
//! The clients find the cause: `net/failure.rs` in errors of the network and of TLS, `ldap_result.rs` in LDAP result codes, and the
//! errors of `keycloak` and `store` in theirs.

use super::error_code::codes;

codes! {
    /// A cause that an operator can fix, or can wait for.
    pub enum Cause {
        /// The host name has no address.
        NameUnknown = "name_unknown",
        /// Nothing listens on the port.
        ConnectionRefused = "connection_refused",
        /// The network has no way to the host, or a firewall forbids it.
        Unreachable = "unreachable",
        /// No answer in time.
        TimedOut = "timed_out",
        /// The connection ended before the answer.
        ConnectionLost = "connection_lost",
        /// The certificate comes from an authority that is not trusted.
        TlsUnknownIssuer = "tls_unknown_issuer",
        /// The certificate has expired.
        TlsExpired = "tls_expired",
        /// The certificate is not valid yet.
        TlsNotYetValid = "tls_not_yet_valid",
        /// The certificate is for another host name.
        TlsWrongName = "tls_wrong_name",
        /// The certificate is a CA's own certificate, as a self-signed one usually is.
        TlsSelfSigned = "tls_self_signed",
        /// The certificate is signed with an algorithm that is no longer safe, such as SHA-1.
        TlsWeakSignature = "tls_weak_signature",
        /// A signature does not match: another CA of the same name, or an RSA key below 2048 bits.
        TlsBadSignature = "tls_bad_signature",
        /// The certificate has version 1, without extensions.
        TlsVersionOne = "tls_version_one",
        /// The certificate is not meant for servers.
        TlsWrongPurpose = "tls_wrong_purpose",
        /// The certificate breaks another rule.
        TlsCertificateUnusable = "tls_certificate_unusable",
        /// The server speaks only TLS versions below 1.2.
        TlsTooOld = "tls_too_old",
        /// Client and server have no cipher in common.
        TlsNoCommonCipher = "tls_no_common_cipher",
        /// The server requires a certificate of the client.
        TlsClientCertificate = "tls_client_certificate",
        /// The port answers, but not with TLS.
        TlsNotSpoken = "tls_not_spoken",
        /// The server closed the connection while TLS began.
        TlsClosed = "tls_closed",
        /// TLS failed for another reason.
        TlsFailed = "tls_failed",
        /// The directory refused StartTLS.
        StartTlsRefused = "start_tls_refused",
        /// The answer is not LDAP.
        NotLdap = "not_ldap",
        /// The directory does not know the bind DN, or the password is wrong.
        LdapPasswordWrong = "ldap_password_wrong",
        /// The directory takes a bind only over TLS.
        LdapTlsRequired = "ldap_tls_required",
        /// The directory does not let this entry bind with a password.
        LdapBindForbidden = "ldap_bind_forbidden",
        /// The directory refers to another server.
        LdapReferral = "ldap_referral",
        /// The directory is busy or shutting down.
        LdapUnavailable = "ldap_unavailable",
        /// A limit of the directory on time or size.
        LdapLimit = "ldap_limit",
        /// The directory does not know a control that the bot's writes need.
        LdapControlUnknown = "ldap_control_unknown",
        /// The schema does not define an attribute.
        LdapAttributeUnknown = "ldap_attribute_unknown",
        /// A value breaks a rule of the directory: it must be unique, or its password policy.
        LdapConstraint = "ldap_constraint",
        /// The entry has this value already, or a list names one value twice.
        LdapValueTwice = "ldap_value_twice",
        /// A value has not the syntax of its attribute.
        LdapSyntax = "ldap_syntax",
        /// A base DN does not exist, or the bind may not see it.
        LdapBaseMissing = "ldap_base_missing",
        /// The place for a new entry does not exist, or the bind may not see it.
        LdapParentMissing = "ldap_parent_missing",
        /// The entry to change does not exist, or the bind may not see it.
        LdapEntryMissing = "ldap_entry_missing",
        /// A distinguished name is invalid.
        LdapNameInvalid = "ldap_name_invalid",
        /// The bind lacks a right.
        LdapRightMissing = "ldap_right_missing",
        /// The server does not write: it is read-only, a replica, or a policy forbids it.
        LdapUnwilling = "ldap_unwilling",
        /// The entry's name does not fit its classes.
        LdapNaming = "ldap_naming",
        /// The entry lacks an attribute that its classes require, or has one that they do not allow.
        LdapSchema = "ldap_schema",
        /// The entry has others below it.
        LdapNotLeaf = "ldap_not_leaf",
        /// An entry of this name exists.
        LdapExists = "ldap_exists",
        /// The classes of an entry can't be changed like this.
        LdapClassChange = "ldap_class_change",
        /// Another error of the directory.
        LdapError = "ldap_error",
        /// The answer is not HTTP.
        NotHttp = "not_http",
        /// Something in front of Keycloak forbids the path.
        ProxyForbids = "proxy_forbids",
        /// Something in front of Keycloak does not know the path.
        ProxyNotFound = "proxy_not_found",
        /// Something in front of Keycloak answers with a page or a refusal of its own.
        ProxyAnswers = "proxy_answers",
        /// The address leads elsewhere.
        HttpMoved = "http_moved",
        /// A proxy does not take a request of this size.
        HttpTooLarge = "http_too_large",
        /// A proxy does not reach Keycloak.
        BadGateway = "bad_gateway",
        /// Keycloak or a proxy asks to wait.
        TooManyRequests = "too_many_requests",
        /// Keycloak has no such realm.
        RealmMissing = "realm_missing",
        /// Keycloak is there, but not below this path.
        KeycloakPathWrong = "keycloak_path_wrong",
        /// Keycloak refuses the client or the administrator.
        KeycloakLoginRefused = "keycloak_login_refused",
        /// The client lacks a right.
        KeycloakRightMissing = "keycloak_right_missing",
        /// Keycloak answers with an error of its own.
        KeycloakError = "keycloak_error",
        /// PostgreSQL does not know the user, or the password is wrong.
        PgPasswordWrong = "pg_password_wrong",
        /// `pg_hba.conf` does not admit the connection.
        PgNotAdmitted = "pg_not_admitted",
        /// The database does not exist.
        PgDatabaseMissing = "pg_database_missing",
        /// PostgreSQL has no connection left.
        PgTooManyConnections = "pg_too_many_connections",
        /// PostgreSQL is starting or stopping.
        PgStarting = "pg_starting",
        /// The user lacks a right in the database.
        PgRightMissing = "pg_right_missing",
        /// PostgreSQL does not speak TLS.
        PgNoTls = "pg_no_tls",
        /// A pooler gives each transaction another session.
        PgPooled = "pg_pooled",
        /// A pooler refuses the settings of the connection.
        PgPoolerRefuses = "pg_pooler_refuses",
        /// A pooler drops the settings of the connection.
        PgPoolerDrops = "pg_pooler_drops",
        /// The answer is not that of PostgreSQL.
        NotPostgres = "not_postgres",
    }
}

/// The server at the other end, which decides the keys that a fix names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Peer {
    /// The directory.
    Directory,
    /// Keycloak.
    Keycloak,
    /// PostgreSQL.
    Database,
}

impl Peer {
    /// The key of the server's address.
    pub const fn url_key(self) -> &'static str {
        match self {
            Self::Directory => "directory.url",
            Self::Keycloak => "keycloak.url",
            Self::Database => "store.url",
        }
    }

    /// The setting that names the trusted authority.
    pub const fn ca_key(self) -> &'static str {
        match self {
            Self::Directory => "directory.ca_file",
            Self::Keycloak => "keycloak.ca_file",
            Self::Database => "sslrootcert",
        }
    }
}

impl Cause {
    /// Whether TLS began and failed because of the certificate or of its rules. Waiting does not cure it.
    pub const fn is_of_tls(self) -> bool {
        matches!(
            self,
            Self::TlsUnknownIssuer
                | Self::TlsExpired
                | Self::TlsNotYetValid
                | Self::TlsWrongName
                | Self::TlsSelfSigned
                | Self::TlsWeakSignature
                | Self::TlsBadSignature
                | Self::TlsVersionOne
                | Self::TlsWrongPurpose
                | Self::TlsCertificateUnusable
                | Self::TlsTooOld
                | Self::TlsNoCommonCipher
                | Self::TlsClientCertificate
                | Self::TlsNotSpoken
                | Self::TlsFailed
                | Self::StartTlsRefused
        )
    }

    /// Whether the cause may end without a change by an operator.
    pub const fn may_pass(self) -> bool {
        matches!(
            self,
            Self::ConnectionRefused
                | Self::Unreachable
                | Self::TimedOut
                | Self::ConnectionLost
                | Self::NameUnknown
                | Self::TlsClosed
                | Self::LdapUnavailable
                | Self::LdapLimit
                | Self::LdapError
                | Self::BadGateway
                | Self::TooManyRequests
                | Self::KeycloakError
                | Self::PgTooManyConnections
                | Self::PgStarting
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cause_of_tls_never_passes_by_itself() {
        // A server that closes may be starting. The directory's demand for TLS, and a database without it, are refusals of servers that
        // work.
        let others = [Cause::TlsClosed, Cause::LdapTlsRequired, Cause::PgNoTls];
        for cause in Cause::ALL {
            assert!(!(cause.is_of_tls() && cause.may_pass()), "{cause}");
            let is_named_so = cause.code().contains("tls_") || *cause == Cause::PgNoTls;
            assert_eq!(cause.is_of_tls(), is_named_so && !others.contains(cause), "{cause}");
        }
    }
}
