//! Information about the store (fields, metrics), and backups.

use super::App;
use super::error::ApiError;
use crate::access::Caller;
use crate::calls::{Pairs, question};
use crate::collect::SourceCoverage;
use crate::engine::Engine;
use crate::error::Error;
use crate::storage::memory;
use axum::extract::State;
use axum::http::header;
use axum::response::IntoResponse;
use axum::routing::{get, post};
use axum::{Json, Router};
use serde_json::Value;
use std::fmt::Write;

pub(super) fn routes() -> Router<App> {
    Router::new()
        .route("/api/v1/fields", get(async || Json(question::fields())))
        .route("/api/v1/backups", post(backup))
        .route("/metrics", get(metrics))
        .route("/api/v1/metrics", get(metrics))
}

/// Creates a backup, or adds to it, below the directory that the server was started with.
async fn backup(
    State(app): State<App>,
    caller: Caller,
    pairs: Pairs,
) -> Result<Json<Value>, ApiError> {
    let report = app.run(move |engine| {
        if let Some((name, _)) = pairs.0.iter().find(|(name, _)| name != "name") {
            return Err(Error::parameter(name, "unknown parameter; this call takes name"));
        }
        let name = pairs.one("name")?.unwrap_or_default();
        let plain =
            |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '-' | '_' | '.');
        if name.is_empty() || name.len() > 100 || name.starts_with('.') || !name.chars().all(plain)
        {
            return Err(Error::parameter(
                "name",
                "is 1 to 100 letters, digits or any of - _ . and begins with no point",
            ));
        }
        let root = engine.settings().backups.as_ref();
        let root = root.ok_or_else(|| {
            Error::invalid("this server makes no backups: start it with --backups DIR")
        })?;
        let target = root.join(name);
        // A backup has everything in it: it goes nowhere else than below the directory.
        if target.symlink_metadata().is_ok_and(|there| there.is_symlink()) {
            let what = "is a symbolic link in the directory of backups: choose another";
            return Err(Error::parameter("name", what));
        }
        engine.backup(&caller.actor(), &target)
    });
    Ok(Json(serde_json::to_value(report.await?).unwrap_or_default()))
}

async fn metrics(State(app): State<App>) -> impl IntoResponse {
    let mut text = String::new();
    write_store_gauges(&mut text, &app.engine);
    write_care_gauges(&mut text, &app.engine);
    write_counters(&mut text, &app.engine);
    write_refusals(&mut text, &app);
    write_access_counters(&mut text, &app);
    write_source_gauges(&mut text, &app);
    write_process_gauges(&mut text);
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], text)
}

fn write_gauge(text: &mut String, name: &str, help: &str, value: u64) {
    let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} gauge\n{name} {value}");
}

/// Writes how far sources are read.
fn write_source_gauges(text: &mut String, app: &App) {
    let covered = app.collector.coverage().unwrap_or_default();
    if covered.is_empty() {
        return;
    }
    let mut gauge = |name: &str, help: &str, value: &dyn Fn(&SourceCoverage) -> i64| {
        let _ =
            writeln!(text, "# HELP annals_source_{name} {help}\n# TYPE annals_source_{name} gauge");
        for own in &covered {
            let (source, tenant, value) = (&own.source, &own.tenant, value(own));
            let labels = format!("source=\"{source}\",tenant=\"{tenant}\"");
            let _ = writeln!(text, "annals_source_{name}{{{labels}}} {value}");
        }
    };
    gauge("lag_seconds", "How long ago what was read last was.", &|own| own.lag_s);
    gauge("gaps", "Stretches of time that are not there.", &|own| own.gaps.len() as i64);
    gauge("failing", "1 if the source cannot be read or is paused.", &|own| {
        i64::from(own.error.is_some())
    });
}

/// Writes what the store holds and what it has open.
fn write_store_gauges(text: &mut String, engine: &Engine) {
    let mut gauge = |name: &str, help: &str, value: u64| {
        write_gauge(text, &format!("annals_{name}"), help, value);
    };
    let stats = engine.stats();
    gauge("table_version", "Version of the Delta table.", stats.version);
    gauge("segments", "Segments of the table.", stats.segments as u64);
    gauge("events", "Events in the table.", stats.events);
    gauge(
        "events_buffered",
        "Events that are in the write-ahead log but not in a segment yet.",
        stats.buffered,
    );
    gauge("data_bytes", "Bytes of Parquet files.", stats.data_bytes);
    gauge("index_bytes", "Bytes of index files.", stats.index_bytes);
    let open = engine.open_parts();
    gauge("open_parts", "Data files and indexes of segments that are open.", open.parts as u64);
    gauge("open_parts_bytes", "Bytes of memory that open data files and indexes take.", open.bytes);
    gauge(
        "open_parts_budget_bytes",
        "Bytes of memory that open data files and indexes may take.",
        open.budget,
    );
}

