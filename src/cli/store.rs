//! `annals inspect` and `annals check`.

use super::output::{OutputFormat, line, note, put};
use super::table::{LongCells, TableShape, table};
use super::{OK, Session, UNSOUND};
use crate::engine::{Engine, Settings};
use crate::error::{Error, ErrorKind, Result};
use crate::event::Timestamp;
use crate::storage::AccessMode;
use crate::storage::segment::{Segment, Sizes};
use clap::Args;
use serde_json::json;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  annals inspect --data ./audit\n  annals inspect --data ./audit \
                 01K…\n  annals inspect --data ./audit --sizes"
)]
pub(super) struct InspectArgs {
    /// The data directory
    #[arg(long, value_name = "DIR", env = "ANNALS_DATA")]
    data: PathBuf,
    /// Show one segment: its columns and tenants
    segment: Option<String>,
    /// Show the bytes used by each column and each part of the index, over all segments
    #[arg(long, conflicts_with = "segment")]
    sizes: bool,
    /// Output format
    #[arg(short, long, value_enum, value_name = "FORM")]
    output: Option<OutputFormat>,
}

#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  annals check --data ./audit\n  annals check --data ./audit \
                 --rebuild-index")]
pub(super) struct CheckArgs {
    /// The data directory
    #[arg(long, value_name = "DIR", env = "ANNALS_DATA")]
    data: PathBuf,
    /// Rebuild every index from its Parquet file
    #[arg(long)]
    rebuild_index: bool,
}

#[derive(Debug, Args)]
#[command(after_help = "\
A server does this by itself. Merged files are kept for a day, for other readers of the table.

Example:
  annals compact --data ./audit")]
pub(super) struct CompactArgs {
    /// The data directory
    #[arg(long, value_name = "DIR", env = "ANNALS_DATA")]
    data: PathBuf,
    /// Seconds to keep replaced files, for readers of older versions of the table
    #[arg(
        long,
        value_name = "SECONDS",
        default_value_t = Settings::default().replaced_kept.as_secs()
    )]
    keep_replaced: u64,
}

pub(super) fn compact(args: &CompactArgs) -> Result<u8> {
    let session = Session::new()?;
    let settings = Settings {
        compact: false,
        replaced_kept: Duration::from_secs(args.keep_replaced),
        ..Settings::default()
    };
    let engine = session.open_with(&args.data, AccessMode::Write, settings)?;
    engine.seal()?;
    let done = engine.compact()?;
    let stats = engine.stats();
    line(&format!(
        "{} segments merged into {}, {} files removed: {} segments, {} events",
        done.merged, done.made, done.removed, stats.segments, stats.events
    ))?;
    Ok(OK)
}

pub(super) fn inspect(args: &InspectArgs) -> Result<u8> {
    let session = Session::new()?;
    let engine = session.open(&args.data, AccessMode::Read)?;
    let snapshot = engine.snapshot();
    let form = OutputFormat::or_default(args.output)?;
    if let Some(id) = &args.segment {
        let segment = snapshot.segments.iter().find(|segment| segment.manifest().id == *id);
        let segment = segment
            .ok_or_else(|| Error::new(ErrorKind::NotFound, format!("there is no segment {id}")))?;
        return inspect_segment(segment, form);
    }
    if args.sizes {
        return inspect_sizes(&snapshot.segments, form);
    }
    let mut rows = Vec::new();
    for segment in snapshot.segments.iter() {
        let manifest = segment.manifest();
        let newest = manifest.tenants.iter().map(|rows| rows.newest()).max().unwrap_or_default();
        let oldest = manifest.tenants.iter().map(|rows| rows.oldest()).min().unwrap_or_default();
        if form != OutputFormat::Table {
            line(
                &json!({
                    "segment": manifest.id, "date": manifest.date, "rows": manifest.rows,
                    "tenants": manifest.tenants.len(),
                    "oldest": oldest.to_string(), "newest": newest.to_string(),
                    "first_seq": manifest.first_seq, "last_seq": manifest.last_seq,
                    "data_bytes": manifest.data.bytes, "index_bytes": manifest.index.bytes,
                    "sha256": manifest.data.sha256,
                })
                .to_string(),
            )?;
            continue;
        }
        rows.push(vec![
            manifest.id.clone(),
            manifest.date.clone(),
            manifest.rows.to_string(),
            manifest.tenants.len().to_string(),
            short(oldest),
            short(newest),
            per_row(manifest.data.bytes, manifest.rows),
            per_row(manifest.index.bytes, manifest.rows),
        ]);
    }
    if form == OutputFormat::Table { show_segments(&engine, &rows) } else { Ok(OK) }
}

/// Prints a table of the segments, and what they come to.
fn show_segments(engine: &Engine, rows: &[Vec<String>]) -> Result<u8> {
    let headers =
        ["segment", "date", "rows", "tenants", "oldest", "newest", "data B/row", "index B/row"];
    let shape = TableShape {
        headers: &headers,
        numbers: &[2, 3, 6, 7],
        core: &["segment", "date", "rows", "data B/row", "index B/row"],
        spare: &["tenants", "oldest", "newest"],
        long: LongCells::Wrap,
    };
    let fitted = shape.fit(rows);
    put(&fitted.text)?;
    fitted.say_what_is_missing("-o ndjson shows all");
    let stats = engine.stats();
    let events = stats.events.max(1);
    line(&format!(
        "{} events in {} segments, table version {}; {} bytes of Parquet and {} of index: \
            {:.0} + {:.0} bytes an event",
        stats.events,
        stats.segments,
        stats.version,
        stats.data_bytes,
        stats.index_bytes,
        stats.data_bytes as f64 / events as f64,
        stats.index_bytes as f64 / events as f64,
    ))?;
    Ok(OK)
}

