//! `annals ingest`: sends files, folders, globs or standard input to a data directory or a server.

use super::destination::{Destination, say_quarantined};
use super::follow::{self, default_state};
use super::output::{line, note, printable};
use super::progress::{IngestProgress, follow_bar};
use super::sources::{RecordSource, expand};
use super::{AskedPlace, FAILED, OK, Session};
use crate::calls::{Pairs, parse_format};
use crate::engine::{Outcome, Settings};
use crate::error::{Error, Result};
use crate::ingest::TenantRule;
use crate::storage::paths::FOLLOW_FILE;
use crate::storage::{AccessMode, DataDir};
use clap::Args;
use std::ffi::OsString;
use std::io::IsTerminal;
use std::path::PathBuf;

/// How many files that are passed over are named.
const PASSED_OVER_NAMED: usize = 5;

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
    store: AskedPlace,
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
    /// Format of the records: auto, cts, partner, cloudtrail, k8s, gcp, native, otlp, cloudevents,
    /// ecs, document, github, gitlab, okta, workspace, m365, azure, ocsf, actiontrail, cloudaudit,
    /// oci, vault or windows
    #[arg(long, default_value = "auto")]
    format: String,
    /// Follow the files as they are written, one record per line, through rotation and restarts
    #[arg(long)]
    follow: bool,
    /// File that records the progress; by default in the data directory or, with --url, under
    /// ~/.local/state/annals
    #[arg(long, value_name = "FILE", requires = "follow")]
    state: Option<PathBuf>,
    /// Exit with 0 even if every record went to quarantine
    #[arg(long, conflicts_with = "follow")]
    allow_quarantine: bool,
    /// Files, folders or globs; - is standard input
    #[arg(required = true, value_name = "FILE")]
    files: Vec<OsString>,
}

pub(super) fn run(args: &IngestArgs) -> Result<u8> {
    let format = parse_format(&args.format)?;
    let rule = TenantRule::new(args.tenant.as_deref(), args.tenant_from.as_deref())?;
    let session = Session::new()?;
    let is_new = args.store.data.as_deref().is_some_and(|data| !DataDir::is_at(data));
    let destination = match (&args.store.data, &args.store.url) {
        // A long-running command maintains the store as a server does.
        (Some(data), _) if args.follow => Destination::Local(
            Box::new(session.open_with(data, AccessMode::Write, Settings::default())?),
            format,
            rule,
        ),
        (Some(data), _) => {
            Destination::Local(Box::new(session.open(data, AccessMode::Write)?), format, rule)
        }
        (None, Some(url)) => {
            let remote = args.store.remote(&session, url)?;
            Destination::Remote(remote, args.request())
        }
        (None, None) => {
            return Err(Error::parameter("--data", "name a store: --data DIR or --url URL"));
        }
    };
    if args.follow {
        let state = match (&args.state, &args.store.data) {
            (Some(state), _) => state.clone(),
            // A new store has ingested nothing yet.
            (None, Some(data)) => data.join(FOLLOW_FILE),
            (None, None) => default_state(&args.words())?,
        };
        let bar = follow_bar();
        return follow::run(&destination, &args.files, &state, |records| bar.inc(records));
    }
    let mut total = IngestTotals::default();
    let mut sources = Vec::new();
    for pattern in &args.files {
        match expand(pattern) {
            Ok(found) => {
                say_passed_over(&found.passed_over);
                sources.extend(found.sources);
            }
            Err(error) => total.fail(&error),
        }
    }
    let mut progress = IngestProgress::of(&sources);
    sources.iter().for_each(|source| total.add(&destination, source, &mut progress));
    progress.bar.set_message("writing segments");
    if let Destination::Local(engine, ..) = &destination
        && let Err(error) = engine.seal()
    {
        total.fail(&error);
    }
    progress.bar.finish_and_clear();
    if is_new {
        note(
            "the store is new and has no administrator: annals init adds one, and annals serve \
            needs one unless it asks nobody (--auth none)",
        );
    }
    total.report(args.allow_quarantine)
}

impl IngestArgs {
    /// Returns what distinguishes one set of followed files from another: the sources and the
    /// destination.
    fn words(&self) -> Vec<String> {
        self.store
            .url
            .iter()
            .cloned()
            .chain(self.tenant.clone())
            .chain(self.tenant_from.clone())
            .chain(self.files.iter().map(|file| file.to_string_lossy().into_owned()))
            .collect()
    }

    fn request(&self) -> Pairs {
        // A file is read in parts, and after a failure perhaps in other parts: whatever is equal is
        // one record, as in a data directory.
        let mut pairs = vec![
            ("format".to_owned(), self.format.clone()),
            ("repeats".to_owned(), "duplicates".to_owned()),
        ];
        pairs.extend(self.tenant.iter().map(|tenant| ("tenant".to_owned(), tenant.clone())));
        pairs.extend(self.tenant_from.iter().map(|path| ("tenant_from".to_owned(), path.clone())));
        Pairs(pairs)
    }
}

/// Reports what folders hold that is not read, up to a limit.
fn say_passed_over(passed_over: &[(PathBuf, &'static str)]) {
    for (path, why) in passed_over.iter().take(PASSED_OVER_NAMED) {
        note(&format!("annals: {} is passed over: {why}", path.display()));
    }
    if let more @ 1.. = passed_over.len().saturating_sub(PASSED_OVER_NAMED) {
        note(&format!("annals: {more} more are passed over"));
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
    fn add(
        &mut self,
        destination: &Destination<'_>,
        source: &RecordSource,
        progress: &mut IngestProgress,
    ) {
        progress.bar.set_message(printable(&source.to_string()));
        let before = self.accepted + self.duplicates + self.quarantined;
        let heard = |outcome: &Outcome| {
            progress.has_taken(
                before + outcome.accepted + outcome.duplicates + outcome.quarantined.total(),
            )
        };
        let (outcome, error) = destination.take_source(source, &progress.bar, heard);
        progress.finish(source);
        self.files += 1;
        self.accepted += outcome.accepted;
        self.duplicates += outcome.duplicates;
        self.quarantined += outcome.quarantined.total();
        progress.bar.suspend(|| {
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

    fn report(&self, allow_quarantine: bool) -> Result<u8> {
        if std::io::stdout().is_terminal() {
            line(&format!(
                "{} accepted, {} duplicates, {} quarantined",
                self.accepted, self.duplicates, self.quarantined
            ))?;
        } else {
            let json = serde_json::json!({
                "accepted": self.accepted, "duplicates": self.duplicates,
                "quarantined": self.quarantined,
                "files": self.files, "failed": self.failed,
            });
            line(&json.to_string())?;
        }
        let useless = self.quarantined > 0 && self.accepted + self.duplicates == 0;
        if useless && !allow_quarantine {
            note(
                "annals: every record went to quarantine: is this the right file, and the right \
                --format? --allow-quarantine makes this a success",
            );
        }
        Ok(if self.failed > 0 || useless && !allow_quarantine { FAILED } else { OK })
    }
}
