//! The server: listens, says so, and stops when asked: after the requests it has, or when its
//! patience with them ends.

use super::{ELASTIC_VERSION, connection, router_as};
use crate::engine::Engine;
use crate::error::{Context, Error, ErrorKind, Result};
use axum::Router;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tokio::task::JoinSet;

/// How long requests may go on after a signal to stop, unless something else is set.
pub const DRAIN: Duration = Duration::from_secs(10);
/// Connections at a time, unless something else is set.
pub const CONNECTIONS_MAX: usize = 10_000;
/// Connections that the system keeps until they are accepted: a burst of clients must not wait for
/// a second SYN.
const BACKLOG: u32 = 4_096;
/// What the system keeps of an answer for a client that reads slowly. It says that there is room
/// again when a third is free, so this also decides how slow a reader is that is dropped: some
/// kilobytes a second.
const SEND_BUFFER_BYTES: u32 = 256 << 10;
/// How long to wait when a connection cannot be accepted, which is mostly for want of files.
const PAUSE: Duration = Duration::from_millis(50);
/// What a connection too many is told.
const REFUSAL: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\ncontent-type: application/problem+json\r\nretry-after: 5\r\n\
    content-length: 125\r\nconnection: close\r\n\r\n\
    {\"type\":\"about:blank\",\"title\":\"Service Unavailable\",\"status\":503,\"detail\":\"too many connections are open: try again later\"}\r\n";

/// Where to listen, and within which bounds.
#[derive(Debug, Clone)]
pub struct ServeOptions {
    /// The address; a loopback address, until there are credentials. Port 0 takes a free one.
    pub listen: SocketAddr,
    /// The version of Elasticsearch that its clients are told.
    pub elastic_version: String,
    /// How long requests may go on after a signal to stop; then they are broken off.
    pub drain: Duration,
    /// The most connections at a time; one more is refused.
    pub connections: usize,
}

impl ServeOptions {
    /// Listens on an address, with everything else as it is by default.
    pub fn at(listen: SocketAddr) -> Self {
        Self {
            listen,
            elastic_version: ELASTIC_VERSION.to_owned(),
            drain: DRAIN,
            connections: CONNECTIONS_MAX,
        }
    }
}

/// Serves until a signal to stop arrives, and then for as long as the requests at hand need, or
/// [`ServeOptions::drain`]. `ready` hears the address once connections are taken. Calls that block
/// may go on after this returns.
///
/// # Errors
/// An address that is not loopback or not free.
pub async fn serve(
    engine: Arc<Engine>,
    options: ServeOptions,
    ready: impl FnOnce(SocketAddr),
) -> Result<()> {
    let address = options.listen;
    if !address.ip().is_loopback() {
        let what = format!(
            "{address} can be reached from other machines, and there are no credentials yet: anyone could read every tenant. \
             Listen on 127.0.0.1 or [::1]"
        );
        return Err(Error::invalid(what));
    }
    let cannot = || format!("cannot listen on {address}");
    let listener = listen(address).context(ErrorKind::Unavailable, cannot)?;
    let bound = listener.local_addr().context(ErrorKind::Unavailable, cannot)?;
    let stop = stop_signal()?;
    ready(bound);
    // The routes are made once; a connection shares them.
    let router = router_as(engine, &options.elastic_version).with_state(());
    let (stopping, told) = watch::channel(false);
    let mut connections = accept_until(stop, &listener, &router, &told, options.connections).await;
    drop(listener);
    stopping.send_replace(true);
    let drained = tokio::time::timeout(options.drain, async {
        while connections.join_next().await.is_some() {}
    })
    .await;
    if drained.is_err() {
        let (open, waited) = (connections.len(), options.drain.as_secs());
        tracing::warn!(
            "{open} requests had not ended {waited} s after the signal to stop; their connections are closed"
        );
        connections.shutdown().await;
    }
    Ok(())
}

fn listen(address: SocketAddr) -> std::io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    socket.set_reuseaddr(true)?;
    socket.set_send_buffer_size(SEND_BUFFER_BYTES)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// Takes connections until the signal to stop, and returns those that are open then.
async fn accept_until(
    stop: impl Future<Output = ()>,
    listener: &TcpListener,
    router: &Router,
    told: &watch::Receiver<bool>,
    connections_max: usize,
) -> JoinSet<()> {
    let mut stop = pin!(stop);
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            biased;
            () = &mut stop => return connections,
            Some(_) = connections.join_next() => {}
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) if connections.len() >= connections_max => refuse(&stream),
                Ok((stream, _)) => {
                    // Answers are written whole: waiting for more to send only delays them.
                    let _ = stream.set_nodelay(true);
                    connections.spawn(connection::serve(stream, router.clone(), told.clone()));
                }
                Err(_) => tokio::time::sleep(PAUSE).await,
            },
        }
    }
}

/// Says that there are too many connections, as far as the client's system takes it at once.
fn refuse(stream: &TcpStream) {
    let _ = stream.try_write(REFUSAL);
    // What it has sent is taken first: closed upon unread bytes, a connection is reset and the
    // answer lost.
    let _ = stream.try_read(&mut [0; 4_096]);
}

/// Ends when a signal to stop arrives. Signals are listened to from now on, not only when this is
/// first awaited: whoever hears the address may stop the server at once.
fn stop_signal() -> Result<impl Future<Output = ()>> {
    let listen = |kind| {
        signal(kind).context(ErrorKind::Unavailable, || "cannot listen to signals".to_owned())
    };
    let (mut interrupted, mut terminated) =
        (listen(SignalKind::interrupt())?, listen(SignalKind::terminate())?);
    Ok(async move {
        tokio::select! {
            _ = interrupted.recv() => {}
            _ = terminated.recv() => {}
        }
    })
}

#[cfg(test)]
mod tests {
    use super::REFUSAL;

    #[test]
    fn a_refused_connection_is_told_so_in_http() {
        let text = std::str::from_utf8(REFUSAL).expect("text");
        let (head, body) = text.split_once("\r\n\r\n").expect("a head");
        assert!(head.contains(&format!("content-length: {}", body.len())), "{}", body.len());
        assert_eq!(serde_json::from_str::<serde_json::Value>(body).expect("JSON")["status"], 503);
    }
}
