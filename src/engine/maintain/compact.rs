//! Compaction: small segments are merged in the background, the segments of past dates are cut by
//! tenant, and files that nothing needs any more are removed.
//!
//! A merge is written and compared with its parts before it is committed, and it holds no lock
//! meanwhile. If retention deletes from one of the parts first, the commit does nothing and other
//! segments are chosen.

use crate::engine::failpoint::Failpoint;
use crate::engine::maintain::delta_log::prove_whole;
use crate::engine::maintain::turns::SegmentWork;
use crate::engine::write::seal::put;
use crate::engine::write::seal_trigger::Wake;
use crate::engine::{Engine, Shared, Writer};
use crate::error::{Error, Result};
use crate::event::Timestamp;
use crate::maintain::{
    Candidate, Fingerprinter, Orphan, SettleOccasion, choose, cut, merge, orphans, put_away,
    runs_when_cut, settle,
};
use crate::query::Snapshot;
use crate::storage::paths;
use crate::storage::segment::{Manifest, Segment};
use std::collections::{HashMap, HashSet};
use std::sync::{Arc, PoisonError, Weak};
use std::time::{Duration, Instant};

/// How often a compaction of everything looks for files to remove, at most.
const TIDIED: Duration = Duration::from_secs(10);
/// How long the compactor rests after a failure.
const REST: Duration = Duration::from_secs(30);

/// What a compaction did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Compacted {
    /// Segments that were merged.
    pub merged: usize,
    /// Segments that were made from them.
    pub made: usize,
    /// Files that were removed.
    pub removed: usize,
}

/// How long without a seal it takes until dates are settled.
const QUIET: Duration = Duration::from_secs(3);
/// How long the compactor waits at most when there is nothing to do: by then dates may have come of
/// age.
const IDLE: Duration = Duration::from_secs(600);

/// How eagerly segments are merged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Zeal {
    /// Sizes that have too many segments, and dates that are of age.
    Usual,
    /// Also dates that have just been filled: nothing has come in for a while.
    Quiet,
    /// Whatever can be merged.
    All,
}

/// Runs the thread that compacts, after each seal and when it is quiet, until it is told to stop.
pub(in crate::engine) fn run(writer: &Writer) {
    let (mut seals, mut wait) = (0, QUIET);
    loop {
        let wake = writer.trigger.wait_for_another_seal(&mut seals, wait);
        wait = if wake == Wake::Quiet { IDLE } else { QUIET };
        if let Err(error) = writer.tend_log() {
            tracing::error!(%error, "cannot make a checkpoint of the table's log; tried again \
                                    after the next seal");
        }
        let zeal = if wake == Wake::Quiet { Zeal::Quiet } else { Zeal::Usual };
        // Merges for quiet times stop once a seal has ended, so that usual merges come first.
        let before = seals;
        while !writer.trigger.stopping() {
            match writer.compact_once(zeal) {
                Ok(Some(_)) if zeal == Zeal::Quiet && writer.trigger.seals() != before => break,
                Ok(Some(_)) => {}
                Ok(None) => break,
                Err(error) => {
                    tracing::error!(%error, "cannot merge segments; they stay as they are");
                    writer.trigger.rest(REST);
                    break;
                }
            }
        }
        if wake == Wake::Stop || writer.trigger.stopping() {
            return;
        }
    }
}

impl Engine {
    /// Merges all segments that can be merged, and removes files that nothing needs.
    ///
    /// # Errors
    /// If the disk fails; segments then stay as they were.
    pub fn compact(&self) -> Result<Compacted> {
        let writer = self.writer()?;
        let mut done = Compacted::default();
        let mut tidied = Instant::now();
        while let Some(step) = writer.compact_once(Zeal::All)? {
            done.merged += step.merged;
            done.made += step.made;
            // Remove replaced files as the compaction goes on, if nobody reads earlier versions:
            // otherwise a large store would need twice its space.
            if tidied.elapsed() > self.shared.settings.replaced_kept.max(TIDIED) {
                done.removed += writer.remove_orphans()?;
                tidied = Instant::now();
            }
        }
        done.removed += writer.remove_orphans()?;
        Ok(done)
    }
}

