//! Repair: an index that was found damaged, or that an earlier version wrote, is rebuilt from the
//! Parquet file, once that is verified. Until then the segment is answered from its columns.

use crate::engine::maintain::scrub::note_damage;
use crate::engine::{Engine, Writer};
use crate::error::Result;
use crate::storage::segment::{Damage, Segment};
use serde_json::json;
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

/// How often to look whether a question, a batch or the scrubber has found damage.
const LOOK: Duration = Duration::from_secs(1);
/// How long to wait before a segment whose repair failed is tried again.
const AGAIN: Duration = Duration::from_secs(600);

/// Runs the thread that repairs segments, one after the other.
pub(in crate::engine) fn run(writer: &Writer) {
    let mut tried = HashMap::new();
    while !writer.trigger.stopping() {
        if let Err(error) = mend_all(writer, &mut tried) {
            tracing::error!(%error, "cannot repair a damaged segment; it will be tried again");
        }
        writer.trigger.rest(LOOK);
    }
}

impl Engine {
    /// Returns the damage found in current segments, by segment id.
    pub fn damaged(&self) -> BTreeMap<String, Damage> {
        let snapshot = self.snapshot();
        let damage =
            |segment: &Arc<Segment>| Some((segment.manifest().id.clone(), segment.damage()?));
        snapshot.segments.iter().filter_map(damage).collect()
    }

    /// Rebuilds the indexes that were found damaged; returns how many.
    ///
    /// # Errors
    /// If the disk fails.
    pub fn mend(&self) -> Result<usize> {
        mend_all(self.writer()?, &mut HashMap::new())
    }
}

fn mend_all(writer: &Writer, tried: &mut HashMap<String, Instant>) -> Result<usize> {
    let mut mended = 0;
    let snapshot = writer.shared.published.get();
    // The newest first: those are asked for most.
    for segment in snapshot.segments.iter().rev() {
        let Some(damage) = segment.damage() else { continue };
        let id = &segment.manifest().id;
        if writer.trigger.stopping() {
            break;
        }
        if tried.get(id).is_some_and(|at| at.elapsed() < AGAIN) {
            continue;
        }
        // Noted before the attempt: one that fails must not be repeated every second.
        tried.insert(id.clone(), Instant::now());
        let said = |what: Option<String>| what.into_iter().collect::<Vec<_>>();
        // Whatever an outdated index is now: it is rebuilt, and was not damaged by anybody.
        let outdated = damage.outdated && damage.data.is_none();
        if !outdated {
            note_damage(writer, segment, &said(damage.data), &said(damage.index))?;
        }
        if mend(writer, segment, outdated)? {
            tried.remove(id);
            mended += 1;
        }
    }
    tried.retain(|id, _| snapshot.segments.iter().any(|segment| segment.manifest().id == *id));
    Ok(mended)
}

/// Rebuilds the index of a segment, if its Parquet file is sound. Returns whether it did.
fn mend(writer: &Writer, segment: &Arc<Segment>, outdated: bool) -> Result<bool> {
    let (data, index) = segment.check()?;
    if !data.is_empty() || (index.is_empty() && !outdated) {
        return Ok(false);
    }
    writer.check_disk()?;
    let manifest = writer.shared.pools.maintenance.install(|| segment.rebuild_index())?;
    let id = manifest.id.clone();
    let mended = Arc::new(Segment::new(writer.shared.data.store(), manifest));
    mended.index()?;
    if !writer.shared.published.mended(segment, &mended) {
        return Ok(false);
    }
    {
        let mut scrubbed = writer.shared.scrubbed.lock().unwrap_or_else(PoisonError::into_inner);
        scrubbed.damaged.remove(&id);
        scrubbed.mended += 1;
    }
    if outdated {
        tracing::info!(
            segment = id,
            "the index of a segment was of an earlier version and has been rebuilt"
        );
        return Ok(true);
    }
    tracing::info!(segment = id, "the index of a segment was damaged and has been rebuilt");
    writer.record(json!({
        "trace_id": format!("mend-{id}"), "event_name": "mendDamage", "level": "warning",
        "resource_type": "segment",
        "resource_id": id, "details": { "segment": id, "index": index },
    }))?;
    Ok(true)
}
