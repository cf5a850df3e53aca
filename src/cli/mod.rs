//! The command line: what `annals` does when it is typed.
//!
//! Commands that ask something take the filter as flags, built from the table of fields, and put
//! the same question that HTTP takes, to a data directory (`--data`) or to a server (`--url`).
//! Tables on a terminal, NDJSON in a pipe; what is not an answer goes to standard error.

mod ask;
mod backup;
mod demo;
mod export;
mod filter_args;
mod follow;
mod generate;
mod ingest;
mod init;
mod output;
mod policy;
mod remote;
mod send;
mod serve;
mod sigma;
mod stats;
mod store;

use crate::clock::SystemClock;
use crate::engine::{Engine, Settings};
use crate::error::{Context, Error, ErrorKind, Result};
use crate::storage::{AccessMode, DataDir};
use clap::{Args, CommandFactory, Parser, Subcommand};
use rustix::process::{Resource, getrlimit, setrlimit};
use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use tokio::runtime::Runtime;

/// Everything is well.
const OK: u8 = 0;
/// It did not work.
const FAILED: u8 = 1;
/// The command was typed wrong.
const USAGE: u8 = 2;
/// Something stored is not what it should be.
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
  annals query --data ./audit --tenant acme --source ECS --resource-type ecs --event-name deleteServer --last 7d
  annals facets --data ./audit --tenant acme --fields source,level
  annals serve --data ./audit

Exit codes: 0 ok, 1 failed, 2 bad usage, 3 check failed, 4 nothing matched (with --fail-empty)";

#[derive(Debug, Subcommand)]
enum Command {
    /// Build a sample store in a temporary directory, ask it a few questions, and serve it
    Demo(demo::DemoArgs),
    /// Make a store before its first start, with its rules of redaction
    Init(init::InitArgs),
    /// Serve a data directory over HTTP
    Serve(serve::ServeArgs),
    /// Take in records: NDJSON, JSON arrays, CloudTrail and CTS files, gzip, zstd
    Ingest(ingest::IngestArgs),
    /// List events, newest first
    Query(ask::QueryArgs),
    /// Count events
    Count(ask::CountArgs),
    /// Count events by the values of fields
    Facets(ask::FacetsArgs),
    /// The most frequent values of one field
    Top(ask::TopArgs),
    /// Count events by time
    Histogram(ask::HistogramArgs),
    /// Sum amounts, decimal-exact
    Stats(stats::StatsArgs),
    /// Write every event that matches to a file: CSV, NDJSON or Parquet
    Export(export::ExportArgs),
    /// Show how a list is answered, segment by segment
    Explain(ask::QueryArgs),
    /// Find the events that Sigma detection rules mean
    Sigma(sigma::SigmaArgs),
    /// Write realistic records to standard output
    Generate(generate::GenerateArgs),
    /// Show the segments of a data directory
    Inspect(store::InspectArgs),
    /// Copy a store, running or not, into a directory; again to add what is new
    Backup(backup::BackupArgs),
    /// Make a new data directory of a backup, every byte checked
    Restore(backup::RestoreArgs),
    /// How long events are kept: show it, set it, delete what is past its time
    Retention(policy::RetentionArgs),
    /// Legal holds: what is kept whatever its age
    Hold(policy::HoldArgs),
    /// Merge small segments and remove files that nothing needs
    Compact(store::CompactArgs),
    /// Compare every stored byte with its hash; make indexes anew
    Check(store::CheckArgs),
    /// Write completions for a shell to standard output
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
}

/// Where the answer comes from.
#[derive(Debug, Clone, Args)]
#[group(id = "where", multiple = false)]
struct AskedPlace {
    /// The data directory
    #[arg(long, value_name = "DIR", env = "ANNALS_DATA")]
    data: Option<PathBuf>,
    /// The address of a server, such as http://127.0.0.1:7400
    #[arg(long, value_name = "URL", env = "ANNALS_URL")]
    url: Option<String>,
}

/// What a command needs to run: the runtime and what is open.
struct Session {
    runtime: Runtime,
}

impl Session {
    fn new() -> Result<Self> {
        let built = tokio::runtime::Builder::new_multi_thread().enable_all().build();
        Ok(Self {
            runtime: built.context(ErrorKind::Unavailable, || "cannot start threads".to_owned())?,
        })
    }

    fn open(&self, data: &Path, access: AccessMode) -> Result<Engine> {
        // A command that runs once leaves merging to the server, or to `annals compact`.
        self.open_with(data, access, Settings { compact: false, ..Settings::default() })
    }

    /// Makes a new store with these rules of redaction, and opens it.
    fn make(&self, data: &Path, redaction: Option<&[u8]>) -> Result<Engine> {
        DataDir::prepare(data, redaction)?;
        self.open(data, AccessMode::Write)
    }

    fn open_with(&self, data: &Path, access: AccessMode, settings: Settings) -> Result<Engine> {
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
    let cli = Cli::parse();
    // Libraries tell a long story of every table version; only what is wrong is worth a line.
    // A log that nobody reads any more must not end the server.
    let log = tracing_subscriber::fmt()
        .log_internal_errors(false)
        .with_writer(std::io::stderr)
        .with_max_level(tracing::Level::WARN);
    log.with_ansi(std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none())
        .without_time()
        .init();
    raise_open_files();
    match run(cli.command) {
        Ok(code) => ExitCode::from(code),
        Err(error) => fail(&error),
    }
}

/// Lets the process have as many open files as the system allows: every segment that was asked
/// keeps its file.
fn raise_open_files() {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    // Where that is refused, the limit stays, and says so when it is reached.
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

/// Whoever read our output has read enough; that is no failure.
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
        Command::Ingest(args) => ingest::run(&args),
        Command::Query(args) => ask::query(&args),
        Command::Count(args) => ask::count(&args),
        Command::Facets(args) => ask::facets(&args),
        Command::Top(args) => ask::top(&args),
        Command::Histogram(args) => ask::histogram(&args),
        Command::Stats(args) => stats::run(&args),
        Command::Export(args) => export::run(&args),
        Command::Explain(args) => ask::explain(&args),
        Command::Sigma(args) => sigma::run(&args),
        Command::Generate(args) => generate::run(&args),
        Command::Inspect(args) => store::inspect(&args),
        Command::Backup(args) => backup::backup(&args),
        Command::Restore(args) => backup::restore(&args),
        Command::Retention(args) => policy::retention(&args),
        Command::Hold(args) => policy::hold(&args),
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
