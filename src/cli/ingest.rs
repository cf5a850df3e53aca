//! `annals ingest`: sends files, folders, globs or standard input to a data directory or a server.
//!
//! A folder may be what a cloud delivers to a bucket: CloudTrail's `AWSLogs/…` or the
//! `CloudTraces/…` of CTS. Their digest files, which hold hashes and no events, are skipped.

use super::follow::{self, default_state};
use super::output::{line, note};
use super::remote::Remote;
use super::send::Sender;
use super::{AskedPlace, FAILED, OK, Session};
use crate::calls::{Pairs, parse_format};
use crate::decode::Format;
use crate::engine::{Engine, Outcome, Settings};
use crate::error::{Error, ErrorKind, Result};
use crate::ingest::{RecordSplitter, TenantRule, Unpacked};
use crate::storage::AccessMode;
use crate::storage::paths::FOLLOW_FILE;
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use std::fs::File;
use std::io::IsTerminal;
use std::path::{Path, PathBuf};

/// Maximum number of quarantined records per file that are reported one by one.
const NAMED_MAX: usize = 5;

#[derive(Debug, Args)]
#[command(after_help = "\
Records that cannot be decoded go to quarantine with line and reason; everything else is accepted.
A record that is already stored is not stored twice.

Examples:
  annals ingest --data ./audit --tenant acme 'logs/*.json.gz' more/
  annals ingest --data ./audit --tenant-from recipientAccountId bucket/AWSLogs/
  annals ingest --url http://127.0.0.1:7400 --tenant acme --follow '/var/log/app/audit.log*'
  annals generate --events 1000000 | annals ingest --data ./audit --tenant-from project_id -
  annals ingest --url http://127.0.0.1:7400 --tenant acme --format cloudtrail trail.json")]
pub(super) struct IngestArgs {
    #[command(flatten)]
    place: AskedPlace,
    /// The tenant that owns the records
    #[arg(
        long,
        value_name = "TENANT",
        required_unless_present = "tenant_from",
        conflicts_with = "tenant_from"
    )]
    tenant: Option<String>,
    /// Path in each record that holds its tenant, such as project_id
    #[arg(long, value_name = "PATH")]
    tenant_from: Option<String>,
    /// Format of the records: auto, cts, partner, cloudtrail, k8s, gcp, native, otlp, cloudevents
    /// or ecs
    #[arg(long, default_value = "auto")]
    format: String,
    /// Follow the files as they are written, one record per line, through rotation and restarts
    #[arg(long)]
    follow: bool,
    /// File that records the progress; by default in the data directory or, with --url, under
    /// ~/.local/state/annals
    #[arg(long, value_name = "FILE", requires = "follow")]
    state: Option<PathBuf>,
    /// Files, folders or globs; - is standard input
    #[arg(required = true, value_name = "FILE")]
    files: Vec<String>,
}

pub(super) fn run(args: &IngestArgs) -> Result<u8> {
    let format = parse_format(&args.format)?;
    let rule = TenantRule::new(args.tenant.as_deref(), args.tenant_from.as_deref())?;
    let session = Session::new()?;
    let door = match (&args.place.data, &args.place.url) {
        // A long-running command maintains the store as a server does.
        (Some(data), _) if args.follow => Door::Local(
            Box::new(session.open_with(data, AccessMode::Write, Settings::default())?),
            format,
            rule,
        ),
        (Some(data), _) => {
            Door::Local(Box::new(session.open(data, AccessMode::Write)?), format, rule)
        }
        (None, Some(url)) => Door::Remote(Remote::new(&session.runtime, url)?, args.request()),
        (None, None) => {
            return Err(Error::parameter("--data", "name a store: --data DIR or --url URL"));
        }
    };
    let progress = progress_bar();
    if args.follow {
        let state = match (&args.state, &args.place.data) {
            (Some(state), _) => state.clone(),
            // A new store has ingested nothing yet.
            (None, Some(data)) => data.join(FOLLOW_FILE),
            (None, None) => default_state(&args.words())?,
        };
        return follow::run(&door, &args.files, &state, |records| progress.inc(records));
    }
    let mut total = IngestTotals::default();
    for pattern in &args.files {
        match expand(pattern) {
            Ok(sources) => sources.iter().for_each(|source| total.add(&door, source, &progress)),
            Err(error) => total.fail(&error),
        }
    }
    if let Door::Local(engine, ..) = &door
        && let Err(error) = engine.seal()
    {
        total.fail(&error);
    }
    progress.finish_and_clear();
    total.report()
}

