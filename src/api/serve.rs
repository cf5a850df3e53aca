//! The server: listens, reports its address, and stops when asked to, once its requests are done or
//! the drain time is over.

use super::connection::{self, Served};
use super::connection_shares::ConnectionShares;
use super::peer::network_of;
use super::proxy::TrustedProxies;
use super::tls::{self, TlsContext, TlsFiles};
use super::{
    ELASTIC_VERSION, OidcProvider, OidcSettings, RouterOptions, ServerLimits, lifecycle,
    router_with, trail,
};
use crate::collect::Collector;
use crate::engine::Engine;
use crate::error::{Context, Error, ErrorKind, Result};
use ipnet::IpNet;
use serde_json::{Value as Json, json};
use std::net::SocketAddr;
use std::path::Path;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{oneshot, watch};
use tokio::task::JoinSet;

/// The default time that requests may take after a stop signal.
pub const DRAIN: Duration = Duration::from_secs(10);
/// The default limit of connections.
pub const CONNECTIONS_MAX: usize = 10_000;
/// How many connections the system queues until they are accepted: in a burst, clients must not
/// have to wait for a second SYN.
const BACKLOG: u32 = 4_096;
/// How much of an answer the system buffers for a slow client. The socket becomes writable again
/// when a third of it is free, so this also decides which readers are too slow: those below some
/// kilobytes per second.
const SEND_BUFFER_BYTES: u32 = 256 << 10;
/// How long to wait when a connection cannot be accepted, usually for lack of file descriptors.
const PAUSE: Duration = Duration::from_millis(50);
/// The answer to a connection beyond the limit.
const REFUSAL: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\ncontent-type: \
                        application/problem+json\r\nretry-after: 5\r\n\
    content-length: 125\r\nconnection: close\r\n\r\n\
    {\"type\":\"about:blank\",\"title\":\"Service Unavailable\",\"status\":503,\"detail\":\"too \
    many connections are open: try again later\"}\r\n";

/// The answer to a connection of an address that has its share.
const SHARE_REFUSAL: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\ncontent-type: \
                        application/problem+json\r\nretry-after: 5\r\n\
    content-length: 141\r\nconnection: close\r\n\r\n\
    {\"type\":\"about:blank\",\"title\":\"Service Unavailable\",\"status\":503,\"detail\":\"too \
    many connections of this address are open: try again later\"}\r\n";
/// The answer to a connection in plain HTTP that is not the proxy's.
const NOT_THE_PROXY: &[u8] = b"HTTP/1.1 403 Forbidden\r\ncontent-type: \
                        application/problem+json\r\n\
    content-length: 137\r\nconnection: close\r\n\r\n\
    {\"type\":\"about:blank\",\"title\":\"Forbidden\",\"status\":403,\"detail\":\"plain HTTP is \
    for the proxy alone: use its address, which speaks TLS\"}\r\n";
/// One address has at most one of so many connections: it does not shut out all others.
const SHARES: usize = 4;

/// The address to listen on, and limits.
#[derive(Debug, Clone)]
pub struct ServeOptions {
    /// The address. One that other machines reach needs `credentials`, and `tls` or `proxies`. Port
    /// 0 picks a free port.
    pub listen: SocketAddr,
    /// Serves HTTPS with these files, and nothing else. Default: plain HTTP.
    pub tls: Option<TlsFiles>,
    /// The proxies whose `Forwarded` and `X-Forwarded-…` headers are believed. Default: none.
    pub proxies: Vec<IpNet>,
    /// Whether callers must have a credential. Without, every caller is the operator, and only this
    /// machine is served.
    pub credentials: bool,
    /// Whether questions, exports and sign-ins are recorded as events of the store's own tenant.
    pub trail: bool,
    /// The OpenID provider whose tokens are believed. Without the address of this server among its
    /// settings, browsers must be on this machine.
    pub oidc: Option<OidcSettings>,
    /// What each principal and tenant may use.
    pub limits: ServerLimits,
    /// Whether browsers know this server by an address of HTTPS.
    pub public_https: bool,
    /// The Elasticsearch version that is reported to clients.
    pub elastic_version: String,
    /// How long requests may take after a stop signal before they are aborted.
    pub drain: Duration,
    /// The maximum number of connections; further ones are refused.
    pub connections: usize,
    /// Stops the server once it says true, in place of SIGINT and SIGTERM: for callers that listen
    /// for signals themselves.
    pub stop: Option<watch::Receiver<bool>>,
}

impl ServeOptions {
    /// Listens on an address, with defaults for everything else.
    pub fn at(listen: SocketAddr) -> Self {
        Self {
            listen,
            tls: None,
            proxies: Vec::new(),
            credentials: false,
            trail: true,
            oidc: None,
            limits: ServerLimits::default(),
            public_https: false,
            elastic_version: ELASTIC_VERSION.to_owned(),
            drain: DRAIN,
            connections: CONNECTIONS_MAX,
            stop: None,
        }
    }

    /// Returns everything that a server is set up with, without secrets.
    fn shown(&self, engine: &Engine) -> Json {
        let shown = |path: &Path| path.display().to_string();
        let tls = self.tls.as_ref().map(|files| {
            json!({ "cert": shown(&files.cert), "key": shown(&files.key),
            "client_ca": files.client_ca.as_deref().map(shown) })
        });
        let oidc = self.oidc.as_ref().map(|oidc| {
            json!({ "issuer": oidc.issuer, "client_id": oidc.client_id, "audience": oidc.audience,
            "groups_claim": oidc.groups_claim, "public_url": oidc.public_url,
            "ca": oidc.ca.as_deref().map(shown),
            "client_secret_file": oidc.client_secret_file.as_deref().map(shown) })
        });
        let proxies: Vec<String> = self.proxies.iter().map(ToString::to_string).collect();
        let own = json!({ "listen": self.listen.to_string(), "tls": tls, "behind_proxy": proxies,
        "auth": if self.credentials { "credentials" } else { "none" }, "oidc": oidc,
        "principal_limits": self.limits.principal, "tenant_limits": self.limits.tenant,
        "public_https": self.public_https, "elastic_version": self.elastic_version,
        "drain_seconds": self.drain.as_secs(), "connections": self.connections });
        let (Json::Object(mut all), Json::Object(own)) = (engine.shown_settings(), own) else {
            return Json::Null;
        };
        all.extend(own);
        Json::Object(all)
    }
}

/// Serves until a stop signal arrives, and then until the current requests are done or
/// [`ServeOptions::drain`] is over. `ready` is called with the address once connections are
/// accepted. Blocking calls may continue after this returns.
///
/// # Errors
/// An address that is not free, or that other machines reach without what that needs; files of TLS
/// that cannot be used.
pub async fn serve(
    engine: Arc<Engine>,
    options: ServeOptions,
    ready: impl FnOnce(SocketAddr),
) -> Result<()> {
    let address = options.listen;
    check_reach(&options)?;
    let tls = options.tls.clone().map(TlsContext::new).transpose()?;
    let cannot = || format!("cannot listen on {address}");
    let listener = listen(address).context(ErrorKind::Unavailable, cannot)?;
    let bound = listener.local_addr().context(ErrorKind::Unavailable, cannot)?;
    let scheme = if tls.is_some() { "https" } else { "http" };
    let own = format!("{scheme}://{bound}");
    let oidc = options.oidc.as_ref().map(|oidc| OidcProvider::new(oidc, &own)).transpose()?;
    let settings = options.shown(&engine);
    let stop = stop_signal(options.stop)?;
    if options.trail {
        lifecycle::record_start(&engine, settings, &bound.to_string()).await;
    }
    ready(bound);
    let mut beside = JoinSet::new();
    if let Some(tls) = &tls {
        let told = options.trail.then(|| Arc::clone(&engine));
        beside.spawn(tls.clone().keep_current(told));
    }
    if let Some(oidc) = &oidc {
        beside.spawn(Arc::clone(oidc).keep_current());
    }
    let collector = Arc::new(Collector::new(Arc::clone(&engine)));
    // The routes are built once and shared by all connections.
    let routes = RouterOptions {
        elastic_version: options.elastic_version.clone(),
        credentials: options.credentials,
        trail: options.trail,
        oidc,
        limits: options.limits,
        public_https: options.public_https,
        collector: Some(Arc::clone(&collector)),
    };
    let router = router_with(Arc::clone(&engine), &routes).with_state(());
    let served = Arc::new(Served { router, tls, proxies: TrustedProxies::new(&options.proxies) });
    let (stopping, told) = watch::channel(false);
    engine.recall_last_used();
    let mut working = work_beside(&engine, collector, &told);
    let (over, is_over) = oneshot::channel::<()>();
    let ends = trail::record_ends(Arc::clone(&engine), async {
        let _ = is_over.await;
    });
    let mut recording = JoinSet::new();
    if options.trail {
        recording.spawn(ends);
    }
    let mut connections = accept_until(stop, &listener, &served, &told, options.connections).await;
    drop(listener);
    stopping.send_replace(true);
    let drained = tokio::time::timeout(options.drain, async {
        while connections.join_next().await.is_some() {}
    })
    .await;
    if drained.is_err() {
        let (open, waited) = (connections.len(), options.drain.as_secs());
        tracing::warn!(
            "{open} requests had not ended {waited} s after the signal to stop; their connections \
            are closed"
        );
        connections.shutdown().await;
    }
    drop(over);
    while working.join_next().await.is_some() {}
    if recording.join_next().await.is_some() {
        lifecycle::record(&engine, "stopServer", json!({ "drained": drained.is_ok() })).await;
    }
    Ok(())
}

/// Starts what goes on beside requests, until the server stops: it is noted when credentials are
/// used, and sources are read.
fn work_beside(
    engine: &Arc<Engine>,
    collector: Arc<Collector>,
    told: &watch::Receiver<bool>,
) -> JoinSet<()> {
    let mut working = JoinSet::new();
    working.spawn(lifecycle::note_last_used(Arc::clone(engine), told.clone()));
    let mut stopped = told.clone();
    working.spawn(collector.run(async move {
        let _ = stopped.wait_for(|stop| *stop).await;
    }));
    working
}

/// Checks that an address that other machines reach is one for callers who are known, over
/// connections that nobody reads along.
fn check_reach(options: &ServeOptions) -> Result<()> {
    if !options.credentials && !options.proxies.is_empty() {
        // Whoever reaches the proxy would be the operator.
        return Err(Error::invalid(
            "callers have no credentials here, so nothing may be behind a proxy (--behind-proxy): \
            serve without --auth none",
        ));
    }
    let is_here = options.listen.ip().to_canonical().is_loopback();
    let is_reached = !is_here || !options.proxies.is_empty();
    if is_reached && options.oidc.as_ref().is_some_and(|oidc| oidc.public_url.is_none()) {
        // What a request says of the address that it was sent to may be anybody's word.
        return Err(Error::parameter(
            "--public-url",
            "is needed to sign in at a provider: the address of this server as browsers know it",
        ));
    }
    if is_here {
        return Ok(());
    }
    let is_private = options.tls.is_some() || !options.proxies.is_empty();
    let missing = match (options.credentials, is_private) {
        (true, true) => return Ok(()),
        (false, true) => "callers have no credentials here: anyone could read every tenant",
        (true, false) => {
            "nothing is encrypted: name a certificate (--tls-cert, --tls-key), or the proxy that \
            speaks TLS for this server (--behind-proxy)"
        }
        (false, false) => {
            "callers have no credentials here, so anyone could read every tenant, and nothing is \
            encrypted (--tls-cert and --tls-key, or --behind-proxy)"
        }
    };
    let advice = if options.credentials { "" } else { ". Listen on 127.0.0.1 or [::1]" };
    let address = options.listen;
    Err(Error::invalid(format!(
        "{address} can be reached from other machines, and {missing}{advice}"
    )))
}

fn listen(address: SocketAddr) -> std::io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    socket.set_reuseaddr(true)?;
    socket.set_send_buffer_size(SEND_BUFFER_BYTES)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// Accepts connections until the stop signal, and returns those that are still open.
async fn accept_until(
    stop: impl Future<Output = ()>,
    listener: &TcpListener,
    served: &Arc<Served>,
    told: &watch::Receiver<bool>,
    connections_max: usize,
) -> JoinSet<()> {
    let mut stop = pin!(stop);
    let mut connections = JoinSet::new();
    let shares = ConnectionShares::new(connections_max.div_ceil(SHARES));
    loop {
        tokio::select! {
            biased;
            () = &mut stop => return connections,
            Some(_) = connections.join_next() => {}
            accepted = listener.accept() => match accepted {
                Ok((stream, address)) if !served.may_be_plain(address) => {
                    tls::answer_and_close(&stream, NOT_THE_PROXY);
                }
                Ok((stream, _)) if connections.len() >= connections_max => match served.tls {
                    Some(_) => tls::refuse(&stream),
                    None => refuse(&stream),
                },
                Ok((stream, address)) => {
                    let counts = served.has_share(address);
                    let share = counts.then(|| shares.take(network_of(address.ip())));
                    if matches!(share, Some(None)) {
                        match served.tls {
                            Some(_) => tls::refuse(&stream),
                            None => tls::answer_and_close(&stream, SHARE_REFUSAL),
                        }
                        continue;
                    }
                    // Answers are written in one piece: waiting for more to send would only delay
                    // them.
                    let _ = stream.set_nodelay(true);
                    let (served, told) = (Arc::clone(served), told.clone());
                    connections.spawn(async move {
                        connection::serve(stream, address, served, told).await;
                        drop(share);
                    });
                }
                Err(_) => tokio::time::sleep(PAUSE).await,
            },
        }
    }
}

/// Answers that there are too many connections.
fn refuse(stream: &TcpStream) {
    tls::answer_and_close(stream, REFUSAL);
}

/// Completes when a stop signal arrives. Signals are caught from now on, not only once the future
/// is awaited: a caller that learns the address may stop the server immediately.
fn stop_signal(told: Option<watch::Receiver<bool>>) -> Result<impl Future<Output = ()>> {
    let listen = |kind| {
        signal(kind).context(ErrorKind::Unavailable, || "cannot listen for signals".to_owned())
    };
    let signals = match &told {
        Some(_) => None,
        None => Some((listen(SignalKind::interrupt())?, listen(SignalKind::terminate())?)),
    };
    Ok(async move {
        if let Some(mut told) = told {
            // A caller that is gone can no longer be waited for.
            let _ = told.wait_for(|stopped| *stopped).await;
        } else if let Some((mut interrupted, mut terminated)) = signals {
            tokio::select! {
                _ = interrupted.recv() => {}
                _ = terminated.recv() => {}
            }
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refused_connection_is_told_so_in_http() {
        for (answer, status) in [(REFUSAL, 503), (SHARE_REFUSAL, 503), (NOT_THE_PROXY, 403)] {
            let text = std::str::from_utf8(answer).expect("text");
            let (head, body) = text.split_once("\r\n\r\n").expect("a head");
            assert!(head.contains(&format!("content-length: {}", body.len())), "{}", body.len());
            assert!(head.starts_with(&format!("HTTP/1.1 {status} ")), "{head}");
            let problem: serde_json::Value = serde_json::from_str(body).expect("JSON");
            assert_eq!(problem["status"], status);
        }
    }
}
