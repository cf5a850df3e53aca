//! `GET /api/v1/status`, the state of the store.

use super::App;
use super::error::ApiError;
use crate::calls::Pairs;
use crate::engine::{Engine, PACE_SECONDS, Scrubbed, StoreStatus};
use crate::error::{Error, Result};
use crate::event::Timestamp;
use axum::extract::State;
use axum::routing::get;
use axum::{Json, Router};
use serde_json::{Map, Value, json};

pub(super) fn routes() -> Router<App> {
    Router::new().route("/api/v1/status", get(status))
}

async fn status(State(app): State<App>, pairs: Pairs) -> Result<Json<Value>, ApiError> {
    if let Some((name, _)) = pairs.0.first() {
        return Err(Error::parameter(name, "unknown parameter; this call takes none").into());
    }
    Ok(Json(app.run(|engine| shown(engine, &engine.status()?)).await?))
}

fn shown(engine: &Engine, status: &StoreStatus) -> Result<Value> {
    let (stats, now) = (engine.stats(), engine.clock().now());
    let scrubbed = engine.scrubbed();
    let policy = engine.policy();
    let moment = |time: Option<Timestamp>| time.map(|time| time.to_string());
    let doors: Map<String, Value> = engine
        .taken()
        .iter()
        .map(|(door, taken)| {
            (
                door.clone(),
                json!({ "accepted": taken.accepted, "duplicates": taken.duplicates,
                "quarantined": taken.quarantined }),
            )
        })
        .collect();
    let lag = status.newest.map(|newest| (now.millis() - newest.millis()).max(0) / 1_000);
    Ok(json!({
        "version": env!("CARGO_PKG_VERSION"),
        "time": now.to_string(),
        "uptime_seconds": status.uptime.as_secs(),
        "refusing": status.refusing,
        "table_version": stats.version,
        "segments": stats.segments,
        "events": stats.events,
        "buffered": stats.buffered,
        "buffered_bytes": status.buffered_bytes,
        "last_seq": status.last_seq,
        "data_bytes": stats.data_bytes,
        "index_bytes": stats.index_bytes,
        "wal": { "files": status.log.files, "bytes": status.log.bytes },
        "ingest": {
            "doors": doors, "window_seconds": PACE_SECONDS,
            "accepted_in_window": status.accepted_lately,
            "last_accepted": moment(status.last_accepted),
        },
        "last_segment": moment(status.last_segment),
        "scrub": scrub(engine, &scrubbed),
        "quarantined": status.quarantine.records,
        "quarantine": { "bytes": status.quarantine.bytes, "budget_bytes": status.quarantine.bound },
        "disk": { "free_bytes": status.free_bytes,
            "refused_below_bytes": engine.settings().free_bytes },
        "retention": {
            "version": policy.version, "floor_days": policy.floor_days,
            "default_days": policy.default_days,
            "tenants": policy.tenants.len(), "holds": policy.holds.len(),
        },
        "open": { "parts": status.open.parts, "bytes": status.open.bytes,
            "budget_bytes": status.open.budget },
        "memory": status.memory.map(|memory| json!({
            "resident_bytes": memory.resident, "anonymous_bytes": memory.anonymous,
            "peak_bytes": memory.peak, "open_files": memory.open_files,
        })),
        "views": engine.views().all().count(),
        "backups": engine.settings().backups.is_some(),
        "coverage": { "oldest": moment(status.oldest), "newest": moment(status.newest),
            "lag_seconds": lag },
    }))
}

/// Returns how many segments have been verified against their hashes since the start and, once all
/// have been, the time of the oldest verification.
fn scrub(engine: &Engine, scrubbed: &Scrubbed) -> Value {
    let snapshot = engine.snapshot();
    let compared: Vec<Timestamp> = snapshot
        .segments
        .iter()
        .filter_map(|segment| scrubbed.compared.get(&segment.manifest().id).copied())
        .collect();
    let complete = compared.len() == snapshot.segments.len();
    let all_since = compared.iter().min().filter(|_| complete).map(Timestamp::to_string);
    json!({
        "compared": compared.len(), "segments": snapshot.segments.len(),
        "last": compared.iter().max().map(Timestamp::to_string),
        "all_since": all_since, "bytes": scrubbed.bytes, "damaged": scrubbed.damaged,
    })
}
