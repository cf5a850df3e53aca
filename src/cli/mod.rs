//! The command line: what `annals` does when it is run.
//!
//! Commands that ask something take the filter as flags, built from the table of fields. They ask a
//! data directory (`--data`) or a server (`--url`) the same question that HTTP clients would.
//! Answers are tables on a terminal and NDJSON in a pipe; everything else goes to standard error.

mod ask;
mod backup;
mod cert;
mod config;
mod demo;
mod destination;
mod export;
mod filter_args;
mod follow;
mod generate;
mod ingest;
mod init;
mod limits;
mod network;
mod nothing;
mod oidc;
mod output;
mod pager;
mod policy;
mod principals;
mod progress;
mod quarantine;
mod query;
mod relation;
mod remote;
mod seal_key;
mod send;
mod serve;
mod sigma;
mod source;
mod sources;
mod stats;
mod stop;
mod store;
mod table;

use crate::access::SealKey;
use crate::calls::Pairs;
use crate::clock::SystemClock;
use crate::engine::{Engine, Settings};
use crate::error::{Context, Error, ErrorKind, Result};
use crate::storage::{AccessMode, DataDir};
use clap::{Args, CommandFactory, FromArgMatches, Parser, Subcommand};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use serde_json::Value as Json;
use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use tokio::runtime::Runtime;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

/// Success.
const OK: u8 = 0;
/// Failure.
const FAILED: u8 = 1;
/// The command line is wrong.
const USAGE: u8 = 2;
/// Stored data are damaged.
const UNSOUND: u8 = 3;
/// Nothing matched, and `--fail-empty` was given.
const EMPTY: u8 = 4;

/// Audit event store and query engine.
#[derive(Debug, Parser)]
#[command(name = "annals", version, about, max_term_width = 110, after_help = EXAMPLES)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

const EXAMPLES: &str = "\
Examples:
  annals demo
  annals generate --events 1000000 | annals ingest --data ./audit --tenant-from project_id -
  annals query --data ./audit --tenant acme --source ECS --resource-type ecs --event-name \
  deleteServer --last 7d
  annals facets --data ./audit --tenant acme --fields source,level
  annals serve --data ./audit

Exit codes: 0 ok, 1 failed, 2 bad usage, 3 check failed, 4 nothing matched (with --fail-empty)";

#[derive(Debug, Subcommand)]
enum Command {
    /// Build a sample store in a temporary directory, ask it a few questions, and serve it
    Demo(demo::DemoArgs),
    /// Create a store with its first administrator, before its first start
    Init(init::InitArgs),
    /// Serve a data directory over HTTP or HTTPS
    Serve(serve::ServeArgs),
    /// Make a certificate for trials of serve over HTTPS
    Cert(cert::CertArgs),
    /// Check a configuration file of serve, or print one with every setting
    Config(config::ConfigArgs),
    /// Ingest records: NDJSON, JSON arrays, CloudTrail and CTS files, gzip, zstd
    Ingest(ingest::IngestArgs),
    /// List events, newest first
    Query(query::QueryArgs),
    /// Count events
    Count(ask::CountArgs),
    /// Count events by the values of fields
    Facets(ask::FacetsArgs),
    /// Show the most frequent values of one field
    Top(ask::TopArgs),
    /// Count events by time
    Histogram(ask::HistogramArgs),
    /// Sum amounts with exact decimals
    Stats(stats::StatsArgs),
    /// Export all matching events to a file: CSV, NDJSON or Parquet
    Export(export::ExportArgs),
    /// Show how a list is answered, segment by segment
    Explain(query::QueryArgs),
    /// Find the events that match Sigma detection rules
    Sigma(sigma::SigmaArgs),
    /// Generate realistic sample records on standard output
    Generate(generate::GenerateArgs),
    /// Show the segments of a data directory
    Inspect(store::InspectArgs),
    /// Copy a store, running or not, to a directory; repeat to add what is new
    Backup(backup::BackupArgs),
    /// Restore a backup into a new data directory, verifying every byte
    Restore(backup::RestoreArgs),
    /// Show or set how long events are kept, or delete expired ones
    Retention(policy::RetentionArgs),
    /// Manage legal holds, which keep events whatever their age
    Hold(policy::HoldArgs),
    /// List tenants, or change the settings of one
    Tenant(policy::TenantArgs),
    /// Manage principals: people and programs that may make calls
    Principal(principals::PrincipalArgs),
    /// Manage sources: what is fetched from elsewhere, so that events come by themselves
    Source(source::SourceArgs),
    /// Read the sources of a store once, without a server
    Collect(source::CollectArgs),
    /// Manage relationships: which partner sees the events of which customer, and when
    Relation(relation::RelationArgs),
    /// Make, list and revoke the tokens of principals
    Token(principals::TokenArgs),
    /// Make, list and revoke the access keys of principals, which sign requests
    AccessKey(principals::AccessKeyArgs),
    /// List records that could not be decoded, count them by reason, or decode them again
    Quarantine(quarantine::QuarantineArgs),
    /// Merge small segments and remove files that are no longer needed
    Compact(store::CompactArgs),
    /// Verify every stored byte against its hash; rebuild indexes
    Check(store::CheckArgs),
    /// Print completions for a shell
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
}

