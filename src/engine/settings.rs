//! When the engine seals, and when it takes nothing more.

use super::step::AtStep;
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
    /// A batch of so many events is sealed at once instead of being logged first: its commit is its acknowledgement.
    pub bulk_events: usize,
    /// The most bytes of records that may be in no segment. A request beyond it waits, and is then refused.
    pub buffer_bytes: usize,
    /// How long a request waits for room.
    pub room_wait: Duration,
    /// Where backups of a running store are made; nowhere if absent.
    pub backups: Option<PathBuf>,
    /// Whether segments are merged in the background.
    pub compact: bool,
    /// Rows and bytes of records of a merged segment at most: what is merged is held in memory.
    pub merged: Most,
    /// How long files stay that a merge or a deletion has replaced: other readers may still read the version that had them.
    pub replaced_kept: Duration,
    /// Bytes of memory that the footers and dictionaries of open segments and unpacked pages may take: see [`crate::storage::segment::Opened`].
    pub open_bytes: u64,
    /// What the summaries of segments hold.
    pub summary: SummaryRule,
    /// Bytes that must be free on the disk before anything is taken in.
    pub free_bytes: u64,
    /// Bytes of records that could not be decoded, at most: see [`crate::ingest::Quarantine`].
    pub quarantine_bytes: u64,
    /// What is called at each step of what changes the store: for tests.
    pub at_step: AtStep,
}

impl Default for Settings {
    /// 50,000 events, 64 MiB or a minute; 20,000 events at once; 256 MiB, waited for 10 seconds; no backups; merging,
    /// up to 200,000 rows or 256 MiB, old files kept for a day; 512 MiB of open segments; 256 MiB free; 1 GiB of quarantine.
    fn default() -> Self {
        Self {
            seal_events: 50_000,
            seal_bytes: 64 << 20,
            seal_after: Duration::from_secs(60),
            bulk_events: 20_000,
            buffer_bytes: 256 << 20,
            room_wait: Duration::from_secs(10),
            backups: None,
            compact: true,
            merged: Most { rows: 200_000, bytes: 256 << 20 },
            replaced_kept: Duration::from_secs(86_400),
            open_bytes: OPEN_BYTES,
            summary: SummaryRule::default(),
            free_bytes: 256 << 20,
            quarantine_bytes: QUARANTINE_BYTES,
            at_step: AtStep::default(),
        }
    }
}
