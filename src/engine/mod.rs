//! The engine: builds the parts over a data directory, and is what every surface calls.
//!
//! Calls block; a surface that must not block runs them on a thread of its own. Reads take a snapshot (the segments of
//! one table version) and never wait for writes. Writes go one after another: find what is known already, number the
//! rest, write segments, commit, and only then acknowledge.

mod check;
mod ingest;

pub use check::{CheckReport, SegmentReport};
pub(crate) use ingest::read_records;
pub use ingest::{Outcome, Receipt, Refused};

use crate::clock::Clock;
use crate::error::{Error, ErrorKind, Result};
use crate::ingest::{Quarantine, Quarantined};
use crate::query::plan::Path as AnswerPath;
use crate::query::{Reader, Scanner, Snapshot};
use crate::storage::segment::Segment;
use crate::storage::{Access, DataDir, Table};
use rayon::prelude::*;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use tokio::runtime::Handle;

/// An open data directory with everything that runs on it.
#[derive(Debug)]
pub struct Engine {
    data: DataDir,
    clock: Arc<dyn Clock>,
    runtime: Handle,
    scanner: Scanner,
    snapshot: RwLock<Arc<Snapshot>>,
    writer: Option<Mutex<Writer>>,
}

/// What only one thread at a time may hold.
#[derive(Debug)]
struct Writer {
    table: Table,
    /// The number of the last event that was accepted.
    last_seq: u64,
    quarantine: Quarantine,
    /// A commit failed, and whether it is in the table is not known: numbers and duplicates can no longer be told.
    in_doubt: bool,
}

/// What the store holds, in numbers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StoreStats {
    /// The version of the Delta table.
    pub version: u64,
    /// Segments.
    pub segments: usize,
    /// Events.
    pub events: u64,
    /// Bytes of Parquet files.
    pub data_bytes: u64,
    /// Bytes of index files.
    pub index_bytes: u64,
}

impl Engine {
    /// Opens the data directory at `root`. Streams and commits run on `runtime`; calls must not be made on its threads.
    ///
    /// # Errors
    /// A directory that is missing (for reading), locked, of another version, or damaged.
    pub fn open(root: &Path, access: Access, clock: Arc<dyn Clock>, runtime: Handle) -> Result<Self> {
        let data = DataDir::open(root, access)?;
        let store = data.store();
        let table = runtime.block_on(Table::open(store, access == Access::Write))?;
        let mut committed = runtime.block_on(table.segments())?;
        committed.sort_by(|left, right| left.id.cmp(&right.id));
        let open = |segment: &crate::storage::TableSegment| Segment::open(store, &segment.id).map(Arc::new);
        let segments: Vec<Arc<Segment>> = committed.par_iter().map(open).collect::<Result<_>>()?;
        let snapshot = Snapshot { version: table.version(), segments };
        let writer = match access {
            Access::Read => None,
            Access::Write => {
                let last_seq = runtime.block_on(table.last_seq())?;
                Some(Mutex::new(Writer { table, last_seq, quarantine: Quarantine::open(store)?, in_doubt: false }))
            }
        };
        let scanner = Scanner::new(runtime.clone());
        Ok(Self { data, clock, runtime, scanner, snapshot: RwLock::new(Arc::new(snapshot)), writer })
    }

    /// The segments as they are now. Later commits do not change it.
    pub fn snapshot(&self) -> Arc<Snapshot> {
        Arc::clone(&self.snapshot.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// A reader of a snapshot; `forced` makes it answer by one path.
    pub fn reader<'a>(&'a self, snapshot: &'a Snapshot, forced: Option<AnswerPath>) -> Reader<'a> {
        Reader::new(snapshot, &self.scanner, forced)
    }

    /// The key that cursors of this store are signed with.
    pub fn cursor_key(&self) -> [u8; 32] {
        self.data.key()
    }

    /// The clock.
    pub fn clock(&self) -> &dyn Clock {
        self.clock.as_ref()
    }

    /// The records in quarantine, oldest first.
    ///
    /// # Errors
    /// Files that cannot be read.
    pub fn quarantined(&self) -> Result<Vec<Quarantined>> {
        Quarantine::read(self.data.store())
    }

    /// What the store holds.
    pub fn stats(&self) -> StoreStats {
        let snapshot = self.snapshot();
        let mut stats = StoreStats { version: snapshot.version, segments: snapshot.segments.len(), ..StoreStats::default() };
        for segment in &snapshot.segments {
            let manifest = segment.manifest();
            stats.events += u64::from(manifest.rows);
            stats.data_bytes += manifest.data.bytes;
            stats.index_bytes += manifest.index.bytes;
        }
        stats
    }

    fn writer(&self) -> Result<MutexGuard<'_, Writer>> {
        let writer = self.writer.as_ref().ok_or_else(|| Error::internal("the data directory is open for reading only"))?;
        // A writer that panicked may have left numbers and table apart.
        writer.lock().map_err(|_| Error::new(ErrorKind::Unavailable, "a write failed half-way; restart to recover"))
    }

    fn publish(&self, snapshot: Snapshot) {
        *self.snapshot.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(snapshot);
    }
}
