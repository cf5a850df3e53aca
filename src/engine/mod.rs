//! The engine opens a data directory, owns the threads that work on it, and is the only thing that
//! surfaces (the command line and HTTP) call.
//!
//! # Reading
//!
//! [`Engine::snapshot`] returns an immutable view: the segments of one table version, and the
//! buffer, which holds the events that are accepted but not in a segment yet. Whatever changes the
//! view (an accepted batch, a seal, a merge, a deletion) builds the next snapshot and swaps it in
//! (`snapshot`). So a question sees the same events from beginning to end, and never waits for a
//! write.
//!
//! # Writing
//!
//! The write side exists only if the directory is open for writing. It is a pipeline of threads
//! that each own what they change, with bounded queues between them (`write`):
//!
//! ```text
//! request ─► ingest ─► intake ─► log ─► buffer ─► acknowledged
//!            compare   number    sync     └─► seal ─► commit ─► segments
//! ```
//!
//! Calls block, except [`Engine::submit`]; a surface that must not block runs them on a thread of
//! its own.
//!
//! # Background work
//!
//! Merging, retention, repair, scrubbing, checkpoints and backups (`maintain`) hold no lock while
//! they work, and change the table only through the thread that commits. `watchdog` and `health`
//! report which part has work but makes no progress; they wait for nothing, so they answer when
//! nothing else does.
//!
//! # Invariants
//!
//! * An event is visible once it is durable, never before. It is in the buffer or in a segment,
//!   never in both: one step replaces one by the other.
//! * No thread of a request holds a lock while a disk works.
//! * After a commit whose outcome is unknown, the table is read again before anything is sealed,
//!   merged or deleted.
//! * Changes of administrative state (the policy, saved views) and deletions are recorded as events
//!   before they are made. Opening (`open`) makes the recorded changes that are missing; a deletion
//!   that was cut short is repeated by the next run of retention.

mod access;
mod access_keys;
mod decode_again;
mod evidence;
mod failpoint;
mod health;
mod last_used;
mod maintain;
mod open;
mod pools;
mod quarantine;
mod relationships;
mod servers;
mod settings;
mod snapshot;
mod sources;
mod status;
mod trail;
mod watchdog;
mod write;

pub use decode_again::{DecodeAgain, DecodedAgain};
pub use evidence::{EvidenceTicket, HeardStatements};
pub use failpoint::{AtFailpoint, Failpoint};
pub use health::{HealthStatus, Problem};
pub use maintain::admin::Deed;
pub use maintain::check::{CheckReport, SegmentReport};
pub use maintain::compact::Compacted;
pub use maintain::policy::Retention;
pub use maintain::retention::Expired;
pub use maintain::saved_views::{View, ViewText, Views};
pub use maintain::scrub::Scrubbed;
pub use maintain::views::SeenVersion;
pub use servers::EarlierServer;
pub use settings::Settings;
pub use sources::CredentialChange;
pub use status::{LogUsage, PACE_SECONDS, StoreStatus, TenantTotals};
pub use trail::{CallCost, CallHandle, RecordSafety, RecordedCall};
pub use watchdog::{Stuck, WatchedPart, Working};
pub use write::outcome::{Outcome, Receipt};
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
use maintain::admin::Administration;
use maintain::turns::{LogFiles, SegmentsInWork, Turns};
use pools::Pools;
use snapshot::Published;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use tokio::runtime::Handle;
use trail::Trail;
use write::commit::Committer;
use write::cursors::DurableCursors;
use write::intake::Intake;
use write::log::Log;
use write::room::BufferRoom;
use write::seal_trigger::SealTrigger;

/// An open data directory with everything that runs on it.
#[derive(Debug)]
pub struct Engine {
    shared: Arc<Shared>,
    /// What writes, if the directory is open for writing.
    writer: Option<Arc<Writer>>,
    /// The threads that seal and compact.
    threads: Vec<JoinHandle<()>>,
}

/// State that readers, the writer and the threads share.
#[derive(Debug)]
struct Shared {
    data: DataDir,
    clock: Arc<dyn Clock>,
    scanner: Scanner,
    settings: Settings,
    pools: Pools,
    redactor: Option<Redactor>,
    published: Arc<Published>,
    admin: Administration,
    trail: Trail,
    /// Up to where sources were read, durably.
    cursors: Arc<DurableCursors>,
    pace: status::AcceptRate,
    watchdog: Arc<watchdog::Watchdog>,
    /// Drawn at random when the directory was opened, so that a value handed out by another store,
    /// or before a restore, is not mistaken for one of this opening.
    opening: u64,
    scrubbed: Mutex<Scrubbed>,
    taken: Mutex<BTreeMap<String, SourceCounts>>,
    quarantine: Quarantine,
    evidence: evidence::EvidenceQueue,
    /// How many events the log gave back when it was opened, and how many bytes of it were torn.
    recovered: (usize, u64),
}

/// Takes events in, seals them and looks after what is there. It exists only if the directory is
/// open for writing.
#[derive(Debug)]
struct Writer {
    shared: Arc<Shared>,
    /// The thread that owns the table.
    table: Committer,
    /// The thread that numbers events.
    intake: Intake,
    /// Hashes the identity of events, as `intake` looks them up.
    hasher: IdentityHasher,
    room: BufferRoom,
    /// Segments that are being written or removed from the table.
    in_work: SegmentsInWork,
    merges: Turns,
    removals: Turns,
    checkpoints: Turns,
    log_files: LogFiles,
    /// Segments that are no longer in the table but may still be held by a reader.
    retired: Mutex<Vec<Weak<Segment>>>,
    /// Segments that retention does not need to look at again.
    all_held: Mutex<maintain::retention::AllHeld>,
    trigger: Arc<SealTrigger>,
    log: Arc<Log>,
    /// Runs the waits of callers that block.
    runtime: Handle,
}