/// Where the answer comes from.
#[derive(Clone, Args)]
struct AskedPlace {
    /// The data directory
    #[arg(long, value_name = "DIR", env = "ANNALS_DATA", conflicts_with = "url")]
    data: Option<PathBuf>,
    /// The server's address, such as http://127.0.0.1:7400 or https://logs.example
    #[arg(long, value_name = "URL", env = "ANNALS_URL")]
    url: Option<String>,
    /// Trust a server's certificate if one of these authorities has signed it (PEM), instead of
    /// those that the system trusts
    #[arg(long, value_name = "FILE", env = "ANNALS_CA", hide_short_help = true)]
    ca: Option<PathBuf>,
    /// Token for the server; better given as $ANNALS_TOKEN, which other users do not see
    #[arg(long, value_name = "TOKEN", env = "ANNALS_TOKEN", hide_env_values = true)]
    token: Option<String>,
    /// File with the token for the server
    #[arg(
        long,
        value_name = "FILE",
        env = "ANNALS_TOKEN_FILE",
        conflicts_with = "token",
        hide_short_help = true
    )]
    token_file: Option<PathBuf>,
}

impl std::fmt::Debug for AskedPlace {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The token is not shown.
        let mut shown = out.debug_struct("AskedPlace");
        shown.field("data", &self.data).field("url", &self.url).finish_non_exhaustive()
    }
}

impl AskedPlace {
    /// Makes a call: `answer` on the store itself, which is opened with this access, or the route
    /// at the server.
    fn call(
        &self,
        session: &Session,
        access: AccessMode,
        (method, path): (&str, &str),
        pairs: &Pairs,
        answer: impl FnOnce(&Engine) -> Result<Json>,
    ) -> Result<Json> {
        self.answer(session, access, answer, |remote| remote.call(method, path, pairs))
    }

    /// Makes a call with JSON as its body; no body if it is null.
    fn call_with(
        &self,
        session: &Session,
        access: AccessMode,
        (method, path): (&str, &str),
        body: &Json,
        answer: impl FnOnce(&Engine) -> Result<Json>,
    ) -> Result<Json> {
        self.answer(session, access, answer, |remote| remote.call_with(method, path, body))
    }

    fn answer(
        &self,
        session: &Session,
        access: AccessMode,
        answer: impl FnOnce(&Engine) -> Result<Json>,
        ask: impl FnOnce(&remote::Remote<'_>) -> Result<Json>,
    ) -> Result<Json> {
        match (&self.data, &self.url) {
            (Some(data), _) if !data.exists() => {
                Err(Error::parameter("--data", format!("there is nothing at {}", data.display())))
            }
            (Some(data), _) => answer(&session.open(data, access)?),
            (None, Some(url)) => ask(&self.remote(session, url)?),
            (None, None) => {
                Err(Error::parameter("--data", "name a store: --data DIR or --url URL"))
            }
        }
    }

    fn remote<'a>(&self, session: &'a Session, url: &str) -> Result<remote::Remote<'a>> {
        let read = |file: &PathBuf| {
            std::fs::read_to_string(file).map_err(|cause| Error::io(file.display(), cause))
        };
        let from_file = self.token_file.as_ref().map(read).transpose()?;
        let token = self.token.as_deref().or(from_file.as_deref().map(str::trim));
        remote::Remote::new(&session.runtime, url, self.ca.as_deref(), token)
    }
}

/// The runtime that a command needs.
struct Session {
    runtime: Runtime,
    /// The key with which stores are opened, if the command has one.
    seal_key: Option<SealKey>,
}

impl Session {
    fn new() -> Result<Self> {
        let built = tokio::runtime::Builder::new_multi_thread().enable_all().build();
        Ok(Self {
            runtime: built.context(ErrorKind::Unavailable, || "cannot start threads".to_owned())?,
            seal_key: None,
        })
    }

    /// Returns the same for stores that are opened with a seal key.
    fn with_seal_key(self, seal_key: Option<SealKey>) -> Self {
        Self { seal_key, ..self }
    }

    fn open(&self, data: &Path, access: AccessMode) -> Result<Engine> {
        // A one-off command leaves merging to the server, or to `annals compact`.
        self.open_with(data, access, Settings { compact: false, ..Settings::default() })
    }

