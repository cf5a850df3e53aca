//! What a question sees: the segments of one version of the table, and the buffer beside them.

use super::dictionary::vocabulary::Vocabulary;
use super::source::RowSource;
use crate::ingest::Buffered;
use crate::storage::segment::Segment;
use std::sync::Arc;

/// The segments of one table version, and the events that were accepted after it. A question sees
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
    /// The number of the last event that this shows.
    pub last_seq: u64,
    /// Everything up to this number is in the segments.
    pub sealed_seq: u64,
    /// The values of the fields, as far as questions have come across them.
    pub vocabulary: Arc<Vocabulary>,
}

impl Snapshot {
    /// The events that are in no segment.
    pub fn buffered(&self) -> impl Iterator<Item = &Arc<Buffered>> {
        self.sealing.iter().chain(&self.fresh)
    }

    pub(super) fn sources(&self) -> impl Iterator<Item = RowSource<'_>> {
        let segments = self.segments.iter().map(|segment| RowSource::Segment(segment));
        segments.chain(self.buffered().map(|buffered| RowSource::Buffer(buffered)))
    }
}
