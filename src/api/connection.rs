//! Connections: every wait for a client has a deadline.
//!
//! Between requests a client may be silent for [`IDLE`]. From its first byte, the head of a request
//! must be complete within [`HEAD`]. A client that reads nothing of its answer for [`WRITE`] is
//! dropped. The deadline for a body is enforced where bodies are read (`arrival`), because there
//! the client can still be answered. A TLS handshake must be complete within [`HEAD`], counted from
//! the beginning of the connection; after it, all of this is the same.

use super::peer::{Peer, PeerCertificate};
use super::proxy::TrustedProxies;
use super::tls::TlsContext;
use super::unroutable::answer_with_body;
use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::Request;
use axum::http::{HeaderValue, header};
use axum::response::Response;
use hyper::body::{Body as HttpBody, Frame, Incoming, SizeHint};
use hyper::server::conn::http1;
use hyper::service::Service;
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::{Instant, Sleep};

/// How long a connection may wait for its next request.
const IDLE: Duration = Duration::from_secs(75);
/// How long the head of a request may take, counted from its first byte.
const HEAD: Duration = Duration::from_secs(10);
/// How long a client may read nothing of its answer.
const WRITE: Duration = Duration::from_secs(30);
/// How long a connection without a request stays open when the server stops: a request may be on
/// its way.
const LAST_CALL: Duration = Duration::from_millis(500);
/// The longest request head; a longer one is answered with 431.
const HEAD_BYTES_MAX: usize = 128 << 10;
/// How much of a head is kept for the answer if it is refused.
const HEAD_NOTED: usize = 2 << 10;
/// Tells browsers to use TLS for a year; sent with answers over TLS.
const HSTS: HeaderValue = HeaderValue::from_static("max-age=31536000");

/// What all connections share.
#[derive(Debug, Clone)]
pub(super) struct Served {
    pub(super) router: Router,
    /// `None` for plain HTTP.
    pub(super) tls: Option<TlsContext>,
    pub(super) proxies: TrustedProxies,
}

impl Served {
    /// Returns whether an address may speak plain HTTP, if that is all that there is: the proxy's,
    /// which speaks TLS with the others, and this machine's.
    pub(super) fn may_be_plain(&self, peer: SocketAddr) -> bool {
        self.tls.is_some() || self.is_near(peer)
    }

    /// Returns whether an address has no more than its share of the connections. Behind a proxy,
    /// and on this machine, are many callers.
    pub(super) fn has_share(&self, peer: SocketAddr) -> bool {
        !self.is_near(peer)
    }

    fn is_near(&self, peer: SocketAddr) -> bool {
        let address = peer.ip().to_canonical();
        address.is_loopback() || self.proxies.trusts(address)
    }
}

/// The other end of a connection.
#[derive(Debug)]
struct FarEnd {
    address: SocketAddr,
    is_tls: bool,
    certificate: Option<Arc<PeerCertificate>>,
}

/// What a connection is waiting for. The stream, which waits, shares it with the service, which
/// knows.
#[derive(Debug, Default)]
struct Phase(Mutex<Wait>);

#[derive(Debug, Clone, Copy, Default)]
enum Wait {
    /// The first byte of the next request.
    #[default]
    Next,
    /// The rest of a request's head; holds the time of its first byte.
    Head(Instant),
    /// The answer.
    Answer,
}

impl Phase {
    fn get(&self) -> Wait {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set(&self, wait: Wait) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = wait;
    }
}

/// A stream whose reads and writes have deadlines.
#[derive(Debug)]
struct Timed<S> {
    stream: S,
    phase: Arc<Phase>,
    /// The deadline of the wait for a request, and whether the head has begun.
    reading: Option<(Pin<Box<Sleep>>, bool)>,
    writing: Option<Pin<Box<Sleep>>>,
    write: Duration,
    /// The beginning of the request whose head is being read.
    head: Vec<u8>,
    /// What is sent instead of hyper's answer to a head that it refuses, and how much was sent.
    refusal: Option<(Vec<u8>, usize)>,
}

impl<S> Timed<S> {
    fn new(stream: S, phase: Arc<Phase>, write: Duration) -> Self {
        let head = Vec::new();
        Self { stream, phase, reading: None, writing: None, write, head, refusal: None }
    }

    /// Returns whether a wait for a request has expired.
    fn read_is_late(&mut self, cx: &mut Context<'_>) -> bool {
        let begun = match self.phase.get() {
            Wait::Answer => {
                self.reading = None;
                return false;
            }
            Wait::Next => None,
            Wait::Head(since) => Some(since),
        };
        if self.reading.as_ref().is_none_or(|(_, head)| *head != begun.is_some()) {
            let deadline = begun.map_or_else(|| Instant::now() + IDLE, |since| since + HEAD);
            self.reading = Some((Box::pin(tokio::time::sleep_until(deadline)), begun.is_some()));
        }
        self.reading.as_mut().is_some_and(|(sleep, _)| sleep.as_mut().poll(cx).is_ready())
    }

