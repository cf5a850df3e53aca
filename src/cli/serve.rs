//! `annals serve`.

use super::init::{add_administrator, given_token};
use super::limits::LimitArgs;
use super::network::NetworkArgs;
use super::oidc::OidcArgs;
use super::output::note;
use super::seal_key::SealKeyArgs;
use super::{OK, Session};
use crate::api::{CONNECTIONS_MAX, DRAIN, ELASTIC_VERSION, ServeOptions, screen_missing, serve};
use crate::engine::{Engine, Settings};
use crate::error::{Error, ErrorKind, Result};
use crate::storage::{AccessMode, DataDir};
use clap::Args;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

#[derive(Debug, Args)]
#[command(after_help = "\
Every caller needs a credential: annals init makes the store and its first administrator, and
--create does so when it serves. --auth none asks nobody, on loopback addresses only. An address
that other machines reach needs TLS or a proxy. data/deploy/README.md says how to run it as a
service.

Examples:
  annals init --data ./audit
  annals serve --data ./audit
  annals serve --data ./trial --create --auth none
  curl 'http://127.0.0.1:7400/api/v1/count?tenant=*&level=warning'
  annals cert --out ./tls
  annals serve --data ./audit --tls-cert tls/cert.pem --tls-key tls/key.pem")]
pub(super) struct ServeArgs {
    /// TOML file with settings: every flag by its name, with _ for -; see annals config --help
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The data directory
    #[arg(long, value_name = "DIR")]
    data: PathBuf,
    /// Make a store there if the directory is missing or empty, as annals init does
    #[arg(long)]
    create: bool,
    /// Address to listen on; port 0 picks a free port
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:7400")]
    listen: SocketAddr,
    #[command(flatten)]
    network: NetworkArgs,
    #[command(flatten)]
    seal: SealKeyArgs,
    #[command(flatten)]
    oidc: OidcArgs,
    #[command(flatten)]
    limits: LimitArgs,
    /// Allow `annals backup --url` to write backups below this directory of the server
    #[arg(long, value_name = "DIR")]
    backups: Option<PathBuf>,
    /// Elasticsearch version reported to clients; Filebeat refuses servers older than itself
    #[arg(
        long,
        value_name = "VERSION",
        default_value = ELASTIC_VERSION,
        value_parser = version,
        hide_short_help = true
    )]
    elastic_version: String,
    /// Seconds that requests may still run after a stop signal, before they are aborted
    #[arg(long, value_name = "SECONDS", default_value_t = DRAIN.as_secs(), hide_short_help = true)]
    drain: u64,
    /// Connections served at a time; further ones are refused (503)
    #[arg(long, value_name = "N", default_value_t = CONNECTIONS_MAX, hide_short_help = true)]
    connections: usize,
    /// Write segments once this many events have been accepted
    #[arg(
        long,
        value_name = "N",
        default_value_t = Settings::default().seal_events,
        hide_short_help = true
    )]
    seal_events: usize,
    /// Write segments once the oldest accepted event has waited this many seconds
    #[arg(
        long,
        value_name = "SECONDS",
        default_value_t = Settings::default().seal_after.as_secs_f64(),
        hide_short_help = true
    )]
    seal_after: f64,
    /// Batches of this many events or more go into a file beside the write-ahead log
    #[arg(
        long,
        value_name = "N",
        default_value_t = Settings::default().bulk_events,
        hide_short_help = true
    )]
    bulk_events: usize,
    /// MiB of memory for events that wait to be written into segments; beyond it, 503
    #[arg(
        long,
        value_name = "MIB",
        default_value_t = Settings::default().buffer_bytes >> 20,
        hide_short_help = true
    )]
    buffer: usize,
    /// Seconds to keep files that merging or retention replaced, for readers of older table
    /// versions
    #[arg(
        long,
        value_name = "SECONDS",
        default_value_t = Settings::default().replaced_kept.as_secs(),
        hide_short_help = true
    )]
    keep_replaced: u64,
    /// MiB of segment footers, dictionaries and unpacked pages to cache between questions
    #[arg(
        long,
        value_name = "MIB",
        default_value_t = Settings::default().open_bytes >> 20,
        hide_short_help = true
    )]
    open: u64,
    /// Seconds that a question may run (then 504); exports have no limit
    #[arg(
        long,
        value_name = "SECONDS",
        default_value_t = Settings::default().question_time.as_secs_f64(),
        hide_short_help = true
    )]
    question_timeout: f64,
    /// MiB of disk space that must stay free; below it, ingest is refused
    #[arg(
        long,
        value_name = "MIB",
        default_value_t = Settings::default().free_bytes >> 20,
        hide_short_help = true
    )]
    min_free: u64,
    /// MiB for records that could not be decoded; one tenant may use a quarter of it
    #[arg(
        long,
        value_name = "MIB",
        default_value_t = Settings::default().quarantine_bytes >> 20,
        hide_short_help = true
    )]
    quarantine: u64,
}