fn candidates(snapshot: &Snapshot) -> Vec<Candidate> {
    let candidate = |segment: &Arc<Segment>| {
        let manifest = segment.manifest();
        Candidate {
            id: manifest.id.clone(),
            date: manifest.date.clone(),
            rows: manifest.rows,
            bytes: manifest.record_bytes,
            decoders: manifest.decoders,
            tenants: manifest.tenants.len(),
            written: manifest.written().map_or(0, Timestamp::millis),
        }
    };
    snapshot.segments.iter().map(candidate).collect()
}

/// Returns the ids of the segments to merge next.
fn chosen(shared: &Shared, snapshot: &Snapshot, zeal: Zeal) -> HashSet<String> {
    let (segments, most) = (candidates(snapshot), shared.settings.merged);
    let chosen = choose(&segments, most, zeal == Zeal::All);
    if !chosen.is_empty() {
        return chosen.into_iter().collect();
    }
    let now = shared.clock.now();
    let occasion = SettleOccasion {
        now: now.millis(),
        today: &now.date(),
        quiet: zeal == Zeal::Quiet,
        all: zeal == Zeal::All,
    };
    let manifests: HashMap<&str, &Manifest> = snapshot
        .segments
        .iter()
        .map(|segment| (segment.manifest().id.as_str(), segment.manifest()))
        .collect();
    let runs = |group: &[&Candidate]| {
        let group: Vec<&Manifest> = group
            .iter()
            .filter_map(|segment| manifests.get(segment.id.as_str()).copied())
            .collect();
        runs_when_cut(&group, most)
    };
    settle(&segments, occasion, runs).into_iter().collect()
}

/// Writes segments that hold the events of `old`, and verifies that they do.
fn merged(
    shared: &Shared,
    work: &mut SegmentWork<'_>,
    old: &[Arc<Segment>],
    version: u64,
) -> Result<Vec<Arc<Segment>>> {
    let last = old.iter().map(|segment| segment.manifest().last_seq).max().unwrap_or_default();
    let (mut new, mut rows) = (Vec::new(), 0);
    let (fingerprinter, mut number) = (Fingerprinter::default(), version);
    for piece in &cut(old, shared.settings.merged)? {
        let id = work.new_id(shared, last, &mut number);
        let Some((files, before)) =
            merge(&id, old, piece, shared.settings.summary, &fingerprinter)?
        else {
            continue;
        };
        put(shared.data.store(), &files)?;
        let segment = Arc::new(Segment::new(shared.data.store(), files.manifest));
        // Read back from the file: what is compared is what questions will read.
        let after = fingerprinter.of_segment(&segment)?;
        if before != after {
            let what = format!(
                "the merged segment {id} does not hold the events of its parts: {before:?}, \
                {after:?}"
            );
            return Err(Error::internal(what));
        }
        rows += after.rows();
        new.push(segment);
    }
    let all: u64 = old.iter().map(|segment| u64::from(segment.manifest().rows)).sum();
    if rows != all {
        return Err(Error::internal(format!("{rows} of {all} events were merged")));
    }
    Ok(new)
}

impl Writer {
    /// Merges some segments, if any should be. Returns how many were merged, and into how many.
    fn compact_once(&self, zeal: Zeal) -> Result<Option<Compacted>> {
        let _turn = self.merges.take();
        let snapshot = self.settled()?;
        let chosen = chosen(&self.shared, &snapshot, zeal);
        let old: Vec<Arc<Segment>> = snapshot
            .segments
            .iter()
            .filter(|segment| chosen.contains(&segment.manifest().id))
            .map(Arc::clone)
            .collect();
        if old.is_empty() {
            return Ok(None);
        }
        self.check_disk()?;
        let mut work = self.in_work.begin();
        work.hold_all(&old);
        let new = self
            .shared
            .pools
            .maintenance
            .install(|| merged(&self.shared, &mut work, &old, snapshot.version))?;

        self.shared.reach(Failpoint::MergeWritten)?;
        let made = new.len();
        if self.table.replace(old.clone(), new)?.is_none() {
            // Retention deleted from one of them meanwhile: what was written is removed later as an
            // orphan, and other segments are chosen.
            return Ok(Some(Compacted::default()));
        }
        self.retire(&old)?;
        Ok(Some(Compacted { merged: old.len(), made, removed: 0 }))
    }