    /// Keeps the beginning of a head, for the answer if it is refused.
    fn note_head(&mut self, bytes: &[u8]) {
        match self.phase.get() {
            Wait::Next => {
                self.head.clear();
                self.phase.set(Wait::Head(Instant::now()));
            }
            Wait::Head(_) => {}
            Wait::Answer => return,
        }
        let room = HEAD_NOTED - self.head.len();
        self.head.extend_from_slice(&bytes[..bytes.len().min(room)]);
    }

    fn watched<T>(
        &mut self,
        cx: &mut Context<'_>,
        written: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if written.is_ready() {
            self.writing = None;
            return written;
        }
        let write = self.write;
        let sleep = self.writing.get_or_insert_with(|| Box::pin(tokio::time::sleep(write)));
        ready!(sleep.as_mut().poll(cx));
        Poll::Ready(Err(io::Error::new(
            io::ErrorKind::TimedOut,
            "the client does not read its answer",
        )))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Timed<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(cx, buffer);
        if read.is_pending() {
            if self.read_is_late(cx) {
                return Poll::Ready(Err(io::Error::new(
                    io::ErrorKind::TimedOut,
                    "no request came in time",
                )));
            }
        } else if buffer.filled().len() > before {
            self.note_head(&buffer.filled()[before..]);
        }
        read
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Timed<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        // While a head is being read, hyper writes only its refusal.
        if self.refusal.is_none() && matches!(self.phase.get(), Wait::Head(_)) {
            self.refusal = answer_with_body(bytes, &self.head).map(|answer| (answer, 0));
        }
        let this = &mut *self;
        if let Some((answer, sent)) = &mut this.refusal {
            while *sent < answer.len() {
                match Pin::new(&mut this.stream).poll_write(cx, &answer[*sent..]) {
                    Poll::Ready(Ok(written @ 1..)) => *sent += written,
                    Poll::Ready(Ok(0)) => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                    other => return self.watched(cx, other),
                }
            }
            return self.watched(cx, Poll::Ready(Ok(bytes.len())));
        }
        let written = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.watched(cx, written)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.stream).poll_flush(cx);
        self.watched(cx, flushed)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let shut = Pin::new(&mut self.stream).poll_shutdown(cx);
        self.watched(cx, shut)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if matches!(self.phase.get(), Wait::Head(_)) {
            let first = parts.iter().find(|part| !part.is_empty());
            return self.poll_write(cx, first.map_or(&[], |part| part));
        }
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, parts);
        self.watched(cx, written)
    }
}

/// An answer's body: when it is dropped, the connection waits for the next request.
struct Answered {
    body: Body,
    phase: Arc<Phase>,
}

impl HttpBody for Answered {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for Answered {
    fn drop(&mut self) {
        self.phase.set(Wait::Next);
    }
}

/// The routes for one connection.
struct Routes {
    router: TowerToHyperService<Router>,
    phase: Arc<Phase>,
    served: Arc<Served>,
    far: FarEnd,
}

impl Routes {
    fn peer(&self, request: &Request<Incoming>) -> Peer {
        let FarEnd { address, is_tls, .. } = self.far;
        let caller = self.served.proxies.caller(address, request.headers());
        Peer {
            address,
            client: caller.client,
            is_tls: caller.is_tls.unwrap_or(is_tls),
            forwarded_host: caller.host,
            // That of a proxy says nothing about who calls through it.
            certificate: self
                .far
                .certificate
                .clone()
                .filter(|_| !self.served.proxies.trusts(address.ip().to_canonical()))
                .filter(|own| self.served.tls.as_ref().is_some_and(|tls| tls.is_still_good(own))),
        }
    }
}

impl Service<Request<Incoming>> for Routes {
    type Response = hyper::Response<Answered>;
    type Error = std::convert::Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send>>;

