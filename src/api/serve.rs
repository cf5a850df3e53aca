//! The server: listens, says so, and stops when asked, after the requests it has.

use super::router;
use crate::engine::Engine;
use crate::error::{Context, Error, ErrorKind, Result};
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::net::TcpListener;

/// Where to listen.
#[derive(Debug, Clone)]
pub struct ServeOptions {
    /// The address; a loopback address, until there are credentials. Port 0 takes a free one.
    pub listen: SocketAddr,
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
    ready(bound);
    let served = axum::serve(listener, router(engine)).with_graceful_shutdown(stop_signal());
    served.await.context(ErrorKind::Unavailable, || format!("serving on {bound}"))
}

async fn stop_signal() {
    let interrupted = async {
        let _ = tokio::signal::ctrl_c().await;
    };
    let terminated = async {
        match tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()) {
            Ok(mut signal) => {
                signal.recv().await;
            }
            Err(_) => std::future::pending().await,
        }
    };
    tokio::select! {
        () = interrupted => {}
        () = terminated => {}
    }
}
