//! What a question sees: the segments of one version of the table, and the buffer beside them.

use super::dictionary::vocabulary::Vocabulary;
use super::source::RowSource;
use crate::ingest::Buffered;
use crate::storage::segment::Segment;
use std::sync::Arc;

/// The segments of one table version, and the events that were accepted after it. A question uses
/// one snapshot from beginning to end.
#[derive(Debug, Clone, Default)]
pub struct Snapshot {
    /// The table's version.
    pub version: u64,
    /// Its segments.
    pub segments: Arc<Vec<Arc<Segment>>>,
    /// The events that are being sealed into segments.
    pub sealing: Vec<Arc<Buffered>>,
    /// The events that came after those.
    pub fresh: Vec<Arc<Buffered>>,
    /// The sequence number of the last event that is visible.
    pub last_seq: u64,
    /// At least the sequence number of the last one that is not the store's own, and no more than
    /// `last_seq`: it does not change because somebody asked something.
    pub delivered_seq: u64,
    /// All events up to this sequence number are in the segments.
    pub sealed_seq: u64,
    /// The values of the fields, as far as questions have encountered them.
    pub vocabulary: Arc<Vocabulary>,
}

impl Snapshot {
    /// Returns the events that are not in a segment yet.
    pub fn buffered(&self) -> impl Iterator<Item = &Arc<Buffered>> {
        self.sealing.iter().chain(&self.fresh)
    }

    pub(super) fn sources(&self) -> impl Iterator<Item = RowSource<'_>> {
        let segments = self.segments.iter().map(|segment| RowSource::Segment(segment));
        segments.chain(self.buffered().map(|buffered| RowSource::Buffer(buffered)))
    }
}
