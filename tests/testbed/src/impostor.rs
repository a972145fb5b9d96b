//! A server with a false identity: it speaks TLS with a flawed certificate, and counts what a client sends nevertheless.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::{Context as _, Result};
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

use crate::certs::{Flaw, make_papers};

/// What comes before TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Opening {
    /// Nothing: TLS from the first byte.
    Tls,
    /// LDAP's StartTLS: one request, answered with success (RFC 4511 section 4.14).
    StartTls,
    /// PostgreSQL's `SSLRequest`, answered with yes ("Message Formats" in its manual).
    Postgres,
}

/// The running server. Dropping it stops it.
#[derive(Debug)]
pub struct Impostor {
    /// Where it listens.
    pub address: SocketAddr,
    /// The authority that a careful operator configures the client to trust.
    pub ca_file: PathBuf,
    told: Arc<AtomicUsize>,
    met: Arc<AtomicUsize>,
    task: JoinHandle<()>,
    _folder: tempfile::TempDir,
}

impl Impostor {
    /// Starts a server whose certificate should be for `names`.
    pub async fn start(names: &[&str], flaw: Flaw, opening: Opening) -> Result<Self> {
        rustls::crypto::ring::default_provider().install_default().ok();
        let papers = make_papers(names, flaw)?;
        let folder = tempfile::tempdir()?;
        let ca_file = folder.path().join("ca.crt");
        std::fs::write(&ca_file, &papers.trusted)?;
        let certificate = CertificateDer::from_pem_slice(papers.certificate.as_bytes())?;
        let key = PrivateKeyDer::from_pem_slice(papers.key.as_bytes())?;
        // A resolver, because rustls refuses to serve a certificate that it would not accept.
        let key = rustls::crypto::ring::sign::any_supported_type(&key)?;
        let papers = SingleCertAndKey::from(CertifiedKey::new(vec![certificate], key));
        let config = ServerConfig::builder().with_no_client_auth().with_cert_resolver(Arc::new(papers));
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let address = listener.local_addr()?;
        let (told, met) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let (counts, meets) = (Arc::clone(&told), Arc::clone(&met));
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                meets.fetch_add(1, Ordering::SeqCst);
                let (acceptor, counts) = (acceptor.clone(), Arc::clone(&counts));
                tokio::spawn(async move {
                    // A client that distrusts the certificate ends the handshake. The test waits for that.
                    drop(hear(stream, &acceptor, opening, &counts).await);
                });
            }
        });
        Ok(Self { address, ca_file, told, met, task, _folder: folder })
    }

    /// How many bytes it received inside TLS. A password would be among them.
    pub fn told(&self) -> usize {
        self.told.load(Ordering::SeqCst)
    }

    /// How many clients connected.
    pub fn met(&self) -> usize {
        self.met.load(Ordering::SeqCst)
    }
}

impl Drop for Impostor {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn hear(
    mut stream: TcpStream,
    acceptor: &TlsAcceptor,
    opening: Opening,
    told: &AtomicUsize,
) -> Result<()> {
    match opening {
        Opening::Tls => {}
        Opening::StartTls => {
            let mut request = [0; 512];
            let length = stream.read(&mut request).await?;
            // SEQUENCE, its length, and the message id as an INTEGER of one byte.
            let id = *request.get(..length).and_then(|read| read.get(4)).context("no request")?;
            // ExtendedResponse: success, no matched name, no text.
            let granted = [0x30, 0x0c, 0x02, 0x01, id, 0x78, 0x07, 0x0a, 0x01, 0x00, 0x04, 0x00, 0x04, 0x00];
            stream.write_all(&granted).await?;
        }
        Opening::Postgres => {
            let mut request = [0; 8];
            stream.read_exact(&mut request).await?;
            stream.write_all(b"S").await?;
        }
    }
    let mut inside = acceptor.accept(stream).await?;
    count(&mut inside, told).await
}

async fn count(from: &mut (impl AsyncRead + Unpin), told: &AtomicUsize) -> Result<()> {
    let mut bytes = [0; 4096];
    loop {
        let length = from.read(&mut bytes).await?;
        if length == 0 {
            return Ok(());
        }
        told.fetch_add(length, Ordering::SeqCst);
    }
}