impl IngestArgs {
    /// Returns what distinguishes one set of followed files from another: the sources and the
    /// destination.
    fn words(&self) -> Vec<String> {
        self.place
            .url
            .iter()
            .cloned()
            .chain(self.tenant.clone())
            .chain(self.tenant_from.clone())
            .chain(self.files.iter().cloned())
            .collect()
    }

    fn request(&self) -> Pairs {
        let mut pairs = vec![("format".to_owned(), self.format.clone())];
        pairs.extend(self.tenant.iter().map(|tenant| ("tenant".to_owned(), tenant.clone())));
        pairs.extend(self.tenant_from.iter().map(|path| ("tenant_from".to_owned(), path.clone())));
        Pairs(pairs)
    }
}

fn progress_bar() -> ProgressBar {
    // Progress is drawn on standard error, and only if that is a terminal.
    let style =
        ProgressStyle::with_template("{spinner} {human_pos} records, {per_sec} {elapsed} {msg}")
            .expect("the template is valid");
    let bar = ProgressBar::new_spinner().with_style(style);
    bar.enable_steady_tick(std::time::Duration::from_millis(120));
    bar
}

/// Where records are sent.
pub(super) enum Door<'a> {
    Local(Box<Engine>, Option<Format>, TenantRule),
    Remote(Remote<'a>, Pairs),
}

/// Where records come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum RecordSource {
    Stdin,
    File(PathBuf),
}

impl std::fmt::Display for RecordSource {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Stdin => out.write_str("standard input"),
            Self::File(path) => write!(out, "{}", path.display()),
        }
    }
}

impl RecordSource {
    fn open(&self) -> Result<Unpacked<'static>> {
        match self {
            Self::Stdin => Unpacked::detect(std::io::stdin(), u64::MAX),
            Self::File(path) => Unpacked::detect(
                File::open(path).map_err(|cause| Error::io(path.display(), cause))?,
                u64::MAX,
            ),
        }
    }
}

/// Returns the sources that an argument names, in order.
pub(super) fn expand(pattern: &str) -> Result<Vec<RecordSource>> {
    if pattern == "-" {
        return Ok(vec![RecordSource::Stdin]);
    }
    let path = Path::new(pattern);
    let mut files = Vec::new();
    if path.is_dir() {
        walk(path, &mut files)?;
    } else if path.exists() {
        files.push(path.to_owned());
    } else if pattern.contains(['*', '?', '[']) {
        let paths = glob::glob(pattern).map_err(|cause| {
            Error::parameter("FILE", format!("{pattern:?} is not a valid pattern")).because(cause)
        })?;
        files.extend(paths.flatten().filter(|path| path.is_file()));
    }
    if files.is_empty() {
        return Err(Error::new(ErrorKind::NotFound, format!("{pattern}: no such file")));
    }
    files.sort_unstable();
    Ok(files.into_iter().map(RecordSource::File).collect())
}

/// Returns every file below a folder that may hold records, judging by its extension.
fn walk(folder: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
    let entries = std::fs::read_dir(folder).map_err(|cause| Error::io(folder.display(), cause))?;
    for entry in entries {
        let path = entry.map_err(|cause| Error::io(folder.display(), cause))?.path();
        let named = |endings: &[&str]| {
            path.extension()
                .and_then(|ending| ending.to_str())
                .is_some_and(|ending| endings.contains(&ending))
        };
        if path.is_dir() {
            walk(&path, files)?;
        } else if is_digest(&path) {
            continue;
        } else if named(&["json", "ndjson", "jsonl", "log", "gz", "zst"]) {
            files.push(path);
        }
    }
    Ok(())
}

/// Returns whether a file is a digest that a cloud delivers beside its logs:
/// `…_CloudTrail-Digest_…`, `…_CloudTrace-Digest_…`.
fn is_digest(path: &Path) -> bool {
    let name = path.file_name().map(|name| name.to_string_lossy()).unwrap_or_default();
    name.contains("_CloudTrail-Digest_") || name.contains("_CloudTrace-Digest_")
}