/// Prints how the bytes of all segments are distributed, the largest part first.
fn inspect_sizes(segments: &[Arc<Segment>], form: OutputFormat) -> Result<u8> {
    let mut sizes = Sizes::new();
    let mut rows = 0;
    for segment in segments {
        rows += u64::from(segment.manifest().rows);
        for (part, bytes) in segment.sizes()? {
            *sizes.entry(part).or_default() += bytes;
        }
    }
    let mut sizes: Vec<_> = sizes.into_iter().collect();
    sizes.sort_by_key(|(_, bytes)| std::cmp::Reverse(*bytes));
    let per_event = |bytes: u64| bytes as f64 / rows.max(1) as f64;
    if form != OutputFormat::Table {
        for ((file, part), bytes) in &sizes {
            line(
                &json!({ "file": file, "part": part, "bytes": bytes,
                "bytes_per_event": per_event(*bytes) })
                .to_string(),
            )?;
        }
        return Ok(OK);
    }
    let row = |((file, part), bytes): &((&str, String), u64)| {
        vec![
            (*file).to_owned(),
            part.clone(),
            bytes.to_string(),
            format!("{:.2}", per_event(*bytes)),
        ]
    };
    table(
        &["file", "part", "bytes", "B/event"],
        &sizes.iter().map(row).collect::<Vec<_>>(),
        &[2, 3],
    )?;
    Ok(OK)
}

fn short(time: Timestamp) -> String {
    let text = time.to_string();
    text.get(..19).unwrap_or(&text).to_owned()
}

fn per_row(bytes: u64, rows: u32) -> String {
    format!("{:.1}", bytes as f64 / f64::from(rows.max(1)))
}

fn inspect_segment(segment: &Segment, form: OutputFormat) -> Result<u8> {
    let manifest = segment.manifest();
    if form != OutputFormat::Table {
        line(&serde_json::to_string(manifest).unwrap_or_default())?;
        return Ok(OK);
    }
    let mut bytes: BTreeMap<String, (i64, usize)> = BTreeMap::new();
    let metadata = segment.metadata()?;
    for group in metadata.metadata().row_groups() {
        for column in group.columns() {
            let sums = bytes.entry(column.column_path().string()).or_default();
            sums.0 += column.compressed_size();
            sums.1 += 1;
        }
    }
    let mut columns: Vec<_> = bytes.into_iter().collect();
    columns.sort_by_key(|(_, (bytes, _))| std::cmp::Reverse(*bytes));
    let row = |(name, (bytes, chunks)): (String, (i64, usize))| {
        vec![name, bytes.to_string(), per_row(bytes as u64, manifest.rows), chunks.to_string()]
    };
    table(
        &["column", "bytes", "B/row", "chunks"],
        &columns.into_iter().map(row).collect::<Vec<_>>(),
        &[1, 2, 3],
    )?;
    line("")?;
    let row = |rows: &crate::storage::segment::TenantRows| {
        vec![
            rows.tenant.to_string(),
            rows.first.to_string(),
            rows.rows.to_string(),
            short(rows.oldest()),
            short(rows.newest()),
        ]
    };
    let shape = TableShape {
        headers: &["tenant", "first row", "rows", "oldest", "newest"],
        numbers: &[1, 2],
        core: &["tenant", "rows", "oldest"],
        spare: &["newest", "first row"],
        long: LongCells::Wrap,
    };
    let fitted = shape.fit(&manifest.tenants.iter().map(row).collect::<Vec<_>>());
    put(&fitted.text)?;
    fitted.say_what_is_missing("-o ndjson shows all");
    line(&format!(
        "\n{} {}\n{} {}",
        manifest.data.sha256,
        segment.data_path().display(),
        manifest.index.sha256,
        segment.index_path().display()
    ))?;
    Ok(OK)
}

pub(super) fn check(args: &CheckArgs) -> Result<u8> {
    let session = Session::new()?;
    let access = if args.rebuild_index { AccessMode::Write } else { AccessMode::Read };
    let engine = session.open(&args.data, access)?;
    let report = engine.check(args.rebuild_index)?;
    for found in &report.reports {
        found.data.iter().chain(&found.index).for_each(|finding| note(finding));
    }
    report.quarantine.iter().for_each(|finding| note(finding));
    report.store.iter().for_each(|finding| note(finding));
    let rebuilt = report.reports.iter().filter(|found| found.rebuilt).count();
    let verdict = if report.is_sound() { "sound" } else { "DAMAGED" };
    let rebuilt =
        if args.rebuild_index { format!(", {rebuilt} indexes rebuilt") } else { String::new() };
    line(&format!(
        "{verdict}: {} segments, {} events, {} bytes read{rebuilt}",
        report.segments, report.events, report.bytes
    ))?;
    Ok(if report.is_sound() { OK } else { UNSOUND })
}
