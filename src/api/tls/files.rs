//! The files of TLS: what they must be, and what is wrong with them.

use super::certificate::warnings;
use crate::error::{Error, ErrorKind, Result};
use crate::event::Timestamp;
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::version::{TLS12, TLS13};
use rustls::{InconsistentKeys, RootCertStore, ServerConfig};
use sha2::{Digest, Sha256};
use std::fmt::Display;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Verifies the certificates of clients.
pub(super) type ClientVerifier = Arc<dyn ClientCertVerifier>;

/// A file above this size holds no certificates.
const FILE_BYTES_MAX: u64 = 1 << 20;

/// The files of a server's TLS, all of them PEM. They are read again when they change.
#[derive(Debug, Clone)]
pub struct TlsFiles {
    /// The server's certificate, and after it those that lead to its authority.
    pub cert: PathBuf,
    /// The private key of the certificate, not encrypted.
    pub key: PathBuf,
    /// The authorities of client certificates. With it, clients are asked for a certificate: they
    /// may have none, but one that none of these has signed ends the handshake.
    pub client_ca: Option<PathBuf>,
}

/// What the files hold at one time.
pub(super) struct FileContents {
    cert: Vec<u8>,
    key: Vec<u8>,
    client_ca: Option<Vec<u8>>,
}

impl FileContents {
    /// A hash over all files, which tells whether one has changed.
    pub(super) fn hash(&self) -> [u8; 32] {
        let mut hash = Sha256::new();
        for bytes in [Some(&self.cert), Some(&self.key), self.client_ca.as_ref()] {
            hash.update(bytes.map_or(0, Vec::len).to_be_bytes());
            hash.update(bytes.map_or(&[][..], Vec::as_slice));
        }
        hash.finalize().into()
    }

    /// A hash over the authorities of clients.
    pub(super) fn authorities(&self) -> [u8; 32] {
        Sha256::digest(self.client_ca.as_deref().unwrap_or_default()).into()
    }
}

impl TlsFiles {
    pub(super) fn read(&self) -> Result<FileContents> {
        let client_ca = self.client_ca.as_deref().map(read).transpose()?;
        Ok(FileContents { cert: read(&self.cert)?, key: read(&self.key)?, client_ca })
    }

    /// Returns what a server speaks with these files, and what its operator should know of them.
    ///
    /// # Errors
    /// What is wrong, with the name of the file.
    pub(super) fn config(
        &self,
        contents: &FileContents,
        now: Timestamp,
    ) -> Result<(ServerConfig, Option<ClientVerifier>, Vec<String>)> {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let chain = certificates(&self.cert, &contents.cert)?;
        let warnings = warnings(&self.cert, &chain, now)?;
        let identity = self.identity(&chain, &private_key(&self.key, &contents.key)?, &provider)?;
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_protocol_versions(&[&TLS13, &TLS12])
            .map_err(|cause| Error::internal("cannot speak TLS").because(cause))?;
        let mut clients = None;
        let builder = match (&self.client_ca, &contents.client_ca) {
            (Some(file), Some(bytes)) => {
                let mut roots = RootCertStore::empty();
                for certificate in certificates(file, bytes)? {
                    roots.add(certificate).map_err(|cause| {
                        refused(file, "has a certificate that no authority can have").because(cause)
                    })?;
                }
                let verifier =
                    WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider)
                        .allow_unauthenticated()
                        .build()
                        .map_err(|cause| refused(file, "cannot be used").because(cause))?;
                builder.with_client_cert_verifier(Arc::clone(clients.insert(verifier)))
            }
            _ => builder.with_no_client_auth(),
        };
        let mut config = builder.with_cert_resolver(Arc::new(SingleCertAndKey::from(identity)));
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        if contents.client_ca.is_some() {
            // A session that is taken up again would bring the certificate of the first handshake
            // along, whatever has become of it since.
            config.session_storage = Arc::new(NoServerSessionStorage {});
            config.send_tls13_tickets = 0;
        }
        Ok((config, clients, warnings))
    }

    fn identity(
        &self,
        chain: &[CertificateDer<'static>],
        key: &PrivateKeyDer<'static>,
        provider: &CryptoProvider,
    ) -> Result<CertifiedKey> {
        let with = |chain: &[CertificateDer<'static>]| {
            CertifiedKey::from_der(chain.to_vec(), key.clone_key(), provider)
        };
        let (shown, cert) = (self.key.display(), self.cert.display());
        match with(chain) {
            Ok(identity) => Ok(identity),
            Err(rustls::Error::InconsistentKeys(InconsistentKeys::KeyMismatch)) => {
                let is_later = (1..chain.len()).any(|place| with(&chain[place..]).is_ok());
                Err(Error::invalid(match is_later {
                    true => format!(
                        "the key in {shown} belongs to a later certificate in {cert}: the server's \
                        own must stand first"
                    ),
                    false => {
                        format!("the key in {shown} does not belong to the certificate in {cert}")
                    }
                }))
            }
            Err(cause) => Err(refused(&self.key, "has a key that cannot be used").because(cause)),
        }
    }
}