impl Door<'_> {
    /// Ingests complete lines and returns how many records there were.
    ///
    /// # Errors
    /// Whatever prevents the records from being durable. The lines can be sent again: records that
    /// are already stored count as duplicates.
    pub(super) fn take_bytes(&self, lines: &[u8], shown: &str, first_line: u64) -> Result<u64> {
        let (outcome, error) = match self {
            Self::Local(engine, format, rule) => {
                engine.ingest_stream(lines, *format, rule, shown, |_| {})
            }
            Self::Remote(remote, request) => {
                Sender::new(remote, request, first_line).send(RecordSplitter::new(lines), |_| {})
            }
        };
        say_quarantined(&outcome, shown, first_line);
        error.map_or_else(
            || Ok(outcome.accepted + outcome.duplicates + outcome.quarantined.total()),
            |error| Err(error.at(shown)),
        )
    }

    /// Ingests a whole file, compressed or not.
    ///
    /// # Errors
    /// As [`Door::take_bytes`].
    pub(super) fn take_file(&self, source: &RecordSource) -> Result<u64> {
        let (outcome, error) = self.take_source(source, |_| {});
        say_quarantined(&outcome, &source.to_string(), 0);
        error.map_or_else(
            || Ok(outcome.accepted + outcome.duplicates + outcome.quarantined.total()),
            |error| Err(error.at(source)),
        )
    }

    fn take_source(
        &self,
        source: &RecordSource,
        heard: impl FnMut(&Outcome),
    ) -> (Outcome, Option<Error>) {
        match (self, source.open()) {
            (_, Err(error)) => (Outcome::default(), Some(error)),
            (Self::Local(engine, format, rule), Ok(input)) => {
                engine.ingest_stream(input, *format, rule, &source.to_string(), heard)
            }
            (Self::Remote(remote, request), Ok(input)) => Sender::new(remote, request, 0)
                .send(RecordSplitter::new(std::io::BufReader::new(input)), heard),
        }
    }
}

/// Reports the quarantined records one by one, up to a limit.
fn say_quarantined(outcome: &Outcome, shown: &str, first_line: u64) {
    let listed = outcome.quarantined.listed();
    for refused in listed.iter().take(NAMED_MAX) {
        note(&format!(
            "{shown}: line {}: quarantined: {}",
            first_line + refused.line,
            refused.reason
        ));
    }
    let more = outcome.quarantined.total() - listed.len().min(NAMED_MAX) as u64;
    if more > 0 {
        let reasons = outcome
            .quarantined
            .reasons()
            .iter()
            .take(NAMED_MAX)
            .map(|of| format!("{}: {}", of.count, of.reason));
        note(&format!(
            "{shown}: {more} more records quarantined; of all {}",
            reasons.collect::<Vec<_>>().join("; ")
        ));
    }
}

#[derive(Default)]
struct IngestTotals {
    files: u64,
    accepted: u64,
    duplicates: u64,
    quarantined: u64,
    failed: u64,
}

impl IngestTotals {
    fn add(&mut self, door: &Door<'_>, source: &RecordSource, progress: &ProgressBar) {
        progress.set_message(source.to_string());
        let before = self.accepted + self.duplicates + self.quarantined;
        let heard = |outcome: &Outcome| {
            progress.set_position(
                before + outcome.accepted + outcome.duplicates + outcome.quarantined.total(),
            )
        };
        let (outcome, error) = door.take_source(source, heard);
        self.files += 1;
        self.accepted += outcome.accepted;
        self.duplicates += outcome.duplicates;
        self.quarantined += outcome.quarantined.total();
        progress.suspend(|| {
            say_quarantined(&outcome, &source.to_string(), 0);
            if let Some(error) = error {
                self.fail(&error.at(source));
            }
        });
    }

    fn fail(&mut self, error: &Error) {
        self.failed += 1;
        note(&format!("annals: {error}"));
    }

    fn report(&self) -> Result<u8> {
        if std::io::stdout().is_terminal() {
            line(&format!(
                "{} accepted, {} duplicates, {} quarantined",
                self.accepted, self.duplicates, self.quarantined
            ))?;
        } else {
            let json = serde_json::json!({
                "accepted": self.accepted, "duplicates": self.duplicates, "quarantined": self.quarantined,
                "files": self.files, "failed": self.failed,
            });
            line(&json.to_string())?;
        }
        Ok(if self.failed > 0 { FAILED } else { OK })
    }
}
