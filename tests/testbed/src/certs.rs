//! The testbed's own certificate authority: one for each set of servers, valid for `127.0.0.1` and `localhost`.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, date_time_ymd,
};

/// What is wrong with a server's certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flaw {
    /// Nothing.
    None,
    /// It is signed by an authority that the client does not trust.
    StrangersAuthority,
    /// It belongs to another server.
    AnotherName,
    /// It has expired.
    Expired,
    /// It is not valid yet.
    NotYetValid,
}

/// A certificate with its key, and the file (PEM) of the authority that clients are configured to trust.
pub(crate) struct Papers {
    pub(crate) certificate: String,
    pub(crate) key: String,
    pub(crate) trusted: String,
}

/// Makes a certificate for `names` with the given flaw.
pub(crate) fn make_papers(names: &[&str], flaw: Flaw) -> Result<Papers> {
    let (trusted, issuer) = make_authority()?;
    let (_, stranger) = make_authority()?;
    let elsewhere = ["elsewhere.example"];
    let names = if flaw == Flaw::AnotherName { &elsewhere[..] } else { names };
    let (mut server, key) = make_server(names)?;
    match flaw {
        Flaw::None | Flaw::StrangersAuthority | Flaw::AnotherName => {}
        Flaw::Expired => server.not_after = date_time_ymd(2021, 1, 1),
        Flaw::NotYetValid => server.not_before = date_time_ymd(2048, 1, 1),
    }
    let issuer = if flaw == Flaw::StrangersAuthority { &stranger } else { &issuer };
    let certificate = server.signed_by(&key, issuer)?.pem();
    Ok(Papers { certificate, key: key.serialize_pem(), trusted })
}

/// Makes `ca.crt`, `server.crt` and `server.key` in `folder` and returns the path of `ca.crt`.
pub(crate) fn make_certificates(folder: &Path) -> Result<PathBuf> {
    fs::create_dir_all(folder).context("make the folder of certificates")?;
    let (authority, issuer) = make_authority()?;
    let (server, key) = make_server(&["localhost", "127.0.0.1"])?;
    let certificate = server.signed_by(&key, &issuer)?;

    let ca_file = folder.join("ca.crt");
    fs::write(&ca_file, authority).context("write the authority's certificate")?;
    fs::write(folder.join("server.crt"), certificate.pem()).context("write a server certificate")?;
    fs::write(folder.join("server.key"), key.serialize_pem()).context("write a server key")?;
    Ok(ca_file)
}

/// Makes a new authority: its certificate, and the issuer that signs with it.
fn make_authority() -> Result<(String, Issuer<'static, KeyPair>)> {
    let key = KeyPair::generate()?;
    let mut authority = CertificateParams::new(Vec::new())?;
    authority.distinguished_name.push(DnType::CommonName, "Accolade testbed");
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    authority.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    set_validity(&mut authority);
    let certificate = authority.self_signed(&key)?.pem();
    Ok((certificate, Issuer::new(authority, key)))
}

/// Makes an unsigned server certificate for these names.
fn make_server(names: &[&str]) -> Result<(CertificateParams, KeyPair)> {
    let mut server = CertificateParams::new(names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>())?;
    server.distinguished_name.push(DnType::CommonName, names.first().copied().unwrap_or_default());
    server.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    server.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    set_validity(&mut server);
    Ok((server, KeyPair::generate()?))
}

/// A validity long enough for any test, in a form that every TLS library can read.
fn set_validity(params: &mut CertificateParams) {
    params.not_before = date_time_ymd(2020, 1, 1);
    params.not_after = date_time_ymd(2049, 1, 1);
}
