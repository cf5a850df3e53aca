//! Merging several segments of one date into one that holds the same events, which is verified
//! before anything is replaced.

use super::cut::SegmentPiece;
use crate::error::{Error, Result};
use crate::event::{
    Amount, Columns, Event, FIELDS, Field, FieldKind, Timestamp, event_batch, sorted_batches,
};
use crate::storage::segment::{
    BATCH_ROWS, Segment, SegmentFiles, SegmentOptions, SummaryRule, write_batches,
};
use arrow::array::RecordBatch;
use hashbrown::DefaultHashBuilder;
use rayon::prelude::*;
use std::hash::{BuildHasher, Hash, Hasher};
use std::ops::Range;
use std::sync::Arc;

/// The number of rows that are read and hashed at a time.
const PART_ROWS: u32 = 16_384;

/// Makes one segment from a piece of several segments; returns `None` if the piece has no events.
/// The segments must have the same date and the same version of decoders.
///
/// # Errors
/// If a segment cannot be read.
pub fn merge(
    id: &str,
    segments: &[Arc<Segment>],
    piece: &SegmentPiece,
    summary: SummaryRule,
    fingerprinter: &Fingerprinter,
) -> Result<Option<(SegmentFiles, Fingerprint)>> {
    let first = segments.first().ok_or_else(|| Error::internal("nothing to merge"))?.manifest();
    let parts = segments.par_iter().map(|segment| segment.read_batches(piece.rows_of(segment)?));
    let batches = parts.collect::<Result<Vec<_>>>()?.concat();
    let fingerprint = fingerprinter.of_batches(&batches)?;
    if fingerprint.rows == 0 {
        return Ok(None);
    }
    // The texts of a batch must stay below 2 GiB; a record has at most a MiB.
    let bytes: usize = batches
        .iter()
        .map(|batch| batch.column(Field::Original as usize).get_array_memory_size())
        .sum();
    let sorted =
        sorted_batches(&batches, if bytes < 1 << 30 { BATCH_ROWS } else { BATCH_ROWS / 16 })?;
    drop(batches);
    let files = write_batches(
        id,
        &first.date,
        SegmentOptions { decoders: first.decoders, summary },
        &sorted,
    )?;
    Ok(Some((files, fingerprint)))
}

/// Identifies a set of events, whatever their order: how many there are, and the sum of the hashes
/// of all their values.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Fingerprint {
    rows: u64,
    sum: u128,
}

impl Fingerprint {
    fn and(self, other: Self) -> Self {
        Self { rows: self.rows + other.rows, sum: self.sum.wrapping_add(other.sum) }
    }

    /// Returns the number of events.
    pub fn rows(self) -> u64 {
        self.rows
    }
}

/// Makes fingerprints. Its two seeds are drawn at random, so only fingerprints of the same one can
/// be compared, and nobody can prepare events that collide.
#[derive(Debug, Clone, Default)]
pub struct Fingerprinter([DefaultHashBuilder; 2]);

impl Fingerprinter {
    /// Returns the fingerprint of events.
    ///
    /// # Errors
    /// None that input can cause.
    pub fn of(&self, events: &[Event]) -> Result<Fingerprint> {
        let parts = events
            .par_chunks(PART_ROWS as usize)
            .map(|events| self.of_batches(&[event_batch(events)?]));
        parts.try_reduce(Fingerprint::default, |left, right| Ok(left.and(right)))
    }

    /// Returns the fingerprint of the events of some batches, which must have all columns.
    ///
    /// # Errors
    /// If a batch lacks a column.
    pub fn of_batches(&self, batches: &[RecordBatch]) -> Result<Fingerprint> {
        let parts = batches.par_iter().map(|batch| Ok(self.of_columns(&Columns::new(batch)?)));
        parts.try_reduce(Fingerprint::default, |left, right| Ok(left.and(right)))
    }

