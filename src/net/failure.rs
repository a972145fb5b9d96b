//! Finds the cause of a failed connection in a library's error, by the types in its chain of sources and never by their text.

use std::error::Error;
use std::io;

use rustls::{AlertDescription, CertificateError, InvalidMessage, PeerIncompatible};

use crate::domain::cause::Cause;

/// The longest text of an original error in the log.
const MAX_TEXT: usize = 300;

/// The name of a host leads to no usable address. Resolvers of this program return it, because the system's error has no type.
#[derive(Debug, thiserror::Error)]
#[error("the name leads to no usable address")]
pub(crate) struct NameUnknown;

/// The cause, if the chain of sources has a type that shows it.
pub(crate) fn cause_of(error: &(dyn Error + 'static)) -> Option<Cause> {
    let mut by_kind = None;
    for link in chain(error) {
        if let Some(error) = link.downcast_ref::<rustls::Error>() {
            return Some(of_tls(error));
        }
        if link.is::<NameUnknown>() {
            return Some(Cause::NameUnknown);
        }
        if link.downcast_ref::<hyper::Error>().is_some_and(hyper::Error::is_parse) {
            return Some(Cause::NotHttp);
        }
        if let Some(error) = link.downcast_ref::<io::Error>() {
            by_kind = by_kind.or(of_kind(error.kind()));
        }
    }
    by_kind
}

/// Whether a host's name leads to an address, asked again after a connection failed: the system's error for that has no type.
pub(crate) async fn resolves(host: &str, port: u16) -> bool {
    let host = host.trim_matches(['[', ']']);
    tokio::net::lookup_host((host, port)).await.is_ok_and(|mut found| found.next().is_some())
}

/// Logs the original error behind a cause. The sentence for people does not have it.
pub(crate) fn log(peer: &'static str, cause: Cause, error: &(dyn Error + 'static)) {
    tracing::info!(target: "accolade::net", peer, cause = %cause, original = %original(error), "a connection failed");
}

/// The innermost error's text. The outer ones can hold a URL with personal values.
fn original(error: &(dyn Error + 'static)) -> String {
    let text = chain(error).last().map(ToString::to_string).unwrap_or_default();
    text.chars().filter(|c| !c.is_control()).take(MAX_TEXT).collect()
}

/// The error and its sources.
fn chain<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |&error| {
        // `source` of an I/O error is the source of the error inside it, so the chain would skip that inner error itself.
        let inner = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        inner.map_or_else(|| error.source(), |inner| Some(inner))
    })
}

#[expect(clippy::wildcard_enum_match_arm, reason = "the system's enum: every other kind says nothing")]
fn of_kind(kind: io::ErrorKind) -> Option<Cause> {
    match kind {
        io::ErrorKind::ConnectionRefused => Some(Cause::ConnectionRefused),
        io::ErrorKind::TimedOut => Some(Cause::TimedOut),
        io::ErrorKind::HostUnreachable
        | io::ErrorKind::NetworkUnreachable
        | io::ErrorKind::NetworkDown
        | io::ErrorKind::PermissionDenied
        | io::ErrorKind::AddrNotAvailable => Some(Cause::Unreachable),
        io::ErrorKind::ConnectionReset
        | io::ErrorKind::ConnectionAborted
        | io::ErrorKind::BrokenPipe
        | io::ErrorKind::NotConnected
        | io::ErrorKind::UnexpectedEof => Some(Cause::ConnectionLost),
        _ => None,
    }
}

/// The cause behind an error of TLS.
#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "the library's enum: every other variant has no fix of its own"
)]
pub(crate) fn of_tls(error: &rustls::Error) -> Cause {
    match error {
        rustls::Error::InvalidCertificate(error) => of_certificate(error),
        // Another protocol's first byte is no type of a TLS record.
        rustls::Error::InvalidMessage(
            InvalidMessage::InvalidContentType
            | InvalidMessage::UnknownProtocolVersion
            | InvalidMessage::MessageTooLarge,
        ) => Cause::TlsNotSpoken,
        rustls::Error::AlertReceived(alert) => of_alert(*alert),
        rustls::Error::PeerIncompatible(
            PeerIncompatible::ServerDoesNotSupportTls12Or13
            | PeerIncompatible::ServerTlsVersionIsDisabledByOurConfig
            | PeerIncompatible::SupportedVersionsExtensionRequired
            | PeerIncompatible::ExtendedMasterSecretExtensionRequired,
        ) => Cause::TlsTooOld,
        rustls::Error::PeerIncompatible(_) => Cause::TlsNoCommonCipher,
        rustls::Error::NoCertificatesPresented => Cause::TlsCertificateUnusable,
        _ => Cause::TlsFailed,
    }
}

