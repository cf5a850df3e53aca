//! What is left of a segment when events of some tenants are deleted. Its columns are filtered a
//! few thousand rows at a time, as a merge reads them; only rows that a hold may cover are turned
//! into events, one by one.

use super::merge::{Fingerprint, Fingerprinter};
use crate::error::{Context, ErrorKind, Result};
use crate::event::{Columns, Event, Field, sorted_batches};
use crate::storage::segment::{BATCH_ROWS, Segment, SegmentFiles, SegmentOptions, write_batches};
use arrow::array::{BooleanArray, RecordBatch};
use arrow::compute::filter_record_batch;
use std::collections::{BTreeMap, HashSet};
use std::ops::Range;

/// The number of rows that are read at a time.
const PART_ROWS: u32 = 16_384;

/// The rows of a segment, separated into those that stay and those that are deleted.
#[derive(Debug, Default)]
pub struct SplitEvents {
    /// The rows that stay, with all columns; empty if they were only to be counted.
    pub left: Vec<RecordBatch>,
    /// Rows that are deleted, by tenant.
    pub deleted: BTreeMap<String, u64>,
    /// Rows of expired tenants that are held.
    pub held: u64,
}

/// Separates the rows of a segment that are deleted (those of `expired` tenants that are not
/// `held`) from those that stay. The latter are returned only if `kept` is set. `may_hold` returns
/// whether any event of a tenant can be held.
///
/// # Errors
/// If a file is missing or damaged.
pub fn part(
    segment: &Segment,
    expired: &HashSet<&str>,
    may_hold: impl Fn(&str) -> bool,
    held: impl Fn(&Event) -> bool,
    kept: bool,
) -> Result<SplitEvents> {
    let mut parted = SplitEvents::default();
    for tenant in &segment.manifest().tenants {
        let name = tenant.tenant.as_ref();
        let (is_expired, may_hold) = (expired.contains(name), may_hold(name));
        // No hold can cover this tenant: its rows are deleted without reading them.
        if is_expired && !may_hold {
            *parted.deleted.entry(name.to_owned()).or_default() += u64::from(tenant.rows);
        } else if is_expired || kept {
            for rows in parts_of(&tenant.range()) {
                for batch in segment.read_batches(rows)? {
                    let stays = if is_expired { parted.judge(name, &batch, &held)? } else { batch };
                    if kept && stays.num_rows() > 0 {
                        parted.left.push(stays);
                    }
                }
            }
        }
    }
    Ok(parted)
}

impl SplitEvents {
    /// Returns the rows of a batch of one tenant that are held; the others are counted as deleted.
    fn judge(
        &mut self,
        tenant: &str,
        batch: &RecordBatch,
        held: impl Fn(&Event) -> bool,
    ) -> Result<RecordBatch> {
        let columns = Columns::new(batch)?;
        let stays: BooleanArray =
            (0..columns.rows()).map(|row| Some(held(&columns.event(row)))).collect();
        let (count, rows) = (stays.true_count() as u64, batch.num_rows() as u64);
        self.held += count;
        if count < rows {
            *self.deleted.entry(tenant.to_owned()).or_default() += rows - count;
        }
        filter_record_batch(batch, &stays)
            .context(ErrorKind::Internal, || "rows cannot be filtered".to_owned())
    }
}

/// Writes a segment of the rows that stay, and returns it with the fingerprint of its events.
///
/// # Errors
/// None that input can cause.
pub fn write_left(
    id: &str,
    date: &str,
    form: SegmentOptions,
    left: &[RecordBatch],
    fingerprinter: &Fingerprinter,
) -> Result<(SegmentFiles, Fingerprint)> {
    let fingerprint = fingerprinter.of_batches(left)?;
    // Filtered dictionaries still name values that no row has any more: sorting numbers the values
    // again.
    let bytes: usize = left
        .iter()
        .map(|batch| batch.column(Field::Original as usize).get_array_memory_size())
        .sum();
    let sorted = sorted_batches(left, if bytes < 1 << 30 { BATCH_ROWS } else { BATCH_ROWS / 16 })?;
    Ok((write_batches(id, date, form, &sorted)?, fingerprint))
}

/// Divides rows into ranges that are read one at a time.
fn parts_of(rows: &Range<u32>) -> impl Iterator<Item = Range<u32>> {
    let (start, end) = (rows.start, rows.end);
    (0..(end - start).div_ceil(PART_ROWS))
        .map(move |part| start + part * PART_ROWS..end.min(start + (part + 1) * PART_ROWS))
}
