//! `annals export`: writes every matching event to a file or a pipe.
//!
//! A file appears under its name only when it is complete and on disk; until then it is
//! `FILE.partial`.

use super::Session;
use super::ask::{Answerer, QuestionArgs, pair};
use super::output::note;
use super::query::field_name;
use crate::access::Caller;
use crate::calls::{Export, Pairs};
use crate::collect::missing_in;
use crate::error::{Context, Error, ErrorKind, Result};
use crate::export::ExportFormat;
use crate::query::QueryBudget;
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use std::fs::File;
use std::io::{self, BufWriter, IsTerminal, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Example:
  annals export --data ./audit --tenant acme --event-name unbindCustomer --last 365d --out \
  unbinds.csv --labels zh --bom")]
pub(super) struct ExportArgs {
    #[command(flatten)]
    asked: QuestionArgs,
    /// Output file; standard output if absent or -. A pipe or a device is written to
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Columns, separated by commas; all by default (CSV: all except the record)
    #[arg(long, visible_alias = "fields", value_delimiter = ',', value_parser = field_name)]
    columns: Vec<String>,
    /// Style of the CSV header: name, en or zh
    #[arg(long)]
    labels: Option<String>,
    /// Time zone of timestamps, such as Asia/Shanghai
    #[arg(long, value_name = "ZONE")]
    time_zone: Option<String>,
    /// Start a CSV file with a byte order mark, so that spreadsheets detect UTF-8
    #[arg(long)]
    bom: bool,
    /// safe: prefix CSV cells that look like formulas with an apostrophe; raw: leave them as they
    /// are
    #[arg(long)]
    formulas: Option<String>,
    /// plain: CSV cells as they are; text: ids of digits as ="…", so that spreadsheets do not round
    /// them
    #[arg(long)]
    digits: Option<String>,
    /// End an NDJSON file with a record that states the number of events
    #[arg(long)]
    closing: bool,
    /// desc (newest first) or asc
    #[arg(long, default_value = "desc")]
    order: String,
}

impl ExportArgs {
    fn form(&self) -> Result<ExportFormat> {
        let ending = self
            .out
            .as_deref()
            .and_then(Path::extension)
            .and_then(|ending| ending.to_str())
            .and_then(ExportFormat::from_name);
        match (self.asked.output, ending) {
            (Some(super::output::OutputFormat::Csv), _) => Ok(ExportFormat::Csv),
            (Some(super::output::OutputFormat::Ndjson), _) => Ok(ExportFormat::Ndjson),
            (Some(super::output::OutputFormat::Parquet), _) => Ok(ExportFormat::Parquet),
            (Some(_), _) => Err(Error::parameter("--output", "exports are csv, ndjson or parquet")),
            (None, Some(form)) => Ok(form),
            (None, None) => Err(Error::parameter(
                "--output",
                "choose csv, ndjson or parquet, or give --out a name that ends in one",
            )),
        }
    }

    fn pairs(&self) -> Pairs {
        let mut pairs = self.asked.pairs();
        pairs.0.push(pair("order", &self.order));
        if !self.columns.is_empty() {
            pairs.0.push(pair("columns", self.columns.join(",")));
        }
        for (name, value) in [
            ("labels", &self.labels),
            ("time_zone", &self.time_zone),
            ("formulas", &self.formulas),
            ("digits", &self.digits),
        ] {
            pairs.0.extend(value.as_ref().map(|value| pair(name, value)));
        }
        for (name, flag) in [("bom", self.bom), ("closing", self.closing)] {
            pairs.0.extend(flag.then(|| pair(name, true)));
        }
        pairs
    }
}

pub(super) fn run(args: &ExportArgs) -> Result<u8> {
    let session = Session::new()?;
    let (form, pairs) = (args.form()?, args.pairs());
    let answerer = args.asked.answerer(&session)?;
    let Some(path) = &args.out else {
        if form == ExportFormat::Parquet && io::stdout().is_terminal() {
            return Err(Error::parameter("--out", "Parquet is not text: name a file with --out"));
        }
        let (_, rows) = write(&answerer, form, &pairs, io::stdout(), &ProgressBar::hidden())?;
        return Ok(args.asked.code(rows == Some(0)));
    };
    if path.as_os_str() == "-" {
        let (_, rows) = write(&answerer, form, &pairs, io::stdout(), &ProgressBar::hidden())?;
        return Ok(args.asked.code(rows == Some(0)));
    }
    refuse_foreign_link(path)?;
    if let Some(special) = open_special(path)? {
        let (_, rows) = write(&answerer, form, &pairs, special, &ProgressBar::hidden())?;
        return Ok(args.asked.code(rows == Some(0)));
    }
    // A link stays a link, and what it leads to is replaced.
    let path = &path.canonicalize().unwrap_or_else(|_| path.clone());
    if path.is_dir() {
        return Err(Error::parameter("--out", format!("{} is a folder", path.display())));
    }
    let partial = PathBuf::from(format!("{}.partial", path.display()));
    let broken = || format!("cannot write {}", partial.display());
    let bar = ProgressBar::new_spinner().with_style(
        ProgressStyle::with_template("{spinner} {human_pos} events, {per_sec}")
            .expect("the template is sound"),
    );
    // Whatever has that name may be somebody else's: a link to another place, or a file that they
    // can read.
    match std::fs::remove_file(&partial) {
        Err(cause) if cause.kind() != io::ErrorKind::NotFound => {
            return Err(Error::new(ErrorKind::Unavailable, broken()).because(cause));
        }
        _ => {}
    }
    let file = File::create_new(&partial).context(ErrorKind::Unavailable, broken)?;
    let (file, rows) =
        write(&answerer, form, &pairs, file, &bar).inspect_err(|_| bar.finish_and_clear())?;
    file.sync_all().context(ErrorKind::Unavailable, broken)?;
    std::fs::rename(&partial, path).context(ErrorKind::Unavailable, || {
        format!("cannot rename {} to {}", partial.display(), path.display())
    })?;
    bar.finish_and_clear();
    match rows {
        Some(rows) => note(&format!("{rows} events in {}", path.display())),
        None => note(&format!("written to {}", path.display())),
    }
    Ok(args.asked.code(rows == Some(0)))
}

/// Fails if there is a symbolic link of this name that another user made: it would decide which
/// file of this user is replaced. Those of the superuser are believed.
fn refuse_foreign_link(path: &Path) -> Result<()> {
    let Ok(there) = path.symlink_metadata() else { return Ok(()) };
    let own = rustix::process::geteuid().as_raw();
    if !there.is_symlink() || [own, 0].contains(&there.uid()) {
        return Ok(());
    }
    let what = format!(
        "{} is a symbolic link that another user made: name the file that it leads to",
        path.display()
    );
    Err(Error::parameter("--out", what))
}

/// Opens what is there under this name and is not a regular file: a pipe or a device is written to,
/// and never replaced.
fn open_special(path: &Path) -> Result<Option<File>> {
    let is_special = path.metadata().is_ok_and(|there| !there.is_file() && !there.is_dir());
    if !is_special {
        return Ok(None);
    }
    let open = File::options().write(true).open(path);
    open.map(Some).context(ErrorKind::Unavailable, || format!("cannot write {}", path.display()))
}

/// Writes the export. The number of events is known when it comes from a data directory.
fn write<W: Write + Send>(
    answerer: &Answerer<'_>,
    form: ExportFormat,
    pairs: &Pairs,
    out: W,
    bar: &ProgressBar,
) -> Result<(W, Option<u64>)> {
    let broken = || "cannot write the export".to_owned();
    let mut out = BufWriter::with_capacity(1 << 20, out);
    let rows = match answerer {
        Answerer::Local(engine) => {
            let export = Export::read(engine, &Caller::operator(), form, pairs)?;
            let (scope, period) = export.asked();
            for one in missing_in(engine, |tenant| scope.covers(tenant), period)? {
                note(&format!("annals: {one}"));
            }
            let (_, rows) = export
                .write(engine, &QueryBudget::default(), &mut out, |rows| bar.set_position(rows))?;
            Some(rows)
        }
        Answerer::Remote(remote) => {
            remote.download(&format!("/api/v1/events.{}", form.name()), pairs, &mut out)?;
            None
        }
    };
    let out = out.into_inner().map_err(|cause| {
        Error::new(ErrorKind::Unavailable, broken()).because(cause.into_error())
    })?;
    Ok((out, rows))
}