#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "the library's enum: every other alert has no fix of its own"
)]
fn of_alert(alert: AlertDescription) -> Cause {
    match alert {
        AlertDescription::ProtocolVersion => Cause::TlsTooOld,
        AlertDescription::HandshakeFailure | AlertDescription::InsufficientSecurity => {
            Cause::TlsNoCommonCipher
        }
        AlertDescription::CertificateRequired | AlertDescription::NoCertificate => {
            Cause::TlsClientCertificate
        }
        AlertDescription::UnrecognisedName => Cause::TlsWrongName,
        _ => Cause::TlsFailed,
    }
}

#[expect(
    clippy::wildcard_enum_match_arm,
    deprecated,
    reason = "the library's enum: every other variant is a certificate that breaks a rule; a verifier may still use its old names"
)]
fn of_certificate(error: &CertificateError) -> Cause {
    match error {
        CertificateError::UnknownIssuer => Cause::TlsUnknownIssuer,
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => Cause::TlsExpired,
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => Cause::TlsNotYetValid,
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            Cause::TlsWrongName
        }
        CertificateError::BadSignature => Cause::TlsBadSignature,
        CertificateError::UnsupportedSignatureAlgorithm
        | CertificateError::UnsupportedSignatureAlgorithmContext { .. }
        | CertificateError::UnsupportedSignatureAlgorithmForPublicKeyContext { .. } => {
            Cause::TlsWeakSignature
        }
        CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. } => {
            Cause::TlsWrongPurpose
        }
        CertificateError::Other(other) => match other.0.downcast_ref::<webpki::Error>() {
            Some(webpki::Error::CaUsedAsEndEntity) => Cause::TlsSelfSigned,
            Some(webpki::Error::UnsupportedCertVersion) => Cause::TlsVersionOne,
            _ => Cause::TlsCertificateUnusable,
        },
        _ => Cause::TlsCertificateUnusable,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refused_certificate_is_found_inside_an_io_error() {
        let refused = rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer);
        let wrapped = io::Error::new(io::ErrorKind::InvalidData, io::Error::other(refused));
        assert_eq!(cause_of(&wrapped), Some(Cause::TlsUnknownIssuer));
        let refused = io::Error::new(io::ErrorKind::ConnectionRefused, "no");
        assert_eq!(cause_of(&refused), Some(Cause::ConnectionRefused));
        assert_eq!(cause_of(&io::Error::other("an untyped error")), None);
        assert_eq!(cause_of(&io::Error::other(NameUnknown)), Some(Cause::NameUnknown));
    }

    #[test]
    fn another_protocol_and_an_old_one_are_not_an_untrusted_certificate() {
        for (error, cause) in [
            (rustls::Error::InvalidMessage(InvalidMessage::InvalidContentType), Cause::TlsNotSpoken),
            (rustls::Error::AlertReceived(AlertDescription::ProtocolVersion), Cause::TlsTooOld),
            (rustls::Error::AlertReceived(AlertDescription::HandshakeFailure), Cause::TlsNoCommonCipher),
            (
                rustls::Error::AlertReceived(AlertDescription::CertificateRequired),
                Cause::TlsClientCertificate,
            ),
            (rustls::Error::DecryptError, Cause::TlsFailed),
        ] {
            assert_eq!(of_tls(&error), cause, "{error:?}");
        }
    }

    #[test]
    fn the_log_has_the_innermost_error_without_the_address_around_it() {
        #[derive(Debug, thiserror::Error)]
        #[error("error sending request for url (https://id.example.org/users?email=ada@example.org)")]
        struct Outer(#[source] io::Error);
        let outer = Outer(io::Error::new(io::ErrorKind::ConnectionReset, "reset\nby peer"));
        assert_eq!(original(&outer), "resetby peer");
    }
}
