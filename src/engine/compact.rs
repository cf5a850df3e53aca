//! Compaction: small segments are merged in the background, and what nothing needs any more is removed.

use super::seal::{put, segment_id};
use super::signal::Wake;
use super::step::Step;
use super::{Core, Engine, WriteSide};
use crate::error::{Error, Result};
use crate::event::{DAY_MS, Timestamp};
use crate::maintain::{Candidate, Fingerprint, choose, merge, remove_orphans};
use crate::query::Snapshot;
use crate::storage::NewSegment;
use crate::storage::segment::Segment;
use std::collections::HashSet;
use std::sync::{Arc, PoisonError, Weak};
use std::time::Duration;

/// How long files that are in no current version stay: other readers may still read the version that had them.
const ORPHANS_KEPT_MS: i64 = DAY_MS;
/// How long the compactor rests after a failure.
const REST: Duration = Duration::from_secs(30);

/// What a compaction did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Compacted {
    /// Segments that were merged.
    pub merged: usize,
    /// Segments that were made of them.
    pub made: usize,
    /// Files that were removed.
    pub removed: usize,
}

/// The thread that compacts: after each seal, until it is told to stop.
pub(super) fn run(core: &Core, write: &WriteSide) {
    let mut seals = 0;
    while write.signal.wait_for_another_seal(&mut seals) == Wake::Seal {
        while !write.signal.stopping() {
            match write.compact_once(core, false) {
                Ok(Some(_)) => {}
                Ok(None) => break,
                Err(error) => {
                    tracing::error!(%error, "cannot merge segments; they stay as they are");
                    write.signal.rest(REST);
                    break;
                }
            }
        }
    }
}

impl Engine {
    /// Merges all segments that can be merged, and removes files that nothing needs.
    ///
    /// # Errors
    /// A disk that fails; segments stay as they were then.
    pub fn compact(&self) -> Result<Compacted> {
        let write = self.core.write()?;
        let mut done = Compacted::default();
        while let Some(merged) = write.compact_once(&self.core, true)? {
            done.merged += merged;
            done.made += 1;
        }
        done.removed = write.remove_orphans(&self.core)?;
        Ok(done)
    }
}

fn candidates(snapshot: &Snapshot) -> Vec<Candidate> {
    let candidate = |segment: &Arc<Segment>| {
        let manifest = segment.manifest();
        Candidate { id: manifest.id.clone(), date: manifest.date.clone(), rows: manifest.rows, decoders: manifest.decoders }
    };
    snapshot.segments.iter().map(candidate).collect()
}

/// The id of a segment that is made of others. Numbers below 2¹⁵ are those of seals.
pub(super) fn maintained_id(now: Timestamp, last_seq: u64, version: u64) -> String {
    segment_id(now, last_seq, (1 << 15) | (version % (1 << 15)) as u16)
}

impl WriteSide {
    /// Merges some segments, if some should be; returns how many.
    fn compact_once(&self, core: &Core, all: bool) -> Result<Option<usize>> {
        let _one_at_a_time = self.compacting.lock().unwrap_or_else(PoisonError::into_inner);
        let snapshot = self.settled(core)?;
        let chosen: HashSet<String> = choose(&candidates(&snapshot), all).into_iter().collect();
        let old: Vec<Arc<Segment>> =
            snapshot.segments.iter().filter(|segment| chosen.contains(&segment.manifest().id)).map(Arc::clone).collect();
        if old.is_empty() {
            return Ok(None);
        }
        WriteSide::check_disk(core)?;
        let last = old.iter().map(|segment| segment.manifest().last_seq).max().unwrap_or_default();
        let id = maintained_id(core.clock.now(), last, snapshot.version);
        let (files, before) = merge(&id, &old, core.settings.summary)?;
        put(core.data.store(), &files)?;
        let new = Arc::new(Segment::new(core.data.store(), files.manifest));
        let after = Fingerprint::of_segment(&new)?;
        if before != after {
            return Err(Error::internal(format!("the merged segment {id} does not hold the events of its parts: {before:?}, {after:?}")));
        }

        core.reach(Step::MergeWritten)?;
        let mut table = self.table();
        self.settle(core, &mut table)?;
        let manifests: Vec<_> = old.iter().map(|segment| segment.manifest()).collect();
        let replaced = core.runtime.block_on(table.table.replace(&manifests, NewSegment { manifest: new.manifest() }, core.clock.now()));
        let replaced = replaced.and_then(|version| core.reach(Step::MergeCommitted).map(|()| version));
        table.in_doubt = replaced.is_err();
        core.published.exchanged(replaced?, &chosen, vec![new]);
        drop(table);
        self.retire(&old);
        Ok(Some(old.len()))
    }

    /// Remembers segments that are in the table no more while a reader has them.
    pub(super) fn retire(&self, old: &[Arc<Segment>]) {
        let mut retired = self.retired.lock().unwrap_or_else(PoisonError::into_inner);
        retired.retain(|segment| segment.strong_count() > 0);
        retired.extend(old.iter().map(Arc::downgrade));
    }

    /// What is in the table, for who holds `compacting`: after a commit in doubt, the segments that are shown may not be those
    /// of the table, and must not be merged or deleted from.
    pub(super) fn settled(&self, core: &Core) -> Result<Arc<Snapshot>> {
        self.settle(core, &mut self.table())?;
        Ok(core.published.get())
    }

    /// Removes files of segments that no version needs that anyone may still read.
    pub(super) fn remove_orphans(&self, core: &Core) -> Result<usize> {
        let _one_at_a_time = self.compacting.lock().unwrap_or_else(PoisonError::into_inner);
        // Nobody may be writing a segment meanwhile: its files are not in the table yet.
        let table = self.table();
        let mut needed: HashSet<String> = core.published.get().segments.iter().map(|segment| segment.manifest().id.clone()).collect();
        needed.extend(core.runtime.block_on(table.table.segments())?.into_iter().map(|segment| segment.id));
        let retired = self.retired.lock().unwrap_or_else(PoisonError::into_inner);
        needed.extend(retired.iter().filter_map(Weak::upgrade).map(|segment| segment.manifest().id.clone()));
        let before = Timestamp::from_millis(core.clock.now().millis() - ORPHANS_KEPT_MS);
        remove_orphans(core.data.store(), &needed, before)
    }
}
