//! The testbed's own certificate authority: one for each set of servers, valid for `127.0.0.1` and `localhost`.

use std::{
    fs,
    net::IpAddr,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result, ensure};
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, date_time_ymd,
};

/// The name of every authority that is trusted.
const AUTHORITY: &str = "Accolade testbed";

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
    /// It is its authority's own certificate.
    SelfSigned,
    /// It is for clients, not for servers.
    ForClients,
    /// It is signed with SHA-1.
    Sha1,
    /// It has version 1: no extensions, so no names.
    VersionOne,
}

/// A certificate with its key, and the file (PEM) of the authority that clients are configured to trust.
pub(crate) struct Papers {
    pub(crate) certificate: String,
    pub(crate) key: String,
    pub(crate) trusted: String,
}

/// Makes a certificate for `names` with the given flaw.
pub(crate) fn make_papers(names: &[&str], flaw: Flaw) -> Result<Papers> {
    if matches!(flaw, Flaw::Sha1 | Flaw::VersionOne) {
        return make_old_papers(names, flaw);
    }
    let (trusted, issuer) = make_authority(AUTHORITY)?;
    let (_, stranger) = make_authority("A stranger")?;
    let elsewhere = ["elsewhere.example"];
    let names = if flaw == Flaw::AnotherName { &elsewhere[..] } else { names };
    let (mut server, key) = make_server(names)?;
    match flaw {
        Flaw::None | Flaw::StrangersAuthority | Flaw::AnotherName | Flaw::Sha1 | Flaw::VersionOne => {}
        Flaw::Expired => server.not_after = date_time_ymd(2021, 1, 1),
        Flaw::NotYetValid => server.not_before = date_time_ymd(2048, 1, 1),
        Flaw::SelfSigned => {
            server.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
            let own = server.self_signed(&key)?.pem();
            return Ok(Papers { certificate: own.clone(), key: key.serialize_pem(), trusted: own });
        }
        Flaw::ForClients => server.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth],
    }
    let issuer = if flaw == Flaw::StrangersAuthority { &stranger } else { &issuer };
    let certificate = server.signed_by(&key, issuer)?.pem();
    Ok(Papers { certificate, key: key.serialize_pem(), trusted })
}

/// Makes a certificate that only old tools make, with OpenSSL's command line.
fn make_old_papers(names: &[&str], flaw: Flaw) -> Result<Papers> {
    let folder = tempfile::tempdir()?;
    let file = |name: &str| folder.path().join(name);
    let run = |arguments: &[&str]| -> Result<()> {
        let run = Command::new("openssl").args(arguments).current_dir(folder.path()).output();
        let run = run.context("run openssl")?;
        ensure!(run.status.success(), "openssl {arguments:?}: {}", String::from_utf8_lossy(&run.stderr));
        Ok(())
    };
    let of = |name: &&str| match name.parse::<IpAddr>() {
        Ok(address) => format!("IP:{address}"),
        Err(_) => format!("DNS:{name}"),
    };
    let names = names.iter().map(of).collect::<Vec<_>>().join(",");
    fs::write(file("extensions"), format!("subjectAltName={names}\nextendedKeyUsage=serverAuth\n"))?;
    let subject = ["/CN=", AUTHORITY].concat();
    run(&[
        "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", "ca.key", "-out", "ca.crt", "-days",
        "3650", "-subj", &subject,
    ])?;
    run(&[
        "req",
        "-newkey",
        "rsa:2048",
        "-nodes",
        "-keyout",
        "server.key",
        "-out",
        "server.csr",
        "-subj",
        "/CN=localhost",
    ])?;
    let sign = [
        "x509",
        "-req",
        "-in",
        "server.csr",
        "-CA",
        "ca.crt",
        "-CAkey",
        "ca.key",
        "-CAcreateserial",
        "-days",
        "3650",
        "-out",
        "server.crt",
    ];
    let more: &[&str] = if flaw == Flaw::Sha1 { &["-sha1", "-extfile", "extensions"] } else { &["-sha256"] };
    run(&[&sign[..], more].concat())?;
    let read = |name: &str| fs::read_to_string(file(name)).context("what openssl wrote");
    Ok(Papers { certificate: read("server.crt")?, key: read("server.key")?, trusted: read("ca.crt")? })
}

/// Makes `ca.crt`, `server.crt` and `server.key` in `folder` and returns the path of `ca.crt`.
pub(crate) fn make_certificates(folder: &Path) -> Result<PathBuf> {
    fs::create_dir_all(folder).context("make the folder of certificates")?;
    let (authority, issuer) = make_authority(AUTHORITY)?;
    let (server, key) = make_server(&["localhost", "127.0.0.1"])?;
    let certificate = server.signed_by(&key, &issuer)?;

    let ca_file = folder.join("ca.crt");
    fs::write(&ca_file, authority).context("write the authority's certificate")?;
    fs::write(folder.join("server.crt"), certificate.pem()).context("write a server certificate")?;
    fs::write(folder.join("server.key"), key.serialize_pem()).context("write a server key")?;
    Ok(ca_file)
}

/// Makes a new authority: its certificate, and the issuer that signs with it.
fn make_authority(name: &str) -> Result<(String, Issuer<'static, KeyPair>)> {
    let key = KeyPair::generate()?;
    let mut authority = CertificateParams::new(Vec::new())?;
    authority.distinguished_name.push(DnType::CommonName, name);
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
