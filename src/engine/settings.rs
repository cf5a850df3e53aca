//! The bounds of an engine: when it seals, when it refuses, how much memory and time things may
//! take.

use crate::access::SealKey;
use crate::engine::failpoint::AtFailpoint;
use crate::ingest::QUARANTINE_BYTES;
use crate::maintain::Most;
use crate::storage::segment::{OPEN_BYTES, SummaryRule};
use std::path::PathBuf;
use std::time::Duration;

/// The bounds of an engine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// The buffer is sealed when it holds this many events…
    pub seal_events: usize,
    /// …or this many bytes of records…
    pub seal_bytes: usize,
    /// …or an event that came this long ago.
    pub seal_after: Duration,
    /// The records of a batch of at least this many events are written into a file beside the log,
    /// and the log refers to that file.
    pub bulk_events: usize,
    /// The most bytes of memory that events outside segments may take. A request beyond that waits,
    /// and is then refused.
    pub buffer_bytes: usize,
    /// How long a request waits for room in the buffer.
    pub room_wait: Duration,
    /// Where backups of a running store are made; if absent, they are not offered.
    pub backups: Option<PathBuf>,
    /// Whether segments are merged in the background.
    pub compact: bool,
    /// The most rows and bytes of records of a merged segment: what is merged is held in memory.
    pub merged: Most,
    /// How long files that a merge or a deletion has replaced are kept: other readers may still
    /// read the table version that had them.
    pub replaced_kept: Duration,
    /// Bytes of memory that the footers and dictionaries of open segments, and unpacked pages, may
    /// take: see [`crate::storage::segment::Opened`].
    pub open_bytes: u64,
    /// What the summaries of segments hold.
    pub summary: SummaryRule,
    /// How long a question over HTTP may run; exports take the time they need.
    pub question_time: Duration,
    /// How long a question may wait for its turn.
    pub question_wait: Duration,
    /// Bytes that must be free on the disk for events to be accepted.
    pub free_bytes: u64,
    /// The most bytes of records that could not be decoded: see [`crate::ingest::Quarantine`].
    pub quarantine_bytes: u64,
    /// Seals the secrets of access keys; without one there are none.
    pub seal_key: Option<SealKey>,
    /// The hook that is called at each step of what changes the store: for tests.
    pub at_failpoint: AtFailpoint,
}

impl Default for Settings {
    /// Seals at 50,000 events, 64 MiB or a minute; writes batches of 5,000 events beside the log;
    /// 320 MiB of buffer, waited for 10 seconds; no backups; merges up to 200,000 rows or 256 MiB,
    /// keeping old files for a day; 512 MiB of open segments; questions run for 30 seconds and wait
    /// 10 for their turn; 256 MiB free; 1 GiB of quarantine; no seal key.
    fn default() -> Self {
        Self {
            seal_events: 50_000,
            seal_bytes: 64 << 20,
            seal_after: Duration::from_secs(60),
            bulk_events: 5_000,
            buffer_bytes: 320 << 20,
            room_wait: Duration::from_secs(10),
            backups: None,
            compact: true,
            merged: Most { rows: 200_000, bytes: 256 << 20 },
            replaced_kept: Duration::from_secs(86_400),
            open_bytes: OPEN_BYTES,
            summary: SummaryRule::default(),
            question_time: Duration::from_secs(30),
            question_wait: Duration::from_secs(10),
            free_bytes: 256 << 20,
            quarantine_bytes: QUARANTINE_BYTES,
            seal_key: None,
            at_failpoint: AtFailpoint::default(),
        }
    }
}
