//! `annals serve`.

use super::output::note;
use super::{OK, Session};
use crate::api::{ServeOptions, serve};
use crate::engine::Engine;
use crate::error::Result;
use crate::storage::Access;
use clap::Args;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

#[derive(Debug, Args)]
#[command(after_help = "\
There are no credentials yet, so only a loopback address is taken.

Example:
  annals serve --data ./audit --listen 127.0.0.1:7400
  curl 'http://127.0.0.1:7400/api/v1/count?tenant=*&level=warning'")]
pub(super) struct ServeArgs {
    /// The data directory; made if it is not there
    #[arg(long, value_name = "DIR", env = "ANNALS_DATA")]
    data: PathBuf,
    /// Where to listen; port 0 takes a free one
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:7400")]
    listen: SocketAddr,
}

pub(super) fn run(args: &ServeArgs) -> Result<u8> {
    let session = Session::new()?;
    let engine = session.open(&args.data, Access::Write)?;
    let stats = engine.stats();
    let shown = args.data.display().to_string();
    run_server(&session, engine, args.listen, |address| {
        note(&format!("serving {} events of {shown} at http://{address}", stats.events));
    })
}

/// Serves an engine until a signal to stop; `ready` hears the address.
pub(super) fn run_server(session: &Session, engine: Engine, listen: SocketAddr, ready: impl FnOnce(SocketAddr)) -> Result<u8> {
    session.runtime.block_on(serve(Arc::new(engine), ServeOptions { listen }, ready))?;
    Ok(OK)
}
