//! The server: listens, says so, and stops when asked, after the requests it has.

use super::{ELASTIC_VERSION, router_as};
use crate::engine::Engine;
use crate::error::{Context, Error, ErrorKind, Result};
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

/// Where to listen.
#[derive(Debug, Clone)]
pub struct ServeOptions {
    /// The address; a loopback address, until there are credentials. Port 0 takes a free one.
    pub listen: SocketAddr,
    /// The version of Elasticsearch that its clients are told.
    pub elastic_version: String,
}

impl ServeOptions {
    /// Listens on an address, with everything else as it is by default.
    pub fn at(listen: SocketAddr) -> Self {
        Self { listen, elastic_version: ELASTIC_VERSION.to_owned() }
    }
}

/// Serves until a signal to stop arrives. `ready` hears the address once connections are taken.
///
/// # Errors
/// An address that is not loopback or not free.
pub async fn serve(engine: Arc<Engine>, options: ServeOptions, ready: impl FnOnce(SocketAddr)) -> Result<()> {
    let address = options.listen;
    if !address.ip().is_loopback() {
        let what = format!(
            "{address} can be reached from other machines, and there are no credentials yet: anyone could read every tenant. \
             Listen on 127.0.0.1 or [::1]"
        );
        return Err(Error::invalid(what));
    }
    let listener = TcpListener::bind(address).await.context(ErrorKind::Unavailable, || format!("cannot listen on {address}"))?;
    let bound = listener.local_addr().context(ErrorKind::Unavailable, || format!("cannot listen on {address}"))?;
    let stop = stop_signal()?;
    ready(bound);
    let served = axum::serve(listener, router_as(engine, &options.elastic_version)).with_graceful_shutdown(stop);
    served.await.context(ErrorKind::Unavailable, || format!("serving on {bound}"))
}

/// Ends when a signal to stop arrives. Signals are listened to from now on, not only when this is first awaited: whoever
/// hears the address may stop the server at once.
fn stop_signal() -> Result<impl Future<Output = ()>> {
    let listen = |kind| signal(kind).context(ErrorKind::Unavailable, || "cannot listen to signals".to_owned());
    let (mut interrupted, mut terminated) = (listen(SignalKind::interrupt())?, listen(SignalKind::terminate())?);
    Ok(async move {
        tokio::select! {
            _ = interrupted.recv() => {}
            _ = terminated.recv() => {}
        }
    })
}
