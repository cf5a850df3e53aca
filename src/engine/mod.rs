//! The engine: builds the parts over a data directory, and is what every surface calls.
//!
//! Calls block, but for [`Engine::submit`]; a surface that must not block runs them on a thread of
//! its own. Reads take a snapshot (the segments of one table version, and the buffer) and never
//! wait for writes.
//!
//! Taking in is a pipeline of threads that each own what they change, with bounded queues between
//! them: a request compares its batch with the segments (`ingest`), one thread numbers what is new
//! (`intake`), one makes it durable and shows it (`log`), one makes segments of it (`seal`), and
//! one commits these to the table (`commit`). No thread of a request holds a lock while a disk
//! works.
//!
//! Work in the background takes turns (`turns`) and holds no lock while it works; who merges and
//! who deletes find out at their commit whether the other was faster.

mod failpoint;
mod health;
mod maintain;
mod open;
mod pools;
mod quarantine;
mod settings;
mod snapshot;
mod status;
mod watchdog;
mod write;

pub use failpoint::{AtFailpoint, Failpoint};
pub use health::{HealthStatus, Problem};
pub use maintain::check::{CheckReport, SegmentReport};
pub use maintain::compact::Compacted;
pub use maintain::policy::Retention;
pub use maintain::retention::Expired;
pub use maintain::scrub::Scrubbed;
pub use maintain::views::{Seen, View, ViewText, Views};
pub use settings::Settings;
pub use status::{PACE_SECONDS, TenantTotals, Vitals};
pub use watchdog::{Stuck, WatchedPart, Working};
pub use write::ingest::{Outcome, Receipt};
pub use write::refusals::{Refusals, Refused};
pub use write::requests::RequestKey;

use crate::clock::Clock;
use crate::error::{Error, Result};
use crate::ingest::{IdentityHasher, Quarantine};
use crate::query::rows::plan::AnswerPath;
use crate::query::{Scanner, Snapshot, SnapshotReader};
use crate::redact::Redactor;
use crate::storage::DataDir;
use crate::storage::segment::Segment;
use maintain::policy::InForce;
use maintain::turns::{LogFiles, SegmentsInWork, Turns};
use pools::Pools;
use snapshot::Published;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::runtime::Handle;
use write::commit::Committer;
use write::intake::Intake;
use write::log::Log;
use write::room::BufferRoom;
use write::seal_trigger::SealTrigger;

/// An open data directory with everything that runs on it.
#[derive(Debug)]
pub struct Engine {
    core: Arc<Core>,
    /// The threads that seal and compact.
    threads: Vec<JoinHandle<()>>,
}

/// What the engine and its threads share.
#[derive(Debug)]
struct Core {
    data: DataDir,
    clock: Arc<dyn Clock>,
    scanner: Scanner,
    settings: Settings,
    pools: Pools,
    redactor: Option<Redactor>,
    published: Arc<Published>,
    policy: InForce,
    views: maintain::views::Saved,
    pace: status::AcceptRate,
    watchdog: Arc<watchdog::Watchdog>,
    /// Drawn when the directory was opened: what was told of another store, or before a restore, is
    /// not taken for this.
    opening: u64,
    scrubbed: Mutex<Scrubbed>,
    taken: Mutex<BTreeMap<String, SourceCounts>>,
    quarantine: Quarantine,
    write: Option<WriteSide>,
}

/// What there is only if the directory is open for writing.
#[derive(Debug)]
struct WriteSide {
    /// The thread that owns the table.
    table: Committer,
    /// The thread that numbers events.
    intake: Intake,
    /// What events are hashed with for it.
    hasher: IdentityHasher,
    room: BufferRoom,
    /// Segments that are being written, or taken out of the table.
    in_work: SegmentsInWork,
    merges: Turns,
    removals: Turns,
    checkpoints: Turns,
    log_files: LogFiles,
    /// Segments that are in the table no more, and that a reader may still have.
    retired: Mutex<Vec<Weak<Segment>>>,
    /// Segments that retention needs not look at again.
    all_held: Mutex<maintain::retention::AllHeld>,
    trigger: Arc<SealTrigger>,
    log: Arc<Log>,
    /// What waits on behalf of a caller that blocks.
    runtime: Handle,
}

impl Core {
    fn count(&self, source: &str, outcome: &Outcome) {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let source =
            if taken.contains_key(source) || taken.len() < SOURCES_MAX { source } else { "others" };
        let counts = taken.entry(source.to_owned()).or_default();
        if outcome.replayed {
            counts.duplicates += outcome.accepted + outcome.duplicates;
            return;
        }
        counts.accepted += outcome.accepted;
        self.pace.add(outcome.accepted, self.clock.now());
        counts.duplicates += outcome.duplicates;
        counts.quarantined += outcome.quarantined.total();
    }

