//! The time and sequence number of each row: from the index or, if that is damaged, from the
//! Parquet file.

use crate::error::{Error, Result};
use crate::event::{EventKey, Field, Timestamp};
use crate::storage::segment::index::reader::IndexReader;
use crate::storage::segment::reader::Segment;
use std::collections::HashSet;
use std::ops::Range;
use std::sync::Arc;

/// Number of rows that are read at a time.
const PART_ROWS: u32 = 65_536;

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
    times: Vec<Timestamp>,
    seqs: Vec<u64>,
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

impl Segment {
    /// Returns those of `rows` whose trace id is one of these, with their times, by reading the
    /// columns. This is used if the index is damaged.
    ///
    /// # Errors
    /// A file that is missing or damaged.
    pub fn rows_with_trace_ids(
        &self,
        rows: Range<u32>,
        ids: &HashSet<&str>,
    ) -> Result<Vec<(u32, Timestamp, Box<str>)>> {
        let mut found = Vec::new();
        let mut start = rows.start;
        while start < rows.end {
            let end = rows.end.min(start.saturating_add(PART_ROWS));
            let mut row = start;
            self.visit_range(start..end, &[Field::Time, Field::TraceId], |columns| {
                for place in 0..columns.rows() {
                    if let (Some(id), Some(time)) =
                        (columns.text(Field::TraceId, place), columns.time(Field::Time, place))
                        && ids.contains(id)
                    {
                        found.push((row, time, id.into()));
                    }
                    row += 1;
                }
                Ok(())
            })?;
            start = end;
        }
        Ok(found)
    }
}

impl LoadedKeys {
    /// Reads the keys; returns them with the memory that they take.
    pub(in crate::storage::segment) fn read(segment: &Segment) -> Result<(Self, u64)> {
        let rows = segment.manifest().rows;
        let mut keys = Self {
            times: Vec::with_capacity(rows as usize),
            seqs: Vec::with_capacity(rows as usize),
        };
        for part in 0..rows.div_ceil(PART_ROWS) {
            let part = part * PART_ROWS..rows.min((part + 1) * PART_ROWS);
            segment.visit_range(part, &[Field::Time, Field::Seq], |columns| {
                for row in 0..columns.rows() {
                    let (Some(time), Some(seq)) =
                        (columns.time(Field::Time, row), columns.seq(row))
                    else {
                        return Err(Error::corrupt(format!(
                            "a row of {} has no time or no number",
                            segment.data_path().display()
                        )));
                    };
                    keys.times.push(time);
                    keys.seqs.push(seq);
                }
                Ok(())
            })?;
        }
        if keys.times.len() != rows as usize {
            return Err(Error::corrupt(format!(
                "{} has {} of {rows} rows",
                segment.data_path().display(),
                keys.times.len()
            )));
        }
        Ok((keys, u64::from(rows) * 16))
    }
}
