//! The scrubber: once a week, every file of every segment is read and compared with its hash, a few
//! files at a time.
//!
//! A disk that loses bytes reports it only when they are read, and audit records may not be read
//! for years. Damage is logged, counted and recorded as an event of the store's own tenant, once
//! for each segment.

use crate::engine::Writer;
use crate::error::Result;
use crate::event::Timestamp;
use crate::storage::segment::Segment;
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::{Arc, PoisonError};
use std::time::Duration;

/// The number of runs in which everything is read: a week of hours.
pub(in crate::engine) const RUNS: usize = 7 * 24;
/// How long the scrubber rests between two segments, so that others can use the disk.
const REST: Duration = Duration::from_millis(50);

/// What the scrubber has found since the start.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Scrubbed {
    /// Segments that were read and compared.
    pub segments: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Segments that are damaged.
    pub damaged: BTreeSet<String>,
    /// Indexes that were damaged and have been rebuilt.
    pub mended: u64,
    /// When each segment was last compared.
    pub compared: BTreeMap<String, Timestamp>,
}

/// The scrubber: remembers when each segment was read.
#[derive(Debug, Default)]
pub(in crate::engine) struct Scrubber {
    /// The run in which each segment was last read.
    read: HashMap<String, u64>,
    run: u64,
}

impl Scrubber {
    /// Reads the segments that have gone unread the longest: as many as it takes to read all within
    /// `runs`.
    pub(in crate::engine) fn run(&mut self, writer: &Writer, runs: usize) -> Result<()> {
        let shared = &writer.shared;
        self.run += 1;
        let snapshot = shared.published.get();
        let mut segments: Vec<&Arc<Segment>> = snapshot.segments.iter().collect();
        let there: HashSet<&str> =
            segments.iter().map(|segment| segment.manifest().id.as_str()).collect();
        self.read.retain(|id, _| there.contains(id.as_str()));
        shared
            .scrubbed
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
            if writer.trigger.stopping() {
                return Ok(());
            }
            check(writer, segment)?;
            self.read.insert(segment.manifest().id.clone(), self.run);
            writer.trigger.rest(REST);
        }
        Ok(())
    }
}

/// Reads the files of a segment, compares them with their hashes, and counts the result.
fn check(writer: &Writer, segment: &Segment) -> Result<()> {
    let manifest = segment.manifest();
    let (data, index) = segment.check()?;
    {
        let mut scrubbed = writer.shared.scrubbed.lock().unwrap_or_else(PoisonError::into_inner);
        scrubbed.segments += 1;
        scrubbed.bytes += manifest.data.bytes + manifest.index.bytes;
        scrubbed.compared.insert(manifest.id.clone(), writer.shared.clock.now());
        if data.is_empty() && index.is_empty() {
            scrubbed.damaged.remove(&manifest.id);
            return Ok(());
        }
    }
    note_damage(writer, segment, &data, &index)
}

/// Logs and records, once for each segment, that it was found damaged.
pub(in crate::engine) fn note_damage(
    writer: &Writer,
    segment: &Segment,
    data: &[String],
    index: &[String],
) -> Result<()> {
    let manifest = segment.manifest();
    let new = writer
        .shared
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
        "a segment is damaged: run `annals check` for details; if its data is damaged, restore it \
        from a backup"
    );
    let details =
        json!({ "segment": manifest.id, "date": manifest.date, "data": data, "index": index });
    writer.record(json!({
        "trace_id": format!("damage-{}", manifest.id), "event_name": "findDamage",
        "level": "incident", "resource_type": "segment",
        "resource_id": manifest.id, "details": details,
    }))
}
