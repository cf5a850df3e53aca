//! The server: listens, reports its address, and stops when asked to, once its requests are done or
//! the drain time is over.

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

/// The address to listen on, and limits.
#[derive(Debug, Clone)]
pub struct ServeOptions {
    /// The address, which must be loopback until there are credentials. Port 0 picks a free port.
    pub listen: SocketAddr,
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
            elastic_version: ELASTIC_VERSION.to_owned(),
            drain: DRAIN,
            connections: CONNECTIONS_MAX,
            stop: None,
        }
    }
}

/// Serves until a stop signal arrives, and then until the current requests are done or
/// [`ServeOptions::drain`] is over. `ready` is called with the address once connections are
/// accepted. Blocking calls may continue after this returns.
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
            "{address} can be reached from other machines, and there are no credentials yet: \
            anyone could read every tenant. \
             Listen on 127.0.0.1 or [::1]"
        );
        return Err(Error::invalid(what));
    }
    let cannot = || format!("cannot listen on {address}");
    let listener = listen(address).context(ErrorKind::Unavailable, cannot)?;
    let bound = listener.local_addr().context(ErrorKind::Unavailable, cannot)?;
    let stop = stop_signal(options.stop)?;
    ready(bound);
    // The routes are built once and shared by all connections.
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
            "{open} requests had not ended {waited} s after the signal to stop; their connections \
            are closed"
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

/// Accepts connections until the stop signal, and returns those that are still open.
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
                    // Answers are written in one piece: waiting for more to send would only delay
                    // them.
                    let _ = stream.set_nodelay(true);
                    connections.spawn(connection::serve(stream, router.clone(), told.clone()));
                }
                Err(_) => tokio::time::sleep(PAUSE).await,
            },
        }
    }
}

/// Answers that there are too many connections, as far as the client's system accepts it
/// immediately.
fn refuse(stream: &TcpStream) {
    let _ = stream.try_write(REFUSAL);
    // Reads what the client has sent first: closing a socket with unread bytes resets the
    // connection, and the answer would be lost.
    let _ = stream.try_read(&mut [0; 4_096]);
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
    use super::REFUSAL;

    #[test]
    fn a_refused_connection_is_told_so_in_http() {
        let text = std::str::from_utf8(REFUSAL).expect("text");
        let (head, body) = text.split_once("\r\n\r\n").expect("a head");
        assert!(head.contains(&format!("content-length: {}", body.len())), "{}", body.len());
        assert_eq!(serde_json::from_str::<serde_json::Value>(body).expect("JSON")["status"], 503);
    }
}