    /// Remembers segments that left the table while a reader still has them. Their files get the
    /// current time as modification time, because they are kept for readers of earlier versions
    /// from now on, not from when they were written.
    pub(in crate::engine) fn retire(&self, old: &[Arc<Segment>]) -> Result<()> {
        let mut retired = self.retired.lock().unwrap_or_else(PoisonError::into_inner);
        retired.retain(|segment| segment.strong_count() > 0);
        retired.extend(old.iter().map(Arc::downgrade));
        drop(retired);
        let (store, now) = (self.shared.data.store(), self.shared.clock.now());
        for manifest in old.iter().map(|segment| segment.manifest()) {
            for path in [
                paths::data(&manifest.date, &manifest.id),
                paths::index(&manifest.id),
                paths::manifest(&manifest.id),
            ] {
                store.touch(&path, now)?;
            }
        }
        Ok(())
    }

    /// Returns what is in the table, for merging or deleting: after a commit in doubt, the segments
    /// that are shown may not be those of the table, and must not be merged or deleted from.
    pub(in crate::engine) fn settled(&self) -> Result<Arc<Snapshot>> {
        self.table.settle()?;
        Ok(self.shared.published.get())
    }

    /// Removes or moves aside files of segments that no version needs that anyone may still read,
    /// provided the table is known to be complete. Returns how many.
    pub(in crate::engine) fn remove_orphans(&self) -> Result<usize> {
        let _turn = self.removals.take();
        let Some(mut found) = self.find_orphans()?.filter(|found| !found.is_empty()) else {
            return Ok(0);
        };
        // A segment may have been begun, or have entered the table, while the files were listed.
        let Some(needed) = self.needed()? else { return Ok(0) };
        found.retain(|orphan| !needed.has(orphan));
        let taken_out = self.table.removed()?;
        put_away(self.shared.data.store(), &found, &taken_out, self.shared.clock.now())
    }

    /// Returns the files that nothing needs and that were not changed for as long as replaced files
    /// are kept.
    fn find_orphans(&self) -> Result<Option<Vec<Orphan>>> {
        let Some(needed) = self.needed()? else { return Ok(None) };
        let kept =
            i64::try_from(self.shared.settings.replaced_kept.as_millis()).unwrap_or(i64::MAX);
        let before = Timestamp::from_millis(self.shared.clock.now().millis().saturating_sub(kept));
        orphans(self.shared.data.store(), &needed.segments, before).map(Some)
    }

    /// Returns the segments that anything may need, or none if the table is not known to be
    /// complete.
    fn needed(&self) -> Result<Option<Needed>> {
        // Those in work are read first: whatever leaves them meanwhile is then in the table or
        // retired.
        let in_work = self.in_work.ids();
        let Some((log, snapshot)) = self.table.log_without_doubt()? else { return Ok(None) };
        prove_whole(&log, &snapshot)?;
        let mut segments: HashSet<String> =
            snapshot.segments.iter().map(|segment| segment.manifest().id.clone()).collect();
        segments.extend(self.table.segment_ids()?);
        let retired = self.retired.lock().unwrap_or_else(PoisonError::into_inner);
        segments.extend(
            retired.iter().filter_map(Weak::upgrade).map(|segment| segment.manifest().id.clone()),
        );
        drop(retired);
        segments.extend(in_work.iter().cloned());
        Ok(Some(Needed { segments, in_work }))
    }
}

/// The segments whose files must stay.
struct Needed {
    segments: HashSet<String>,
    /// Those whose unfinished files must stay too.
    in_work: HashSet<String>,
}

impl Needed {
    fn has(&self, orphan: &Orphan) -> bool {
        let segment = orphan.segment();
        self.in_work.contains(segment) || !orphan.is_unfinished() && self.segments.contains(segment)
    }
}