fn read(file: &Path) -> Result<Vec<u8>> {
    let failed = |cause| Error::io(file.display(), cause);
    let mut bytes = Vec::new();
    let opened = std::fs::File::open(file).map_err(failed)?;
    opened.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() as u64 > FILE_BYTES_MAX {
        return Err(refused(file, "is larger than 1 MiB"));
    }
    Ok(bytes)
}

fn refused(file: &Path, what: impl Display) -> Error {
    Error::new(ErrorKind::Invalid, format!("{} {what}", file.display()))
}

fn is_pem(bytes: &[u8]) -> bool {
    memchr::memmem::find(bytes, b"-----BEGIN ").is_some()
}

fn not_pem(file: &Path, bytes: &[u8], what: &str) -> Error {
    let is_der = bytes.first() == Some(&0x30);
    let advice = if is_der { "; it looks like DER" } else { "" };
    refused(file, format!("is not PEM: there is no line -----BEGIN {what}-----{advice}"))
}

fn certificates(file: &Path, bytes: &[u8]) -> Result<Vec<CertificateDer<'static>>> {
    if !is_pem(bytes) {
        return Err(not_pem(file, bytes, "CERTIFICATE"));
    }
    let found: Vec<_> = CertificateDer::pem_slice_iter(bytes)
        .collect::<std::result::Result<_, _>>()
        .map_err(|cause| refused(file, "is damaged").because(cause))?;
    if found.is_empty() {
        let is_key = memchr::memmem::find(bytes, b"PRIVATE KEY-----").is_some();
        let other = if is_key { ", but a private key" } else { "" };
        return Err(refused(file, format!("has no certificate{other}")));
    }
    Ok(found)
}

fn private_key(file: &Path, bytes: &[u8]) -> Result<PrivateKeyDer<'static>> {
    let has = |text: &str| memchr::memmem::find(bytes, text.as_bytes()).is_some();
    if !is_pem(bytes) {
        return Err(not_pem(file, bytes, "PRIVATE KEY"));
    }
    if has("BEGIN ENCRYPTED PRIVATE KEY") || has("Proc-Type: 4,ENCRYPTED") {
        let name = file.display();
        return Err(refused(
            file,
            format!(
                "has an encrypted key, and nobody could type its password: openssl pkey -in \
                {name} -out … writes it without one"
            ),
        ));
    }
    let mut found = PrivateKeyDer::pem_slice_iter(bytes);
    match found.next() {
        Some(Ok(key)) => Ok(key),
        Some(Err(cause)) => Err(refused(file, "is damaged").because(cause)),
        None => {
            let other = if has("BEGIN CERTIFICATE") { ", but a certificate" } else { "" };
            Err(refused(file, format!("has no private key{other}")))
        }
    }
}
