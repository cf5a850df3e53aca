//! TLS: handshakes with the files that are there now.
//!
//! TLS 1.2 and 1.3, and HTTP/1.1 in it, as without it. A handshake must end within the time that
//! the head of a request has, and counts as a connection. The files are read again every few
//! seconds: new ones are for new connections, and broken ones change nothing.

mod certificate;
mod files;

pub use files::TlsFiles;

use files::{ClientVerifier, FileContents};

use super::lifecycle;
use super::peer::PeerCertificate;
use crate::clock::{Clock, SystemClock};
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::event::hex;
use rustls::ServerConfig;
use rustls::pki_types::{CertificateDer, UnixTime};
use serde_json::{Value as Json, json};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

/// How often the files are looked at.
const RELOAD: Duration = Duration::from_secs(2);
/// The answer to a request in plain HTTP.
const PLAIN: &[u8] = b"HTTP/1.1 400 Bad Request\r\ncontent-type: application/problem+json\r\n\
    content-length: 119\r\nconnection: close\r\n\r\n\
    {\"type\":\"about:blank\",\"title\":\"Bad Request\",\"status\":400,\"detail\":\"this port \
    speaks TLS: write https:// for http://\"}\r\n";
/// The fatal alert `internal_error`: all that a client understands before a handshake.
const ALERT: &[u8] = &[0x15, 0x03, 0x03, 0x00, 0x02, 0x02, 0x50];

/// What handshakes are made with.
#[derive(Debug, Clone)]
pub(super) struct TlsContext {
    files: Arc<TlsFiles>,
    current: Arc<RwLock<Arc<InUse>>>,
    /// The hash of the files in use.
    read: [u8; 32],
}

/// What was made of the files that were read last.
#[derive(Debug)]
struct InUse {
    config: Arc<ServerConfig>,
    /// Verifies the certificates of clients, if they may have one.
    clients: Option<ClientVerifier>,
    /// The hash of the authorities of clients.
    authorities: [u8; 32],
}

/// A connection after its handshake.
pub(super) struct Shaken {
    pub(super) stream: TlsStream<TcpStream>,
    /// The client's certificate, if it has one; it is verified.
    pub(super) certificate: Option<Arc<PeerCertificate>>,
}

impl TlsContext {
    /// Reads the files.
    ///
    /// # Errors
    /// What is wrong with them.
    pub(super) fn new(files: TlsFiles) -> Result<Self> {
        let contents = files.read()?;
        let (config, clients, warnings) = files.config(&contents, SystemClock.now())?;
        warn(&warnings);
        let current = Arc::new(RwLock::new(Arc::new(InUse::of((config, clients), &contents))));
        Ok(Self { files: Arc::new(files), current, read: contents.hash() })
    }

    /// Reads the files again and again, until it is dropped. What comes of it is recorded by
    /// `engine`, if there is one.
    pub(super) async fn keep_current(mut self, engine: Option<Arc<Engine>>) {
        let file = self.files.cert.display().to_string();
        let record = async |details: Json| {
            if let Some(engine) = &engine {
                lifecycle::record(engine, "reloadCertificate", details).await;
            }
        };
        // A fault is told once, not every two seconds.
        let mut told = String::new();
        loop {
            tokio::time::sleep(RELOAD).await;
            let mut next = self.clone();
            let read = tokio::task::spawn_blocking(move || next.reload().map(|()| next)).await;
            let read = read.unwrap_or_else(|cause| {
                Err(Error::internal("cannot look at the certificate").because(cause))
            });
            match read {
                Ok(next) => {
                    if next.read != self.read {
                        record(json!({ "file": file, "sha256": hex(&next.read) })).await;
                    }
                    self = next;
                    told.clear();
                }
                Err(error) if error.to_string() == told => {}
                Err(error) => {
                    told = error.to_string();
                    tracing::error!("{told}; the certificate that was read before stays in use");
                    record(json!({ "file": file, "error": told })).await;
                }
            }
        }
    }

    /// Takes over the files if they have changed.
    fn reload(&mut self) -> Result<()> {
        let contents = self.files.read()?;
        let hash = contents.hash();
        if hash == self.read {
            return Ok(());
        }
        let (config, clients, warnings) = self.files.config(&contents, SystemClock.now())?;
        warn(&warnings);
        *self.current.write().unwrap_or_else(PoisonError::into_inner) =
            Arc::new(InUse::of((config, clients), &contents));
        self.read = hash;
        tracing::info!("the certificate in {} is in use", self.files.cert.display());
        Ok(())
    }

