//! The time and sequence number of each row: from the index or, if that is damaged, from the
//! Parquet file.

use crate::event::{EventKey, Timestamp};
use crate::storage::segment::index::reader::IndexReader;
use std::ops::Range;
use std::sync::Arc;

/// The keys of the rows of a segment, which order them in their tenants' lists.
#[derive(Debug, Clone)]
pub enum RowKeys {
    /// From the index.
    Index(Arc<IndexReader>),
    /// As read from the Parquet file.
    Columns(Arc<LoadedKeys>),
}

/// The times and sequence numbers of all rows, in memory.
#[derive(Debug, Default)]
pub struct LoadedKeys {
    pub(in crate::storage::segment) times: Vec<Timestamp>,
    pub(in crate::storage::segment) seqs: Vec<u64>,
}

impl RowKeys {
    /// Returns the key of a row, which orders it in its tenant's list.
    pub fn key(&self, row: u32) -> EventKey {
        match self {
            Self::Index(index) => index.key(row),
            Self::Columns(keys) => {
                EventKey { time: keys.times[row as usize], seq: keys.seqs[row as usize] }
            }
        }
    }

    /// Returns the time of a row.
    pub fn time(&self, row: u32) -> Timestamp {
        match self {
            Self::Index(index) => index.time(row),
            Self::Columns(keys) => keys.times[row as usize],
        }
    }

    /// Returns the first row of `range` (rows of one tenant) that comes after `key` in the list,
    /// with `key` itself included or not.
    pub fn seek(&self, range: &Range<u32>, key: EventKey, inclusive: bool) -> u32 {
        let (mut low, mut high) = (range.start, range.end);
        while low < high {
            let middle = u32::midpoint(low, high);
            let here = self.key(middle);
            // Rows descend: those with a greater key come before it.
            if here > key || (!inclusive && here == key) { low = middle + 1 } else { high = middle }
        }
        low
    }
}
