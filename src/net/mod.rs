//! Rules of the network that several clients share: loopback and link-local addresses, and CA files. `failure` finds the cause of a
//! failed connection.

pub(crate) mod failure;

use std::io;
use std::net::{IpAddr, Ipv6Addr};
use std::path::Path;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::{self, PemObject as _};
use url::{Host, Url};

/// Whether a host is this machine. `host` is a name or a literal address; an IPv6 address may be in brackets.
///
/// The only name that counts is `localhost`: any other name may resolve to another machine tomorrow.
pub(crate) fn is_loopback_host(host: &str) -> bool {
    host.eq_ignore_ascii_case("localhost")
        || host.trim_matches(['[', ']']).parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// Whether the URL's host is this machine. A URL without a host is not.
pub(crate) fn is_loopback(url: &Url) -> bool {
    url.host_str().is_some_and(is_loopback_host)
}

/// The literal address in a URL, if its host is one. Schemes outside the URL standard keep their host as plain text.
pub(crate) fn literal_address(url: &Url) -> Option<IpAddr> {
    match url.host()? {
        Host::Ipv4(address) => Some(IpAddr::V4(address)),
        Host::Ipv6(address) => Some(IpAddr::V6(address)),
        Host::Domain(name) => name.trim_matches(['[', ']']).parse().ok(),
    }
}

/// Whether an address can't belong to an operator's server: link-local (RFC 3927, RFC 4291), where clouds hand out a machine's
/// credentials, and "this host" (RFC 1122).
pub(crate) fn is_link_local(address: IpAddr) -> bool {
    /// The one metadata address of a cloud that is not link-local.
    const METADATA: Ipv6Addr = Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254);
    match address.to_canonical() {
        IpAddr::V4(address) => address.is_link_local() || address.is_unspecified(),
        IpAddr::V6(address) => {
            address.is_unicast_link_local() || address.is_unspecified() || address == METADATA
        }
    }
}

/// Why a CA file can't be used.
#[derive(Debug, thiserror::Error)]
pub enum CaFileError {
    /// The file cannot be read.
    #[error("cannot be read")]
    Unreadable(#[source] io::Error),
    /// The file is not PEM, or no certificate is in it.
    #[error("holds no certificate")]
    NoCertificate,
}

/// Reads the certificates of a CA file (PEM). At least one is returned. Their content is checked by the TLS library that uses them.
pub(crate) fn read_ca_file(file: &Path) -> Result<Vec<CertificateDer<'static>>, CaFileError> {
    let text = std::fs::read(file).map_err(CaFileError::Unreadable)?;
    let found: Result<Vec<_>, pem::Error> = CertificateDer::pem_slice_iter(&text).collect();
    match found {
        Ok(certificates) if !certificates.is_empty() => Ok(certificates),
        Ok(_) | Err(_) => Err(CaFileError::NoCertificate),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_this_machine_is_loopback() {
        let check = |url: &str| is_loopback(&Url::parse(url).expect("a URL"));
        for url in [
            "ws://127.0.0.1:8700",
            "ws://[::1]:1/?v=10",
            "http://LOCALHOST:9",
            "ldap://127.0.0.1",
            "ldap://[::1]:389",
            "postgres://accolade@localhost/x",
        ] {
            assert!(check(url), "{url}");
        }
        for url in [
            "wss://gateway.discord.gg",
            "ws://127.0.0.1.example.org",
            "ldap://localhost.example.org",
            "ws://10.0.0.1",
            "ldap://[fe80::1]",
            "sqlite:///var/lib/accolade.sqlite",
        ] {
            assert!(!check(url), "{url}");
        }
        assert!(is_loopback_host("::1") && is_loopback_host("127.8.9.1"));
        assert!(!is_loopback_host("") && !is_loopback_host("::ffff:10.0.0.1"));
    }

    #[test]
    fn a_ca_file_is_read_whole_or_refused() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("ca.pem");
        let block =
            |text: &str| ["-----BEGIN CERTIFICATE-----\n", text, "\n-----END CERTIFICATE-----\n"].concat();
        let read = |text: &str| {
            std::fs::write(&file, text).expect("a file");
            read_ca_file(&file)
        };
        assert!(matches!(read_ca_file(&file), Err(CaFileError::Unreadable(_))));
        assert_eq!(read(&["text before\n", &block("AAAA"), &block("AAAB")].concat()).expect("two").len(), 2);
        for text in [
            "",
            "nothing",
            &block("not base64!"),
            &[&block("AAAA"), "-----BEGIN CERTIFICATE-----\nAAAA"].concat(),
        ] {
            assert!(matches!(read(text), Err(CaFileError::NoCertificate)), "{text:?}");
        }
    }
}
