//! What questions see: the segments of a table version and the buffer, changed by replacing the
//! snapshot whole.

use crate::event::Event;
use crate::ingest::Buffered;
use crate::query::Snapshot;
use crate::storage::segment::Segment;
use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

/// Events of a part of the buffer that is made of others, at most.
const JOINED_MAX: usize = 20_000;

/// The current snapshot.
#[derive(Debug)]
pub(in crate::engine) struct Published {
    snapshot: RwLock<Arc<Snapshot>>,
    /// Held while a snapshot is made of the one before; readers do not wait for that.
    change: Mutex<()>,
}

impl Published {
    pub(in crate::engine) fn new(snapshot: Snapshot) -> Self {
        Self { snapshot: RwLock::new(Arc::new(snapshot)), change: Mutex::new(()) }
    }

    pub(in crate::engine) fn get(&self) -> Arc<Snapshot> {
        Arc::clone(&self.snapshot.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn change(&self, change: impl FnOnce(&mut Snapshot)) {
        let _one_at_a_time = self.change.lock().unwrap_or_else(PoisonError::into_inner);
        let mut snapshot = (*self.get()).clone();
        change(&mut snapshot);
        *self.snapshot.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(snapshot);
    }

    /// Shows events that are durable in the log, up to a number. Small parts of about one size
    /// become one, so that there are few of them; large ones stay as they are, because whoever
    /// shows them has no time.
    pub(in crate::engine) fn add(&self, parts: Vec<Buffered>, last_seq: u64) {
        self.change(|snapshot| {
            for part in parts {
                let mut part = Arc::new(part);
                let joins = |before: &mut Arc<Buffered>, part: &Buffered| {
                    let (before, part) = (before.rows().len(), part.rows().len());
                    before <= 2 * part && before + part <= JOINED_MAX
                };
                while let Some(before) = snapshot.fresh.pop_if(|before| joins(before, &part)) {
                    part = Arc::new(before.merge(&part));
                }
                snapshot.fresh.push(part);
            }
            snapshot.last_seq = snapshot.last_seq.max(last_seq);
        });
    }

    /// The events in the buffer and the bytes of their records.
    pub(in crate::engine) fn buffered(&self) -> (usize, usize) {
        let snapshot = self.get();
        (
            snapshot.buffered().map(|part| part.rows().len()).sum(),
            snapshot.buffered().map(|part| part.bytes()).sum(),
        )
    }

    /// Marks everything in the buffer as being sealed; what comes later stays apart. Returns all
    /// that is being sealed.
    pub(in crate::engine) fn begin_seal(&self) -> Vec<Arc<Event>> {
        self.change(|snapshot| {
            let mut fresh = std::mem::take(&mut snapshot.fresh);
            snapshot.sealing.append(&mut fresh);
        });
        self.get().sealing.iter().flat_map(|part| part.rows().iter().map(Arc::clone)).collect()
    }

    /// Shows exactly these segments of a table version. The buffer that is being sealed is done
    /// with if they hold it.
    pub(in crate::engine) fn replaced(
        &self,
        version: u64,
        sealed_seq: u64,
        segments: Vec<Arc<Segment>>,
    ) {
        self.change(|snapshot| {
            snapshot.segments = Arc::new(segments);
            snapshot.version = version;
            snapshot.last_seq = snapshot.last_seq.max(sealed_seq);
            snapshot.sealed_seq = snapshot.sealed_seq.max(sealed_seq);
            let done = snapshot
                .sealing
                .iter()
                .flat_map(|part| part.rows())
                .all(|event| event.seq <= sealed_seq);
            if done {
                snapshot.sealing = Vec::new();
            }
        });
    }

    /// Shows some segments instead of others, which hold the same events or are deleted.
    pub(in crate::engine) fn exchanged(
        &self,
        version: u64,
        old: &HashSet<String>,
        new: Vec<Arc<Segment>>,
    ) {
        self.change(|snapshot| {
            let kept = snapshot
                .segments
                .iter()
                .filter(|segment| !old.contains(&segment.manifest().id))
                .map(Arc::clone);
            snapshot.segments = Arc::new(kept.chain(new).collect());
            snapshot.version = version;
        });
    }

    /// Shows a segment as it is after its index was made anew. False if it is there no more.
    pub(in crate::engine) fn mended(&self, damaged: &Arc<Segment>, mended: &Arc<Segment>) -> bool {
        let mut there = false;
        self.change(|snapshot| {
            let segment = |segment: &Arc<Segment>| {
                let same = Arc::ptr_eq(segment, damaged);
                there |= same;
                Arc::clone(if same { mended } else { segment })
            };
            snapshot.segments = Arc::new(snapshot.segments.iter().map(segment).collect());
        });
        there
    }

    /// Shows the segments of a commit instead of what was being sealed into them, in one step.
    pub(in crate::engine) fn sealed(
        &self,
        version: u64,
        last_seq: u64,
        segments: Vec<Arc<Segment>>,
    ) {
        self.change(|snapshot| {
            let mut all = (*snapshot.segments).clone();
            all.extend(segments);
            snapshot.segments = Arc::new(all);
            snapshot.version = version;
            snapshot.last_seq = snapshot.last_seq.max(last_seq);
            snapshot.sealed_seq = snapshot.sealed_seq.max(last_seq);
            snapshot.sealing = Vec::new();
        });
    }
}