    /// Makes a handshake; `None` if the client does not. The caller sets it a deadline.
    pub(super) async fn handshake(&self, stream: TcpStream) -> Option<Shaken> {
        // Until the first byte has come, a connection costs no more than a plain one.
        let mut first = [0];
        if stream.peek(&mut first).await.ok()? == 0 {
            return None;
        }
        // A record of TLS begins with a small number, a request with the name of a method.
        if first[0].is_ascii_alphabetic() {
            answer_and_close(&stream, PLAIN);
            return None;
        }
        let in_use = self.in_use();
        let stream = TlsAcceptor::from(Arc::clone(&in_use.config)).accept(stream).await.ok()?;
        let chain = stream.get_ref().1.peer_certificates().unwrap_or_default();
        let certificate = chain.first().map(|first| {
            Arc::new(PeerCertificate {
                until: Some(certificate::until(first)),
                authorities: in_use.authorities,
                chain: chain.iter().map(|certificate| certificate.to_vec()).collect(),
                ..certificate::names(first)
            })
        });
        Some(Shaken { stream, certificate })
    }

    fn in_use(&self) -> Arc<InUse> {
        Arc::clone(&self.current.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Returns whether a certificate that was good at its handshake is good now: it has not ended,
    /// and one of the authorities that there are now has signed it. A connection may be open for
    /// long.
    pub(super) fn is_still_good(&self, certificate: &PeerCertificate) -> bool {
        if certificate.until.is_some_and(|until| SystemClock.now() >= until) {
            return false;
        }
        let in_use = self.in_use();
        certificate.authorities == in_use.authorities || in_use.verifies(certificate)
    }
}

impl InUse {
    fn of(
        (config, clients): (ServerConfig, Option<ClientVerifier>),
        contents: &FileContents,
    ) -> Self {
        Self { config: Arc::new(config), clients, authorities: contents.authorities() }
    }

    /// Returns whether an authority that is known now has signed a certificate.
    fn verifies(&self, certificate: &PeerCertificate) -> bool {
        let chain: Vec<CertificateDer<'_>> =
            certificate.chain.iter().map(|der| der.as_slice().into()).collect();
        let (Some(clients), Some((first, others))) = (&self.clients, chain.split_first()) else {
            return false;
        };
        clients.verify_client_cert(first, others, UnixTime::now()).is_ok()
    }
}

fn warn(warnings: &[String]) {
    for warning in warnings {
        tracing::warn!("{warning}");
    }
}

/// Tells a client of TLS that it is not served.
pub(super) fn refuse(stream: &TcpStream) {
    answer_and_close(stream, ALERT);
}

/// Sends an answer, as far as the client's system accepts it immediately.
pub(super) fn answer_and_close(stream: &TcpStream, answer: &[u8]) {
    let _ = stream.try_write(answer);
    // Reads what the client has sent first: closing a socket with unread bytes resets the
    // connection, and the answer would be lost.
    let _ = stream.try_read(&mut [0; 4_096]);
}

#[cfg(test)]
mod tests {
    use super::*;
    use rcgen::generate_simple_self_signed;
    use std::path::Path;

    #[test]
    fn the_answer_to_plain_http_is_http() {
        let text = std::str::from_utf8(PLAIN).expect("text");
        let (head, body) = text.split_once("\r\n\r\n").expect("a head");
        assert!(head.contains(&format!("content-length: {}", body.len())), "{}", body.len());
        assert_eq!(serde_json::from_str::<serde_json::Value>(body).expect("JSON")["status"], 400);
    }

    #[test]
    fn broken_files_change_nothing_until_they_are_mended() {
        let folder = tempfile::tempdir().expect("a temporary directory");
        let [cert, key] = ["cert.pem", "key.pem"].map(|name| folder.path().join(name));
        let write = |file: &Path, text: &str| std::fs::write(file, text).expect("a folder");
        let pair = || {
            let own = generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
            (own.cert.pem(), own.signing_key.serialize_pem())
        };
        let (first, second) = (pair(), pair());
        write(&cert, &first.0);
        write(&key, &first.1);
        let files = TlsFiles { cert: cert.clone(), key: key.clone(), client_ca: None };
        let mut context = TlsContext::new(files).expect("sound files");
        let in_use = |context: &TlsContext| Arc::clone(&context.current.read().expect("a lock"));
        let before = in_use(&context);
        context.reload().expect("nothing has changed");
        assert!(Arc::ptr_eq(&before, &in_use(&context)), "nothing is read twice");
        write(&cert, &second.0);
        let error = context.reload().expect_err("the key is still the first").to_string();
        assert!(error.contains("does not belong") && error.contains("key.pem"), "{error}");
        assert_eq!(context.reload().expect_err("it is still").to_string(), error);
        std::fs::remove_file(&key).expect("a file");
        context.reload().expect_err("there is no key");
        write(&key, "");
        context.reload().expect_err("there is half a key");
        assert!(Arc::ptr_eq(&before, &in_use(&context)));
        write(&key, &second.1);
        context.reload().expect("both are there");
        assert!(!Arc::ptr_eq(&before, &in_use(&context)));
    }
}
