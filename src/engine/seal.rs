//! Sealing: the buffer becomes segments of the table, off the request path; then the log is trimmed.

use super::intake::Intake;
use super::signal::Wake;
use super::step::Step;
use super::{Core, WriteSide};
use crate::error::{Error, Result};
use crate::event::{Event, Timestamp};
use crate::ingest::seal;
use crate::storage::segment::{Form, Segment, SegmentFiles};
use crate::storage::{NewSegment, PutMode, Store, Table, TableSegment, paths};
use rayon::prelude::*;
use std::collections::HashMap;
use std::sync::{Arc, MutexGuard, PoisonError};
use std::time::Duration;

/// How long the sealer rests after a failure: first, and at most.
const REST: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(10));

/// The table, and what only who commits may hold.
#[derive(Debug)]
pub(super) struct Sealing {
    pub(super) table: Table,
    /// A commit failed, and whether it is in the table is not known.
    pub(super) in_doubt: bool,
}

/// The thread that seals: until it is told to stop.
pub(super) fn run(core: &Core, write: &WriteSide) {
    let mut rest = Duration::ZERO;
    let settings = &core.settings;
    while write.signal.wait_for_work(settings.seal_events, settings.seal_bytes, settings.seal_after, rest) == Wake::Seal {
        let sealed = write.seal(core);
        core.watchdog.ended(super::Part::Seal, sealed.is_ok());
        match sealed {
            Ok(()) => rest = Duration::ZERO,
            Err(error) => {
                tracing::error!(%error, "cannot seal the buffer; its events are safe in the write-ahead log");
                rest = (rest * 2).clamp(REST.0, REST.1);
                // Who waits for room must hear of it too.
                write.signal.sealed(|| core.published.buffered());
            }
        }
    }
}

impl WriteSide {
    pub(super) fn table(&self) -> MutexGuard<'_, Sealing> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes segments of everything in the buffer, and removes the log's files that held it.
    pub(super) fn seal(&self, core: &Core) -> Result<()> {
        let _working = core.watchdog.begin(super::Part::Seal);
        let mut table = self.table();
        self.settle(core, &mut table)?;
        let (epoch, last_seq, events) = {
            let mut intake = self.intake_while_sealing(core, &table)?;
            let epoch = self.rotate(core, &mut intake)?;
            (epoch, intake.last_seq, core.published.begin_seal())
        };
        core.reach(Step::SealBegun)?;
        if !events.is_empty() {
            self.write_segments(core, &mut table, events, last_seq)?;
            let mut intake = self.lock_intake()?;
            intake.unsealed_bytes = intake.unsealed.retain(|seq| seq > last_seq);
        }
        core.reach(Step::SealShown)?;
        self.log.trim(epoch)?;
        self.signal.sealed(|| core.published.buffered());
        Ok(())
    }

    /// Writes the segments of events, reads them back, commits them, and shows them. Returns the table's new version.
    pub(super) fn write_segments(&self, core: &Core, table: &mut Sealing, events: Vec<Arc<Event>>, last_seq: u64) -> Result<u64> {
        self.settle(core, table)?;
        let now = core.clock.now();
        let mut number = 0;
        let form = Form { decoders: crate::decode::VERSION, summary: core.settings.summary };
        let segments = seal(events, form, || {
            number += 1;
            segment_id(now, last_seq, number)
        })?;
        let store = core.data.store();
        segments.par_iter().map(|segment| put(store, segment)).collect::<Result<Vec<()>>>()?;
        let added: Vec<NewSegment<'_>> = segments.iter().map(|segment| NewSegment { manifest: &segment.manifest }).collect();
        core.reach(Step::SealWritten)?;
        let committed = core.runtime.block_on(table.table.commit(&added, last_seq, now));
        let committed = committed.and_then(|version| core.reach(Step::SealCommitted).map(|()| version));
        table.in_doubt = committed.is_err();
        let version = committed?;
        let segments = segments.into_iter().map(|segment| Arc::new(Segment::new(store, segment.manifest))).collect();
        core.published.sealed(version, last_seq, segments);
        Ok(version)
    }

    /// After a commit in doubt: reads the table anew, and shows what is in it.
    pub(super) fn settle(&self, core: &Core, table: &mut Sealing) -> Result<()> {
        if !table.in_doubt {
            return Ok(());
        }
        let store = core.data.store();
        table.table = core.runtime.block_on(Table::open(store, false))?;
        let last_seq = core.runtime.block_on(table.table.last_seq())?;
        let snapshot = core.published.get();
        let known: HashMap<&str, &Arc<Segment>> =
            snapshot.segments.iter().map(|segment| (segment.manifest().id.as_str(), segment)).collect();
        let committed = core.runtime.block_on(table.table.segments())?;
        let open = |segment: &TableSegment| match known.get(segment.id.as_str()) {
            Some(known) => Ok(Arc::clone(known)),
            None => Segment::open(store, &segment.id).map(Arc::new),
        };
        let segments = committed.iter().map(open).collect::<Result<_>>()?;
        core.published.replaced(table.table.version(), last_seq, segments);
        table.in_doubt = false;
        Ok(())
    }

    /// After a bulk commit in doubt: finds out, and numbers what comes next behind it.
    pub(super) fn reconcile(&self, core: &Core) -> Result<()> {
        let mut table = self.table();
        self.settle(core, &mut table)?;
        self.number_on(core, &table, &mut *self.lock_intake()?)
    }

    /// Goes on behind the last number that is in the table.
    pub(super) fn number_on(&self, core: &Core, table: &Sealing, intake: &mut Intake) -> Result<()> {
        intake.sealed_past_log(core.runtime.block_on(table.table.last_seq())?);
        self.rotate(core, intake)?;
        intake.in_doubt = false;
        Ok(())
    }
}

/// Writes the files of a segment and compares what the disk gives back with their hashes.
pub(super) fn put(store: &Store, segment: &SegmentFiles) -> Result<()> {
    let manifest = &segment.manifest;
    let (data, index) = (paths::data(&manifest.date, &manifest.id), paths::index(&manifest.id));
    // A name is unique unless a process died before its commit; then what it left is replaced.
    store.put(&data, &segment.data, PutMode::Replace)?;
    store.put(&index, &segment.index, PutMode::Replace)?;
    store.put(&paths::manifest(&manifest.id), &manifest.encode(), PutMode::Replace)?;
    for (path, mark) in [(&data, &manifest.data), (&index, &manifest.index)] {
        if !mark.is_of(&store.read_back(path)?) {
            let what = format!("{} is not what was written: the disk changes what it is given", store.path(path).display());
            return Err(Error::corrupt(what));
        }
    }
    Ok(())
}

/// A ULID of the moment and the sequence numbers: unique without chance, and in the order of commits.
pub(super) fn segment_id(now: Timestamp, last_seq: u64, number: u16) -> String {
    ulid::Ulid::from_parts(now.millis().max(0) as u64, (u128::from(last_seq) << 16) | u128::from(number)).to_string()
}