    /// Returns the fingerprint of the events in a segment's file.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub fn of_segment(&self, segment: &Segment) -> Result<Fingerprint> {
        let parts = parts_of(segment).map(|rows| self.of_batches(&segment.read_batches(rows)?));
        parts.try_reduce(Fingerprint::default, |left, right| Ok(left.and(right)))
    }

    fn of_columns(&self, columns: &Columns) -> Fingerprint {
        let add = |sum: u128, row| sum.wrapping_add(self.hash(columns, row));
        let sum = (0..columns.rows()).fold(0, add);
        Fingerprint { rows: columns.rows() as u64, sum }
    }

    /// Returns the hash of all values of a row.
    fn hash(&self, columns: &Columns, row: usize) -> u128 {
        let [high, low] = [0, 1].map(|seed| u128::from(hash(&self.0[seed], columns, row)));
        (high << 64) | low
    }
}

/// Divides the rows of a segment into ranges that are read in parallel.
fn parts_of(segment: &Segment) -> impl IndexedParallelIterator<Item = Range<u32>> {
    let rows = segment.manifest().rows;
    (0..rows.div_ceil(PART_ROWS))
        .into_par_iter()
        .map(move |part| part * PART_ROWS..rows.min((part + 1) * PART_ROWS))
}

/// Returns the hash of all values of a row with one seed.
fn hash(seed: &DefaultHashBuilder, columns: &Columns, row: usize) -> u64 {
    let mut hasher = seed.build_hasher();
    for def in FIELDS {
        match def.kind {
            FieldKind::Text | FieldKind::Enum(_) => columns.text(def.field, row).hash(&mut hasher),
            FieldKind::Bool => columns.flag(def.field, row).hash(&mut hasher),
            FieldKind::Time => {
                columns.time(def.field, row).map(Timestamp::millis).hash(&mut hasher)
            }
            FieldKind::Integer => columns.seq(row).hash(&mut hasher),
            FieldKind::Decimal => columns.amount(row).map(Amount::units).hash(&mut hasher),
            FieldKind::List => {
                columns.each_in_list(def.field, row, |item| item.hash(&mut hasher));
                "end".hash(&mut hasher);
            }
        }
    }
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn events() -> Vec<Event> {
        let event = |seq: u64| {
            let related_ids = vec!["quota:1".into(), format!("customer:{seq}").into()];
            let mut event = Event::default();
            (event.tenant, event.seq, event.related_ids, event.original) =
                ("acme".into(), seq, related_ids, "{}".into());
            (event.read_only, event.record_time, event.amount) =
                (Some(true), Some(Timestamp::from_millis(7)), Amount::parse("5").ok());
            for field in Field::texts() {
                event.set(field, format!("{field} of {seq}"));
            }
            event
        };
        (0..50).map(event).collect()
    }

    #[test]
    fn a_fingerprint_does_not_know_the_order_and_knows_every_value() {
        let prints = Fingerprinter::default();
        let whole = prints.of(&events()).expect("events");
        let mut turned = events();
        turned.reverse();
        assert_eq!(prints.of(&turned).expect("events"), whole);
        let halves = [&turned[..20], &turned[20..]].map(|half| prints.of(half).expect("events"));
        assert_eq!(halves[0].and(halves[1]), whole);
        let changes: [&dyn Fn(&mut Event); 8] = [
            &|event| event.seq = 99,
            &|event| event.tenant = "acm".into(),
            &|event| event.original = "{ }".into(),
            &|event| event.read_only = None,
            &|event| event.time_suspect = true,
            &|event| event.amount = None,
            &|event| event.related_ids = vec!["quota:1customer:".into(), "7".into()],
            &|event| event.record_time = None,
        ];
        for (number, change) in changes.into_iter().enumerate() {
            let mut changed = events();
            change(&mut changed[7]);
            assert_ne!(prints.of(&changed).expect("events"), whole, "change {number}");
        }
        for field in Field::texts() {
            let mut changed = events();
            let (of_3, of_4) = (
                changed[3].text(field).map(str::to_owned),
                changed[4].text(field).map(str::to_owned),
            );
            changed[3].set_opt(field, of_4.as_deref());
            changed[4].set_opt(field, of_3.as_deref());
            assert_ne!(
                prints.of(&changed).expect("events"),
                whole,
                "{field} of two events exchanged"
            );
        }
    }
}