impl ServeArgs {
    /// Returns how to serve.
    pub(super) fn options(&self) -> Result<ServeOptions> {
        let network = self.network.options(self.listen)?;
        Ok(ServeOptions {
            elastic_version: self.elastic_version.clone(),
            drain: Duration::from_secs(self.drain),
            connections: self.connections,
            oidc: self.oidc.settings(network.credentials)?,
            limits: self.limits.limits()?,
            public_https: self.oidc.has_public_https(),
            ..network
        })
    }

    pub(super) fn settings(&self) -> Result<Settings> {
        let seconds = |flag: &str, seconds: f64| {
            Duration::try_from_secs_f64(seconds).map_err(|cause| {
                Error::parameter(flag, "must be a number of seconds").because(cause)
            })
        };
        Ok(Settings {
            seal_events: self.seal_events,
            seal_after: seconds("--seal-after", self.seal_after)?,
            question_time: seconds("--question-timeout", self.question_timeout)?,
            bulk_events: self.bulk_events,
            buffer_bytes: self.buffer << 20,
            free_bytes: self.min_free << 20,
            quarantine_bytes: self.quarantine << 20,
            replaced_kept: Duration::from_secs(self.keep_replaced),
            open_bytes: self.open << 20,
            backups: self.backups.clone(),
            ..Settings::default()
        })
    }
}

/// Checks that a version has the three numbers that clients split it into.
fn version(text: &str) -> Result<String, String> {
    let numbers = text.split('.').filter(|number| number.parse::<u32>().is_ok()).count();
    if numbers == 3 && text.split('.').count() == 3 {
        Ok(text.to_owned())
    } else {
        Err("must be three numbers, such as 8.19.99".to_owned())
    }
}

/// What is said of a server that asks for no credentials.
const OPEN: &str = "every caller on this machine is an administrator (--auth none)";

pub(super) fn run(args: &ServeArgs) -> Result<u8> {
    // A mistyped directory would be served as an empty store, and questions would find nothing.
    if !args.create && !DataDir::is_at(&args.data) {
        let place = args.data.display();
        return Err(Error::new(
            ErrorKind::NotFound,
            format!(
                "{place} is not a store: annals init --data {place} makes one, and annals serve \
                --create makes and serves it"
            ),
        ));
    }
    let options = args.options()?;
    let credentials = options.credentials;
    let is_new = !DataDir::is_at(&args.data);
    let given = if is_new && credentials { given_token(None)? } else { None };
    let session = Session::new()?.with_seal_key(args.seal.read()?);
    let engine = session.open_with(&args.data, AccessMode::Write, args.settings()?)?;
    if is_new && credentials {
        add_administrator(&engine, &args.data, given)?;
    }
    if credentials && !engine.directory().has_security_administrator() {
        let place = args.data.display();
        return Err(Error::invalid(format!(
            "{place} has no administrator who could give others access: annals init --data \
            {place} makes one, and annals serve --auth none asks nobody on this machine for a \
            credential"
        )));
    }
    let stats = engine.stats();
    let shown = args.data.display().to_string();
    let scheme = if options.tls.is_some() { "https" } else { "http" };
    run_server(session, engine, options, LAST_WORK, |address| {
        let served = format!("{scheme}://{address}");
        note(&format!("serving {} events of {shown} at {served}", stats.events));
        note(&screen_at(&args.oidc.screen(&served)));
        if !credentials {
            note(OPEN);
        }
    })
}

/// Says where the web UI is, or how to get it.
pub(super) fn screen_at(url: &str) -> String {
    match screen_missing() {
        None => format!("open {url} in a browser"),
        Some(reason) => format!(
            "this binary has no screen ({reason}); build it with ANNALS_WEB=required to get one"
        ),
    }
}

/// How long a shutdown waits for the last events to be written into segments.
const LAST_SEAL: Duration = Duration::from_secs(20);
/// How long it then waits for work in the background, such as a merge.
const LAST_WORK: Duration = Duration::from_secs(5);

/// Serves an engine until a stop signal arrives; calls `ready` with the address. Work in the
/// background that has not ended `last_work` after the last seal is broken off.
pub(super) fn run_server(
    session: Session,
    engine: Engine,
    options: ServeOptions,
    last_work: Duration,
    ready: impl FnOnce(SocketAddr),
) -> Result<u8> {
    let engine = Arc::new(engine);
    session.runtime.block_on(serve(Arc::clone(&engine), options, ready))?;
    // Everything is already safe in the log. Sealing it lets other readers of the table see it too,
    // and makes the next start quick.
    let sealed = engine.seal_within(LAST_SEAL);
    if matches!(sealed, Ok(false)) {
        note(&format!(
            "the last events are not in segments after {} s; they are safe in the log",
            LAST_SEAL.as_secs()
        ));
    }
    if matches!(sealed, Ok(true)) && engine.stop_within(last_work) {
        drop(engine);
    } else {
        // The engine's threads end with the process: waiting for a slow disk could take forever,
        // and a merge that is broken off has changed nothing.
        std::mem::forget(engine);
    }
    // A question that still runs on its own thread has no one left to answer, so the process does
    // not wait for it.
    session.runtime.shutdown_background();
    sealed.map(|_| OK)
}
