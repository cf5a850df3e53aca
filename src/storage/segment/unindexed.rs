//! What a segment answers from its columns while its index is damaged or of an earlier version.

use crate::error::{Error, Result};
use crate::event::{Field, Timestamp};
use crate::storage::segment::index::row_keys::LoadedKeys;
use crate::storage::segment::reader::Segment;
use std::collections::HashSet;
use std::ops::Range;

/// Number of rows that are read at a time.
const PART_ROWS: u32 = 65_536;

impl Segment {
    /// Reads the keys of all rows; returns them with the memory that they take.
    pub(super) fn load_keys(&self) -> Result<(LoadedKeys, u64)> {
        let rows = self.manifest().rows;
        let mut keys = LoadedKeys {
            times: Vec::with_capacity(rows as usize),
            seqs: Vec::with_capacity(rows as usize),
        };
        for part in 0..rows.div_ceil(PART_ROWS) {
            let part = part * PART_ROWS..rows.min((part + 1) * PART_ROWS);
            self.visit_range(part, &[Field::Time, Field::Seq], |columns| {
                for row in 0..columns.rows() {
                    let (Some(time), Some(seq)) =
                        (columns.time(Field::Time, row), columns.seq(row))
                    else {
                        return Err(Error::corrupt(format!(
                            "a row of {} has no time or no number",
                            self.data_path().display()
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
                self.data_path().display(),
                keys.times.len()
            )));
        }
        Ok((keys, u64::from(rows) * 16))
    }

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
                for index in 0..columns.rows() {
                    if let (Some(id), Some(time)) =
                        (columns.text(Field::TraceId, index), columns.time(Field::Time, index))
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
