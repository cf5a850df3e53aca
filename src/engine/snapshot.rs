//! What questions see: the segments of a table version, and the buffer. A snapshot never changes; a
//! change replaces the current snapshot with a new one.

use crate::access::SYSTEM_TENANT;
use crate::event::Event;
use crate::ingest::Buffered;
use crate::query::Snapshot;
use crate::storage::segment::Segment;
use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

/// The most events in a part of the buffer that was joined from smaller ones.
const JOINED_MAX: usize = 20_000;

/// The current snapshot.
#[derive(Debug)]
pub(in crate::engine) struct Published {
    snapshot: RwLock<Arc<Snapshot>>,
    /// Held while the next snapshot is made from the current one; readers do not wait for that.
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

    /// Shows events that are durable in the log, up to `last_seq`. Small parts of similar size are
    /// joined, so that there are few of them. Large parts stay as they are, because the log's
    /// thread calls this and must not spend time on joining them.
    pub(in crate::engine) fn add(&self, parts: Vec<Buffered>, last_seq: u64) {
        let is_own = |part: &Buffered| {
            part.tenants().iter().all(|rows| rows.tenant.as_ref() == SYSTEM_TENANT)
        };
        self.change(|snapshot| {
            if !parts.iter().all(is_own) {
                snapshot.delivered_seq = snapshot.delivered_seq.max(last_seq);
            }
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

    /// Returns the number of events in the buffer and the bytes of their records.
    pub(in crate::engine) fn buffered(&self) -> (usize, usize) {
        let snapshot = self.get();
        (
            snapshot.buffered().map(|part| part.rows().len()).sum(),
            snapshot.buffered().map(|part| part.bytes()).sum(),
        )
    }

    /// Marks everything in the buffer as being sealed; events that arrive later are kept apart.
    /// Returns all events that are being sealed.
    pub(in crate::engine) fn begin_seal(&self) -> Vec<Arc<Event>> {
        self.change(|snapshot| {
            let mut fresh = std::mem::take(&mut snapshot.fresh);
            snapshot.sealing.append(&mut fresh);
        });
        self.get().sealing.iter().flat_map(|part| part.rows().iter().map(Arc::clone)).collect()
    }

    /// Shows exactly these segments of a table version. The part of the buffer that is being sealed
    /// is dropped if the segments hold all of it.
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

    /// Replaces the `old` segments, which were merged or deleted, with `new`.
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

    /// Replaces a segment with the same segment after its index was rebuilt. Returns false if the
    /// segment is no longer shown.
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

    /// Replaces what was being sealed with the segments of its commit, in one step, so that no
    /// question sees an event twice or misses it.
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