impl Shared {
    fn count(&self, source: &str, outcome: &Outcome) {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        // File names are unbounded, and this map lives as long as the process: late sources share a
        // row.
        let source =
            if taken.contains_key(source) || taken.len() < SOURCES_MAX { source } else { "others" };
        let counts = taken.entry(source.to_owned()).or_default();
        if outcome.replayed {
            // A replayed answer accepted nothing new: its events were counted the first time.
            counts.duplicates += outcome.accepted + outcome.duplicates;
            return;
        }
        counts.accepted += outcome.accepted;
        self.pace.add(outcome.accepted, self.clock.now());
        counts.duplicates += outcome.duplicates;
        counts.quarantined += outcome.quarantined.total();
    }

    /// Reports that a step is reached to the hook that tests install.
    fn reach(&self, step: Failpoint) -> Result<()> {
        self.settings.at_failpoint.reach(step)
    }
}

impl Drop for Engine {
    /// Stops the threads. The buffer is not sealed: its events are safe in the log.
    fn drop(&mut self) {
        if let Some(writer) = &self.writer {
            writer.trigger.stop();
        }
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

/// What happened to the records of one source since the start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SourceCounts {
    /// Accepted events.
    pub accepted: u64,
    /// Records that were already stored.
    pub duplicates: u64,
    /// Records that went to quarantine.
    pub quarantined: u64,
}

/// The most sources that are counted separately: doors are few, files are not.
const SOURCES_MAX: usize = 100;

/// The size of the store, in numbers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StoreStats {
    /// The version of the Delta table.
    pub version: u64,
    /// Number of segments.
    pub segments: usize,
    /// Number of events, including those in the buffer.
    pub events: u64,
    /// Events that are not in a segment yet.
    pub buffered: u64,
    /// Bytes of Parquet files.
    pub data_bytes: u64,
    /// Bytes of index files.
    pub index_bytes: u64,
}

impl Engine {
    fn writer(&self) -> Result<&Arc<Writer>> {
        let read_only = || Error::internal("the data directory is open for reading only");
        self.writer.as_ref().ok_or_else(read_only)
    }

    /// Returns the segments and the buffer as they are now. Events accepted later do not change it.
    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.shared.published.get()
    }

    /// Returns a reader of a snapshot; `forced` makes it answer by one path.
    pub fn reader<'a>(
        &'a self,
        snapshot: &'a Snapshot,
        forced: Option<AnswerPath>,
    ) -> SnapshotReader<'a> {
        SnapshotReader::new(snapshot, &self.shared.scanner, &self.shared.pools.questions, forced)
    }

    /// Returns the key that signs the cursors of this store.
    pub fn cursor_key(&self) -> [u8; 32] {
        self.shared.data.key()
    }

    /// Returns a number that no other opening of this or another store has.
    pub fn opening(&self) -> u64 {
        self.shared.opening
    }

    /// Returns the clock.
    pub fn clock(&self) -> &dyn Clock {
        self.shared.clock.as_ref()
    }

    /// Returns the same clock, to be held.
    pub fn shared_clock(&self) -> Arc<dyn Clock> {
        Arc::clone(&self.shared.clock)
    }

    /// Returns the settings that the store was opened with.
    pub fn settings(&self) -> &Settings {
        &self.shared.settings
    }

    /// Checks that `rules` are valid redaction rules.
    ///
    /// # Errors
    /// If a rule is malformed; the message names it.
    pub fn check_redaction(rules: &[u8]) -> Result<()> {
        Redactor::parse(rules, [0; 32]).map(drop)
    }

    /// Returns how often each redaction rule has matched since the start.
    pub fn redacted(&self) -> Vec<(String, u64)> {
        let found = self.shared.redactor.iter().flat_map(Redactor::found);
        found.map(|(rule, count)| (rule.to_owned(), count)).collect()
    }

    /// Reads every file of every segment now and compares it with its hash, as the scrubber does
    /// over a week.
    ///
    /// # Errors
    /// If the disk fails. Damage is not an error: it is counted and recorded.
    pub fn scrub(&self) -> Result<Scrubbed> {
        maintain::scrub::Scrubber::default().run(self.writer()?, 1)?;
        Ok(self.scrubbed())
    }

    /// Returns what happened to records since the start, by source.
    pub fn taken(&self) -> BTreeMap<String, SourceCounts> {
        self.shared.taken.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Returns what the scrubber has found since the start.
    pub fn scrubbed(&self) -> Scrubbed {
        self.shared.scrubbed.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Seals the buffer now. When this returns, everything that was accepted before is in the
    /// table.
    ///
    /// # Errors
    /// If the disk fails; the events stay safe in the log.
    pub fn seal(&self) -> Result<()> {
        self.writer()?.seal_now()
    }

    /// Seals the buffer as [`Engine::seal`] does, but waits no longer than `limit`. Returns whether
    /// the seal finished in time.
    ///
    /// # Errors
    /// As [`Engine::seal`].
    pub fn seal_within(&self, limit: Duration) -> Result<bool> {
        self.writer()?.seal_within(limit)
    }

    /// Tells the threads to stop, and waits for them no longer than `limit`. Returns whether they
    /// have ended. A merge, or an index that is being rebuilt, may be broken off with the process:
    /// the table does not name what a merge wrote before its commit, and a start rebuilds again.
    pub fn stop_within(&self, limit: Duration) -> bool {
        let Some(writer) = &self.writer else { return true };
        writer.trigger.stop();
        let started = Instant::now();
        while self.threads.iter().any(|thread| !thread.is_finished()) {
            if started.elapsed() >= limit {
                return false;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        true
    }

    /// Returns the size of the store.
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
