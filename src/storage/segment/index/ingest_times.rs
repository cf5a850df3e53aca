//! When the events of a segment were accepted. Sequence numbers are assigned in the order of
//! acceptance, so the time of a number is that of the last change at or before it: one entry per
//! batch, not per event.

use crate::error::{Error, Result};
use crate::event::Timestamp;
use crate::storage::segment::file::bitpacked::{PackedNumbers, write_packed};
use tantivy::directory::FileSlice;

/// Writes a table of (sequence number, ingest time), given in any order.
pub(in crate::storage::segment) fn write_accepted(mut accepted: Vec<(u64, i64)>) -> Vec<u8> {
    accepted.sort_unstable();
    accepted.dedup_by(|next, before| next.1 == before.1);
    let mut bytes = Vec::new();
    write_packed(&accepted.iter().map(|(seq, _)| *seq as i64).collect::<Vec<_>>(), &mut bytes);
    write_packed(&accepted.iter().map(|(_, time)| *time).collect::<Vec<_>>(), &mut bytes);
    bytes
}

/// A table of ingest times in a mapped file.
#[derive(Debug)]
pub(in crate::storage::segment) struct IngestTimes {
    seqs: PackedNumbers,
    times: PackedNumbers,
}

impl IngestTimes {
    pub(in crate::storage::segment) fn open(file: &FileSlice) -> Result<Self> {
        let damaged = || {
            Error::corrupt(
                "the table of ingest times is damaged; `annals check --rebuild-index` rebuilds it",
            )
        };
        let bytes = file.read_bytes().map_err(|cause| damaged().because(cause))?;
        let (seqs, rest) = PackedNumbers::split(bytes)?;
        let (times, rest) = PackedNumbers::split(rest)?;
        if seqs.len() == 0 || seqs.len() != times.len() || !rest.is_empty() {
            return Err(damaged());
        }
        Ok(Self { seqs, times })
    }

    /// Returns when the event with this sequence number was accepted.
    pub(in crate::storage::segment) fn time(&self, seq: u64) -> Timestamp {
        let index = self.seqs.partition_point(|first| first as u64 <= seq);
        Timestamp::from_millis(self.times.get(index.saturating_sub(1)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_has_the_time_of_its_batch() {
        // The clock may go back.
        let bytes = write_accepted(vec![(9, 50), (3, 100), (4, 100), (7, 90), (8, 90), (12, 100)]);
        let table = IngestTimes::open(&FileSlice::from(bytes)).expect("our own table");
        let time = |seq| table.time(seq).millis();
        assert_eq!([3, 4, 7, 8, 9, 12].map(time), [100, 100, 90, 90, 50, 100]);
        assert_eq!(table.seqs.len(), 4);
    }
}