    /// Creates a new store with these rules of redaction, and opens it.
    fn make(&self, data: &Path, redaction: Option<&[u8]>) -> Result<Engine> {
        DataDir::prepare(data, redaction)?;
        self.open(data, AccessMode::Write)
    }

    fn open_with(&self, data: &Path, access: AccessMode, settings: Settings) -> Result<Engine> {
        let settings = Settings { seal_key: self.seal_key.clone(), ..settings };
        Engine::open_with(
            data,
            access,
            Arc::new(SystemClock),
            self.runtime.handle().clone(),
            settings,
        )
    }
}

/// Runs the command line and returns the exit code.
pub fn main() -> ExitCode {
    let cli = match config::command(std::env::args_os()) {
        Ok(command) => {
            Cli::from_arg_matches(&command.get_matches()).unwrap_or_else(|error| error.exit())
        }
        Err(error) => return fail(&error),
    };
    // Libraries log every table version at length; only warnings and errors are worth a line.
    // A log that no one reads any more must not stop the server.
    let log = tracing_subscriber::fmt()
        .log_internal_errors(false)
        .with_writer(std::io::stderr)
        .with_max_level(tracing::Level::WARN)
        .with_ansi(std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none())
        .without_time()
        .finish();
    // A certificate that is not trusted is the error of the call, which says it.
    let told = Targets::new()
        .with_default(tracing::Level::WARN)
        .with_target("rustls_platform_verifier", LevelFilter::OFF);
    log.with(told).init();
    set_process_limits();
    match run(cli.command) {
        Ok(code) => ExitCode::from(code),
        Err(error) => fail(&error),
    }
}

/// Raises the process's limit of open files to what the system allows: every segment that has been
/// queried keeps its file open. Its memory is not dumped: tokens and keys are in it.
fn set_process_limits() {
    let _ = setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) });
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    // If that is refused, the limit stays as it is, and errors report it when it is reached.
    let _ = setrlimit(Resource::Nofile, limit);
}

fn fail(error: &Error) -> ExitCode {
    if broken_pipe(error) {
        return ExitCode::from(OK);
    }
    let _ = writeln!(std::io::stderr(), "annals: {}", output::printable(&error.to_string()));
    ExitCode::from(match error.kind() {
        ErrorKind::Invalid if error.parameter_name().is_some() => USAGE,
        ErrorKind::Corrupt => UNSOUND,
        _ => FAILED,
    })
}

/// Returns whether the cause is a closed pipe: the reader of our output has read enough, which is
/// not a failure.
fn broken_pipe(error: &Error) -> bool {
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        if cause
            .downcast_ref::<std::io::Error>()
            .is_some_and(|cause| cause.kind() == std::io::ErrorKind::BrokenPipe)
        {
            return true;
        }
        source = cause.source();
    }
    false
}

fn run(command: Command) -> Result<u8> {
    match command {
        Command::Demo(args) => demo::run(&args),
        Command::Init(args) => init::run(&args),
        Command::Serve(args) => serve::run(&args),
        Command::Cert(args) => cert::run(&args),
        Command::Config(args) => config::run(&args),
        Command::Ingest(args) => ingest::run(&args),
        Command::Query(args) => query::query(&args),
        Command::Count(args) => ask::count(&args),
        Command::Facets(args) => ask::facets(&args),
        Command::Top(args) => ask::top(&args),
        Command::Histogram(args) => ask::histogram(&args),
        Command::Stats(args) => stats::run(&args),
        Command::Export(args) => export::run(&args),
        Command::Explain(args) => query::explain(&args),
        Command::Sigma(args) => sigma::run(&args),
        Command::Generate(args) => generate::run(&args),
        Command::Inspect(args) => store::inspect(&args),
        Command::Backup(args) => backup::backup(&args),
        Command::Restore(args) => backup::restore(&args),
        Command::Retention(args) => policy::retention(&args),
        Command::Hold(args) => policy::hold(&args),
        Command::Tenant(args) => policy::tenant(&args),
        Command::Principal(args) => principals::principal(&args),
        Command::Source(args) => source::source(&args),
        Command::Collect(args) => source::collect(&args),
        Command::Relation(args) => relation::relation(&args),
        Command::Token(args) => principals::token(&args),
        Command::AccessKey(args) => principals::access_key(&args),
        Command::Quarantine(args) => quarantine::run(&args),
        Command::Compact(args) => store::compact(&args),
        Command::Check(args) => store::check(&args),
        Command::Completions { shell } => {
            clap_complete::generate(shell, &mut Cli::command(), "annals", &mut std::io::stdout());
            Ok(OK)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }
}