    /// Tells whoever watches that a step is reached.
    fn reach(&self, step: Failpoint) -> Result<()> {
        self.settings.at_step.reach(step)
    }

    fn write(&self) -> Result<&WriteSide> {
        self.write
            .as_ref()
            .ok_or_else(|| Error::internal("the data directory is open for reading only"))
    }
}

impl Drop for Engine {
    /// Ends the threads. The buffer is not sealed: it is in the log.
    fn drop(&mut self) {
        if let Ok(write) = self.core.write() {
            write.trigger.stop();
        }
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

/// What became of the records of one source since the start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SourceCounts {
    /// Accepted events.
    pub accepted: u64,
    /// Records that were here already.
    pub duplicates: u64,
    /// Records that went to quarantine.
    pub quarantined: u64,
}

/// Sources that are counted apart at most: doors are few, files are not.
const SOURCES_MAX: usize = 100;

/// What the store holds, in numbers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StoreStats {
    /// The version of the Delta table.
    pub version: u64,
    /// Segments.
    pub segments: usize,
    /// Events, those in the buffer included.
    pub events: u64,
    /// Events that are in no segment yet.
    pub buffered: u64,
    /// Bytes of Parquet files.
    pub data_bytes: u64,
    /// Bytes of index files.
    pub index_bytes: u64,
}

impl Engine {
    /// The segments and the buffer as they are now. What is accepted later does not change it.
    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.core.published.get()
    }

    /// A reader of a snapshot; `forced` makes it answer by one path.
    pub fn reader<'a>(
        &'a self,
        snapshot: &'a Snapshot,
        forced: Option<AnswerPath>,
    ) -> SnapshotReader<'a> {
        SnapshotReader::new(snapshot, &self.core.scanner, &self.core.pools.questions, forced)
    }

    /// The key that cursors of this store are signed with.
    pub fn cursor_key(&self) -> [u8; 32] {
        self.core.data.key()
    }

    /// A number that no other opening of this or another store has.
    pub fn opening(&self) -> u64 {
        self.core.opening
    }

    /// The clock.
    pub fn clock(&self) -> &dyn Clock {
        self.core.clock.as_ref()
    }

    /// The bounds that this was opened with.
    pub fn settings(&self) -> &Settings {
        &self.core.settings
    }

    /// Whether these are rules of redaction.
    ///
    /// # Errors
    /// Rules that are malformed; the message says which.
    pub fn check_redaction(rules: &[u8]) -> Result<()> {
        Redactor::parse(rules, [0; 32]).map(drop)
    }

    /// How often each rule of redaction has found something since the start.
    pub fn redacted(&self) -> Vec<(String, u64)> {
        let found = self.core.redactor.iter().flat_map(Redactor::found);
        found.map(|(rule, count)| (rule.to_owned(), count)).collect()
    }

    /// Reads every file of every segment and compares it with its hash now, as the scrubber does
    /// over a week.
    ///
    /// # Errors
    /// A disk that fails; damage is counted and recorded, not an error.
    pub fn scrub(&self) -> Result<Scrubbed> {
        maintain::scrub::Scrubber::default().run(&self.core, self.core.write()?, 1)?;
        Ok(self.scrubbed())
    }

    /// What became of records since the start, by where they came from.
    pub fn taken(&self) -> BTreeMap<String, SourceCounts> {
        self.core.taken.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// What the scrubber has found since the start.
    pub fn scrubbed(&self) -> Scrubbed {
        self.core.scrubbed.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Seals the buffer now: when this returns, everything accepted before is in the table.
    ///
    /// # Errors
    /// A disk that fails; the events are safe in the log.
    pub fn seal(&self) -> Result<()> {
        self.core.write()?.seal_now()
    }

    /// The same, waiting no longer than `limit`; whether it was done by then.
    ///
    /// # Errors
    /// As [`Engine::seal`].
    pub fn seal_within(&self, limit: Duration) -> Result<bool> {
        self.core.write()?.seal_within(limit)
    }

    /// What the store holds.
    pub fn stats(&self) -> StoreStats {
        let snapshot = self.snapshot();
        let mut stats = StoreStats {
            version: snapshot.version,
            segments: snapshot.segments.len(),
            ..StoreStats::default()
        };
        for part in snapshot.buffered() {
            stats.buffered += part.rows().len() as u64;
            stats.events += part.rows().len() as u64;
        }
        for segment in snapshot.segments.iter() {
            let manifest = segment.manifest();
            stats.events += u64::from(manifest.rows);
            stats.data_bytes += manifest.data.bytes;
            stats.index_bytes += manifest.index.bytes;
        }
        stats
    }
}
