//! Compaction: small segments are merged in the background, dates that are written are cut by
//! tenant, and what nothing needs any more is removed.

use crate::engine::failpoint::Failpoint;
use crate::engine::maintain::delta_log::prove_whole;
use crate::engine::maintain::turns::SegmentWork;
use crate::engine::write::seal::{put, segment_id};
use crate::engine::write::seal_trigger::Wake;
use crate::engine::{Core, Engine, WriteSide};
use crate::error::{Error, Result};
use crate::event::Timestamp;
use crate::maintain::{
    Candidate, Fingerprint, Orphan, SettleOccasion, choose, cut, merge, orphans, put_away,
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
    /// Segments that were made of them.
    pub made: usize,
    /// Files that were removed.
    pub removed: usize,
}

/// After so long without a seal there is time for dates to be settled.
const QUIET: Duration = Duration::from_secs(3);
/// How long the compactor waits at most when there is nothing to do: dates come of age.
const IDLE: Duration = Duration::from_secs(600);

/// How much is to be merged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Zeal {
    /// What there is too much of, and dates that are of age.
    Usual,
    /// The same, and dates that have just been filled: nothing has come in for a while.
    Quiet,
    /// Whatever can be.
    All,
}

/// The thread that compacts: after each seal, and when it is quiet, until it is told to stop.
pub(in crate::engine) fn run(core: &Core, write: &WriteSide) {
    let (mut seals, mut wait) = (0, QUIET);
    loop {
        let wake = write.trigger.wait_for_another_seal(&mut seals, wait);
        wait = if wake == Wake::Quiet { IDLE } else { QUIET };
        if let Err(error) = write.tend_log(core) {
            tracing::error!(%error, "cannot make a checkpoint of the table's log; tried again after the next seal");
        }
        let zeal = if wake == Wake::Quiet { Zeal::Quiet } else { Zeal::Usual };
        let before = seals;
        while !write.trigger.stopping() {
            match write.compact_once(core, zeal) {
                Ok(Some(_)) if zeal == Zeal::Quiet && write.trigger.seals() != before => break,
                Ok(Some(_)) => {}
                Ok(None) => break,
                Err(error) => {
                    tracing::error!(%error, "cannot merge segments; they stay as they are");
                    write.trigger.rest(REST);
                    break;
                }
            }
        }
        if wake == Wake::Stop || write.trigger.stopping() {
            return;
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
        let mut tidied = Instant::now();
        while let Some(step) = write.compact_once(&self.core, Zeal::All)? {
            done.merged += step.merged;
            done.made += step.made;
            // A large store must not need twice its room, if nobody reads earlier versions.
            if tidied.elapsed() > self.core.settings.replaced_kept.max(TIDIED) {
                done.removed += write.remove_orphans(&self.core)?;
                tidied = Instant::now();
            }
        }
        done.removed += write.remove_orphans(&self.core)?;
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

/// The segments to merge next.
fn chosen(core: &Core, snapshot: &Snapshot, zeal: Zeal) -> HashSet<String> {
    let (segments, most) = (candidates(snapshot), core.settings.merged);
    let chosen = choose(&segments, most, zeal == Zeal::All);
    if !chosen.is_empty() {
        return chosen.into_iter().collect();
    }
    let now = core.clock.now();
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

/// The id of a segment that is made of others. Numbers below 2¹⁵ are those of seals.
pub(in crate::engine) fn maintained_id(now: Timestamp, last_seq: u64, version: u64) -> String {
    segment_id(now, last_seq, (1 << 15) | (version % (1 << 15)) as u16)
}

/// Writes segments that hold what these hold, and proves that they do.
fn merged(
    core: &Core,
    work: &mut SegmentWork<'_>,
    old: &[Arc<Segment>],
    version: u64,
) -> Result<Vec<Arc<Segment>>> {
    let last = old.iter().map(|segment| segment.manifest().last_seq).max().unwrap_or_default();
    let (mut new, mut rows) = (Vec::new(), 0);
    let mut number = version;
    for piece in &cut(old, core.settings.merged)? {
        let id = work.new_id(core, last, &mut number);
        let Some((files, before)) = merge(&id, old, piece, core.settings.summary)? else {
            continue;
        };
        put(core.data.store(), &files)?;
        let segment = Arc::new(Segment::new(core.data.store(), files.manifest));
        let after = Fingerprint::of_segment(&segment)?;
        if before != after {
            let what = format!(
                "the merged segment {id} does not hold the events of its parts: {before:?}, {after:?}"
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

impl WriteSide {
    /// Merges some segments, if some should be; returns how many, and of how many.
    fn compact_once(&self, core: &Core, zeal: Zeal) -> Result<Option<Compacted>> {
        let _turn = self.merges.take();
        let snapshot = self.settled(core)?;
        let chosen = chosen(core, &snapshot, zeal);
        let old: Vec<Arc<Segment>> = snapshot
            .segments
            .iter()
            .filter(|segment| chosen.contains(&segment.manifest().id))
            .map(Arc::clone)
            .collect();
        if old.is_empty() {
            return Ok(None);
        }
        WriteSide::check_disk(core)?;
        let mut work = self.in_work.begin();
        work.hold_all(&old);
        let new =
            core.pools.maintenance.install(|| merged(core, &mut work, &old, snapshot.version))?;

        core.reach(Failpoint::MergeWritten)?;
        let made = new.len();
        if self.table.replace(old.clone(), new)?.is_none() {
            // Retention deleted from one of them meanwhile: what was written is put away, and
            // others are chosen.
            return Ok(Some(Compacted::default()));
        }
        self.retire(core, &old)?;
        Ok(Some(Compacted { merged: old.len(), made, removed: 0 }))
    }

    /// Remembers segments that are in the table no more while a reader has them. Their files are
    /// young again: from now on, not from when they were written, they are kept for readers of
    /// earlier versions.
    pub(in crate::engine) fn retire(&self, core: &Core, old: &[Arc<Segment>]) -> Result<()> {
        let mut retired = self.retired.lock().unwrap_or_else(PoisonError::into_inner);
        retired.retain(|segment| segment.strong_count() > 0);
        retired.extend(old.iter().map(Arc::downgrade));
        drop(retired);
        let (store, now) = (core.data.store(), core.clock.now());
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

    /// What is in the table, for who merges or deletes: after a commit in doubt, the segments that
    /// are shown may not be those of the table, and must not be merged or deleted from.
    pub(in crate::engine) fn settled(&self, core: &Core) -> Result<Arc<Snapshot>> {
        self.table.settle()?;
        Ok(core.published.get())
    }

    /// Puts away files of segments that no version needs that anyone may still read, if the table
    /// is known to be whole.
    pub(in crate::engine) fn remove_orphans(&self, core: &Core) -> Result<usize> {
        let _turn = self.removals.take();
        let Some(mut found) = self.find_orphans(core)?.filter(|found| !found.is_empty()) else {
            return Ok(0);
        };
        // A segment may have been begun, or come into the table, while the files were listed.
        let Some(needed) = self.needed()? else { return Ok(0) };
        found.retain(|orphan| !needed.has(orphan));
        let taken_out = self.table.removed()?;
        put_away(core.data.store(), &found, &taken_out, core.clock.now())
    }

    fn find_orphans(&self, core: &Core) -> Result<Option<Vec<Orphan>>> {
        let Some(needed) = self.needed()? else { return Ok(None) };
        let kept = i64::try_from(core.settings.replaced_kept.as_millis()).unwrap_or(i64::MAX);
        let before = Timestamp::from_millis(core.clock.now().millis().saturating_sub(kept));
        orphans(core.data.store(), &needed.segments, before).map(Some)
    }

    /// The segments that anything may need; none if the table is not known to be whole.
    fn needed(&self) -> Result<Option<Needed>> {
        // Those in work first: what leaves them meanwhile is in the table then, or was retired.
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

/// The segments whose files stay where they are.
struct Needed {
    segments: HashSet<String>,
    /// Those whose unfinished files stay too.
    in_work: HashSet<String>,
}

impl Needed {
    fn has(&self, orphan: &Orphan) -> bool {
        let segment = orphan.segment();
        self.in_work.contains(segment) || !orphan.is_unfinished() && self.segments.contains(segment)
    }
}
