//! The scrubber: every file of every segment is read and compared with its hash once a week, a few
//! at a time.
//!
//! A disk that loses bytes says so only when they are read, and audit records may not be read for
//! years. What is found is logged, counted and recorded as an event of the store's own tenant, once
//! for each segment.

use crate::engine::{Core, WriteSide};
use crate::error::Result;
use crate::event::Timestamp;
use crate::storage::segment::Segment;
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::{Arc, PoisonError};
use std::time::Duration;

/// Runs after which everything was read: a week of hours.
pub(in crate::engine) const RUNS: usize = 7 * 24;
/// What the scrubber rests between two segments, so that others get at the disk.
const REST: Duration = Duration::from_millis(50);

/// What the scrubber has found since the start.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Scrubbed {
    /// Segments read and compared.
    pub segments: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Those that are damaged.
    pub damaged: BTreeSet<String>,
    /// Indexes that were damaged and made anew.
    pub mended: u64,
    /// When each segment was compared last.
    pub compared: BTreeMap<String, Timestamp>,
}

/// What was read when.
#[derive(Debug, Default)]
pub(in crate::engine) struct Scrubber {
    /// The run in which each segment was read last.
    read: HashMap<String, u64>,
    run: u64,
}

impl Scrubber {
    /// Reads the segments that were not read for longest: so many that a week's `runs` read all.
    pub(in crate::engine) fn run(
        &mut self,
        core: &Core,
        write: &WriteSide,
        runs: usize,
    ) -> Result<()> {
        self.run += 1;
        let snapshot = core.published.get();
        let mut segments: Vec<&Arc<Segment>> = snapshot.segments.iter().collect();
        let there: HashSet<&str> =
            segments.iter().map(|segment| segment.manifest().id.as_str()).collect();
        self.read.retain(|id, _| there.contains(id.as_str()));
        core.scrubbed
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .compared
            .retain(|id, _| there.contains(id.as_str()));
        segments.sort_by_key(|segment| {
            (
                self.read.get(&segment.manifest().id).copied().unwrap_or_default(),
                segment.manifest().id.clone(),
            )
        });
        for segment in segments.iter().take(segments.len().div_ceil(runs)) {
            if write.trigger.stopping() {
                return Ok(());
            }
            check(core, segment)?;
            self.read.insert(segment.manifest().id.clone(), self.run);
            write.trigger.rest(REST);
        }
        Ok(())
    }
}

fn check(core: &Core, segment: &Segment) -> Result<()> {
    let manifest = segment.manifest();
    let (data, index) = segment.check()?;
    {
        let mut scrubbed = core.scrubbed.lock().unwrap_or_else(PoisonError::into_inner);
        scrubbed.segments += 1;
        scrubbed.bytes += manifest.data.bytes + manifest.index.bytes;
        scrubbed.compared.insert(manifest.id.clone(), core.clock.now());
        if data.is_empty() && index.is_empty() {
            scrubbed.damaged.remove(&manifest.id);
            return Ok(());
        }
    }
    note_damage(core, segment, &data, &index)
}

/// Says and records, once for each segment, that it was found damaged.
pub(in crate::engine) fn note_damage(
    core: &Core,
    segment: &Segment,
    data: &[String],
    index: &[String],
) -> Result<()> {
    let manifest = segment.manifest();
    let new = core
        .scrubbed
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .damaged
        .insert(manifest.id.clone());
    if !new {
        return Ok(());
    }
    let what = data.iter().chain(index).cloned().collect::<Vec<_>>().join("; ");
    tracing::error!(
        segment = manifest.id,
        what,
        "a segment is damaged: `annals check` tells more, a backup has it whole"
    );
    let details =
        json!({ "segment": manifest.id, "date": manifest.date, "data": data, "index": index });
    core.record(json!({
        "trace_id": format!("damage-{}", manifest.id), "event_name": "findDamage", "level": "incident", "resource_type": "segment",
        "resource_id": manifest.id, "details": details,
    }))
}