    fn call(&self, mut request: Request<Incoming>) -> Self::Future {
        self.phase.set(Wait::Answer);
        let peer = self.peer(&request);
        // Whoever has another certificate by now shows it to a new connection.
        let has_lapsed = self.far.certificate.is_some()
            && peer.certificate.is_none()
            && !self.served.proxies.trusts(self.far.address.ip().to_canonical());
        request.extensions_mut().insert(peer);
        let (answer, phase) = (self.router.call(request), Arc::clone(&self.phase));
        let is_tls = self.far.is_tls;
        Box::pin(async move {
            let mut answer: Response = answer.await?;
            if is_tls {
                answer.headers_mut().insert(header::STRICT_TRANSPORT_SECURITY, HSTS);
            }
            if has_lapsed {
                answer.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
            }
            Ok(answer.map(|body| Answered { body, phase }))
        })
    }
}

/// Serves a connection to its end or, after `stop`, to the end of its current request.
pub(super) async fn serve(
    stream: TcpStream,
    address: SocketAddr,
    served: Arc<Served>,
    mut stop: watch::Receiver<bool>,
) {
    let far = FarEnd { address, is_tls: served.tls.is_some(), certificate: None };
    let Some(tls) = &served.tls else { return exchange(stream, far, served, stop).await };
    let last_call = async {
        let _ = stop.wait_for(|stop| *stop).await;
        tokio::time::sleep(LAST_CALL).await;
    };
    // A handshake has much state, which a connection needs no longer after it.
    let shaken = tokio::select! {
        shaken = tokio::time::timeout(HEAD, Box::pin(tls.handshake(stream))) => shaken,
        () = last_call => return,
    };
    let Ok(Some(shaken)) = shaken else { return };
    let far = FarEnd { certificate: shaken.certificate, ..far };
    exchange(shaken.stream, far, Arc::clone(&served), stop).await;
}

/// Answers the requests of a connection.
async fn exchange<S>(stream: S, far: FarEnd, served: Arc<Served>, mut stop: watch::Receiver<bool>)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let phase = Arc::new(Phase::default());
    let router = TowerToHyperService::new(served.router.clone());
    let routes = Routes { router, phase: Arc::clone(&phase), served, far };
    let stream = TokioIo::new(Timed::new(stream, Arc::clone(&phase), WRITE));
    // A client may close its sending half after its request. Whether it still reads the answer
    // shows when the answer is written.
    let connection =
        http1::Builder::new().max_buf_size(HEAD_BYTES_MAX).serve_connection(stream, routes);
    let mut connection = pin!(connection);
    tokio::select! {
        // A connection that ends early was ended by the client.
        _ = connection.as_mut() => return,
        _ = stop.wait_for(|stop| *stop) => {}
    }
    connection.as_mut().graceful_shutdown();
    while tokio::time::timeout(LAST_CALL, connection.as_mut()).await.is_err() {
        if !matches!(phase.get(), Wait::Answer) {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    #[tokio::test]
    async fn a_client_that_reads_nothing_ends_the_writing() {
        let (near, far) = tokio::io::duplex(64);
        let mut timed = Timed::new(near, Arc::default(), Duration::from_millis(50));
        let failed = timed.write_all(&[0; 1_000]).await.expect_err("nobody reads");
        assert_eq!(failed.kind(), io::ErrorKind::TimedOut);
        drop(far);
    }

    #[tokio::test]
    async fn a_wait_for_a_head_that_has_begun_is_not_put_off_by_more_of_it() {
        let (near, mut far) = tokio::io::duplex(64);
        let phase = Arc::new(Phase::default());
        let mut timed = Timed::new(near, Arc::clone(&phase), WRITE);
        far.write_all(b"G").await.expect("room");
        let mut byte = [0];
        timed.read_exact(&mut byte).await.expect("a byte");
        let Wait::Head(first) = phase.get() else { panic!("the head has begun") };
        far.write_all(b"E").await.expect("room");
        timed.read_exact(&mut byte).await.expect("a byte");
        assert!(matches!(phase.get(), Wait::Head(since) if since == first));
        // Long ago: the next wait is over at once.
        let Some(long_ago) = Instant::now().checked_sub(HEAD) else { return };
        phase.set(Wait::Head(long_ago));
        let failed = timed.read_exact(&mut byte).await.expect_err("too late");
        assert_eq!(failed.kind(), io::ErrorKind::TimedOut);
        // While a request is answered, nothing is late.
        phase.set(Wait::Answer);
        let waited =
            tokio::time::timeout(Duration::from_millis(20), timed.read_exact(&mut byte)).await;
        assert!(waited.is_err());
    }

    /// What a handler is told of its caller, over connections of these two settings.
    async fn told(trusted: &str, headers: &str) -> String {
        use axum::{Extension, routing::get};
        let told = get(async |Extension(peer): Extension<Peer>| format!("{peer:?}"));
        let served = Arc::new(Served {
            router: Router::new().route("/", told),
            tls: None,
            proxies: TrustedProxies::new(&[trusted.parse().expect("a block")]),
        });
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let (_stopping, stop) = watch::channel(false);
        let asking = async {
            let mut stream = TcpStream::connect(address).await.expect("it is taken");
            let head = format!("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n{headers}\r\n");
            stream.write_all(head.as_bytes()).await.expect("it is taken");
            let mut answer = String::new();
            stream.read_to_string(&mut answer).await.expect("an answer");
            answer
        };
        let serving = async {
            let (stream, from) = listener.accept().await.expect("a client");
            serve(stream, from, served, stop).await;
        };
        tokio::join!(asking, serving).0
    }

    #[tokio::test]
    async fn a_handler_is_told_who_calls_through_a_trusted_proxy_only() {
        let headers = "X-Forwarded-For: 203.0.113.7\r\nX-Forwarded-Proto: https\r\n\
            X-Forwarded-Host: logs.example\r\n";
        let answer = told("127.0.0.1/32", headers).await;
        for part in
            ["address: 127.0.0.1:", "client: 203.0.113.7", "is_tls: true", "\"logs.example\""]
        {
            assert!(answer.contains(part), "{part}: {answer}");
        }
        // TLS ended at the proxy, which sets a policy of its own.
        assert!(!answer.to_lowercase().contains("strict-transport-security"), "{answer}");
        let answer = told("10.0.0.0/8", headers).await;
        for part in ["client: 127.0.0.1,", "is_tls: false", "forwarded_host: None"] {
            assert!(answer.contains(part), "{part}: {answer}");
        }
    }

    #[test]
    fn plain_http_is_for_the_proxy_and_this_machine_alone() {
        let blocks = ["10.0.0.0/8".parse().expect("a block")];
        let served =
            Served { router: Router::new(), tls: None, proxies: TrustedProxies::new(&blocks) };
        for (peer, is_served) in [
            ("10.1.2.3:1", true),
            ("127.0.0.1:1", true),
            ("[::1]:1", true),
            ("[::ffff:10.1.2.3]:1", true),
            ("192.0.2.1:1", false),
            ("[2001:db8::1]:1", false),
        ] {
            let peer = peer.parse().expect("an address");
            assert_eq!(served.may_be_plain(peer), is_served, "{peer}");
            assert_eq!(served.has_share(peer), !is_served, "{peer}");
        }
    }

    #[tokio::test]
    async fn a_handler_is_told_the_verified_certificate() {
        use axum::{Extension, routing::get};
        use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
        use rustls::pki_types::{PrivateKeyDer, ServerName};

        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().expect("a key"));
        let authority = authority.expect("an authority");
        let mut params = CertificateParams::new(["localhost".to_owned()]).expect("a name");
        params.distinguished_name.push(DnType::CommonName, "shipper");
        let key = KeyPair::generate().expect("a key");
        let certificate = params.signed_by(&key, &authority).expect("a certificate");
        let folder = tempfile::tempdir().expect("a temporary directory");
        let file = |name: &str, text: String| {
            let path = folder.path().join(name);
            std::fs::write(&path, text).expect("a file");
            path
        };
        let files = crate::api::TlsFiles {
            cert: file("cert.pem", certificate.pem()),
            key: file("key.pem", key.serialize_pem()),
            client_ca: Some(file("ca.pem", authority.pem())),
        };
        let told = get(async |Extension(peer): Extension<Peer>| format!("{peer:?}"));
        let served = Arc::new(Served {
            router: Router::new().route("/", told),
            tls: Some(TlsContext::new(files).expect("sound files")),
            proxies: TrustedProxies::default(),
        });
        let mut roots = rustls::RootCertStore::empty();
        roots.add(authority.der().clone()).expect("an authority");
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_root_certificates(roots);
        let own = PrivateKeyDer::try_from(key.serialize_der()).expect("a key");
        let config =
            config.with_client_auth_cert(vec![certificate.der().clone()], own).expect("a key");
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let (_stopping, stop) = watch::channel(false);
        let asking = async {
            let stream = TcpStream::connect(address).await.expect("it is taken");
            let name = ServerName::try_from("localhost").expect("a name");
            let connector = tokio_rustls::TlsConnector::from(Arc::new(config));
            let mut stream = connector.connect(name, stream).await.expect("a handshake");
            let head = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
            stream.write_all(head).await.expect("it is taken");
            let mut answer = String::new();
            stream.read_to_string(&mut answer).await.expect("an answer");
            answer
        };
        let serving = async {
            let (stream, from) = listener.accept().await.expect("a client");
            serve(stream, from, served, stop).await;
        };
        let (answer, ()) = tokio::join!(asking, serving);
        for part in ["is_tls: true", "common_name: Some(\"shipper\")", "dns: [\"localhost\"]"] {
            assert!(answer.contains(part), "{part}: {answer}");
        }
    }
}
