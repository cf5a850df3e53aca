//! When the engine seals, and when it takes nothing more.

use crate::engine::failpoint::AtFailpoint;
use crate::ingest::QUARANTINE_BYTES;
use crate::maintain::Most;
use crate::storage::segment::{OPEN_BYTES, SummaryRule};
use std::path::PathBuf;
use std::time::Duration;

/// Bounds of the buffer and of the disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// The buffer is sealed when it holds so many events…
    pub seal_events: usize,
    /// …or so many bytes of records…
    pub seal_bytes: usize,
    /// …or an event that came so long ago.
    pub seal_after: Duration,
    /// The records of a batch of so many events are written into a file beside the log, which
    /// refers to it.
    pub bulk_events: usize,
    /// The most bytes of memory that events in no segment may take. A request beyond it waits, and
    /// is then refused.
    pub buffer_bytes: usize,
    /// How long a request waits for room.
    pub room_wait: Duration,
    /// Where backups of a running store are made; nowhere if absent.
    pub backups: Option<PathBuf>,
    /// Whether segments are merged in the background.
    pub compact: bool,
    /// Rows and bytes of records of a merged segment at most: what is merged is held in memory.
    pub merged: Most,
    /// How long files stay that a merge or a deletion has replaced: other readers may still read
    /// the version that had them.
    pub replaced_kept: Duration,
    /// Bytes of memory that the footers and dictionaries of open segments and unpacked pages may
    /// take: see [`crate::storage::segment::Opened`].
    pub open_bytes: u64,
    /// What the summaries of segments hold.
    pub summary: SummaryRule,
    /// How long a question over HTTP may run; exports take the time they need.
    pub question_time: Duration,
    /// How long one may wait for its turn.
    pub question_wait: Duration,
    /// Bytes that must be free on the disk before anything is taken in.
    pub free_bytes: u64,
    /// Bytes of records that could not be decoded, at most: see [`crate::ingest::Quarantine`].
    pub quarantine_bytes: u64,
    /// What is called at each step of what changes the store: for tests.
    pub at_step: AtFailpoint,
}

impl Default for Settings {
    /// 50,000 events, 64 MiB or a minute; 5,000 events beside the log; 320 MiB, waited for 10
    /// seconds; no backups; merging, up to 200,000 rows or 256 MiB, old files kept for a day; 512
    /// MiB of open segments; questions for 30 seconds, 10 until their turn; 256 MiB free; 1 GiB of
    /// quarantine.
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
            at_step: AtFailpoint::default(),
        }
    }
}