/// Writes the state of the store: what was verified, damaged, refused and held.
fn write_care_gauges(text: &mut String, engine: &Engine) {
    let mut gauge = |name: &str, help: &str, value: u64| {
        write_gauge(text, &format!("annals_{name}"), help, value);
    };
    let (scrubbed, mut damaged) = (engine.scrubbed(), engine.damaged());
    damaged.retain(|_, damage| !damage.is_only_outdated());
    gauge(
        "scrubbed_segments",
        "Segments verified against their hashes since the start.",
        scrubbed.segments,
    );
    gauge("scrubbed_bytes", "Bytes compared with their hashes since the start.", scrubbed.bytes);
    gauge("damaged_segments", "Segments that were found damaged.", damaged.len() as u64);
    let lost = damaged.values().filter(|damage| damage.data.is_some()).count();
    gauge(
        "damaged_data_files",
        "Segments whose Parquet file was found missing or damaged.",
        lost as u64,
    );
    gauge("indexes_mended", "Damaged indexes that were rebuilt since the start.", scrubbed.mended);
    let problems = engine.problems();
    gauge("problems", "What /readyz says is wrong.", problems.len() as u64);
    let quarantine = engine.quarantine_usage();
    gauge("quarantined", "Records in quarantine.", quarantine.records);
    gauge("quarantine_bytes", "Bytes that the records in quarantine count as.", quarantine.bytes);
    gauge(
        "quarantine_budget_bytes",
        "Limit on the bytes that records in quarantine count as.",
        quarantine.bound,
    );
    gauge("legal_holds", "Legal holds in force.", engine.policy().holds.len() as u64);
}

fn write_counters(text: &mut String, engine: &Engine) {
    let _ = writeln!(
        text,
        "# HELP annals_redacted_total Secrets replaced before they were stored.\n# TYPE \
        annals_redacted_total counter"
    );
    for (rule, count) in engine.redacted() {
        let _ = writeln!(text, "annals_redacted_total{{rule=\"{rule}\"}} {count}");
    }
    let _ = writeln!(
        text,
        "# HELP annals_records_total Records that were delivered, by door.\n# TYPE \
        annals_records_total counter"
    );
    for (source, taken) in engine.taken() {
        let source = source.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
        for (outcome, count) in [
            ("accepted", taken.accepted),
            ("duplicate", taken.duplicates),
            ("quarantined", taken.quarantined),
        ] {
            let _ = writeln!(
                text,
                "annals_records_total{{door=\"{source}\",outcome=\"{outcome}\"}} {count}"
            );
        }
    }
}

/// Writes how often limits of principals and tenants were reached.
fn write_refusals(text: &mut String, app: &App) {
    let _ = writeln!(
        text,
        "# HELP annals_limit_refusals_total Requests that were refused because a limit was \
        reached.\n# TYPE annals_limit_refusals_total counter"
    );
    for (of, limit, count) in app.limits.refusals() {
        let _ =
            writeln!(text, "annals_limit_refusals_total{{of=\"{of}\",limit=\"{limit}\"}} {count}");
    }
}

/// Writes how often the trail could not be written, and credentials were refused.
fn write_access_counters(text: &mut String, app: &App) {
    let _ = writeln!(
        text,
        "# HELP annals_trail_failures_total Records of the trail that could not be \
        written.\n# TYPE annals_trail_failures_total counter\nannals_trail_failures_total \
        {}\n# HELP \
        annals_refused_credentials_total Credentials that were refused, of calls and of \
        sign-ins.\n# TYPE annals_refused_credentials_total counter",
        app.engine.trail_failures()
    );
    for (of, count) in app.refused_credentials.counts() {
        let _ = writeln!(text, "annals_refused_credentials_total{{of=\"{of}\"}} {count}");
    }
}

fn write_process_gauges(text: &mut String) {
    if let Some(memory) = memory() {
        // The names that every Prometheus client library uses.
        let mut process = |name: &str, help: &str, value: u64| {
            write_gauge(text, &format!("process_{name}"), help, value);
        };
        process("resident_memory_bytes", "Resident memory size in bytes.", memory.resident);
        process(
            "anonymous_memory_bytes",
            "Resident memory outside mapped files, in bytes.",
            memory.anonymous,
        );
        process("open_fds", "Number of open file descriptors.", memory.open_files);
    }
}
